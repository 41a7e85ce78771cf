"""Loading what `Result.save` wrote."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from clipspace.errors import InputError
from clipspace.plain import to_number
from clipspace.points.embeddings import Embeddings
from clipspace.points.stamps import read_stamp
from clipspace.results.pictures import Pictures, rows_of
from clipspace.results.provenance import read_provenance
from clipspace.results.result import VECTORS, Result
from clipspace.results.table import Table


def load_result(path: str | Path) -> Result:
    """Read what `Result.save` wrote, `Pictures` with their images; ``path`` is the ``.json``.

    Raises `InputError` for anything else.
    """
    path = Path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        content = path.with_suffix(".npz").read_bytes()
        if values.get("arrays_sha256", digest := sha256(content).hexdigest()) != digest:
            raise ValueError("the .npz is not the one that was saved with the .json")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return result_of(values, arrays)
    except Exception as error:  # the reader of a broken archive raises what it likes
        raise InputError(
            f"load_result: expected a .json written by Result.save with its .npz beside it, got {str(path)!r} ({error!r})"
        ) from None


def result_of(values: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> Result:
    """The result that `Result.to_dict` described, with these arrays; images and vectors are taken out of ``arrays``."""
    if not all(isinstance(finding, str) for finding in values["findings"]):
        raise TypeError("findings that are no texts")
    floats = set(values["floats"])
    rows = [{name: to_number(v) if name in floats else v for name, v in row.items()} for row in values["table"]]
    vectors, points = arrays.pop(VECTORS, None), values["embeddings"]
    embeddings = None
    if points is not None:
        embeddings = Embeddings(vectors, **{**points, "stamp": read_stamp(points["stamp"])})
    shared = {
        "name": values["name"],
        "table": Table(rows, values["keys"]),
        "findings": values["findings"],
        "labels": values["labels"],
        "provenance": read_provenance(values["provenance"]),
        "embeddings": embeddings,
    }
    if values["kind"] == Pictures.__name__:
        return Pictures(**shared, rows=rows_of(arrays), arrays=arrays)
    return Result(**shared, arrays=arrays)
