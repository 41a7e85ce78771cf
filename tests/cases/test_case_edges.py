"""What users bring to the edges: files of vectors and labels, spaces not named, results read back."""

import codecs
import json

import numpy as np
import pandas as pd
import pytest
import torch
from command_line import run
from pyarrow import parquet

from clipspace.cli.options import report
from clipspace.errors import SpaceMismatchError
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.store import open_store, write_store
from clipspace.search import build_index
from clipspace.search.maps import load_map


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_model(monkeypatch):
    """Loading a model fails the test: errors come before it."""
    monkeypatch.setattr("clipspace.space.load_space", lambda *_, **__: pytest.fail("a model was loaded"))


def refused(capsys, *arguments) -> str:
    """The one line in which a command refuses."""
    capsys.readouterr()
    assert run(*map(str, arguments)) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("clipspace: ")
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize("command", ["pca", "map", "index", "probe geometry"])
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(5), "(5,)"),
        (np.ones((4, 3, 2)), "(4, 3, 2)"),
        (np.ones((4, 3), complex), "complex128"),
        (np.array([[1, "a"]], dtype=object), "Python objects"),
        (np.empty((0, 3)), "at least one"),
        (np.vstack([np.full(3, np.nan), np.eye(3)]), "NaN"),
    ],
)
def test_arrays_that_are_no_set_are_refused_in_one_line(folder, capsys, command, array, message):
    np.save("x.npy", array)
    out = [] if command.startswith("probe") else ["-o", "out"]
    assert message in refused(capsys, *command.split(), "x.npy", *out)
    assert sorted(path.name for path in folder.iterdir()) == ["x.npy"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", ["pca", "map --method pca", "index", "probe geometry", "probe knn -k 3"])
def test_whole_numbers_npz_and_parquet_are_sets(folder, rng, command):
    x = rng.integers(-5, 5, size=(30, 4))
    np.save("x.npy", x)
    np.savez("two.npz", x=x, y=x)
    pd.DataFrame({"id": range(30), "v": list(x.astype(np.float32))}).to_parquet("x.parquet")
    (folder / "labels.txt").write_text("a\nb\nc\n" * 10)
    rest = ["--labels", "labels.txt"] if "knn" in command else []
    for i, file in enumerate(("x.npy", "two.npz:y", "x.parquet:v")):
        out = [] if command.startswith("probe") else ["-o", f"out{i}"]
        assert run(*command.split(), file, *rest, *out) == 0


@pytest.mark.parametrize(
    "given",
    ["l.txt", "bom.txt", "utf16.txt", "l.npy", "l.npz", "one.csv", "l.csv:kind", "l.tsv:kind", "l.parquet:kind"],
)
def test_labels_are_read_from_whatever_holds_them(folder, rng, capsys, given):
    kinds = ["été", "hiver"] * 20
    x = rng.normal(size=(40, 4)) + 5 * (np.array(kinds) == "été")[:, None]
    np.save("x.npy", x)
    frame = pd.DataFrame({"file": range(40), "kind": kinds})
    (folder / "l.txt").write_text("\n".join(kinds), encoding="utf-8")
    (folder / "bom.txt").write_bytes(codecs.BOM_UTF8 + "\n".join(kinds).encode())
    (folder / "utf16.txt").write_bytes("\n".join(kinds).encode("utf-16"))
    np.save("l.npy", kinds)
    np.savez("l.npz", kind=kinds)
    frame[["kind"]].to_csv("one.csv", index=False)
    frame.to_csv("l.csv", index=False)
    frame.to_csv("l.tsv", index=False, sep="\t")
    frame.to_parquet("l.parquet")
    assert run("probe", "knn", "x.npy", "--labels", given, "-k", "3", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["table"][0]["value"] > 0.9


def test_labels_that_are_not_told_are_refused_in_one_line(folder, capsys):
    np.save("x.npy", np.eye(4))
    pd.DataFrame({"file": range(4), "kind": list("abab")}).to_csv("l.csv", index=False)
    (folder / "latin.txt").write_bytes("été\nhiver\n".encode("latin-1") * 2)
    assert "['file', 'kind'], got none named; give it as l.csv:NAME" in refused(
        capsys, "probe", "knn", "x.npy", "--labels", "l.csv"
    )
    assert "Latin-1" in refused(capsys, "probe", "knn", "x.npy", "--labels", "latin.txt")


def test_whole_numbers_for_paths_are_names(folder):
    for name in ("img_emb", "metadata"):
        (folder / "s" / name).mkdir(parents=True)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.save("s/img_emb/img_emb_0.npy", x)
    pd.DataFrame({"image_path": [7, 3, 5, 1, 9]}).to_parquet("s/metadata/metadata_0.parquet")
    store = open_store("s")
    assert store.names == ["7", "3", "5", "1", "9"]
    assert build_index(store).search(store[2], 1)[0].names == ["5"]
    assert run("map", "s", "-o", "m.parquet", "--method", "pca") == 0
    assert pd.read_parquet("m.parquet")["name"].tolist() == store.names


STAMP = Stamp("ViT-L-14/openai", "a" * 16, "b" * 16, 768)


@pytest.fixture
def wide(folder):
    """Vectors of 768 dimensions: with a stamp and without one, as a store, an index and an array."""
    x = np.random.default_rng(0).normal(size=(6, 768)).astype(np.float32)
    np.save("x.npy", x)
    write_store("stamped", Embeddings(x, STAMP, columns={"kind": list("ababab")}))
    write_store("bare", Embeddings(x, columns={"kind": list("ababab")}))
    for name in ("stamped", "bare"):
        build_index(open_store(name)).save(f"{name}.idx")
    (folder / "l.txt").write_text("a\nb\n" * 3)
    return folder


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        (["search", "stamped.idx", "--text", "dog"], "pass --space ViT-L-14/openai"),
        (["search", "bare.idx", "--text", "dog"], "--space must name the space"),
        (["probe", "zero-shot", "x.npy", "--labels", "l.txt"], "--space must name the space"),
        (["probe", "zero-shot", "stamped", "--labels", "kind"], "pass --space ViT-L-14/openai"),
        (["probe", "concepts", "stamped", "--texts", "l.txt"], "pass --space ViT-L-14/openai"),
        (["probe", "modality-gap", "bare", "--texts", "l.txt"], "--space must name the space"),
        (["search", "bare.idx", "--text", "dog", "--space", "ViT-B-32/openai"], "of 512 dimensions"),
    ],
)
def test_a_space_that_cannot_be_the_right_one_is_told_before_it_is_loaded(wide, capsys, no_model, arguments, cure):
    said = refused(capsys, *arguments)
    assert cure in said
    assert "768" in said


