"""Blind pairs: images that one encoder calls the same and another calls different (MMVP, arXiv 2401.06209)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from clipspace.errors import InputError
from clipspace.measure import cone
from clipspace.points.arrays import embeddings_of
from clipspace.points.embeddings import Embeddings
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import scored
from clipspace.seeds import stream
from clipspace.sources.images import list_images, read_image, read_images, square

if TYPE_CHECKING:
    from clipspace.points.store import Store

SAME, DIFFERENT = 0.95, 0.6
"""Cosines of CLIP above, and of DINOv2 below, which MMVP calls a pair blind."""
_BLOCK = 1024
_ROWS = 2000
"""Largest number of rows from which the levels of cosines are computed."""


def blind_pairs(
    points: Embeddings | Store,
    other: Embeddings | Store,
    *,
    same: float = SAME,
    different: float = DIFFERENT,
    centred: bool = False,
    k: int = 20,
) -> Result:
    """Pairs of images with a cosine above ``same`` in ``points`` and below ``different`` in ``other``.

    Call it again with the two exchanged for the reverse. The row ``"share"`` is the share of all pairs that are blind,
    ``"count"`` their number; ``arrays`` holds the ``k`` pairs of the largest difference: ``pairs`` (m, 2) row numbers, ``cosine`` and
    ``other_cosine`` (m,). Exact, over all pairs: time grows with n squared, memory with n.

    Parameters
    ----------
    points, other : embeddings of the same images, by two encoders (`pixel_points`, `models.timm.encode_with_timm`)
    centred : subtract each set's mean first; the cone of an encoder (all cosines high) would make every pair the same

    Raises `InputError` for fewer than two images, sets of other lengths or names, and thresholds out of order.
    """
    points, other = (embeddings_of(one, "blind_pairs") for one in (points, other))
    _check(points, other, same, different, k)
    a, b = (_directions(one, centred) for one in (points, other))
    n, widest = len(a), []
    count = 0
    for start in range(0, n, _BLOCK):
        cosine, others = (x[start : start + _BLOCK] @ x[start:].T for x in (a, b))
        rows, columns = np.nonzero(np.triu((cosine > same) & (others < different), 1))
        count += len(rows)
        pairs = [rows + start, columns + start, cosine[rows, columns], others[rows, columns]]
        widest.append(np.column_stack(pairs))
        widest = [_widest(np.concatenate(widest), k)]
    rows, columns, cosine, others = widest[0].T
    total = n * (n - 1) // 2
    options = {
        "other": str(other.stamp or "no stamp"),
        "same": same,
        "different": different,
        "centred": centred,
        "k": k,
    }
    return Result(
        "blind_pairs",
        [scored(blind_pairs="share", value=count / total, n=total), scored(blind_pairs="count", value=count, n=total)],
        arrays={"pairs": np.column_stack([rows, columns]).astype(int), "cosine": cosine, "other_cosine": others},
        provenance=provenance("blind_pairs", stamp=points.stamp, **options),
    )


def pairs_each_way(
    points: Embeddings, other: Embeddings, *, same: float = 0.0005, k: int = 5, seed: int = 0
) -> dict[str, Result]:
    """`blind_pairs` of centred sets by shares of pairs instead of cosines: those the same to "z" alone, and to "other" alone.

    The same are the share ``same`` of all pairs with the highest cosines, different the lower half; so of unrelated sets
    ``same / 2`` of all pairs are blind, each way. Raises `InputError` as `blind_pairs` does.
    """
    same_z, half_z = cosine_levels(cone.centred(points.unit), (1 - same, 0.5), seed)
    same_other, half_other = cosine_levels(cone.centred(other.unit), (1 - same, 0.5), seed)
    return {
        "z": blind_pairs(points, other, same=same_z, different=half_other, k=k, centred=True),
        "other": blind_pairs(other, points, same=same_other, different=half_z, k=k, centred=True),
    }


def cosine_levels(x: np.ndarray, shares: Sequence[float], seed: int) -> list[float]:
    """Cosines that these shares of all pairs of unit vectors ``(n, d)`` lie below; of more rows a sample of `_ROWS`."""
    sample = x[stream(seed, "sample").permutation(len(x))[:_ROWS]]
    return [float(level) for level in np.quantile((sample @ sample.T)[np.triu_indices(len(sample), 1)], shares)]


def pixel_points(images, *, side: int = 32) -> Embeddings:
    """The pixels themselves as points, ``(n, 3 * side * side)``: the centre square, resized, less middle grey.

    >>> from PIL import Image
    >>> pixel_points([Image.new("RGB", (64, 48), "white")], side=2).vectors.tolist()
    [[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]]
    """
    listed, names = list_images(images)
    pixels = [np.asarray(square(read_image(one), side), dtype=np.float32).ravel() / 255 - 0.5 for one in listed]
    return Embeddings(np.stack(pixels), None, "image", names)


def pair_rows(images, result: Result) -> list[list[Image.Image]]:
    """The images of the pairs of `blind_pairs`, one pair a row."""
    pictures, _ = read_images(images)
    return [[pictures[i], pictures[j]] for i, j in result.arrays["pairs"]]


def _directions(points: Embeddings, centred: bool) -> np.ndarray:
    return (cone.centred(points.unit) if centred else points.unit).astype(np.float32)


def _widest(pairs: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` rows of (i, j, cosine, other cosine) whose cosines differ most."""
    return pairs[np.argsort(pairs[:, 3] - pairs[:, 2], kind="stable")[:k]]


def _check(points: Embeddings, other: Embeddings, same: float, different: float, k: int) -> None:
    if len(points) != len(other) or tuple(points.names) != tuple(other.names):
        raise InputError(
            f"blind_pairs: expected two embeddings of the same images in the same order, got {len(points)} and {len(other)} "
            "points, or other names; encode one list of images with both"
        )
    if len(points) < 2:
        raise InputError(f"blind_pairs: expected at least two images, got {len(points)}")
    if not -1 <= different < same <= 1:
        raise InputError(f"blind_pairs: expected -1 <= different < same <= 1, got same={same}, different={different}")
    if k < 1:
        raise InputError(f"blind_pairs: expected k of at least 1, got {k}")
