import errno
import json

import numpy as np
import pytest

from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.store import layout, open_store, write_store


@pytest.fixture
def no_links(monkeypatch):
    """A file system without hard links, such as exFAT."""

    def refused(*where):
        raise PermissionError(errno.EPERM, "Operation not permitted", *where)

    monkeypatch.setattr(layout.os, "link", refused)


def test_without_hard_links_a_header_is_created_once(tmp_path, no_links):
    file = tmp_path / "store.json"
    assert layout.create_json(file, {"a": 1}, writer="part")
    assert not layout.create_json(file, {"a": 2}, writer="other")
    assert layout.read_json(file) == {"a": 1}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("change", [lambda s: s | {"patch": 14}, lambda s: {"model": "a"}])
def test_a_stamp_of_other_fields_is_refused(tmp_path, change):
    write_store(tmp_path, Embeddings(np.eye(3, dtype=np.float32), Stamp("a", "0" * 16, "1" * 16, 3)))
    header = layout.read_header(tmp_path)
    layout.header_file(tmp_path).write_text(json.dumps(header | {"stamp": change(header["stamp"])}))
    with pytest.raises(InputError, match=r"expected a stamp of \['model', 'weights', 'preprocess', 'dim'\] .*update"):
        open_store(tmp_path)
