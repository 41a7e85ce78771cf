"""The scripts that ask each question, and the one that draws: they run on tiny input, and save numbers and a figure."""

import re
import runpy
import sys
from pathlib import Path

import pytest

import clipspace.space
from clipspace.analyses import names
from clipspace.results.loading import load_result

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(
    not (ROOT / "analyses").is_dir(), reason="the tests were copied away from the repository"
)
SLOW = {"variations", "interpolation", "text_diff", "inversion"}
"""They invert images, which takes 20 steps or more."""


@pytest.fixture
def script(tmp_path, monkeypatch, loaded_once, quick_decoder):
    """Runs a script on tiny input, in an empty folder, with a decoder of cheap steps: no image need show anything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUICK", "1")
    load = clipspace.space.load_space
    monkeypatch.setattr("clipspace.space.load_space", lambda name, decoder=quick_decoder: load(name, decoder=decoder))

    def run(path, *arguments):
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        runpy.run_path(str(ROOT / path), run_name="__main__")

    return run


def test_every_analysis_has_a_script_and_no_other():
    assert {path.stem for path in (ROOT / "analyses").glob("*.py")} == set(names())
    assert {path.name for path in (ROOT / "figures").glob("*.py")} == {"draw.py"}


@pytest.mark.parametrize("name", names())
def test_a_script_is_short_and_says_how_it_is_run(name):
    text = (ROOT / "analyses" / f"{name}.py").read_text()
    _, docstring, code = text.split('"""', 2)
    assert re.search(r"\?( \(.*\))?$", docstring.split("\n")[0])
    assert f"python analyses/{name}.py" in docstring
    assert len([line for line in code.splitlines() if line and not line.startswith(("from ", "import "))]) <= 40
    assert "clipspace.analyses" not in code


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in names()])
def test_a_script_saves_numbers_and_a_figure(name, script, capsys):
    script(f"analyses/{name}.py")
    assert "wrote" in capsys.readouterr().out
    saved = load_result(f"results/{name}_script.json")
    assert len(saved.table)
    assert saved.provenance.space == "mini"
    for suffix in (".csv", ".pdf", ".png"):
        assert Path(f"results/{name}_script{suffix}").stat().st_size > 50


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["guidance", "spectrum", "blind_pairs"])
def test_a_script_takes_images(name, script, apple, house, tmp_path):
    for i, image in enumerate((apple, house, apple.rotate(90), house.rotate(90))):
        image.save(tmp_path / f"{i}.png")
    script(f"analyses/{name}.py", *sorted(tmp_path.glob("*.png")))
    assert len(load_result(f"results/{name}_script.json").table)


def test_one_script_draws_any_saved_result(script):
    from clipspace.analyses import about, analysis
    from clipspace.space import load_space

    path = analysis("spectrum").run(load_space("mini"), **about("spectrum").quick).save("results")
    script("figures/draw.py", path, "--venue", "cvpr")
    assert Path("results/spectrum.pdf").stat().st_size > 100
    with pytest.raises(SystemExit):
        script("figures/draw.py", path, "--venue", "nowhere")
