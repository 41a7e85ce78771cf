"""Numbers of decoded images: each beside its baseline, judged by something other than the CLIP that steered them."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from clipspace import text_diff
from clipspace.analyses import analysis, draw
from clipspace.cli.probe_images import _to_attack
from clipspace.errors import InputError, UnfamiliarWarning
from clipspace.manipulate.edits import check_judge
from clipspace.measure.column_structure import structure
from clipspace.points.code import Code
from clipspace.probes.typographic import attack_scores, print_word
from clipspace.scenes import Scene, Thing, factor_table, render, sample_scenes
from clipspace.search.exact import neighbours
from clipspace.space import untrained_space

FEW = {"num_inference_steps": 4}
SOME = ["variations", "interpolation", "guidance"]
QUICK = {"variations": {"n": 1}, "interpolation": {"frames": 2, "draws": 0}, "guidance": {"scales": (1.0,), "draws": 2}}
MORE = Scene("navy", (Thing("star", "yellow", x=0.6),))


@pytest.fixture
def drawn_codes(monkeypatch):
    """Codes whose x_T is drawn and not inverted, which takes most of the time and is not what is tested here."""

    def code(space, images, *, num_inference_steps):
        n = len(images)
        facts = (num_inference_steps, 1.0, np.zeros(n), np.zeros(n), space.weights["decoder"])
        return Code(space.encode_images(images), space.noise(n), *facts)

    for name in ("variations", "interpolation", "text_diff"):
        monkeypatch.setattr(f"clipspace.analyses.{name}.inverted", code)


@pytest.mark.usefixtures("drawn_codes")
@pytest.mark.parametrize("name", SOME)
def test_a_cosine_to_z_stands_beside_that_to_the_z_of_others(name, space, apple, house):
    images = [apple, house, render(MORE)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnfamiliarWarning)  # the decoder's own world
        found = analysis(name).run(space, images, **QUICK[name], **FEW)
    own = found.column("cycle cosine" if name == "guidance" else "cosine to z")
    assert np.mean(own) > np.mean(found.column("cosine to others")) + 0.2
    assert any("circular" in said for said in found.findings)
    assert not any("far from" in said for said in found.findings)


def test_the_baseline_is_the_mean_over_other_images(quick, apple, house):
    images = [apple, house, render(MORE)]
    found = analysis("guidance").run(quick, images, scales=(1.0,), draws=2, seed=3, **FEW)
    z = quick.encode_images(images).unit
    redrawn = quick.encode_images(list(found.arrays["images"][0])).unit.reshape(3, 2, -1)
    expected = np.mean([redrawn[i, k] @ z[j] for i in range(3) for j in range(3) if i != j for k in range(2)])
    assert found.table.rows[0]["cosine to others"] == pytest.approx(expected)


def test_photographs_are_said_to_be_far_from_what_the_decoder_knows(space, photos):
    with pytest.warns(UnfamiliarWarning, match="3 of 3 images lie far"):
        found = analysis("guidance").run(space, photos[:3], scales=(1.0,), draws=2, **FEW)
    assert found.findings[0].startswith("3 of 3 images lie far from what the decoder draws")
    assert found.table.rows[0]["cosine to others"] > 0.5  # so a cosine of 0.85 says less than it seems to


@pytest.mark.usefixtures("drawn_codes")
def test_a_text_diff_of_scenes_is_judged_by_readers_that_know_no_clip(quick, apple, house):
    found = analysis("text_diff").run(quick, [apple, house], frames=2, **FEW)
    said = " ".join(found.findings)
    assert "Readers without CLIP find the new value in" in said
    assert said.count("chance") == 3
    assert "circular" in said
    assert {row["others"] for row in found.table} == {2}
    assert [bool(read) for read in found.labels["read"]] == [True, True]
    assert all(row["cosine to before, last"] is not None for row in found.table)


@pytest.mark.usefixtures("drawn_codes")
def test_elsewhere_it_is_judged_by_a_second_encoder_or_said_to_be_circular(space, photos):
    judge = untrained_space("mini", seed=3)
    with pytest.warns(UnfamiliarWarning):
        found = analysis("text_diff").run(
            space, photos[:1], before="a red cat", after="a blue cat", frames=2, judge=judge, **FEW
        )
    said = " ".join(found.findings)
    assert "Readers" not in said
    assert "which did not steer the images" in said
    assert "circular" in said
    row = found.table.rows[0]
    image = found.arrays["images"][0, -1]
    assert row["judge: cosine to after, last"] == pytest.approx(
        (judge.encode_images([image]).unit @ judge.encode_texts("a blue cat").unit.T)[0, 0], abs=1e-6
    )


def test_a_space_is_no_judge_of_itself(space, apple):
    with pytest.raises(InputError, match="got the space itself"):
        text_diff(space, apple, "a red apple", "a blue apple", judge=space)
    with pytest.raises(InputError, match="got the space itself"):  # whose prior judges nothing
        text_diff(space, apple, "a red apple", "a blue apple", judge=replace(space, prior_model=None))


def test_an_encoder_alone_is_no_judge_of_itself_which_is_said_before_the_work(space, apple, monkeypatch):
    monkeypatch.setattr(type(space), "invert", lambda *args, **options: pytest.fail("inverted before it was checked"))
    with pytest.raises(InputError, match="got its encoder alone"):
        text_diff(space, apple, "a red apple", "a blue apple", judge=replace(space, decoder=None))


def test_offloaded_decoders_of_one_encoder_are_judges_of_each_other(space, monkeypatch):
    other = replace(space, decoder=object())
    monkeypatch.setattr(
        type(space), "weights", {"encoder": space.stamp.weights, "decoder": None}
    )  # as of networks on no device
    check_judge(space, other)
    with pytest.raises(InputError, match="got the space itself"):
        check_judge(space, space)


def test_the_map_is_coloured_by_the_column_that_neighbours_share_most(space):
    found = analysis("map").run(space, n=150, method="pca")
    scenes = sample_scenes(150, seed=1000, layout="one")
    near = neighbours(space.encode_images([render(scene) for scene in scenes]).unit.astype(float), 10)[1]
    table = factor_table(scenes)
    columns = {"thing": "thing1", "color": "color1", "texture": "texture1", "size": "size1", "ground": "ground"}
    best = max(columns, key=lambda name: structure(near, table[columns[name]]))
    assert found.labels["colored by"] == [best]
    assert list(found.labels["values"]) == list(table[columns[best]])


def test_the_typographic_figure_is_of_many_images_and_says_what_the_probe_says(quick):
    found = analysis("typographic_attack").run(quick, n=60, decoded=2, draws=1, num_inference_steps=2)
    images, truth, words = _to_attack(None, [], [], 60, 0)
    blank, printed = ([print_word(i, w) for i, w in zip(images, cards, strict=True)] for cards in ([""] * 60, words))
    probe = attack_scores(quick, {"bare": images, "blank": blank, "word": printed}, truth, words)
    for row in found.table.rows[:3]:
        for what in ("thing", "word"):
            expected = probe[row["card"].removesuffix(" card"), "image", what, "share"]
            assert row[f"read as the {what}"] == pytest.approx(expected.value)
        assert row["images"] == 60
    assert found.table.rows[2]["read as the word"] > 0.5
    assert {row["images"] for row in found.table.rows[3:]} == {2}
    drawn = draw(found)
    shown = [tick.get_text() for tick in drawn.axes[1].get_yticklabels()]
    assert shown == [
        f"{card}, {view}" for view in ("images (60)", "decodes (2)") for card in ("bare", "blank card", "word")
    ]
