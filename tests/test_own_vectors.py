"""Every program of docs/own-vectors.md runs as it stands, and so do its commands, on the files that it makes."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from command_line import run

PAGE = Path(__file__).parent.parent / "docs" / "own-vectors.md"
TEXT = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
pytestmark = [pytest.mark.skipif(not TEXT, reason="the tests were copied away from the repository"), pytest.mark.slow]
PROGRAMS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the programs were run, the first of which makes a file of each kind."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for program in PROGRAMS:
            exec(compile(program, str(PAGE), "exec"), {"__name__": "recipe"})
        np.save("words.npy", np.random.default_rng(1).normal(size=(3, 128)).astype(np.float32))
        Path("words.txt").write_text("cat\ndog\ncar")
    return folder


def test_the_page_names_every_suffix_that_is_read():
    from clipspace.points.interchange.paths import ARRAYS, TABLES

    for suffix in {*ARRAYS, *TABLES} - {".pq", ".pth", ".feather", ".tsv"}:
        assert suffix in TEXT


@pytest.mark.filterwarnings("ignore::clipspace.errors.SampleWarning")
def test_the_programs_leave_maps_with_their_labels(folder):
    import pandas as pd

    placed = pd.read_parquet(folder / "map.parquet")
    assert set(placed["label"]) == {"cat", "dog", "car"}
    assert placed["name"][3] == "3.jpg"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(folder, monkeypatch, capsys, command):
    if command.split()[1] == "search":
        monkeypatch.chdir(folder)
        run(*shlex.split(next(line for line in COMMANDS if " index " in line))[1:])
    monkeypatch.chdir(folder)
    assert run(*shlex.split(command)[1:]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out
