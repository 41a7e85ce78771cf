"""Recovery: does the decoder draw a factor again, and if not, is CLIP or the decoder the cause?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.errors import InputError
from clipspace.measure.read_outs import linear, ridge_predictions
from clipspace.points import sphere
from clipspace.points.embeddings import Embeddings
from clipspace.probes.factors.factor import Factor, features
from clipspace.probes.factors.resampled import Measure, measured
from clipspace.seeds import child_seed, stream

if TYPE_CHECKING:
    from PIL import Image

    from clipspace.space import Space

SHUFFLES = 20
FOLDS = 5


def decode_often(
    space: Space, points: Embeddings, decodes: int, *, seed: int, num_inference_steps: int
) -> list[list[Image.Image]]:
    """``decodes`` images of each point, from different x_T: one list per point."""
    if decodes < 1:
        raise InputError(f"recovery: expected at least one decode of each point, got {decodes}")
    repeated = points[np.repeat(np.arange(len(points)), decodes)]
    images = space.decode(repeated, seed=seed, num_inference_steps=num_inference_steps)
    return [images[i : i + decodes] for i in range(0, len(images), decodes)]


def draw_unconditionally(space: Space, points: Embeddings, *, seed: int, num_inference_steps: int) -> list[Image.Image]:
    """As many images as ``points``, drawn with the decoder's null condition."""
    options = {"seed": child_seed(seed, "no condition"), "num_inference_steps": num_inference_steps}
    return space.decode(points, guidance_scale=0.0, **options)  # at 0 guidance leaves the null condition alone


def recovery(factor: Factor, truth: Sequence[Any], decoded: Sequence[Sequence[Image.Image]], *, seed: int) -> Measure:
    """Skill with which ``factor.read`` finds the truth in decoded images, averaged over the decodes of each point.

    ``1 - loss / chance``, where chance is the loss against the truths of other points. An image the reader cannot
    read counts as wrong.
    """
    read = _read(factor, decoded)
    loss = _reading_loss(read, truth, factor.period)
    return measured(loss, _chance(read, truth, factor.period, seed), seed=seed)


def unconditional(
    factor: Factor,
    truth: Sequence[Any],
    decoded: Sequence[Sequence[Image.Image]],
    drawn: Sequence[Image.Image],
    *,
    seed: int,
) -> Measure:
    """The same skill of images ``drawn`` without a condition, each held against every truth; chance is `recovery`'s.

    The baseline of what a decoder draws without a condition. 0 if it is right as often as decodes of other points; above 0
    if the decoder favours common values, below 0 if its images cannot be read.
    """
    chance = _chance(_read(factor, decoded), truth, factor.period, seed)
    loss = _reading_loss(_read(factor, [drawn]) * len(truth), truth, factor.period)
    return measured(loss, chance, seed=seed)


def cycle_read_out(
    known: np.ndarray,
    values: Sequence[Any],
    again: np.ndarray,
    truth: Sequence[Any],
    *,
    period: float | None,
    seed: int,
) -> Measure:
    """Skill, on re-encoded decodes ``again`` ``(n, decodes, d)``, of the linear read-out learned from real images.

    The control of recovery: if a factor can be predicted from z but not from E(D(z)), the decoder cannot draw it, and its
    images say nothing about what CLIP keeps.
    """
    coded, labels = features([*values, *truth], period=period)
    predicted = ridge_predictions(known, coded[None, : len(values)], again.reshape(-1, again.shape[2]))
    return _skill(predicted.reshape(*again.shape[:2], -1), coded[len(values) :], labels, seed)


def fitted_read_out(again: np.ndarray, truth: Sequence[Any], *, period: float | None, seed: int) -> Measure:
    """Skill of a linear reader of E(D(z)) ``(n, decodes, d)`` that is fitted to decodes of other scenes; n of 20 or more.

    It learns how this decoder draws a factor, which neither templates of true images nor a reader of their embeddings
    know; but from few examples: of many labels it needs many decodes. `FOLDS` folds, all decodes of a scene in one.
    """
    coded, labels = features(truth, period=period)
    fold = stream(seed, "folds of decodes").permutation(len(coded)) % FOLDS
    flat = again.reshape(-1, again.shape[2])
    targets, folds = (np.repeat(of_scenes, again.shape[1], axis=0) for of_scenes in (coded, fold))
    predicted = linear(flat, targets[None], folds[None], labels=labels, seed=seed)
    return _skill(predicted.reshape(*again.shape[:2], -1), coded, labels, seed)


def _skill(predicted: np.ndarray, target: np.ndarray, labels: bool, seed: int) -> Measure:
    """Skill of predictions ``(n, decodes, k)`` of ``target`` ``(n, k)``; chance is their loss against other targets."""
    rng = stream(seed, "chance of decodes")

    def loss(rows: np.ndarray) -> np.ndarray:
        if labels:
            return (predicted.argmax(axis=2) != target[rows].argmax(axis=1)[:, None]).mean(axis=1)
        return ((predicted - target[rows][:, None]) ** 2).sum(axis=2).mean(axis=1)

    shuffled = [loss(rng.permutation(len(target))) for _ in range(SHUFFLES)]
    return measured(loss(np.arange(len(target))), np.mean(shuffled, axis=0), seed=seed)


def cycle_agreement(points: np.ndarray, again: np.ndarray, *, typical: float, seed: int) -> Measure:
    """``1 - angle(z, E(D(z))) / typical``: 1 is a cycle that closes, 0 one that returns an unrelated image."""
    angles = np.stack([sphere.angle(points, again[:, j]) for j in range(again.shape[1])], axis=1).mean(axis=1)
    return measured(1 - angles / typical, seed=seed)


def _read(factor: Factor, images: Sequence[Sequence[Image.Image]]) -> list[list[Any]]:
    assert factor.read is not None
    return [[factor.read(image) for image in row] for row in images]


def _chance(read: list[list[Any]], truth: Sequence[Any], period: float | None, seed: int) -> np.ndarray:
    """The loss of each point's readings against the truths of other points."""
    rng = np.random.default_rng([seed, 6])
    others = ([truth[i] for i in rng.permutation(len(truth))] for _ in range(SHUFFLES))
    return np.mean([_reading_loss(read, other, period) for other in others], axis=0)


def _reading_loss(read: list[list[Any]], truth: Sequence[Any], period: float | None) -> np.ndarray:
    """Mean loss of each point's readings: 0 or 1 for labels, the squared difference of amounts."""

    def one(value: Any, true: Any) -> float:
        if not isinstance(true, float):
            return float(value != true)
        if value is None:
            return 1.0
        gap = abs(value - true)
        return (gap if period is None else min(gap % period, period - gap % period)) ** 2

    return np.array([np.mean([one(value, true) for value in row]) for row, true in zip(read, truth, strict=True)])
