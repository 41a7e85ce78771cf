"""Files that users give: vectors (.npy, .npz, .parquet), and a value a row (text, .npy, .npz, .csv, .tsv, .parquet).

``file:name`` names an array of an .npz file, and a column of a table; where there is only one it need not be named.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clipspace.errors import InputError, shortened

ARRAYS = (".npy", ".npz")
TABLES = (".csv", ".tsv", ".parquet")
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def split_name(path: Path) -> tuple[Path, str | None]:
    """The file, and the name of the array or column in it: ``labels.csv:kind``."""
    where, colon, name = str(path).rpartition(":")
    if colon and not path.exists() and Path(where).suffix.lower() in (*ARRAYS, *TABLES):
        return Path(where), name
    return path, None


def kind_of(path: Path) -> str:
    """The suffix of the file, in lower case."""
    return split_name(path)[0].suffix.lower()


def vectors_at(path: Path) -> np.ndarray:
    """Real vectors (n, d) of a .npy file (mapped into memory), an .npz file, or a Parquet column of lists."""
    file, name = split_name(path)
    array = _vectors_of_parquet(file, name) if kind_of(path) == ".parquet" else _array(file, name)
    expectation = f"{str(path)!r}: expected real vectors of shape (n, d)"
    if np.iscomplexobj(array) or not np.issubdtype(array.dtype, np.number):
        raise InputError(f"{expectation}, got values of type {array.dtype}; save them as float32")
    if array.ndim != 2:
        cure = "one vector is x[None]" if array.ndim == 1 else "x.reshape(len(x), -1) makes one vector a row"
        raise InputError(f"{expectation}, got an array of shape {array.shape}; {cure}")
    if 0 in array.shape:
        raise InputError(f"{expectation}, at least one, got shape {array.shape}; check how the file was made")
    return array


def values_at(path: Path, names: Sequence[str] | None = None) -> np.ndarray:
    """One value a row, (n,): the lines of a text file, an array, or a column of a table (None where a cell is empty).

    With the ``names`` of the rows, a table that has a column in which each name occurs once gives the value beside each
    name, in whatever order the table is and whatever else it lists. All else is taken row by row.
    """
    file, name = split_name(path)
    kind = kind_of(path)
    if not file.is_file():
        raise InputError(f"expected a file of one value a row, got {str(path)!r}, which is not a file; check the path")
    if kind in ARRAYS:
        values = _array(file, name)
        if values.ndim != 1:
            raise InputError(f"{str(path)!r}: expected one value a row, got an array of shape {values.shape}")
        return values
    if kind in TABLES:
        values, columns = _values_of_parquet(file, name) if kind == ".parquet" else _values_of_text_table(file, name)
        places = _places(names, columns)
        return values if places is None else values[places]
    lines = re.split(r"\r\n|\r|\n", read_text(file))
    return np.array(lines[:-1] if lines[-1] == "" else lines)


def texts_at(path: Path, names: Sequence[str] | None = None) -> list[str]:
    """One text a row, as `values_at` finds them. Raises `InputError` for rows that have none."""
    values = values_at(path, names).tolist()
    wrong = [i for i, value in enumerate(values) if not isinstance(value, str)]
    if wrong:
        raise InputError(
            f"{str(path)!r}: expected a text in every row, got {values[wrong[0]]!r} in row {wrong[0]} ({len(wrong)} such)"
        )
    return values


def read_text(path: Path) -> str:
    """A text file in UTF-8, or in the encoding that its byte order mark says. Raises `InputError` for any other."""
    data = path.read_bytes()
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
        problem = None
    except UnicodeDecodeError as error:
        problem = f"byte 0x{data[error.start]:02x} at {error.start}, as in Latin-1 or Windows-1252"
    if encoding == "utf-8" and b"\0" in data:
        problem = "zero bytes, as in UTF-16 without a mark or in a binary file"
    if problem:
        raise InputError(f"{str(path)!r}: expected text in UTF-8, got {problem}; save it as UTF-8")
    return text


def _array(file: Path, name: str | None) -> np.ndarray:
    if kind_of(file) == ".npz":
        return _member(file, name)
    expectation = "a .npy file of vectors, an .npz or .parquet one, or the folder of a store"
    if not file.is_file():
        raise InputError(f"expected {expectation}, got {str(file)!r}, which is not a file; check the path")
    try:
        with file.open("rb") as opened:
            if opened.read(6) != b"\x93NUMPY":
                raise InputError(f"expected {expectation}, got {str(file)!r}, which is none of them")
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except InputError:
        raise
    except (OSError, ValueError, EOFError) as error:
        raise _unreadable(file, error) from None


def _member(file: Path, name: str | None) -> np.ndarray:
    try:
        with np.load(file, allow_pickle=False) as opened:
            return opened[_one(file, opened.files, name, "array")]
    except InputError:
        raise
    except Exception as error:  # a broken zip file raises what it likes
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: Exception) -> InputError:
    if "Object arrays" in str(error):
        return InputError(
            f"{str(file)!r}: expected an array of numbers or texts, got one of Python objects, which can run code when read; "
            "save np.stack(x), or x.astype(str)"
        )
    return InputError(f"{str(file)!r}: cannot be read as an array ({error}); get a whole copy, or save it again")


def _one(file: Path, candidates: Sequence[str], name: str | None, kind: str) -> str:
    """The name given, or the only one there is."""
    _check_names(file, candidates, kind)
    if name is None and len(candidates) == 1:
        return candidates[0]
    if name is None or name not in candidates:
        got = "none named" if name is None else repr(name)
        raise InputError(
            f"{str(file)!r}: expected one of the {kind}s {shortened(candidates, 30)}, got {got}; give it as {file.name}:NAME"
        )
    return name


def _check_names(file: Path, names: Sequence[str], kind: str) -> None:
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise InputError(
            f"{str(file)!r}: expected {kind}s of different names, got {shortened(twice)} twice; rename them"
        )


def _places(names: Sequence[str] | None, columns: Iterable[list]) -> list[int] | None:
    """The row of each name in the first of ``columns`` that holds every name once; None where none does."""
    if names is None or len(set(names)) < len(names):
        return None
    for column in columns:
        unique_names = set(names)
        rows = [(value, row) for row, value in enumerate(column) if value in unique_names]
        if len(rows) == len(unique_names) == len(dict(rows)):
            place = dict(rows)
            return [place[name] for name in names]
    return None


def _values_of_text_table(file: Path, name: str | None) -> tuple[np.ndarray, list[list]]:
    """A column of texts, so that a label "NA" or "007" stays what it is. Raises `InputError` for a row that is too long."""
    text = read_text(file)
    first = text.split("\n", 1)[0]
    separator = "\t" if kind_of(file) == ".tsv" else ";" if first.count(";") > first.count(",") else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        head = next(rows, [])
        at = head.index(_one(file, head, name, "column"))
        table = []
        for row in rows:
            if any(row[len(head) :]):  # a separator at the end of each row does no harm
                raise InputError(
                    f"{str(file)!r}: expected {len(head)} values a row, got {len(row)} in line {rows.line_num}"
                )
            if row or len(head) == 1:  # an empty line is an empty cell where there is one column
                table.append(row)
    except csv.Error as error:
        raise InputError(f"{str(file)!r}: cannot be read as a table ({error} in line {rows.line_num})") from None
    values, *_ = columns = [
        [row[i] or None if i < len(row) else None for row in table] for i in (at, *range(len(head)))
    ]
    return np.array(values, dtype=object if None in values else str), columns


def _values_of_parquet(file: Path, name: str | None) -> tuple[np.ndarray, Iterator[list]]:
    """The values of one column, and those of every column of texts."""
    import pyarrow

    column, name = _column_of_parquet(file, name)
    if pyarrow.types.is_nested(column.type):
        raise InputError(f"{str(file)!r}: expected one value a row in {name!r}, got {column.type}; name another column")
    try:
        return np.array(column.to_pylist()), _texts_of_parquet(file)
    except (ValueError, OverflowError, pyarrow.ArrowException) as error:  # text that is not UTF-8, the year 10000
        raise InputError(
            f"{str(file)!r}: expected values that can be read in {name!r}, got one that cannot be ({error}); save it again"
        ) from None


def _texts_of_parquet(file: Path) -> Iterator[list]:
    from pyarrow import parquet

    for field in parquet.read_schema(file):
        if str(field.type) in ("string", "large_string"):
            try:
                yield _column_of_parquet(file, field.name)[0].to_pylist()
            except (InputError, ValueError):  # what cannot be read names no rows
                continue


def _vectors_of_parquet(file: Path, name: str | None) -> np.ndarray:
    import pyarrow
    import pyarrow.compute as pc

    column, name = _column_of_parquet(file, name, lists=True)
    try:
        lists = column.combine_chunks()
        lengths = pc.unique(pc.list_value_length(lists)).to_pylist()
        if len(lengths) != 1 or lengths[0] is None:
            raise ValueError
        return lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, lengths[0])
    except (ValueError, pyarrow.ArrowException):
        raise InputError(
            f"{str(file)!r}: expected lists of numbers of one length in every row of {name!r}, got {column.type}; name a "
            f"column of vectors as {file.name}:NAME"
        ) from None


def _column_of_parquet(file: Path, name: str | None, *, lists: bool = False) -> tuple[Any, str]:
    """One column, and its name; with ``lists``, the only one that has lists will do."""
    import pyarrow
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(file)
        candidates = [field.name for field in schema if not lists or pyarrow.types.is_nested(field.type)]
        name = _one(
            file, candidates if lists and name is None and len(candidates) == 1 else schema.names, name, "column"
        )
        return parquet.read_table(file, columns=[name])[name], name
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{str(file)!r}: cannot be read as Parquet ({' '.join(str(error).split())})") from None
