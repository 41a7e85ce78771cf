import os

import pytest

from clipspace.errors import InputError
from clipspace.saving import atomically, check_writable


def test_a_finished_block_leaves_the_file_and_nothing_else(tmp_path):
    with atomically(tmp_path / "a.txt") as part:
        part.write_text("whole")
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failed_block_leaves_what_was_there(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), atomically(tmp_path / "a.txt", overwrite=True) as part:  # noqa: PT012
        part.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_exists_is_not_replaced_unasked(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(InputError, match="exists"):
        check_writable(tmp_path / "a.txt")
    assert check_writable(tmp_path / "a.txt", overwrite=True)


def test_a_folder_or_a_missing_parent_is_refused(tmp_path):
    with pytest.raises(InputError, match="folder"):
        check_writable(tmp_path)
    with pytest.raises(InputError, match="make it first"):
        check_writable(tmp_path / "none" / "a.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        check_writable(tmp_path / "a.txt")
