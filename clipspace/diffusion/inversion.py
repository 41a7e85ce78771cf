"""Inverting DDIM, and Euler's steps of a flow: the x_T that sampling takes to a given x_0, exactly, or by the usual approximation.

Inverting a step is solving `sampling`'s line x_s = A x_t + B f(x_t, t, z) for x_t. The bipartite code of DALL-E 2 (Ramesh
et al. 2022, arXiv 2204.06125, section 3) is the pair (z, x_T) that results. A step that clips x_0 has no inverse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch

from clipspace.diffusion import fixed_point
from clipspace.diffusion.denoiser import Denoiser
from clipspace.diffusion.sampling import AnySchedule, take_steps
from clipspace.errors import InputError

Method = Literal["exact", "ddim"]

CONVERGED = 1e-2
"""Largest root-mean-square error, in latents, of what a code decodes to (46 dB of pixels) that needs no restart."""
RESTARTS = 3
"""Attempts after the first."""
FIRST_TOLERANCE = 1e-6
"""Smallest residual that the first attempt asks of a step."""
RESTART_TOLERANCE = {torch.float32: 1e-7, torch.float64: 1e-12}
"""Smallest residual that a restart asks of a step, by the precision of x_0; it costs several times the evaluations."""
ROUNDING = {torch.float32: 1e-6, torch.float64: 1e-14}
"""Residual that rounding leaves of a step with A = 1, by the precision of x_0."""
JITTER = 0.1
"""Standard deviation of the move of a restart's first guesses, in units of the noise."""
_LEAST_A = 1e-6
"""Smallest share of its input that a step must keep to have an inverse."""
_LEAST_B = 1e-4
"""Smallest factor of the network's output in a step from which that output can be recovered in float32."""


class Inversion(NamedTuple):
    """``noise`` is x_T; ``residual`` the root-mean-square error of what is sampled from it; ``evaluations`` of the network.

    All are per row. ``evaluations`` does not count those of the check, one a step. Under guidance an evaluation is two passes.
    """

    noise: torch.Tensor
    residual: torch.Tensor
    evaluations: torch.Tensor


@torch.inference_mode()
def invert(
    denoiser: Denoiser,
    schedule: AnySchedule,
    x_0: torch.Tensor,
    *,
    num_inference_steps: int,
    method: Method = "exact",
    tol: float = 1e-5,
    max_evaluations: int = 100,
    restarts: int = RESTARTS,
    on_step: Callable[[], object] = lambda: None,
) -> Inversion:
    """The x_T that `sampling.sample` at ``eta`` = 0 takes back to ``x_0`` with the same denoiser, schedule and steps.

    ``method="exact"`` solves every step x_s = A x_t + B f(x_t, t, z) for its input, to ``tol`` in units of the
    image (see `fixed_point.anderson`). ``method="ddim"`` is the usual approximation, the step run backwards with
    the network evaluated at the wrong point, f(x_s, s) for f(x_t, t) (Dhariwal & Nichol 2021, arXiv 2105.05233,
    appendix F); of a flow it is Euler's method reversed. The exact method starts from it, and it serves as a baseline; its
    result is not checked, so its ``residual`` is 0.

    The exact method checks its result: it samples from each x_T. Where that misses ``x_0`` it starts again from other first
    guesses and solves to the last digits, up to ``restarts`` times; what is missed in the end is the ``residual``. This is
    needed because sampling can enlarge an error in x_T ten thousand times and more, near images that the network would seldom
    draw of z. Where it enlarges an error a million times, only float64 holds a code: then ``x_0`` and the networks must be
    float64.

    A row of ``x_0`` that is not finite has no inverse: its ``noise`` and ``residual`` are NaN, its ``evaluations`` 0.
    Raises `InputError` for a schedule that clips x_0, and for steps that keep nothing of their input.
    """
    if schedule.limit is not None:
        raise InputError("invert: a step that clips x_0 has no inverse; pass schedule.without_limit()")
    steps = schedule.steps(num_inference_steps)
    options = {"method": method, "tol": tol, "max_evaluations": max_evaluations}
    options |= {"restarts": restarts, "on_step": on_step}
    rows = torch.nonzero(x_0.isfinite().flatten(1).all(dim=1)).flatten()
    if len(rows) == len(x_0):
        return _invert(denoiser, schedule, x_0, steps, **options)
    all_rows = Inversion(
        torch.full_like(x_0, torch.nan),
        x_0.new_full((len(x_0),), torch.nan),
        torch.zeros(len(x_0), dtype=torch.long, device=x_0.device),
    )
    if len(rows):
        of_rows = _invert(denoiser[rows], schedule, x_0[rows], steps, **options)
        for values, solved in zip(all_rows, of_rows, strict=True):
            values[rows] = solved
    return all_rows


def _invert(
    denoiser: Denoiser,
    schedule: AnySchedule,
    x_0: torch.Tensor,
    steps: Sequence[tuple[float, float | None]],
    *,
    method: Method,
    tol: float,
    max_evaluations: int,
    restarts: int,
    on_step: Callable[[], object],
) -> Inversion:
    """`invert` of rows that are finite."""
    _check_steps(schedule, steps)
    if method == "ddim":
        x_T, evaluations = _step_back(
            denoiser, schedule, x_0, steps, max_evaluations=max_evaluations, exact=False, on_step=on_step
        )
        return Inversion(x_T, x_0.new_zeros(len(x_0)), evaluations)
    best = _attempt(
        denoiser,
        schedule,
        x_0,
        steps,
        max_evaluations=max_evaluations,
        tol=tol,
        finest=FIRST_TOLERANCE,
        on_step=on_step,
    )
    for restart in range(restarts):
        lost = torch.nonzero(~(best.residual <= CONVERGED)).flatten()  # NaN is lost
        if not len(lost):
            break
        rng = torch.Generator().manual_seed(restart)
        jitter = JITTER * torch.randn(x_0.shape[1:], generator=rng).to(x_0)
        finest = RESTART_TOLERANCE[x_0.dtype]
        again = _attempt(
            denoiser[lost], schedule, x_0[lost], steps, max_evaluations=max_evaluations, finest=finest, jitter=jitter
        )
        best.evaluations[lost] += again.evaluations
        gained = again.residual < best.residual[lost].nan_to_num(nan=torch.inf) / 2
        best.noise[lost[gained]], best.residual[lost[gained]] = again.noise[gained], again.residual[gained]
    return best


