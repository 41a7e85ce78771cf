"""Three ways to tell a decoder a text (DALL-E 2, figure 8): `clipspace.analyses.prior_ablation` from the command line.

python analyses/prior_ablation.py [TEXTS …] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("prior_ablation")
