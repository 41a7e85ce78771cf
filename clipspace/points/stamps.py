"""The stamp of a space: which function made a vector, so that vectors of two functions never mix silently."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import PurePath
from typing import Any

from clipspace.errors import InputError, OldStampWarning, SpaceMismatchError

VERSION = 2
"""Version of the stamps in files. Those of clipspace 0.1 (version 1) name no version and hold no function."""
EMBEDDING, FEATURES = "embedding", "before its projection"
"""Names of the encoder layers that vectors are read from."""
FINGERPRINTED_IMAGES = 3
"""Images at the head of a fingerprint."""
TOLERANCE = 2e-3
"""Largest difference of two fingerprints of one function. Float32 gives 1e-5, a GPU's short products up to 1e-3."""


@dataclass(frozen=True)
class Function:
    """What an encoder computes, beside its weights, read off the built modules, its tokenizer and its preprocessing.

    ``architecture``, ``tokenizer`` and ``text_cleaning`` are short digests; the others are for reading, too.
    ``fingerprint`` holds the cosines and the logarithms of the norms of a few fixed images and texts in float32. It is
    no part of ``==``, because numbers are compared with a tolerance, which `differences` does.
    """

    layer: str
    activation: str
    heads: str
    pooling: str
    norm_epsilon: str
    architecture: str
    image_size: str
    mean: str
    std: str
    resize_mode: str
    interpolation: str
    tokenizer: str
    text_cleaning: str
    context_length: int
    fingerprint: tuple[float, ...] = field(compare=False)


