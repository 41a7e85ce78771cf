"""Draw the result of ``analyses/pca_reconstruction.py``.

python figures/pca_reconstruction.py results/pca_reconstruction.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("pca_reconstruction")
