"""The geometry of a set of embeddings as scores: functions of `clipspace.measure`, gathered."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from clipspace.errors import InputError, SampleWarning
from clipspace.measure import cone, contrast, dimension, gap, hubness, retrieval, similarity, spectrum
from clipspace.measure.accuracy import proportion_interval
from clipspace.measure.copies import originals
from clipspace.measure.pairing import Pairing, pair
from clipspace.measure.splits import finite_vectors
from clipspace.points.arrays import check_one_space, embeddings_of, unit_rows
from clipspace.points.embeddings import Embeddings
from clipspace.points.sphere import unit
from clipspace.points.store import Store, open_beside
from clipspace.results.scores import Score, Scores, bootstrap
from clipspace.seeds import stream
from clipspace.sequences import in_order

MAX_POINTS = 5000
"""Rows that measures over all pairs are taken on; of more, so many are drawn."""


def geometry(
    points: Embeddings | Store,
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
    points = embeddings_of(points, "geometry")
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
    few = x[np.sort(stream(seed, "sample").permutation(n)[:max_points])]
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
    return Scores("geometry", rows, points.stamp, seed, {"k": k, "max_points": max_points}, arrays)


def modality_gap(
    images: Embeddings | Store,
    texts: Embeddings | Store | None = None,
    *,
    ids: Sequence | None = None,
    ks: tuple[int, ...] = (1, 5, 10),
    max_points: int = MAX_POINTS,
    seed: int = 0,
) -> Scores:
    """How images and the texts paired with them, row by row, lie to each other: gap, cosines, retrieval.

    A store that was encoded with its texts holds both: ``modality_gap(open_store(path))``.

    A caption that repeats is of all its images, and an image that repeats has all its captions: each of them is right,
    and counts once. Captions are one where their texts and their vectors are equal (the vectors, where rows have no names),
    images where their vectors are. ``ids`` (n,) says more: rows of one id belong together. The settings ``images`` and
    ``texts`` are how many distinct ones there are; chance is that of a random order of these.

    Retrieval is given as it is, after each modality is centred on its own mean, and, in the arrays ``moved``,
    ``moved gap`` and ``moved recall`` (2, 9), after both are moved along the gap by so much (see `geometry.gap.shift`).
    Arrays ``image mean`` and ``text mean`` (d,) are those of unit vectors. The interval of "gap" is of samples of n
    pairs, which noise drives apart; that of "gap, unbiased" is of the gap of all there is. At most ``max_points``
    pairs are drawn.
    """
    texts = _texts_beside(images) if texts is None else texts
    check_one_space(images, texts, "modality_gap")
    shapes = [(len(points), points.dim) for points in (images, texts)]
    if shapes[0] != shapes[1] or len(images) < 4:
        raise InputError(f"modality_gap: expected the same 4 rows or more of both, got {shapes[0]} and {shapes[1]}")
    ids = None if ids is None else in_order(ids, "ids")
    if ids is not None and len(ids) != len(images):
        raise InputError(f"modality_gap: expected {len(images)} ids, one for each row, got {len(ids)}")
    chosen = np.sort(stream(seed, "sample").permutation(len(images))[:max_points])
    x, t = (unit_rows(points, chosen, "modality_gap") for points in (images, texts))
    paired, n = np.einsum("nd,nd->n", x, t), len(chosen)
    found = pair(x, t, _words(texts, chosen), None if ids is None else [ids[i] for i in chosen])
    _warn_of_one_vector(t, found)
    distinct = x[found.images], t[found.texts]
    rows = [
        *_gaps(x, t, seed),
        Score("separability along the gap", gap.separability(x, t), 0.5, n=n),
        Score("paired cosine", float(paired.mean()), None, *bootstrap(paired, seed=seed), n),
        _unpaired(*distinct, found),
        Score("mean cosine of images", cone.mean_cosine(x), 0.0, n=n),
        Score("mean cosine of texts", cone.mean_cosine(t), 0.0, n=n),
        Score("alignment", contrast.alignment(x, t), n=n),
        *_recalls("", *distinct, found.matches, ks),
        *_recalls(", centred", *map(cone.centred, distinct), found.matches, ks[:1]),
    ]
    arrays = {"image mean": x.mean(axis=0), "text mean": t.mean(axis=0), **_moved(x, t, found)}
    settings = {"max_points": max_points, "images": len(found.images), "texts": len(found.texts)}
    return Scores("modality gap", rows, images.stamp, seed, settings, arrays)


def compare(a: Embeddings | Store, b: Embeddings | Store, *, max_points: int = MAX_POINTS, seed: int = 0) -> Scores:
    """How alike two embeddings of the same things, row by row, are; they may be of different spaces.

    Chance of CKA is that of one set's rows shuffled. Rows beyond ``max_points`` are left out at random.
    """
    if len(a) != len(b):
        raise InputError(f"compare: expected the same rows of both, got {len(a)} and {len(b)}")
    rng = stream(seed, "sample")
    chosen = rng.permutation(len(a))[:max_points]
    x, y, n = unit_rows(a, chosen, "compare"), unit_rows(b, chosen, "compare"), len(chosen)
    z = y[rng.permutation(n)]
    rows = [
        Score("linear CKA", similarity.linear_cka(x, y), similarity.linear_cka(x, z), n=n),
        Score("linear CKA, unbiased", similarity.linear_cka(x, y, unbiased=True), 0.0, n=n),
        Score("RSA", similarity.rsa(x, y), 0.0, n=n),
    ]
    spaces = {"of": str(a.stamp), "and": str(b.stamp)}
    return Scores("likeness", rows, a.stamp, seed, {**spaces, "max_points": max_points})


def _texts_beside(images: Embeddings | Store) -> Store:
    """The texts of a store that was encoded with them."""
    if "text" not in getattr(images, "modalities", ()) or images.modality == "text":
        raise InputError(
            f"modality_gap: expected texts, or a store of images and texts (clipspace encode --texts), got {images!r}"
        )
    return open_beside(images, "text")


def _distinct(points: Embeddings, doing: str) -> np.ndarray:
    """Unit vectors, each direction once."""
    x = unit(finite_vectors(points, doing))
    kept = originals(x) == np.arange(len(x))
    if not kept.all():
        warnings.warn(
            f"{doing}: {(~kept).sum()} of {len(x)} rows are duplicates of others and were left out",
            SampleWarning,
            stacklevel=3,
        )
    return x[kept]


def _mean_cosine(name: str, x: np.ndarray) -> Score:
    return _mean_over_pairs(name, cone.mean_cosine(x), 0.0, cone.conformity(x))


def _mean_over_pairs(name: str, value: float, chance: float | None, own: np.ndarray) -> Score:
    """With the interval of a mean over pairs that share points: twice the standard error of points' ``own`` means."""
    half = 1.96 * 2 * own.std(ddof=1) / np.sqrt(len(own))
    return Score(name, value, chance, float(value - half), float(value + half), len(own))


