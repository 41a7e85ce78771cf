"""The factors of a scene as columns of a table, and whether a caption's claims hold of a scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipspace.scenes.spec import Scene
from clipspace.scenes.wording import AMOUNTS, amount_in_words

OPPOSITE = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}
_OF_THINGS = {"thing": "kind", "color": "color", "texture": "texture", "size": "size"}
_UNSAID = ("x", "y", "rotation", "phase")


def factor_table(scenes: Sequence[Scene]) -> dict[str, list]:
    """One column per factor, one row per scene; None where a scene does not have the factor.

    Columns: ``ground``, ``count``, ``relation``, ``word``, ``card_x``, ``card_y``, ``card_width``, and for
    each of two things ``thing1``, ``color1``, ``texture1``, ``size1``, ``x1``, ``y1``, ``rotation1``, ``phase1``.
    """
    rows = [factors(scene) for scene in scenes]
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}


def factors(scene: Scene) -> dict[str, str | int | float | None]:
    """All factors of one scene; see `factor_table`."""
    card = scene.card
    row: dict[str, str | int | float | None] = {
        "ground": scene.ground,
        "count": len(scene.things),
        "relation": scene.relation,
        "word": card.word if card else None,
        **{f"card_{name}": getattr(card, name) if card else None for name in ("x", "y", "width")},
    }
    for i in (0, 1):
        thing = scene.things[i] if i < len(scene.things) else None
        for factor, attribute in [*_OF_THINGS.items(), *zip(_UNSAID, _UNSAID, strict=True)]:
            row[f"{factor}{i + 1}"] = getattr(thing, attribute) if thing else None
    return row


def consistent(scene: Scene, claims: Mapping[str, str | int]) -> bool:
    """Whether every claim of a caption holds of ``scene``: which of two things is named first does not matter.

    The claim ``named`` holds of a scene that shows the thing of that name, and of one that shows the word.
    """
    truth, claims = factors(scene), dict(claims)
    claimed_name = claims.pop("named", None)
    if claimed_name is not None and claimed_name not in (truth["word"], truth["thing1"], truth["thing2"]):
        return False
    if _hold(truth, claims):
        return True
    swapped = {_swap(name): OPPOSITE[str(v)] if name == "relation" else v for name, v in claims.items()}
    return _hold(truth, swapped)


def _hold(truth: Mapping, claims: Mapping) -> bool:
    return all(_stated(truth, name) == value for name, value in claims.items())


def _stated(truth: Mapping, name: str) -> str | int | None:
    """The value of a factor as a caption states it: an amount in words."""
    value, factor = truth[name], name.rstrip("12")
    return amount_in_words(factor, value) if factor in AMOUNTS and value is not None else value


def _swap(name: str) -> str:
    return {"1": name[:-1] + "2", "2": name[:-1] + "1"}.get(name[-1], name)
