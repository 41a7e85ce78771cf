"""Multinomial logistic regression for many strengths of L2 regularisation at once, by one batched L-BFGS.

All problems share the data, so one pass over it serves every strength: the skinny products of a single fit
become one large matrix product. The variables are those in which the data are white and the penalty is added
(the bound of Böhning 1992 on the Hessian), where L-BFGS needs tens of passes instead of hundreds, at every
strength alike. The problem is convex: the solution is that of any other solver.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from clipspace.errors import ConvergenceWarning, InputError, shortened
from clipspace.reprs import brief

ROWS = 4096
"""Number of rows in a block, whose logits fit the processor's cache."""
HISTORY = 10
_LARGEST = 2**24
"""Largest number of parameters solved for together; further strengths are solved in groups."""


@dataclass(frozen=True, eq=False)
class LogisticFits:
    """One classifier for each of ``b`` strengths.

    ``weights`` (b, d, k) and ``intercepts`` (b, k) in the dtype of the fit; ``passes`` (b,) over the data;
    ``converged`` (b,).
    """

    strengths: np.ndarray
    weights: np.ndarray
    intercepts: np.ndarray
    passes: np.ndarray
    converged: np.ndarray

    __repr__ = brief

    def predict(self, x: np.ndarray, *, device: str | None = None) -> np.ndarray:
        """Class numbers (b, n) of the rows of ``x`` (n, d), for each strength."""
        b, d, k = self.weights.shape
        place = _device(device)
        weights = torch.from_numpy(self.weights).to(place).permute(1, 2, 0).reshape(d, k * b)
        intercepts = torch.from_numpy(self.intercepts).to(place).T.reshape(k * b)
        best = [
            torch.addmm(intercepts, _tensor(x[i : i + ROWS], weights), weights).view(-1, k, b).argmax(dim=1)
            for i in range(0, len(x), ROWS)
        ]
        return torch.cat(best).T.cpu().numpy()


