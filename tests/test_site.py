"""The documentation as a site: every page is reached, every analysis and module has its place, and programs run."""

import pkgutil
import re
import runpy
from pathlib import Path

import pytest
from command_line import shown_commands, unknown_options

import clipspace
from clipspace.analyses import about, names, question

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="the tests were copied away from the repository")
PARTS = ("**It measures**", "**Read it**", "**It would be contradicted**")


@pytest.fixture(scope="module")
def conf():
    return runpy.run_path(str(DOCS / "conf.py"))


def _sections() -> dict[str, str]:
    """The text of each section of the page of questions, by its heading."""
    parts = re.split(r"^## (.+)$", (DOCS / "questions.md").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_page_is_in_the_contents():
    listed = re.findall(r"```{toctree}\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)
    entries = [line for block in listed for line in block.splitlines() if line and line[0] != ":"]
    pages = [path.relative_to(DOCS).with_suffix("") for path in (*DOCS.glob("*.md"), *DOCS.glob("tutorials/*.ipynb"))]
    assert sorted([*entries, "index"]) == sorted(map(str, pages))


def test_every_analysis_has_a_section_in_the_order_of_a_report():
    titles = [about(name).title for name in names()]
    assert [heading for heading in _sections() if heading in titles] == titles


@pytest.mark.parametrize("name", names())
def test_a_section_asks_its_question_and_says_how_to_read_the_answer(name):
    section = _sections()[about(name).title]
    assert section.strip().startswith(f"*{question(name)[0]}*")
    assert f"](../figures/gallery/{name}.png)" in section
    assert [section.count(part) for part in PARTS] == [1, 1, 1]
    assert f"\nclipspace analyse {name} " in section


@pytest.mark.parametrize("page", ["questions", "getting-started"])
def test_the_commands_and_their_options_are_known(page, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    commands = shown_commands((DOCS / f"{page}.md").read_text())
    assert len(commands) > 5
    assert {" ".join(command): unknown for command in commands if (unknown := unknown_options(command, capsys))} == {}


def test_the_first_program_is_that_of_the_readme_and_the_second_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = re.findall(r"```python\n.*?```", (DOCS / "getting-started.md").read_text(), re.DOTALL)
    assert first in (ROOT / "README.md").read_text()
    exec(compile(second.strip("`").removeprefix("python"), "getting-started.md", "exec"), {})
    assert sorted(path.name for path in Path("results").iterdir()) == ["knn.csv", "knn.json", "knn.npz"]


def test_the_api_has_every_module_but_the_command_line(conf):
    there = [module.name for module in pkgutil.walk_packages(clipspace.__path__, "clipspace.")]
    shown = [name for modules in conf["modules_by_part"]().values() for name in modules]
    assert sorted(shown) == ["clipspace", *sorted(name for name in there if name.split(".")[1] not in ("cli", "mini"))]


def test_sections_of_a_docstring_become_fields(conf):
    lines = ["What comes out.", "", "Parameters", "----------", "n, keep : how many", "    of them", "rows : which", ""]
    conf["as_fields"](None, "function", "f", None, None, lines)
    assert lines == [
        "What comes out.",
        "",
        ":Parameters:",
        "    - **n, keep**: how many of them",
        "    - **rows**: which",
        "",
    ]


def test_links_out_of_the_folder_lead_to_the_page_that_shows_the_file(conf):
    pages = {
        "CONTRIBUTING.md": "contributing",
        "clipspace/mini/MODEL_CARD.md": "model-card",
        "docs/scale.md": "scale",
        "docs/tutorials/1-first-steps.ipynb": "tutorials/1-first-steps",
        "clipspace/space/encoding/run.py": "api/clipspace.space",
        "clipspace/manipulate": "api/clipspace.manipulate",
        "README.md": "index",
        "LICENSE": None,
    }
    assert {file: conf["_page"](ROOT / file) for file in pages} == pages


def test_a_figure_of_the_gallery_stands_above_its_caption(conf):
    source = ["Before.\n\n![A map](../figures/gallery/map.png)\n\nAfter."]
    conf["with_captions"](None, "questions", source)
    caption = (ROOT / "figures/gallery/map.md").read_text().strip()
    figure = f"```{{figure}} ../figures/gallery/map.png\n:alt: A map\n\n{caption}\n```"
    assert source == [f"Before.\n\n{figure}\n\nAfter."]
