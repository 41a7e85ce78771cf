"""Draw the result of ``analyses/text_diff.py``.

python figures/text_diff.py results/text_diff.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("text_diff")
