"""Guidance scales (DALL-E 2, figure 9): `clipspace.analyses.guidance` from the command line.

python analyses/guidance.py [IMAGES …] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("guidance")
