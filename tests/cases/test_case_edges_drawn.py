"""What stands at the edges: labels as their owner wrote them, and images as large as their decoder made them."""

import html
import io
import re
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from matplotlib.figure import Figure
from PIL import Image

from clipspace import plot
from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings
from clipspace.probes.typographic import print_word, typographic_attack
from clipspace.results.pictures import Pictures
from clipspace.results.provenance import Provenance
from clipspace.results.result import Result

NAMES = ["_hidden", "a $5 note, then a $10 note", "cost $x_{ $", "back\\slash \\$1", "50 % & <b>"]
CELLS = np.zeros((1, 5, 4, 4, 3), np.uint8)
TALL = CELLS.swapaxes(0, 1)
STEPS = np.arange(3.0)
LINES = {name: STEPS + i for i, name in enumerate(NAMES)}

DRAWN = {
    "grid columns": lambda ax: plot.grid(CELLS, column_labels=NAMES, ax=ax),
    "grid rows": lambda ax: plot.grid(TALL, row_labels=NAMES, wrap=40, ax=ax),
    "grid captions": lambda ax: plot.grid(CELLS, captions=[NAMES], ax=ax),
    "pairs": lambda ax: plot.pairs(TALL[:, 0], TALL[:, 0], row_labels=NAMES, ax=ax),
    "curves, named at their ends": lambda ax: plot.curves(STEPS, LINES, ax=ax),
    "curves, in a legend": lambda ax: plot.curves(STEPS, LINES, ends=False, ax=ax),
    "heatmap": lambda ax: plot.heatmap(np.eye(5), row_labels=NAMES, column_labels=NAMES, ax=ax),
    "intervals": lambda ax: plot.intervals(NAMES, [0.1] * 5, ax=ax),
    "ladder": lambda ax: plot.ladder([1, 2, 3], {name: [0, 0.5, 1] for name in NAMES}, ax=ax),
    "probabilities": lambda ax: plot.probabilities(np.full((1, 5), 0.2), NAMES, ax=ax),
    "scatter": lambda ax: plot.scatter(np.eye(5)[:, :2] + np.arange(5)[:, None], column=NAMES, ax=ax),
}


def _shown(figure: Figure) -> str:
    """What a reader sees, from the text of an SVG."""
    with plot.paper():
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg")
    return html.unescape(re.sub("<!--.*?-->", "", buffer.getvalue(), flags=re.DOTALL))


@pytest.mark.parametrize("how", DRAWN)
@pytest.mark.parametrize("own_figure", [False, True])
def test_labels_are_shown_as_they_are_written(how, own_figure):
    shown = _shown((DRAWN[how](None) if own_figure else DRAWN[how](Figure().subplots())).figure)
    for name in NAMES:
        assert f">{name}<" in shown


def test_numbers_on_a_logarithmic_axis_are_still_powers():
    ax = Figure().subplots()
    ax.set_yscale("log")
    plot.curves(STEPS, {"_a $1": 10.0**STEPS}, ends=False, ax=ax)
    ax.set_title("$\\theta$ of its owner")
    shown = _shown(ax.figure)
    assert ">_a $1<" in shown
    assert "mathdefault" not in shown
    assert "\\theta" not in shown
    assert "θ" in shown


def test_a_figure_names_its_sets_and_columns_as_they_are():
    from clipspace.analyses import draw

    table = [{"column": "price in $, or $$", "shared in the space": 0.9, "shared on the map": 0.2, "chance": 0.2}]
    arrays = {
        "coordinates": np.random.default_rng(0).normal(size=(5, 2)),
        "rows": np.arange(5),
        "thumbnails": TALL[:, 0],
    }
    labels = {"values": NAMES, "colored by": ["price in $, or $$"]}
    made = Provenance("map", options={"method": "umap"})
    shown = _shown(draw(Result("map", table, [], arrays, labels, made)))
    for name in NAMES:
        assert f">{name}<" in shown
    assert "by price in $, or $$<" in shown


PAIRS = {
    "Chinese": ("苹果", "房子"),
    "Japanese": ("りんご", "いえ"),
    "Korean": ("사과", "집"),
    "emoji": ("🍎", "🏠"),
    "Cyrillic": ("яблоко", "дом"),
    "Greek": ("μήλο", "σπίτι"),
    "accents": ("pâté", "pòtò"),
}


@pytest.mark.parametrize("script", PAIRS)
def test_two_words_are_two_images_or_an_error_that_names_what_the_font_lacks(script, house):
    one, other = PAIRS[script]
    if script in ("Cyrillic", "Greek", "accents"):
        assert print_word(house, one) != print_word(house, other)
        return
    with pytest.raises(InputError) as error:
        print_word(house, one)
    assert all(repr(character) in str(error.value) for character in one)
    assert "font=" in str(error.value)


