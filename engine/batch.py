"""Many portfolios on the same prices in one pass: random-score nulls, sweeps, calibration studies.

The same accounting as `assay.engine.ledger.self_financing`, with a leading axis of R runs; tested equal to it. Only
proportional costs, borrow and financing: what depends on the size of a fill needs the single-run ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import SESSIONS_A_YEAR, Floats, annual_sharpe
from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.overlay_passes import kill_switches, rearmed, shadow_returns, vol_factor
from assay.strategies.base import Overlays
from assay.strategies.overlays import smooth_weights

__all__ = ["BatchResult", "backtest_batch", "simulate_batch"]




@dataclass(frozen=True, eq=False)
class BatchResult:
    """R runs over T sessions.

    Parameters
    ----------
    sessions : (T,).
    net, gross : (R, T) returns a session.
    turnover : (R, T) ½Σ|traded value|/NAV.
    net_exposure, gross_exposure : (R, T) fractions of NAV at the close.

    """

    sessions: pd.DatetimeIndex
    net: Floats
    gross: Floats
    turnover: Floats
    net_exposure: Floats
    gross_exposure: Floats

    def sharpe(self) -> Floats:
        """(R,) net Sharpe ratio, annualised by √252, ddof 1, no risk-free rate; NaN where returns are constant."""
        return np.atleast_1d(annual_sharpe(self.net))


def simulate_batch(
    prices: PricePanel,
    weights: Floats,
    *,
    costs: CostModel | Sequence[CostModel] | None = None,
    execution: Execution | None = None,
    which: npt.NDArray[np.intp] | None = None,
    scale: Floats | None = None,
    restated: npt.NDArray[np.bool_] | None = None,
) -> BatchResult:
    """Trade R sets of target weights on the same prices.

    Parameters
    ----------
    prices : (T, N).
    weights : (R, ≤ T, N) signed fractions of NAV, stamped at the decision; NaN = no order, and none after the last row.
    which : (R,) row of `weights` that each run trades, where runs share weights; default: each its own.
    scale : (R, T) factor on a run's weights, stamped at the decision; default 1.
    restated : (R, T) where a run orders the last target of every asset again, decided or not; default nowhere.
    costs : one model for all runs, or one a run; proportional costs only.
    execution : as for `engine.simulate`; self-financing, fractional shares.

    Raises
    ------
    InputError
        If costs or execution need the single-run ledger, or shapes differ.

    """
    sets, decisions, assets = weights.shape
    which = np.arange(sets) if which is None else which
    runs, sessions = len(which), len(prices.sessions)
    execution = Execution() if execution is None else execution
    models = [costs or CostModel()] * runs if costs is None or isinstance(costs, CostModel) else list(costs)
    _check(prices, weights, models, execution)
    if len(models) != runs:
        raise InputError(f"batch: {len(models)} cost models for {runs} runs")
    rate, borrow, financing = _rates(models)
    fill, mark, tradable, delisted = _known_prices(prices, execution)
    gaps = np.isnan(weights).any(axis=(0, 2))
    nothing = np.full((sets, assets), np.nan)
    last = nothing
    scale = _capped(weights, which, scale, execution.max_gross, restated)

    nav, position = np.empty((sessions, runs)), np.empty((sessions, runs))
    paid, traded_share, absolute = (np.zeros((sessions, runs)) for _ in range(3))
    cash, held = np.full(runs, execution.capital), np.zeros((runs, assets))
    short, alive = np.zeros(runs), np.ones(runs, dtype=bool)
    all_tradable, all_alive = tradable.all(axis=1), True
    with np.errstate(divide="ignore", invalid="ignore"):
        for s in range(sessions):
            row = s - execution.delay
            carrying, fees = borrow * short + financing * np.maximum(-cash, 0.0), np.zeros(runs)
            if not all_alive:
                carrying[~alive] = 0.0
            due = None if restated is None or row < 0 else restated[:, row]
            if 0 <= row < decisions or (due is not None and due.any()):
                target, complete = (weights[:, row], not gaps[row]) if row < decisions else (nothing, False)
                last = target if complete else np.where(np.isnan(target), last, target)
                before = cash + held @ fill[s]
                size = before if scale is None else before * scale[:, row]
                wanted = target[which]
                if due is not None and not complete and due.any():
                    wanted = np.where(due[:, None], last[which], wanted)
                wanted = wanted * size[:, None]
                wanted /= fill[s]
                if not complete:
                    wanted = np.where(np.isnan(wanted), held, wanted)
                if not all_tradable[s]:
                    wanted[:, ~tradable[s]] = held[:, ~tradable[s]]
                if not all_alive:
                    wanted[~alive] = 0.0
                wanted -= held  # now the shares to trade
                spent = wanted @ fill[s]
                held = held + wanted
                traded = np.abs(wanted, out=wanted) @ fill[s]
                fees = traded * rate
                cash = cash - spent - fees
                traded_share[s] = np.where(before > 0, 0.5 * traded / before, 0.0)
            for asset in delisted.get(s, ()):
                cash = cash + held[:, asset] * mark[s, asset]
                held[:, asset] = 0.0
            cash = cash - carrying
            position[s], absolute[s] = held @ mark[s], np.abs(held) @ mark[s]
            nav[s], paid[s] = cash + position[s], fees + carrying
            short = 0.5 * (absolute[s] - position[s])
            ruined = nav[s] <= 0
            if ruined.any():
                ruined &= alive
                cash[ruined], held[ruined], short[ruined], alive[ruined] = nav[s][ruined], 0.0, 0.0, False
                all_alive = False
        net_exposure, gross_exposure = (np.where(nav > 0, part / nav, 0.0) for part in (position, absolute))
        before = np.vstack([np.full(runs, execution.capital), nav[:-1]])
        net = np.where(before > 0, nav / before - 1, 0.0)
        drag = np.where(before > 0, paid / before, 0.0)
    parts = (net, net + drag, traded_share, net_exposure, gross_exposure)
    return BatchResult(prices.sessions, *(np.ascontiguousarray(part.T) for part in parts))


def backtest_batch(
    prices: PricePanel,
    weights: Floats,
    overlays: Overlays,
    *,
    costs: CostModel | Sequence[CostModel] | None = None,
    execution: Execution | None = None,
    which: npt.NDArray[np.intp] | None = None,
) -> BatchResult:
    """Overlays, then simulation, of R sets of selected weights; the same passes as `engine.run_backtest`.

    Parameters
    ----------
    prices : (T, N), from the first decision on.
    weights : (R, ≤ T, N) as selected, before overlays.
    overlays : smoothing, vol target, kill switches.
    costs, execution, which : see `simulate_batch`.

    """
    decisions = weights.shape[1]
    index = prices.sessions[:decisions]
    if overlays.smoothing:
        # Assets are smoothed each by itself, so runs stand side by side and a session is one step for all of them.
        sets, _, assets = weights.shape
        together = pd.DataFrame(np.moveaxis(weights, 0, 1).reshape(decisions, sets * assets), index)
        smooth = smooth_weights(together, overlays.smoothing).to_numpy()
        weights = np.moveaxis(smooth.reshape(decisions, sets, assets), 1, 0)
    if overlays.vol_target is None and not overlays.kill_switches:
        return simulate_batch(prices, weights, costs=costs, execution=execution, which=which)
    sessions = len(prices.sessions)
    runs = len(weights) if which is None else len(which)
    scale, restated = np.ones((runs, sessions)), np.zeros((runs, sessions), dtype=bool)

    def passed() -> BatchResult:
        return simulate_batch(
            prices, weights, costs=costs, execution=execution, which=which, scale=scale, restated=restated
        )

    def shadows() -> list[pd.Series]:
        result = passed()
        return shadow_returns(result.net, result.turnover, result.sessions)

    if overlays.vol_target is not None:
        scale = np.stack([vol_factor(run, overlays.vol_target).to_numpy() for run in shadows()])
        restated = np.diff(scale, axis=1, prepend=np.nan) != 0
    if overlays.kill_switches:
        off = np.stack([kill_switches(run).to_numpy().any(axis=1) for run in shadows()])
        scale, restated = np.where(off, 0.0, scale), restated | off | rearmed(off)
    return passed()


def _capped(
    weights: Floats,
    which: npt.NDArray[np.intp],
    scale: Floats | None,
    max_gross: float,
    restated: npt.NDArray[np.bool_] | None = None,
) -> Floats | None:
    """The scale that also holds each row's gross below `max_gross`."""
    gross = np.stack([np.nansum(np.abs(one), axis=1) for one in weights])[which]
    if restated is not None:
        after = np.zeros((len(which), restated.shape[1] - gross.shape[1]))
        again = np.stack([np.nansum(np.abs(row), axis=1) for row in _standing_rows(weights, restated.shape[1])], axis=1)
        gross = np.where(restated, again[which], np.concatenate([gross, after], axis=1))
    gross = gross if scale is None else gross * np.abs(scale[:, : gross.shape[1]])
    over = gross > max_gross * (1 + 1e-9)
    if not over.any():
        return scale
    factor = np.where(over, max_gross / np.where(over, gross, 1.0), 1.0)
    return factor if scale is None else scale[:, : factor.shape[1]] * factor


