"""`Table`: rows of numbers, told apart by keys, each beside its chance level, its interval and its sample size."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.errors import InputError, shortened
from clipspace.results.text import FEW_ROWS, as_html, as_text

if TYPE_CHECKING:
    import pandas

MEASURES = ("value", "chance", "low", "high", "n")
"""Columns of a measured number: its chance level or baseline, its 95 % interval, and the size of its sample."""


class Row(dict):
    """One row of a table: a mapping whose entries are attributes as well.

    >>> Row(score="accuracy", value=0.9).value
    0.9
    """

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(f"row: expected one of the columns {shortened(self)}, got {name!r}")
        return self[name]


def scored(
    *,
    value: float,
    chance: float | None = None,
    low: float | None = None,
    high: float | None = None,
    n: int | None = None,
    **keys: Any,
) -> Row:
    """A row of one measured number, under the ``keys`` that say what was measured.

    >>> scored(score="accuracy", value=0.9, chance=0.1, n=50)
    {'score': 'accuracy', 'value': 0.9, 'chance': 0.1, 'low': None, 'high': None, 'n': 50}
    """
    return Row(**keys, value=value, chance=chance, low=low, high=high, n=n)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of the same columns. Some of the columns are keys, which tell the rows apart; the others are measures.

    Parameters
    ----------
    rows : one mapping per row; a column that a row lacks is None there, a key too
    keys : names of the key columns; when None, all columns before ``value``, or as few of the first
        columns as tell the rows apart

    Raises `InputError` where two rows have equal ``keys``.

    >>> table = Table([scored(view=view, word="cat", value=v) for view, v in (("bare", 0.9), ("card", 0.4))])
    >>> table["card", "cat"].value
    0.4
    >>> table.where(view="bare").column("value")
    [0.9]
    >>> print(table)
    view  word  value
    bare   cat  0.900
    card   cat  0.400
    """

    rows: Sequence[Mapping[str, Any]] = ()
    keys: Sequence[str] | None = None

    def __post_init__(self) -> None:
        columns = list(dict.fromkeys([*(self.keys or ()), *(name for row in self.rows for name in row)]))
        rows = tuple(Row((name, row.get(name)) for name in columns) for row in self.rows)
        object.__setattr__(self, "rows", rows)
        if self.keys is None:
            object.__setattr__(self, "keys", _usual_keys(columns, rows))
            return
        object.__setattr__(self, "keys", tuple(self.keys))
        keyed = [tuple(row[key] for key in self.keys) for row in rows]
        if len(set(keyed)) < len(keyed):
            twice = next(key for i, key in enumerate(keyed) if key in keyed[:i])
            raise InputError(f"Table: expected one row for each value of the keys {self.keys}, got two of {twice}")

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self.rows[0]) if self.rows else []

    def column(self, name: str) -> list:
        """The values of one column. Raises `InputError` for a name that the table does not have."""
        if name not in self.columns:
            raise InputError(f"table: expected one of the columns {shortened(self.columns)}, got {name!r}")
        return [row[name] for row in self.rows]

    def where(self, **equals: Any) -> Table:
        """The rows in which every named column has the given value. Raises `InputError` for an unknown column."""
        for name in equals:
            self.column(name)
        return Table([row for row in self.rows if all(row[name] == value for name, value in equals.items())], self.keys)

    def row(self, **equals: Any) -> Row:
        """The row in which every named column has the given value. Raises `InputError` unless there is exactly one.

        >>> table = Table([scored(score="recall", k=k, value=v) for k, v in ((1, 0.3), (5, 0.8))])
        >>> table.row(k=5).value
        0.8
        """
        matching = self.where(**equals)
        if len(matching) != 1:
            present_values = {name: sorted(set(map(str, self.column(name)))) for name in equals}
            conditions = "; ".join(f"{name} of {shortened(values)}" for name, values in present_values.items())
            raise InputError(f"table: expected one row with {conditions}; got {len(matching)} rows of {equals}")
        return matching.rows[0]

    def pivot(self, index: str, columns: str, value: str = "value") -> Table:
        """A row for each value of the column ``index``, and in it ``value`` for each value of the column ``columns``.

        >>> table = Table([scored(factor="color", part=part, value=v) for part, v in (("linear", 0.9), ("kNN", 0.8))])
        >>> table.pivot("factor", "part").rows
        ({'factor': 'color', 'linear': 0.9, 'kNN': 0.8},)
        """
        names = list(dict.fromkeys(self.column(columns)))
        wide: dict[Any, dict[str, Any]] = {}
        for row in self.rows:
            line = wide.setdefault(row[index], {index: row[index], **dict.fromkeys(names)})
            line[row[columns]] = row[value]
        return Table(list(wide.values()), (index,))

    def __getitem__(self, key: Any) -> Row:
        """The row of these keys, in their order. Raises `InputError` unless there is exactly one."""
        key_values = key if isinstance(key, tuple) else (key,)
        matching = [row for row in self.rows if tuple(row[name] for name in self.keys) == key_values]
        if len(matching) != 1:
            present_keys = [
                row[self.keys[0]] if len(self.keys) == 1 else tuple(map(row.get, self.keys)) for row in self.rows
            ]
            raise InputError(
                f"table: expected the {' and '.join(self.keys) or 'keys'} of one row, of {shortened(present_keys)}, got {key!r}"
            )
        return matching[0]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return as_text(self.cells())

    def __repr__(self) -> str:
        return as_text(self.cells(), most=FEW_ROWS)

    def _repr_html_(self) -> str:
        return as_html(self.cells())

    def cells(self) -> list[list[str]]:
        """The table as texts, the header first: low and high as one interval, without columns that hold nothing."""
        rows = [_with_interval(row) for row in self.rows]
        column_names = [name for name in (rows[0] if rows else ()) if any(row[name] is not None for row in rows)]
        return [column_names, *([_shown(row[name]) for name in column_names] for row in rows)] if column_names else []

    def to_frame(self) -> pandas.DataFrame:
        """A pandas frame, one row a row, indexed by the keys."""
        import pandas

        frame = pandas.DataFrame(list(self.rows), columns=self.columns)
        return frame.set_index(list(self.keys)) if self.keys else frame

    def save_csv(self, path: str | Path) -> None:
        """Write a header and one line per row, UTF-8."""
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            if self.rows:
                writer = csv.DictWriter(file, self.columns)
                writer.writeheader()
                writer.writerows(self.rows)


def _usual_keys(columns: Sequence[str], rows: Sequence[Row]) -> tuple[str, ...]:
    """All columns before ``value``, or as few of the first columns as tell the rows apart; none where these do not."""
    ends = [columns.index("value")] if "value" in columns else range(1, len(columns) + 1)
    for end in ends:
        if len({tuple(repr(row[name]) for name in columns[:end]) for row in rows}) == len(rows):
            return tuple(columns[:end])
    return ()


def _with_interval(row: Mapping[str, Any]) -> dict[str, Any]:
    """``row`` with its interval in one cell, in the place of ``low``, where it has ``low`` and ``high``."""
    if not {"low", "high"} <= set(row):
        return dict(row)
    missing = row["low"] is None or row["high"] is None
    interval = None if missing else f"[{_shown(row['low'])}, {_shown(row['high'])}]"
    cells: Iterable[tuple[str, Any]] = (("95 %", interval) if name == "low" else (name, row[name]) for name in row)
    return {name: value for name, value in cells if name != "high"}


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, (float, np.floating)):
        return str(value)
    return f"{value:.3f}" if value == 0 or 1e-3 <= abs(value) < 1e3 else f"{value:.3g}"
