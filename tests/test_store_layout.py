import errno

import pytest

from clipspace.store import layout


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
