"""Retention as an analysis: what it says is true of the numbers, and a user's pictures are welcome."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from clipspace.analyses import caption, draw
from clipspace.analyses.retention import _decoder, _layers, _order, _training, factor_rows, run
from clipspace.probes.factors import AUGMENTATIONS
from clipspace.results.provenance import Provenance
from clipspace.results.result import Result
from clipspace.results.table import scored
from clipspace.scenes import MENTIONS, render, sample_scenes


def _found(unmeasured=(), **components):
    """The answer of retention with planted numbers, ``component={factor: value}``; those of decodes in their layer."""
    measures = {
        ("decodes" if component in ("recovery", "cycle") else "embedding", component, name): value
        for component, values in components.items()
        for name, value in values.items()
    }
    rows = [
        scored(layer=layer, component=c, factor=f, value=v, low=v - 0.02, high=v + 0.02, n=99)
        for (layer, c, f), v in measures.items()
    ]
    names = list(next(iter(components.values())))
    return Result(
        "retention",
        rows,
        arrays={"errors": np.full(len(rows), 0.01)},
        labels={"factors": names, "not measurable": list(unmeasured), "ceilings": ["embedding"] * len(names)},
    )


def test_a_caption_names_only_the_marks_that_are_drawn():
    options = Provenance("retention", options={"images": 60, "pairs": 5})
    empty = dict.fromkeys(("captions", "recovery", "features", "untrained"))
    measured = {"factor": "blur", **empty, "features": 0.5}
    said = [caption(Result("retention", [row], provenance=options)) for row in ({"factor": "blur", **empty}, measured)]
    assert ["features" in one for one in said] == [False, True]
    assert not any("random weights" in one for one in said)


def test_factors_are_ordered_by_how_often_captions_say_them():
    share = {"thing": 0.9, "color": 0.8, "size": 0.6, "x": 0.1, "relation": 0.09, "y": 0.05}
    found = _found(availability=share)
    said = {"thing": "always", "relation": "always", "color": "sometimes", "size": "sometimes"}
    (text,) = _order(found, {**said, "x": "never", "y": "never"})
    assert "0.09 to 0.90 for factors that captions always mention" in text
    assert "0.05 to 0.10 for factors that captions never mention" in text
    rho = spearmanr(list(share.values()), [MENTIONS[name] for name in share]).statistic
    assert f"Spearman's rho is {rho:.2f}" in text
    assert _order(found, {}) == ["Availability (share of the ceiling) goes from 0.90 for thing to 0.05 for y."]
    control = _order(_found(availability={"thing": 0.9, "x": 0.1}, unmeasured=["phase"]), {})[1]
    assert control.startswith("Not measurable here")
    assert "phase" in control


def test_training_is_credited_with_no_more_than_it_did():
    found = _found(best={"thing": 0.9, "x": 0.1})
    assert (
        "most to thing (0.20 to 0.90) and took most from x (0.30 to 0.10)"
        in _training(found, {"thing": 0.2, "x": 0.3})[0]
    )
    assert "took from none, adding least to x (0.05 to 0.10)" in _training(found, {"thing": 0.2, "x": 0.05})[0]
    assert _training(found, {"thing": 0.95, "x": 0.3})[0].startswith("No factor")
    assert _training(found, {}) == []


@pytest.mark.parametrize(
    ("recovery", "cycle", "said"),
    [(0.1, 0.2, "the decoder's failure"), (0.1, 0.9, "the reader may fail"), (0.8, 0.9, "Decodes show")],
)
def test_the_decoder_is_blamed_where_its_cycle_fails(recovery, cycle, said):
    kept = {"thing": 0.9, "x": 0.1}
    found = _found(best=kept, linear=kept, recovery={"thing": recovery, "x": 0.0}, cycle={"thing": cycle, "x": 0.0})
    (text,) = _decoder(found)
    assert said in text
    assert "thing" in text
    assert "x (" not in text
    assert _decoder(_found(best=kept)) == []


@pytest.mark.filterwarnings("ignore:read-out")
def test_of_a_users_pictures_the_changes_are_measured(space):
    pictures = [render(scene) for scene in sample_scenes(24, seed=41)]
    found = run(space, pictures, pairs=4, controls=0, perceptron=False)
    assert set(found.column("factor")) == set(AUGMENTATIONS) - {"printed word"}
    assert found.findings[-1] == "Too few images to measure: printed word."
    for column in ("captions", "untrained", "recovery", "cycle low"):
        assert set(found.column(column)) == {None}
    before, after = found.arrays["examples"].swapaxes(0, 1)
    assert (before != after).reshape(len(before), -1).any(axis=1).all()
    assert [ax.get_title() for ax in draw(found).axes if ax.get_title()] == ["available in z", "salient in z"]


def test_factors_have_one_row_each_and_none_where_a_component_is_missing():
    measures = {"availability": {"thing": 0.9}, "best": {"thing": 0.8, "x": 0.0}, "cycle": {"x": 0.3}}
    thing, x = factor_rows(
        _found(unmeasured=["x"], best=measures.pop("best"), **measures), captions={"thing": "always"}
    )
    assert list(thing) == list(x)
    assert (thing["factor"], thing["captions"], thing["availability"], thing["best"], thing["cycle"]) == (
        "thing", "always", 0.9, 0.8, None,
    )  # fmt: skip
    assert (x["captions"], x["cycle"], x["availability"], x["sensitivity"], x["n"]) == (None, 0.3, None, None, 99)
    assert (x["ceiling"], x["features"]) == (0.0, None)


def test_what_the_projection_drops_is_said():
    found = _found(best={"thing": 0.9, "x": 0.1})
    before = {"thing": 0.92, "x": 0.6}
    interval = {name: {"low": value - 0.02, "high": value + 0.02} for name, value in before.items()}
    rows = [scored(layer="features", component="best", factor=f, value=v, **interval[f]) for f, v in before.items()]
    rows = [*found, *rows]
    assert _layers(Result("retention", rows)) == [
        "The features before the projection hold more than z, in skill: x (0.60 to 0.10)."
    ]
    assert _layers(found) == []
