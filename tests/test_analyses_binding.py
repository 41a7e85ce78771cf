"""Binding as an analysis: planted quartets score what they must, with no decoder."""

from dataclasses import replace

import numpy as np
import pytest

from clipspace.analyses import draw
from clipspace.analyses.binding import run
from clipspace.errors import InputError
from clipspace.probes.binding import KINDS
from clipspace.probes.binding_of_images import unimodal_binding
from clipspace.probes.datasets import Quartet
from clipspace.results.result import Result
from clipspace.results.table import Table, scored
from clipspace.scenes import UNSEEN


def test_captions_that_name_the_thing_are_told_apart_and_swapped_ones_are_not(space, apple, house):
    captions = ("a red apple", "a blue house")
    quartets = {"named": [Quartet((apple, house), captions)] * 3, "swapped": [Quartet((house, apple), captions)] * 3}
    found = run(replace(space, decoder=None), quartets)
    values = {(row["kind"], row["score"]): row["value"] for row in found.table}
    assert set(values) == {(kind, score) for kind in quartets for score in ("text", "image", "group", "two-way")}
    assert {score: values["named", score] for _, score in values} == dict.fromkeys(
        ("text", "image", "group", "two-way"), 1
    )
    assert values["swapped", "two-way"] == 0
    assert "above chance for named;" in found.findings[0]
    assert found.labels["captions"] == list(captions * 2)
    assert [ax.get_title() for ax in draw(found).axes[:2]] == ["", "with captions"]


def test_an_empty_kind_is_named(space):
    with pytest.raises(InputError, match="none of \\['mine'\\]"):
        run(space, {"mine": []})


def test_the_probe_of_images_alone_stands_beside_and_counts_above_a_histogram_of_colours(space, monkeypatch):
    """z is planted above the histogram for texture alone, though it is high for colour too."""
    planted = {"color": (0.99, 0.98), "texture": (0.9, 0.6), "size": (0.8, 0.9), "relation": (0.5, 0.5)}
    asked = {}

    def probe(_, *, n, seed):
        asked.update(n=n, seed=seed)
        rows = [
            scored(kind=kind, view=view, value=value, chance=0.5, low=value - 0.05, high=value + 0.05, n=6)
            for kind, (z, histogram) in planted.items()
            for view, value in {"z": z, "histogram": histogram, "bag": 0.5, "bound": 1.0}.items()
        ]
        return Result("unimodal_binding", Table(rows, ("kind", "view")))

    monkeypatch.setattr("clipspace.analyses.binding.unimodal_binding", probe)
    found = run(replace(space, decoder=None), n=4, probed=12, seed=3)
    assert asked == {"n": 12, "seed": UNSEEN + 3}
    values = {(row["kind"], row["score"]): row["value"] for row in found.table if row["view"] == "images alone"}
    assert {kind: (values[kind, "z"], values[kind, "histogram"]) for kind in KINDS} == planted
    assert "90% of texture (60%)" in found.findings[1]
    assert found.findings[1].endswith("z is better than the histogram for: texture.")
    figure = draw(found)
    figure.draw_without_rendering()
    box = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert [ax.get_title() for ax in figure.axes[:3]] == ["", "with captions", "probe of images"]
    assert np.all([box.x0 > -1, box.y0 > -1, box.x1 < figure.bbox.x1 + 1, box.y1 < figure.bbox.y1 + 1])
    assert not any(row["view"] == "images alone" for row in run(replace(space, decoder=None), n=4, probed=0).table)


@pytest.mark.slow
def test_the_rows_are_those_of_the_probe(space):
    found = run(replace(space, decoder=None), n=4, probed=10)
    alone = unimodal_binding(space, n=10, seed=UNSEEN)
    rows = {(row["kind"], row["score"]): row["value"] for row in found.table if row["view"] == "images alone"}
    assert rows == {(row.kind, row.view): row.value for row in alone}
