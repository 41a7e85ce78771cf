"""The training scripts, on a handful of scenes: they resume exactly, and write folders the library loads."""

import itertools
import json
import shutil
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import two_processes
from diffusers import DDIMScheduler
from safetensors.torch import load_file

from clipspace.mini import train_clip, train_decoder, train_prior
from clipspace.models.catalogue import MINI
from clipspace.scenes import render, sample_scenes
from clipspace.seeds import child_seed
from clipspace.space import load_space
from clipspace.training import loop, loss, noise, task
from clipspace.training.presets import network_config
from clipspace.training.showing import pixels_of

SIZE = {"scenes": 24, "steps": 4, "batch_size": 8, "lr": 1e-3, "device": torch.device("cpu")}


@pytest.fixture
def small(monkeypatch):
    """Networks of a few thousand weights, saved at every second step."""
    text = train_clip.MODEL_CFG["text_cfg"] | {"width": 16, "heads": 2, "layers": 1}
    vision = train_clip.MODEL_CFG["vision_cfg"] | {"width": 8, "head_width": 32}
    monkeypatch.setattr(train_clip, "MODEL_CFG", {"embed_dim": 128, "vision_cfg": vision, "text_cfg": text})
    monkeypatch.setattr(train_decoder, "PRESET", two_processes.SMALL)
    monkeypatch.setattr(train_prior, "PRIOR", train_prior.PRIOR | {"num_layers": 1})
    monkeypatch.setattr(train_clip, "SAVE_EVERY", 2)
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(loop, "LOOKS", 1)


def _work(tmp_path, name):
    work = tmp_path / name
    work.mkdir()
    shutil.copytree(MINI / "clip", work / "clip")
    return work


@pytest.mark.parametrize(
    ("script", "home", "step", "weights"),
    [
        (train_clip, train_clip, "caption", "open_clip_model.safetensors"),
        pytest.param(
            train_decoder, task, "denoising_loss", "unet/diffusion_pytorch_model.safetensors", marks=pytest.mark.slow
        ),
        (train_prior, train_prior, "prior_loss", "prior/diffusion_pytorch_model.safetensors"),
    ],
)
def test_a_killed_run_resumes_to_the_same_weights(small, tmp_path, monkeypatch, script, home, step, weights):
    whole = load_file(script.train(_work(tmp_path, "whole"), **SIZE) / weights)
    work, calls, original = _work(tmp_path, "killed"), [], getattr(home, step)
    last = 3 * SIZE["batch_size"] - 2 if step == "caption" else 3

    def dies(*arguments, **more):
        calls.append(1)
        if len(calls) == last:
            raise KeyboardInterrupt
        return original(*arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(home, step, dies)
        with pytest.raises(KeyboardInterrupt):
            script.train(work, **SIZE)
    resumed = load_file(script.train(work, **SIZE) / weights)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_what_is_trained_loads_as_a_space(small, tmp_path):
    work = _work(tmp_path, "run")
    train_decoder.train(work, **SIZE)
    train_prior.train(work, **SIZE)
    space = load_space(f"local-dir:{work / 'clip'}", decoder=work / "decoder", prior=work / "prior", device="cpu")
    assert len(space.decode(space.prior(["a red apple"], seed=0), num_inference_steps=2)) == 1


def test_the_network_of_the_recipe_is_that_of_the_shipped_weights():
    shipped = json.loads((MINI / "decoder/unet/config.json").read_text())
    config = network_config(train_decoder.PRESET, 128)
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in config.items()} == {
        name: shipped[name] for name in config
    }
    scheduler = json.loads((MINI / "decoder/scheduler/scheduler_config.json").read_text())
    assert {name: scheduler[name] for name in noise.SCHEDULER} == noise.SCHEDULER


@pytest.mark.slow
def test_a_run_starts_from_the_weights_of_another(small, tmp_path):
    work = _work(tmp_path, "first")
    first = train_decoder.train(work, **SIZE)
    again = train_decoder.train(_work(tmp_path, "second"), **SIZE | {"lr": 0.0}, weights=first)
    before, after = (load_file(folder / "unet/diffusion_pytorch_model.safetensors") for folder in (first, again))
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.fixture
def scenes(space):
    """Eight pictures as the decoder's training sees them, and their embeddings."""
    pictures = [render(scene) for scene in sample_scenes(8, seed=3)]
    x0 = torch.nn.functional.pixel_unshuffle(pixels_of(np.stack(pictures), torch.device("cpu")), 2)
    return pictures, x0, torch.from_numpy(space.encode_images(pictures).unit * 128**0.5)


