"""Two encoders compared as an analysis: what is planted out of one is lost, and a space has not changed against itself."""

from dataclasses import replace

import numpy as np
import pytest

from clipspace.analyses import caption, draw
from clipspace.analyses.compare import _turned, run
from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings
from clipspace.scenes import render, sample_scenes


@pytest.fixture(scope="module")
def images():
    return [render(scene) for scene in sample_scenes(40, seed=5, layout="one")]


def test_what_pixels_cannot_know_is_lost_and_a_planted_pair_is_decoded_from_one_noise(quick, images, rng):
    """Labels that have nothing to do with the images are read from the planted vectors alone; two of these are one."""
    label = np.arange(40) % 2
    vectors = 0.3 * rng.normal(size=(40, 128)) + 3 * np.where(label, 1, -1)[:, None] * np.eye(128)[0]
    images = [render(scene) for scene in sample_scenes(40, seed=6, layout="one")]
    apart = np.abs(np.stack([np.asarray(image, float) for image in images]) - np.asarray(images[0], float))
    other = int(np.where(label == label[0], apart.mean(axis=(1, 2, 3)), 0).argmax())
    vectors[other] = vectors[0]
    points = Embeddings(vectors.astype(np.float32), quick.stamp, "image")
    given = {"points": points, "columns": {"label": label.tolist(), "noise": rng.permutation(label).tolist()}}
    found = run(quick, images, other="pixels", permutations=9, k=1, same=1 / 780, num_inference_steps=2, **given)
    rows = {(row["score"], row["variant"]): row for row in found.table}
    lost = rows["skill gained", "label"]
    assert lost["a"] > 0.9
    assert lost["high"] < 0
    assert lost["b"] < 0.6
    assert rows["skill gained", "noise"]["low"] < 0 < rows["skill gained", "noise"]["high"]
    assert "pixels loses held-out skill for: label" in " ".join(found.findings)
    assert "among the highest 0.128%" in caption(found)  # 1 of 780
    assert rows["pairs that are the same", "to z alone"]["value"] == 1 / 780
    ((first, second, decoded, decoded_too),) = found.arrays["same to z"]
    np.testing.assert_array_equal(first, np.asarray(images[0]))
    np.testing.assert_array_equal(second, np.asarray(images[other]))
    np.testing.assert_array_equal(decoded, decoded_too)
    assert found.arrays["cosines, same to z"][0] == pytest.approx([1, found.arrays["cosines, same to z"][0, 1]])
    assert found.labels["pair rows"] == ["image", "image", "decoded", "decoded"]


def test_a_space_has_not_changed_against_itself(quick, images, monkeypatch):
    monkeypatch.setattr("clipspace.space.load_space", lambda name, device: replace(quick, name=name))
    found = run(quick, images, other="again", permutations=9, num_inference_steps=2)
    rows = {(row["score"], row["variant"]): row for row in found.table}
    assert rows["linear CKA", None]["value"] == pytest.approx(1)
    assert not found.arrays["changed"].any()
    np.testing.assert_allclose(found.arrays["other map"], found.arrays["map"] - found.arrays["map"].mean(0), atol=1e-4)
    for way in ("z", "other"):
        assert found.arrays[f"same to {way}"].shape == (0, 6, 64, 64, 3)
    assert found.labels["pair rows"][2:] == ["decoded", "decoded", "by again", "by again"]
    assert "pairs 0 are the same to z and different to again, and 0 the reverse" in found.findings[-1]
    assert len(draw(found).axes) == 5  # no factors are known


def test_a_map_is_turned_mirrored_and_scaled_onto_the_other(rng):
    first = rng.normal(size=(30, 2))
    moved = 7 * first @ np.array([[0.6, 0.8], [0.8, -0.6]]) + [3, 4]
    np.testing.assert_allclose(_turned(first, moved), first - first.mean(axis=0), atol=1e-9)
    unlike = _turned(first, rng.normal(size=(30, 2)))
    assert (unlike**2).sum() == pytest.approx(((first - first.mean(axis=0)) ** 2).sum())


def test_few_images_are_refused(quick, images):
    with pytest.raises(InputError, match="expected 20 images or more, got 5"):
        run(quick, images[:5])
