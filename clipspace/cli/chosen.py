"""`Chosen`: the options of every command that loads a space, spelled out once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from clipspace.space import Space

NO_PRIOR = "none"
"""What ``--prior`` takes for no prior."""


def _option(flag: str, help_text: str) -> Any:
    return typer.Option(flag, help=help_text, rich_help_panel="Space and sampler")


@dataclass(frozen=True)
class Chosen:
    """A space and how it is loaded, as options of a command say; a command takes one under `takes_space`."""

    space: Annotated[str, _option("--space", "Name of the space; see `clipspace spaces`.")] = "mini"
    encoder: Annotated[
        str | None,
        _option(
            "--encoder",
            "Encoder to use in place of the space's own; image_encoder is the image tower that comes with the decoder or the prior.",
        ),
    ] = None
    decoder: Annotated[
        str | None, _option("--decoder", "Decoder to use in place of the space's own; see `clipspace spaces`.")
    ] = None
    prior: Annotated[
        str | None, _option("--prior", f"Prior to use in place of the space's own; '{NO_PRIOR}' loads none.")
    ] = None
    variant: Annotated[
        str | None, _option("--variant", "Variant of the weight files, such as fp16; the plain files by default.")
    ] = None
    dtype: Annotated[
        str | None,
        _option("--dtype", "Precision of the networks: float32 (the default), bfloat16, float16 or float64."),
    ] = None
    device: Annotated[
        str | None, _option("--device", "Device, such as cpu or cuda; by default a GPU when there is one.")
    ] = None
    offload: Annotated[
        bool,
        _option(
            "--offload",
            "Keep the weights in main memory and move each layer to the device when it computes; slow, for small GPUs.",
        ),
    ] = False
    steps: Annotated[
        int | None,
        _option(
            "--steps",
            "Number of sampler steps; by default the decoder's own, and fewer in analyses.",
        ),
    ] = None
    guidance: Annotated[
        float | None,
        _option(
            "--guidance",
            "Scale of classifier-free guidance; 1 is none. By default the decoder's own if the noise is random, and 1 if it is "
            "inverted from an image.",
        ),
    ] = None

    def load(self, *, dtype: str = "float32") -> Space:
        """The space, which draws with these steps and this guidance; in ``dtype`` where no option says another."""
        from clipspace.space import load_space

        space = load_space(self.space, **self.loading(dtype=dtype))
        return space.with_defaults(num_inference_steps=self.steps, guidance_scale=self.guidance)

    def loading(self, *, dtype: str = "float32") -> dict[str, Any]:
        """The arguments of `load_space`, but for the name."""
        return {
            "encoder": self.encoder,
            "decoder": self.decoder,
            "prior": False if self.prior == NO_PRIOR else self.prior,
            "variant": self.variant,
            "dtype": self.dtype or dtype,
            "device": self.device,
            "offload": self.offload,
        }


OPTIONS = tuple(field.name for field in fields(Chosen))


def takes_space(function: Callable[..., None]) -> Callable[..., None]:
    """``function`` as a command: its parameter ``space``, a `Chosen`, is spelled out as the options of it."""
    kinds = get_type_hints(Chosen, include_extras=True)
    spelled = [
        Parameter(f.name, Parameter.KEYWORD_ONLY, default=f.default, annotation=kinds[f.name]) for f in fields(Chosen)
    ]
    parameters: list[Parameter] = []
    for parameter in signature(function, eval_str=True).parameters.values():
        own = parameter.replace(kind=Parameter.KEYWORD_ONLY)
        parameters += spelled if parameter.annotation is Chosen else [own]

    @wraps(function)
    def command(**values: Any) -> None:
        chosen = Chosen(**{name: values.pop(name) for name in OPTIONS})
        function(space=chosen, **values)

    command.__signature__ = Signature(parameters)
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command
