"""Tiny randomly initialised checkpoints in the real libraries' own formats, saved by the libraries' own classes."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import open_clip
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    KandinskyPipeline,
    KandinskyPriorPipeline,
    KandinskyV22Pipeline,
    KandinskyV22PriorPipeline,
    PriorTransformer,
    StableDiffusionImageVariationPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    StableUnCLIPImg2ImgPipeline,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)
from diffusers.pipelines.deprecated.unclip.pipeline_unclip import UnCLIPPipeline
from diffusers.pipelines.deprecated.unclip.pipeline_unclip_image_variation import UnCLIPImageVariationPipeline
from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel
from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP
from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer
from diffusers.schedulers.scheduling_unclip import UnCLIPScheduler
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoTokenizer,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    PreTrainedTokenizerFast,
)

from clipspace.models.catalogue import MINI

DIM = 32
CLIP = {
    "model_cfg": {
        "embed_dim": DIM,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28], "interpolation": "bicubic"},
}


def clip(folder: Path, *, dim: int = DIM, text_width: int = 16, seed: int = 0) -> str:
    """An open_clip folder; returns the id that loads it."""
    torch.manual_seed(seed)
    config = json.loads(json.dumps(CLIP))
    config["model_cfg"]["embed_dim"] = dim
    config["model_cfg"]["text_cfg"]["width"] = text_width
    model = open_clip.model.CLIP(**config["model_cfg"])
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"


def variant(identifier: str, folder: Path, change: Callable[[dict], object]) -> str:
    """A copy of an open_clip folder, of the same weights, with its configuration changed; returns the id that loads it."""
    shutil.copytree(identifier.removeprefix("local-dir:"), folder)
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
    return f"local-dir:{folder}"


WORDS = (
    "a",
    "photo",
    "of",
    "cat",
    "dog",
    "red",
    "apple",
    "two",
    "apples",
    "on",
    "table",
    "blue",
    "tail",
    "end",
    "it's",
)


def words(folder: Path, known: Sequence[str] = WORDS, *, side: str = "right") -> None:
    """A Hugging Face tokenizer of whole words in lower case, which ends a text by a mark, and states no longest text."""
    table = {word: i for i, word in enumerate(("<pad>", "<unk>", "</s>", *known))}
    made = Tokenizer(models.WordLevel(table, unk_token="<unk>"))
    made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", table["</s>"])])
    marks = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=made, truncation_side=side, **marks).save_pretrained(folder)


def siglip(folder: Path, *, context_length: int = 8, seed: int = 0, **tokenizer) -> str:
    """An open_clip folder as SigLIP's are: a tokenizer of Hugging Face, texts made plain, trained by the sigmoid."""
    torch.manual_seed(seed)
    config = json.loads(json.dumps(CLIP)) | {"custom_text": True}
    config["model_cfg"] |= {"init_logit_scale": 2.0, "init_logit_bias": -5.0, "custom_text": True}
    config["model_cfg"]["text_cfg"] |= {
        "context_length": context_length, "vocab_size": 32, "pool_type": "last", "no_causal_mask": True,
        "hf_tokenizer_name": "its own", "tokenizer_kwargs": {"clean": "canonicalize"},
    }  # fmt: skip
    made = {k: v for k, v in config["model_cfg"].items() if k != "custom_text"}
    folder.mkdir(parents=True)
    words(folder, **tokenizer)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(open_clip.CustomTextCLIP(**made).state_dict(), folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"


def kandinsky(folder: Path) -> KandinskyV22Pipeline:
    torch.manual_seed(1)
    unet = _kandinsky_unet(
        addition_embed_type="image", encoder_hid_dim=DIM, encoder_hid_dim_type="image_proj", cross_attention_dim=16
    )
    return _saved(KandinskyV22Pipeline(unet=unet, movq=_movq(), scheduler=kandinsky_scheduler()), folder)


def kandinsky_21(folder: Path) -> KandinskyPipeline:
    torch.manual_seed(10)
    unet = _kandinsky_unet(
        addition_embed_type="text_image", encoder_hid_dim=24, encoder_hid_dim_type="text_image_proj",
        cross_attention_dim=DIM, addition_embed_type_num_heads=2,
    )  # fmt: skip
    unet.conv_out.weight.data.mul_(0.3)  # so that ten steps do not enlarge rounding a thousand times
    text_encoder = MultilingualCLIP(
        MCLIPConfig(
            numDims=DIM, transformerDimensions=24, hidden_size=24, intermediate_size=37, num_attention_heads=4,
            num_hidden_layers=2, vocab_size=64, max_position_embeddings=96, type_vocab_size=1,
        )
    ).eval()  # fmt: skip
    _roberta_words(folder.parent / "roberta")
    words = AutoTokenizer.from_pretrained(folder.parent / "roberta")
    return _saved(
        KandinskyPipeline(
            text_encoder=text_encoder, tokenizer=words, unet=unet, movq=_movq(), scheduler=kandinsky_scheduler()
        ),
        folder,
    )


def _roberta_words(folder: Path) -> None:
    """A tokenizer of whole words with the marks of XLM-RoBERTa, and their numbers."""
    table = {word: i for i, word in enumerate(("<s>", "<pad>", "</s>", "<unk>", *WORDS))}
    made = Tokenizer(models.WordLevel(table, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ends = [("<s>", table["<s>"]), ("</s>", table["</s>"])]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    marks = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "</s>", "bos_token": "<s>"}
    PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=77, **marks).save_pretrained(folder)


def _kandinsky_unet(**options) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=8, attention_head_dim=4, block_out_channels=(32, 64),
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        layers_per_block=1, resnet_time_scale_shift="scale_shift", **options,
    )  # fmt: skip


