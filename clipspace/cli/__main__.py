"""``python -m clipspace.cli``."""

from clipspace.cli import main

main()
