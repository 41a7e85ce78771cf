"""Every program of docs/recipes.md runs as it stands, and leaves the pictures it promises."""

import re
from pathlib import Path

import pytest
from PIL import Image

PAGE = Path(__file__).parent.parent / "docs" / "recipes.md"
TEXT = PAGE.read_text() if PAGE.exists() else ""
RECIPES = dict(re.findall(r"## (.*?)\n.*?```python\n(.*?)```", TEXT, re.DOTALL))
PICTURES = {"One stored row, back to a picture": ["row-3.png"], "Inversion, in 20 lines": ["variation.png"]}


@pytest.mark.skipif(not TEXT, reason="the tests were copied away from the repository")
@pytest.mark.parametrize("title", RECIPES)
@pytest.mark.filterwarnings("ignore::clipspace.errors.SampleWarning")
def test_a_recipe_runs(title, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(RECIPES[title], f"{PAGE}: {title}", "exec"), {"__name__": "recipe"})
    for name in PICTURES.get(title, []):
        assert Image.open(tmp_path / name).size == (64, 64)


def test_all_recipes_are_run_and_inversion_takes_20_lines():
    assert len(RECIPES) == TEXT.count("```python") == TEXT.count("\n## ")
    lines = [line for line in RECIPES["Inversion, in 20 lines"].splitlines() if line.strip()]
    assert len(lines) <= 20
