"""How many directions a space uses: `clipspace.analyses.spectrum` from the command line.

python analyses/spectrum.py [IMAGES …] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("spectrum")
