"""Every adapter against the pipeline of the library its checkpoint comes from: same tiny weights, same image."""

import copy
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch

from clipspace import Embeddings, load_space
from clipspace.errors import ClippingWarning, ConvergenceWarning, SpaceMismatchError
from clipspace.probes.sparse_autoencoder import fit_autoencoder
from clipspace.sources.images import psnr, square

STEPS = 10


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a tiny CLIP and one folder per decoder, the pipelines that wrote them, and the spaces loaded so far."""
    folder = tmp_path_factory.mktemp("tiny")
    return folder, tiny.decoders(folder), {}


def _space(home, name, **options):
    """The space of a decoder, loaded once for each set of options; its decoder is a copy that shares the weights."""
    folder, _, loaded = home
    key = repr((name, options))
    if key not in loaded:
        loaded[key] = load_space(f"local-dir:{folder / 'clip'}", decoder=folder / name, device="cpu", **options)
    return replace(loaded[key], decoder=copy.copy(loaded[key].decoder))


@pytest.fixture(scope="module")
def z():
    return 3 * torch.randn(2, tiny.DIM, generator=torch.Generator().manual_seed(0))


def _ours(space, z, x_T, guidance_scale):
    """Pixels in [0, 1] of our sampler."""
    latents = space.decoder.draw(z, x_T, num_inference_steps=STEPS, guidance_scale=guidance_scale)
    with torch.inference_mode():
        return space.decoder.pixels(latents).div(2).add(0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()


def _x_T(space, n=2):
    """Noise that does not depend on how the library draws its own: a random network enlarges rounding, at some x_T more."""
    rows = [np.random.default_rng([1, i]).standard_normal(space.decoder.latent_shape, np.float32) for i in range(n)]
    return torch.from_numpy(np.stack(rows))


@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
def test_kandinsky_equals_its_pipeline(home, z, guidance_scale):
    space, pipeline = _space(home, "kandinsky"), home[1]["kandinsky"]
    x_T = _x_T(space)
    theirs = pipeline(
        z, space.decoder.null_embeds.expand(2, -1), height=16, width=16, num_inference_steps=STEPS,
        guidance_scale=guidance_scale, latents=x_T, output_type="np",
    ).images  # fmt: skip
    assert np.abs(_ours(space, z, x_T, guidance_scale) - theirs).max() < 1e-4


@pytest.mark.parametrize("guidance_scale", [1.0, 5.0])
def test_kandinsky_21_equals_its_pipeline_with_the_empty_prompt(home, z, guidance_scale):
    space, pipeline = _space(home, "kandinsky_21"), home[1]["kandinsky_21"]
    x_T = _x_T(space)
    theirs = pipeline(
        ["", ""], z, space.decoder.null_embeds.expand(2, -1), height=16, width=16, num_inference_steps=STEPS,
        guidance_scale=guidance_scale, latents=x_T, output_type="np",
    ).images  # fmt: skip
    assert np.abs(_ours(space, z, x_T, guidance_scale) - theirs).max() < 1e-4
    spoken = pipeline(
        ["a cat", "a cat"], z, space.decoder.null_embeds.expand(2, -1), height=16, width=16,
        num_inference_steps=STEPS, guidance_scale=guidance_scale, latents=x_T, output_type="np",
    ).images  # fmt: skip
    assert np.abs(spoken - theirs).max() > 1e-3  # so that the prompt matters


@pytest.mark.parametrize("made", ["an arbitrary vector", "a feature of a sparse autoencoder"])
def test_any_vector_of_the_stamp_is_drawn_as_the_pipeline_draws_it(home, rng, made):
    space, pipeline = _space(home, "kandinsky"), home[1]["kandinsky"]
    points = Embeddings(rng.normal(size=(60, tiny.DIM)).astype(np.float32), space.stamp)
    if made.startswith("a feature"):
        points = fit_autoencoder(points, features=8, k=2, steps=5, device="cpu").embeddings()
    points, x_T = points[[0, 3]], _x_T(space)
    how = {"num_inference_steps": STEPS, "guidance_scale": 4.0}
    theirs = pipeline(
        torch.from_numpy(points.vectors.copy()), space.decoder.null_embeds.expand(2, -1), height=16, width=16,
        latents=x_T, output_type="np", **how,
    ).images  # fmt: skip
    ours = np.stack([np.asarray(image) for image in space.decode(points, noise=x_T.numpy(), **how)])
    assert np.abs(ours - 255 * theirs).max() < 1
    assert np.abs(ours[0].astype(int) - ours[1]).max() > 10
    with pytest.raises(SpaceMismatchError, match="no stamp"):
        space.decode(Embeddings(points.vectors), **how)


@pytest.mark.parametrize("guidance_scale", [1.0, 7.0])
@pytest.mark.parametrize("noise_level", [0, 300])
def test_stable_unclip_equals_its_pipeline(home, z, guidance_scale, noise_level):
    """The pipeline noises the embedding even at level 0; the draw is pinned by giving both the same seed."""
    space, pipeline = (
        _space(home, "stable_unclip", decoder_options={"noise_level": noise_level, "noise_seed": 5}),
        home[1]["stable_unclip"],
    )
    x_T = _x_T(space, 1)
    theirs = pipeline(
        prompt=[""], image_embeds=z[:1], height=16, width=16, num_inference_steps=STEPS, latents=x_T,
        guidance_scale=guidance_scale, noise_level=noise_level, generator=torch.Generator().manual_seed(5),
        output_type="np",
    ).images  # fmt: skip
    assert np.abs(_ours(space, z[:1], x_T, guidance_scale) - theirs).max() < 1e-4


def test_stable_unclip_without_noise_gives_the_network_z_itself(home, z):
    exact = _space(home, "stable_unclip").decoder.condition(z)
    noised = _space(home, "stable_unclip", decoder_options={"noise_level": 0}).decoder.condition(z)
    assert torch.equal(exact[:, : tiny.DIM], z)
    assert torch.equal(exact[:, tiny.DIM :], noised[:, tiny.DIM :])
    assert 0 < (noised[:, : tiny.DIM] - z).abs().max() < 0.1


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_image_variations_equal_their_pipeline(home, z, guidance_scale, monkeypatch):
    """The pipeline takes images alone; its encoder is made to answer with the embeddings."""
    space, pipeline = _space(home, "image_variations"), home[1]["image_variations"]
    x_T = _x_T(space)
    monkeypatch.setattr(pipeline.image_encoder, "forward", lambda pixels: type("Out", (), {"image_embeds": z})())
    theirs = pipeline(
        torch.zeros(2, 3, 32, 32), height=16, width=16, num_inference_steps=STEPS, guidance_scale=guidance_scale,
        latents=x_T, output_type="np",
    ).images  # fmt: skip
    assert np.abs(_ours(space, z, x_T, guidance_scale) - theirs).max() < 1e-4


@torch.inference_mode()
def _sample_as_karlo(decoder, embeds, x_T, scheduler, guidance_scale, generator):
    """Latents of our network by Karlo's own stochastic sampler (Ho et al. 2020, with a learned variance)."""
    cond, null = decoder.condition(embeds), decoder.null_condition(len(embeds))
    scheduler.set_timesteps(STEPS)
    times, x = scheduler.timesteps.tolist(), x_T
    for t, s in zip(times, [*times[1:], None], strict=True):
        guess = decoder.predict_with_variance(x, t, cond)
        if guidance_scale != 1.0:
            noise, variance = guess.split(decoder.channels, dim=1)
            free = decoder.predict(x, t, null)
            guess = torch.cat([torch.lerp(free, noise.float(), guidance_scale), variance], dim=1)
        x = scheduler.step(guess.float(), t, x, prev_timestep=s, generator=generator).prev_sample
    return x


