"""Rows of a store chosen by their metadata or by their likeness to a point, and written out as a store of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clipspace.errors import InputError, SpaceMismatchError, shortened
from clipspace.points.embeddings import Embeddings, check_same_space
from clipspace.points.store import layout
from clipspace.points.store.opening import open_store
from clipspace.points.store.shards import write_rows
from clipspace.points.store.writing import finish, new_header, new_store
from clipspace.reprs import brief

if TYPE_CHECKING:
    import pyarrow
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

    def where(self, expression: Expression) -> Selection:
        """The rows that also meet a pyarrow expression over the metadata, and ``score`` after a query."""
        import pyarrow

        table = self._table()
        columns = dict(zip(table.column_names, table.columns, strict=True))
        table = pyarrow.table(columns | {"__position": np.arange(len(self))})
        try:
            kept = table.filter(expression)["__position"].to_numpy()
        except (pyarrow.ArrowException, TypeError) as error:
            raise InputError(
                f"where: expected an expression over {shortened(self._table().column_names)}, got one that fails: {error}"
            ) from None
        return self._take(kept)

    def top(self, k: int) -> Selection:
        """The ``k`` rows of highest score, best first (equal scores in row order)."""
        if self.scores is None:
            raise InputError(
                "top: expected a selection with scores, got one without; begin with select(store, near=point)"
            )
        if k < 1:
            raise InputError(f"top: expected k of at least 1, got {k}")
        return self._take(np.argsort(-self.scores, kind="stable")[:k])

    @property
    def embeddings(self) -> Embeddings:
        """The rows as stored, with a column ``score`` after a query."""
        points = self.store[self.rows]
        if self.scores is None:
            return points
        return replace(points, columns={**points.columns, "score": self.scores.tolist()})

    def export(self, path: str | Path) -> Store:
        """A store of these rows alone, of the same stamp, dtype and normalisation."""
        if not len(self):
            raise InputError("export: expected at least one row, got an empty selection; loosen the condition")
        store, path = self.store, Path(path)
        header = new_header(store.stamp, [store.modality], dtype=store.dtype.name, normalized=store.normalized)
        starts = range(0, len(self), _ROWS)
        with new_store(path, header, "export"):
            for shard, start in enumerate(starts):
                part = self._take(np.arange(start, min(start + _ROWS, len(self)))).embeddings
                norms = part.columns.get(layout.NORMS[store.modality])
                norms = None if norms is None else np.asarray(norms, dtype=np.float32)
                write_rows(path, shard, part, part.vectors, norms, header["dtype"])
            finish(path, {**header, "shards": len(starts)})
        return open_store(path)

    def _take(self, positions: np.ndarray) -> Selection:
        scores = None if self.scores is None else self.scores[positions]
        return Selection(self.store, self.rows[positions], scores)

    def _table(self) -> pyarrow.Table:
        import pyarrow

        table = self.store.metadata()
        columns = dict(zip(table.column_names, table.take(self.rows).columns, strict=True)) if table.num_columns else {}
        return pyarrow.table(columns if self.scores is None else columns | {"score": self.scores})


def select(store: Store, *, near: Embeddings | None = None) -> Selection:
    """All rows of a store, to be narrowed by ``.where(field("label") == 3)`` or ``.top(k)``, and written by ``.export(path)``.

    With ``near``, a point, each row has its cosine to it, float32, under the name ``score``. Raises `SpaceMismatchError`
    for a point of another space, or where one side has no stamp.
    """
    return Selection(store, np.arange(len(store)), None if near is None else _cosines(store, near))


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
    for block in store.blocks(_ROWS):
        block = np.asarray(block, dtype=np.float32)
        scores[start : start + len(block)] = (block @ direction) / np.linalg.norm(block, axis=1)
        start += len(block)
    return scores
