import json

import numpy as np
import pandas as pd
import pytest
import umap
from pyarrow import parquet
from sklearn.manifold import trustworthiness
from threadpoolctl import threadpool_limits

from clipspace import umap_map
from clipspace.errors import InputError, SpaceMismatchError
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.pca import PCA
from clipspace.search import build_index, faiss_backend
from clipspace.search.maps import _self_first, load_map, pca_map
from clipspace.search.umap_layout import openmp_kept

D = 16
STAMP = Stamp("a", "0" * 64, "1" * 64, D)


def clusters(n, seed):
    rng = np.random.default_rng(seed)
    label = rng.integers(8, size=n)
    centres = 4 * np.random.default_rng(9).normal(size=(8, D))
    return (centres[label] + rng.normal(size=(n, D))).astype(np.float32), label


@pytest.fixture(scope="module")
def points():
    rows, label = clusters(800, 0)
    return Embeddings(rows, STAMP, names=[f"p{i}" for i in range(800)], columns={"label": label})


@pytest.fixture(scope="module")
def index(points):
    return build_index(points)


@pytest.fixture(scope="module")
def made(points, index):
    return umap_map(points, index=index)


def test_neighbours_stay_neighbours(points, made):
    assert made.coordinates.shape == (800, 2)
    assert made.coordinates.dtype == np.float32
    assert trustworthiness(points.unit, made.coordinates, n_neighbors=10) > 0.9


