"""Priors that read texts, against the pipelines of the library their checkpoints come from."""

import shutil
from copy import deepcopy

import numpy as np
import pytest
import tiny
import torch

from clipspace import Embeddings, load_space
from clipspace.diffusion import sampling
from clipspace.diffusion.denoiser import denoiser_of
from clipspace.errors import CheckpointError, InputError


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("priors")
    tiny.clip(folder / "clip")
    return folder, {
        "kandinsky": tiny.kandinsky_prior(folder / "kandinsky"),
        "kandinsky_21": tiny.kandinsky_21_prior(folder / "kandinsky_21"),
        "karlo": tiny.karlo_with_prior(folder / "karlo"),
    }


def _space(home, name):
    return load_space(f"local-dir:{home[0] / 'clip'}", prior=home[0] / name, device="cpu")


@pytest.mark.parametrize("name", ["kandinsky", "kandinsky_21", "karlo"])
def test_the_condition_is_the_pipeline_s(home, name):
    """Text embeddings, hidden states and mask of a text, and of none, as the pipeline makes them."""
    prior, pipeline = _space(home, name).prior_model, home[1][name]
    pooled, hidden, mask = pipeline._encode_prompt(["a cat"], torch.device("cpu"), 1, True)
    for i, ours in enumerate((prior.null_condition(1), prior.condition(["a cat"]))):
        assert torch.allclose(ours.pooled, pooled[i : i + 1], atol=1e-6)
        assert torch.allclose(ours.hidden, hidden[i : i + 1], atol=1e-5)
        assert torch.equal(ours.mask, mask[i : i + 1])


def test_its_own_sampler_through_our_network_gives_the_pipeline_s_embedding(home):
    """Kandinsky's prior under its own stochastic scheduler: the same draws, the same raw embedding."""
    space, pipeline = _space(home, "kandinsky"), home[1]["kandinsky"]
    prior, x = space.prior_model, torch.randn(1, tiny.DIM, generator=torch.Generator().manual_seed(1))
    theirs = pipeline(
        "a cat", num_inference_steps=6, guidance_scale=1.0, latents=x, generator=torch.Generator().manual_seed(2)
    ).image_embeds
    generator, cond = torch.Generator().manual_seed(2), prior.condition(["a cat"])
    pipeline.scheduler.set_timesteps(6)
    times = pipeline.scheduler.timesteps.tolist()
    with torch.inference_mode():
        for t, s in zip(times, [*times[1:], None], strict=True):
            guess = prior.predict(x, t, cond)
            x = pipeline.scheduler.step(guess, timestep=t, sample=x, generator=generator, prev_timestep=s).prev_sample
        assert torch.allclose(prior.to_embeds(x), theirs, atol=1e-4)


@pytest.mark.parametrize("name", ["kandinsky", "karlo"])
def test_at_eta_1_our_sampler_gives_the_library_s_guided_and_clipped_embedding(home, name, monkeypatch):
    """Its stochastic steps with the same draws. Its alphas in float64, for in float32 its 1 - alpha keeps three digits."""
    prior, pipeline = _space(home, name).prior_model, home[1][name]
    scheduler = deepcopy(pipeline.scheduler if name == "kandinsky" else pipeline.prior_scheduler)
    assert torch.equal(scheduler.alphas_cumprod.double(), prior.schedule.alphas_cumprod)
    scheduler.alphas_cumprod = scheduler.alphas_cumprod.double()
    scheduler.betas = 1 - scheduler.alphas_cumprod / torch.cat([torch.ones(1), scheduler.alphas_cumprod[:-1]])
    x_T = torch.randn(2, tiny.DIM, generator=torch.Generator().manual_seed(1)).double()
    cond, null = prior.condition(["a cat", "a red boat"]), prior.null_condition(2)
    rngs = [np.random.default_rng(i) for i in range(2)]
    draws = "diffusers.schedulers.scheduling_unclip.randn_tensor"
    monkeypatch.setattr(draws, lambda *given, **how: sampling.draw_noise((tiny.DIM,), rngs).double())
    scheduler.set_timesteps(6)
    times, x, clipped, guidance = scheduler.timesteps.tolist(), x_T, 0, 12.0
    with torch.inference_mode():
        for t, s in zip(times, [*times[1:], None], strict=True):
            free, told = (prior.predict(x, t, c) for c in (null, cond))
            guess = free + guidance * (told - free)
            clipped += (guess.abs() > 5).sum()
            x = scheduler.step(guess, timestep=t, sample=x, prev_timestep=s).prev_sample
    fresh = [np.random.default_rng(i) for i in range(2)]
    denoiser = denoiser_of(prior, ["a cat", "a red boat"], guidance)
    ours = sampling.sample(denoiser, prior.schedule, x_T, num_inference_steps=6, eta=1.0, rngs=fresh)
    assert torch.allclose(ours, x, atol=1e-5)
    assert clipped > 0


