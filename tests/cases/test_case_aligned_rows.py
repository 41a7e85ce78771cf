"""Rows stay with their values, whatever names, indices and files they come by."""

import io
import json
import tarfile

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest
from command_line import run
from PIL import ImageColor
from pyarrow.compute import field
from sourced import png, write_table

from clipspace.analyses.given import given_store
from clipspace.errors import InputError
from clipspace.measure.column_structure import column
from clipspace.measure.retrieval import ranks
from clipspace.points.embeddings import Embeddings
from clipspace.points.store import export, open_beside, open_store, select, write_store
from clipspace.probes.logistic_regression import linear
from clipspace.probes.nearest_neighbours import knn
from clipspace.report.atlas import _thumbnails
from clipspace.search import build_index
from clipspace.sources import open_source, read_named
from clipspace.sources.images import decode_image, read_image
from clipspace.space.encoding import encode


@pytest.fixture
def frame():
    """Letters in a shuffled order that their index does not follow."""
    frame = pandas.DataFrame({"label": list("abcdef")}).sample(frac=1, random_state=3)
    assert list(frame.index) != sorted(frame.index)
    return frame


def test_columns_of_a_shuffled_frame_are_taken_by_position(frame):
    points = Embeddings(np.eye(6), columns={"label": frame["label"]}, names=frame["label"])
    expected = frame["label"].tolist()
    assert list(points[:3].columns["label"]) == expected[:3]
    assert points[[5, 0]].names == (expected[5], expected[0])
    assert [points.columns["label"][i] for i in range(6)] == expected


def test_columns_of_a_filtered_frame_are_taken_by_position(frame):
    kept = frame[frame["label"].isin(["b", "d"])]
    points = Embeddings(np.eye(2), columns={"label": kept["label"]})
    assert points[1].columns["label"] == [kept["label"].iloc[1]]


def test_a_string_is_no_column_of_letters():
    with pytest.raises(InputError, match=r"column 'label'.*sequence"):
        Embeddings(np.eye(6), columns={"label": "abcdef"})


def test_a_store_and_an_index_keep_the_order_of_a_frame(frame, tmp_path):
    expected = frame["label"].tolist()
    store = write_store(tmp_path / "s", Embeddings(np.eye(6), names=frame["label"], columns={"x": frame["label"]}))
    assert (store.names, store[:].columns["x"]) == (expected, expected)
    assert build_index(np.eye(6), names=frame["label"]).names_of([0, 5]) == [expected[0], expected[5]]


@pytest.mark.parametrize("probe", [knn, linear])
@pytest.mark.filterwarnings("ignore::clipspace.errors.SampleWarning")
def test_a_probe_takes_labels_of_a_frame_by_position(rng, probe):
    labels = np.repeat(["left", "right"], 20)
    points = rng.normal(size=(40, 4)) + 9 * (labels == "left")[:, None]
    series = pandas.Series(labels, index=rng.permutation(40))
    how = {"k": 3} if probe is knn else {"search": [1.0]}
    for given in (series, pyarrow.array(labels.tolist()), series.astype("category")):
        found = probe(Embeddings(points), given, **how)
        assert found.table.rows[0].value == 1


@pytest.mark.parametrize("labels", [[1, "1"], [True, 1]], ids=repr)
def test_labels_that_only_read_alike_are_not_one_class(labels):
    with pytest.raises(InputError, match="labels of one kind"):
        knn(Embeddings(np.eye(8)), labels * 4)
    with pytest.raises(InputError, match="labels of one kind"):
        ranks(np.eye(2), np.eye(2), query_ids=labels, point_ids=labels)


def test_one_number_is_one_class_however_it_is_written(rng):
    labels = [1, 1.0, np.int64(1), 2, 2.0, np.float32(2)] * 4
    points = Embeddings(rng.normal(size=(24, 4)))
    assert knn(points, labels, k=3).labels["classes"] == ["1.0", "2.0"]


def test_columns_of_a_page_tell_one_from_the_text_one():
    assert column([1, "1", 1])["codes"].tolist() in ([0, 1, 0], [1, 0, 1])


def foreign(path, arrays, tables, *, rows=5, texts=()):
    """A store as others write it: arrays and metadata of these names, whose rows say what shard they are of."""
    folders = {"img_emb": arrays, "text_emb": texts, "metadata": tables}
    for folder, names in folders.items():
        for number, name in enumerate(names):
            (path / folder).mkdir(parents=True, exist_ok=True)
            if folder == "metadata":
                named = [f"{name.removesuffix('.parquet')}/{i}.jpg" for i in range(rows + number)]
                pyarrow.parquet.write_table(pyarrow.table({"image_path": named}), path / folder / name)
            else:
                np.save(path / folder / name, np.full((rows + number, 3), number + 1, np.float32))
    return path