@pytest.mark.parametrize("guidance_scale", [1.0, 8.0])
def test_karlo_equals_its_pipeline_under_its_own_sampler(home, z, guidance_scale):
    """Both samplers draw from one generator, first for the decoder and then for the upsampler."""
    space, pipeline = _space(home, "karlo"), home[1]["karlo"]
    decoder, x_T = space.decoder, _x_T(space, 1)
    large = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    theirs = pipeline(
        image_embeddings=z[:1], decoder_num_inference_steps=STEPS, super_res_num_inference_steps=7,
        decoder_guidance_scale=guidance_scale, decoder_latents=x_T, super_res_latents=large,
        generator=torch.Generator().manual_seed(9), output_type="np",
    ).images  # fmt: skip
    generator = torch.Generator().manual_seed(9)
    small = _sample_as_karlo(decoder, z[:1], x_T, pipeline.decoder_scheduler, guidance_scale, generator)
    with torch.inference_mode():
        ours = decoder.upsampler(small.clamp(-1, 1), large, generator).div(2).add(0.5).clamp(0, 1)
    assert np.abs(ours.permute(0, 2, 3, 1).numpy() - theirs).max() < 1e-4


@pytest.mark.parametrize("clip", [False, True])
def test_karlo_under_ddim_equals_diffusers_ddim(home, z, clip):
    """Of all 1,000 steps the last four, where both walk one timestep at a time."""
    from diffusers import DDIMScheduler

    space = _space(home, "karlo", decoder_options={"upsample": False})
    decoder, x_T = space.decoder, _x_T(space)
    scheduler = DDIMScheduler(beta_schedule="squaredcos_cap_v2", clip_sample=clip, timestep_spacing="linspace")
    scheduler.set_timesteps(1000)
    expected, cond = x_T, decoder.condition(z)
    with torch.inference_mode():
        for t in scheduler.timesteps[-4:]:
            guess = decoder.predict(expected, int(t), cond)
            expected = scheduler.step(guess, t, expected, use_clipped_model_output=clip).prev_sample
    decoder.schedule = replace(decoder.schedule, spacing=lambda n: [3, 2, 1, 0])
    with pytest.warns(ConvergenceWarning, match="start at t=3"):
        x = decoder.draw(z, x_T, num_inference_steps=4, clip_sample=clip)
    assert torch.allclose(x, expected, atol=1e-5)
    assert (x.abs().max() <= 1) == clip


