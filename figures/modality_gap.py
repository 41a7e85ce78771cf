"""Draw the result of ``analyses/modality_gap.py``.

python figures/modality_gap.py results/modality_gap.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("modality_gap")
