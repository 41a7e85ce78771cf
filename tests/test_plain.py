import json
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from clipspace.plain import to_json, to_number, to_plain


class Silent:
    pass


def test_whatever_is_given_is_strict_json():
    given = {
        "numbers": [1, 2.5, True, None, np.float32(0.5), np.int64(3), np.bool_(False)],
        "odd": [float("nan"), np.inf, -np.inf, np.float64("nan")],
        "arrays": {"floats": np.array([[1, np.nan]]), "texts": np.array(["a"]), "none": np.empty((0, 2))},
        "texts": ["é", np.str_("b"), Path("a/b"), date(2026, 1, 2)],
        "lists": (range(2), {"b", "a"}),
        "objects": [Silent(), Silent, np.mean, partial(print, 1)],
        3: "key",
    }
    read = json.loads(to_json(given), parse_constant=lambda name: pytest.fail(f"bare {name}"))
    assert read == to_plain(given)
    assert read["numbers"] == [1, 2.5, True, None, 0.5, 3, False]
    assert read["odd"] == ["NaN", "Infinity", "-Infinity", "NaN"]
    assert read["arrays"] == {"floats": [[1, "NaN"]], "texts": ["a"], "none": []}
    assert read["texts"] == ["é", "b", "a/b", "2026-01-02"]
    assert read["lists"] == [[0, 1], ["a", "b"]]
    assert read["objects"][:3] == ["Silent", "Silent", "mean"]
    assert read["3"] == "key"
    assert "é" in to_json(given)


def test_numbers_come_back():
    for value in (1, 2.5, None, float("inf"), -float("inf")):
        assert to_number(to_plain(value)) == value
    assert np.isnan(to_number(to_plain(np.nan)))
