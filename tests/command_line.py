"""Running a command in the process of the test, and what the documentation says of commands."""

import re
import shlex

from clipspace import cli


def run(*arguments: str, quiet: bool = True) -> int:
    """The exit code of a command, which says nothing of its progress: how much it would say depends on the machine."""
    try:
        cli.main([*arguments, *(["--quiet"] if quiet else [])])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def shown_commands(page: str) -> list[list[str]]:
    """Every line of the shell blocks of a Markdown page that calls clipspace, in order, without the comments."""
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [line[1:] for line in lines if line[:1] == ["clipspace"]]


def unknown_options(command: list[str], capsys) -> list[str]:
    """The options of a command that its help does not list. Set COLUMNS to a wide screen before."""
    words = 2 if command[0] in ("analyse", "probe") else 1
    assert run(*command[:words], "--help") == 0
    shown = capsys.readouterr().out
    return [word for word in command[words:] if word.startswith("-") and f" {word} " not in shown]
