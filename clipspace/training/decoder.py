"""`train_decoder`: a diffusion decoder for the vectors of any store, from its images."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from clipspace import progress
from clipspace.errors import CapabilityError, InputError
from clipspace.models.contract import Encoder
from clipspace.models.devices import check_device, usual_device
from clipspace.points.stamps import Stamp, check_same_space
from clipspace.points.store import Store, open_store
from clipspace.sources import Source
from clipspace.space import load_space
from clipspace.training import showing
from clipspace.training.batches import held_out
from clipspace.training.card import has_card, write_card
from clipspace.training.folder import begin_run, check_room, check_run, training_alone
from clipspace.training.images import check_encoder, decoded, images_of
from clipspace.training.looking import look_of
from clipspace.training.loop import Bound, Report
from clipspace.training.loss import Look
from clipspace.training.network import decoder_at, size_of
from clipspace.training.optimiser import check_extra
from clipspace.training.presets import Preset, network_config, preset_of
from clipspace.training.processes import first_process_first, join_processes
from clipspace.training.task import Task, train
from clipspace.training.vectors import Standard, check_vectors, stored_conditions
from clipspace.training.weights import folder_of, preset_in

PERCEPTUAL = 0.3
"""Weight of what an encoder sees of a guess beside its squared error, where an encoder is given."""
_WATCHED = 32
"""Held-out rows that are decoded as a run goes."""
_COPIES = 10
"""Copies of the weights on disk at most: a checkpoint (weights, averages, one to two momenta), the next one, and the export."""


def train_decoder(
    store: str | Path | Store,
    output: str | Path,
    *,
    source: str | Path | Source | None = None,
    encoder: str | Path | Encoder | tuple | None = None,
    preset: str | Preset = "tiny",
    weights: str | Path | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int | None = None,
    perceptual: float | None = None,
    seed: int = 0,
    device: str | None = None,
    compile: bool = False,
    kind: str | None = None,
    image_column: str | None = None,
) -> Path:
    """Train a decoder for the vectors of ``store``; returns ``output``, which ``load_space(encoder, decoder=output)`` takes.

    Stopped or killed, the same call goes on from the last checkpoint, to the weights that it would have had. Beside the weights
    it writes ``CARD.md`` and ``card.json`` (`training.card`) and strips of samples. ``output/run`` holds what training alone
    needs, and can be deleted afterwards.

    Parameters
    ----------
    store : one vector an image, of any encoder and dimension
    output : a folder; new, empty, or of this run
    source : what the store was encoded from; the names of its rows are paths when None. Images are taken at the preset's
        resolution: the centre square, resized by an antialiased bicubic filter
    encoder : that made the vectors, as `load_space` takes it; not needed. With it the loss has a perceptual term, and the card
        the cycle
    preset : "tiny" (64 px, an hour on a CPU), "small" or "small-128" (64 and 128 px, hours on a GPU), or a `Preset`
    weights : folder of a decoder that `train_decoder` wrote for any encoder, or "mini": the run begins from its weights, with its
        network and resolution in place of the preset's. Of all layers only the one that is told z is new
    steps, minutes : length of the run, one of them; the preset's usual minutes when both are None. Earlier sessions count
    batch_size : images of a step, over all processes; the preset's when None
    perceptual : weight of 1 - cos(E(guess), z), both less the store's mean, in the loss; 0.3 where an encoder is given and None, else 0
    seed : of all draws
    compile : compile the network, which needs a C++ compiler, and is 1.3 times as fast on a CPU
    kind, image_column : of ``source``, as `open_source` takes them

    Raises `InputError`, `SpaceMismatchError` or `CapabilityError`, before work starts, for what it cannot train on.
    """
    check_extra()
    check_device(device)
    begun = None if weights is None else folder_of(weights)
    chosen = _chosen(preset, batch_size, begun)
    bound = _bound(chosen, steps, minutes)
    opened = store if isinstance(store, Store) else open_store(store)
    _check_images(opened)
    standard = check_vectors(opened)
    each = images_of(opened, source, kind=kind, image_column=image_column)
    reader = None if encoder is None else load_space(encoder, device=device).encoder
    stamp = _stamp(opened, reader)
    look, weight = _look_of(reader, chosen, standard, perceptual)
    from_weights = {} if begun is None else {"weights": str(weights)}
    described = _described(opened, stamp, chosen, perceptual=weight, seed=seed, **from_weights)
    output = Path(output)
    rank, _ = join_processes()
    with first_process_first():
        check_run(output, described)
        check_room(output, _sizes(output, opened, chosen))
        if reader is not None:
            check_encoder(reader, opened, each, standard)
        folder = begin_run(output, described)
    with training_alone(folder, rank):
        with first_process_first():
            images = decoded(each, len(opened), chosen.resolution, folder / "images.npy")
            conditions = stored_conditions(opened, folder / "vectors.npy")
        rows, held = held_out(len(opened), seed=seed)
        where = {"output": output, "checkpoint": folder / "checkpoint.pt", "device": usual_device(device)}
        data = {"images": images, "conditions": conditions, "rows": rows, "stamp": stamp, "standard": standard}
        task = Task(chosen, **where, **data, seed=seed, look=look, perceptual=weight, weights=begun, compile=compile)
        _train_and_measure(task, bound, held, opened, reader)
    return output


def _chosen(preset: str | Preset, batch_size: int | None, begun: Path | None) -> Preset:
    chosen = preset_of(preset) if isinstance(preset, str) else preset
    chosen = chosen if batch_size is None else replace(chosen, batch_size=batch_size)
    return chosen if begun is None else preset_in(begun, chosen)


def _train_and_measure(task: Task, bound: Bound, held: np.ndarray, store: Store, encoder: Encoder | None) -> None:
    """Train, and let the first process write the card."""
    report = train(task, bound, on_look=lambda report: progress.say(_shown(task, held[:_WATCHED], encoder, report)))
    with first_process_first():
        if join_processes()[0] == 0:
            progress.say(showing.line(report))
            if not has_card(task.output, report):
                write_card(task, held, report, store, encoder=encoder)


def _shown(task: Task, held: np.ndarray, encoder: Encoder | None, report: Report) -> str:
    decoder = decoder_at(task.output, task.preset.unshuffle, task.stamp, task.device)
    path = task.output / "samples" / f"step-{report.step:07d}.png"
    return showing.look(decoder, task.conditions[held], task.images[held], path, encoder=encoder, seed=task.seed)


def _bound(preset: Preset, steps: int | None, minutes: float | None) -> Bound:
    if steps is None and minutes is None:
        minutes = preset.minutes
    return Bound(steps, minutes, preset.decay)


def _check_images(store: Store) -> None:
    if store.modality != "image":
        raise InputError(
            f"train_decoder: expected a store of images, got {store.modality} embeddings in {str(store.path)!r}; "
            "open its images (modality='image'), or encode them"
        )


def _stamp(store: Store, encoder: Encoder | None) -> Stamp:
    """The stamp that the decoder will carry: the store's, or that of the encoder where the store has none."""
    if encoder is not None and store.stamp is not None:
        check_same_space(store.stamp, encoder.stamp, "train_decoder: encoder")
    stamp = store.stamp or (encoder and encoder.stamp)
    if stamp is None:
        raise InputError(
            f"train_decoder: expected a store with a stamp, which tells what the decoder belongs to, got none in {str(store.path)!r}; "
            "name its encoder (encoder, --encoder), or open it with its stamp: open_store(path, stamp=space.stamp)"
        )
    if stamp.dim != store.dim:
        raise InputError(
            f"train_decoder: expected vectors of {stamp}, got {store.dim} dimensions in {str(store.path)!r}"
        )
    return stamp


