"""Maps: every point of a set placed in the plane, by its principal components or by UMAP."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from clipspace import progress
from clipspace.errors import InputError
from clipspace.files import atomically
from clipspace.points.arrays import as_points, as_points_in, float32_blocks
from clipspace.points.embeddings import Stamp, check_same_space
from clipspace.points.pca import PCA
from clipspace.points.protocol import Points
from clipspace.reprs import brief
from clipspace.search import Index, build_index, list_kind, map_file
from clipspace.search.faiss_backend import all_threads
from clipspace.search.kinds import FLAT_ROWS

_GRAPH_RECALL = 0.9
"""Share of true neighbours in the graph that a UMAP map is laid out from."""


@dataclass(frozen=True, eq=False)
class Map:
    """``n`` points in the plane.

    Parameters
    ----------
    coordinates : float32 (n, 2)
    names : n strings
    neighbours : row numbers (n, k) of the nearest other points in the embedding space, -1 where unknown; or None
    distances : chords between unit vectors (n, k), aligned with ``neighbours``
    facts : method, options, seed, thread count, versions: what repeats the map
    stamp : Stamp of the points
    axes : mean and two components (3, d) of a PCA map, None for UMAP
    """

    coordinates: np.ndarray
    names: Sequence[str]
    neighbours: np.ndarray | None = None
    distances: np.ndarray | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    stamp: Stamp | None = None
    axes: np.ndarray | None = None

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.coordinates)

    def transform(self, points: Points | np.ndarray, *, index: Index | None = None) -> np.ndarray:
        """Where new points belong, float32 (q, 2). Each depends on itself alone, not on its batch or a seed.

        On a PCA map by projection. On a UMAP map as the mean of the places of the nearest mapped points,
        weighted by exp(-(d - d1) / mean(d - d1)); ``index`` is that of the mapped points.
        """
        if self.axes is not None:
            points = as_points_in(points, self.axes.shape[1], self.stamp, "transform")
            mean, components = self.axes[0], self.axes[1:]
            placed = [(block - mean) @ components.T for block in float32_blocks(points, unit=True)]
            return np.concatenate(placed).astype(np.float32)
        if index is None or len(index) != len(self):
            raise InputError(
                f"transform: expected the index of the {len(self)} mapped points, got "
                f"{'none' if index is None else f'one of {len(index)}'}; build it with build_index"
            )
        check_same_space(self.stamp, index.stamp, "transform")
        near = index.search(points, self.facts["n_neighbors"])
        is_known = near.rows >= 0
        apart = _chords(np.where(is_known, near.cosines, near.cosines[:, :1]))
        apart = apart - apart[:, :1]
        mean = apart.sum(axis=1, keepdims=True) / is_known.sum(axis=1, keepdims=True)
        weights = np.exp(-apart / np.maximum(mean, 1e-6)) * is_known
        weights /= weights.sum(axis=1, keepdims=True)
        return np.einsum("qk,qkd->qd", weights, self.coordinates[near.rows]).astype(np.float32)

    def save(
        self,
        path: str | Path,
        *,
        images: Sequence[bytes | str | Path] | None = None,
        columns: Mapping[str, Sequence] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Write Parquet: name, x, y, neighbors {ids, distances}, and the images and columns, if given.

        embedding-atlas reads it as it is (``--x x --y y --neighbors neighbors --image image``). ``images`` are
        n files or encoded images, stored as {bytes, path}; ``columns`` are n values each, Arrow's in the type they have.
        """
        map_file.write(path, self, images=images, columns=columns, overwrite=overwrite)

    def save_fiftyone(self, path: str | Path, files: Sequence[str | Path], *, overwrite: bool = False) -> None:
        """Write CSV with one sample a row: filepath, name, x, y.

        Make the samples of ``filepath``, and hand x and y to ``fiftyone.brain.compute_visualization(points=…)``.
        """
        if len(files) != len(self):
            raise InputError(f"save_fiftyone: expected {len(self)} files, one per point, got {len(files)}")
        with atomically(path, overwrite=overwrite) as part, part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["filepath", "name", "x", "y"])
            for where, name, (x, y) in zip(files, self.names, self.coordinates.tolist(), strict=True):
                writer.writerow([str(where), name, x, y])


def load_map(path: str | Path) -> Map:
    """Read what `Map.save` wrote. Raises `InputError` for anything else."""
    return Map(**map_file.read(path))


def pca_map(points: Points | np.ndarray) -> Map:
    """A map of the first two principal components of the directions of ``points`` (array, `Embeddings`, store)."""
    points = as_points(points)
    pca = PCA(2, normalize=True).fit(points)
    facts = {"method": "pca", "versions": _versions("numpy", "scikit-learn")}
    axes = np.vstack([pca.mean_, pca.components_])
    coordinates = pca.transform(points).astype(np.float32)
    return Map(coordinates, _names(points), facts=facts, stamp=points.stamp, axes=axes)


