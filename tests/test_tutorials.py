"""The tutorials are stored with their outputs, and run from start to end."""

import os
import re
import runpy
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "docs" / "tutorials"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
pytestmark = pytest.mark.skipif(not NOTEBOOKS, reason="the tests were copied away from the repository")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_tutorial_is_stored_with_its_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.keys() == {"kernelspec", "language_info"}
    assert all(re.fullmatch("[a-z-]+", cell.id) for cell in notebook.cells)  # chosen, so that diffs stay small
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert any({"image/png", "image/jpeg"} & output.get("data", {}).keys() for output in outputs)
    assert not re.search("/(tmp|home|root|work|Users)/", " ".join(map(_text, outputs)))
    assert path.stat().st_size < 150_000


def _text(output: nbformat.NotebookNode) -> str:
    """What an output shows as text."""
    return output.get("text", "") + output.get("data", {}).get("text/plain", "")


def _shown(notebook: nbformat.NotebookNode) -> list[list[tuple]]:
    """The kinds of all outputs, and their words: last digits of numbers are a machine's own."""
    return [
        [
            (output.output_type, sorted(output.get("data", ())), re.findall("[A-Za-z]{3,}", _text(output)))
            for output in cell.outputs
        ]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.parametrize("path", NOTEBOOKS[2:], ids=lambda path: path.stem)
def test_the_cells_of_a_tutorial_run_coarsely(path, coarse, tmp_path, monkeypatch):
    """In this process, without a kernel. The slow run executes every notebook; README's ten lines stand for the first."""
    monkeypatch.chdir(tmp_path)
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    names = {"__name__": "tutorial"}
    for cell in cells:
        exec(compile(re.sub("^%.*", "", cell, flags=re.MULTILINE), path.name, "exec"), names)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_tutorial_runs_and_shows_what_is_stored(path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FOLDER.parents[1]), os.environ.get("PYTHONPATH", "")]))
    executed = runpy.run_path(str(FOLDER / "build.py"))["executed"]
    assert _shown(executed(path)) == _shown(nbformat.read(path, as_version=4))


def test_links_lead_somewhere():
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            for target in re.findall(r"\]\(([^)#]+)\)", cell.source) if cell.cell_type == "markdown" else []:
                assert (FOLDER / target).exists(), f"{path.name} links to {target}"
