"""Does a space work on this machine? Questions with known answers, each passed, doubted or failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from PIL import Image

from clipspace.errors import ClipspaceError, check_count
from clipspace.points.embeddings import Embeddings
from clipspace.probes.checkup import drawing, encoding
from clipspace.probes.checkup.cost import memory, seconds
from clipspace.probes.checkup.line import Line, asked
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import UNSEEN, render, sample_scenes
from clipspace.sources.images import list_images, read_image

if TYPE_CHECKING:
    from clipspace.space import Space

_FEWEST = 4
"""Smallest number of images that are compared with each other; rendered scenes make up for fewer."""
_STEPS = 20
"""Sampler steps: the most that are drawn with where the caller names none, and the fewest that are inverted."""


def check(
    space: Space,
    images=None,
    *,
    n: int = 8,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
) -> Result:
    """Whether ``space`` works on this machine: a row for each test, with ``verdict`` "pass", "doubt" or "fail".

    The columns are ``check``, ``verdict``, ``expected``, ``got`` and ``do``. Each function of `probes.checkup` is one test
    and gives the origin of its thresholds in its docstring. A failure is a row and not an error. Findings name the tests that
    failed, are in doubt, or were not run, and why.

    Parameters
    ----------
    images : at most ``n`` of them are used; rendered scenes with known texts when None. Scenes are not like photographs: for
        spaces other than mini, give images of your own
    num_inference_steps : of the sampler; when None the decoder's own, at most 20
    guidance_scale : where noise is drawn; the decoder's own when None. Inversion takes 1, and 20 steps at least

    >>> from clipspace import load_space
    >>> from clipspace.probes import check
    >>> check(load_space("mini", decoder="gradient", device="cpu", prior=False), n=4, num_inference_steps=2)["pixels"].verdict
    'pass'
    """
    check_count("n", n, least=_FEWEST)
    steps = min(space.num_inference_steps, _STEPS) if num_inference_steps is None else num_inference_steps
    guidance = space.guidance_scale if guidance_scale is None else guidance_scale
    taken, texts, notes = _images(space, images, n)
    lines = list(_lines(space, taken, texts, notes, steps, guidance))
    options = {"n": len(taken), "num_inference_steps": steps, "guidance_scale": guidance}
    return Result(
        "check",
        [line._asdict() for line in lines],
        [_verdict(space, lines), *notes],
        provenance=provenance("check", space, seed=0, **options),
    )


def _images(space: Space, images, n: int) -> tuple[list[Image.Image], list[str] | None, list[str]]:
    """At most ``n`` images, their texts where they are scenes alone, and notes on both."""
    own = [] if images is None else [read_image(image) for image in list_images(images)[0][:n]]
    notes = []
    missing = n if images is None else max(0, _FEWEST - len(own))
    scenes = sample_scenes(missing, seed=UNSEEN, layout="one") if missing else []
    if own and scenes:
        notes.append(f"{len(scenes)} rendered scenes were added, because there are too few images to compare.")
    if images is None and space.name != "mini":
        notes.append(f"Checked on {n} rendered scenes, which are not like photographs; check with your own images too.")
    texts = [f"a photo of a {scene.things[0].color} {scene.things[0].kind}" for scene in scenes]
    if own or not space.encoder.context_length:
        texts = None
        why = "the texts of your images are not known" if own else "the encoder reads no texts"
        notes.append(f"Not checked: matching of images and texts, because {why}.")
    return [*own, *map(render, scenes)], texts, notes


def _lines(
    space: Space, images: list[Image.Image], texts: list[str] | None, notes: list[str], steps: int, guidance: float
) -> Iterator[Line]:
    """The lines, as they are found; what cannot be asked after a failure is left out, and noted."""
    begun = time.monotonic()
    encoded, line = _tried("finite vectors", lambda: space.encode_images(images))
    encode_seconds = (time.monotonic() - begun) / len(images)
    yield line
    yield asked("dtype", lambda: encoding.precision(space))
    yield asked("activation", lambda: encoding.activation(space))
    yield asked("pixels", lambda: encoding.pixels(space))
    if encoded is None:
        notes.append("Not checked: everything that needs vectors, because the encoder gives none.")
        return
    yield asked("fingerprint", lambda: encoding.fingerprint(space))
    yield asked("norms", lambda: encoding.norms(space, encoded))
    if texts is not None:
        yield asked("matching", lambda: encoding.matching(space, encoded, texts))
    if space.decoder is None:
        notes.append("Not checked: the decoder, because the space has none.")
        yield seconds(encode_seconds, None)
    else:
        yield from _drawn_lines(space, images, encoded, notes, steps, guidance, encode_seconds)
    yield memory(space)


def _drawn_lines(
    space: Space,
    images: Sequence[Image.Image],
    points: Embeddings,
    notes: list[str],
    steps: int,
    guidance: float,
    encode_seconds: float,
) -> Iterator[Line]:
    """The lines of a decoder."""
    sound = True
    if space.decoder.inverts:
        yield asked("clipping", lambda: drawing.clipping(space.decoder, steps))
        denoises = asked("denoising", lambda: drawing.denoising(space, images, points))
        sound = denoises.verdict != "fail"
        yield denoises
    begun = time.monotonic()
    sampling = {"num_inference_steps": steps, "guidance_scale": guidance}
    drawn, line = _tried("finite images", lambda: space.decode(points, **sampling))
    draw_seconds = (time.monotonic() - begun) / len(images)
    yield line
    follows = False
    if drawn is None:
        notes.append("Not checked: cycle and saturation, because the decoder draws nothing.")
    else:
        redrawn = space.encode_images(drawn)
        cycle = asked("cycle", lambda: drawing.cycle(points, redrawn, decoder_is_sound=sound))
        follows = cycle.verdict != "fail"
        yield cycle
        yield asked("saturation", lambda: drawing.saturation(images, drawn))
    if space.decoder.inverts and not follows:
        notes.append("Not checked: inversion, because the decoder does not follow z.")
    elif space.decoder.inverts:
        yield asked("inversion", lambda: drawing.inversion(space, images[0], points[0], max(steps, _STEPS)))
    else:
        notes.append("Not checked: clipping, denoising and inversion, because the decoder has no noise schedule.")
    yield seconds(encode_seconds, draw_seconds)


def _tried(name: str, work: Callable) -> tuple[object, Line]:
    """What ``work`` gives, and the line that says that its numbers are finite; None and the failure where it raises."""
    try:
        return work(), Line(name, "pass", "finite numbers, no NaN", "finite numbers")
    except ClipspaceError as error:
        do = "follow the message, and check again"
        return None, Line(name, "fail", "finite numbers, no NaN", " ".join(str(error).split()), do)


def _verdict(space: Space, lines: Sequence[Line]) -> str:
    """The sentence that sums up the lines."""
    named = {kind: [line.check for line in lines if line.verdict == kind] for kind in ("fail", "doubt")}
    if not any(named.values()):
        return f"{space.name} works here: all {len(lines)} checks pass."
    parts = [
        f"{', '.join(names)} {word}" for word, names in (("fail", named["fail"]), ("in doubt", named["doubt"])) if names
    ]
    return f"{space.name}: {'; '.join(parts)}, of {len(lines)} checks."
