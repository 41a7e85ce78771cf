"""Commands that measure a set: ``clipspace probe NAME``. Sets are stores, arrays of vectors, or images to encode."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from clipspace.cli.chosen import Chosen, takes_space
from clipspace.cli.labelled import Probes
from clipspace.cli.options import Json, Seed, check_space, report, show
from clipspace.cli.sets import (
    Before,
    Labels,
    Names,
    Points,
    Texts,
    Words,
    images_at,
    labelled_at,
    labels_at,
    text_vectors_at,
    with_texts_at,
)
from clipspace.errors import InputError
from clipspace.points.interchange import values_at

SHOWN = 20
"""Number of images that `concepts` prints."""
app = typer.Typer(
    cls=Probes,
    name="probe",
    help="Measure what an embedding encodes; every score comes with its chance level.",
    no_args_is_help=True,
)


@app.command("zero-shot")
@takes_space
def zero_shot(
    points: Points,
    labels: Labels = None,
    names: Names = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            "--texts", help="Set of text vectors, one or more for each label; without it, --space encodes the labels."
        ),
    ] = None,
    words: Words = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="A label to choose from; may be repeated. By default all labels of the set."),
    ] = None,
    templates: Annotated[
        list[str] | None,
        typer.Option(
            "--template",
            help="Text template: photo, imagenet-80, imagenet-7, or a text with {} for the label; may be repeated.",
        ),
    ] = None,
    probability: Annotated[
        str | None,
        typer.Option(
            "--probability",
            help="How cosines become probabilities: softmax or sigmoid; by default as the model was trained.",
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", help="Also report the top-k accuracy for this k.")] = 5,
    per_class: Annotated[bool, typer.Option("--per-class", help="Print a line for each label.")] = False,
    *,
    space: Chosen,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Zero-shot accuracy: is the text of the right label the nearest? (clipspace.probes.zero_shot_accuracy)

    Vectors of a file are assumed to come from --space. With --texts no model is loaded.
    """
    from clipspace.probes import zero_shot_accuracy

    images, truth = labelled_at(points, labels, space, names=names)
    if texts is not None:
        judge: Any = text_vectors_at(texts, words, images)
    else:
        check_space(space.space, images.dim, images.stamp, str(points))
        judge = space.load()
        images = images if images.stamp else replace(images, stamp=judge.stamp)
    template_option: Any = templates or ["photo"]
    template_option = (
        template_option[0] if len(template_option) == 1 and "{" not in template_option[0] else template_option
    )
    options = {"templates": template_option, "probability": probability, "k": top, "per_class": per_class, "seed": seed}
    show(zero_shot_accuracy(judge, images, truth, classes or None, **options), as_json)


@app.command()
@takes_space
def ridge(
    points: Points,
    labels: Labels = None,
    names: Names = None,
    before: Before = False,
    *,
    space: Chosen,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """How well does a linear map predict a quantity? The labels are numbers (clipspace.probes.ridge)."""
    from clipspace.probes import ridge as call

    images, values = labelled_at(points, labels, space, names=names, before=before)
    try:
        numbers = values.astype(np.float64)
    except ValueError as error:
        raise InputError(f"ridge: expected numbers as labels, got {error}; use linear for names") from None
    show(call(images, {"label": numbers}, seed=seed), as_json)


@app.command()
@takes_space
def geometry(
    points: Points,
    estimators: Annotated[
        list[str] | None,
        typer.Option("--estimator", help="Dimension estimator of scikit-dimension, such as lPCA; may be repeated."),
    ] = None,
    *,
    space: Chosen,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Measure the spectrum, cone, dimension and hubness of a set (clipspace.probes.geometry)."""
    from clipspace.probes import geometry as call

    show(call(images_at(points, space), estimators=estimators or (), seed=seed), as_json)


@app.command("modality-gap")
@takes_space
def modality_gap(
    points: Points,
    texts: Texts,
    names: Names = None,
    words: Words = None,
    ids: Annotated[
        Path | None,
        typer.Option(
            "--ids",
            help="File with one id per row; rows with the same id match each other, like rows with the same text.",
        ),
    ] = None,
    *,
    space: Chosen,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """How far apart are images and their texts? Gap, cosines and retrieval; row i matches row i (clipspace.probes.modality_gap)."""
    from clipspace.probes import modality_gap as call

    together = None if ids is None else values_at(ids).tolist()
    show(call(*with_texts_at(points, texts, space, names=names, words=words), ids=together, seed=seed), as_json)


@app.command()
@takes_space
def compare(
    points: Points,
    other: Annotated[Path, typer.Argument(help="The same rows, embedded in another space.")],
    factors: Annotated[
        list[Path] | None,
        typer.Option(
            "--factor",
            help="Column of the first set, or file of values as for --labels, whose gain or loss is measured; may be repeated.",
        ),
    ] = None,
    permutations: Annotated[
        int, typer.Option(help="Number of random permutations of the rows, for the null distribution.")
    ] = 199,
    *,
    space: Chosen,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Compare two embeddings of the same rows: similarity, changed neighbours, factors gained and lost.

    (clipspace.probes.compare)
    """
    from clipspace.probes import compare as call

    columns = {str(factor): labels_at(points, factor) for factor in factors or ()}
    sets = (images_at(path, space) for path in (points, other))
    show(call(*sets, columns=columns, permutations=permutations, seed=seed), as_json)


@app.command()
@takes_space
def concepts(
    points: Points,
    texts: Texts,
    names: Names = None,
    words: Words = None,
    strength: Annotated[
        float, typer.Option(help="Strength of the L1 penalty; a larger value gives fewer words.")
    ] = 0.25,
    top: Annotated[int, typer.Option("--top", help="Number of words to print for each image.")] = 5,
    *,
    space: Chosen,
    as_json: Json = False,
) -> None:
    """Describe images as weighted sums of words (clipspace.probes.decompose)."""
    from clipspace.probes import Vocabulary, decompose

    images, vocabulary = with_texts_at(points, texts, space, names=names, words=words)
    decomposition = decompose(images, Vocabulary.of(vocabulary, images), strength=strength, device=space.device)
    rows = [{"name": name, "words": row} for name, row in zip(images.names, decomposition.top(top), strict=True)]
    lines = [f"{e['name']}: " + ", ".join(f"{word} {weight:.2f}" for word, weight in e["words"]) for e in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"and {len(rows) - SHOWN:,} more images; --json lists all")
    report(
        {**decomposition.scores.to_dict(), "images": rows}, as_json, "\n".join([*lines, "", str(decomposition.scores)])
    )


@app.command("text-span")
@takes_space
def text_span(
    points: Points,
    texts: Texts,
    names: Names = None,
    words: Words = None,
    k: Annotated[int, typer.Option("-k", help="Number of texts to choose.")] = 20,
    *,
    space: Chosen,
    as_json: Json = False,
) -> None:
    """Choose the texts whose directions explain most of the variance of a set, one after the other (clipspace.probes.text_span)."""
    from clipspace.probes import text_span as call

    show(call(*with_texts_at(points, texts, space, names=names, words=words), k).scores, as_json)
