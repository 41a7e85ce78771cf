"""Concepts: image embeddings as sparse non-negative sums of words (SpLiCE, Bhalla et al. 2024, arXiv 2402.10376)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from clipspace.errors import InputError, SampleWarning
from clipspace.measure.cone import centred
from clipspace.measure.copies import originals
from clipspace.measure.sparse import sparse_codes
from clipspace.points.arrays import check_one_space, embeddings_of, unit_blocks
from clipspace.points.embeddings import Embeddings, Stamp, check_same_space
from clipspace.points.sphere import norm, unit
from clipspace.probes.labelled import check_words, finite_vectors
from clipspace.probes.rows import mean_row
from clipspace.reprs import brief
from clipspace.results.provenance import provenance
from clipspace.results.result import Result

if TYPE_CHECKING:
    from clipspace.points.store import Store

_COSINES = 2**22
"""Cosines that `describe` holds at once."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words as directions, and the means that they and the images are centred by. Make one with `Vocabulary.of`.

    ``directions`` (v, d), unit, float32; ``image_mean`` and ``text_mean`` (d,) of unit vectors, float64.
    """

    words: tuple[str, ...]
    directions: np.ndarray
    image_mean: np.ndarray
    text_mean: np.ndarray
    stamp: Stamp | None

    __repr__ = brief

    @classmethod
    def of(cls, texts: Embeddings | Store, images: Embeddings | Store) -> Vocabulary:
        """The vocabulary of text embeddings (their names are the words) for a set of images of the same space.

        Both means are measured here, on these texts and these images, so any space has them; images are read in
        blocks. Raises `InputError` for empty words and for fewer than two distinct ones; words that occur, or are
        embedded, twice are dropped with a warning.
        """
        check_one_space(texts, images, "Vocabulary")
        texts = embeddings_of(texts, "Vocabulary")
        check_words(texts.names, "Vocabulary")
        if not len(images):
            raise InputError("Vocabulary: expected images to centre by, got none; give those it is for")
        vectors = unit(finite_vectors(texts, "Vocabulary"))
        first = originals(vectors)
        earliest = {word: i for i, word in reversed(list(enumerate(texts.names)))}
        kept = [i for i, word in enumerate(texts.names) if first[i] == i and earliest[word] == i]
        if len(kept) < len(vectors):
            warnings.warn(
                f"Vocabulary: {len(vectors) - len(kept)} of {len(vectors)} words repeat others, or are embedded where "
                "others are, and were dropped",
                SampleWarning,
                stacklevel=2,
            )
        if len(kept) < 2:
            raise InputError(f"Vocabulary: expected at least two distinct words, got {len(kept)}; add words")
        vectors = vectors[kept]
        mean = vectors.mean(axis=0)
        words = tuple(texts.names[i] for i in kept)
        return cls(words, unit(vectors - mean).astype(np.float32), _mean_direction(images), mean, images.stamp)

    def rows(self, words: Sequence[str]) -> list[int]:
        """The numbers of ``words``. Raises `InputError` for one that is not in the vocabulary."""
        number = {word: i for i, word in enumerate(self.words)}
        missing = [word for word in words if word not in number]
        if missing or not words:
            raise InputError(
                f"Vocabulary: expected words of the vocabulary of {len(self.words)}, got {missing or 'none'}"
            )
        return [number[word] for word in words]


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Images as weighted words: ``weights`` (n, v), sparse, none negative. Make one with `decompose`.

    ``excess`` (n,) is by how much the optimality conditions are missed, see `sparse.sparse_codes`.
    """

    images: Embeddings
    vocabulary: Vocabulary
    weights: sparse.csr_array
    strength: float
    excess: np.ndarray

    __repr__ = brief

    @cached_property
    def scores(self) -> Result:
        """Mean cosine of rebuilt and true centred embeddings, and words per image.

        Chance of the cosine is that of the words of another image of the set.
        """
        true, rebuilt = _centred(self.images, self.vocabulary)[0], self._rebuilt_centred()
        length = np.maximum(norm(rebuilt), np.finfo(float).tiny)
        cosine = np.einsum("nd,nd->n", true, rebuilt) / length
        n = len(self.images)
        other = float((np.einsum("nd,nd->n", np.roll(true, 1, axis=0), rebuilt) / length).mean()) if n > 1 else None
        count = np.diff(self.weights.indptr).astype(float)
        options = {"strength": self.strength, "words": len(self.vocabulary.words), "excess": float(self.excess.max())}
        return Result(
            "concepts",
            [mean_row(cosine, chance=other, score="cosine"), mean_row(count, score="words per image")],
            arrays={"cosine": cosine, "words per image": count},
            provenance=provenance("decompose", stamp=self.images.stamp, seed=0, **options),
        )

    def top(self, k: int = 10) -> list[list[tuple[str, float]]]:
        """For each image its words and weights, heaviest first, at most ``k``."""
        each = []
        for i in range(len(self.images)):
            own = slice(*self.weights.indptr[i : i + 2])
            order = np.argsort(-self.weights.data[own], kind="stable")[:k]
            columns, values = self.weights.indices[own][order], self.weights.data[own][order]
            each.append([(self.vocabulary.words[j], float(v)) for j, v in zip(columns, values, strict=True)])
        return each

    def rebuilt(self) -> Embeddings:
        """The embeddings that the words alone give: unit(unit(w C) + image mean), at the norms of the images."""
        centred = self._rebuilt_centred()
        length = norm(centred)[:, None]
        made = centred / np.where(length > 0, length, 1) + self.vocabulary.image_mean
        return self.images.with_vectors(unit(made) * self.images.norm[:, None])

    def without(self, words: Sequence[str]) -> Embeddings:
        """The images with ``words`` taken out: their share of z is subtracted, all else, residual too, stays.

        Images that do not use them stay where they are, and all keep their norms. Decode them to see what is left.
        """
        chosen = self.vocabulary.rows(list(dict.fromkeys(words)))
        _, length = _centred(self.images, self.vocabulary)
        share = length[:, None] * (self.weights[:, chosen] @ self.vocabulary.directions[chosen])
        return self.images.with_vectors(unit(self.images.unit - share) * self.images.norm[:, None])

    def _rebuilt_centred(self) -> np.ndarray:
        return np.asarray(self.weights @ self.vocabulary.directions, dtype=np.float64)


