"""IP-Adapter against diffusers' own pipelines, and what is refused of its files and options."""

import json
import shutil

import hub
import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from clipspace import load_space
from clipspace.errors import CheckpointError, InputError, SpaceMismatchError
from clipspace.models import clip as encoders
from clipspace.models.catalogue import CATALOGUE

STEPS = 5
BASES = {"sd15": tiny.stable_diffusion, "sdxl": tiny.stable_diffusion_xl}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A tiny CLIP, both Stable Diffusions and an adapter of each; and their pipelines, the adapter put in by diffusers."""
    folder = tmp_path_factory.mktemp("adapted")
    tiny.clip(folder / "clip")
    pipelines = {name: make(folder / name) for name, make in BASES.items()}
    for name, pipeline in pipelines.items():
        file = tiny.adapter(folder / f"{name}.safetensors", pipeline.unet)
        pipeline.load_ip_adapter(str(folder), subfolder="", weight_name=file.name, image_encoder_folder=None)
        pipeline.set_progress_bar_config(disable=True)
    return folder, pipelines


def _load(home, name, *, device="cpu", **options):
    options = {"adapter": home[0] / f"{name}.safetensors"} | options
    how = {key: options.pop(key) for key in ("dtype", "offload") if key in options}
    clip = f"local-dir:{home[0] / 'clip'}"
    return load_space(clip, decoder=home[0] / name, decoder_options=options, device=device, **how)


@pytest.fixture(scope="module")
def z():
    return 3 * torch.randn(2, tiny.DIM, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def x_T():
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))


def _theirs(pipeline, z, x_T, guidance_scale):
    """Pixels in [0, 1] of the pipeline, which takes one row of embeddings at a time."""
    images = []
    for row, noise in zip(z, x_T, strict=True):
        embeds = row[None, None]
        embeds = torch.cat([torch.zeros_like(embeds), embeds]) if guidance_scale > 1 else embeds
        images.append(
            pipeline(
                "", ip_adapter_image_embeds=[embeds], height=16, width=16, num_inference_steps=STEPS, eta=0.0,
                guidance_scale=guidance_scale, latents=noise[None], output_type="np",
            ).images[0]
        )  # fmt: skip
    return np.stack(images)


def _ours(space, z, x_T, guidance_scale=1.0):
    latents = space.decoder.draw(z, x_T, num_inference_steps=STEPS, guidance_scale=guidance_scale)
    with torch.inference_mode():
        return space.decoder.pixels(latents).div(2).add(0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize(("guidance_scale", "scale"), [(1.0, 1.0), (5.0, 0.4)])
def test_it_equals_the_pipeline(home, z, x_T, name, guidance_scale, scale):
    home[1][name].set_ip_adapter_scale(scale)
    theirs = _theirs(home[1][name], z, x_T, guidance_scale)
    ours = _ours(_load(home, name, adapter_scale=scale), z, x_T, guidance_scale)
    assert np.abs(ours - theirs).max() < 1e-4
    assert np.abs(ours[0] - ours[1]).max() > 0.05


def test_sdxl_takes_the_empty_prompt_where_its_index_says_that_zeros_do_not_stand_for_it(home, z, x_T, tmp_path):
    shutil.copytree(home[0] / "sdxl", tmp_path / "sdxl")
    path = tmp_path / "sdxl/model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"force_zeros_for_empty_prompt": False}))
    pipeline = home[1]["sdxl"]
    space = load_space(
        home[0] / "clip", decoder=tmp_path / "sdxl", decoder_options={"adapter": home[0] / "sdxl.safetensors"}
    )
    pipeline.register_to_config(force_zeros_for_empty_prompt=False)
    pipeline.set_ip_adapter_scale(1.0)
    theirs = _theirs(pipeline, z[:1], x_T[:1], 5.0)
    pipeline.register_to_config(force_zeros_for_empty_prompt=True)
    assert np.abs(_ours(space, z[:1], x_T[:1], 5.0) - theirs).max() < 1e-4
    assert np.abs(_theirs(pipeline, z[:1], x_T[:1], 5.0) - theirs).max() > 1e-2


def test_at_scale_0_the_embedding_is_not_seen(home, z, x_T):
    ours = _ours(_load(home, "sd15", adapter_scale=0), z, x_T[:1].expand(2, -1, -1, -1))
    assert np.array_equal(ours[0], ours[1])


@pytest.mark.parametrize("name", ["sd15", pytest.param("sdxl", marks=pytest.mark.slow)])
def test_inversion_returns_to_the_latents(home, name, apple):
    """Weights that were not trained turn quickly with x_t, and are made calmer here."""
    space = _load(home, name)
    space.decoder.unet.conv_out.weight.mul_(0.02)
    z, x_0 = torch.from_numpy(space.encode_images([apple]).vectors.copy()), space.decoder.to_latents([apple])
    how = {"num_inference_steps": 5, "guidance_scale": 1.0}
    x_T = space.decoder.invert(z, x_0, **how).noise
    error = (space.decoder.draw(z, x_T, **how) - x_0).abs().max()
    assert error < 1e-3
    other = space.decoder.invert(z.flip(1), x_0, **how).noise
    assert (
        other - x_T
    ).abs().max() > 100 * error  # another embedding needs another noise: no rounding of the inversion


def test_the_unet_is_held_once_with_the_adapter_in_it(home, monkeypatch):
    import diffusers

    made = []
    read = diffusers.UNet2DConditionModel.from_pretrained
    monkeypatch.setattr(
        diffusers.UNet2DConditionModel,
        "from_pretrained",
        lambda *args, **how: made.append(read(*args, **how)) or made[-1],
    )
    decoder = _load(home, "sd15").decoder
    assert len(made) == 1
    assert made[0][0] is decoder.unet
    files = (home[0] / "sd15.safetensors", home[0] / "sd15/unet/diffusion_pytorch_model.safetensors")
    stored = sum(weights.numel() for file in files for weights in load_file(file).values())
    assert sum(parameter.numel() for parameter in decoder.unet.parameters()) == stored


def test_offloaded_it_draws_the_same(home, z, x_T):
    pytest.importorskip("accelerate")
    plain, offloaded = (_load(home, "sdxl", offload=offload) for offload in (False, True))
    assert all(parameter.is_meta for parameter in offloaded.decoder.unet.parameters())
    assert np.allclose(_ours(plain, z, x_T, 5.0), _ours(offloaded, z, x_T, 5.0), atol=1e-4)


def test_in_float16_the_autoencoder_of_sdxl_stays_in_float32(home):
    large, small = (_load(home, name, dtype="float16").decoder for name in ("sdxl", "sd15"))
    assert (large.vae.dtype, large.unet.dtype) == (torch.float32, torch.float16)
    assert small.vae.dtype == torch.float16


@pytest.fixture
def no_encoder(monkeypatch):
    monkeypatch.setattr(encoders, "load_encoder", lambda *args, **options: pytest.fail("a CLIP was loaded"))


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["image_proj.latents", "image_proj.proj_in.weight"], "'Plus', which reads the hidden states"),
        (["image_proj.proj.0.weight", "image_proj.proj.3.weight"], "'Full Face', which reads the hidden states"),
        (["image_proj.proj.0.weight", "image_proj.norm.weight"], "'FaceID', which reads the vector of a face"),
        (["image_proj.perceiver_resampler.proj_in.weight", "image_proj.proj.0.weight"], "'FaceID Plus', which reads"),
        (["lora_unet_down.weight"], r"image_proj\.\* and ip_adapter\.\*"),
    ],
)
def test_other_kinds_are_refused_by_name_before_a_clip_is_loaded(home, tmp_path, no_encoder, names, reason):
    save_file({name: torch.zeros(1) for name in names}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=reason):
        _load(home, "sd15", adapter=tmp_path / "other.safetensors")


def test_wrong_files_and_options_are_refused_before_a_clip_is_loaded(home, tmp_path, no_encoder):
    (tmp_path / "adapter.bin").write_bytes(b"a pickle")
    (tmp_path / "half.safetensors").write_bytes((home[0] / "sd15.safetensors").read_bytes()[:100])
    for adapter, message in (
        (tmp_path / "adapter.bin", r"expected a \.safetensors file.*name the \.safetensors beside it"),
        (tmp_path / "half.safetensors", "corrupt or truncated.*get a whole copy"),
        (tmp_path / "none.safetensors", "there is no such file"),
        (
            "org/name/none.safetensors",
            r"the adapter 'org/name/none.safetensors' is not in the local cache, and HF_HUB_OFF",
        ),
    ):
        with pytest.raises(CheckpointError, match=message):
            _load(home, "sd15", adapter=adapter)
    for scale in ("much", True, float("nan")):
        with pytest.raises(InputError, match=r"expected adapter_scale as a number.*got"):
            _load(home, "sd15", adapter_scale=scale)


def test_an_adapter_of_another_base_or_of_another_clip_is_refused(home, tmp_path):
    with pytest.raises(
        CheckpointError, match=r"does not fit the unet of.*of another shape.*Stable Diffusion it was trained"
    ):
        _load(home, "sd15", adapter=home[0] / "sdxl.safetensors")
    weights = load_file(home[0] / "sd15.safetensors")
    weights["image_proj.proj.weight"] = torch.randn(len(weights["image_proj.proj.weight"]), 2 * tiny.DIM)
    save_file(weights, tmp_path / "wide.safetensors")
    with pytest.raises(SpaceMismatchError, match="'ip-adapter-sd15' checkpoint was trained for"):
        _load(home, "sd15", adapter=tmp_path / "wide.safetensors")
    weights.pop("ip_adapter.3.to_v_ip.weight")
    save_file(weights, tmp_path / "lacks.safetensors")
    with pytest.raises(CheckpointError, match=r"missing \['ip_adapter.3.to_v_ip.weight'\]"):
        _load(home, "sd15", adapter=tmp_path / "lacks.safetensors")


def test_a_row_is_local_only_with_its_adapter(tmp_path, monkeypatch, no_encoder):
    cache, row = hub.use(tmp_path / "hub", monkeypatch), CATALOGUE["ip-adapter-sd15"]
    hub.put_all(cache, tmp_path, [row.decoder])
    assert "decoder" in row.missing()
    with pytest.raises(
        CheckpointError, match=r"adapter 'h94/IP-Adapter/models/.* is not in the local cache.*name it, decoder_opt"
    ):
        load_space("ip-adapter-sd15", device="cpu")
    hub.put_all(cache, tmp_path, ["h94/IP-Adapter"])
    assert "decoder" not in row.missing()
    assert row.describe()["adapter"] == row.adapter
