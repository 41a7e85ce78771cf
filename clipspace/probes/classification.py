"""Zero-shot classification: which of some labels an image is, by cosine to their texts."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import expit, softmax

from clipspace.errors import InputError, SampleWarning, shortened
from clipspace.measure.accuracy import confusion_matrix
from clipspace.measure.bootstrap import bootstrap
from clipspace.measure.calibration import calibration_error, reliability
from clipspace.points.arrays import is_points
from clipspace.points.embeddings import Embeddings, check_same_space
from clipspace.probes.labelled import check_words, column
from clipspace.probes.rows import accuracy_rows, share_row
from clipspace.probes.templates import PHOTO, label_weights, read_templates
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Row, Table, scored
from clipspace.sequences import in_order

if TYPE_CHECKING:
    from clipspace.points.store import Store
    from clipspace.space import Space


Probability = Literal["softmax", "sigmoid"]
LOGIT_SCALE = 100.0
"""Scale of cosines where there are text vectors and no model: the largest that CLIP's training allows, which it reaches."""


@dataclass(frozen=True, eq=False)
class ZeroShot:
    """Probabilities ``(n, k)`` of ``labels`` for ``n`` images; ``chance`` is that the best is right, 1 / k.

    ``probability`` is the kind: "softmax", that the image has this label rather than one of the others; "sigmoid", that image
    and label belong together, independently of the others, so that the values of an image need not sum to 1.
    """

    probabilities: np.ndarray
    labels: tuple[str, ...]
    probability: Probability = "softmax"

    def __repr__(self) -> str:
        return f"ZeroShot({len(self.probabilities)} images, {len(self.labels)} labels: {shortened(self.labels)})"

    @property
    def chance(self) -> float:
        return 1 / len(self.labels)

    @property
    def best(self) -> list[str]:
        """The most probable label of each image."""
        return [self.labels[i] for i in self.probabilities.argmax(axis=1)]


def zero_shot(
    space: Space | Embeddings | Store,
    images,
    labels: Sequence[str],
    *,
    templates: str | Sequence[str] = PHOTO,
    probability: Probability | None = None,
) -> ZeroShot:
    """Probabilities of ``labels`` for images, image `Embeddings` or a store (Radford et al. 2021, arXiv 2103.00020, 3.1).

    The weight of a label is the mean of the unit embeddings of its ``templates``, made unit again; logits
    are cosines times the model's own scale, and of a model trained by the sigmoid plus its bias (Zhai et al. 2023, arXiv
    2303.15343, equation 1). ``probability`` is as the model was trained when None: "sigmoid" where it has a bias (SigLIP),
    else "softmax". A label that is given twice (ImageNet has two missiles) is two classes of one text, hence of equal
    probabilities; a `SampleWarning` names it.

    Instead of a space, text vectors can be given: points whose names are the labels; no model is needed. Vectors with the same
    label, such as several templates, are averaged. Their scale is 100, as in CLIP; it changes the probabilities and not the
    answers. Raises `InputError` for fewer than two labels that differ, for empty ones,
    and for "sigmoid" of a model without a bias.
    """
    probability = _probability(space, probability)
    labels = tuple(in_order(labels, "zero_shot"))
    if len(set(labels)) < 2:
        raise InputError(f"zero_shot: expected at least two labels that differ, got {shortened(labels)}")
    check_words(labels, "zero_shot")
    _warn_repeated(labels)
    points = _points(space, images)
    check_same_space(space.stamp, points.stamp, "zero_shot")
    texts = list(dict.fromkeys(labels))
    scale = LOGIT_SCALE if is_points(space) else space.encoder.logit_scale
    logits = scale * points.unit @ label_weights(space, texts, templates).T
    logits = logits[:, [texts.index(label) for label in labels]]  # equal to the bit for labels of one text
    if probability == "sigmoid":
        return ZeroShot(expit(logits + space.encoder.logit_bias), labels, probability)
    return ZeroShot(softmax(logits, axis=1), labels, probability)


