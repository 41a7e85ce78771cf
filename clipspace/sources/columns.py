"""Which column of a Parquet file holds the images, and which their captions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import pyarrow
import pyarrow.parquet

from clipspace.errors import InputError
from clipspace.sources.formats import HEAD_BYTES, looks_like_image

_PATHS = ("image_path", "path", "file", "file_name", "filename", "image", "filepath", "url")
_IMAGES = ("image", "images", "img", "image_bytes", "jpg", "jpeg", "png", "webp", "photo", "picture")
_CAPTIONS = ("caption", "text")
_LOOKED_AT = 16
"""Number of cells of a column that are read to see whether it holds images."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns of images and of captions."""

    image: str
    caption: str | None


def columns_of(
    file: pyarrow.parquet.ParquetFile, image: str | None, caption: str | None, name: str, *, like: Columns | None
) -> Columns:
    """The columns to read: those named by the caller, else those found.

    What was found in the file before, ``like``, is taken again where it can be. Raises `InputError` for a column that
    is not there, twice there, or cannot hold images or captions, and where the column of images cannot be told.
    """
    schema = file.schema_arrow
    if twice := sorted({column for column in schema.names if schema.names.count(column) > 1}):
        raise InputError(f"encode: expected columns of different names in {name}, got {twice} twice; rename them")
    for column_name in (image, caption):
        if column_name is not None and column_name not in schema.names:
            raise InputError(f"encode: expected a column {column_name!r} in {name}, got {schema.names}")
    image = image or _found_image(file, name, like)
    if image is None or not _may_be_images(schema.field(image).type):
        kinds = ", ".join(f"{field.name} ({field.type})" for field in schema)
        raise InputError(
            f"encode: expected a column of images (bytes, {{bytes, path}} or a path) in {name}, got "
            f"{kinds if image is None else f'{image} ({schema.field(image).type})'}; "
            "name it with image_column (--image-column)"
        )
    if caption is not None and (caption == image or pyarrow.types.is_nested(schema.field(caption).type)):
        raise InputError(
            f"encode: expected one caption a row in {caption!r} of {name}, got {schema.field(caption).type}"
        )
    return Columns(image, caption or _caption_column(schema, image))


def columns_of_0_1(schema: pyarrow.Schema) -> Columns | None:
    """The columns that clipspace 0.1 took, the first ones of their type. It left them out of the names of parts.

    Parts of other columns have them in their names, so that a store that 0.1 began does not go on with another column.
    """
    image_columns = [c.name for c in schema if _is_hugging_face(c.type)] + [c.name for c in schema if _is_bytes(c.type)]
    image = (
        image_columns[0]
        if image_columns
        else next((c for c in _PATHS if c in schema.names and _is_text(schema.field(c).type)), None)
    )
    plain = [c for c in _CAPTIONS if c in schema.names and not pyarrow.types.is_nested(schema.field(c).type)]
    return None if image is None else Columns(image, next((c for c in plain if c != image), None))


def _found_image(file: pyarrow.parquet.ParquetFile, name: str, like: Columns | None) -> str | None:
    schema = file.schema_arrow
    if like is not None and like.image in schema.names and _may_be_images(schema.field(like.image).type):
        return like.image
    return _image_column(file, name)


def _caption_column(schema: pyarrow.Schema, image: str) -> str | None:
    """A column that is named so: one of text where there is one."""
    caption_columns = [
        c for c in _CAPTIONS if c in schema.names and c != image and not pyarrow.types.is_nested(schema.field(c).type)
    ]
    return next(
        (c for c in caption_columns if _is_text(schema.field(c).type)), caption_columns[0] if caption_columns else None
    )


def _image_column(file: pyarrow.parquet.ParquetFile, name: str) -> str | None:
    """The one column whose first cells are images; of several the one named so, else the column of paths."""
    schema = file.schema_arrow
    image_columns = [c.name for c in schema if _is_hugging_face(c.type) or _is_bytes(c.type)]
    path = next((c for c in _PATHS if c in schema.names and _is_text(schema.field(c).type)), None)
    if not image_columns or (len(image_columns) == 1 and path is None):
        return image_columns[0] if image_columns else path
    columns_of_images = [c for c in image_columns if _shows_images(file, c)]
    if not columns_of_images and path is not None:
        return path
    candidates = columns_of_images or image_columns
    if len(candidates) == 1:
        return candidates[0]
    image_name = next((c for c in _IMAGES if c in candidates), None)
    if image_name is None:
        raise InputError(
            f"encode: expected one column of images in {name}, got several that may be: {candidates}; name one with "
            "image_column (--image-column)"
        )
    return image_name


def _shows_images(file: pyarrow.parquet.ParquetFile, name: str) -> bool:
    """Whether one of the first cells of a column that are not null is an image, or names a file of one."""
    try:
        for batch in islice(file.iter_batches(batch_size=_LOOKED_AT, columns=[name]), _LOOKED_AT**2):
            cells = [cell for cell in batch.column(0).to_pylist() if cell is not None]
            if cells:
                return any(map(_shows_image, cells))
    except (OSError, ValueError, pyarrow.ArrowException):
        pass
    return False


def _shows_image(cell: bytes | dict) -> bool:
    data, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
    return looks_like_image(data[:HEAD_BYTES]) if data else bool(path)


def _may_be_images(kind: pyarrow.DataType) -> bool:
    return _is_bytes(kind) or _is_text(kind) or _is_hugging_face(kind)


def _is_hugging_face(kind: pyarrow.DataType) -> bool:
    return pyarrow.types.is_struct(kind) and {f.name for f in kind} >= {"bytes", "path"}


def _is_bytes(kind: pyarrow.DataType) -> bool:
    types, kind = pyarrow.types, _held(kind)
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def _is_text(kind: pyarrow.DataType) -> bool:
    types, kind = pyarrow.types, _held(kind)
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _held(kind: pyarrow.DataType) -> pyarrow.DataType:
    """The type of the values, of a dictionary too, which is what pandas' Categorical is written as."""
    return kind.value_type if pyarrow.types.is_dictionary(kind) else kind
