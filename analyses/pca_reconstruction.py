"""Pictures from ever more principal components (DALL-E 2, figure 7): `clipspace.analyses.pca_reconstruction` from the command line.

python analyses/pca_reconstruction.py [IMAGES …] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("pca_reconstruction")
