"""WebDataset shards: tar files in which neighbours of one stem (``.jpg``, ``.txt``, ``.json``, ``.cls``) are one row."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath

from clipspace.images import SUFFIXES
from clipspace.sources.files import open_file, size_of
from clipspace.sources.folder import read_sidecars
from clipspace.sources.rows import MAX_BYTES, Part, Row, RowError, Sample, Source, fail, readable


def tar_source(paths: Sequence[str]) -> Source:
    """One part for each tar file; how many rows are in it shows when it is read."""
    return Source(
        tuple(Part(f"{PurePosixPath(path).name}:{size_of(path)}", None, partial(_rows, path)) for path in paths)
    )


def _rows(path: str) -> Iterator[Row]:
    """Rows of one tar. One that breaks off, or cannot be opened, ends with a bad row that says so."""
    shard = readable(PurePosixPath(path).name)
    try:
        with open_file(path) as file, tarfile.open(fileobj=file, mode="r|*", tarinfo=_Header) as tar:
            for stem, members in _groups(tar):
                yield from _images(f"{shard}/{readable(stem)}", members)
    except RowError as error:
        yield Row(shard, partial(fail, error.reason, str(error)))
    except Exception as error:  # tarfile, and the compressions below it, raise many types on broken archives
        yield Row(shard, partial(fail, "truncated", f"the archive breaks off here ({error!r})"))


class _Header(tarfile.TarInfo):
    """A header that says when it is broken: tarfile takes one, or a missing end mark, for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> tarfile.TarInfo:
        try:
            return super().fromtarfile(tar)
        except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError, tarfile.InvalidHeaderError) as error:
            raise tarfile.ReadError(f"broken header: {error}") from None


def _groups(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, bytes | None]]]:
    """(stem, contents by suffix) of neighbours that share a stem; None for what is too large, or no file."""
    stem, members = None, {}
    for member in tar:
        if member.isdir():
            continue
        name, suffix = _split(member.name)
        if stem is not None and (name != stem or suffix in members):
            yield stem, members
            members = {}
        stem = name
        file = tar.extractfile(member) if member.isreg() and member.size <= MAX_BYTES else None
        members[suffix] = None if file is None else file.read()
        tar.members = []  # tarfile keeps every header it has seen
    if stem is not None:
        yield stem, members


def _split(name: str) -> tuple[str, str]:
    """Stem and suffix as WebDataset splits them: at the first dot of the last part of the path."""
    folder, slash, last = name.rpartition("/")
    stem, dot, suffix = last.partition(".")
    return folder + slash + stem, (dot + suffix).lower()


def _images(name: str, members: dict[str, bytes | None]) -> Iterator[Row]:
    """One row for each image of a stem; they share its caption and columns."""
    images = [suffix for suffix in members if "." + suffix.rpartition(".")[2] in SUFFIXES]
    if not images:
        yield Row(name, partial(fail, "no image", f"expected an image, got {', '.join(members)}"))
    for suffix in images:
        if members[suffix] is None:
            broken = f"expected a file of at most {MAX_BYTES:,} bytes"
            yield Row(name + suffix, partial(fail, "too large", broken))
        else:
            yield Row(name + suffix, partial(_sample, members[suffix], members))


def _sample(data: bytes, members: dict[str, bytes | None]) -> Sample:
    caption, columns = read_sidecars(members.get(".txt"), members.get(".json"))
    if members.get(".cls") is not None:
        columns["cls"] = members[".cls"].decode("utf-8", "replace").strip()
    return Sample(data, caption, columns)
