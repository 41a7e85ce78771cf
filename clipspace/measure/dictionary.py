"""Learning a sparse dictionary: the top-k autoencoder of Gao et al. 2024 (arXiv 2406.04093), one layer each way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from clipspace import progress
from clipspace.errors import InputError
from clipspace.reprs import brief

DEAD_AFTER = 50
"""Number of steps without firing after which the auxiliary loss revives a feature."""
_AUXILIARY = 0.25


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Directions, and the layer that computes how much each fires.

    Parameters
    ----------
    directions : (m, d), unit where they were learnt here
    encoder, bias : of the layer, (m, d) and (m,)
    threshold : activation (m,) that a feature must exceed to fire (JumpReLU, Rajamanoharan et al. 2024, arXiv 2407.14435); 0 when
        None
    """

    directions: np.ndarray
    encoder: np.ndarray
    bias: np.ndarray
    threshold: np.ndarray | None = None

    __repr__ = brief

    def activations(self, x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The ``k`` features that fire most on each row of ``x`` (n, d), and how much, none negative: both (n, k)."""
        before = x @ self.encoder.T + self.bias
        most = np.argpartition(-before, k - 1, axis=1)[:, :k]
        return most, np.maximum(np.take_along_axis(before, most, axis=1), 0)

    def codes(self, x: np.ndarray, k: int | None) -> sparse.csr_array:
        """How much each feature fires on each row of ``x`` (n, d), sparse (n, m): the ``k`` that fire most, or all that do."""
        if k is not None:
            columns, weights = self.activations(x, k)
            rows = np.repeat(np.arange(len(x)), k)
            codes = sparse.csr_array((weights.ravel(), (rows, columns.ravel())), (len(x), len(self.directions)))
            codes.eliminate_zeros()
            return codes
        before = x @ self.encoder.T + self.bias
        least = 0 if self.threshold is None else np.maximum(self.threshold, 0)
        return sparse.csr_array(np.where(before > least, before, 0))


def learn_dictionary(
    x: np.ndarray,
    *,
    features: int,
    k: int,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    device: str | None = None,
) -> Dictionary:
    """The dictionary that best rebuilds rows of ``x`` (n, d), of mean square length 1, from ``k`` features each.

    Minimises the squared error by Adam, which decays over the last fifth. Directions start at rows of ``x``. Features
    that have not fired for `DEAD_AFTER` steps are asked to rebuild what the others leave (the paper's auxiliary loss).
    Deterministic in ``seed`` on one device.
    """
    check_sizes(features, k, steps, batch_size, learning_rate)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    rng = np.random.default_rng(seed)
    points = torch.from_numpy(np.asarray(x, dtype=np.float32)).to(place)
    first = torch.from_numpy(rng.permutation(features) % len(x)).to(place)
    start = _unit(points[first] + 0.01 * torch.from_numpy(rng.normal(size=(features, x.shape[1]))).to(points))
    directions, encoder = start.clone().requires_grad_(), start.clone().requires_grad_()
    bias = torch.zeros(features, device=place, requires_grad=True)
    optimizer = torch.optim.Adam([directions, encoder, bias], lr=learning_rate)
    silent = torch.zeros(features, device=place)
    for step in progress.track(range(steps), "learning the dictionary, step"):
        optimizer.param_groups[0]["lr"] = learning_rate * min(1.0, 5 * (1 - step / steps))
        batch = points[torch.from_numpy(rng.integers(len(x), size=batch_size)).to(place)]
        loss, fired = _loss(batch, directions, encoder, bias, k, silent > DEAD_AFTER)
        silent = torch.where(fired, 0, silent + 1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            directions.copy_(_unit(directions))
    return Dictionary(*(tensor.detach().cpu().numpy() for tensor in (directions, encoder, bias)))


def check_sizes(features: int, k: int, steps: int, batch_size: int, learning_rate: float) -> None:
    """Raise `InputError` unless `learn_dictionary` can work with these."""
    if min(features, k, steps, batch_size) < 1 or k > features or not learning_rate > 0:
        raise InputError(
            f"learn_dictionary: expected 1 <= k <= features, and steps, batch_size and learning_rate above 0, got k={k}, "
            f"features={features}, steps={steps}, batch_size={batch_size}, learning_rate={learning_rate}"
        )


def _loss(
    batch: torch.Tensor,
    directions: torch.Tensor,
    encoder: torch.Tensor,
    bias: torch.Tensor,
    k: int,
    dead: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of a batch, and which features fired (m,)."""
    before = batch @ encoder.T + bias
    codes = _top(before, k)
    residual = batch - codes @ directions
    loss = residual.square().sum(dim=1).mean()
    if dead.any():
        helped = _top(before.masked_fill(~dead, -torch.inf), min(2 * k, int(dead.sum())))
        loss = loss + _AUXILIARY * (residual.detach() - helped @ directions).square().sum(dim=1).mean()
    return loss, (codes > 0).any(dim=0)


def _top(before: torch.Tensor, k: int) -> torch.Tensor:
    most = before.topk(k, dim=1)
    return torch.zeros_like(before).scatter(1, most.indices, most.values.relu())


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=1)
