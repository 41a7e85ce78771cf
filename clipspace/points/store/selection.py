"""Selection of rows of a store by metadata or by cosine to a point, and export as a new store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clipspace.errors import InputError, SpaceMismatchError, check_count, shortened
from clipspace.points.arrays import counted_blocks
from clipspace.points.embeddings import Embeddings, check_same_space
from clipspace.points.store import layout
from clipspace.points.store.opening import open_store
from clipspace.points.store.shards import write_rows
from clipspace.points.store.writing import finish, new_header, new_store
from clipspace.reprs import brief

if TYPE_CHECKING:
    from pyarrow.dataset import Expression

    from clipspace.points.store.reading import Store

_ROWS = 65536


@dataclass(frozen=True, eq=False)
class Selection:
    """Some rows of a store: their numbers, and their cosines to a point where one was asked for."""

    store: Store
    rows: np.ndarray
    scores: np.ndarray | None = None

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def embeddings(self) -> Embeddings:
        """The rows as stored, with a column ``score`` after a query."""
        points = self.store[self.rows]
        if self.scores is None:
            return points
        return replace(points, columns={**points.columns, "score": self.scores.tolist()})

    def __getitem__(self, positions: slice) -> Selection:
        """A contiguous run of the selected rows."""
        return Selection(self.store, self.rows[positions], None if self.scores is None else self.scores[positions])


def select(
    store: Store, *, near: Embeddings | None = None, where: Expression | None = None, k: int | None = None
) -> Selection:
    """The rows of a store that meet a condition, that lie nearest to a point, or both; `export` writes them.

    Parameters
    ----------
    near : a point; each row then has its cosine to it, float32, as the column ``score``
    where : pyarrow expression over the metadata and ``score``, such as ``field("label") == 3``
    k : keep the ``k`` rows of highest score, best first (equal scores in row order); all rows in their order when None

    Raises `SpaceMismatchError` for a point of another space, or where the store or the point has no stamp; `InputError`
    for an expression that fails, and for ``k`` without ``near``.
    """
    scores = None if near is None else _cosines(store, near)
    rows = np.arange(len(store)) if where is None else _rows_where(store, scores, where)
    if k is not None:
        check_count("select: k", k)
        if scores is None:
            raise InputError("select: expected scores to choose k rows by, got none; pass near=point")
        rows = rows[np.argsort(-scores[rows], kind="stable")[:k]]
    return Selection(store, rows, None if scores is None else scores[rows])


def export(selection: Selection, path: str | Path) -> Store:
    """A new store of the rows selected, of the same stamp, dtype and normalisation, with their columns and scores."""
    if not len(selection):
        raise InputError("export: expected at least one row, got an empty selection; loosen the condition")
    store, path = selection.store, Path(path)
    header = new_header(store.stamp, [store.modality], dtype=store.dtype.name, normalized=store.normalized)
    starts = range(0, len(selection), _ROWS)
    with new_store(path, header, "export"):
        for shard, start in enumerate(starts):
            rows = selection[start : start + _ROWS].embeddings
            norms = rows.columns.get(layout.NORMS[store.modality])
            norms = None if norms is None else np.asarray(norms, dtype=np.float32)
            write_rows(path, shard, rows, rows.vectors, norms, header["dtype"])
        finish(path, {**header, "shards": len(starts)})
    return open_store(path)


def _rows_where(store: Store, scores: np.ndarray | None, condition: Expression) -> np.ndarray:
    """Numbers of the rows that meet a condition on their metadata and scores."""
    import pyarrow

    metadata = store.metadata()
    columns = dict(zip(metadata.column_names, metadata.columns, strict=True))
    columns |= {} if scores is None else {"score": scores}
    try:
        met = pyarrow.table(columns | {"__row": np.arange(len(store))}).filter(condition)
    except (pyarrow.ArrowException, TypeError) as error:
        raise InputError(
            f"select: expected an expression over {shortened(columns)}, got one that fails: {error}"
        ) from None
    return met["__row"].to_numpy()


def _cosines(store: Store, point: Embeddings) -> np.ndarray:
    if not isinstance(point, Embeddings) or len(point) != 1:
        raise InputError(f"select: expected Embeddings of one point, got {point!r}; encode a text or an image first")
    if store.stamp is None or point.stamp is None:
        raise SpaceMismatchError(
            f"select: expected a store and a point of one known space, got {store.stamp or 'no stamp'} and "
            f"{point.stamp or 'no stamp'}; if you know where the store comes from, open_store(path, stamp=space.stamp)"
        )
    check_same_space(store.stamp, point.stamp, "select")
    direction = point.unit[0].astype(np.float32)
    scores = np.empty(len(store), np.float32)
    start = 0
    for block in counted_blocks(store, _ROWS):
        block = np.asarray(block, dtype=np.float32)
        scores[start : start + len(block)] = (block @ direction) / np.linalg.norm(block, axis=1)
        start += len(block)
    return scores
