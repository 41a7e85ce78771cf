"""Drawing scenes from the world, and changing one factor of a scene at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clipspace.errors import InputError
from clipspace.scenes.spec import COLORS, GROUNDS, MAX_TILT, SIZES, TEXTURES, WORDS, Card, Scene, Thing
from clipspace.scenes.things import THINGS

LAYOUTS: dict[str, float] = {"one": 0.44, "one+card": 0.22, "two": 0.26, "card": 0.08}
BLANK_CARDS = 0.15
UNSEEN = 1000  # offset of the seeds of scenes that training never saw; it used those of seed 0
_PIXELS = 64
_HIDDEN = 0.45
"""Share of a thing's bounding square that a card may hide."""
_TRIES = 200
_FACTORS = (
    "ground", "word", "relation", "count", "thing", "color", "texture", "size", "x", "y", "rotation", "phase", "card_x", "card_y",
    "card_width",
)  # fmt: skip


class ImpossibleChange(InputError):
    """A scene of which a factor cannot change without leaving what the sampler draws."""


def sample_scene(rng: np.random.Generator, *, layout: str | None = None) -> Scene:
    """One random scene; ``layout`` is a key of `LAYOUTS`, drawn when None."""
    layout = layout or _pick(rng, list(LAYOUTS), list(LAYOUTS.values()))
    ground = _pick(rng, list(GROUNDS))
    if layout == "card":
        return Scene(ground, (), _random_card(rng, _pick(rng, WORDS)))
    if layout == "two":
        return Scene(ground, _two_things(rng))
    thing = random_thing(rng)
    if layout == "one":
        return Scene(ground, (thing,))
    word = "" if rng.random() < BLANK_CARDS else _pick(rng, WORDS)
    return Scene(ground, (thing,), _card_on(rng, thing, word))


def sample_scenes(n: int, *, seed: int, layout: str | None = None) -> list[Scene]:
    """``n`` scenes. Scene ``i`` of a seed is the same whatever ``n`` is."""
    return [sample_scene(np.random.default_rng([seed, i]), layout=layout) for i in range(n)]


def counterfactual(scene: Scene, factor: str, rng: np.random.Generator) -> Scene:
    """``scene`` with ``factor`` changed to another value and nothing else, such that the sampler could have drawn it.

    ``factor`` is ``ground``, ``word``, ``card_x``, ``card_y``, ``card_width``, ``relation`` (the two
    things trade places), ``count`` (a thing more, or one less) or, of the first thing, ``thing``, ``color``, ``texture``, ``size``, ``x``,
    ``y``, ``rotation``, ``phase``. Nothing sticks out of the image, overlaps or is hidden more than in scenes that are
    `drawable`: a thing at the edge cannot become large. (A scene that is not drawable itself changes freely.)

    Raises `InputError` where the scene does not have the factor, and `ImpossibleChange` where no change leaves it drawable.
    """
    _check_has(scene, factor)
    free = not drawable(scene)
    for _ in range(_TRIES):
        changed = _change(scene, factor, rng)
        if free or drawable(changed):
            return changed
    raise ImpossibleChange(
        f"counterfactual({factor!r}): expected a scene whose {factor} can change while all of it stays inside the image, got "
        f"{scene}; take another scene"
    )


def drawable(scene: Scene) -> bool:
    """Whether `sample_scene` could have drawn ``scene``: its layout, all of it inside, things apart, a card that hides little."""
    things, card = scene.things, scene.card
    if len(things) + (card is not None) not in (1, 2) or (card is not None and not things and not card.word):
        return False
    if card is not None and not (card.width / 2 <= card.x <= 1 - card.width / 2 and 0.14 <= card.y <= 0.86):
        return False
    if any(not _inset(thing) <= place <= 1 - _inset(thing) for thing in things for place in (thing.x, thing.y)):
        return False
    return (len(things) < 2 or _apart(*things)) and (card is None or all(_hidden(card, t) <= _HIDDEN for t in things))


def _check_has(scene: Scene, factor: str) -> None:
    if factor not in _FACTORS:
        raise InputError(f"counterfactual: expected a factor of {', '.join(_FACTORS)}; got {factor!r}")
    if (factor == "word" or factor.startswith("card_")) and scene.card is None:
        raise InputError(f"counterfactual({factor!r}): expected a scene with a card, got one without")
    if factor == "relation" and len(scene.things) == 1:
        raise InputError("counterfactual('relation'): expected a scene with two things, got one")
    if factor not in ("ground", "count", "word", "card_x", "card_y", "card_width") and not scene.things:
        raise InputError(f"counterfactual({factor!r}): expected a scene with a thing, got a card alone")