def _check_steps(schedule: AnySchedule, steps: Sequence[tuple[float, float | None]]) -> None:
    for t, s in reversed(steps):
        if abs(schedule.step(t, s)[0]) < _LEAST_A:
            cure = "load a schedule that leaves noise in a finished image" if s is None else "use more steps"
            raise InputError(f"invert: the step at t={t} keeps nothing of its input, so it has no inverse; {cure}")


def _attempt(
    denoiser: Denoiser, schedule: AnySchedule, x_0: torch.Tensor, steps: Sequence[tuple[float, float | None]], **options
) -> Inversion:
    """x_T by the options of `_step_back`, and what sampling from it misses."""
    x_T, evaluations = _step_back(denoiser, schedule, x_0, steps, **options)
    missed = take_steps(denoiser, schedule, x_T, steps) - x_0
    return Inversion(x_T, missed.square().flatten(1).mean(dim=1).sqrt(), evaluations)


def _step_back(
    denoiser: Denoiser,
    schedule: AnySchedule,
    x: torch.Tensor,
    steps: Sequence[tuple[float, float | None]],
    *,
    max_evaluations: int,
    exact: bool = True,
    tol: float = 0.0,
    finest: float = FIRST_TOLERANCE,
    jitter: torch.Tensor | float = 0.0,
    on_step: Callable[[], object] = lambda: None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """x_T from ``x`` = x_0 back through all ``steps``, the first guess of each moved by ``jitter``; and evaluations."""
    evaluations = torch.zeros(len(x), dtype=torch.long, device=x.device)
    output = None
    for t, s in reversed(steps):
        signal, noise = schedule.signal_and_noise(t)
        if output is None:  # a noiseless image is evaluated as if at t
            output = denoiser(x, t if schedule.signal_and_noise(s)[1] == 0 else s or 0)
            evaluations += 1
        guess = _backwards(schedule, x, output, t, s) + jitter * noise
        output = None
        if exact:
            asked = max(tol * signal, finest)  # an error in x_t may reach x_0 divided by its signal
            guess, _, used = _solve_step(denoiser, schedule, x, guess, t, s, asked, max_evaluations)
            evaluations += used
            a, b, _ = schedule.step(t, s)
            if abs(b) > _LEAST_B:
                output = (x - a * guess) / b  # f(x_t, t): the next step need not ask the network again
        x = guess
        on_step()
    return x, evaluations


def _backwards(schedule: AnySchedule, x_s: torch.Tensor, output: torch.Tensor, t: int, s: int | None) -> torch.Tensor:
    """The DDIM step from ``s`` up to the noisier ``t``, with the network's ``output`` for ``x_s``."""
    if schedule.signal_and_noise(s)[1] > 0:
        a, b, _ = schedule.step(s, t)
        return a * x_s + b * output
    a, b, _ = schedule.step(t, s)
    return (x_s - b * output) / a


def _solve_step(
    denoiser: Denoiser, schedule: AnySchedule, x_s, guess, t, s, tol, max_evaluations
) -> fixed_point.Solution:
    """x_t with x_s = A x_t + B f(x_t, t), by iterating x_t + (x_s - A x_t - B f(x_t, t)) / c.

    The step turns (x_0, eps) by an angle. With c its cosine this is the iteration x_t = (x_s + sin v) / cos of
    v-prediction, whichever the parameterisation, and contracts wherever the network is smooth. Rows it leaves
    above ``tol`` are tried with c = A, the form of the parameterisation itself, which contracts where the output
    depends little on x_t; and what that leaves, by Newton's method.
    """
    a, b, _ = schedule.step(t, s)
    shape, cosine = x_s.shape[1:], schedule.turn(t, s)

    def iteration(c: float, among: torch.Tensor):
        def g(flat: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            x_t, rows = flat.reshape(-1, *shape), among[rows]
            return (x_t + (x_s[rows] - a * x_t - b * denoiser[rows](x_t, t)) / c).flatten(1)

        return g

    everyone = torch.arange(len(x_s), device=x_s.device)
    solved = fixed_point.anderson(
        iteration(cosine, everyone), guess.flatten(1), tol=tol, max_evaluations=max_evaluations
    )
    stalled = everyone[solved.residual > tol]
    if len(stalled):
        again = fixed_point.anderson(
            iteration(a, stalled), guess.flatten(1)[stalled], tol=tol * cosine / abs(a), max_evaluations=max_evaluations
        )
        solved.evaluations[stalled] += again.evaluations
        residual = again.residual * abs(a) / cosine
        better = residual < solved.residual[stalled]
        solved.x[stalled[better]], solved.residual[stalled[better]] = again.x[better], residual[better]
    lost = solved.residual[stalled].isfinite() & (solved.residual[stalled] > max(tol, ROUNDING[x_s.dtype] * abs(a)))
    for row in stalled[lost]:
        fixed_point.newton(iteration(cosine, everyone), solved, row.reshape(1), tol=tol)
    return solved._replace(x=solved.x.reshape(x_s.shape))
