"""Inputs made for a test, and what is read of one."""

import io
import tarfile

import pyarrow
import pyarrow.parquet
from PIL import Image

from clipspace.sources import Ignored, RowError


def png(color="red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), color).save(buffer, "png")
    return buffer.getvalue()


def read(source) -> list[tuple]:
    """(name, content, caption, columns) of every row; (name, reason) of those that fail."""
    found = []
    for part in source.parts:
        rows = [row for row in part.open() if not isinstance(row, Ignored)]
        assert part.rows in (None, len(rows))
        for row in rows:
            try:
                sample = row.read()
                found.append((row.name, sample.data, sample.caption, dict(sample.columns)))
            except RowError as error:
                found.append((row.name, error.reason))
    return found


def write_tar(path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))


def write_table(path, **columns) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
