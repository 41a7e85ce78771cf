"""What `load_space` is asked for: an encoder, a decoder and a prior, by name or as objects that a program holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from clipspace.errors import InputError
from clipspace.models import catalogue
from clipspace.models.components import Components, as_components
from clipspace.models.devices import usual_device
from clipspace.models.folders import Source
from clipspace.models.objects import device_of_object, image_encoder_of
from clipspace.models.parts import IMAGE_ENCODER
from clipspace.points.stamps import Stamp

GRADIENT = "gradient"
"""Name of the decoder that optimises pixels and has no weights of its own."""


class Asked(NamedTuple):
    """``encoder`` is the id of one, an object, or "image_encoder"; ``prior`` is False where none is wanted."""

    name: str
    encoder: Any
    decoder: str | Source | None
    prior: str | Source | Literal[False] | None

    @property
    def encoder_id(self) -> str:
        """The id of the encoder; of an object one that names no published weights."""
        return self.encoder if isinstance(self.encoder, str) else "object:encoder"

    def device(self, device: str | None) -> torch.device:
        """``device``, or that of the objects, which must agree; else a GPU when there is one."""
        held = [part.device for part in (self.decoder, self.prior) if isinstance(part, Components)]
        held += [] if isinstance(self.encoder, str) else [device_of_object(self.encoder)]
        wanted = torch.device(device) if device else None
        places = {str(place) for place in held}
        if len(places) > 1 or (held and wanted and not _same(held[0], wanted)):
            raise InputError(
                f"load_space: expected all on one device, got objects on {sorted(places)} and device={device!r}; move them by to(), or "
                "leave device out"
            )
        if held:
            return held[0]
        return wanted or usual_device(None)


def asked_for(name: Any, encoder: Any, decoder: Any, prior: Any) -> Asked:
    """What the arguments of `load_space` stand for. Raises `InputError` for what is neither a name nor a known object."""
    if not isinstance(name, (str, Path)):
        name, encoder, decoder = _objects(name, encoder, decoder)
    name = identifier(name)
    row = catalogue.pairing(name)
    decoder = _source(decoder, "decoder as a name, a folder, a repository")
    prior = _source(prior, "prior as a folder, a repository, False")
    if row is not None:
        decoder, prior = decoder or name, row.prior if prior is None else prior
    if encoder is None:
        encoder = row.clip if row else name
    elif isinstance(encoder, (str, Path)) and encoder != IMAGE_ENCODER:
        encoder = identifier(encoder)
    elif encoder == IMAGE_ENCODER:
        beside = [part for part in (prior, decoder) if isinstance(part, Components) and part.holds(IMAGE_ENCODER)]
        encoder = image_encoder_of(beside[0]) if beside else IMAGE_ENCODER
    return Asked(name, encoder, decoder, prior)


def locate_image_encoder(asked: Asked, variant: str | None) -> str:
    """The id of the image encoder beside a prior or a decoder; a prior that is left out has one, too."""
    row = catalogue.CATALOGUE.get(asked.name)
    prior = asked.prior or (row and row.prior)
    places = {"prior": prior, "decoder": None if asked.decoder == GRADIENT else asked.decoder}
    return catalogue.image_encoder(
        {part: place for part, place in places.items() if not isinstance(place, Components)}, variant
    )


def identifier(name: str | Path) -> str:
    """What open_clip, or the catalogue, calls a space."""
    if isinstance(name, Path):
        return f"local-dir:{name}"
    if not isinstance(name, str):
        raise InputError(f"load_space: expected a name or the path of a folder, got {type(name).__name__}")
    return name


def _objects(thing: Any, encoder: Any, decoder: Any) -> tuple[str, Any, Any]:
    """Of an object in the place of the name: a name, the encoder, and the decoder."""
    if isinstance(thing, (tuple, torch.nn.Module)) or isinstance(getattr(thing, "stamp", None), Stamp):
        if encoder is not None:
            raise InputError("load_space: got two encoders, one in the place of the name; leave encoder out")
        named = (
            getattr(thing, "identifier", None)
            or f"object:{type(thing[0] if isinstance(thing, tuple) and thing else thing).__name__}"
        )
        return named, thing, decoder
    pipeline = as_components(thing, "a name, an encoder (docs/encoders.md)")
    return f"object:{pipeline.kind}", IMAGE_ENCODER if encoder is None else encoder, decoder or thing


def _source(place: Any, what: str) -> Any:
    return place if place is None or place is False or isinstance(place, (str, Path)) else as_components(place, what)


def _same(a: torch.device, b: torch.device) -> bool:
    return a.type == b.type and (a.index == b.index or b.index is None)
