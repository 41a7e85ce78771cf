"""Train the mini decoder: a diffusers UNet that draws an image from its CLIP embedding.

    python -m clipspace.mini.train_decoder --work runs/mini
    torchrun --nproc-per-node 2 -m clipspace.mini.train_decoder --work runs/mini --compile

Needs the CLIP of `train_clip`. Writes ``runs/mini/decoder/``: ``model_index.json``, ``unet/``,
``scheduler/``. Pixels are unshuffled (exact and invertible) to 32 x 32 x 12. The network predicts the clean
picture: of 12 numbers a patch, noise fills all and pictures few, and a thin network that must output noise
(as epsilon or v) stays grainy. Linear betas make DDIM steps dwell where outlines are decided; a tenth of the
embeddings is replaced by zeros for classifier-free guidance. Hidden weights are trained by Muon (Jordan et al. 2024),
which needs 0.7 to 0.8 of AdamW's steps for the same loss here, and the rest by AdamW: ``pip install 'clipspace[train]'``.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import open_clip
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.training_utils import EMAModel
from pytorch_optimizer import Muon
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from clipspace.mini.training import (
    TRAIN_SEED,
    arguments,
    batches,
    export_folder,
    first_process_first,
    join_processes,
    rendered_scenes,
    resume,
    save_checkpoint,
    to_pixels,
)


class Draws(NamedTuple):
    """Timesteps in training: stretches of first, last and share of the draws; and the weight that a draw has at least."""

    stretches: tuple[tuple[float, float, float], ...]
    least_weight: float


UNSHUFFLE = 2
UNET = {
    "sample_size": 32,
    "in_channels": 12,
    "out_channels": 12,
    "block_out_channels": (48, 96, 192, 192),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
    "mid_block_type": "UNetMidBlock2D",
    "up_block_types": ("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    "attention_head_dim": 64,
    "norm_num_groups": 16,
    "class_embed_type": "projection",
    "projection_class_embeddings_input_dim": 128,
    "resnet_time_scale_shift": "scale_shift",
}
NOISE_LEFT = 6e-4
"""Variance of the noise that a finished picture is taken to hold: about what the network misses of one.

What it misses stands in x_T divided by the root of this. With the 1e-4 of DDPM's betas x_T had a standard deviation of
2.2 and not 0.9, sampling could enlarge an error 300,000 times and not 200, and decodes were no better.
"""
SCHEDULER = {
    "trained_betas": [NOISE_LEFT, *np.linspace(1e-4, 0.02, 1000)[1:].tolist()],
    "prediction_type": "sample",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "timestep_spacing": "trailing",
}
SAVE_EVERY = 500
LOOK_BELOW = 450
"""The CLIP looks at guesses of earlier timesteps. Later ones are averages of all places where a thing may be, and asked to
look like one picture the network decides for a place at once: exact codes of pictures it would not draw are then lost."""
DRAWS = Draws(((0.0, 150.0, 0.12), (150.0, 650.0, 0.7), (650.0, 1000.0, 0.18)), least_weight=0.05)
LOOKING_DRAWS = Draws(((0.0, 150.0, 0.12), (150.0, 450.0, 0.38), (450.0, 1000.0, 0.5)), least_weight=0.15)
"""Where the CLIP looks: half of them keep the averages what they were."""
NULL_RATE = 0.1
EMA_HALF_LIFE = 44_000
"""Images after which a weight counts half in the average (Karras et al. 2022, arXiv 2206.00364, appendix F)."""
ADAMW_SHARE = 0.3
"""Learning rate of what Muon does not train, as a share of Muon's."""


