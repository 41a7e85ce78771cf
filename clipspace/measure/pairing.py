"""Which images and texts belong together, where a caption is of several images, or an image has several captions."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array

from clipspace.measure.copies import originals


class Pairing(NamedTuple):
    """Rows of distinct images and of distinct texts, the first of each; and bool (images, texts): which are pairs.

    ``image_of`` and ``text_of`` (n,) number the distinct image and text of each row.
    """

    images: np.ndarray
    texts: np.ndarray
    matches: np.ndarray
    image_of: np.ndarray
    text_of: np.ndarray


def pair(x: np.ndarray, t: np.ndarray, words: Sequence[str] | None, ids: Sequence[Hashable] | None = None) -> Pairing:
    """The pairing of images ``x`` (n, d) and texts ``t`` (n, d), of which row i is a pair.

    Rows of one vector are one image. Rows of one vector and of one of ``words`` are one text (without ``words``, of one
    vector). Rows of one of ``ids`` belong together: each of their images with each of their texts.

    >>> x = np.eye(4)
    >>> pair(x, x[[0, 0, 2, 2]], ["a", "a", "b", "b"]).matches.astype(int).tolist()
    [[1, 0], [1, 0], [0, 1], [0, 1]]
    """
    n = len(x)
    same_words = np.zeros(n, dtype=int) if words is None else _numbered(words)
    images, image_of = np.unique(originals(x), return_inverse=True)
    _, texts, text_of = np.unique(
        np.column_stack([originals(t), same_words]), axis=0, return_index=True, return_inverse=True
    )
    group = np.arange(n) if ids is None else _numbered(ids)
    in_group = [
        coo_array((np.ones(n), (group, of)), shape=(group.max() + 1, m)).tocsr()
        for of, m in ((image_of, len(images)), (text_of.ravel(), len(texts)))
    ]
    matches = (in_group[0].T @ in_group[1]).toarray() > 0
    return Pairing(images, texts, matches, image_of, text_of.ravel())


def _numbered(values: Sequence[Hashable]) -> np.ndarray:
    numbers = {value: k for k, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[value] for value in values])
