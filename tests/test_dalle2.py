"""DALLE2-pytorch: where its package is missing an error says how to get it; where it is there, its own sampler is the oracle."""

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch

from clipspace import load_space
from clipspace.diffusion.denoiser import denoiser_of
from clipspace.errors import CapabilityError, CheckpointError

HERE = importlib.util.find_spec("dalle2_pytorch") is not None
CONFIG = {
    "unets": [
        {"dim": 16, "image_embed_dim": tiny.DIM, "cond_dim": 16, "channels": 3, "dim_mults": [1, 2], "attn_heads": 2,
         "attn_dim_head": 8, "cond_on_image_embeds": True, "cond_on_text_encodings": False}
    ],
    "image_sizes": [16], "timesteps": 100, "learned_variance": True,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    tiny.clip(tmp_path / "clip", text_width=tiny.DIM)
    (tmp_path / "decoder").mkdir()
    (tmp_path / "decoder" / "decoder_config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def _load(folder):
    return load_space(f"local-dir:{folder / 'clip'}", decoder=folder / "decoder", device="cpu")


@pytest.mark.skipif(HERE, reason="dalle2-pytorch is installed")
def test_without_the_package_the_error_says_how_to_get_it(folder):
    with pytest.raises(CapabilityError, match="environment of its own, then pip install --no-deps dalle2-pytorch==1"):
        _load(folder)


@pytest.mark.skipif(not HERE, reason="dalle2-pytorch is not installed")
@pytest.mark.parametrize("cond_scale", [1.0, 1.7])
@pytest.mark.parametrize("clip", [False, True, "dynamic"])
def test_it_equals_the_package_s_own_ddim(folder, cond_scale, clip):
    """Its loop draws x_T itself: the same seed pins it."""
    from dalle2_pytorch.train_configs import DecoderConfig

    torch.manual_seed(0)
    config = CONFIG | ({"use_dynamic_thres": True, "dynamic_thres_percentile": 0.9} if clip == "dynamic" else {})
    (folder / "decoder" / "decoder_config.json").write_text(json.dumps(config))
    decoder = DecoderConfig(**config).create().eval()
    decoder.ddim_sampling_eta = 0.0
    torch.save({"model": decoder.state_dict(), "version": "1"}, folder / "decoder" / "latest.pth")
    space = _load(folder)
    z = torch.randn(2, tiny.DIM)
    torch.manual_seed(7)
    x_T = torch.randn(2, 3, 16, 16)
    torch.manual_seed(7)
    with torch.inference_mode():
        theirs = decoder.p_sample_loop_ddim(
            decoder.unets[0], (2, 3, 16, 16), torch.nn.functional.normalize(z, dim=-1), decoder.noise_schedulers[0],
            timesteps=10, learned_variance=True, clip_denoised=bool(clip), cond_scale=cond_scale,
        )  # fmt: skip
    how = {"num_inference_steps": 10, "guidance_scale": cond_scale, "clip_sample": bool(clip)}
    ours = space.decoder.draw(z, x_T, **how) / 2 + 0.5
    scale = max(1.0, theirs.abs().max().item())
    assert np.abs(ours.numpy() - theirs.numpy()).max() < 1e-4 * scale


@pytest.mark.skipif(not HERE, reason="dalle2-pytorch is not installed")
def test_weights_that_do_not_fit_are_listed(folder):
    from dalle2_pytorch.train_configs import DecoderConfig

    with pytest.raises(CheckpointError, match="one file of weights"):
        _load(folder)
    weights = DecoderConfig(**CONFIG).create().state_dict()
    name = next(k for k in weights if k.endswith("init_conv.weight") or "init_conv" in k)
    weights.pop(name)
    torch.save(weights, folder / "decoder" / "latest.pth")
    with pytest.raises(CheckpointError, match=f"missing.*{name.split('.')[-1]}"):
        _load(folder)
    (folder / "decoder" / "latest.pth").write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match="could not read"):
        _load(folder)


CLIP = {"make": "openai", "model": "ViT-L/14"}


def _track(model, trainer, path):
    """Saved as the package's own trainer and tracker do: the averaged weights, without the CLIP, and a version."""
    from dalle2_pytorch.dalle2_pytorch import BaseClipAdapter
    from dalle2_pytorch.trackers import Tracker

    model.clip = BaseClipAdapter(torch.nn.Linear(1, 1))
    tracker = Tracker(dummy_mode=True)
    tracker.logger = SimpleNamespace(auto_resume=False)
    tracker.init({}, {})
    tracker._save_state_dict(trainer(model, use_ema=True), "model", path)
    model.clip = None


@pytest.mark.skipif(not HERE, reason="dalle2-pytorch is not installed")
@pytest.mark.parametrize("cond_scale", [1.0, 1.7])
def test_a_published_decoder_names_a_clip_that_its_weights_lack_and_reads_texts(folder, cond_scale):
    """As LAION's: the tracker took CLIP out of the weights, and every network is conditioned on texts too."""
    from dalle2_pytorch.train_configs import DecoderConfig
    from dalle2_pytorch.trainer import DecoderTrainer

    config = json.loads(json.dumps(CONFIG)) | {"beta_schedule": ["cosine"], "loss_type": "l2", "channels": 3}
    config["unets"][0] |= {
        "cond_on_text_encodings": True, "text_embed_dim": tiny.DIM, "self_attn": [False, True],
        "num_resnet_blocks": 2, "memory_efficient": True,
    }  # fmt: skip
    torch.manual_seed(0)
    decoder = DecoderConfig(**config).create().eval()
    published = {"decoder": config | {"clip": CLIP}, "data": {}, "train": {}, "tracker": {}}
    (folder / "decoder" / "decoder_config.json").write_text(json.dumps(published))
    _track(decoder, DecoderTrainer, folder / "decoder" / "latest.pth")
    decoder.eval()
    decoder.ddim_sampling_eta = 0.0
    space = _load(folder)
    z, x, times = torch.randn(2, tiny.DIM), torch.randn(2, 3, 16, 16), torch.full((2,), 50)
    unit, texts = torch.nn.functional.normalize(z, dim=-1), torch.randn(2, 5, tiny.DIM)
    with torch.inference_mode():
        expected = decoder.unets[0](x, times, image_embed=unit, text_encodings=texts, text_cond_drop_prob=1.0)[:, :3]
        found = space.decoder.predict(x, 50, space.decoder.condition(z))
        assert torch.allclose(found, expected, atol=1e-5)
        torch.manual_seed(7)
        x_T = torch.randn(2, 3, 16, 16)
        torch.manual_seed(7)
        theirs = decoder.p_sample_loop_ddim(
            decoder.unets[0], (2, 3, 16, 16), unit, decoder.noise_schedulers[0], timesteps=10, learned_variance=True,
            clip_denoised=True, cond_scale=cond_scale, text_encodings=torch.zeros(2, 1, tiny.DIM),
        )  # fmt: skip
    how = {"num_inference_steps": 10, "guidance_scale": cond_scale, "clip_sample": True}
    assert (space.decoder.draw(z, x_T, **how) / 2 + 0.5 - theirs).abs().max() < 1e-4


@pytest.mark.skipif(not HERE, reason="dalle2-pytorch is not installed")
def test_of_the_best_and_the_latest_prior_the_best_is_read(folder):
    from dalle2_pytorch.train_configs import DiffusionPriorConfig
    from dalle2_pytorch.trainer import DiffusionPriorTrainer

    best = None
    (folder / "prior").mkdir()
    (folder / "prior" / "prior_config.json").write_text(json.dumps({"prior": PRIOR | {"clip": CLIP}, "train": {}}))
    for seed, name in enumerate(("best", "latest")):
        torch.manual_seed(seed)
        prior = DiffusionPriorConfig(**PRIOR).create()
        _track(prior, DiffusionPriorTrainer, folder / "prior" / f"{name}.pth")
        best = best if seed else prior.state_dict()
    space = load_space(folder / "clip", prior=folder / "prior", device="cpu")
    for name, weights in space.prior_model.net.state_dict().items():
        assert torch.equal(weights, best[f"net.{name}"])
    torch.save(best, folder / "prior" / "other.pth")
    with pytest.raises(CheckpointError, match=r"one file of weights.*other\.pth"):
        load_space(folder / "clip", prior=folder / "prior", device="cpu")


PRIOR = {
    "net": {"dim": tiny.DIM, "depth": 1, "dim_head": 8, "heads": 2, "max_text_len": 77, "num_timesteps": 100},
    "image_embed_dim": tiny.DIM, "image_size": 32, "timesteps": 100, "cond_drop_prob": 0.1,
}  # fmt: skip


@pytest.mark.skipif(not HERE, reason="dalle2-pytorch is not installed")
@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("reads_tokens", [False, True])
def test_the_prior_s_network_is_the_package_s(folder, scale, reads_tokens):
    from dalle2_pytorch.train_configs import DiffusionPriorConfig

    config = PRIOR | {"condition_on_text_encodings": reads_tokens}
    (folder / "prior").mkdir()
    (folder / "prior" / "prior_config.json").write_text(json.dumps({"prior": config}))
    torch.manual_seed(0)
    theirs = DiffusionPriorConfig(**config).create().eval()
    torch.save(theirs.state_dict(), folder / "prior" / "best.pth")
    space = load_space(f"local-dir:{folder / 'clip'}", prior=folder / "prior", device="cpu")
    texts = ["a cat", "a red boat"]
    unit = torch.from_numpy(space.encode_texts(texts).unit).float()
    x, times = torch.randn(2, tiny.DIM), torch.full((2,), 50)
    with torch.inference_mode():
        tokens = {"text_encodings": space.encoder.text_tokens(texts)[1]} if reads_tokens else {}
        expected = theirs.net.forward_with_cond_scale(x, times, text_embed=unit, cond_scale=scale, **tokens)
        found = denoiser_of(space.prior_model, texts, scale)(x, 50)
    assert torch.allclose(found, expected, atol=1e-5)
    drawn = space.prior(texts, seed=1, num_inference_steps=4)
    assert np.allclose(drawn.norm, 1, atol=1e-5)
    assert np.array_equal(drawn.vectors, space.prior(texts, seed=1, num_inference_steps=4).vectors)
