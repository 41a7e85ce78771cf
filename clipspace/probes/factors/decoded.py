"""The decoder's side of retention: what decodes show of each factor, with the controls that say whose doing it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clipspace import progress
from clipspace.errors import InputError
from clipspace.measure.reciprocal_rank import chance_reciprocal_rank, reciprocal_ranks
from clipspace.points import sphere
from clipspace.points.embeddings import Embeddings
from clipspace.probes.factors.erased import erasure_control
from clipspace.probes.factors.factor import Factor
from clipspace.probes.factors.readout import FEWEST
from clipspace.probes.factors.recovery import (
    cycle_agreement,
    cycle_read_out,
    decode_often,
    draw_unconditionally,
    fitted_read_out,
    recovery,
    unconditional,
)
from clipspace.probes.factors.resampled import Measure, measured
from clipspace.probes.factors.sensitivity import typical_angle
from clipspace.seeds import stream

if TYPE_CHECKING:
    from clipspace.space import Space

OF_DECODES = (
    "recovery", "unconditional", "reader", "cycle", "fitted reader", "erased cycle", "erased recovery", "others erased",
)  # fmt: skip
"""The components that are measured on decodes, in order."""
CANDIDATES = 1000
"""Points among which the rank of z is taken: z itself and others."""


def of_decoder(
    space: Space,
    factors: list[Factor],
    vectors: np.ndarray,
    *,
    decoded: int,
    decodes: int,
    num_inference_steps: int,
    seed: int,
    batch_size: int = 64,
) -> tuple[dict[tuple[str, str], Measure], dict[str, np.ndarray]]:
    """`OF_DECODES` for the factors that have a reader, and what is known of whole decodes.

    Of each of ``decoded`` scenes it draws ``decodes`` images, one for each factor that has a reader, and one without a
    condition. The second answer holds *cycle agreement* (`recovery.cycle_agreement`), and *reciprocal rank*: value, lower
    and upper end of the mean over scenes of 1 / the rank of z among up to `CANDIDATES` points by cosine to E(D(z)), its
    chance, and the number of candidates. ``batch_size`` decodes are encoded at a time.
    """
    readable = [factor for factor in factors if factor.read is not None]
    taken, others = _taken(factors, decoded, seed)
    points = Embeddings(vectors[taken], space.stamp)
    drawing = {"seed": seed, "num_inference_steps": num_inference_steps}
    images = decode_often(space, points, decodes, **drawing)
    drawn = draw_unconditionally(space, points, **drawing) if space.decoder.guides else None
    flat = [image for row in images for image in row]
    again = space.encode_images(flat, batch_size=batch_size).vectors.reshape(len(taken), decodes, -1)

    def cycle(factor: Factor, encoded: np.ndarray) -> Measure:
        known = sphere.unit(vectors[others]), [factor.values[i] for i in others]
        truth = [factor.values[i] for i in taken]
        return cycle_read_out(*known, sphere.unit(encoded), truth, period=factor.period, seed=seed)

    measures: dict[tuple[str, str], Measure] = {}
    for factor in readable:
        truth = [factor.values[i] for i in taken]
        parts = {"recovery": recovery(factor, truth, images, seed=seed)}
        if drawn is not None:
            parts["unconditional"] = unconditional(factor, truth, images, drawn, seed=seed)
        parts["reader"] = recovery(factor, truth, [[factor.image(int(i))] for i in taken], seed=seed)
        parts["cycle"] = cycle(factor, again)
        if len(taken) >= FEWEST:
            parts["fitted reader"] = fitted_read_out(sphere.unit(again), truth, period=factor.period, seed=seed)
        measures |= {(name, factor.name): part for name, part in parts.items()}
    first = {factor.name: cycle(factor, again[:, :1]) for factor in readable}
    for factor in progress.track(readable, "erasing factor"):
        rest = [other for other in readable if other is not factor]
        parts = erasure_control(space, factor, vectors, taken, cycle, first, rest, batch_size=batch_size, **drawing)
        measures |= {(name, factor.name): part for name, part in parts.items()}
    agreement = cycle_agreement(vectors[taken], again, typical=typical_angle(vectors, seed=seed), seed=seed)
    return measures, {
        "cycle agreement": np.array(agreement.value),
        "reciprocal rank": _rank(vectors, taken, again, seed),
    }


def readable_rows(factors: list[Factor]) -> list[int]:
    """Images of which every factor that has a reader can be read; empty where no factor has one."""
    rows = [set(factor.rows.tolist()) for factor in factors if factor.read is not None]
    return sorted(set.intersection(*rows)) if rows else []


def _taken(factors: list[Factor], decoded: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to decode, and those that readers of the cycle learn from."""
    shared = readable_rows(factors)
    taken = stream(seed, "decoded scenes").permutation(shared)[:decoded]
    for factor in factors:
        if factor.read is not None and len({factor.values[i] for i in taken}) < 2:
            raise InputError(
                f"retention: expected decoded scenes of different {factor.name!r}, got {len(taken)} of one; raise decoded"
            )
    return taken, np.setdiff1d(shared, taken)


def _rank(vectors: np.ndarray, taken: np.ndarray, again: np.ndarray, seed: int) -> np.ndarray:
    """Mean reciprocal rank, its interval, its chance and the number of candidates, float64 (5,)."""
    rest = np.setdiff1d(np.arange(len(vectors)), taken)
    others = stream(seed, "candidates").permutation(rest)[: CANDIDATES - 1]
    by_decode = [reciprocal_ranks(again[:, k], vectors[taken], vectors[others]) for k in range(again.shape[1])]
    mean = measured(np.mean(by_decode, axis=0), seed=seed)
    low, high = np.percentile(mean.draws, [2.5, 97.5])
    n = len(others) + 1
    return np.array([mean.value, low, high, chance_reciprocal_rank(n), n])