@pytest.mark.parametrize(
    "stems",
    [
        ["train-00000-of-00002", "train-00001-of-00002"],
        ["train-00000-of-00001", "val-00000-of-00001"],
        ["train", "val"],
        ["part_2", "part_10"],
        ["a1b", "a2b"],
    ],
    ids=str,
)
def test_shards_of_others_are_paired_by_their_whole_names(tmp_path, stems):
    path = foreign(tmp_path, [f"{s}.npy" for s in stems], [f"{s}.parquet" for s in stems])
    store = open_store(path)
    assert store.names == [f"{stem}/{i}.jpg" for n, stem in enumerate(stems) for i in range(5 + n)]
    assert store[:].vectors[:, 0].tolist() == [1] * 5 + [2] * 6


def test_numbers_of_clip_retrieval_are_paired_whatever_their_zeros(tmp_path):
    path = foreign(tmp_path, ["img_emb_2.npy", "img_emb_10.npy"], ["metadata_0002.parquet", "metadata_0010.parquet"])
    assert open_store(path).names[5] == "metadata_0010/0.jpg"


def test_metadata_without_an_array_is_said_to_be_left_out(tmp_path):
    foreign(tmp_path, ["img_emb_0.npy", "img_emb_2.npy"], [f"metadata_{i}.parquet" for i in range(3)], rows=5)
    np.save(tmp_path / "img_emb/img_emb_2.npy", np.ones((7, 3), np.float32))
    with pytest.warns(UserWarning, match=r"no arrays for the metadata metadata_1\.parquet"):
        store = open_store(tmp_path)
    assert [name.split("/")[0] for name in store.names] == ["metadata_0"] * 5 + ["metadata_2"] * 7


def test_other_names_are_paired_in_sequence_where_their_rows_agree(tmp_path):
    path = foreign(tmp_path, ["img_0.npy", "img_1.npy"], ["rows-a.parquet", "rows-b.parquet"])
    with pytest.warns(UserWarning, match=r"img_0\.npy.*rows-a\.parquet.*paired in sequence"):
        store = open_store(path)
    assert store.names[5] == "rows-b/0.jpg"


@pytest.mark.parametrize(
    ("arrays", "tables"),
    [
        (["a.npy", "b.npy"], ["x.parquet"]),
        (["a.npy", "b.npy"], ["a.parquet", "c.parquet"]),
        (["x.npy", "y.npy"], ["b.parquet", "a2.parquet", "c.parquet"]),
        (["a_0.npy", "a_00.npy"], ["a_0.parquet", "b.parquet"]),
    ],
    ids=str,
)
def test_shards_that_cannot_be_paired_are_listed(tmp_path, arrays, tables):
    path = foreign(tmp_path, arrays, tables)
    with pytest.raises(InputError, match=rf"{arrays[0]}.*{tables[0]}.*rename them alike"):
        open_store(path)


def test_unlike_lengths_are_refused_by_the_names_of_both_files(tmp_path):
    path = foreign(tmp_path, ["train-0.npy", "val-0.npy"], ["train-0.parquet", "val-0.parquet"])
    np.save(path / "img_emb/val-0.npy", np.ones((3, 3), np.float32))
    with pytest.raises(InputError, match=r"6 vectors in val-0\.npy, one per row of val-0\.parquet, got 3"):
        open_store(path)


@pytest.mark.filterwarnings("ignore:open_store. no arrays")
def test_texts_of_other_shards_are_not_taken_for_those_of_the_images(tmp_path):
    path = foreign(tmp_path, ["a.npy", "b.npy"], ["a.parquet", "b.parquet", "c.parquet"], texts=["b.npy", "c.npy"])
    np.save(path / "text_emb/b.npy", np.ones((6, 3), np.float32))
    np.save(path / "text_emb/c.npy", np.ones((7, 3), np.float32))
    with pytest.raises(InputError, match=r"a\.npy, b\.npy and b\.npy, c\.npy"):
        open_beside(open_store(path), "text")


