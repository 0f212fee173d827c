"""Portfolios by optimisation: skfolio solves, this feeds it what was known, holds it to the constraints, and says so.

Every `every` sessions, from the first with a full window: expected returns and covariance from data through the close
of t, weights stamped t; the rows between are NaN ("no order", holdings drift). Where no portfolio meets the
constraints, the row is NaN too, and an event names the constraint to relax.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from multiprocessing import get_context
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.strategies.base import Decision, Event, LastDecision, Overlays, OwnCosts, WithOverlays
from assay.strategies.optimised import solvers
from assay.strategies.optimised.constraints import Constraints, Limits, blocking, violations
from assay.strategies.optimised.covariance import CovarianceName, covariance_matrix
from assay.strategies.optimised.rebalancing import PriceArrays, limits_of, market_of
from assay.strategies.optimised.solvers import Problem, Unsolved
from assay.strategies.optimised.views import MeasuredSkill, characteristic, daily_rank_ic, trailing_skill

__all__ = [
    "BlackLitterman",
    "Hrp",
    "MaxDiversification",
    "MeanCvar",
    "MeanVariance",
    "MinVariance",
    "Optimised",
    "RiskParity",
]

#: An event without its session: kind, detail.
Note = tuple[str, str]
#: Weights (N,) of one session, or None, and what there is to say.
Solution = tuple[Floats | None, list[Note]]

#: Weights smaller than this are the solver's dust.
_DUST = 1e-8


@dataclass(frozen=True, eq=False)
class SessionView:
    """What is known of one session's n eligible assets.

    Parameters
    ----------
    score : (n,) predictions per session of their horizon, NaN = no view.
    z : (n,) their ranks, mean 0, standard deviation 1; 0 where there is no view.
    covariance, returns : (n, n) and (S, n), through the session.
    limits : the constraints in numbers.
    horizon : sessions that a prediction spans.
    skill : of the model, as known on the session; None where it is not asked for or too few outcomes are known.

    """

    score: Floats
    z: Floats
    covariance: Floats
    returns: Floats
    limits: Limits
    horizon: int
    skill: MeasuredSkill | None


@dataclass(frozen=True, kw_only=True)
class Optimised(Constraints, WithOverlays, ABC):
    """What the optimised strategies share: when they decide, on what window, under which constraints.

    Parameters
    ----------
    every : sessions from one decision to the next; nothing is solved between.
    phase : sessions by which that schedule is shifted, below `every`.
    window : daily returns in the estimates, the last one being that of session t; an asset needs 80% of them.
    covariance : sample, ledoit_wolf, exponential or factor.
    tilt : how far predictions tilt the weights: each is multiplied by max(0, 1 + tilt·z), z its prediction's rank in
        units of standard deviation; 0 reads no prediction.
    workers : processes, where no decision depends on the one before: no cost in the objective, no turnover cap. The
        weights do not depend on it.

    """

    name: ClassVar[str]
    family: ClassVar[str] = "optimised"
    needs: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[str] = "score, where tilt is not 0"
    #: whether the solver itself holds every constraint
    native: ClassVar[bool] = False

    every: int = 21
    window: int = 252
    covariance: CovarianceName = "ledoit_wolf"
    tilt: float = 0.0
    workers: int = 1

    def __post_init__(self) -> None:
        WithOverlays.__post_init__(self)
        try:
            Constraints.__post_init__(self)
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from None
        for field, least in (("every", 1), ("window", 2), ("workers", 1)):
            if getattr(self, field) < least:
                raise InputError(f"{self.name}: {field} must be at least {least}, got {getattr(self, field)}")
        if not 0 <= self.phase < self.every:
            raise InputError(f"{self.name}: phase must be at least 0 and below every, got {self.phase!r}")
        if not math.isfinite(self.tilt):
            raise InputError(f"{self.name}: tilt must be finite, got {self.tilt!r}")
        if not self.native and not self.long_only:
            raise InputError(f"{self.name}: holds long positions alone; leave long_only as it is")

    @property
    def overlays(self) -> Overlays:
        """What the engine applies; the decisions stand on the schedule of `every` already."""
        return Overlays(**{item.name: getattr(self, item.name) for item in fields(Overlays) if item.name != "phase"}
                        | {"every": 1})  # fmt: skip

    @property
    def _scored(self) -> bool:
        return self.tilt != 0

    @property
    def _signed(self) -> bool:
        return False

    @property
    def _follows_holdings(self) -> bool:
        """Whether a decision depends on what is held, so that sessions must be solved in order."""
        return self.max_turnover is not None

    def target_weights(self, predictions: PredictionPanel, prices: PricePanel) -> Decision:
        """Weights (T, N) stamped t, from data through the close of t; NaN where there is no order.

        Raises
        ------
        InputError
            If the predictions lack what is read, do not lie within the prices, or the groups' file misses an asset.

        """
        return self._decided(predictions, prices, None)

    def resumed(self, predictions: PredictionPanel, prices: PricePanel, last: LastDecision) -> Decision:
        """The decisions after ``last.through`` alone, from what was held since the last."""
        return self._decided(predictions, prices, last)

    def _decided(self, predictions: PredictionPanel, prices: PricePanel, last: LastDecision | None) -> Decision:
        market = market_of(predictions, prices, self, who=self.name, scored=self._scored, signed=self._signed)
        rows = self._decisions(market)
        begun: tuple[Floats, int] | None = None
        if last is not None:
            rows = rows[int((predictions.sessions[list(rows)] <= last.through).sum()) :]
            if last.session is not None:
                known = last.weights.reindex(list(market.assets)).fillna(0.0).to_numpy(dtype=np.float64)
                begun = (known, int(prices.sessions.searchsorted(last.session)))
        skills = self._skills(predictions, prices) if len(rows) else {}
        weights = np.full((len(market.rows), len(market.assets)), np.nan)
        events: list[Event] = []
        for row, (found, notes) in zip(rows, self._all_decisions(market, rows, skills, begun), strict=True):
            events += [(predictions.sessions[row], "", kind, detail) for kind, detail in notes]
            if found is not None:
                weights[row] = found
        frame = pd.DataFrame(weights, predictions.sessions, sorted(predictions.assets, key=str), copy=False)
        frame = frame[list(predictions.assets)]
        return Decision(frame, tuple(events))

    def _all_decisions(
        self,
        market: PriceArrays,
        rows: range,
        skills: dict[int, MeasuredSkill | None],
        begun: tuple[Floats, int] | None,
    ) -> list[Solution]:
        """The decision of each row, in order; in several processes where none depends on the one before.

        `begun` is the last decision before them and its row of the prices.
        """
        if self.workers > 1 and not self._follows_holdings and len(rows) > self.workers:
            edges = np.linspace(0, len(rows), self.workers + 1).astype(int).tolist()
            parts = [rows[start:stop] for start, stop in pairwise(edges)]
            shared = [{row: skills[row] for row in part if row in skills} for part in parts]
            with ProcessPoolExecutor(self.workers, get_context("spawn")) as pool:
                solved = pool.map(_decide_alone, [self] * len(parts), [market] * len(parts), parts, shared)
                return [decision for part in solved for decision in part]
        out: list[Solution] = []
        last = begun
        for row in rows:
            at = int(market.rows[row])
            held = None if last is None else market.drifted(*last, at)
            decision = self._decide(market, row, held, skills.get(row))
            if decision[0] is not None:
                last = (decision[0], at)
            out.append(decision)
        return out

    def _decisions(self, market: PriceArrays) -> range:
        """Rows of the predictions on which weights are decided: the first with a full window, then every n."""
        ready = np.flatnonzero(market.rows >= self.window)
        return range(int(ready[0]) + self.phase, len(market.rows), self.every) if len(ready) else range(0)

    def _skills(self, predictions: PredictionPanel, prices: PricePanel) -> dict[int, MeasuredSkill | None]:
        """Row → the skill known then; only for strategies that ask for it."""
        return {}

    def _decide(self, market: PriceArrays, row: int, held: Floats | None, skill: MeasuredSkill | None) -> Solution:
        """Weights (N,) of one session, or None, and what there is to say: (kind, detail)."""
        at = int(market.rows[row])
        chosen = market.eligible(at, self.window)
        if self._needs_views:
            chosen = chosen[np.isfinite(market.score[row, chosen])]
        if len(chosen) < 2:
            why = "a price, a view and a history" if self._needs_views else "a price and a history"
            return None, [("too_few_assets", f"{len(chosen)} assets have {why}; holdings are kept")]
        returns, missing = market.history(at, self.window, chosen)
        covariance, note = self._estimate(returns, market, at)
        notes: list[Note] = [("covariance", note)] if note else []
        if missing:
            notes.append(("missing_returns", f"{missing} of {returns.size} returns set to the session's mean"))
        limits = limits_of(market, self, at, chosen, covariance, held)
        z = np.zeros(len(chosen))
        seen = np.isfinite(market.score[row, chosen])
        if seen.any():
            z[seen] = characteristic(market.score[row, chosen][seen])
        seen_now = SessionView(market.score[row, chosen], z, covariance, returns, limits, market.horizon, skill)
        inputs = self._inputs(seen_now, notes)
        try:
            found = self._solved(inputs, z, notes)
        except Unsolved as error:
            name = error.relax or blocking(limits)
            if name is None:
                notes.append(("unsolved", f"{error}; holdings are kept"))
            else:
                notes.append(("infeasible", f"relax {name}; holdings are kept"))
            return None, notes
        out = np.zeros(len(market.assets))
        out[chosen] = found
        return out, notes

    @property
    def _needs_views(self) -> bool:
        """Whether an asset without a score is left out."""
        return False

    def _estimate(self, returns: Floats, market: PriceArrays, at: int) -> tuple[Floats, str]:
        """Covariance of the window (S, n), and what was done to make it positive definite."""
        return covariance_matrix(returns, self.covariance)

    def _inputs(self, seen: SessionView, notes: list[Note]) -> Problem:
        """What the solver reads; what there is to say about it goes into `notes`."""
        return Problem(np.zeros(len(seen.score)), seen.covariance, seen.returns, seen.limits)

    @abstractmethod
    def _solve(self, inputs: Problem) -> Floats:
        """(n,) weights of the candidates that meet `inputs.limits`; `Unsolved` where the solver finds none."""

    def _solved(self, inputs: Problem, z: Floats, notes: list[Note]) -> Floats:
        """The solution, tilted, brought within the constraints, without positions below the minimum."""
        limits = inputs.limits
        if (limits.upper < limits.lower).any() or limits.upper.sum() < limits.net - 1e-12:
            raise Unsolved("the caps leave too little room")
        found = self._solve(inputs)
        if not self.native and self.tilt:
            tilted = found * np.maximum(0.0, 1.0 + self.tilt * z)
            found = limits.net * tilted / tilted.sum() if tilted.sum() > 0 else found
        found = self._within(found, limits, notes)
        if self.min_weight > 0:
            found = self._without_small(found, inputs, notes)
        return np.where(np.abs(found) < _DUST, 0.0, found)

    def _within(self, weights: Floats, limits: Limits, notes: list[Note]) -> Floats:
        """`weights`, or where they break a limit the nearest that break none."""
        broken = violations(weights, limits)
        if not broken:
            return weights
        weights = solvers.nearest(weights, limits)
        if violations(weights, limits):
            raise Unsolved("no portfolio within the constraints was found")
        notes.append(("projected", f"moved to the nearest portfolio within {', '.join(sorted(broken))}"))
        return weights

    def _without_small(self, weights: Floats, inputs: Problem, notes: list[Note]) -> Floats:
        """Positions below half the minimum are dropped, the others held to it; by a second solve."""
        small = np.abs(weights) < self.min_weight
        if not (small & (np.abs(weights) > _DUST)).any():
            return np.where(small, 0.0, weights)
        for share in (0.5, 1.0):
            kept = np.abs(weights) >= share * self.min_weight
            sides = np.sign(weights)
            low = np.where(kept, np.where(sides > 0, self.min_weight, -np.inf), 0.0)
            high = np.where(kept, np.where(sides > 0, np.inf, -self.min_weight), 0.0)
            limits = replace(inputs.limits, fixed=np.column_stack([low, high]))
            try:
                if self.native:
                    found = self._solve(replace(inputs, limits=limits))
                else:
                    found = solvers.nearest(weights, limits)
            except Unsolved:
                continue
            found = np.where(kept, found, 0.0)
            if not violations(found, limits):
                return found
        raise Unsolved("no portfolio meets the minimum position", relax="min_weight")


def _decide_alone(
    strategy: Optimised, market: PriceArrays, rows: Sequence[int], skills: dict[int, MeasuredSkill | None]
) -> list[Solution]:
    """Decisions that know of no holdings, for a worker process."""
    return [strategy._decide(market, row, None, skills.get(row)) for row in rows]


@dataclass(frozen=True, kw_only=True)
class Hrp(Optimised):
    """Hierarchical risk parity: capital split down a tree of correlated clusters by inverse variance; long only."""

    name: ClassVar[str] = "hrp"

    def _solve(self, inputs: Problem) -> Floats:
        return solvers.hrp(inputs)


@dataclass(frozen=True, kw_only=True)
class RiskParity(Optimised):
    """Every asset contributes the same to the portfolio's variance; long only."""

    name: ClassVar[str] = "risk_parity"

    def _solve(self, inputs: Problem) -> Floats:
        return solvers.risk_parity(inputs)


