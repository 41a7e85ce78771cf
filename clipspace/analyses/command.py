"""The command line that every script in ``analyses/`` has: its options are those of the analysis."""

from __future__ import annotations

import argparse
import inspect
import tempfile
from pathlib import Path

from clipspace.analyses import analysis
from clipspace.analyses.asking import MOST_IMAGES, ask, bring, missing
from clipspace.errors import ClipspaceError, InputError
from clipspace.space import load_space

_GIVEN = {
    "images": "images or folders of yours; rendered scenes when none",
    "texts": "captions of yours; those of rendered scenes when none",
}


def main(name: str, arguments: list[str] | None = None) -> Path:
    """Run the analysis ``name`` on the space and options of a command line, print what is seen, and save it.

    Every keyword of its ``run`` with a plain default, or a tuple of them (an empty one is of texts), is an option;
    errors end the program with one line.
    """
    run = analysis(name).run
    parser = argparse.ArgumentParser(
        description=analysis(name).__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parameters = inspect.signature(run).parameters
    given = [key for key in _GIVEN if key in parameters]
    takes_sets = analysis(name).TAKES != ("scenes",)
    for key in given:
        parser.add_argument(key, nargs="*", help=_GIVEN[key])
    if takes_sets:
        parser.add_argument("--store", help="a store, whose points are measured and whose images are shown")
        parser.add_argument("--source", help="what the store was encoded from, to read its images")
    parser.add_argument("--space", default="mini", help="which space; see `clipspace spaces`")
    parser.add_argument("--decoder", help="another decoder than the space's own")
    parser.add_argument("--device", help="cpu, cuda, …; a GPU when there is one")
    parser.add_argument("-o", "--output", type=Path, default=Path("results"), help="folder of the result")
    for option in parameters.values():
        flag, usual = "--" + option.name.replace("_", "-"), option.default
        if option.kind is option.KEYWORD_ONLY and isinstance(usual, (int, float, str)):
            parser.add_argument(flag, dest=option.name, type=type(usual), default=usual)
        elif option.kind is option.KEYWORD_ONLY and isinstance(usual, tuple):
            parser.add_argument(flag, dest=option.name, nargs="+", type=type(usual[0]) if usual else str, default=usual)
    options = vars(parser.parse_args(arguments))
    where = {key: options.pop(key) for key in ("decoder", "device")}
    named, output = options.pop("space"), options.pop("output")
    images, store, source = (options.pop(key, None) for key in ("images", "store", "source"))
    if "texts" in given:
        options["texts"] = options["texts"] or None
    try:
        with tempfile.TemporaryDirectory() as spool:
            rows = options["n"] if hasattr(analysis(name), "ROWS") else MOST_IMAGES if images else None
            brought = bring(images or None, store, source, Path(spool), rows=rows, seed=options["seed"])
            if not options.get("texts") and (reason := missing(name, brought)):
                raise InputError(f"{name} cannot be computed on what is given: {reason}")
            space = load_space(named, **where)
            brought.check(space)
            result = ask(name, space, brought, **options)
        path = result.save(output)
    except ClipspaceError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    print("\n".join([result.provenance.data, *result.findings, f"wrote {path}"]))
    return path
