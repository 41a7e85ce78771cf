"""Linear probes: how much of a label, or of a quantity, a linear map reads off the embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from clipspace.errors import InputError, shortened
from clipspace.measure.accuracy import clopper_pearson, confusion_matrix
from clipspace.measure.logistic import fit_logistic
from clipspace.measure.ridge import STRENGTHS
from clipspace.measure.splits import Split, stratify, warn_small
from clipspace.points.embeddings import Embeddings
from clipspace.probes.labelled import HeldOut, split
from clipspace.probes.rows import accuracy_rows
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import scored
from clipspace.seeds import child_seed, stream

if TYPE_CHECKING:
    from clipspace.points.store import Store

Search = Literal["sweep", "binary"]


def linear(
    points: Embeddings | Store,
    labels: Sequence | str,
    *,
    held_out: HeldOut | float = 0.2,
    search: Search | Sequence[float] = "sweep",
    validation: float = 0.2,
    seed: int = 0,
    device: str | None = None,
) -> Result:
    """Accuracy of multinomial logistic regression on held-out rows (Radford et al. 2021, appendix A.3).

    The strength of the L2 penalty is the one of the best accuracy on a validation split of the training rows;
    with that strength all training rows are fitted again. Features are the vectors as given, not normalised.

    Parameters
    ----------
    labels : n values, or the name of a column of ``points``
    held_out : ``(points, labels)`` of a test set, or the share of each class that is held out
    search : "sweep" tries all 96 `STRENGTHS` in one batched fit, "binary" is the paper's parametric binary
        search (15 of them on its grid of 8 a decade), a sequence is tried as it is
    validation : share of each class of the training rows on which the strength is chosen

    Returns
    -------
    `Result` with the key ``score``: "accuracy" (chance: always the commonest training class) and "balanced accuracy", its
    mean over the classes; ``provenance.options["strength"]`` is the strength that was chosen; arrays
    ``strengths`` and ``validation`` (the accuracy of each), ``confusion`` (k, k; rows are the truth).

    Raises `InputError` for labels that cannot be learnt (see `splits.split`); warns for fewer rows than dimensions.

    >>> rng = np.random.default_rng(0)
    >>> points = Embeddings(rng.normal(size=(400, 8)))
    >>> linear(points, points.vectors[:, 0] > 0, search="binary")["accuracy"].value > 0.9
    True
    """
    data = split(points, labels, held_out, seed=seed, doing="linear")
    warn_small(len(data.train), data.train.shape[1], "linear")
    kept, out = stratify(
        data.train_ids, validation, seed=child_seed(seed, "validation"), doing="linear", names=data.classes
    )
    best, curve = choose_strength(data, kept, out, search, device)
    predicted = fit_logistic(data.train, data.train_ids, [best], device=device).predict(data.test, device=device)[0]
    options = {"strength": best, "validation": validation, "n_train": len(data.train)}
    options["search"] = search if isinstance(search, str) else "given"
    return Result(
        "linear",
        accuracy_rows(predicted, data.test_ids, data.classes, chance=data.chance),
        arrays={**curve, "confusion": confusion_matrix(predicted, data.test_ids, len(data.classes))},
        labels={"classes": list(map(str, data.classes))},
        provenance=provenance("linear", stamp=points.stamp, seed=seed, **options),
    )


def few_shot(
    points: Embeddings | Store,
    labels: Sequence | str,
    *,
    shots: Sequence[int] = (1, 2, 4, 8, 16),
    draws: int = 10,
    held_out: HeldOut | float = 0.2,
    search: Search | Sequence[float] = "sweep",
    seed: int = 0,
    device: str | None = None,
) -> Result:
    """Accuracy of the linear probe when it sees k examples a class: mean over draws, for each k.

    Each draw takes k training rows of each class, and as many others on which the strength is chosen. The interval
    is that of the mean over draws (1.96 standard errors), or where all draws agree that of the test rows. Chance is
    1 / classes. The key of a row is ``shots``. The array ``accuracy`` (len(shots), draws) holds every draw, and ``spread``
    their standard deviation for each k.
    """
    data = split(points, labels, held_out, seed=seed, doing="few_shot")
    least = int(np.bincount(data.train_ids).min())
    if not shots or min(shots) < 1 or 2 * max(shots) > least:
        raise InputError(
            f"few_shot: expected shots from 1 to {least // 2} (the smallest class has {least} training rows, and as "
            f"many serve to choose the strength), got {shortened(shots)}"
        )
    if draws < 2:
        raise InputError(f"few_shot: expected at least two draws, got {draws}")
    accuracy = np.array(
        [[_one_draw(data, k, search, stream(seed, f"{k}-shot", draw), device) for draw in range(draws)] for k in shots]
    )
    spread = accuracy.std(axis=1, ddof=1)
    intervals = [_over_draws(each, len(data.test)) for each in accuracy]
    rows = [
        scored(shots=k, value=float(each.mean()), chance=1 / len(data.classes), low=low, high=high, n=draws)
        for k, each, (low, high) in zip(shots, accuracy, intervals, strict=True)
    ]
    return Result(
        "few_shot",
        rows,
        arrays={"shots": np.array(shots), "accuracy": accuracy, "spread": spread},
        labels={"classes": list(map(str, data.classes))},
        provenance=provenance("few_shot", stamp=points.stamp, seed=seed, draws=draws, n_test=len(data.test)),
    )


def _over_draws(accuracy: np.ndarray, n_test: int) -> tuple[float, float]:
    """Interval of the mean accuracy (draws,): equal draws say nothing of their spread, so then that of the test rows."""
    middle, half = float(accuracy.mean()), float(1.96 * accuracy.std(ddof=1) / np.sqrt(len(accuracy)))
    if half == 0:
        return clopper_pearson(middle * n_test, n_test)
    return max(0.0, middle - half), min(1.0, middle + half)


def choose_strength(
    data: Split, kept: np.ndarray, out: np.ndarray, search: Search | Sequence[float], device: str | None
) -> tuple[float, dict[str, np.ndarray]]:
    """The best strength on the training rows ``out`` of fits to the rows ``kept``, and the curve it was read from.

    Of equals the strongest is taken.
    """

    def accuracy(strengths: np.ndarray) -> np.ndarray:
        fits = fit_logistic(data.train[kept], data.train_ids[kept], strengths, device=device)
        return (fits.predict(data.train[out], device=device) == data.train_ids[out]).mean(axis=1)

    if isinstance(search, str) and search not in ("sweep", "binary"):
        raise InputError(f"linear: expected search 'sweep', 'binary' or strengths, got {search!r}")
    if isinstance(search, str) and search == "binary":
        tried = binary_search(accuracy)
    else:
        strengths = STRENGTHS if isinstance(search, str) else np.sort(np.asarray(search, dtype=np.float64))
        tried = dict(zip(strengths.tolist(), accuracy(strengths).tolist(), strict=True))
    best = max(tried, key=lambda strength: (tried[strength], strength))
    ordered = sorted(tried)
    return best, {"strengths": np.array(ordered), "validation": np.array([tried[s] for s in ordered])}


def binary_search(accuracy: Callable[[np.ndarray], np.ndarray]) -> dict[float, float]:
    """The parametric binary search of Radford et al. 2021, A.3: strengths tried, and the accuracy of each.

    It starts at 1e-6, 1e-4, ... 1e6 and halves the spacing about the peak down to 8 steps a decade.
    ``accuracy`` maps an array of strengths to their accuracies.
    """
    exponents = np.arange(-6.0, 7.0, 2.0)
    tried = dict(zip(exponents.tolist(), accuracy(10.0**exponents).tolist(), strict=True))
    for spacing in (1.0, 0.5, 0.25, 0.125):
        peak = max(tried, key=lambda e: (tried[e], e))
        sides = np.array([e for e in (peak - spacing, peak + spacing) if -6 <= e <= 6])
        tried.update(zip(sides.tolist(), accuracy(10.0**sides).tolist(), strict=True))
    return {float(10.0**e): value for e, value in tried.items()}


def _one_draw(data: Split, k: int, search, rng: np.random.Generator, device: str | None) -> float:
    drawn = [rng.permutation(np.flatnonzero(data.train_ids == c))[: 2 * k] for c in range(len(data.classes))]
    shots, others = (np.concatenate(part) for part in zip(*[(rows[:k], rows[k:]) for rows in drawn], strict=True))
    best, _ = choose_strength(data, shots, others, search, device)
    fit = fit_logistic(data.train[shots], data.train_ids[shots], [best], device=device)
    return float((fit.predict(data.test, device=device)[0] == data.test_ids).mean())
