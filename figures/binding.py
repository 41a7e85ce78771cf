"""Draw the result of ``analyses/binding.py``.

python figures/binding.py results/binding.json
"""

from clipspace.figures.command import main

if __name__ == "__main__":
    main("binding")
