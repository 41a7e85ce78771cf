"""The decoder's side of retention on a planted space: decodes are the points themselves."""

import numpy as np
import pytest

from clipspace import Embeddings
from clipspace.measure.reciprocal_rank import chance_reciprocal_rank
from clipspace.probes.factors import Factor
from clipspace.probes.factors.decoded import OF_DECODES, of_decoder

N, D = 400, 24


class Planted:
    """A space whose images are vectors; a ``fixed`` decoder draws the same image of all."""

    stamp, decoder = None, type("Decoder", (), {"guides": False})()

    def __init__(self, fixed=False):
        self.fixed = fixed

    def encode_images(self, images, batch_size):
        return Embeddings(np.stack(images))

    def decode(self, points, *, seed, num_inference_steps):
        noise = np.random.default_rng(seed).normal(size=points.vectors.shape)
        return list((np.ones(D) if self.fixed else points.vectors) + 0.05 * noise)


@pytest.fixture
def factors(rng):
    """Labels of four kinds in the first four dimensions, and of two in the next two, beside much that varies otherwise."""
    kinds, sides = rng.integers(4, size=N), rng.integers(2, size=N)
    z = rng.normal(size=(N, D))
    z[:, :4] = 3 * np.eye(4)[kinds] + 0.1 * z[:, :4]
    z[:, 4:6] = 3 * np.eye(2)[sides] + 0.1 * z[:, 4:6]

    def factor(name, values, columns):
        return Factor(name, values.tolist(), lambda i: z[i], read=lambda image: int(np.argmax(image[columns])))

    return z, [factor("kind", kinds, slice(0, 4)), factor("side", sides, slice(4, 6))]


def _of(space, factors, **options):
    z, known = factors
    how = {"decoded": 120, "decodes": 2, "num_inference_steps": 1, "seed": 0} | options
    return of_decoder(space, known, z, **how)


def test_what_is_erased_from_z_is_gone_from_decodes_and_the_rest_stays(factors):
    measures, whole = _of(Planted(), factors)
    for name in ("kind", "side"):
        for component in ("recovery", "reader", "cycle", "fitted reader"):
            assert measures[component, name].value > 0.95, component
        for component in ("erased cycle", "erased recovery"):
            assert abs(measures[component, name].value) < 0.2, component
        assert measures["others erased", name].value > -0.02
    value, low, high, chance, n = whole["reciprocal rank"]
    assert low <= value <= high
    assert value > 0.99
    assert n == N - 120 + 1
    assert chance == chance_reciprocal_rank(int(n))
    assert {component for component, _ in measures} == {*OF_DECODES} - {"unconditional"}


def test_a_decoder_that_ignores_z_recovers_nothing_and_its_rank_is_chance(factors):
    measures, whole = _of(Planted(fixed=True), factors)
    for name in ("kind", "side"):
        for component in ("recovery", "cycle", "fitted reader", "erased cycle"):
            assert measures[component, name].value < 0.25, component
    assert whole["reciprocal rank"][0] < 4 * whole["reciprocal rank"][3]


def test_few_scenes_have_no_fitted_reader(factors):
    measures, _ = _of(Planted(), factors, decoded=10, decodes=1)
    assert not [name for name, _ in measures if name == "fitted reader"]
