"""The kNN probe: how often the nearest neighbours of an embedding share its label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace.errors import InputError
from clipspace.measure.accuracy import confusion_matrix
from clipspace.points.embeddings import Embeddings
from clipspace.probes.labelled import HeldOut, split
from clipspace.probes.rows import accuracy_rows
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.search.exact import nearest

if TYPE_CHECKING:
    from clipspace.points.store import Store


def knn(
    points: Embeddings | Store,
    labels: Sequence | str,
    *,
    held_out: HeldOut | float = 0.2,
    k: int = 20,
    temperature: float = 0.07,
    seed: int = 0,
) -> Result:
    """Accuracy on held-out rows of a vote among the ``k`` training rows of highest cosine, found exactly.

    Parameters
    ----------
    labels : n values, or the name of a column of ``points``
    held_out : ``(points, labels)`` of a test set, or the share of each class that is held out
    temperature : a vote weighs exp(cosine / temperature); k = 20 and 0.07 are those of DINO (arXiv 2104.14294)

    Returns
    -------
    `Result` with the keys ``vote`` ("weighted", "uniform") and ``score`` ("accuracy", "balanced accuracy"); chance as in
    `linear`. The array ``confusion`` is that of the weighted vote.

    Raises `InputError` for labels that cannot be learnt, k beyond the training rows, a zero vector.

    >>> rng = np.random.default_rng(0)
    >>> points = Embeddings(rng.normal(size=(200, 8)))
    >>> knn(points, points.vectors[:, 0] > 0)["weighted", "accuracy"].value > 0.7
    True
    """
    data = split(points, labels, held_out, seed=seed, doing="knn")
    if not 1 <= k <= len(data.train):
        raise InputError(f"knn: expected k from 1 to {len(data.train)}, the training rows, got {k}")
    if not temperature > 0:
        raise InputError(f"knn: expected a temperature above 0, got {temperature}")
    cosines, rows = nearest(_unit(data.train), _unit(data.test), k)
    voters, n_classes = data.train_ids[rows], len(data.classes)
    weighted = majority(voters, np.exp((cosines - cosines[:, :1]) / temperature), n_classes)
    # among classes of equally many votes, the one whose voters are nearer
    uniform = majority(voters, 1 + cosines.astype(np.float64) / (4 * k), n_classes)
    rows = [
        row
        for vote, predicted in (("weighted", weighted), ("uniform", uniform))
        for row in accuracy_rows(predicted, data.test_ids, data.classes, chance=data.chance, vote=vote)
    ]
    return Result(
        "knn",
        rows,
        arrays={"confusion": confusion_matrix(weighted, data.test_ids, n_classes)},
        labels={"classes": list(map(str, data.classes))},
        provenance=provenance(
            "knn", stamp=points.stamp, seed=seed, k=k, temperature=temperature, n_train=len(data.train)
        ),
    )


def majority(voters: np.ndarray, weights: np.ndarray, n_classes: int) -> np.ndarray:
    """The class (m,) of greatest summed weight, of voters' classes and weights (m, k)."""
    m = len(voters)
    slots = (np.arange(m)[:, None] * n_classes + voters).ravel()
    votes = np.bincount(slots, weights.ravel(), minlength=m * n_classes)
    return votes.reshape(m, n_classes).argmax(axis=1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors in float32, which is what FAISS searches; `sphere.unit` would pass through float64."""
    length = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    if not (length > 0).all():
        raise InputError(
            f"knn: expected vectors of non-zero norm, got {int((length == 0).sum())} zeros (first: row "
            f"{int(np.flatnonzero(length == 0)[0])}); drop these rows"
        )
    return (vectors / length[:, None]).astype(np.float32, copy=False)
