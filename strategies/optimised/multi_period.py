"""A portfolio that plans ahead: forecasts that fade, and what it costs to follow them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.strategies.optimised.constraints import Limits
from assay.strategies.optimised.portfolios import MeanVariance, Note, SessionView
from assay.strategies.optimised.solvers import PRECISION, Problem, Unsolved

__all__ = ["MultiPeriod", "plan_steps", "planned_weights"]


def plan_steps(sessions: int) -> tuple[int, ...]:
    """Sessions that each step of a plan lasts: 1, 1, 2, 4, 8, …, together `sessions`.

    Examples
    --------
    >>> plan_steps(20)
    (1, 1, 2, 4, 8, 4)

    """
    out: list[int] = []
    while sum(out) < sessions:
        out.append(min(2 ** max(len(out) - 1, 0), sessions - sum(out)))
    return tuple(out)


def planned_weights(inputs: Problem, rho: float, steps: tuple[int, ...]) -> Floats | None:
    """Weights (n,) of the first step of the plan that maximises its expected return less risk less costs.

    Over steps k that last dₖ sessions from session sₖ on, with x₋₁ what is held:
    Σₖ [Σ_{s in k} ρˢ·mean·xₖ − λ·dₖ·xₖ'Σxₖ − cost·Σ|xₖ − xₖ₋₁| − borrow·dₖ·Σ max(−xₖ, 0)], each xₖ within the net and
    gross exposure and the caps, the first within all limits.

    Parameters
    ----------
    inputs : mean and costs of one session; `trade_cost` is that of a whole trade.
    rho : how much of the mean is left a session later.
    steps : sessions of each step.

    Returns
    -------
    ndarray or None
        None where the solver found no plan.

    References
    ----------
    Boyd, Busseti, Diamond, Kahn, Koh, Nystrup & Speth (2017), "Multi-period trading via convex optimization".

    """
    import clarabel
    from scipy import sparse

    limits, n, count = inputs.limits, len(inputs.mean), len(steps)
    starts = np.concatenate([[0], np.cumsum(steps)[:-1]])
    lasting = zip(starts, steps, strict=True)
    gains = np.array([sum(rho ** (start + k) for k in range(length)) for start, length in lasting])
    # Variables: x (count·n), |x_k − x_{k−1}| (count·n), |x_k| (count·n)
    size, width = count * n, 3 * count * n
    eye, zero = sparse.identity(size, format="csc"), sparse.csc_matrix((size, size))
    moves = eye - sparse.csc_matrix(np.kron(np.eye(count, k=-1), np.eye(n)))
    held = np.concatenate([limits.previous, np.zeros(size - n)])
    each = sparse.kron(sparse.identity(count), np.ones((1, n)), format="csc")
    none = sparse.csc_matrix((count, size))
    rows = [
        (sparse.hstack([each, none, none]), np.full(count, limits.net)),
        (sparse.hstack([moves, -eye, zero]), held),
        (sparse.hstack([-moves, -eye, zero]), -held),
        (sparse.hstack([eye, zero, -eye]), np.zeros(size)),
        (sparse.hstack([-eye, zero, -eye]), np.zeros(size)),
    ]
    if np.isfinite(limits.gross):
        rows.append((sparse.hstack([none, none, each]), np.full(count, limits.gross)))
    lower, upper = np.tile(limits.lower, count), np.tile(limits.upper, count)
    rows += _bounds(eye, zero, lower, upper)
    rows += _first_alone(limits, n, width)
    scale = 1.0 / float(np.diag(inputs.covariance).mean())
    linear = np.concatenate([
        -np.kron(gains, inputs.mean) - 0.5 * inputs.borrow_cost * np.repeat(steps, n),
        np.full(size, inputs.trade_cost),
        0.5 * inputs.borrow_cost * np.repeat(steps, n),
    ])  # fmt: skip
    risk = np.triu(2 * scale * inputs.risk_aversion * inputs.covariance)
    curved = sparse.csc_matrix(sparse.kron(sparse.diags(np.array(steps, dtype=float)), risk))
    curved.resize((width, width))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.tol_gap_abs = settings.tol_gap_rel = math.sqrt(PRECISION["tol_gap_abs"])
    matrix = sparse.vstack([sparse.csc_matrix(part) for part, _ in rows], format="csc")
    cones = [clarabel.ZeroConeT(count), clarabel.NonnegativeConeT(matrix.shape[0] - count)]
    tops = np.concatenate([top for _, top in rows])
    answer = clarabel.DefaultSolver(curved, scale * linear, matrix, tops, cones, settings).solve()
    return np.asarray(answer.x)[:n] if str(answer.status) in ("Solved", "AlmostSolved") else None


def _bounds(eye: object, zero: object, lower: Floats, upper: Floats) -> list[tuple[object, Floats]]:
    """Caps on the weights of every step."""
    from scipy import sparse

    out: list[tuple[object, Floats]] = []
    for sign, top in ((1.0, upper), (-1.0, -lower)):
        known = np.isfinite(top)
        if known.any():
            part = sparse.hstack([sign * eye, zero, zero]).tocsr()[known]  # type: ignore[operator]
            out.append((part, top[known]))
    return out


def _first_alone(limits: Limits, n: int, width: int) -> list[tuple[object, Floats]]:
    """What only the step that is traded now has to meet: the turnover of this session, betas and groups."""
    from scipy import sparse

    size = width // 3
    out: list[tuple[object, Floats]] = []

    def at_most(values: Floats, at: int, top: float) -> None:
        row = np.zeros((1, width))
        row[0, at : at + n] = values
        out.append((sparse.csc_matrix(row), np.array([top])))

    if limits.max_turnover is not None:
        at_most(np.full(n, 0.5), size, limits.max_turnover - limits.outgoing)
    if limits.max_beta is not None and limits.beta is not None:
        at_most(limits.beta, 0, limits.max_beta)
        at_most(-limits.beta, 0, limits.max_beta)
    if limits.max_group is not None:
        for mask in limits.groups.values():
            at_most(mask.astype(np.float64), 2 * size, limits.max_group)
    return out


@dataclass(frozen=True, kw_only=True)
class MultiPeriod(MeanVariance):
    """The first step of a plan over the next sessions: forecasts that fade, variance, and the costs of following them.

    Each session plans anew from what is held; see `planned_weights`. Dollar-neutral unless it says otherwise.

    Parameters
    ----------
    every : sessions from one plan to the next.
    plan : sessions that a plan looks ahead.
    half_life : sessions in which a forecast loses half of what it knows.
    signal, tilt : as in `mean_variance`; by default only the order of the predictions counts.
    risk_aversion : λ in mean − λ·variance − costs, all per session.

    """

    name: ClassVar[str] = "multi_period"

    every: int = 1
    plan: int = 20
    half_life: float = 5.0
    signal: Literal["return", "tilt"] = "tilt"
    net: float = 0.0
    long_only: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.plan < 1:
            raise InputError(f"{self.name}: plan must be at least 1 session, got {self.plan!r}")
        if not (self.half_life > 0 and math.isfinite(self.half_life)):
            raise InputError(f"{self.name}: half_life must be above 0, got {self.half_life!r}")

    def _inputs(self, seen: SessionView, notes: list[Note]) -> Problem:
        return replace(super()._inputs(seen, notes), trade_cost=self._trade_bps / 1e4)

    def _solve(self, inputs: Problem) -> Floats:
        found = planned_weights(inputs, 0.5 ** (1.0 / self.half_life), plan_steps(self.plan))
        if found is None:
            raise Unsolved("no plan within the constraints was found")
        return found