def _probability(space: Space, asked: Probability | None) -> Probability:
    if asked not in (None, "softmax", "sigmoid"):
        raise InputError(f"zero_shot: expected probability 'softmax' or 'sigmoid', got {asked!r}")
    bias = None if is_points(space) else getattr(space.encoder, "logit_bias", None)
    if asked == "sigmoid" and bias is None:
        whose = "a set of text vectors" if is_points(space) else repr(space.name)
        raise InputError(
            f"zero_shot: {whose} has no logit bias, so it was not trained by the sigmoid, and cosines times its scale "
            "are no logits of one pair; use probability='softmax'"
        )
    return asked or ("softmax" if bias is None else "sigmoid")


def zero_shot_accuracy(
    space: Space | Embeddings | Store,
    images,
    truth: Sequence[str] | str,
    labels: Sequence[str] | None = None,
    *,
    templates: str | Sequence[str] = PHOTO,
    probability: Probability | None = None,
    k: int = 5,
    per_class: bool = False,
    seed: int = 0,
) -> Result:
    """How often the true label is the most probable, and among the ``k`` most probable; and the calibration error.

    Parameters
    ----------
    images : images, image `Embeddings` or a store
    space : the space, or text vectors in its place (see `zero_shot`)
    truth : label of each image, or the name of a column of the embeddings. Integers beside ``labels`` that are no
        numbers are positions among them, as class numbers of data sets are
    labels : to choose from; those that occur in ``truth`` when None
    templates : "photo", "imagenet-80", "imagenet-7", or templates of one's own
    probability : "softmax" or "sigmoid"; as the model was trained when None (see `zero_shot`)
    k : for the top-k accuracy; at most the number of labels is used
    per_class : whether to report the accuracy of each label as well

    Returns
    -------
    `Result` with the key ``score``: "top-1", "balanced accuracy" (its mean over the labels), "top-k", "calibration error"
    (15 bins, see `calibration`; of the label chosen under "softmax", of every pair of image and label under "sigmoid");
    with ``per_class`` also the key ``label``, None in the rows of all labels. Arrays ``confusion`` (rows are the truth) and
    ``reliability`` (3, 15).
    """
    if k < 1:
        raise InputError(f"zero_shot_accuracy: expected k of at least 1, got {k}")
    points = _points(space, images)
    values = column(points, truth, "zero_shot_accuracy")
    labels = tuple(np.unique(values.astype(str)).tolist() if labels is None else in_order(labels, "zero_shot_accuracy"))
    ids = _positions(values, labels)
    read = zero_shot(space, points, labels, templates=templates, probability=probability)
    order = np.argsort(-read.probabilities, axis=1, kind="stable")
    confidence, right = _confidence(read, order[:, 0], ids)
    confusion = confusion_matrix(order[:, 0], ids, len(labels))
    used = [] if is_points(space) else list(read_templates(templates))
    options = {"labels": list(labels), "templates": used, "k": min(k, len(labels))}
    return Result(
        "zero_shot_accuracy",
        Table(
            [
                *_top_rows(order, ids, labels, min(k, len(labels))),
                _calibration(confidence, right, seed),
                *(_label_rows(confusion, labels) if per_class else ()),
            ],
            ("score", "label") if per_class else ("score",),
        ),
        arrays={"confusion": confusion, "reliability": reliability(confidence.ravel(), right.ravel())},
        provenance=provenance(
            "zero_shot_accuracy", stamp=points.stamp, seed=seed, probability=read.probability, **options
        ),
    )


