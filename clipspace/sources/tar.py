"""WebDataset shards: tar files in which neighbours of one stem (``.jpg``, ``.txt``, ``.json``, ``.cls``) are one row."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from typing import BinaryIO

from clipspace.sources.files import Found, open_file, reason_of, size_of
from clipspace.sources.formats import HEAD_BYTES, is_hidden, looks_like_image
from clipspace.sources.images import SUFFIXES
from clipspace.sources.rows import MAX_BYTES, Ignored, Part, Row, RowError, Sample, Source, fail, readable
from clipspace.sources.sidecars import SUFFIXES as SIDECARS
from clipspace.sources.sidecars import read_sidecars, stems

_MOST = 256
"""Largest number of members of one stem held in memory; each group of that size shares the stem's caption and columns."""
_COMPRESSED = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)), (b"BZh", bz2.BZ2File), (b"\xfd7zXZ\0", lzma.LZMAFile),
)  # fmt: skip

_Members = dict[str, "bytes | RowError"]


def tar_source(files: Sequence[Found]) -> Source:
    """One part for each tar file; how many rows are in it shows when it is read."""
    return Source(tuple(Part(f"{file.name}:{size_of(file.path)}", None, partial(_rows, file)) for file in files))


def _rows(archive: Found) -> Iterator[Row | Ignored]:
    """Rows of one tar, or of several written one after the other into one file.

    One that breaks off, or cannot be opened, ends with a bad row that says so.
    """
    shard, numbers = readable(archive.name), count()
    try:
        with open_file(archive.path) as file, _decompressed(file) as stream, _opened(stream) as tar:
            for group in _groups(tar):
                if isinstance(group, Ignored):
                    yield group
                    continue
                stem, members = group
                yield from _images(shard, stem, members, numbers)
    except RowError as error:
        yield Row(shard, partial(fail, error.reason, str(error)))
    except MemoryError:
        raise
    except Exception as error:  # tarfile, and the compressions below it, raise many types on broken archives
        yield Row(shard, partial(fail, reason_of(error, "truncated"), f"the archive breaks off here ({error!r})"))


def _decompressed(file: BinaryIO) -> BinaryIO:
    """What a file holds. tarfile's own streams stop after the first of several compressed parts."""
    head = file.read(8)
    file.seek(0)
    return next((opened(file) for start, opened in _COMPRESSED if head.startswith(start)), file)


def _opened(stream: BinaryIO) -> tarfile.TarFile:
    """A tar that is read on past its end mark, behind which another may begin (``cat a.tar b.tar``)."""
    return tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header, ignore_zeros=True)


class _Header(tarfile.TarInfo):
    """A header that says when it is broken: tarfile takes one, or a missing end mark, for the end of the archive.

    ``tar.archive`` is the number, in its file, of the archive that the last header is of.
    """

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> tarfile.TarInfo:
        try:
            header = super().fromtarfile(tar)
        except tarfile.EOFHeaderError:
            tar.ended = True
            raise
        except tarfile.EmptyHeaderError as error:
            if getattr(tar, "ended", False):
                raise
            raise tarfile.ReadError(f"broken header: {error}, without an end mark") from None
        except (tarfile.TruncatedHeaderError, tarfile.InvalidHeaderError) as error:
            raise tarfile.ReadError(f"broken header: {error}") from None
        tar.archive = getattr(tar, "archive", 0) + getattr(tar, "ended", False)
        tar.ended = False
        return header


def _groups(tar: tarfile.TarFile) -> Iterator[tuple[str, _Members] | Ignored]:
    """(stem, contents by suffix) of neighbours that share a stem; why there is none of a link, or of what is too large."""
    stem, members, image_stem, archive = None, {}, "", 0
    try:
        for member in tar:
            tar.members = []  # tarfile keeps every header it has seen
            if member.isdir():
                continue
            if is_hidden(member.name):
                yield Ignored(1)
                continue
            name, suffix = _split(member.name)
            before, image_stem = image_stem, suffix.rpartition(".")[0]
            another = tar.archive != archive or name != stem or suffix in members
            full = len(members) >= _MOST and (image_stem != before or not image_stem)
            if stem is not None and (another or full):
                yield stem, members
                members = {} if another else {kind: members[kind] for kind in SIDECARS if kind in members}
            stem, archive = name, tar.archive
            members[suffix] = _content(tar, member)
    except Exception:  # an image that was read before the archive broke off is whole
        if any(_is_image(*member) for member in members.items()):
            yield stem, members
        raise
    if members:
        yield stem, members


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | RowError:
    if member.issym() or member.islnk():  # a stream cannot go back to what it names
        return RowError("a link", f"expected a file, got a link to {member.linkname!r}")
    if not member.isreg():
        return RowError("unreadable", "expected a file, got a pipe or device")
    if member.size > MAX_BYTES:
        return RowError("too large", f"expected a file of at most {MAX_BYTES:,} bytes")
    return tar.extractfile(member).read()


def _split(name: str) -> tuple[str, str]:
    """Stem and suffix as WebDataset splits them: at the first dot of the last part of the path."""
    folder, slash, last = name.rpartition("/")
    stem, dot, suffix = last.partition(".")
    return folder + slash + stem, (dot + suffix).lower()


def _images(shard: str, stem: str, members: _Members, numbers: Iterator[int]) -> Iterator[Row | Ignored]:
    """One row for each image of a stem.

    ``a.b.jpg`` has the caption ``a.b.txt`` where there is one, else ``a.txt``, which all images of the stem share.
    """
    name = f"{shard}/{readable(stem)}"
    images = [suffix for suffix, content in members.items() if _is_image(suffix, content)]
    if not images:
        message = f"expected an image, got {', '.join(members)}"
        yield Row(name, partial(fail, "no image", message), f"{shard}:{next(numbers)}")
        return
    used_suffixes: set[str] = set()
    for suffix in images:
        image_stems = list(stems(suffix))
        beside = {kind: next((s + kind for s in image_stems if s + kind in members), None) for kind in SIDECARS}
        used_suffixes |= {sidecar for sidecar in beside.values() if sidecar}
        sides = {kind: members.get(sidecar) for kind, sidecar in beside.items()}
        yield Row(name + suffix, partial(_sample, members[suffix], sides), f"{shard}:{next(numbers)}")
    stray = len(members) - len(used_suffixes | set(images))
    if stray:
        yield Ignored(stray)


def _is_image(suffix: str, content: bytes | RowError) -> bool:
    extension = "." + suffix.rpartition(".")[2]
    if extension in SUFFIXES or extension in SIDECARS:
        return extension in SUFFIXES
    return isinstance(content, bytes) and looks_like_image(content[:HEAD_BYTES])


def _sample(data: bytes | RowError, sides: dict[str, bytes | RowError | None]) -> Sample:
    if isinstance(data, RowError):
        raise data
    caption, columns = read_sidecars(sides[".txt"], sides[".json"])
    if isinstance(sides[".cls"], bytes):
        columns["cls"] = sides[".cls"].decode("utf-8-sig", "replace").strip()
    return Sample(data, caption, columns)
