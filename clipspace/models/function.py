"""The function of an encoder, as its stamp names it: read off the built modules, not off a configuration.

One state dict serves many functions: the activation, the number of heads or the epsilon of a norm are in no weight.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from clipspace.errors import CheckpointError
from clipspace.models.weights import digest
from clipspace.points.stamps import EMBEDDING, Function

if TYPE_CHECKING:
    from clipspace.models.contract import Encoder

_HEADS = ("num_heads", "n_heads", "n_head", "num_attention_heads")
_EPSILON = ("eps", "variance_epsilon")
_POOLING = ("pool_type", "text_pool_type", "global_pool", "use_pooler_output", "cls_token_position")
_OTHER = (
    "approximate", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode", "patch_size", "num_groups",
    "final_ln_after_pool", "pad_id", "eos_id", "text_eos_id",
)  # fmt: skip
"""Of modules of torch and open_clip, whose attributes keep their names from version to version."""
_ALSO_CALLED = {
    "GELUActivation": "GELU", "QuickGELUActivation": "QuickGELU", "SiLUActivation": "SiLU", "Swish": "SiLU",
    "GELUTanh": "GELU (tanh)", "PytorchGELUTanh": "GELU (tanh)", "NewGELUActivation": "GELU (tanh)",
}  # fmt: skip
"""One function by its names in several libraries, and in versions of one."""
_PLAIN_TEXTS = ("a photo of a cat", "two red apples on a table", "blue")
_MESSY_TEXTS = (
    "A Photo of A CAT",
    "it's 3.50 &amp; ripe!",
    "under_the  trees\t,",
    "Ein Café — 苹果 🍎",
    "<b>“quoted”</b>",
)
_TEXTS = ("A photo of a RED apple; it's 3.50 &amp; ripe!", "two dogs under_the trees", "Ein Café, 苹果")


def function_of(
    model: torch.nn.Module,
    *,
    preprocess: Mapping[str, Any],
    image_size: tuple[int, int],
    images: Callable[[Sequence[Image.Image]], torch.Tensor],
    texts: Callable[[Sequence[str]], torch.Tensor] | None = None,
    tokenizer: Any = None,
    context_length: int = 0,
    pooling: str | None = None,
) -> tuple[Function, int]:
    """The function of a model: its modules' facts, its preprocessing (open_clip's dictionary), and its fingerprint.

    ``images`` and ``texts`` are the encoder's own, to raw vectors, whose dimension is returned beside it; ``pooling`` is given
    where no module tells it. Raises `CheckpointError` where vectors are not finite.
    """
    vectors = [images(probe_images())] + ([texts(_TEXTS)] if texts else [])
    function = Function(
        layer=EMBEDDING,
        activation=_summary(_activations(model)),
        heads=_summary(_facts(model, _HEADS)),
        pooling=_summary(_facts(model, _POOLING)) if pooling is None else pooling,
        norm_epsilon=_summary(_facts(model, _EPSILON)),
        architecture=_architecture(model),
        image_size=" x ".join(map(str, image_size)),
        mean=_numbers(preprocess["mean"]),
        std=_numbers(preprocess["std"]),
        resize_mode=str(preprocess["resize_mode"]),
        interpolation=str(preprocess["interpolation"]),
        tokenizer=_tokens(tokenizer, _PLAIN_TEXTS),
        text_cleaning=_tokens(tokenizer, _MESSY_TEXTS),
        context_length=context_length,
        fingerprint=_fingerprint(torch.cat([part.cpu().double() for part in vectors])),
    )
    return function, vectors[0].shape[1]


def probe_images() -> list[Image.Image]:
    """Three fixed images of unlike shapes: fine stripes, flat colours, a slope. Integers only: equal on every machine."""
    images = []
    for height, width, pattern in ((240, 320, _stripes), (320, 180, _blocks), (256, 256, _slope)):
        y, x, channel = np.ogrid[:height, :width, :3]
        images.append(Image.fromarray((pattern(y, x, channel) % 256).astype(np.uint8)))
    return images


def fingerprint_now(encoder: Encoder) -> tuple[float, ...]:
    """The fingerprint that `function_of` takes, of an encoder as it runs now: its dtype, its device, its modules."""
    vectors = [encoder.images(probe_images())] + ([encoder.texts(_TEXTS)] if encoder.context_length else [])
    return _fingerprint(torch.from_numpy(np.concatenate(vectors)).double())


def _stripes(y, x, channel):
    return 97 * x * (channel + 1) + 61 * y + 13 * x * y


def _blocks(y, x, channel):
    return 83 * (y // 64) + 151 * (x // 45) * (channel + 1) + 0 * channel


def _slope(y, x, channel):
    return (y * (channel + 1) + x * (3 - channel)) // 4


def _fingerprint(vectors: torch.Tensor) -> tuple[float, ...]:
    norms = vectors.norm(dim=1).clamp_min(1e-12)
    if not torch.isfinite(norms).all():
        raise CheckpointError(
            "load_space: the model makes vectors that are not finite of plain images and texts; its weights are broken: "
            "get a whole copy"
        )
    unit = vectors / norms[:, None]
    width = len(vectors)
    cosines = [float(unit[i] @ unit[j]) for i, j in itertools.combinations(range(width), 2)]
    return tuple(round(value, 5) for value in [*cosines, *norms.log().tolist()])


def _tower(name: str) -> str:
    return "image" if name.startswith("visual") else "text"


def _facts(model: torch.nn.Module, names: Sequence[str], *, homes: tuple[str, ...] = ("",)) -> dict[str, str]:
    """Plain values of the attributes ``names`` by the path of their module, of modules defined in one of ``homes``."""
    return {
        f"{path}.{name}": repr(vars(module)[name])
        for path, module in model.named_modules()
        if type(module).__module__.startswith(homes)
        for name in names
        if isinstance(vars(module).get(name, ...), (int, float, str, tuple, type(None)))
    }


def _activations(model: torch.nn.Module) -> dict[str, str]:
    """Names of the modules that are an activation, by path."""
    activations = {}
    for path, module in model.named_modules():
        home, kind = type(module).__module__, type(module).__name__
        if next(module.parameters(), None) is None and (home.endswith(("activation", "activations")) or "GELU" in kind):
            exact = getattr(module, "approximate", "none") in ("none", False, None)
            activations[path] = _ALSO_CALLED.get(kind, kind) if exact else f"{kind} ({module.approximate})"
    return activations


def _summary(facts: Mapping[str, str]) -> str:
    """The values of each tower, for a reader: "image 12, text 8"."""
    towers: dict[str, set[str]] = {}
    for path, value in facts.items():
        towers.setdefault(_tower(path), set()).add(value.strip("'"))
    return ", ".join(f"{tower} {' and '.join(sorted(values))}" for tower, values in sorted(towers.items()))


def _architecture(model: torch.nn.Module) -> str:
    """A digest of what the modules say of themselves, each by its path, and of the masks that are in no state dict."""
    facts = _facts(model, (*_HEADS, *_EPSILON, *_POOLING)) | _activations(model)
    facts |= _facts(model, _OTHER, homes=("torch.", "open_clip."))
    for path, buffer in model.named_buffers():
        if path.endswith("attn_mask"):
            facts[path] = digest(buffer.isinf().cpu().numpy().tobytes())
    return digest("\n".join(f"{path}: {facts[path]}" for path in sorted(facts)).encode())


def _tokens(tokenizer: Any, texts: Sequence[str]) -> str:
    """A digest of the tokens of some texts, without the padding at their ends; empty where there is no tokenizer."""
    if tokenizer is None:
        return ""
    rows = [row.tolist() for row in tokenizer(list(texts))]
    for row in rows:
        while len(row) > 1 and row[-1] == row[-2]:
            row.pop()
    return digest(repr(rows).encode())


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.6g}" for value in values)
