"""What long work says while it runs: how far it is and how long it will take, only where it was asked for."""

import io
import re
import sys
import threading
import time

import numpy as np
import pytest

from clipspace import progress
from clipspace.progress import FIRST_SECONDS, LINE_SECONDS, _Shown


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def line(clock, monkeypatch):
    """A line on a file that speaks only when it is asked to."""
    line = _Shown(io.StringIO(), clock)
    monkeypatch.setattr(progress, "_SHOWN", type("Holder", (), {"get": staticmethod(lambda: line)}))
    return line


def said(line):
    return line.stream.getvalue().splitlines()


def test_a_library_call_is_silent_unless_it_is_asked(capfd):
    with progress.task("working", 3) as count:
        count(2)
    assert list(progress.track([1, 2], "working")) == [1, 2]
    progress.say("something")
    assert capfd.readouterr() == ("", "")


def test_nothing_is_said_of_what_takes_less_than_two_seconds(line, clock):
    with progress.task("working", 10) as count:
        clock.now = FIRST_SECONDS - 0.1
        count(5)
        line.tick()
        assert said(line) == []


def test_done_total_and_time_left_are_those_of_the_rate_so_far(line, clock):
    with progress.task("analyse retention"), progress.task("decoding", 400, "images") as count:
        clock.now = 60.0
        count(120)
        line.tick()
        assert said(line) == ["analyse retention: decoding 120 of 400 images, 2 min left"]  # 280 at 2 a second: 140 s
        clock.now += LINE_SECONDS / 2
        line.tick()
        assert len(said(line)) == 1
        clock.now = 130.0
        line.tick()  # nothing more was counted, and 70 of the 140 s have passed
        assert said(line)[1] == "analyse retention: decoding 120 of 400 images, 70 s left"


def test_what_an_earlier_run_did_counts_as_done_and_not_as_fast(line, clock):
    with progress.task("encoding", 100, "images", done=90) as count:
        clock.now = 10.0
        count(5)
        line.tick()
        assert said(line) == ["encoding 95 of 100 images, 10 s left"]


def test_where_nothing_can_be_counted_the_time_so_far_is_said(line, clock):
    with progress.task("map"), progress.task("loading mini"):
        clock.now = 12.0
        line.tick()
    assert said(line) == ["map: loading mini, 12 s so far"]


def test_a_terminal_has_one_line_that_is_rewritten_and_cleared(monkeypatch):
    terminal, clock = Terminal(), Clock()
    monkeypatch.setattr(progress, "_REDRAW_SECONDS", 60)
    with progress.shown("map", stream=terminal, clock=clock):
        line = progress._SHOWN.get()
        for clock.now in (3.0, 4.0):
            line.tick()
        with progress.hidden():
            terminal.write("answer\n")
    assert terminal.getvalue() == "\r\x1b[Kmap, 3 s so far\r\x1b[Kmap, 4 s so far\r\x1b[Kanswer\n"


def test_a_line_is_never_wider_than_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    line = _Shown(Terminal(), clock := Clock())
    line.tasks.append(progress.Task("x" * 100, None, "", 0, clock))
    clock.now = 5.0
    line.tick()
    assert len(line.stream.getvalue().removeprefix("\r\x1b[K")) == 29


def test_what_fails_is_no_longer_under_way(line):
    with pytest.raises(ZeroDivisionError), progress.task("outer"), progress.task("inner"):
        1 / 0  # noqa: B018
    assert line.tasks == []


def test_nothing_outlives_the_block_that_asked():
    def interrupted():
        with progress.shown("work", stream=io.StringIO()):
            assert progress.is_shown()
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not progress.is_shown()
    assert threading.active_count() == before


def test_a_reader_that_went_away_ends_no_work(clock):
    stream = io.StringIO()
    with progress.shown("work", stream=stream, clock=clock):
        stream.close()
        clock.now = 5.0
        progress._SHOWN.get().tick()
        progress.say("still there")


def test_a_program_without_a_standard_error_works_in_silence(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)  # as Python does where it was closed before
    with progress.shown("work"), progress.task("working", 2) as count:
        count()
        assert not progress.is_shown()


def test_work_on_threads_of_its_own_says_nothing():
    seen = []
    with progress.shown("work", stream=io.StringIO()):
        thread = threading.Thread(target=lambda: seen.append(progress.is_shown()))
        thread.start()
        thread.join()
    assert seen == [False]


def test_a_slow_pass_over_points_says_how_far_it_is(monkeypatch):
    """A planted pause in each block: the line has what is done, what there is, and a time left."""
    from clipspace.points import arrays

    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.02)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.02)
    monkeypatch.setattr(progress, "_REDRAW_SECONDS", 0.01)
    points, stream = arrays.as_points(np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)), io.StringIO()
    with progress.shown("pca", stream=stream):
        for _ in arrays.float32_blocks(points, rows=500):
            time.sleep(0.03)
    lines = stream.getvalue().splitlines()
    counted = [re.fullmatch(r"pca: reading ([\d,]+) of 5,000 rows, \d+ s left", line) for line in lines]
    numbers = [int(match[1].replace(",", "")) for match in counted if match]
    assert len(numbers) >= 3
    assert numbers == sorted(numbers)
