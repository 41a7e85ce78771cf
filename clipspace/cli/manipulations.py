"""Commands that move embeddings and decode them into images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clipspace.cli.chosen import Chosen, takes_space
from clipspace.cli.options import (
    Json,
    Output,
    Overwrite,
    Seed,
    check_images,
    check_space,
    report,
)
from clipspace.errors import InputError
from clipspace.points.code import Code
from clipspace.sources.image_or_text import parse_argument

app = typer.Typer()

IMAGE_OR_TEXT = (
    "An image file, or a text in a space with a prior. The name of an existing file means the image; write image:NAME or "
    "text:WORDS to say which you mean."
)


@app.command()
def spaces(
    sizes: Annotated[
        bool,
        typer.Option(
            "--sizes", help="Look up on the Hugging Face hub how much each space downloads, its CLIP included."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """List the spaces that can be loaded, and what each needs (clipspace.models.catalogue)."""
    from clipspace.models.catalogue import CATALOGUE, describe_all, download_size

    descriptions = describe_all()
    for name in CATALOGUE if sizes else ():
        descriptions[name]["download"] = f"{download_size(CATALOGUE[name]) / 1e9:.1f} GB"
    blocks = [
        "\n".join([name, *(f"  {k:10} {v}" for k, v in fields.items() if v)]) for name, fields in descriptions.items()
    ]
    note = "any open_clip id ('ViT-B-32/openai', 'hf-hub:…', 'local-dir:…') loads as an encoder; see gradient for its decoder"
    report(descriptions, as_json, "\n\n".join([*blocks, note]))


@app.command()
@takes_space
def interpolate(
    keyframes: Annotated[list[str], typer.Argument(help=f"{IMAGE_OR_TEXT} Two or more.")],
    output: Output,
    frames: Annotated[int, typer.Option(help="Number of images from each keyframe to the next, both included.")] = 7,
    noise: Annotated[
        str,
        typer.Option(
            help="'inverted' finds the noise of each keyframe and reproduces it; 'fixed' draws one noise for all images."
        ),
    ] = "inverted",
    spacing: Annotated[
        str,
        typer.Option(
            help="'keyframes': equally many images between keyframes; 'angle': even steps along the path, for a video."
        ),
    ] = "keyframes",
    fps: Annotated[float, typer.Option(help="Frames per second of an animation.")] = 12,
    ping_pong: Annotated[bool, typer.Option("--ping-pong", help="Play an animation forwards, then backwards.")] = False,
    *,
    space: Chosen,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Draw the path between two keyframes or more (images or texts), as .png, .gif, .webp or .mp4 (clipspace.interpolate)."""
    from clipspace.manipulate import interpolate as call

    options = {"frames": frames, "noise": noise, "spacing": spacing, "seed": seed}
    points = [parse_argument(word) for word in keyframes]
    check_images(points)
    _draw(
        call,
        points,
        options,
        output,
        space,
        overwrite,
        as_json,
        fps=fps,
        ping_pong=ping_pong,
    )


