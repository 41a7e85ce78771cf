"""Memory of the weights of each space at its published size: computed on the meta device, nothing is downloaded or allocated.

    python benchmarks/memory.py          the table of docs/memory.md

Configurations are those of tests/published.py and of open_clip. A weight takes 4 bytes in float32 and 2 in bfloat16. Of a card
2 GB are left to what is computed: a VAE takes 1.0 GiB for an image of 512 pixels (benchmarks/autoencoder.py).
"""

import sys
from pathlib import Path

import open_clip
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import published

LARGE, HUGE, BIG = "ViT-L-14", "ViT-H-14", "ViT-bigG-14"
CLIPS = {
    "kandinsky-2.2": BIG,
    "kandinsky-2.1": LARGE,
    "karlo": LARGE,
    "stable-unclip-h": HUGE,
    "stable-unclip-l": LARGE,
    "sd-image-variations": LARGE,
    "ip-adapter-sd15": HUGE,
    "ip-adapter-sdxl": BIG,
}
PRIORS = {"kandinsky-2.2": (1280, BIG), "kandinsky-2.1": (768, LARGE), "karlo": (768, LARGE)}
CARDS = (8, 16, 24)
LEFT = 2.0
"""GB of a card for what is computed."""


def clip(name: str) -> dict[str, float]:
    """Billions of parameters of the image tower and of all the rest of a CLIP."""
    config = open_clip.get_model_config(name)
    with torch.device("meta"):
        model = open_clip.model.CLIP(config["embed_dim"], config["vision_cfg"], config["text_cfg"])
    image = billions(model.visual)
    return {"image": image, "text": billions(model) - image}


def prior(dim: int, text: str) -> float:
    """Billions of parameters of a prior with its text encoder."""
    from diffusers import PriorTransformer

    with torch.device("meta"):
        network = PriorTransformer(
            num_attention_heads=32, attention_head_dim=64, embedding_dim=dim, num_layers=20, num_embeddings=77
        )
    return billions(network) + clip(text)["text"]


def upsamplers() -> float:
    """Billions of parameters of Karlo's two networks, configured as diffusers' conversion script does."""
    from diffusers import UNet2DModel

    config = {"sample_size": 256, "in_channels": 6, "out_channels": 3, "layers_per_block": 3, "add_attention": False}
    config |= {"block_out_channels": (320, 640, 960, 1280)}
    config |= {"down_block_types": ("ResnetDownsampleBlock2D",) * 4, "up_block_types": ("ResnetUpsampleBlock2D",) * 4}
    with torch.device("meta"):
        return 2 * billions(UNet2DModel(**config))


def decoder(name: str) -> float:
    """Billions of parameters of a decoder with its autoencoder, upsamplers or adapter."""
    total = published.UNETS[name].on_meta()
    rest = upsamplers() if name == "karlo" else billions(published.autoencoder_of(name).on_meta())
    return billions(total) + rest + published.ADAPTERS.get(name, 0) / 1e3


def billions(network: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / 1e9


def fits(weights: float) -> str:
    """The smallest card that holds weights of so many GB."""
    return next((f"{card} GB" for card in CARDS if weights + LEFT <= card), "none of them")


def main() -> None:
    head = ("space", "CLIP", "decoder", "prior", "all, float32", "all, bfloat16", "without prior", "image tower alone")
    head += ("fits in bfloat16", "without prior", "image tower alone")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for name, tower in CLIPS.items():
        parts, own = clip(tower), decoder(name)
        extra = prior(*PRIORS[name]) if name in PRIORS else 0.0
        whole = sum(parts.values()) + own
        few = (whole + extra, whole, parts["image"] + own)
        numbers = [4 * sum(parts.values()), 4 * own, 4 * extra, 4 * few[0], *(2 * n for n in few)]
        said = [f"{n:.1f}" if n else "–" for n in numbers]
        print("| " + " | ".join([f"`{name}`", *said, *(fits(2 * n) for n in few)]) + " |")


if __name__ == "__main__":
    main()
