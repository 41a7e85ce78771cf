"""Train a toy decoder that saves a checkpoint at every step and says each: ``python tests/killed_training.py FOLDER``."""

import sys
from pathlib import Path

import trained

from clipspace.training import loop
from clipspace.training.loop import Bound
from clipspace.training.task import train

STEPS = 30

if __name__ == "__main__":
    loop.SAVE_SECONDS, loop.LOOKS = 0.0, 1
    loop._tell = lambda count, report: print(report.step, flush=True)
    images, vectors = trained.planted(30)
    task = trained.task(Path(sys.argv[1]), images, vectors)
    train(task, Bound(steps=STEPS))