@app.command("text-diff")
@takes_space
def text_diff(
    image: Annotated[str, typer.Argument(help=IMAGE_OR_TEXT)],
    before: Annotated[str, typer.Argument(help="Text that describes the image; '' to use the second text alone.")],
    after: Annotated[str, typer.Argument(help="Text that describes the result.")],
    output: Output,
    theta: Annotated[
        float, typer.Option(help="How far to move towards the text, as a fraction of the angle: above 0, at most 1.")
    ] = 0.35,
    frames: Annotated[
        int, typer.Option(help="Number of images from the reconstruction to the last edit, both included.")
    ] = 7,
    *,
    space: Chosen,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Move an image from one text description to another (clipspace.text_diff)."""
    from clipspace.manipulate import text_diff as call

    options = {"theta": theta, "frames": frames, "seed": seed}
    point = parse_argument(image)
    check_images([point])
    _draw(call, [point, before or None, after], options, output, space, overwrite, as_json)


@app.command()
@takes_space
def vary(
    image: Annotated[str, typer.Argument(help=IMAGE_OR_TEXT)],
    output: Output,
    n: Annotated[int, typer.Option("-n", help="Number of variations to draw.")] = 8,
    eta: Annotated[
        float, typer.Option(help="Amount of fresh noise at each sampler step: 0 is none (DDIM), 1 is most (DDPM).")
    ] = 1.0,
    *,
    space: Chosen,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Draw variations of an image: decodes of one embedding that differ in what it leaves open (clipspace.variations)."""
    from clipspace.manipulate import variations as call

    options = {"n": n, "eta": eta, "seed": seed}
    point = parse_argument(image)
    check_images([point])
    _draw(call, [point], options, output, space, overwrite, as_json)


@app.command()
@takes_space
def metamers(
    image: Annotated[Path, typer.Argument(help="Image file to start from.")],
    output: Output,
    n: Annotated[int, typer.Option("-n", help="Number of images to decode from the embedding.")] = 32,
    keep: Annotated[int, typer.Option(help="Number of those images to keep.")] = 4,
    same: Annotated[float, typer.Option(help="Cosine to the embedding that an image must reach.")] = 0.9,
    *,
    space: Chosen,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Find images that look different but have nearly the same embedding (clipspace.manipulate.metamers)."""
    from clipspace.manipulate import metamers as call

    options = {"n": n, "keep": keep, "same": same, "seed": seed}
    check_images([image])
    _draw(call, [image], options, output, space, overwrite, as_json)


@app.command()
@takes_space
def invert(
    images: Annotated[list[Path], typer.Argument(help="Image files to invert.")],
    output: Output,
    *,
    space: Chosen,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Invert images to their code, the embedding z and the noise x_T, and save it as safetensors (Space.invert).

    If float32 cannot invert an image, try --dtype float64.
    """
    from clipspace.files import atomically, check_writable
    from clipspace.points.code import save_code

    check_writable(output, overwrite=overwrite)
    check_images(images)
    code = space.load().invert(images)
    with atomically(output, overwrite=overwrite) as part:
        save_code(code, part)
    summary = {"output": str(output), "residual": code.residual.tolist(), "evaluations": code.evaluations.tolist()}
    report(
        summary,
        as_json,
        f"wrote {output}: {len(code)} image{'s' * (len(code) > 1)}, worst residual {code.residual.max():.1e}",
    )


@app.command()
@takes_space
def decode(
    code: Annotated[Path, typer.Argument(help="File that `clipspace invert` wrote.")],
    output: Output,
    *,
    space: Chosen,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Draw the images of a saved code: one PNG file, or a folder if there are several (Space.decode).

    By default the decoder runs in the precision in which the code was found. Steps and guidance are always those of the code.
    """
    from clipspace.files import atomically, check_writable
    from clipspace.points.code import load_code

    loaded = load_code(code)
    _check_settings(space, loaded)
    check_space(space.space, loaded.embeddings.dim, loaded.embeddings.stamp, str(code))
    targets = [output] if len(loaded) == 1 else [output / f"{i:04d}.png" for i in range(len(loaded))]
    if len(loaded) > 1:
        output.mkdir(exist_ok=True)
    for target in targets:
        check_writable(target, overwrite=overwrite)
    images = space.load(dtype=loaded.noise.dtype.name).decode(loaded.embeddings, **loaded.settings)
    for image, target in zip(images, targets, strict=True):
        with atomically(target, overwrite=overwrite) as part:
            image.save(part)
    report({"output": [str(t) for t in targets]}, as_json, f"wrote {output}")


def _check_settings(space: Chosen, code: Code) -> None:
    """Raise `InputError` where --steps or --guidance is not what the code was found with."""
    for flag, asked, found in (
        ("--steps", space.steps, code.num_inference_steps),
        ("--guidance", space.guidance, code.guidance_scale),
    ):
        if asked not in (None, found):
            raise InputError(
                f"decode: expected {flag} {found}, with which the code was found, got {asked}; leave it out"
            )


def _draw(
    call,
    points: list,
    options: dict[str, Any],
    output: Path,
    space: Chosen,
    overwrite: bool,
    as_json: bool,
    **animation: Any,
) -> None:
    """Run one manipulation and save its images; check first that they can be saved."""
    from clipspace.results.pictures import check_target

    check_target(output, overwrite=overwrite)
    result = call(space.load(), *points, **options)
    result.save(output, overwrite=overwrite, **animation)
    report({"output": str(output), **result.to_dict()}, as_json, "\n".join([f"wrote {output}", *result.findings]))
