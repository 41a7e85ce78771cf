"""Values by position: one reading of lists, arrays, pandas columns and tensors, and one rule for labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from numbers import Number
from typing import Any

import numpy as np

from clipspace.errors import InputError


def in_order(values: Any, what: str) -> Sequence:
    """``values`` as a sequence whose element i is the i-th value, whatever index they carry.

    Lists, tuples and NumPy arrays are returned as they are. A pandas Series, Index or Categorical becomes a NumPy
    array (numbers) or a list (all else, None where a value is missing). Arrow arrays and tensors become lists.

    Raises `InputError`, which names ``what``, for a single string or number, for a mapping, a set or a data frame, which
    are no one column of rows, and for what is no sequence.
    """
    if getattr(values, "ndim", 1) == 0 or type(values).__name__ == "DataFrame":
        raise InputError(
            f"{what}: expected a sequence of values, one per row, got a {type(values).__name__} of shape {tuple(values.shape)}"
            "; hand over one column"
        )
    if isinstance(values, (list, tuple, range, np.ndarray)):
        return values
    if isinstance(values, (str, bytes, Mapping, Set)) or not isinstance(values, (Iterable, Sequence)):
        raise InputError(f"{what}: expected a sequence of values, one per row, got {type(values).__name__}")
    if _is_pandas(values):
        return _from_pandas(values)
    for method in ("to_pylist", "tolist", "to_list"):  # of Arrow arrays, tensors, polars
        if hasattr(values, method):
            return getattr(values, method)()
    return list(values)


def as_array(values: Any, what: str) -> np.ndarray:
    """``values`` as a NumPy array, not copied where it is one or a tensor in memory that NumPy can read.

    Raises `InputError`, which names ``what``, for a tensor that it cannot (bfloat16, on a GPU, with a gradient) and for
    rows of unlike lengths.
    """
    try:
        return np.asanyarray(values)
    except (TypeError, RuntimeError, ValueError) as error:
        tensor = hasattr(values, "detach") or "tensor" in str(error).lower() or "scalartype" in str(error).lower()
        cure = "hand over tensor.detach().float().cpu().numpy()" if tensor else "give every row the same length"
        raise InputError(
            f"{what}: expected numbers that NumPy can read, got {type(values).__name__} ({error}); {cure}"
        ) from None


def check_labels(values: Sequence, what: str) -> None:
    """Raise `InputError` for labels of several kinds, such as 1 and "1", which read alike and would become one class.

    Text, numbers and booleans are kinds; 1 and 1.0 are one number. None and NaN are no labels and not judged here.

    >>> check_labels([1, 2.5, None], "probe")
    """
    if isinstance(values, np.ndarray) and values.dtype != object:
        return
    first: dict[str, Any] = {}
    for value in values:
        if not is_missing(value):
            first.setdefault(_kind(value), value)
    if len(first) > 1:
        (one, a), (other, b), *_ = first.items()
        raise InputError(
            f"{what}: expected labels of one kind, got {one} ({a!r}) and {other} ({b!r}); make them one kind"
        )


def is_missing(value: Any) -> bool:
    """None, NaN, and pandas' NA and NaT, known by their types' names, since pandas need not be there."""
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, (float, np.floating)) and bool(np.isnan(value)))
    )


def _kind(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "a boolean"
    if isinstance(value, Number):
        return "a number"
    return "text" if isinstance(value, str) else type(value).__name__


def _is_pandas(values: Any) -> bool:
    return type(values).__module__.partition(".")[0] == "pandas"


def _from_pandas(values: Any) -> Sequence:
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
        return values.to_numpy()
    return [None if is_missing(value) else value for value in values.tolist()]
