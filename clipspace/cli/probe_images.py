"""Commands of the probes of images: retention, printed words, binding and blind pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from clipspace import probes
from clipspace.cli.chosen import NO_PRIOR, Chosen, takes_space
from clipspace.cli.options import (
    Json,
    Overwrite,
    Seed,
    check_images,
    report,
    show,
)
from clipspace.errors import InputError, shortened

app = typer.Typer()

Images = Annotated[
    list[Path] | None, typer.Argument(help="Image files, or folders of them; rendered scenes by default.")
]
Decodes = Annotated[int, typer.Option("--decodes", help="Number of images to decode from each embedding.")]


@app.command()
@takes_space
def retention(
    images: Images = None,
    factors: Annotated[
        list[str] | None, typer.Option("--factor", help="Factor to measure; may be repeated. All by default.")
    ] = None,
    scenes: Annotated[int, typer.Option(help="Number of scenes to render when no images are given.")] = 3000,
    pairs: Annotated[
        int, typer.Option(help="Number of pairs of images that differ in one factor alone, for each factor.")
    ] = 200,
    perceptron: Annotated[
        bool, typer.Option(help="Also use a small perceptron as read-out; it takes most of the time.")
    ] = True,
    decoded: Annotated[
        int,
        typer.Option(help="Number of scenes to decode, to measure whether the decoder draws the factors; 0 for none."),
    ] = 0,
    decodes: Decodes = 3,
    *,
    space: Chosen,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Which factors of an image can be predicted from its embedding? (clipspace.probes.retention)

    The factors are those of rendered scenes, or known changes of your images, such as blur or a printed word.
    """
    from clipspace.measure.cross_fitting import CAPACITIES
    from clipspace.probes import retention as call
    from clipspace.scenes import UNSEEN, sample_scenes

    result = call(
        space.load(),
        _pictures(images) if images else sample_scenes(scenes, seed=UNSEEN + seed),
        factors=factors or None,
        capacities=[name for name in CAPACITIES if perceptron or name != "mlp"],
        pairs=pairs,
        decoded=decoded,
        decodes=decodes,
        seed=seed,
    )
    layers = dict.fromkeys(result.table.column("layer"))
    tables = [f"{layer}\n{result.table.where(layer=layer).pivot('factor', 'component')}" for layer in layers]
    report(replace(result, arrays={}).to_dict(), as_json, "\n\n".join(["\n".join(result.findings), *tables]).lstrip())


