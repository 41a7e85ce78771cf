"""Exact inversion on every adapter, beside diffusers' DDIMInverseScheduler, on tiny random checkpoints.

    python benchmarks/inversion.py --steps 50

The same weights, steps, dtype and sampler back. The bound is what the autoencoder alone returns (of pixel decoders
x itself). Latents are in units of the schedule's noise.
"""

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMInverseScheduler

from clipspace import load_space
from clipspace.scenes import render, sample_scenes
from clipspace.sources.images import psnr, square

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import tiny

DECODERS = ["kandinsky", "kandinsky_21", "stable_unclip", "image_variations", "ip_adapter", "karlo"]


def made(name, home):
    """A tiny checkpoint in a folder of ``home``, and the options that load it."""
    if name == "ip_adapter":
        unet = tiny.stable_diffusion(home / name).unet
        return {"adapter": tiny.adapter(home / "adapter.safetensors", unet)}
    getattr(tiny, name)(home / name)
    return {"upsample": False} if name == "karlo" else {}


def inverted_by_diffusers(decoder, x, z, steps):
    """The usual loop: DDIM run backwards by the library's own scheduler."""
    times = decoder.schedule.timesteps(steps)
    betas = 1 - decoder.schedule.alphas_cumprod / torch.cat([torch.ones(1), decoder.schedule.alphas_cumprod[:-1]])
    scheduler = DDIMInverseScheduler(
        trained_betas=betas.float().numpy(), prediction_type=decoder.schedule.prediction, clip_sample=False,
        set_alpha_to_one=False,
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    with torch.inference_mode():
        for t in reversed(times):
            x = scheduler.step(decoder.predict(x, t, decoder.condition(z)), t, x).prev_sample
    return x


def row(name, space, images, steps):
    decoder = space.decoder
    points = space.encode_images(images)
    z = torch.from_numpy(points.vectors.copy())
    x_0 = decoder.to_latents(images)
    sources = [square(image, decoder.resolution) for image in images]
    found = {how: decoder.invert(z, x_0, num_inference_steps=steps, method=how) for how in ("exact", "ddim")}
    noise = {
        "exact": found["exact"].noise,
        "ddim": found["ddim"].noise,
        "diffusers": inverted_by_diffusers(decoder, x_0, z, steps),
    }
    print(f"{name:18}", end="")
    bound = np.mean([min(psnr(a, b), 99) for a, b in zip(decoder.to_images(x_0), sources, strict=True)])
    print(f"{bound:7.1f}", end="")
    for how, x_T in noise.items():
        back = decoder.draw(z, x_T, num_inference_steps=steps)
        error = (back - x_0).square().mean().sqrt().item()
        score = np.mean([min(psnr(a, b), 99) for a, b in zip(decoder.to_images(back), sources, strict=True)])
        evaluations = found["exact"].evaluations.float().mean().item() if how == "exact" else steps
        print(f" | {score:6.1f} dB {error:9.1e} {evaluations:5.0f}", end="")
    print(f" | residual {found['exact'].residual.max():.0e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--n", type=int, default=2)
    parser.add_argument("--decoders", nargs="*", choices=DECODERS, default=DECODERS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    images = [render(scene) for scene in sample_scenes(args.n, seed=77)]
    print(
        f"{args.steps} steps, guidance 1, float32, {args.n} images; each: PSNR of the image, error of the latents, evaluations"
    )
    print(f"{'decoder':18}{'bound':>7} | {'exact':^23} | {'DDIM, ours':^23} | {'DDIMInverseScheduler':^23}")
    with tempfile.TemporaryDirectory() as home:
        clip = tiny.clip(Path(home) / "clip")
        for name in args.decoders:
            options = made(name, Path(home))
            space = load_space(clip, decoder=Path(home) / name, device="cpu", decoder_options=options)
            row(name, space, images, args.steps)
            if name == "karlo":
                space.decoder.unet.conv_out.weight.mul_(0.2)
                row("karlo, output x 0.2", space, images, args.steps)
    row("mini", load_space("mini", device="cpu"), images, args.steps)


if __name__ == "__main__":
    main()
