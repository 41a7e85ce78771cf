"""The precision that samplers work in, and the error where networks overflow theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from clipspace.diffusion.sampling import AnySchedule
from clipspace.errors import PrecisionError


def check_finite(values: torch.Tensor, what: str, dtype: torch.dtype) -> None:
    """Raise `PrecisionError` where rows that networks of ``dtype`` gave hold NaN or infinity."""
    rows = torch.nonzero(~values.isfinite().flatten(1).all(dim=1)).flatten().tolist()
    if rows:
        name = str(dtype).removeprefix("torch.")
        cure = (
            "which overflows above 65,504; load the space with dtype='bfloat16' or 'float32'"
            if dtype == torch.float16
            else "whose range is not at fault; check the weights and the vectors, or use fewer or more steps"
        )
        raise PrecisionError(
            f"{what}: expected finite numbers, got NaN or infinity in rows {rows[:5]} of a batch of {len(values)} from networks "
            f"in {name}, {cure}"
        )


def check_resolution(
    schedule: AnySchedule, num_inference_steps: int, dtype: torch.dtype, doing: str, *, cure: str = ""
) -> None:
    """Raise `PrecisionError` where a step divides what networks of ``dtype`` give by less than ``dtype`` resolves.

    Steps that predict the noise divide by the share of x_t that is image, the square root of alpha. Where that is below the
    spacing of numbers at 1, rounding of the network's output alone is larger than the image. A limit of x_0 bounds it.
    """
    name, resolution = str(dtype).removeprefix("torch."), torch.finfo(dtype).eps
    bounded = schedule.limit is not None or schedule.prediction != "epsilon"
    if bounded or float(schedule.alphas_cumprod[-1]) ** 0.5 >= resolution:
        return
    t = schedule.timesteps(num_inference_steps)[0]
    signal = schedule.alpha(t) ** 0.5
    if signal < resolution:
        raise PrecisionError(
            f"{doing}: expected networks finer than {name} for steps that do not clip x_0, for the step at t={t} divides by "
            f"{signal:.1e}, got {name}, which resolves {resolution:.1e}; load the space with dtype='float32'{cure}"
        )


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """The precision in which samplers carry what networks of ``dtype`` give: float32, or float64 where they are."""
    return torch.promote_types(dtype, torch.float32)


def widened(x: torch.Tensor) -> torch.Tensor:
    """``x`` in the precision that samplers work in."""
    return x.to(working_dtype(x.dtype))


@contextmanager
def in_float32(network: torch.nn.Module) -> Iterator[None]:
    """A network whose half precision tensors are float32 meanwhile, and the very same as before afterwards."""
    tensors = [*network.parameters(), *network.buffers()]
    halves = [(tensor, tensor.data) for tensor in tensors if tensor.is_floating_point() and tensor.itemsize < 4]
    try:
        for tensor, half in halves:
            tensor.data = half.float()
        yield
    finally:
        for tensor, half in halves:
            tensor.data = half
