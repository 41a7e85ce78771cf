"""The gap between images and their texts: how far apart the two lie, and what that does to retrieval."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from clipspace.errors import InputError, SampleWarning
from clipspace.measure import cone, gap, retrieval
from clipspace.measure.copies import originals
from clipspace.measure.pairing import Pairing, pair
from clipspace.points.arrays import check_one_space, unit_rows
from clipspace.points.embeddings import Embeddings
from clipspace.points.store import Store, open_beside
from clipspace.probes.rows import MAX_POINTS, mean_row, pairs_row, set_row, share_row
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Row, Table
from clipspace.seeds import stream
from clipspace.sequences import in_order


def modality_gap(
    images: Embeddings | Store,
    texts: Embeddings | Store | None = None,
    *,
    ids: Sequence | None = None,
    ks: tuple[int, ...] = (1, 5, 10),
    max_points: int = MAX_POINTS,
    seed: int = 0,
) -> Result:
    """How far images are from the texts that are paired with them row by row: gap, cosines, retrieval.

    A store that was encoded with its texts holds both: ``modality_gap(open_store(path))``.

    A repeated caption belongs to all its images, and a repeated image to all its captions: each of them is right, and counts
    once. Captions are the same if their texts and their vectors are equal (only the vectors, if rows have no names), and
    images if their vectors are equal. ``ids`` (n,) adds to this: rows with the same id belong together. The options ``images`` and
    ``texts`` of the provenance are the numbers of distinct ones; chance is that of a random order of these.

    The keys are ``score``, ``variant``, ``direction`` and ``k``, None where a score has none:
    ``result.row(score="recall", variant="raw", direction="text to image", k=1)``. Retrieval is measured on the vectors as
    they are ("raw"), after each modality is centred on its own mean ("centred"), and, in the arrays ``moved``,
    ``moved gap`` and ``moved recall`` (2, 9), after both are moved along the gap by these amounts (see `measure.gap.shift`).
    Arrays ``image mean`` and ``text mean`` (d,) are those of unit vectors. The interval of the raw gap is of samples of n
    pairs, which noise drives apart; that of the "unbiased" gap is of the gap of the whole population. At most
    ``max_points`` pairs are drawn.
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
    paired = np.einsum("nd,nd->n", x, t)
    pairing = pair(x, t, _words(texts, chosen), None if ids is None else [ids[i] for i in chosen])
    _warn_of_one_vector(t, pairing)
    distinct = x[pairing.images], t[pairing.texts]
    rows = [
        *_gaps(x, t, seed),
        share_row(np.mean(gap.sides(x, t), axis=0), chance=0.5, trials=2, score="separability along the gap"),
        mean_row(paired, seed=seed, score="cosine", variant="paired"),
        _unpaired(*distinct, pairing),
        pairs_row("cosine", "of images", cone.mean_cosine(x), 0.0, cone.conformity(x)),
        pairs_row("cosine", "of texts", cone.mean_cosine(t), 0.0, cone.conformity(t)),
        mean_row(((x - t) ** 2).sum(axis=1), seed=seed, score="alignment"),
        *_recalls("raw", *distinct, pairing.matches, ks),
        *_recalls("centred", *map(cone.centred, distinct), pairing.matches, ks[:1]),
    ]
    options = {"max_points": max_points, "images": len(pairing.images), "texts": len(pairing.texts)}
    return Result(
        "modality_gap",
        Table(rows, ("score", "variant", "direction", "k")),
        arrays={"image mean": x.mean(axis=0), "text mean": t.mean(axis=0), **_moved(x, t, pairing)},
        provenance=provenance("modality_gap", stamp=images.stamp, seed=seed, **options),
    )


def _texts_beside(images: Embeddings | Store) -> Store:
    """The texts of a store that was encoded with them."""
    if "text" not in getattr(images, "modalities", ()) or images.modality == "text":
        raise InputError(
            f"modality_gap: expected texts, or a store of images and texts (clipspace encode --texts), got {images!r}"
        )
    return open_beside(images, "text")


def _unpaired(x: np.ndarray, t: np.ndarray, pairs: Pairing) -> Row:
    """Mean cosine of distinct images and texts that are no pair; its interval from the means of each image and its text."""
    value, of_images, of_texts = gap.unpaired_means(x, t, pairs.matches)
    once = pairs.images if len(pairs.images) <= len(pairs.texts) else pairs.texts
    own = (of_images[pairs.image_of[once]] + of_texts[pairs.text_of[once]]) / 2
    return pairs_row("cosine", "unpaired", value, None, own[np.isfinite(own)])


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


def _gaps(x: np.ndarray, t: np.ndarray, seed: int, resamples: int = 200) -> list[Row]:
    """The gap as it is and unbiased, with 95 % intervals over resampled pairs, from counts instead of copies."""
    n, noise, square = len(x), _noise(x, t), gap.gap_norm(x, t) ** 2
    counts = stream(seed, "bootstrap").multinomial(n, np.full(n, 1 / n), size=resamples)
    squares = ((counts @ (x - t) / n) ** 2).sum(axis=1) - noise  # a resample adds its own noise to that of the sample
    rows = []
    for variant, own, chance in (("raw", 0.0, None), ("unbiased", noise, 0.0)):
        low, high = np.percentile(np.sqrt(np.maximum(squares - own, 0)), [2.5, 97.5])
        value = float(np.sqrt(max(square - own, 0)))
        rows.append(set_row("gap", variant, value=value, chance=chance, low=float(low), high=float(high), n=n))
    return rows


def _noise(x: np.ndarray, t: np.ndarray) -> float:
    """What sampling n pairs adds to the squared norm of their gap."""
    return float(np.var(x - t, axis=0, ddof=1).sum() / len(x))


def _recalls(variant: str, x: np.ndarray, t: np.ndarray, matches: np.ndarray, ks: tuple[int, ...]) -> list[Row]:
    rows = []
    for direction, queries, points, right in (("text to image", t, x, matches.T), ("image to text", x, t, matches)):
        ranks, n, true = retrieval.ranks(queries, points, matches=right), len(points), right.sum(axis=1)
        for k in ks:
            hits = (ranks < k).astype(float)
            chance = np.mean([retrieval.chance_recall(k, n, m) for m in true]) if true.max() > 1 else min(1.0, k / n)
            keys = {"score": "recall", "variant": variant, "direction": direction, "k": k}
            rows.append(share_row(hits, chance=float(chance), **keys))
    return rows


def _moved(x: np.ndarray, t: np.ndarray, pairs: Pairing) -> dict[str, np.ndarray]:
    amounts = np.linspace(-1, 1, 9)
    gaps, recalls = [], []
    for amount in amounts:
        a, b = gap.shift(x, t, amount)
        gaps.append(gap.gap_norm(a, b))
        a, b = a[pairs.images], b[pairs.texts]
        both = retrieval.ranks(b, a, matches=pairs.matches.T), retrieval.ranks(a, b, matches=pairs.matches)
        recalls.append([(ranks == 0).mean() for ranks in both])
    return {"moved": amounts, "moved gap": np.array(gaps), "moved recall": np.array(recalls).T}
