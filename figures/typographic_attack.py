"""Draw the result of ``analyses/typographic_attack.py``.

python figures/typographic_attack.py results/typographic_attack.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("typographic_attack")
