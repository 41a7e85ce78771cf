"""How alike two embeddings of the same things are: CKA and RSA."""

from __future__ import annotations

from clipspace.errors import InputError
from clipspace.measure import similarity
from clipspace.points.arrays import unit_rows
from clipspace.points.embeddings import Embeddings
from clipspace.points.store import Store
from clipspace.probes.rows import MAX_POINTS
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import scored
from clipspace.seeds import stream


def compare(a: Embeddings | Store, b: Embeddings | Store, *, max_points: int = MAX_POINTS, seed: int = 0) -> Result:
    """How alike two embeddings of the same things, row by row, are; they may be of different spaces.

    Chance of CKA is that of one set's rows shuffled. Rows beyond ``max_points`` are left out at random.
    """
    if len(a) != len(b):
        raise InputError(f"compare: expected the same rows of both, got {len(a)} and {len(b)}")
    rng = stream(seed, "sample")
    chosen = rng.permutation(len(a))[:max_points]
    x, y, n = unit_rows(a, chosen, "compare"), unit_rows(b, chosen, "compare"), len(chosen)
    z = y[rng.permutation(n)]
    rows = [
        scored(score="linear CKA", value=similarity.linear_cka(x, y), chance=similarity.linear_cka(x, z), n=n),
        scored(score="unbiased linear CKA", value=similarity.linear_cka(x, y, unbiased=True), chance=0.0, n=n),
        scored(score="RSA", value=similarity.rsa(x, y), chance=0.0, n=n),
    ]
    options = {"other": str(b.stamp), "max_points": max_points}
    return Result("compare", rows, provenance=provenance("compare", stamp=a.stamp, seed=seed, **options))