def _look_of(
    encoder: Encoder | None, preset: Preset, standard: Standard, perceptual: float | None
) -> tuple[Look | None, float]:
    """What an encoder is asked of guesses, and its weight; None and 0 where there is no encoder, or no weight."""
    if perceptual is not None and not 0 <= perceptual < np.inf:
        raise InputError(f"train_decoder: expected perceptual of at least 0, got {perceptual}")
    if encoder is None and perceptual:
        raise InputError(
            f"train_decoder: expected an encoder for perceptual={perceptual}, got none; name it (encoder, --encoder)"
        )
    if encoder is None or perceptual == 0:
        return None, 0.0
    try:
        return look_of(encoder, preset.unshuffle, standard), PERCEPTUAL if perceptual is None else float(perceptual)
    except CapabilityError as error:
        if perceptual is not None:
            raise
        progress.say(f"without a perceptual term: {error}")
        return None, 0.0


def _described(store: Store, stamp: Stamp, preset: Preset, **options: Any) -> dict[str, Any]:
    """What tells a run from another: its store and its settings, but for its length."""
    settings = {name: value for name, value in asdict(preset).items() if name != "minutes"}
    return {"store": store.hash, "rows": len(store), "space": stamp.weights, "preset": settings, **options}


def _sizes(output: Path, store: Store, preset: Preset) -> dict[Path, int]:
    """Files of a run and their sizes in bytes."""
    run = output / "run"
    weights = size_of(network_config(preset, store.dim))
    return {
        run / "images.npy": len(store) * preset.resolution**2 * 3,
        run / "vectors.npy": len(store) * store.dim * 4,
        run / "checkpoint.pt": _COPIES * weights,
    }
