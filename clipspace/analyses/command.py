"""The command line that every script in ``analyses/`` has: its options are those of the analysis."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path

from clipspace.analyses import analysis
from clipspace.errors import ClipspaceError
from clipspace.space import load_space


def main(name: str, arguments: list[str] | None = None) -> Path:
    """Run the analysis ``name`` on the space and options of a command line, print what is seen, and save it.

    Every keyword of its ``run`` with a plain default is an option; errors end the program with one line.
    """
    run = analysis(name).run
    parser = argparse.ArgumentParser(
        description=analysis(name).__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if "images" in inspect.signature(run).parameters:
        parser.add_argument("images", nargs="*", help="pictures or folders of yours; bundled scenes when none")
    parser.add_argument("--space", default="mini", help="which space; see `clipspace spaces`")
    parser.add_argument("--decoder", help="another decoder than the space's own")
    parser.add_argument("--device", help="cpu, cuda, …; a GPU when there is one")
    parser.add_argument("-o", "--output", type=Path, default=Path("results"), help="folder of the result")
    for option in inspect.signature(run).parameters.values():
        if option.kind is option.KEYWORD_ONLY and isinstance(option.default, (int, float, str)):
            flag = "--" + option.name.replace("_", "-")
            parser.add_argument(flag, dest=option.name, type=type(option.default), default=option.default)
    options = vars(parser.parse_args(arguments))
    where = {key: options.pop(key) for key in ("decoder", "device")}
    named, output = options.pop("space"), options.pop("output")
    if "images" in options:
        options["images"] = options["images"] or None
    try:
        result = run(load_space(named, **where), **options)
        path = result.save(output)
    except ClipspaceError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    print("\n".join([*result.findings, f"wrote {path}"]))
    return path
