"""The gathered scores equal the functions they gather, and bad sets are refused or warned of."""

import numpy as np
import pytest

from clipspace import Embeddings
from clipspace.errors import InputError, SampleWarning, SpaceMismatchError
from clipspace.measure import dimension, gap, spectrum
from clipspace.points.embeddings import Stamp
from clipspace.points.sphere import unit
from clipspace.points.store import open_store, write_store
from clipspace.probes.directions import geometry
from clipspace.probes.modalities import modality_gap
from clipspace.seeds import stream


@pytest.fixture
def points(rng):
    return Embeddings(rng.normal(size=(300, 10)) * np.arange(1, 11) + 4)


def test_scores_are_those_of_the_functions(points):
    scores = geometry(points)
    assert scores["participation ratio", None].value == spectrum.participation_ratio(spectrum.spectrum(points.unit))
    assert scores["dimension", "TwoNN"].value == dimension.two_nn(points.unit)
    assert scores["mean cosine", "raw"].low < scores["mean cosine", "raw"].value < scores["mean cosine", "raw"].high
    assert abs(scores["mean cosine", "centred"].value) < scores["mean cosine", "raw"].value
    assert scores.arrays["hub counts"].sum() == 300 * 10


def test_the_interval_of_the_mean_cosine_covers_it(rng):
    hits = 0
    for seed in range(60):
        scores = geometry(Embeddings(rng.normal(size=(60, 4)) + np.eye(4)[0]), seed=seed)
        hits += scores["mean cosine", "raw"].low < 0.196 < scores["mean cosine", "raw"].high
    assert hits >= 50


def test_pairs_are_measured_on_no_more_points_than_asked(points):
    scores = geometry(points, max_points=50)
    assert scores["uniformity", None].n == 50
    assert scores["effective rank", None].n == 300
    assert scores.to_json() == geometry(points, max_points=50).to_json()


def test_duplicates_are_left_out_with_a_warning(points):
    twice = Embeddings(np.vstack([points.vectors, 2 * points.vectors[:5]]))
    with pytest.warns(SampleWarning, match="5 of 305 rows are duplicates"):
        scores = geometry(twice)
    assert scores["dimension", "TwoNN"].value == pytest.approx(dimension.two_nn(points.unit))


def test_fewer_points_than_dimensions_warn(rng):
    with pytest.warns(SampleWarning, match="20 rows in 30 dimensions span at most 19"):
        geometry(Embeddings(rng.normal(size=(20, 30))))


def test_estimators_of_scikit_dimension_are_added(points):
    pytest.importorskip("skdim")
    scores = geometry(points, estimators=["lPCA", "MOM"])
    assert scores["dimension", "lPCA"].value == dimension.by_scikit_dimension(points.unit, "lPCA")
    assert scores["dimension", "MOM"].n == 300


def test_bad_sets_are_refused(points, rng):
    vectors = points.vectors.copy()
    vectors[3, 3] = np.nan
    with pytest.raises(InputError, match=r"first \[3\]"):
        geometry(Embeddings(vectors))
    with pytest.raises(InputError, match="4 distinct rows"):
        geometry(points[:3])
    with pytest.warns(SampleWarning), pytest.raises(InputError, match="equally far"):
        geometry(Embeddings(np.eye(12)))
    with pytest.raises(InputError, match="same 4 rows"):
        modality_gap(points, points[:10])
    with pytest.raises(SpaceMismatchError):
        modality_gap(points, Embeddings(points.vectors, Stamp("m", "w", "p", 10)))


def test_a_gap_that_separates_is_closed_by_centring(rng):
    shared = rng.normal(size=(400, 24))
    images = Embeddings(shared + 0.3 * rng.normal(size=(400, 24)) + 6 * np.eye(24)[0])
    texts = Embeddings(shared + 0.3 * rng.normal(size=(400, 24)) + 6 * np.eye(24)[1], modality="text")
    scores = modality_gap(images, texts)
    assert (
        scores.row(score="gap", variant="raw").low
        <= scores.row(score="gap", variant="raw").value
        <= scores.row(score="gap", variant="raw").high
    )
    assert scores.row(score="gap", variant="unbiased").value < scores.row(score="gap", variant="raw").value
    assert scores.row(score="separability along the gap").value > 0.99
    assert scores.row(variant="paired").value > scores.row(variant="unpaired").value
    recall = scores.row(variant="raw", direction="text to image", k=1)
    assert scores.row(variant="centred", direction="text to image", k=1).value > recall.value > 0.3
    assert scores.row(variant="raw", direction="text to image", k=1).chance == 1 / 400
    assert scores.arrays["moved gap"][4] == pytest.approx(scores.row(score="gap", variant="raw").value)
    assert scores.arrays["moved recall"].shape == (2, 9)


