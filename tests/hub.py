"""A cache of the hub with the repositories that the catalogue names, as they were listed, at tiny width."""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import huggingface_hub
import open_clip
import tiny
import torch
from safetensors.torch import load_file, save_file

BRANCH = "0" * 40
"""The commit of a main branch."""
SAFETENSORS_OF_IMAGE_VARIATIONS = "17e2bedc1469eab4446e3e2c0219b9e868bf0473"
CLIPS = {
    "ViT-L-14": "timm/vit_large_patch14_clip_224.openai",
    "ViT-H-14": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    "ViT-bigG-14": "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",
}
_PNDM = {
    "_class_name": "PNDMScheduler", "_diffusers_version": "0.8.0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "beta_start": 0.00085, "clip_sample": False, "num_train_timesteps": 1000, "prediction_type": "epsilon",
    "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None,
}  # fmt: skip
_DDPM = {
    "_class_name": "DDPMScheduler", "_diffusers_version": "0.17.0.dev0", "beta_end": 0.012, "beta_schedule": "linear",
    "beta_start": 0.00085, "clip_sample": True, "clip_sample_range": 1.0, "dynamic_thresholding_ratio": 0.995,
    "num_train_timesteps": 1000, "prediction_type": "epsilon", "sample_max_value": 1.0, "steps_offset": 1,
    "thresholding": False, "trained_betas": None, "variance_type": "learned_range",
}  # fmt: skip


class Repository(NamedTuple):
    """Who writes its parts, the commit that holds them, the references to it, and what is changed to its published layout."""

    make: Callable[[Path], object]
    changes: tuple[Callable[[Path], object], ...] = ()
    commit: str = BRANCH
    refs: tuple[str, ...] = ("main",)


def use(cache: Path, monkeypatch) -> Path:
    """Make ``cache`` the cache of the hub, and allow no download."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    return cache


def put(cache: Path, folder: Path, repo: str, commit: str = BRANCH, *refs: str) -> Path:
    """A folder put into the cache as the hub's client does: blobs, and a snapshot of links to them."""
    home = cache / f"models--{repo.replace('/', '--')}"
    for i, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
        blob = home / "blobs" / f"{commit[:8]}{i:032d}"
        blob.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, blob)
        link = home / "snapshots" / commit / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    for ref in refs:
        (home / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
        (home / "refs" / ref).write_text(commit)
    return home / "snapshots" / commit


def put_clips(cache: Path, scratch: Path, monkeypatch) -> None:
    """The CLIPs of the catalogue at tiny width, in the repositories and by the names that open_clip lists."""
    tiny.clip(scratch / "clip")
    network = json.loads((scratch / "clip/open_clip_config.json").read_text())["model_cfg"]
    for name, repo in CLIPS.items():
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, network)
        put(cache, scratch / "clip", repo, BRANCH, "main")


def write(repo: str, folder: Path) -> Path:
    """The folder of a repository as it is published, at tiny width."""
    repository = REPOSITORIES[repo]
    repository.make(folder)
    for change in (_age, *repository.changes):
        change(folder)
    (folder / "README.md").write_text("---\nlicense: other\n---\n")
    return folder


def weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.safetensors"))


def add_half(folder: Path) -> None:
    """Beside every file of weights one in half precision, ``*.fp16.safetensors``."""
    for path in weights(folder):
        half = {k: v.half() if v.is_floating_point() else v for k, v in load_file(path).items()}
        save_file(half, path.with_suffix(".fp16.safetensors"), metadata={"format": "pt"})


def drop_plain(folder: Path) -> None:
    """Leave only the variants."""
    for path in weights(folder):
        if "." not in path.stem:
            path.unlink()


def add_pickles(folder: Path) -> None:
    """Beside every file of weights the same in ``torch.save``'s format, by its usual name."""
    for path in weights(folder):
        name = path.name.replace("model", "pytorch_model") if path.name.startswith("model") else path.name
        torch.save(load_file(path), path.with_name(name).with_suffix(".bin"))


