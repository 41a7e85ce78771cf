"""Running a command in the process of the test."""

from clipspace import cli


def run(*arguments: str) -> int:
    """The exit code of a command."""
    try:
        cli.main(list(arguments))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
