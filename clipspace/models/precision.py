"""The precision that samplers work in, and the error where networks overflow theirs."""

from __future__ import annotations

import torch

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


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """The precision in which samplers carry what networks of ``dtype`` give: float32, or float64 where they are."""
    return torch.promote_types(dtype, torch.float32)


def widened(x: torch.Tensor) -> torch.Tensor:
    """``x`` in the precision that samplers work in."""
    return x.to(working_dtype(x.dtype))
