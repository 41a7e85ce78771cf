"""The plan of a report: how many sections, how long they are likely to take here, and which one it is at."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from clipspace import progress
from clipspace.analyses import Cost, about
from clipspace.space import Space

EXPLORER = "explorer"
_EXPLORER_COST = Cost(steps=0, images=2000, seconds=20.0)
_USUAL_STEPS = 50
"""Steps of the sampler at which costs were measured."""
_TIMED = 4
"""Number of images that are decoded, and encoded, to time this machine."""
_PRODUCT_SECONDS = 0.0055
"""Time of `_product` on the machine where costs were measured."""


@contextmanager
def planned(
    space: Space, is_made: Mapping[str, bool], *, explore: bool, folder: Path
) -> Iterator[Callable[[str], None]]:
    """Says the plan, then, as the function that it gives is told the section that begins, where the report stands.

    ``is_made`` tells the sections of the report that the folder holds already, which take no time. A stop says how to go on.
    """
    seconds = {name: 0.0 if made else None for name, made in is_made.items()} | ({EXPLORER: None} if explore else {})
    if progress.is_shown():
        seconds |= _guessed(space, [name for name, known in seconds.items() if known is None])
    progress.say(_said(seconds, sum(is_made.values()), has_map=explore))
    names, begun, at = list(seconds), time.monotonic(), 0
    sections = len(is_made)

    def begin(name: str) -> None:
        nonlocal at
        at = names.index(name)
        before, rest = (sum(seconds[one] or 0 for one in part) for part in (names[:at], names[at:]))
        spent = time.monotonic() - begun
        task.doing = f"section {at + 1} of {sections} ({name})" if name != EXPLORER else "map"
        task.left = rest * (spent / before if before else 1.0) if None not in seconds.values() else None
        task.at(at)

    with progress.task("starting") as task:
        try:
            yield begin
        except KeyboardInterrupt:
            progress.say(
                f"stopped at {names[at]}, with {at} of {len(names)} parts done; what is done is kept in {str(folder)!r}, and the same "
                "command goes on from there"
            )
            raise


def _said(seconds: Mapping[str, float | None], made: int, *, has_map: bool) -> str:
    n = len(seconds) - has_map
    what = f"report: {n} section{'s' * (n != 1)}{' and a map' * has_map}"
    done = f", {made} of them done already" if made else ""
    if None in seconds.values():
        return what + done
    return f"{what}{done}, about {progress.duration(sum(seconds.values()))} on this machine (an estimate)"


def _guessed(space: Space, names: list[str]) -> dict[str, float | None]:
    """Seconds that the sections are likely to take: their measured costs, times what a little work takes here and now.

    None of all where that work fails, as the sections will say.
    """
    if not names:
        return {}
    costs = {name: _EXPLORER_COST if name == EXPLORER else about(name).cost for name in names}
    known = [cost for cost in costs.values() if cost is not None]
    usual = Cost(*np.mean(known, axis=0)) if known else Cost(0, 0, 0.0)
    try:
        step, image, factor = _timed(space)
    except Exception:  # whatever it is, it is no reason to run none of them
        return dict.fromkeys(names)
    return {
        name: step * (cost or usual).steps + image * (cost or usual).images + factor * (cost or usual).seconds
        for name, cost in costs.items()
    }


def _timed(space: Space) -> tuple[float, float, float]:
    """Seconds of a step of the decoder and of encoding, of one image each, and of other work in shares of its usual time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = [Image.new("RGB", (64, 64), (60 * i, 80, 120)) for i in range(_TIMED)]
        points = space.encode_images(images)  # the first call is slower
        encoding = _seconds(lambda: space.encode_images(images)) / _TIMED
        drawing = 0.0
        if space.decoder is not None:
            few, more = (_seconds(lambda n=n: space.decode(points, num_inference_steps=n)) for n in (1, 3))
            drawing = max(more - few, more / 6) / (2 * _TIMED) * space.num_inference_steps / _USUAL_STEPS
    return drawing, encoding, _seconds(_product) / _PRODUCT_SECONDS


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _product() -> np.ndarray:
    return np.linalg.eigh(np.cov(np.random.default_rng(0).normal(size=(300, 200)).T))[1]
