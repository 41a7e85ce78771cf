"""Results: what is saved comes back, and what is not a result is refused."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.results.loading import load_result
from clipspace.results.pictures import Pictures
from clipspace.results.provenance import Provenance, input_of, provenance
from clipspace.results.result import Result
from clipspace.results.table import Table, scored

RESULT = Result(
    "spectrum",
    [{"components": 1, "share": np.float32(0.5)}, {"components": 2, "share": 1.0}],
    ["Half is in one component."],
    {"images": np.arange(24, dtype=np.uint8).reshape(1, 1, 2, 4, 3)},
    {"columns": ["source"]},
    Provenance("spectrum", space="mini", seed=0),
)


def test_a_saved_result_comes_back(tmp_path):
    path = RESULT.save(tmp_path / "new")
    found = load_result(path)
    assert (found.name, found.findings, found.labels) == ("spectrum", RESULT.findings, RESULT.labels)
    assert list(found.table) == [{"components": 1, "share": 0.5}, {"components": 2, "share": 1.0}]
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
    path = Result("analysis", table, ["seen"], provenance=Provenance("analysis", options={"scale": float("inf")})).save(
        tmp_path
    )
    json.loads(path.read_text("utf-8"), parse_constant=refuse)
    again = load_result(path)
    assert again.column("name") == ["NaN", "b"]
    assert np.isnan(again.column("score")[0])
    assert again.column("score")[1] == -np.inf
    assert again.column("n") == [1, None]


def test_a_result_answers_by_its_keys():
    rows = [
        scored(view=view, word=word, value=v, n=9) for view, word, v in (("bare", "cat", 0.5), ("card", "cat", 0.2))
    ]
    result = Result("typographic", rows)
    assert result.table.keys == ("view", "word")
    assert result["card", "cat"].value == 0.2
    assert [row.view for row in result.where(word="cat")] == ["bare", "card"]
    assert result.to_frame().loc[("bare", "cat"), "value"] == 0.5
    with pytest.raises(InputError, match=r"view and word of one row.*'bare', 'cat'.*got 'card'"):
        result["card"]
    with pytest.raises(InputError, match="two of"):
        Table([scored(score="a", value=0.1), scored(score="a", value=0.2)], keys=["score"])
    with pytest.raises(AttributeError, match="'view'"):
        _ = result["card", "cat"].colour


def test_pictures_come_back_with_their_images_points_and_provenance(tmp_path):
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (h, 8, 3), np.uint8)) for h in (8, 8, 12, 8)]
    stamp = Stamp("a", "a" * 16, "b" * 16, 3)
    points = Embeddings(rng.normal(size=(4, 3)), stamp, names=list("abcd"), columns={"kind": ["x", "y", "x", "y"]})
    made = provenance("test", stamp=stamp, inputs=[input_of("a red apple")], seed=3, theta=0.35)
    scores = {"cosine": np.array([[0.5, np.nan], [0.25, 1.0]])}
    pictures = Pictures.of([images[:2], images[2:]], points, made, column_labels=["one", "two"], scores=scores)
    again = load_result(pictures.save(tmp_path / "edit.json"))
    assert isinstance(again, Pictures)
    assert [image.tobytes() for image in again.images] == [image.tobytes() for image in images]
    assert (again.labels, again.provenance) == ({"columns": ["one", "two"]}, made)
    np.testing.assert_array_equal(again.scores["cosine"], scores["cosine"])
    np.testing.assert_array_equal(again.embeddings.vectors, points.vectors)
    assert (again.embeddings.stamp, list(again.embeddings.names)) == (stamp, list("abcd"))
    assert list(again.embeddings.columns["kind"]) == ["x", "y", "x", "y"]
    assert not again.arrays


def test_a_table_shows_every_score():
    rows = [
        scored(score="accuracy", value=0.9, chance=0.1, low=0.8, high=1.0, n=50),
        scored(score="gap", value=0.5),
    ]
    lines = str(Table(rows)).splitlines()
    assert lines[0].split() == ["score", "value", "chance", "95", "%", "n"]
    assert lines[1].split() == ["accuracy", "0.900", "0.100", "[0.800,", "1.000]", "50"]
    assert lines[2].split() == ["gap", "0.500"]


def test_one_row_is_found_by_some_of_its_columns():
    rows = [scored(score="gap", value=0.5), *(scored(score="recall", k=k, value=k / 9) for k in (1, 5))]
    table = Table(rows, keys=("score", "k"))
    assert table.columns[:2] == ["score", "k"]
    assert table.row(k=5).value == 5 / 9
    assert table.row(score="gap") == table["gap", None]
    with pytest.raises(InputError, match="got 2 rows"):
        table.row(score="recall")
    with pytest.raises(InputError, match=r"k of \['1', '5', 'None'\]; got 0 rows"):
        table.row(k=7)


def test_a_result_is_strict_json_with_its_arrays():
    result = Result("probe", [scored(score="a", value=np.nan)], arrays={"curve": np.eye(2, dtype=np.float32)})
    values = json.loads(result.to_json(), parse_constant=lambda name: pytest.fail(f"bare {name}"))
    assert values["table"][0]["value"] == "NaN"
    assert values["arrays"]["curve"] == [[1, 0], [0, 1]]


def test_values_of_any_kind_become_strict_json():
    class Silent:
        pass

    rows = [
        scored(score="a", value=float("nan")),
        scored(score="b", value=np.float32(0.5), chance=0.1, low=-np.inf, high=np.inf, n=np.int64(7)),
    ]
    options = {"strengths": np.array([1.0, np.nan]), "reader": Silent(), "path": Path("x"), "pair": (1, 2)}
    arrays = {"curve": np.array([1, np.nan, np.inf], np.float32), "names": np.array(["é", "b"])}
    made = provenance("probe", stamp=Stamp("a", "a" * 16, "b" * 16, 8), seed=3, k=np.int64(20), **options)
    text = Result("probe", rows, arrays=arrays, provenance=made).to_json()
    values = json.loads(text, parse_constant=lambda name: pytest.fail(f"bare {name}"))
    assert " at 0x" not in text
    assert values["table"][1] == {
        "score": "b",
        "value": 0.5,
        "chance": 0.1,
        "low": "-Infinity",
        "high": "Infinity",
        "n": 7,
    }
    assert (values["provenance"]["seed"], values["provenance"]["options"]["k"]) == (3, 20)
    assert values["arrays"] == {"curve": [1, "NaN", "Infinity"], "names": ["é", "b"]}


def test_keys_that_nobody_names_tell_the_rows_apart():
    """So that what is saved can be loaded, whose keys are named."""
    rows = [{"noise": noise, "position": place, "cosine": 0.5} for noise in ("fixed", "inverted") for place in (0, 1)]
    assert Table(rows).keys == ("noise", "position")
    assert Table(rows[:1]).keys == ("noise",)
    assert Table([{"noise": "fixed", "value": 0.5}] * 2).keys == ()
