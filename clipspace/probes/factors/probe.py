"""The probe itself: every component of every factor, in one table from kept to ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.errors import InputError, shortened
from clipspace.probes.factors.augmentations import augmentation_factors
from clipspace.probes.factors.decoded import OF_DECODES, of_decoder, readable_rows
from clipspace.probes.factors.factor import Factor, column_factors, scene_factors
from clipspace.probes.factors.readout import FEWEST, read_out_skills
from clipspace.probes.factors.resampled import Measure, mean_of
from clipspace.probes.factors.sensitivity import consistency, sensitivity, typical_angle
from clipspace.results.provenance import Provenance, drawn_with, provenance
from clipspace.results.result import Result
from clipspace.scenes import Scene, render
from clipspace.sources.images import read_images

if TYPE_CHECKING:
    from clipspace.space import Space

COMPONENTS = ("retention", "linear", "neighbours", "sensitivity", "consistency", *OF_DECODES)
_CHUNK = 256


def retention(
    space: Space,
    images: Sequence,
    *,
    factors: Sequence[str] | None = None,
    columns: Mapping[str, Sequence] | None = None,
    pairs: int = 200,
    decoded: int = 0,
    decodes: int = 3,
    num_inference_steps: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
) -> Result:
    """How much of each factor of a set of images is in their embeddings, from kept to ignored.

    Three questions of z, and two of its decodes. *linear* and *neighbours*: can the factor be read out of z of
    unseen images (`read_out`, skill 0 to 1)? *sensitivity*: how far does z move when only this factor changes, in
    units of the mean angle between unrelated images? *consistency*: does it move the same way every time?
    *recovery*: is the factor read off images decoded from z, beside *unconditional*, the same reader on what the decoder
    draws when told nothing, *reader*, on the true images, *cycle*, the linear read-out on E(D(z)), and *fitted reader*, one
    that learns from decodes (`recovery.fitted_read_out`)? Where cycle falls far below linear, the decoder cannot draw the
    factor, and recovery says nothing of CLIP. *erased*: do decodes lose the factor, and it alone, once it is erased from z
    (`erased.erasure_control`)? *retention*, which orders
    the table, is the mean of linear, neighbours and (where the factor can be changed) sensitivity, each cut to [0, 1];
    it asks the encoder only.

    The keys are ``component`` and ``factor``; ``result.table.pivot("factor", "component")`` has a row for each factor.
    ``labels["factors"]`` are the factors in order, ``arrays["draws"]`` the bootstrap draws of each row of the table, and with
    ``decoded`` ``arrays["cycle agreement"]`` and ``arrays["reciprocal rank"]`` are of whole decodes (`decoded.of_decoder`).

    Parameters
    ----------
    images : `Scene` objects, whose factors are known; or images, on which the augmentations are tried
    factors : names of those to measure, all when None
    columns : metadata of the images, ``{name: one value per image}``; they are read out, but cannot be changed
    pairs : counterfactual pairs for each factor
    decoded, decodes : number of images to decode, and of decodes of each; needs a decoder and scenes. Intervals of 40
        scenes are .2 wide: take 200. ``decoded * (decodes + 7)`` images are drawn, 200 scenes of three decodes in 14
        minutes at 20 steps on a core (mini)

    Raises `InputError` for fewer than 20 images of a factor, constant factors, unknown names and columns of another
    length, `CapabilityError` for ``decoded`` without a decoder.
    """
    if pairs < 2:
        raise InputError(f"retention: expected at least 2 pairs for each factor, got {pairs}")
    chosen = _choose(_factors_of(space, images, columns or {}, seed), factors)
    if decoded:
        _check_decodable(space, chosen, decoded)

    @cache  # factors that share a function of images share their embeddings
    def encode(image: Callable[[int], Any]) -> np.ndarray:
        return _encode(space, (image(i) for i in range(len(images))), batch_size)

    measures, of_decodes = {}, {}
    for factor in chosen:
        measures |= _of_encoder(space, factor, encode(factor.image), pairs, seed, batch_size)
    options: dict[str, Any] = {"images": len(images), "pairs": pairs}
    if decoded:
        steps = space.num_inference_steps if num_inference_steps is None else num_inference_steps
        looking = {"decoded": decoded, "decodes": decodes, "num_inference_steps": steps}
        parts, of_decodes = of_decoder(space, chosen, encode(chosen[0].image), seed=seed, **looking)
        measures, options = measures | parts, options | looking | drawn_with(space, steps)
    made = provenance("retention", space if decoded else None, stamp=space.stamp, seed=seed, **options)
    return _result(measures, of_decodes, made)


def _result(
    measures: Mapping[tuple[str, str], Measure], of_decodes: Mapping[str, np.ndarray], made: Provenance
) -> Result:
    """One row for each component and factor, factors from kept to ignored, and the draws of each."""
    kept = {factor: measure.value for (name, factor), measure in measures.items() if name == "retention"}
    factors = sorted(kept, key=lambda factor: -kept[factor])
    keys = [(name, factor) for name in COMPONENTS for factor in factors if (name, factor) in measures]
    arrays = {"draws": np.stack([measures[key].draws for key in keys]), **of_decodes}
    rows = [measures[name, factor].row(component=name, factor=factor) for name, factor in keys]
    return Result("retention", rows, _of_whole_decodes(of_decodes, made), arrays, {"factors": factors}, made)


def _of_whole_decodes(of_decodes: Mapping[str, np.ndarray], made: Provenance) -> list[str]:
    """A sentence on whether decodes are of the points that they were drawn from, and in how many steps they were drawn."""
    if not of_decodes:
        return []
    value, low, high, chance, n = of_decodes["reciprocal rank"]
    return [
        f"cycle agreement of E(D(z)) with z: {of_decodes['cycle agreement']:.2f} (1 closes, 0 is unrelated)",
        f"mean reciprocal rank of z among {n:.0f} points for its own decodes, at {made.options['num_inference_steps']} steps: "
        f"{value:.2f} (95 % {low:.2f} to {high:.2f}; chance {chance:.3f})",
    ]


def _of_encoder(
    space: Space, factor: Factor, vectors: np.ndarray, pairs: int, seed: int, batch_size: int
) -> dict[tuple[str, str], Measure]:
    """The components that ask the encoder alone, of one factor."""
    rows = factor.rows
    values = [factor.values[i] for i in rows]
    linear, neighbours = read_out_skills(vectors[rows], values, period=factor.period, seed=seed)
    parts = {"linear": linear, "neighbours": neighbours}
    if factor.change is not None:
        rng = np.random.default_rng([seed, 8])
        taken = rng.permutation(rows)[:pairs]
        changed = [factor.change(int(i), np.random.default_rng([seed, 9, int(i)])) for i in taken]
        after = _encode(space, (image for image, _ in changed), batch_size)
        old, new = [factor.values[i] for i in taken], [value for _, value in changed]
        typical = typical_angle(vectors, seed=seed)
        parts["sensitivity"] = sensitivity(vectors[taken], after, typical=typical, seed=seed)
        parts["consistency"] = consistency(vectors[taken], after, old, new, period=factor.period, seed=seed)
    parts["retention"] = mean_of([parts[name] for name in ("linear", "neighbours", "sensitivity") if name in parts])
    return {(name, factor.name): part for name, part in parts.items()}


def _factors_of(space: Space, images: Sequence, columns: Mapping[str, Sequence], seed: int) -> list[Factor]:
    if not len(images):
        raise InputError("retention: expected images or scenes, got none")
    if all(isinstance(image, Scene) for image in images):
        factors = scene_factors(images)
        image = factors[0].image if factors else lambda i: render(images[i])
        return [*factors, *column_factors(image, len(images), columns)]
    pictures, _ = read_images(images)
    augmented = augmentation_factors(pictures, side=space.encoder.image_size, seed=seed)
    return [*column_factors(lambda i: pictures[i], len(pictures), columns), *augmented]


def _choose(every: list[Factor], names: Sequence[str] | None) -> list[Factor]:
    known = {factor.name: factor for factor in every}
    if len(known) < len(every):
        twice = sorted({factor.name for factor in every if sum(other.name == factor.name for other in every) > 1})
        raise InputError(
            f"retention: expected columns of other names than the factors, got {shortened(twice)}; rename them"
        )
    unknown = [name for name in names or [] if name not in known]
    if unknown or not every:
        raise InputError(
            f"retention: expected factors that vary in these images {shortened(known)}, got {shortened(unknown)}; "
            "a factor that is the same in all of them cannot be measured"
        )
    chosen = [factor for factor in every if names is None or factor.name in names]
    for factor in chosen:
        if len(factor.rows) < FEWEST:
            raise InputError(
                f"retention: expected at least {FEWEST} images for the factor {factor.name!r}, got {len(factor.rows)}; "
                "add images, or name the factors to measure"
            )
    return chosen


def _check_decodable(space: Space, factors: list[Factor], decoded: int) -> None:
    space.noise(1)
    rows = readable_rows(factors)
    if not 2 <= decoded <= len(rows) - FEWEST:
        raise InputError(
            f"retention: expected decoded from 2 to {max(2, len(rows) - FEWEST)} with these images, got {decoded}; only "
            f"scenes of one thing can be read off pictures, here {len(rows)}, and {FEWEST} of them must stay undecoded"
        )


def _encode(space: Space, images: Iterable, batch_size: int) -> np.ndarray:
    """Raw embeddings ``(n, d)``, holding no more than a few hundred pictures at a time."""
    waiting, parts = iter(images), []
    while chunk := list(islice(waiting, _CHUNK)):
        parts.append(space.encode_images(chunk, batch_size=batch_size).vectors)
    return np.concatenate(parts)
