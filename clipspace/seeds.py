"""Random streams of one seed: each draw has its own, keyed by the seed, its row and its purpose.

Two draws of one seed are independent where their purposes or their rows differ, and so are those of neighbouring
seeds. Never add to a seed: seed 0 at row 1 would be seed 1 at row 0.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from clipspace.errors import InputError


def stream(seed: int, purpose: str, row: int = 0) -> np.random.Generator:
    """The generator of one row's draws for one purpose.

    >>> a, b = (stream(0, purpose).standard_normal() for purpose in ("x_T", "prior"))
    >>> bool(a == stream(0, "x_T").standard_normal()), bool(a == b)
    (True, False)
    """
    return np.random.default_rng(_sequence(seed, purpose, row))


def streams(seed: int, n: int, purpose: str) -> list[np.random.Generator]:
    """One generator a row: row i depends on the seed, i and the purpose alone, whatever the batch."""
    _check(seed)
    return [stream(seed, purpose, row) for row in range(n)]


def child_seed(seed: int, purpose: str, row: int = 0) -> int:
    """A seed, below 2**53, for a call of its own: that of the i-th keyframe, say, or of the k-th draw."""
    return int(_sequence(seed, purpose, row).generate_state(1, np.uint64)[0] >> 11)


def _sequence(seed: int, purpose: str, row: int) -> np.random.SeedSequence:
    _check(seed)
    key = int.from_bytes(blake2b(purpose.encode(), digest_size=8).digest(), "little")  # Python's hash is salted
    return np.random.SeedSequence(int(seed), spawn_key=(key, int(row)))


def _check(seed: int) -> None:
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise InputError(f"seed: expected a non-negative integer, got {seed!r}")
