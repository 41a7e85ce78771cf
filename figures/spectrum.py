"""Draw the result of ``analyses/spectrum.py``.

python figures/spectrum.py results/spectrum.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("spectrum")
