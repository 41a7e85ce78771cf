"""How far images and captions lie apart: `clipspace.analyses.modality_gap` from the command line.

python analyses/modality_gap.py -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("modality_gap")
