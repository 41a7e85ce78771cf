"""Decoding by an autoencoder of Stable Diffusion's size, one image at a time (as clipspace does) and a batch at once.

    python benchmarks/autoencoder.py --rows 1 2 4 8 --batch 1 2 4

Random weights, float32, 512 pixels, each number of images in a process of its own. Memory is above that of the weights.
"""

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from children import answer, most, spawn, timed

CONFIG = {  # AutoencoderKL of Stable Diffusion 1 and 2, as their configs have it
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "sample_size": 512,
}


@torch.inference_mode()
def measure(how: str, n: int) -> None:
    from diffusers import AutoencoderKL

    from clipspace.models.autoencoder import row_by_row

    torch.manual_seed(0)
    vae, latents = AutoencoderKL(**CONFIG).eval(), torch.randn(n, 4, 64, 64)

    def decode(x: torch.Tensor) -> torch.Tensor:
        return vae.decode(x, return_dict=False)[0]

    before = most()
    pixels, spent = timed(lambda: row_by_row(decode, latents) if how == "rows" else decode(latents))
    first = decode(latents[:1])
    answer(above=most() - before, wall=spent["wall"], difference=float((pixels[:1] - first).abs().max()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--batch", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return measure(args.child[0], int(args.child[1]))
    print(f"{'images':>6} {'how':6} {'MiB above the weights':>22} {'seconds':>8}  first image against it alone")
    for how, numbers in (("rows", args.rows), ("batch", args.batch)):
        for n in numbers:
            found = spawn(__file__, "--child", how, n)
            print(f"{n:6} {how:6} {found['above']:22.0f} {found['wall']:8.1f}  {found['difference']:.1e}", flush=True)


if __name__ == "__main__":
    main()
