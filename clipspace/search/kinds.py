"""Which kind of index suits a number of rows, a memory and a recall."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clipspace.errors import InputError

FLAT_ROWS = 10_000
"""Number of rows below which an exact search is fast enough."""
GRAPH_ROWS = 100_000
"""Largest number of rows for a graph (HNSW), which is built on one thread to be reproducible."""
_LINKS = 32
_POINTS_PER_LIST = 40


@dataclass(frozen=True)
class Kind:
    """A FAISS index by its factory string, the parameter that trades speed for recall, and the bytes it takes."""

    factory: str
    bytes: int
    knob: str | None = None
    settings: tuple[int, ...] = ()
    training_rows: int = 0

    @property
    def merges(self) -> bool:
        """Whether indexes of parts make one of the whole: not graphs, whose links join rows that were there before."""
        return not self.factory.startswith("HNSW")


def choose_kind(n: int, d: int, *, memory: int | None = None, recall: float = 0.95, graph: bool = True) -> Kind:
    """The fastest kind for ``n`` rows of ``d`` dimensions that fits ``memory`` bytes (any size when None).

    Flat for few rows or a recall of 1; a graph (HNSW) up to `GRAPH_ROWS`; inverted lists above, with vectors
    kept in 16 or 8 bits a dimension, or product-quantised to 2, as memory allows. Without ``graph``, lists in its
    place. Raises `InputError` when nothing fits.

    >>> choose_kind(1_000, 512).factory, choose_kind(50_000, 512).factory, choose_kind(1_000_000, 512).factory
    ('Flat', 'HNSW32,Flat', 'IVF4096,SQfp16')
    >>> choose_kind(1_000_000, 512, memory=10**9).factory
    'IVF4096,SQ8'
    """
    if n < 1:
        raise InputError(f"index: expected at least one row, got {n}")
    if not 0 < recall <= 1:
        raise InputError(f"index: expected a recall in (0, 1], got {recall}")
    flat, linked = kind_named("flat", n, d), kind_named("hnsw", n, d)
    lists = [list_kind(n, d, codec) for codec in ("SQfp16", "SQ8", "PQ")]
    if recall == 1 or n < FLAT_ROWS:
        candidates = [flat] if recall == 1 or n < 16 * _POINTS_PER_LIST else [flat, *lists]
    else:
        candidates = [linked, *lists] if graph and n <= GRAPH_ROWS else lists
    for kind in candidates:
        if memory is None or kind.bytes <= memory:
            return kind
    least = min(kind.bytes for kind in candidates)
    raise InputError(
        f"index: expected a memory of at least {least / 2**20:.1f} MiB for {n} rows of {d} dimensions at recall "
        f"{recall}, got {memory / 2**20:.1f} MiB; allow more, or ask for a lower recall"
    )


def kind_named(name: str, n: int, d: int) -> Kind:
    """The kind called "flat", "hnsw" or "ivf", in any case, for ``n`` rows of ``d`` dimensions. `InputError` for another."""
    match name.lower() if isinstance(name, str) else name:
        case "flat":
            return Kind("Flat", 4 * d * n)
        case "hnsw":
            return graph_kind(n, d)
        case "ivf":
            return list_kind(n, d)
    raise InputError(
        f"index: expected kind 'flat', 'hnsw', 'ivf' or 'trial', or one that choose_kind gives, got {name!r}"
    )


def graph_kind(n: int, d: int, codec: str = "Flat") -> Kind:
    """A graph (HNSW) of vectors as ``codec`` keeps them: "Flat", or "SQfp16", half the bytes to be read at every step."""
    settings = (10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512)
    size = {"Flat": 4 * d, "SQfp16": 2 * d}[codec]
    training_rows = (
        0 if codec == "Flat" else min(n, _POINTS_PER_LIST)
    )  # which a float16 ignores, though it asks for some
    return Kind(f"HNSW{_LINKS},{codec}", n * (size + 8 * _LINKS + 16), "efSearch", settings, training_rows)


def kinds_to_try(n: int, d: int) -> list[Kind]:
    """The kinds that can be fastest for ``n`` rows, whose cosines are good to half precision, in a fixed order."""
    return [
        kind_named("flat", n, d),
        graph_kind(n, d),
        graph_kind(n, d, "SQfp16"),
        list_kind(n, d),
        list_kind(n, d, lists=2),
    ]


def list_kind(n: int, d: int, codec: str = "SQfp16", *, lists: int = 1) -> Kind:
    """Inverted lists with vectors as ``codec`` keeps them: "SQfp16", "SQ8" or "PQ"; ``lists`` times the usual number.

    Half precision loses no recall that matters and is read faster than float32, so whole vectors are not kept.
    """
    size = {"SQfp16": 2 * d, "SQ8": d, "PQ": _parts(d)}[codec]
    count = lists * 2 ** max(0, round(math.log2(min(4 * math.sqrt(n), n / _POINTS_PER_LIST))))
    steps = [2**i for i in range(int(math.log2(count)) + 1)]
    return Kind(
        f"IVF{count},{codec}{size if codec == 'PQ' else ''}",
        n * (size + 16) + 4 * d * count,
        "nprobe",
        tuple(sorted({*steps, *(step * 3 // 2 for step in steps[1:-1])})),
        min(n, _POINTS_PER_LIST * count),
    )


def _parts(d: int) -> int:
    """Sub-vectors of a product quantiser: the most that divide ``d`` in parts of 4 dimensions or more."""
    return next(m for m in range(max(d // 4, 1), 0, -1) if d % m == 0)
