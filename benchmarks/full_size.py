"""Decoders at their published size with random weights: clipspace against the library's own pipeline under DDIM.

    python benchmarks/full_size.py                                   names, shapes and counts of all, on the meta device
    python benchmarks/full_size.py kandinsky-2.2 stable-unclip-h     draws with these, one after another

Each draws one image from the same weights, embedding and x_T in two processes of their own. Memory is the most that a process had
resident, and on a GPU the most that torch allocated there; "loading" is that of clipspace until the space is there, beside the
weights in the dtype asked for. On a CPU, float32 files are mapped into memory, so that weights are resident only once they are used.
The CLIP is a tiny one of the right dimension. The weights need 3 to 6 GB of disk while a row runs. Where the configurations come
from stands in tests/published.py.
"""

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import published
import tiny
from children import answer, most, spawn

ROWS = {  # side in pixels, guidance of the authors
    "kandinsky-2.2": (512, 4.0),
    "stable-unclip-h": (768, 10.0),
    "stable-unclip-l": (768, 10.0),
    "sd-image-variations": (512, 3.0),
}
DIM = {"kandinsky-2.2": 1280, "stable-unclip-h": 1024, "stable-unclip-l": 768, "sd-image-variations": 768}
_NOISED = {"noise_level": 0, "noise_seed": 5}
_ROUNDING = 2.0**-22
"""Relative change of x_T by two units in the last place of float32."""


def write(name: str, folder: Path) -> None:
    """The folder of a decoder with random weights, in shards so that writing holds few of them twice."""
    torch.manual_seed(0)
    parts = {"unet": published.UNETS[name].build()}
    if name.startswith("kandinsky"):
        from diffusers import KandinskyV22Pipeline

        pipeline = KandinskyV22Pipeline(movq=published.MOVQ.build(), scheduler=tiny.kandinsky_scheduler(), **parts)
    elif name.startswith("stable-unclip"):
        pipeline = _stable_unclip(folder, DIM[name], **parts)
    else:
        from diffusers import StableDiffusionImageVariationPipeline

        pipeline = StableDiffusionImageVariationPipeline(
            vae=published.VAE.build(), scheduler=tiny.sd_scheduler("epsilon"), image_encoder=tiny.vision(),
            feature_extractor=tiny.processor(), safety_checker=None, requires_safety_checker=False, **parts,
        )  # fmt: skip
    pipeline.save_pretrained(folder, max_shard_size="1GB")


def _stable_unclip(folder: Path, dim: int, **parts):
    from diffusers import DDPMScheduler, StableUnCLIPImg2ImgPipeline
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer

    return StableUnCLIPImg2ImgPipeline(
        vae=published.VAE.build(), scheduler=tiny.sd_scheduler("v_prediction"), text_encoder=published.text_encoder(),
        tokenizer=tiny.tokenizer(folder.parent / "words"), image_encoder=tiny.vision(),
        feature_extractor=tiny.processor(), image_normalizer=StableUnCLIPImageNormalizer(embedding_dim=dim),
        image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"), **parts,
    )  # fmt: skip


def inputs(name: str, args) -> tuple[torch.Tensor, torch.Tensor]:
    """z and x_T, the same in both processes."""
    generator = torch.Generator().manual_seed(1)
    side = ROWS[name][0] // 8
    return torch.randn(1, DIM[name], generator=generator), torch.randn(1, 4, side, side, generator=generator)


@torch.inference_mode()
def ours(name: str, home: Path, args) -> None:
    from clipspace import load_space

    z, x_T = inputs(name, args)
    before, began = most(), time.perf_counter()
    options = _NOISED if name.startswith("stable-unclip") else {}
    space = load_space(
        home / "clip", decoder=home / "decoder", decoder_options=options, device=args.device, dtype=args.dtype
    )
    loading, loaded = most() - before, time.perf_counter()
    decoder = space.decoder
    if hasattr(decoder, "null_embeds"):
        np.save(home / "null.npy", decoder.null_embeds.float().cpu().numpy())
    x_T = x_T.to(args.device)
    latents = decoder.draw(z, x_T, num_inference_steps=args.steps, guidance_scale=ROWS[name][1])
    pixels = decoder.pixels(latents).div(2).add(0.5).clamp(0, 1).permute(0, 2, 3, 1)
    np.save(home / "ours.npy", pixels.float().cpu().numpy())
    networks = [value for value in vars(decoder).values() if isinstance(value, torch.nn.Module)]
    weights = sum(p.numel() * p.element_size() for network in networks for p in network.parameters()) / 2**20
    answer(
        before=before, loading=loading, weights=weights, load=loaded - began, draw=time.perf_counter() - loaded,
        **_on_gpu(args),
    )  # fmt: skip


