"""The command line: each command is one library call, and says which.

What takes more than two seconds says on standard error how far it is (``--quiet``: nothing; see `clipspace.progress`).
Errors are one line on standard error and exit code 1 (``--debug`` shows the traceback); a wrong call exits 2. Warnings
are one line too, without the line of code that gave them.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import nullcontext
from importlib.metadata import version
from typing import Annotated

import typer

from clipspace import progress
from clipspace.cli import (
    analyses,
    checking,
    erasing,
    exploring,
    exporting,
    manipulations,
    probe,
    probe_images,
    reports,
    store,
    training,
    vectors,
)
from clipspace.errors import ClipspaceError

_STOPPED = 130
"""Exit code of a command that was stopped by Ctrl-C."""
app = typer.Typer(
    name="clipspace",
    help="Study CLIP image embeddings: decode, edit, measure, search and map them. --debug shows the traceback of an error, "
    "--quiet hides the progress.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for commands in (
    reports,
    checking,
    analyses,
    manipulations,
    probe,
    store,
    vectors,
    exploring,
    erasing,
    exporting,
    training,
):
    app.add_typer(commands.app)
probe.app.add_typer(probe_images.app)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"clipspace {version('clipspace')}")
        raise typer.Exit


@app.callback()
def _program(
    asked: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the ``clipspace`` command."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug, quiet, usual = "--debug" in arguments, "--quiet" in arguments, warnings.formatwarning
    arguments = [a for a in arguments if a not in ("--debug", "--quiet")]
    if not debug:
        warnings.formatwarning = _one_line
    try:
        with nullcontext() if quiet else progress.shown(_command_of(arguments)):
            app(args=arguments)
    except (ClipspaceError, OSError) as error:
        if debug:
            raise
        print(f"clipspace: {_message(error)}", file=sys.stderr)
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != _STOPPED:  # which typer makes of Ctrl-C
            raise
        print("clipspace: stopped", file=sys.stderr)
        sys.exit(_STOPPED)
    finally:
        warnings.formatwarning = usual


def _command_of(arguments: list[str]) -> str:
    """The words of the command, such as "map" or "probe ridge"."""
    groups = {group.name for group in (probe.app.info, analyses.questions.info)}
    return " ".join(arguments[: 2 if arguments and arguments[0] in groups else 1])


def _message(error: Exception) -> str:
    """What an error says, in one line; of one from the system (a full disk, a folder that is read-only) with its path."""
    if isinstance(error, ClipspaceError):
        return " ".join(str(error).split())
    where = f"{error.filename!r}: {error.strerror}" if error.filename is not None else " ".join(str(error).split())
    return f"could not read or write {where or type(error).__name__}; --debug shows where"


def _one_line(message: Warning | str, category: type[Warning], *where: object) -> str:
    with progress.hidden():
        return f"{category.__name__}: {message}\n"
