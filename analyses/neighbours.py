"""Edited embeddings and their nearest neighbours: `clipspace.analyses.neighbours` from the command line.

python analyses/neighbours.py [IMAGES …] [--store STORE --folder FOLDER] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("neighbours")
