"""Tiny random encoders in the format of transformers, saved by transformers' own classes."""

import json
from pathlib import Path

import numpy as np
import tiny
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import (
    BitImageProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Dinov2Config,
    Dinov2Model,
    DINOv3ViTConfig,
    DINOv3ViTImageProcessor,
    DINOv3ViTModel,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

DIM = 32
_TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
_VISION = _TOWER | {"image_size": 32, "patch_size": 8}


def photograph() -> Image.Image:
    """Smooth and fine structure, wider than high: what resizing and cropping it differently would show."""
    y, x = np.mgrid[:203, :301]
    channels = [128 + 90 * np.sin(x / 31 + c) * np.cos(y / (17 + c)) + 30 * np.sin(x * y / 900) for c in range(3)]
    return Image.fromarray(np.stack(channels, -1).clip(0, 255).astype(np.uint8))


def _saved(folder: Path, model, *parts):
    torch.manual_seed(7)
    for parameter in model.parameters():  # norms and biases that a fresh model leaves at 1 and 0, too
        parameter.data += 0.1 * torch.randn_like(parameter)
    for part in (model.eval(), *parts):
        part.save_pretrained(folder)
    return model


def tokenizer() -> CLIPTokenizer:
    """Of single letters and no merges; the marks of the ends come last, as in CLIP's own."""
    letters = [chr(c) for c in range(256)]
    entries = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer({word: i for i, word in enumerate(entries)}, [], model_max_length=20)


def clip(folder: Path, *, activation: str = "quick_gelu") -> CLIPModel:
    text = _TOWER | {"vocab_size": 514, "max_position_embeddings": 20, "hidden_act": activation}
    text |= {"bos_token_id": 512, "eos_token_id": 513, "pad_token_id": 513}
    vision = _VISION | {"hidden_act": activation}
    words = tokenizer()
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return _saved(
        folder, CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=DIM)), processor, words
    )


def as_open_clip(folder: Path, model: CLIPModel) -> str:
    """The same CLIP as a folder of open_clip, with its tokenizer; returns the id that loads it."""
    there = {k: v.detach() for k, v in model.state_dict().items()}
    weights = {"logit_scale": there["logit_scale"], "text_projection": there["text_projection.weight"].T}
    weights |= {"visual.proj": there["visual_projection.weight"].T}
    for path, name in _RENAMED.items():
        weights |= {name + k.removeprefix(path): v for k, v in there.items() if k.startswith(path)}
    for theirs, ours in (("vision_model", "visual."), ("text_model", "")):
        for i in range(_TOWER["num_hidden_layers"]):
            weights |= _block(there, f"{theirs}.encoder.layers.{i}.", f"{ours}transformer.resblocks.{i}.")
    config = {
        "embed_dim": DIM, "quick_gelu": True,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 8, "mlp_ratio": 2.0},
        "text_cfg": {
            "context_length": 20, "vocab_size": 514, "width": 32, "heads": 4, "layers": 2, "mlp_ratio": 2.0,
            "hf_tokenizer_name": "its own",
        },
    }  # fmt: skip
    images = {"mean": CLIPImageProcessor.image_mean, "std": CLIPImageProcessor.image_std, "interpolation": "bicubic"}
    folder.mkdir()
    tokenizer().save_pretrained(folder)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": images}))
    save_file({k: v.contiguous() for k, v in weights.items()}, folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"


_RENAMED = {
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.embeddings.patch_embedding.": "visual.conv1.",
    "vision_model.pre_layrnorm.": "visual.ln_pre.",
    "vision_model.post_layernorm.": "visual.ln_post.",
    "text_model.embeddings.token_embedding.": "token_embedding.",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.": "ln_final.",
}


def _block(there: dict, theirs: str, ours: str) -> dict:
    weights = {}
    for kind in ("weight", "bias"):
        three = [there[f"{theirs}self_attn.{part}_proj.{kind}"] for part in "qkv"]
        weights[f"{ours}attn.in_proj_{kind}"] = torch.cat(three)
        for part, name in (
            ("self_attn.out_proj", "attn.out_proj"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
            ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"),
        ):  # fmt: skip
            weights[f"{ours}{name}.{kind}"] = there[f"{theirs}{part}.{kind}"]
    return weights


def clip_vision(folder: Path, whole: CLIPModel) -> CLIPVisionModelWithProjection:
    """The image tower of a CLIP by itself, as pipelines hold it."""
    config = CLIPVisionConfig(**whole.config.vision_config.to_dict() | {"projection_dim": DIM})
    model = CLIPVisionModelWithProjection(config)
    model.load_state_dict({k: v for k, v in whole.state_dict().items() if k.startswith(("vision_", "visual_"))})
    model.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return model.eval()


def _siglip(folder: Path) -> SiglipModel:
    text = _TOWER | {"vocab_size": 64, "max_position_embeddings": 12, "projection_size": 32}
    config = SiglipConfig(text_config=text, vision_config=_VISION)
    return _saved(folder, SiglipModel(config), SiglipImageProcessor(size={"height": 32, "width": 32}))


def siglip(folder: Path) -> SiglipModel:
    """With a tokenizer of whole words."""
    model = _siglip(folder)
    tiny.words(folder)
    return model


def siglip2(folder: Path) -> SiglipModel:
    """With the tokenizer of SigLIP 2, of single letters."""
    model = _siglip(folder)
    letters = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *map(chr, range(ord("a"), ord("z") + 1))]
    Siglip2Tokenizer({letter: i for i, letter in enumerate(letters)}, [], padding_side="right").save_pretrained(folder)
    return model


def dinov2(folder: Path) -> Dinov2Model:
    """Trained at 56 pixels, and read at 28, as published ones are at 518 and 224."""
    config = Dinov2Config(hidden_size=32, num_attention_heads=4, num_hidden_layers=2, image_size=56, patch_size=14)
    processor = BitImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 28, "width": 28})
    return _saved(folder, Dinov2Model(config), processor)


def dinov3(folder: Path) -> DINOv3ViTModel:
    config = DINOv3ViTConfig(**_VISION)
    return _saved(folder, DINOv3ViTModel(config), DINOv3ViTImageProcessor(size={"height": 32, "width": 32}))
