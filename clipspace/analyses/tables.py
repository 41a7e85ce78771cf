"""What probes answer with, as rows of an analysis's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipspace.results.result import Result

_WITH_INTERVALS = ("retention", "recovery", "cycle")
_COMPONENTS = ("linear", "neighbours", "sensitivity", "consistency", "recovery", "reader", "cycle")


def retention_rows(result: Result, **columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per factor, from kept to ignored: ``columns`` of it, then every component, None where it has none."""
    rows = {(row.component, row.factor): row for row in result}

    def value(component: str, factor: str, part: str = "value") -> Any:
        return rows.get((component, factor), {}).get(part)

    return [
        {
            "factor": factor,
            **{name: column.get(factor) for name, column in columns.items()},
            **{name: value(name, factor) for name in ("retention", *_COMPONENTS)},
            **{f"{name} {part}": value(name, factor, part) for name in _WITH_INTERVALS for part in ("low", "high")},
            "n": value("retention", factor, "n"),
        }
        for factor in result.labels["factors"]
    ]
