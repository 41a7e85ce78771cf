"""Rows of mixed damage: all are stored or recorded, each for its own reason, also when the run is killed."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import damaged
import pytest

ROWS = [1_000, pytest.param(10_000, marks=pytest.mark.slow)]
KILLS = 5


def tree(path: Path) -> dict[str, bytes]:
    """Every file below ``path``, with its content."""
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}


def killed(folder: Path, reached: int, wait: float) -> int | None:
    """How a run ended that was killed so many seconds after so many shards were there."""
    run = multiprocessing.get_context("fork").Process(
        target=damaged.encode_all, args=(folder / "in", folder / "killed")
    )
    run.start()
    while len(list(folder.glob("killed/*/stats/[!.]*"))) < reached and run.is_alive():
        time.sleep(0.001)
    time.sleep(wait)
    run.kill()
    run.join()
    return run.exitcode


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, so that none has to load torch again")
@pytest.mark.parametrize("n", ROWS)
def test_rows_of_mixed_damage_are_stored_or_recorded_though_runs_are_killed(tmp_path, rng, n):
    share = {"folder": n * 4 // 10, "tar": n * 3 // 10, "parquet": n * 3 // 10}
    made = {kind: damaged.MADE[kind](tmp_path / "in" / kind, share[kind]) for kind in share}
    assert sum(len(rows) for rows, _ in made.values()) == n
    done = damaged.encode_all(tmp_path / "in", tmp_path / "whole")
    for kind, (rows, hidden) in made.items():
        assert damaged.problems(tmp_path / "whole" / kind, rows) == []
        assert (done[kind].rows, done[kind].ignored) == (len(rows), hidden)
        assert done[kind].stored == sum(row.reason is None for row in rows)
    shards = len(list(tmp_path.glob("whole/*/stats/*")))
    for reached in sorted(rng.choice(shards - 2, KILLS, replace=False)):
        assert killed(tmp_path, reached, rng.uniform(0, 0.02)) == -signal.SIGKILL
    damaged.encode_all(tmp_path / "in", tmp_path / "killed")
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
