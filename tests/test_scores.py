"""Scores print, save and tabulate; the bootstrap covers a known mean."""

import json
from pathlib import Path

import numpy as np
import pytest

from clipspace.errors import InputError
from clipspace.points.embeddings import Stamp
from clipspace.results.scores import Score, Scores, bootstrap


@pytest.fixture
def scores():
    rows = [Score("accuracy", 0.9, chance=0.1, low=0.8, high=1.0, n=50), Score("gap", 0.5)]
    return Scores("probe", rows, seed=3, settings={"k": np.int64(20)}, arrays={"curve": np.eye(2)})


def test_a_table_shows_every_score(scores):
    lines = str(scores).splitlines()
    assert lines[0].split() == ["probe", "value", "chance", "95", "%", "n"]
    assert lines[1].split() == ["accuracy", "0.900", "0.100", "[0.800,", "1.000]", "50"]
    assert lines[2].split() == ["gap", "0.500"]


def test_json_and_frame_hold_the_same_numbers(scores):
    plain = json.loads(scores.to_json())
    assert plain["scores"][0]["value"] == 0.9
    assert plain["settings"] == {"k": 20}
    assert plain["arrays"]["curve"] == [[1, 0], [0, 1]]
    frame = pytest.importorskip("pandas") and scores.to_frame()
    assert frame.loc["accuracy", "chance"] == 0.1


def test_unknown_and_double_names_raise(scores):
    with pytest.raises(InputError, match="accuracy"):
        scores["nonsense"]
    with pytest.raises(InputError, match="one score per name"):
        Scores("probe", [Score("a", 1), Score("a", 2)])


def test_the_bootstrap_interval_covers_the_mean_about_95_times_in_100():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        low, high = bootstrap(rng.normal(1.0, 2.0, size=80), seed=trial, resamples=400)
        hits += low <= 1.0 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_the_bootstrap_resamples_rows_together():
    x = np.arange(50.0)
    low, high = bootstrap(x, x, statistic=lambda a, b: float(np.corrcoef(a, b)[0, 1]), resamples=50)
    assert low == pytest.approx(1.0)
    assert high == pytest.approx(1.0)
    with pytest.raises(InputError, match="one length"):
        bootstrap(np.zeros(0))


def test_scores_are_strict_json_that_is_read_back_equal():
    def refuse(name):
        raise AssertionError(f"bare {name}")

    class Silent:
        pass

    rows = [Score("a", float("nan")), Score("b", np.float32(0.5), 0.1, -np.inf, np.inf, np.int64(7))]
    settings = {"strengths": np.array([1.0, np.nan]), "reader": Silent(), "path": Path("x"), "pair": (1, 2)}
    arrays = {
        "curve": np.array([1, np.nan, np.inf], np.float32),
        "none": np.empty((0, 2)),
        "names": np.array(["é", "b"]),
    }
    scores = Scores("probe", rows, Stamp("a", "a" * 16, "b" * 16, 8), 3, settings, arrays)
    text = scores.to_json()
    json.loads(text, parse_constant=refuse)
    assert " at 0x" not in text
    again = Scores.from_json(text)
    assert again.to_dict() == scores.to_dict()
    assert (again.probe, again.stamp, again.seed) == (scores.probe, scores.stamp, scores.seed)
    assert np.isnan(again["a"].value)
    assert again["b"] == rows[1]
    for name, array in arrays.items():
        assert again.arrays[name].dtype == array.dtype
        assert np.array_equal(again.arrays[name], array, equal_nan=array.dtype.kind == "f")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"probe": "a"}', "not JSON"])
def test_other_json_is_no_scores(text):
    with pytest.raises(InputError, match=r"Scores\.from_json"):
        Scores.from_json(text)
