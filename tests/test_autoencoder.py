"""Autoencoders read and draw one image at a time."""

import pytest
import tiny
import torch

from clipspace import load_space


@pytest.fixture(scope="module")
def decoders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("autoencoders")
    clip = tiny.clip(folder / "clip")
    for make in (tiny.kandinsky, tiny.image_variations):
        make(folder / make.__name__)
    return {
        name: load_space(clip, decoder=folder / name, device="cpu").decoder
        for name in ("kandinsky", "image_variations")
    }


@pytest.mark.parametrize(("name", "part"), [("kandinsky", "movq"), ("image_variations", "vae")])
@torch.inference_mode()
def test_an_image_does_not_depend_on_its_batch_nor_does_memory(decoders, name, part):
    decoder = decoders[name]
    network = getattr(decoder, part)
    latents, pixels = torch.randn(3, 4, 8, 8), torch.rand(3, 3, 16, 16) * 2 - 1
    rows = []
    hooks = [
        module.register_forward_pre_hook(lambda module, given: rows.append(len(given[0])))
        for module in (network.encoder, network.decoder)
    ]
    drawn, read = decoder.pixels(latents), decoder.latents(pixels)
    for hook in hooks:
        hook.remove()
    assert rows == [1] * 6
    assert torch.equal(drawn[1:2], decoder.pixels(latents[1:2]))
    assert torch.equal(read[1:2], decoder.latents(pixels[1:2]))
    if part == "vae":
        whole = network.decode(latents / decoder.scaling_factor).sample, network.encode(pixels).latent_dist.mode()
        whole = whole[0], whole[1] * decoder.scaling_factor
    else:
        whole = network.decode(latents, force_not_quantize=True).sample, network.encode(pixels).latents
    assert torch.allclose(drawn, whole[0], atol=1e-5)
    assert torch.allclose(read, whole[1], atol=1e-5)
