"""Random streams: one for each seed, row and purpose, and no two alike."""

import subprocess
import sys

import numpy as np
import pytest

from clipspace.diffusion.sampling import draw_noise
from clipspace.errors import InputError
from clipspace.manipulate import blend, generate, interpolate
from clipspace.seeds import child_seed, stream, streams
from clipspace.space import drawing
from clipspace.space import space as module


def _linear_share(z, x):
    """Share of the variance of z (n, d) that is linear in x (n, p), adjusted for p: 0 at chance."""
    z, x = z - z.mean(axis=0), x - x.mean(axis=0)
    n, p = x.shape
    left = z - x @ np.linalg.lstsq(x, z, rcond=None)[0]
    return 1 - (left**2).sum() / (z**2).sum() * (n - 1) / (n - p - 1)


def _of_generate(space, n=300):
    """The share of what `generate` draws as z of row i that is linear in x_T, of rows i, 2 i and 2 i + 1."""
    z = space.prior(["a red apple"] * n, seed=3, num_inference_steps=8).vectors.astype(float)
    x_T = space.noise(2 * n, seed=3).reshape(2 * n, -1)[:, : z.shape[1]]
    return _linear_share(z, x_T[:n]), _linear_share(z, np.concatenate([x_T[::2], x_T[1::2]], axis=1))


def test_z_and_its_noise_are_independent_of_one_another(space, monkeypatch):
    assert np.abs(_of_generate(space)).max() < 0.05

    def one_for_all(seed, n, purpose):
        candidate = int(purpose[-1]) if purpose.startswith("prior") else None
        rows = range(n) if candidate is None else range(candidate, 2 * n, 2)
        return [np.random.default_rng([seed, row]) for row in rows]

    for drawn_in in (drawing, module):
        monkeypatch.setattr(drawn_in, "streams", one_for_all)
    assert _of_generate(space)[1] > 0.25  # what the measure says of one stream for both


def test_generate_draws_what_prior_and_noise_draw(space):
    how = {"num_inference_steps": 2}
    made = generate(space, ["a red apple", "a blue house"], n=2, seed=4, **how)
    z = space.prior(["a red apple", "a red apple", "a blue house", "a blue house"], seed=4)
    assert np.allclose(made.embeddings.vectors, z.vectors, atol=1e-3)  # texts are encoded in other batches
    again = space.decode(made.embeddings, noise=space.noise(4, seed=4), **how)
    assert all(np.array_equal(a, b) for a, b in zip(made.images, again, strict=True))


def test_the_noise_of_the_steps_is_not_that_of_the_start(space, monkeypatch):
    drawn = []

    def kept(shape, rngs):
        drawn.append(draw_noise(shape, rngs).numpy())
        return draw_noise(shape, rngs)

    monkeypatch.setattr("clipspace.diffusion.sampling.draw_noise", kept)
    space.decode(space.prior("a red apple", seed=1), seed=1, eta=1.0, num_inference_steps=3)
    x_T, *steps = [draw.ravel() for draw in drawn if draw[0].ndim == 3]
    assert len(steps) >= 2
    assert max(abs(np.corrcoef(x_T, added)[0, 1]) for added in steps) < 0.05


def test_neighbouring_seeds_share_no_keyframe(space, monkeypatch):
    seen, noise = [], type(space).noise
    monkeypatch.setattr(type(space), "noise", lambda self, n, *, seed=0: seen.append(seed) or noise(self, n, seed=seed))
    points = [space.encode_texts(text) for text in ("a red apple", "a blue house", "a cat")]
    for seed in range(3):
        interpolate(space, *points, frames=2, seed=seed, num_inference_steps=1)
    assert len(seen) == len(set(seen)) == 9
    said = [blend(space, ["a cat", "a dog"], seed=seed).columns["made_of"][0] for seed in (0, 1)]
    numbers = [int(each.rpartition(" ")[2]) for item in said for each in item]
    assert len(set(numbers)) == 4
    (own,) = blend(space, ["a cat"], seed=0).vectors  # what it says draws it again
    (again,) = space.prior("a cat", seed=numbers[0]).vectors
    assert np.allclose(own, again, atol=1e-5)


def test_candidates_do_not_change_with_their_number(space):
    texts = space.encode_texts(["a red apple", "a blue house", "a green star"])
    one, four = (space.prior(texts, seed=2, candidates=k, num_inference_steps=3) for k in (1, 4))
    agree = [np.einsum("nd,nd->n", drawn.unit, texts.unit) for drawn in (one, four)]
    assert (agree[1] >= agree[0] - 1e-6).all()  # the first is among the four


def test_streams_of_other_seeds_rows_and_purposes_are_unrelated():
    keys = [(seed, purpose, row) for seed in (0, 1, 2, 2**32) for purpose in ("a", "b", "noise") for row in range(8)]
    draws = np.stack([stream(*key).standard_normal(4000) for key in keys])
    apart = np.corrcoef(draws)[np.triu_indices(len(keys), 1)]
    assert np.abs(apart).max() < 5 / np.sqrt(4000)
    scenes = np.stack([np.random.default_rng([0, row]).standard_normal(4000) for row in range(8)])
    assert np.abs(draws @ scenes.T / 4000).max() < 5 / np.sqrt(4000)
    assert len({child_seed(*key) for key in keys}) == len(keys)


def test_a_row_depends_on_seed_row_and_purpose_alone():
    five, two = (streams(7, n, "noise") for n in (5, 2))
    assert [rng.random() for rng in five[:2]] == [rng.random() for rng in two]
    code = "from clipspace.seeds import child_seed; print(child_seed(7, 'noise', 1))"  # Python salts its own hash
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(told) == child_seed(7, "noise", 1) < 2**53


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None, True])
def test_a_seed_is_a_count(seed):
    for call in (lambda: streams(seed, 0, "noise"), lambda: child_seed(seed, "noise")):
        with pytest.raises(InputError, match="non-negative integer"):
            call()
