"""Files that were changed at random are read, or refused by an error of ours; never by another, and in little memory."""

import mutated
import pytest


def test_what_is_not_changed_is_read(tmp_path):
    for original in mutated.originals(tmp_path):
        came = mutated.tried(original, original.file.read_bytes())
        assert (came.outcome, came.fault) == ("read", None), original.file


@pytest.mark.parametrize("n", [300])
def test_files_changed_at_random_raise_errors_of_ours_alone(tmp_path, n):
    outcomes, faults, _ = mutated.attack(tmp_path, n, seed=1)
    assert faults == []
    assert outcomes["refused"] > n / 3  # the changes do break files