def decompose(
    images: Embeddings | Store,
    vocabulary: Vocabulary,
    *,
    strength: float = 0.25,
    batch_size: int = 1024,
    device: str | None = None,
) -> Decomposition:
    """Minimise |w C - z|^2 + ``strength`` * sum(w), w >= 0, for the centred unit embedding z of each image.

    C are the directions of the vocabulary. Exact (see `sparse.sparse_codes`), on CPU or GPU. 0.25 gives about
    ten words an image with OpenAI's and OpenCLIP's B/32; more strength gives fewer.
    """
    images = embeddings_of(images, "decompose")
    check_same_space(vocabulary.stamp, images.stamp, "decompose")
    z, _ = _centred(images, vocabulary)
    rows, words, weights, excess = sparse_codes(
        z, vocabulary.directions, strength, batch_size=batch_size, device=device
    )
    shape = (len(images), len(vocabulary.words))
    return Decomposition(images, vocabulary, sparse.csr_array((weights, (rows, words)), shape), strength, excess)


def describe(
    images: Embeddings | Store, texts: Embeddings | Store, k: int = 5, *, centre: bool = True
) -> list[list[tuple[str, float]]]:
    """For each image the ``k`` texts of highest cosine, best first, with that cosine: one product for a block of images.

    ``centre`` takes each set's own mean off first, without which a few texts describe everything (see
    `geometry.hubness`); it needs at least two of both.
    """
    check_one_space(texts, images, "describe")
    texts = embeddings_of(texts, "describe")
    check_words(texts.names, "describe")
    if not 1 <= k <= len(texts):
        raise InputError(f"describe: expected k from 1 to {len(texts)}, the texts, got {k}")
    if centre and min(len(images), len(texts)) < 2:
        raise InputError(
            f"describe: expected two images and texts to centre, got {len(images)}, {len(texts)}; centre=False"
        )
    t = unit(finite_vectors(texts, "describe"))
    mean, t = (_mean_direction(images), centred(t)) if centre else (None, t)
    described: list[list[tuple[str, float]]] = []
    for x in unit_blocks(images, rows=max(1, _COSINES // len(t))):
        x = centred(x, mean, start=len(described)) if centre else x
        cosines = x @ t.T
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        described += [[(texts.names[j], float(row[j])) for j in own] for row, own in zip(cosines, best, strict=True)]
    return described


def _centred(images: Embeddings, vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Unit centred embeddings (n, d), and their lengths before they were made unit (n,)."""
    directions = unit(finite_vectors(images, "decompose"))
    return centred(directions, vocabulary.image_mean), norm(directions - vocabulary.image_mean)


def _mean_direction(images: Embeddings | Store) -> np.ndarray:
    return np.sum([block.sum(axis=0) for block in unit_blocks(images)], axis=0) / len(images)
