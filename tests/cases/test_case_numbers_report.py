"""A report is about what it was given: every section says so first, and its numbers are those of the store."""

import re
import shutil

import numpy as np
import pytest
import recomputed
from PIL import Image

from clipspace.errors import SampleWarning
from clipspace.points.store import open_store, write_store
from clipspace.report import write_report
from clipspace.results.loading import load_result
from clipspace.scenes import render, sample_scenes
from clipspace.space.encoding import encode

_SCENES = 140


@pytest.fixture(scope="module")
def mine(space, tmp_path_factory):
    """A folder of scenes with captions, some of them alike, and the store that was encoded from it."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "photos").mkdir()
    for i, scene in enumerate(sample_scenes(_SCENES, seed=7100, layout="one")):
        render(scene).save(folder / "photos" / f"{i:03}.png")
        (folder / "photos" / f"{i:03}.txt").write_text(f"a photo of a {scene.things[0].kind}")
    encode(space, folder / "photos", folder / "my-store")
    return folder


@pytest.fixture(scope="module")
def seen(mine):
    """What `clipspace report --store my-store --source photos/` writes of three analyses."""
    return _reported(mine, ["spectrum", "modality_gap", "binding"], mine / "seen")


def _reported(folder, only, output, **options):
    given = {"store": folder / "my-store", "source": folder / "photos"} | options
    return write_report(output, only=only, explore=False, device="cpu", overwrite=True, **given)


def _first_lines(page):
    return re.findall(r'<h2 id="\d+-([a-z-]+)-title">[^<]*</h2>\s*<p class="data">([^<]*)</p>', page.read_text())


def test_every_section_of_a_report_says_first_what_it_was_computed_on(seen):
    said = dict(_first_lines(seen))
    assert said["spectrum"] == f"Computed on {_SCENES} rows of store my-store (mini)."
    assert said["modality-gap"] == f"Computed on {_SCENES} rows of store my-store (mini), and their captions."
    assert said["binding"].startswith("Left out: it needs the known factors of rendered scenes")


def test_the_spectrum_of_a_report_is_that_of_the_store(seen, mine):
    """Not of rendered scenes: on those, more components hold as much."""
    stored = np.concatenate(list(open_store(mine / "my-store").blocks())).astype(float)
    numbers = recomputed.spectrum(stored / np.linalg.norm(stored, axis=1, keepdims=True))
    result = load_result(seen.parent / "spectrum.json")
    assert {(row.score, row.variant): row.value for row in result.table} == pytest.approx(numbers, rel=1e-4, abs=1e-6)
    assert {row["n"] for row in result.table} == {_SCENES}
    assert (
        f"Of 128 dimensions images use {numbers['components', '90%']} for 90 % of their variance and "
        f"{numbers['components', '99%']} for 99 %; participation ratio {numbers['participation ratio', None]:.1f}, effective "
        f"rank {numbers['effective rank', None]:.1f}."
    ) in seen.read_text()
    assert result.provenance.inputs[0]["digest"] == open_store(mine / "my-store").hash


def test_the_modality_gap_of_a_report_is_that_of_the_store_and_its_captions(space, seen, mine):
    store = open_store(mine / "my-store")
    captions = store.metadata()["caption"].to_pylist()
    x = np.concatenate(list(store.blocks())).astype(float)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    numbers = recomputed.gap(x, space.encode_texts(captions).unit, captions)
    scores = {
        (row.score, row.variant, row.direction, row.k): row.value
        for row in load_result(seen.parent / "modality_gap.json").table
    }
    assert {name: scores[name] for name in numbers} == pytest.approx(numbers, rel=1e-4, abs=1e-6)


def test_another_store_is_another_result(space, mine, seen, tmp_path):
    images = [Image.open(file) for file in sorted((mine / "photos").glob("*.png"))[:40]]
    write_store(tmp_path / "my-store", space.encode_images(images))
    shutil.copytree(seen.parent, tmp_path / "seen")
    with pytest.warns(SampleWarning, match="40 rows"):
        page = _reported(tmp_path, ["spectrum"], tmp_path / "seen", source=None)
    assert dict(_first_lines(page))["spectrum"] == "Computed on 40 rows of store my-store (mini)."
    assert {row["n"] for row in load_result(tmp_path / "seen/spectrum.json").table} == {40}


def test_a_section_that_fails_costs_only_itself(mine, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("clipspace.analyses.modality_gap.run", fails)
    with pytest.warns(UserWarning, match="modality_gap: not computed: ZeroDivisionError: planted"):
        page = _reported(mine, ["spectrum", "modality_gap"], tmp_path / "seen")
    said = dict(_first_lines(page))
    assert said["spectrum"].startswith("Computed on")
    assert said["modality-gap"] == "Not computed: ZeroDivisionError: planted"


def test_a_report_without_images_and_store_is_of_scenes_and_says_so(space, tmp_path, monkeypatch):
    page = write_report(tmp_path / "seen", only=["modality_gap"], explore=False, device="cpu")
    (line,) = dict(_first_lines(page)).values()
    assert line == "Computed on 1,000 rendered scenes and captions of them; no images and no store were given."
