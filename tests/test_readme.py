"""The README: what it says to run runs, its links lead somewhere, and its tables agree with those they shorten."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from command_line import run, shown_commands, unknown_options

from clipspace.scenes import render, sample_scenes

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
COMPARISON = ROOT / "docs" / "comparison.md"
pytestmark = pytest.mark.skipif(not COMPARISON.exists(), reason="the tests were copied away from the repository")

SMALLER = {
    "probe retention": ["--scenes", "400", "--pairs", "4", "--no-perceptron"],
    "probe typographic": ["--scenes", "20"],
}
"""Options that keep a command short here; without them it does the same, to more scenes."""
ELSEWHERE = ("demo", "report")
"""Commands of minutes, which have tests of their own."""


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def _commands() -> list[list[str]]:
    """Every command of the README, in order, but those of minutes."""
    return [command for command in shown_commands(README.read_text()) if command[0] not in ELSEWHERE]


def test_the_ten_lines_run(effort, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _blocks("python")
    for block in _blocks("python"):
        exec(compile(block, str(README), "exec"), {})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["blue.png", "path.gif", "seen.png", "variations.png"]


def test_the_commands_and_their_options_are_known(monkeypatch, capsys):
    """They run in the slow run."""
    monkeypatch.setenv("COLUMNS", "200")
    assert len(_commands()) >= 8
    for command in _commands():
        assert unknown_options(command, capsys) == [], f"of clipspace {' '.join(command)}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*add images:UserWarning")
def test_the_commands_run_in_their_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for i, scene in enumerate(sample_scenes(60, seed=5)):
        render(scene).save(f"photos/{i}.png")
    assert len(_commands()) >= 8
    for command in _commands():
        assert run(*command, *SMALLER.get(" ".join(command[:2]), [])) == 0, capsys.readouterr().err
        assert capsys.readouterr().out


def test_the_two_commands_are_where_they_are_looked_for():
    lines = README.read_text().splitlines()
    assert "pip install . && clipspace demo" in lines
    assert [line for line in lines if re.match(r"pip install .*pytest", line)] == [
        "pip install '.[test]' && pytest -n 2"
    ]


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "clipspace/mini/MODEL_CARD.md",
        *Path(ROOT, "docs").glob("*.md"),
    ],
)
def test_links_lead_somewhere(page):
    page = ROOT / page
    text = page.read_text()
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[\w-]+\]: (\S+)", text, re.MULTILINE)
    for target in targets:
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        there = page.parent / file if file else page
        assert there.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in _anchors(there.read_text()), f"{page.name} links to {target}"


def _anchors(text: str) -> set[str]:
    """Where the headings of a page are, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _cells(text: str) -> dict[tuple[str, str], str]:
    """The first word of every cell of a comparison, by row and tool."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    start = next(i for i, line in enumerate(lines) if "clipspace | [" in line)
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:]]
    tools = [re.search(r"\w[\w-]+", cell)[0] if cell else "" for cell in head]
    return {
        (row[0], tool): re.sub(r"[\[\]]", " ", cell).split()[0]
        for row in rows
        for tool, cell in zip(tools, row, strict=True)
    }


def test_the_short_comparison_says_what_the_long_one_says():
    short, long = _cells(README.read_text()), _cells(COMPARISON.read_text())
    assert len(short) > 50
    assert {key: long[key] for key in short} == short


def test_every_claim_of_the_comparison_has_a_link():
    text = COMPARISON.read_text()
    links = set(re.findall(r"^\[([\w-]+)\]: ", text, re.MULTILINE))
    used = re.findall(r"\]\[([\w-]+)\]", text)
    assert set(used) == links
    table = [line for line in text.splitlines() if line.startswith("| ")][1:]
    for cell in (cell.strip() for line in table for cell in line.strip("|").split("|")[1:]):
        assert cell == "–" or re.match(r"\[(yes|part|–)\]\[", cell), cell


def test_one_version_is_named_everywhere():
    number = version("clipspace")
    assert f"version: {number}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {number}\n" in (ROOT / "CHANGELOG.md").read_text()