def _change(scene: Scene, factor: str, rng: np.random.Generator) -> Scene:
    """One proposal, which may stick out."""
    if factor == "ground":
        return replace(scene, ground=_other(rng, list(GROUNDS), scene.ground))
    if factor == "word" or factor.startswith("card_"):
        return replace(scene, card=_change_card(scene.card, factor, rng))
    if factor == "count":
        return replace(scene, things=_change_count(rng, scene))
    first, *other_things = scene.things
    if factor == "relation":
        second = other_things[0]
        swapped = (replace(first, x=second.x, y=second.y), replace(second, x=first.x, y=first.y))
        return replace(scene, things=swapped)
    return replace(scene, things=(_change_thing(first, factor, rng), *other_things))


def random_thing(rng: np.random.Generator, *, margin: float = 0.5) -> Thing:
    """A thing of random factors, placed so that its centre is ``margin`` diameters inside the image."""
    size = _pick(rng, list(SIZES))
    inset = SIZES[size] / _PIXELS * margin
    return Thing(
        kind=_pick(rng, list(THINGS)),
        color=_pick(rng, list(COLORS)),
        texture=_pick(rng, TEXTURES, [0.5, 0.25, 0.25]),
        size=size,
        x=float(rng.uniform(inset, 1 - inset)),
        y=float(rng.uniform(inset, 1 - inset)),
        rotation=float(rng.uniform(-MAX_TILT, MAX_TILT)),
        phase=float(rng.uniform()),
    )


def _two_things(rng: np.random.Generator) -> tuple[Thing, Thing]:
    """Two things that do not overlap, the direction between them clearly along one axis."""
    while True:
        a, b = random_thing(rng), random_thing(rng)
        if _apart(a, b):
            return a, b


def _apart(a: Thing, b: Thing) -> bool:
    dx, dy = abs(a.x - b.x), abs(a.y - b.y)
    return max(dx, dy) > 0.9 * (SIZES[a.size] + SIZES[b.size]) / 2 / _PIXELS and abs(dx - dy) > 0.1


def _change_count(rng: np.random.Generator, scene: Scene) -> tuple[Thing, ...]:
    """None becomes one; one becomes two, or none beside a card; of two one is left."""
    things = scene.things
    if len(things) == 2:
        return (things[int(rng.integers(2))],)
    return () if things and scene.card is not None else (*things, random_thing(rng))


def _random_card(rng: np.random.Generator, word: str) -> Card:
    width = float(rng.uniform(0.5, 0.72))
    return Card(
        word,
        x=float(rng.uniform(width / 2, 1 - width / 2)),
        y=float(rng.uniform(0.14, 0.86)),
        width=width,
    )


def _card_on(rng: np.random.Generator, thing: Thing, word: str) -> Card:
    """A card that hides at most 45 % of the thing's bounding square."""
    while True:
        card = _random_card(rng, word)
        if _hidden(card, thing) <= _HIDDEN:
            return card


def _hidden(card: Card, thing: Thing) -> float:
    side = SIZES[thing.size] / _PIXELS
    across = _overlap(card.x, card.width, thing.x, side)
    down = _overlap(card.y, card.width * 0.34, thing.y, side)
    return across * down / side**2


def _overlap(a: float, width_a: float, b: float, width_b: float) -> float:
    return max(0.0, min(a + width_a / 2, b + width_b / 2) - max(a - width_a / 2, b - width_b / 2))


def _change_card(card: Card, factor: str, rng: np.random.Generator) -> Card:
    if factor == "word":
        return replace(card, word=_other(rng, list(WORDS), card.word))
    name = factor.removeprefix("card_")
    if name == "x":
        return replace(card, x=float(rng.uniform(card.width / 2, 1 - card.width / 2)))
    return replace(card, **{name: getattr(_random_card(rng, card.word), name)})


def _change_thing(thing: Thing, factor: str, rng: np.random.Generator) -> Thing:
    choices = {
        "thing": ("kind", THINGS),
        "color": ("color", COLORS),
        "texture": ("texture", TEXTURES),
        "size": ("size", SIZES),
    }
    if factor in choices:
        name, values = choices[factor]
        return replace(thing, **{name: _other(rng, list(values), getattr(thing, name))})
    if factor in ("x", "y"):
        return replace(thing, **{factor: float(rng.uniform(_inset(thing), 1 - _inset(thing)))})
    return replace(thing, **{factor: getattr(random_thing(rng), factor)})


def _inset(thing: Thing, margin: float = 0.5) -> float:
    """The least distance of a thing's centre from the edge."""
    return SIZES[thing.size] / _PIXELS * margin


def _pick(rng: np.random.Generator, values, p=None):
    if p is None:  # what `choice` draws, in a quarter of its time
        return values[int(rng.integers(len(values)))]
    return values[int(rng.choice(len(values), p=p))]


def _other(rng: np.random.Generator, values: list, current):
    return _pick(rng, [v for v in values if v != current])
