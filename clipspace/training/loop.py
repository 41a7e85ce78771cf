"""The training loop: steps until a number of them or a time is reached, going on from the last checkpoint.

What a step does depends on its number and the weights alone: rows, noise and dropped conditions are drawn by streams of the
step, and the learning rate is that of a `Plan`. Only a run bounded by time asks the clock, once: when its rate begins to fall.
The step is then in the checkpoint, and a run of the same number of steps has the same weights.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clipspace import progress
from clipspace.errors import InputError
from clipspace.training.batches import batches
from clipspace.training.checkpoint import read_checkpoint, save_checkpoint
from clipspace.training.optimiser import Plan, decaying_from, descend, planned, rate
from clipspace.training.processes import from_first, join_processes

SAVE_SECONDS = 120.0
"""Time between checkpoints: the work that a kill can cost."""
LOOKS = 12
"""How often a run bounded by steps or by time is looked at."""
DECIDE_EVERY = 10
"""Steps between two looks at the clock of a run that is bounded by time."""

Loss = Callable[[int, np.ndarray], torch.Tensor]
"""A step and its rows -> the loss of this process's share of them."""


@dataclass(frozen=True)
class Bound:
    """How long a run is: a number of ``steps`` or of ``minutes``, and the share ``decay`` of it in which the rate falls."""

    steps: int | None = None
    minutes: float | None = None
    decay: float = 0.35

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise InputError(f"train: expected either steps or minutes, got {self.steps} and {self.minutes}; give one")
        if not (self.steps or self.minutes or 0) > 0:
            raise InputError(f"train: expected steps or minutes above 0, got {self.steps or self.minutes}")

    @property
    def plan(self) -> Plan | None:
        """The plan where it is known from the start."""
        return None if self.steps is None else planned(self.steps, self.decay)


@dataclass(frozen=True)
class Report:
    """Where a run stands."""

    step: int
    steps: int | None
    loss: float
    images: int
    images_a_second: float
    seconds: float
    seconds_left: float


@dataclass(frozen=True, eq=False)
class Trained:
    """What is trained, and what of it a checkpoint keeps.

    Parameters
    ----------
    network : whose weights are trained
    ema : running average of them (diffusers' ``EMAModel``)
    optimizer : over all weights of ``network``
    loss : of a step
    rows : number of rows to train on
    batch_size : rows of a step, over all processes
    seed : of all draws
    """

    network: torch.nn.Module
    ema: Any
    optimizer: torch.optim.Optimizer
    loss: Loss
    rows: int
    batch_size: int
    seed: int
    rates: list[float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", [group["lr"] for group in self.optimizer.param_groups])

    @property
    def parts(self) -> dict[str, Any]:
        return {"network": self.network, "ema": self.ema, "optimizer": self.optimizer}


def run(
    trained: Trained,
    bound: Bound,
    path: Path,
    *,
    on_look: Callable[[Report], object] = lambda report: None,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Train until ``bound``, from the checkpoint ``path`` on where there is one; where the run stands then.

    The first process calls ``on_look`` some `LOOKS` times, after a checkpoint.
    Raises `InputError` where the checkpoint is of a run whose rate already falls towards another number of steps.
    """
    rank, _ = join_processes()
    now = _Standing(trained, bound, path, clock)
    saved_at = looked_at = now.begun
    step = now.first
    with progress.task("training", done=now.first) as count:
        for step, rows in batches(trained.rows, trained.batch_size, now.first, seed=trained.seed):
            now.decide(step)
            if now.plan is not None and step >= now.plan.steps:
                break
            now.losses.append(_step(trained, step, rows, rate(step, now.plan)))
            if rank:
                continue
            report, time_now = now.report(step + 1), clock()
            _tell(count, report)
            is_due = time_now - looked_at >= (report.seconds + report.seconds_left) / LOOKS
            if is_due or time_now - saved_at >= SAVE_SECONDS:
                now.save(step + 1)
                saved_at = clock()
            if is_due:
                on_look(report)
                looked_at = clock()
    if step > now.first:
        now.save(step)
    return now.report(step)


def _tell(count: progress.Task, report: Report) -> None:
    """Say where the run stands, with its loss; how long it takes it knows better than the number of steps tells."""
    count.doing, count.total = f"training (loss {report.loss:.4f}), step", report.steps
    if report.steps is None:
        count.doing += f" {report.step:,}"
    count.left = report.seconds_left
    count.at(report.step)


def _step(trained: Trained, step: int, rows: np.ndarray, share: float) -> float:
    loss = trained.loss(step, rows)
    descend(loss, trained.network, trained.optimizer, trained.rates, share)
    trained.ema.step(trained.network.parameters())
    return loss.item()


class _Standing:
    """Where a run stands: the plan, the time it took, earlier sessions included, and the last losses."""

    def __init__(self, trained: Trained, bound: Bound, path: Path, clock: Callable[[], float]) -> None:
        self.trained, self.bound, self.path, self.clock = trained, bound, path, clock
        saved = read_checkpoint(path, trained.parts)
        trained.ema.to(next(trained.network.parameters()).device)
        self.plan, self.first = _resumed(bound, saved), saved["step"]
        self.before, self.begun = saved.get("seconds", 0.0), clock()
        self.losses: deque[float] = deque(maxlen=200)

    @property
    def seconds(self) -> float:
        return self.before + self.clock() - self.begun

    def decide(self, step: int) -> None:
        """Begin the fall of the rate where the time for it has come, and write that down."""
        if self.plan is not None or not step or step % DECIDE_EVERY:
            return
        if from_first(self.seconds >= 60 * self.bound.minutes * (1 - self.bound.decay)):
            self.plan = decaying_from(step, self.bound.decay)
            self.save(step)

    def save(self, step: int) -> None:
        if join_processes()[0] == 0:
            plan = self.plan and list(self.plan)
            save_checkpoint(self.path, step, self.trained.parts, seconds=self.seconds, plan=plan)

    def report(self, step: int) -> Report:
        spent, done = self.clock() - self.begun, step - self.first
        if self.plan is None:
            left = self.bound.minutes * 60 - self.seconds
        else:
            left = (self.plan.steps - step) * spent / max(done, 1)
        return Report(
            step=step,
            steps=self.plan and self.plan.steps,
            loss=float(np.mean(self.losses)) if self.losses else float("nan"),
            images=self.trained.batch_size * step,
            images_a_second=self.trained.batch_size * done / spent if spent > 0 else 0.0,
            seconds=self.seconds,
            seconds_left=max(left, 0.0),
        )


def _resumed(bound: Bound, saved: dict[str, Any]) -> Plan | None:
    """The plan of a run that goes on from a checkpoint."""
    before = Plan(*saved["plan"]) if saved.get("plan") else None
    if before is None or saved["step"] <= before.decay_from:
        begun_late = bound.plan is not None and saved["step"] > bound.plan.decay_from
        if begun_late and saved["step"]:
            raise InputError(
                f"train: expected at least {round(saved['step'] / (1 - bound.decay))} steps, as the run in this folder has made "
                f"{saved['step']} at the full rate, got {bound.steps}; give more, or another folder"
            )
        if before is not None and bound.plan is None and saved["step"] == before.decay_from:
            return before
        return bound.plan
    if bound.plan is not None and bound.plan != before:
        raise InputError(
            f"train: the rate of the run in this folder falls since step {before.decay_from} towards {before.steps} steps, got "
            f"steps={bound.steps}; give {before.steps}, or another folder"
        )
    return before