def test_what_is_seen_ends_in_the_embedding_of_the_encoder(space, scenes):
    pictures, x0, _ = scenes
    maps, embeds = train_decoder.seen(space.encoder.model.visual, x0)
    assert np.allclose(embeds.numpy(), space.encode_images(pictures).vectors, atol=1e-4)
    assert [tuple(one.shape[2:]) for one in maps] == [(16, 16), (8, 8), (4, 4)]
    assert all(torch.allclose(one.norm(dim=1), torch.ones(()), atol=1e-4) for one in maps)


def test_the_loss_of_a_guess_is_its_error_and_what_the_clip_sees_of_it(space, scenes, monkeypatch):
    """None for the picture itself; of another picture more; pixels alone where no embedding is given, or all is noise."""
    _, x0, z = scenes
    look = partial(train_decoder.unlikeness, space.encoder.model.visual.float())
    scheduler, null = DDIMScheduler(**noise.SCHEDULER), torch.zeros(1, 128)

    def loss_of(guess, z=z, perceptual=0.3):
        def network(x_t, t, encoder_hidden_states, class_labels):
            return SimpleNamespace(sample=guess)

        rng = torch.Generator().manual_seed(0)
        how = {"z": z, "look": look, "perceptual": perceptual}
        return loss.denoising_loss(network, scheduler, x0, z, null, rng, **how).item()

    another = x0.roll(1, dims=0)
    assert loss_of(x0) < 0.01
    told = loss_of(another)
    assert loss_of(another, z.roll(1, dims=0)) < told
    pixels = loss_of(another, perceptual=0.0)
    assert 0 < pixels < told
    for name, none in (("NULL_RATE", 1.1), ("LOOK_BELOW", 0)):
        with monkeypatch.context() as patched:
            patched.setattr(loss, name, none)
            assert loss_of(another) == pixels


@pytest.mark.slow
def test_perceptual_training_runs_and_moves_the_weights(small, tmp_path):
    plain, seen = (
        train_decoder.train(_work(tmp_path, name), **SIZE | {"lr": 0.1}, perceptual=weight)
        for name, weight in (("plain", 0.0), ("seen", 0.3))
    )
    assert (_weights(plain) - _weights(seen)).norm() > 1e-3 * _weights(plain).norm()


def test_rounded_weights_are_near_exact_in_float16_and_compress():
    weight = 0.02 * torch.randn(64, 64, 3, 3, generator=torch.Generator().manual_seed(0))
    coarse = train_decoder.rounded(weight)
    assert 0.005 < (coarse - weight).norm() / weight.norm() < 0.02
    assert torch.equal(coarse.half().float(), coarse)
    assert torch.equal(train_decoder.rounded(coarse), coarse)
    before, after = (len(zlib.compress(w.half().numpy().tobytes())) for w in (weight, coarse))
    assert after < 0.6 * before
    assert not train_decoder.rounded(torch.zeros(2, 2)).any()


@pytest.mark.slow
def test_two_processes_train_as_one_on_both_their_draws(small, tmp_path, monkeypatch):
    work, steps, original = _work(tmp_path, "two"), itertools.count(), loss.denoising_loss
    script = [Path(two_processes.__file__), work]
    subprocess.run([sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *script], check=True)

    def on_both(unet, scheduler, x0, told, null, rng, *, z, **perceptual):
        step, losses = next(steps), []
        for rank in range(2):
            rng.manual_seed(child_seed(0, "denoising", 2 * step + rank))
            parts = (x0[rank::2], told[rank::2], null, rng)
            losses.append(original(unet, scheduler, *parts, z=z[rank::2], **perceptual))
        return sum(losses) / 2

    monkeypatch.setattr(task, "muon", two_processes.gradient_descent)
    monkeypatch.setattr(train_decoder, "coarsened", two_processes.as_it_is)
    train_decoder.train(_work(tmp_path, "other"), **two_processes.SIZE)
    monkeypatch.setattr(task, "denoising_loss", on_both)
    train_decoder.train(_work(tmp_path, "one"), **two_processes.SIZE)

    one, two, other = (_weights(tmp_path / name / "decoder") for name in ("one", "two", "other"))
    assert (two - one).norm() < 0.1 * (other - one).norm()


def _weights(decoder):
    saved = load_file(decoder / "unet/diffusion_pytorch_model.safetensors")
    return torch.cat([saved[name].float().flatten() for name in sorted(saved)])
