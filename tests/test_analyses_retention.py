"""Retention as an analysis: what it says is true of the numbers, and a user's pictures are welcome."""

import numpy as np
import pytest

from clipspace.analyses import draw
from clipspace.analyses.retention import _decoder, _order, _training, factor_rows, run
from clipspace.probes.factors import AUGMENTATIONS
from clipspace.probes.factors.resampled import Measure
from clipspace.results.result import Result
from clipspace.results.table import scored
from clipspace.scenes import render, sample_scenes


def _found(**components):
    """The answer of retention with planted numbers, ``component={factor: value}``."""
    rng = np.random.default_rng(0)
    measures = {
        (component, name): Measure(value, value + 0.01 * rng.normal(size=1000), 99)
        for component, values in components.items()
        for name, value in values.items()
    }
    every = {
        (component, name): measures["retention", name]
        for component in ("linear", "neighbours", "sensitivity")
        for name in components["retention"]
    }
    measures = every | measures
    return Result(
        "retention",
        [measure.row(component=component, factor=name) for (component, name), measure in measures.items()],
        arrays={"draws": np.stack([measure.draws for measure in measures.values()])},
        labels={"factors": list(components["retention"])},
    )


def test_a_factor_that_captions_say_and_z_ignores_is_named():
    found = _found(retention={"thing": 0.9, "color": 0.8, "size": 0.6, "x": 0.1, "relation": 0.09, "y": 0.05})
    said = {"thing": "always", "relation": "always", "color": "sometimes", "size": "sometimes"}
    text = _order(found, {**said, "x": "never", "y": "never"})
    assert "0.09 to 0.90 of what captions always say" in text
    assert "0.05 to 0.10 of what captions never say" in text
    assert text.endswith("no better than what is never said: relation.")
    assert _order(found, {}) == "Of thing z keeps 0.90, of y 0.05."


def test_training_is_credited_with_no_more_than_it_did():
    found = _found(retention={"thing": 0.9, "x": 0.1})
    assert (
        "most to thing (0.20 to 0.90) and took most from x (0.30 to 0.10)"
        in _training(found, {"thing": 0.2, "x": 0.3})[0]
    )
    assert "took from none, adding least to x (0.05 to 0.10)" in _training(found, {"thing": 0.2, "x": 0.05})[0]
    assert _training(found, {"thing": 0.95, "x": 0.3})[0].startswith("No factor")
    assert _training(found, {}) == []


@pytest.mark.parametrize(
    ("recovery", "cycle", "said"),
    [(0.1, 0.2, "the decoder's failure"), (0.1, 0.9, "with care"), (0.8, 0.9, "bring back")],
)
def test_the_decoder_is_blamed_where_its_cycle_fails(recovery, cycle, said):
    kept = {"thing": 0.9, "x": 0.1}
    found = _found(
        retention=kept, linear=kept, recovery={"thing": recovery, "x": 0.0}, cycle={"thing": cycle, "x": 0.0}
    )
    (text,) = _decoder(found)
    assert said in text
    assert "thing" in text
    assert "x (" not in text
    assert _decoder(_found(retention=kept)) == []


@pytest.mark.filterwarnings("ignore:read-out")
def test_of_a_users_pictures_the_changes_are_measured(space):
    pictures = [render(scene) for scene in sample_scenes(24, seed=41)]
    found = run(space, pictures, pairs=4, controls=0)
    assert set(found.column("factor")) == set(AUGMENTATIONS) - {"printed word"}
    assert found.findings[-1] == "Too few images to measure: printed word."
    for column in ("captions", "untrained", "recovery", "cycle low"):
        assert set(found.column(column)) == {None}
    before, after = found.arrays["examples"].swapaxes(0, 1)
    assert (before != after).reshape(len(before), -1).any(axis=1).all()
    assert len(draw(found).axes) == 2


def test_factors_have_one_row_each_and_none_where_a_component_is_missing():
    measures = {
        "retention": {"thing": 0.9, "x": 0.1},
        "linear": {"thing": 0.8, "x": 0.0},
        "cycle": {"x": 0.3},
    }
    rows = [
        scored(component=component, factor=factor, value=value, low=value, high=value, n=50)
        for component, values in measures.items()
        for factor, value in values.items()
    ]
    result = Result("retention", rows, labels={"factors": ["thing", "x"]})
    thing, x = factor_rows(result, captions={"thing": "always"})
    assert list(thing) == list(x)
    assert (thing["factor"], thing["captions"], thing["retention"], thing["linear"], thing["cycle"]) == (
        "thing", "always", 0.9, 0.8, None,
    )  # fmt: skip
    assert (x["captions"], x["cycle"], x["cycle low"], x["sensitivity"], x["n"]) == (None, 0.3, 0.3, None, 50)
