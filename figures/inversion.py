"""Draw the result of ``analyses/inversion.py``.

python figures/inversion.py results/inversion.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("inversion")
