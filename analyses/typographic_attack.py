"""Pictures with a printed word (DALL-E 2, figure 6): `clipspace.analyses.typographic_attack` from the command line.

python analyses/typographic_attack.py [IMAGES …] [--words WORD …] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("typographic_attack")
