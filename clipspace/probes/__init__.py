"""Questions about a set of embeddings, one module each. Every probe answers with a `Result`, beside what chance would give.

``from clipspace.probes import knn`` loads the module of that probe and nothing else. `PROBES` lists the questions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

LABELLED = "points and labels"
"""What a probe needs whose arguments are points and a label of each; its command is made from its signature."""


@dataclass(frozen=True)
class Probe:
    """What is known of a probe besides its code.

    Parameters
    ----------
    name : of its command, ``clipspace probe NAME``
    question : what it answers
    needs : what it is asked on; `LABELLED` for points and a label of each
    function : name of the function that asks it, in this package
    options : help text of each option of its command; only of those that are `LABELLED`
    """

    name: str
    question: str
    needs: str
    function: str
    options: Mapping[str, str] = field(default_factory=dict)


PROBES = (
    Probe("zero-shot", "Is the text of the right label the nearest?", "a space, images and labels", "zero_shot_accuracy"),
    Probe(
        "linear",
        "How well does a linear map predict the labels?",
        LABELLED,
        "linear",
        {
            "held_out": "Fraction of each class that is held out for testing.",
            "search": "How the penalty is chosen: 'sweep' tries 96 values, 'binary' is a binary search.",
            "validation": "Share of each class of the training rows on which the penalty is chosen.",
        },
    ),
    Probe(
        "few-shot",
        "How well does a linear map predict the labels after a few examples of each class?",
        LABELLED,
        "few_shot",
        {
            "shots": "Training examples per class; may be repeated.",
            "draws": "Number of random draws of the examples, for each number of shots.",
            "held_out": "Fraction of each class that is held out for testing.",
            "search": "How the penalty is chosen: 'sweep' tries 96 values, 'binary' is a binary search.",
        },
    ),
    Probe(
        "knn",
        "How well do the nearest neighbours predict the labels?",
        LABELLED,
        "knn",
        {
            "held_out": "Fraction of each class that is held out for testing.",
            "k": "Number of neighbours that vote.",
            "temperature": "Each vote has the weight exp(cosine / temperature).",
        },
    ),
    Probe("ridge", "How well does a linear map predict a quantity?", "points and numbers", "ridge"),
    Probe("geometry", "What is the geometry of a set: spectrum, cone, dimension, hubs?", "points", "geometry"),
    Probe("modality-gap", "How far apart are images and their texts?", "points of images and texts", "modality_gap"),
    Probe("compare", "How similar are two embeddings of the same images, and what was gained or lost?", "two sets of points", "compare"),
    Probe("duplicates", "Which rows are copies of each other, or of rows in another set?", "points, or two sets of points", "duplicates"),
    Probe("concepts", "Which weighted sum of words describes an image?", "points of images and of words", "decompose"),
    Probe("text-span", "Which texts explain the variance of a set of images?", "points of images and texts", "text_span"),
    Probe("autoencoder", "Which few of many learnt directions compose an image?", "points", "fit_autoencoder"),
    Probe("retention", "Which factors of an image can be predicted from its embedding?", "a space, and scenes or images", "retention"),
    Probe("typographic", "How does a printed word change the zero-shot label?", "a space, images and labels", "typographic_attack"),
    Probe("binding", "Does the space know which thing has which attribute?", "a space, and pairs of captions", "rendered_binding"),
    Probe("blind-pairs", "Which images are the same to one encoder and different to another?", "two sets of points", "blind_pairs"),
    Probe("decoder-agreement", "Is what an image shows in z or in the decoder?", "spaces of one encoder, and points", "decoder_agreement"),
)  # fmt: skip
"""All probes, in the order of their commands."""

_HOMES = {
    "checkup": ("check",),
    "binding": ("binding_quartets", "choice_accuracy", "decoded_binding", "group_scores", "rendered_binding"),
    "binding_of_images": ("unimodal_binding",),
    "classification": ("ZeroShot", "zero_shot", "zero_shot_accuracy"),
    "concepts": ("Decomposition", "Vocabulary", "decompose", "describe"),
    "datasets": ("Choice", "Quartet", "read_aro", "read_rta100", "read_scam", "read_sugarcrepe", "read_winoground"),
    "decoders": ("decoder_agreement",),
    "directions": ("geometry",),
    "factors": ("augmentation_factors", "export_factors", "rank_agreement", "read_out", "retention", "scene_factors"),
    "factors.erasure": ("Eraser", "erase", "erasure_scores", "fit_eraser", "load_eraser"),
    "likeness": ("compare",),
    "logistic_regression": ("few_shot", "linear"),
    "modalities": ("modality_gap",),
    "near_copies": ("duplicates",),
    "nearest_neighbours": ("knn",),
    "pairs": ("blind_pairs", "pair_rows", "pixel_points"),
    "feature_names": ("name_features",),
    "published_autoencoder": ("load_published",),
    "ridge_regression": ("ridge",),
    "sparse_autoencoder": ("SparseAutoencoder", "fit_autoencoder", "load_autoencoder"),
    "text_basis": ("TextSpan", "text_span"),
    "typographic": ("attack_scores", "print_word", "typographic_attack"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["LABELLED", "PROBES", "Probe", *sorted(_HOME_OF)]  # noqa: PLE0604 - names are loaded when first used


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'clipspace.probes' has no attribute {name!r}")
    return getattr(import_module(f"clipspace.probes.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