def _standing_rows(weights: Floats, sessions: int) -> Iterator[Floats]:
    """The last targets (sets, N) through each session, also after the last decision."""
    last = np.full(weights[:, 0].shape, np.nan)
    for row in range(sessions):
        if row < weights.shape[1]:
            last = np.where(np.isnan(weights[:, row]), last, weights[:, row])
        yield last


def _check(prices: PricePanel, weights: Floats, models: Sequence[CostModel], execution: Execution) -> None:
    if weights.ndim != 3 or weights.shape[1] > prices.shape[0] or weights.shape[2] != prices.shape[1]:
        raise InputError(f"batch: weights have shape {weights.shape}, prices {prices.shape}")
    if execution.accounting != "self_financing" or execution.lot or not all(m.is_proportional for m in models):
        raise InputError(
            "batch: impact, minimum fee, lots and constant-weight accounting need single runs; use proportional costs"
        )


def _rates(models: Sequence[CostModel]) -> tuple[Floats, Floats, Floats]:
    """(R,) each: cost of a traded unit, and what a session of borrowing and of financing costs."""
    rate = np.array([model.traded_rate for model in models])
    yearly = np.array([(model.borrow_bps, model.financing_bps) for model in models]) / 1e4 / SESSIONS_A_YEAR
    return rate, yearly[:, 0], yearly[:, 1]


