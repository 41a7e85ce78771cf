"""Availability: the skill with which a factor is predicted from a layer, divided by the best skill on any layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clipspace.measure.code_length import code_length
from clipspace.measure.cross_fitting import REPEATS, Skills
from clipspace.measure.estimate import Estimate
from clipspace.probes.factors.factor import Factor, features
from clipspace.probes.factors.layers import CODE, EMBEDDING, PIXELS
from clipspace.probes.factors.readout import FEWEST, skills
from clipspace.reprs import brief
from clipspace.seeds import stream

POSITIVE = 0.2
"""Best skill that some layer of the images must reach, with an interval above 0, before "ignored" can be said of a factor."""
CURVE = (8, 4, 2, 1)
"""The learning curve is over n divided by these."""


@dataclass(frozen=True, eq=False)
class Availability:
    """What read-outs find about one factor: `Skills` by layer, code lengths of the embedding, and the learning curve.

    ``curve`` is float64 ``(4, 4)``: number of images, best skill, low and high on an eighth, a quarter, half and all of
    the images; NaN where a part has too few images.
    """

    skills: Mapping[str, Skills]
    bits: Estimate
    usable: Estimate
    curve: np.ndarray

    __repr__ = brief

    @property
    def ceiling(self) -> str:
        """The layer of the highest best skill; scenes have their own code, which loses nothing."""
        return max(self.skills, key=lambda layer: self.skills[layer].best.value)

    def share(self, layer: str) -> Estimate:
        """Best skill on ``layer`` over the best of any layer. Where it is the best itself, its interval looks at the second."""
        others = [found.best for name, found in self.skills.items() if name != layer]
        return self.skills[layer].best.share_of(max(others, key=lambda best: best.value))

    @property
    def is_measurable(self) -> bool:
        """Whether something that sees images alone finds the factor, at this number of images: a positive control."""
        seen = [found.best for layer, found in self.skills.items() if layer != CODE]
        return any(best.value >= POSITIVE and best.low > 0 for best in seen)

    def estimates(self) -> dict[tuple[str, str], Estimate]:
        """Every number by (layer, component). Availability, best over ceiling, only where `is_measurable`."""
        out = {}
        for layer, found in self.skills.items():
            out |= {(layer, capacity): estimate for capacity, estimate in found.skill.items()}
            out[layer, "best"] = found.best
            if self.is_measurable and layer not in (CODE, PIXELS):
                out[layer, "availability"] = self.share(layer)
        out[EMBEDDING, "selectivity"] = self.skills[EMBEDDING].selectivity
        return out | {(EMBEDDING, "bits"): self.bits, (EMBEDDING, "usable"): self.usable}


def availability(
    factor: Factor, layers: Mapping[str, np.ndarray], *, capacities: Sequence[str], curve: bool, seed: int
) -> Availability:
    """`Availability` of a factor in ``layers`` ``(n, d)`` of all images; it looks at those that have the factor."""
    rows = factor.rows
    values = [factor.values[i] for i in rows]
    found = {}
    for layer, x in layers.items():
        how = {"repeats": REPEATS if layer == EMBEDDING else 1, "control": layer == EMBEDDING}
        found[layer] = skills(x[rows], values, period=factor.period, capacities=capacities, seed=seed, **how)
    targets, labels = features(values, period=factor.period)
    code = code_length(layers[EMBEDDING][rows], targets, labels=labels, seed=seed)
    drawn = _curve(factor, layers[EMBEDDING], capacities, seed) if curve else np.full((len(CURVE), 4), np.nan)
    best = found[EMBEDDING].best
    drawn[-1] = best.n, best.value, best.low, best.high
    return Availability(found, code.saved, code.usable, drawn)


def _curve(factor: Factor, x: np.ndarray, capacities: Sequence[str], seed: int) -> np.ndarray:
    """Best skill on parts of the images, the smaller within the larger; the last row is left for all of them."""
    order = stream(seed, "learning curve").permutation(factor.rows)
    out = np.full((len(CURVE), 4), np.nan)
    for line, part in enumerate(CURVE[:-1]):
        rows = order[: len(order) // part]
        values = [factor.values[i] for i in rows]
        out[line, 0] = len(rows)
        if len(rows) < FEWEST or len(set(values)) < 2:
            continue
        how = {"capacities": capacities, "repeats": 1, "control": False}
        best = skills(x[rows], values, period=factor.period, seed=seed, **how).best
        out[line, 1:] = best.value, best.low, best.high
    return out
