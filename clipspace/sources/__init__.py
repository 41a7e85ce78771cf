"""Where images come from: a folder, Parquet files, WebDataset tar shards or a list; local or behind a URL.

`open_source` tells which of them an input is. A source only lists; images are read row by row, when asked.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from clipspace.errors import InputError
from clipspace.sources.files import Found, find_files, is_folder, is_url, named_apart
from clipspace.sources.folder import folder_source
from clipspace.sources.formats import is_hidden
from clipspace.sources.images import SUFFIXES
from clipspace.sources.listing import list_source
from clipspace.sources.named import read_named
from clipspace.sources.rows import Ignored, Part, Row, RowError, Sample, Source
from clipspace.sources.tar import tar_source

__all__ = ["Ignored", "Part", "Row", "RowError", "Sample", "Source", "open_source", "read_named"]

Kind = Literal["folder", "parquet", "tar", "list"]
_SUFFIXES: dict[str, Kind] = {
    ".parquet": "parquet", ".pq": "parquet", ".tar": "tar", ".tgz": "tar", ".tar.gz": "tar", ".txt": "list", ".lst": "list",
}  # fmt: skip


def open_source(
    source: str | Path | Sequence[str | Path],
    *,
    kind: Kind | None = None,
    rows_per_part: int = 4096,
    image_column: str | None = None,
    caption_column: str | None = None,
) -> Source:
    """The rows of an input, listed but not read.

    Parameters
    ----------
    source : a folder of images, of ``.parquet`` or of ``.tar`` files; such a file; a ``.txt`` list of paths; a
        pattern (``{000..122}.tar``, ``*.parquet``); a sequence of image paths; each local or a URL of fsspec
    kind : "folder", "parquet", "tar" or "list", where the name does not tell
    rows_per_part : rows of a part, and so of a shard of the store; a tar file is one part whatever its size
    image_column, caption_column : of Parquet files; found by type, content and name when None

    Raises `InputError` when there is nothing of the kind.
    """
    if rows_per_part < 1:
        raise InputError(f"encode: expected at least 1 row a shard, got {rows_per_part}")
    if kind not in (None, "folder", "parquet", "tar", "list"):
        raise InputError(f"encode: expected kind 'folder', 'parquet', 'tar' or 'list', got {kind!r}")
    columns = {"image_column": image_column, "caption_column": caption_column}
    if not isinstance(source, (str, Path)):
        _check_used("list", kind, columns)
        return list_source([str(path) for path in source], rows_per_part=rows_per_part)
    path = str(source)
    if is_folder(path):
        files_below = find_files(path)
        if kind == "list":
            raise InputError(f"encode: expected a .txt file of paths for kind 'list', got the folder {path!r}")
        kind = kind or _kind_of(files_below, path)
        if kind == "folder":
            _check_used("folder", kind, columns)
            return folder_source(path, files_below, rows_per_part=rows_per_part)
        files = [file for file in files_below if _SUFFIXES.get(_suffix(file.name)) == kind and not is_hidden(file.name)]
        if not files:
            raise InputError(f"encode: expected {kind} files below {path!r}, got none; check the folder")
    else:
        files = named_apart(_existing(path))
        kind = kind or _SUFFIXES.get(_suffix(files[0].name))
    if kind not in ("parquet", "tar", "list"):
        raise InputError(
            f"encode: expected a folder, .parquet, .tar or .txt (a list of paths), got {path!r}; "
            "check it, or name its kind (--kind)"
        )
    if kind == "parquet":
        from clipspace.sources.parquet import parquet_source

        return parquet_source(files, rows_per_part=rows_per_part, **columns)
    _check_used(kind, kind, columns)
    return tar_source(files) if kind == "tar" else list_source(files, rows_per_part=rows_per_part)


def _check_used(input_kind: Kind, kind: Kind | None, columns: dict[str, str | None]) -> None:
    """Raise `InputError` for options that an input of the kind ``input_kind`` would leave unheeded."""
    if kind not in (None, input_kind):
        raise InputError(f"encode: expected kind {input_kind!r} of a sequence of paths, got {kind!r}; give one path")
    for name, column in columns.items():
        if column is not None:
            raise InputError(
                f"encode: {name} is of Parquet files, got {column!r} for an input of kind {input_kind!r}; leave it out"
            )


def _kind_of(files: list[Found], path: str) -> Kind:
    """What a folder is of: image files, or the shards of one kind."""
    suffixes = {_suffix(file.name) for file in files if not is_hidden(file.name)}
    kinds = {_SUFFIXES[suffix] for suffix in suffixes & _SUFFIXES.keys()} - {"list"}
    if suffixes & SUFFIXES:
        kinds.add("folder")
    if len(kinds) > 1:
        raise InputError(f"encode: expected one kind of input in {path!r}, got {sorted(kinds)}; name one (--kind)")
    return kinds.pop() if kinds else "folder"


def _suffix(name: str) -> str:
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes[-2:]]
    return "".join(suffixes) if suffixes[-2:] == [".tar", ".gz"] else "".join(suffixes[-1:])


def _existing(path: str) -> list[str]:
    """The files of a path or pattern, all there."""
    files = _expand(path)
    missing = [file for file in files if not is_url(file) and not os.path.exists(file)]
    if missing or not files:
        raise InputError(
            f"encode: expected a folder, a file or a pattern of files, got {(missing or [path])[0]!r}, "
            "which is not there; check the path"
        )
    return files


def _expand(path: str) -> list[str]:
    """The files of a pattern: ``{000..012}`` counts, ``*`` and ``?`` match."""
    if braces := re.search(r"\{(\d+)\.\.(\d+)\}", path):
        first, last = braces.groups()
        names = (f"{i:0{len(first)}d}" for i in range(int(first), int(last) + 1))
        return [file for name in names for file in _expand(path[: braces.start()] + name + path[braces.end() :])]
    if not re.search(r"[*?]", path) or (not is_url(path) and os.path.exists(path)):
        return [path]
    if not is_url(path):
        return sorted(glob.glob(path, recursive=True))
    import fsspec

    fs, inner = fsspec.url_to_fs(path)
    return sorted(
        fs.unstrip_protocol(matching) for matching in fs.glob(inner) if not is_hidden(PurePosixPath(matching).name)
    )
