"""A folder of good pictures and of files made to break a reader, with what is to become of each."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet
from PIL import Image, ImageDraw

from clipspace.points.store import open_store
from clipspace.scenes import Scene, Thing, render

FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}


def make(folder: Path, *, good: int, mutants: int, seed: int) -> dict[str, bool]:
    """Fill ``folder`` with files; whether each, by its name, is to be stored (else to be recorded)."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    originals = [(suffix, _encode(picture, suffix)) for picture in _pictures(rng) for suffix in FORMATS]
    made: dict[str, bool] = {}
    for i in range(good):
        suffix, content = originals[i % len(originals)]
        _write(folder, f"good-{i:05d}.{suffix}", content, made, stored=True)
    kinds = [_cut, _flip, _flip_head, _garbage, _empty, _words, _bomb, _spliced]
    for i in range(mutants):
        suffix, content = originals[rng.integers(len(originals))]
        if i % (len(kinds) + 2) < len(kinds):
            mutant = kinds[i % (len(kinds) + 2)](rng, content)
            _write(folder, f"{i:05d}.{suffix}", mutant, made, stored=_pillow_reads(mutant))
        elif i % (len(kinds) + 2) == len(kinds):
            _odd_name(folder, i, content, made)
        else:
            _odd_file(folder, i, content, made)
    return made


def problems(store: Path, made: dict[str, bool]) -> list[str]:
    """Every file that is not exactly once where it belongs, or recorded without a reason; none when all is well."""
    found = []
    opened = open_store(store)
    rejected = [
        row for file in sorted((store / "rejected").iterdir()) for row in pyarrow.parquet.read_table(file).to_pylist()
    ]
    stored, recorded = opened.names, [row["name"] for row in rejected]
    if len(stored) + len(recorded) != len(made) or set(stored) | set(recorded) != set(made):
        found.append(f"{len(made)} in, {len(stored)} stored, {len(recorded)} recorded")
    found += [f"stored, but bad: {name!r}" for name in stored if not made.get(name)]
    found += [f"recorded, but good: {row}" for row in rejected if made.get(row["name"])]
    found += [f"no reason: {row}" for row in rejected if not row["reason"] or not row["detail"]]
    if not all(np.isfinite(block).all() for block in opened.blocks()):
        found.append("vectors that are not finite")
    return found


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be of this size and has no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _pictures(rng: np.random.Generator) -> list[Image.Image]:
    drawn = Image.fromarray(rng.integers(0, 255, (40, 56, 3), np.uint8)).resize((112, 80))
    ImageDraw.Draw(drawn).ellipse((20, 10, 90, 70), fill="teal")
    return [render(Scene("white", (Thing("apple", "red"),))), drawn]


def _encode(picture: Image.Image, suffix: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = BytesIO()
    picture.save(buffer, FORMATS[suffix], exif=exif)
    return buffer.getvalue()


def _pillow_reads(content: bytes) -> bool:
    """The oracle: whether Pillow alone gives pixels, of a picture below 67 million of them."""
    try:
        with Image.open(BytesIO(content)) as image:
            if image.width * image.height > 2**26:
                return False
            image.convert("RGB")
    except Exception:
        return False
    return True


def _write(folder: Path, name: str, content: bytes, made: dict[str, bool], *, stored: bool) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    made[name] = stored


def _cut(rng: np.random.Generator, content: bytes) -> bytes:
    return content[: int(len(content) * rng.uniform(0.02, 0.95))]


def _flip(rng: np.random.Generator, content: bytes, *, within: int | None = None) -> bytes:
    flipped = bytearray(content)
    for at in rng.integers(min(within or len(content), len(content)), size=rng.integers(1, 20)):
        flipped[at] ^= 1 << rng.integers(8)
    return bytes(flipped)


def _flip_head(rng: np.random.Generator, content: bytes) -> bytes:
    return _flip(rng, content, within=120)


def _garbage(rng: np.random.Generator, content: bytes) -> bytes:
    return content[:12] + rng.bytes(int(rng.integers(1, 4000)))


def _empty(rng: np.random.Generator, content: bytes) -> bytes:
    return b""


def _words(rng: np.random.Generator, content: bytes) -> bytes:
    return b"<html>404 not found</html>" * int(rng.integers(1, 9))


def _bomb(rng: np.random.Generator, content: bytes) -> bytes:
    return png_header(*map(int, rng.integers(9_000, 60_000, 2)))


def _spliced(rng: np.random.Generator, content: bytes) -> bytes:
    return content[: len(content) // 2] + content[len(content) // 3 :]


def _odd_name(folder: Path, i: int, content: bytes, made: dict[str, bool]) -> None:
    """Good pictures under names that break what splits at lines, dots or ASCII; and under a wrong extension."""
    suffix = next(s for s, f in FORMATS.items() if Image.open(BytesIO(content)).format == f)
    wrong = next(s for s in FORMATS if s != suffix)
    names = [
        f"{i} ünï – 画像.{suffix}", f"{i} line\nbreak.{suffix}", f"{i} 'quotes\"; $(x).{suffix}", f"{i}..two.dots.{suffix}",
        f"{i} wrong.{wrong}", f"{i}/deep/er/a.{suffix}", f"{i} " + "long" * 55 + f".{suffix}", f"{i}.{suffix.upper()}",
    ]  # fmt: skip
    _write(folder, names[i // 10 % len(names)], content, made, stored=True)


def _odd_file(folder: Path, i: int, content: bytes, made: dict[str, bool]) -> None:
    """What is no plain file: loops, broken links, pipes; and a file without permission."""

    def loop(path: Path) -> None:
        path.symlink_to(path)

    def pair(path: Path) -> None:
        other = path.with_suffix(".other")
        path.symlink_to(other)
        other.symlink_to(path)

    def locked(path: Path) -> None:
        path.write_bytes(content)
        path.chmod(0)

    kinds: list[Callable[[Path], object]] = [
        loop, pair, lambda path: path.symlink_to("nowhere"), os.mkfifo, locked, lambda path: path.symlink_to(folder),
    ]  # fmt: skip
    path, kind = folder / f"{i:05d}.png", kinds[i // 10 % len(kinds)]
    kind(path)
    made[path.name] = kind is locked and os.access(path, os.R_OK)
