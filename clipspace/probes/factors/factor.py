"""What a factor of a set of images is: its values, and how to change it and nothing else."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from clipspace.errors import InputError, SampleWarning, shortened
from clipspace.reprs import brief
from clipspace.scenes import SYMMETRIC, Scene, Thing, counterfactual, factor_table, render
from clipspace.scenes.reading import read_color, read_ground, read_size, read_thing, read_x, read_y
from clipspace.sequences import check_labels, in_order


@dataclass(frozen=True)
class Factor:
    """One thing that varies over a set of images.

    Parameters
    ----------
    name : of the factor
    values : one per image: text, bool or whole numbers are labels, real numbers amounts; None where it does not apply
    image : image ``i`` of the set; factors that share this function are measured on the same images
    change : image ``i`` with only this factor changed, and its new value; raises `ImpossibleChange` if image ``i`` cannot be
        changed, and is None if no image can
    read : the factor's value read off an image without any CLIP; None where there is no reader
    period : of a periodic amount (an angle), else None
    """

    name: str
    values: Sequence[Any]
    image: Callable[[int], Any]
    change: Callable[[int, np.random.Generator], tuple[Image.Image, Any]] | None = None
    read: Callable[[Image.Image], Any] | None = None
    period: float | None = None

    __repr__ = brief

    @property
    def rows(self) -> np.ndarray:
        """Where the factor applies: row numbers, int ``(m,)``."""
        return np.array([i for i, value in enumerate(self.values) if value is not None], dtype=int)


_OF_ONE_THING: dict[str, Callable | None] = {
    "thing": read_thing,
    "color": read_color,
    "texture": None,
    "size": read_size,
    "x": read_x,
    "y": read_y,
    "rotation": None,
    "phase": None,
}
_OF_A_CARD = ("word", "card_x", "card_y", "card_width")


def scene_factors(scenes: Sequence[Scene]) -> list[Factor]:
    """The factors of rendered scenes that vary among them, each over the scenes where its value is well defined.

    Factors of a thing, and the background, are taken from scenes of one thing and no card, because two things have no order
    and a card may hide the factor. ``phase`` is taken from textured things only, and ``rotation`` not from things that look
    the same after a quarter turn (except striped ones). ``relation`` is the position of the alphabetically first thing
    relative to the other.
    """
    table = factor_table(scenes)
    alone = [len(scene.things) == 1 and scene.card is None for scene in scenes]

    def image(i: int) -> Image.Image:
        return render(scenes[i])

    def factor(name: str, values: list, where: list[bool], read: Callable | None = None) -> Factor:
        def change(i: int, rng: np.random.Generator) -> tuple[Image.Image, Any]:
            other = counterfactual(scenes[i], name, rng)
            return render(other), _value(other, name)

        kept = [value if ok else None for value, ok in zip(values, where, strict=True)]
        return Factor(name, kept, image, change, read, 1.0 if name == "phase" else None)

    textured = [ok and scene.things[0].texture != "plain" for ok, scene in zip(alone, scenes, strict=True)]
    turned = [ok and _shows_turns(scene.things[0]) for ok, scene in zip(alone, scenes, strict=True)]
    where = {"phase": textured, "rotation": turned}
    factors = [factor(name, table[f"{name}1"], where.get(name, alone), read) for name, read in _OF_ONE_THING.items()]
    factors.append(factor("ground", table["ground"], alone, read_ground))
    factors += [factor(name, table[name], [scene.card is not None for scene in scenes]) for name in _OF_A_CARD]
    factors.append(factor("count", table["count"], [True] * len(scenes)))
    factors.append(factor("relation", [_relation(scene) for scene in scenes], [_apart(scene) for scene in scenes]))
    return [f for f in factors if len({f.values[i] for i in f.rows}) > 1]


def column_factors(images: Callable[[int], Any], n: int, columns: Mapping[str, Sequence]) -> list[Factor]:
    """Factors given as columns of metadata: they can be predicted, but not changed in the image."""
    for name, values in columns.items():
        if len(values) != n:
            raise InputError(f"retention: expected {n} values in the column {name!r}, one per image, got {len(values)}")
    return [Factor(name, list(in_order(values, f"retention: {name!r}")), images) for name, values in columns.items()]


def without_single_labels(factor: Factor) -> Factor:
    """The factor without the images whose label no other image has: none can be learned from and tested on. Warns of them."""
    labels = [value for value in factor.values if value is not None and not isinstance(value, float | np.floating)]
    single = {value for value, count in Counter(labels).items() if count == 1}
    if not single:
        return factor
    warnings.warn(
        f"retention: {factor.name!r} has {len(single)} labels that one image has alone, {shortened(sorted(map(str, single)))}; "
        "these images are left out of this factor: merge rare labels, or give amounts as floats",
        SampleWarning,
        stacklevel=3,
    )
    return replace(factor, values=[None if value in single else value for value in factor.values])


def features(values: Sequence[Any], *, period: float | None = None) -> tuple[np.ndarray, bool]:
    """Values as numbers a linear map can aim at, float64 ``(n, k)``, and whether they are labels.

    Labels become one column each (in sorted order), amounts one standardised column, amounts with a
    ``period`` a point of the circle. Raises `InputError` for constant values, and for NaN.
    """
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    if len(set(plain)) < 2:
        raise InputError(
            f"factor: expected at least two different values, got {shortened(sorted(set(map(str, plain))))} only"
        )
    if not any(isinstance(value, float) for value in plain):
        check_labels(plain, "factor")
        names, column = np.unique([str(value) for value in plain], return_inverse=True)
        return np.eye(len(names))[column], True
    try:
        amounts = np.asarray(plain, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("factor: expected labels or numbers, got a mixture of both; make them one kind") from None
    if not np.isfinite(amounts).all():
        row = int(np.flatnonzero(~np.isfinite(amounts))[0])
        raise InputError(f"factor: expected finite values, got {amounts[row]} at row {row}; drop these rows first")
    if period is not None:
        turn = 2 * np.pi * amounts / period
        return np.stack([np.cos(turn), np.sin(turn)], axis=1), False
    return ((amounts - amounts.mean()) / amounts.std())[:, None], False


def _value(scene: Scene, name: str) -> Any:
    if name == "relation":
        return _relation(scene)
    table = factor_table([scene])
    return table[name if name in table else f"{name}1"][0]


def _shows_turns(thing: Thing) -> bool:
    return thing.kind not in SYMMETRIC or thing.texture == "striped"


def _apart(scene: Scene) -> bool:
    return len(scene.things) == 2 and scene.things[0].kind != scene.things[1].kind


def _relation(scene: Scene) -> str | None:
    if not _apart(scene):
        return None
    ordered = tuple(sorted(scene.things, key=lambda thing: thing.kind))
    return Scene(scene.ground, ordered).relation
