"""`Result`: what every probe, manipulation and analysis returns, and how it is saved and loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.files import atomically
from clipspace.plain import to_json, to_plain
from clipspace.points.embeddings import Embeddings
from clipspace.results.provenance import Provenance
from clipspace.results.table import Row, Table
from clipspace.results.text import FEW_ROWS, as_html, as_text

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Result:
    """Numbers in a table, findings in sentences, and everything needed to draw and repeat them.

    Parameters
    ----------
    name : of the probe, analysis or manipulation, such as "knn"
    table : the numbers; a sequence of mappings becomes a `Table`
    findings : sentences computed from the numbers
    arrays : what a figure draws beyond the table, by name; images are uint8 ``(..., h, w, 3)``
    labels : texts that go with the arrays, by name
    provenance : space, inputs, options, seed and versions, with which the result can be repeated
    embeddings : the points of the result, if any; `save` stores them too

    ``result["accuracy"]`` is the row of these keys, ``result.row(score="accuracy")`` the one with these values, and
    ``result.where(view="decoded")`` some rows; see `Table`. In a notebook a result shows itself as a table.

    >>> result = Result("spectrum", [{"components": 1, "share": 0.5}], ["Half is in one component."])
    >>> result.column("share")
    [0.5]
    >>> result[1].share
    0.5
    >>> print(result)
    Half is in one component.
    components  share
    1           0.500
    """

    name: str
    table: Table
    findings: Sequence[str] = ()
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    provenance: Provenance | None = None
    embeddings: Embeddings | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.table, Table):
            object.__setattr__(self, "table", Table(self.table))
        if self.provenance is None:
            object.__setattr__(self, "provenance", Provenance(self.name))

    def __getitem__(self, key: Any) -> Row:
        return self.table[key]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.table)

    def where(self, **equals: Any) -> Table:
        """The rows of the table in which every named column has the given value."""
        return self.table.where(**equals)

    def row(self, **equals: Any) -> Row:
        """The one row of the table in which every named column has the given value."""
        return self.table.row(**equals)

    def column(self, name: str) -> list:
        """One column of the table. Raises `InputError` for a name that it does not have."""
        return self.table.column(name)

    def __str__(self) -> str:
        return "\n".join([*(self.findings or [self.name]), as_text(self.table.cells())]).rstrip()

    def __repr__(self) -> str:
        head = f"{type(self).__name__}({self.name}: {len(self.table)} rows, {len(self.findings)} findings)"
        return "\n".join([head, as_text(self.table.cells(), most=FEW_ROWS)]).rstrip()

    def _repr_html_(self) -> str:
        return as_html(self.table.cells(), notes=self.findings)

    def to_frame(self) -> pandas.DataFrame:
        """The table as a pandas frame, indexed by its keys."""
        return self.table.to_frame()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for strict JSON; arrays become nested lists. Images and vectors are left out."""
        return {**to_plain(self._described()), "arrays": to_plain(dict(self.arrays))}

    def to_json(self) -> str:
        """`to_dict` as strict JSON."""
        return to_json(self.to_dict())

    def save(self, path: str | Path, *, name: str | None = None) -> Path:
        """Write ``<name>.npz``, ``.csv`` and, last, ``.json``; returns the path of the last, which `load_result` reads.

        ``path`` is a folder, in which ``name`` is that of the result when None; or a path that ends in ``.json``. Files
        that are there are replaced; the last tells the hash of the first, so that two saves are never taken for one.
        """
        path = Path(path)
        path = path if path.suffix == ".json" else path / f"{name or self.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomically(path.with_suffix(".npz"), overwrite=True) as part:
            np.savez_compressed(part, **self._all_arrays())
            arrays = sha256(part.read_bytes()).hexdigest()
        with atomically(path.with_suffix(".csv"), overwrite=True) as part:
            self.table.save_csv(part)
        with atomically(path, overwrite=True) as part:
            part.write_text(to_json({**self._described(), "arrays_sha256": arrays}), encoding="utf-8")
        return path

    def _described(self) -> dict[str, Any]:
        """All but the arrays, for JSON; ``floats`` names the columns whose texts "NaN" and "Infinity" are numbers."""
        points = self.embeddings
        return {
            "kind": type(self).__name__,
            "name": self.name,
            "keys": list(self.table.keys),
            "table": list(self.table),
            "floats": [name for name in self.table.columns if _is_numeric(self.table.column(name))],
            "findings": list(self.findings),
            "labels": self.labels,
            "provenance": self.provenance,
            "embeddings": None if points is None else _described_points(points),
        }

    def _all_arrays(self) -> dict[str, np.ndarray]:
        points = self.embeddings
        return {**self.arrays, **({} if points is None else {VECTORS: np.asarray(points.vectors)})}


VECTORS = "embeddings: vectors"
"""Name of the array that holds the vectors of the embeddings in the file of arrays."""


def _described_points(points: Embeddings) -> dict[str, Any]:
    columns = {name: np.asarray(values).tolist() for name, values in points.columns.items()}
    stamp = points.stamp and points.stamp.to_dict()
    return {"stamp": stamp, "modality": points.modality, "names": list(points.names), "columns": columns}


def _is_numeric(values: list) -> bool:
    """Whether all values but None are numbers, including NaN and infinities, which strict JSON lacks."""
    kinds = {type(value) for value in values if value is not None}
    return bool(kinds) and all(issubclass(kind, (float, np.floating, int, np.integer)) for kind in kinds)
