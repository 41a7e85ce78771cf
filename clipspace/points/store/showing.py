"""Columns of a store as the plain values that a page or a table shows."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow

    from clipspace.points.store.reading import Store

LONGEST = 10_000
"""Largest number of characters read of a text: far more than an encoder takes or a page shows."""


def plain_columns(store: Store, rows: np.ndarray) -> dict[str, list]:
    """The columns of some ``rows``: texts, numbers, truth values; dates and times as text; None where a cell is empty.

    Lists, structs, maps and binary columns, and those that cannot be read, are left out, and a warning names them.
    """
    columns, left_out = {}, []
    for field in store.schema:
        try:
            if not _is_plain(field.type):
                left_out.append(f"{field.name!r} ({field.type})")
                continue
            columns[field.name] = _plain(store.metadata([field.name])[field.name].take(rows))
        except (ValueError, OverflowError, ArithmeticError, LookupError, NotImplementedError, TypeError) as error:
            left_out.append(
                f"{field.name!r} ({field.type}, which cannot be read: {' '.join(str(error).split())[:100]})"
            )
    if left_out:
        warnings.warn(
            f"report: left out the columns {', '.join(left_out)} of {str(store.path)!r}; what is shown are texts, numbers, truth "
            "values and dates",
            stacklevel=2,
        )
    return columns


def _is_plain(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    return (
        _is_text(kind)
        or types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_temporal(kind)
        or types.is_null(kind)
    )


def _is_text(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _plain(values: pyarrow.ChunkedArray) -> list:
    import pyarrow
    from pyarrow import compute, types

    if types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if types.is_decimal(values.type):
        values = values.cast(pyarrow.float64())
    elif types.is_temporal(values.type):
        values = values.cast(pyarrow.string())
    if _is_text(values.type):
        values = compute.utf8_slice_codeunits(values.cast(pyarrow.string()), 0, LONGEST)
    return values.to_pylist()
