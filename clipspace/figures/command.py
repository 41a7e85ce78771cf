"""The command line that every script in ``figures/`` has."""

from __future__ import annotations

import argparse
from pathlib import Path

from clipspace.errors import ClipspaceError
from clipspace.figures import draw
from clipspace.plot import VENUES, save_figure
from clipspace.results.loading import load_result


def main(name: str, arguments: list[str] | None = None) -> list[Path]:
    """Draw the result of the analysis ``name`` as PDF and PNG, beside its data or where told.

    Its data goes where the figure goes, so that a figure never stands without its numbers and its provenance.
    """
    parser = argparse.ArgumentParser(description=f"Draw what analyses/{name}.py computed, as PDF and PNG.")
    parser.add_argument("result", nargs="?", type=Path, default=Path("results") / f"{name}.json")
    parser.add_argument("-o", "--output", type=Path, help="the figure's path, or a folder; beside its data when none")
    parser.add_argument("--venue", choices=list(VENUES), default="neurips", help="whose text width and fonts")
    options = parser.parse_args(arguments)
    try:
        result = load_result(options.result)
        output = options.output or options.result.with_suffix("")
        output = output / name if output.is_dir() else output
        written = save_figure(draw(result, venue=options.venue), output)
        data = written[0].with_suffix(".json")
        if data.resolve() != options.result.resolve():
            written.append(result.save(data.parent, name=data.stem))
    except ClipspaceError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    print("wrote", *written)
    return written
