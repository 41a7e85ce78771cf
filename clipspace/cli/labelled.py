"""Commands of the probes of points and labels, each made from its probe's signature and its entry in the list."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from clipspace import probes
from clipspace.cli.chosen import Chosen, takes_space
from clipspace.cli.options import Json, Seed, listed, option_of, show
from clipspace.cli.sets import Before, Labels, Names, Points, labelled_at
from clipspace.probes import LABELLED, PROBES, Probe

_FIRST = {"points": (Points, Parameter.empty), "labels": (Labels, None)}
_LAST = {
    "names": (Names, None),
    "before": (Before, False),
    "space": (Chosen, Parameter.empty),
    "seed": (Seed, 0),
    "as_json": (Json, False),
}


class Probes(TyperGroup):
    """The commands of an app, and one for each probe of points and labels, made from its signature when it is asked for."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        own_commands = super().list_commands(ctx)
        names = [probe.name for probe in PROBES if probe.needs == LABELLED or probe.name in own_commands]
        return [*names, *(name for name in own_commands if name not in names)]

    def get_command(self, ctx: typer.Context, cmd_name: str):
        labelled = {probe.name: probe for probe in PROBES if probe.needs == LABELLED}
        return _command(labelled[cmd_name]) if cmd_name in labelled else super().get_command(ctx, cmd_name)


def _command(probe: Probe):
    """The command of a probe of points and labels."""
    command = typer.Typer(add_completion=False)
    text = f"{probe.question} (clipspace.probes.{probe.function})"
    command.command(probe.name, short_help=probe.question, help=text)(_call(probe))
    return typer.main.get_command(command)


def _call(probe: Probe) -> Callable[..., None]:
    """The function of the command, with its arguments as signature, which runs the probe."""
    function = getattr(probes, probe.function)
    parameters = signature(function).parameters
    arguments = {**_FIRST}
    arguments |= {
        name: (option_of(name, text, parameters[name].default), parameters[name].default)
        for name, text in probe.options.items()
    }
    arguments |= _LAST

    def call(
        points: Path,
        labels: Path | None,
        names: Path | None,
        before: bool,
        space: Chosen,
        seed: int,
        as_json: bool,
        **options: Any,
    ) -> None:
        images, truth = labelled_at(points, labels, space, names=names, before=before)
        if "device" in parameters:
            options["device"] = space.device
        show(function(images, truth, seed=seed, **options), as_json)

    call.__signature__ = Signature(
        [
            Parameter(name, Parameter.KEYWORD_ONLY, default=listed(usual), annotation=kind)
            for name, (kind, usual) in arguments.items()
        ]
    )
    call.__annotations__ = {name: kind for name, (kind, _) in arguments.items()}
    return takes_space(call)
