"""Splits into training and test rows."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipspace.errors import InputError, SampleWarning
from clipspace.measure.copies import originals
from clipspace.reprs import brief

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, eq=False)
class Split:
    """Vectors and class numbers of the training and the test rows; ``classes`` names the numbers."""

    train: np.ndarray
    train_ids: np.ndarray
    test: np.ndarray
    test_ids: np.ndarray
    classes: tuple

    __repr__ = brief

    @property
    def chance(self) -> float:
        """Accuracy, on the test rows, of always answering the commonest class of the training rows."""
        return float(np.mean(self.test_ids == np.bincount(self.train_ids).argmax()))


def stratify(
    ids: np.ndarray, share: float, *, seed: int, doing: str, names: Sequence | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows kept and rows held out, sorted: ``share`` of each class, at least one of it on either side."""
    if not 0 < share < 1:
        raise InputError(f"{doing}: expected a share of rows to hold out between 0 and 1, got {share}")
    rng = np.random.default_rng(seed)
    held_out_by_class = []
    for number in np.unique(ids):
        members = np.flatnonzero(ids == number)
        if len(members) < 2:
            name = number if names is None else names[number]
            raise InputError(
                f"{doing}: expected at least two members of every class, so that one can be held out, got one of "
                f"{str(name)!r}; add to it or drop it"
            )
        m = int(np.clip(round(share * len(members)), 1, len(members) - 1))
        held_out_by_class.append(rng.permutation(members)[:m])
    held_out = np.sort(np.concatenate(held_out_by_class))
    return np.setdiff1d(np.arange(len(ids)), held_out), held_out


def warn_of_shared_rows(train: np.ndarray, test: np.ndarray, doing: str) -> None:
    """Warn when the same vector, but for rounding, is on both sides: then the score measures memory."""
    shared = int((originals(np.concatenate([train, test]))[len(train) :] < len(train)).sum())
    if shared:
        warnings.warn(
            f"{doing}: {shared} of {len(test)} held-out vectors are also training vectors, which flatters the score; "
            "drop duplicates first",
            SampleWarning,
            stacklevel=4,
        )


def warn_small(n: int, d: int, doing: str) -> None:
    """Warn when there are no more rows than dimensions: then a linear map fits any labels."""
    if n <= d:
        warnings.warn(
            f"{doing}: {n} training rows in {d} dimensions can be fitted whatever the labels; only the held-out score "
            "means anything, and more rows would raise it",
            SampleWarning,
            stacklevel=3,
        )