def umap_map(
    points: Points | np.ndarray,
    *,
    index: Index | None = None,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    n_epochs: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Map:
    """A UMAP map (McInnes et al. 2018, arXiv 1802.03426) of the directions of ``points``.

    The graph of neighbours comes from ``index``, or from one built here (recall 0.9 or above, verified), its
    strengths from umap-learn, the places from `clipspace.search.umap_layout`. More epochs take longer and keep a little more of the
    graph. The default is twice umap-learn's, 1,000 up to 10,000 points and 400 above: an epoch moves each point once, and costs less.
    Two maps of one seed are the same on any number of threads; across machines and versions, keep the file, not the seed.
    So what shares matrix products among threads (building the index, the start) runs on one thread, and the rest on ``threads``.
    """
    points = as_points(points)
    n, d = len(points), points.dim
    if n < 4:
        raise InputError(f"umap_map: expected at least 4 points, got {n}; use pca_map")
    if n_neighbors < 2:
        raise InputError(f"umap_map: expected n_neighbors of at least 2, got {n_neighbors}")
    if index is None:
        index = _graph_index(points, seed)
    index.holding(points, "umap_map")
    k, n_epochs = min(n_neighbors, n - 1), n_epochs or (1000 if n <= 10_000 else 400)
    threads = threads or all_threads()
    near = index.search(points, k, threads=threads)
    rows, distances = _self_first(near.rows, _chords(near.cosines))
    with threadpool_limits(1):
        rough = PCA(min(2, d), normalize=True).fit(points).transform(points)
    rough = np.pad(rough, ((0, 0), (0, 2 - rough.shape[1])))
    layout = {"min_dist": min_dist, "n_epochs": n_epochs, "seed": seed, "threads": threads}
    coordinates = _lay_out(rows, distances, rough, **layout)
    facts = {
        "method": "umap",
        "n_neighbors": k,
        **layout,
        "index": {name: index.facts.get(name) for name in ("kind", "setting", "recall", "seed", "threads")},
        "versions": _versions("numpy", "umap-learn", "faiss-cpu", "numba"),
    }
    return Map(coordinates, _names(points), rows[:, 1:], distances[:, 1:], facts, points.stamp)


def _graph_index(points: Points, seed: int) -> Index:
    # Lists train and answer n queries sooner than a graph is linked.
    kind = list_kind(len(points), points.dim) if len(points) >= FLAT_ROWS else None
    return build_index(points, recall=_GRAPH_RECALL, kind=kind, seed=seed, threads=1)


def _lay_out(
    rows: np.ndarray,
    distances: np.ndarray,
    rough: np.ndarray,
    *,
    min_dist: float,
    n_epochs: int,
    seed: int,
    threads: int,
) -> np.ndarray:
    """Places (n, 2) in which UMAP's graph of given neighbours lies well, found from ``rough`` places on."""
    from umap.umap_ import find_ab_params, fuzzy_simplicial_set

    from clipspace.search.umap_layout import lay_out, openmp_kept, spectral_start

    n, k = rows.shape
    # The points themselves are only counted, and nothing is drawn, as the neighbours are given.
    neighbours = {"knn_indices": rows, "knn_dists": distances}
    with progress.task("weighing the graph"):
        with openmp_kept():
            graph = fuzzy_simplicial_set(np.empty((n, 0)), k, None, "euclidean", **neighbours)[0]
        a, b = find_ab_params(1.0, min_dist)
        with threadpool_limits(1):
            start = spectral_start(graph, rough, seed=seed)
    return lay_out(graph, start, a=a, b=b, n_epochs=n_epochs, seed=seed, threads=threads)


def _self_first(rows: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every point as its own first neighbour at distance 0, as UMAP expects; the others in order, the last dropped."""
    n, k = rows.shape
    is_self = rows == np.arange(n)[:, None]
    # A point that did not find itself, for copies of it came first, gives up its last neighbour instead.
    is_self[~is_self.any(axis=1), -1] = True
    is_other = ~is_self
    rows = np.concatenate([np.arange(n)[:, None], rows[is_other].reshape(n, k - 1)], axis=1)
    distances = np.concatenate([np.zeros((n, 1)), distances[is_other].reshape(n, k - 1)], axis=1)
    return rows, np.where(rows < 0, np.inf, distances).astype(np.float32)


def _chords(cosines: np.ndarray) -> np.ndarray:
    """Distances between unit vectors from their cosines; 0 where rounding took a cosine above 1."""
    return np.sqrt(np.maximum(2 - 2 * cosines, 0))


def _names(points: Points) -> list[str]:
    return [str(name) for name in points.names]


def _versions(*packages: str) -> dict[str, str]:
    return {package: version(package) for package in ("clipspace", *packages)}
