import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import hostile
import numpy as np
import pyarrow.parquet
import pytest
from command_line import run
from full_disk import full_disk
from PIL import Image

import clipspace.space.encoding.loop
from clipspace.errors import InputError, OutOfMemoryError, SpaceMismatchError
from clipspace.points.embeddings import Embeddings
from clipspace.points.store import open_store
from clipspace.points.store.locking import alone, writing
from clipspace.sources import open_source
from clipspace.space.encoding import encode

DATA = os.environ.get("CLIPSPACE_TEST_DATA")


def pictures(n: int, seed: int = 0) -> list[Image.Image]:
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 255, (24 + i % 7, 30, 3), np.uint8)) for i in range(n)]


@pytest.fixture
def folder(tmp_path) -> Path:
    """40 pictures, of which one is cut short and one is no picture; the others have captions, but one."""
    path = tmp_path / "in"
    path.mkdir()
    for i, picture in enumerate(pictures(40)):
        picture.save(path / f"{i:03d}.png")
        (path / f"{i:03d}.txt").write_text(f"a picture, number {i}")
    (path / "003.png").write_bytes((path / "003.png").read_bytes()[:300])
    (path / "017.png").write_text("not a picture")
    (path / "020.txt").unlink()
    return path


def tree(path: Path) -> dict[str, bytes]:
    """Every file below ``path``, with its content."""
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}


def test_every_row_is_stored_or_recorded(space, folder, tmp_path):
    done = encode(space, folder, tmp_path / "out", rows_per_shard=16, batch_size=8)
    assert (done.rows, done.stored, done.encoded_now, done.complete) == (40, 38, 38, True)
    assert done.rejected == {"truncated": 1, "not an image": 1}
    store = open_store(tmp_path / "out")
    good = [f"{i:03d}.png" for i in range(40) if i not in (3, 17)]
    assert store.names == good
    assert store.stamp == space.stamp
    expected = space.encode_images([folder / name for name in good])
    assert np.allclose(store[:].vectors, expected.vectors, atol=1e-4)
    assert store[:].columns["caption"][:4] == [f"a picture, number {i}" for i in (0, 1, 2, 4)]
    assert [s.rows for s in store.shards] == [15, 15, 8]
    store.verify()


@pytest.mark.parametrize(("texts", "stored"), [(False, 38), (True, 37)])
def test_a_second_run_does_no_forward_pass(space, folder, tmp_path, monkeypatch, texts, stored):
    encode(space, folder, tmp_path / "out", texts=texts)
    before = tree(tmp_path / "out")
    for method in ("pixels", "texts"):
        monkeypatch.setattr(type(space.encoder), method, None)
    done = encode(space, folder, tmp_path / "out", texts=texts)
    assert (done.encoded_now, done.stored, done.complete) == (0, stored, True)
    assert tree(tmp_path / "out") == before


def test_captions_are_encoded_when_asked(space, folder, tmp_path):
    done = encode(space, folder, tmp_path / "out", texts=True, batch_size=8)
    assert done.rejected["missing caption"] == 1
    images, texts = open_store(tmp_path / "out"), open_store(tmp_path / "out", modality="text")
    assert len(images) == len(texts) == 37
    expected = space.encode_texts(texts.names)
    assert np.allclose(texts[:].vectors, expected.vectors, atol=1e-4)
    assert np.allclose(texts[:].columns["text_norm"], expected.norm, rtol=1e-4)


@pytest.mark.parametrize("workers", [2, 3])
def test_threads_do_not_change_a_bit(space, folder, tmp_path, workers):
    how = {"rows_per_shard": 16, "batch_size": 4}
    encode(space, folder, tmp_path / "one", workers=1, **how)
    encode(space, folder, tmp_path / "more", workers=workers, **how)
    assert tree(tmp_path / "one") == tree(tmp_path / "more")


def test_shares_of_several_runs_make_the_same_bytes(space, folder, tmp_path):
    how = {"rows_per_shard": 7, "batch_size": 4}
    encode(space, folder, tmp_path / "one", **how)
    shares = [encode(space, folder, tmp_path / "two", shard=(i, 2), **how) for i in (1, 0)]
    assert [share.complete for share in shares] == [False, True]
    assert [share.rows for share in shares] == [19, 21]
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def _killed_once(marker: Path, rows):
    """Rows of a part, whose reader is killed in the midst of them, the first time."""
    for i, row in enumerate(rows()):
        if i == 5 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield row


