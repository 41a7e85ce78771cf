"""Files that clipspace reads, changed at random: bits, ends, runs and lengths; and what reading each of them comes to."""

from __future__ import annotations

import re
import struct
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.parquet
from safetensors.numpy import save_file

from clipspace.errors import ClipspaceError
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.interchange import open_points
from clipspace.points.pca import PCA
from clipspace.points.store import open_store, write_store
from clipspace.results.loading import load_result
from clipspace.results.result import Result
from clipspace.search import build_index, open_index
from clipspace.search.map_file import read_beside
from clipspace.search.maps import load_map, pca_map

SPARE = 2**21
"""Bytes that reading may take beside twice the file: buffers and what is imported then."""
_N, _DIM = 60, 8
_LENGTHS = (0, 1, -1, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1)


class Original(NamedTuple):
    """A file to be changed, and how what it belongs to is read."""

    file: Path
    read: Callable[[], object]


def originals(folder: Path) -> list[Original]:
    """Files of every kind below ``folder``, each of which reads well."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(_N, _DIM)).astype(np.float32)
    stamp = Stamp(model="stub", weights="0" * 16, preprocess="0" * 16, dim=_DIM)
    columns = {"label": [i % 3 for i in range(_N)], "note": [f"note {i}" for i in range(_N)]}
    points = Embeddings(vectors, stamp, "image", [f"image {i}.png" for i in range(_N)], columns)
    write_store(folder / "store", iter([points[:40], points[40:]]))
    write_store(folder / "foreign", points)
    (folder / "foreign/store.json").unlink()
    build_index(points, kind="hnsw", queries=6, threads=1).save(folder / "index")
    pca_map(points).save(folder / "map.parquet", columns=columns)
    PCA(3).fit(points).save(folder / "pca.safetensors")
    Result("scores", [{"factor": "a", "value": 0.5}], ["one."], {"draws": vectors}).save(folder / "result")
    np.save(folder / "own.npy", vectors)
    np.savez(folder / "own.npz", vectors=vectors)
    np.savez_compressed(folder / "own.small.npz", vectors=vectors)
    save_file({"vectors": vectors}, folder / "own.safetensors")
    flat = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.reshape(-1)), _DIM)
    table = pyarrow.table({"vector": flat, "name": [f"row {i}" for i in range(_N)]})
    pyarrow.parquet.write_table(table, folder / "own.parquet")
    with pyarrow.ipc.new_file(str(folder / "own.arrow"), table.schema) as file:
        file.write_table(table)
    made = [Original(file, lambda: _read_store(folder / "store")) for file in _files(folder / "store")]
    made += [Original(file, lambda: _read_store(folder / "foreign")) for file in _files(folder / "foreign")]
    made += [Original(file, lambda: _read_index(folder / "index", points)) for file in _files(folder / "index")]
    made += [
        Original(
            folder / "map.parquet", lambda: (load_map(folder / "map.parquet"), read_beside(folder / "map.parquet"))
        ),
        Original(folder / "pca.safetensors", lambda: PCA.load(folder / "pca.safetensors").transform(vectors)),
        *(
            Original(file, lambda: str(load_result(folder / "result/scores.json")))
            for file in _files(folder / "result")
        ),
        *(Original(file, lambda file=file: _read_own(file)) for file in sorted(folder.glob("own.*"))),
    ]
    return made


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix != ".csv")


def _read_store(path: Path) -> object:
    opened = open_store(path)
    return opened[:].vectors.sum(), list(opened.names), {name: list(opened.columns[name]) for name in opened.columns}


def _read_index(path: Path, points: Embeddings) -> object:
    return open_index(path).search(points, 3)[0].names


def _read_own(path: Path) -> object:
    points = open_points(path)
    return sum(float(np.asarray(block, np.float64).sum()) for block in points.blocks()), list(points.names)


def changed(rng: np.random.Generator, content: bytes) -> bytes:
    """``content`` with one change of a kind that is drawn."""
    kind = _KINDS[rng.integers(len(_KINDS))]
    return kind(rng, bytearray(content))


def _flip(rng, content):
    near = len(content) if rng.random() < 0.5 else min(len(content), 200)  # a head, or a foot, says the most
    foot = rng.random() < 0.5
    for at in rng.integers(near, size=rng.integers(1, 8)):
        content[len(content) - 1 - at if foot else at] ^= 1 << rng.integers(8)
    return bytes(content)


def _cut(rng, content):
    return bytes(content[: rng.integers(len(content))])


def _longer(rng, content):
    return bytes(content) + rng.bytes(int(rng.integers(1, 300)))


def _spliced(rng, content):
    a, b = sorted(rng.integers(len(content), size=2))
    return bytes(content[:b] + content[a:]) if rng.random() < 0.5 else bytes(content[:a] + content[b:])


def _zeros(rng, content):
    a, b = sorted(rng.integers(len(content) + 1, size=2))
    content[a:b] = bytes(b - a)
    return bytes(content)


def _length(rng, content):
    """A number of 4 or 8 bytes becomes one that lengths break at."""
    code = "<q" if rng.random() < 0.5 else "<i"
    value, size = _LENGTHS[rng.integers(len(_LENGTHS))], struct.calcsize(code)
    at = int(rng.integers(max(min(len(content), 400) - size, 1)))
    at = at if rng.random() < 0.5 else max(len(content) - size - at, 0)
    content[at : at + size] = struct.pack(code, value if size == 8 else value % 2**31)
    return bytes(content)


def _number(rng, content):
    """A number in a text, as in JSON or in the head of an array, becomes another, or something else."""
    instead = (b"0", b"-1", b"99999999999", b"1e999", b"1.5", b"null", b'"7"', b"[]", b"{}", b"NaN", b"true")
    return _replaced(rng, content, rb"\d+", instead)


def _word(rng, content):
    """A word in quotes becomes another, so that a field is missing or of another kind."""
    return _replaced(rng, content, rb'"[^"\n]{1,40}"', (b'"x"', b"null", b"3", b"[1]", b'{"a": 1}', b'""'))


def _replaced(rng, content, pattern, instead):
    """One match of ``pattern`` becomes one of ``instead``; where there is none, a bit is flipped."""
    matches = list(re.finditer(pattern, bytes(content)))
    if not matches:
        return _flip(rng, content)
    match = matches[rng.integers(len(matches))]
    content[match.start() : match.end()] = instead[rng.integers(len(instead))]
    return bytes(content)


_KINDS = (_flip, _flip, _cut, _longer, _spliced, _zeros, _length, _length, _number, _word)


class Came(NamedTuple):
    """What reading came to: "read", "refused" by an error of ours, or the fault; and the bytes that it took."""

    outcome: str
    fault: str | None
    peak: int


def tried(original: Original, content: bytes) -> Came:
    """Read with ``content`` in place of the file's own, which is put back."""
    own = original.file.read_bytes()
    original.file.write_bytes(content)
    pool = pyarrow.default_memory_pool()
    before = pool.max_memory()
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            original.read()
        outcome, fault = "read", None
    except ClipspaceError:
        outcome, fault = "refused", None
    except Exception as error:
        outcome, fault = "fault", f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        original.file.write_bytes(own)
    in_arrow = pool.max_memory()
    return Came(outcome, fault, max(peak, in_arrow if in_arrow > before else 0))


def attack(folder: Path, n: int, *, seed: int, only: str | None = None) -> tuple[Counter, list[str], int]:
    """``n`` changes, the same number of each file: outcomes, faults with what repeats them, and the most bytes beyond twice a file."""
    made = [one for one in originals(folder) if only is None or only in str(one.file)]
    whole = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    outcomes, faults, most = Counter(), [], 0
    for i in range(n):
        original = made[i % len(made)]
        rng = np.random.default_rng([seed, i])
        came = tried(original, changed(rng, original.file.read_bytes()))
        outcomes[came.outcome] += 1
        beyond = came.peak - 2 * max(whole, original.file.stat().st_size)
        most = max(most, beyond)
        name = original.file.relative_to(folder)
        if came.fault:
            faults.append(f"{i} {name}: {came.fault}")
        elif beyond > SPARE:
            faults.append(f"{i} {name}: {came.peak:,} bytes")
    return outcomes, faults, most
