"""Every probe of embeddings against every bad set: an error or a warning that says what to do, never a silent number.

What each probe does with its own options is tested beside it; this is the table of all against all.
"""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from clipspace import Embeddings, build_index, retrieve
from clipspace.errors import InputError, SampleWarning, SpaceMismatchError
from clipspace.measure import cone
from clipspace.points.arrays import as_points
from clipspace.points.embeddings import Stamp
from clipspace.points.store import write_store
from clipspace.probes import mini_world
from clipspace.probes.classification import zero_shot
from clipspace.probes.concepts import Vocabulary, decompose, describe
from clipspace.probes.directions import geometry
from clipspace.probes.factors import read_out
from clipspace.probes.likeness import compare
from clipspace.probes.logistic_regression import few_shot, linear
from clipspace.probes.modalities import modality_gap
from clipspace.probes.nearest_neighbours import knn
from clipspace.probes.pairs import blind_pairs
from clipspace.probes.ridge_regression import ridge
from clipspace.probes.sparse_autoencoder import fit_autoencoder
from clipspace.probes.text_basis import text_span
from clipspace.results.result import Result

D = 8


def _others(n, d=D, modality="text"):
    vectors = np.random.default_rng(1).normal(size=(n, d))
    return Embeddings(vectors, modality=modality, names=[f"word {i}" for i in range(n)] if modality == "text" else None)


def _labels(points):
    return ["a" if i % 2 else "b" for i in range(len(points))]


LABELLED = {
    "linear": lambda points, labels: linear(points, labels, search=[1.0], device="cpu"),
    "few-shot": lambda points, labels: few_shot(points, labels, shots=[1], draws=2, search=[1.0], device="cpu"),
    "knn": lambda points, labels: knn(points, labels, k=3),
    "read-out": read_out,
}
PROBES = {
    **{name: lambda points, probe=probe: probe(points, _labels(points)) for name, probe in LABELLED.items()},
    "ridge": lambda points: ridge(points, {"y": np.arange(len(points), dtype=float)}),
    "geometry": geometry,
    "gap": lambda points: modality_gap(points, _others(len(points), as_points(points).dim)),
    "compare": lambda points: compare(points, _others(len(points), 5)),
    "concepts": lambda points: (
        decompose(points, Vocabulary.of(_others(30, as_points(points).dim), points), device="cpu").scores
    ),
    "vocabulary": lambda points: (
        decompose(points, Vocabulary.of(points, _others(9, as_points(points).dim)), device="cpu").scores
    ),
    "describe": lambda points: describe(points, _others(30, as_points(points).dim)),
    "text span": lambda points: text_span(points, _others(30, as_points(points).dim), 3).scores,
    "blind pairs": lambda points: blind_pairs(points, _others(len(points), 5, "image"), centred=True),
    "autoencoder": lambda points: fit_autoencoder(points, features=8, k=2, steps=2, device="cpu").scores,
}


def _points(kind):
    vectors = np.random.default_rng(0).normal(size=(60, D)) + 0.5
    if kind in ("nan", "infinite", "zero"):
        vectors[7] = {"nan": np.nan, "infinite": np.inf, "zero": 0.0}[kind]
    shapes = {
        "duplicates": lambda: np.vstack([vectors, vectors[:10]]),
        "constant": lambda: np.ones((60, D)),
        "one row": lambda: vectors[:1],
        "no rows": lambda: vectors[:0],
        "few": lambda: np.random.default_rng(0).normal(size=(24, 30)),
    }
    return Embeddings(shapes[kind]() if kind in shapes else vectors)


