"""The modality gap as an analysis: every pair is counted once, and the plane shows the gap."""

import numpy as np
import pytest

from clipspace.analyses.modality_gap import _findings, run
from clipspace.errors import InputError
from clipspace.results.result import Result
from clipspace.results.table import scored
from clipspace.scenes import caption, render, sample_scenes


def test_a_users_pairs_are_counted_and_placed(space):
    scenes = sample_scenes(20, seed=43)
    pairs = [(render(scene), caption(scene, np.random.default_rng(i)).text) for i, scene in enumerate(scenes)]
    found = run(space, pairs)
    assert found.arrays["cosines"].sum(axis=1).tolist() == [20, 20 * 19]
    x, t = space.encode_images([i for i, _ in pairs]).unit, space.encode_texts([c for _, c in pairs]).unit
    gap = x.mean(axis=0) - t.mean(axis=0)
    images, texts = found.arrays["plane"]
    assert images.shape == texts.shape == (20, 2)
    apart = images.mean(axis=0) - texts.mean(axis=0)
    np.testing.assert_allclose(apart, [np.linalg.norm(gap), 0], atol=1e-9)
    np.testing.assert_allclose(images[:, 0], x @ gap / np.linalg.norm(gap))
    with pytest.raises(InputError, match="4 pairs"):
        run(space, pairs[:3])


@pytest.mark.parametrize(
    ("recalls", "said"),
    [([0.2, 0.5, 0.3], "No shift"), ([0.2, 0.5, 0.6], "towards each other"), ([0.7, 0.5, 0.3], "apart")],
)
def test_what_a_move_does_is_said_as_it_is(recalls, said):
    rows = [
        scored(score=score, variant=variant, direction=direction, k=k, value=0.5, chance=0.1, low=0.4, high=0.6)
        for score, variant, direction, k in (
            ("gap", "unbiased", None, None),
            ("separability along the gap", None, None, None),
            ("cosine", "paired", None, None),
            ("cosine", "unpaired", None, None),
            ("recall", "raw", "text to image", 1),
        )
    ]
    moved = {"moved": np.array([-1.0, 0.0, 1.0]), "moved recall": np.array([recalls, recalls])}
    text = _findings(Result("modality_gap", rows, arrays=moved))[-1]
    assert said in text
