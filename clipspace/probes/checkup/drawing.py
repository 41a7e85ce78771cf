"""Checks of a decoder: that it denoises, clips, brings embeddings back, stays in range, and inverts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from clipspace.diffusion.sampling import draw_noise
from clipspace.models.diffusion_decoder import DiffusionDecoder
from clipspace.models.precision import working_dtype
from clipspace.points.embeddings import Embeddings
from clipspace.probes.checkup.line import Line, judged
from clipspace.seeds import streams
from clipspace.sources.images import psnr, square
from clipspace.space.inputs import decoder_vectors

if TYPE_CHECKING:
    from clipspace.space import Space

_DIVIDES = 100.0
"""Largest amplification of an error in the first step. Stable Diffusion's schedule has 14, Kandinsky's 25, Karlo's 632."""
_FINE = 50
"""Steps among which the one of as much noise as signal is looked for."""
_LOUDEST = 99.0
"""PSNR in dB of equal images."""
_CEILING = 40.0
"""PSNR in dB above which an image counts as given back: 2.5 of 255 levels."""


def clipping(decoder: DiffusionDecoder, num_inference_steps: int) -> Line:
    """Whether x_0 is clipped where the first step divides by almost nothing, as checkpoints of pixel decoders do.

    A step that predicts the noise multiplies its error by noise / signal. Unclipped at 632 (Karlo, 50 steps), an error of
    .003 drives 28 % of the pixels out of [-1, 1].
    """
    schedule = decoder.schedule
    signal, noise = schedule.signal_and_noise(schedule.steps(num_inference_steps)[0][0])
    factor = noise / max(signal, 1e-12) if schedule.prediction == "epsilon" else 1.0
    clips = schedule.limit is not None
    return judged(
        "clipping",
        factor,
        doubt=False,
        fail=factor > _DIVIDES and not clips,
        expected=f"x_0 clipped, or errors of the first step amplified less than {_DIVIDES:g} times",
        got=f"{'clipped' if clips else 'not clipped'}, amplified {factor:.3g} times",
        do="the scheduler of the checkpoint clips x_0: take its scheduler_config.json whole, with clip_sample true",
    )


@torch.inference_mode()
def denoising(space: Space, images: Sequence[Image.Image], points: Embeddings) -> Line:
    """Whether the decoder removes noise better than the best linear guess, at as much noise as signal.

    The error over the linear guess's: .15 to .2 on the mini decoder, and 1.3 or more with random weights, whatever they predict.
    """
    decoder, schedule = space.decoder, space.decoder.schedule
    t = min((t for t, _ in schedule.steps(_FINE)), key=lambda t: _unevenness(schedule, t))
    signal, level = schedule.signal_and_noise(t)
    x_0 = decoder.to_latents(list(images)).to(working_dtype(space.encoder.dtype))
    noise = draw_noise(decoder.latent_shape, streams(0, len(images), "check")).to(x_0)
    x_t = signal * x_0 + level * noise
    cond = decoder.condition(torch.from_numpy(decoder_vectors(space, points, "check")))
    guess, _ = schedule.predicted(x_t, decoder.predict(x_t, t, cond), t)
    centred, told = x_0 - x_0.mean(), x_t - x_t.mean()
    slope = (centred * told).mean() / told.square().mean()
    ratio = float((guess - x_0).square().mean().sqrt() / (centred - slope * told).square().mean().sqrt())
    return judged(
        "denoising",
        ratio,
        doubt=ratio > 0.8,
        fail=ratio >= 1,
        expected="an error below 0.8 of the best linear guess's",
        got=f"{ratio:.2f} of it",
        do="the decoder's weights are not trained, or not all read, or the images are of another kind: get a whole copy of its "
        "folder, and try images that it was trained on",
    )


def _unevenness(schedule, t) -> float:
    signal, noise = schedule.signal_and_noise(t)
    return abs(np.log(max(noise, 1e-12) / max(signal, 1e-12)))


def cycle(points: Embeddings, redrawn: Embeddings, *, decoder_is_sound: bool) -> Line:
    """Whether E(D(z)) is nearer to its own z than to those of other images.

    Of 8 scenes of the mini space 8 are, at a cosine of .92 and .27 to others. With the embeddings of another CLIP, or random
    weights, it is chance.
    """
    cosines = redrawn.unit @ points.unit.T
    n, own = len(cosines), float(np.trace(cosines)) / len(cosines)
    others = (float(cosines.sum()) - own * n) / (n * (n - 1))
    right = float((cosines.argmax(axis=1) == np.arange(n)).mean())
    if decoder_is_sound:
        do = "the decoder denoises, but does not follow z: these are embeddings of another CLIP than it was trained for, or of "
        do += "another scale, layer, activation or preprocessing"
    else:
        do = "see denoising: the decoder itself does not work"
    return judged(
        "cycle",
        own,
        doubt=right < 0.75,
        fail=right <= max(0.25, 1 / n) or own <= others,
        expected=f"images drawn of z nearest to their own z (chance {1 / n:.0%})",
        got=f"{right:.0%} of {n}; cosine {own:.3f}, to others {others:.3f}",
        do=do,
    )


def saturation(images: Sequence[Image.Image], drawn: Sequence[Image.Image]) -> Line:
    """Whether many more pixels of drawn images than of given ones are black or white to the last bit.

    .4 % on the mini space; 28 % and more where Karlo's steps are not clipped.
    """
    share, usual = _extreme(drawn), _extreme(images)
    return judged(
        "saturation",
        share,
        doubt=share > usual + 0.1,
        fail=share > usual + 0.25,
        expected=f"at most {usual + 0.1:.0%} of values at 0 or 255 ({usual:.1%} in the images)",
        got=f"{share:.1%}",
        do="lower --guidance; take the checkpoint's own scheduler, whose steps may clip x_0; see clipping and denoising",
    )


def _extreme(images: Sequence[Image.Image]) -> float:
    values = [np.asarray(image) for image in images]
    return float(np.mean([np.mean((image == 0) | (image == 255)) for image in values]))


def inversion(space: Space, image: Image.Image, point: Embeddings, num_inference_steps: int) -> Line:
    """Whether an image decoded from its own x_T is as good as the decoder's autoencoder makes it.

    On the mini space, without autoencoder, 45 dB and more. The bound of latent decoders is the image through their
    autoencoder alone, 25 to 35 dB.
    """
    decoder = space.decoder
    source = square(image, decoder.resolution)
    bound = psnr(decoder.to_images(decoder.to_latents([source]))[0], source, most=_LOUDEST)
    code = space.invert(source, embeddings=point, num_inference_steps=num_inference_steps, guidance_scale=1.0)
    back = psnr(space.decode(code.embeddings, **code.settings)[0], source, most=_LOUDEST)
    enough = min(bound, _CEILING)
    return judged(
        "inversion",
        back,
        doubt=back < enough - 1,
        fail=back < enough - 10,
        expected=f"{enough:.1f} dB, the least of the decoder's own bound ({bound:.1f}) and {_CEILING:g}",
        got=f"{back:.1f} dB in {num_inference_steps} steps, residual {float(code.residual[0]):.1e}",
        do="invert in float32 or float64, at 20 steps or more, without guidance; an image of another kind than the decoder draws "
        "is harder",
    )