@app.command()
@takes_space
def typographic(
    images: Images = None,
    truth: Annotated[
        list[str] | None, typer.Option("--label", help="True label of the images: one for all, or one per image.")
    ] = None,
    words: Annotated[
        list[str] | None, typer.Option("--word", help="Word to print: one for all, or one per image.")
    ] = None,
    rta: Annotated[
        Path | None, typer.Option(help="Folder of the RTA-100 data set, whose files are named label=…_text=….png.")
    ] = None,
    scam: Annotated[
        Path | None, typer.Option(help="Folder of the SCAM data set, with its metadata.csv or .jsonl.")
    ] = None,
    scenes: Annotated[int, typer.Option(help="Number of scenes to render when no images are given.")] = 200,
    font: Annotated[
        Path | None, typer.Option(help="Font file of the words (.ttf, .otf or .ttc), for example for Chinese.")
    ] = None,
    decodes: Annotated[int, typer.Option(help="Number of images to decode from each embedding; 0 for none.")] = 0,
    *,
    space: Chosen,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """How much does a printed word change the zero-shot label, compared with a blank card? (clipspace.probes.typographic_attack)"""
    from clipspace.probes import attack_scores, read_rta100, read_scam, typographic_attack

    options = {"decodes": decodes, "seed": seed}
    if rta is not None or scam is not None:
        if font is not None:
            raise InputError(
                "typographic: --font is of words printed here, got it with images that have theirs; leave it out"
            )
        if scam is not None:
            conditions, labels, printed = read_scam(scam)
        else:
            paths, labels, printed = read_rta100(rta)
            conditions = {"word": paths}
        result = attack_scores(space.load(), conditions, labels, printed, **options)
    else:
        pictures, labels, printed = _to_attack(images, truth or [], words or [], scenes, seed)
        result = typographic_attack(space.load(), pictures, labels, printed, font=font, **options)
    show(result, as_json)


@app.command()
@takes_space
def binding(
    winoground: Annotated[Path | None, typer.Option(help="The file examples.jsonl of the Winoground data set.")] = None,
    aro: Annotated[
        Path | None, typer.Option(help="A file of the ARO data set: visual_genome_attribution.json or …_relation.json.")
    ] = None,
    sugarcrepe: Annotated[
        Path | None, typer.Option(help="A file of the SugarCrepe data set, such as swap_att.json.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images that the file names; by default the current folder.")
    ] = None,
    n: Annotated[
        int, typer.Option("-n", help="Number of rendered examples of each kind, when no file is given.")
    ] = 200,
    decodes: Annotated[
        int, typer.Option(help="Number of images to decode from each rendered example; 0 for none.")
    ] = 0,
    images_alone: Annotated[
        bool,
        typer.Option(
            "--images-alone", help="Probe the image embeddings without texts: -n pairs for each of 6 probes per kind."
        ),
    ] = False,
    *,
    space: Chosen,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Does the space know which attribute belongs to which thing? (clipspace.probes.rendered_binding, group_scores, unimodal_binding)."""
    from clipspace.scenes import UNSEEN

    files = {"read_winoground": winoground, "read_aro": aro, "read_sugarcrepe": sugarcrepe}
    named_files = {reader: file for reader, file in files.items() if file is not None}
    if len(named_files) > 1:
        raise InputError(
            f"binding: expected one file, got {[str(file) for file in named_files.values()]}; run it once for each"
        )
    if images is not None and not named_files:
        raise InputError(
            "binding: expected the file that says what is on the images (--winoground, --aro or --sugarcrepe), got none"
        )
    if images_alone and (named_files or decodes):
        raise InputError(
            "binding: expected --images-alone without files and --decodes, as it renders pairs; leave them out"
        )
    loaded = space.load()
    if named_files:
        ((reader, file),) = named_files.items()
        examples = getattr(probes, reader)(file, images or Path())
        result = (probes.group_scores if winoground else probes.choice_accuracy)(loaded, examples)
    elif images_alone:
        result = probes.unimodal_binding(loaded, n=n, seed=UNSEEN + seed)
    else:
        result = probes.rendered_binding(loaded, n=n, decodes=decodes, seed=UNSEEN + seed)
    show(result, as_json)


@app.command("blind-pairs")
@takes_space
def blind_pairs(
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    other: Annotated[
        str,
        typer.Option(help="Encoder to compare with: 'pixels', 'timm/NAME' for a timm model, or the name of a space."),
    ] = "pixels",
    same: Annotated[float, typer.Option(help="Cosine above which two images count as the same to the space.")] = 0.95,
    different: Annotated[
        float, typer.Option(help="Cosine below which two images count as different to the other encoder.")
    ] = 0.6,
    centred: Annotated[
        bool, typer.Option("--centred", help="Subtract the mean of each set of embeddings first.")
    ] = False,
    reverse: Annotated[
        bool,
        typer.Option("--reverse", help="Find pairs that are the same to the other encoder and different to the space."),
    ] = False,
    k: Annotated[int, typer.Option("-k", help="Number of pairs to list.")] = 20,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Path of a .png file to draw the pairs into.")
    ] = None,
    overwrite: Overwrite = False,
    *,
    space: Chosen,
    as_json: Json = False,
) -> None:
    """Find pairs of images that one encoder sees as the same and another as different (clipspace.probes.blind_pairs)."""
    from clipspace.files import atomically, check_writable
    from clipspace.probes import blind_pairs as call
    from clipspace.probes import pair_rows
    from clipspace.results.pictures import draw_sheet

    if output is not None:
        check_writable(output, overwrite=overwrite)
    paths = _pictures(images)
    check_images(paths[:1])
    point_sets = (space.load().encode_images(paths), _points_of(other, paths, space))
    result = call(*(point_sets[::-1] if reverse else point_sets), same=same, different=different, centred=centred, k=k)
    pairs = result.arrays["pairs"]
    drew_pairs = output is not None and len(pairs) > 0
    if drew_pairs:
        with atomically(output, overwrite=overwrite) as part:
            draw_sheet(pair_rows(paths, result)).save(part)
    lines = [
        f"{cosine:.3f}  {apart:.3f}  {paths[i]}  {paths[j]}"
        for (i, j), cosine, apart in zip(pairs, result.arrays["cosine"], result.arrays["other_cosine"], strict=True)
    ]
    if output is not None:
        lines.append(f"wrote {output}" if drew_pairs else "no pair, so nothing was drawn")
    report(result.to_dict(), as_json, "\n".join([str(result), *lines]))


def _pictures(paths: list[Path]) -> list[Path]:
    """The files named, and the images of the folders named, in order of their names."""
    from clipspace.sources.images import expand_folders

    files = expand_folders(paths)
    if not files:
        raise InputError(f"probe: expected images in {shortened(map(str, paths))}, got none")
    return files


def _to_attack(images, truth: list[str], words: list[str], scenes: int, seed: int) -> tuple[list, list[str], list[str]]:
    """Images, labels and words: those given, one label or word standing for all; else scenes and words drawn for them."""
    if images:
        pictures = _pictures(images)
        one_each = [values * len(pictures) if len(values) == 1 else values for values in (truth, words)]
        return pictures, *one_each

    from clipspace.scenes import THINGS, UNSEEN, render, sample_scenes
    from clipspace.seeds import stream

    if truth or words:
        raise InputError("typographic: expected images for the labels and words given, got none")
    rendered = sample_scenes(scenes, seed=UNSEEN + seed, layout="one")
    labels = [scene.things[0].kind for scene in rendered]
    rng = stream(seed, "printed words")
    printed = [str(rng.choice([kind for kind in THINGS if kind != label])) for label in labels]
    return [render(scene) for scene in rendered], labels, printed


def _points_of(other: str, paths: list[Path], space: Chosen):
    if other == "pixels":
        from clipspace.probes.pairs import pixel_points

        return pixel_points(paths)
    if other.startswith("timm/"):
        from clipspace.models.timm import encode_with_timm

        return encode_with_timm(paths, other.removeprefix("timm/"), device=space.device)
    return replace(space, space=other, decoder=None, prior=NO_PRIOR).load().encode_images(paths)
