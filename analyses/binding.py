"""Which attribute belongs to which thing: `clipspace.analyses.binding` from the command line.

python analyses/binding.py -o results
"""

from clipspace.analyses.command import main

if __name__ == "__main__":
    main("binding")
