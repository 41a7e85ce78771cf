"""The geometry of a set of embeddings as scores: functions of `clipspace.geometry`, gathered."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from clipspace.embeddings import Embeddings, check_same_space
from clipspace.errors import InputError, SampleWarning
from clipspace.geometry import cone, contrast, dimension, gap, hubness, retrieval, similarity, spectrum
from clipspace.probes.accuracy import proportion_interval
from clipspace.probes.splits import finite_vectors
from clipspace.scores import Score, Scores, bootstrap
from clipspace.sphere import unit

MAX_POINTS = 5000
"""Rows that measures over all pairs are taken on; of more, so many are drawn."""


def geometry(
    points: Embeddings,
    *,
    k: int = 10,
    estimators: Sequence[str] = (),
    max_points: int = MAX_POINTS,
    seed: int = 0,
) -> Scores:
    """Where the directions of a set lie: cone, spectrum, dimension, hubs. Each function says how it depends on n.

    Duplicate rows are dropped with a warning: distances of 0 break the estimators. Measures of a covariance take
    all rows, those of pairs at most ``max_points``; ``n`` of each score says how many. ``estimators`` adds dimensions
    as scikit-dimension estimates them (`geometry.dimension.by_scikit_dimension`).

    Returns
    -------
    `Scores`, with arrays ``spectrum`` (d,), ``coordinate shares`` (d,) where there is a cone, ``hub counts`` (n,).

    Raises `InputError` for fewer than 4 distinct rows, and for rows equally far from each other; warns where rows are no
    more than dimensions.
    """
    x = _distinct(points, "geometry")
    n, d = x.shape
    if n < 4:
        raise InputError(f"geometry: expected at least 4 distinct rows, got {n}; add points")
    if n <= d:
        warnings.warn(
            f"geometry: {n} rows in {d} dimensions span at most {n - 1}, so ranks, components and dimensions are lower "
            "bounds; add rows for the set's own",
            SampleWarning,
            stacklevel=2,
        )
    few = x[np.sort(np.random.default_rng(seed).permutation(n)[:max_points])]
    k, m = min(k, len(few) - 1), len(few)
    values = spectrum.spectrum(x)
    counts = hubness.occurrences(few, k=k)
    arrays = {"spectrum": values, "hub counts": counts}
    rows = [
        _mean_cosine("mean cosine", x),
        _mean_cosine("mean cosine, centred", cone.centred(x)),
        Score("norm of the mean", cone.mean_norm(x), n=n),
    ]
    if rows[0].value > 0:
        arrays["coordinate shares"] = cone.coordinate_shares(x)
        rows.append(Score("largest coordinate's share of it", float(arrays["coordinate shares"].max()), 1 / d, n=n))
    rows += [
        Score("uniformity", contrast.uniformity(few), n=m),
        Score("participation ratio", spectrum.participation_ratio(values), n=n),
        Score("effective rank", spectrum.effective_rank(values), n=n),
        *(Score(f"components for {s:.0%}", spectrum.components_for(values, s), n=n) for s in (0.9, 0.95, 0.99)),
        Score("dimension, TwoNN", dimension.two_nn(few), n=m),
        Score("dimension, MLE", dimension.levina_bickel(few, k=min(20, m - 1)), n=m),
        *(Score(f"dimension, {name}", dimension.by_scikit_dimension(few, name), n=m) for name in estimators),
        Score(f"hubness, skew of {k}-occurrences", hubness.skewness(counts), 0.0, n=m),
        Score("largest hub's share of lists", float(counts.max() / m), k / m, n=m),
    ]
    return Scores("geometry", rows, points.space, seed, {"k": k, "max_points": max_points}, arrays)


def modality_gap(
    images: Embeddings,
    texts: Embeddings,
    *,
    ks: tuple[int, ...] = (1, 5, 10),
    max_points: int = MAX_POINTS,
    seed: int = 0,
) -> Scores:
    """How images and the texts paired with them, row by row, lie to each other: gap, cosines, retrieval.

    Retrieval is given as it is, after each modality is centred on its own mean, and, in the arrays ``moved``,
    ``moved gap`` and ``moved recall`` (2, 9), after both are moved along the gap by so much (see `geometry.gap.shift`).
    Arrays ``image mean`` and ``text mean`` (d,) are those of unit vectors. Pairs at most ``max_points``, drawn.
    """
    check_same_space(images.space, texts.space, "modality_gap")
    x, t = (unit(finite_vectors(points, "modality_gap")) for points in (images, texts))
    if x.shape != t.shape or len(x) < 4:
        raise InputError(f"modality_gap: expected the same 4 rows or more of both, got {x.shape} and {t.shape}")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(x))[:max_points])
    x, t, n = x[chosen], t[chosen], len(chosen)
    paired = np.einsum("nd,nd->n", x, t)
    gap_low, gap_high = _bootstrap_gap(x, t, seed)
    rows = [
        Score("gap", gap.gap_norm(x, t), None, gap_low, gap_high, n),
        Score("gap, unbiased", float(np.sqrt(max(gap.gap_norm(x, t) ** 2 - _noise(x, t), 0.0))), 0.0, n=n),
        Score("separability along the gap", gap.separability(x, t), 0.5, n=n),
        Score("paired cosine", float(paired.mean()), None, *bootstrap(paired, seed=seed), n),
        Score("unpaired cosine", gap.unpaired_cosine(x, t), n=n),
        Score("mean cosine of images", cone.mean_cosine(x), 0.0, n=n),
        Score("mean cosine of texts", cone.mean_cosine(t), 0.0, n=n),
        Score("alignment", contrast.alignment(x, t), n=n),
        *_recalls("", x, t, ks, seed),
        *_recalls(", centred", cone.centred(x), cone.centred(t), ks[:1], seed),
    ]
    arrays = {"image mean": x.mean(axis=0), "text mean": t.mean(axis=0), **_moved(x, t)}
    return Scores("modality gap", rows, images.space, seed, {"max_points": max_points}, arrays)


def compare(a: Embeddings, b: Embeddings, *, max_points: int = MAX_POINTS, seed: int = 0) -> Scores:
    """How alike two embeddings of the same things, row by row, are; they may be of different spaces.

    Chance of CKA is that of one set's rows shuffled. Rows beyond ``max_points`` are left out at random.
    """
    x, y = (unit(finite_vectors(points, "compare")) for points in (a, b))
    if len(x) != len(y):
        raise InputError(f"compare: expected the same rows of both, got {len(x)} and {len(y)}")
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(x))[:max_points]
    x, y, n = x[chosen], y[chosen], len(chosen)
    z = y[rng.permutation(n)]
    rows = [
        Score("linear CKA", similarity.linear_cka(x, y), similarity.linear_cka(x, z), n=n),
        Score("linear CKA, unbiased", similarity.linear_cka(x, y, unbiased=True), 0.0, n=n),
        Score("RSA", similarity.rsa(x, y), 0.0, n=n),
    ]
    spaces = {"of": str(a.space), "and": str(b.space)}
    return Scores("likeness", rows, a.space, seed, {**spaces, "max_points": max_points})


def _distinct(points: Embeddings, doing: str) -> np.ndarray:
    """Unit vectors, each direction once."""
    x = unit(finite_vectors(points, doing))
    _, first = np.unique(x.astype(np.float32), axis=0, return_index=True)
    if len(first) < len(x):
        warnings.warn(
            f"{doing}: {len(x) - len(first)} of {len(x)} rows are duplicates of others and were left out",
            SampleWarning,
            stacklevel=3,
        )
    return x[np.sort(first)]


def _mean_cosine(name: str, x: np.ndarray) -> Score:
    """With the interval of a mean over pairs that share points: twice the standard error of points' own means."""
    value, half = cone.mean_cosine(x), 1.96 * 2 * cone.conformity(x).std(ddof=1) / np.sqrt(len(x))
    return Score(name, value, 0.0, float(value - half), float(value + half), len(x))


