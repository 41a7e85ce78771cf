"""Sparse autoencoders that others published as safetensors, in the layouts of SAELens and of sparsify.

Both keep a folder: ``cfg.json``, and ``sae_weights.safetensors`` (SAELens, https://github.com/decoderesearch/SAELens) or
``sae.safetensors`` (sparsify, https://github.com/EleutherAI/sparsify). What fires is what their own code says fires.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.errors import InputError
from clipspace.measure.dictionary import Dictionary
from clipspace.points import sphere
from clipspace.points.arrays import check_points
from clipspace.points.embeddings import Embeddings
from clipspace.probes.labelled import finite_vectors
from clipspace.probes.sparse_autoencoder import SparseAutoencoder

if TYPE_CHECKING:
    from clipspace.points.store import Store

SAELENS, SPARSIFY = "sae_weights.safetensors", "sae.safetensors"
ARCHITECTURES = ("standard", "jumprelu", "topk")
_PLAIN_INPUT = (None, False, "none", "expected_average_only_in")
"""What SAELens calls inputs that are taken as they are; a constant factor is in the weights already."""


@dataclass(frozen=True, eq=False)
class _Weights:
    """What a file holds: ``encoder`` and ``directions`` (m, d), ``bias`` (m,), ``offset`` (d,)."""

    encoder: np.ndarray
    bias: np.ndarray
    directions: np.ndarray
    offset: np.ndarray
    k: int | None = None
    threshold: np.ndarray | None = None
    subtracts: bool = True
    rescales: bool = False


def load_published(folder: str | Path, points: Embeddings | Store, *, normalize: bool = False) -> SparseAutoencoder:
    """A sparse autoencoder that SAELens or sparsify saved, for ``points`` of the space it was trained on.

    Of SAELens the architectures "standard" (ReLU), "jumprelu" and "topk" are read, before and after version 6; of sparsify
    "topk". Codes are the activations of the source's ``encode``; ``evaluate`` says how well they rebuild ``points``.

    Parameters
    ----------
    folder : holds ``cfg.json`` and the weights
    points : embeddings whose width, stamp, modality and usual length it takes, at most 4,096 of them
    normalize : whether it was trained on unit vectors; on embeddings as the encoder gives them, where not. No file says. One
        that rescales every input to one length (``constant_norm_rescale``) takes unit vectors in any case.

    Raises `InputError` for a folder without these files, other architectures, activations or normalisations, tensors that are
    missing, unknown or of other shapes, and for points of another width: autoencoders of a layer inside an encoder are none of
    its embedding space.
    """
    folder = Path(folder)
    config, tensors, name = _read(folder)
    weights = _saelens(config, tensors) if name == SAELENS else _sparsify(config, tensors)
    _check_shapes(weights, folder)
    check_points(points, "load_published")
    points, d = points[:4096], weights.directions.shape[1]
    if points.dim != d:
        layer = config.get("hook_name") or (config.get("metadata") or {}).get("hook_name")
        raise InputError(
            f"load_published: expected points of {d} dimensions, as {folder.name!r} takes"
            f"{f' (layer {layer})' if layer else ''}, got {points.dim}; give embeddings of the space it was trained on"
        )
    mean, scale = weights.offset, 1.0
    if weights.rescales:
        mean, scale, normalize = mean / np.sqrt(d), float(1 / np.sqrt(d)), True
    bias = weights.bias if weights.subtracts else weights.bias + weights.encoder @ weights.offset
    vectors = finite_vectors(points, "load_published")
    vectors = sphere.unit(vectors) if normalize else vectors
    arrays = {
        "directions": weights.directions,
        "encoder": weights.encoder,
        "bias": bias,
        "threshold": weights.threshold,
    }
    dictionary = Dictionary(
        **{name: None if array is None else array.astype(np.float32, order="C") for name, array in arrays.items()}
    )
    return SparseAutoencoder(
        dictionary, weights.k, mean, scale, float(points.norm.mean()), points.stamp, points.modality, normalize=normalize,
        reach=float(np.sqrt(((vectors - mean) ** 2).sum(axis=1).mean())),
    )  # fmt: skip


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray], str]:
    """The configuration, the tensors in float64, and the name of their file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    name = next((name for name in (SAELENS, SPARSIFY) if (folder / name).is_file()), None)
    if name is None or not (folder / "cfg.json").is_file():
        raise InputError(
            f"load_published: expected a folder with cfg.json and {SAELENS} or {SPARSIFY}, got {str(folder)!r}; weights in "
            "other files (.pt) must be saved as safetensors first"
        )
    try:
        config = json.loads((folder / "cfg.json").read_text())
        tensors = {key: tensor.double().numpy() for key, tensor in load_file(folder / name).items()}
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"load_published: could not read {str(folder)!r}: {error}") from error
    return config, tensors, name


