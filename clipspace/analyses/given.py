"""A user's images or store as inputs of analyses, listed and checked before a model is loaded."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from clipspace.errors import ClipspaceError, InputError, shortened
from clipspace.points.arrays import gather
from clipspace.points.embeddings import Embeddings
from clipspace.points.store import Store, open_beside, open_store
from clipspace.points.store.layout import PLACE
from clipspace.points.store.showing import plain_columns
from clipspace.seeds import stream
from clipspace.sources import Source, open_source
from clipspace.sources.images import content, decode_image, expand_folders, folders_of, list_images, read_image
from clipspace.sources.named import each_named

if TYPE_CHECKING:
    from clipspace.space import Space

MOST = 20_000
"""Largest number of rows that are measured; a larger set is sampled."""
PAIRS = 5000
"""Largest number of captions that are encoded and compared with their images."""
CHECKED = 6
"""Number of images that are read, and later encoded, to check that a source belongs to a store."""
_SAME = 0.98
"""Smallest cosine between an image's embedding and its row of a store, in any precision."""
_OWN = ("image_path", "caption", "norm", "text_norm", "score", PLACE)
"""Names of store columns that do not describe what an image shows."""

Read = Callable[[Sequence[int]], dict[str, Any]]
Each = Callable[[Sequence[int]], Iterator[tuple[int, Image.Image]]]


@dataclass(frozen=True, eq=False)
class Given:
    """A set to be analysed.

    Parameters
    ----------
    kind : "store" or "images"
    name : its name in a sentence
    digest : SHA-256 of the content, in short
    total : number of all rows or images
    rows : numbers of the rows that are analysed, at most `MOST`, rising; ``names``, ``captions`` and ``columns`` are of them
    read : function from positions among these rows to images by name (paths, for files); None without readable images
    each : function from such positions to an iterator of (position, RGB image), in any order
    store : where the points are stored; encoded from the images otherwise
    """

    kind: str
    name: str
    digest: str
    total: int
    rows: np.ndarray
    names: Sequence[str]
    captions: Sequence[str | None] | None = None
    columns: Mapping[str, Sequence] = field(default_factory=dict)
    read: Read | None = None
    each: Each | None = None
    store: Store | None = None
    _encoded: dict[Space, Embeddings] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def points(self, space: Space) -> Embeddings:
        """The embeddings of these rows in ``space``, float32: as stored, or encoded once."""
        if space not in self._encoded:
            if self.store is None:
                embeddings = space.encode_images(self.read(range(len(self))))
            else:
                embeddings = Embeddings(
                    gather(self.store, self.rows), self.store.stamp, self.store.modality, self.names
                )
            self._encoded[space] = embeddings
        return self._encoded[space]

    @property
    def captioned(self) -> list[int]:
        """Positions that have a caption, at most `PAIRS`, evenly spaced."""
        with_caption = [i for i, text in enumerate(self.captions or ()) if isinstance(text, str) and text.strip()]
        return [with_caption[i] for i in evenly(len(with_caption), PAIRS)]

    def pairs(self, space: Space) -> tuple[Embeddings, Embeddings]:
        """The images that have a caption, and their captions, as points: stored beside them, or encoded."""
        positions = self.captioned
        images, texts = self.points(space)[positions], [self.captions[i] for i in positions]
        if self.store is None or "text" not in self.store.modalities:
            return images, space.encode_texts(texts)
        vectors = gather(open_beside(self.store, "text"), self.rows[positions])
        return images, Embeddings(vectors, self.store.stamp, "text", texts)

    def check(self, space: Space) -> None:
        """Raise `InputError` where the images that can be read are not those that the rows of the store were made from."""
        if self.store is None or self.read is None:
            return
        positions = evenly(len(self), CHECKED)
        again = space.encode_images(self.read(positions))
        cosines = np.einsum("nd,nd->n", again.unit, self.points(space)[positions].unit)
        worst = int(cosines.argmin())
        if cosines[worst] < _SAME:
            raise InputError(
                f"report: expected images that {self.name} was encoded from, but the image {again.names[worst]!r} has a "
                f"cosine of {cosines[worst]:.2f} to its row (1 where it is the same image); give the source that was "
                "encoded (--source)"
            )


