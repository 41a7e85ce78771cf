"""A basis of texts for a set of embeddings, chosen greedily (TextSpan, Gandelsman et al. 2024, arXiv 2310.05916)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipspace.errors import InputError, shortened
from clipspace.measure.cone import ROUNDING
from clipspace.measure.greedy_basis import greedy_basis
from clipspace.points.arrays import check_one_space, embeddings_of
from clipspace.points.embeddings import Embeddings
from clipspace.points.sphere import unit
from clipspace.probes.labelled import check_words, finite_vectors
from clipspace.reprs import brief
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import scored

if TYPE_CHECKING:
    from clipspace.points.store import Store


@dataclass(frozen=True, eq=False)
class TextSpan:
    """``k`` texts, each with the part of its direction that the texts before it do not contain.

    ``directions`` (k, d) are orthonormal; ``explained`` (k,) is the share of the set's variance along each;
    ``mean`` (d,) that of the set's unit vectors.
    """

    texts: tuple[str, ...]
    directions: np.ndarray
    explained: np.ndarray
    mean: np.ndarray
    images: Embeddings

    __repr__ = brief

    @property
    def scores(self) -> Result:
        """The share of variance along each text, in the order chosen. Chance is that of a random direction, 1 / d."""
        d, n = len(self.mean), len(self.images)
        shares = zip(self.texts, self.explained, strict=True)
        return Result(
            "text_span",
            [scored(text=text, value=float(share), chance=1 / d, n=n) for text, share in shares],
            arrays={"explained": np.cumsum(self.explained)},
            provenance=provenance("text_span", stamp=self.images.stamp, k=len(self.texts)),
        )

    def without(self, texts: Sequence[str]) -> Embeddings:
        """The images with the directions of ``texts`` set to the set's mean, at their own norms."""
        missing = [text for text in texts if text not in self.texts]
        if missing or not texts:
            raise InputError(
                f"TextSpan: expected texts among {shortened(self.texts)}, got {shortened(missing) if missing else 'none'}"
            )
        basis = self.directions[[self.texts.index(text) for text in dict.fromkeys(texts)]]
        points = self.images.unit
        moved = points - (points - self.mean) @ basis.T @ basis
        return self.images.with_vectors(unit(moved) * self.images.norm[:, None])


def text_span(images: Embeddings | Store, texts: Embeddings | Store, k: int = 20, *, rank: int = 80) -> TextSpan:
    """The ``k`` texts, chosen one after the other, that explain most of the variance of a set of images.

    Texts are projected on the span of the set's first ``rank`` singular vectors. The one along which the centred
    images vary most is chosen; its direction is taken off images and texts; and again (algorithm 1 of the paper,
    where the set is what one attention head writes). Variance is taken from the d x d covariance, so the cost does not
    grow with n after the first pass.

    Raises `InputError` for k beyond the texts, or beyond what the set's rank can hold.
    """
    check_one_space(images, texts, "text_span")
    images, texts = (embeddings_of(points, "text_span") for points in (images, texts))
    check_words(texts.names, "text_span")
    x, t = (unit(finite_vectors(points, "text_span")) for points in (images, texts))
    most = min(len(t), rank, *x.shape)
    if len(x) < 2 or not 1 <= k <= most:
        raise InputError(f"text_span: expected two images or more, and k from 1 to {most}, got {len(x)} and {k}")
    span = np.linalg.eigh(x.T @ x)[1][:, ::-1][:, :rank]
    mean = x.mean(axis=0)
    covariance = (x - mean).T @ (x - mean) / len(x)
    if np.trace(covariance) < ROUNDING**2:
        raise InputError(
            "text_span: expected images that differ, got images that are all alike; nothing varies in them"
        )
    basis = greedy_basis(t @ span @ span.T, covariance, k)
    names = tuple(texts.names[i] for i in basis.chosen)
    return TextSpan(names, basis.directions, basis.explained, mean, images)
