"""What exact and DDIM inversion cost and give: `clipspace.analyses.inversion` from the command line.

python analyses/inversion.py [IMAGES …] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("inversion")
