"""`Provenance`: what it takes to repeat a result, its call, inputs, options, models and versions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from clipspace.plain import to_plain
from clipspace.points.code import Code
from clipspace.points.embeddings import Embeddings
from clipspace.points.stamps import Stamp, read_stamp
from clipspace.sources.images import content

if TYPE_CHECKING:
    from clipspace.space import Space

PACKAGES = ("clipspace", "torch", "diffusers", "open_clip_torch", "numpy", "scikit-learn")
"""Names of the packages whose versions are noted."""


@dataclass(frozen=True)
class Provenance:
    """What it takes to repeat a result. `provenance` makes one.

    Parameters
    ----------
    call : the function that was called, such as "text_diff" or "knn"
    inputs : what it was called on, each with ``kind``, ``name`` and ``digest`` (`input_of`)
    options : its other arguments, defaults filled in
    seed : of every random draw; None where nothing was drawn
    space : name of the space; None for points without a model
    stamp : of the points; None where nothing is known of them
    weights : digests of the weights of the space's encoder, decoder and prior
    versions : of `PACKAGES`
    data : a sentence that says what it was computed on; empty where the inputs say it
    """

    call: str
    inputs: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    space: str | None = None
    stamp: Stamp | None = None
    weights: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    data: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; `read_provenance` reads them."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return to_plain({**values, "stamp": self.stamp and self.stamp.to_dict()})


def provenance(
    call: str,
    space: Space | None = None,
    *,
    stamp: Stamp | None = None,
    inputs: Sequence[Mapping[str, Any]] = (),
    seed: int | None = None,
    **options: Any,
) -> Provenance:
    """The provenance of ``call``: of the models of ``space``, or of points of ``stamp`` where no model was used."""
    of_space = {} if space is None else {"space": space.name, "stamp": space.stamp, "weights": space.weights}
    return Provenance(call, list(inputs), options, seed, **({"stamp": stamp} | of_space), versions=_versions())


def drawn_with(
    space: Space, num_inference_steps: int | None, guidance_scale: float | None = None, *, inverted: bool = False
) -> dict[str, Any]:
    """The sampler's options as `Space.decode` takes them, for a provenance: ``None`` is what the space takes when told none.

    ``inverted`` tells x_T that was found from x_T that is drawn.
    """
    usual = space.inversion_guidance_scale if inverted else space.guidance_scale
    return {
        "num_inference_steps": space.num_inference_steps if num_inference_steps is None else num_inference_steps,
        "guidance_scale": usual if guidance_scale is None else guidance_scale,
    }


def read_provenance(values: Mapping[str, Any]) -> Provenance:
    """The provenance that `Provenance.to_dict` wrote. Raises `TypeError` or `KeyError` for anything else."""
    return Provenance(**{**values, "stamp": read_stamp(values["stamp"])})


def input_of(item, image: Image.Image | None = None) -> dict[str, Any]:
    """What an input of a result was, plain values: its ``kind``, its ``name`` and a short SHA-256 ``digest``.

    ``kind`` is "image", "text", "embedding" or "code". ``image`` is the RGB image where ``item`` is the path, PIL image
    or array it came from; a string without one is a text. The name is the path as given, the text itself or that of the
    embedding; None of an image that has none. The digest is of the pixels (`images.content`), of the text in UTF-8, of
    the vector, or of a code's vector and noise.
    """
    if isinstance(item, Code):
        kind, name, data = "code", item.embeddings.names[0], item.embeddings.vectors.tobytes() + item.noise.tobytes()
    elif isinstance(item, Embeddings):
        kind, name, data = "embedding", item.names[0], item.vectors.tobytes()
    elif image is None:
        kind, name, data = "text", str(item), str(item).encode()
    else:
        path = item if isinstance(item, (str, Path)) else getattr(item, "filename", "")
        kind, name, data = "image", str(path) or None, content(image)
    return {"kind": kind, "name": name, "digest": hashlib.sha256(data).hexdigest()[:16]}


@cache
def _versions() -> dict[str, str]:
    return {package: version(package) for package in PACKAGES}