@dataclass(frozen=True, eq=False)
class Stamp:
    """Which space a vector lives in. Two stamps never mix silently: `check_same_space` holds them to each other.

    ``weights`` and ``preprocess`` are short SHA-256 digests of the encoder's weights and of how images
    are prepared for it, the latter as it happens to be spelled; ``function`` says what decides a vector beside the
    weights, None where that is not known, and then ``preprocess`` counts. ``model`` is the name it was loaded by; the
    same function of the same weights by another name is the same space.

    >>> Stamp("mini", "0" * 16, "1" * 16, 128) == Stamp("local-dir:clip", "0" * 16, "1" * 16, 128)
    True
    """

    model: str
    weights: str
    preprocess: str
    dim: int
    function: Function | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stamp) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple:
        return self.weights, self.dim, self.function or self.preprocess

    def __str__(self) -> str:
        return f"{self.model} [{self.weights[:8]}/{self.preprocess[:8]}, d={self.dim}]"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; `read_stamp` reads them."""
        plain = asdict(self) | {"version": VERSION}
        if self.function is not None:
            plain["function"]["fingerprint"] = list(self.function.fingerprint)
        return plain


def read_stamp(plain: Mapping[str, Any] | None) -> Stamp | None:
    """The stamp that a file holds, None for None. Warns (`OldStampWarning`) of one that says nothing of the function.

    Raises `InputError` where fields are missing or unknown.
    """
    if plain is None:
        return None
    try:
        values = dict(plain)
        version = values.pop("version", 1)
        if version not in (1, VERSION):
            raise ValueError(f"version {version}")
        if values.get("function") is not None:
            function = dict(values["function"])
            values["function"] = Function(**function | {"fingerprint": tuple(function["fingerprint"])})
        stamp = Stamp(**values)
        texts = (stamp.model, stamp.weights, stamp.preprocess)
        if type(stamp.dim) is not int or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"fields of types {[type(value).__name__ for value in (*texts, stamp.dim)]}")
    except (TypeError, ValueError, KeyError) as error:
        needed = [f.name for f in fields(Stamp) if f.default is MISSING]
        raise InputError(
            f"stamp: expected a stamp of {needed} and its function, got {plain!r} ({error}); "
            "update clipspace, or get a whole copy of the file"
        ) from None
    if version == 1:
        warnings.warn(_of_old(stamp), OldStampWarning, stacklevel=3)
    return stamp


def check_same_space(expected: Stamp | None, got: Stamp | None, doing: str) -> None:
    """Raise `SpaceMismatchError`, naming both and what differs, unless the two stamps are one space."""
    differing = differences(expected, got)
    if differing:
        raise SpaceMismatchError(
            f"{doing}: expected embeddings of {expected or 'no stamp'}, got embeddings of {got or 'no stamp'}, which "
            f"differ in {'; '.join(differing)}; {_cure(expected, got)}"
        )


def _cure(expected: Stamp | None, got: Stamp | None) -> str:
    if got is None:
        return (
            "where you know that they are of it, give them its stamp: Embeddings(vectors, space.stamp), or "
            "open_store(path, stamp=space.stamp) for a store"
        )
    if expected is not None and of_two_libraries(expected, got):
        return (
            "encode again, or, where an image cropped one pixel apart is near enough, give them the other stamp: "
            "Embeddings(points.vectors, space.stamp)"
        )
    if expected is None or expected.model == got.model:
        return "encode them again with the space they are used in"
    return f"use the space that they are of (--space {got.model}, load_space({got.model!r})), or encode them again"


def differences(expected: Stamp | None, got: Stamp | None) -> list[str]:
    """The differences between two stamps, in words; empty where they are one space."""
    if expected is None or got is None:
        return [] if expected is got else ["that one has no stamp"]
    if expected.weights != got.weights:
        if of_two_libraries(expected, got):
            return ["the library that computes them, though both make the same vectors of a few images"]
        return ["their weights"]
    differing = [] if expected.dim == got.dim else [f"their dimension (expected {expected.dim}, got {got.dim})"]
    if expected.function is None or got.function is None:
        differing += _old_differences(expected, got)
    else:
        differing += _function_differences(expected.function, got.function)
    return differing


_DIGESTS = {"architecture", "tokenizer", "text_cleaning"}
_IMPLIED = {"architecture": {"activation", "heads", "pooling", "norm_epsilon"}, "text_cleaning": {"tokenizer"}}
"""Digests that change with other fields; each is reported only where those fields agree."""


def _function_differences(a: Function, b: Function) -> list[str]:
    pairs = {f.name: (getattr(a, f.name), getattr(b, f.name)) for f in fields(Function) if f.compare}
    differ = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    reported = [name for name in differ if not _IMPLIED.get(name, set()) & set(differ)]
    if not reported and not compute_alike(a, b):
        return ["what they make of the same images and texts (other cosines or norms: another version of a library?)"]
    labels = {name: name.replace("_", " ") for name in reported}
    return [
        labels[name] if name in _DIGESTS else f"{labels[name]} (expected {differ[name][0]}, got {differ[name][1]})"
        for name in reported
    ]


def compute_alike(a: Function, b: Function) -> bool:
    """Whether two functions make the same vectors of a few images and texts, whatever their libraries call their parts."""
    pairs = zip(a.fingerprint, b.fingerprint, strict=False)
    return len(a.fingerprint) == len(b.fingerprint) and all(abs(x - y) <= TOLERANCE for x, y in pairs)


def of_two_libraries(a: Stamp, b: Stamp) -> bool:
    """Whether two models, built by two libraries or in other parts, make the same vectors of a few images, and of texts.

    Their weights are in other shapes, so that digests of them tell nothing. Where one reads no texts, the images decide.
    """
    if a.weights == b.weights or a.function is None or b.function is None:
        return False
    if a.dim != b.dim or a.function.layer != b.function.layer or a.function.architecture == b.function.architecture:
        return False
    if len(a.function.fingerprint) == len(b.function.fingerprint):
        return compute_alike(a.function, b.function)
    pairs = zip(_image_fingerprint(a.function), _image_fingerprint(b.function), strict=True)
    return all(abs(x - y) <= TOLERANCE for x, y in pairs)


def _image_fingerprint(function: Function) -> tuple[float, ...]:
    """The part of a fingerprint that is of the images alone, which come first."""
    numbers = function.fingerprint
    n = int((2 * len(numbers) + 0.25) ** 0.5)  # of n vectors there are n (n - 1) / 2 cosines, and then n norms
    pairs = itertools.combinations(range(n), 2)
    cosines = [numbers[k] for k, (i, j) in enumerate(pairs) if j < FINGERPRINTED_IMAGES]
    return (*cosines, *numbers[len(numbers) - n :][:FINGERPRINTED_IMAGES])


def _old_differences(a: Stamp, b: Stamp) -> list[str]:
    """Differences between stamps of which one has no function, as far as its name tells."""
    differing = [] if a.preprocess == b.preprocess else ["how images are prepared"]
    if _layer(a) != _layer(b):
        differing.append(f"layer (expected {_layer(a)}, got {_layer(b)})")
    quick = _ran_quickgelu(a), _ran_quickgelu(b)
    if None not in quick and quick[0] != quick[1]:
        old = a if a.function is None else b
        ran = "QuickGELU" if (quick[0] if old is a else quick[1]) else "GELU"
        differing.append(f"activation (clipspace 0.1 ran {old.model!r} with {ran}, unlike the other: encode it again)")
    return differing


def _layer(stamp: Stamp) -> str:
    if stamp.function is not None:
        return stamp.function.layer
    return FEATURES if stamp.model.endswith(FEATURES) else EMBEDDING


def _ran_quickgelu(stamp: Stamp) -> bool | None:
    """Whether vectors of a stamp were made with QuickGELU; None for an old one whose name does not tell.

    clipspace 0.1 took the activation of the architecture's name, whatever the weights had been trained with.
    """
    if stamp.function is not None:
        return "QuickGELU" in stamp.function.activation
    architecture, slash, _ = stamp.model.partition("/")
    if not slash or ":" in architecture or architecture == "timm":
        return None
    return architecture.endswith("-quickgelu") or architecture == "roberta-ViT-B-32"


_WRONG = {
    "openai": "RN50 RN101 RN50x4 RN50x16 RN50x64 ViT-B-32 ViT-B-16 ViT-L-14 ViT-L-14-336",
    "yfcc15m": "RN50 RN101",
    "cc12m": "RN50",
    "laion400m_e31": "ViT-B-32",
    "laion400m_e32": "ViT-B-32",
    "metaclip_400m": "ViT-B-32 ViT-B-16 ViT-L-14",
    "metaclip_fullcc": "ViT-B-32 ViT-B-16 ViT-L-14 ViT-H-14 ViT-bigG-14",
    "metaclip2_worldwide": "ViT-H-14-worldwide",
    "dfn2b": "ViT-B-16 ViT-L-14",
    "dfn5b": "ViT-H-14 ViT-H-14-378",
    "laion2b_s12b_b32k": "roberta-ViT-B-32",
}
WRONG_IDS = frozenset(f"{name}/{tag}" for tag, names in _WRONG.items() for name in names.split())
"""Ids that clipspace 0.1 ran with another activation than their weights were trained with (open_clip 3.2 and 3.3)."""


def _of_old(stamp: Stamp) -> str:
    """The warning about a stamp that clipspace 0.1 wrote."""
    identifier = stamp.model.removesuffix(f" {FEATURES}")
    name, _, tag = identifier.partition("/")
    if f"{name}/{tag.lower().replace('-', '_')}" in WRONG_IDS:
        return (
            f"stamp of {identifier!r} by clipspace 0.1, which ran it with another activation than its weights were "
            "trained with: these vectors are wrong, and do not fit the space as it is now; encode again"
        )
    if PurePath(tag).suffix == ".safetensors":
        return (
            f"stamp of {identifier!r} by clipspace 0.1, which took the activation of the architecture, and may have "
            "been wrong; encode again unless you know that it was right"
        )
    return (
        f"stamp of {stamp} by clipspace 0.1, which does not name the activation, the heads or the tokenizer; it goes on "
        "working with its space, and encoding again names them"
    )
