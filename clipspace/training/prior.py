"""`train_prior`: from the embeddings of texts to those of images, for any store that was encoded with its captions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from clipspace import progress
from clipspace.errors import InputError
from clipspace.models.devices import check_device, usual_device
from clipspace.models.prior import EmbeddingPrior
from clipspace.models.scheduler_config import load_schedule
from clipspace.points import sphere
from clipspace.points.store import Store, open_beside, open_store
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Row, Table
from clipspace.seeds import child_seed, stream, streams
from clipspace.training import showing
from clipspace.training.batches import held_out
from clipspace.training.folder import begin_run, check_room, check_run, training_alone
from clipspace.training.loop import Bound, Report, Trained, run
from clipspace.training.measuring import CANDIDATES, cosine_row, rank_row
from clipspace.training.network import drawn_by
from clipspace.training.saving import save_folder
from clipspace.training.vectors import check_vectors, stored_conditions

MINUTES, DECAY = 10.0, 0.5
"""Usual length of a run, and the share of it over which the learning rate falls."""
BATCH, RATE = 256, 1e-3
"""Pairs of a step, and the full learning rate of AdamW."""
DRAWN, TEXT, SHUFFLED = "drawn from its text", "its text itself", "drawn from another text"
SCHEDULER = {
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "sample",
    "clip_sample": False,
    "timestep_spacing": "trailing",
}
"""Arguments of a diffusers ``DDIMScheduler``."""
_COPIES = 8
"""Copies of the weights on disk at most."""


def prior_config(dim: int) -> dict[str, Any]:
    """Arguments of a diffusers ``PriorTransformer`` from pooled embeddings of ``dim`` to such: four tokens, four layers.

    >>> prior_config(128)["num_attention_heads"]
    3
    """
    return {
        "num_attention_heads": max(3, -(-dim // 64)),
        "attention_head_dim": 64,
        "num_layers": 4,
        "embedding_dim": dim,
        "num_embeddings": 0,
        "additional_embeddings": 4,
        "encoder_hid_proj_type": None,
    }


def prior_loss(network, scheduler, image: torch.Tensor, text: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """E |z - f(z_t, t, z_text)|^2 (Ramesh et al. 2022, section 2.2), the text dropped one time in ten.

    ``image`` and ``text`` are unit vectors times the root of d, ``(n, d)``.
    """
    n = len(image)
    t = torch.randint(0, 1000, (n,), generator=rng).to(image.device)
    noise = torch.randn(image.shape, generator=rng).to(image)
    text = text * (torch.rand(n, 1, generator=rng) >= 0.1).to(text)
    guess = network(scheduler.add_noise(image, noise, t), t, proj_embedding=text).predicted_image_embedding
    return torch.nn.functional.mse_loss(guess, image)


def train_prior(
    store: str | Path | Store,
    output: str | Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    device: str | None = None,
) -> Path:
    """Train a prior on the pairs of ``store``; returns ``output``, which ``load_space(encoder, prior=output)`` takes.

    Neither the images nor the encoder is needed. Stopped or killed, the same call goes on, to the weights that it would have
    had. ``card.json`` beside the weights (`load_result` reads it) holds, of rows never trained on, the cosine of what is drawn
    to the image's embedding, and the mean reciprocal rank of that among up to `CANDIDATES`, beside those of the text itself and
    of another row's text.

    Parameters
    ----------
    store : of images and their captions, as ``clipspace encode --texts`` writes it
    output : a folder; new, empty, or of this run
    steps, minutes : length of the run, one of them; ten minutes when both are None
    seed : of all draws

    Raises `InputError` or `CapabilityError`, before work starts, for a store without captions, without a stamp, without the
    lengths of its vectors, or with vectors that nothing can be learned from.
    """
    check_device(device)
    minutes = MINUTES if steps is None and minutes is None else minutes
    bound, output = Bound(steps, minutes, DECAY), Path(output)
    images, texts = _pairs(store if isinstance(store, Store) else open_store(store))
    for side in (images, texts):
        check_vectors(side)
    described = {"prior of store": images.hash, "rows": len(images), "space": images.stamp.weights, "seed": seed}
    check_run(output, described)
    check_room(output, _sizes(output, images))
    folder = begin_run(output, described)
    with training_alone(folder, 0):
        z = stored_conditions(images, folder / "images.npy")
        told = stored_conditions(texts, folder / "texts.npy")
        rows, held = held_out(len(images), seed=seed)
        trained, scheduler = _trained(z, told, rows, seed=seed, device=usual_device(device))
        report = run(trained, bound, folder / "checkpoint.pt")
        progress.say(showing.line(report))
        norm = _mean_norm(images, rows)
        _save(output, trained, scheduler, images, norm)
        _card(output, images, z[held], told[held], report, seed=seed)
    return output


def _pairs(store: Store) -> tuple[Store, Store]:
    """The images and the texts of a store."""
    if set(store.modalities) != {"image", "text"}:
        raise InputError(
            f"train_prior: expected a store of images and their texts, got {list(store.modalities)} in {str(store.path)!r}; encode "
            "them with their captions (clipspace encode --texts)"
        )
    images = store if store.modality == "image" else open_beside(store, "image")
    if images.stamp is None:
        raise InputError(
            f"train_prior: expected a store with a stamp, got none in {str(store.path)!r}; open it with that of its space: "
            "open_store(path, stamp=space.stamp)"
        )
    images.check_raw("train_prior")
    return images, open_beside(images, "text")


def _trained(
    z: np.ndarray, told: np.ndarray, rows: np.ndarray, *, seed: int, device: torch.device
) -> tuple[Trained, Any]:
    from diffusers import DDIMScheduler, PriorTransformer
    from diffusers.training_utils import EMAModel

    network = drawn_by(lambda: PriorTransformer(**prior_config(z.shape[1])), seed=seed).to(device)
    ema = EMAModel(network.parameters(), decay=0.999, use_ema_warmup=True, power=0.8)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    scheduler = DDIMScheduler(**SCHEDULER)

    def loss(step: int, positions: np.ndarray) -> torch.Tensor:
        rng = torch.Generator().manual_seed(child_seed(seed, "prior", step))
        pair = (torch.from_numpy(np.array(side[rows[positions]])).to(device) for side in (z, told))
        return prior_loss(network, scheduler, *pair, rng)

    return Trained(network, ema, optimizer, loss, len(rows), min(BATCH, len(rows)), seed), scheduler


def _mean_norm(images: Store, rows: np.ndarray, n: int = 1000) -> float:
    """Mean norm of raw image embeddings, of ``n`` rows."""
    return float(sphere.norm(images.load(rows[:n], normalize=False).vectors).mean())


def _save(output: Path, trained: Trained, scheduler: Any, images: Store, norm: float) -> None:
    from diffusers import PriorTransformer

    network = PriorTransformer(**prior_config(images.dim))
    trained.ema.copy_to(network.parameters())
    save_folder(output, "prior", network, scheduler, images.stamp, {"image_norm": norm})


def _card(output: Path, images: Store, z: np.ndarray, told: np.ndarray, report: Report, *, seed: int) -> None:
    """Draw for the texts of held-out rows, and save how near that is to their images."""
    from diffusers import PriorTransformer

    network = PriorTransformer.from_pretrained(output, subfolder="prior").eval().requires_grad_(False)
    prior = EmbeddingPrior(network, load_schedule(output), clip=images.stamp, image_norm=1.0)
    few = np.sort(stream(seed, "rows of the card").permutation(len(z))[:CANDIDATES])
    z, told = np.array(z[few]), np.array(told[few])
    x_T = np.stack([rng.standard_normal(z.shape[1]) for rng in streams(seed, len(z), "prior candidate 0")])
    with torch.inference_mode():
        latents = prior.draw(
            prior.inputs((), told), torch.from_numpy(x_T).float(), num_inference_steps=prior.num_inference_steps
        )
    arrays = {"z": z, "texts": told, "drawn": latents.numpy()}
    table = Table(prior_rows(arrays, seed=seed), ("score", "of"))
    drawn, text = table["cosine", DRAWN], table["cosine", TEXT]
    finding = (
        f"Embeddings drawn from texts have a mean cosine of {drawn.value:.3f} to the embedding of their image "
        f"(unrelated rows {drawn.chance:.3f}, the text itself {text.value:.3f})."
    )
    options = {"steps": report.step, "pairs seen": report.images, "minutes": round(report.seconds / 60, 1)}
    inputs = [{"kind": "store", "name": str(images.path), "digest": images.hash}]
    made = provenance("train_prior", stamp=images.stamp, inputs=inputs, seed=seed, **options)
    Result("card", table, [finding], arrays, provenance=made).save(output)


def prior_rows(arrays: dict[str, np.ndarray], *, seed: int) -> list[Row]:
    """Rows of `scored` by ``score`` (*cosine*, *rank*) and ``of``: what is drawn from a text, the text, another's text."""
    z, drawn, text = (arrays[name] for name in ("z", "drawn", "texts"))
    rows = []
    for name, some in ((DRAWN, drawn), (TEXT, text), (SHUFFLED, np.roll(drawn, 1, axis=0))):
        rows += [cosine_row("cosine", name, some, z, seed=seed), rank_row("rank", name, some, z, seed=seed)]
    return rows


def _sizes(output: Path, images: Store) -> dict[Path, int]:
    from diffusers import PriorTransformer

    with torch.device("meta"):
        weights = 4 * sum(weight.numel() for weight in PriorTransformer(**prior_config(images.dim)).parameters())
    rows = len(images) * images.dim * 4
    run = output / "run"
    return {run / "images.npy": rows, run / "texts.npy": rows, run / "checkpoint.pt": _COPIES * weights}
