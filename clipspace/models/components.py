"""A diffusers pipeline in memory, whose modules stand for the parts of a folder: they are used as they are."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch

from clipspace.errors import CheckpointError, InputError


@dataclass(frozen=True)
class Components:
    """The parts of a pipeline. Networks and tokenizers are the pipeline's own; schedulers are copies, for sampling changes them."""

    pipeline: Any

    @property
    def kind(self) -> str:
        """The name of its class, which a folder has in its ``model_index.json``."""
        return type(self.pipeline).__name__

    def __str__(self) -> str:
        return f"the pipeline {self.kind}"

    @property
    def device(self) -> torch.device:
        """Where its networks are. Raises `InputError` unless that is one device, and they are ready to be evaluated."""
        networks = {k: v for k, v in self.pipeline.components.items() if isinstance(v, torch.nn.Module)}
        for name, network in networks.items():
            if any(hasattr(module, "_hf_hook") for module in network.modules()):
                raise InputError(
                    f"load_space: {self} offloads its {name!r}; pass a pipeline that is not offloaded, on one device"
                )
            if network.training:
                raise InputError(f"load_space: the {name!r} of {self} is in training mode; call eval() on it")
        devices = {tensor.device for network in networks.values() for tensor in network.parameters()}
        if len(devices) != 1:
            raise InputError(
                f"load_space: expected {self} on one device, got {sorted(map(str, devices))}; move it by to()"
            )
        return devices.pop()

    def holds(self, part: str) -> bool:
        return self.pipeline.components.get(part) is not None

    def part(self, part: str, cls: type | None = None) -> Any:
        """A part. Raises `CheckpointError` where there is none, or one of another class than ``cls``."""
        found = self.pipeline.components.get(part)
        if found is None or not (cls is None or isinstance(found, cls)):
            wanted = "something" if cls is None else f"a {cls.__name__}"
            raise CheckpointError(f"load_space: expected {wanted} as {part!r} of {self}, got {type(found).__name__}")
        return found

    def scheduler(self, part: str) -> Any:
        return deepcopy(self.part(part))


def as_components(place: Any, what: str) -> Components:
    """The parts of a pipeline. Raises `InputError` for something else."""
    from diffusers import DiffusionPipeline

    if not isinstance(place, DiffusionPipeline):
        raise InputError(
            f"load_space: expected {what} or a pipeline of diffusers, got {place if isinstance(place, bool) else type(place).__name__}"
        )
    return Components(place)
