"""Draw the result of ``analyses/prior_ablation.py``.

python figures/prior_ablation.py results/prior_ablation.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("prior_ablation")
