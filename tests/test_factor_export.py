import ast
import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clipspace.errors import InputError
from clipspace.probes.factors.export import export_factors
from clipspace.probes.factors.score import score
from clipspace.scenes import UNSEEN, render, sample_scenes

N = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return export_factors(tmp_path_factory.mktemp("export") / "factors", n=N, pairs=2, seed=3)


def _image(cell):
    return np.asarray(Image.open(io.BytesIO(cell["bytes"])))


def test_images_and_their_factors_are_those_of_the_scenes(folder):
    table = pq.read_table(folder / "images.parquet").to_pydict()
    scenes = sample_scenes(N, seed=UNSEEN + 3)
    assert table["id"] == list(range(N))
    assert all(np.array_equal(_image(table["image"][i]), render(scenes[i])) for i in range(0, N, 25))
    assert table["count"] == [len(scene.things) for scene in scenes]
    alone = [i for i, scene in enumerate(scenes) if len(scene.things) == 1 and scene.card is None]
    assert [table["x"][i] for i in alone] == [scenes[i].things[0].x for i in alone]
    assert sum(value is not None for value in table["x"]) == len(alone)


def test_pairs_are_images_of_which_one_factor_changed(folder):
    pairs = pq.read_table(folder / "pairs.parquet").to_pydict()
    images = pq.read_table(folder / "images.parquet").to_pydict()
    kinds = json.loads((folder / "factors.json").read_text())
    assert sorted(set(pairs["factor"])) == sorted(kinds)
    for factor, i, old, new, image in zip(
        *(pairs[name] for name in ("factor", "id", "old", "new", "image")), strict=True
    ):
        assert str(images[factor][i]) == old != new
        if kinds[factor]["kind"] == "label" or abs(float(old) - float(new)) > 1 / 64:  # less than a pixel may not show
            assert not np.array_equal(_image(image), _image(images["image"][i])), factor


def test_equal_arguments_give_equal_files(folder, tmp_path):
    again = export_factors(tmp_path / "again", n=N, pairs=2, seed=3)
    for path in folder.iterdir():
        if path.suffix != ".npy":
            assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_the_scorer_needs_numpy_and_scikit_learn_alone_and_is_short(folder):
    text = (folder / "score.py").read_text()
    assert len(text.splitlines()) <= 150
    imported = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    assert {name.split(".")[0] for name in imported} == {
        "argparse",
        "csv",
        "json",
        "sys",
        "pathlib",
        "numpy",
        "sklearn",
    }


@pytest.fixture(scope="module")
def planted(folder):
    """Vectors that hold the ground as a label and x as an amount, and nothing else; those of pairs move with the ground alone."""
    images = list(csv.DictReader((folder / "factors.csv").open()))
    pairs = list(csv.DictReader((folder / "pairs.csv").open()))
    grounds = sorted({row["ground"] for row in images if row["ground"]})
    rng = np.random.default_rng(0)
    x = 0.1 * rng.standard_normal((N, 12))
    for i, row in enumerate(images):
        if row["ground"]:
            x[i, grounds.index(row["ground"])] += 1
        x[i, 6] += float(row["x"] or 0)
    moved = np.array([x[int(pair["id"])] for pair in pairs])
    for j, pair in enumerate(pairs):
        if pair["factor"] == "ground":
            moved[j, grounds.index(pair["old"])] -= 1
            moved[j, grounds.index(pair["new"])] += 1
    np.save(folder / "vectors.npy", x)
    np.save(folder / "changed.npy", moved)
    return folder


def test_the_scorer_finds_what_was_planted(planted, monkeypatch):
    from clipspace.probes.factors import score as scorer

    monkeypatch.delitem(scorer.READ_OUTS, "mlp")  # the slow one
    (planted / "ceiling.csv").write_text("factor,availability\nground,1.0\nx,0.8\nthing,0.05\n")
    table = score(planted, planted / "vectors.npy", planted / "changed.npy", planted / "ceiling.csv")
    rows = {row["factor"]: row for row in table}
    assert rows["ground"]["availability"] > 0.95
    assert rows["x"]["availability"] > 0.5
    assert rows["x"]["share"] == rows["x"]["availability"] / 0.8
    assert rows["thing"]["share"] is None  # no ceiling to speak of
    assert all(rows[name]["low"] < 0.05 for name in rows if name not in ("ground", "x"))
    assert rows["ground"]["sensitivity"] > 0.5
    assert all(rows[name]["sensitivity"] < 1e-6 for name in rows if name != "ground")


def test_its_linear_skill_is_that_of_the_library(planted):
    from clipspace.measure.cross_fitting import cross_fit
    from clipspace.probes.factors import score as scorer

    x = scorer.unit(planted / "vectors.npy", N)
    images = scorer.read(planted / "factors.csv")
    for name, kind in (("ground", {"kind": "label"}), ("y", {"kind": "amount", "period": None})):
        rows = [i for i, row in enumerate(images) if row[name]]
        y, labels = scorer.as_targets([images[i][name] for i in rows], kind)
        ours = cross_fit(x[rows], y, labels=labels, capacities=("linear",), control=False).best
        cut = scorer.StratifiedKFold if labels else scorer.KFold
        folds = list(cut(5, shuffle=True, random_state=1).split(x[rows], y.argmax(axis=1) if labels else y))
        loss, chance = scorer.losses(scorer.READ_OUTS["linear"], x[rows], y, labels, folds)
        assert ours.low - 0.02 <= 1 - loss.mean() / chance.mean() <= ours.high + 0.02, name


def test_vectors_of_another_length_are_refused(planted):
    with pytest.raises(SystemExit, match=f"expected {N} finite vectors"):
        score(planted, planted / "changed.npy")


@pytest.mark.parametrize("options", [{"n": 100}, {"pairs": 0}])
def test_too_few_are_refused(tmp_path, options):
    with pytest.raises(InputError, match="at least 200 images and 1 pair"):
        export_factors(tmp_path / "new", **options)


def test_a_folder_that_exists_is_left_alone(tmp_path):
    with pytest.raises(InputError, match="exists"):
        export_factors(Path(tmp_path))
