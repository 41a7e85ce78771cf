"""Results: what is saved comes back, and what is not a result is refused."""

import csv
import json

import numpy as np
import pytest

from clipspace.errors import InputError
from clipspace.results.result import Result, load_result

RESULT = Result(
    "spectrum",
    [{"components": 1, "share": np.float32(0.5)}, {"components": 2, "share": 1.0}],
    ["Half is in one component."],
    {"images": np.arange(24, dtype=np.uint8).reshape(1, 1, 2, 4, 3)},
    {"columns": ["source"]},
    {"name": "mini", "options": {"seed": 0}},
)


def test_a_saved_result_comes_back(tmp_path):
    path = RESULT.save(tmp_path / "new")
    found = load_result(path)
    assert (found.analysis, found.findings, found.labels) == ("spectrum", RESULT.findings, RESULT.labels)
    assert found.table == [{"components": 1, "share": 0.5}, {"components": 2, "share": 1.0}]
    assert found.column("components") == [1, 2]
    np.testing.assert_array_equal(found.arrays["images"], RESULT.arrays["images"])
    with path.with_suffix(".csv").open() as file:
        assert [row["share"] for row in csv.DictReader(file)] == ["0.5", "1.0"]


@pytest.mark.parametrize("broken", ["spectrum.json", "spectrum.npz"])
def test_a_broken_or_missing_file_is_named(tmp_path, broken):
    path = RESULT.save(tmp_path)
    (tmp_path / broken).write_bytes(b"\x00 not it")
    with pytest.raises(InputError, match=r"spectrum\.json"):
        load_result(path)
    with pytest.raises(InputError, match=r"nowhere\.json"):
        load_result(tmp_path / "nowhere.json")


def test_an_unknown_column_is_named():
    with pytest.raises(InputError, match=r"'components', 'share'.*'loss'"):
        RESULT.column("loss")


def test_numbers_that_json_has_not_come_back(tmp_path):
    def refuse(name):
        raise AssertionError(f"bare {name}")

    table = [{"name": "NaN", "score": np.nan, "n": 1}, {"name": "b", "score": -np.inf, "n": None}]
    path = Result("analysis", table, ["seen"], provenance={"options": {"scale": float("inf")}}).save(tmp_path)
    json.loads(path.read_text("utf-8"), parse_constant=refuse)
    again = load_result(path)
    assert again.column("name") == ["NaN", "b"]
    assert np.isnan(again.column("score")[0])
    assert again.column("score")[1] == -np.inf
    assert again.column("n") == [1, None]