def _known_prices(
    prices: PricePanel, execution: Execution
) -> tuple[Floats, Floats, npt.NDArray[np.bool_], dict[int, list[int]]]:
    """Prices without holes.

    Returns
    -------
    fill : (T, N) fill prices; where there is none, the last mark (and 1 before the first price).
    mark : (T, N) closes; where there is none, the session's fill or the last mark.
    tradable : (T, N) whether an order can be filled.
    delisted : session → assets whose close has been missing for `stale_limit` sessions on that day.

    """
    close = prices.close.to_numpy()
    fill = close if execution.fill_at(prices) == "close" or prices.open is None else prices.open.to_numpy()
    tradable = ~np.isnan(fill)
    if tradable.all() and not np.isnan(close).any():
        return fill, close, tradable, {}
    mark = pd.DataFrame(np.where(np.isnan(close), fill, close)).ffill().to_numpy()
    previous = np.vstack([np.full(close.shape[1], np.nan), mark[:-1]])
    filled = np.where(tradable, fill, previous)
    missing = np.isnan(close)
    run_length = np.zeros(close.shape[1], dtype=np.int64)
    delisted: dict[int, list[int]] = {}
    for s in range(len(close)):
        run_length = np.where(missing[s], run_length + 1, 0)
        gone = np.flatnonzero(run_length >= execution.stale_limit)
        if len(gone):
            delisted[s] = gone.tolist()
    return np.nan_to_num(filled, nan=1.0), np.nan_to_num(mark, nan=1.0), tradable, delisted
