"""Solving x = g(x) for a batch of independent rows: Anderson acceleration, then Newton-Krylov for the stubborn."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import NoConvergence, newton_krylov

_NEWTON_STEPS = 4
_KRYLOV_STEPS = 12


class Solution(NamedTuple):
    """``x``, the root-mean-square of ``g(x) - x``, and the evaluations of ``g``, all per row."""

    x: torch.Tensor
    residual: torch.Tensor
    evaluations: torch.Tensor


def anderson(
    g: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    *,
    tol: float,
    max_evaluations: int,
    memory: int = 8,
) -> Solution:
    """The fixed point of ``g`` near each row of ``x``, found row by row but evaluated together.

    Anderson acceleration (Anderson 1965; Walker & Ni 2011, "Anderson acceleration for fixed-point
    iterations") of depth ``memory``. Rows that have converged are no longer evaluated, nor is a row whose start ``g`` takes to
    what is not finite: its residual is infinite. A row whose residual grows past ten times its best goes back to the best
    point with half the step and an empty memory. No row ever ends worse than it began.

    Parameters
    ----------
    g : takes rows ``(k, d)`` and their indices ``(k,)``, returns ``(k, d)``
    x : float tensor (n, d), where to start
    tol : root-mean-square of ``g(x) - x`` at which a row is done
    max_evaluations : most evaluations of ``g`` for a row
    """
    n = len(x)
    best = x.clone()
    best_residual = x.new_full((n,), float("inf"))
    evaluations = torch.zeros(n, dtype=torch.long, device=x.device)
    x, step = x.clone(), x.new_ones(n)
    xs = x.new_zeros(memory, *x.shape)
    fs = x.new_zeros(memory, *x.shape)
    filled = torch.zeros(n, dtype=torch.long, device=x.device)
    active = torch.arange(n, device=x.device)
    for _ in range(max_evaluations):
        here = x[active]
        f = g(here, active) - here
        residual = f.square().mean(dim=1).sqrt()
        evaluations[active] += 1
        better = residual < best_residual[active]
        best[active[better]], best_residual[active[better]] = here[better], residual[better]
        lost = ~(residual < 10 * best_residual[active])
        x[active[lost]] = best[active[lost]]
        filled[active[lost]] = 0
        step[active[lost]] *= 0.5
        moving = active[~lost]
        if len(moving):
            slot = filled[moving] % memory
            xs[slot, moving], fs[slot, moving] = here[~lost], f[~lost]
            filled[moving] += 1
            x[moving] = _mix(xs[:, moving], fs[:, moving], filled[moving], slot, step[moving])
        active = active[(best_residual[active] > tol) & best_residual[active].isfinite()]
        if not len(active):
            break
    return Solution(best, best_residual, evaluations)


def _mix(
    xs: torch.Tensor, fs: torch.Tensor, filled: torch.Tensor, newest: torch.Tensor, step: torch.Tensor
) -> torch.Tensor:
    """The next iterate: the combination of past points whose residual is least, then one step along it."""
    memory, k, _ = xs.shape
    rows = torch.arange(k, device=xs.device)
    x, f = xs[newest, rows], fs[newest, rows]
    dx, df = (xs - x).double(), (fs - f).double()
    used = (torch.arange(memory, device=xs.device)[:, None] < filled) & (
        torch.arange(memory, device=xs.device)[:, None] != newest
    )
    dx, df = dx * used[..., None], df * used[..., None]
    gram = torch.einsum("ikd,jkd->kij", df, df)
    scale = gram.diagonal(dim1=1, dim2=2).amax(dim=1).clamp_min(1e-30)
    damping = (1e-10 * scale)[:, None] + (~used).T * scale[:, None]
    right = -torch.einsum("ikd,kd->ki", df, f.double())
    gamma = torch.linalg.solve(gram + torch.diag_embed(damping), right)
    mixed_x = x.double() + torch.einsum("ki,ikd->kd", gamma, dx)
    mixed_f = f.double() + torch.einsum("ki,ikd->kd", gamma, df)
    return (mixed_x + step[:, None] * mixed_f).to(xs.dtype)


def newton(g, solution: Solution, row: torch.Tensor, *, tol: float) -> None:
    """Improve one ``row`` (1,) of ``solution`` in place by SciPy's Newton-Krylov method, its linear systems by LGMRES.

    Jacobian products are finite differences; their width suits networks that run in float32.
    """
    start = solution.x[row]

    def f(flat: np.ndarray) -> np.ndarray:
        solution.evaluations[row] += 1
        x = torch.as_tensor(flat, dtype=start.dtype, device=start.device).reshape(start.shape)
        residual = g(x, row) - x
        size = residual.square().mean().sqrt()
        if size < solution.residual[row]:
            solution.x[row], solution.residual[row] = x, size
        return residual.double().cpu().numpy().reshape(flat.shape)

    with contextlib.suppress(NoConvergence, ValueError):  # SciPy's for a row that is not finite
        newton_krylov(
            f, start.double().cpu().numpy().ravel(), maxiter=_NEWTON_STEPS, inner_maxiter=_KRYLOV_STEPS, rdiff=1e-3,
            f_tol=tol, tol_norm=lambda v: np.sqrt(np.mean(v**2)),
        )  # fmt: skip
