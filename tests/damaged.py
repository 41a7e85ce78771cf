"""Folders, tars and Parquet files in which good rows stand among damage of every kind, with what is to become of each."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import tarfile
import zlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.parquet
from hostile import png_header
from PIL import Image

from clipspace.points.embeddings import Stamp
from clipspace.points.store import open_store
from clipspace.space.encoding import encode

SIDE = 8
SUFFIXES = {
    ".png": "PNG", ".jpg": "JPEG", ".JPG": "JPEG", ".jfif": "JPEG", ".jpe": "JPEG", "": "JPEG", ".ppm": "PPM",
    ".avif": "AVIF", ".jp2": "JPEG2000",
}  # fmt: skip
HOW = {"texts": True, "rows_per_shard": 50, "batch_size": 16, "workers": 2}


class Expected(NamedTuple):
    """What is to become of a row: stored with its caption, and its color where that is exact, or recorded."""

    name: str
    place: str | None = None
    reason: str | None = None
    caption: str | None = None
    color: tuple[int, int, int] | None = None


def color(i: int) -> tuple[int, int, int]:
    return i % 251, i // 251 % 251, 77


def picture(i: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), color(i)).save(buffer, kind)
    return buffer.getvalue()


def _tiff(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF")
    return buffer.getvalue()


_NAN = np.full((SIDE, SIDE), np.nan, np.float32)
_INTEGERS = np.full((SIDE, SIDE), 200, np.int32)
BAD_PIXELS = {
    "truncated": lambda i: picture(i)[:45],
    "empty": lambda i: b"",
    "not an image": lambda i: b"<html>404</html>",
    "decompression bomb": lambda i: png_header(60_000, 60_000),
    "not finite": lambda i: _tiff(_NAN),
    "no stated range": lambda i: _tiff(_INTEGERS),
}
BAD_SIDES = {
    "no text": ({}, "missing caption"),
    "number": ({".json": b'{"caption": NaN}'}, "broken caption"),
    "list": ({".json": b'{"caption": ["a", "b"]}'}, "broken caption"),
    "truth": ({".json": b'{"caption": true}'}, "broken caption"),
    "latin": ({".txt": b"B\xe4r"}, "broken caption"),
    "broken json": ({".json": b"{", ".txt": b"kept"}, None),
    "json list": ({".json": b"[1]", ".txt": b"kept"}, None),
    "mark": ({".txt": b"\xef\xbb\xbfkept"}, None),
    "utf-16": ({".txt": "kept".encode("utf-16")}, None),
}


def folder(path: Path, n: int) -> tuple[list[Expected], int]:
    """``n`` rows in a folder, and how many files are none."""
    path.mkdir(parents=True)
    made: list[Expected] = []
    hidden, lines = 0, []
    kinds = [*SUFFIXES, *BAD_PIXELS, *BAD_SIDES, "upper", "line", "line of none", "hidden", "link"]
    for i in range(n):
        kind, stem = kinds[i % len(kinds)], f"{i:05d}"
        sides, reason, caption, name, data = (
            {".txt": f"words {i}".encode()},
            None,
            f"words {i}",
            f"{stem}.png",
            picture(i),
        )
        if kind in SUFFIXES:
            name, data = stem + kind, picture(i, SUFFIXES[kind])
        elif kind in BAD_PIXELS:
            reason, data = kind, BAD_PIXELS[kind](i)
        elif kind in BAD_SIDES:
            (sides, reason), caption = BAD_SIDES[kind], "kept"
        elif kind == "upper":
            name, sides = f"{stem}.PNG", {".TXT": sides[".txt"]}
        elif kind == "line":
            sides = {}
            lines.append(json.dumps({"file_name": name, "text": caption}))
        elif kind == "line of none":
            lines.append(json.dumps({"file_name": "gone.png", "text": caption}))
            made.append(Expected(f"metadata.jsonl:{len(lines)}", None, "unreadable"))
            continue
        elif kind == "hidden":
            (path / f"._{name}").write_bytes(b"\0\5\x16\7")
            hidden += 1
        elif kind == "link":
            os.symlink("nowhere", path / name)
            reason, data = "unreadable", None
        exact = None if kind in SUFFIXES and SUFFIXES[kind] not in ("PNG", "PPM") else color(i)
        made.append(Expected(name, None, reason, None if reason else caption, None if reason else exact))
        for suffix, content in [*sides.items(), *([] if data is None else [(name.removeprefix(stem), data)])]:
            (path / (stem + suffix)).write_bytes(content)
    (path / "metadata.jsonl").write_text("\n".join(lines))
    return made, hidden


def tars(path: Path, n: int, *, rows: int = 100) -> tuple[list[Expected], int]:
    """``n`` rows in tars: every second is two in one file, every third is compressed, the last is cut in its last row."""
    path.mkdir(parents=True)
    made: list[Expected] = []
    hidden = 0
    starts = range(0, n, rows)
    for number, start in enumerate(starts):
        name, mine = f"{number:03d}.tar", list(range(start, min(start + rows, n)))
        halves = [mine[: len(mine) // 2], mine[len(mine) // 2 :]] if number % 2 else [mine]
        written = []
        for half in halves:
            members = [member for i in half for member in _members(i, i - start, name, made, last=i == n - 1)]
            hidden += sum(member.startswith("._") for member, _ in members)
            written.append(_tar(members))
        last = start == starts[-1]
        content = b"".join(map(gzip.compress, written) if number % 3 == 2 and not last else written)
        if last:
            content = content[: content.rfind(b"IHDR")]
            made[-1] = Expected(name, None, "truncated")
        (path / name).write_bytes(content)
    return made, hidden


def _members(i: int, row: int, shard: str, made: list[Expected], *, last: bool) -> Iterator[tuple[str, bytes]]:
    """The members of a row of a tar; what is to become of it is added to ``made``."""
    kinds = ["plain", "dots", "repeated", *BAD_PIXELS, *BAD_SIDES, "hidden", "no image"]
    kind = "plain" if last else kinds[i % len(kinds)]
    stem, sides, reason, caption, data = f"{i:05d}", {".txt": f"words {i}".encode()}, None, f"words {i}", picture(i)
    if kind == "dots":
        stem = f"v1.{i}"
    elif kind == "repeated":
        stem = "same"
    elif kind in BAD_PIXELS:
        reason, data = kind, BAD_PIXELS[kind](i)
    elif kind in BAD_SIDES:
        (sides, reason), caption = BAD_SIDES[kind], "kept"
    elif kind == "hidden":
        yield f"._{stem}.png", b"\0\5\x16\7"
    elif kind == "no image":
        made.append(Expected(f"{shard}/{stem}", f"{shard}:{row}", "no image"))
        yield f"{stem}.txt", b"of none"
        return
    good = reason is None
    made.append(
        Expected(f"{shard}/{stem}.png", f"{shard}:{row}", reason, caption if good else None, color(i) if good else None)
    )
    yield from ((stem + suffix, content) for suffix, content in sides.items())
    yield f"{stem}.png", data


def _tar(members: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def parquets(path: Path, n: int, *, rows: int = 1000) -> tuple[list[Expected], int]:
    """``n`` rows in Parquet files, of which the last row is a file that is none."""
    path.mkdir(parents=True)
    made: list[Expected] = []
    kinds = ["plain", "note", "year", "latin", "null caption", "null", "gone", "no path", *BAD_PIXELS]
    for number, start in enumerate(range(0, n - 1, rows)):
        name, mine = f"{number:03d}.parquet", range(start, min(start + rows, n - 1))
        images, captions, notes, years = [], [], [], []
        for row, i in enumerate(mine):
            kind, place = kinds[i % len(kinds)], f"{name}:{row}"
            data, at, reason = picture(i), f"{i % 3}.png", None
            if kind in BAD_PIXELS:
                reason, data = kind, BAD_PIXELS[kind](i)
            elif kind in ("latin", "null caption"):
                reason = "broken caption" if kind == "latin" else "missing caption"
            elif kind == "null":
                reason, data, at = "empty", None, None
            elif kind == "gone":
                reason, data = "unreadable", None
            elif kind == "no path":
                at = None
            images.append({"bytes": data, "path": at})
            captions.append(b"B\xe4r" if kind == "latin" else None if kind == "null caption" else f"words {i}".encode())
            notes.append(b"B\xe4r" if kind == "note" else b"a note")
            years.append(253_402_300_800_000 if kind == "year" else i)
            good = reason is None
            made.append(
                Expected(at or place, at and place, reason, f"words {i}" if good else None, color(i) if good else None)
            )
        columns = {
            "hash": [b"\1\2"] * len(images), "image": images, "caption": _unchecked(captions), "note": _unchecked(notes),
            "taken": pyarrow.array(years, pyarrow.timestamp("ms")), "label": list(mine),
        }  # fmt: skip
        pyarrow.parquet.write_table(pyarrow.table(columns), path / name, row_group_size=50)
    (path / "broken.parquet").write_bytes(b"PAR1 and nothing more")
    made.append(Expected("broken.parquet", None, "unreadable"))
    return made, 0


def _unchecked(cells: list[bytes | None]) -> pyarrow.Array:
    """Text that may be no UTF-8, as other programs write it."""
    binary = pyarrow.array(cells, pyarrow.binary())
    return pyarrow.Array.from_buffers(pyarrow.string(), len(cells), binary.buffers())


MADE = {"folder": folder, "tar": tars, "parquet": parquets}


def stub_space(dies_at: int = 0) -> SimpleNamespace:
    """A space whose image vectors are mean colors and whose text vectors are a checksum: quick, and easy to check.

    Its process is killed at the image of the number ``dies_at``.
    """
    import torch

    numbers = count(1)

    def prepare(image: Image.Image) -> torch.Tensor:
        if next(numbers) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.from_numpy(np.asarray(image, np.float32).mean(axis=(0, 1)))

    def pixels(images: list[torch.Tensor], *, batch_size: int) -> np.ndarray:
        return np.array([[*image.tolist(), 1] for image in images], np.float32)

    def texts(captions: list[str]) -> np.ndarray:
        return np.array([[zlib.crc32(text.encode()) % 2**20, len(text), 1, 1] for text in captions], np.float32)

    parts = {"prepare": prepare, "pixels": pixels, "texts": texts, "says_nothing": lambda text: not text.strip()}
    encoder = SimpleNamespace(**parts, image_size=SIDE, precision="float32", wider="check its weights")
    stamp = Stamp(model="stub", weights="0" * 16, preprocess="0" * 16, dim=4)
    return SimpleNamespace(encoder=encoder, device=torch.device("cpu"), stamp=stamp, name="stub")


def encode_all(source: Path, output: Path, dies_at: int = 0) -> dict[str, object]:
    """Encode each of the inputs below ``source``; what `encode` said of each."""
    space = stub_space(dies_at)
    return {kind: encode(space, source / kind, output / kind, **HOW) for kind in MADE}


def problems(store: Path, made: list[Expected]) -> list[str]:
    """Every row that is not exactly once where it belongs, with its own caption and color; none when all is well."""
    opened = open_store(store)
    points, rows = opened[:], {}
    files = sorted((store / "rejected").iterdir())
    for row in (row for file in files for row in pyarrow.parquet.read_table(file).to_pylist()):
        rows.setdefault((row["name"], row["source_row"]), []).append(
            Expected(row["name"], row["source_row"], row["reason"])
        )
    places = opened.places or [None] * len(opened)
    for i, (name, place) in enumerate(zip(points.names, places, strict=True)):
        seen = tuple(np.rint(points.vectors[i, :3]).astype(int).tolist())
        stored = Expected(name, place, None, points.columns["caption"][i], seen)
        rows.setdefault((name, place), []).append(stored)
    found = (
        []
        if sum(map(len, rows.values())) == len(made)
        else [f"{len(made)} given, {sum(map(len, rows.values()))} found"]
    )
    for row in made:
        got = rows.get((row.name, row.place), [])
        if row.color is None and row.reason is None and got:
            got = [one._replace(color=None) for one in got]
        if got != [row]:
            found.append(f"expected {row}, got {got}")
    return found