def _movq() -> VQModel:
    movq = VQModel(
        block_out_channels=[32, 64], down_block_types=["DownEncoderBlock2D", "AttnDownEncoderBlock2D"],
        up_block_types=["AttnUpDecoderBlock2D", "UpDecoderBlock2D"], latent_channels=4, layers_per_block=1,
        norm_num_groups=8, norm_type="spatial", num_vq_embeddings=12, vq_embed_dim=4,
    )  # fmt: skip
    # pictures in range, as a trained decoder's are: clamped pixels would hide differences, and random latents are large
    for part in (movq.decoder.conv_out.weight, movq.decoder.conv_out.bias):
        part.data.mul_(0.1)
    return movq


def kandinsky_scheduler() -> DDIMScheduler:
    return DDIMScheduler(beta_schedule="linear", beta_start=0.00085, beta_end=0.012, clip_sample=False)


def kandinsky_prior(folder: Path) -> KandinskyV22PriorPipeline:
    torch.manual_seed(2)
    return _kandinsky_prior(KandinskyV22PriorPipeline, folder)


def kandinsky_21_prior(folder: Path) -> KandinskyPriorPipeline:
    torch.manual_seed(11)
    return _kandinsky_prior(KandinskyPriorPipeline, folder)


def _kandinsky_prior(cls, folder: Path):
    return _saved(
        cls(
            prior=_prior(), image_encoder=vision(), text_encoder=_text(CLIPTextModelWithProjection),
            tokenizer=tokenizer(folder.parent / "words"), image_processor=processor(),
            scheduler=UnCLIPScheduler(variance_type="fixed_small_log", prediction_type="sample", clip_sample_range=5.0),
        ),
        folder,
    )  # fmt: skip


def stable_unclip(folder: Path) -> StableUnCLIPImg2ImgPipeline:
    torch.manual_seed(3)
    normalizer = StableUnCLIPImageNormalizer(embedding_dim=DIM)
    normalizer.mean.data.normal_()
    normalizer.std.data.uniform_(0.5, 2)
    unet = _sd_unet(
        class_embed_type="projection", projection_class_embeddings_input_dim=2 * DIM, cross_attention_dim=DIM
    )
    return _saved(
        StableUnCLIPImg2ImgPipeline(
            feature_extractor=processor(), image_encoder=vision(),
            image_normalizer=normalizer, image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
            tokenizer=tokenizer(folder.parent / "words"), text_encoder=_text(CLIPTextModel), unet=unet,
            scheduler=sd_scheduler("v_prediction"), vae=_vae(),
        ),
        folder,
    )  # fmt: skip


def image_variations(folder: Path) -> StableDiffusionImageVariationPipeline:
    torch.manual_seed(4)
    pipeline = StableDiffusionImageVariationPipeline(
        vae=_vae(), image_encoder=vision(), unet=_sd_unet(cross_attention_dim=DIM),
        scheduler=sd_scheduler("epsilon"), safety_checker=None,
        feature_extractor=processor(), requires_safety_checker=False,
    )  # fmt: skip
    return _saved(pipeline, folder)