def only_pickles(folder: Path) -> None:
    add_pickles(folder)
    for path in weights(folder):
        path.unlink()


def shard(folder: Path, n: int = 3) -> None:
    """Every file of weights in ``n`` files and an index."""
    for path in weights(folder):
        tensors = load_file(path)
        names = [f"{path.stem}-{i + 1:05d}-of-{n:05d}.safetensors" for i in range(n)]
        where = {key: names[i % n] for i, key in enumerate(tensors)}
        for name in names:
            part = {key: tensors[key] for key in tensors if where[key] == name}
            save_file(part, path.with_name(name), metadata={"format": "pt"})
        index = {"metadata": {"total_size": 1}, "weight_map": where}
        path.with_name(f"{path.name}.index.json").write_text(json.dumps(index))
        path.unlink()


def age_vae(folder: Path) -> None:
    """The attention of the VAE by its names of 2022, as 1 x 1 convolutions were then."""
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for path in folder.glob("vae/*.safetensors"):
        tensors = load_file(path)
        renamed = {
            next((k.replace(f".{new}.", f".{name}.") for new, name in old.items() if f".{new}." in k), k): v
            for k, v in tensors.items()
        }
        assert renamed.keys() != tensors.keys()
        save_file(renamed, path, metadata={"format": "pt"})


def linked(folder: Path) -> None:
    """Every file a link to one that lies elsewhere, as in a snapshot of the hub."""
    for i, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
        blob = folder.parent / "blobs" / str(i)
        blob.parent.mkdir(exist_ok=True)
        path.symlink_to(path.rename(blob))


def age(folder: Path) -> None:
    """Configs, text encoders and VAE as libraries of 2022 and 2023 wrote them."""
    _age(folder)
    age_vae(folder)


def _age(folder: Path) -> None:
    for path in folder.glob("*/config.json"):
        config = json.loads(path.read_text()) | {"_name_or_path": "/home/somebody/checkpoint"}
        if "_class_name" in config:
            config["_diffusers_version"] = "0.14.0"
        else:
            config |= {"torch_dtype": config.pop("dtype", "float32"), "transformers_version": "4.27.0"}
        path.write_text(json.dumps(config))
    for path in folder.glob("text_encoder/*.safetensors"):
        if json.loads((path.parent / "config.json").read_text()).get("model_type") == "M-CLIP":
            continue
        tensors = {
            k if k.startswith(("text_model.", "text_projection")) else f"text_model.{k}": v
            for k, v in load_file(path).items()
        }
        tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]
        save_file(tensors, path, metadata={"format": "pt"})


def _scheduler(config: Mapping) -> Callable[[Path], object]:
    return lambda folder: (folder / "scheduler/scheduler_config.json").write_text(json.dumps(config))


def _safety_checker(folder: Path) -> None:
    """A part that nothing here reads, as its repository has one."""
    (folder / "safety_checker").mkdir()
    (folder / "safety_checker/config.json").write_text('{"model_type": "clip"}')
    (folder / "safety_checker/pytorch_model.bin").write_bytes(b"nothing that could be read")


def _whole_checkpoint(name: str) -> Callable[[Path], object]:
    """The file of the authors' own code, which some repositories hold beside the folders."""
    return lambda folder: (folder / name).write_bytes(b"nothing that could be read")


def _other_formats(folder: Path) -> None:
    """Files for other libraries, and weights before averaging, beside those that are read."""
    add_pickles(folder)
    for part in ("text_encoder", "unet", "vae"):
        for name in ("model.onnx", "openvino_model.bin", "flax_model.msgpack"):
            (folder / part / name).write_bytes(b"nothing that could be read")
    unet = folder / "unet/diffusion_pytorch_model.safetensors"
    shutil.copy(unet, unet.with_suffix(".non_ema.safetensors"))


def _beside_the_adapters(folder: Path) -> None:
    """Adapters of other kinds, and the encoder, as their repository has them."""
    for name in ("models/ip-adapter_sd15.bin", "models/ip-adapter-plus_sd15.safetensors"):
        (folder / name).write_bytes(b"nothing that is read")


