"""The probe of images alone: planted codes score what they must, and both images of a pair hold the same but the binding."""

import numpy as np
import pytest

from clipspace.errors import CapabilityError, InputError
from clipspace.points.embeddings import Embeddings
from clipspace.probes.binding import KINDS, scene_pairs
from clipspace.probes.binding_of_images import COMBINATIONS, fixed_pair, hit_share, planted_code, unimodal_binding


class Tiny:
    """A space that sees nothing: its vectors are noise."""

    stamp = None

    def encode_images(self, images):
        return Embeddings(np.random.default_rng(len(images)).normal(size=(len(images), 4)))

    def encode_features(self, images):
        raise CapabilityError("none")


@pytest.mark.parametrize("kind", KINDS)
def test_the_bag_is_at_chance_and_the_bound_code_near_one(kind, rng):
    """The probe on codes of scenes, whose images need not be drawn for that."""
    pairs = [fixed_pair(kind, i, pair, 1) for i, pair in enumerate(scene_pairs(kind, 40, 1))][::COMBINATIONS]
    scenes = [scene for pair in pairs for scene in pair] * 30
    hits = {}
    for bound in (False, True):
        code = planted_code(scenes, kind, bound=bound)
        hits[bound] = hit_share(code + 0.1 * rng.normal(size=code.shape), 0, 0)
    assert abs(hits[False] - 0.5) < 0.1
    assert hits[True] > 0.95


@pytest.mark.slow
def test_every_view_of_every_kind_is_scored():
    found = unimodal_binding(Tiny(), n=20, seed=1)
    for kind in KINDS:
        assert found[kind, "bound"].value > 0.95
        assert found[kind, "z"].low < 0.5 < found[kind, "z"].high
        assert found[kind, "z"].n == COMBINATIONS
    assert np.mean([found[kind, "bag"].value for kind in KINDS]) == pytest.approx(0.5, abs=0.05)
    assert "before projection" not in found.column("view")


@pytest.mark.parametrize("kind", KINDS)
def test_a_combination_has_two_bindings_of_the_same_things(kind):
    pairs = [fixed_pair(kind, i, pair, 3) for i, pair in enumerate(scene_pairs(kind, 2 * COMBINATIONS, 3))]
    scenes = [scene for pair in pairs for scene in pair]
    bag, bound = (planted_code(scenes, kind, bound=bound) for bound in (False, True))
    assert (bag[0::2] == bag[1::2]).all()
    assert (bound[0::2] != bound[1::2]).any(axis=1).all()
    for combination in range(COMBINATIONS):
        first = bound[0::2][combination::COMBINATIONS]
        assert (first == first[0]).all()


def test_too_few_pairs_are_refused():
    with pytest.raises(InputError, match="at least 10 pairs"):
        unimodal_binding(Tiny(), n=5)
