from dataclasses import replace

import numpy as np
import pytest

from clipspace.errors import InputError
from clipspace.points.code import Code, load_code, save_code
from clipspace.points.embeddings import Embeddings, Stamp


@pytest.fixture
def code(rng):
    points = Embeddings(rng.normal(size=(2, 3)).astype(np.float32), Stamp("a", "1" * 16, "2" * 16, 3), names=["x", "y"])
    return Code(
        points,
        rng.normal(size=(2, 4, 2, 2)).astype(np.float32),
        50,
        1.0,
        np.zeros(2, np.float32),
        np.array([9, 8]),
        "d" * 16,
    )


def test_round_trip(code, tmp_path):
    save_code(code, tmp_path / "c.safetensors")
    again = load_code(tmp_path / "c.safetensors")
    assert np.array_equal(again.noise, code.noise)
    assert np.array_equal(again.embeddings.vectors, code.embeddings.vectors)
    assert again.embeddings.stamp == code.embeddings.stamp
    assert again.embeddings.names == ("x", "y")
    assert again.settings.keys() == code.settings.keys()
    assert again.num_inference_steps == 50
    assert list(again.evaluations) == [9, 8]
    assert again.decoder == "d" * 16


def test_what_was_found_in_float64_is_kept_in_it(code, tmp_path):
    double = replace(code, noise=code.noise.astype(np.float64) / 3)
    save_code(double, tmp_path / "c.safetensors")
    again = load_code(tmp_path / "c.safetensors")
    assert again.noise.dtype == np.float64
    assert np.array_equal(again.noise, double.noise)


def test_one_row(code):
    assert len(code[1]) == 1
    assert np.array_equal(code[1].noise[0], code.noise[1])
    assert np.array_equal(code[-1].noise, code[len(code) - 1].noise)
    assert [len(one) for one in code] == [1] * len(code)
    with pytest.raises(IndexError):
        code[len(code)]


def test_other_files_are_refused(code, tmp_path):
    path = tmp_path / "c.safetensors"
    path.write_bytes(b"no")
    with pytest.raises(InputError, match="clipspace invert"):
        load_code(path)
    save_code(code, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="clipspace invert"):
        load_code(path)
    with pytest.raises(InputError, match="clipspace invert"):
        load_code(tmp_path / "none.safetensors")
