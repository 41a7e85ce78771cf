"""The commands that train a decoder, or a prior, for the vectors of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipspace.cli.options import ImageColumn, Json, Kind, Seed, report
from clipspace.cli.store import StorePath

app = typer.Typer()
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Length of the run in steps.")]
Minutes = Annotated[
    float | None,
    typer.Option("--minutes", help="Length of the run in minutes, earlier sessions included; this or --steps."),
]
Device = Annotated[
    str | None, typer.Option("--device", help="Device, such as cpu or cuda; by default a GPU when there is one.")
]
Trained = Annotated[
    Path, typer.Option("--output", "-o", help="Folder to write; a run in it continues from its checkpoint.")
]


@app.command()
def train_decoder(
    store: StorePath,
    output: Trained,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            help="Images that the store was encoded from, as given to `encode`; by default the paths in the store.",
        ),
    ] = None,
    kind: Kind = None,
    image_column: ImageColumn = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            help="Encoder that made the vectors, as --space takes it. Not needed: it adds a perceptual term, and the cycle to the card.",
        ),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            "--preset", help="Size: tiny (64 px, an hour on a CPU), small or small-128 (64 and 128 px, hours on a GPU)."
        ),
    ] = "tiny",
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            help="Folder of a decoder that train-decoder wrote, for any encoder, or mini: begin from its weights, at its size.",
        ),
    ] = None,
    steps: Steps = None,
    minutes: Minutes = None,
    batch_size: Annotated[
        int | None, typer.Option(min=2, help="Images of a step, over all processes; by default the preset's.")
    ] = None,
    perceptual: Annotated[
        float | None,
        typer.Option(help="Weight of the perceptual loss, which needs --encoder; 0 for none, 0.3 by default with it."),
    ] = None,
    device: Device = None,
    compile: Annotated[
        bool,
        typer.Option("--compile", help="Compile the network; needs a C++ compiler, and is 1.3 times as fast on a CPU."),
    ] = False,
    *,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train a diffusion decoder for the vectors of a store, from any encoder. The same command continues a stopped run.

    Writes a folder that --decoder takes, with a model card. Several GPUs or cores:
    torchrun --nproc-per-node 2 -m clipspace.cli train-decoder …
    (clipspace.training.decoder.train_decoder).
    """
    from clipspace.training.decoder import train_decoder as call
    from clipspace.training.processes import join_processes

    where = {"source": source, "kind": kind, "image_column": image_column, "encoder": encoder, "device": device}
    size = {
        "preset": preset,
        "steps": steps,
        "minutes": minutes,
        "weights": weights,
        "batch_size": batch_size,
        "perceptual": perceptual,
    }
    folder = call(store, output, **where, **size, seed=seed, compile=compile)
    if join_processes()[0] == 0:
        _tell(folder, as_json)


@app.command()
def train_prior(
    store: StorePath,
    output: Trained,
    steps: Steps = None,
    minutes: Minutes = None,
    device: Device = None,
    *,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train a prior, which predicts image embeddings from text embeddings, on a store that was encoded with --texts.

    Writes a folder that --prior takes, and continues a run that was stopped. Ten minutes by default (clipspace.training.prior.train_prior).
    """
    from clipspace.training.prior import train_prior as call

    _tell(call(store, output, steps=steps, minutes=minutes, seed=seed, device=device), as_json)


def _tell(folder: Path, as_json: bool) -> None:
    """Print the card of a trained folder."""
    from clipspace.results.loading import load_result

    card = load_result(folder / "card.json")
    answer = {"folder": str(folder), "findings": list(card.findings), "table": list(card)}
    report(answer, as_json, f"{card}\nwrote {folder}")
