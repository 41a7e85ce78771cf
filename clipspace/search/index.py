"""`Index`: nearest neighbours by cosine, with names; saved as a folder, opened in memory or mapped from disk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from clipspace.errors import InputError, RecallError
from clipspace.files import check_parent
from clipspace.points.arrays import as_points_in, float32_blocks, gather
from clipspace.points.embeddings import RowNumbers, Stamp
from clipspace.points.protocol import Points
from clipspace.reprs import brief
from clipspace.search import faiss_backend, folder
from clipspace.search.recall import Truth, about_copies
from clipspace.seeds import stream
from clipspace.sequences import in_order

if TYPE_CHECKING:
    import pandas


class Hits(NamedTuple):
    """What one query found, best first: row numbers, cosines, names."""

    rows: np.ndarray
    cosines: np.ndarray
    names: list[str]

    __repr__ = brief


@dataclass(frozen=True, eq=False)
class Neighbours:
    """What ``q`` queries found: row numbers and cosines, both (q, k), best first; row -1 where nothing was found."""

    rows: np.ndarray
    cosines: np.ndarray
    index: Index

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, query: int) -> Hits:
        """The hits of one query, with their names."""
        hit = self.rows[query] >= 0
        rows = self.rows[query][hit]
        return Hits(rows, self.cosines[query][hit], self.index.names_of(rows))

    def to_frame(self) -> pandas.DataFrame:
        """One row a hit: query, rank, row, name, cosine."""
        import pandas

        frames = [
            pandas.DataFrame(
                {"query": q, "rank": np.arange(len(h.rows)), "row": h.rows, "name": h.names, "cosine": h.cosines}
            )
            for q, h in enumerate(self)
        ]
        return pandas.concat(frames, ignore_index=True)


class Index:
    """Rows of one space to be searched by cosine. Get one from `build_index` or `open_index`.

    Attributes
    ----------
    ids : row number of each position inside FAISS
    stamp : Stamp of the rows, None when unknown; queries with a different stamp are refused. An array as a query is assumed
        to be of this space
    sources : hash of each store the rows came from, None for other sources
    facts : kind, setting, verified recall, seed, threads
    """

    def __init__(
        self,
        engine_index: Any,
        *,
        ids: np.ndarray,
        names: Sequence[str] | pa.Array | None,
        stamp: Stamp | None,
        modality: str,
        sources: Sequence[str | None],
        facts: dict[str, Any],
        writable: bool = True,
    ) -> None:
        self._faiss, self._writable = engine_index, writable
        self.ids = ids
        self._names = _as_names(names, len(ids), 0)
        self.stamp, self.modality, self.sources, self.facts = stamp, modality, list(sources), dict(facts)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        recall = f", recall@{self.facts['k']} {self.facts['recall']:.3f}" if "recall" in self.facts else ""
        return f"Index({len(self)} x {self.dim}, {self.facts['kind']}{recall}, {self.stamp or 'no stamp'})"

    @property
    def dim(self) -> int:
        return self._faiss.d

    def names_of(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """The names of row numbers."""
        return self._names.take(pa.array(rows, pa.int64())).to_pylist()

    def search(self, points: Points | np.ndarray, k: int = 10, *, threads: int | None = None) -> Neighbours:
        """The ``k`` nearest rows of each of ``points`` (array (q, d), `Embeddings` or store; of any length).

        The same to the last bit on any number of ``threads``, those it was built with when None.
        Raises `SpaceMismatchError` for embeddings or a store of another space, or without its stamp, `InputError` for
        zero or infinite ones.
        """
        if k < 1:
            raise InputError(f"search: expected k of at least 1, got {k}")
        points = self._in_space(points, "search")
        threads = threads or self.facts["threads"]
        results = [
            faiss_backend.search(self._faiss, self.ids, block, min(k, len(self)), threads=threads)
            for block in float32_blocks(points, unit=True)
        ]
        if not results:
            raise InputError("search: expected at least one query, got none")
        cosines, rows = (np.concatenate(arrays) for arrays in zip(*results, strict=True))
        return Neighbours(rows, cosines, self)

    def range_search(self, points: Points | np.ndarray, cosine: float) -> list[Hits]:
        """For each query every row of a cosine above ``cosine``, best first, as far as the index looks.

        A Flat index finds all of them; the others only those near enough to be visited at their setting.
        """
        points = self._in_space(points, "range_search")
        hits = []
        for block in float32_blocks(points, unit=True):
            for cosines, positions in faiss_backend.range_search(
                self._faiss, block, cosine, threads=self.facts["threads"]
            ):
                rows = self.ids[positions]
                hits.append(Hits(rows, cosines, self.names_of(rows)))
        return hits

    def add(self, points: Points | np.ndarray, *, names: Sequence[str] | None = None) -> None:
        """Append rows of the same space; they are numbered on. `verify` says whether the recall still holds."""
        if not self._writable:
            raise InputError("add: this index is mapped from disk, which is read-only; open it with mmap=False")
        points = self._in_space(points, "add")
        self._check_modality(points, "add")
        n = len(points)
        added = _as_names(points.names if names is None else names, n, len(self))
        # All rows are checked before the first is added, so that a bad one leaves the index as it was.
        for _ in float32_blocks(points, unit=True):
            pass
        for block in float32_blocks(points, unit=True):
            faiss_backend.add(self._faiss, block, threads=self.facts["threads"])
        self.ids = np.concatenate([self.ids, np.arange(len(self), len(self) + n)])
        self._names = pa.concat_arrays([self._names, added])
        self.sources.append(points.hash)

    def verify(
        self,
        points: Points | np.ndarray,
        *,
        k: int = 10,
        queries: int = 1000,
        seed: int = 0,
        recall: float | None = None,
    ) -> dict[str, float]:
        """Recall of rows drawn from ``points`` (those of this index, in order) against a comparison with all.

        ``recall``: of the ``k`` nearest other rows, of which any that is as near as the ``k``-th is right;
        ``self_recall``: rows that find themselves, or a copy, first; ``copies``: rows that have one.
        Raises `RecallError` when either is below the ``recall`` asked for.
        """
        points = self.holding(points, "verify")
        query_rows = np.sort(stream(seed, "queries").choice(len(self), min(queries, len(self)), replace=False))
        truth, start = Truth(gather(points, query_rows, unit=True), k + 1, self.facts["threads"]), 0
        for block in float32_blocks(points, unit=True):
            truth.see(block, np.arange(start, start + len(block)))
            start += len(block)
        near = self.search(truth.queries, k + 1).rows
        truth.learn(points, near)
        at_first = truth.holds_nearest(near[:, :1])
        # Where the row itself, or its copy, is one of the k + 1: it is not what was asked for.
        other_recall = np.clip((truth.recall(near) * (k + 1) - truth.holds_nearest(near)) / k, 0, 1)
        result = {"recall": float(other_recall.mean()), "self_recall": float(at_first.mean())}
        copies = truth.copied(itself=True)
        if recall is not None and min(result.values()) < recall:
            raise RecallError(
                f"verify: expected recall@{k} and self-recall@1 of at least {recall}, got {result['recall']:.3f} and "
                f"{result['self_recall']:.3f}; {about_copies(copies)}build it anew"
            )
        return result | {"copies": copies}

    def _in_space(self, points: Points | np.ndarray, doing: str) -> Points:
        """``points``, of the dimension and stamp of this index; an array is taken to be of its space and modality."""
        return as_points_in(points, self.dim, self.stamp, doing, modality=self.modality)

    def _check_modality(self, points: Points, doing: str) -> None:
        """Raise for texts in an index of images, or the other way round; what a prior draws is an image embedding."""
        if (points.modality == "text") != (self.modality == "text"):
            raise InputError(
                f"{doing}: expected {self.modality} rows, as in this index, got {points.modality}; "
                "build an index for each"
            )

    def holding(self, points: Points | np.ndarray, doing: str) -> Points:
        """``points``, where this index is of them: as many rows, one space and, for a store, its very hash.

        Once rows were `add`ed, no hash is that of the whole: then a store must have the names of this index, in order.
        Raises `InputError` or `SpaceMismatchError` for other points.
        """
        points = self._in_space(points, doing)
        if len(points) != len(self):
            raise InputError(f"{doing}: expected the {len(self)} rows of this index, got {len(points)}")
        self._check_modality(points, doing)
        digest = points.hash
        if digest is None or self.sources == [digest] or (len(self.sources) > 1 and self._is_named(points.names)):
            return points
        raise InputError(
            f"{doing}: expected the rows that this index was built from ({self.sources}), got a store of hash "
            f"{digest!r}{' with other names' if len(self.sources) > 1 else ''}; build the index again"
        )

    def _is_named(self, names: Sequence[str]) -> bool:
        return self._names.equals(_as_names(names, len(self), 0))

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the folder ``path``: ``image.index`` and ``image.json`` as clip-retrieval names them, ids, names, their hash."""
        path = check_target(path, overwrite=overwrite)
        part = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
        try:
            folder.write(
                part,
                self._faiss,
                ids=self.ids,
                names=self._names,
                stamp=self.stamp,
                modality=self.modality,
                sources=self.sources,
                facts=self.facts,
            )
            part.chmod(0o755)
            folder.put(part, path)
        except OSError as error:
            raise InputError(f"save: could not write {str(path)!r}: {error}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)


def check_target(path: str | Path, *, overwrite: bool = False) -> Path:
    """``path`` if an index can be saved there, else `InputError`. Ask before work starts."""
    path = folder.settled(Path(path))
    if path.exists() and not (overwrite and (path / "ids.npy").is_file()):
        raise InputError(
            f"save: {str(path)!r} exists; choose another name, or pass overwrite (--overwrite) to replace an index"
        )
    check_parent(path)
    return path


def open_index(path: str | Path, *, mmap: bool = False) -> Index:
    """The index that `Index.save` wrote. With ``mmap`` vectors stay on disk until they are looked at (read-only).

    Raises `InputError` for a folder that is not one, is incomplete, or whose ids or names changed since it was saved.
    """
    return Index(**folder.read(folder.settled(Path(path)), mmap=mmap), writable=not mmap)


def _as_names(names: Sequence[str] | pa.Array | None, n: int, start: int) -> pa.Array:
    if isinstance(names, pa.Array):
        return names
    if names is None or isinstance(names, RowNumbers):
        return pa.array(np.arange(start, start + n)).cast(pa.string())
    names = in_order(names, "index: names")
    if len(names) != n:
        raise InputError(f"index: expected {n} names, one per row, got {len(names)}")
    return pa.array([str(name) for name in names], pa.string())
