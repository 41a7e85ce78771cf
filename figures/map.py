"""Draw the result of ``analyses/map.py``.

python figures/map.py results/map.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("map")
