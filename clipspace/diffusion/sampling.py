"""Sampling a decoder and undoing it: deterministic DDIM, its exact inverse, and the approximation.

A decoder is *what to predict* (a network) and *where* (a latent shape and a noise schedule). Every
parameterisation writes one DDIM step (Song et al. 2021, arXiv 2010.02502, equation 12) as

    x_s = A x_t + B f(x_t, t, z) + sigma noise,          s the timestep after t,

with two numbers A and B per step, so sampling is a loop over this line. Inverting a step is solving the
same line for x_t. Samplers of some checkpoints also clip the x_0 that a step predicts, which `sample` does where asked to
and which has no inverse. The bipartite code of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, section 3) is the
pair (z, x_T) that results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch

from clipspace.diffusion import fixed_point
from clipspace.diffusion.schedule import Schedule
from clipspace.errors import InputError

FINEST = 1e-6
"""Smallest residual asked of a step at first."""
FINER = {torch.float32: 1e-7, torch.float64: 1e-12}
"""The same where that was not enough, by the precision of the network, for several times the evaluations."""
ROUNDING = {torch.float32: 1e-6, torch.float64: 1e-14}
"""What a step that multiplies its input by 1 leaves at least of its residual."""
KEPT = 1e-6
"""Least share of its input that a step must keep to have an inverse."""
CONVERGED = 1e-2
"""Root-mean-square error of what a code decodes to (46 dB of pixels) above which it is looked for again."""
RESTARTS = 3
"""How often."""
JITTER = 0.1
"""What first guesses are then moved by, in units of the noise."""
TELLING = 1e-4
"""Least factor of the network's output in a step from which that output can be told again in float32."""


class Denoiser(Protocol):
    """What `sample` and `invert` need of a decoder (or of a prior)."""

    schedule: Schedule
    latent_shape: tuple[int, ...]

    def condition(self, embeds: Any) -> Any: ...

    def null_condition(self, n: int) -> Any: ...

    def predict(self, x_t: torch.Tensor, t: int, cond: Any) -> torch.Tensor: ...


class Inversion(NamedTuple):
    """``x_T``, the root-mean-square error of what is sampled from it, and network evaluations that finding it took, per row.

    Looking what is sampled from it took one evaluation a step more. Under guidance each is two passes of the network.
    """

    noise: torch.Tensor
    residual: torch.Tensor
    evaluations: torch.Tensor


def draw_noise(shape: tuple[int, ...], rngs: Sequence[np.random.Generator]) -> torch.Tensor:
    """Standard normal noise, one generator per row: a row is the same alone and in a batch, on any device."""
    return torch.from_numpy(np.stack([rng.standard_normal(shape, dtype=np.float32) for rng in rngs]))


