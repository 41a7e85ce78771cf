"""All decoders by name, and the one way to load any of them.

Each module of this package is a family of decoders: ``FACTS``, what is known of them before one is loaded, and
``load(facts, folder, place, encoder, **options)`` for one of these. It may have ``check(facts, **options)``, which raises what
is wrong with the options and can be known before a CLIP is loaded.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from clipspace.errors import CheckpointError, InputError, SpaceMismatchError
from clipspace.models.components import Components
from clipspace.models.contract import Encoder
from clipspace.models.diffusion_decoder import DiffusionDecoder
from clipspace.models.facts import DecoderFacts
from clipspace.models.folders import Placement, Source, kind_of, read_index
from clipspace.points.stamps import Stamp, compute_alike, of_two_libraries

_FAMILIES = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
LOADERS: dict[DecoderFacts, Callable[..., DiffusionDecoder]] = {
    facts: partial(family.load, facts) for family in _FAMILIES for facts in family.FACTS
}
_CHECKS = {facts: family.check for family in _FAMILIES if hasattr(family, "check") for facts in family.FACTS}
DECODERS: dict[str, DecoderFacts] = {facts.name: facts for facts in LOADERS}


def facts_of(folder: Source, name: str | None = None) -> DecoderFacts:
    """The decoder that a folder holds, which must be ``name`` where one is asked for.

    Pipelines in memory are used as they are, so those whose networks would be changed are none.
    """
    changed = {facts for family in _FAMILIES if getattr(family, "CHANGES_NETWORKS", False) for facts in family.FACTS}
    usable = LOADERS.keys() - (changed if isinstance(folder, Components) else set())
    known = sorted({kind for facts in usable for kind in facts.class_names})
    kind = kind_of(folder, known)
    fitting = [facts for facts in LOADERS if facts in usable and kind in facts.class_names]
    if not fitting:
        raise CheckpointError(f"load_space: expected one of {known} in {str(folder)!r}, got {kind!r}")
    if name is None:
        return fitting[0]
    for facts in fitting:
        if facts.name == name:
            return facts
    raise CheckpointError(f"load_space: expected a {name!r} decoder in {str(folder)!r}, got {fitting[0].name!r}")


def check_options(facts: DecoderFacts | None, options: Mapping[str, Any]) -> None:
    """Raise `InputError` unless a decoder takes these options; None is no decoder, or one by gradients, and takes none.

    Raises `CheckpointError` for a file that they name, or name by default, and that cannot be had.
    """
    parameters = {} if facts is None else signature(LOADERS[facts]).parameters
    taken = [name for name, parameter in parameters.items() if parameter.kind is Parameter.KEYWORD_ONLY]
    unknown = sorted(set(options) - set(taken))
    if unknown:
        name = "a space without a decoder of its own" if facts is None else f"the decoder {facts.name!r}"
        raise InputError(f"load_space: {name} takes {taken or 'no decoder_options'}, got {unknown}")
    if facts in _CHECKS:
        _CHECKS[facts](facts, **options)


def check_named(folder: Source, facts: DecoderFacts, clip: str) -> None:
    """Raise `SpaceMismatchError`, before a CLIP is loaded, where its id alone tells that a decoder is of another.

    `check_serves` decides, once both are loaded, where it does not: for a folder that holds a stamp, or a local CLIP.
    """
    indexed = isinstance(folder, Components) or (folder / "model_index.json").is_file()
    stamped = indexed and {"clip", "clip_weights"} & read_index(folder).keys()
    known = {name for one in LOADERS if one.class_names == facts.class_names for name in one.clip}
    if not stamped and ":" not in clip and clip not in known:
        raise SpaceMismatchError(
            f"load_space: the {facts.name!r} checkpoint was trained for {facts.clip[0]} (d={facts.dim}), got {clip!r}; "
            "load the CLIP it was trained for, or a checkpoint for this one"
        )


_SEEN = ("layer", "activation", "heads", "pooling", "norm_epsilon", "mean", "std")
"""Of an encoder's function, what makes a vector of a square image. Where a release of open_clip says it in other words,
the fingerprint decides."""


def load_decoder(
    folder: Source, facts: DecoderFacts, place: Placement, encoder: Encoder, **options: Any
) -> DiffusionDecoder:
    """The decoder in a folder, which `facts_of` named, checked against the encoder it is to serve.

    ``options`` go to the decoder: ``noise_level`` and ``noise_seed`` of Stable unCLIP, ``upsample`` of Karlo, ``adapter`` and
    ``adapter_scale`` of IP-Adapter. Raises
    `CheckpointError` for a folder that is incomplete or corrupt, `SpaceMismatchError` for a decoder of another CLIP.
    """
    decoder = LOADERS[facts](folder, place, encoder, **options)
    check_serves(encoder, decoder.facts, decoder.dim, decoder.clip)
    return decoder


def check_serves(
    encoder: Encoder, facts: DecoderFacts, dim: int, clip: Stamp | str | None, *, of_texts: bool = False
) -> None:
    """Raise `SpaceMismatchError` unless a decoder (or prior) was trained for this CLIP, as far as can be known.

    The stamp of the CLIP decides where the folder has one: its weights, and of its function what makes a vector of an
    image but for how the image is cut to a square. A CLIP built by another library is taken by its fingerprint, which must be
    the same also for texts where a prior takes embeddings ``of_texts``. Folders of clipspace 0.1 have a digest of the weights
    alone. Else the open_clip id decides; a local folder or a hub id, which say nothing of their weights, are taken at their dimension.
    """
    stamp = encoder.stamp
    if isinstance(clip, Stamp):
        unlike = [name for name in _SEEN if getattr(clip.function, name) != getattr(stamp.function, name)]
        alike = compute_alike(clip.function, stamp.function)
        fits = clip.weights == stamp.weights and (not unlike or alike)
        fits = fits or (of_two_libraries(clip, stamp) and (alike or not of_texts))
        wanted = f"{clip}" + (f", which differs in {', '.join(unlike)}" if unlike else "")
    elif clip is not None:
        fits, wanted = clip == stamp.weights, f"weights {clip[:8]}"
    else:
        named = ":" not in encoder.identifier
        fits = dim == stamp.dim and (not named or encoder.identifier in facts.clip)
        wanted = f"{facts.clip[0]} (d={dim})"
    if not fits:
        raise SpaceMismatchError(
            f"load_space: the {facts.name!r} checkpoint was trained for {wanted}, got {stamp}; "
            "load the CLIP it was trained for, or a checkpoint for this one"
        )


def _guidance(facts: DecoderFacts) -> str:
    prior = facts.prior_guidance_scale
    return f"{facts.guidance_scale:g}" + (f"; prior {prior:g}" if prior != 1 else "")


def table() -> str:
    """The table of decoders in Markdown, as docs/decoders.md holds it."""
    head = ("decoder", "CLIP", "d", "takes", "no condition", "output", "guidance", "authors' sampler")
    head += ("images", "licence", "status")
    lines = [head, ("---",) * len(head)]
    for f in sorted(LOADERS, key=lambda facts: facts.name):
        row = (f"`{f.name}`", f"`{f.clip[0]}`", f.dim, f.takes, f.null, f.output, _guidance(f))
        lines.append((*row, f.sampler, f.resize_mode or "square", f.licence, f.status))
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"