@pytest.mark.parametrize("name", ["kandinsky", "karlo"])
def test_an_offloaded_prior_draws_the_same(home, name):
    pytest.importorskip("accelerate")
    plain = _space(home, name)
    offloaded = load_space(f"local-dir:{home[0] / 'clip'}", prior=home[0] / name, device="cpu", offload=True)
    drawn = (space.prior("a cat", num_inference_steps=3).vectors for space in (plain, offloaded))
    assert np.allclose(*drawn, atol=1e-4)


@pytest.mark.parametrize("name", ["kandinsky", "karlo"])
def test_draws_are_seeded_and_the_better_is_kept(home, name):
    space = _space(home, name)
    texts = ["a cat", "a red boat"]
    points = space.prior(texts, seed=4, num_inference_steps=5)
    assert points.modality == "prior"
    assert points.names == tuple(texts)
    assert np.array_equal(points.vectors, space.prior(texts, seed=4, num_inference_steps=5).vectors)
    text = space.encode_texts(texts).unit
    one = space.prior(texts, seed=4, num_inference_steps=5, candidates=1)
    four = space.prior(texts, seed=4, num_inference_steps=5, candidates=4)
    assert (four.unit * text).sum() >= (one.unit * text).sum()


@pytest.mark.parametrize("name", ["kandinsky", "karlo"])
def test_text_embeddings_must_be_named_by_their_texts(home, name):
    """These priors read the text, so vectors without it, or moved away from it, would silently draw something else."""
    space = _space(home, name)
    points = space.encode_texts(["a cat", "a red boat"])
    assert np.array_equal(
        space.prior(points, num_inference_steps=2).vectors,
        space.prior(["a cat", "a red boat"], num_inference_steps=2).vectors,
    )
    for wrong in (
        Embeddings(points.vectors, points.stamp, "text"),
        Embeddings(points.vectors, points.stamp, "text", ["", " "]),
        points.with_vectors(points.vectors[::-1]),
    ):
        with pytest.raises(InputError, match=r"named by their texts.*Embeddings\(names=texts\)"):
            space.prior(wrong, num_inference_steps=2)


def test_the_mini_prior_takes_embeddings_without_their_texts(space):
    points = space.encode_texts(["a red apple"])
    bare = Embeddings(points.vectors, points.stamp, "text")
    drawn = (space.prior(p, num_inference_steps=2).vectors for p in (points, bare))
    assert np.array_equal(*drawn)


@pytest.mark.parametrize("name", ["kandinsky", "karlo"])
def test_a_prior_takes_its_authors_guidance_and_clips_as_its_own_sampler(home, name):
    space = _space(home, name)
    own = space.prior("a cat", num_inference_steps=3)
    assert np.array_equal(own.vectors, space.prior("a cat", num_inference_steps=3, guidance_scale=4.0).vectors)
    assert not np.allclose(own.vectors, space.prior("a cat", num_inference_steps=3, guidance_scale=1.0).vectors)
    x_T = 20 * torch.ones(1, tiny.DIM)
    how = {"num_inference_steps": 1, "guidance_scale": 60.0}
    far = space.prior_model.draw(["a cat"], x_T, clip_sample=False, **how)
    near = space.prior_model.draw(["a cat"], x_T, **how)
    assert torch.allclose(near, far.clamp(-5, 5), atol=1e-5)
    assert far.abs().max() > 5


def test_guidance_moves_the_draw_away_from_the_empty_text(home):
    prior = _space(home, "kandinsky").prior_model
    x = torch.zeros(1, tiny.DIM)
    plain, guided = (
        prior.draw(["a cat"], x, num_inference_steps=3, guidance_scale=g, clip_sample=False) for g in (1.0, 4.0)
    )
    assert not torch.allclose(plain, guided)


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ("prior/diffusion_pytorch_model.safetensors", "proj_in.weight"),
        ("text_encoder/model.safetensors", "text_projection.weight"),
    ],
    ids=["prior", "text encoder"],
)
@pytest.mark.parametrize(
    ("harm", "message"),
    [(tiny.drop, "missing_keys.*{}"), (tiny.add, "unexpected_keys.*{}.bolt"), (tiny.widen, "mismatched_keys.*{}")],
    ids=["a key missing", "a key too many", "a key of another shape"],
)
def test_a_harmed_prior_is_named(home, tmp_path, part, key, harm, message):
    shutil.copytree(home[0] / "kandinsky", tmp_path / "k")
    harm(tmp_path / "k" / part, f"{key}.bolt" if harm is tiny.add else key)
    with pytest.raises(CheckpointError, match=message.format(key)):
        load_space(f"local-dir:{home[0] / 'clip'}", prior=tmp_path / "k", device="cpu")


def test_a_folder_that_is_no_prior_is_named(home, tmp_path):
    tiny.kandinsky(tmp_path / "decoder")
    with pytest.raises(CheckpointError, match=r"expected a prior.*KandinskyV22Pipeline"):
        load_space(f"local-dir:{home[0] / 'clip'}", prior=tmp_path / "decoder", device="cpu")
