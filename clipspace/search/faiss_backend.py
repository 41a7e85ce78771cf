"""FAISS behind one door: the only module that imports it, and only when first used.

On macOS, FAISS and PyTorch may each bring an OpenMP library into the process and crash; set OMP_NUM_THREADS=1
there rather than KMP_DUPLICATE_LIB_OK, which hides wrong results (faiss issues 2555, 4273).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from clipspace.errors import InputError

QUERIES = 128
"""Number of queries that one thread compares together."""


def all_threads() -> int:
    """Threads that FAISS would use by itself: OMP_NUM_THREADS, or all cores."""
    import faiss

    return faiss.omp_get_max_threads()


@contextmanager
def thread_count(threads: int) -> Iterator[Any]:
    """The faiss module, with its thread count set until the block ends."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        yield faiss
    finally:
        faiss.omp_set_num_threads(before)


def make(factory: str, d: int, *, seed: int) -> Any:
    """An empty index of inner products, of the kind that a factory string names. Its clustering is drawn from ``seed``."""
    import faiss

    index = faiss.index_factory(d, factory, faiss.METRIC_INNER_PRODUCT)
    lists = faiss.try_extract_index_ivf(index)
    if lists is not None:
        lists.cp.seed, lists.cp.niter = seed, 10
        lists.cp.min_points_per_centroid, lists.cp.max_points_per_centroid = 1, 10**6
    if isinstance(index, faiss.IndexIVFPQ):
        # Polysemous codes only serve a Hamming filter that is not used here, and take most of the training.
        index.do_polysemous_training = False
        index.pq.cp.seed, index.pq.cp.niter = seed, 10
        index.pq.cp.min_points_per_centroid, index.pq.cp.max_points_per_centroid = 1, 64
    return index


def train(index: Any, sample: np.ndarray, *, threads: int) -> None:
    with thread_count(threads):
        index.train(sample)


def add(index: Any, vectors: np.ndarray, *, threads: int) -> None:
    """Append rows. A graph grows on one thread: with more, its links would depend on which came first."""
    with thread_count(1 if hasattr(index, "hnsw") else threads):
        index.add(vectors)


def merge(index: Any, part: Any) -> None:
    """Append all rows of ``part``, trained alike, which is empty thereafter."""
    import faiss

    index.merge_from(part, 0 if faiss.try_extract_index_ivf(index) is None else index.ntotal)


def copy(index: Any) -> Any:
    import faiss

    return faiss.clone_index(index)


def search(index: Any, ids: np.ndarray, queries: np.ndarray, k: int, *, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Inner products (q, k) falling, and the ``ids`` of their positions, -1 where fewer than ``k`` were found."""
    products, positions = _by_block(lambda block: index.search(block, k), queries, threads=threads)
    return products, np.where(positions < 0, -1, ids[positions])


def nearest(
    points: np.ndarray, queries: np.ndarray, k: int, *, euclidean: bool, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` of ``points`` nearest to each query: inner products or squared distances, and positions, both (q, k)."""
    import faiss

    metric = faiss.METRIC_L2 if euclidean else faiss.METRIC_INNER_PRODUCT
    return _by_block(lambda block: faiss.knn(block, points, k, metric=metric), queries, threads=threads)


def _by_block(
    compare: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], queries: np.ndarray, *, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """What ``compare`` says of all ``queries``: it gets `QUERIES` at a time, on one thread.

    FAISS shares one matrix product among its threads, and the last bit of a product depends on its share. So no bit here
    depends on ``threads``.
    """
    import faiss

    blocks = [queries[start : start + QUERIES] for start in range(0, len(queries), QUERIES)] or [queries]
    if threads == 1 or len(blocks) == 1:
        with thread_count(1):
            compared = [compare(block) for block in blocks]
    else:
        with ThreadPoolExecutor(threads, initializer=faiss.omp_set_num_threads, initargs=(1,)) as pool:
            compared = list(pool.map(compare, blocks))
    left, right = (np.concatenate(arrays) for arrays in zip(*compared, strict=True))
    return left, right


def range_search(index: Any, queries: np.ndarray, least: float, *, threads: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each query, the inner products above ``least`` and their positions, best first."""
    with thread_count(threads):
        limits, products, positions = index.range_search(queries, float(least))
    of_queries = []
    for low, high in zip(limits[:-1].astype(int), limits[1:].astype(int), strict=True):
        order = np.argsort(-products[low:high], kind="stable")
        of_queries.append((products[low:high][order], positions[low:high][order]))
    return of_queries


def turn(index: Any, knob: str | None, setting: int | None) -> None:
    """Set the parameter that trades speed for recall."""
    if knob is not None:
        import faiss

        faiss.ParameterSpace().set_index_parameter(index, knob, setting)


def write(index: Any, path: Path) -> None:
    """The index as a file. Raises `OSError` where it does not fit: FAISS given a path only prints that closing it failed."""
    import faiss

    with path.open("wb") as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))


def read(path: Path, *, mmap: bool) -> Any:
    """The index in a file. With ``mmap``, its vectors stay on disk until they are looked at, and it is read-only."""
    import faiss

    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mmap else 0)
    except RuntimeError as error:
        raise InputError(f"open_index: could not read {path.name!r}: {error}") from None
