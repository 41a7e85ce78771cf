"""A map of pictures: `clipspace.analyses.map` from the command line.

python analyses/map.py [IMAGES …] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("map")
