"""One line of a check: what was looked at, the verdict, what was expected, what was found, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import Literal, NamedTuple

from clipspace.errors import ClipspaceError

Verdict = Literal["pass", "doubt", "fail"]


class Line(NamedTuple):
    """``do`` is empty where nothing is to be done."""

    check: str
    verdict: Verdict
    expected: str
    got: str
    do: str = ""


def judged(check: str, value: float, *, doubt: bool, fail: bool, expected: str, got: str, do: str) -> Line:
    """A line whose verdict follows two thresholds; a value that is no number (NaN) fails."""
    verdict: Verdict = "fail" if fail or isnan(value) else "doubt" if doubt else "pass"
    return Line(check, verdict, expected, got, "" if verdict == "pass" else do)


def asked(check: str, question: Callable[[], Line]) -> Line:
    """The line that answers ``question``; where it cannot be asked, a failing line with the error, which says what to do."""
    try:
        return question()
    except ClipspaceError as error:
        return Line(
            check, "fail", "that it runs", " ".join(str(error).split()), "do what the message says, and check again"
        )
