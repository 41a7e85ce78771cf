"""Recovery: what is read off decodes against what is known to be in them, and its controls."""

import numpy as np
import pytest
from planted import planted

from clipspace.probes.factors import Factor
from clipspace.probes.factors.recovery import (
    cycle_agreement,
    cycle_read_out,
    draw_unconditionally,
    fitted_read_out,
    recovery,
    unconditional,
)
from clipspace.scenes import COLORS, GROUNDS, THINGS, Scene, Thing, render, sample_scenes
from clipspace.scenes.reading import read_color, read_thing

SEED = 4001
"""Scenes of this seed no training saw."""


def _decodes(scenes, rng, *, color=True):
    """Two pictures of each scene with the right ground, the right colour (or any), and any thing."""
    return [
        [
            render(
                Scene(
                    s.ground,
                    (Thing(str(rng.choice(list(THINGS))), s.things[0].color if color else rng.choice(list(COLORS))),),
                )
            )
            for _ in range(2)
        ]
        for s in scenes
    ]


def test_recovery_is_one_for_what_is_drawn_back_and_nothing_for_what_is_not(rng):
    scenes = [Scene(g, (Thing(k, c),)) for g in GROUNDS for k, c in zip(THINGS, list(COLORS) * 3, strict=False)][:60]
    decoded = _decodes(scenes, rng)
    color = Factor("color", [], lambda i: None, read=read_color)
    thing = Factor("thing", [], lambda i: None, read=read_thing)
    assert recovery(color, [s.things[0].color for s in scenes], decoded, seed=0).value > 0.85
    assert abs(recovery(thing, [s.things[0].kind for s in scenes], decoded, seed=0).value) < 0.15
    lost = _decodes(scenes, rng, color=False)
    assert abs(recovery(color, [s.things[0].color for s in scenes], lost, seed=0).value) < 0.15


def test_recovery_of_amounts_and_of_unreadable_pictures():
    amount = Factor("x", [], lambda i: None, read=lambda image: image)
    truth = np.linspace(0, 1, 40).tolist()
    assert recovery(amount, truth, [[t] for t in truth], seed=0).value == 1
    assert recovery(amount, truth, [[None] for _ in truth], seed=0).value == 0
    phase = Factor("phase", [], lambda i: None, read=lambda image: image, period=1.0)
    assert recovery(phase, truth, [[(t + 1) % 1] for t in truth], seed=0).value == pytest.approx(1)


def test_a_decoder_told_nothing_scores_what_its_prior_is_worth():
    """Of 40 truths 30 are "a"; a prior that always draws "a" is right more often than decodes of other points."""
    label = Factor("label", [], lambda i: None, read=lambda image: image)
    truth = ["a"] * 30 + ["b"] * 10
    decoded = [[t] for t in truth]
    common = unconditional(label, truth, decoded, ["a"] * 5, seed=0)
    alike = unconditional(label, truth, decoded, truth, seed=0)
    chance = 1 - 0.75**2 - 0.25**2
    assert recovery(label, truth, decoded, seed=0).value == 1
    assert common.value == pytest.approx(1 - 0.25 / chance, abs=0.1)
    assert alike.value == pytest.approx(0, abs=0.1)
    assert unconditional(label, truth, decoded, [None], seed=0).value == pytest.approx(1 - 1 / chance, abs=0.3)
    assert common.n == 40


def test_the_unconditional_draws_do_not_depend_on_z(space):
    points = space.encode_images([render(s) for s in sample_scenes(2, seed=SEED, layout="one")])
    a, b = (draw_unconditionally(space, p, seed=4, num_inference_steps=2) for p in (points, points[[1, 0]]))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(a[0], a[1])


def test_the_cycle_tells_a_decoder_that_keeps_a_factor_from_one_that_does_not(rng):
    z, value = planted(rng, 500)
    z[:, 0] = 4 * value
    labels = np.where(value > 0, "up", "down").tolist()
    how = {"period": None, "seed": 0}
    kept = cycle_read_out(z[:400], labels[:400], z[400:, None], labels[400:], **how)
    lost = cycle_read_out(z[:400], labels[:400], rng.permutation(z[400:])[:, None], labels[400:], **how)
    assert kept.value > 0.85
    assert abs(lost.value) < 0.25
    assert cycle_agreement(z, z[:, None], typical=1.0, seed=0).value == pytest.approx(1)


def test_a_fitted_reader_learns_how_the_decoder_draws_and_finds_nothing_in_what_it_does_not(rng):
    """E(D(z)) turned by a rotation: the reader of true points is lost, one that is fitted to decodes is not."""
    label = rng.integers(3, size=200)
    z = np.eye(16)[label] * 4 + rng.normal(size=(200, 16))
    turned = (z @ np.linalg.qr(rng.normal(size=(16, 16)))[0])[:, None] + 0.1 * rng.normal(size=(200, 2, 16))
    how = {"period": None, "seed": 0}
    assert cycle_read_out(z, label.tolist(), turned, label.tolist(), **how).value < 0.3
    assert fitted_read_out(turned, label.tolist(), **how).value > 0.9
    lost = fitted_read_out(turned, rng.permutation(label).tolist(), **how)
    assert lost.value < 0.2
    angle = rng.uniform(0, 360, size=200)
    drawn = np.stack([np.cos(np.radians(angle)), np.sin(np.radians(angle))], axis=1)[:, None]
    assert fitted_read_out(drawn, angle.tolist(), period=360.0, seed=0).value > 0.99
