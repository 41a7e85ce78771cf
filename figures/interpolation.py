"""Draw the result of ``analyses/interpolation.py``.

python figures/interpolation.py results/interpolation.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("interpolation")