def fit_logistic(
    x: np.ndarray,
    ids: np.ndarray,
    strengths: Sequence[float],
    *,
    tol: float = 1e-8,
    max_passes: int = 1000,
    device: str | None = None,
) -> LogisticFits:
    """Minimise, for every strength: sum of cross-entropies + strength / 2 * |weights|^2 (intercepts go free).

    scikit-learn's ``C`` is 1 / strength; for two classes, where it has one vector and not two, 2 / strength.

    Parameters
    ----------
    x : (n, d), float32 or float64, which is also the precision of the fit; float64 for at most `ROWS` rows
    ids : (n,), class numbers 0 to k - 1
    strengths : all above 0
    tol : nats per row between the loss and its least value at which a fit ends, as estimated at curvature 1
        (for nearly separable classes, whose curvature is less, the true distance can be some tens of times more)
    max_passes : over the data, after which a `ConvergenceWarning` names the strengths still open
    """
    strengths = np.asarray(strengths, dtype=np.float64)
    if strengths.ndim != 1 or not len(strengths) or not (np.isfinite(strengths) & (strengths > 0)).all():
        raise InputError(f"fit_logistic: expected strengths above 0, got {shortened(strengths.ravel().tolist())}")
    k = int(ids.max()) + 1
    x = x.astype(np.float64) if len(x) <= ROWS else x
    size = max(1, _LARGEST // ((x.shape[1] + 1) * k))
    data = _White(x, ids, k, _device(device))
    solutions = [_solve(data, strengths[i : i + size], tol, max_passes) for i in range(0, len(strengths), size)]
    weights, intercepts, passes, converged = (np.concatenate(arrays) for arrays in zip(*solutions, strict=True))
    if not converged.all():
        warnings.warn(
            f"fit_logistic: strengths {shortened(strengths[~converged].tolist())} did not converge to {tol} in {max_passes} passes; "
            "use stronger regularisation, or more passes",
            ConvergenceWarning,
            stacklevel=3,
        )
    return LogisticFits(strengths, weights, intercepts, passes, converged)


class _White:
    """The data in the basis of its principal axes, with a last column of ones for the intercept."""

    def __init__(self, x: np.ndarray, ids: np.ndarray, k: int, device: torch.device) -> None:
        points = torch.tensor(x, device=device)
        self.k, self.ids = k, torch.from_numpy(np.asarray(ids, dtype=np.int64)).to(device)
        self.mean = points.mean(dim=0)
        points = points - self.mean
        moments, self.axes = torch.linalg.eigh((points.T @ points).double())
        self.axes = self.axes.to(points.dtype)
        self.points = torch.cat([points @ self.axes, points.new_ones(len(points), 1)], dim=1)
        self.moments = torch.cat([moments.clamp(min=0), moments.new_tensor([len(points)])])

    def loss(self, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed cross-entropy (b,), float64, and its gradient, for weights (d + 1, k, b)."""
        d, k, b = weights.shape
        total, gradient = weights.new_zeros(b, dtype=torch.float64), weights.new_zeros(d, k * b)
        for start in range(0, len(self.points), ROWS):
            rows, ids = self.points[start : start + ROWS], self.ids[start : start + ROWS]
            row_numbers = torch.arange(len(rows), device=rows.device)
            probability = (rows @ weights.reshape(d, k * b)).view(-1, k, b).softmax(dim=1)
            right = probability[row_numbers, ids]
            total -= right.log().sum(dim=0, dtype=torch.float64)
            probability[row_numbers, ids] = right - 1
            gradient.addmm_(rows.T, probability.view(-1, k * b))
        return total, gradient.view(d, k, b)


def _solve(data: _White, strengths: np.ndarray, tol: float, max_passes: int):
    """Weights (b, d, k), intercepts (b, k), passes (b,) and whether converged (b,), all NumPy."""
    penalty = torch.from_numpy(strengths).to(data.moments).repeat(len(data.moments), 1)
    penalty[-1] = 0
    scale = (data.moments[:, None] / data.k + penalty).clamp(min=1e-30).rsqrt().to(data.points.dtype)[:, None]
    penalty = penalty.to(scale.dtype)[:, None]

    def objective(theta: torch.Tensor, problems: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        s, p = scale[..., problems], penalty[..., problems]
        weights = s * theta
        total, gradient = data.loss(weights)
        return total + (p * weights**2).sum(dim=(0, 1), dtype=torch.float64) / 2, s * (gradient + p * weights)

    theta, passes, converged = _lbfgs(
        objective, (len(data.moments), data.k, len(strengths)), data.points, tol * len(data.points), max_passes
    )
    weights = scale * theta
    turned = torch.einsum("de,ekb->bdk", data.axes, weights[:-1])
    intercepts = weights[-1].T - torch.einsum("d,bdk->bk", data.mean, turned)
    return tuple(tensor.cpu().numpy() for tensor in (turned, intercepts, passes, converged))


def _lbfgs(objective, shape: tuple[int, int, int], like: torch.Tensor, gap: float, max_passes: int):
    """Minimise ``shape[-1]`` problems side by side; each has its own step and leaves when it is done.

    One call of ``objective`` a round: problems whose step fell short of Armijo's condition halve it while the
    others go on. Where curvature is about 1, as here, half the squared gradient is the distance to the least
    value: a problem is done when that is below ``gap``.
    """
    precision = torch.finfo(like.dtype).eps
    solution = like.new_zeros(shape)
    passes = torch.ones(shape[-1], dtype=torch.int64, device=like.device)
    converged = torch.zeros(shape[-1], dtype=torch.bool, device=like.device)
    open_problems = torch.arange(shape[-1], device=like.device)
    theta = solution.clone()
    value, gradient = objective(theta, open_problems)
    direction, step, pairs = -gradient, torch.ones_like(value), []
    for n_passes in range(1, max_passes + 1):
        is_done = _dot(gradient, gradient) / 2 < gap
        stuck = step < 2.0**-30
        if (is_done | stuck).any() or n_passes == max_passes:
            solution[..., open_problems], passes[open_problems], converged[open_problems] = theta, n_passes, is_done
            stay = torch.nonzero(~(is_done | stuck)).flatten()
            if not len(stay) or n_passes == max_passes:
                break
            open_problems, value, step = open_problems[stay], value[stay], step[stay]
            theta, gradient, direction = theta[..., stay], gradient[..., stay], direction[..., stay]
            pairs = [(s[..., stay], y[..., stay], r[stay], c[stay]) for s, y, r, c in pairs]
        move = step.to(theta.dtype) * direction
        tried_value, tried_gradient = objective(theta + move, open_problems)
        enough = tried_value <= value + 1e-4 * _dot(gradient, move) + precision * value.abs()
        change = torch.where(enough, tried_gradient - gradient, 0)
        pairs = [*pairs[-HISTORY + 1 :], _pair(torch.where(enough, move, 0), change)]
        theta = torch.where(enough, theta + move, theta)
        gradient, value = torch.where(enough, tried_gradient, gradient), torch.where(enough, tried_value, value)
        direction = torch.where(enough, _quasi_newton(gradient, pairs), direction)
        step = torch.where(enough, 1.0, step / 2)
    return solution, passes, converged


def _pair(move: torch.Tensor, change: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """A step, the change of gradient along it, 1 / their product, and the inverse curvature (both 0 where not usable)."""
    product, square = _dot(move, change), _dot(change, change)
    usable = product > 1e-10 * (_dot(move, move) * square).sqrt()
    inverse = torch.where(usable, 1 / product, 0)
    return move, change, inverse, torch.where(usable, 1 / (inverse * square), 0)


def _quasi_newton(gradient: torch.Tensor, pairs: list) -> torch.Tensor:
    """Minus the inverse Hessian as L-BFGS knows it, times the gradient (Nocedal & Wright, algorithm 7.4)."""
    q, alphas = gradient.clone(), []
    for move, change, inverse, _ in reversed(pairs):
        alphas.append(inverse * _dot(move, q))
        q -= alphas[-1].to(q.dtype) * change
    size = torch.ones_like(alphas[0])
    for _, _, _, curvature in pairs:
        size = torch.where(curvature > 0, curvature, size)
    q *= size.to(q.dtype)
    for (move, change, inverse, _), alpha in zip(pairs, reversed(alphas), strict=True):
        q += (alpha - inverse * _dot(change, q)).to(q.dtype) * move
    return -q


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum(dim=(0, 1), dtype=torch.float64)


def _tensor(x: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(x, dtype=like.dtype, device=like.device)


def _device(name: str | None) -> torch.device:
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
