"""Measure the mini space and print the table of its model card.

    python -m clipspace.mini.evaluate                 # everything, as a Markdown table
    python -m clipspace.mini.evaluate --only cycle inversion

Every scene and seed here is one that no training saw (training used seed 0 of `scenes.sample_scenes`).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from clipspace.mini.evaluation import PARTS
from clipspace.mini.evaluation.card import as_markdown, write_card
from clipspace.mini.evaluation.reading import Row
from clipspace.space import load_space

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--work", type=Path, help="measure the folders of a training run instead of the shipped ones")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--card", action="store_true", help="put the table into MODEL_CARD.md beside this file")
    args = parser.parse_args()
    if args.work:
        found = load_space(f"local-dir:{args.work / 'clip'}", decoder=args.work / "decoder", prior=args.work / "prior")
    else:
        found = load_space("mini")
    table: list[Row] = []
    for part in args.only:
        begun = time.monotonic()
        table += PARTS[part](found)
        print(f"{part}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    if args.card:
        write_card(table)
    print(json.dumps(table, ensure_ascii=False, indent=2) if args.json else as_markdown(table))
