"""The sets that commands measure: a store, vectors in a file, or a folder of images; with their labels and texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from clipspace.cli.chosen import Chosen
from clipspace.cli.files import ARRAYS, kind_of, split_name, texts_at, values_at, vectors_at
from clipspace.cli.options import check_space
from clipspace.errors import InputError, shortened
from clipspace.points.embeddings import Embeddings

Points = Annotated[
    Path,
    typer.Argument(help="A store, a file of n x d vectors (.npy, .npz or .parquet), or a folder of images to encode."),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        help="File of labels: a text file of one label a line, .npy, .npz, or file:column of a .csv, .tsv or .parquet, whose "
        "rows are matched by name where a column has the names, else in order. Or a column of the store. By default the "
        "names of the folders of the images.",
    ),
]
Texts = Annotated[
    Path,
    typer.Option(
        "--texts",
        help="File of texts: one text a line, file:column of a .csv or .parquet, or vectors of texts (.npy, .npz).",
    ),
]
Before = Annotated[
    bool,
    typer.Option(
        "--before-projection",
        help="Use the encoder's features before the projection to the shared space (images only).",
    ),
]


def images_at(path: Path, space: Chosen, *, before: bool = False) -> Embeddings:
    """The rows of a store, the vectors of a file (without a stamp), or the images of a folder, encoded."""
    if before and (_is_vectors(path) or _is_store(path)):
        raise InputError("probe: expected images for --before-projection, got vectors; give a folder of images")
    if _is_vectors(path):
        return _unstamped(path)
    if _is_store(path):
        return _stored(path)
    files = _files(path)
    loaded = space.load()
    points = loaded.encode_features(files) if before else loaded.encode_images(files)
    return Embeddings(points.vectors, points.stamp, "image", names_at(path))


def labelled_at(
    path: Path, labels: Path | None, space: Chosen, *, before: bool = False
) -> tuple[Embeddings, np.ndarray]:
    """Images and the label of each, read before anything is encoded."""
    truth = labels_at(path, labels)
    return images_at(path, space, before=before), truth


def labels_at(path: Path, labels: Path | None) -> np.ndarray:
    """The label of each row of a set: of the file or the column that ``labels`` names, or the folder of each image."""
    if _is_store(path):
        return _column(path, labels)
    if labels is not None:
        return values_at(labels, names_at(path))
    if _is_vectors(path):
        raise InputError(f"probe: expected labels for {str(path)!r}, got none; give them with --labels")
    return np.array([file.parent.name for file in _files(path)])


def with_texts_at(points: Path, texts: Path, space: Chosen) -> tuple[Embeddings, Embeddings]:
    """Images and texts of one space: the images' own, or, for vectors without a stamp, the space named."""
    if kind_of(texts) in ARRAYS:
        images = images_at(points, space)
        return images, Embeddings(_unstamped(texts).vectors, images.stamp, "text")
    read, images = texts_at(texts, names_at(points)), images_at(points, space)
    check_space(space.space, images.dim, images.stamp, str(points))
    encoded = space.load().encode_texts(read)
    return (images if images.stamp else Embeddings(images.vectors, encoded.stamp)), encoded


def names_at(path: Path) -> list[str] | None:
    """The names of the rows of a store or a folder of images; None where there are only row numbers."""
    if _is_store(path):
        from clipspace.points.store import open_store

        names = open_store(path).names
        return None if names == list(map(str, range(len(names)))) else names
    return None if _is_vectors(path) else [str(file.relative_to(path)) for file in _files(path)]


def _is_vectors(path: Path) -> bool:
    return kind_of(path) in (*ARRAYS, ".parquet")


def _unstamped(path: Path) -> Embeddings:
    array = vectors_at(path)
    return Embeddings(array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float32))


def _is_store(path: Path) -> bool:
    return any((path / name).exists() for name in ("store.json", "img_emb"))


def _stored(path: Path) -> Embeddings:
    """The vectors and names of a store. Its other columns are not read: as lists they would take more than the vectors."""
    from clipspace.points.store import open_store

    store = open_store(path)
    shards = list(store.blocks(len(store)))
    vectors = shards[0] if len(shards) == 1 else np.concatenate(shards)
    return Embeddings(vectors, store.stamp, store.modality, store.names)


def _column(store: Path, name: Path | None) -> np.ndarray:
    """Labels of a store: the column that --labels names, or a file as for other sets."""
    from clipspace.points.store import open_store

    opened = open_store(store)
    if name is not None and str(name) not in opened.schema.names and split_name(name)[0].is_file():
        return values_at(name, names_at(store))
    if name is None or str(name) not in opened.schema.names:
        got = "none" if name is None else repr(str(name))
        raise InputError(
            f"probe: expected --labels to name one of the columns {shortened(opened.schema.names, 30)}, or a file; got {got}"
        )
    return opened.metadata([str(name)])[str(name)].to_numpy()


def _files(folder: Path) -> list[Path]:
    from clipspace.sources.images import sort_out

    if not folder.is_dir():
        raise InputError(
            f"probe: expected vectors (.npy, .npz, .parquet), a store or a folder of images, got {str(folder)!r}; "
            "check the path"
        )
    files, other_files = sort_out(folder)
    if not files:
        raise InputError(
            f"probe: expected images in {str(folder)!r}, got none among {len(other_files)} files; check the folder"
        )
    return files
