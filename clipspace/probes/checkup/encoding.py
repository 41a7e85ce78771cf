"""Checks of an encoder: its numbers, what it runs, what it sees, and whether texts find their images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from clipspace.models.activation import trained_with_quickgelu
from clipspace.models.diffusion_decoder import DiffusionDecoder
from clipspace.models.function import fingerprint_now
from clipspace.points.embeddings import Embeddings
from clipspace.points.stamps import TOLERANCE, Stamp
from clipspace.probes.checkup.line import Line, judged

if TYPE_CHECKING:
    from clipspace.space import Space

_GREYS = (0, 128, 255)
_SEEN = 2e-2
"""Largest error of a prepared pixel, in units of its standard deviation: rounding to 8 bits is 0.01 at most."""
_ROUNDED = 2e-2
"""Largest difference of a fingerprint in half precision."""
_SPREAD = 3.0
"""Largest ratio of two norms of one encoder's image vectors; 1.3 on the mini space."""
_DRAWS = 512
"""Number of vectors of white noise."""


def norms(space: Space, points: Embeddings) -> Line:
    """Whether the norms of image vectors are those that the decoder and the prior were trained on.

    The prior says which those are: it gives white noise the mean and the variance of its training vectors, and so their norm.
    The norm of single images is up to 1.2 times the mean on the mini space; another CLIP, or lengths that were lost, change
    it by factors. Without a prior, raw vectors must not be 1 long, and no vector three times as long as another.
    """
    norm = points.norm
    got = f"{norm.min():.4g} to {norm.max():.4g}, mean {norm.mean():.4g}"
    raw = space.decoder is not None and space.decoder.takes_raw
    unit = bool(np.allclose(norm, 1, atol=1e-3))
    usual = _usual_norm(space)
    ratio = np.inf if not norm.min() else norm.max() / norm.min()
    expected = f"about {usual:.4g}, as the prior's vectors" if usual else f"alike within a factor of {_SPREAD:g}"
    off = max(norm.mean() / usual, usual / norm.mean()) if usual and norm.mean() else ratio
    if raw:
        expected += ", and not 1: the decoder takes raw vectors"
    do = (
        "the vectors lost their length: encode without normalising them"
        if unit
        else "load the CLIP that the decoder was trained for; check dtype and preprocessing"
    )
    limits = (1.4, 2.0) if usual else (_SPREAD, 10.0)
    fail = bool((unit and raw) or off > limits[1])
    return judged("norms", float(off), doubt=off > limits[0], fail=fail, expected=expected, got=got, do=do)


def _usual_norm(space: Space) -> float | None:
    """The norm of the vectors that the prior was trained on; None without a prior."""
    if space.prior_model is None:
        return None
    white = torch.from_numpy(
        np.random.default_rng(0).standard_normal((_DRAWS, space.prior_model.dim), dtype=np.float32)
    )
    with torch.inference_mode():
        vectors = space.prior_model.to_embeds(white.to(space.prior_model.device))
    return float(vectors.float().norm(dim=1).mean())


def fingerprint(space: Space) -> Line:
    """Whether the model makes, as it runs now, the vectors that its stamp tells of, which was taken in float32 at loading.

    Cosines and norms of fixed images and texts are off by 1e-5 in float32 on the CPU, and by up to 1e-3 on a GPU; QuickGELU in
    place of GELU in the text tower of the mini space alone is .004, and so is bfloat16, which may hide it: check in float32.
    """
    half = space.encoder.dtype.itemsize < 4
    most = _ROUNDED if half else TOLERANCE
    stamped = np.array(space.stamp.function.fingerprint)
    off = float(np.abs(np.array(fingerprint_now(space.encoder)) - stamped).max())
    return judged(
        "fingerprint",
        off,
        doubt=off > most,
        fail=off > (5 * most if half else most),
        expected=f"the cosines and norms of the stamp to {most:g}, in {space.encoder.precision}",
        got=f"off by {off:.1g}",
        do=f"the model does not compute what its stamp says: {space.encoder.wider}, without offload, and load it anew",
    )


