import os
from contextlib import nullcontext
from errno import EACCES, EINVAL, EIO

import numpy as np
import pytest
from full_disk import full_disk
from safetensors.numpy import save_file

from clipspace.errors import InputError
from clipspace.files import atomically, check_writable

_ARRAY = {"a": np.zeros(9000)}


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


@pytest.mark.parametrize("write", [lambda part: part.write_bytes(bytes(9000)), lambda part: save_file(_ARRAY, part)])
def test_on_a_full_disk_it_says_which_file_and_leaves_nothing(tmp_path, write):
    with (
        full_disk(),
        pytest.raises(InputError, match=r"could not write '.*a\.bin'"),
        atomically(tmp_path / "a.bin") as part,
    ):
        write(part)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_folder_that_cannot_be_opened_or_synced_keeps_no_file_from_its_place(tmp_path, monkeypatch, call):
    """One that may be written and not read, and those of file systems that know no syncing of folders."""
    real = getattr(os, call)

    def refused(file, *options, **named):
        if os.path.isdir(file):
            raise PermissionError(EACCES, "refused")
        return real(file, *options, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refused)
        with atomically(tmp_path / "a.txt") as part:
            part.write_text("whole")
    assert (tmp_path / "a.txt").read_text() == "whole"


@pytest.mark.parametrize(("code", "is_there"), [(EINVAL, True), (EIO, False)])
def test_a_file_system_without_sync_is_written_to_and_a_disk_that_fails_is_not(tmp_path, monkeypatch, code, is_there):
    def failed(file):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", failed)
    expected = nullcontext() if is_there else pytest.raises(InputError, match="could not write")
    with expected, atomically(tmp_path / "a.txt") as part:
        part.write_text("whole")
    assert os.listdir(tmp_path) == ["a.txt"] * is_there


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