@torch.inference_mode()
def sample(
    decoder: Denoiser,
    embeds: torch.Tensor | Sequence[str],
    x_T: torch.Tensor,
    *,
    num_inference_steps: int,
    guidance_scale: float = 1.0,
    eta: float = 0.0,
    clip_sample: bool = False,
    rngs: Sequence[np.random.Generator] | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> torch.Tensor:
    """Latents decoded from ``embeds`` (n, d), or what else the decoder conditions on, and ``x_T`` (n, *latent_shape).

    ``eta`` = 0 is deterministic DDIM; larger values put fresh noise from ``rngs``, one generator per row,
    into every step. ``clip_sample`` limits the x_0 that each step predicts as the checkpoint's own sampler does
    (`Schedule.limit`), which nothing inverts: leave it out for an ``x_T`` of `invert`. ``on_step`` is called after each step.
    """
    network = _guided(decoder, embeds, guidance_scale)
    steps = _steps(decoder.schedule, num_inference_steps)
    return _sample_steps(
        network, decoder.schedule, x_T, steps, eta=eta, clip_sample=clip_sample, rngs=rngs, on_step=on_step
    )


def _steps(schedule: Schedule, num_inference_steps: int) -> list[tuple[int, int | None]]:
    """Every step from noise to image: its timestep and the next."""
    times = schedule.timesteps(num_inference_steps)
    return list(zip(times, [*times[1:], None], strict=True))


def _sample_steps(
    network,
    schedule: Schedule,
    x: torch.Tensor,
    steps: list[tuple[int, int | None]],
    *,
    eta: float = 0.0,
    clip_sample: bool = False,
    rngs: Sequence[np.random.Generator] | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> torch.Tensor:
    limited = clip_sample and schedule.limit is not None
    for t, s in steps:
        output = network(x, t)
        if limited:
            x, sigma = schedule.limited_step(x, output, t, s, eta)
        else:
            a, b, sigma = schedule.step(t, s, eta)
            x = torch.add(a * x, output, alpha=b)
        if sigma > 0:
            if rngs is None:
                raise InputError("sample: eta > 0 draws noise; expected one generator per row in rngs, got None")
            x = torch.add(x, draw_noise(tuple(x.shape[1:]), rngs).to(x), alpha=sigma)
        on_step()
    return x


@torch.inference_mode()
def invert(
    decoder: Denoiser,
    x_0: torch.Tensor,
    embeds: torch.Tensor,
    *,
    num_inference_steps: int,
    guidance_scale: float = 1.0,
    method: Literal["exact", "ddim"] = "exact",
    tol: float = 1e-5,
    max_evaluations: int = 100,
    restarts: int = RESTARTS,
    on_step: Callable[[], object] = lambda: None,
) -> Inversion:
    """The ``x_T`` that `sample` at ``eta`` = 0 takes back to ``x_0`` with the same steps and guidance.

    ``method="exact"`` solves every step x_s = A x_t + B f(x_t, t, z) for its input, to ``tol`` in units of the
    image (see `fixed_point.solve`). ``method="ddim"`` is the usual approximation, the step run backwards with
    the network evaluated at the wrong point, f(x_s, s) for f(x_t, t) (Dhariwal & Nichol 2021, arXiv 2105.05233,
    appendix F); it is where the exact solve starts, and kept as a baseline.

    Near images that the network would seldom draw of ``embeds``, sampling enlarges an error in x_T ten thousand times and
    more. So every x_T found is sampled from, and where it misses ``x_0`` it is looked for again, up to ``restarts`` times: to
    the last digits, from other first guesses. What it misses in the end is its ``residual`` (0 for "ddim", which is not
    checked). ``x_0`` is float32, or float64 where the decoder's networks are: where sampling enlarges an error a million
    times, only float64 holds a code.

    A row of ``x_0`` or ``embeds`` that is not finite has no inverse: its ``x_T`` and ``residual`` are NaN, its evaluations 0.
    """
    finite = x_0.isfinite().flatten(1).all(dim=1) & embeds.isfinite().flatten(1).all(dim=1).to(x_0.device)
    how = {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale, "method": method, "tol": tol}
    how |= {"max_evaluations": max_evaluations, "restarts": restarts, "on_step": on_step}
    if finite.all():
        return _invert(decoder, x_0, embeds, **how)
    all_rows = Inversion(
        torch.full_like(x_0, torch.nan),
        x_0.new_full((len(x_0),), torch.nan),
        torch.zeros(len(x_0), dtype=torch.long, device=x_0.device),
    )
    if finite.any():
        for values, found in zip(
            all_rows, _invert(decoder, x_0[finite], embeds[finite.to(embeds.device)], **how), strict=True
        ):
            values[finite] = found
    return all_rows


def _invert(
    decoder: Denoiser,
    x_0: torch.Tensor,
    embeds: torch.Tensor,
    *,
    num_inference_steps: int,
    guidance_scale: float,
    method: Literal["exact", "ddim"],
    tol: float,
    max_evaluations: int,
    restarts: int,
    on_step: Callable[[], object],
) -> Inversion:
    """`invert` of rows that are finite."""
    network, schedule = _guided(decoder, embeds, guidance_scale), decoder.schedule
    steps = _steps(schedule, num_inference_steps)
    for t, s in reversed(steps):
        if abs(schedule.step(t, s)[0]) < KEPT:
            cure = "load a schedule that leaves noise in a finished picture" if s is None else "use more steps"
            raise InputError(f"invert: the step at t={t} keeps nothing of its input, so it has no inverse; {cure}")

    def attempt(network, x_0: torch.Tensor, **how) -> Inversion:
        x_T, evaluations = _invert_steps(network, schedule, x_0, steps, max_evaluations=max_evaluations, **how)
        missed = _sample_steps(network, schedule, x_T, steps) - x_0
        return Inversion(x_T, missed.square().flatten(1).mean(dim=1).sqrt(), evaluations)

    if method == "ddim":  # not looked at, so that it costs what it says
        x_T, evaluations = _invert_steps(
            network, schedule, x_0, steps, max_evaluations=max_evaluations, exact=False, on_step=on_step
        )
        return Inversion(x_T, x_0.new_zeros(len(x_0)), evaluations)
    found = attempt(network, x_0, tol=tol, finest=FINEST, on_step=on_step)
    for restart in range(restarts):
        lost = torch.nonzero(~(found.residual <= CONVERGED)).flatten()  # NaN is lost
        if not len(lost):
            break
        rng = torch.Generator().manual_seed(restart)
        jitter = JITTER * torch.randn(x_0.shape[1:], generator=rng).to(x_0)
        again = attempt(_among(network, lost), x_0[lost], tol=0.0, finest=FINER[x_0.dtype], jitter=jitter)
        found.evaluations[lost] += again.evaluations
        gained = again.residual < found.residual[lost].nan_to_num(nan=torch.inf) / 2
        found.noise[lost[gained]], found.residual[lost[gained]] = again.noise[gained], again.residual[gained]
    return found


def _invert_steps(
    network,
    schedule: Schedule,
    x: torch.Tensor,
    steps: list[tuple[int, int | None]],
    *,
    max_evaluations: int,
    exact: bool = True,
    tol: float = 0.0,
    finest: float = FINEST,
    jitter: torch.Tensor | float = 0.0,
    on_step: Callable[[], object] = lambda: None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """x_T from ``x`` = x_0 back through all ``steps``, the first guess of each moved by ``jitter``; and evaluations."""
    evaluations = torch.zeros(len(x), dtype=torch.long, device=x.device)
    output = None
    for t, s in reversed(steps):
        if output is None:  # a noiseless image is evaluated as if at t
            output = network(x, t if schedule.alpha(s) == 1 else s or 0)
            evaluations += 1
        guess = _backwards(schedule, x, output, t, s) + jitter * (1 - schedule.alpha(t)) ** 0.5
        output = None
        if exact:
            asked = max(tol * schedule.alpha(t) ** 0.5, finest)  # an error in x_t may reach x_0 divided by its signal
            guess, _, used = _solve_step(network, schedule, x, guess, t, s, asked, max_evaluations)
            evaluations += used
            a, b, _ = schedule.step(t, s)
            if abs(b) > TELLING:
                output = (x - a * guess) / b  # f(x_t, t): the next step need not ask the network again
        x = guess
        on_step()
    return x, evaluations


def _backwards(schedule: Schedule, x_s: torch.Tensor, output: torch.Tensor, t: int, s: int | None) -> torch.Tensor:
    """The DDIM step from ``s`` up to the noisier ``t``, with the network's ``output`` for ``x_s``."""
    if schedule.alpha(s) < 1:
        a, b, _ = schedule.step(s, t)
        return a * x_s + b * output
    a, b, _ = schedule.step(t, s)
    return (x_s - b * output) / a


def _solve_step(network, schedule: Schedule, x_s, guess, t, s, tol, max_evaluations) -> fixed_point.Solution:
    """x_t with x_s = A x_t + B f(x_t, t), by iterating x_t + (x_s - A x_t - B f(x_t, t)) / c.

    The step turns (x_0, eps) by an angle. With c its cosine this is the iteration x_t = (x_s + sin v) / cos of
    v-prediction, whichever the parameterisation, and contracts wherever the network is smooth. Rows it leaves
    above ``tol`` are tried with c = A, the form of the parameterisation itself, which contracts where the output
    depends little on x_t; and what that leaves, by Newton's method.
    """
    a, b, _ = schedule.step(t, s)
    shape, (a_t, a_s) = x_s.shape[1:], (schedule.alpha(t), schedule.alpha(s))
    cosine = (a_s * a_t) ** 0.5 + ((1 - a_s) * (1 - a_t)) ** 0.5

    def iteration(c: float, among: torch.Tensor):
        def g(flat: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            x_t, rows = flat.reshape(-1, *shape), among[rows]
            return (x_t + (x_s[rows] - a * x_t - b * network(x_t, t, rows)) / c).flatten(1)

        return g

    everyone = torch.arange(len(x_s), device=x_s.device)
    found = fixed_point.anderson(
        iteration(cosine, everyone), guess.flatten(1), tol=tol, max_evaluations=max_evaluations
    )
    stalled = everyone[found.residual > tol]
    if len(stalled):
        again = fixed_point.anderson(
            iteration(a, stalled), guess.flatten(1)[stalled], tol=tol * cosine / abs(a), max_evaluations=max_evaluations
        )
        found.evaluations[stalled] += again.evaluations
        residual = again.residual * abs(a) / cosine
        better = residual < found.residual[stalled]
        found.x[stalled[better]], found.residual[stalled[better]] = again.x[better], residual[better]
    lost = found.residual[stalled].isfinite() & (found.residual[stalled] > max(tol, ROUNDING[x_s.dtype] * abs(a)))
    for row in stalled[lost]:
        fixed_point.newton(iteration(cosine, everyone), found, row.reshape(1), tol=tol)
    return found._replace(x=found.x.reshape(x_s.shape))


def _guided(decoder: Denoiser, embeds: Any, guidance_scale: float):
    """The network under classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598), for some or all rows."""
    cond = decoder.condition(embeds)
    null = decoder.null_condition(len(embeds)) if guidance_scale != 1.0 else None

    def network(x: torch.Tensor, t: int, rows: torch.Tensor | None = None) -> torch.Tensor:
        chosen = cond if rows is None else _map(lambda c: c[rows], cond)
        if null is None:
            return decoder.predict(x, t, chosen)
        free = null if rows is None else _map(lambda c: c[rows], null)
        both = _map(lambda *c: torch.cat(c), free, chosen)
        f_free, f_cond = decoder.predict(torch.cat([x, x]), t, both).chunk(2)
        return torch.lerp(f_free, f_cond, guidance_scale)

    return network


def _among(network, chosen: torch.Tensor):
    """``network`` for the ``chosen`` rows."""

    def among(x: torch.Tensor, t: int, rows: torch.Tensor | None = None) -> torch.Tensor:
        return network(x, t, chosen if rows is None else chosen[rows])

    return among


def _map(function: Callable, *conds):
    """``function`` on conditions that are tensors, or on each tensor of conditions that are named tuples of them."""
    if isinstance(conds[0], torch.Tensor):
        return function(*conds)
    return type(conds[0])(*(function(*parts) for parts in zip(*conds, strict=True)))
