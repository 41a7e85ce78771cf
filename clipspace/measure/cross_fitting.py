"""Held-out skill of read-outs by repeated cross-fitting, with chance, a control task and intervals.

Skill is ``1 - loss / chance``: the loss is the error rate of labels and the squared error of amounts, chance the loss of
the same read-out, trained on shuffled values, against the values of other rows. 0 is chance, 1 is no loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clipspace.errors import InputError, shortened
from clipspace.measure.estimate import Estimate, share_of_chance
from clipspace.measure.folds import repeated_folds
from clipspace.measure.read_outs import READ_OUTS
from clipspace.reprs import brief
from clipspace.seeds import stream

CAPACITIES = tuple(READ_OUTS)
FOLDS = 5
REPEATS = 2
CELLS = 64
"""Cells of the control task."""
_CORRECTION = {"linear": 1.5, "neighbours": 2.75, "mlp": 1.5}
"""By what the variance of a row's loss is multiplied, as splits share their training rows.

1 + test rows / training rows (Nadeau & Bengio 2003, Inference for the generalization error, equation 9) is 1.25; the strength of a
read-out is chosen on these rows, too; and among neighbours a row's value counts in its own loss and in those of others.
``benchmarks/coverage_readouts.py`` shows how often intervals cover.
"""


@dataclass(frozen=True, eq=False)
class Skills:
    """What read-outs find: ``skill`` and ``control``, an `Estimate` for each capacity; ``best`` of the capacities.

    ``best`` is chosen without looking: the rows of each fold are read by the capacity that does best on the rows of the
    other folds. ``chosen`` is the capacity that is chosen most often. ``control`` is the skill on a random function
    of the points, and selectivity ``skill[capacity] - control[capacity]``, of the first repeat.
    """

    skill: Mapping[str, Estimate]
    control: Mapping[str, Estimate]
    best: Estimate
    chosen: str

    __repr__ = brief

    @property
    def selectivity(self) -> Estimate:
        """Skill of the best minus that of the capacity chosen most often on the control task."""
        control = self.control[self.chosen]
        return Estimate(
            self.best.value - control.value, self.best.influence - control.influence, self.best.splits - control.value
        )


def cross_fit(
    x: np.ndarray,
    targets: np.ndarray,
    *,
    labels: bool,
    capacities: Sequence[str] = CAPACITIES,
    folds: int = FOLDS,
    repeats: int = REPEATS,
    control: bool = True,
    seed: int = 0,
) -> Skills:
    """Held-out skill with which each capacity reads ``targets`` from ``x``; every row is held out once in each repeat.

    Two sets of points of the same rows get the same folds from the same seed, so that ``a.best - b.best`` is the
    difference of two spaces with its interval; see `Estimate`.

    The *control task* (Hewitt & Liang 2019, arXiv 1909.03368) asks what a read-out of that capacity makes of values
    that mean nothing. They give each word type a random label; here the types are cells of the points (the nearest of
    `CELLS` rows drawn at random), and each cell has the value of a random row. A read-out that scores as high on it
    reads whatever is a function of the points, and its skill says little of how the factor is coded.

    Parameters
    ----------
    x : float ``(n, d)``; neighbours take distances as they are (give unit vectors for cosines), the others standardise
    targets : float ``(n, k)``: labels one-hot, amounts in columns (of equal weight; those of a circle as cosine and sine)
    labels : whether the targets are labels
    capacities : of "linear", "neighbours" and "mlp", rising
    folds, repeats : number of folds, at most that of rows; number of random divisions into them
    control : whether to fit the control task, which costs as much as a repeat

    Raises `InputError` for arrays that do not fit together, unknown capacities, fewer rows than folds, targets that are
    all the same, and NaN.
    """
    x, targets = np.asarray(x), np.asarray(targets, dtype=np.float64)
    _check(x, targets, capacities, folds)
    classes = targets.argmax(axis=1) if labels else None
    divided = repeated_folds(len(x), folds=folds, repeats=repeats, seed=seed, classes=classes)
    rng = stream(seed, "control values")
    tasks = [*[targets] * repeats, targets[rng.permutation(len(x))]]
    if control:
        tasks.append(targets[_cell_values(x, rng)])
    which = np.concatenate([divided, np.repeat(divided[:1], len(tasks) - repeats, axis=0)])
    losses, chances, skill, controls = {}, {}, {}, {}
    for name in capacities:
        out = READ_OUTS[name](x, np.stack(tasks), which, labels=labels, seed=seed)
        losses[name] = np.stack([_loss(out[repeat], targets, labels) for repeat in range(repeats)])
        chances[name] = np.tile(_chance(out[repeats], divided[0], targets, labels), (repeats, 1))
        how = {"error_rate": labels, "correction": np.array(_CORRECTION[name])}
        skill[name] = share_of_chance(losses[name], chances[name], **how)
        if control:
            expected = _chance(out[repeats], divided[0], tasks[-1], labels)
            controls[name] = share_of_chance(_loss(out[-1], tasks[-1], labels)[None], expected[None], **how)
    best, chosen = _best(losses, chances, divided, labels)
    return Skills(skill, controls, best, chosen)


def _best(
    losses: Mapping[str, np.ndarray], chances: Mapping[str, np.ndarray], divided: np.ndarray, labels: bool
) -> tuple[Estimate, str]:
    """The skill of the capacity that does best on other folds, and the one that is chosen most often."""
    folds, votes = int(divided.max()) + 1, dict.fromkeys(losses, 0)
    loss, chance, correction = (np.empty(divided.shape) for _ in range(3))
    for repeat, which in enumerate(divided):
        for test in (which == fold for fold in range(folds)):
            share = {name: losses[name][repeat, ~test].mean() / chances[name][repeat, ~test].mean() for name in losses}
            name = min(share, key=share.__getitem__)
            votes[name] += 1
            loss[repeat, test], chance[repeat, test] = losses[name][repeat, test], chances[name][repeat, test]
            correction[repeat, test] = _CORRECTION[name]
    best = share_of_chance(loss, chance, error_rate=labels, correction=correction.mean(axis=0))
    return best, max(votes, key=votes.__getitem__)


def _loss(predicted: np.ndarray, targets: np.ndarray, labels: bool) -> np.ndarray:
    """Loss of each row ``(n,)``: 1 for a wrong label, the squared error of an amount."""
    if labels:
        return (predicted.argmax(axis=1) != targets.argmax(axis=1)).astype(float)
    return ((predicted - targets) ** 2).sum(axis=1)


def _chance(predicted: np.ndarray, which: np.ndarray, targets: np.ndarray, labels: bool) -> np.ndarray:
    """Expected loss of each row ``(n,)``, if the predictions of its fold were handed out at random."""
    out = np.empty(len(targets))
    for fold in range(which.max() + 1):
        test = which == fold
        if labels:
            said = np.bincount(predicted[test].argmax(axis=1), minlength=targets.shape[1]) / test.sum()
            out[test] = 1 - said[targets[test].argmax(axis=1)]
        else:
            middle = predicted[test].mean(axis=0)
            out[test] = ((targets[test] - middle) ** 2).sum(axis=1) + predicted[test].var(axis=0).sum()
    return out


def _cell_values(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each row the row whose value it takes: the same for all of a cell of the points."""
    points = x.astype(np.float32)
    centres = points[rng.permutation(len(x))[:CELLS]]
    distance = (centres**2).sum(axis=1) - 2 * points @ centres.T
    return rng.integers(len(x), size=len(centres))[distance.argmin(axis=1)]


def _check(x: np.ndarray, targets: np.ndarray, capacities: Sequence[str], folds: int) -> None:
    if x.ndim != 2 or targets.ndim != 2 or len(x) != len(targets):
        raise InputError(f"cross_fit: expected points (n, d) and targets (n, k), got {x.shape} and {targets.shape}")
    unknown = [name for name in capacities if name not in READ_OUTS]
    if unknown or not capacities:
        raise InputError(f"cross_fit: expected capacities of {shortened(READ_OUTS)}, got {shortened(unknown)}")
    if not 2 <= folds <= len(x) // 2:
        raise InputError(f"cross_fit: expected from 2 folds to half the rows ({len(x)}), got {folds}; add rows")
    if not np.isfinite(x).all() or not np.isfinite(targets).all():
        raise InputError("cross_fit: expected finite points and targets, got NaN or infinite ones; drop these rows")
    if (targets == targets[0]).all():
        raise InputError("cross_fit: expected targets that vary, got one value for all rows")
