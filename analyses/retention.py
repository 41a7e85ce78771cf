"""Factors from kept to ignored: `clipspace.analyses.retention` from the command line.

python analyses/retention.py [IMAGES …] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("retention")
