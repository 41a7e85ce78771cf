"""Building an index: choose its kind, hold queries out, train, fill, tune, verify."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clipspace import progress
from clipspace.errors import InputError, RecallError
from clipspace.parallel import check_engine, each
from clipspace.points.arrays import as_points, float32_blocks, gather, parts
from clipspace.points.protocol import Points, Vectors
from clipspace.search import faiss_backend
from clipspace.search.index import Index
from clipspace.search.kinds import Kind, choose_kind, kind_named
from clipspace.search.recall import Truth, about_copies, measure, search_all, tune
from clipspace.search.trial import fastest_kind


def build_index(
    points: Points | np.ndarray,
    *,
    names: Sequence[str] | None = None,
    memory: int | None = None,
    recall: float = 0.95,
    k: int = 10,
    queries: int = 1000,
    kind: Kind | str | None = None,
    seed: int = 0,
    threads: int | None = None,
    engine: str = "local",
    workers: int | None = None,
) -> Index:
    """Build an index for cosine search in ``points``, whose measured recall is at least ``recall``.

    Up to ``queries`` rows (a tenth at most) are held out while it is built; half of them tune it, the other
    half verify recall@k against a comparison with all rows; then they are added too. A Flat index is exact
    and needs neither. Two builds of one seed and thread count are the same.

    Any row as near as the k-th counts as right, so copies are not misses; the fact ``copies`` is the share of
    held-out rows that have a copy. If a graph was chosen and misses the recall, which happens with many copies of few
    rows, lists are built instead.

    Parameters
    ----------
    points : array (n, d), `Embeddings` or a store, read in parts: memory is that of the index and of one part
    names : n strings; those of ``points``, or row numbers, when omitted
    memory : largest size of the index in bytes; unlimited when None
    recall : share of the true ``k`` nearest neighbours that must be found
    kind : instead of the one that `choose_kind` chooses: "flat", "hnsw", "ivf", or a `Kind`; or "trial": the fastest of a few
        on some of these rows (`search.trial`), which takes up to some minutes; the table is the fact ``trial``
    threads : all cores when None
    engine, workers : "local", or "ray" to fill parts on ``workers`` cores of a Ray cluster, which are merged here
        in order. A graph (HNSW) is grown here all the same, as graphs of parts do not make one of the whole

    Raises
    ------
    RecallError
        If the recall verified on held-out rows is below ``recall``.
    InputError
        For zero rows or rows that are not finite, a memory too small, or names that are too few.
    """
    points = as_points(points)
    check_engine(engine, "build_index")
    names = points.names if names is None else names
    if len(names) != len(points):
        raise InputError(f"build_index: expected {len(points)} names, one per row, got {len(names)}")
    options = {"recall": recall, "k": k, "queries": queries, "seed": seed, "engine": engine, "workers": workers}
    options["threads"] = threads or faiss_backend.all_threads()
    built, ids, facts = _built_to_fit(points, kind, memory, options)
    return Index(
        built, ids=ids, names=names, stamp=points.stamp, modality=points.modality, sources=[points.hash], facts=facts
    )


def _built_to_fit(
    points: Points, kind: Kind | str | None, memory: int | None, options: dict[str, Any]
) -> tuple[Any, np.ndarray, dict[str, Any]]:
    """`_built` of the kind given, by itself or by name; else of the kind that suits, or of lists where a graph falls short."""
    size = {"n": len(points), "d": points.dim}
    if kind == "trial":
        options_of_trial = {name: options[name] for name in ("recall", "k", "seed", "threads")}
        fastest, trial = fastest_kind(points, memory=memory, **options_of_trial)
        built, ids, facts = _built(points, fastest, **options)
        return built, ids, facts | {"trial": trial}
    if kind:
        return _built(points, kind if isinstance(kind, Kind) else kind_named(kind, **size), **options)
    suited = choose_kind(**size, memory=memory, recall=options["recall"])
    try:
        return _built(points, suited, **options)
    except RecallError:
        if suited.merges:
            raise
        # Copies link to one another alone, and cut a graph in pieces; lists do not mind.
        lists = choose_kind(**size, memory=memory, recall=options["recall"], graph=False)
        return _built(points, lists, **options)


def _built(
    points: Points, kind: Kind, *, recall: float, k: int, queries: int, seed: int, threads: int, **placement: Any
) -> tuple[Any, np.ndarray, dict[str, Any]]:
    """A FAISS index of all ``points``, tuned and verified; the row number of each of its positions; and its facts."""
    n = len(points)
    held_out = _held_out(kind, n, queries, seed)
    added_first = np.delete(np.arange(n), held_out)
    empty = _trained(kind, points, added_first, seed=seed, threads=threads)
    truth = Truth(gather(points, held_out, unit=True), k, threads)
    built = _fill(empty, kind, points, held_out, truth, **placement)
    facts: dict[str, Any] = {"kind": kind.factory, "knob": kind.knob, "setting": None, "seed": seed, "threads": threads}
    if kind.knob is not None:
        with progress.task("tuning"):
            facts |= _tune_and_verify(built, kind, truth, added_first, recall, points)
        faiss_backend.add(built, truth.queries, threads=threads)
    return built, np.concatenate([added_first, held_out]), facts


def _held_out(kind: Kind, n: int, queries: int, seed: int) -> np.ndarray:
    """Rows that tune and verify; none for a kind with nothing to tune."""
    if kind.knob is None:
        return np.empty(0, np.int64)
    if min(queries, n // 10) < 2:
        raise InputError(
            f"build_index: expected at least 20 rows and 2 queries to tune {kind.factory}, got {n} and {queries}"
        )
    return _draw(np.arange(n), min(queries, n // 10), seed)


def _trained(kind: Kind, points: Points, rows: np.ndarray, *, seed: int, threads: int) -> Any:
    """An empty index, its quantisers trained on some of the kept rows: all parts are filled into copies of it."""
    empty = faiss_backend.make(kind.factory, points.dim, seed=seed)
    if kind.training_rows:
        sample = _draw(rows, min(kind.training_rows, len(rows)), seed)
        with progress.task(f"training on {len(sample):,} rows"):
            faiss_backend.train(empty, gather(points, sample, unit=True), threads=threads)
    return empty


def _fill(
    empty: Any, kind: Kind, points: Points, held_out: np.ndarray, truth: Truth, *, engine: str, workers: int | None
) -> Any:
    """The index of all rows but the ``held_out`` ones, whose nearest among them ``truth`` learns."""
    runs, fill_engine = (parts(points), engine) if kind.merges else ([(0, points)], "local")
    threads = 1 if fill_engine == "ray" else truth.threads
    filled = each(
        _fill_part, runs, empty, held_out, truth.queries, truth.k, threads, engine=fill_engine, workers=workers
    )
    built = None
    with progress.task("adding", len(points), "rows") as count:
        for part, cosines, rows in filled:
            truth.take(cosines, rows)
            count(part.ntotal)
            if built is None:
                built = part
            else:
                faiss_backend.merge(built, part)
    return built


def _fill_part(
    start: int, part: Vectors, empty: Any, held_out: np.ndarray, queries: np.ndarray, k: int, threads: int
) -> tuple[Any, np.ndarray, np.ndarray]:
    """A copy of ``empty`` with the rows of a part, whose first is number ``start``, and what is near the queries there."""
    filled, truth = faiss_backend.copy(empty), Truth(queries, k, threads)
    for block in float32_blocks(part, unit=True, start=start):
        rows = np.arange(start, start + len(block))
        is_added = ~np.isin(rows, held_out)
        faiss_backend.add(filled, block[is_added], threads=threads)
        truth.see(block[is_added], rows[is_added])
        start += len(block)
    return filled, truth.cosines, truth.rows


def _tune_and_verify(
    built: Any, kind: Kind, truth: Truth, ids: np.ndarray, recall: float, points: Points
) -> dict[str, Any]:
    if truth.crowded().any():
        truth.learn(points, search_all(kind, built, ids, truth))
    copies = truth.copied(itself=False)
    half = len(truth.queries) // 2
    setting, tuned = tune(kind, built, ids, truth, slice(0, half), recall=recall)
    recalls = measure(built, ids, truth, slice(half, None))
    verified = float(recalls.mean())
    if verified < recall:
        raise RecallError(
            f"build_index: expected recall@{truth.k} of at least {recall}, got {verified:.3f} on {len(recalls)} held-out "
            f"rows from {kind.factory} at {kind.knob} = {setting} (tuned to {tuned:.3f}); {about_copies(copies)}"
            + (
                "allow more memory, or ask for less"
                if kind.merges
                else "pass kind='ivf', whose lists copies do not harm"
            )
        )
    facts = {"setting": setting, "recall": verified, "k": truth.k, "queries": len(recalls), "rows_verified": len(ids)}
    return facts | {"copies": copies}


def _draw(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
