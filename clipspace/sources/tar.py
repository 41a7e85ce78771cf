"""WebDataset shards: tar files in which neighbours of one stem (``.jpg``, ``.txt``, ``.json``, ``.cls``) are one row."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from functools import partial

from clipspace.images import SUFFIXES
from clipspace.sources.files import Found, open_file, reason_of, size_of
from clipspace.sources.folder import read_sidecars
from clipspace.sources.rows import MAX_BYTES, Part, Row, RowError, Sample, Source, fail, readable


def tar_source(files: Sequence[Found]) -> Source:
    """One part for each tar file; how many rows are in it shows when it is read."""
    return Source(tuple(Part(f"{file.name}:{size_of(file.path)}", None, partial(_rows, file)) for file in files))


def _rows(found: Found) -> Iterator[Row]:
    """Rows of one tar. One that breaks off, or cannot be opened, ends with a bad row that says so."""
    shard = readable(found.name)
    try:
        with open_file(found.path) as file, tarfile.open(fileobj=file, mode="r|*", tarinfo=_Header) as tar:
            for stem, members in _groups(tar):
                yield from _images(f"{shard}/{readable(stem)}", members)
    except RowError as error:
        yield Row(shard, partial(fail, error.reason, str(error)))
    except MemoryError:
        raise
    except Exception as error:  # tarfile, and the compressions below it, raise many types on broken archives
        yield Row(shard, partial(fail, reason_of(error, "truncated"), f"the archive breaks off here ({error!r})"))


class _Header(tarfile.TarInfo):
    """A header that says when it is broken: tarfile takes one, or a missing end mark, for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> tarfile.TarInfo:
        try:
            return super().fromtarfile(tar)
        except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError, tarfile.InvalidHeaderError) as error:
            raise tarfile.ReadError(f"broken header: {error}") from None


def _groups(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, bytes | RowError]]]:
    """(stem, contents by suffix) of neighbours that share a stem; why there is none of a link, or of what is too large."""
    stem, members = None, {}
    for member in tar:
        if member.isdir():
            continue
        name, suffix = _split(member.name)
        if stem is not None and (name != stem or suffix in members):
            yield stem, members
            members = {}
        stem = name
        members[suffix] = _content(tar, member)
        tar.members = []  # tarfile keeps every header it has seen
    if stem is not None:
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


def _images(name: str, members: dict[str, bytes | RowError]) -> Iterator[Row]:
    """One row for each image of a stem; they share its caption and columns."""
    images = [suffix for suffix in members if "." + suffix.rpartition(".")[2] in SUFFIXES]
    if not images:
        yield Row(name, partial(fail, "no image", f"expected an image, got {', '.join(members)}"))
    contents = {suffix: content for suffix, content in members.items() if isinstance(content, bytes)}
    for suffix in images:
        content = members[suffix]
        if isinstance(content, RowError):
            yield Row(name + suffix, partial(fail, content.reason, str(content)))
        else:
            yield Row(name + suffix, partial(_sample, content, contents))


def _sample(data: bytes, members: dict[str, bytes]) -> Sample:
    caption, columns = read_sidecars(members.get(".txt"), members.get(".json"))
    if ".cls" in members:
        columns["cls"] = members[".cls"].decode("utf-8", "replace").strip()
    return Sample(data, caption, columns)
