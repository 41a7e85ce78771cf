"""Train a small decoder as one of several processes: ``torchrun --nproc-per-node 2 tests/two_processes.py WORK``.

By plain gradient descent, and weights are saved as they are: Muon brings the least directions of a gradient, which
hang on the order of a sum, to the size of the greatest, and rounding makes a jump of a small difference.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from clipspace.mini import train_decoder
from clipspace.training import task

SIZE = {"scenes": 24, "steps": 4, "batch_size": 8, "lr": 50.0, "device": torch.device("cpu")}
SMALL = replace(train_decoder.PRESET, channels=(32, 32, 32, 32), heads=16)


def gradient_descent(network, lr):
    return torch.optim.SGD(network.parameters(), lr=lr)


def as_it_is(network):
    pass


if __name__ == "__main__":
    train_decoder.PRESET = SMALL
    task.muon = gradient_descent
    train_decoder.coarsened = as_it_is
    train_decoder.train(Path(sys.argv[1]), **SIZE)
