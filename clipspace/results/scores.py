"""What a probe answers with: named scores, each beside its chance level and interval.

One shape for all probes, so that any of them prints as a table, saves as JSON, becomes a pandas frame and is
drawn by the same functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.errors import InputError, shortened
from clipspace.plain import to_json, to_number, to_plain
from clipspace.points.embeddings import Stamp
from clipspace.points.stamps import read_stamp
from clipspace.results.text import FEW_ROWS, as_html, as_text
from clipspace.seeds import stream

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Score:
    """One measured number: what chance would give, and a 95 % interval, where each exists; ``n`` is its sample."""

    name: str
    value: float
    chance: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of one probe, and what is needed to repeat and to draw it.

    Parameters
    ----------
    probe : name of the probe
    rows : the scores, in the order to be read
    stamp : stamp of the space probed, None for a set without one
    seed : of every random draw made; None where none was
    settings : the options that the scores depend on, plain values
    arrays : what a figure draws beyond the scores (curves, matrices), by name

    >>> scores = Scores("knn", [Score("accuracy", 0.9, chance=0.1, low=0.88, high=0.92, n=500)])
    >>> scores["accuracy"].value
    0.9
    >>> print(scores)
    knn       value  chance            95 %    n
    accuracy  0.900   0.100  [0.880, 0.920]  500
    """

    probe: str
    rows: Sequence[Score]
    stamp: Stamp | None = None
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(self.rows))
        names = [row.name for row in self.rows]
        if len(set(names)) != len(names):
            raise InputError(f"Scores: expected one score per name, got {shortened(names)}")

    def __getitem__(self, name: str) -> Score:
        for row in self.rows:
            if row.name == name:
                return row
        raise InputError(
            f"{self.probe}: expected one of the scores {shortened(row.name for row in self.rows)}, got {name!r}"
        )

    def __iter__(self):
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return as_text(self._cells())

    def __repr__(self) -> str:
        return as_text(self._cells(), most=FEW_ROWS)

    def _repr_html_(self) -> str:
        return as_html(self._cells())

    def _cells(self) -> list[list[str]]:
        """The table, without the columns that no score fills."""
        lines = [(self.probe, "value", "chance", "95 %", "n"), *map(_of, self.rows)]
        kept = [c for c in range(5) if c < 2 or any(line[c] for line in lines[1:])]
        return [[line[c] for c in kept] for line in lines]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON (see `clipspace.plain.to_plain`); ``arrays`` become nested lists."""
        arrays = {name: np.asarray(array) for name, array in self.arrays.items()}
        return to_plain(
            {
                "probe": self.probe,
                "space": self.stamp,
                "seed": self.seed,
                "settings": self.settings,
                "scores": [asdict(row) for row in self.rows],
                "arrays": arrays,
                "array_types": {name: [array.dtype.str, array.shape] for name, array in arrays.items()},
            }
        )

    def to_json(self) -> str:
        """`to_dict` as strict JSON, which `Scores.from_json` reads."""
        return to_json(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Scores:
        """The scores that `to_json` wrote. Raises `InputError` for any other text."""
        try:
            plain = json.loads(text)
            rows = [
                Score(**{key: v if key == "name" else to_number(v) for key, v in row.items()})
                for row in plain["scores"]
            ]
            stamp = read_stamp(plain["space"])
            arrays = {
                name: np.array(plain["arrays"][name], dtype=dtype).reshape(shape)
                for name, (dtype, shape) in plain["array_types"].items()
            }
            return cls(plain["probe"], rows, stamp, plain["seed"], plain["settings"], arrays)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"Scores.from_json: expected what Scores.to_json gave, got {error!r} in reading it"
            ) from None

    def to_frame(self) -> pandas.DataFrame:
        """A pandas frame, one score a row, indexed by name."""
        import pandas

        return pandas.DataFrame([asdict(row) for row in self.rows]).set_index("name")


def bootstrap(
    *samples: np.ndarray,
    statistic: Callable[..., float] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> tuple[float, float]:
    """95 % percentile interval of ``statistic`` (the mean by default) over rows drawn with replacement.

    Several samples are resampled together, by row. Deterministic in ``seed``.
    """
    n = len(samples[0])
    if n == 0 or any(len(sample) != n for sample in samples):
        raise InputError(f"bootstrap: expected samples of one length above 0, got {shortened(len(s) for s in samples)}")
    rng = stream(seed, "bootstrap")
    if statistic is None:
        block = max(1, 5_000_000 // n)  # counts are resamples x n; a block of them fits in memory
        sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
        means = (rng.multinomial(n, np.full(n, 1 / n), size=k) @ np.asarray(samples[0], np.float64) / n for k in sizes)
        drawn = np.concatenate(list(means))
    else:
        draws = (rng.integers(n, size=n) for _ in range(resamples))
        drawn = np.array([statistic(*(sample[rows] for sample in samples)) for rows in draws])
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _of(row: Score) -> tuple[str, ...]:
    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    interval = "" if row.low is None or row.high is None else f"[{row.low:.3f}, {row.high:.3f}]"
    return row.name, shown(row.value), shown(row.chance), interval, "" if row.n is None else str(row.n)
