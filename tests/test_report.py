"""The report: analyses on one page, what cannot run listed with its reason, an interrupted run taken up again."""

import re
import shutil

import pytest
from matplotlib.figure import Figure
from safetensors.torch import load_file, save_file

from clipspace.analyses import modality_gap, spectrum
from clipspace.errors import InputError
from clipspace.models.catalogue import MINI
from clipspace.report import building
from clipspace.report.building import write_report
from clipspace.results.result import Result


@pytest.fixture(autouse=True)
def few_scenes(monkeypatch):
    """Where no images are given, a report measures 150 scenes instead of thousands."""
    for module in (spectrum, modality_gap):
        monkeypatch.setitem(module.run.__kwdefaults__, "n", 150)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(building, "names", lambda: ("spectrum", "modality_gap"))


@pytest.fixture
def undrawn(monkeypatch):
    monkeypatch.setattr(building, "draw", lambda result: Figure())


def test_a_page_holds_every_analysis_with_its_figure_and_numbers(tmp_path, quick):
    page = write_report(tmp_path / "out", explore=False)
    text = page.read_text()
    for name in ("spectrum", "modality_gap"):
        assert f"{name}.png" in text
        for suffix in (".pdf", ".png", ".csv", ".json", ".npz"):
            assert (tmp_path / "out" / f"{name}{suffix}").stat().st_size > 100
    assert "clipspace report --only spectrum --space mini --seed 0" in text
    assert not re.search(r'(?:src|href)="https?:', text)


def test_a_clip_without_a_decoder_is_reported_on_as_far_as_it_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "names", lambda: ("variations", "spectrum"))
    page = write_report(tmp_path / "out", space=f"local-dir:{MINI / 'clip'}", device="cpu", explore=False)
    assert "Not run: variations: expected a space with a decoder" in page.read_text()
    assert (tmp_path / "out/spectrum.png").exists()


def test_what_was_made_alike_is_not_made_again(tmp_path, quick, undrawn):
    write_report(tmp_path / "out", only=["spectrum"], explore=False)
    before = (tmp_path / "out/spectrum.npz").stat().st_mtime_ns
    write_report(tmp_path / "out", only=["spectrum"], explore=False, overwrite=True)
    assert (tmp_path / "out/spectrum.npz").stat().st_mtime_ns == before
    write_report(tmp_path / "out", only=["spectrum"], explore=False, overwrite=True, seed=1)
    other_seed = (tmp_path / "out/spectrum.npz").stat().st_mtime_ns
    assert other_seed > before
    write_report(tmp_path / "out", only=["spectrum"], explore=False, overwrite=True, seed=1, decoder="gradient")
    assert (tmp_path / "out/spectrum.npz").stat().st_mtime_ns > other_seed


def test_other_weights_in_the_same_folder_are_not_made_alike(tmp_path, quick, undrawn):
    for part in ("clip", "decoder"):
        shutil.copytree(MINI / part, tmp_path / part)
    where = {"space": f"local-dir:{tmp_path / 'clip'}", "decoder": str(tmp_path / "decoder"), "device": "cpu"}
    how = {"only": ["spectrum"], "explore": False, "overwrite": True, **where}
    write_report(tmp_path / "out", **how)
    before = (tmp_path / "out/spectrum.npz").stat().st_mtime_ns
    write_report(tmp_path / "out", **how)
    assert (tmp_path / "out/spectrum.npz").stat().st_mtime_ns == before
    file = next((tmp_path / "decoder/unet").glob("*.safetensors"))
    weights = load_file(file)
    save_file(weights | {"conv_out.bias": weights["conv_out.bias"] + 1}, file, {"format": "pt"})
    write_report(tmp_path / "out", **how)
    assert (tmp_path / "out/spectrum.npz").stat().st_mtime_ns > before


def test_a_large_folder_is_measured_whole_and_shown_in_part(tmp_path, monkeypatch, undrawn, apple):
    """Where each image is a row of decodes, six are; the file that cannot be read is left out, and said."""
    for i in range(8):
        apple.save(tmp_path / f"{i}.png")
    (tmp_path / "0.jpg").write_bytes(b"no picture")
    asked = {}

    def variations(space, images=None, *, seed):
        asked["variations"] = images
        return Result("variations", [], [], provenance=None)

    def spectrum(space, images=None, *, points=None, seed):
        asked["spectrum"] = points
        return Result("spectrum", [], [], provenance=None)

    monkeypatch.setattr(building, "names", lambda: ("variations", "spectrum"))
    monkeypatch.setattr("clipspace.analyses.variations.run", variations)
    monkeypatch.setattr("clipspace.analyses.spectrum.run", spectrum)
    with pytest.warns(UserWarning, match=r"left out.*0\.jpg"):
        write_report(tmp_path / "out", [tmp_path], explore=False)
    names = [str(i) for i in (0, 1, 3, 4, 6, 7)]
    assert asked["variations"] == {name: tmp_path / f"{name}.png" for name in names}
    assert asked["spectrum"].names == tuple(map(str, range(8)))
    text = (tmp_path / "out/index.html").read_text()
    assert f"Computed on 6 of 8 images of {tmp_path}, evenly spaced." in text
    assert f"Computed on 8 images of {tmp_path}." in text


def test_what_is_wrong_is_said_before_any_work(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(building, "load_space", lambda *_, **__: pytest.fail("loaded a space"))
    with pytest.raises(InputError, match=r"spectrum.*'nonsense'"):
        write_report(tmp_path / "out", only=["nonsense"])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="a folder"):
        write_report(tmp_path / "file")
    (tmp_path / "done").mkdir()
    (tmp_path / "done/index.html").write_text("")
    with pytest.raises(InputError, match="--overwrite"):
        write_report(tmp_path / "done")
    with pytest.raises(InputError, match="pass --store"):
        write_report(tmp_path / "out", source=tmp_path)
    with pytest.raises(InputError, match="nowhere"):
        write_report(tmp_path / "out", ["nowhere.png"])


def test_a_report_of_nothing_is_an_error(tmp_path, apple, monkeypatch):
    monkeypatch.setattr(building, "load_space", lambda *_, **__: pytest.fail("loaded a space"))
    with pytest.raises(InputError, match=r"left out binding: .*; left out modality_gap: .*captions"):
        write_report(tmp_path / "out", [apple], only=["modality_gap", "binding"])
    assert not (tmp_path / "out").exists()
