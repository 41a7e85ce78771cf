"""Decoders at their published size, without weights: every name and shape, on the meta device, which costs nothing."""

import published
import pytest
import torch

from clipspace.models.decoders import (
    DECODERS,
    image_variations,
    ip_adapter,
    kandinsky,
    kandinsky_21,
    karlo,
    stable_unclip,
)
from clipspace.models.fitting import misfit

QUICK = ("kandinsky-2.2", "stable-unclip-h", "ip-adapter-sd15")
SAID_IN_ROUND_NUMBERS = {"karlo": 0.02, "kandinsky-2.1": 0.01}


def _karlo(unet):
    from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel

    with torch.device("meta"):
        projection = UnCLIPTextProjModel(time_embed_dim=1280, cross_attention_dim=1536)
    prompt = karlo.Prompt(torch.zeros(1, 768), torch.zeros(1, 77, 768), torch.ones(1, 77, dtype=torch.bool))
    return karlo.Karlo(unet, projection, None, prompt=prompt)


def _stable_unclip(unet, vae):
    from diffusers import DDPMScheduler

    how = {"normalizer": None, "noising": DDPMScheduler(), "empty_prompt": torch.zeros(1, 77, 1024)}
    return stable_unclip.StableUnCLIP(unet, vae, None, **how)


def _adapted(name, unet, vae):
    """The adapter put in by diffusers, its weights on the meta device too."""
    facts, wide = DECODERS[name], name == "ip-adapter-sdxl"
    width = unet.config.cross_attention_dim
    shapes = ip_adapter.shapes_of(unet, dim=facts.dim)
    weights = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    ip_adapter.put_in(unet, weights, scale=1.0)
    pooled = torch.zeros(1, 1280) if wide else None
    prompt = ip_adapter.Prompt(torch.zeros(1, 77, width), pooled, null_is_zeros=wide)
    return ip_adapter.IPAdapter(unet, vae, None, facts=facts, prompt=prompt)


def _decoder(name):
    unet = published.UNETS[name].on_meta()
    if name == "karlo":
        return _karlo(unet)
    autoencoder = published.autoencoder_of(name).on_meta()
    if name == "kandinsky-2.2":
        return kandinsky.Kandinsky(unet, autoencoder, None, dim=1280, null_embeds=torch.zeros(1, 1280))
    if name == "kandinsky-2.1":
        prompt = kandinsky_21.Prompt(torch.zeros(1, 768), torch.zeros(1, 77, 1024))
        return kandinsky_21.Kandinsky21(unet, autoencoder, None, null_embeds=torch.zeros(1, 768), prompt=prompt)
    if name.startswith("stable-unclip"):
        return _stable_unclip(unet, autoencoder)
    if name.startswith("ip-adapter"):
        return _adapted(name, unet, autoencoder)
    return image_variations.ImageVariations(unet, autoencoder, None)


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in published.UNETS]
)
@torch.inference_mode()
def test_a_published_network_fits_its_decoder(name):
    decoder, facts = _decoder(name), DECODERS[name]
    assert decoder.dim == facts.dim
    side = 64 if name == "karlo" else decoder.resolution
    assert f"{side} px" in facts.output
    z = torch.zeros(1, facts.dim)
    both = torch.cat([decoder.null_condition(1), decoder.condition(z)])
    x = torch.zeros(2, *decoder.latent_shape, device="meta")
    assert decoder.predict(x, 500, both).shape == x.shape
    pixels = decoder.pixels(x[:1])
    assert pixels.shape == (1, 3, side, side)
    assert decoder.latents(pixels).shape == x[:1].shape


@pytest.mark.parametrize("name", [*published.UNETS, "MoVQ", "VAE"])
def test_a_published_network_has_as_many_parameters_as_is_said(name):
    network = {"MoVQ": published.MOVQ, "VAE": published.VAE}.get(name) or published.UNETS[name]
    found = published.millions(network.on_meta())
    assert found == pytest.approx(network.millions, rel=SAID_IN_ROUND_NUMBERS.get(name, 1e-3))


@pytest.mark.parametrize("name", published.ADAPTERS)
def test_an_adapter_has_as_many_parameters_as_its_published_file(name):
    unet = published.UNETS[name].on_meta()
    shapes = ip_adapter.shapes_of(unet, dim=DECODERS[name].dim)
    found = sum(shape.numel() for shape in shapes.values()) / 1e6
    assert found == pytest.approx(published.ADAPTERS[name], rel=2e-3)
    weights = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    assert misfit(shapes, weights) is None
    weights.pop("ip_adapter.1.to_k_ip.weight")
    assert "missing ['ip_adapter.1.to_k_ip.weight']" in misfit(shapes, weights)
