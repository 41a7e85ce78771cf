"""Calibration: does retention rank what was kept above what was ignored, where the truth is known?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from clipspace.errors import InputError
from clipspace.probes.retention.table import Retention
from clipspace.scores import Score, Scores

CALIBRATED = ("retention", "linear", "neighbours", "sensitivity")


def rank_agreement(result: Retention, truth: Mapping[str, float], *, over: str = "images", seed: int = 0) -> Scores:
    """Spearman's rho between each component and the truth over the factors that both know; chance is 0.

    The interval is over images alone (``over="images"``: these factors, other images), or over factors as well
    (``over="factors"``: another world with other factors; wide, as factors are few). ``ceiling`` is the
    highest rho any ranking can reach, since factors tie in the truth.

    Raises `InputError` for fewer than four factors, or truths that are all the same.
    """
    names = [name for name in result.factors if name in truth]
    known = np.array([truth[name] for name in names], dtype=float)
    if len(names) < 4 or len(set(known)) < 2:
        raise InputError(f"rank_agreement: expected four factors or more of different truths, got {names}")
    if over not in ("images", "factors"):
        raise InputError(f"rank_agreement: expected over='images' or 'factors', got {over!r}")
    rows = []
    for component in CALIBRATED:
        measures = [result.measures[component][name] for name in names]
        draws = _draws(np.stack([m.draws for m in measures]), known, over, seed)
        low, high = np.percentile(draws, [2.5, 97.5])
        value = _spearman(np.array([m.value for m in measures]), known)
        rows.append(Score(component, value, 0.0, float(low), float(high), len(names)))
    rows.append(Score("ceiling", _spearman(known + 1e-9 * np.argsort(np.argsort(known)), known), n=len(names)))
    return Scores("rho with the truth", rows, result.space, seed, {"over": over})


def _draws(found: np.ndarray, known: np.ndarray, over: str, seed: int) -> np.ndarray:
    """Spearman's rho on each resample; ``found`` is ``(factors, draws)``."""
    rng = np.random.default_rng([seed, 11])
    every = np.arange(len(known))
    rhos = []
    for column in found.T:
        rows = every if over == "images" else rng.integers(len(known), size=len(known))
        if len(set(known[rows])) > 1:
            rhos.append(_spearman(column[rows], known[rows]))
    return np.array(rhos)


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rho with tied ranks shared; 0 where one side is constant."""
    from scipy.stats import rankdata

    x, y = rankdata(a), rankdata(b)
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale else 0.0
