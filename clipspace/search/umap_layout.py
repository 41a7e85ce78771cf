"""UMAP's layout of a graph in the plane (McInnes et al. 2018, arXiv 1802.03426, section 3.2), repeatable on all threads.

umap-learn lays out on many threads or under a seed, not both: its threads move points that others read. Here all
points of an epoch move at once, each read where the epoch before left it, so that the result does not depend on
the number of threads. The forces are UMAP's; of an edge that is due each end moves once (in umap-learn twice) and
is pushed from three points drawn at random (there five), so that twice the epochs cost no more and settle better.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numba
import numpy as np
import scipy.sparse
from numba import float32, njit, prange, uint32, uint64
from scipy.sparse.linalg import lobpcg
from threadpoolctl import threadpool_limits

from clipspace import progress

_PUSHES = 3
_LEAST, _MOST = 2.0**-30, 2.0**14
"""Smallest and largest squared distance in the table of forces."""
_SHIFT = 17
"""Bits of a float32 below its exponent and the first 6 of its mantissa, which number the entries of the table."""
_FIRST = int(np.float32(_LEAST).view(np.uint32)) >> _SHIFT


def lay_out(
    graph: scipy.sparse.csr_matrix,
    start: np.ndarray,
    *,
    a: float,
    b: float,
    n_epochs: int,
    seed: int,
    threads: int,
) -> np.ndarray:
    """Places (n, 2), float32, in which points that ``graph`` joins lie near each other.

    Parameters
    ----------
    graph : symmetric (n, n), the strength of each edge in (0, 1]
    start : (n, 2) places to start from
    a, b : similarity at distance d is 1 / (1 + a d^2b)

    >>> ring = scipy.sparse.csr_matrix(np.roll(np.eye(60), 1, axis=1) + np.roll(np.eye(60), -1, axis=1))
    >>> start = np.random.default_rng(0).normal(size=(60, 2))
    >>> places = lay_out(ring, start, a=1.6, b=0.9, n_epochs=100, seed=0, threads=1)
    >>> sides = np.linalg.norm(places - np.roll(places, 1, axis=0), axis=1)
    >>> bool(np.median(sides) < np.ptp(places, axis=0).min() / 5)
    True
    """
    graph = scipy.sparse.csr_matrix(graph, copy=True)
    graph.data[graph.data < graph.data.max() / n_epochs] = 0  # an edge this weak is never due
    graph.eliminate_zeros()
    graph.sort_indices()
    periods = (graph.data.max() / graph.data).astype(np.float32)
    due, ends, forces = periods.copy(), graph.indptr.astype(np.int64), _forces(a, b)
    places = np.array(start, dtype=np.float32, order="C")
    next_places = np.empty_like(places)
    with openmp_kept(), _numba_threads(threads):
        for epoch in progress.track(range(n_epochs), "laying out, epoch"):
            rate = np.float32(1 - epoch / n_epochs)
            _move(places, next_places, ends, graph.indices, due, periods, *forces, rate, epoch, seed)
            places, next_places = next_places, places
    return places


@contextmanager
def openmp_kept() -> Iterator[None]:
    """What runs in it leaves OpenMP's number of threads as it was.

    Numba, when it first runs on several threads, sets that number for all that follows: torch took all cores from then on, whatever
    OMP_NUM_THREADS says, and processes that share the cores waited for one another.
    """
    with threadpool_limits(limits=None):  # which sets nothing, and at its end what was before
        yield


@contextmanager
def _numba_threads(threads: int) -> Iterator[None]:
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        numba.set_num_threads(before)


def spectral_start(graph: scipy.sparse.csr_matrix, rough: np.ndarray, *, seed: int) -> np.ndarray:
    """Places (n, 2) within [0, 10] by the slowest modes of a walk on ``graph``, found from ``rough`` places on.

    Modes do not tell apart the points of a piece that is joined to no other, so a tenth of ``rough`` is mixed in.
    """
    rng = np.random.default_rng(seed)
    rough = _scaled(rough) + 1e-4 * rng.normal(size=rough.shape)  # copies would never part from one place
    roots = np.sqrt(np.maximum(np.asarray(graph.sum(axis=1)), 1e-12))
    walk = scipy.sparse.diags(1 / roots[:, 0]) @ graph @ scipy.sparse.diags(1 / roots[:, 0])
    block = np.hstack([roots, roots * (rough - rough.mean(axis=0))]).astype(np.float32)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it stopped before it converged, as it may
            values, modes = lobpcg(walk.astype(np.float32), block, largest=True, maxiter=50, tol=1e-4)
        modes = (modes / roots)[:, np.argsort(-values)[1:]]
    except (np.linalg.LinAlgError, ValueError):  # fewer points, or fewer that differ, than it needs
        modes = rough
    return _scaled(_scaled(modes) + 0.1 * rough)


def _scaled(places: np.ndarray) -> np.ndarray:
    """``places`` shifted and stretched to [0, 10] in both directions, or as far as they are not all one."""
    spread = np.ptp(places, axis=0)
    return 10 * (places - places.min(axis=0)) / np.where(spread > 0, spread, 1)


def _forces(a: float, b: float) -> tuple[np.ndarray, np.ndarray]:
    """How strongly an edge pulls and a drawn point pushes, per unit of distance, by the bits of the squared distance.

    A table, as powers would take most of the time; its steps are 1.6 % of a squared distance wide.
    """
    numbers = np.arange(_FIRST, (int(np.float32(_MOST).view(np.uint32)) >> _SHIFT) + 1, dtype=np.uint32)
    middle = ((numbers << _SHIFT) + (1 << (_SHIFT - 1))).view(np.float32).astype(np.float64)
    pull = -2 * a * b * middle ** (b - 1) / (1 + a * middle**b)
    push = 2 * b / ((0.001 + middle) * (1 + a * middle**b))
    return pull.astype(np.float32), push.astype(np.float32)


@njit(inline="always")
def _entry(across, up):
    squared = np.float32(min(max(across * across + up * up, float32(_LEAST)), float32(_MOST)))
    return uint64(squared.view(np.uint32) >> uint32(_SHIFT)) - uint64(_FIRST)


@njit(inline="always")
def _bounded(step):
    return min(max(step, float32(-4)), float32(4))


@njit(parallel=True, fastmath=True, cache=True)
def _move(
    places, next_places, ends, neighbours, due, periods, pull, push, rate, epoch, seed
):  # pragma: no cover - compiled
    n = uint64(len(places))
    for point in prange(len(places)):
        x, y = places[point, 0], places[point, 1]
        # A stream of random numbers for each point and epoch: splitmix64 seeds xorshift64.
        state = uint64(seed) + uint64(point) * uint64(0x9E3779B97F4A7C15) + uint64(epoch) * uint64(0xD1B54A32D192ED03)
        state = (state ^ (state >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> uint64(27))) * uint64(0x94D049BB133111EB)
        state = state ^ (state >> uint64(31)) | uint64(1)
        for edge in range(uint64(ends[point]), uint64(ends[point + 1])):
            if due[edge] > epoch:
                continue
            due[edge] += periods[edge]
            other = uint64(neighbours[edge])
            across, up = x - places[other, 0], y - places[other, 1]
            force = pull[_entry(across, up)]
            x += rate * _bounded(force * across)
            y += rate * _bounded(force * up)
            for _ in range(_PUSHES):
                state ^= state << uint64(13)
                state ^= state >> uint64(7)
                state ^= state << uint64(17)
                other = ((state >> uint64(32)) * n) >> uint64(32)
                if other == uint64(point):
                    continue
                across, up = x - places[other, 0], y - places[other, 1]
                force = push[_entry(across, up)]
                x += rate * _bounded(force * across)
                y += rate * _bounded(force * up)
        next_places[point, 0], next_places[point, 1] = x, y