@pytest.mark.slow
def test_ray_workers_make_the_same_bytes_though_one_is_killed(ray, space, folder, tmp_path):
    how = {"batch_size": 4}
    source = open_source(folder, rows_per_part=7)
    encode(space, source, tmp_path / "one", **how)
    parts = list(source.parts)
    parts[2] = replace(parts[2], open=partial(_killed_once, tmp_path / "killed", parts[2].open))
    done = encode(space, replace(source, parts=tuple(parts)), tmp_path / "two", engine="ray", workers=2, **how)
    assert (tmp_path / "killed").exists()
    assert done.stored == 38
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_the_batch_size_moves_a_vector_by_rounding_alone(space, folder, tmp_path, batch_size):
    # documented tolerance: 1e-5 of the norm in float32 on the CPU (openai/CLIP#147 and others)
    encode(space, folder, tmp_path / "out", batch_size=batch_size)
    encode(space, folder, tmp_path / "reference", batch_size=16)
    a, b = open_store(tmp_path / "out")[:], open_store(tmp_path / "reference")[:]
    assert np.abs(a.vectors - b.vectors).max() < 1e-5 * b.norm.mean()


def test_a_vector_does_not_depend_on_what_came_with_it(space, tmp_path):
    # the last batch is padded: the first image alone has the bits it has among 30
    for n in (1, 30):
        (tmp_path / f"{n}").mkdir()
        for i, picture in enumerate(pictures(n)):
            picture.save(tmp_path / f"{n}/{i:03d}.png")
        encode(space, tmp_path / f"{n}", tmp_path / f"out{n}", batch_size=8)
    alone, among = open_store(tmp_path / "out1"), open_store(tmp_path / "out30")
    assert np.array_equal(alone[0].vectors, among[0].vectors)


def test_directions_in_float16_as_clip_retrieval_stores_them(space, folder, tmp_path):
    encode(space, folder, tmp_path / "raw")
    encode(space, folder, tmp_path / "unit", dtype="float16", normalized=True)
    raw, unit = open_store(tmp_path / "raw"), open_store(tmp_path / "unit")
    assert (unit.dtype, unit.normalized, unit.raw) == (np.float16, True, True)
    assert np.allclose(unit[:].vectors, raw[:].unit, atol=1e-3)
    assert np.allclose(unit.load(normalize=False).vectors, raw[:].vectors, rtol=2e-2, atol=2e-2)


def test_a_vector_that_is_not_finite_is_recorded(space, folder, tmp_path, monkeypatch):
    whole = type(space.encoder).pixels

    def broken(self, images, **how):
        vectors = whole(self, images, **how)
        vectors[0, 3] = np.nan
        vectors[1] = 0
        return vectors

    monkeypatch.setattr(type(space.encoder), "pixels", broken)
    done = encode(space, folder, tmp_path / "out", batch_size=40)
    assert done.rejected["not finite"] == 2
    assert np.isfinite(open_store(tmp_path / "out")[:].vectors).all()


def test_metadata_keeps_its_own_columns(space, tmp_path):
    pictures(1)[0].save(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps({"norm": "tall", "image_path": "x", "score": 1, "label": 4}))
    encode(space, tmp_path, tmp_path / "out")
    columns = open_store(tmp_path / "out")[0].columns
    assert (columns["source_norm"], columns["source_image_path"], columns["source_score"]) == (["tall"], ["x"], [1])
    assert columns["label"] == [4]
    assert columns["norm"][0] > 0


def test_no_column_takes_the_place_of_another_under_its_new_name(space, tmp_path):
    pictures(1)[0].save(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps({"norm": 1, "source_norm": 2, "source_row": 3, "source_x": 4}))
    encode(space, tmp_path, tmp_path / "out")
    columns = open_store(tmp_path / "out")[0].columns
    names = ("source_norm", "source_source_norm", "source_source_row", "source_x")
    assert [columns[name] for name in names] == [[1], [2], [3], [4]]


