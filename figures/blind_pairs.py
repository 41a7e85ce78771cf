"""Draw the result of ``analyses/blind_pairs.py``.

python figures/blind_pairs.py results/blind_pairs.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("blind_pairs")