def _number_positions(folder: Path) -> None:
    """In the weights of a text encoder a buffer that transformers stored until 2023."""
    path = folder / "text_encoder/model.safetensors"
    numbers = {"transformer.embeddings.position_ids": torch.arange(96)[None]}
    save_file(load_file(path) | numbers, path, metadata={"format": "pt"})


_DDIM_21 = {
    "_class_name": "DDIMScheduler", "_diffusers_version": "0.17.0.dev0", "beta_end": 0.012, "beta_schedule": "linear",
    "beta_start": 0.00085, "clip_sample": False, "clip_sample_range": 1.0, "dynamic_thresholding_ratio": 0.995,
    "num_train_timesteps": 1000, "prediction_type": "epsilon", "rescale_betas_zero_snr": False,
    "sample_max_value": 1.0, "set_alpha_to_one": False, "steps_offset": 1, "thresholding": False,
    "timestep_spacing": "leading", "trained_betas": None,
}  # fmt: skip
_EULER = {
    "_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": False, "interpolation_type": "linear",
    "num_train_timesteps": 1000, "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": False,
    "skip_prk_steps": True, "steps_offset": 1, "timestep_spacing": "leading", "trained_betas": None,
    "use_karras_sigmas": False,
}  # fmt: skip
_PNDM_2022 = {k: v for k, v in _PNDM.items() if k != "prediction_type"}
_UNCLIP = (_scheduler(_PNDM | {"prediction_type": "v_prediction"}), age_vae, add_half)
REPOSITORIES = {
    "kandinsky-community/kandinsky-2-2-decoder": Repository(tiny.kandinsky, (_scheduler(_DDPM), add_half)),
    "kandinsky-community/kandinsky-2-2-prior": Repository(tiny.kandinsky_prior, (add_half,)),
    "kandinsky-community/kandinsky-2-1": Repository(
        tiny.kandinsky_21, (_scheduler(_DDIM_21), _number_positions, add_half)
    ),
    "kandinsky-community/kandinsky-2-1-prior": Repository(tiny.kandinsky_21_prior, (add_half,)),
    "sd2-community/stable-diffusion-2-1-unclip": Repository(
        tiny.stable_unclip, (*_UNCLIP, _whole_checkpoint("sd21-unclip-h.ckpt"))
    ),
    "sd2-community/stable-diffusion-2-1-unclip-small": Repository(
        tiny.stable_unclip, (*_UNCLIP, _whole_checkpoint("sd21-unclip-l.ckpt"))
    ),
    "kakaobrain/karlo-v1-alpha": Repository(tiny.karlo_with_prior, (add_pickles,)),
    "lambdalabs/sd-image-variations-diffusers": Repository(
        tiny.image_variations,
        (_scheduler(_PNDM), _safety_checker),
        SAFETENSORS_OF_IMAGE_VARIATIONS,
        ("refs/pr/12",),
    ),
    "stable-diffusion-v1-5/stable-diffusion-v1-5": Repository(
        tiny.stable_diffusion,
        (_scheduler(_PNDM_2022), age_vae, add_half, _other_formats, _safety_checker,
         _whole_checkpoint("v1-5-pruned-emaonly.safetensors")),
    ),
    "stabilityai/stable-diffusion-xl-base-1.0": Repository(
        tiny.stable_diffusion_xl,
        (_scheduler(_EULER), add_half, _other_formats, _whole_checkpoint("sd_xl_base_1.0.safetensors")),
    ),
    "h94/IP-Adapter": Repository(tiny.adapters, (_beside_the_adapters,)),
}  # fmt: skip


def put_all(cache: Path, scratch: Path, repositories: Iterable[str] = tuple(REPOSITORIES)) -> None:
    """The repositories of decoders and priors, written once to ``scratch``, in the cache."""
    for repo in repositories:
        folder = scratch / repo.replace("/", "--")
        if not folder.is_dir():
            write(repo, folder)
        put(cache, folder, repo, REPOSITORIES[repo].commit, *REPOSITORIES[repo].refs)
