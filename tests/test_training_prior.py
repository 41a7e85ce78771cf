"""`train_prior` on planted pairs: what is drawn from a text comes near its image, and a store without texts is refused."""

import json

import numpy as np
import pytest
import trained
from command_line import run

from clipspace.errors import CapabilityError, InputError
from clipspace.points import sphere
from clipspace.points.embeddings import Embeddings
from clipspace.points.store import open_store, write_store
from clipspace.results.loading import load_result
from clipspace.training import loop, optimiser, prior
from clipspace.training.prior import train_prior

N, DIM = 1200, 8
SMALL = {
    "num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 1, "embedding_dim": DIM, "num_embeddings": 0,
    "additional_embeddings": 4, "encoder_hid_proj_type": None,
}  # fmt: skip


@pytest.fixture
def store(tmp_path):
    """Pairs as clip-retrieval writes them: texts are the images' vectors with the halves exchanged, and a little noise."""
    rng = np.random.default_rng(0)
    images = 3 * sphere.unit(rng.normal(size=(N, DIM)) + 1)
    texts = sphere.unit(np.roll(images, DIM // 2, axis=1) + 0.1 * rng.normal(size=(N, DIM)))
    for folder, vectors in (("img_emb", images), ("text_emb", texts)):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
        np.save(tmp_path / "pairs" / folder / f"{folder}_0.npy", vectors.astype(np.float32))
    return open_store(tmp_path / "pairs", stamp=trained.Stamp("toy", "a" * 16, "b" * 16, DIM))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(prior, "prior_config", lambda dim: SMALL)
    monkeypatch.setattr(prior, "CANDIDATES", 40)
    monkeypatch.setattr(prior, "BATCH", 128)
    monkeypatch.setattr(prior, "RATE", 1e-2)
    monkeypatch.setattr(optimiser, "WARMUP", 10)


def test_what_is_drawn_from_a_text_comes_near_its_image_and_the_text_does_not(store, tmp_path):
    folder = train_prior(store, tmp_path / "prior", steps=80, device="cpu")
    card = load_result(folder / "card.json")
    drawn, text, other = (card["cosine", name] for name in (prior.DRAWN, prior.TEXT, prior.SHUFFLED))
    assert drawn.value > 0.8
    assert max(text.value, other.value) < drawn.chance + 0.2 < drawn.value - 0.2
    unit = {name: x / np.linalg.norm(x, axis=1, keepdims=True) for name, x in card.arrays.items()}
    assert drawn.value == pytest.approx(np.mean(np.sum(unit["drawn"] * unit["z"], axis=1)), abs=1e-6)
    cosines = unit["drawn"] @ unit["z"].T
    ranks = [1 / (1 + np.sum(row > row[i])) for i, row in enumerate(cosines)]
    assert card["rank", prior.DRAWN].value == pytest.approx(np.mean(ranks))
    index = json.loads((folder / "model_index.json").read_text())
    assert index["image_norm"] == pytest.approx(3.0, abs=1e-5)
    assert index["clip"]["weights"] == "a" * 16


def test_a_killed_prior_ends_in_the_same_bytes(store, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    options, original, calls = {"steps": 5, "device": "cpu"}, prior.prior_loss, []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(*arguments)

    train_prior(store, tmp_path / "whole", **options)
    with monkeypatch.context() as patched:
        patched.setattr(prior, "prior_loss", dies)
        with pytest.raises(KeyboardInterrupt):
            train_prior(store, tmp_path / "killed", **options)
    train_prior(store, tmp_path / "killed", **options)
    whole, killed = (
        (tmp_path / name / "prior/diffusion_pytorch_model.safetensors").read_bytes() for name in ("whole", "killed")
    )
    assert whole == killed


def test_a_store_without_texts_or_lengths_is_refused(tmp_path, capsys):
    vectors = np.random.default_rng(0).normal(size=(N, DIM)).astype(np.float32)
    stamp = trained.Stamp("toy", "a" * 16, "b" * 16, DIM)
    images = write_store(tmp_path / "images", Embeddings(vectors, stamp))
    with pytest.raises(InputError, match=r"expected a store of images and their texts, got \['image'\].*--texts"):
        train_prior(images, tmp_path / "prior")
    assert run("train-prior", str(tmp_path / "images"), "-o", str(tmp_path / "prior")) == 1
    assert "clipspace: train_prior: expected a store of images" in capsys.readouterr().err
    for name in ("img_emb", "text_emb"):
        (tmp_path / "unit" / name).mkdir(parents=True)
        np.save(tmp_path / "unit" / name / f"{name}_0.npy", sphere.unit(vectors).astype(np.float32))
    with pytest.raises(CapabilityError, match="train_prior: expected raw vectors"):
        train_prior(open_store(tmp_path / "unit", stamp=stamp), tmp_path / "prior")
    assert not (tmp_path / "prior").exists()
