"""Every command that can take long says how far it is: what is done, of how many, and how long it will take."""

import re

import numpy as np
import pytest
from command_line import run

from clipspace import progress


@pytest.fixture
def talkative(monkeypatch):
    """Whatever is counted is said at once, as if each count had taken ten seconds."""
    count = progress.Task.__call__

    def counted(task, n=1):
        count(task, n)
        line = progress._SHOWN.get()
        if line is not None:
            line.tick()

    monkeypatch.setattr(progress.Task, "__call__", counted)
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)


@pytest.fixture
def here(tmp_path, monkeypatch, apple, house, loaded_once, talkative):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for i in range(3):
        apple.save(f"photos/apple{i}.png")
        house.save(f"photos/house{i}.png")
    np.save("own.npy", np.random.default_rng(0).normal(size=(120, 8)).astype(np.float32))
    return tmp_path


COMMANDS = {
    "encode photos -o store --device cpu": r"encode: encoding \d of 6 images",
    "pca own.npy -o pca.safetensors": r"pca: summing 120 of 120 rows",
    "index own.npy -o index": r"index: adding 120 of 120 rows",
    "map own.npy -o map.parquet": r"map: laying out, epoch \d+ of [\d,]+",
    "duplicates own.npy": r"duplicates: .*120 of 120 rows",
    "probe compare own.npy own.npy --permutations 9": r"probe compare: comparing random order \d of 9",
    "vary photos/apple0.png -n 1 -o v.png --steps 4 --device cpu --decoder DECODER": r"vary: decoding \d of \d images",
    "invert photos/apple0.png -o i.png --steps 5 --device cpu --decoder DECODER": r"invert: inverting \d of 1 images",
}


SLOW = [command for command in COMMANDS if command.startswith("map")]  # which loads umap-learn


@pytest.mark.parametrize("command", [pytest.param(one, marks=[pytest.mark.slow] * (one in SLOW)) for one in COMMANDS])
def test_a_long_command_says_how_far_it_is(here, command, quick_decoder, capsys):
    words = command.replace("DECODER", str(quick_decoder)).split()
    assert run(*words, quiet=False) == 0, capsys.readouterr().err
    lines = capsys.readouterr().err.splitlines()
    said = [line for line in lines if re.match(COMMANDS[command] + r", \d+ (s|min) left", line)]
    assert said, lines


def test_a_quiet_command_says_nothing(here, capsys):
    assert run("pca", "own.npy", "-o", "pca.safetensors") == 0
    assert capsys.readouterr().err == ""
