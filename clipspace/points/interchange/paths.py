"""Paths that users give: ``file:name`` names an array of a file of several, or a column of a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clipspace.errors import InputError, shortened

ARRAYS = (".npy", ".npz", ".safetensors", ".pt", ".pth")
"""Suffixes of files of arrays."""
TABLES = (".csv", ".tsv", ".parquet", ".pq", ".arrow", ".feather", ".lance")
"""Suffixes of files, and folders, of tables."""
KINDS = (
    "a .npy, .npz, .safetensors or .pt file of vectors, a .parquet, .arrow, .csv or .lance table with a column of them, "
    "a folder of such files, or the folder of a store"
)
"""What vectors are read from, for messages."""


def split_name(path: Path) -> tuple[Path, str | None]:
    """The file or folder, and the name of the array or column in it: ``labels.csv:kind``."""
    where, colon, name = str(path).rpartition(":")
    if colon and not path.exists() and (Path(where).suffix.lower() in (*ARRAYS, *TABLES) or Path(where).is_dir()):
        return Path(where), name
    return path, None


def kind_of(path: Path) -> str:
    """The suffix of the file, in lower case."""
    return split_name(path)[0].suffix.lower()


def one_of(file: Path, candidates: Sequence[str], name: str | None, kind: str) -> str:
    """The name given, or the only one there is. Raises `InputError` for a name that is not there, and for none of several."""
    check_names(file, candidates, kind)
    if name is None and len(candidates) == 1:
        return candidates[0]
    if name is None or name not in candidates:
        got = "none named" if name is None else repr(name)
        raise InputError(
            f"{str(file)!r}: expected one of the {kind}s {shortened(candidates, 30)}, got {got}; give it as {file.name}:NAME"
        )
    return name


def check_names(file: Path, names: Sequence[str], kind: str) -> None:
    """Raise `InputError` for two arrays or columns of one name."""
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise InputError(
            f"{str(file)!r}: expected {kind}s of different names, got {shortened(twice)} twice; rename them"
        )
