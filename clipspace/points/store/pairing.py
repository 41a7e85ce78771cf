"""Which metadata file belongs to which array of a store that another program wrote."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from clipspace.errors import InputError

_PREFIXES = ("img_emb_", "text_emb_", "metadata_")

_Key = tuple[tuple[int, int | str], ...]


def in_sequence(files: Sequence[Path]) -> list[Path]:
    """Files by their names, numbers in them by their size: ``img_emb_2.npy`` before ``img_emb_10.npy``."""
    return sorted(files, key=lambda file: (_key(file), file.name))


def pair(
    arrays: Sequence[Path], tables: Sequence[Path], rows_of: Callable[[Path], int]
) -> list[tuple[Path, Path | None]]:
    """Each array, in sequence, with its table of metadata; None where there are no tables.

    They belong together by their whole names, without the prefixes of clip-retrieval (``img_emb_7.npy`` and
    ``metadata_07.parquet``); a warning names tables that have no array. Where the names agree in none, as many arrays as
    tables are paired in sequence, with a warning, if all have the same ``rows_of``. Raises `InputError`, which lists what
    was found, for anything else.
    """
    arrays, tables = in_sequence(arrays), in_sequence(tables)
    if not tables:
        return [(array, None) for array in arrays]
    table_by_key = {_key(table): table for table in tables}
    keys = [_key(array) for array in arrays]
    if len(table_by_key) == len(tables) and len(set(keys)) == len(keys) and all(key in table_by_key for key in keys):
        if alone := [table_by_key[key] for key in table_by_key.keys() - set(keys)]:
            warnings.warn(
                f"open_store: no arrays for the metadata {_listed(alone)}, whose rows are left out; get a whole copy of the "
                "store",
                stacklevel=2,
            )
        return [(array, table_by_key[key]) for array, key in zip(arrays, keys, strict=True)]
    strangers = not any(key in table_by_key for key in keys)
    if strangers and len(arrays) == len(tables) and [*map(rows_of, arrays)] == [*map(rows_of, tables)]:
        warnings.warn(
            f"open_store: the names of the arrays ({_listed(arrays)}) and of their metadata ({_listed(tables)}) differ; "
            "they are paired in sequence, as their rows agree",
            stacklevel=2,
        )
        return list(zip(arrays, tables, strict=True))
    raise InputError(
        f"open_store: expected metadata of the same name for every array, got the arrays {_listed(arrays)} and the "
        f"metadata {_listed(tables)}; rename them alike, or get a whole copy of the store"
    )


def check_same_names(images: Sequence[Path], texts: Sequence[Path]) -> None:
    """Raise `InputError` unless the arrays of images and of texts are of the same shards."""
    if [_key(file) for file in in_sequence(images)] != [_key(file) for file in in_sequence(texts)]:
        raise InputError(
            f"open_store: expected arrays of images and of texts of the same names, got {_listed(images)} and "
            f"{_listed(texts)}; their rows cannot be paired"
        )


def _key(file: Path) -> _Key:
    """The name of a file without its prefix, as texts and numbers."""
    stem = file.stem
    for prefix in _PREFIXES:
        stem = stem.removeprefix(prefix)
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", stem) if part)


def _listed(files: Sequence[Path]) -> str:
    names = [file.name for file in in_sequence(files)]
    return ", ".join(names if len(names) <= 6 else [*names[:3], f"… {len(names) - 5} more …", *names[-2:]])
