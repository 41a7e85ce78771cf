"""Draw the result of ``analyses/variations.py``.

python figures/variations.py results/variations.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("variations")
