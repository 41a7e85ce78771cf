"""Train a small decoder as one of several processes: ``torchrun --nproc-per-node 2 tests/two_processes.py WORK``.

By plain gradient descent, and weights are saved as they are: Muon brings the least directions of a gradient, which
hang on the order of a sum, to the size of the greatest, and rounding makes a jump of a small difference.
"""

import sys
from pathlib import Path

import torch

from clipspace.mini import train_decoder

SIZE = {"scenes": 24, "steps": 4, "batch_size": 8, "lr": 50.0, "device": torch.device("cpu")}
SMALL = {"block_out_channels": (32, 32, 32, 32), "attention_head_dim": 16}


def gradient_descent(unet, lr):
    return torch.optim.SGD([{"params": list(unet.parameters()), "use_muon": True}], lr=lr)


def as_it_is(weight):
    return weight


if __name__ == "__main__":
    train_decoder.UNET |= SMALL
    train_decoder.muon = gradient_descent
    train_decoder.rounded = as_it_is
    train_decoder.train(Path(sys.argv[1]), **SIZE)
