"""Binding as an analysis: planted quartets score what they must, with no decoder."""

from dataclasses import replace

import pytest

from clipspace.analyses import draw
from clipspace.analyses.binding import run
from clipspace.errors import InputError
from clipspace.probes.datasets import Quartet


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
    assert len(draw(found).axes) == 2


def test_an_empty_kind_is_named(space):
    with pytest.raises(InputError, match="none of \\['mine'\\]"):
        run(space, {"mine": []})
