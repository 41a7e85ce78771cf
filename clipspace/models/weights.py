"""Digests of weights: what stamps and provenance name a model by, as files and ids can hold anything."""

from __future__ import annotations

import hashlib

import torch


def weights_digest(model: torch.nn.Module) -> str:
    """A short digest of all weights and buffers, by name."""
    sha = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        sha.update(name.encode())
        sha.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().data)
    return sha.hexdigest()[:16]


def parameters_digest(model: torch.nn.Module) -> str:
    """A short digest of all parameters, whatever their names are in a version of their library."""
    digests = []
    for tensor in model.parameters():
        values = tensor.detach().to("cpu", torch.float32).contiguous().numpy()
        digests.append(hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest())
    return digest("".join(sorted(digests)).encode())


def digest(content: bytes) -> str:
    """The short SHA-256 digest that stamps carry."""
    return hashlib.sha256(content).hexdigest()[:16]


def networks_digest(part: object) -> str | None:
    """`weights_digest` of all networks that a decoder or a prior holds; None where they are not in memory (offloaded)."""
    fields = dict(vars(part))
    for name, value in vars(part).items():
        if hasattr(value, "_asdict"):  # networks in a named tuple, such as an upsampler's
            fields |= {f"{name}_{key}": one for key, one in value._asdict().items()}
    held = {name: value for name, value in fields.items() if isinstance(value, torch.nn.Module)}
    networks = torch.nn.ModuleDict(held)
    if not held or any(tensor.is_meta for tensor in networks.state_dict().values()):
        return None
    return weights_digest(networks)
