"""Several processes that train one network, started by ``torchrun``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist


def join_processes() -> tuple[int, int]:
    """This process's rank and their number; (0, 1) unless ``torchrun`` started several."""
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return dist.get_rank(), dist.get_world_size()


@contextmanager
def first_process_first() -> Iterator[None]:
    """What the first process makes here, the others find made."""
    rank, n = join_processes()
    if rank > 0:
        dist.barrier()
    yield
    if rank == 0 and n > 1:
        dist.barrier()


def from_first(value: Any) -> Any:
    """What the first process holds, in all of them."""
    _, n = join_processes()
    if n == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0)
    return values[0]
