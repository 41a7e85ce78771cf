import numpy as np
import pytest

from clipspace.errors import InputError, check_count, shortened
from clipspace.points.embeddings import Embeddings
from clipspace.points.sphere import along, mean
from clipspace.points.store import write_store
from clipspace.probes.logistic_regression import linear
from clipspace.results.result import Result
from clipspace.results.table import Table, scored

MANY = [f"name {i}" for i in range(1000)]


def test_a_list_is_shortened_to_its_first_values():
    assert shortened(["a", np.str_("b"), 3]) == "['a', 'b', 3]"
    assert shortened(range(1000), 3) == "[0, 1, 2, and 997 more]"
    assert shortened([]) == "[]"
    assert len(shortened(["long " * 1000] * 1000)) < 1000


@pytest.mark.parametrize(
    "refused",
    [
        lambda path: Table([scored(score=name, value=0) for name in MANY])["none"],
        lambda path: Table([scored(score="one", value=0) for _ in MANY], keys=["score"]),
        lambda path: Result("analysis", [dict.fromkeys(MANY, 0)], []).column("none"),
        lambda path: write_store(
            path / "s", Embeddings(np.eye(2, dtype=np.float32), columns=dict.fromkeys(MANY, (1, 2)))
        ).metadata(["none"]),
        lambda path: linear(
            Embeddings(np.eye(1000)), MANY[:500] * 2, held_out=(Embeddings(np.eye(1000)), MANY), seed=0
        ),
        lambda path: linear(Embeddings(np.eye(2), columns=dict.fromkeys(MANY, (1, 2))), "none"),
        lambda path: mean(np.eye(1000), weights=-np.ones(1000)),
        lambda path: along(np.eye(3), positions=np.full(1000, 9.0)),
    ],
)
def test_no_message_prints_all_of_a_long_list(refused, tmp_path):
    with pytest.raises(InputError) as error:
        refused(tmp_path)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("value", [0, 2.5, "3"])
def test_a_count_is_an_integer_of_at_least_one(value):
    with pytest.raises(InputError, match="n: expected an integer of at least 1"):
        check_count("n", value)
