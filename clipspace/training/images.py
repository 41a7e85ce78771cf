"""The images of a store, found in what it was encoded from, decoded once into an array on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from clipspace import progress
from clipspace.errors import ClipspaceError, InputError
from clipspace.files import put
from clipspace.models.contract import Encoder
from clipspace.points import sphere
from clipspace.points.arrays import gather
from clipspace.points.store import Store, layout
from clipspace.sources import Source, open_source
from clipspace.sources.images import decode_image, square
from clipspace.sources.named import each_named
from clipspace.training.vectors import Standard

_AT_ONCE = 256
"""Images decoded at a time."""

_CHECKED = 6
"""Images that are encoded to see whether they are those of the store."""
_SAME = 0.7
"""Smallest cosine between an image's embedding and its row of a store, both less the store's mean, in any precision."""

Each = Callable[[Sequence[int]], Iterator[tuple[int, bytes]]]
"""Row numbers of a store -> (row number, image file), in any order."""


def images_of(store: Store, source: str | Path | Source | None, *, kind=None, image_column: str | None = None) -> Each:
    """Reads the image files of rows: of ``source``, which the store was encoded from, or of the paths that name its rows.

    Raises `InputError` where there are none, and where the store's record of its input says that ``source`` has other files,
    or files of other sizes.
    """
    if source is None:
        return _from_paths(store)
    listed = source if isinstance(source, Source) else _listed(store, source, kind, image_column)
    _check_same_input(store, listed)

    def each(rows: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        rows = list(rows)
        places = None if store.places is None else [store.places[row] for row in rows]
        for i, data in each_named(listed, [store.names[row] for row in rows], places):
            yield rows[i], data

    return each


def decoded(each: Each, n: int, resolution: int, path: Path) -> np.ndarray:
    """The images of all ``n`` rows, uint8 ``(n, resolution, resolution, 3)``, memory-mapped from ``path``.

    Each is the centre square of the image, upright and RGB, resized by an antialiased bicubic filter (`images.square`). They
    are decoded where the file is not there. Raises `InputError` for an image that has moved or cannot be read.
    """
    if not path.exists():
        part = path.with_suffix(".part")
        images = np.lib.format.open_memmap(part, "w+", np.uint8, (n, resolution, resolution, 3))
        threads = min(16, os.cpu_count() or 1)
        counted = progress.task("reading", n, "images")
        with counted as count, ThreadPoolExecutor(threads) as pool, _naming_what_to_do():
            rows = each(range(n))
            while some := list(islice(rows, _AT_ONCE)):
                for row, pixels in pool.map(partial(_pixels, resolution), some):
                    images[row] = pixels
                count(len(some))
        images.flush()
        put(part, path)
    return np.load(path, mmap_mode="r")


@contextmanager
def _naming_what_to_do() -> Iterator[None]:
    """Errors of reading one image, as `InputError` that says what to do."""
    try:
        yield
    except (ClipspaceError, OSError) as error:
        raise InputError(
            f"train: expected the images that the store was encoded from, got: {error}; put them back, or encode what is "
            "there now"
        ) from error


def _pixels(resolution: int, row: tuple[int, bytes]) -> tuple[int, np.ndarray]:
    number, data = row
    return number, np.asarray(square(decode_image(data, what=f"the image of row {number}"), resolution))


def _from_paths(store: Store) -> Each:
    names = store.names
    if any(name is None or not Path(name).is_file() for name in (names[0], names[-1])):
        raise InputError(
            f"train: expected the images of {str(store.path)!r}, got none: its rows are called {names[0]!r}, …, which are "
            "no paths of files here; say what it was encoded from (source, --source)"
        )
    return lambda rows: ((row, Path(names[row]).read_bytes()) for row in rows)


def _listed(store: Store, source: str | Path, kind, image_column: str | None) -> Source:
    """The source in parts of as many rows as the store's shards have, so that both tell the same of it."""
    records = _records(store)
    rows = max((record["rows"] + record["rejected"] for record in records), default=0)
    return open_source(source, kind=kind, image_column=image_column, rows_per_part=max(rows, 1))


def _records(store: Store) -> list[dict]:
    if not store.native:
        return []
    return [layout.read_json(store.path / layout.record_file(k)) for k in range(store.header["shards"])]


def _check_same_input(store: Store, source: Source) -> None:
    """Raise `InputError` where the digest of names and sizes that `encode` noted is not that of ``source``.

    Stores that were merged, selected, or written by other programs hold none, and are taken at the names of their rows.
    """
    noted = store.header.get("recipe", {}).get("input")
    if noted is None or noted == source.digest:
        return
    rows = sum(record["rows"] + record["rejected"] for record in _records(store))
    if source.rows is not None and rows < source.rows and source.first(rows).digest == noted:
        return
    raise InputError(
        f"train: expected the files that {str(store.path)!r} was encoded from, got others (digest {source.digest}, "
        f"expected {noted}): some were added, moved, or are of another size; put them back, or encode what is there now"
    )


def check_encoder(encoder: Encoder, store: Store, each: Each, standard: Standard) -> None:
    """Raise `InputError` where an encoder makes other vectors of some images than the store holds: they have changed."""
    rows = sorted(set(np.linspace(0, len(store) - 1, _CHECKED).round().astype(int).tolist()))
    with _naming_what_to_do():
        images = {row: decode_image(data, what=f"the image of row {row}") for row, data in each(rows)}
    centre = standard.mean / store.dim**0.5
    again = sphere.unit(sphere.unit(encoder.images([images[row] for row in rows])) - centre)
    stored = sphere.unit(sphere.unit(gather(store, np.array(rows))) - centre)
    cosines = np.einsum("nd,nd->n", again, stored)
    if cosines.min() < _SAME:
        worst = int(cosines.argmin())
        raise InputError(
            f"train: expected the images that {str(store.path)!r} was encoded from, got {store.names[rows[worst]]!r}, whose "
            f"embedding has a cosine of {cosines[worst]:.2f} to its row, less the mean (1 where it is the same image); give the "
            "source that was encoded, or encode what is there now"
        )
