"""Configurations of the published networks at their real size, and how many million parameters each is said to have.

None was read from its repository. Each entry says where its values come from: diffusers' conversion scripts, which hold them, or
the configs of Stable Diffusion as diffusers' documentation and tests state them. A count that agrees to three digits is what
speaks for them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

_CONVERT_KANDINSKY = "diffusers/scripts/convert_kandinsky_to_diffusers.py"
_CONVERT_KARLO = "diffusers/scripts/convert_kakao_brain_unclip_to_diffusers.py"
_CONVERT_SD = (
    "diffusers/scripts/convert_original_stable_diffusion_to_diffusers.py, and Stability AI's inference configs"
)


class Network(NamedTuple):
    """A class of diffusers, its settings, the source of these, and the published number of parameters in millions."""

    cls: str
    config: Mapping[str, Any]
    source: str
    millions: float

    def build(self) -> torch.nn.Module:
        """With weights on the default device, in evaluation mode."""
        import diffusers

        return getattr(diffusers, self.cls)(**self.config).eval().requires_grad_(False)

    def on_meta(self) -> torch.nn.Module:
        """Names and shapes alone."""
        with torch.device("meta"):
            return self.build()


_SIMPLE = {
    "down_block_types": ("ResnetDownsampleBlock2D", *["SimpleCrossAttnDownBlock2D"] * 3),
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "up_block_types": (*["SimpleCrossAttnUpBlock2D"] * 3, "ResnetUpsampleBlock2D"),
    "layers_per_block": 3, "attention_head_dim": 64, "resnet_time_scale_shift": "scale_shift", "sample_size": 64,
}  # fmt: skip
_KANDINSKY = _SIMPLE | {
    "in_channels": 4, "out_channels": 8, "block_out_channels": (384, 768, 1152, 1536), "cross_attention_dim": 768,
    "addition_embed_type_num_heads": 64,
}  # fmt: skip
_SD = {"block_out_channels": (320, 640, 1280, 1280), "layers_per_block": 2, "in_channels": 4, "out_channels": 4}
_SD2 = _SD | {"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True}
_VAE = {
    "block_out_channels": (128, 256, 512, 512), "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4, "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32,
}  # fmt: skip
UNETS = {
    "kandinsky-2.2": Network(
        "UNet2DConditionModel",
        _KANDINSKY | {"addition_embed_type": "image", "encoder_hid_dim_type": "image_proj", "encoder_hid_dim": 1280},
        f"{_CONVERT_KANDINSKY} (of 2.1), with the image alone as condition",
        1253,
    ),
    "kandinsky-2.1": Network(
        "UNet2DConditionModel",
        _KANDINSKY
        | {"addition_embed_type": "text_image", "encoder_hid_dim_type": "text_image_proj", "encoder_hid_dim": 1024},
        _CONVERT_KANDINSKY,
        1220,
    ),
    "karlo": Network(
        "UNet2DConditionModel",
        _SIMPLE
        | {"block_out_channels": (320, 640, 960, 1280), "in_channels": 3, "out_channels": 6}
        | {"cross_attention_dim": 1536, "class_embed_type": "identity"},
        _CONVERT_KARLO,
        900,
    ),
    "stable-unclip-h": Network(
        "UNet2DConditionModel",
        _SD2
        | {"sample_size": 96, "class_embed_type": "projection", "projection_class_embeddings_input_dim": 2048},
        _CONVERT_SD,
        870,
    ),
    "stable-unclip-l": Network(
        "UNet2DConditionModel",
        _SD2
        | {"sample_size": 96, "class_embed_type": "projection", "projection_class_embeddings_input_dim": 1536},
        _CONVERT_SD,
        870,
    ),
    "sd-image-variations": Network(
        "UNet2DConditionModel",
        _SD | {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
        _CONVERT_SD,
        860,
    ),
    "ip-adapter-sd15": Network(
        "UNet2DConditionModel",
        _SD | {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
        _CONVERT_SD,
        860,
    ),
    "ip-adapter-sdxl": Network(
        "UNet2DConditionModel",
        {
            "sample_size": 128, "in_channels": 4, "out_channels": 4, "block_out_channels": (320, 640, 1280),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20), "layers_per_block": 2,
            "cross_attention_dim": 2048, "use_linear_projection": True, "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
        },
        _CONVERT_SD,
        2567,
    ),
}  # fmt: skip
MOVQ = Network(
    "VQModel",
    {
        "down_block_types": (*["DownEncoderBlock2D"] * 3, "AttnDownEncoderBlock2D"),
        "up_block_types": ("AttnUpDecoderBlock2D", *["UpDecoderBlock2D"] * 3),
        "block_out_channels": (128, 256, 256, 512), "layers_per_block": 2, "latent_channels": 4, "vq_embed_dim": 4,
        "num_vq_embeddings": 16384, "norm_type": "spatial",
    },
    _CONVERT_KANDINSKY,
    67.8,
)  # fmt: skip
VAE = Network("AutoencoderKL", _VAE, _CONVERT_SD, 83.7)


def text_encoder() -> torch.nn.Module:
    """That of Stable Diffusion 2.1 and Stable unCLIP: OpenCLIP's ViT-H-14 without its last layer, by its published config."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            hidden_size=1024, intermediate_size=4096, num_attention_heads=16, num_hidden_layers=23, projection_dim=512,
            hidden_act="gelu", vocab_size=49408, max_position_embeddings=77, bos_token_id=0, eos_token_id=2,
            pad_token_id=1,
        )
    ).eval()  # fmt: skip


ADAPTERS = {"ip-adapter-sd15": 22.3, "ip-adapter-sdxl": 351}
"""Million parameters of an adapter: the paper has 22 million; files of 44.6 and 703 MB in float16 hold these."""


def autoencoder_of(name: str) -> Network:
    return MOVQ if name.startswith("kandinsky") else VAE


def millions(network: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6
