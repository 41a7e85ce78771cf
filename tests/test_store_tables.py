import numpy as np
import pyarrow
import pytest

from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings
from clipspace.points.store import metadata, open_store, write_store


@pytest.fixture
def stores(tmp_path):
    """A store of clipspace, and one as clip-retrieval leaves it."""
    vectors = np.eye(4, dtype=np.float32)
    write_store(tmp_path / "native", Embeddings(vectors, names=list("abcd")))
    for name in ("img_emb", "metadata"):
        (tmp_path / "foreign" / name).mkdir(parents=True)
    np.save(tmp_path / "foreign/img_emb/img_emb_0.npy", vectors)
    file = tmp_path / "foreign/metadata/metadata_0.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"image_path": list("abcd")}), file)
    return {"native": tmp_path / "native/metadata/metadata_0000.parquet", "foreign": file}


def test_a_table_is_looked_through_once_however_often_its_rows_are_read(tmp_path, monkeypatch):
    class Table:
        looks = 0

        def replace_schema_metadata(self, _):
            return self

        def validate(self, *, full):
            self.looks += full

    table, file = Table(), tmp_path / "metadata_0000.parquet"
    file.write_bytes(b"")
    monkeypatch.setattr("pyarrow.parquet.read_table", lambda path: table)
    assert [metadata.read_table(file) for _ in range(3)] == [table] * 3
    assert table.looks == 1


@pytest.mark.parametrize("store", ["native", "foreign"])
@pytest.mark.parametrize("at", [slice(-8, None), slice(4, 60)], ids=["end", "start"])
def test_metadata_with_damaged_bytes_is_named(stores, store, at):
    """At its end lies the schema, which opening reads; what else is damaged is noticed when it is read."""
    file = stores[store]
    held = bytearray(file.read_bytes())
    held[at] = b"\xff" * len(held[at])
    file.write_bytes(held)
    with pytest.raises(InputError, match=rf"{file.name}' cannot be read .*get a whole copy"):
        open_store(file.parent.parent).metadata(["image_path"])
    with pytest.raises(InputError, match=rf"{file.name}' cannot be read .*get a whole copy"):
        open_store(file.parent.parent)[:]


def test_numbers_of_no_one_type_are_text():
    # 2^53 + 1 is the first integer that float64 rounds
    parts = [pyarrow.table({"id": [2**53 + 1, None]}), pyarrow.table({"id": [1.5]}), pyarrow.table({"other": [1]})]
    joined = metadata.concatenate(parts)
    assert joined["id"].to_pylist() == ["9007199254740993", None, "1.5", None]
    assert joined["other"].to_pylist() == [None, None, None, 1]
    small = metadata.concatenate([pyarrow.table({"id": [3]}), pyarrow.table({"id": [1.5]})])
    assert small["id"].to_pylist() == [3.0, 1.5]
