"""Prompt templates: the sets that ImageNet zero-shot is reported with, by name, or one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace.errors import InputError, shortened
from clipspace.points import sphere
from clipspace.points.arrays import is_points

if TYPE_CHECKING:
    from clipspace.points.embeddings import Embeddings
    from clipspace.points.store import Store
    from clipspace.space import Space

PHOTO = ("a photo of {}",)
NAMES = ("photo", "imagenet-80", "imagenet-7")


def read_templates(templates: str | Sequence[str]) -> tuple[str, ...]:
    """Templates with a place ``{}`` for the label.

    "photo" is one, "imagenet-80" the 80 that OpenAI reports ImageNet with and "imagenet-7" their subset of 7
    (both as open_clip has them); a sequence of templates is taken as it is. Raises `InputError` for another
    name, an empty set, or a template without the place.

    >>> len(read_templates("imagenet-80")), read_templates("imagenet-7")[0]
    (80, 'itap of a {}.')
    """
    if isinstance(templates, str):
        return _named(templates)
    listed = tuple(templates)
    without = [t for t in listed if not isinstance(t, str) or t.count("{}") != 1]
    if not listed or without:
        raise InputError(f"templates: expected texts with one {{}} for the label each, got {without or 'none'}")
    return listed


def label_weights(
    space: Space | Embeddings | Store, labels: Sequence[str], templates: str | Sequence[str] = PHOTO
) -> np.ndarray:
    """Unit vectors of labels, averaged over templates: float64 ``(k, d)``. For names, see `read_templates`.

    Of text vectors in place of a space, the rows called by the label are averaged, whatever templates they were made with.
    Raises `InputError` for a label that no row is called by, and for templates beside vectors.
    """
    if is_points(space):
        return _given_weights(space, labels, templates)
    chosen = read_templates(templates)
    texts = [template.format(label) for label in labels for template in chosen]
    each = space.encode_texts(texts).unit.reshape(len(labels), len(chosen), -1)
    return sphere.unit(each.mean(axis=1))


def _given_weights(texts: Embeddings | Store, labels: Sequence[str], templates: str | Sequence[str]) -> np.ndarray:
    if templates not in (PHOTO, "photo"):
        raise InputError(
            "templates: expected none beside text vectors, which are made already; call the vectors of several templates "
            "by one label, and they are averaged"
        )
    rows: dict[str, list[int]] = {label: [] for label in labels}
    for row, name in enumerate(texts.names):
        if name in rows:
            rows[name].append(row)
    missing = [label for label, own in rows.items() if not own]
    if missing:
        raise InputError(
            f"zero_shot: expected a text vector of each label, got none of {shortened(missing)} among {shortened(texts.names)}; "
            "name the vectors by their labels (names=, --words)"
        )
    unit = texts[:].unit
    return sphere.unit(np.stack([unit[rows[label]].mean(axis=0) for label in labels]))


def _named(name: str) -> tuple[str, ...]:
    if name == "photo":
        return PHOTO
    if name not in NAMES:
        raise InputError(f"templates: expected one of {NAMES} or a sequence of templates, got {name!r}")
    from open_clip import OPENAI_IMAGENET_TEMPLATES, SIMPLE_IMAGENET_TEMPLATES

    templates = OPENAI_IMAGENET_TEMPLATES if name == "imagenet-80" else SIMPLE_IMAGENET_TEMPLATES
    return tuple(template("{}") for template in templates)