@dataclass(frozen=True, kw_only=True)
class MaxDiversification(Optimised):
    """The greatest ratio of the weighted mean volatility to the portfolio's own; long only."""

    name: ClassVar[str] = "max_diversification"

    def _solve(self, inputs: Problem) -> Floats:
        return solvers.max_diversification(inputs)


@dataclass(frozen=True, kw_only=True)
class _Utility(OwnCosts, Optimised):
    """Strategies that weigh a mean against a risk and costs.

    Parameters
    ----------
    risk_aversion : λ in mean − λ·risk − costs, all per session.
    cost_bps : basis points of the traded value, in the objective, spread over the sessions until the next decision
        (or over the predictions' horizon, where the mean comes from them and it is shorter); none takes the run's.
    borrow_bps : a year, on shorts, in the objective; none takes the run's.

    """

    native: ClassVar[bool] = True

    risk_aversion: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_costs(self.name)
        if not (self.risk_aversion > 0 and math.isfinite(self.risk_aversion)):
            raise InputError(f"{self.name}: risk_aversion must be above 0, got {self.risk_aversion!r}")

    @property
    def _follows_holdings(self) -> bool:
        return self.max_turnover is not None or self._trade_bps > 0

    def _paid_over(self, horizon: int) -> int:
        """Sessions over which a trade's cost is spread."""
        return self.every

    def _with_costs(self, inputs: Problem, horizon: int) -> Problem:
        return replace(
            inputs,
            risk_aversion=self.risk_aversion,
            trade_cost=self._trade_bps / 1e4 / self._paid_over(horizon),
            borrow_cost=self._borrow_bps / 1e4 / SESSIONS_A_YEAR,
        )

    def _solve(self, inputs: Problem) -> Floats:
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

    cost_bps: float | None = 0.0

    def _mean(self, seen: SessionView) -> Floats:
        """Expected returns (n,) per session."""
        return self.tilt * seen.z * np.sqrt(np.diag(seen.covariance))

    def _inputs(self, seen: SessionView, notes: list[Note]) -> Problem:
        return self._with_costs(Problem(self._mean(seen), seen.covariance, seen.returns, seen.limits), seen.horizon)


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
    cost_bps: float | None = None

    @property
    def _scored(self) -> bool:
        return True

    @property
    def _signed(self) -> bool:
        return self.signal == "return"

    @property
    def _needs_views(self) -> bool:
        return True

    def _mean(self, seen: SessionView) -> Floats:
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

    def _solve(self, inputs: Problem) -> Floats:
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

    def _skills(self, predictions: PredictionPanel, prices: PricePanel) -> dict[int, MeasuredSkill | None]:
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

    def _inputs(self, seen: SessionView, notes: list[Note]) -> Problem:
        n, skill = len(seen.score), seen.skill
        market = np.full(n, (self.net or 1.0) / n)
        prior = solvers.equilibrium(seen.covariance, market, self.risk_aversion)
        inputs = self._with_costs(Problem(prior, seen.covariance, seen.returns, seen.limits), seen.horizon)
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
