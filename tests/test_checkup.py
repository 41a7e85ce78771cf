"""`check`: the mini space passes, and each planted fault is named by the line that looks for it."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from command_line import run
from diffusers.schedulers.scheduling_unclip import UnCLIPScheduler
from open_clip.transformer import QuickGELU

from clipspace import load_space
from clipspace.diffusion.schedule import Schedule, clipping
from clipspace.probes import check
from clipspace.probes.checkup.line import Line
from clipspace.space import untrained_space

FEW = {"n": 4, "num_inference_steps": 4}


@pytest.fixture
def quick(monkeypatch):
    """Inversion, the dearest line, is left to the test of the mini space."""
    monkeypatch.setattr("clipspace.probes.checkup.drawing.inversion", lambda *_: Line("inversion", "pass", "", ""))


def verdicts(space, **options):
    result = check(space, **FEW | options)
    return {row.check: row.verdict for row in result}, {row.check: f"{row.got} {row.do}" for row in result}, result


def failing(space):
    """The lines that fail, and what each says."""
    verdict, said, _ = verdicts(space)
    return {name: said[name] for name, value in verdict.items() if value == "fail"}


def with_encoder(space, **methods):
    """The space, with some methods or attributes of its encoder replaced."""
    encoder = copy.copy(space.encoder)
    vars(encoder).update(methods)
    return replace(space, encoder=encoder)


def with_decoder(space, **methods):
    decoder = copy.copy(space.decoder)
    vars(decoder).update(methods)
    return replace(space, decoder=decoder)


def test_mini_passes_every_line(space):
    verdict, _, result = verdicts(space)
    assert set(verdict.values()) == {"pass"}
    assert len(verdict) == 15
    assert result.findings[0] == "mini works here: all 15 checks pass."
    assert (result.provenance.options["num_inference_steps"], result.provenance.options["guidance_scale"]) == (4, 1)


def test_vectors_that_lost_their_length_are_named(space, quick):
    raw = with_decoder(space, facts=replace(space.decoder.facts, scale="raw"))
    assert raw.decoder.takes_raw
    assert not failing(raw)  # raw vectors are what it takes
    images = space.encoder.images
    unit = with_encoder(raw, images=lambda *a, **k: (v := images(*a, **k)) / np.linalg.norm(v, axis=1, keepdims=True))
    named = failing(unit)
    assert "lost their length" in named["norms"]
    assert "takes raw embeddings" in named["finite images"]


def test_embeddings_of_another_clip_are_named(space, quick):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(128, 128)))[0].astype(np.float32)
    images, texts = space.encoder.images, space.encoder.texts
    turned = with_encoder(space, images=lambda *a, **k: images(*a, **k) @ turn, texts=lambda t: texts(t) @ turn)
    named = failing(turned)
    assert set(named) == {"cycle"}  # cosines, norms and images are as they were: the decoder alone can tell
    assert "another CLIP" in named["cycle"]


def test_a_clip_of_random_weights_is_named(space, quick):
    named = failing(replace(space, encoder=untrained_space("mini", seed=1, device="cpu").encoder))
    assert {"matching", "norms", "cycle"} <= set(named)


def test_another_activation_is_named(space, tmp_path):
    encoder = load_space(tiny.clip(tmp_path / "clip"), device="cpu").encoder
    encoder.identifier = "ViT-B-32/openai"  # as weights that open_clip lists with QuickGELU
    verdict, _, _ = verdicts(replace(space, encoder=encoder, decoder=None, prior_model=None))
    assert verdict["activation"] == "fail"
    assert (
        "QuickGELU"
        in check(replace(space, encoder=encoder, decoder=None, prior_model=None), n=4)["activation"].expected
    )
    encoder.identifier = "ViT-B-32/laion2b_s34b_b79k"
    assert verdicts(replace(space, encoder=encoder, decoder=None, prior_model=None))[0]["activation"] == "pass"
    swapped = copy.deepcopy(space.encoder)
    for module in list(swapped.model.modules()):
        for name, child in module.named_children():
            if isinstance(child, torch.nn.GELU):
                setattr(module, name, QuickGELU())
    named = failing(replace(space, encoder=swapped, decoder=None, prior_model=None))
    assert "does not compute what its stamp says" in named["fingerprint"]


def karlo_like(space, *, clips: bool):
    """The mini decoder under Karlo's schedule, which divides by 0.0016 in its first step, with an error of .003 in epsilon."""
    mini, rng = space.decoder.schedule, torch.Generator().manual_seed(0)
    alphas = UnCLIPScheduler().alphas_cumprod.double()
    schedule = Schedule(alphas, 1.0, "epsilon", lambda n: [round(t) for t in np.linspace(999, 0, n)], clipping(1))
    predict = space.decoder.predict

    def epsilon(x_t, t, cond):
        signal, noise = schedule.signal_and_noise(t)
        own = int((mini.alphas_cumprod - alphas[t]).abs().argmin())
        x_0 = predict(x_t, own, cond)
        return (x_t - signal * x_0) / noise + 0.003 * torch.randn(x_t.shape, generator=rng)

    return with_decoder(space, schedule=schedule if clips else schedule.without_limit(), predict=epsilon)