def test_a_repeated_column_name_is_named(tmp_path):
    twice = pyarrow.table([[b"a"], [1], [2]], names=["image", "label", "label"])
    pyarrow.parquet.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"different names in t\.parquet, got \['label'\] twice"):
        open_source(tmp_path / "t.parquet")
    path = foreign(tmp_path / "store", ["0.npy"], ["0.parquet"])
    twice = pyarrow.table([["a"] * 5, ["b"] * 5], names=["image_path", "image_path"])
    pyarrow.parquet.write_table(twice, path / "metadata/0.parquet")
    with pytest.raises(InputError, match=r"0\.parquet', got \['image_path'\] twice"):
        open_store(path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(png())
    (tmp_path / "in/metadata.csv").write_text("file_name,x,x\na.png,1,2\n")
    with pytest.raises(InputError, match=r"metadata\.csv', got \['x'\] twice"):
        open_source(tmp_path / "in")


COLORS = ["red", "green", "blue", "yellow"]


def repeated(folder, kind):
    """A source in which two names stand for four images of four colours, label 0 first."""
    images = [{"bytes": png(color), "path": f"{i % 2}.png"} for i, color in enumerate(COLORS)]
    if kind == "parquet":
        path = folder / "hf.parquet"
        write_table(path, image=images, label=[0, 0, 1, 1])
        return path
    path = folder / "t.tar"
    members = [(f"{i % 2}{suffix}", i, suffix) for i in range(4) for suffix in (".png", ".json")]
    with tarfile.open(path, "w") as tar:
        for name, i, suffix in members:
            content = images[i]["bytes"] if suffix == ".png" else json.dumps({"label": i // 2}).encode()
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return path


@pytest.fixture
def colored(space, tmp_path):
    """A store of four images of two names, made for each kind of source, and what was encoded."""

    def made(kind):
        source = repeated(tmp_path, kind)
        encode(space, source, tmp_path / f"{kind}-store")
        return open_store(tmp_path / f"{kind}-store"), source

    return made


def shade(data):
    return decode_image(data).getpixel((1, 1))


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_images_of_one_name_are_found_by_their_row(colored, tmp_path, kind):
    store, source = colored(kind)
    assert sorted(set(store.names)) == sorted(store.names[:2])
    chosen = export(select(store, where=field("label") == 1), tmp_path / "e")
    expected = [ImageColor.getrgb(color) for color in COLORS[2:]]
    listed = open_source(source)
    assert [shade(data) for data in read_named(listed, chosen.names, chosen.places)] == expected
    options = ["--method", "pca", "-o", str(tmp_path / "m.parquet"), "--source", str(source)]
    assert run("map", str(tmp_path / "e"), *options) == 0
    images = pyarrow.parquet.read_table(tmp_path / "m.parquet")["image"].to_pylist()
    assert [shade(image["bytes"]) for image in images] == expected


def test_a_page_shows_the_image_of_the_row_though_its_name_repeats(colored, tmp_path):
    store, source = colored("parquet")
    (tmp_path / "spool").mkdir()
    given = given_store(store, source, tmp_path / "spool", seed=0)
    expected = [ImageColor.getrgb(color) for color in COLORS]
    assert [thumbnail.getpixel((1, 1)) for thumbnail in _thumbnails(given)] == expected
    assert [read_image(path).getpixel((1, 1)) for path in given.read(range(4)).values()] == expected
    assert set(given.columns) == {"label"}


def test_a_corrupt_row_does_not_give_its_bytes_to_another_of_its_name(space, tmp_path):
    images = [{"bytes": b"broken", "path": "0.png"}, {"bytes": png("blue"), "path": "0.png"}]
    write_table(tmp_path / "hf.parquet", image=images)
    done = encode(space, tmp_path / "hf.parquet", tmp_path / "s")
    store = open_store(tmp_path / "s")
    assert (done.stored, store.names, store.places) == (1, ["0.png"], ["hf.parquet:1"])
    [data] = read_named(open_source(tmp_path / "hf.parquet"), store.names, store.places)
    assert shade(data) == (0, 0, 255)
    [rejected] = pyarrow.parquet.read_table(tmp_path / "s/rejected").to_pylist()
    assert (rejected["name"], rejected["source_row"]) == ("0.png", "hf.parquet:0")


def test_a_store_that_does_not_know_its_rows_is_refused_where_names_repeat(tmp_path):
    source = open_source(repeated(tmp_path, "parquet"))
    with pytest.raises(InputError, match=r"one image '0\.png' in the source, got several"):
        read_named(source, ["0.png"])
    write_table(tmp_path / "once.parquet", image=[{"bytes": png(), "path": f"{i}.png"} for i in range(2)])
    assert read_named(open_source(tmp_path / "once.parquet"), ["1.png"]) == [png()]


def test_a_place_of_another_source_is_not_taken(tmp_path):
    """The same row number, but another image stands there."""
    write_table(tmp_path / "hf.parquet", image=[{"bytes": png(), "path": "other.png"}])
    with pytest.raises(InputError, match=r"expected the image '0\.png' in the source"):
        read_named(open_source(tmp_path / "hf.parquet"), ["0.png"], ["hf.parquet:0"])
