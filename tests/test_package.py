"""The shape of the package: layers, light imports, public names, docstrings that run."""

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import clipspace

ROOT = Path(clipspace.__file__).parent
LAYERS = [
    {"errors", "plain", "progress"},
    {"diffusion", "files", "parallel", "reprs", "scenes", "seeds", "sequences"},
    {"points", "sources"},
    {"models", "search"},
    {"measure"},
    {"results"},
    {"space"},
    {"manipulate"},
    {"plot", "probes", "training"},
    {"analyses"},
    {"report"},
    {"cli"},
]
LEVEL = {module: level for level, modules in enumerate(LAYERS) for module in modules}
SCRIPTS = {"mini"}
MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages([str(ROOT)], "clipspace.")
    if ".mini" not in m.name and "__main__" not in m.name
)


def _imports(path: Path) -> set[str]:
    """Top-level clipspace modules that a file imports at run time, lazily or not."""
    tree = ast.parse(path.read_text())
    guarded = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "clipspace":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("clipspace."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("clipspace.")}
    return found


def test_imports_point_down_the_layers_only():
    for path in ROOT.rglob("*.py"):
        home = path.relative_to(ROOT).with_suffix("").parts[0]
        if home in SCRIPTS or home == "__init__":
            continue
        for target in _imports(path) - {home}:
            assert LEVEL[target] < LEVEL[home], f"{path.name} ({home}) imports {target}"


def test_the_library_never_imports_its_training_recipe():
    for path in ROOT.rglob("*.py"):
        if path.relative_to(ROOT).parts[0] not in SCRIPTS:
            assert not _imports(path) & SCRIPTS


def test_import_is_light():
    heavy = [
        "torch",
        "open_clip",
        "diffusers",
        "sklearn",
        "scipy",
        "matplotlib",
        "PIL",
        "numpy",
        "faiss",
        "umap",
        "transformers",
        "pyarrow",
        "jinja2",
    ]
    code = f"import sys, clipspace; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_every_public_name_resolves():
    for name in clipspace.__all__:
        assert getattr(clipspace, name) is not None
    assert set(clipspace.__all__) == set(clipspace._HOME_OF)
    assert re.match(r"\d+\.\d+", clipspace.__version__)
    with pytest.raises(AttributeError, match="nonsense"):
        clipspace.nonsense  # noqa: B018


def test_the_public_names_are_few_and_the_projects_verbs_are_among_them():
    assert len(clipspace.__all__) <= 20
    assert {"invert", "interpolate", "text_diff", "variations", "reconstruct", "PCA"} <= set(clipspace.__all__)


def test_no_package_attribute_hides_a_module():
    for name in MODULES:
        module = importlib.import_module(name)
        parent, _, leaf = name.rpartition(".")
        assert getattr(importlib.import_module(parent), leaf) is module, f"{parent}.{leaf} is not the module {name}"


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name):
    module = importlib.import_module(name)
    assert module.__doc__
    names = {"np": importlib.import_module("numpy")}
    assert doctest.testmod(module, extraglobs=names).failed == 0


@pytest.mark.parametrize(
    "name",
    [
        "probes.classification",
        "probes.nearest_neighbours",
        "probes.directions",
        "probes.modalities",
        "probes.ridge_regression",
        "probes.text_basis",
    ],
)
def test_probes_that_need_no_torch_do_not_load_it(name):
    code = f"import sys, clipspace.{name}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_sdist_holds_what_its_tests_read():
    project = ROOT.parent
    if not (project / "pyproject.toml").is_file():
        pytest.skip("clipspace is installed without its sources")
    held = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"][
        "include"
    ]
    there = {path.name for path in project.iterdir() if path.name[0] != "."}
    read = {
        name
        for test in (project / "tests").rglob("*.py")
        for name in re.findall(r"""["']([\w.-]+)["'/]""", test.read_text(encoding="utf-8"))
        if re.search(r"ROOT|parent\.parent|parents\[", test.read_text(encoding="utf-8"))
    }
    assert {f"/{name}" for name in (there & read) - {"build", "dist"}} <= {*held, "/pyproject.toml"}
    assert {"/docs", "/README.md", "/analyses", "/figures"} <= set(held)
