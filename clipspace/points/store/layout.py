"""Where the files of a store are, and what its two kinds of JSON files say.

The folders are clip-retrieval's (``img_emb``, ``text_emb``, ``metadata``, numbered alike), so that each reads what
the other wrote. ``store.json`` says what the vectors are; ``stats/shard_*.json``, written last of each
shard, says that the shard is whole, and what its files are.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from clipspace.errors import InputError, shortened
from clipspace.files import make_folder, put, sync
from clipspace.points.embeddings import Stamp
from clipspace.points.stamps import read_stamp

FORMAT = "clipspace-store/1"
FOLDERS = {"image": "img_emb", "prior": "img_emb", "text": "text_emb"}
"""Folder of the vectors, by modality."""
NORMS = {"image": "norm", "prior": "norm", "text": "text_norm"}
"""Column of the encoder's norms, by modality."""
PLACE = "source_row"
"""Column of a row's place in the encoded source (`Row.place`); it tells rows of the same name apart."""
RESERVED = ("image_path", "caption", "norm", "text_norm", "score", PLACE)


_NUMBER, _NOTHING = int, type(None)
_HEADER = {
    "rows": (_NUMBER, _NOTHING), "shards": (_NUMBER, _NOTHING), "modalities": (list,), "dtype": (str,), "normalized": (bool,),
    "recipe": (dict,), "stamp": (dict, _NOTHING), "hash": (str, _NOTHING),
}  # fmt: skip
"""Fields of store.json that are read, and their types."""


def vectors_file(modality: str, shard: int) -> str:
    return f"{FOLDERS[modality]}/{FOLDERS[modality]}_{shard:04d}.npy"


def metadata_file(shard: int) -> str:
    return f"metadata/metadata_{shard:04d}.parquet"


def rejected_file(shard: int) -> str:
    return f"rejected/rejected_{shard:04d}.parquet"


def record_file(shard: int) -> str:
    return f"stats/shard_{shard:04d}.json"


def header_file(path: Path) -> Path:
    return path / "store.json"


def read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"store: {str(path)!r} cannot be read ({error}); get a whole copy of the store") from None
    if not isinstance(content, dict):
        raise InputError(f"store: expected a JSON object in {str(path)!r}, got {type(content).__name__}")
    return content


def read_header(path: Path) -> dict[str, Any]:
    """store.json. Raises `InputError` when it is not of this format."""
    header = read_json(header_file(path))
    if header.get("format") != FORMAT:
        raise InputError(
            f"store: expected format {FORMAT!r} in {str(header_file(path))!r}, got {header.get('format')!r}; "
            "update clipspace"
        )
    wrong = [name for name, kinds in _HEADER.items() if type(header.get(name, ...)) not in kinds]
    wrong = wrong or [
        kind for kind in header["modalities"] or [None] if not (isinstance(kind, str) and kind in FOLDERS)
    ]
    if wrong:
        raise InputError(
            f"store: expected a whole header in {str(header_file(path))!r}, got {shortened(wrong)} of another "
            "kind or missing; get a whole copy of the store"
        )
    return header


def finished(path: Path) -> bool:
    """Whether the folder holds a complete store."""
    return header_file(path).is_file() and read_header(path)["rows"] is not None


def stamp_of(header: dict[str, Any]) -> Stamp | None:
    """The stamp that a header holds. Raises `InputError` when it lacks a field of a stamp, or has another."""
    return read_stamp(header["stamp"])


def whole_record(path: Path, shard: int) -> dict[str, Any] | None:
    """The record of a shard; None when the shard is unfinished, or a file is missing or of another size."""
    place = path / record_file(shard)
    if not place.is_file():
        return None
    try:
        record = read_json(place)
        files = {name: (recorded["bytes"], recorded["sha256"].encode()) for name, recorded in record["files"].items()}
        is_whole = all((path / name).stat().st_size == size for name, (size, _) in files.items())
    except (OSError, KeyError, TypeError, AttributeError, ValueError):  # of which `InputError` is one
        return None
    is_whole = is_whole and all(type(record.get(key)) is int and record[key] >= 0 for key in ("rows", "rejected"))
    return record if is_whole else None


def write_whole(path: Path, write: Callable[[BinaryIO], None], *, writer: str = "part") -> None:
    """A file that is there whole or not at all, also after a kill.

    The temporary name is always the same, so that what a killed run left is taken over by the next.
    """
    put(write_part(path, write, writer=writer), path)


def write_json(path: Path, content: dict[str, Any], *, writer: str = "part") -> None:
    write_whole(path, lambda file: file.write(_json_bytes(content)), writer=writer)


def create_json(path: Path, content: dict[str, Any], *, writer: str) -> bool:
    """Write a file unless another process just did; returns whether this process wrote it."""
    part = write_part(path, lambda file: file.write(_json_bytes(content)), writer=writer)
    try:
        sync(part)
        os.link(part, path)
        sync(path.parent)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links, such as exFAT
        return _create(path, _json_bytes(content))
    finally:
        part.unlink()
    return True


def _create(path: Path, content: bytes) -> bool:
    """Write a new file in place, which another process may see half-written; returns False where it already exists."""
    try:
        file = path.open("xb")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(content)
        sync(path)
        sync(path.parent)
    except OSError:
        path.unlink()
        raise
    return True


def write_part(path: Path, write: Callable[[BinaryIO], None], *, writer: str = "part") -> Path:
    """The file that is to be `put` in the place ``path``, beside it."""
    make_folder(path.parent)
    part = path.with_name(f".{path.name}.{writer}")
    with part.open("wb") as file:
        write(file)
    return part


def _json_bytes(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def facts_of(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def content_hash(records: list[dict[str, Any]]) -> str:
    """Hash of all vectors and metadata, in row order: equal for stores of equal content."""
    digest = hashlib.sha256()
    for record in records:
        for name, recorded in sorted(record["files"].items()):
            if not name.startswith("rejected/"):
                digest.update(recorded["sha256"].encode())
    return digest.hexdigest()[:16]