def stable_diffusion(folder: Path) -> StableDiffusionPipeline:
    torch.manual_seed(8)
    pipeline = StableDiffusionPipeline(
        vae=_vae(), text_encoder=_text(CLIPTextModel), tokenizer=tokenizer(folder.parent / "words"),
        unet=_sd_unet(cross_attention_dim=DIM), scheduler=sd_scheduler("epsilon"), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    return _saved(pipeline, folder)


def stable_diffusion_xl(folder: Path) -> StableDiffusionXLPipeline:
    torch.manual_seed(9)
    unet = _sd_unet(
        cross_attention_dim=2 * DIM, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + DIM,
    )  # fmt: skip
    words = tokenizer(folder.parent / "words")
    return _saved(
        StableDiffusionXLPipeline(
            vae=_vae(), text_encoder=_text(CLIPTextModel), text_encoder_2=_text(CLIPTextModelWithProjection),
            tokenizer=words, tokenizer_2=words, unet=unet, scheduler=sd_scheduler("epsilon"), add_watermarker=False,
        ),
        folder,
    )  # fmt: skip


def adapter(path: Path, unet: UNet2DConditionModel, *, seed: int = 0) -> Path:
    """An IP-Adapter of a UNet with random weights, by the names that its authors gave them."""
    torch.manual_seed(seed)
    width = unet.config.cross_attention_dim
    weights = {
        "image_proj.proj.weight": torch.randn(4 * width, DIM) / DIM**0.5, "image_proj.proj.bias": torch.randn(4 * width),
        "image_proj.norm.weight": torch.rand(width) + 0.5, "image_proj.norm.bias": torch.randn(width),
    }  # fmt: skip
    attended = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for i, name in enumerate(attended):
        rows = unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for kind in ("k", "v"):
            weights[f"ip_adapter.{2 * i + 1}.to_{kind}_ip.weight"] = torch.randn(rows, width) / width**0.5
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path)
    return path


def adapters(folder: Path) -> None:
    """The published files of IP-Adapter that are read, for the tiny Stable Diffusions above."""
    adapter(folder / "models/ip-adapter_sd15.safetensors", _sd_unet(cross_attention_dim=DIM))
    for name in ("ip-adapter_sdxl", "ip-adapter_sdxl_vit-h"):
        adapter(folder / f"sdxl_models/{name}.safetensors", _sd_unet(cross_attention_dim=2 * DIM))


def karlo(folder: Path) -> UnCLIPImageVariationPipeline:
    torch.manual_seed(5)
    return _saved(
        UnCLIPImageVariationPipeline(**_karlo_parts(folder), feature_extractor=processor(), image_encoder=vision()),
        folder,
    )


def karlo_with_prior(folder: Path) -> UnCLIPPipeline:
    torch.manual_seed(6)
    scheduler = UnCLIPScheduler(variance_type="fixed_small_log", prediction_type="sample", clip_sample_range=5.0)
    return _saved(UnCLIPPipeline(prior=_prior(), prior_scheduler=scheduler, **_karlo_parts(folder)), folder)


