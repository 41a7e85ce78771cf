"""Every analysis: it says what is known of it, it repeats under a seed, and its figure needs no model."""

import ast
import subprocess
import sys
from inspect import signature
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import AxesImage
from matplotlib.text import Text

from clipspace.analyses import about, analysis, caption, draw, names, question
from clipspace.analyses.asking import Brought, computed_on
from clipspace.errors import InputError
from clipspace.results.loading import load_result
from clipspace.results.result import Result

ROOT = Path(__file__).parent.parent
NAMES = names()
DRAWING = {"errors", "plot", "results"}
CONSTANTS = {"SAME"}
BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "{}":
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
from clipspace.cli import main
def run(*arguments):
    try:
        main(list(arguments))
    except SystemExit as stop:
        assert not stop.code
"""


def _run(name, space):
    """The analysis at its quickest, with an inversion that is content with a rough code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clipspace.diffusion.inversion.FIRST_TOLERANCE", 0.1)
        patch.setattr("clipspace.diffusion.inversion.CONVERGED", 1.0)
        return analysis(name).run(space, seed=0, **about(name).quick)


@pytest.fixture(scope="module")
def space(quick):
    return quick


@pytest.fixture(scope="module")
def results(space, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    return {name: _run(name, space).save(folder) for name in NAMES}


@pytest.fixture(scope="module")
def drawn(results, tmp_path_factory):
    """A folder for each analysis, with its figure, all drawn by one process that cannot import torch."""
    folders = {name: tmp_path_factory.mktemp(name) for name in NAMES}
    calls = [f"run('draw', {str(results[name])!r}, '-o', {str(folders[name] / 'fig.1')!r})" for name in NAMES]
    code = BLOCKED.format("torch") + "\n".join([*calls, "assert 'torch' not in sys.modules"])
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
    return folders


def test_modules_are_found_in_the_order_they_declare():
    orders = [about(name).order for name in NAMES]
    assert orders == sorted(set(orders))
    assert {
        path.stem for path in (ROOT / "clipspace/analyses").glob("*.py") if "ANALYSIS = " in path.read_text()
    } == set(NAMES)
    with pytest.raises(InputError, match=r"'variations'.*'asking'"):
        analysis("asking")
    with pytest.raises(InputError, match="'nonsense'"):
        draw(Result("nonsense", [], []))


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_a_help_text(name):
    """An option of ``run`` is a keyword with a value that can be typed; the others come of what the user gives."""
    taken = signature(analysis(name).run).parameters.values()
    options = {p.name for p in taken if p.kind is p.KEYWORD_ONLY and isinstance(p.default, (int, float, str, tuple))}
    options.discard("own")  # of neighbours: rows of the set itself
    known = set(about(name).options)
    assert options - {"seed", "num_inference_steps"} == known
    assert all(text[0].isupper() and text[-1] == "." for text in about(name).options.values())
    assert set(about(name).quick) <= known | {"num_inference_steps"}


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_asks_a_question_and_says_what_to_look_for(name):
    asked, paragraphs = question(name)
    assert asked.endswith("?")
    assert len(paragraphs) >= 2


@pytest.mark.parametrize("name", NAMES)
def test_a_result_says_what_is_seen_and_on_what(name, space, results):
    found = load_result(results[name])
    assert found.findings
    assert found.provenance.stamp == space.stamp
    assert found.provenance.seed == 0
    assert "rendered" in computed_on(name, Brought(), found.provenance.options)


@pytest.mark.parametrize("name", NAMES)
def test_a_result_that_draws_names_its_steps_and_its_guidance(name, results):
    options, asked = load_result(results[name]).provenance.options, about(name).quick.get("num_inference_steps")
    if not {"num_inference_steps", "guidance_scale"} & set(signature(analysis(name).run).parameters):
        assert not {"num_inference_steps", "guidance_scale"} & set(options)
        return
    several = {"inversion", "decoder_agreement"}  # which draw in several ways
    assert options["guidance_scale"] is not None
    assert options["num_inference_steps"] == asked or (name in several and options["num_inference_steps"])


@pytest.mark.parametrize("name", NAMES)
def test_a_result_repeats(name, space, results):
    found, again = load_result(results[name]), _run(name, space)
    assert list(found.findings) == list(again.findings)
    assert set(found.arrays) == set(again.arrays)
    for key, array in again.arrays.items():
        np.testing.assert_array_equal(found.arrays[key], array)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_drawn_from_data_with_no_model(name, results, drawn):
    beside = {path.suffix: path for path in drawn[name].iterdir()}
    assert set(beside) == {".pdf", ".png", ".md", ".csv", ".json", ".npz"}
    assert {path.stem for path in beside.values()} == {"fig.1"}
    assert beside[".pdf"].stat().st_size < 2_000_000
    assert beside[".json"].read_bytes() == results[name].read_bytes()


@pytest.mark.slow
def test_computing_loads_no_matplotlib(tmp_path):
    code = BLOCKED.format("nothing") + (
        "import clipspace.analyses\n"
        "clipspace.analyses.names()\n"
        f"run('analyse', 'map', '--quick', '--device', 'cpu', '-o', {str(tmp_path)!r})\n"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
    assert (tmp_path / "map.json").exists()


@pytest.mark.parametrize("venue", ["neurips", pytest.param("cvpr", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
def test_no_label_leaves_the_page_or_touches_another(name, venue, results):
    figure = draw(load_result(results[name]), venue=venue)
    boxes = _texts(figure)
    page = figure.bbox
    box = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert box.x0 >= page.x0 - 1
    assert box.y0 >= page.y0 - 1
    assert box.x1 <= page.x1 + 1
    assert box.y1 <= page.y1 + 1
    outside = [text for text, box in boxes if not (box.x0 > -1 and box.x1 < page.x1 + 1)]
    assert not outside, "text is cut at the edge"
    touching = [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if one.padded(-1).overlaps(other.padded(-1))]
    assert not touching
    images = [image.get_window_extent() for image in figure.findobj(AxesImage)]
    assert not [text for text, box in boxes if any(box.padded(-1.5).overlaps(image) for image in images)]


def _texts(figure):
    """Every text that is drawn, with its box in pixels."""
    drawn, paint = [], Text.draw

    def record(text, *arguments, **options):
        if text.get_visible() and text.get_text().strip():
            drawn.append(text)
        return paint(text, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", record)
        figure.draw_without_rendering()
    return [(text.get_text(), Text.get_window_extent(text)) for text in dict.fromkeys(drawn)]


@pytest.mark.parametrize("name", NAMES)
def test_a_caption_names_what_is_drawn_and_its_sample(name, results):
    result = load_result(results[name])
    words = caption(result).split()
    assert 40 <= len(words) <= 220
    assert words[-1].endswith((".", ")."))
    assert not {"None", "nan"} & {word.strip("().,:;") for word in words}
    assert "  " not in caption(result)
    assert any(character.isdigit() for character in caption(result))
    text = caption(result).lower()
    assert any(
        known in text for known in ("chance", "baseline", "control", "best that the decoder can", "unrelated", "alike")
    )


@pytest.mark.parametrize("name", NAMES)
def test_drawing_computes_nothing(name):
    """What draws calls no model, no probe and no solver: what is drawn was computed before."""
    tree = ast.parse((ROOT / "clipspace/analyses" / f"{name}.py").read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    homes = _homes(tree.body)
    reached, todo = set(), ["draw"]
    while todo:
        reached.add(function := todo.pop())
        inner = homes | _homes(functions[function].body)
        for node in functions[function].body:
            for used in [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]:
                root, _, rest = inner.get(used, "").partition(".")
                assert root in {"", "matplotlib", "numpy", "clipspace"}
                assert root != "clipspace" or rest.split(".")[0] in DRAWING or used in CONSTANTS, (
                    f"{function} uses {used}"
                )
        called = {n.id for n in ast.walk(functions[function]) if isinstance(n, ast.Name)} & set(functions)
        todo += sorted(called - reached)
    assert "run" not in reached


def _homes(body: list) -> dict[str, str]:
    """The module that each imported name comes from; of names that are written as types alone, none."""
    imports = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {
        alias.asname or alias.name: getattr(node, "module", None) or alias.name
        for node in imports
        for alias in node.names
    }