def _saelens(config: dict[str, Any], tensors: dict[str, np.ndarray]) -> _Weights:
    """``SAE.encode`` of SAELens; files from before version 6 name the activation instead of the architecture."""
    activation = config.get("activation_fn_str", config.get("activation_fn", "relu"))
    architecture = "topk" if activation == "topk" else config.get("architecture", "standard")
    normalized = config.get("normalize_activations")
    _expect("architecture", architecture, ARCHITECTURES)
    _expect("activation", activation, ("relu", "topk"))
    _expect("normalize_activations", normalized, (*_PLAIN_INPUT, "constant_norm_rescale"))
    _expect("reshape_activations", config.get("reshape_activations", "none"), ("none",))
    if "scaling_factor" in tensors and (tensors["scaling_factor"] == 1).all():
        tensors = {name: tensor for name, tensor in tensors.items() if name != "scaling_factor"}
    jumps = ("threshold",) if architecture == "jumprelu" else ()
    _check_names(tensors, ("W_enc", "b_enc", "W_dec", "b_dec", *jumps))
    encoder, bias, directions = tensors["W_enc"].T, tensors["b_enc"], tensors["W_dec"]
    if architecture == "topk" and config.get("rescale_acts_by_decoder_norm"):
        length = sphere.norm(directions)
        encoder, bias, directions = encoder * length[:, None], bias * length, directions / length[:, None]
    k = config.get("k") or (config.get("activation_fn_kwargs") or {}).get("k") if architecture == "topk" else None
    if architecture == "topk" and not k:
        raise InputError("load_published: expected the number k of features in cfg.json, got none")
    return _Weights(
        encoder, bias, directions, tensors["b_dec"], k, tensors.get("threshold"),
        config.get("apply_b_dec_to_input", True), normalized == "constant_norm_rescale",
    )  # fmt: skip


def _sparsify(config: dict[str, Any], tensors: dict[str, np.ndarray]) -> _Weights:
    """``SparseCoder.encode`` of sparsify."""
    _expect("activation", config.get("activation", "topk"), ("topk",))
    for option in ("transcode", "skip_connection"):
        _expect(option, bool(config.get(option)), (False,))
    _check_names(tensors, ("encoder.weight", "encoder.bias", "W_dec", "b_dec"))
    return _Weights(tensors["encoder.weight"], tensors["encoder.bias"], tensors["W_dec"], tensors["b_dec"], config["k"])


def _expect(option: str, value: Any, known: tuple) -> None:
    if value not in known:
        raise InputError(
            f"load_published: expected {option} as one of {list(known)}, got {value!r}; it is not read yet"
        )


def _check_names(tensors: dict[str, np.ndarray], names: tuple[str, ...]) -> None:
    missing, unknown = sorted(set(names) - set(tensors)), sorted(set(tensors) - set(names))
    if missing or unknown:
        raise InputError(
            f"load_published: expected the tensors {list(names)}, got none of {missing}, and unknown {unknown}"
        )


def _check_shapes(weights: _Weights, folder: Path) -> None:
    m, d = weights.directions.shape
    shapes = {name: getattr(weights, name) for name in ("encoder", "bias", "offset", "threshold")}
    expected = {"encoder": (m, d), "bias": (m,), "offset": (d,), "threshold": (m,)}
    for name, array in shapes.items():
        if array is not None and array.shape != expected[name]:
            raise InputError(
                f"load_published: expected {name} of {folder.name!r} of shape {expected[name]}, got {array.shape}; features are "
                "the rows of W_dec"
            )
    if weights.k is not None and not 1 <= weights.k <= m:
        raise InputError(f"load_published: expected k from 1 to {m}, got {weights.k}")
