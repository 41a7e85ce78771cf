"""The report: analyses on one page, what cannot run listed with its reason, an interrupted run taken up again."""

import re

import pytest

from clipspace.errors import InputError
from clipspace.report import building
from clipspace.report.building import write_report


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(building, "ANALYSES", ("spectrum", "modality_gap"))


def test_a_page_holds_every_analysis_with_its_figure_and_numbers(tmp_path, quick):
    page = write_report(tmp_path / "out", explore=False)
    text = page.read_text()
    for name in ("spectrum", "modality_gap"):
        assert f"{name}.png" in text
        for suffix in (".pdf", ".png", ".csv", ".json", ".npz"):
            assert (tmp_path / "out" / f"{name}{suffix}").stat().st_size > 100
    assert "clipspace report --only spectrum --space mini --seed 0" in text
    assert not re.search(r'(?:src|href)="https?:', text)


def test_what_was_made_alike_is_not_made_again(tmp_path, quick, monkeypatch):
    write_report(tmp_path / "out", only=["spectrum"], explore=False)
    before = (tmp_path / "out/spectrum.npz").stat().st_mtime_ns
    write_report(tmp_path / "out", only=["spectrum"], explore=False, overwrite=True)
    assert (tmp_path / "out/spectrum.npz").stat().st_mtime_ns == before
    write_report(tmp_path / "out", only=["spectrum"], explore=False, overwrite=True, seed=1)
    other_seed = (tmp_path / "out/spectrum.npz").stat().st_mtime_ns
    assert other_seed > before
    write_report(tmp_path / "out", only=["spectrum"], explore=False, overwrite=True, seed=1, decoder="gradient")
    assert (tmp_path / "out/spectrum.npz").stat().st_mtime_ns > other_seed


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
    with pytest.raises(InputError, match="nowhere"):
        write_report(tmp_path / "out", ["nowhere.png"])
