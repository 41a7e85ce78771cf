"""Building an index: choose its kind, hold queries out, train, fill, tune, verify."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clipspace.blocks import float32_blocks, gather, shape, stamp_of
from clipspace.errors import InputError, RecallError
from clipspace.index import engine
from clipspace.index.kinds import Kind, choose_kind
from clipspace.index.recall import Truth, measure, tune
from clipspace.index.searching import Index


def build_index(
    points: Any,
    *,
    names: Sequence[str] | None = None,
    memory: int | None = None,
    recall: float = 0.95,
    k: int = 10,
    queries: int = 1000,
    kind: Kind | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Index:
    """An index of the directions of ``points`` by cosine, its recall measured and above what was asked.

    Up to ``queries`` rows (a tenth at most) are held out while it is built; half of them tune it, the other
    half verify recall@k against a comparison with all rows; then they are added too. A Flat index is exact
    and needs neither. Two builds of one seed and thread count are the same.

    Parameters
    ----------
    points : array (n, d), `Embeddings` or a store, read in blocks: memory is that of the index
    names : n strings; those of ``points``, or row numbers, when omitted
    memory : bytes the index may take; any when None
    recall : share of the true ``k`` nearest neighbours to be found
    kind : instead of the one that `choose_kind` chooses
    threads : all cores when None

    Raises
    ------
    RecallError
        If the recall verified on held-out rows is below ``recall``.
    InputError
        For zero rows or rows that are not finite, a memory too small, or names that are too few.
    """
    n, d = shape(points)
    named = getattr(points, "names", None) if names is None else names
    if named is not None and len(named) != n:
        raise InputError(f"build_index: expected {n} names, one per row, got {len(named)}")
    kind = kind or choose_kind(n, d, memory=memory, recall=recall)
    threads = threads or engine.all_threads()
    built = engine.make(kind, d, seed=seed)
    facts: dict[str, Any] = {"kind": kind.factory, "knob": kind.knob, "setting": None, "seed": seed, "threads": threads}
    if kind.knob is None:
        for block in float32_blocks(points, unit=True):
            engine.add(built, block, threads=threads)
        ids = np.arange(n)
    else:
        if min(queries, n // 10) < 2:
            raise InputError(
                f"build_index: expected at least 20 rows and 2 queries to tune {kind.factory}, got {n} and {queries}"
            )
        held = _draw(np.arange(n), min(queries, n // 10), seed)
        kept = np.delete(np.arange(n), held)
        truth = _fill(built, kind, points, held, kept, k=k, seed=seed, threads=threads)
        facts |= _tune_and_verify(built, kind, truth, kept, recall)
        engine.add(built, truth.queries, threads=threads)
        ids = np.concatenate([kept, held])
    return Index(
        built,
        ids=ids,
        names=named,
        space=stamp_of(points),
        modality=getattr(points, "modality", "image"),
        sources=[getattr(points, "hash", None)],
        facts=facts,
    )


def _fill(
    built: Any, kind: Kind, points: Any, held: np.ndarray, kept: np.ndarray, *, k: int, seed: int, threads: int
) -> Truth:
    """Train on some of the kept rows and add all of them; the exact neighbours of the held-out ones among them."""
    if kind.training_rows:
        sample = _draw(kept, min(kind.training_rows, len(kept)), seed)
        engine.train(built, gather(points, sample, unit=True), threads=threads)
    truth, start = Truth(gather(points, held, unit=True), k, threads), 0
    for block in float32_blocks(points, unit=True):
        low, high = np.searchsorted(kept, [start, start + len(block)])
        rows = kept[low:high]
        engine.add(built, block[rows - start], threads=threads)
        truth.see(block[rows - start], rows)
        start += len(block)
    return truth


def _tune_and_verify(built: Any, kind: Kind, truth: Truth, ids: np.ndarray, recall: float) -> dict[str, Any]:
    half = len(truth.queries) // 2
    setting, tuned = tune(kind, built, ids, truth, slice(0, half), recall=recall)
    each = measure(built, ids, truth, slice(half, None))
    verified = float(each.mean())
    if verified < recall:
        raise RecallError(
            f"build_index: expected recall@{truth.k} of at least {recall}, got {verified:.3f} on {len(each)} held-out "
            f"rows from {kind.factory} at {kind.knob} = {setting} (tuned to {tuned:.3f}); allow more memory, or ask for less"
        )
    return {"setting": setting, "recall": verified, "k": truth.k, "queries": len(each), "rows_verified": len(ids)}


def _draw(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
