"""The fastest kind of index for one's own rows, by trial on some of them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from clipspace import progress
from clipspace.errors import InputError
from clipspace.points.arrays import gather
from clipspace.points.protocol import Points
from clipspace.search import faiss_backend
from clipspace.search.kinds import Kind, kinds_to_try
from clipspace.search.recall import Truth, measure, tune
from clipspace.seeds import stream

ROWS = 20_000
"""Largest number of rows that kinds are tried on."""
QUERIES = 400
SECONDS = 120.0
"""Time after which no further kind is tried."""
_REPEATS = 3


def fastest_kind(
    points: Points, *, memory: int | None = None, recall: float = 0.95, k: int = 10, seed: int = 0, threads: int
) -> tuple[Kind, dict[str, Any]]:
    """The kind that answers soonest at the recall asked for, and the table of the trial, for the facts of the index.

    Up to 20,000 rows are drawn and 400 queries beside them. Each kind that fits ``memory`` at full size and can win is built of
    the rows, tuned on half of the queries and timed on the other half, the best of three; kinds whose recall there is below
    ``recall`` lose. No kind is begun after two minutes. The winner depends on the machine, so a trial does not repeat itself;
    ``kind=`` of the facts does. Raises `InputError` where no kind fits, or rows are too few.
    """
    n, d = len(points), points.dim
    rows = np.sort(stream(seed, "trial").choice(n, min(n, ROWS + QUERIES), replace=False))
    if len(rows) < 10 * QUERIES:
        raise InputError(f"build_index: expected at least {10 * QUERIES} rows for a trial, got {n}; leave the kind out")
    vectors = gather(points, rows, unit=True)
    is_query = np.zeros(len(rows), bool)
    is_query[stream(seed, "trial queries").choice(len(rows), QUERIES, replace=False)] = True
    truth = Truth(vectors[is_query], k, threads)
    kept = vectors[~is_query]
    truth.see(kept, np.arange(len(kept)))
    table, begun = [], time.perf_counter()
    kinds = list(zip(kinds_to_try(n, d), kinds_to_try(len(kept), d), strict=True))
    for full, tried in progress.track(kinds, "trying kind"):
        if (memory is None or full.bytes <= memory) and (not table or time.perf_counter() - begun < SECONDS):
            table.append((full, _try(tried, kept, truth, recall=recall, seed=seed)))
    return _winner(table, recall, memory), {
        "rows": len(kept),
        "seconds": round(time.perf_counter() - begun, 1),
        "kinds": [tried for _, tried in table],
    }


def _try(kind: Kind, vectors: np.ndarray, truth: Truth, *, recall: float, seed: int) -> dict[str, Any]:
    """A row of the table: kind, setting, recall, and the seconds of building and of a query."""
    begun = time.perf_counter()
    built = faiss_backend.make(kind.factory, vectors.shape[1], seed=seed)
    if kind.training_rows:
        faiss_backend.train(built, vectors[: kind.training_rows], threads=truth.threads)
    faiss_backend.add(built, vectors, threads=truth.threads)
    build = time.perf_counter() - begun
    ids, half = np.arange(len(vectors)), len(truth.queries) // 2
    setting = tune(kind, built, ids, truth, slice(0, half), recall=recall)[0] if kind.knob else None
    reached = float(measure(built, ids, truth, slice(half, None)).mean())
    seconds = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        faiss_backend.search(built, ids, truth.queries[half:], truth.k, threads=truth.threads)
        seconds.append(time.perf_counter() - begun)
    query = min(seconds) / (len(truth.queries) - half)
    return {"kind": kind.factory, "setting": setting, "recall": reached, "build": build, "query": query}


def _winner(table: list[tuple[Kind, dict[str, Any]]], recall: float, memory: int | None) -> Kind:
    if not table:
        raise InputError(
            f"build_index: expected a memory that a kind fits, got {memory} bytes; allow more, or leave the kind out"
        )
    enough = [pair for pair in table if pair[1]["recall"] >= recall]
    return (
        min(enough, key=lambda pair: pair[1]["query"])[0]
        if enough
        else max(table, key=lambda pair: pair[1]["recall"])[0]
    )
