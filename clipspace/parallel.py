"""Where work runs: in this process, or on the workers of a Ray cluster. What is done, and its order, is the same."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from clipspace.errors import InputError

ENGINES = ("local", "ray")


def check_engine(engine: str, doing: str) -> None:
    if engine not in ENGINES:
        raise InputError(f"{doing}: expected engine 'local' or 'ray', got {engine!r}")


def start_ray() -> Any:
    """The ray module, connected to the cluster of ``RAY_ADDRESS``, or to one started on this machine."""
    try:
        import ray
    except ImportError as error:
        raise InputError(
            f"engine: expected 'ray' to be installed, got: {error}; pip install 'clipspace[ray]'"
        ) from None
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False, logging_level=logging.WARNING)
    return ray


def each(
    task: Callable[..., Any],
    items: Iterable[tuple],
    *shared: Any,
    engine: str = "local",
    workers: int | None = None,
    gpus: int = 0,
) -> Iterator[Any]:
    """``task(*item, *shared)`` of every item, in their order.

    On Ray each call is a task of one core and ``gpus`` GPUs, at most ``workers`` of them at a time (all cores
    of the cluster when None); a worker that dies costs the call it was in, which is done again. ``shared`` is
    sent to each machine once. An error of a task is raised here as it is.

    >>> list(each(pow, [(2,), (3,)], 2))
    [4, 9]
    """
    check_engine(engine, "each")
    if engine == "local":
        yield from (task(*item, *shared) for item in items)
        return
    ray = start_ray()
    remote = ray.remote(task).options(num_cpus=1, num_gpus=gpus)
    there = [ray.put(one) for one in shared]
    window = workers or int(ray.cluster_resources().get("GPU" if gpus else "CPU", 1))
    waiting: deque = deque()
    try:
        for item in items:
            if len(waiting) == window:
                yield ray.get(waiting.popleft())
            waiting.append(remote.remote(*item, *there))
        while waiting:
            yield ray.get(waiting.popleft())
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, InputError) else error from None
