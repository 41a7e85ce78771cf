"""Blind pairs as an analysis: a planted pair is found, and no decoder is needed."""

from dataclasses import replace

import numpy as np
import pytest

from clipspace.analyses import draw
from clipspace.analyses.blind_pairs import _agreement, run
from clipspace.errors import InputError
from clipspace.measure.cone import centred
from clipspace.points.embeddings import Embeddings
from clipspace.scenes import Scene, Thing, render


def test_a_pair_that_another_encoder_confuses_is_found(space, rng):
    kinds = ("apple", "house", "fish", "tree", "car", "boat", "cup", "cat")
    images = [render(Scene("white", (Thing(kind, "red"),))) for kind in kinds]
    z = centred(space.encode_images(images).unit)
    i, j = sorted(np.unravel_index((z @ z.T).argmin(), (8, 8)))
    vectors = rng.normal(size=(8, 32))
    vectors[j] = vectors[i]
    found = run(replace(space, decoder=None), images, Embeddings(vectors), k=1, same=0.04)
    (row,) = [row for row in found.table if row["same to"] == "other"]
    assert (row["first"], row["second"]) == (str(i), str(j))
    assert row["cosine"] == pytest.approx(1)
    pair = found.arrays["same to other"][0]
    np.testing.assert_array_equal(pair, [np.asarray(images[i]), np.asarray(images[j])])
    assert len(found.findings) == 1
    assert not any(name.startswith("metamers") for name in found.arrays)
    assert len(draw(found).axes) == 2


def test_the_images_of_other_embeddings_are_asked_for(space):
    with pytest.raises(InputError, match="`other`"):
        run(space, other=Embeddings(np.eye(3)))
    with pytest.raises(InputError, match="two images"):
        run(space, [render(Scene())])


def test_a_decoder_that_brings_nothing_back_is_said_to():
    assert _agreement([], 0.8, 16).endswith("no metamers.")
