"""Networks whose weights wait in main memory and are moved to the device layer by layer, by accelerate."""

from __future__ import annotations

from importlib.util import find_spec

import torch

from clipspace.errors import CapabilityError


def offloaded(network: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    """A network that is called as a whole: every layer waits, and computes on ``device``."""
    _need_accelerate()
    from accelerate import cpu_offload

    own = {name: parameter.to(device) for name, parameter in network.named_parameters(recurse=False)}
    network = cpu_offload(network, execution_device=device)
    network.computes_on, network.own = device, own  # its parameters are on none while they wait
    return network


def offloaded_blocks(model: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    """A model whose parts are called one by one: the blocks of its towers wait, and the rest stays on ``device``."""
    _need_accelerate()
    from accelerate.hooks import AlignDevicesHook, add_hook_to_module

    blocks = _blocks(model)
    waiting = {id(tensor) for block in blocks for tensor in block.parameters()}
    for block in blocks:
        weights = dict(block.named_parameters())
        hook = AlignDevicesHook(device, offload=True, weights_map=weights, place_submodules=True)
        add_hook_to_module(block, hook)
    for tensor in (*model.parameters(), *model.buffers()):
        if id(tensor) not in waiting and not tensor.is_meta:
            tensor.data = tensor.data.to(device)
    return model


def _blocks(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The members of the outermost lists and sequences of a model that hold weights."""
    blocks: list[torch.nn.Module] = []
    inside: set[int] = set()
    for module in model.modules():
        if isinstance(module, (torch.nn.ModuleList, torch.nn.Sequential)) and id(module) not in inside:
            inside |= {id(child) for child in module.modules()}
            blocks += [block for block in module if any(True for _ in block.parameters())]
    return blocks


def _need_accelerate() -> None:
    if find_spec("accelerate") is None:
        raise CapabilityError("offload: expected the package accelerate; pip install 'clipspace[offload]'")


def device_of(network: torch.nn.Module) -> torch.device:
    """Where a network computes, offloaded or not."""
    return getattr(network, "computes_on", next(network.parameters()).device)


def own_parameter(network: torch.nn.Module, name: str) -> torch.Tensor:
    """A parameter of a network itself, not of its layers, where the network computes, offloaded or not."""
    return (network.own[name] if hasattr(network, "own") else getattr(network, name)).detach()