def test_an_unclipped_schedule_of_a_decoder_of_pixels_is_named(space, quick):
    assert not {"clipping", "denoising", "cycle", "saturation"} & set(failing(karlo_like(space, clips=True)))
    named = failing(karlo_like(space, clips=False))
    assert "clip_sample" in named["clipping"]


def test_random_weights_of_a_decoder_are_named(space, quick):
    unet = copy.deepcopy(space.decoder.unet)
    torch.manual_seed(0)
    for module in unet.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    named = failing(with_decoder(space, unet=unet))
    assert "not trained" in named["denoising"]
    assert "see denoising" in named["cycle"]


def test_pixels_of_another_normalisation_are_named(space, quick):
    prepared = space.encoder.preprocess
    other = with_encoder(space, preprocess=lambda image: (prepared(image) * 0.5 + 0.5 - 0.46) / 0.27)
    assert "another mean and std" in failing(other)["pixels"]


def test_an_overflow_of_half_precision_is_named(space, quick):
    images = space.encoder.images

    def overflowing(*a, **k):
        with np.errstate(over="ignore"):
            return (1e4 * images(*a, **k)).astype(np.float16).astype(np.float32)

    verdict, said, result = verdicts(with_encoder(space, images=overflowing))
    assert verdict["finite vectors"] == "fail"
    assert "NaN or infinity" in said["finite vectors"]
    assert "cycle" not in verdict
    assert any("needs vectors" in note for note in result.findings)


def test_images_of_a_user_are_checked_and_what_is_not_asked_is_said(space, apple):
    plain = replace(space, decoder=None)
    verdict, _, result = verdicts(plain, images=[apple])
    assert "matching" not in verdict
    said = " ".join(result.findings)
    assert "3 rendered scenes were added" in said
    assert "the texts of your images are not known" in said
    assert "the space has none" in said


def test_the_command_prints_a_line_each_and_fails_where_one_does(tmp_path, monkeypatch, apple, capsys, space):
    apple.save(tmp_path / "apple.png")
    options = ["-n", "4", "--steps", "2", "--device", "cpu"]
    monkeypatch.setattr("clipspace.space.load_space", lambda *_, **__: replace(space, decoder=None))
    assert run("check", "mini", str(tmp_path), *options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("pass ") for line in lines) == 8
    broken = with_encoder(replace(space, decoder=None), preprocess=lambda image: torch.zeros(3, 64, 64))
    monkeypatch.setattr("clipspace.space.load_space", lambda *_, **__: broken)
    assert run("check", *options, "--json") == 1
    table = json.loads(capsys.readouterr().out)["table"]
    assert next(row for row in table if row["check"] == "pixels")["verdict"] == "fail"
    assert run("check", "mini", str(tmp_path / "none.png")) == 1
    assert "none.png" in capsys.readouterr().err


@pytest.mark.parametrize("n", [0, 3])
def test_too_few_images_are_refused(space, n):
    with pytest.raises(ValueError, match="at least 4"):
        check(space, n=n)
