"""Draw the result of ``analyses/neighbours.py``.

python figures/neighbours.py results/neighbours.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("neighbours")