def test_a_map_keeps_the_columns_of_its_store(folder, rng):
    columns = {
        "kind": list("abc") * 4,
        "price": [1.5, None, 2.0] * 4,
        "tags": [["x"], [], ["y", "z"]] * 4,
        "place": [{"lat": 1.0}, None, {"lat": 2.0}] * 4,
        "x": list(range(12)),
    }
    write_store("s", Embeddings(rng.normal(size=(12, 4)).astype(np.float32), columns=columns))
    assert run("map", "s", "-o", "m.parquet", "--method", "pca") == 0
    kept = parquet.read_table("m.parquet")
    stored = open_store("s").metadata()
    for name in columns:
        assert kept["store_x" if name == "x" else name].to_pylist() == stored[name].to_pylist()
    assert kept["x"].type == "float"
    assert load_map("m.parquet").coordinates.shape == (12, 2)


@pytest.mark.filterwarnings("ignore")
def test_concepts_of_many_images_are_a_screen_of_text(folder, rng, capsys):
    np.save("x.npy", rng.normal(size=(300, 8)))
    np.save("t.npy", rng.normal(size=(20, 8)))
    assert run("probe", "concepts", "x.npy", "--texts", "t.npy") == 0
    said = capsys.readouterr().out
    assert said.count("\n") < 40
    assert "and 280 more images; --json lists all" in said
    assert run("probe", "concepts", "x.npy", "--texts", "t.npy", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["images"]) == 300


def test_json_of_a_command_is_strict(capsys):
    report({"residual": [float("nan"), np.inf], "rows": np.int64(3)}, True, "")
    found = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"bare {name}"))
    assert found == {"residual": ["NaN", "Infinity"], "rows": 3}


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("harmed", ["image", "embedding"])
def test_a_row_that_is_not_finite_leaves_the_inversion_at_once(quick, apple, house, harmed):
    x_0 = quick.decoder.to_latents([apple, house]).clone()
    z = torch.from_numpy(quick.encode_images([apple, house]).vectors.copy())
    how = {"num_inference_steps": 8}
    alone = quick.decoder.invert(z[:1], x_0[:1], **how)
    (x_0[1, 0, 0] if harmed == "image" else z[1])[0] = torch.nan
    both = quick.decoder.invert(z, x_0, **how)
    assert both.evaluations.tolist() == [alone.evaluations.item(), 0]
    assert torch.allclose(both.noise[0], alone.noise[0], atol=1e-3)
    assert both.noise[1].isnan().all()
    assert both.residual[1].isnan()


def test_points_of_another_space_are_refused_with_the_space_to_use(space, rng):
    x = rng.normal(size=(3, 128)).astype(np.float32)
    other = Stamp("ViT-X/tag", "c" * 16, "d" * 16, 128)
    with pytest.raises(SpaceMismatchError, match=r"--space ViT-X/tag, load_space\('ViT-X/tag'\)"):
        space.decode(Embeddings(x, other))
    with pytest.raises(SpaceMismatchError, match=r"Embeddings\(vectors, space\.stamp\), or open_store\(path, stamp="):
        space.decode(Embeddings(x))