@torch.inference_mode()
def theirs(name: str, home: Path, args) -> None:
    import diffusers

    z, x_T = inputs(name, args)
    began = time.perf_counter()
    pipeline = diffusers.DiffusionPipeline.from_pretrained(home / "decoder", torch_dtype=getattr(torch, args.dtype))
    pipeline = pipeline.to(args.device)
    pipeline.set_progress_bar_config(disable=True)
    loaded, (side, guidance) = time.perf_counter(), ROWS[name]
    how = {
        "height": side,
        "width": side,
        "num_inference_steps": args.steps,
        "guidance_scale": guidance,
        "output_type": "np",
    }
    z, x_T = z.to(args.device, pipeline.unet.dtype), x_T.to(args.device, pipeline.unet.dtype)
    if name.startswith("kandinsky"):
        null = torch.from_numpy(np.load(home / "null.npy")).to(z)
        run = partial(pipeline, z, null, **how)
    elif name.startswith("stable-unclip"):
        run = partial(pipeline, prompt=[""], image_embeds=z, noise_level=0, **how)
    else:
        pipeline.image_encoder.forward = lambda pixels: type("Out", (), {"image_embeds": z})()
        run = partial(pipeline, torch.zeros(1, 3, 32, 32), **how)
    np.save(home / "theirs.npy", run(latents=x_T, generator=torch.Generator().manual_seed(5)).images)
    seconds = time.perf_counter() - loaded
    if args.floor:
        nearby = run(latents=x_T * (1 + _ROUNDING), generator=torch.Generator().manual_seed(5)).images
        np.save(home / "nearby.npy", nearby)
    answer(load=loaded - began, draw=seconds, **_on_gpu(args))


def _on_gpu(args) -> dict[str, float]:
    return {"gpu": torch.cuda.max_memory_allocated() / 2**20 if args.device.startswith("cuda") else 0.0}


def draw(name: str, args) -> None:
    with tempfile.TemporaryDirectory(dir=args.disk) as home:
        tiny.clip(Path(home) / "clip", dim=DIM[name])
        how = ("--steps", args.steps, "--device", args.device, "--dtype", args.dtype, *["--floor"] * args.floor)
        children = {what: spawn(__file__, name, "--child", what, home, *how) for what in ("write", "ours", "theirs")}
        a, b = (np.load(Path(home) / f"{what}.npy") for what in ("ours", "theirs"))
        floor = np.abs(np.load(Path(home) / "nearby.npy") - b).max() if args.floor else None
    mine, other = children["ours"], children["theirs"]
    print(
        f"{name}, {args.steps} steps, guidance {ROWS[name][1]:g}, {a.shape[1]} px, {args.dtype} on {args.device}\n"
        f"  largest difference of a pixel (of 1)  {np.abs(a - b).max():.1e}; {((a > 0) & (a < 1)).mean():.0%} of pixels are inside (0, 1)\n"
        + ("" if floor is None else f"  the pipeline's own, when x_T is rounded  {floor:.1e}\n")
        + f"  seconds to load and to draw           {mine['load']:.0f} and {mine['draw']:.0f}; "
        f"pipeline {other['load']:.0f} and {other['draw']:.0f}\n"
        f"  peak memory, MiB                      {mine['peak']:.0f}; pipeline {other['peak']:.0f}\n"
        f"  peak on the GPU, MiB                  {mine['gpu']:.0f}; pipeline {other['gpu']:.0f}\n"
        f"  loading, MiB                          {mine['loading']:.0f} above {mine['before']:.0f}, "
        f"{mine['loading'] / mine['weights']:.2f} of the weights' {mine['weights']:.0f}",
        flush=True,
    )


def table() -> None:
    print(f"{'network':22}{'million parameters':>20}{'said':>8}  source")
    for name, network in {**published.UNETS, "MoVQ": published.MOVQ, "VAE": published.VAE}.items():
        count = published.millions(network.on_meta())
        print(f"{name:22}{count:20.2f}{network.millions:8.1f}  {network.source}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], metavar="ROW", help=f"out of {', '.join(ROWS)}")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument(
        "--floor", action="store_true", help="how much the pipeline's image changes when x_T is rounded"
    )
    parser.add_argument("--disk", help="folder for the weights; the system's temporary one by default")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        what, home = args.child[0], Path(args.child[1])
        if what == "write":
            write(args.rows[0], home / "decoder")
            return answer()
        return (ours if what == "ours" else theirs)(args.rows[0], home, args)
    if not args.rows:
        return table()
    for name in args.rows:
        draw(name, args)


if __name__ == "__main__":
    main()