def _pixels(images):
    return np.stack([np.asarray(image, int) for image in images])


@pytest.mark.parametrize("name", ["karlo", "kandinsky"])
def test_where_the_noise_is_drawn_guidance_and_clipping_are_the_decoder_s_own(home, name):
    options = {"decoder_options": {"upsample": False}} if name == "karlo" else {}
    space = _space(home, name, **options)
    points = space.encode_images([np.full((8, 8, 3), v, np.uint8) for v in (10, 200)])
    steps, x_T = {"num_inference_steps": 4}, space.noise(2, seed=3)
    own = space.decode(points, noise=x_T, guidance_scale=space.decoder.facts.guidance_scale, clip_sample=True, **steps)
    plain = space.decode(points, noise=x_T, guidance_scale=1.0, clip_sample=False, **steps)
    assert space.guidance_scale == {"karlo": 8.0, "kandinsky": 4.0}[name]
    assert np.array_equal(_pixels(space.decode(points, seed=3, **steps)), _pixels(own))
    assert np.array_equal(_pixels(space.decode(points, noise=x_T, **steps)), _pixels(plain))
    assert not np.array_equal(_pixels(own), _pixels(plain))


def test_a_code_of_a_decoder_that_clips_decodes_unclipped_to_its_image(home, apple):
    """Kandinsky's own sampler, clipping latents to [-0.5, 0.5]: no code of its steps could give this image back."""

    from diffusers import DDPMScheduler

    folder = home[0] / "clips"
    shutil.copytree(home[0] / "kandinsky", folder, dirs_exist_ok=True)
    how = {"beta_schedule": "linear", "beta_start": 0.00085, "beta_end": 0.012, "clip_sample_range": 0.5}
    DDPMScheduler(variance_type="learned_range", steps_offset=1, **how).save_pretrained(folder / "scheduler")
    space = _space(home, "clips")
    latents = space.decoder.to_latents([apple])
    assert latents.abs().max() > 0.5
    code = space.invert(apple, num_inference_steps=25)
    (back,), (bound,) = space.decode(code.embeddings, **code.settings), space.decoder.to_images(latents)
    assert psnr(back, square(apple, 16)) > psnr(bound, square(apple, 16)) - 0.5
    z, x_T = torch.from_numpy(code.embeddings.vectors.copy()), torch.from_numpy(code.noise)
    clipped = space.decoder.draw(z, x_T, num_inference_steps=25, clip_sample=True)
    unclipped = space.decoder.draw(z, x_T, num_inference_steps=25)
    assert (unclipped - latents).square().mean().sqrt() < 0.02
    assert (clipped - latents).square().mean().sqrt() > 0.1


