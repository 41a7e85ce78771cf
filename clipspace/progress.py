"""What long work says while it runs: what it is doing, how far it is, and how long it will take.

Nothing is said unless it is asked for: library calls are silent, the command line asks, and so may a program:

    with progress.shown():
        clipspace.umap_map(points)

Work names itself with `task`, or `track` in a loop, and counts what is done. Work within work is said together:
``analyse retention: decoding 120 of 400 images, 35 s left``. What runs on threads of its own says nothing.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TextIO, TypeVar

FIRST_SECONDS = 2.0
"""Time after which something is said for the first time."""
LINE_SECONDS = 10.0
"""Time between two lines where they cannot be rewritten, as in a file."""
_REDRAW_SECONDS = 0.2
"""Time between two looks at what is to be said."""
_ERASE = "\r\x1b[K"
Thing = TypeVar("Thing")


@dataclass(eq=False)
class Task:
    """A piece of work under way: calling it with a number says that so many more are done."""

    doing: str
    total: float | None
    unit: str
    first: float
    clock: Callable[[], float]
    done: float = 0.0
    left: float | None = None
    """Seconds left, where the one who counts knows better than the rate so far."""

    def __post_init__(self) -> None:
        self.done, self.begun, self.counted = self.first, self.clock(), self.clock()

    def __call__(self, n: float = 1) -> None:
        self.done, self.counted = self.done + n, self.clock()

    def at(self, done: float) -> None:
        """Say how many are done in all."""
        self(done - self.done)

    def seconds_left(self) -> float | None:
        """As the rate so far tells; None before anything is done."""
        now = self.clock()
        if self.left is not None:
            return max(self.left - (now - self.counted), 0.0)
        if self.total is None or self.done <= self.first:
            return None
        rate = (self.counted - self.begun) / (self.done - self.first)
        return max((self.total - self.done) * rate - (now - self.counted), 0.0)

    def __str__(self) -> str:
        words = [self.doing]
        if self.total is not None:
            words += [f"{int(self.done + 1e-6):,} of {int(self.total):,}", *([self.unit] if self.unit else [])]
        left = self.seconds_left()
        return " ".join(words) + ("" if left is None else f", {duration(left)} left")


class _Shown:
    """The line of what is under way, on a stream: rewritten on a terminal, else a new one now and then."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self.stream, self.clock, self.tasks = stream, clock, []
        self.is_terminal = stream.isatty()
        self.lock, self.begun, self.said, self.is_drawn = threading.RLock(), clock(), None, False

    def text(self) -> str:
        """What all tasks say, the outermost first; the time so far where none can be counted."""
        tasks = list(self.tasks)
        if all(task.total is None and task.left is None for task in tasks):
            return f"{': '.join(map(str, tasks))}, {duration(self.clock() - self.begun)} so far"
        return ": ".join(map(str, tasks))

    def tick(self) -> None:
        """Say it, if it is time to."""
        with self.lock:
            now = self.clock()
            if not self.tasks or now - self.begun < FIRST_SECONDS:
                return
            if self.is_terminal:
                width = shutil.get_terminal_size().columns - 1
                self._write(_ERASE + self.text()[:width])
                self.is_drawn = True
            elif self.said is None or now - self.said >= LINE_SECONDS:
                self._write(self.text() + "\n")
                self.said = now

    def erase(self) -> None:
        if self.is_drawn:
            self._write(_ERASE)
            self.is_drawn = False

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):  # a reader that went away ends no work
            self.tasks.clear()


_SHOWN: ContextVar[_Shown | None] = ContextVar("clipspace.progress", default=None)


@contextmanager
def shown(
    doing: str = "", *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[None]:
    """Within the block, work that takes more than two seconds says how far it is, on ``stream`` (standard error).

    On a terminal one line is rewritten; elsewhere a line is written about every ten seconds. ``doing`` names the whole.
    Where a program was started without a standard error, nothing is said.
    """
    stream = sys.stderr if stream is None else stream
    if stream is None:
        yield
        return
    line = _Shown(stream, clock)
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(_REDRAW_SECONDS):
            line.tick()

    ticker = threading.Thread(target=tick, name="clipspace progress", daemon=True)
    token = _SHOWN.set(line)
    ticker.start()
    try:
        with task(doing) if doing else nullcontext():
            yield
    finally:
        _SHOWN.reset(token)
        ended.set()
        ticker.join()
        line.erase()


@contextmanager
def task(doing: str, total: float | None = None, unit: str = "", *, done: float = 0) -> Iterator[Task]:
    """Work on ``total`` things, of which ``done`` are done already; calling what it gives counts more of them.

    ``total`` is None where it is not known; then the time so far is said. ``unit`` names the things.
    """
    line = _SHOWN.get()
    this = Task(doing, total, unit, done, time.monotonic if line is None else line.clock)
    if line is not None:
        line.tasks.append(this)
    try:
        yield this
    finally:
        if line is not None and this in line.tasks:
            line.tasks.remove(this)


def track(things: Iterable[Thing], doing: str, unit: str = "", *, total: int | None = None) -> Iterator[Thing]:
    """``things`` one by one, counted as they are asked for; ``total`` where they have no length."""
    total = len(things) if total is None and hasattr(things, "__len__") else total
    with task(doing, total, unit) as count:
        for thing in things:
            yield thing
            count()


def is_shown() -> bool:
    return _SHOWN.get() is not None


def say(text: str) -> None:
    """A line that stays, where progress is shown; nothing elsewhere."""
    line = _SHOWN.get()
    if line is not None:
        with line.lock:
            line.erase()
            line._write(text + "\n")
            line.said = line.clock()


@contextmanager
def hidden() -> Iterator[None]:
    """Within the block nothing is said, and a terminal is clear for what is written there."""
    line = _SHOWN.get()
    if line is None:
        yield
        return
    with line.lock:
        line.erase()
        yield


def duration(seconds: float) -> str:
    """A time in words.

    >>> [duration(s) for s in (0.4, 35.2, 60, 95, 250, 3700)]
    ['1 s', '36 s', '60 s', '95 s', '4 min', '1 h 2 min']
    """
    if seconds <= 100:
        return f"{max(-int(-seconds // 1), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
