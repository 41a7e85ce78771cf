"""`Result`: what an analysis answers with, as data. It is saved before anything is drawn, and drawn without a model."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clipspace.errors import InputError, shortened
from clipspace.files import atomically
from clipspace.plain import to_json, to_number
from clipspace.points.embeddings import Embeddings
from clipspace.results.text import FEW_ROWS, as_html, as_text
from clipspace.sources.images import content
from clipspace.space.code import Code

PACKAGES = ("clipspace", "torch", "diffusers", "open_clip_torch", "numpy", "scikit-learn")


@dataclass(frozen=True, eq=False)
class Result:
    """The answer of one analysis.

    Parameters
    ----------
    analysis : which one, the name of its module
    table : the numbers, one mapping per row with the same keys; what the csv holds
    findings : what is seen, in sentences made of the numbers
    arrays : what a figure draws beyond the table; pictures are uint8 ``(..., h, w, 3)``
    labels : texts that go with the arrays, by name
    provenance : space, seed, options and versions: what repeats it

    >>> result = Result("spectrum", [{"components": 1, "share": 0.5}], ["Half is in one component."])
    >>> result.column("share")
    [0.5]
    >>> print(result)
    Half is in one component.
    components  share
    1             0.5
    """

    analysis: str
    table: Sequence[Mapping[str, Any]]
    findings: Sequence[str]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def column(self, name: str) -> list:
        """One column of the table. Raises `InputError` for a name it does not have."""
        if not self.table or name not in self.table[0]:
            known = list(self.table[0]) if self.table else []
            raise InputError(f"{self.analysis}: expected one of the columns {shortened(known)}, got {name!r}")
        return [row[name] for row in self.table]

    def __str__(self) -> str:
        return "\n".join([*self.findings, as_text(self._cells())]).rstrip()

    def __repr__(self) -> str:
        said = f"Result({self.analysis}: {len(self.table)} rows, {len(self.findings)} findings)"
        return "\n".join([said, as_text(self._cells(), most=FEW_ROWS)]).rstrip()

    def _repr_html_(self) -> str:
        return as_html(self._cells(), notes=self.findings)

    def _cells(self) -> list[list[str]]:
        if not self.table:
            return []
        columns = list(self.table[0])
        return [columns, *([_shown(row[name]) for name in columns] for row in self.table)]

    def save(self, folder: str | Path, *, name: str | None = None) -> Path:
        """Write ``<name>.npz``, ``.csv`` and, last, ``.json`` into ``folder``; returns the path of the last.

        ``name`` is that of the analysis when None.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays, table, path = (folder / f"{name or self.analysis}{suffix}" for suffix in (".npz", ".csv", ".json"))
        with atomically(arrays, overwrite=True) as part:
            np.savez_compressed(part, **self.arrays)
        with atomically(table, overwrite=True) as part:
            write_csv(part, self.table)
        facts = {
            "analysis": self.analysis,
            "table": self.table,
            "floats": [name for name in (self.table[0] if self.table else ()) if _has_floats(self.column(name))],
            "findings": self.findings,
            "labels": self.labels,
            "provenance": self.provenance,
        }
        with atomically(path, overwrite=True) as part:
            part.write_text(to_json(facts), encoding="utf-8")
        return path


def load_result(path: str | Path) -> Result:
    """Read what `Result.save` wrote; ``path`` is its ``.json``. Raises `InputError` for anything else."""
    path = Path(path)
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        floats = set(facts.pop("floats", ()))
        facts["table"] = [
            {name: to_number(cell) if name in floats else cell for name, cell in row.items()} for row in facts["table"]
        ]
        return Result(**facts, arrays=arrays)
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise InputError(
            f"load_result: expected a .json written by an analysis with its .npz beside it, got {str(path)!r} ({error})"
        ) from None


def write_csv(path: str | Path, table: Sequence[Mapping[str, Any]]) -> None:
    """One header and one line per row, UTF-8."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        if table:
            writer = csv.DictWriter(file, list(table[0]))
            writer.writeheader()
            writer.writerows(table)


def provenance(space, **options: Any) -> dict[str, Any]:
    """What repeats a result: the options, and what `made_by` says."""
    return {"options": options, **made_by(space)}


def made_by(space) -> dict[str, Any]:
    """The stamp, name and weights of ``space``, and the versions in use."""
    versions = {package: version(package) for package in PACKAGES}
    return {"space": space.stamp.to_dict(), "name": space.name, "weights": space.weights, "versions": versions}


def input_of(item, image: Image.Image | None = None) -> dict[str, Any]:
    """What an input of a result was, plain values: its ``kind``, its ``name`` and a short SHA-256 ``digest``.

    ``kind`` is "image", "text", "embedding" or "code". ``image`` is the RGB image where ``item`` is the path, PIL image
    or array it came from; a string without one is a text. The name is the path as given, the text itself or that of the
    embedding; None of an image that has none. The digest is of the pixels (`images.content`), of the text in UTF-8, of
    the vector, or of a code's vector and noise.
    """
    if isinstance(item, Code):
        kind, name, data = "code", item.embeddings.names[0], item.embeddings.vectors.tobytes() + item.noise.tobytes()
    elif isinstance(item, Embeddings):
        kind, name, data = "embedding", item.names[0], item.vectors.tobytes()
    elif image is None:
        kind, name, data = "text", str(item), str(item).encode()
    else:
        path = item if isinstance(item, (str, Path)) else getattr(item, "filename", "")
        kind, name, data = "image", str(path) or None, content(image)
    return {"kind": kind, "name": name, "digest": hashlib.sha256(data).hexdigest()[:16]}


def stacked(rows: Sequence[Sequence[Image.Image]]) -> np.ndarray:
    """Rows of pictures of one size as uint8 ``(rows, columns, h, w, 3)``."""
    return np.stack([[np.asarray(image.convert("RGB")) for image in row] for row in rows])


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, (float, np.floating)) else str(value)


def _has_floats(values: list) -> bool:
    """Whether a column is of numbers, some of which JSON may not have."""
    kinds = {type(value) for value in values if value is not None}
    return bool(kinds) and all(issubclass(kind, (float, np.floating, int, np.integer)) for kind in kinds)
