"""Sparse non-negative codes over a dictionary: many rows at once, exact.

For each row z: minimise |w C - z|^2 + strength * sum(w) over w >= 0. Almost every word is absent from almost
every row, so a row is solved over a short list of words only, exactly, and then the optimality conditions are
checked over the whole dictionary by one matrix product; words that break them join the list. The first checks
only propose words, so half precision does where it is quicker; the last is made in full. What comes out satisfies
the conditions for all words: it is the solution of the whole problem, not of a screened one.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch

from clipspace.errors import ConvergenceWarning, InputError

LIST = 10
"""Largest number of words that join a row's list at each check."""
PROPOSALS = 2
"""Number of checks that only propose words, before the checks that decide."""
CHECKS = 200


def sparse_codes(
    targets: np.ndarray,
    dictionary: np.ndarray,
    strength: float,
    *,
    tol: float = 1e-6,
    batch_size: int = 1024,
    device: str | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The codes of ``targets`` (n, d) over ``dictionary`` (v, d), both of unit rows, none twice.

    scikit-learn's ``Lasso(alpha=strength / (2 d), positive=True, fit_intercept=False)`` minimises the same.

    Returns
    -------
    rows, words, weights of the entries above 0, sorted by row, and ``excess`` (n,): by how much the residual's
    correlations miss the optimality conditions, which are strength / 2 for words in use and no more for all others
    (at most ``tol`` for those, in single precision).
    """
    if not (np.isfinite(strength) and strength > 0):
        raise InputError(f"sparse_codes: expected a strength above 0, got {strength}")
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    words = torch.tensor(dictionary, dtype=torch.float32, device=place)
    codes_by_batch = [
        _codes(torch.tensor(targets[i : i + batch_size], dtype=torch.float32, device=place), words, strength / 2, tol)
        for i in range(0, len(targets), batch_size)
    ]
    worst = max(float(batch_codes[3].max()) for batch_codes in codes_by_batch)
    if worst > 100 * tol:
        warnings.warn(
            f"sparse_codes: the optimality conditions are missed by {worst:.1e}; drop words that almost coincide",
            ConvergenceWarning,
            stacklevel=3,
        )
    lengths = [len(batch_codes[3]) for batch_codes in codes_by_batch]
    starts = np.cumsum([0, *lengths[:-1]])
    rows = np.concatenate([batch_codes[0] + start for batch_codes, start in zip(codes_by_batch, starts, strict=True)])
    return rows, *(np.concatenate([batch_codes[i] for batch_codes in codes_by_batch]) for i in (1, 2, 3))


def _codes(targets: torch.Tensor, words: torch.Tensor, half: float, tol: float):
    """The codes of one batch, as `sparse_codes` returns them; ``half`` is strength / 2.

    A row's list is what it uses of the last one, and the words that most break its conditions; it leaves when none does.
    """
    n, grow = len(targets), min(LIST, len(words))
    residual, excess = targets.clone(), targets.new_zeros(n)
    listed = torch.zeros(n, 0, dtype=torch.int64, device=targets.device)
    weights = torch.zeros(n, 0, dtype=torch.float64, device=targets.device)
    finished: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    open_rows = torch.arange(n, device=targets.device)
    rough = words.bfloat16() if _is_half_quick(words.device) else words
    for check in range(CHECKS):
        proposing = check < PROPOSALS
        correlation = (residual.to(rough.dtype) @ rough.T).float() if proposing else residual @ words.T
        used_correlation, is_used = correlation.gather(1, listed), weights > 0
        off = torch.where(is_used, (used_correlation - half).abs(), 0).sum(dim=1)
        correlation.scatter_reduce_(1, listed, torch.where(is_used, -torch.inf, used_correlation), "amin")
        worst, joining = correlation.topk(grow, dim=1)
        worst -= half
        excess[open_rows] = torch.maximum(worst[:, 0], off)
        ready = ((worst[:, 0] <= tol) & (not proposing)) | (check + 1 == CHECKS)
        finished.append((open_rows[ready], listed[ready], weights[ready]))
        if ready.all():
            break
        stay = ~ready
        open_rows, listed, weights = open_rows[stay], listed[stay], weights[stay]
        n_used = int((weights > 0).sum(dim=1).max()) if listed.shape[1] else 0
        best = weights.topk(n_used, dim=1)
        listed = torch.cat([listed.gather(1, best.indices), joining[stay]], dim=1)
        usable = torch.cat([best.values > 0, worst[stay] > tol], dim=1)
        passive = torch.cat([best.values > 0, torch.zeros_like(joining[stay], dtype=torch.bool)], dim=1)
        exact = check + 1 >= PROPOSALS
        weights, residual = _solve(targets[open_rows], words[listed], half, usable, passive, exact=exact)
    return _entries(finished, excess)


def _solve(targets, vectors, half: float, usable, passive, *, exact: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (n, k) of each row's own words (n, k, d), and residuals (n, d)."""
    kind = torch.float64 if exact else torch.float32
    targets, vectors = targets.to(kind), vectors.to(kind)
    gram = (vectors @ vectors.mT).double()
    gram.diagonal(dim1=1, dim2=2).add_(1e-9 if exact else 1e-4)  # words may repeat each other
    right_side = (vectors @ targets[..., None])[..., 0].double() - half
    weights = _non_negative(gram, right_side, usable, passive)
    return weights, (targets - (weights.to(kind)[:, None] @ vectors)[:, 0]).float()


def _non_negative(
    gram: torch.Tensor, target: torch.Tensor, usable: torch.Tensor, passive: torch.Tensor
) -> torch.Tensor:
    """Minimisers (n, k), w >= 0, of w G w / 2 - target w, by block principal pivoting (Kim & Park 2011), all rows at once.

    Every word that is on the wrong side of its condition changes side; where that has thrice failed to leave
    fewer of them, only the last one does (Murty's rule), which ends for certain.
    """
    n, k = target.shape
    places = torch.arange(k, device=gram.device)
    fewest = torch.full((n,), k + 1, device=gram.device)
    patience = torch.full((n,), 3, device=gram.device)
    solution = torch.zeros_like(target)
    rows = torch.arange(n, device=gram.device)
    for _ in range(100 + 10 * k):
        mask = passive.double()
        system = gram[rows] * mask[:, :, None] * mask[:, None]
        system.diagonal(dim1=1, dim2=2).add_(1 - mask)
        weights = torch.cholesky_solve((target[rows] * mask)[..., None], torch.linalg.cholesky(system))[..., 0]
        slope = (gram[rows] @ weights[..., None])[..., 0] - target[rows]
        wrong = usable[rows] & torch.where(passive, weights < 0, slope < -1e-12)
        count = wrong.sum(dim=1)
        solution[rows] = torch.where(passive, weights, 0)
        better, allowed = count < fewest, patience > 0
        fewest = torch.where(better, count, fewest)
        patience = torch.where(better, 3, patience - 1)
        last = torch.where(wrong, places, -1).argmax(dim=1)
        last_wrong = torch.nn.functional.one_hot(last, k).bool() & wrong
        passive = passive ^ torch.where((better | allowed)[:, None], wrong, last_wrong)
        stay = count > 0
        rows, passive, fewest, patience = rows[stay], passive[stay], fewest[stay], patience[stay]
        if not len(rows):
            break
    return solution.clamp(min=0)


def _is_half_quick(device: torch.device) -> bool:
    """Whether bfloat16 products have hardware of their own there."""
    if device.type != "cpu":
        return device.type == "cuda"
    return any(getattr(torch.cpu, f"_is_{unit}_supported", bool)() for unit in ("avx512_bf16", "amx_tile"))


def _entries(finished, excess: torch.Tensor):
    rows = torch.cat([row_ids.repeat_interleave((weights > 0).sum(dim=1)) for row_ids, _, weights in finished])
    words = torch.cat([listed[weights > 0] for _, listed, weights in finished])
    values = torch.cat([weights[weights > 0] for _, _, weights in finished])
    order = rows.argsort(stable=True)
    return tuple(tensor.cpu().numpy() for tensor in (rows[order], words[order], values[order], excess))