@pytest.mark.parametrize(
    ("bad", "reason"), [("cut", "truncated"), ("missing", "unreadable")], ids=["bytes and path", "path"]
)
def test_hugging_face_parquet_encodes_and_lists_bad_rows(space, tmp_path, bad, reason):
    """Of both kinds of column: pictures in the table, one of them cut short, and paths, one of no file."""
    (tmp_path / "pictures").mkdir()
    for i, picture in enumerate(pictures(10)):
        picture.save(tmp_path / f"pictures/{i}.png")
    paths = [f"pictures/{i}.png" for i in range(10)]
    if bad == "cut":
        images = [{"bytes": (tmp_path / path).read_bytes(), "path": path} for path in paths]
        images[4] = {"bytes": images[4]["bytes"][:200], "path": "pictures/cut.png"}
        columns = {"image": images}
    else:
        columns = {"image_path": [*paths[:4], "pictures/missing.png", *paths[5:]]}
    table = pyarrow.table({**columns, "label": list(range(10))})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=4)
    done = encode(space, tmp_path / "a.parquet", tmp_path / "out", rows_per_shard=4)
    assert (done.stored, done.rows, done.rejected) == (9, 10, {reason: 1})
    store, good = open_store(tmp_path / "out"), [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert store[:].columns["label"] == good
    assert store.names == [paths[i] for i in good]
    assert np.allclose(store[:].vectors, space.encode_images(pictures(10)).vectors[good], atol=1e-4)
    rejected = pyarrow.parquet.read_table(tmp_path / "out/rejected/rejected_0001.parquet").to_pylist()
    assert [row["name"] for row in rejected] == [f"pictures/{bad}.png"]


def test_a_heic_image_is_tried_again_once_its_extra_is_installed(space, tmp_path, monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    (tmp_path / "in").mkdir()
    heif.from_pillow(pictures(1)[0]).save(tmp_path / "in/a.heic")
    monkeypatch.setattr(clipspace.sources.images, "_reads_heif", lambda: False)
    without = encode(space, tmp_path / "in", tmp_path / "out")
    assert (without.stored, without.rejected) == (0, {"HEIF not installed": 1})
    monkeypatch.undo()
    assert encode(space, tmp_path / "in", tmp_path / "out", retry_rejected=True).stored == 1


def test_what_was_unreadable_for_a_while_is_tried_again_when_asked(space, folder, tmp_path, monkeypatch):
    how = {"rows_per_shard": 10, "batch_size": 4}
    encode(space, folder, tmp_path / "never", **how)
    whole = clipspace.space.encoding.loop.decode_image

    def faulty(data, *, what, **options):
        if what == "'021.png'":
            raise MemoryError
        return whole(data, what=what, **options)

    (folder / "031.png").rename(tmp_path / "away.png")
    (folder / "031.png").symlink_to(tmp_path / "away.png")  # of a share that goes away
    source = open_source(folder, rows_per_part=10)
    (tmp_path / "away.png").rename(tmp_path / "gone.png")
    monkeypatch.setattr(clipspace.space.encoding.loop, "decode_image", faulty)
    done = encode(space, source, tmp_path / "out", **how)
    assert done.rejected == {"out of memory": 1, "unreadable": 1, "truncated": 1, "not an image": 1}
    monkeypatch.setattr(clipspace.space.encoding.loop, "decode_image", whole)
    (tmp_path / "gone.png").rename(tmp_path / "away.png")
    assert encode(space, source, tmp_path / "out", **how).encoded_now == 0
    done = encode(space, source, tmp_path / "out", retry_rejected=True, **how)
    assert (done.encoded_now, done.stored) == (20, 38)
    assert done.rejected == {"truncated": 1, "not an image": 1}
    assert tree(tmp_path / "out") == tree(tmp_path / "never")
    assert encode(space, source, tmp_path / "out", retry_rejected=True, **how).encoded_now == 0


def test_a_batch_too_large_for_the_memory_says_what_to_lower(space, folder, tmp_path, monkeypatch):
    import torch

    def full(*_, **__):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(space.encoder), "pixels", full)
    with pytest.raises(OutOfMemoryError, match="lower batch_size"):
        encode(space, folder, tmp_path / "out")


def test_a_full_disk_leaves_no_half_of_a_shard(folder, tmp_path, capsys):
    command = ["encode", str(folder), "-o", str(tmp_path / "out"), "--device", "cpu"]
    with full_disk(2048):  # 10 are few enough to stay in the buffer, which then cannot be written when it is closed
        assert run(*command, "--limit", "10") != 0
    assert "File too large" in capsys.readouterr().err
    assert [str(f.relative_to(tmp_path / "out")) for f in (tmp_path / "out").rglob("*") if f.is_file()] == [
        "store.json"
    ]


def test_other_columns_do_not_mix_into_a_store(space, tmp_path):
    for i, picture in enumerate(pictures(2)):
        picture.save(tmp_path / f"{i}.png")
    files = [(tmp_path / f"{i}.png").read_bytes() for i in range(2)]
    pyarrow.parquet.write_table(
        pyarrow.table({"image": files, "text": ["a", "b"], "t2": ["c", "d"]}), tmp_path / "t.parquet"
    )
    encode(space, tmp_path / "t.parquet", tmp_path / "out", texts=True, shard=(0, 2))
    other = open_source(tmp_path / "t.parquet", caption_column="t2")
    with pytest.raises(InputError, match="another input"):
        encode(space, other, tmp_path / "out", texts=True, shard=(1, 2))


def test_a_store_inside_its_source_is_gone_on_with(space, tmp_path):
    pictures(1)[0].save(tmp_path / "a.png")
    for _ in range(2):
        assert encode(space, tmp_path, tmp_path / "out").stored == 1


def test_other_settings_are_refused_before_work(space, folder, tmp_path):
    encode(space, folder, tmp_path / "out")
    with pytest.raises(InputError, match="batch_size"):
        encode(space, folder, tmp_path / "out", batch_size=3)
    with pytest.raises(InputError, match="dtype"):
        encode(space, folder, tmp_path / "out", dtype="float16")
    with pytest.raises(InputError, match="another input") as caught:
        encode(space, folder, tmp_path / "out", limit=5)
    assert "{" not in str(caught.value)  # the settings that differ, not a dictionary of hashes
    with pytest.raises(InputError, match="0 <= i < n"):
        encode(space, folder, tmp_path / "out", shard=(2, 2))
    with pytest.raises(InputError, match="engine"):
        encode(space, folder, tmp_path / "new", engine="spark")
    with pytest.raises(InputError, match="batch_size"):
        encode(space, folder, tmp_path / "new", batch_size=0)
    header = json.loads((tmp_path / "out/store.json").read_text())
    header["stamp"]["function"]["mean"] = "other"
    (tmp_path / "out/store.json").write_text(json.dumps(header))
    with pytest.raises(SpaceMismatchError, match="other"):
        encode(space, folder, tmp_path / "out")


def test_an_unfinished_store_does_not_open_and_a_damaged_shard_is_done_again(space, folder, tmp_path):
    how = {"rows_per_shard": 10, "batch_size": 4}
    encode(space, folder, tmp_path / "out", shard=(0, 2), **how)
    with pytest.raises(InputError, match="2 of 4 shards"):
        open_store(tmp_path / "out")
    encode(space, folder, tmp_path / "out", shard=(1, 2), **how)
    whole = tree(tmp_path / "out")
    (tmp_path / "out/img_emb/img_emb_0002.npy").write_bytes(b"short")
    assert encode(space, folder, tmp_path / "out", **how).encoded_now == 10
    assert tree(tmp_path / "out") == whole


def test_a_finished_store_needs_no_lock(space, folder, tmp_path):
    encode(space, folder, tmp_path / "out")
    with alone(tmp_path / "out/.encoding-0-of-1"), alone(writing(tmp_path / "out")):  # as if it could not be written
        assert encode(space, folder, tmp_path / "out").complete


def test_two_runs_of_one_share_do_not_meet(space, folder, tmp_path):
    (tmp_path / "out").mkdir()
    with alone(tmp_path / "out/.encoding-0-of-1"), pytest.raises(InputError, match="another process"):
        encode(space, folder, tmp_path / "out")


RUN = "import sys; from clipspace.cli import main; main(sys.argv[1:])"


@pytest.mark.slow
def test_killed_runs_end_in_the_same_bytes(space, tmp_path, rng):
    # clip-retrieval#368; benchmarks/resume.py is this at full size
    (tmp_path / "in").mkdir()
    for i, picture in enumerate(pictures(120)):
        picture.save(tmp_path / f"in/{i:03d}.png")
    encode(space, tmp_path / "in", tmp_path / "whole", rows_per_shard=12, batch_size=4)
    command = [sys.executable, "-c", RUN, "encode", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    command += ["--rows-per-shard", "12", "--batch-size", "4", "--device", "cpu"]
    kills = 0
    for wanted in (1, 4, 7):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while len(list(tmp_path.glob("out/stats/*.json"))) < wanted and process.poll() is None:
            time.sleep(0.002)
        time.sleep(float(rng.uniform(0, 0.05)))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert kills >= 2
    with pytest.raises(InputError, match="unfinished"):
        open_store(tmp_path / "out")
    done = encode(space, tmp_path / "in", tmp_path / "out", rows_per_shard=12, batch_size=4)
    assert done.encoded_now < 120
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_hostile_files_among_good_ones(space, tmp_path):
    # benchmarks/hostile.py is this at full size
    made = hostile.make(tmp_path / "in", good=20, mutants=200, seed=0)
    done = encode(space, tmp_path / "in", tmp_path / "out", rows_per_shard=64)
    assert done.rows == len(made) == 220
    assert hostile.problems(tmp_path / "out", made) == []


@pytest.mark.parametrize("size", [(100_000, 1), (1, 100_000)])
def test_a_picture_that_grows_when_resized_is_recorded(space, tmp_path, size):
    Image.new("L", size).save(tmp_path / "thin.png")
    pictures(1)[0].save(tmp_path / "good.png")
    assert encode(space, tmp_path, tmp_path / "out").rejected == {"decompression bomb": 1}


@pytest.mark.skipif(DATA is None, reason="CLIPSPACE_TEST_DATA names no folder of real images")
def test_real_parquet_encodes(space, tmp_path):
    done = encode(space, Path(DATA) / "cifar10-train.parquet", tmp_path / "out", limit=100)
    assert (done.stored, done.rejected) == (100, {})
    store = open_store(tmp_path / "out")
    assert {"label", "caption", "norm"} <= set(store.columns)
    assert isinstance(store[:5], Embeddings)
