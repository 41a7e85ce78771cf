"""What probes answer with, as rows of a result's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from clipspace.probes.retention import Retention
from clipspace.results.scores import Scores

_WITH_INTERVALS = ("retention", "recovery", "cycle")
_COMPONENTS = ("linear", "neighbours", "sensitivity", "consistency", "recovery", "reader", "cycle")


def score_rows(scores: Scores, **columns: Any) -> list[dict[str, Any]]:
    """One row per score, after ``columns`` that are the same in all of them.

    >>> from clipspace.results.scores import Score
    >>> score_rows(Scores("knn", [Score("accuracy", 0.9, n=50)]), space="mini")
    [{'space': 'mini', 'score': 'accuracy', 'value': 0.9, 'chance': None, 'low': None, 'high': None, 'n': 50}]
    """
    return [{**columns, "score": row.name, **{k: v for k, v in asdict(row).items() if k != "name"}} for row in scores]


def retention_rows(found: Retention, **columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per factor, from kept to ignored: ``columns`` of it, then every component, None where it has none."""
    scores = {name: {row.name: row for row in found[name]} for name in found.measures}

    def value(name: str, factor: str, part: str = "value") -> Any:
        score = scores.get(name, {}).get(factor)
        return None if score is None else getattr(score, part)

    return [
        {
            "factor": factor,
            **{name: column.get(factor) for name, column in columns.items()},
            **{name: value(name, factor) for name in ("retention", *_COMPONENTS)},
            **{f"{name} {part}": value(name, factor, part) for name in _WITH_INTERVALS for part in ("low", "high")},
            "n": value("retention", factor, "n"),
        }
        for factor in found.factors
    ]
