"""The one door to FAISS; what goes through it is tested in test_index.py and test_geometry.py."""

import ast
from pathlib import Path

import numpy as np
import pytest

import clipspace
from clipspace.search.exact import nearest
from clipspace.search.faiss_backend import all_threads, thread_count

ROOT = Path(clipspace.__file__).parent
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in ROOT.rglob("*.py")}


def _imported(node):
    """The libraries that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) and not node.level else set()


def _importing_faiss(tree):
    return [node for node in ast.walk(tree) if "faiss" in _imported(node)]


def test_one_module_imports_faiss_and_only_when_it_is_called():
    assert [name for name, tree in TREES.items() if _importing_faiss(tree)] == ["search/faiss_backend.py"]
    functions = [node for node in ast.walk(TREES["search/faiss_backend.py"]) if isinstance(node, ast.FunctionDef)]
    lazy = {id(node) for function in functions for node in _importing_faiss(function)}
    assert {id(node) for node in _importing_faiss(TREES["search/faiss_backend.py"])} == lazy


def test_the_switch_that_hides_a_second_openmp_is_left_alone():
    # Docstrings may name it; code that sets it would hold its name alone, as text or as a keyword.
    named = [node.value for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    named += [node.arg for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.keyword)]
    assert "KMP_DUPLICATE_LIB_OK" not in named


@pytest.mark.parametrize("euclidean", [False, True])
def test_nearest_is_what_numpy_finds(euclidean):
    queries, rows = np.random.default_rng(0).normal(size=(2, 40, 8)).astype(np.float32)
    values = ((queries[:, None] - rows) ** 2).sum(axis=2) if euclidean else queries @ rows.T
    order = np.argsort(values if euclidean else -values, axis=1)[:, :5]
    found, positions = nearest(rows, queries, 5, threads=1, euclidean=euclidean)
    assert np.array_equal(positions, order)
    assert np.allclose(found, np.take_along_axis(values, order, axis=1), atol=1e-4)


def test_the_thread_count_is_put_back():
    before = all_threads()
    with thread_count(before + 1):
        assert all_threads() == before + 1
    assert all_threads() == before