@pytest.mark.parametrize("name", ["kandinsky", "kandinsky_21", "stable_unclip", "image_variations"])
@pytest.mark.filterwarnings("ignore::clipspace.errors.ConvergenceWarning")
def test_inversion_returns_to_the_upper_bound(home, name, apple):
    """decode(invert(x)) loses at most 0.5 dB of what the autoencoder alone gives (see benchmarks/inversion.py)."""
    space = _space(home, name)
    unet = space.decoder.unet = copy.deepcopy(space.decoder.unet)
    unet.conv_out.weight.data.mul_(0.3)  # random weights that fold space take hundreds of evaluations a step
    code = space.invert(apple, num_inference_steps=25)
    latents = space.decoder.to_latents([apple])
    back = space.decode(code.embeddings, **code.settings)[0]
    x = square(apple, space.decoder.resolution)
    assert psnr(back, x) > psnr(space.decoder.to_images(latents)[0], x) - 0.5


@pytest.mark.parametrize("name", ["kandinsky", "stable_unclip", "image_variations", "karlo"])
def test_float64_is_carried_through(home, name, z):
    """The same picture as in float32, and latents that are float64 to the end."""
    single, double = (_space(home, name, dtype=dtype) for dtype in ("float32", "float64"))
    x_T = _x_T(single)
    latents = [s.decoder.draw(z, x_T, num_inference_steps=STEPS) for s in (single, double)]
    assert latents[1].dtype == double.decoder.pixels(latents[1]).dtype == torch.float64
    assert torch.allclose(latents[0].double(), latents[1], atol=1e-3 * latents[1].abs().max())


def test_karlo_with_random_weights_says_that_it_does_not_invert(home, apple, monkeypatch):
    """Its first step, from an alpha of 2e-9, multiplies by 632: random weights fold it, and `invert` must say so."""
    monkeypatch.setattr("clipspace.diffusion.inversion.RESTARTS", 0)  # which would not help, and cost as much each
    space = _space(home, "karlo", decoder_options={"upsample": False})
    with (
        pytest.warns(ConvergenceWarning, match="did not converge"),
        pytest.warns(ClippingWarning, match=r"karlo.*clips x_0.*images \[0\].*at no timestep"),
    ):
        space.invert(apple, num_inference_steps=2)


def test_a_row_does_not_depend_on_its_batch(home, z):
    space = _space(home, "karlo")
    points = space.encode_images([np.full((8, 8, 3), v, np.uint8) for v in (10, 200)])
    together = space.decode(points, num_inference_steps=3, seed=2)
    alone = space.decode(points, num_inference_steps=3, seed=2, batch_size=1)
    for a, b in zip(together, alone, strict=True):
        assert a.size == (32, 32)
        assert np.abs(np.asarray(a, int) - np.asarray(b, int)).max() <= 1


@pytest.mark.parametrize("name", ["kandinsky", "stable_unclip", "image_variations", "karlo"])
def test_offloaded_decoders_draw_the_same_at_their_own_guidance(home, z, name):
    pytest.importorskip("accelerate")
    options = {"decoder_options": {"upsample": False}} if name == "karlo" else {}
    plain, offloaded = (_space(home, name, offload=offload, **options) for offload in (False, True))
    guidance = plain.guidance_scale
    assert guidance > 1
    assert np.allclose(*(_ours(space, z, _x_T(plain), guidance) for space in (plain, offloaded)), atol=1e-4)
