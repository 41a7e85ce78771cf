"""Tables of results: every probe's numbers arrive in the same columns."""

import numpy as np

from clipspace.analyses.tables import retention_rows, score_rows
from clipspace.probes.retention.measure import Measure
from clipspace.probes.retention.table import Retention
from clipspace.results.scores import Score, Scores


def _measure(value):
    return Measure(value, np.full(10, value), 50)


def test_scores_keep_their_order_and_numbers():
    scores = Scores("p", [Score("a", 0.5, 0.1, 0.4, 0.6, 7), Score("b", 0.2)])
    first, second = score_rows(scores, kind="color")
    assert first == {"kind": "color", "score": "a", "value": 0.5, "chance": 0.1, "low": 0.4, "high": 0.6, "n": 7}
    assert list(second) == list(first)
    assert (second["score"], second["value"], second["chance"]) == ("b", 0.2, None)


def test_factors_have_one_row_each_and_none_where_a_component_is_missing():
    measures = {
        "retention": {"thing": _measure(0.9), "x": _measure(0.1)},
        "linear": {"thing": _measure(0.8), "x": _measure(0.0)},
        "cycle": {"x": _measure(0.3)},
    }
    thing, x = retention_rows(Retention(measures, None, 0, {}), captions={"thing": "always"})
    assert list(thing) == list(x)
    assert (thing["factor"], thing["captions"], thing["retention"], thing["linear"], thing["cycle"]) == (
        "thing", "always", 0.9, 0.8, None,
    )  # fmt: skip
    assert (x["captions"], x["cycle"], x["cycle low"], x["sensitivity"], x["n"]) == (None, 0.3, 0.3, None, 50)
