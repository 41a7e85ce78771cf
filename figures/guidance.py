"""Draw the result of ``analyses/guidance.py``.

python figures/guidance.py results/guidance.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("guidance")