def given_images(images: Sequence) -> Given:
    """The images given and those below the folders given. Of a folder, what cannot be read is said and left out.

    Every image is read once, and none is kept in memory. Raises `InputError` where there is none.
    """
    readable, digest = [], hashlib.sha256()
    for source in images:
        folder = isinstance(source, (str, Path)) and Path(source).is_dir()
        for image in expand_folders([source]) if folder else [source]:
            try:
                pixels = read_image(image)
            except ClipspaceError as error:
                if not folder:
                    raise
                warnings.warn(f"report: left out {str(image)!r}: {error}", stacklevel=3)
                continue
            digest.update(content(pixels))
            readable.append(image)
    if not readable:
        raise InputError(f"report: expected an image or more, got none in {shortened(map(str, images))}")
    rows = np.array(evenly(len(readable), MOST))
    kept_images = [readable[row] for row in rows]
    names = _apart(list_images(kept_images)[1])
    return Given(
        "images",
        _called(images),
        digest.hexdigest()[:16],
        len(readable),
        rows,
        names,
        columns=folders_of(kept_images),
        read=lambda positions: {names[i]: kept_images[i] for i in positions},
        each=lambda positions: ((i, read_image(kept_images[i])) for i in positions),
    )


def given_store(store: str | Path | Store, source: str | Path | Source | None, spool: Path, *, seed: int) -> Given:
    """Rows of a store, and the images of ``source``, which it was encoded from, or those that its names are paths of.

    Images of a source are put into the folder ``spool`` when they are asked for. Raises `InputError` where ``source``
    lacks images of the store; columns that a page cannot show are said and left out.
    """
    opened = store if isinstance(store, Store) else open_store(store)
    rows = np.arange(len(opened))
    if len(rows) > MOST:
        rows = np.sort(stream(seed, "rows shown").choice(rows, MOST, replace=False))
    stored_names = [opened.names[row] for row in rows]
    names = _apart(list(map(str, stored_names)))
    table = plain_columns(opened, rows)
    captions = table.pop("caption", None)
    if opened.modality == "text":
        if source is not None:
            raise InputError(f"report: expected a store of images with its source, got texts in {str(opened.path)!r}")
        read = each = None
    else:
        read, each = _from_files(stored_names) if source is None else _from_source(source, opened, rows, names, spool)
    return Given(
        "store",
        f"store {opened.path.resolve().name}" + (f" ({opened.stamp.model})" if opened.stamp else ""),
        opened.hash,
        len(opened),
        rows,
        names,
        captions,
        {name: values for name, values in table.items() if name not in _OWN},
        read,
        each,
        opened,
    )


def evenly(n: int, most: int) -> list[int]:
    """``most`` of the numbers below ``n``, evenly spaced from the first to the last; all where there are no more.

    >>> evenly(8, 6)
    [0, 1, 3, 4, 6, 7]
    """
    return list(range(n)) if n <= most else np.linspace(0, n - 1, most).round().astype(int).tolist()


def _from_source(
    source: str | Path | Source, store: Store, rows: np.ndarray, names: Sequence[str], spool: Path
) -> tuple[Read, Each]:
    """Functions that read the images of rows; a few images are read now, so that a wrong source is refused early."""
    listed = source if isinstance(source, Source) else open_source(source)

    def files(positions: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        row_numbers = rows[list(positions)]
        places = None if store.places is None else [store.places[row] for row in row_numbers]
        for i, data in each_named(listed, [store.names[row] for row in row_numbers], places):
            yield positions[i], data

    def read(positions: Sequence[int]) -> dict[str, Path]:
        for i, data in files([i for i in positions if not (spool / str(i)).is_file()]):
            (spool / str(i)).write_bytes(data)
        return {names[i]: spool / str(i) for i in positions}

    for path in read(evenly(len(names), CHECKED)).values():
        read_image(path)
    return read, lambda positions: ((i, decode_image(data)) for i, data in files(positions))


def _from_files(names: Sequence[str]) -> tuple[Read, Each] | tuple[None, None]:
    """Functions that read images whose names are paths; None where the names are no paths."""
    try:
        for i in evenly(len(names), CHECKED):
            read_image(Path(names[i]))
    except (ClipspaceError, OSError, ValueError, TypeError):
        return None, None
    unique_names = _apart(list(map(str, names)))
    return (
        lambda positions: {unique_names[i]: Path(names[i]) for i in positions},
        lambda positions: ((i, read_image(Path(names[i]))) for i in positions),
    )


def _called(images: Sequence) -> str:
    """The name of these images in a sentence: their folder, or "given" where there are several."""
    paths = [str(image) for image in images if isinstance(image, (str, Path))]
    return f"of {paths[0]}" if len(paths) == len(images) == 1 and Path(paths[0]).is_dir() else "given"


def _apart(names: Sequence[str]) -> list[str]:
    """Unique names of images: a repeated name gets a number."""
    used: set[str] = set()
    unique_names = []
    for i, name in enumerate(names):
        unique_names.append(name if name not in used else f"{name} ({i + 1})")
        used.update((name, unique_names[-1]))
    return unique_names