def tokenizer(folder: Path) -> CLIPTokenizer:
    """A byte-level tokenizer of 514 entries and no merges."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(c) for c in range(256)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def _karlo_parts(folder: Path) -> dict:
    projection = UnCLIPTextProjModel(clip_embeddings_dim=DIM, time_embed_dim=128, cross_attention_dim=16)
    projection.learned_classifier_free_guidance_embeddings.data.normal_()
    decoder = UNet2DConditionModel(
        sample_size=16, in_channels=3, out_channels=6, block_out_channels=(32, 64), layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn", cross_attention_dim=16, attention_head_dim=4,
        resnet_time_scale_shift="scale_shift", class_embed_type="identity",
    )  # fmt: skip
    upsamplers = [
        UNet2DModel(
            sample_size=32, in_channels=6, out_channels=3, block_out_channels=(32, 64), layers_per_block=1,
            down_block_types=("ResnetDownsampleBlock2D", "ResnetDownsampleBlock2D"),
            up_block_types=("ResnetUpsampleBlock2D", "ResnetUpsampleBlock2D"),
        )
        for _ in range(2)
    ]  # fmt: skip
    return {
        "text_encoder": _text(CLIPTextModelWithProjection),
        "tokenizer": tokenizer(folder.parent / "words"),
        "text_proj": projection,
        "decoder": decoder,
        "super_res_first": upsamplers[0],
        "super_res_last": upsamplers[1],
        "decoder_scheduler": UnCLIPScheduler(variance_type="learned_range", prediction_type="epsilon"),
        "super_res_scheduler": UnCLIPScheduler(variance_type="fixed_small_log", prediction_type="epsilon"),
    }


def _prior() -> PriorTransformer:
    prior = PriorTransformer(
        num_attention_heads=2, attention_head_dim=12, embedding_dim=DIM, num_layers=1, num_embeddings=77
    )
    prior.clip_std.data.fill_(0.7)
    prior.clip_mean.data.fill_(0.1)
    return prior


def _sd_unet(**options) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(32, 64), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=4, **options,
    )  # fmt: skip


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=[32, 64], in_channels=3, out_channels=3, latent_channels=4,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2, sample_size=16,
    )  # fmt: skip


def sd_scheduler(prediction_type: str) -> DDIMScheduler:
    return DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False,
        set_alpha_to_one=False, steps_offset=1, prediction_type=prediction_type,
    )  # fmt: skip


def _text(cls):
    return cls(
        CLIPTextConfig(
            hidden_size=DIM, intermediate_size=37, projection_dim=DIM, num_attention_heads=4, num_hidden_layers=2,
            vocab_size=514, max_position_embeddings=77, bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )
    ).eval()  # fmt: skip


def processor() -> CLIPImageProcessor:
    return CLIPImageProcessor(size=32, crop_size=32)


def vision() -> CLIPVisionModelWithProjection:
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=32, intermediate_size=37, projection_dim=DIM, num_attention_heads=4, num_hidden_layers=1,
            image_size=32, patch_size=16,
        )
    ).eval()  # fmt: skip


def _saved(pipeline, folder: Path):
    """Saved in the library's format; evaluation mode, quiet."""
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    pipeline.save_pretrained(folder, safe_serialization=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def pixel_unet() -> UNet2DConditionModel:
    """A network of 12 channels of 4 x 4 latents, told a vector of 6 numbers; the same weights at each call."""
    torch.manual_seed(0)
    network = UNet2DConditionModel(
        sample_size=4, in_channels=12, out_channels=12, block_out_channels=(32,), layers_per_block=1,
        down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",), mid_block_type="UNetMidBlock2D",
        norm_num_groups=8, class_embed_type="projection", projection_class_embeddings_input_dim=6,
    )  # fmt: skip
    return network.eval().requires_grad_(False)


def pixel_decoder(folder: Path) -> Path:
    """A decoder of 64 px for the mini CLIP whose steps cost a tenth of the mini decoder's, and turn back in few tries.

    Its output is small and taken for v: an image is its x_T, a little changed, and x_T of an image is about as long as noise.
    """
    torch.manual_seed(0)
    network = UNet2DConditionModel(
        sample_size=8, in_channels=192, out_channels=192, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2, mid_block_type=None,
        norm_num_groups=8, class_embed_type="projection", projection_class_embeddings_input_dim=128,
        resnet_time_scale_shift="scale_shift",
    )  # fmt: skip
    network.conv_out.weight.data.mul_(0.3)
    shutil.copytree(MINI / "decoder", folder)
    network.save_pretrained(folder / "unet")
    for path, changed in (
        (folder / "model_index.json", {"pixel_unshuffle": 8}),
        (folder / "scheduler/scheduler_config.json", {"prediction_type": "v_prediction"}),
    ):
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    return folder


def truncate(path: Path) -> None:
    """Harm a file of weights, as do those below."""
    path.write_bytes(path.read_bytes()[:100])


def drop(path: Path, key: str) -> None:
    _change(path, lambda weights: weights.pop(key))


def add(path: Path, key: str) -> None:
    _change(path, lambda weights: weights.update({key: torch.zeros(3)}))


def widen(path: Path, key: str) -> None:
    """Another shape."""
    _change(path, lambda weights: weights.update({key: torch.cat([weights[key]] * 2)}))


def pickle_instead(path: Path) -> None:
    path.rename(path.with_suffix(".bin"))


def _change(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


def decoders(folder):
    """A tiny CLIP and one folder per decoder in ``folder``, and the pipelines that wrote them, by the folder's name."""
    clip(folder / "clip")
    makers = {
        "kandinsky": kandinsky,
        "kandinsky_21": kandinsky_21,
        "stable_unclip": stable_unclip,
        "image_variations": image_variations,
        "karlo": karlo,
    }
    return {name: make(folder / name) for name, make in makers.items()}
