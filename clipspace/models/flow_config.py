"""What the scheduler config of a flow-matching checkpoint says, taken into a `FlowSchedule`.

Taken over: ``num_train_timesteps`` and ``shift``, by diffusers' own `FlowMatchEulerDiscreteScheduler`. What bends the path, or
needs the size of the image to be known, is refused. Steps are Euler's without fresh noise, whatever ``stochastic_sampling`` says.
"""

from __future__ import annotations

import inspect
import math
from pathlib import Path

from clipspace.diffusion.flow import FlowSchedule
from clipspace.errors import CheckpointError
from clipspace.models.folders import read_config

FLOW = "FlowMatchEulerDiscreteScheduler"
_OTHER_PATHS = (
    "use_dynamic_shifting",
    "invert_sigmas",
    "shift_terminal",
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
)


def load_flow(folder: Path, part: str = "scheduler") -> FlowSchedule:
    """The `FlowSchedule` of a checkpoint: the timesteps that its own scheduler visits.

    For adapters of networks that answer with a velocity; `scheduler_config.load_schedule` refuses such schedulers, for no
    decoder that it serves does. Raises `CheckpointError` for another scheduler and for a setting that is not known here.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler

    where = f"the {part} of {str(folder)!r}"
    written = read_config(folder / part / "scheduler_config.json")
    known = [name for name in inspect.signature(FlowMatchEulerDiscreteScheduler.__init__).parameters if name != "self"]
    _check(written, known, where)
    scheduler = FlowMatchEulerDiscreteScheduler(**{k: v for k, v in written.items() if k in known})

    def spacing(num_inference_steps: int) -> list[float]:
        scheduler.set_timesteps(num_inference_steps)
        return scheduler.timesteps.tolist()

    return FlowSchedule(written["num_train_timesteps"], spacing)


def _check(written: dict, known: list[str], where: str) -> None:
    name, total, shift = (written.get(key) for key in ("_class_name", "num_train_timesteps", "shift"))
    if name != FLOW:
        raise CheckpointError(
            f"load_space: expected a {FLOW} in {where}, got {name!r}; load a checkpoint that was trained by flow matching"
        )
    for key, value in written.items():
        if value in (None, False) or key.startswith("_"):
            continue
        if key not in known or key in _OTHER_PATHS:
            raise CheckpointError(
                f"load_space: expected a path set by num_train_timesteps and shift alone in {where}, got {key}={value!r}; "
                "take it out where you know that it does nothing"
            )
    if isinstance(total, bool) or not isinstance(total, int) or total < 1:
        raise CheckpointError(
            f"load_space: expected num_train_timesteps, a positive integer, in {where}, got {total!r}; get a whole copy"
        )
    if isinstance(shift, bool) or not isinstance(shift, (int, float)) or not 0 < shift < math.inf:
        raise CheckpointError(
            f"load_space: expected shift, a positive number, in {where}, got {shift!r}; get a whole copy"
        )
