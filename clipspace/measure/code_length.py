"""Description length: how many bits a factor costs, once the points are known (Voita & Titov 2020, arXiv 2003.12298).

The online code of their section 2.2.2: the values of a block of rows are sent with a read-out that was fitted to the blocks
before, which the receiver has; blocks double. What is short to send is both there and easy to learn, so no choice
of a split or of a capacity flatters it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from clipspace.measure.estimate import Estimate, at_least
from clipspace.measure.read_outs import ridge_path
from clipspace.reprs import brief
from clipspace.seeds import stream

FIRST = 32
"""Rows of the first block, which is sent without the points."""
STRENGTHS = np.logspace(-1, 4, 6)
"""Of L2 regularisation, on standardised directions; each is one of the read-outs that are mixed."""
_CORRECTION = 2.0
"""Of the variance of a row's bits: a row is sent, and is learned from; see ``benchmarks/coverage_readouts.py``."""
_LEAST = 2.0
"""Least error of the bits, over the number of rows sent: where the plain code wins, bits hardly differ between rows."""


@dataclass(frozen=True, eq=False)
class CodeLength:
    """Bits of each row: ``coded`` with the points, ``plain`` by how often values occur; float64 ``(n,)``, as sent.

    ``uniform`` is log2 of the number of labels, bits per row; NaN for amounts, whose bits are those of a density, so
    that only differences mean anything. ``order`` says which row was sent when.
    """

    coded: np.ndarray
    plain: np.ndarray
    order: np.ndarray
    uniform: float

    __repr__ = brief

    @property
    def saved(self) -> Estimate:
        """Bits per row that the points save, learning included: 0 where they say nothing."""
        return self._mean(np.ones(len(self.coded), dtype=bool))

    @property
    def usable(self) -> Estimate:
        """Bits per row that the points save in the last block, when half of the rows are known to the read-out.

        The usable information of Xu et al. 2020 (arXiv 2002.10689, definition 2) for linear read-outs, held out.
        """
        return self._mean(np.arange(len(self.coded)) >= _blocks(len(self.coded))[-2])

    @property
    def compression(self) -> float:
        """Bits of a uniform code over those of this one; 1 where the points say nothing. NaN for amounts."""
        return float(self.uniform / self.coded.mean())

    def _mean(self, sent: np.ndarray) -> Estimate:
        saved = (self.plain - self.coded)[sent]
        influence = np.zeros(len(sent))
        influence[self.order[sent]] = (saved - saved.mean()) / len(saved) * np.sqrt(_CORRECTION)
        return Estimate(float(saved.mean()), at_least(influence, (_LEAST / len(saved)) ** 2), np.array([saved.mean()]))


def code_length(x: np.ndarray, targets: np.ndarray, *, labels: bool, seed: int = 0) -> CodeLength:
    """Online code length of ``targets`` ``(n, k)``, given points ``x`` ``(n, d)``, with linear read-outs.

    Labels (one-hot) are coded by logistic regression, amounts by a Gaussian around ridge regression whose variance is
    the leave-one-out error. Several strengths of regularisation, and the plain code that ignores the points, are mixed
    with the weights of Bayes: the total exceeds that of the best of them by a few bits at most, so that values that have
    nothing to do with the points cost what the plain code costs.
    """
    order = stream(seed, "order of the code").permutation(len(x))
    x, targets = np.asarray(x, dtype=np.float64)[order], np.asarray(targets, dtype=np.float64)[order]
    coded, plain = np.empty(len(x)), np.empty(len(x))
    total = np.zeros(len(STRENGTHS) + 1)
    for start, end in pairwise(_blocks(len(x))):
        plain[start:end] = _plain(targets[:start], targets[start:end], labels)
        lengths = plain[start:end][None]
        if start:
            with_points = (_logistic if labels else _gaussian)(
                x[:start], targets[:start], x[start:end], targets[start:end]
            )
            weights = -total - np.logaddexp2.reduce(-total)
            lengths = np.concatenate([lengths, with_points])
            coded[start:end] = -np.logaddexp2.reduce(weights[:, None] - lengths, axis=0)
            total += lengths.sum(axis=1)
        else:
            coded[start:end] = lengths[0]
    return CodeLength(coded, plain, order, float(np.log2(targets.shape[1])) if labels else float("nan"))


def _blocks(n: int) -> list[int]:
    """Where blocks end: at n, n / 2, n / 4, … down to `FIRST`, rising and with 0 first."""
    ends = [n]
    while ends[-1] // 2 >= FIRST:
        ends.append(ends[-1] // 2)
    return [0, *reversed(ends)]


def _plain(before: np.ndarray, now: np.ndarray, labels: bool) -> np.ndarray:
    """Bits of each row by how often the values occurred before: Laplace's rule, or a Gaussian."""
    if labels:
        share = (before.sum(axis=0) + 1) / (len(before) + now.shape[1])
        return -np.log2(share[now.argmax(axis=1)])
    if not len(before):
        return _bits(now**2, np.ones(1))[0]
    variance = ((before - before.mean(axis=0)) ** 2).mean() * (1 + 2 / len(before))
    return _bits((now - before.mean(axis=0)) ** 2, np.array([variance]))[0]


def _gaussian(x: np.ndarray, y: np.ndarray, at: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Bits ``(s, m)`` of the rows ``now`` around the ridge predictions of each strength."""
    errors, predicted = ridge_path(x, y[None], at, STRENGTHS)
    return np.concatenate(
        [_bits((now - values[0]) ** 2, error) for values, error in zip(predicted, errors, strict=True)]
    )


def _bits(squares: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Bits ``(1, m)`` of a Gaussian of that variance in each of k columns."""
    variance = np.maximum(variance, 1e-12)[:, None]
    k = squares.shape[1]
    return (squares.sum(axis=1) / variance + k * np.log(2 * np.pi * variance)) / (2 * np.log(2))


def _logistic(x: np.ndarray, y: np.ndarray, at: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Bits ``(s, m)`` of the labels ``now`` by the logistic regression of each strength.

    One row of each label at the mean is added, so that a label not yet seen has some probability.
    """
    from clipspace.measure.logistic import fit_logistic  # loads torch, which drawing a result does without

    mean, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    k = y.shape[1]
    rows = np.concatenate([(x - mean) / scale, np.zeros((k, x.shape[1]))])
    fits = fit_logistic(rows, np.concatenate([y.argmax(axis=1), np.arange(k)]), STRENGTHS, tol=1e-5)
    scores = np.einsum("md,bdk->bmk", (at - mean) / scale, fits.weights, optimize=True) + fits.intercepts[:, None]
    scores -= scores.max(axis=2, keepdims=True)
    right = np.take_along_axis(scores, now.argmax(axis=1)[None, :, None], axis=2)[..., 0]
    return (np.log(np.exp(scores).sum(axis=2)) - right) / np.log(2)
