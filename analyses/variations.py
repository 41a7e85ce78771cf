"""Variations of pictures (DALL-E 2, figure 3): `clipspace.analyses.variations` from the command line.

python analyses/variations.py [IMAGES …] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("variations")
