"""Calibration: does retention rank what was kept above what was ignored, where the truth is known?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from clipspace.errors import InputError, shortened
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Row, scored
from clipspace.seeds import stream

CALIBRATED = ("availability", "best", "linear", "neighbours", "mlp", "usable", "sensitivity", "variance")
DRAWS = 1000


def rank_agreement(
    result: Result,
    truth: Mapping[str, float],
    *,
    layer: str = "embedding",
    control: Result | None = None,
    over: str = "images",
    seed: int = 0,
) -> Result:
    """Spearman's rho between each component and the truth over the factors that both know; chance is 0.

    ``result`` is the result of `retention`, and ``layer`` the layer of it that is compared; the key of a row is ``component``.
    Factors without a positive control ("not measurable here") are left out, and named in the findings.

    With a ``control``, the same probe of an untrained space of the same architecture, it is the partial rho: how far
    the ranking agrees with the truth beyond the control's ranking. A convolution with pooling ignores position before any
    training, so without a control its sensitivity seems to know what captions leave out.

    The interval is over images alone (``over="images"``: these factors, other images), or over factors as well
    (``over="factors"``: another world with other factors; wide, because there are few factors). ``ceiling`` is the highest
    rho that any ranking can reach, because factors tie in the truth.

    Raises `InputError` for fewer than four factors, or truths that are all the same.
    """
    unmeasured = [name for name in result.labels["not measurable"] if name in truth]
    names = [name for name in result.labels["factors"] if name in truth and name not in unmeasured]
    known = np.array([truth[name] for name in names], dtype=float)
    if len(names) < 4 or len(set(known)) < 2:
        raise InputError(f"rank_agreement: expected four factors or more of different truths, got {shortened(names)}")
    if over not in ("images", "factors"):
        raise InputError(f"rank_agreement: expected over='images' or 'factors', got {over!r}")
    errors = {_key(row): error for row, error in zip(result, result.arrays["errors"], strict=True)}
    asked = [c for c in CALIBRATED if all((layer, c, name) in errors for name in names)]
    if control is not None:
        present = {_key(row) for row in control}
        asked = [c for c in asked if c != "availability" and all((layer, c, name) in present for name in names)]
    rows = []
    for component in asked:
        values = np.array([result[layer, component, name].value for name in names])
        spread = np.array([errors[layer, component, name] for name in names])
        baseline = None if control is None else np.array([control[layer, component, name].value for name in names])
        draws = values + spread * stream(seed, f"draws of {component}").standard_normal((DRAWS, len(names)))
        resampled = _resampled(draws.T, known, baseline, over, seed)
        low, high = map(float, np.percentile(resampled, [2.5, 97.5]))
        rho = _partial(values, known, baseline)
        rows.append(scored(component=component, value=rho, chance=0.0, low=low, high=high, n=len(names)))
    if control is None:
        highest = _spearman(known + 1e-9 * np.argsort(np.argsort(known)), known)
        rows.append(scored(component="ceiling", value=highest, n=len(names)))
    options = {"over": over, "layer": layer, "control": None if control is None else str(control.provenance.stamp)}
    made = provenance("rank_agreement", stamp=result.provenance.stamp, seed=seed, **options)
    findings = [f"left out, not measurable here: {', '.join(unmeasured)}"] if unmeasured else []
    return Result("rank_agreement", rows, findings, provenance=made)


def _key(row: Row) -> tuple[str, str, str]:
    return row.layer, row.component, row.factor


def _resampled(draws: np.ndarray, known: np.ndarray, baseline: np.ndarray | None, over: str, seed: int) -> np.ndarray:
    """The (partial) rho on each resample; ``draws`` is ``(factors, draws)``."""
    rng = stream(seed, "factors of the agreement")
    rhos = []
    for column in draws.T:
        rows = np.arange(len(known)) if over == "images" else rng.integers(len(known), size=len(known))
        if len(set(known[rows])) > 1:
            rhos.append(_partial(column[rows], known[rows], None if baseline is None else baseline[rows]))
    return np.array(rhos)


def _partial(a: np.ndarray, b: np.ndarray, baseline: np.ndarray | None) -> float:
    """Spearman's rho of ``a`` and ``b``, without what ``baseline`` explains of both, where it is given."""
    rho = _spearman(a, b)
    if baseline is None:
        return rho
    with_a, with_b = _spearman(a, baseline), _spearman(b, baseline)
    left = (1 - with_a**2) * (1 - with_b**2)
    return (rho - with_a * with_b) / np.sqrt(left) if left > 1e-12 else 0.0


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rho with tied ranks shared; 0 where one side is constant."""
    from scipy.stats import rankdata

    x, y = rankdata(a), rankdata(b)
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale else 0.0
