"""The analyses that look through the decoder: their numbers against known truths, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from clipspace import encode
from clipspace.analyses import analysis, caption
from clipspace.analyses.asking import ask, bring
from clipspace.errors import CapabilityError, InputError
from clipspace.probes.typographic import attack_scores, print_word
from clipspace.scenes import Scene, Thing, render, sample_scenes
from clipspace.sources.images import psnr

FEW = {"num_inference_steps": 2}
OF_IMAGES = ("interpolation", "text_diff", "pca_reconstruction", "typographic_attack", "guidance", "neighbours")


@pytest.fixture(scope="module")
def space(quick):
    """Of any decoder: what is measured of its images is measured again, and no image need show anything."""
    return quick


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of twelve scenes, in a folder and in one below it."""
    path = tmp_path_factory.mktemp("pictures")
    (path / "more").mkdir()
    for i, scene in enumerate(sample_scenes(12, seed=61, layout="one")):
        render(scene).save(path / ("more" if i % 2 else ".") / f"{i:02d}.png")
    return path


@pytest.fixture(scope="module")
def store(space, folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "store"
    encode(space, folder, path)
    return path


@pytest.mark.parametrize("name", OF_IMAGES)
def test_a_space_without_a_decoder_is_refused(name, space):
    with pytest.raises(CapabilityError, match="with a decoder"):
        analysis(name).run(replace(space, decoder=None))


@pytest.mark.parametrize("name", ["inversion", "decoder_agreement"])
def test_an_encoder_alone_can_be_reported_on(name, space):
    """What a space has no model for must say so by `CapabilityError`, which a report lists instead of stopping."""
    with pytest.raises(CapabilityError):
        analysis(name).run(replace(space, decoder=None, prior_model=None))


def test_a_space_without_a_prior_is_refused(space):
    with pytest.raises(CapabilityError, match="no prior"):
        analysis("prior_ablation").run(replace(space, prior_model=None), n=2, **FEW)


def test_interpolation_reproduces_its_keyframes_with_inverted_noise_only(space, apple, house):
    result = analysis("interpolation").run(space, [apple, house], frames=2, draws=1, num_inference_steps=20)
    kept = {(row["noise"], row["position"]): row["PSNR to keyframe, dB"] for row in result.table}
    drawn = result.arrays["images"]
    assert f"back at {min(kept['inverted', j] for j in (0, 1)):.0f} dB or better" in caption(result)
    for j, source in enumerate((apple, house)):
        assert kept["inverted", j] > 35 > kept["fixed, draw 1", j]
        for i, noise in enumerate(("inverted", "fixed, draw 1")):
            assert kept[noise, j] == psnr(Image.fromarray(drawn[i, j]), source, most=99.0)


@pytest.mark.usefixtures("coarse")
def test_interpolation_measures_keyframes_only_where_they_are(space, apple, house):
    result = analysis("interpolation").run(space, [apple, house, apple], frames=3, draws=0, **FEW)
    assert result.labels["columns"] == ["0", "0.5", "1", "1.5", "2"]
    assert [row["PSNR to keyframe, dB"] is None for row in result.table] == [False, True, False, True, False]
    with pytest.raises(InputError, match="2 images or more"):
        analysis("interpolation").run(space, [apple])


@pytest.mark.usefixtures("coarse")
def test_text_diff_takes_own_texts(space, apple, house):
    result = analysis("text_diff").run(space, [apple, house], before="a red apple", after="a blue car", frames=2, **FEW)
    assert [(row["before"], row["after"]) for row in result.table] == [("a red apple", "a blue car")] * 2
    alone = analysis("text_diff").run(space, [apple], after="a blue car", frames=2, **FEW)
    assert alone.column("P(after), last") == [None]
    assert alone.labels["rows"] == ["→ a blue car"]
    for said in (caption(result), caption(alone)):
        assert "with one change" not in said  # which only suggested edits are
        assert "other two" not in said  # two values change here
    assert "text difference" in caption(result)
    assert "text difference" not in caption(alone)
    unread = [replace(one, labels={**one.labels, "read": []}) for one in (result, alone)]
    assert ["to the old" in caption(one) for one in unread] == [True, False]
    with pytest.raises(InputError, match="after="):
        analysis("text_diff").run(space, [apple], before="a red apple")


def test_a_ladder_of_scenes_explains_what_numpy_says_and_reads_all_in_the_end(space, apple):
    result = analysis("pca_reconstruction").run(
        space, [apple], n=300, readings=60, components=(1, 4, 128, 999), seed=5, **FEW
    )
    unit = space.encode_images([render(scene) for scene in sample_scenes(300, seed=6)]).unit
    variance = np.linalg.svd(unit - unit.mean(axis=0), compute_uv=False) ** 2
    assert result.column("components") == [1, 4, 128]
    assert "the other images" not in caption(result)  # of one image there are none
    for k, explained in zip((1, 4, 128), result.column("variance explained"), strict=True):
        assert np.isclose(explained, variance[:k].sum() / variance.sum(), atol=1e-6)
    for factor in ("colour read", "thing read", "ground read"):
        rates = result.column(factor)
        assert rates[0] < 0.6
        assert rates[-1] > 0.9
    assert np.isclose(result.column("cosine to z")[-1], 1)


def test_a_ladder_fitted_on_a_store_reads_no_scenes(space, apple, store):
    brought = bring([apple], store, None, store, seed=0)
    result = ask("pca_reconstruction", space, brought, components=(2, 8), seed=0, **FEW)
    assert result.provenance.data == "Computed on 1 image given; components fitted on 12 rows of store store (mini)."
    read = ["variance explained", "cosine to z", "cosine of E(decode) to z", "cosine of E(decode) to others"]
    assert list(result.table.rows[0]) == ["components", *read]
    assert result.column("variance explained")[1] > result.column("variance explained")[0]


def test_every_image_gets_every_word_and_the_blank_card_is_the_control(space, apple, house):
    result = analysis("typographic_attack").run(space, [apple, house], words=("star", "hello"), draws=2, **FEW)
    rows = {(row["card"], row["seen"]): row for row in result.table}
    assert list(rows) == [(card, seen) for seen in ("image", "decode") for card in ("bare", "blank card", "word")]
    assert {(row["images"], row["pairs"], row["chance"]) for row in result.table} == {(2, 4, 1 / 4)}
    assert rows["bare", "image"]["read as the thing"] == 1
    assert rows["word", "image"]["P(word)"] > 5 * rows["blank card", "image"]["P(word)"]
    pairs = [("apple", "star"), ("apple", "hello"), ("house", "star"), ("house", "hello")]
    oracle = attack_scores(
        space,
        {"word": [print_word({"apple": apple, "house": house}[t], w) for t, w in pairs]},
        *zip(*pairs, strict=True),
    )
    assert rows["word", "image"]["read as the word"] == pytest.approx(oracle["word", "image", "word", "share"].value)
    assert rows["word", "image"]["P(thing)"] == pytest.approx(oracle["word", "image", "thing", "probability"].value)
    assert len(result.labels["rows"]) == len(result.arrays["images"]) == 4


def test_words_are_chosen_that_no_picture_shows(space):
    pizza = render(Scene("white", (Thing("pizza", "red"),)))
    assert analysis("typographic_attack").run(space, [pizza], draws=1, **FEW).labels["words"] == ["ipod", "car"]


@pytest.mark.parametrize("words", [("ipod", "apple"), ("",)])
def test_words_that_cannot_attack_are_refused(space, apple, words):
    with pytest.raises(InputError, match="words other than"):
        analysis("typographic_attack").run(space, [apple], words=words)


def test_own_captions_have_no_true_image(space):
    result = analysis("prior_ablation").run(space, ["a red apple", "a blue house"], **FEW)
    assert result.labels["rows"] == ["no condition", "text embedding", "prior"]
    assert set(result.column("cosine to the true image")) == {None}
    alone = analysis("prior_ablation").run(space, ["a red apple"], **FEW)
    assert set(alone.column("cosine to other texts")) == {None}
    assert ["to the other texts" in caption(one) for one in (result, alone)] == [True, False]


def test_conditions_share_their_noise_and_the_prior_comes_nearest_to_the_true_image(space):
    result = analysis("prior_ablation").run(space, n=8, seed=2, **FEW)
    before = dict(zip(result.column("condition"), result.column("condition to the true image"), strict=True))
    assert before["no condition"] is None
    assert before["text embedding"] < before["prior"] < before["image embedding"]
    assert np.isclose(before["image embedding"], 1)
    scenes = sample_scenes(8, seed=5, layout="one")
    expected = space.decode(
        space.encode_images([render(scene) for scene in scenes]), noise=space.noise(8, seed=2), **FEW
    )
    shown = result.arrays["images"][result.labels["rows"].index("image embedding")]
    assert np.array_equal(shown, np.stack([np.asarray(image) for image in expected]))


def test_guidance_of_one_is_a_plain_decode_and_numbers_are_of_the_pictures(space, apple, house):
    result = analysis("guidance").run(space, [apple, house], scales=(1.0, 3.0), draws=2, seed=4, **FEW)
    points = space.encode_images([apple, house])
    plain = space.decode(points[[0, 0, 1, 1]], seed=4, **FEW)
    assert np.array_equal(result.arrays["images"][0], np.stack([np.asarray(image) for image in plain]))
    again = space.encode_images([Image.fromarray(image) for image in result.arrays["images"][1]]).unit
    assert np.isclose(result.table.rows[1]["cycle cosine"], np.mean(np.sum(again * points.unit[[0, 0, 1, 1]], axis=1)))
    assert np.isclose(result.table.rows[1]["diversity"], 1 - (again[0] @ again[1] + again[2] @ again[3]) / 2)
    with pytest.raises(InputError, match="scales above 0"):
        analysis("guidance").run(space, [apple], scales=(0.0, 1.0))


def test_a_picture_of_the_set_is_its_own_neighbour(space, folder, store, tmp_path):
    brought = bring([folder / "more" / "01.png"], store, folder, tmp_path, seed=0)
    result = ask("neighbours", space, brought, k=3, seed=0, **FEW)
    rows = {(row["of"], row["picture"]): row for row in result.table}
    first = rows["z", "neighbour 1"]
    assert first["name"].endswith("01.png")
    assert np.isclose(first["cosine"], 1, atol=1e-4)
    for which in ("z", "edited z"):
        cosines = [rows[which, f"neighbour {rank}"]["cosine"] for rank in (1, 2, 3)]
        assert cosines == sorted(cosines, reverse=True)
    shown = folder / rows["edited z", "neighbour 1"]["name"]
    with Image.open(shown) as image:
        assert np.array_equal(result.arrays["neighbours"][0, 0], np.asarray(image.convert("RGB")))


def test_neighbours_without_their_image_files_are_refused(space, apple, store, tmp_path):
    apple.save(tmp_path / "stranger.png")
    with pytest.raises(InputError, match="give what was encoded"):
        bring([apple], store, tmp_path, tmp_path, seed=0)
