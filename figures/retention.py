"""Draw the result of ``analyses/retention.py``.

python figures/retention.py results/retention.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("retention")