def train(
    work: Path,
    *,
    scenes: int,
    steps: int,
    batch_size: int,
    lr: float,
    device: torch.device,
    compile: bool = False,
    weights: Path | None = None,
    decay: float = 0.35,
    perceptual: float = 0.0,
) -> Path:
    """Train for ``steps`` and return the folder of the averaged weights.

    ``weights`` is a folder this function returned, which the run begins from. The rate falls over the last
    ``decay`` of the steps. ``perceptual`` weighs what the CLIP sees of a guess beside its squared error.
    """
    torch.manual_seed(TRAIN_SEED)
    rank, processes = join_processes()
    with first_process_first():
        _, pictures = rendered_scenes(work, scenes)
        embeds = encoded(work, pictures, device)
    look = partial(seen, clip(work, device).visual.requires_grad_(False)) if perceptual else None
    unet = UNet2DConditionModel.from_pretrained(weights, subfolder="unet") if weights else UNet2DConditionModel(**UNET)
    unet = unet.to(device, torch.float32, memory_format=torch.channels_last)
    ema = EMAModel(
        unet.parameters(), decay=0.5 ** (batch_size / EMA_HALF_LIFE), inv_gamma=1.0, power=0.8, use_ema_warmup=True
    )
    scheduler = DDIMScheduler(**SCHEDULER)
    optimizer = muon(unet, lr)
    path, parts = work / "decoder.ckpt", {"unet": unet, "ema": ema, "optimizer": optimizer}
    first = resume(path, parts)
    ema.to(device)
    network = torch.compile(unet) if compile else unet
    look = torch.compile(look) if compile and look else look
    if processes > 1:
        network = DistributedDataParallel(network, gradient_as_bucket_view=True)
    begun, losses = time.monotonic(), []
    for step, rows in batches(len(pictures), batch_size, range(first, steps)):
        rng = torch.Generator().manual_seed((TRAIN_SEED * 1_000_003 + step) * processes + rank)
        rows = rows[rank::processes]
        x0 = torch.nn.functional.pixel_unshuffle(to_pixels(pictures[rows], device), UNSHUFFLE)
        z = torch.from_numpy(embeds[rows]).to(device)
        loss = denoising_loss(network, scheduler, x0, z, rng, look=look, perceptual=perceptual)
        descend(loss, unet, optimizer, lr * _trapezoid(step, steps, decay))
        ema.step(unet.parameters())
        losses.append(loss.item())
        if rank:
            continue
        if step % 100 == 0:
            rate = (step + 1 - first) * batch_size / (time.monotonic() - begun)
            print(f"step {step:6d}  loss {np.mean(losses[-500:]):.4f}  {rate:.1f} images/s", flush=True)
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            save_checkpoint(path, step + 1, parts)
            export(ema, scheduler, work)
    return work / "decoder"


def muon(unet: UNet2DConditionModel, lr: float) -> Muon:
    """Muon for the hidden matrices and kernels; AdamW for norms, biases and the first and last layer."""
    hidden, others = [], []
    for name, weight in unet.named_parameters():
        inside = weight.ndim >= 2 and not name.startswith(("conv_in", "conv_out"))
        (hidden if inside else others).append(weight)
    return Muon(
        [
            {"params": hidden, "lr": lr, "weight_decay": 0.01, "use_muon": True, "use_adjusted_lr": True},
            {"params": others, "lr": lr * ADAMW_SHARE, "betas": (0.9, 0.99), "use_muon": False},
        ]
    )


def descend(loss: torch.Tensor, unet: torch.nn.Module, optimizer: Muon, lr: float) -> None:
    """One step down the gradient of ``loss``, clipped to norm 1, at Muon's rate ``lr``."""
    for group in optimizer.param_groups:
        group["lr"] = lr if group["use_muon"] else lr * ADAMW_SHARE
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
    optimizer.step()


def denoising_loss(
    unet, scheduler, x0: torch.Tensor, z: torch.Tensor, rng: torch.Generator, *, look=None, perceptual: float = 0.0
) -> torch.Tensor:
    """E w |x_0 - f(x_t, t, z)|^2 with w the root of the signal-to-noise ratio, up to sqrt(5), and perceptual terms.

    Between the weights of v (Salimans & Ho 2022) and of Min-SNR (Hang et al. 2023, arXiv 2303.09556): with v's, what
    nobody can know, the place of a thing in pure noise, drowned the gradient of what can be learned, its outline.
    Timesteps are drawn as `DRAWS` says: most where outlines are decided, few where only places are.

    The squared error asks first where things are, and hardly what: the perceptual terms ask whether the CLIP sees the
    same in a guess as in the picture (Lin & Yang 2024, arXiv 2401.00110, where the network itself looks), and whether
    it embeds it to z, which holds what is there and little of where, below t = `LOOK_BELOW`. ``look`` is `seen` of its visual
    tower. They make decodes truer to z in minutes: see the model card.
    """
    n, device = len(x0), x0.device
    draws = LOOKING_DRAWS if look else DRAWS
    starts, stops, shares = torch.tensor(draws.stretches).T
    stretch = torch.multinomial(shares, n, replacement=True, generator=rng)
    t = torch.lerp(starts[stretch], stops[stretch], torch.rand(n, generator=rng)).long().to(device)
    noise = torch.randn(x0.shape, generator=rng).to(device)
    told = (torch.rand(n, generator=rng) >= NULL_RATE).to(device)
    x_t = scheduler.add_noise(x0, noise, t).contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16):
        guess = unet(x_t, t, encoder_hidden_states=None, class_labels=z * told[:, None]).sample.float()
        apart = told * (t < LOOK_BELOW) * unlikeness(look, guess, x0, z) if look else 0.0
    alpha = scheduler.alphas_cumprod.to(device)[t]
    weight = (alpha / (1 - alpha)).clamp_max(5).sqrt() + draws.least_weight
    return (weight * ((guess - x0).square().mean(dim=(1, 2, 3)) + perceptual * apart)).mean()


