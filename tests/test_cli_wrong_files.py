"""Every command, given a file of the wrong kind, refuses in one line, without a traceback, before a model is loaded."""

import os
from pathlib import Path

import numpy as np
import pytest
from command_line import run

from clipspace.points.embeddings import Embeddings
from clipspace.points.store import write_store
from clipspace.scenes import Scene, Thing, render
from clipspace.search import build_index

KINDS = ("image.png", "store", "empty", "folder", "nothing.npy", "words.txt", "x.npy", "one.npy", "index", "missing")
WORDS = ("store", "empty", "folder", "index", "missing")
"""Of `KINDS`, what is a text to a command that takes texts, too."""
COMMANDS = {
    "pca {} -o out": ("x.npy", "store"),
    "index {} -o out": ("x.npy", "store"),
    "map {} -o out --method pca": ("x.npy", "store"),
    "search {} --vectors x.npy": ("index",),
    "search index --vectors {}": ("x.npy", "store"),
    "search index --image {}": ("image.png",),
    "store {}": ("store",),
    "merge {} -o out": ("store",),
    "encode {} -o out": ("image.png", "folder", "words.txt", "empty", "index", "x.npy", "one.npy", "nothing.npy"),
    "decode {} -o out.png": (),
    "invert {} -o out": ("image.png",),
    "vary {} -o out.png": ("image.png", *WORDS),
    "interpolate {} image.png -o out.png": ("image.png", *WORDS),
    "text-diff {} a b -o out.png": ("image.png", *WORDS),
    "probe knn {} --labels words.txt -k 1": ("x.npy", "store", "folder"),
    "probe knn x.npy --labels {}": ("words.txt",),
    "probe linear {} --labels words.txt": ("x.npy", "store", "folder"),
    "probe zero-shot x.npy --labels {}": (),
    "probe zero-shot {} --labels words.txt": ("folder", "x.npy"),
    "probe geometry {}": ("x.npy", "store", "folder"),
    "probe concepts {} --texts x.npy": ("x.npy", "store", "folder"),
    "probe concepts x.npy --texts {}": ("x.npy",),
    "metamers {} -o out.png": ("image.png",),
    "probe blind-pairs {}": ("image.png", "folder"),
    "report --store {} --only spectrum -o out": ("store",),
}
"""What each takes; all else it is to refuse."""


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    image = render(Scene("white", (Thing("apple", "red"),)))
    image.save("image.png")
    write_store("store", Embeddings(x))
    build_index(x).save("index")
    for folder in ("empty", "folder"):
        Path(folder).mkdir()
    image.save("folder/apple.png")
    Path("nothing.npy").touch()
    Path("words.txt").write_text("a\nb\na\nb\n")
    np.save("x.npy", x)
    np.save("one.npy", x[0])
    return tmp_path


class LoadedError(Exception):
    """A model was about to be loaded."""


def loaded(*_, **__):
    raise LoadedError


@pytest.fixture
def no_model(monkeypatch):
    monkeypatch.setattr("clipspace.space.load_space", loaded)
    monkeypatch.setattr("clipspace.report.building.load_space", loaded, raising=False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", COMMANDS)
def test_files_of_the_wrong_kind_are_refused_in_one_line(files, no_model, capsys, command):
    before, faults = tree(files), []
    for kind in KINDS:
        if kind in COMMANDS[command]:
            continue
        capsys.readouterr()
        try:
            code = run(*(part.format(kind) for part in command.split()))
        except LoadedError:
            code = "a model was loaded first"
        said = capsys.readouterr()
        lines = [line for line in said.err.splitlines() if "Warning:" not in line]
        if code != 1 or said.out or len(lines) != 1 or not lines[0].startswith("clipspace: ") or len(lines[0]) > 1000:
            faults.append(f"{kind}: {code} {said.out[:80]!r} {said.err[:300]!r}")
        if tree(files) != before:
            faults.append(f"{kind}: left {sorted(set(tree(files)) - set(before))}")
            before = tree(files)
    assert not faults, "\n".join(faults)


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


OUTPUTS = (
    "pca x.npy -o {}",
    "index x.npy -o {}",
    "map x.npy -o {} --method pca",
    "vary image.png -o {}",
    "merge store -o {}",
)


@pytest.mark.parametrize("command", OUTPUTS)
def test_an_output_that_cannot_be_written_is_refused_before_work(files, no_model, capsys, command):
    Path("taken.png").mkdir()
    Path("taken.png/mine").touch()
    for target in ("taken.png", "words.txt/out.png", "none/of/these.png"):
        if command.startswith("merge") and target.startswith("none"):
            continue  # the folder of a store is made
        capsys.readouterr()
        assert run(*(part.format(target) for part in command.split())) == 1
        said = capsys.readouterr()
        assert said.err.count("\n") == 1, said.err
        assert said.err.startswith("clipspace: ")
    assert tree(files / "taken.png") == ["mine"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom the system refuses")
@pytest.mark.parametrize("command", OUTPUTS)
def test_a_folder_that_may_not_be_written_is_one_line(files, no_model, capsys, command):
    Path("locked").mkdir(mode=0o555)
    assert run(*(part.format("locked/out.png") for part in command.split())) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["pca", "x.npy"], ["pca", "x.npy", "-o", "p", "--nonsense"], ["nonsense"], ["index"]]
)
def test_a_wrong_call_exits_with_2_and_no_traceback(files, capsys, arguments):
    assert run(*arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_interrupted_command_says_so(files, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("clipspace.points.pca.PCA", interrupted)
    assert run("pca", "x.npy", "-o", "p") == 130
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.count("\n") <= 1
