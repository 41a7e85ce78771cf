"""What an encoder sees of a guess: the perceptual term of the loss, through the encoder that made the vectors."""

from __future__ import annotations

import torch

from clipspace.errors import CapabilityError
from clipspace.models.contract import Encoder
from clipspace.training.loss import Look
from clipspace.training.vectors import Standard


def look_of(encoder: Encoder, unshuffle: int, standard: Standard) -> Look:
    """1 - the cosine between z and the embedding of a guess, as the encoder sees it at its own size, both less the store's mean.

    Vectors of most encoders lie in a narrow cone, in which plain cosines hardly differ. The encoder's weights are frozen.
    Raises `CapabilityError` for an encoder that has no gradient.
    """
    model = getattr(encoder, "model", None)
    if isinstance(model, torch.nn.Module):
        model.requires_grad_(False)

    def look(guess: torch.Tensor, x0: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        pixels = torch.nn.functional.pixel_shuffle(guess, unshuffle) / 2 + 0.5
        seen = encoder.differentiable(resized(pixels, encoder.image_shape)).float()
        unit = torch.nn.functional.normalize(seen, dim=1) * seen.shape[1] ** 0.5
        return 1 - torch.nn.functional.cosine_similarity(standard(unit), standard(z))

    _check_gradient(look, encoder, unshuffle)
    return look


def resized(pixels: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Images ``(n, 3, h, w)`` at another size, bicubic and antialiased, as `sources.images.square` makes them."""
    if tuple(pixels.shape[2:]) == tuple(shape):
        return pixels
    return torch.nn.functional.interpolate(pixels, shape, mode="bicubic", antialias=True)


def _check_gradient(look: Look, encoder: Encoder, unshuffle: int) -> None:
    guess = torch.zeros(1, 3 * unshuffle**2, 8, 8, device=encoder.device, requires_grad=True)
    try:
        look(guess, guess, torch.ones(1, encoder.stamp.dim, device=encoder.device)).sum().backward()
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        raise _no_gradient(encoder, " ".join(str(error).split())) from error
    if guess.grad is None or not guess.grad.isfinite().all():
        raise _no_gradient(encoder, "none, or one that is not finite")


def _no_gradient(encoder: Encoder, got: str) -> CapabilityError:
    return CapabilityError(
        f"train: expected an encoder with a gradient for the perceptual term, got {encoder.stamp}: {got}; "
        "train without it (perceptual=0, --perceptual 0)"
    )
