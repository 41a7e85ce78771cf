"""Text diffs of pictures (DALL-E 2, figure 5): `clipspace.analyses.text_diff` from the command line.

python analyses/text_diff.py [IMAGES …] [--before TEXT] [--after TEXT] -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("text_diff")
