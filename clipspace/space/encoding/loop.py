"""Rows through the model: reading and decoding overlap it, and what cannot be read is recorded, not fatal."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.points.store import layout
from clipspace.points.store.shards import ShardWriter, as_stored
from clipspace.sources import Ignored, Row, RowError, Source
from clipspace.sources.images import NO_HEIF, ImageError, decode_image, grows_too_large
from clipspace.sources.sidecars import FAULT

if TYPE_CHECKING:
    import torch

    from clipspace.space import Space

MAX_PIXELS = 2**26
"""Pixels above which an image is recorded, not decoded: 8192 x 8192, so that no image takes 200 MB."""
PASSING = ("unreadable", "out of memory", NO_HEIF)
"""Reasons that another run may not meet: a share that was away, too many open files, a full machine, an extra not installed."""
_GPU_WORKERS = 16


@dataclass(frozen=True)
class Settings:
    """What the bytes of a shard depend on, beside the model and the input."""

    modalities: tuple[str, ...]
    dtype: str
    normalized: bool
    batch_size: int


@dataclass
class _Batch:
    """Rows on their way: read and prepared, or rejected with (name, reason, detail, place); then their vectors."""

    images: list[torch.Tensor] = field(default_factory=list)
    columns: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[tuple[str, str, str, str | None]] = field(default_factory=list)
    vectors: dict[str, np.ndarray] = field(default_factory=dict)


def encode_parts(
    space: Space,
    source: Source,
    todo: Sequence[int],
    path: Path,
    settings: Settings,
    *,
    workers: int | None,
    on_rows: Callable[[int], object],
) -> int:
    """Encode and write the parts ``todo``, in order. Returns how many images went through the model.

    ``on_rows`` is told how many rows are done, stored or recorded.
    """
    encoded, writer = 0, None
    batches = _batches(source, todo, settings.batch_size)
    try:
        for shard, batch in _overlapped(space, batches, settings, workers):
            if writer is None:
                writer = ShardWriter(path, shard, settings.modalities, dim=space.stamp.dim, dtype=settings.dtype)
            if isinstance(batch, Ignored):
                writer.ignored = batch.files
                writer.close()
                writer = None
                continue
            encoded += len(batch.images)
            _write(writer, batch, settings, f"the model ran in {space.encoder.precision}: {space.encoder.wider}")
            on_rows(len(batch.columns) + len(batch.rejected))
    finally:
        if writer is not None:
            writer.abort()
    return encoded


def _batches(source: Source, todo: Sequence[int], batch_size: int) -> Iterator[tuple[int, list[Row] | Ignored]]:
    """(shard, rows) batch by batch; what was ignored ends a shard."""
    for shard in todo:
        rows: list[Row] = []
        ignored = 0
        for row in source.parts[shard].open():
            if isinstance(row, Ignored):
                ignored += row.files
                continue
            rows.append(row)
            if len(rows) == batch_size:
                yield shard, rows
                rows = []
        if rows:
            yield shard, rows
        yield shard, Ignored(ignored)


def _overlapped(
    space: Space, batches: Iterable[tuple[int, list[Row] | Ignored]], settings: Settings, workers: int | None
) -> Iterator[tuple[int, _Batch | Ignored]]:
    """Batches with their vectors, in order, while the next are being read.

    On a GPU threads decode and the model runs here. On the CPU each thread does both for its batch, with a model
    of one thread: nothing waits for anything, and the result does not depend on the number of threads.
    """
    import torch

    cpu, threads = space.device.type == "cpu", torch.get_num_threads()
    workers = workers or (threads if cpu else min(os.cpu_count() or 1, _GPU_WORKERS))
    ready, forward = partial(_prepare, space, settings), partial(_forward, space, settings)
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
        return shard, future if isinstance(future, Ignored) else here(future.result())

    try:
        for shard, rows in batches:
            waiting.append((shard, rows if isinstance(rows, Ignored) else pool.submit(in_thread, rows)))
            if len(waiting) >= window:
                yield first()
        while waiting:
            yield first()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare(space: Space, settings: Settings, rows: Sequence[Row]) -> _Batch:
    """Read, decode and preprocess rows, each on its own: what fails is rejected."""
    batch = _Batch()
    for row in rows:
        try:
            image, columns = _prepare_row(space, row, need_caption="text" in settings.modalities)
        except (RowError, ImageError) as error:
            batch.rejected.append((row.name, error.reason, str(error), row.place))
        except MemoryError:  # the machine's want, or bytes made to ask for too much: not to end a run, nor to be final
            batch.rejected.append((row.name, "out of memory", "no memory was left to read or decode it", row.place))
        else:
            batch.images.append(image)
            place = {} if row.place is None else {layout.PLACE: row.place}
            batch.columns.append({"image_path": row.name, **place, **columns})
    return batch


def _prepare_row(space: Space, row: Row, *, need_caption: bool) -> tuple[torch.Tensor, dict[str, Any]]:
    sample = row.read()
    if need_caption and (not (sample.caption or "").strip() or space.encoder.says_nothing(sample.caption)):
        fault = sample.columns.get(FAULT)
        raise RowError(
            "broken caption" if fault else "missing caption", fault or "expected a caption, as texts are encoded too"
        )
    image = decode_image(sample.data, max_pixels=MAX_PIXELS, what=repr(row.name))
    if grows_too_large(image, space.encoder.image_size):
        raise RowError(
            "decompression bomb", f"a picture of {image.width} x {image.height} grows too large when resized"
        )
    columns = {_stored_name(str(name)): value for name, value in sample.columns.items()}
    caption = {} if sample.caption is None else {"caption": sample.caption}
    return space.encoder.prepare(image), columns | caption


def _stored_name(name: str) -> str:
    """``source_norm`` for a column ``norm`` of the input, as a store has its own; ``source_source_norm`` for ``source_norm``."""
    own = name
    while own.startswith("source_") and own not in layout.RESERVED:
        own = own.removeprefix("source_")
    return f"source_{name}" if own in layout.RESERVED else name


def _forward(space: Space, settings: Settings, batch: _Batch) -> _Batch:
    """Add the raw vectors of a prepared batch."""
    if batch.images:
        n = len(batch.images)
        batch.vectors["image"] = space.encoder.pixels(batch.images, batch_size=settings.batch_size)
        if "text" in settings.modalities:
            captions = [columns["caption"] for columns in batch.columns]
            padded = captions + captions[:1] * (settings.batch_size - n)
            batch.vectors["text"] = space.encoder.texts(padded)[:n]
    return batch


def _write(writer: ShardWriter, batch: _Batch, settings: Settings, precision: str) -> None:
    """Store the rows of a batch and record the others; a vector that is not finite, or zero, is recorded too."""
    for rejected in batch.rejected:
        writer.reject(*rejected)
    if not batch.images:
        return
    stored, norms, good = {}, {}, np.ones(len(batch.images), bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        for modality, vectors in batch.vectors.items():
            stored[modality], norms[modality] = as_stored(vectors, dtype=settings.dtype, normalized=settings.normalized)
            good &= np.isfinite(stored[modality]).all(axis=1) & (norms[modality] > 0)
    finite = np.all([np.isfinite(vectors).all(axis=1) for vectors in batch.vectors.values()], axis=0)
    for row in np.flatnonzero(~good):
        columns = batch.columns[row]
        detail = (
            f"its vector is zero, or not finite in {settings.dtype}"
            if finite[row]
            else f"its vector is not finite; {precision}"
        )
        writer.reject(columns["image_path"], "not finite", detail, columns.get(layout.PLACE))
    rows = np.flatnonzero(good)
    names = dict.fromkeys(name for columns in batch.columns for name in columns)
    columns = {name: [batch.columns[row].get(name) for row in rows] for name in names}
    columns |= {layout.NORMS[modality]: values[rows] for modality, values in norms.items()}
    writer.add({modality: array[rows] for modality, array in stored.items()}, columns)
