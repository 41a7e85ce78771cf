"""The loop of `encode` over a Ray cluster: Ray Data hands out shards, actors encode them as one machine would.

All machines must see the input and the store under the same paths. A worker that dies costs the shard it was in:
Ray starts another, which does that shard again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipspace.errors import InputError
from clipspace.parallel import start_ray
from clipspace.points.embeddings import Stamp, check_same_space
from clipspace.sources import Source
from clipspace.space.encoding.loop import Settings
from clipspace.space.encoding.loop import encode_parts as encode_here
from clipspace.space.loading import load_space

if TYPE_CHECKING:
    from clipspace.space import Space


class _Worker:
    """One model on one GPU or core; called with the number of a shard."""

    def __init__(
        self, name: str, encoder: str, device: str, stamp: Stamp, source: Source, path: Path, settings: Settings
    ) -> None:
        import torch

        torch.set_num_threads(1)
        self.space = load_space(name, encoder=encoder, device=device)
        check_same_space(stamp, self.space.stamp, "encode on ray")
        self.source, self.path, self.settings = source, path, settings

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[int]]:
        rows: list[int] = []
        todo = [int(shard) for shard in batch["item"]]
        encoded = encode_here(
            self.space, self.source, todo, self.path, self.settings, workers=None, on_rows=rows.append
        )
        return {"encoded": [encoded], "rows": [sum(rows)]}


def encode_parts(
    space: Space,
    source: Source,
    todo: Sequence[int],
    path: Path,
    settings: Settings,
    *,
    workers: int | None,
    on_rows: Callable[[int], object],
) -> int:
    """`encode.loop.encode_parts` with ``workers`` actors: one on each GPU or core of the cluster when None."""
    if not todo:
        return 0
    encoder = space.encoder.identifier
    if encoder.startswith("object:"):
        raise InputError(
            f"encode: expected a space that was loaded by name for engine='ray', whose workers load it, got {encoder!r}; save the "
            "model and name its folder, or use engine='local'"
        )
    ray = start_ray()
    from ray.data import from_items

    gpu = space.device.type == "cuda"
    workers = workers or int(ray.cluster_resources().get("GPU" if gpu else "CPU", 1))
    shards = from_items(list(todo), override_num_blocks=len(todo))
    arguments = (space.name, encoder, space.device.type, space.stamp, source, path.resolve(), settings)
    done = shards.map_batches(
        _Worker, batch_size=1, concurrency=workers, num_gpus=int(gpu), fn_constructor_args=arguments
    )
    encoded = 0
    for row in done.iter_rows():
        encoded += row["encoded"]
        on_rows(row["rows"])
    return encoded
