"""`encode`: from images by the million to a store, going on where an earlier run was killed.

A part of the input becomes a shard of the store. Shards are written whole or not at all, so that what a run was
killed in is done again, and the bytes in the end are those of a run that was never killed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clipspace import progress
from clipspace.errors import InputError
from clipspace.parallel import check_engine
from clipspace.points.store import layout
from clipspace.points.store.locking import encoding_share
from clipspace.points.store.writing import begin, finish, is_current, new_header
from clipspace.sources import Source, open_source
from clipspace.space.batches import within_memory
from clipspace.space.encoding import on_ray
from clipspace.space.encoding.loop import PASSING, Settings, encode_parts

if TYPE_CHECKING:
    from clipspace.space import Space

_CPU_BATCH = 32
_GPU_BATCH = 128


@dataclass(frozen=True)
class Encoded:
    """What a run did. Of its share of the input, ``rows`` were read: ``stored`` of them, and ``rejected`` by reason.

    ``ignored`` are files that are no images and belong to none.
    """

    path: Path
    rows: int
    stored: int
    rejected: dict[str, int]
    ignored: int
    encoded_now: int
    seconds: float
    complete: bool


def encode(
    space: Space,
    source: Source | str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    texts: bool = False,
    dtype: str = "float32",
    normalized: bool = False,
    rows_per_shard: int = 4096,
    shard: tuple[int, int] = (0, 1),
    limit: int | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    engine: str = "local",
    retry_rejected: bool = False,
) -> Encoded:
    """Encode every image of ``source`` into the store ``output``, going on where an earlier run stopped.

    A row that cannot be read or decoded is recorded in the store's folder ``rejected`` with its name and
    reason, and never stops the run. The same call on a finished store encodes nothing.

    Parameters
    ----------
    space : whose encoder to use
    source : what `clipspace.sources.open_source` takes, or returned
    output : a folder; new, empty, or holding the unfinished store
    texts : also encode captions; then a row without one is recorded
    dtype, normalized : "float32" or "float16"; directions only, as clip-retrieval stores them. Norms are always kept
    rows_per_shard : rows per shard, rounded to whole row groups of a Parquet file, or one tar file; an interrupted run
        repeats its unfinished shards
    shard : (i, n) encodes every n-th shard from the i-th on, for n runs side by side on one file system
    limit : maximum number of rows; the first rows of the input are encoded
    batch_size : 32 on the CPU, 128 on a GPU. The model always works on batches of this one shape (the last padded),
        so that no vector depends, in its last bits, on how many others came with it
    workers : on the CPU, batches side by side, each on a thread of its own, as many as torch has threads; on a GPU,
        threads that decode, at most 16 unless given. Memory grows with them: each holds a batch
    engine : "local", or "ray" for the actors of a Ray cluster (the extra ``clipspace[ray]``), ``workers`` of them
    retry_rejected : do shards again in which rows were "unreadable", "out of memory" or "HEIF not installed", as by then
        they may be read

    Raises `InputError` for an input of nothing or a store of another input, `SpaceMismatchError` for another space.
    """
    source = _opened(source, rows_per_shard, limit)
    share = _share_of(source, Path(output), shard, retry_rejected)
    modalities = ("image", "text") if texts else ("image",)
    settings = Settings(modalities, dtype, normalized, _batch_size(space, batch_size, workers))
    began = time.perf_counter()
    complete, encoded_now = _encode_share(space, share, settings, _loop(engine), workers=workers)
    return _summary(share, encoded_now, time.perf_counter() - began, complete)


class _Share(NamedTuple):
    """The shards that one run encodes, of a store that other runs may write as well."""

    source: Source
    path: Path
    writer: str
    shards: Sequence[int]
    retry_rejected: bool

    @property
    def todo(self) -> list[int]:
        """Which shards are still to be encoded, or are to be tried again."""
        return [
            k
            for k in self.shards
            if layout.whole_record(self.path, k) is None
            or (self.retry_rejected and _reasons(self.path, [k]).keys() & PASSING)
        ]


def _share_of(source: Source, path: Path, shard: tuple[int, int], retry_rejected: bool) -> _Share:
    i, n = shard
    if not 0 <= i < n:
        raise InputError(f"encode: expected shard (i, n) with 0 <= i < n, got ({i}, {n})")
    return _Share(source, path, f"{i}-of-{n}", range(i, len(source.parts), n), retry_rejected)


def _batch_size(space: Space, batch_size: int | None, workers: int | None) -> int:
    if batch_size is None:
        batch_size = _CPU_BATCH if space.device.type == "cpu" else _GPU_BATCH
    if batch_size < 1 or (workers is not None and workers < 1):
        raise InputError(f"encode: expected batch_size and workers of at least 1, got {batch_size} and {workers}")
    return batch_size


def _opened(source: Source | str | Path | Sequence[str | Path], rows_per_shard: int, limit: int | None) -> Source:
    if not isinstance(source, Source):
        source = open_source(source, rows_per_part=rows_per_shard)
    return source if limit is None else source.first(limit)


def _encode_share(
    space: Space, share: _Share, settings: Settings, loop: Callable[..., int], *, workers: int | None
) -> tuple[bool, int]:
    """Encode what is to do of a share; whether the store is complete then, and how many rows were encoded.

    Where there is nothing to do nothing is written, so that read-only media will do.
    """
    header = new_header(
        space.stamp,
        list(settings.modalities),
        dtype=settings.dtype,
        normalized=settings.normalized,
        shards=len(share.source.parts),
        recipe={"input": share.source.digest, "batch_size": settings.batch_size},
    )
    done = begin(share.path, header, writer=share.writer)
    if done["rows"] is not None and not share.todo and is_current(share.path, done):
        return True, 0
    with encoding_share(share.path, share.writer):
        header = begin(share.path, header, writer=share.writer)  # another run may have written until the lock was ours
        todo = share.todo
        with _counted(share, todo) as count, within_memory("encode", settings.batch_size):
            encoded = loop(space, share.source, todo, share.path, settings, workers=workers, on_rows=count)
        done = finish(share.path, header, writer=share.writer)
    return done is not None, encoded


def _summary(share: _Share, encoded_now: int, seconds: float, complete: bool) -> Encoded:
    records = [layout.read_json(share.path / layout.record_file(k)) for k in share.shards]
    stored, rejected, ignored = (
        sum(record.get(key, 0) for record in records) for key in ("rows", "rejected", "ignored")
    )
    return Encoded(
        path=share.path,
        rows=stored + rejected,
        stored=stored,
        rejected=_reasons(share.path, share.shards),
        ignored=share.source.ignored + ignored,
        encoded_now=encoded_now,
        seconds=seconds,
        complete=complete,
    )


def _loop(engine: str) -> Callable[..., int]:
    check_engine(engine, "encode")
    if engine == "local":
        return encode_parts
    return on_ray.encode_parts


def _counted(share: _Share, todo: Sequence[int]) -> AbstractContextManager[progress.Task]:
    """Rows done of all in this share; what an earlier run did counts as done."""
    parts = share.source.parts
    rows = [parts[k].rows for k in share.shards]
    total = None if None in rows else sum(rows)
    left = {k: parts[k].rows for k in todo}
    done = 0 if total is None else total - sum(left.values())
    return progress.task("encoding", total, "images", done=done)


def _reasons(path: Path, shards: Sequence[int]) -> dict[str, int]:
    """How many rows were rejected, by reason, the most frequent first."""
    import pyarrow.parquet

    files = (path / layout.rejected_file(shard) for shard in shards)
    tables = (pyarrow.parquet.read_table(file, columns=["reason"]) for file in files if file.is_file())
    return dict(Counter(reason for table in tables for reason in table["reason"].to_pylist()).most_common())
