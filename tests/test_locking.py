import errno
import fcntl
import os
import subprocess
import sys

import numpy as np
import pytest
from filelock import SoftFileLock, Timeout

from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.store import append, export, merge, open_store, select, write_store
from clipspace.points.store.locking import alone, encoding_share, writing, writing_alone
from clipspace.points.store.shards import ShardWriter
from clipspace.space.encoding import encode

STAMP = Stamp("a", "w" * 16, "p" * 16, 8)
HOLD = """
import sys
from pathlib import Path
from clipspace.points.store.shards import ShardWriter
writer = ShardWriter(Path(sys.argv[1]), 0, ["image"], dim=8, dtype="float32")
print("held", flush=True)
sys.stdin.readline()
"""
APPEND = """
import sys, time
import numpy as np
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.errors import InputError
from clipspace.points.store import append
points = Embeddings(np.full((3000, 8), float(sys.argv[2]) + 1, np.float32), Stamp("a", "w" * 16, "p" * 16, 8), "image")
sys.stdin.readline()
added = 0
for _ in range(5):
    try:
        append(sys.argv[1], points)
        added += 3000
    except InputError as error:
        assert "another process" in str(error)
        time.sleep(0.01)
print(added)
"""


def points(n: int = 20) -> Embeddings:
    return Embeddings(np.random.default_rng(n).normal(size=(n, 8)).astype(np.float32), STAMP, "image")


def start(code: str, *arguments) -> subprocess.Popen:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_shard_has_one_writer_whatever_its_share_is_called(tmp_path):
    holder = start(HOLD, tmp_path)
    assert holder.stdout.readline() == "held\n"
    [part] = tmp_path.glob("img_emb/.*")
    before = part.stat().st_size
    with pytest.raises(InputError, match="another process"):
        ShardWriter(tmp_path, 0, ["image"], dim=8, dtype="float32")
    assert part.stat().st_size == before
    holder.kill()
    holder.communicate()
    ShardWriter(tmp_path, 0, ["image"], dim=8, dtype="float32").abort()  # a lock ends with its process
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_runs_of_unlike_shares_do_not_write_one_shard(space, tmp_path, apple):
    apple.save(tmp_path / "a.png")
    how = {"batch_size": 1}
    out = tmp_path / "out"
    out.mkdir()
    with alone(out / ".shard-0000"), pytest.raises(InputError, match="another process"):
        encode(space, [tmp_path / "a.png"] * 2, out, shard=(0, 2), **how)
    with alone(writing(out)), pytest.raises(InputError, match="another process"):  # nor while rows are appended
        encode(space, [tmp_path / "a.png"] * 2, out, shard=(0, 2), **how)
    assert encode(space, [tmp_path / "a.png"] * 2, out, **how).stored == 2
    assert not list(out.rglob(".*"))


def test_appends_at_once_lose_no_row(tmp_path):
    write_store(tmp_path / "s", points(10))
    processes = [start(APPEND, tmp_path / "s", i) for i in range(3)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    store = open_store(tmp_path / "s")
    assert len(store) == 10 + sum(map(int, said))
    store.verify()


def test_a_store_has_one_writer(tmp_path):
    store = write_store(tmp_path / "s", points())
    (tmp_path / "new").mkdir()
    for path, write in (
        ("s", lambda: append(tmp_path / "s", points())),
        ("new", lambda: write_store(tmp_path / "new", points())),
        ("new", lambda: merge([tmp_path / "s"], tmp_path / "new")),
        ("new", lambda: export(select(store, near=points()[0]), tmp_path / "new")),
    ):
        with alone(writing(tmp_path / path)), pytest.raises(InputError, match="another process"):
            write()
        with encoding_share(tmp_path / path, "0-of-2"), pytest.raises(InputError, match="another process"):
            write()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="got the file"):
        write_store(tmp_path / "file", points())
    assert len(merge([tmp_path / "s"], tmp_path / "new")) == 20
    assert not list(tmp_path.glob("*/.*"))


def test_shares_of_an_encoding_let_each_other_in_and_no_writer(tmp_path):
    with encoding_share(tmp_path, "0-of-2"), encoding_share(tmp_path, "1-of-2"):
        with pytest.raises(InputError, match="another process"), writing_alone(tmp_path):
            pass
        with pytest.raises(InputError, match="another process"), encoding_share(tmp_path, "0-of-2"):
            pass
    with (
        writing_alone(tmp_path),
        pytest.raises(InputError, match="another process"),
        encoding_share(tmp_path, "0-of-2"),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP])
@pytest.mark.filterwarnings("ignore:flock not supported")
def test_without_locks_of_the_system_two_writers_do_not_both_hold_one(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    writer = ShardWriter(tmp_path / "s", 0, ["image"], dim=8, dtype="float32")
    with pytest.raises(InputError, match="another process"):
        ShardWriter(tmp_path / "s", 0, ["image"], dim=8, dtype="float32")
    writer.abort()
    with writing_alone(tmp_path / "t"), pytest.raises(InputError, match="another process"):
        write_store(tmp_path / "t", points())
    shares = [encoding_share(tmp_path / "t", f"{i}-of-2") for i in range(2)]
    with shares[0], shares[1], pytest.raises(InputError, match="another process"):
        write_store(tmp_path / "t", points())
    assert len(write_store(tmp_path / "t", points())) == 20
    assert not [file for file in tmp_path.rglob(".*") if file.is_file()]


def test_a_killed_writer_without_locks_of_the_system_is_noticed(tmp_path):
    holder = start("import fcntl\ndef refuse(*_): raise OSError(95, '')\nfcntl.flock = refuse\n" + HOLD, tmp_path)
    assert holder.stdout.readline() == "held\n"
    [held] = tmp_path.glob(".shard-*")
    with pytest.raises(Timeout):
        SoftFileLock(held, timeout=0).acquire()
    holder.kill()
    holder.communicate()
    SoftFileLock(held, timeout=0).acquire()
