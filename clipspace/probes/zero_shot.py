"""Zero-shot classification: which of some labels an image is, by cosine to their texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipspace import sphere
from clipspace.embeddings import Embeddings
from clipspace.errors import InputError

if TYPE_CHECKING:
    from clipspace.space import Space

TEMPLATES = ("a photo of {}",)


@dataclass(frozen=True, eq=False)
class ZeroShot:
    """Probabilities ``(n, k)`` of ``labels`` for ``n`` images; ``chance`` is 1 / k."""

    probabilities: np.ndarray
    labels: tuple[str, ...]

    @property
    def chance(self) -> float:
        return 1 / len(self.labels)

    @property
    def best(self) -> list[str]:
        """The most probable label of each image."""
        return [self.labels[i] for i in self.probabilities.argmax(axis=1)]


def zero_shot(space: Space, images, labels: Sequence[str], *, templates: Sequence[str] = TEMPLATES) -> ZeroShot:
    """Probabilities of ``labels`` for images or image `Embeddings` (Radford et al. 2021, arXiv 2103.00020, 3.1).

    The weight of a label is the mean of the unit embeddings of its ``templates``, made unit again; logits
    are cosines times the model's own scale.
    """
    if len(labels) < 2:
        raise InputError(f"zero_shot: expected at least two labels, got {list(labels)}")
    points = images if isinstance(images, Embeddings) else space.encode_images(images)
    logits = space.encoder.logit_scale * points.unit @ label_weights(space, labels, templates).T
    exps = np.exp(logits - logits.max(axis=1, keepdims=True))
    return ZeroShot(exps / exps.sum(axis=1, keepdims=True), tuple(labels))


def label_weights(space: Space, labels: Sequence[str], templates: Sequence[str] = TEMPLATES) -> np.ndarray:
    """Unit vectors of labels, averaged over templates: float64 ``(k, d)``."""
    texts = [template.format(label) for label in labels for template in templates]
    each = space.encode_texts(texts).unit.reshape(len(labels), len(templates), -1)
    return sphere.unit(each.mean(axis=1))
