"""Digests of weights."""

from types import SimpleNamespace
from typing import NamedTuple

import torch

from clipspace.models.weights import networks_digest


class Pair(NamedTuple):
    first: torch.nn.Module
    steps: int


def drawn(seed):
    torch.manual_seed(seed)
    return torch.nn.Linear(2, 2)


def test_every_network_of_a_decoder_counts_those_of_a_tuple_too():
    def digest(unet, upsampler):
        return networks_digest(SimpleNamespace(unet=drawn(unet), upsampler=Pair(drawn(upsampler), 7), steps=3))

    assert digest(0, 1) == digest(0, 1)
    assert len({digest(0, 1), digest(0, 2), digest(3, 1)}) == 3
    assert networks_digest(SimpleNamespace(steps=3)) is None