def unlikeness(look, guess: torch.Tensor, x0: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """How unlike a guess and its picture look to the CLIP ``(n,)``: squared distance of maps, and 1 - cos to z."""
    maps, embeds = look(guess)
    with torch.no_grad():
        true_maps, _ = look(x0)
    between = [(a - b).square().sum(dim=1).mean(dim=(1, 2)) for a, b in zip(maps, true_maps, strict=True)]
    return sum(between) / len(between) + 1 - torch.nn.functional.cosine_similarity(embeds, z)


def seen(visual: torch.nn.Module, unshuffled: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """What open_clip's ResNet makes of pictures: its first three stages, unit over channels, and the embedding."""
    x = torch.nn.functional.pixel_shuffle(unshuffled, UNSHUFFLE).contiguous(memory_format=torch.channels_last)
    x, maps = visual.stem(x), []
    for stage in (visual.layer1, visual.layer2, visual.layer3):
        x = stage(x)
        maps.append(torch.nn.functional.normalize(x.float(), dim=1))
    return maps, visual.attnpool(visual.layer4(x)).float()


def clip(work: Path, device: torch.device) -> torch.nn.Module:
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{work / 'clip'}")
    return model.eval().to(device, memory_format=torch.channels_last)


def encoded(work: Path, pictures: np.ndarray, device: torch.device) -> np.ndarray:
    """Unit image embeddings times sqrt(d) of all training pictures, float32 ``(n, d)``, computed once in bf16."""
    path = work / f"embeds-{len(pictures)}.npy"
    if not path.exists():
        model, out = clip(work, device), []
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            for start in tqdm(range(0, len(pictures), 500), desc="encode"):
                out.append(
                    model.encode_image(to_pixels(pictures[start : start + 500], device), normalize=True).float().cpu()
                )
        embeds = torch.cat(out).numpy()
        np.save(path, embeds * embeds.shape[1] ** 0.5)
    return np.load(path)


def export(ema: EMAModel, scheduler: DDIMScheduler, work: Path) -> Path:
    """Write the averaged weights as a folder that `load_space` takes as ``decoder=``."""
    unet = UNet2DConditionModel(**UNET)
    ema.copy_to(unet.parameters())
    for weight in unet.parameters():
        if weight.ndim >= 2:
            weight.data = rounded(weight.data)
    return export_folder(work, "decoder", unet, scheduler, {"pixel_unshuffle": UNSHUFFLE})


def rounded(weight: torch.Tensor) -> torch.Tensor:
    """To multiples of a power of two near a 23rd of their root mean square: 1.4 % off, and float16 zips to 0.53 of its size."""
    step = 2.0 ** torch.log2((weight.square().mean().sqrt() * 2.0**-4.5).clamp_min(2.0**-20)).round()
    return (weight / step).round() * step


def _trapezoid(step: int, steps: int, decay: float, warmup: int = 200) -> float:
    """Linear warm-up, a plateau, and a linear decay over the last ``decay`` of the run."""
    return min(1.0, (step + 1) / warmup, max(0.01, (steps - step) / (decay * steps)))


if __name__ == "__main__":
    parser = arguments(__doc__, steps=30_000, batch_size=32, lr=2.5e-3)
    parser.add_argument("--weights", type=Path, help="a decoder of this script to go on from, by its weights alone")
    parser.add_argument("--decay", type=float, default=0.35, help="share of the steps over which the rate falls")
    parser.add_argument(
        "--perceptual", type=float, default=0.0, help="weight of what the CLIP sees of a guess; try 0.3"
    )
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler; 1.3 times as fast")
    print(train(**vars(parser.parse_args())))
