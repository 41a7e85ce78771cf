"""What a user says of points beside the vectors: names, labels and norms, in sequences, columns or files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from clipspace.errors import InputError, shortened
from clipspace.points.embeddings import Embeddings, Modality, RowNumbers, Stamp, row_numbers
from clipspace.points.interchange.paths import split_name
from clipspace.points.interchange.values import values_at
from clipspace.points.lazy_columns import LazyColumns
from clipspace.points.protocol import BLOCK_ROWS, PART_ROWS, Points, Vectors
from clipspace.sequences import in_order

LABEL = "label"
"""Column of labels that have no name of their own."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Points on disk with names, columns, a stamp or a modality that their files do not say; see `with_beside`."""

    points: Points
    names: Sequence[str]
    added: Mapping[str, Sequence]
    stamp: Stamp | None
    modality: Modality

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return f"Labelled({self.points!r}, {self.modality}, {self.stamp or 'no stamp'}, {self.columns!r})"

    @property
    def dim(self) -> int:
        return self.points.dim

    @property
    def hash(self) -> str | None:
        return self.points.hash

    @cached_property
    def columns(self) -> LazyColumns:
        own = self.points.columns
        return LazyColumns(
            [*own, *(name for name in self.added if name not in own)],
            lambda name: self.added[name] if name in self.added else own[name],
        )

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
        return self.points.blocks(rows)

    def parts(self, rows: int = PART_ROWS) -> Iterator[Vectors]:
        return self.points.parts(rows)

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> Embeddings:
        numbers = row_numbers(rows, len(self), "points")
        chosen = self.points[rows]
        added = {name: [values[i] for i in numbers] for name, values in self.added.items()}
        names = [self.names[i] for i in numbers]
        return Embeddings(chosen.vectors, self.stamp, self.modality, names, {**chosen.columns, **added})


def with_beside(
    points: Points,
    *,
    names: Any = None,
    labels: Any = None,
    norms: tuple[str, Any] | None = None,
    stamp: Stamp | None = None,
    modality: Modality | None = None,
) -> Points:
    """``points`` with what is said of them; vectors are neither copied nor read. Raises `InputError` for other counts.

    A value is a sequence, the name of a column of the points, or a file as `values_at` takes it, whose rows are matched
    by name where a column has the names. ``norms`` comes with the name of its column.
    """
    if names is not None:
        names = [str(name) for name in _values(names, points, None, "names")[1]]
    known_names = names or (None if isinstance(points.names, RowNumbers) else points.names)
    added = dict(_labelled(labels, points, known_names))
    if norms is not None:
        added[norms[0]] = _lengths(_values(norms[1], points, known_names, "norms")[1])
    stamp, modality = stamp or points.stamp, modality or points.modality
    names = points.names if names is None else names
    if isinstance(points, Embeddings):
        return replace(points, names=names, columns={**points.columns, **added}, stamp=stamp, modality=modality)
    is_as_it_is = names is points.names and not added and (stamp, modality) == (points.stamp, points.modality)
    return points if is_as_it_is else Labelled(points, names, added, stamp, modality)


def _labelled(labels: Any, points: Points, names: Sequence[str] | None) -> Iterator[tuple[str, Sequence]]:
    """Names and values of the columns of labels: of one, of several in a list of files, or of a mapping."""
    if labels is None:
        return
    if isinstance(labels, Mapping):
        for name, values in labels.items():
            yield name, _values(values, points, names, f"labels {name!r}")[1]
    elif isinstance(labels, (list, tuple)) and labels and all(isinstance(value, Path) for value in labels):
        for value in labels:
            yield _values(value, points, names, "labels")
    else:
        yield _values(labels, points, names, "labels")


def _values(given: Any, points: Points, names: Sequence[str] | None, what: str) -> tuple[str, Sequence]:
    """The name of a column, and its values, one for each of ``points``."""
    column, where = LABEL, ""
    if isinstance(given, (str, Path)):
        if str(given) in points.columns:
            return str(given), points.columns[str(given)]
        file, name = split_name(Path(given))
        if not file.exists():
            raise InputError(
                f"open_points: expected {what} as a sequence, a column among {shortened(points.columns, 30)} or a file:column, "
                f"got {str(given)!r}, which is not a file and no column; check the name"
            )
        column, where, given = name or LABEL, f" in {str(given)!r}", values_at(Path(given), names).tolist()
    values = in_order(given, f"open_points: {what}")
    if len(values) != len(points):
        raise InputError(
            f"open_points: expected {len(points)} {what}, one for each vector, got {len(values)}{where}; rows must be those of "
            "the vectors, in their order, or be named in a column as the vectors are"
        )
    return column, values


def _lengths(values: Sequence) -> np.ndarray:
    try:
        lengths = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"open_points: expected numbers as norms, got {error}; name another column") from None
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        row = int(np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))[0])
        raise InputError(f"open_points: expected positive norms, got {lengths[row]} in row {row}; drop those rows")
    return lengths
