"""The sets that commands measure: a store, vectors in a file, or a folder of images; with their labels and texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from clipspace.cli.chosen import Chosen
from clipspace.cli.options import check_space
from clipspace.errors import InputError, shortened
from clipspace.points.embeddings import Embeddings, RowNumbers
from clipspace.points.interchange import open_points, texts_at, values_at
from clipspace.points.interchange.beside import LABEL
from clipspace.points.interchange.opening import holds_vectors, is_store, is_vectors
from clipspace.points.interchange.paths import ARRAYS, KINDS, kind_of

Points = Annotated[
    Path,
    typer.Argument(
        help="A store; n x d vectors in a .npy, .npz, .safetensors, .pt, .parquet, .arrow, .csv or .lance file, or a folder "
        "of tables, file:name for one of several arrays or columns; or a folder of images to encode."
    ),
]
Vectors = Annotated[
    Path,
    typer.Argument(
        help="A store; or n x d vectors in a .npy, .npz, .safetensors, .pt, .parquet, .arrow, .csv or .lance file, or a folder "
        "of tables, file:name for one of several arrays or columns."
    ),
]
Columns = Annotated[
    list[Path] | None,
    typer.Option(
        "--labels",
        help="Further values to keep with the points, such as meta.csv:label; may be repeated. Rows of a table are matched by "
        "name if one of its columns holds the names, else by order. Columns of the set are always kept.",
    ),
]
Names = Annotated[
    Path | None,
    typer.Option(
        "--names",
        help="Name of each vector: a text file with one name per line, file:column of a .csv, .tsv or .parquet, or a column of "
        "the set. By default the names in the set, else row numbers.",
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        help="Labels: a text file with one label per line, .npy, .npz, file:column of a .csv, .tsv or .parquet, or a column of "
        "the set. Rows of a table are matched by name if one of its columns holds the names, else by order. By default the "
        "name of each image's folder.",
    ),
]
Texts = Annotated[
    Path,
    typer.Option(
        "--texts",
        help="Texts: a file with one text per line, or file:column of a .csv or .parquet; or a set of text vectors.",
    ),
]
Words = Annotated[
    Path | None,
    typer.Option(
        "--words",
        help="Text of each vector in --texts, if the vectors have no names; takes the same kinds of file as --names.",
    ),
]
Before = Annotated[
    bool,
    typer.Option(
        "--before-projection",
        help="Use the encoder's features before the projection to the shared space (images only).",
    ),
]


def images_at(path: Path, space: Chosen, *, names: Path | None = None, before: bool = False) -> Embeddings:
    """The rows of a store, other vectors (without a stamp unless they say theirs), or the images of a folder, encoded."""
    is_made = is_vectors(path) or is_store(path)
    if before and is_made:
        raise InputError("probe: expected images for --before-projection, got vectors; give a folder of images")
    if is_made:
        return _in_memory(path, names)
    files = _files(path)
    if names is not None:
        raise InputError("probe: expected vectors for --names, got a folder of images, which have names; leave it out")
    loaded = space.load()
    points = loaded.encode_features(files) if before else loaded.encode_images(files)
    return Embeddings(points.vectors, points.stamp, "image", names_at(path))


def labelled_at(
    path: Path, labels: Path | None, space: Chosen, *, names: Path | None = None, before: bool = False
) -> tuple[Embeddings, np.ndarray]:
    """Images and the label of each, read before anything is encoded."""
    truth = labels_at(path, labels, names=names)
    return images_at(path, space, names=names, before=before), truth


def labels_at(path: Path, labels: Path | None, *, names: Path | None = None) -> np.ndarray:
    """The label of each row of a set: of the file or the column that ``labels`` names, or the folder of each image."""
    if is_vectors(path) or is_store(path):
        return _column(path, labels, names)
    if labels is not None:
        return values_at(labels, names_at(path))
    return np.array([file.parent.name for file in _files(path)])


def with_texts_at(
    points: Path, texts: Path, space: Chosen, *, names: Path | None = None, words: Path | None = None
) -> tuple[Embeddings, Embeddings]:
    """Images and texts of one space: the images' own, or, for vectors without a stamp, the space named."""
    if are_vectors_of_texts(texts, words):
        images = images_at(points, space, names=names)
        return images, text_vectors_at(texts, words, images)
    read, images = texts_at(texts, names_at(points, names)), images_at(points, space, names=names)
    check_space(space.space, images.dim, images.stamp, str(points))
    encoded = space.load().encode_texts(read)
    return (images if images.stamp else replace(images, stamp=encoded.stamp)), encoded


def are_vectors_of_texts(texts: Path, words: Path | None) -> bool:
    """Whether ``--texts`` names vectors, not texts to encode: a column of a table does where it has lists of numbers."""
    if words is not None or is_store(texts) or kind_of(texts) in ARRAYS:
        return True
    return is_vectors(texts) and holds_vectors(texts)


def text_vectors_at(texts: Path, words: Path | None, images: Embeddings) -> Embeddings:
    """Vectors of texts, called by their texts, of the space of ``images`` where they do not say theirs."""
    opened = _in_memory(texts, words, modality="text")
    if opened.dim != images.dim:
        raise InputError(f"--texts: expected vectors of {images.dim} dimensions, as of the images, got {opened.dim}")
    return replace(opened, stamp=opened.stamp or images.stamp)


def names_at(path: Path, names: Path | None = None) -> Sequence[str] | None:
    """The names of the rows of a set; None where there are only row numbers."""
    if not (is_vectors(path) or is_store(path)):
        return [str(file.relative_to(path)) for file in _files(path)]
    known = open_points(path, names=names).names
    return None if isinstance(known, RowNumbers) or list(known) == list(map(str, range(len(known)))) else known


def _in_memory(path: Path, names: Path | None, *, modality: str | None = None) -> Embeddings:
    """The vectors and names of a set. Its other columns are not read: as lists they would take more than the vectors."""
    points = open_points(path, names=names, modality=modality)
    if isinstance(points, Embeddings):
        return points
    blocks = list(points.blocks(len(points)))
    vectors = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return Embeddings(vectors, points.stamp, points.modality, points.names)


def _column(path: Path, labels: Path | None, names: Path | None) -> np.ndarray:
    """Labels of vectors: the column of their table or store that --labels names, or those of a file."""
    points = open_points(path, names=names)
    if labels is None:
        has = f"; it has the columns {shortened(points.columns, 30)}" if points.columns else ""
        raise InputError(f"probe: expected labels for {str(path)!r}, got none; give them with --labels{has}")
    return np.asarray(open_points(points, labels={LABEL: labels}).columns[LABEL])


def _files(folder: Path) -> list[Path]:
    from clipspace.sources.images import sort_out

    if not folder.is_dir():
        raise InputError(f"probe: expected {KINDS}, or a folder of images, got {str(folder)!r}; check the path")
    files, other_files = sort_out(folder)
    if not files:
        raise InputError(
            f"probe: expected images in {str(folder)!r}, got none among {len(other_files)} files; check the folder"
        )
    return files
