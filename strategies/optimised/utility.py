"""Optimised portfolios that weigh an expected return against risk and costs; skfolio solves."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.strategies.optimised import solvers
from assay.strategies.optimised.portfolios import Note, Optimised, Seen
from assay.strategies.optimised.solvers import Inputs
from assay.strategies.optimised.views import Skill, daily_rank_ic, trailing_skill

__all__ = ["BlackLitterman", "MeanCvar", "MeanVariance", "MinVariance"]

Floats = NDArray[np.float64]

_SESSIONS_A_YEAR = 252


@dataclass(frozen=True, kw_only=True)
class _Utility(Optimised):
    """Strategies that weigh a mean against a risk and costs.

    Parameters
    ----------
    risk_aversion : λ in mean − λ·risk − costs, all per session.
    cost_bps : basis points of the traded value, in the objective, spread over the sessions until the next decision
        (or over the predictions' horizon, where the mean comes from them and it is shorter).
    borrow_bps : a year, on shorts, in the objective.

    """

    native: ClassVar[bool] = True

    risk_aversion: float = 5.0
    cost_bps: float = 5.0
    borrow_bps: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("cost_bps", "borrow_bps"):
            if not (getattr(self, field) >= 0 and math.isfinite(getattr(self, field))):
                raise InputError(f"{self.name}: {field} must be at least 0, got {getattr(self, field)!r}")
        if not (self.risk_aversion > 0 and math.isfinite(self.risk_aversion)):
            raise InputError(f"{self.name}: risk_aversion must be above 0, got {self.risk_aversion!r}")

    @property
    def _follows_holdings(self) -> bool:
        return self.max_turnover is not None or self.cost_bps > 0

    def _paid_over(self, horizon: int) -> int:
        """Sessions over which a trade's cost is spread."""
        return self.every

    def _with_costs(self, inputs: Inputs, horizon: int) -> Inputs:
        return replace(
            inputs,
            risk_aversion=self.risk_aversion,
            trade_cost=self.cost_bps / 1e4 / self._paid_over(horizon),
            borrow_cost=self.borrow_bps / 1e4 / _SESSIONS_A_YEAR,
        )

    def _solve(self, inputs: Inputs) -> Floats:
        return solvers.mean_variance(inputs)


@dataclass(frozen=True, kw_only=True)
class MinVariance(_Utility):
    """The least variance; with cost_bps above 0, the least variance worth its trading.

    Parameters
    ----------
    tilt : how far predictions tilt the mean: it is tilt·volatility·z, z a prediction's rank in units of standard
        deviation; 0 reads no prediction.

    """

    name: ClassVar[str] = "min_variance"

    cost_bps: float = 0.0

    def _mean(self, seen: Seen) -> Floats:
        """Expected returns (n,) per session."""
        return self.tilt * seen.z * np.sqrt(np.diag(seen.covariance))

    def _inputs(self, seen: Seen, notes: list[Note]) -> Inputs:
        return self._with_costs(Inputs(self._mean(seen), seen.covariance, seen.returns, seen.limits), seen.horizon)


@dataclass(frozen=True, kw_only=True)
class MeanVariance(MinVariance):
    """The greatest expected return less λ × variance less costs; predictions are the expected returns.

    Parameters
    ----------
    signal : return = predictions are expected returns over their horizon; tilt = only their order counts, and the
        mean of an asset is tilt·volatility·z, z its rank in units of standard deviation (Grinold's rule, tilt being
        the information coefficient believed in). An asset without a prediction is not held.
    tilt : read where signal is tilt.

    References
    ----------
    Markowitz (1952), "Portfolio selection". Grinold (1994), "Alpha is volatility times IC times score".

    """

    name: ClassVar[str] = "mean_variance"
    reads: ClassVar[str] = "score"

    signal: Literal["return", "tilt"] = "return"
    tilt: float = 0.02
    cost_bps: float = 5.0

    @property
    def _scored(self) -> bool:
        return True

    @property
    def _signed(self) -> bool:
        return self.signal == "return"

    @property
    def _needs_views(self) -> bool:
        return True

    def _mean(self, seen: Seen) -> Floats:
        return super()._mean(seen) if self.signal == "tilt" else seen.score

    def _paid_over(self, horizon: int) -> int:
        return min(self.every, horizon)  # what a forecast promises ends with its horizon


@dataclass(frozen=True, kw_only=True)
class MeanCvar(MeanVariance):
    """The greatest expected return less λ × CVaR at 95% less costs, CVaR over the returns of the window.

    References
    ----------
    Rockafellar & Uryasev (2000), "Optimization of conditional value-at-risk".

    """

    name: ClassVar[str] = "cvar"

    risk_aversion: float = 0.1

    def _solve(self, inputs: Inputs) -> Floats:
        return solvers.cvar(inputs)


@dataclass(frozen=True, kw_only=True)
class BlackLitterman(_Utility):
    """Equal weight as the market's equilibrium, moved by views that are trusted as far as the model's measured skill.

    The prior mean is the one under which equal weight would be optimal, 2λΣw. Each asset with a prediction has the
    view: prior + IC·volatility·z, z its prediction's rank in units of standard deviation, IC the mean rank
    information coefficient of the past predictions whose outcome was known by then. Its confidence is 1 − 1/t², t being
    that coefficient's t-statistic; where t ≤ 1, or too few outcomes are known, there is no view, and the prior stands.

    Parameters
    ----------
    tau : uncertainty of the prior mean, as a share of the covariance.
    ic_window : most sessions in the information coefficient.
    ic_minimum : fewest sessions in it.
    tilt : not read.

    References
    ----------
    Black & Litterman (1992), "Global portfolio optimization". Idzorek (2005) for confidences. Grinold (1994).

    """

    name: ClassVar[str] = "black_litterman"
    reads: ClassVar[str] = "score"

    tau: float = 0.05
    ic_window: int = 504
    ic_minimum: int = 120

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.tau > 0 and math.isfinite(self.tau)):
            raise InputError(f"{self.name}: tau must be above 0, got {self.tau!r}")
        if not 2 <= self.ic_minimum <= self.ic_window:
            raise InputError(
                f"{self.name}: ic_minimum must lie between 2 and ic_window, got {self.ic_minimum} and {self.ic_window}"
            )

    @property
    def _scored(self) -> bool:
        return True

    def _skills(self, predictions: PredictionPanel, prices: PricePanel) -> dict[int, Skill | None]:
        """Row of the predictions → the skill that was known at its close."""
        ic = daily_rank_ic(predictions, prices, self.name)
        rows = prices.sessions.get_indexer(predictions.sessions)
        return {
            row: trailing_skill(
                ic,
                int(at),
                predictions.delay + predictions.horizon,
                window=self.ic_window,
                minimum=self.ic_minimum,
                horizon=predictions.horizon,
            )
            for row, at in enumerate(rows)
        }

    def _inputs(self, seen: Seen, notes: list[Note]) -> Inputs:
        n, skill = len(seen.score), seen.skill
        market = np.full(n, (self.net or 1.0) / n)
        prior = solvers.equilibrium(seen.covariance, market, self.risk_aversion)
        inputs = self._with_costs(Inputs(prior, seen.covariance, seen.returns, seen.limits), seen.horizon)
        scored = np.isfinite(seen.score)
        if skill is None:
            notes.append(("no_view", f"fewer than {self.ic_minimum} outcomes are known"))
            return inputs
        if skill.confidence == 0 or not scored.any():
            notes.append(("no_view", f"no skill measured: IC {skill.ic:.4f}, t {skill.t:.2f}, {skill.n} sessions"))
            return inputs
        # Over a horizon h volatility grows with √h, and the gain is spread over h sessions.
        gain = skill.ic * np.sqrt(np.diag(seen.covariance) / seen.horizon) * seen.z
        notes.append(("views", f"IC {skill.ic:.4f}, t {skill.t:.2f}, confidence {skill.confidence:.2f}"))
        return solvers.with_views(inputs, prior + gain, scored, skill.confidence, self.tau)