def activation(space: Space) -> Line:
    """Whether the activation that the model runs is that which its weights were trained with, as far as it is known.

    open_clip's list knows of its tags; a decoder's folder that names its CLIP knows of that one.
    """
    function, (name, _, tag) = space.stamp.function, space.encoder.identifier.partition("/")
    wants = trained_with_quickgelu(space.encoder.identifier if ":" in name else name, tag or None)
    runs = "QuickGELU" in function.activation
    told = _clip_of_folders(space)
    if wants is not None:
        expected, agrees = f"{'QuickGELU' if wants else 'GELU'}, as open_clip lists these weights", wants == runs
    elif told is not None:
        expected, agrees = f"{told}, as the CLIP of the decoder or the prior", told == function.activation
    else:
        do = "see what the weights were trained with on their model card: QuickGELU for OpenAI's, MetaCLIP's and most of DFN's"
        return Line("activation", "doubt", "not known of these weights", function.activation, do)
    do = "load the CLIP by open_clip's architecture and tag, or correct quick_gelu in its open_clip_config.json"
    return judged("activation", 0, doubt=False, fail=not agrees, expected=expected, got=function.activation, do=do)


def _clip_of_folders(space: Space) -> str | None:
    """The activation of the CLIP that the folder of the decoder, or of the prior, names; None where neither does."""
    decoder = space.decoder if isinstance(space.decoder, DiffusionDecoder) else None
    stamps = [part.clip for part in (decoder, space.prior_model) if part is not None and isinstance(part.clip, Stamp)]
    return next((stamp.function.activation for stamp in stamps if stamp.function is not None), None)


def pixels(space: Space) -> Line:
    """Whether grey images become (grey - mean) / std, with the mean and std that the stamp and open_clip's list name."""
    function = space.stamp.function
    mean, std = (np.array(numbers.split(), dtype=float) for numbers in (function.mean, function.std))
    listed = _listed(space.encoder.identifier)
    wrong = 0.0 if listed is None else float(np.abs(np.concatenate([listed[0] - mean, listed[1] - std])).max())
    seen = [
        space.encoder.prepare(Image.new("RGB", (64, 64), (grey,) * 3)).flatten(1).mean(dim=1).numpy() for grey in _GREYS
    ]
    should = [(grey / 255 - mean) / std for grey in _GREYS]
    off = max(wrong, float(np.abs(np.array(seen) - np.array(should)).max()))
    return judged(
        "pixels",
        off,
        doubt=False,
        fail=off > _SEEN,
        expected=f"(x - mean) / std with mean {function.mean}, std {function.std}",
        got=f"off by {off:.2g} standard deviations",
        do="images are normalised with another mean and std than the CLIP was trained with: load it by its tag, or correct "
        "preprocess_cfg",
    )


def _listed(identifier: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean and std of weights that open_clip lists; None for others."""
    import open_clip

    name, _, tag = identifier.partition("/")
    config = open_clip.get_pretrained_cfg(name, tag) if tag and ":" not in name else None
    if not config or "mean" not in config:
        return None
    return np.array(config["mean"]), np.array(config["std"])


def precision(space: Space) -> Line:
    """Whether the dtype suits all that the space does."""
    dtype = space.encoder.precision
    do = "images are drawn as well; where they are inverted, load with dtype='float32'"
    if dtype == "float16":
        do = f"float16 overflows above 65,504: where NaN shows, use bfloat16; {do}"
    expected = "float32 or float64 to invert; bfloat16 or float16 to encode and decode"
    return judged("dtype", 0, doubt=space.encoder.dtype.itemsize < 4, fail=False, expected=expected, got=dtype, do=do)


def matching(space: Space, points: Embeddings, texts: Sequence[str]) -> Line:
    """Whether images are nearer to their own text than to others, by cosine; ``texts`` are of rendered scenes.

    Of 8 scenes of the mini space 8 find their text. A CLIP of photographs has seen few such drawings, so a low share is a
    doubt of it; only at chance does it fail.
    """
    cosines = points.unit @ space.encode_texts(list(texts)).unit.T
    n, own = len(cosines), float(np.trace(cosines)) / len(cosines)
    others = (float(cosines.sum()) - own * n) / (n * (n - 1))
    right = float((cosines.argmax(axis=1) == np.arange(n)).mean())
    return judged(
        "matching",
        own,
        doubt=right < 0.5,
        fail=right <= 1 / n or own <= others,
        expected=f"own texts nearer than others (chance {1 / n:.0%})",
        got=f"{right:.0%} of {n} images find their text; cosine {own:.3f}, to others {others:.3f}",
        do="weights, tokenizer, activation or preprocessing are not those of one trained CLIP: look at the lines above",
    )