def _answer(probe, points):
    """What a probe says of a set: "refused", "warned", or its numbers, which must then be finite."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = probe(points)
        except InputError:
            return "refused"
    numbers = [row.value for row in found] if isinstance(found, Result) else [c for row in found for _, c in row]
    assert np.isfinite(numbers).all()
    return "warned" if any(issubclass(w.category, SampleWarning) for w in caught) else "finite"


@pytest.mark.parametrize("name", PROBES)
def test_a_sound_set_is_measured(name):
    assert _answer(PROBES[name], _points("sound")) == "finite"


@pytest.mark.parametrize("name", PROBES)
def test_a_store_says_what_its_rows_say(name, tmp_path):
    store = write_store(tmp_path / "store", _points("sound"))
    found, expected = PROBES[name](store), PROBES[name](store[:])
    if name == "describe":
        assert found == expected
    else:
        assert found.to_json() == expected.to_json()


def test_a_store_is_read_where_a_space_reads_images(space, apple, house, tmp_path):
    points = space.encode_images([apple, house, apple])
    store = write_store(tmp_path / "store", points)
    assert np.array_equal(
        zero_shot(space, store, ["apple", "house"]).probabilities,
        zero_shot(space, points, ["apple", "house"]).probabilities,
    )
    assert mini_world.describe(space, store) == mini_world.describe(space, points)
    assert retrieve(space, build_index(store), store, k=1).rows[1] == 1


@pytest.mark.parametrize("name", sorted(set(PROBES) - {"read-out"}))
def test_a_bare_array_is_refused(name):
    """But by the read-out, which says that it takes one."""
    with pytest.raises(InputError, match="wrap arrays"):
        PROBES[name](_points("sound").vectors)


TOGETHER = {
    "gap": modality_gap,
    "vocabulary": lambda images, texts: Vocabulary.of(texts, images),
    "describe": describe,
    "text span": lambda images, texts: text_span(images, texts, 2),
    "held-out": lambda train, test: knn(train, _labels(train), held_out=(test, _labels(test)), k=3),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_a_stamp_does_not_meet_none(name, tmp_path):
    plain, words = _points("sound"), _others(60)
    store = write_store(tmp_path / "store", plain)
    assert TOGETHER[name](plain, words) is not None
    stamped = replace(words, stamp=Stamp("m", "w" * 16, "p" * 16, D))
    for one, other in ((plain, stamped), (store, stamped), (stamped, plain), (stamped, store)):
        with pytest.raises(SpaceMismatchError, match="no stamp"):
            TOGETHER[name](one, other)


@pytest.mark.parametrize("kind", ["nan", "infinite", "one row", "no rows"])
@pytest.mark.parametrize("name", PROBES)
def test_what_cannot_be_measured_is_refused(name, kind):
    assert _answer(PROBES[name], _points(kind)) == "refused"


@pytest.mark.parametrize("name", sorted(set(PROBES) - {"linear", "few-shot", "ridge"}))
def test_a_row_without_direction_is_refused_where_directions_are_compared(name):
    assert _answer(PROBES[name], _points("zero")) == "refused"


@pytest.mark.parametrize("name", sorted(set(PROBES) - {"gap"}))
def test_a_set_of_one_point_many_times_is_refused_or_warned_of(name):
    """But for the gap, which one point can have."""
    assert _answer(PROBES[name], _points("constant")) in ("refused", "warned")


@pytest.mark.parametrize("name", ["linear", "few-shot", "knn", "read-out", "ridge", "geometry", "vocabulary"])
def test_duplicates_are_warned_of_where_they_flatter_or_break_the_score(name):
    assert _answer(PROBES[name], _points("duplicates")) == "warned"


@pytest.mark.parametrize("name", ["linear", "read-out", "ridge", "geometry"])
def test_fewer_rows_than_dimensions_are_warned_of(name):
    assert _answer(PROBES[name], _points("few")) == "warned"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a"] * 60, "at least two|different"),
        (["a"] + ["b"] * 59, "'a'|of one"),
        (["a", "b"] * 20, "60"),
        ([np.nan] + [1.0] * 59, "NaN|finite|missing"),
    ],
    ids=["one class", "a class of one", "another length", "a missing label"],
)
@pytest.mark.parametrize("name", LABELLED)
def test_labels_that_cannot_be_learnt_are_refused(name, labels, message):
    with pytest.raises(InputError, match=message):
        LABELLED[name](_points("sound"), labels)


@pytest.mark.parametrize("probe", [lambda p, y: ridge(p, {"y": y}), read_out], ids=["ridge", "read-out"])
def test_a_constant_factor_is_refused(probe):
    with pytest.raises(InputError, match=r"vary|different"):
        probe(_points("sound"), [0.5] * 60)


@pytest.mark.parametrize(
    "call",
    [
        Vocabulary.of,
        lambda words, images: describe(images, words),
        lambda words, images: text_span(images, words, 2),
    ],
    ids=["Vocabulary", "describe", "text_span"],
)
def test_a_vocabulary_with_empty_strings_is_refused(call):
    words = Embeddings(_others(3).vectors, modality="text", names=["a", " ", "c"])
    with pytest.raises(InputError, match=r"1 empty ones \(first: row 1\)"):
        call(words, _points("sound"))


def test_directions_from_a_mean_are_never_those_of_rounding():
    with pytest.raises(InputError, match="differ from their mean"):
        cone.centred(_points("constant").unit)
