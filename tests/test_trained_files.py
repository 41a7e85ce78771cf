"""Files as the trainer of DALLE2-pytorch saves them, and pickles that would run code."""

import collections

import packaging._structures
import packaging.version
import pytest
import torch

from clipspace.errors import CheckpointError
from clipspace.models.trained_files import read_weights

WEIGHTS = {"unets.0.to_out.weight": torch.arange(6.0).reshape(2, 3)}


def test_a_version_beside_the_weights_is_passed_over(tmp_path):
    saved = {"version": packaging.version.parse("1.15.6"), "model": WEIGHTS}
    torch.save(saved, tmp_path / "latest.pth")
    with pytest.raises(Exception, match="weights_only"):
        torch.load(tmp_path / "latest.pth", weights_only=True)
    read = read_weights(tmp_path)
    assert read.keys() == WEIGHTS.keys()
    assert torch.equal(read["unets.0.to_out.weight"], WEIGHTS["unets.0.to_out.weight"])


def _named(name, module, cls, monkeypatch):
    cls.__module__, cls.__qualname__, cls.__name__ = module.__name__, name, name
    monkeypatch.setattr(module, name, cls, raising=False)
    return cls


def test_a_version_as_packaging_had_it_in_2022_is_passed_over(tmp_path, monkeypatch):
    """A tuple of its parts, and a key of them with infinities in it; the classes are gone again when the file is read."""
    with monkeypatch.context() as then:
        fields = ["epoch", "release", "dev", "pre", "post", "local"]
        parts = _named("_Version", packaging.version, collections.namedtuple("_Version", fields), then)
        whole = _named("Version", packaging.version, type("Version", (), {}), then)
        ends = [
            _named(name, packaging._structures, type(name, (), {}), then)
            for name in ("InfinityType", "NegativeInfinityType")
        ]
        version = whole()
        version._version = parts(0, (1, 12, 4), None, None, None, None)
        version._key = (0, (1, 12, 4), ends[0](), ends[1](), ends[0](), ends[1]())
        torch.save({"version": version, "model": WEIGHTS}, tmp_path / "best.pth")
    torch.save({"model": {}}, tmp_path / "latest.pth")
    assert torch.equal(read_weights(tmp_path)["unets.0.to_out.weight"], WEIGHTS["unets.0.to_out.weight"])


class _Runs:
    def __reduce__(self):
        return print, ("code was run",)


def test_a_pickle_that_would_run_code_is_refused(tmp_path, capsys):
    torch.save({"version": _Runs(), "model": WEIGHTS}, tmp_path / "latest.pth")
    with pytest.raises(CheckpointError, match="as plain tensors"):
        read_weights(tmp_path)
    assert "code was run" not in capsys.readouterr().out


def test_several_files_are_refused_by_name(tmp_path):
    for name in ("best.pth", "latest.pth", "other.pth"):
        torch.save(WEIGHTS, tmp_path / name)
    with pytest.raises(CheckpointError, match=r"one file of weights.*other\.pth"):
        read_weights(tmp_path)
