"""The probe itself: every component of every factor, in one table from kept to ignored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace import progress
from clipspace.errors import InputError, shortened
from clipspace.measure.cross_fitting import CAPACITIES
from clipspace.measure.estimate import Estimate
from clipspace.probes.factors.augmentations import augmentation_factors
from clipspace.probes.factors.availability import Availability, availability
from clipspace.probes.factors.ceilings import scene_code
from clipspace.probes.factors.decoded import OF_DECODES, of_decoder, readable_rows
from clipspace.probes.factors.factor import Factor, column_factors, scene_factors, without_single_labels
from clipspace.probes.factors.layers import CODE, EMBEDDING, FEATURES, layers_of
from clipspace.probes.factors.readout import FEWEST, checked, row_of
from clipspace.probes.factors.resampled import Measure
from clipspace.probes.factors.salience import salience
from clipspace.results.provenance import Provenance, drawn_with, provenance
from clipspace.results.result import Result
from clipspace.results.table import Row
from clipspace.scenes import Scene, render
from clipspace.sources.images import read_images

if TYPE_CHECKING:
    from clipspace.space import Space

COMPONENTS = (
    "availability", "best", "linear", "neighbours", "mlp", "selectivity", "bits", "usable", "sensitivity", "consistency", "variance",
    *OF_DECODES,
)  # fmt: skip
DECODES = "decodes"
"""The layer of what is asked of decoded images."""
_ORDER = (EMBEDDING, FEATURES)


def retention(
    space: Space,
    images: Sequence,
    *,
    factors: Sequence[str] | None = None,
    columns: Mapping[str, Sequence] | None = None,
    controls: Mapping[str, Space] | None = None,
    capacities: Sequence[str] = CAPACITIES,
    curve: bool = False,
    pairs: int = 200,
    decoded: int = 0,
    decodes: int = 3,
    num_inference_steps: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
) -> Result:
    """What a space keeps of each factor of a set of images: how well it is predicted from z, and how far it moves z.

    The keys are ``layer``, ``component`` and ``factor``. *Availability* is the answer to "kept or ignored":

    - ``linear``, ``neighbours``, ``mlp``: held-out skill of read-outs of rising capacity (0 is chance, 1 no error), on each layer;
      ``best``: of these, chosen on other folds.
    - ``availability``: best over the ceiling, the highest best skill of any layer. It orders the factors.
    - ``selectivity``: best minus the skill on a control task of equal size (`cross_fitting`).
    - ``bits``, ``usable``: bits per image that z saves when the values are sent, learning included; and in the last block.

    *Salience* is measured separately, because a factor that moves z little may be kept perfectly:

    - ``sensitivity``: how far z moves when this factor alone is drawn again, in units of the angle between unrelated images.
    - ``consistency``: whether it moves the same way every time.
    - ``variance``: the share of z's variance that the factor explains.

    The layers are "embedding" (z), "features" (before the projection, where the encoder has them), the same of each control
    ("untrained embedding", …), "pixels", and of scenes "code", which loses nothing. A factor that no layer but the code finds
    (best of `availability.POSITIVE`, interval above 0) has no positive control: "not measurable here", neither kept nor ignored,
    with no availability. Layer "decodes" asks decoded images: *recovery*: is the factor read off images decoded from z, beside
    *unconditional*, the same reader on what the decoder draws when told nothing, *reader*, on the true images, *cycle*, the
    linear read-out on E(D(z)), and *fitted reader*, one that learns from decodes (`recovery.fitted_read_out`)? Where cycle falls
    far below linear, the decoder cannot draw the factor, and recovery says nothing of CLIP. *erased*: do decodes lose the factor,
    and it alone, once it is erased from z (`erased.erasure_control`)?

    ``labels["factors"]`` are the factors by falling availability, those not measurable last, ``labels["not measurable"]``
    these, and ``labels["ceilings"]`` the layer that is the ceiling of each factor. ``arrays["errors"]`` is the standard error of
    each row; ``arrays["curve"]`` ``(factors, 4, 4)`` number of images, best skill, low, high on an eighth, a quarter, half and
    all of the images (without ``curve`` the last alone); with ``decoded`` ``arrays["cycle agreement"]`` and
    ``arrays["reciprocal rank"]`` are of whole decodes (`decoded.of_decoder`).

    Parameters
    ----------
    images : `Scene` objects, whose factors are known; or images, on which the augmentations are tried
    factors : names of those to measure, all when None
    columns : metadata of the images, ``{name: one value per image}``; they are read out, but cannot be changed
    controls : other spaces whose layers are read beside, by name, such as ``{"untrained": untrained_space(…)}``
    capacities : of the read-outs; "mlp" takes most of the time
    curve : whether to repeat the best read-out on parts of the images
    pairs : counterfactual pairs for each factor
    decoded, decodes : number of images to decode, and of decodes of each; needs a decoder and scenes. Intervals of 40
        scenes are .2 wide: take 200. ``decoded * (decodes + 7)`` images are drawn, 200 scenes of three decodes in 14
        minutes at 20 steps on a core (mini)
    batch_size : images encoded at a time, decodes too

    Images whose label no other has are left out of that factor, with a warning. Raises `InputError` for fewer than 20
    images of a factor, constant factors, unknown names and columns of another length, `CapabilityError` for ``decoded`` without a decoder.
    """
    if pairs < 2:
        raise InputError(f"retention: expected at least 2 pairs for each factor, got {pairs}")
    chosen = _choose(_factors_of(space, images, columns or {}, seed), factors)
    if decoded:
        _check_decodable(space, chosen, decoded)

    @cache  # factors that share a function of images share their layers
    def layers(image: Callable[[int], Any]) -> dict[str, np.ndarray]:
        code = {CODE: scene_code(images)} if isinstance(images[0], Scene) else {}
        return layers_of(space, controls or {}, (image(i) for i in range(len(images))), batch_size) | code

    kept, found, of_decodes = {}, {}, {}
    for factor in progress.track(chosen, "measuring factor"):
        every = dict(layers(factor.image))
        raw = every.pop("raw")
        _check_values(raw, factor)
        kept[factor.name] = availability(factor, every, capacities=capacities, curve=curve, seed=seed)
        found |= {(*key, factor.name): value for key, value in kept[factor.name].estimates().items()}
        salient = salience(space, factor, raw, pairs=pairs, seed=seed, batch_size=batch_size)
        found |= {(EMBEDDING, component, factor.name): value for component, value in salient.items()}
    options: dict[str, Any] = {"images": len(images), "pairs": pairs, "capacities": list(capacities)}
    if controls:
        options["controls"] = {name: str(control.stamp) for name, control in controls.items()}
    if decoded:
        steps = space.num_inference_steps if num_inference_steps is None else num_inference_steps
        looking = {"decoded": decoded, "decodes": decodes, "num_inference_steps": steps}
        vectors = layers(chosen[0].image)["raw"]
        parts, of_decodes = of_decoder(space, chosen, vectors, seed=seed, batch_size=batch_size, **looking)
        found |= {(DECODES, *key): value for key, value in parts.items()}
        options |= looking | drawn_with(space, steps)
    made = provenance("retention", space if decoded else None, stamp=space.stamp, seed=seed, **options)
    return _result(kept, found, of_decodes, made)


def _result(
    kept: Mapping[str, Availability],
    found: Mapping[tuple[str, str, str], Measure | Estimate],
    of_decodes: Mapping[str, np.ndarray],
    made: Provenance,
) -> Result:
    """One row for each layer, component and factor, factors from available to not."""
    unmeasured = [name for name, factor in kept.items() if not factor.is_measurable]
    shares = {name: found[EMBEDDING, "availability", name].value for name in kept if name not in unmeasured}
    factors = [*sorted(shares, key=lambda name: -shares[name]), *unmeasured]
    layers = list(dict.fromkeys([*_ORDER, *(layer for layer, _, _ in found)]))
    keys = [
        (layer, component, factor)
        for layer in layers
        for component in COMPONENTS
        for factor in factors
        if (layer, component, factor) in found
    ]
    arrays = {
        "errors": np.array([found[key].error for key in keys]),
        "curve": np.stack([kept[factor].curve for factor in factors]),
    }
    findings = []
    if unmeasured:
        findings.append(
            f"not measurable here (no read-out of any layer of the images finds them): {', '.join(unmeasured)}"
        )
    arrays |= of_decodes
    findings += _of_whole_decodes(of_decodes, made)
    rows = [
        _row(found[layer, component, factor], layer=layer, component=component, factor=factor)
        for layer, component, factor in keys
    ]
    ceilings = [kept[factor].ceiling for factor in factors]
    labels = {"factors": factors, "not measurable": unmeasured, "ceilings": ceilings}
    return Result("retention", rows, findings, arrays, labels, made)


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


def _row(found: Measure | Estimate, **keys: str) -> Row:
    return found.row(**keys) if isinstance(found, Measure) else row_of(found, **keys)


def _check_values(vectors: np.ndarray, factor: Factor) -> None:
    """Refuse, and warn of, what `read_out` would."""
    checked(vectors[factor.rows], [factor.values[i] for i in factor.rows], period=factor.period)


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
    chosen = [without_single_labels(factor) for factor in every if names is None or factor.name in names]
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