def test_the_graph_is_that_of_brute_force(points, made):
    apart = np.linalg.norm(points.unit[:, None] - points.unit[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert np.mean(made.neighbours == np.argsort(apart, axis=1)[:, :14]) > 0.99
    assert np.allclose(made.distances, np.sort(apart, axis=1)[:, :14], atol=1e-3)


@pytest.mark.slow
def test_it_is_as_trustworthy_as_umaps_own(points, made):
    with openmp_kept():
        peer = umap.UMAP(random_state=0, n_jobs=1).fit_transform(points.unit)
    ours, theirs = (trustworthiness(points.unit, places, n_neighbors=15) for places in (made.coordinates, peer))
    assert ours > theirs - 0.002


def test_one_seed_one_map(points, index, made):
    assert np.array_equal(umap_map(points, index=index).coordinates, made.coordinates)
    assert not np.array_equal(umap_map(points, index=index, seed=1).coordinates, made.coordinates)


def test_new_points_land_among_their_own_whatever_their_batch(points, index, made):
    fresh, label = clusters(60, 5)
    placed = made.transform(fresh, index=index)
    nearest = np.linalg.norm(placed[:, None] - made.coordinates[None], axis=2).argmin(axis=1)
    assert np.mean(np.asarray(points.columns["label"])[nearest] == label) > 0.95
    assert np.allclose(made.transform(fresh[7:8], index=index), placed[7:8], atol=1e-4)
    with pytest.raises(InputError, match="index of the 800"):
        made.transform(fresh)


def test_pca_map_is_the_first_two_components(points):
    made = pca_map(points)
    expected = PCA(2).fit(points.unit).transform(points.unit)
    assert np.allclose(made.coordinates, expected, atol=1e-4)
    assert np.allclose(made.transform(points), made.coordinates, atol=1e-5)
    with pytest.raises(SpaceMismatchError):
        made.transform(Embeddings(points.vectors, Stamp("b", "2" * 64, "1" * 64, D)))


@pytest.mark.parametrize("threads", [1, 2, 4, 8])
def test_one_map_on_any_number_of_threads(points, made, threads):
    """To the last bit, whether the index is given or built, though FAISS and BLAS would use all that they are allowed."""
    with faiss_backend.thread_count(threads), threadpool_limits(threads):
        again = umap_map(points, threads=threads)
    assert again.coordinates.tobytes() == made.coordinates.tobytes()
    assert again.distances.tobytes() == made.distances.tobytes()
    assert again.neighbours.tobytes() == made.neighbours.tobytes()


def test_a_map_tells_the_threads_it_was_made_with_from_those_of_the_index(points, made):
    index = build_index(points, threads=2)
    three = umap_map(points, index=index, threads=3)
    assert (three.facts["threads"], three.facts["index"]["threads"]) == (3, 2)
    assert umap_map(points, index=index).facts["threads"] == faiss_backend.all_threads()
    assert np.array_equal(three.coordinates, made.coordinates)
    assert umap_map(points, threads=2).facts["index"]["threads"] == 1


@pytest.mark.parametrize("method", ["umap", "pca"])
def test_saved_and_loaded_it_is_the_same(points, made, tmp_path, method):
    made = made if method == "umap" else pca_map(points)
    made.save(tmp_path / "map.parquet")
    loaded = load_map(tmp_path / "map.parquet")
    assert np.array_equal(loaded.coordinates, made.coordinates)
    assert (list(loaded.names), loaded.facts, loaded.stamp) == (list(made.names), made.facts, STAMP)
    if method == "umap":
        assert np.array_equal(loaded.neighbours, made.neighbours)
        assert np.array_equal(loaded.distances, made.distances)
        assert {"seed", "threads", "versions"} <= set(loaded.facts)
    else:
        assert np.allclose(loaded.transform(points), made.transform(points))


def test_what_embedding_atlas_and_fiftyone_read(made, tmp_path):
    images = [b"%d" % i for i in range(800)]
    made.save(tmp_path / "map.parquet", images=images, columns={"label": list(range(800))})
    table = parquet.read_table(tmp_path / "map.parquet")
    row = table.slice(5, 1).to_pylist()[0]
    assert row["neighbors"]["ids"] == made.neighbours[5].tolist()
    assert np.allclose(row["neighbors"]["distances"], made.distances[5])
    assert (row["image"]["bytes"], row["label"], row["name"]) == (b"5", 5, "p5")
    assert (row["x"], row["y"]) == tuple(made.coordinates[5].tolist())
    made.save_fiftyone(tmp_path / "map.csv", [f"images/{name}.png" for name in made.names])
    frame = pd.read_csv(tmp_path / "map.csv")
    assert list(frame.columns) == ["filepath", "name", "x", "y"]
    assert frame["filepath"][5] == "images/p5.png"
    assert np.allclose(frame[["x", "y"]], made.coordinates)


def test_few_points_and_copies():
    rows = np.repeat(clusters(10, 0)[0], 3, axis=0)
    for points in (rows, rows[:4], np.ones((30, 3), np.float32), np.ones((30, 1), np.float32)):
        made = umap_map(points)
        assert np.isfinite(made.coordinates).all()
        assert made.facts["n_neighbors"] == min(15, len(points) - 1)


def test_every_point_is_its_own_first_neighbour():
    rows = np.array([[0, 2, 1], [2, 1, 0], [1, 0, -1]])
    distances = np.array([[0, 0.1, 0.2], [0, 0, 0.3], [0.1, 0.2, np.nan]])
    found, apart = _self_first(rows, distances)
    assert found.tolist() == [[0, 2, 1], [1, 2, 0], [2, 1, 0]]
    assert np.allclose(apart, [[0, 0.1, 0.2], [0, 0, 0.3], [0, 0.1, 0.2]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, i, m: umap_map(p[:3]), "at least 4"),
        (lambda p, i, m: umap_map(p, n_neighbors=1), "n_neighbors"),
        (lambda p, i, m: umap_map(p[:50], index=i), "800 rows"),
        (lambda p, i, m: m.save("x", columns={"label": [1]}), "800 values in 'label'"),
        (lambda p, i, m: m.save_fiftyone("x", ["a"]), "800 files"),
        (lambda p, i, m: m.save("x", images=["nowhere.png"] * 800), "nowhere"),
    ],
)
def test_bad_input(points, index, made, call, message):
    with pytest.raises(InputError, match=message):
        call(points, index, made)


def test_files_that_are_no_map(tmp_path):
    (tmp_path / "a.parquet").write_text(json.dumps({}))
    pd.DataFrame({"x": [1.0]}).to_parquet(tmp_path / "b.parquet")
    for name in ("a", "b", "c"):
        with pytest.raises(InputError, match="load_map"):
            load_map(tmp_path / f"{name}.parquet")


@pytest.mark.parametrize("name", ["name", "x", "y", "neighbors"])
def test_columns_do_not_take_the_place_of_the_maps_own(made, tmp_path, name):
    with pytest.raises(InputError, match=f"got \\['{name}'\\]"):
        made.save(tmp_path / "m.parquet", columns={name: [0.0] * len(made)})
    assert not (tmp_path / "m.parquet").exists()


def test_points_and_an_index_of_another_space_have_no_place_on_a_map(points, made):
    other = Embeddings(points.vectors, Stamp("b", "2" * 64, "1" * 64, D))
    with pytest.raises(SpaceMismatchError, match="transform"):
        made.transform(other, index=build_index(other))
