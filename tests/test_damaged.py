"""Rows of mixed damage: all are stored or recorded, each for its own reason, also when the run is killed."""

import multiprocessing
import os
import signal
from pathlib import Path

import damaged
import pytest

ROWS = [1_000, pytest.param(10_000, marks=pytest.mark.slow)]
KILLS = 5


def tree(path: Path) -> dict[str, bytes]:
    """Every file below ``path``, with its content."""
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}


def killed(folder: Path, dies_at: int) -> int | None:
    """How a run ended that was killed when it had read so many images."""
    run = multiprocessing.get_context("fork").Process(
        target=damaged.encode_all, args=(folder / "in", folder / "killed", dies_at)
    )
    run.start()
    run.join(120)
    run.kill()
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
    good = sum(row.reason is None for rows, _ in made.values() for row in rows)
    for dies_at in rng.integers(1, good // (KILLS + 1), KILLS):
        assert killed(tmp_path, int(dies_at)) == -signal.SIGKILL
    damaged.encode_all(tmp_path / "in", tmp_path / "killed")
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
