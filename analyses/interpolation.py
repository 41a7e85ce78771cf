"""Interpolation between pictures (DALL-E 2, figure 4): `clipspace.analyses.interpolation` from the command line.

python analyses/interpolation.py [IMAGES …] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("interpolation")
