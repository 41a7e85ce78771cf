"""Sparse autoencoders of other libraries: their activations by their own documented formulas, and what is refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from clipspace import Embeddings
from clipspace.errors import InputError, SpaceMismatchError
from clipspace.points.embeddings import Stamp
from clipspace.points.sphere import unit
from clipspace.probes.published_autoencoder import load_published
from clipspace.probes.sparse_autoencoder import load_autoencoder

N, D, M = 50, 12, 40
STAMP = Stamp("published", "0" * 16, "0" * 16, D)


@pytest.fixture
def tensors(rng):
    made = {"W_enc": rng.normal(size=(D, M)), "b_enc": rng.normal(size=M), "W_dec": rng.normal(size=(M, D))}
    return {name: array.astype(np.float32) for name, array in (made | {"b_dec": rng.normal(size=D)}).items()}


@pytest.fixture
def points(rng):
    return Embeddings((7 * rng.normal(size=(N, D))).astype(np.float32), STAMP)


@pytest.fixture
def saved(tmp_path):
    def save(config, tensors, name="sae_weights.safetensors"):
        (tmp_path / "cfg.json").write_text(json.dumps(config))
        save_file({key: np.ascontiguousarray(tensor) for key, tensor in tensors.items()}, tmp_path / name)
        return tmp_path

    return save


def topk(before, k):
    codes = np.zeros_like(before)
    for row, own in zip(codes, before, strict=True):
        most = np.argsort(-own)[:k]
        row[most] = np.maximum(own[most], 0)
    return codes


def near(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("subtracts", [True, False])
@pytest.mark.parametrize("architecture", ["standard", "jumprelu", "topk"])
def test_saelens_activations_and_rebuilt_points_are_those_of_its_formula(
    architecture, subtracts, tensors, points, saved, rng
):
    """SAELens 6: acts = f((x - b_dec) W_enc + b_enc), without b_dec where it is not applied; out = acts W_dec + b_dec."""
    threshold = rng.uniform(-1, 9, size=M).astype(np.float32)
    more = {"jumprelu": {"threshold": threshold}}.get(architecture, {})
    config = {"architecture": architecture, "d_in": D, "d_sae": M, "apply_b_dec_to_input": subtracts, "k": 5}
    found = load_published(saved(config, tensors | more), points)
    x = points.vectors.astype(np.float64)
    before = (x - subtracts * tensors["b_dec"]) @ tensors["W_enc"] + tensors["b_enc"]
    codes = {
        "standard": np.maximum(before, 0),
        "jumprelu": np.maximum(before, 0) * (before > threshold),
        "topk": topk(before, 5),
    }[architecture]
    near(found.codes(points).toarray(), codes)
    near(found.rebuilt(points).vectors, codes @ tensors["W_dec"] + tensors["b_dec"])
    assert found.rebuilt(points).stamp == STAMP


@pytest.mark.parametrize("architecture", ["Standard", "JumpReLU", "TopK"])
@pytest.mark.parametrize("normalized", ["none", "constant_norm_rescale"])
def test_saelens_itself_says_the_same(architecture, normalized, points, tmp_path):
    torch, theirs = pytest.importorskip("torch"), pytest.importorskip("sae_lens")
    more = {"k": 5} if architecture == "TopK" else {}
    config = getattr(theirs, f"{architecture}SAEConfig")(d_in=D, d_sae=M, normalize_activations=normalized, **more)
    source = getattr(theirs, f"{architecture}SAE")(config)
    torch.manual_seed(0)
    for tensor in source.parameters():
        tensor.data = torch.randn_like(tensor)
    source.save_model(tmp_path)
    with torch.no_grad():
        codes = source.encode(torch.from_numpy(points.vectors.copy()))
    near(load_published(tmp_path, points).codes(points).toarray(), codes.numpy())


def test_saelens_rescales_rows_and_activations_where_it_says_so(tensors, points, saved):
    config = {"architecture": "standard", "normalize_activations": "constant_norm_rescale"}
    found = load_published(saved(config, tensors), points)
    x = points.unit * np.sqrt(D)
    codes = np.maximum((x - tensors["b_dec"]) @ tensors["W_enc"] + tensors["b_enc"], 0)
    near(found.codes(points).toarray(), codes)
    near(unit(found.rebuilt(points).vectors), unit(codes @ tensors["W_dec"] + tensors["b_dec"]))
    config = {"architecture": "topk", "k": 4, "rescale_acts_by_decoder_norm": True}
    found = load_published(saved(config, tensors), points)
    length = np.linalg.norm(tensors["W_dec"], axis=1)
    codes = topk(((points.vectors - tensors["b_dec"]) @ tensors["W_enc"] + tensors["b_enc"]) * length, 4)
    near(found.codes(points).toarray(), codes)
    near(found.rebuilt(points).vectors, codes / length @ tensors["W_dec"] + tensors["b_dec"])


def test_files_of_saelens_before_version_6_are_read(tensors, points, saved):
    """They name the activation, and may hold a scaling factor of ones."""
    config = {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 3}, "hook_name": "blocks.11.hook_resid_post"}
    found = load_published(saved(config, tensors | {"scaling_factor": np.ones(M, np.float32)}), points)
    before = (points.vectors - tensors["b_dec"]) @ tensors["W_enc"] + tensors["b_enc"]
    near(found.codes(points).toarray(), topk(before, 3))


def test_sparsify_activations_are_those_of_its_formula(tensors, points, saved):
    """sparsify 1.3: top k of relu((x - b_dec) W' + b)."""
    named = {"encoder.weight": tensors["W_enc"].T, "encoder.bias": tensors["b_enc"]}
    named |= {name: tensors[name] for name in ("W_dec", "b_dec")}
    folder = saved({"activation": "topk", "k": 6, "d_in": D}, named, "sae.safetensors")
    before = (points.vectors - tensors["b_dec"]) @ tensors["W_enc"] + tensors["b_enc"]
    near(load_published(folder, points).codes(points).toarray(), topk(np.maximum(before, 0), 6))


def test_features_are_points_to_decode_and_it_is_saved_whole(tensors, points, saved, tmp_path):
    threshold = {"threshold": np.full(M, 2, np.float32)}
    found = load_published(saved({"architecture": "jumprelu"}, tensors | threshold), points)
    made = found.embeddings([3, 8], strength=2.0)
    usual = np.sqrt(((points.vectors - tensors["b_dec"]) ** 2).sum(axis=1).mean())
    near(made.vectors, tensors["b_dec"] + 2 * usual * unit(tensors["W_dec"][[3, 8]]))
    assert (made.stamp, made.modality) == (STAMP, "image")
    lost = ((points.vectors - found.rebuilt(points).vectors) ** 2).sum()
    spread = ((points.vectors - tensors["b_dec"]) ** 2).sum()
    assert found.evaluate(points)["explained variance"].value == pytest.approx(1 - lost / spread, rel=1e-4)
    found.save(tmp_path / "own.safetensors")
    again = load_autoencoder(tmp_path / "own.safetensors")
    np.testing.assert_array_equal(again.codes(points).toarray(), found.codes(points).toarray())
    np.testing.assert_array_equal(again.embeddings([3]).vectors, found.embeddings([3]).vectors)
    with pytest.raises(SpaceMismatchError):
        found.codes(Embeddings(points.vectors, Stamp("other", "1" * 16, "0" * 16, D)))


def test_unit_vectors_are_taken_where_it_was_trained_on_them(tensors, points, saved):
    found = load_published(saved({}, tensors), points, normalize=True)
    before = (points.unit - tensors["b_dec"]) @ tensors["W_enc"] + tensors["b_enc"]
    near(found.codes(points).toarray(), np.maximum(before, 0))
    assert found.embeddings([0]).norm == pytest.approx(points.norm.mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        ({"architecture": "gated"}, {}, r"architecture as one of \['standard', 'jumprelu', 'topk'\], got 'gated'"),
        ({"architecture": "topk"}, {}, "number k of features"),
        ({"architecture": "topk", "k": 41}, {}, "k from 1 to 40"),
        ({"activation_fn_str": "tanh-relu"}, {}, "activation as one of .*'tanh-relu'"),
        ({"normalize_activations": "layer_norm"}, {}, "normalize_activations as one of .*'layer_norm'"),
        ({"reshape_activations": "hook_z"}, {}, "'hook_z'"),
        ({"architecture": "jumprelu"}, {}, r"none of \['threshold'\]"),
        ({}, {"r_mag": np.zeros(M, np.float32)}, r"unknown \['r_mag'\]"),
        ({}, {"scaling_factor": np.full(M, 2, np.float32)}, r"unknown \['scaling_factor'\]"),
        ({}, {"b_enc": np.zeros(M + 1, np.float32)}, r"bias of .* of shape \(40,\), got \(41,\)"),
        ({}, {"W_enc": np.zeros((M, D), np.float32)}, r"encoder of .* of shape \(40, 12\), got \(12, 40\)"),
    ],
)
def test_what_is_not_read_is_named(config, change, message, tensors, points, saved):
    with pytest.raises(InputError, match=message):
        load_published(saved(config, tensors | change), points)


def test_other_widths_and_other_folders_are_refused(tensors, points, saved, tmp_path, rng):
    with pytest.raises(InputError, match=r"cfg\.json and sae_weights\.safetensors or sae\.safetensors"):
        load_published(tmp_path / "nothing", points)
    folder = saved({"metadata": {"hook_name": "blocks.11.hook_resid_post"}}, tensors)
    with pytest.raises(InputError, match=r"points of 12 dimensions.*\(layer blocks.11.hook_resid_post\), got 8"):
        load_published(folder, Embeddings(rng.normal(size=(5, 8))))
    (folder / "cfg.json").write_text("{")
    with pytest.raises(InputError, match="could not read"):
        load_published(folder, points)
