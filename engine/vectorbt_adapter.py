"""The second opinion: the same weights simulated by vectorbt.

The only module that imports vectorbt, and only inside its functions: the import alone costs seconds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.engine.costs import COST_KINDS, CostModel
from assay.engine.execution import Execution
from assay.engine.result import BacktestResult
from assay.engine.simulation import simulate

__all__ = ["CrossCheck", "cross_check", "not_expressible", "portfolio", "portfolio_from_result", "simulate_vectorbt"]

#: Largest difference of a daily net return between the two engines.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class CrossCheck:
    """Whether both engines earn the same.

    Parameters
    ----------
    agrees : every daily net return within `tolerance`; None when vectorbt cannot express the run.
    max_difference : largest |difference| of a daily net return, fraction.
    session : where it stands.
    tolerance : what was allowed.
    reason : why vectorbt cannot express the run, or "".
    set_to_zero : cost fields that were zeroed in both engines for the comparison.

    """

    agrees: bool | None
    max_difference: float
    session: pd.Timestamp | None
    tolerance: float = TOLERANCE
    reason: str = ""
    set_to_zero: tuple[str, ...] = ()


def comparable(costs: CostModel) -> tuple[CostModel, tuple[str, ...]]:
    """`costs` with what vectorbt has no name for set to zero, and the fields that were not zero before."""
    fields = ("borrow_bps", "financing_bps", "impact_bps", "sqrt_impact", "minimum_fee")
    changed = tuple(name for name in fields if getattr(costs, name))
    return replace(costs, **dict.fromkeys(fields, 0.0)), changed


def not_expressible(result: BacktestResult) -> str:
    """Why vectorbt cannot run the same weights, or "" where it can."""
    if result.config["execution"]["accounting"] != "self_financing":
        return "constant-weight accounting has no portfolio"
    if result.config["execution"]["lot"]:
        return "lots round differently"
    if result.counts.get("forced_exits"):
        return f"{result.counts['forced_exits']} holdings were closed because their prices ended; vectorbt keeps them"
    if result.cash is not None and bool((result.cash < -1e-9 * result.nav).any()):
        session = result.cash.index[(result.cash < -1e-9 * result.nav).to_numpy()][0]
        return f"cash is negative from {session.date()} on (borrowed longs); vectorbt buys only what cash allows"
    return ""


def portfolio(
    prices: PricePanel, weights: pd.DataFrame, *, costs: CostModel | None = None, execution: Execution | None = None
) -> Any:
    """A vectorbt `Portfolio` that trades to `weights` as `engine.simulate` does.

    Parameters
    ----------
    prices, weights, costs, execution : as for `engine.simulate`; only proportional costs are passed on.

    """
    import vectorbt as vbt

    costs = CostModel() if costs is None else costs
    execution = Execution() if execution is None else execution
    prices = prices.select(list(weights.columns)).between(weights.index[0], None)
    weights = weights.reindex(prices.sessions)
    fill = prices.close if execution.fill_at(prices) == "close" else prices.open
    assert fill is not None
    size = weights.shift(execution.delay)
    close = prices.close.ffill()
    # An asset that has not traded yet is worth nothing, but vectorbt wants a number.
    known = fill.where(fill.notna(), close.shift(1)).fillna(1.0)
    return vbt.Portfolio.from_orders(
        close.fillna(1.0),
        size=size,
        size_type="targetpercent",
        price=fill,
        val_price=known,
        fees=costs.traded_rate,
        init_cash=execution.capital,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        lock_cash=False,
        freq="1D",
    )


def portfolio_from_result(result: BacktestResult, prices: PricePanel) -> Any:
    """The vectorbt `Portfolio` of a result's final weights.

    Raises
    ------
    InputError
        If the result keeps no weights or vectorbt cannot express the run.

    """
    if result.target_weights is None:
        raise InputError('to_vectorbt: this result keeps no weights; simulate with keep="all"')
    reason = not_expressible(result)
    if reason:
        raise InputError(f"to_vectorbt: not expressible: {reason}")
    costs, _ = comparable(CostModel(**result.config["costs"]))
    return portfolio(prices, result.target_weights, costs=costs, execution=Execution(**result.config["execution"]))


def simulate_vectorbt(
    prices: PricePanel,
    target_weights: pd.DataFrame,
    *,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    name: str = "weights",
) -> BacktestResult:
    """As `engine.simulate`, by vectorbt: proportional costs only.

    Raises
    ------
    InputError
        If the run needs what vectorbt cannot express; borrow, financing, impact and minimum fee are among it.

    """
    costs = CostModel() if costs is None else costs
    execution = Execution() if execution is None else execution
    kept, zeroed = comparable(costs)
    if zeroed:
        raise InputError(f"vectorbt cannot charge {', '.join(zeroed)}; set them to 0 for --engine vectorbt")
    native = simulate(prices, target_weights, costs=kept, execution=execution, name=name)
    reason = not_expressible(native)
    if reason:
        raise InputError(f"vectorbt cannot express this run: {reason}")
    assert native.target_weights is not None
    book = portfolio(prices, native.target_weights, costs=kept, execution=execution)
    nav = book.value()
    nav.index = native.sessions
    orders = book.orders.records
    size, price = orders["size"].to_numpy(), orders["price"].to_numpy()
    fees = np.bincount(orders["idx"], weights=orders["fees"], minlength=len(nav))
    traded = np.bincount(orders["idx"], weights=size * price, minlength=len(nav))
    before = np.concatenate([[execution.capital], nav.to_numpy()[:-1]])
    net = nav.to_numpy() / before - 1
    rate = costs.traded_rate or 1.0
    charged = pd.DataFrame(0.0, native.sessions, list(COST_KINDS))
    charged["commission"] = fees * (costs.commission_bps / 1e4 / rate)
    charged["spread"] = fees * (costs.spread_bps / 1e4 / rate)
    shares = book.assets()
    shares.index, shares.columns = native.sessions, native.target_weights.columns
    cash = pd.Series(book.cash().to_numpy(), native.sessions, name="cash")
    at_fill = _valued(prices, shares.shift(1).fillna(0.0), execution)
    nav_at_fill = cash.shift(1).fillna(execution.capital).to_numpy() + at_fill
    return replace(
        native,
        returns=pd.Series(net, native.sessions, name="net"),
        gross_returns=pd.Series(net + fees / before, native.sessions, name="gross"),
        nav=nav.rename("nav"),
        costs=charged,
        turnover=pd.Series(0.5 * traded / nav_at_fill, native.sessions, name="turnover"),
        holdings=shares,
        cash=cash,
        config={**native.config, "engine": "vectorbt", "costs": asdict(costs)},
    )


def _valued(prices: PricePanel, shares: pd.DataFrame, execution: Execution) -> np.ndarray:
    """(T,) value of `shares` at the fill prices, or at the last close where there is none."""
    panel = prices.select(list(shares.columns)).between(shares.index[0], None)
    fill = panel.close if execution.fill_at(panel) == "close" else panel.open
    assert fill is not None
    known = fill.where(fill.notna(), panel.close.ffill().shift(1))
    return (shares * known).sum(axis="columns").to_numpy()


def cross_check(
    prices: PricePanel,
    target_weights: pd.DataFrame,
    *,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    tolerance: float = TOLERANCE,
) -> CrossCheck:
    """Run both engines on the same weights and compare every daily net return.

    Borrow, financing, impact and minimum fee, which vectorbt lacks, are zero in both.
    """
    kept, zeroed = comparable(CostModel() if costs is None else costs)
    native = simulate(prices, target_weights, costs=kept, execution=execution)
    reason = not_expressible(native)
    if reason:
        return CrossCheck(None, float("nan"), None, tolerance, f"not expressible: {reason}", zeroed)
    assert native.target_weights is not None
    value = portfolio(prices, native.target_weights, costs=kept, execution=execution).value().to_numpy()
    before = np.concatenate([[native.config["execution"]["capital"]], value[:-1]])
    difference = np.abs(value / before - 1 - native.returns.to_numpy())
    worst = int(np.nanargmax(difference))
    largest = float(difference[worst])
    return CrossCheck(largest <= tolerance, largest, native.sessions[worst], tolerance, "", zeroed)