def _unpaired(x: np.ndarray, t: np.ndarray, pairs: Pairing) -> Score:
    """Mean cosine of distinct images and texts that are no pair; its interval from the means of each image and its text."""
    value, of_images, of_texts = gap.unpaired_means(x, t, pairs.matches)
    once = pairs.images if len(pairs.images) <= len(pairs.texts) else pairs.texts
    own = (of_images[pairs.image_of[once]] + of_texts[pairs.text_of[once]]) / 2
    return _mean_over_pairs("unpaired cosine", value, None, own[np.isfinite(own)])


def _words(texts: Embeddings | Store, rows: np.ndarray) -> list[str] | None:
    """The names of text rows, None where they are row numbers."""
    every = texts.names
    names = [every[i] for i in rows]
    return None if names == [str(i) for i in rows] else names


def _warn_of_one_vector(t: np.ndarray, pairs: Pairing) -> None:
    """Texts that differ and have one vector, as where they were cut at one place, cannot be told apart by retrieval."""
    alike = len(pairs.texts) - len(np.unique(originals(t)))
    if alike:
        warnings.warn(
            f"modality_gap: {alike} of {len(pairs.texts)} texts have the vector of another text; retrieval counts them as "
            "misses. Pass ids= where they belong to one image",
            SampleWarning,
            stacklevel=3,
        )


def _gaps(x: np.ndarray, t: np.ndarray, seed: int, resamples: int = 200) -> list[Score]:
    """The gap as it is and unbiased, with 95 % intervals over resampled pairs, from counts instead of copies."""
    n, noise, square = len(x), _noise(x, t), gap.gap_norm(x, t) ** 2
    counts = stream(seed, "bootstrap").multinomial(n, np.full(n, 1 / n), size=resamples)
    squares = ((counts @ (x - t) / n) ** 2).sum(axis=1) - noise  # a resample adds its own noise to that of the sample
    rows = []
    for name, own, chance in (("gap", 0.0, None), ("gap, unbiased", noise, 0.0)):
        low, high = np.percentile(np.sqrt(np.maximum(squares - own, 0)), [2.5, 97.5])
        rows.append(Score(name, float(np.sqrt(max(square - own, 0))), chance, float(low), float(high), n))
    return rows


def _noise(x: np.ndarray, t: np.ndarray) -> float:
    """What sampling n pairs adds to the squared norm of their gap."""
    return float(np.var(x - t, axis=0, ddof=1).sum() / len(x))


def _recalls(suffix: str, x: np.ndarray, t: np.ndarray, matches: np.ndarray, ks: tuple[int, ...]) -> list[Score]:
    rows = []
    for way, queries, points, right in (("text to image", t, x, matches.T), ("image to text", x, t, matches)):
        found, n, true = retrieval.ranks(queries, points, matches=right), len(points), right.sum(axis=1)
        for k in ks:
            hits = (found < k).astype(float)
            chance = np.mean([retrieval.chance_recall(k, n, m) for m in true]) if true.max() > 1 else min(1.0, k / n)
            interval = proportion_interval(hits)
            rows.append(Score(f"recall@{k}, {way}{suffix}", float(hits.mean()), float(chance), *interval, len(hits)))
    return rows


def _moved(x: np.ndarray, t: np.ndarray, pairs: Pairing) -> dict[str, np.ndarray]:
    amounts = np.linspace(-1, 1, 9)
    gaps, recalls = [], []
    for amount in amounts:
        a, b = gap.shift(x, t, amount)
        gaps.append(gap.gap_norm(a, b))
        a, b = a[pairs.images], b[pairs.texts]
        both = retrieval.ranks(b, a, matches=pairs.matches.T), retrieval.ranks(a, b, matches=pairs.matches)
        recalls.append([(found == 0).mean() for found in both])
    return {"moved": amounts, "moved gap": np.array(gaps), "moved recall": np.array(recalls).T}
