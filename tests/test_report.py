"""The report: analyses on one page, what cannot run listed with its reason, an interrupted run taken up again."""

import io
import re
import shutil

import numpy as np
import pytest
from matplotlib.figure import Figure
from safetensors.torch import load_file, save_file

from clipspace import progress
from clipspace.analyses import Cost, about, modality_gap, names, spectrum
from clipspace.errors import InputError
from clipspace.models.catalogue import MINI
from clipspace.report import building, kept, plan
from clipspace.report.building import write_report
from clipspace.results import provenance as provenances
from clipspace.results.provenance import provenance
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


@pytest.fixture
def three(monkeypatch, undrawn, space):
    """Three sections whose runs count themselves; a name in ``stops`` is stopped by Ctrl-C, once."""
    ran, stops = [], []

    def run_of(name):
        def run(space, images=None, *, seed):
            with progress.task("decoding", 4, "images") as count:
                count(3)
                if name in stops:
                    stops.remove(name)
                    raise KeyboardInterrupt
                progress._SHOWN.get() and progress._SHOWN.get().tick()
            ran.append(name)
            sizes = {"pictures": ["a"], "images": 3, "pairs": 3}  # which the sentence about the data names
            numbers = {"draws": np.random.default_rng(len(name)).normal(size=5)}
            return Result(
                name,
                [{"factor": name, "value": len(name) / 3}],
                [f"{name}."],
                numbers,
                {},
                provenance(name, space, **sizes),
            )

        return run

    chosen = ("variations", "spectrum", "modality_gap")
    monkeypatch.setattr(building, "names", lambda: chosen)
    monkeypatch.setattr(building, "load_space", lambda name, **loading: space)
    for name in chosen:
        monkeypatch.setattr(f"clipspace.analyses.{name}.run", run_of(name))
    return ran, stops


@pytest.mark.parametrize("at", ["variations", "spectrum", "modality_gap"])
def test_a_report_that_was_stopped_goes_on_to_the_page_it_would_have_had(three, tmp_path, at):
    ran, stops = three
    whole = write_report(tmp_path / "whole", explore=False).read_bytes()
    ran.clear()
    stops.append(at)
    said = io.StringIO()
    with pytest.raises(KeyboardInterrupt), progress.shown("report", stream=said):
        write_report(tmp_path / "out", explore=False)
    assert not (tmp_path / "out/index.html").exists()
    done = len(ran)
    assert f"stopped at {at}, with {done} of 3 parts done" in said.getvalue()
    assert write_report(tmp_path / "out", explore=False).read_bytes() == whole
    assert ran == ["variations", "spectrum", "modality_gap"]  # each once, before or after


def test_a_section_of_another_version_or_seed_is_computed_again(three, tmp_path, monkeypatch):
    ran, _ = three
    write_report(tmp_path / "out", explore=False)
    write_report(tmp_path / "out", explore=False, overwrite=True)
    assert len(ran) == 3
    monkeypatch.setattr(provenances, "_versions", lambda: {"clipspace": "99"})
    write_report(tmp_path / "out", explore=False, overwrite=True)
    assert len(ran) == 6
    write_report(tmp_path / "out", explore=False, overwrite=True, seed=1)
    assert len(ran) == 9


def test_a_result_that_was_half_replaced_is_not_taken_for_a_whole_one(three, tmp_path, monkeypatch):
    """Stopped between the files of a section: neither the options before nor those after may use the mixture."""
    ran, _ = three
    write_report(tmp_path / "out", only=["spectrum"], explore=False)
    save = Result.save

    def stopped(result, folder, **options):
        before = (folder / "spectrum.npz").read_bytes()
        save(result, folder, **options)
        (folder / "spectrum.npz").write_bytes(before)
        raise KeyboardInterrupt

    monkeypatch.setattr(Result, "save", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_report(tmp_path / "out", only=["spectrum"], explore=False, overwrite=True, seed=1)
    monkeypatch.setattr(Result, "save", save)
    write_report(tmp_path / "out", only=["spectrum"], explore=False, overwrite=True)
    assert len(ran) == 3


def test_a_result_that_another_command_saved_there_is_not_taken_for_the_report_s_own(three, tmp_path):
    """As `clipspace analyse spectrum -o out --overwrite` with other options does."""
    ran, _ = three
    write_report(tmp_path / "out", only=["spectrum"], explore=False)
    Result("spectrum", [{"factor": "another", "value": 99.5}]).save(tmp_path / "out")
    page = write_report(tmp_path / "out", only=["spectrum"], explore=False, overwrite=True)
    assert ran == ["spectrum"] * 2
    assert "99.5" not in page.read_text()


def test_inputs_that_cannot_be_read_cost_their_section_alone(three, tmp_path, monkeypatch):
    ran, _ = three
    inputs = kept.inputs

    def gone(name, brought):
        if name == "spectrum":
            raise InputError("an image of it is gone")
        return inputs(name, brought)

    monkeypatch.setattr(kept, "inputs", gone)
    with pytest.warns(UserWarning, match="spectrum: not computed: an image of it is gone"):
        page = write_report(tmp_path / "out", explore=False)
    assert ran == ["variations", "modality_gap"]
    assert "Not computed: an image of it is gone" in page.read_text()


def test_a_report_tells_its_plan_first_and_which_section_it_is_at(three, tmp_path, monkeypatch):
    for module in (progress, plan.progress):
        monkeypatch.setattr(module, "FIRST_SECONDS", 0.0)
        monkeypatch.setattr(module, "LINE_SECONDS", 0.0)
    said = io.StringIO()
    with progress.shown("report", stream=said):
        write_report(tmp_path / "out", explore=False)
    lines = said.getvalue().splitlines()
    (first,) = [line for line in lines if "(an estimate)" in line]
    assert re.fullmatch(r"report: 3 sections, about \d+ (s|min) on this machine \(an estimate\)", first)
    of_sections = [line for line in lines if "section" in line and line != first]
    assert lines.index(first) < lines.index(of_sections[0])
    for number, name in enumerate(("variations", "spectrum", "modality_gap"), 1):
        said_of_it = [line for line in of_sections if f"section {number} of 3 ({name})" in line]
        assert any(re.search(r" left: decoding 3 of 4 images, \d+ s left$", line) for line in said_of_it)
    again = io.StringIO()
    with progress.shown("report", stream=again):
        write_report(tmp_path / "out", explore=False, overwrite=True)
    assert "3 sections, 3 of them done already, about 1 s" in again.getvalue()


def test_the_guess_is_the_sum_of_what_was_measured_times_what_work_takes_here(monkeypatch):
    monkeypatch.setattr(plan, "_timed", lambda space: (0.5, 0.01, 2.0))
    monkeypatch.setattr(plan, "about", lambda name: type("About", (), {"cost": {"a": Cost(100, 10, 3.0)}.get(name)}))
    assert plan._guessed(None, ["a", "b"]) == pytest.approx({"a": 56.1, "b": 56.1})  # an unmeasured one as the others


def test_where_no_work_can_be_timed_there_is_no_guess_and_no_error(monkeypatch):
    def timed(space):
        raise TypeError("an encoder of a user's own, which fails in its own way")

    monkeypatch.setattr(plan, "_timed", timed)
    assert plan._guessed(None, ["spectrum"]) == {"spectrum": None}


def test_every_analysis_has_a_measured_cost():
    costs = {name: about(name).cost for name in names()}
    assert all(cost is not None and sum(cost) > 0 for cost in costs.values()), costs
