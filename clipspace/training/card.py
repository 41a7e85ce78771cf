"""The card of a trained decoder: what it was trained on, what it cost, and what it does on rows it never saw."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from clipspace.files import atomically
from clipspace.models.contract import Encoder
from clipspace.points.store import Store
from clipspace.results.loading import load_result
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Table
from clipspace.training import measuring, showing
from clipspace.training.loop import Report
from clipspace.training.measuring import CYCLE, DECODES, PIXELS, RANK, RESIZED, SHUFFLED, UNCONDITIONAL
from clipspace.training.network import decoder_at, size_of
from clipspace.training.processes import join_processes
from clipspace.training.task import Task

DECODED = 200
"""Held-out rows that are decoded for the card; 1,000 on a GPU."""
STEPS, INVERTED, INVERSION_STEPS = 50, 8, 20
"""Steps of the sampler; held-out images that are inverted, and the steps of that."""


def write_card(
    task: Task, held: np.ndarray, report: Report, store: Store, *, encoder: Encoder | None, decoded: int | None = None
) -> Path:
    """Measure the decoder on the ``held`` rows, and write ``CARD.md``, ``card.json`` and its arrays beside the weights.

    Returns the path of ``card.json``, which `load_result` reads.
    """
    decoder = decoder_at(task.output, task.preset.unshuffle, task.stamp, task.device)
    z, images = task.conditions[held], task.images[held]
    count = decoded or (DECODED if task.device.type == "cpu" else measuring.CANDIDATES)
    count = min(count, max(len(held) // 2, 1))
    arrays = measuring.held_out_arrays(
        decoder, z, images, encoder=encoder, decodes=count, num_inference_steps=STEPS, seed=task.seed
    )
    rows = measuring.held_out_rows(arrays, seed=task.seed)
    few = arrays["taken"][:INVERTED]
    inverted, noise = measuring.inversion_rows(
        decoder, z[few], images[few], num_inference_steps=INVERSION_STEPS, seed=task.seed
    )
    table = Table([*rows, *inverted], ("score", "of"))
    result = Result(
        "card",
        table,
        _findings(table, len(arrays["others"]) + 1),
        {**arrays, **noise},
        provenance=provenance(
            "train_decoder",
            stamp=task.stamp,
            inputs=[{"kind": "store", "name": str(store.path), "digest": store.hash}],
            seed=task.seed,
            **_facts(task, held, report),
        ),
    )
    shown = min(16, count)
    showing.strip(
        [[Image.fromarray(x) for x in arrays[name][:shown]] for name in ("images", "decoded")], task.output / "card.png"
    )
    with atomically(task.output / "CARD.md", overwrite=True) as part:
        part.write_text(markdown(result), encoding="utf-8")
    return result.save(task.output)


def has_card(output: Path, report: Report) -> bool:
    """Whether the card in a folder is of the run as it stands."""
    if not (output / "card.json").is_file():
        return False
    return load_result(output / "card.json").provenance.options["steps"] == report.step


def _facts(task: Task, held: np.ndarray, report: Report) -> dict:
    """What the run was and what it cost, plain values."""
    return {
        "rows trained on": len(task.rows),
        "rows held out": len(held),
        "preset": asdict(task.preset),
        "perceptual": task.perceptual,
        "weights": None if task.weights is None else "/".join(task.weights.resolve().parts[-2:]),
        "parameters": size_of(task.config) // 4,
        "steps": report.step,
        "images seen": report.images,
        "minutes": round(report.seconds / 60, 1),
        "processes": join_processes()[1],
        "device": torch.cuda.get_device_name() if task.device.type == "cuda" else f"{platform.machine()} CPU",
        "threads": torch.get_num_threads(),
    }


def _findings(table: Table, candidates: int) -> list[str]:
    found = []
    if any(row.score == CYCLE for row in table):
        cycle, ceiling = table[CYCLE, DECODES], table[CYCLE, RESIZED]
        above = ceiling.value - cycle.chance
        share = (
            f", {(cycle.value - cycle.chance) / above:.0%} of the way from unrelated rows to the images themselves"
            if above > 0
            else ""
        )
        found.append(
            f"Decodes have a mean cosine of {cycle.value:.3f} to their z (unrelated rows {cycle.chance:.3f}, the images at this "
            f"resolution {ceiling.value:.3f}){share}."
        )
    score = RANK if any(row.score == RANK for row in table) else PIXELS
    rank = table[score, DECODES]
    thing = "z" if score == RANK else "their own image, by pixels"
    found.append(
        f"The mean reciprocal rank of {thing} among {candidates:,} held-out rows is {rank.value:.3f} [{rank.low:.3f}, {rank.high:.3f}] "
        f"(chance {rank.chance:.3f}, "
        f"another row's z {table[score, SHUFFLED].value:.3f}, no z {table[score, UNCONDITIONAL].value:.3f})."
    )
    return found


def markdown(result: Result) -> str:
    """`result` as a model card."""
    made, options = result.provenance, result.provenance.options
    data = made.inputs[0]
    lines = [
        "# A decoder",
        "",
        f"It draws images of {options['preset']['resolution']} px for vectors of **{made.stamp}**.",
        "",
        "```python",
        "from clipspace import load_space",
        f'space = load_space("{made.stamp.model}", decoder="this/folder")   # the encoder that made the vectors',
        "```",
        "",
        "## Data",
        "",
        f"{options['rows trained on']:,} images of the store `{Path(data['name']).name}` (digest {data['digest']}); "
        f"{options['rows held out']:,} more were held out, and all numbers below are for these. Centre squares, resized by an antialiased "
        "bicubic filter.",
        "",
        "## Training",
        "",
        f"{options['parameters'] / 1e6:.1f} M weights, {options['steps']:,} steps, {options['images seen']:,} images in "
        f"{options['minutes']:g} minutes on {options['device']} (processes {options['processes']}, threads of each {options['threads']}); "
        f"perceptual weight {options['perceptual']:g}, seed {made.seed}; {_begun(options)}.",
        "",
        "## Results on held-out rows",
        "",
        *(f"{sentence}\n" for sentence in result.findings),
        *_as_table(result.table.cells()),
        "",
        "*shuffled z*: the same decodes compared with another row's z. *no z*: drawn without a condition. *images at this resolution*: the "
        "held-out images themselves, the ceiling. *cycle*: cosine of E(D(z)) and z; chance is that of unrelated rows. *rank*: mean of "
        f"1 / the rank of the own row among up to {measuring.CANDIDATES:,} held-out rows; 1 is best.",
        "",
        "## Limits",
        "",
        *_judges(options),
        "It draws what its training images show; embeddings of other images are drawn as something similar from these. The first "
        "row of `card.png` shows held-out images, the second their decodes.",
        "",
    ]
    return "\n".join(lines)


def _begun(options: Mapping[str, Any]) -> str:
    folder = options["weights"]
    return (
        "started from random weights"
        if folder is None
        else f"started from the weights of `{folder}`, whose training images may be among those held out here"
    )


def _judges(options: Mapping[str, Any]) -> list[str]:
    if not options["perceptual"]:
        return []
    return [
        "The encoder that judges *cycle* and *rank of z* is the one that the loss used. *rank of the image* uses no encoder.",
        "",
    ]


def _as_table(cells: list[list[str]]) -> list[str]:
    head, *rest = cells
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rest)]
