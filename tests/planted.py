"""Points and pictures with a planted truth."""

import numpy as np
from PIL import Image


def planted(rng, n, d=32):
    """Points on a direction of which a value is written with a known share of the variance (a half)."""
    value = rng.normal(size=n)
    z = rng.normal(size=(n, d))
    z[:, 0] = value + rng.normal(size=n)
    return z, value


def smooth_pictures(n, rng):
    """Coloured noise of several sizes, smooth enough to look like something."""
    return [Image.fromarray(rng.integers(0, 255, (7, 9, 3), dtype=np.uint8)).resize((90 + i, 70)) for i in range(n)]