def test_the_interval_of_the_gap_covers_that_of_all_there_is():
    """In many dimensions, where the gap of 60 pairs is mostly above it."""
    sets = [_apart(np.random.default_rng(seed), 60, 128) for seed in range(60)]
    true = gap.gap_norm(*_apart(np.random.default_rng(99), 20_000, 128), unbiased=True)
    rows = [modality_gap(Embeddings(x), Embeddings(t), ks=(1,)).row(score="gap", variant="unbiased") for x, t in sets]
    assert sum(row.low < true < row.high for row in rows) >= 51
    assert np.mean([row.high - row.low for row in rows]) < 0.1 * true


def test_the_interval_of_the_unpaired_cosine_covers_it():
    sets = [_apart(np.random.default_rng(seed), 60, 4) for seed in range(60)]
    true = gap.unpaired_cosine(*_apart(np.random.default_rng(99), 100_000, 4))
    rows = [modality_gap(Embeddings(x), Embeddings(t), ks=(1,)).row(variant="unpaired") for x, t in sets]
    assert 51 <= sum(row.low < true < row.high for row in rows) < 60


def _apart(rng, n, d):
    """Unit images and texts that share what varies, about means of their own."""
    shared, e = rng.normal(size=(n, d)), np.eye(d)
    return tuple(unit(shared + rng.normal(size=(n, d)) + np.sqrt(d) / 2 * e[i]) for i in (0, 1))


def test_mini_images_and_captions_have_a_gap(space):
    from clipspace.scenes import caption, render, sample_scenes

    scenes, rng = sample_scenes(60, seed=9), np.random.default_rng(1)
    texts = [caption(scene, rng).text for scene in scenes]
    scores = modality_gap(space.encode_images([render(s) for s in scenes]), space.encode_texts(texts))
    assert scores.row(score="gap", variant="raw").low > 0.2
    assert scores.row(variant="raw", direction="text to image", k=10).value > 0.7


def test_photographs_need_no_special_case(space, photos):
    points = space.encode_images(photos)
    with pytest.warns(SampleWarning, match="60 rows in 128 dimensions"):
        scores = geometry(points)
    assert scores.provenance.stamp == space.stamp
    assert 0 < scores["mean cosine", "raw"].value < 1
    assert 1 < scores["effective rank", None].value < 60


def test_the_unbiased_gap_of_pairs_is_the_planted_one(rng):
    x = unit(rng.normal(size=(400, 16)))
    t = unit(x + 0.1 * np.eye(16)[0])
    scores = modality_gap(Embeddings(x), Embeddings(t, modality="text"))
    true = np.linalg.norm(x.mean(axis=0) - t.mean(axis=0))
    assert scores.row(score="gap", variant="unbiased").value == pytest.approx(true, abs=0.01)
    assert (
        scores.row(score="gap", variant="raw").low
        <= scores.row(score="gap", variant="raw").value
        <= scores.row(score="gap", variant="raw").high
    )


def test_a_store_with_texts_has_both_sides_of_its_gap(space, tmp_path):
    from clipspace.scenes import caption, render, sample_scenes
    from clipspace.space.encoding import encode

    rng = np.random.default_rng(1)
    (tmp_path / "in").mkdir()
    for i, scene in enumerate(sample_scenes(12, seed=9)):
        render(scene).save(tmp_path / f"in/{i:02d}.png")
        (tmp_path / f"in/{i:02d}.txt").write_text(caption(scene, rng).text)
    encode(space, tmp_path / "in", tmp_path / "out", texts=True, rows_per_shard=5)
    store = open_store(tmp_path / "out")
    images, texts = store[:], open_store(tmp_path / "out", modality="text")[:]
    scores = modality_gap(store)
    assert scores.to_json() == modality_gap(images, texts).to_json()
    assert scores.provenance.stamp == space.stamp
    assert np.allclose(scores.arrays["image mean"], images.unit.mean(axis=0), atol=1e-12)
    assert np.allclose(scores.arrays["text mean"], texts.unit.mean(axis=0), atol=1e-12)
    assert scores.row(score="gap", variant="raw").value == pytest.approx(
        np.linalg.norm(images.unit.mean(axis=0) - texts.unit.mean(axis=0)), abs=1e-9
    )
    with pytest.raises(InputError, match="images and texts"):
        modality_gap(open_store(tmp_path / "out", modality="text"))
    with pytest.raises(InputError, match="images and texts"):
        modality_gap(images)


def test_only_the_pairs_drawn_are_read(points, tmp_path):
    store = write_store(tmp_path / "store", [points[:100], points[100:]])
    few = np.sort(stream(3, "sample").permutation(300)[:50])
    scores = modality_gap(store, points, max_points=50, seed=3)
    assert np.allclose(scores.arrays["image mean"], points.unit[few].mean(axis=0), atol=1e-6)
