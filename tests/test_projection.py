"""Features before the projection, projected, are the embeddings."""

import numpy as np
import open_clip
import pytest
import torch

from clipspace.errors import SpaceMismatchError
from clipspace.models.projection import before_projection
from clipspace.probes.classification import zero_shot


def test_a_vision_transformer_without_its_projection():
    vision = open_clip.CLIPVisionCfg(layers=1, width=32, head_width=16, patch_size=16, image_size=32)
    text = open_clip.CLIPTextCfg(context_length=8, vocab_size=50, width=16, heads=2, layers=1)
    visual = open_clip.CLIP(24, vision, text).visual.eval()
    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        features = before_projection(visual)(pixels)
        assert features.shape == (2, 32)
        assert torch.allclose(features @ visual.proj, visual(pixels), atol=1e-5)


def test_the_mini_space_gives_features_under_a_stamp_of_their_own(space, apple, house):
    points, features = space.encode_images([apple, house]), space.encode_features([apple, house])
    last = space.encoder.model.visual.attnpool.c_proj
    expected = features.vectors @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    assert np.allclose(points.vectors, expected, atol=1e-4)
    assert features.stamp != points.stamp
    assert features.stamp.dim == features.dim == last.in_features
    with pytest.raises(SpaceMismatchError, match="before its projection"):
        zero_shot(space, features, ["a cat", "a house"])


def test_a_tower_without_a_projection_apart_says_so():
    assert before_projection(torch.nn.Linear(3, 3)) is None