def _bootstrap_gap(x: np.ndarray, t: np.ndarray, seed: int, resamples: int = 200) -> tuple[float, float]:
    """95 % interval of the gap's norm over resampled pairs, from counts instead of copies."""
    n = len(x)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    squares = ((counts @ (x - t) / n) ** 2).sum(axis=1) - _noise(x, t)  # a resample adds its own noise
    norms = np.sqrt(np.maximum(squares, 0))
    low, high = np.percentile(norms, [2.5, 97.5])
    return float(low), float(high)


def _noise(x: np.ndarray, t: np.ndarray) -> float:
    """What sampling n pairs adds to the squared norm of their gap."""
    return float(np.var(x - t, axis=0, ddof=1).sum() / len(x))


def _recalls(suffix: str, x: np.ndarray, t: np.ndarray, ks: tuple[int, ...], seed: int) -> list[Score]:
    rows = []
    for way, queries, points in (("text to image", t, x), ("image to text", x, t)):
        found, n = retrieval.ranks(queries, points), len(points)
        for k in ks:
            hits = (found < k).astype(float)
            interval = proportion_interval(hits, seed=seed)
            rows.append(
                Score(f"recall@{k}, {way}{suffix}", float(hits.mean()), retrieval.chance_recall(k, n), *interval, n)
            )
    return rows


def _moved(x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
    amounts = np.linspace(-1, 1, 9)
    gaps, recalls = [], []
    for amount in amounts:
        a, b = gap.shift(x, t, amount)
        gaps.append(gap.gap_norm(a, b))
        recalls.append([(retrieval.ranks(b, a) == 0).mean(), (retrieval.ranks(a, b) == 0).mean()])
    return {"moved": amounts, "moved gap": np.array(gaps), "moved recall": np.array(recalls).T}