@pytest.fixture
def cjk() -> Path:
    found = sorted(Path("/usr/share/fonts").rglob("NotoSansCJK*.tt*")) + sorted(Path("/Library/Fonts").rglob("*CJK*"))
    if not found:
        pytest.skip("no font of Chinese, Japanese and Korean is installed")
    return found[0]


@pytest.mark.parametrize("script", ["Chinese", "Japanese", "Korean"])
def test_a_font_of_ones_own_prints_what_the_others_lack(script, house, cjk):
    one, other = PAIRS[script]
    assert print_word(house, one, font=cjk) != print_word(house, other, font=cjk)


def test_the_probe_prints_no_boxes_and_says_its_fonts(space, house, cjk):
    with pytest.raises(InputError, match="lacks '苹', '果'"):
        typographic_attack(space, [house], ["house"], ["苹果"], widths=())
    found = typographic_attack(space, [house], ["house"], ["苹果"], widths=(), font=cjk)
    assert found.provenance.options["fonts"] == ["Noto Sans CJK JP"]
    assert typographic_attack(space, [house], ["house"], ["дом"], widths=()).provenance.options["fonts"] == [
        "DejaVu Sans"
    ]


def test_the_command_takes_a_font(house, tmp_path, capsys):
    house.save(tmp_path / "a.png")
    arguments = [
        "probe",
        "typographic",
        str(tmp_path / "a.png"),
        "--label",
        "house",
        "--word",
        "苹果",
        "--device",
        "cpu",
    ]
    assert run(*arguments) == 1
    assert "--font" in capsys.readouterr().err
    assert run(*arguments, "--font", str(tmp_path / "no.ttf")) == 1
    assert "not there" in capsys.readouterr().err


def _noise(side: int, n: int = 3) -> list[Image.Image]:
    rng = np.random.default_rng(side)
    return [Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)) for _ in range(n)]


def _pictures(side: int) -> Pictures:
    return Pictures.of(
        [_noise(side)],
        Embeddings(np.ones((3, 2))),
        Provenance("test"),
        row_labels=["a row"],
        column_labels=["a", "b", "a longer label of a column"],
    )


@pytest.mark.parametrize("side", [512, 768, 113])
def test_a_sheet_holds_the_pixels_of_the_decoder(side, tmp_path):
    pictures = _pictures(side)
    with Image.open(pictures.save(tmp_path / "a.png")) as sheet:
        whole = np.asarray(sheet)
    assert whole.shape[1] > 3 * side
    for image in pictures.images:
        wanted = np.asarray(image)
        starts = np.argwhere(
            (whole[:-1, :-1] == wanted[0, 0]).all(axis=2) & (whole[1:, 1:] == wanted[1, 1]).all(axis=2)
        )
        assert any(np.array_equal(whole[y : y + side, x : x + side], wanted) for y, x in starts)


@pytest.mark.parametrize(("side", "expected"), [(512, 512), (768, 768), (64, 224)])
@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_has_the_size_of_the_decoder(side, expected, suffix, tmp_path):
    with Image.open(_pictures(side).save(tmp_path / f"a{suffix}")) as animation:
        assert (animation.size, animation.n_frames) == ((expected, expected), 3)


@pytest.mark.parametrize(("side", "expected"), [(512, 512), (333, 334), (64, 256)])
def test_a_video_has_the_size_of_the_decoder_made_even(side, expected, tmp_path):
    av = pytest.importorskip("av")
    with av.open(_pictures(side).save(tmp_path / "a.mp4")) as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == (expected, expected)


def test_small_images_are_enlarged_and_labels_keep_their_share_of_the_sheet():
    small, large = _pictures(64).sheet(), _pictures(112 * 4).sheet()
    assert np.allclose(np.array(large.size) / small.size, 4, atol=0.05)
    assert (
        Image.open(io.BytesIO(_pictures(768)._repr_png_())).width < 1000
    )  # a notebook is no place for 768 pixels each


def test_an_image_of_another_shape_is_neither_stretched_nor_sets_the_size():
    wide = Image.new("RGB", (4000, 1000), "red")
    pictures = Pictures.of([[*_noise(200), wide]], Embeddings(np.ones((4, 2))), Provenance("test"))
    assert pictures.side == 200
    sheet = np.asarray(pictures.sheet())
    red = (sheet == (255, 0, 0)).all(axis=2)
    assert (red.any(axis=0).sum(), red.any(axis=1).sum()) == (200, 50)


def test_a_label_of_any_script_is_drawn_on_a_sheet():
    one, other = (
        Pictures.of([_noise(64)], Embeddings(np.ones((3, 2))), Provenance("test"), row_labels=[label])
        for label in ("яблоко", "домдом")
    )
    assert not np.array_equal(
        np.asarray(one.sheet().crop((0, 0, 40, 110))), np.asarray(other.sheet().crop((0, 0, 40, 110)))
    )
