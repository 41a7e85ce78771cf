"""Pairs that are one to CLIP and not to the eye, and metamers: `clipspace.analyses.blind_pairs` from the command line.

python analyses/blind_pairs.py [IMAGES …] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("blind_pairs")
