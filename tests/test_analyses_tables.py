"""Tables of results: every component of every factor arrives in a column of its own."""

from clipspace.analyses.tables import retention_rows
from clipspace.results.result import Result
from clipspace.results.table import scored


def test_factors_have_one_row_each_and_none_where_a_component_is_missing():
    measures = {
        "retention": {"thing": 0.9, "x": 0.1},
        "linear": {"thing": 0.8, "x": 0.0},
        "cycle": {"x": 0.3},
    }
    rows = [
        scored(component=component, factor=factor, value=value, low=value, high=value, n=50)
        for component, values in measures.items()
        for factor, value in values.items()
    ]
    result = Result("retention", rows, labels={"factors": ["thing", "x"]})
    thing, x = retention_rows(result, captions={"thing": "always"})
    assert list(thing) == list(x)
    assert (thing["factor"], thing["captions"], thing["retention"], thing["linear"], thing["cycle"]) == (
        "thing", "always", 0.9, 0.8, None,
    )  # fmt: skip
    assert (x["captions"], x["cycle"], x["cycle low"], x["sensitivity"], x["n"]) == (None, 0.3, 0.3, None, 50)
