"""What an analysis is computed on: what is given of it, what is not, and the sentence that says so."""

import numpy as np
import pytest

from clipspace.analyses import about, names
from clipspace.analyses.asking import Brought, ask, bring, computed_on, inputs, missing
from clipspace.errors import InputError, SpaceMismatchError
from clipspace.scenes import caption, render, sample_scenes
from clipspace.space import untrained_space
from clipspace.space.encoding import encode

N = 60
_OF_IMAGES = {"rows", "images", "among"}


@pytest.fixture(scope="module")
def space(quick):
    return quick


@pytest.fixture(scope="module")
def scenes():
    return sample_scenes(N, seed=5150)


@pytest.fixture(scope="module")
def folder(scenes, tmp_path_factory):
    path = tmp_path_factory.mktemp("given")
    for i, scene in enumerate(scenes):
        below = path / "abc"[i % 3]
        below.mkdir(exist_ok=True)
        render(scene).save(below / f"{i:02}.png")
        (below / f"{i:02}.txt").write_text(caption(scene, np.random.default_rng(i)).text)
    return path


@pytest.fixture(scope="module")
def store(space, folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "mine"
    encode(space, folder, path)
    return path


@pytest.fixture
def whole(store, folder, tmp_path):
    return bring(None, store, folder, tmp_path, seed=0)


@pytest.mark.parametrize("name", names())
def test_every_analysis_says_what_it_takes(name):
    assert set(about(name).takes) <= _OF_IMAGES | {"points", "others", "pairs", "captions", "scenes"}
    assert "scene" in about(name).scenes or "rendered" in about(name).scenes


def test_what_a_store_alone_lacks_is_said_and_what_it_has_is_not(store, tmp_path):
    brought = bring(None, store, None, tmp_path, seed=0)
    for name in names():
        takes = set(about(name).takes)
        reason = missing(name, brought)
        if takes & _OF_IMAGES:
            assert "--source" in reason
        elif "scenes" in takes:
            assert "rendered scenes" in reason
        else:
            assert reason is None, name


def test_of_a_store_and_its_source_only_the_truth_of_scenes_is_missing(whole):
    assert {name for name in names() if missing(name, whole)} == {"binding"}


def test_of_images_captions_and_the_truth_of_scenes_are_missing(folder, tmp_path):
    brought = bring([folder], None, None, tmp_path, seed=0)
    assert {name for name in names() if missing(name, brought)} == {"binding", "modality_gap", "prior_ablation"}


def test_without_anything_nothing_is_missing_and_scenes_are_said():
    assert not any(missing(name, Brought()) for name in names())
    said = computed_on("spectrum", Brought(), {"images": 3000})
    assert said == "Computed on 3,000 rendered scenes and captions of them; no images and no store were given."


def test_the_sentence_says_how_many_of_how_many(whole, folder, tmp_path):
    images = bring([folder], None, None, tmp_path, seed=0)
    one = bring([sorted(folder.rglob("*.png"))[0]], None, None, tmp_path, seed=0)
    said = {
        ("variations", images): f"6 of 60 images of {folder}, evenly spaced",
        ("variations", whole): "6 of 60 images of store mine (mini), evenly spaced",
        ("variations", one): "1 image given",
        ("inversion", whole): "2 of 60 images of store mine (mini), evenly spaced",
        ("spectrum", images): f"60 images of {folder}",
        ("spectrum", whole): "60 rows of store mine (mini)",
        ("retention", whole): "60 images of store mine (mini)",
        ("compare", whole): "60 images of store mine (mini)",
        ("modality_gap", whole): "60 rows of store mine (mini), and their captions",
        ("prior_ablation", whole): "12 captions of store mine (mini), evenly spaced",
        ("neighbours", whole): "6 of 60 images of store mine (mini), evenly spaced; neighbours among 60 rows of store "
        f"mine (mini); {about('neighbours').read}",
        (
            "pca_reconstruction",
            whole,
        ): "6 of 60 images of store mine (mini), evenly spaced; components fitted on 60 rows "
        "of store mine (mini), less the 6 shown",
    }
    for (name, brought), sentence in said.items():
        assert computed_on(name, brought, {"texts": ["text"] * 12}) == f"Computed on {sentence}."


def test_components_of_a_few_images_are_those_of_scenes_and_it_is_said(apple, tmp_path):
    brought = bring([apple] * 3, None, None, tmp_path, seed=0)
    said = computed_on("pca_reconstruction", brought, {"n": 1000, "readings": 200})
    assert said == (
        "Computed on 3 images given; components fitted on 1,000 rendered scenes, since only 0 other images were given, "
        "and read off 200 more."
    )


def test_inputs_are_named_with_a_digest(whole, store):
    found = inputs("variations", whole)
    assert found[0] == {
        "kind": "store",
        "name": "store mine (mini)",
        "digest": whole.points.store.hash,
        "rows": 60,
        "of": 60,
    }
    assert [one["kind"] for one in found[1:]] == ["image"] * 6
    assert len({one["digest"] for one in found}) == 7


def test_points_are_the_rows_of_the_store_and_images_those_of_their_rows(space, whole):
    stored = whole.points.store
    points = whole.points.points(space)
    np.testing.assert_array_equal(points.vectors, np.concatenate(list(stored.blocks())))
    read = whole.images.read([3, 50])
    assert list(read) == [stored.names[3], stored.names[50]]
    again = space.encode_images(read)
    np.testing.assert_allclose(again.unit, points[[3, 50]].unit, atol=1e-4)
    assert again.names == tuple(read)


def test_a_neighbour_is_never_the_image_itself(space, whole):
    found = ask("neighbours", space, whole, k=2, num_inference_steps=1, seed=0)
    own = {row["image"] for row in found.table}
    for row in found.table:
        assert row["name"] != row["image"]
        if row["picture"] != "decode":
            assert row["cosine"] < 0.9999
    assert len(own) == 6
    x = whole.points.points(space).unit
    for i, name in zip((0, 12, 24, 35, 47, 59), dict.fromkeys(found.column("image")), strict=True):
        best = np.sort(np.delete(x @ x[i], i))[::-1][:2]
        cosines = [row["cosine"] for row in found.table if row["image"] == name and row["of"] == "z"]
        np.testing.assert_allclose(cosines[1:], best, atol=1e-3)


def test_components_are_those_of_the_rows_that_are_not_shown(space, whole):
    found = ask("pca_reconstruction", space, whole, components=(4, 16), num_inference_steps=1, seed=0)
    x = np.delete(whole.points.points(space).unit, [0, 12, 24, 35, 47, 59], axis=0)
    variance = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    expected = [variance[:k].sum() / variance.sum() for k in (4, 16)]
    np.testing.assert_allclose(found.column("variance explained"), expected, atol=1e-5)
    assert "thing read" not in found.table.rows[0]


def test_a_map_has_the_folders_of_images_and_the_columns_of_a_store(space, folder, tmp_path):
    brought = bring([folder], None, None, tmp_path, seed=0)
    found = ask("map", space, brought, method="pca", seed=0)
    assert found.column("column") == ["neighbours", "folder"]
    assert len(found.arrays["coordinates"]) == N
    assert found.provenance.data == f"Computed on {N} images of {folder}."


def test_a_store_of_another_space_and_images_of_another_store_are_refused(space, store, whole, tmp_path, house):
    with pytest.raises(SpaceMismatchError, match="report: expected embeddings of"):
        whole.check(untrained_space("mini", seed=0))
    whole.check(space)
    other = tmp_path / "other"
    for name in whole.points.names:
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        house.save(other / name)
    (tmp_path / "spool").mkdir()
    swapped = bring(None, store, other, tmp_path / "spool", seed=0)
    with pytest.raises(InputError, match=r"expected images that store mine \(mini\) was encoded from"):
        swapped.check(space)
    with pytest.raises(InputError, match="pass --store"):
        bring(None, None, other, tmp_path, seed=0)


def test_a_sample_is_drawn_of_a_large_store_and_said(space, store, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("clipspace.analyses.given.MOST", 20)
    brought = bring(None, store, folder, tmp_path, seed=0)
    assert len(brought.points) == 20
    assert (np.diff(brought.points.rows) > 0).all()
    said = computed_on("spectrum", brought, {})
    assert said == "Computed on 20 of 60 rows of store mine (mini), drawn at random."
    stored = brought.points.store[brought.points.rows]
    np.testing.assert_array_equal(brought.points.points(space).vectors, stored.vectors)
    assert list(brought.points.names) == list(stored.names)
