"""Readers of data sets that probes are asked on: Winoground, ARO, SugarCrepe, RTA-100 and SCAM."""

from __future__ import annotations

import csv
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from clipspace.errors import InputError, shortened
from clipspace.sources.images import images_below, read_image

SCAM = {"NoSCAM": "blank", "SCAM": "word", "SynthSCAM": "pasted word"}
"""What each part of SCAM (arXiv 2504.04893) is here: the note erased, as photographed, and printed over again."""


@dataclass(frozen=True)
class Quartet:
    """Two images and their two captions, which differ in what is bound to what (a Winoground example)."""

    images: tuple[Any, Any]
    captions: tuple[str, str]


@dataclass(frozen=True)
class Choice:
    """An image and captions to choose from, the true one first; ``box`` (left, top, right, bottom) crops it."""

    image: Any
    captions: tuple[str, ...]
    box: tuple[int, int, int, int] | None = None

    def picture(self) -> Image.Image:
        image = read_image(self.image)
        return image if self.box is None else image.crop(self.box)


def read_winoground(file: str | Path, images: str | Path) -> list[Quartet]:
    """Quartets of Winoground's ``examples.jsonl``; ``images`` is the folder of its PNG files."""
    rows = _json_rows(file)
    return [
        Quartet(
            (_image(images, f"{row['image_0']}.png"), _image(images, f"{row['image_1']}.png")),
            (row["caption_0"], row["caption_1"]),
        )
        for row in _with_columns(rows, file, "image_0", "image_1", "caption_0", "caption_1")
    ]


def read_aro(file: str | Path, images: str | Path) -> list[Choice]:
    """Choices of ARO's ``visual_genome_attribution.json`` or ``visual_genome_relation.json``, cropped to their box."""
    needed = ("image_path", "true_caption", "false_caption", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
    choices = []
    for row in _with_columns(_json_rows(file), file, *needed):
        x, y = int(row["bbox_x"]), int(row["bbox_y"])
        box = (x, y, x + int(row["bbox_w"]), y + int(row["bbox_h"]))
        choices.append(Choice(_image(images, row["image_path"]), (row["true_caption"], row["false_caption"]), box))
    return choices


def read_sugarcrepe(file: str | Path, images: str | Path) -> list[Choice]:
    """Choices of one of SugarCrepe's files, such as ``swap_att.json``; ``images`` holds COCO's val2017."""
    return [
        Choice(_image(images, row["filename"]), (row["caption"], row["negative_caption"]))
        for row in _with_columns(_json_rows(file), file, "filename", "caption", "negative_caption")
    ]


def read_rta100(folder: str | Path) -> tuple[list[Path], list[str], list[str]]:
    """Images, labels and printed words of a folder with names as in RTA-100: ``label=dog_text=cat.png``.

    Raises `InputError` for a folder without such names.
    """
    named = [
        (path, match["label"], match["text"])
        for path in images_below(Path(folder))
        if (match := re.fullmatch(r"label=(?P<label>.+)_text=(?P<text>.+)", path.stem))
    ]
    if not named:
        raise InputError(f"read_rta100: expected images named label=…_text=….png in {str(folder)!r}, got none")
    paths, truth, words = map(list, zip(*named, strict=True))
    return paths, truth, words


def read_scam(folder: str | Path) -> tuple[dict[str, list[Path]], list[str], list[str]]:
    """Conditions (*blank*, *word*, *pasted word*), labels and words of an image folder with SCAM's metadata.

    ``metadata.csv`` or ``metadata.jsonl`` beside the images has the columns ``file_name``, ``type``,
    ``object_label``, ``attack_word`` and ``id`` (``SCAM_img_0001``, ``NoSCAM_img_0001``, …). Images without all three
    versions are left out with a warning.
    """
    folder = Path(folder)
    groups: dict[str, dict[str, dict]] = {}
    for row in _metadata(folder):
        groups.setdefault(row["id"].removeprefix(f"{row['type']}_"), {})[row["type"]] = row
    whole = {key: group for key, group in sorted(groups.items()) if set(group) == set(SCAM)}
    if len(whole) < len(groups):
        warnings.warn(
            f"read_scam: {len(groups) - len(whole)} of {len(groups)} images lack a version: left out", stacklevel=2
        )
    if not whole:
        raise InputError(
            f"read_scam: expected images in the versions {list(SCAM)} in {str(folder)!r}, got no whole triple"
        )
    conditions = {name: [folder / group[kind]["file_name"] for group in whole.values()] for kind, name in SCAM.items()}
    first = [group["SCAM"] for group in whole.values()]
    return conditions, [row["object_label"] for row in first], [row["attack_word"] for row in first]


def _metadata(folder: Path) -> list[dict]:
    for path in (folder / "metadata.csv", folder / "metadata.jsonl"):
        if path.is_file():
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = (
                    list(csv.DictReader(file))
                    if path.suffix == ".csv"
                    else [json.loads(line) for line in file if line.strip()]
                )
            needed = {"file_name", "type", "object_label", "attack_word", "id"}
            if rows and needed <= set(rows[0]):
                return rows
            raise InputError(
                f"read_scam: expected the columns {sorted(needed)} in {str(path)!r}, got {shortened(sorted(rows[0]) if rows else [])}"
            )
    raise InputError(f"read_scam: expected metadata.csv or metadata.jsonl in {str(folder)!r}, which has neither")


def _image(folder: str | Path, name: str) -> Path:
    path = Path(folder) / name
    if not path.is_file():
        raise InputError(
            f"binding: expected the image {str(path)!r}, which is not there; give the folder of the images"
        )
    return path


def _json_rows(file: str | Path) -> list[dict]:
    """Rows of a JSON list, of a JSON object of rows, or of JSON lines."""
    path = Path(file)
    if not path.is_file():
        raise InputError(f"binding: expected a JSON file, got {str(path)!r}, which is not a file")
    text = path.read_text(encoding="utf-8")
    try:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        rows = json.loads(text)
    except ValueError as error:
        raise InputError(f"binding: {str(path)!r} is not valid JSON ({error}); get a whole copy") from None
    return list(rows.values()) if isinstance(rows, dict) else rows


def _with_columns(rows: list[dict], file: str | Path, *names: str) -> list[dict]:
    for i, row in enumerate(rows):
        missing = [name for name in names if name not in row]
        if missing:
            raise InputError(f"binding: expected {list(names)} in every row of {str(file)!r}, row {i} lacks {missing}")
    if not rows:
        raise InputError(f"binding: expected rows in {str(file)!r}, got none")
    return rows
