"""Image encoders of timm, as the second opinion that blind pairs ask for: images to pooled features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from clipspace.errors import CheckpointError
from clipspace.models.function import function_of
from clipspace.models.weights import digest, weights_digest
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.sources.images import read_images


@torch.inference_mode()
def encode_with_timm(
    images, name: str, *, pretrained: bool = True, device: str | None = None, batch_size: int = 64
) -> Embeddings:
    """Pooled features ``(n, d)`` of ``images`` by the timm model ``name``, such as ``"vit_small_patch14_dinov2"``.

    ``pretrained=False`` draws its weights (a control). Raises `CheckpointError` for a model that timm cannot load.
    """
    import timm

    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        model = timm.create_model(name, pretrained=pretrained, num_classes=0).eval().to(place)
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"encode_with_timm({name!r}): timm could not load it: {error}") from error
    config = timm.data.resolve_model_data_config(model)
    prepare = timm.data.create_transform(**config, is_training=False)
    read, names = read_images(images)

    def encode(some: Sequence[Image.Image]) -> torch.Tensor:
        return model(torch.stack([prepare(image) for image in some]).to(place)).float().cpu()

    function, dim = function_of(
        torch.nn.ModuleDict({"visual": model}),
        preprocess=config | {"resize_mode": f"{config['crop_mode']} {config['crop_pct']:g}"},
        image_size=config["input_size"][1:],
        images=encode,
    )
    preparation = digest(repr(prepare).encode())
    stamp = Stamp(f"timm/{name}", weights_digest(model), preparation, dim, function)
    parts = [encode(read[i : i + batch_size]).numpy() for i in range(0, len(read), batch_size)]
    return Embeddings(np.concatenate(parts), stamp, "image", names)
