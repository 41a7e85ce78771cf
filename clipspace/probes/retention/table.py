"""`Retention`: what retention answers with, the scores of every component side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipspace.errors import InputError
from clipspace.plain import to_json
from clipspace.points.embeddings import Stamp
from clipspace.probes.retention.measure import Measure
from clipspace.results.scores import Scores
from clipspace.results.text import FEW_ROWS, as_html, as_text

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Retention:
    """Factors from kept to ignored, and each component of that verdict.

    Parameters
    ----------
    measures : ``{component: {factor: Measure}}``, factors in order from kept to ignored; a factor is missing
        from a component that cannot be had of it
    stamp : stamp of the space
    seed, settings : what the numbers depend on

    ``result["sensitivity"]`` is a `Scores` with one row per factor. Components are *retention* (the mean of
    linear, neighbours and sensitivity, each cut to [0, 1]), *linear*, *neighbours*, *sensitivity*, *consistency*,
    and with a decoder *recovery*, its baseline *unconditional* (the same readers on what the decoder draws when told
    nothing), and its controls *reader* (on the true images) and *cycle* (the linear read-out on E(D(z))).
    """

    measures: Mapping[str, Mapping[str, Measure]]
    stamp: Stamp | None
    seed: int
    settings: Mapping[str, Any]

    @property
    def factors(self) -> list[str]:
        """From kept to ignored."""
        return list(self.measures["retention"])

    def __getitem__(self, component: str) -> Scores:
        if component not in self.measures:
            raise InputError(f"retention: expected one of {list(self.measures)}, got {component!r}")
        rows = [measure.score(name) for name, measure in self.measures[component].items()]
        return Scores(f"{component} of", rows, self.stamp, self.seed, self.settings)

    def __str__(self) -> str:
        return "\n".join([as_text(self._cells()), *self._notes()])

    def __repr__(self) -> str:
        return as_text(self._cells(), most=FEW_ROWS)

    def _repr_html_(self) -> str:
        return as_html(self._cells(), notes=self._notes())

    def _cells(self) -> list[list[str]]:
        found = {name: self[name] for name in self.measures}
        cells = [["factor", *found, "95 % of retention"]]
        for factor in self.factors:
            values = [f"{m[factor].value:.2f}" if factor in m else "" for m in self.measures.values()]
            score = found["retention"][factor]
            cells.append([factor, *values, f"[{score.low:.2f}, {score.high:.2f}]"])
        return cells

    def _notes(self) -> list[str]:
        if "cycle agreement" not in self.settings:
            return []
        agreement = self.settings["cycle agreement"]
        return [f"cycle agreement of E(D(z)) with z: {agreement:.2f} (1 closes, 0 is unrelated)"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: the `Scores` of each component."""
        return {name: self[name].to_dict() for name in self.measures}

    def to_json(self) -> str:
        return to_json(self.to_dict())

    def to_frame(self) -> pandas.DataFrame:
        """A pandas frame, one factor a row and one component a column."""
        import pandas

        columns = {name: {factor: m.value for factor, m in found.items()} for name, found in self.measures.items()}
        return pandas.DataFrame(columns, index=self.factors)