def _confidence(read: ZeroShot, chosen: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How probable an answer is and whether it is right: of the label chosen (n,), or of each pair (n, k) of a sigmoid."""
    if read.probability == "sigmoid":
        names = np.array(read.labels)  # of labels of one text each belongs to the image
        return read.probabilities, (names[ids][:, None] == names).astype(float)
    return read.probabilities.max(axis=1), (chosen == ids).astype(float)


def _top_rows(order: np.ndarray, ids: np.ndarray, labels: Sequence[str], k: int) -> list[Row]:
    """The accuracy of the most probable label, and the share of images with the true one among the ``k`` most probable."""
    rows = accuracy_rows(order[:, 0], ids, labels, chance=1 / len(labels), score="top-1")
    if k > 1:
        among = (order[:, :k] == ids[:, None]).any(axis=1).astype(float)
        rows.append(share_row(among, chance=k / len(labels), score=f"top-{k}"))
    return rows


def _label_rows(confusion: np.ndarray, labels: tuple[str, ...]) -> list[Row]:
    """The share of each label's images that are read as it."""
    return [
        scored(
            score="top-1",
            label=_told_apart(labels, i),
            value=float(line[i] / line.sum()),
            chance=1 / len(labels),
            n=int(line.sum()),
        )
        for i, line in enumerate(confusion)
        if line.sum()
    ]


def _positions(values: np.ndarray, labels: tuple[str, ...]) -> np.ndarray:
    """Where each true label stands among ``labels``, first if twice; integers that are no labels are positions already."""
    texts = values.astype(str).tolist()
    if values.dtype.kind in "iu" and not set(texts) & set(labels):
        if values.min() < 0 or values.max() >= len(labels):
            raise InputError(
                f"zero_shot_accuracy: expected true labels by name, or positions from 0 to {len(labels) - 1}, got "
                f"{values.min()} to {values.max()}"
            )
        return values.astype(np.int64)
    first = {label: i for i, label in reversed(list(enumerate(labels)))}
    strange = sorted(set(texts) - set(labels))
    if strange:
        raise InputError(
            f"zero_shot_accuracy: expected true labels among {shortened(labels)}, got also {shortened(strange)}"
        )
    return np.array([first[text] for text in texts])


def _warn_repeated(labels: tuple[str, ...]) -> None:
    repeated = [label for label, count in Counter(labels).items() if count > 1]
    if repeated:
        warnings.warn(
            f"zero_shot: {shortened(repeated)} are each more than one of the {len(labels)} labels; classes of one text get "
            "one probability, and the first of them is the answer; give each a text of its own to tell them apart",
            SampleWarning,
            stacklevel=3,
        )


def _told_apart(labels: tuple[str, ...], i: int) -> str:
    return labels[i] if labels.count(labels[i]) == 1 else f"{labels[i]} ({i})"


_CALIBRATION_DRAWS, _CALIBRATION_RESAMPLES = 200, 1000
_CALIBRATION_WORK = 200_000_000
"""Probabilities drawn in all, above which there are fewer draws: those of 50,000 images and 1,000 labels are many."""


def _calibration(confidence: np.ndarray, right: np.ndarray, seed: int) -> Row:
    """The error, beside that of answers as often right as they are sure: chance in the bins alone makes one.

    ``confidence`` is (n,) of the label chosen, or (n, k) of each pair, resampled by image. A resample has the noise of
    the bins twice and lies too high, so the interval has the bootstrap's width only.
    """

    def error(confidence: np.ndarray, right: np.ndarray) -> float:
        return calibration_error(confidence.ravel(), right.ravel())

    value = error(confidence, right)
    rng = np.random.default_rng([seed, 15])
    most = max(20, _CALIBRATION_WORK // confidence.size)
    draws = range(min(_CALIBRATION_DRAWS, most))
    noise = np.mean([error(confidence, rng.random(right.shape) < confidence) for _ in draws])
    resamples = min(_CALIBRATION_RESAMPLES, most)
    low, high = bootstrap(confidence, right, statistic=error, seed=seed, resamples=resamples)
    half = (high - low) / 2
    low, high = max(0.0, value - half), value + half
    return scored(score="calibration error", value=value, chance=float(noise), low=low, high=high, n=len(right))


def _points(space: Space | Embeddings | Store, images) -> Embeddings:
    if is_points(space) and not is_points(images):
        raise InputError(
            f"zero_shot: expected image Embeddings or a store beside text vectors, got {type(images).__name__}; no model is "
            "there to encode images: wrap their vectors in Embeddings"
        )
    return images[:] if is_points(images) else space.encode_images(images)
