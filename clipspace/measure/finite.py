"""What every measure asks of its points first."""

from __future__ import annotations

import numpy as np

from clipspace.errors import InputError


def check_finite(doing: str, *sets: np.ndarray) -> None:
    """Raise `InputError` for NaN or infinity in a set: compared, they look like an answer."""
    if not all(np.isfinite(x).all() for x in sets):
        raise InputError(f"{doing}: expected finite vectors, got NaN or infinity; drop those rows")
