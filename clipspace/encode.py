"""From images by the million to a store: reading and decoding overlap the model, and a killed run goes on.

A part of the input becomes a shard of the store. Shards are written whole or not at all, so that what a run was
killed in is done again, and the bytes in the end are those of a run that was never killed.
"""

from __future__ import annotations

import os
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from clipspace.errors import InputError
from clipspace.images import ImageError, decode_image
from clipspace.sources import Row, RowError, Source, open_source
from clipspace.store import layout
from clipspace.store.writing import ShardWriter, as_stored, begin, finish, new_header

if TYPE_CHECKING:
    import torch

    from clipspace.space import Space

MAX_PIXELS = 2**26
"""Pixels above which a picture is recorded, not decoded: 8192 x 8192, so that no picture takes 200 MB."""
_CPU_BATCH = 32
_GPU_BATCH = 128
_GPU_WORKERS = 16


@dataclass(frozen=True)
class Encoded:
    """What a run did. Of its share of the input, ``rows`` were read: ``stored`` of them, and ``rejected`` by reason."""

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
    progress: bool = True,
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
    rows_per_shard : the work that a kill can cost; a run of whole row groups of a Parquet file, or a tar file
    shard : (i, n) encodes every n-th shard from the i-th on, for n runs side by side on one file system
    limit : the first so many rows of the input
    batch_size : 32 on the CPU, 128 on a GPU. The model always works on batches of this one shape (the last padded),
        so that no vector depends, in its last bits, on how many others came with it
    workers : on the CPU, batches side by side, each on a thread of its own, as many as torch has threads; on a GPU,
        threads that decode, at most 16 unless given. Memory grows with them: each holds a batch

    Raises `InputError` for an input of nothing or a store of another input, `SpaceMismatchError` for another space.
    """
    if not isinstance(source, Source):
        source = open_source(source, rows_per_part=rows_per_shard)
    source = source if limit is None else source.first(limit)
    path, (i, n) = Path(output), shard
    if not 0 <= i < n:
        raise InputError(f"encode: expected shard (i, n) with 0 <= i < n, got ({i}, {n})")
    batch_size = (_CPU_BATCH if space.device.type == "cpu" else _GPU_BATCH) if batch_size is None else batch_size
    if batch_size < 1 or (workers is not None and workers < 1):
        raise InputError(f"encode: expected batch_size and workers of at least 1, got {batch_size} and {workers}")
    modalities = ["image", "text"] if texts else ["image"]
    recipe = {"input": source.digest, "batch_size": batch_size}
    header = new_header(
        space.stamp, modalities, dtype=dtype, normalized=normalized, shards=len(source.parts), recipe=recipe
    )
    writer, began = f"{i}-of-{n}", time.perf_counter()
    header = begin(path, header, writer=writer)
    mine = range(i, len(source.parts), n)
    todo = [k for k in mine if layout.whole_record(path, k) is None]
    how = _Settings(tuple(modalities), dtype, normalized, batch_size)
    with _alone(path / f".encoding-{writer}"), _bar(source, mine, todo, progress) as bar:
        encoded_now = _encode_parts(space, source, todo, path, how, workers, bar)
        done = finish(path, header, writer=writer) if header["rows"] is None or todo else header
    records = [layout.read_json(path / layout.record_file(k)) for k in mine]
    stored, bad = (sum(record[key] for record in records) for key in ("rows", "rejected"))
    return Encoded(
        path, stored + bad, stored, _reasons(path, mine), source.ignored, encoded_now,
        time.perf_counter() - began, done is not None,
    )  # fmt: skip


@dataclass(frozen=True)
class _Settings:
    modalities: tuple[str, ...]
    dtype: str
    normalized: bool
    batch_size: int


@dataclass
class _Batch:
    """Rows on their way: read and prepared, or rejected with (name, reason, detail); then their vectors."""

    images: list[torch.Tensor] = field(default_factory=list)
    columns: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[tuple[str, str, str]] = field(default_factory=list)
    vectors: dict[str, np.ndarray] = field(default_factory=dict)


def _encode_parts(
    space: Space, source: Source, todo: Sequence[int], path: Path, how: _Settings, workers: int | None, bar: tqdm
) -> int:
    """Encode and write the parts ``todo``, in order. Returns how many images went through the model."""
    encoded, writer = 0, None
    batches = _batches(source, todo, how.batch_size)
    try:
        for shard, batch in _overlapped(space, batches, how, workers):
            if writer is None:
                writer = ShardWriter(path, shard, how.modalities, dim=space.stamp.dim, dtype=how.dtype)
            if batch is None:
                writer.close()
                writer = None
                continue
            encoded += len(batch.images)
            _write(writer, batch, how)
            bar.update(len(batch.columns) + len(batch.rejected))
    finally:
        if writer is not None:
            writer.abort()
    return encoded


def _batches(source: Source, todo: Sequence[int], batch_size: int) -> Iterator[tuple[int, list[Row] | None]]:
    """(shard, rows) batch by batch; (shard, None) ends a shard."""
    for shard in todo:
        rows: list[Row] = []
        for row in source.parts[shard].open():
            rows.append(row)
            if len(rows) == batch_size:
                yield shard, rows
                rows = []
        if rows:
            yield shard, rows
        yield shard, None


def _overlapped(
    space: Space, batches: Iterable[tuple[int, list[Row] | None]], how: _Settings, workers: int | None
) -> Iterator[tuple[int, _Batch | None]]:
    """Batches with their vectors, in order, while the next are being read.

    On a GPU threads decode and the model runs here. On the CPU each thread does both for its batch, with a model
    of one thread: nothing waits for anything, and the result does not depend on the number of threads.
    """
    import torch

    cpu, threads = space.device.type == "cpu", torch.get_num_threads()
    workers = workers or (threads if cpu else min(os.cpu_count() or 1, _GPU_WORKERS))
    ready, forward = partial(_prepare, space, how), partial(_forward, space, how)
    in_thread = (lambda rows: forward(ready(rows))) if cpu else ready
    here = (lambda batch: batch) if cpu else forward
    start = partial(torch.set_num_threads, 1)
    try:
        with ThreadPoolExecutor(workers, initializer=start) as pool, warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            yield from _in_order(pool, in_thread, here, batches, window=workers + 2)
    finally:
        torch.set_num_threads(threads)


def _in_order(
    pool: ThreadPoolExecutor, in_thread: Callable, here: Callable, batches: Iterable, *, window: int
) -> Iterator[tuple[int, Any]]:
    """``here(in_thread(rows))`` for each batch, in order; never more than ``window`` batches in memory."""
    waiting: deque = deque()

    def first() -> tuple[int, Any]:
        shard, future = waiting.popleft()
        return shard, None if future is None else here(future.result())

    try:
        for shard, rows in batches:
            waiting.append((shard, None if rows is None else pool.submit(in_thread, rows)))
            if len(waiting) >= window:
                yield first()
        while waiting:
            yield first()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare(space: Space, how: _Settings, rows: Sequence[Row]) -> _Batch:
    """Read, decode and preprocess rows, each on its own: what fails is rejected."""
    batch = _Batch()
    for row in rows:
        try:
            image, columns = _prepare_row(space, row, need_caption="text" in how.modalities)
        except (RowError, ImageError) as error:
            batch.rejected.append((row.name, error.reason, str(error)))
        else:
            batch.images.append(image)
            batch.columns.append({"image_path": row.name, **columns})
    return batch


def _prepare_row(space: Space, row: Row, *, need_caption: bool) -> tuple[torch.Tensor, dict[str, Any]]:
    sample = row.read()
    if need_caption and not (sample.caption or "").strip():
        raise RowError("missing caption", "expected a caption, as texts are encoded too")
    image = decode_image(sample.data, max_pixels=MAX_PIXELS, what=repr(row.name))
    side = max(np.atleast_1d(space.encoder.image_size))
    if side**2 * max(image.size) > MAX_PIXELS * min(image.size):  # the short side becomes `side`, the long one huge
        raise RowError(
            "decompression bomb", f"a picture of {image.width} x {image.height} grows too large when resized"
        )
    columns = {f"source_{k}" if k in layout.RESERVED else str(k): v for k, v in sample.columns.items()}
    caption = {} if sample.caption is None else {"caption": sample.caption}
    return space.encoder.prepare(image), columns | caption


def _forward(space: Space, how: _Settings, batch: _Batch) -> _Batch:
    """Add the raw vectors of a prepared batch."""
    if batch.images:
        n = len(batch.images)
        batch.vectors["image"] = space.encoder.pixels(batch.images, batch_size=how.batch_size)
        if "text" in how.modalities:
            captions = [columns["caption"] for columns in batch.columns]
            padded = captions + captions[:1] * (how.batch_size - n)
            batch.vectors["text"] = space.encoder.texts(padded)[:n]
    return batch


def _write(writer: ShardWriter, batch: _Batch, how: _Settings) -> None:
    """Store the rows of a batch and record the others; a vector that is not finite, or zero, is recorded too."""
    for name, reason, detail in batch.rejected:
        writer.reject(name, reason, detail)
    if not batch.images:
        return
    stored, norms, good = {}, {}, np.ones(len(batch.images), bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        for modality, vectors in batch.vectors.items():
            stored[modality], norms[modality] = as_stored(vectors, dtype=how.dtype, normalized=how.normalized)
            good &= np.isfinite(stored[modality]).all(axis=1) & (norms[modality] > 0)
    for row in np.flatnonzero(~good):
        writer.reject(
            batch.columns[row]["image_path"], "not finite", f"its vector is not finite, or not in {how.dtype}"
        )
    kept = np.flatnonzero(good)
    names = dict.fromkeys(name for columns in batch.columns for name in columns)
    columns = {name: [batch.columns[row].get(name) for row in kept] for name in names}
    columns |= {layout.NORMS[modality]: values[kept] for modality, values in norms.items()}
    writer.add({modality: array[kept] for modality, array in stored.items()}, columns)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Raise `InputError` while another process encodes this share; a lock that ends with its process, killed or not."""
    try:
        import fcntl
    except ImportError:  # not on this system
        yield
        return
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"encode: another process is encoding into {str(path.parent)!r}; wait for it, or share the work (--shard)"
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _bar(source: Source, mine: Sequence[int], todo: Sequence[int], progress: bool) -> tqdm:
    """Rows done of all in this share, with rate and time left; what an earlier run did counts as done."""
    rows = [source.parts[k].rows for k in mine]
    total = None if None in rows else sum(rows)
    left = {k: source.parts[k].rows for k in todo}
    done = 0 if total is None else total - sum(left.values())
    quiet = None if progress else True
    return tqdm(total=total, initial=done, desc="encode", unit="image", smoothing=0.05, disable=quiet)


def _reasons(path: Path, shards: Sequence[int]) -> dict[str, int]:
    """How many rows were rejected, by reason, the most frequent first."""
    import pyarrow.parquet

    files = (path / layout.rejected_file(shard) for shard in shards)
    tables = (pyarrow.parquet.read_table(file, columns=["reason"]) for file in files if file.is_file())
    return dict(Counter(reason for table in tables for reason in table["reason"].to_pylist()).most_common())
