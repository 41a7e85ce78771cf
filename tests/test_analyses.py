"""Every analysis: its script and its figure are there, it repeats under a seed, and its figure needs no model."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clipspace.analyses import ANALYSES, analysis, question
from clipspace.analyses.asking import Brought, computed_on
from clipspace.figures import draw
from clipspace.results.loading import load_result

ROOT = Path(__file__).parent.parent
_FEW = {"num_inference_steps": 3}
_INVERTIBLE = {"num_inference_steps": 20}  # with few steps some have no inverse, and the search for one takes a minute
SMALL = {
    "variations": {"n": 2, **_INVERTIBLE},
    "interpolation": {"steps": 3, "draws": 1, **_INVERTIBLE},
    "text_diff": {"steps": 3, **_INVERTIBLE},
    "pca_reconstruction": {"n": 200, "readings": 20, "components": (2, 16, 128), **_FEW},
    "typographic_attack": {"n": 12, "decoded": 2, "draws": 1, **_FEW},
    "prior_ablation": {"n": 2, **_FEW},
    "guidance": {"scales": (1.0, 2.0), "draws": 2, **_FEW},
    "binding": {"n": 6, "decoded": 2, "num_inference_steps": 2},
    "retention": {"n": 150, "pairs": 3, "decoded": 3, "decodes": 1, "num_inference_steps": 2},
    "spectrum": {"n": 150},
    "modality_gap": {"n": 40},
    "neighbours": {"n": 50, "k": 2, **_FEW},
    "map": {"n": 40, "method": "pca"},
    "blind_pairs": {"n": 60, "k": 2, "same": 0.02, "agree": 0.9, "decodes": 3, "num_inference_steps": 2},
    "inversion": {"n": 1, "fewest": 16, "doublings": 2},
    "decoder_agreement": {"num_inference_steps": 3},
}
"""Options that make each analysis quick; a test names every analysis here."""


@pytest.fixture(scope="module")
def results(space, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    return {name: analysis(name).run(space, seed=0, **SMALL[name]).save(folder) for name in ANALYSES}


def test_every_analysis_has_a_script_and_a_figure_of_its_name():
    assert set(SMALL) == set(ANALYSES)
    for folder in ("analyses", "figures"):
        assert {path.stem for path in (ROOT / folder).glob("*.py")} == set(ANALYSES)
        for name in ANALYSES:
            assert (ROOT / "clipspace" / folder / f"{name}.py").is_file()
            assert f'main("{name}")' in (ROOT / folder / f"{name}.py").read_text()


@pytest.mark.parametrize("name", ANALYSES)
def test_the_docstring_asks_a_question_and_says_what_to_look_for(name):
    asked, paragraphs = question(name)
    assert asked.endswith("?")
    assert len(paragraphs) >= 2


@pytest.mark.parametrize("name", ANALYSES)
def test_a_result_says_what_is_seen_and_repeats(name, space, results):
    found = load_result(results[name])
    again = analysis(name).run(space, seed=0, **SMALL[name])
    assert found.findings
    assert list(found.findings) == list(again.findings)
    assert found.provenance.stamp == space.stamp
    assert found.provenance.seed == 0
    assert "rendered" in computed_on(name, Brought(), found.provenance.options)
    assert set(found.arrays) == set(again.arrays)
    for key, array in again.arrays.items():
        np.testing.assert_array_equal(found.arrays[key], array)


@pytest.mark.parametrize("name", ANALYSES)
def test_a_figure_is_drawn_from_data_with_no_model(name, results, tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from clipspace.figures.command import main\n"
        f"main({name!r}, [{str(results[name])!r}, '-o', {str(tmp_path / 'fig.1')!r}])"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
    beside = {path.suffix: path for path in tmp_path.iterdir()}
    assert set(beside) == {".pdf", ".png", ".csv", ".json", ".npz"}
    assert {path.stem for path in beside.values()} == {"fig.1"}
    assert beside[".pdf"].stat().st_size < 2_000_000
    assert beside[".json"].read_bytes() == results[name].read_bytes()


@pytest.mark.parametrize("venue", ["neurips", "cvpr"])
@pytest.mark.parametrize("name", ANALYSES)
def test_no_label_leaves_the_page(name, venue, results):
    figure = draw(load_result(results[name]), venue=venue)
    figure.draw_without_rendering()
    page = figure.bbox
    box = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert box.x0 >= page.x0 - 1
    assert box.y0 >= page.y0 - 1
    assert box.x1 <= page.x1 + 1
    assert box.y1 <= page.y1 + 1


@pytest.mark.parametrize("path", sorted((ROOT / "clipspace" / "figures").glob("*.py")), ids=lambda path: path.stem)
def test_drawing_computes_nothing(path):
    """Figures import no model, no probe and no solver: what they draw was computed before."""
    allowed = {
        "__future__",
        "typing",
        "argparse",
        "pathlib",
        "collections",
        "importlib",
        "matplotlib",
        "numpy",
        "clipspace",
    }
    inner = {"analyses", "errors", "figures", "plot", "results"}
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            root, _, rest = name.partition(".")
            assert root in allowed
            assert root != "clipspace" or rest.split(".")[0] in inner, f"{path.name} imports {name}"
