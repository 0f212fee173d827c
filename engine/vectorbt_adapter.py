"""The second opinion: the same weights simulated by vectorbt.

The only module that imports vectorbt, and only inside its functions: the import alone costs seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.engine.costs import COST_FIELDS, COST_KINDS, CostModel, CostTable, laid_out
from assay.engine.execution import Execution
from assay.engine.result import BacktestResult
from assay.engine.simulation import simulate

__all__ = ["Agreement", "cross_check", "not_expressible", "portfolio", "portfolio_from_result", "simulate_vectorbt"]

#: Largest difference of a daily net return between the two engines.
TOLERANCE = 1e-9
#: What vectorbt can charge: shares of the traded value.
_EXPRESSED = ("commission_bps", "spread_bps")
#: Events that it has no name for.
_BEYOND = {
    "ruin": "the book is ruined",
    "cut_to_max_gross": "orders are cut to keep the book below max_gross",
    "traded_and_closed": "an asset is traded and then closed because its prices ended",
}
#: The capital of both engines in a cross-check.
_ROUND: dict[str, Any] = {"capital": 1e8}


@dataclass(frozen=True)
class Agreement:
    """Whether both engines earn the same.

    Parameters
    ----------
    agrees : every daily net return within `tolerance`; None when vectorbt cannot express the run.
    max_difference : largest |difference| of a daily net return, fraction.
    session : where it stands.
    tolerance : what was allowed.
    reason : why vectorbt cannot express the run, or the rest of it, or "".
    set_to_zero : cost fields that were zeroed in both engines for the comparison.
    compared : share of the sessions that were compared.

    """

    agrees: bool | None
    max_difference: float
    session: pd.Timestamp | None
    tolerance: float = TOLERANCE
    reason: str = ""
    set_to_zero: tuple[str, ...] = ()
    compared: float = 1.0


def comparable(costs: CostModel) -> tuple[CostModel, tuple[str, ...]]:
    """`costs` with what vectorbt has no name for set to zero, and the fields that were not zero before."""
    table, lost = costs.table, set()
    if table is not None:
        kept = CostTable(
            {name: rates for name, rates in table.by_asset.items() if name in _EXPRESSED},
            {name: rates for name, rates in table.by_session.items() if name in _EXPRESSED},
            table.source,
        )
        lost = {*table.by_asset, *table.by_session} - set(_EXPRESSED)
        table = kept if kept.by_asset or kept.by_session else None
    zeroed = [name for name in COST_FIELDS if name not in _EXPRESSED]
    changed = tuple(name for name in zeroed if getattr(costs, name) or name in lost)
    return replace(costs, **dict.fromkeys(zeroed, 0.0), table=table), changed


def not_expressible(result: BacktestResult) -> str:
    """Why vectorbt cannot run the same weights, or "" where it can."""
    execution = result.config["execution"]
    if execution["accounting"] != "self_financing":
        return "constant-weight accounting has no portfolio"
    if execution["lot"]:
        return "lots round differently"
    if execution["max_volume"]:
        return "volume limits fill orders in parts"
    kind, session = _first_beyond(result)
    return f"{_BEYOND[kind]} on {session.date()}" if session is not None else ""


def _first_beyond(result: BacktestResult) -> tuple[str, pd.Timestamp | None]:
    """The first event that vectorbt has no name for, and its session."""
    if not len(result.events):
        return "", None
    events = zip(result.events["session"], result.events["kind"], strict=True)
    beyond: list[tuple[Any, str]] = [(session, kind) for session, kind in events if kind in _BEYOND]
    if result.counts.get("forced_exits"):
        twice = result.fills[result.fills.duplicated(["session", "asset"])]
        beyond += [(session, "traded_and_closed") for session in twice["session"].iloc[:1]]
    session, kind = min(beyond, default=(None, ""))
    return kind, session


def portfolio(
    prices: PricePanel,
    weights: pd.DataFrame,
    *,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    closed: Sequence[tuple[pd.Timestamp, str]] = (),
    deposit: float = 0.0,
    share: pd.Series | None = None,
) -> Any:
    """A vectorbt `Portfolio` that trades to `weights` as `engine.simulate` does.

    Parameters
    ----------
    prices, weights, costs, execution : as for `engine.simulate`; only costs that are a share of the traded value are
        passed on.
    closed : (session, asset) of holdings to be closed at their last price, free of cost.
    deposit : cash beside the capital, which is never traded: vectorbt buys only what cash allows.
    share : (T,) what the NAV at the fills is of NAV and deposit together; needed with a deposit.

    """
    import vectorbt as vbt

    costs = CostModel() if costs is None else costs
    execution = Execution() if execution is None else execution
    prices = prices.select(list(weights.columns)).between(weights.index[0], None)
    weights = weights.reindex(prices.sessions)
    fill = prices.close if execution.fill_at(prices) == "close" else prices.open
    assert fill is not None
    scale = prices.close.bfill().iloc[0].fillna(1.0)  # its tolerances are absolute: every price starts near 1
    rates = laid_out(costs, prices.sessions, prices.assets)
    fees: Any = costs.traded_rate
    if costs.table is not None:
        both = (np.broadcast_to(_column(rates.cells[name]), weights.shape) for name in _EXPRESSED)
        fees = pd.DataFrame(sum(both) / 1e4, weights.index, weights.columns)
    size = _orders(weights, fill, execution, closed)
    if share is not None:
        size = size.mul(share, axis="index")
    marks = prices.close.where(prices.close.notna(), fill).ffill()
    if closed:
        size, fill = size.copy(), fill.copy()
        fees = pd.DataFrame(np.broadcast_to(fees, weights.shape).copy(), weights.index, weights.columns)
        for session, asset in closed:
            size.loc[session, asset], fees.loc[session, asset] = 0.0, 0.0
            fill.loc[session, asset] = float(marks[asset].loc[session])
    # An asset that has not traded yet is worth nothing, but vectorbt wants a number.
    known = fill.where(fill.notna(), marks.shift(1)).fillna(scale)
    return vbt.Portfolio.from_orders(
        marks.fillna(scale) / scale,
        size=size,
        size_type="targetpercent",
        price=fill / scale,
        val_price=known / scale,
        fees=fees,
        init_cash=execution.capital + deposit,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        lock_cash=False,
        freq="1D",
    )


def _column(value: float | np.ndarray) -> np.ndarray:
    """A rate that broadcasts over (T, N)."""
    values = np.asarray(value)
    return values[:, None] if values.ndim == 1 else values


def _orders(
    weights: pd.DataFrame, fill: pd.DataFrame, execution: Execution, closed: Sequence[tuple[pd.Timestamp, str]]
) -> pd.DataFrame:
    """(T, N) target weights on the sessions that fill them: orders without a price stand, as in `engine.simulate`."""
    ordered = weights.shift(execution.delay)
    if not execution.carry_orders or not fill.isna().to_numpy().any():
        return ordered
    wanted, priced = ordered.to_numpy(), fill.notna().to_numpy()
    out = wanted.copy()
    ends = {(session, asset) for session, asset in closed}
    for s, a in zip(*np.nonzero(~np.isnan(wanted) & ~priced), strict=True):
        for later in range(s, min(s + execution.order_expiry, len(out) - 1) + 1):
            if later > s and not np.isnan(wanted[later, a]):
                break
            if priced[later, a]:
                out[later, a] = wanted[s, a]
                break
            if (weights.index[later], weights.columns[a]) in ends:
                break
    return pd.DataFrame(out, weights.index, weights.columns)


def _closed(result: BacktestResult) -> list[tuple[pd.Timestamp, str]]:
    """(session, asset) of the forced exits of a result."""
    forced = result.events[result.events["kind"] == "forced_exit"]
    return list(zip(forced["session"], forced["asset"], strict=True))


def _beside(result: BacktestResult, prices: PricePanel, execution: Execution) -> tuple[float, pd.Series | None]:
    """The deposit that keeps vectorbt's cash above 0, and the share of NAV in both; (0, None) where none is needed."""
    assert result.cash is not None
    if not bool((result.cash < 0).any()):
        return 0.0, None
    nav = _nav_at_fill(result, prices, execution)
    deposit = 2.0 * float(result.exposure["gross"].max() + 1.0) * float(max(result.nav.max(), nav.max()))
    return deposit, nav / (nav + deposit)


def _nav_at_fill(result: BacktestResult, prices: PricePanel, execution: Execution) -> pd.Series:
    """(T,) NAV at the fill prices, before the session's costs."""
    assert result.cash is not None
    assert result.holdings is not None
    worth = _valued(prices, result.holdings.shift(1).fillna(0.0), execution)
    answer: pd.Series = result.cash.shift(1).fillna(execution.capital) + worth
    return answer


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
    if not reason and result.cash is not None and bool((result.cash < -1e-9 * result.nav).any()):
        session = result.cash.index[(result.cash < -1e-9 * result.nav).to_numpy()][0]
        reason = f"cash is negative from {session.date()} on (borrowed longs); vectorbt buys only what cash allows"
    if not reason and "table" in result.config["costs"]:
        reason = "costs that differ by asset or session are not kept with the result"
    if reason:
        raise InputError(f"to_vectorbt: not expressible: {reason}")
    costs, _ = comparable(CostModel(**result.config["costs"]))
    execution = Execution(**result.config["execution"])
    return portfolio(prices, result.target_weights, costs=costs, execution=execution, closed=_closed(result))


def _same_book(
    native: BacktestResult, prices: PricePanel, costs: CostModel, execution: Execution
) -> tuple[Any, float]:
    """vectorbt's portfolio of the weights that a native run traded, and the deposit beside it."""
    assert native.target_weights is not None
    deposit, share = _beside(native, prices, execution)
    book = portfolio(
        prices,
        native.target_weights,
        costs=costs,
        execution=execution,
        closed=_closed(native),
        deposit=deposit,
        share=share,
    )
    return book, deposit


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
    book, deposit = _same_book(native, prices, kept, execution)
    nav = book.value() - deposit
    nav.index = native.sessions
    orders = book.orders.records
    size, price = orders["size"].to_numpy(), orders["price"].to_numpy()
    fees = np.bincount(orders["idx"], weights=orders["fees"], minlength=len(nav))
    gone = {(native.sessions.get_loc(s), native.target_weights.columns.get_loc(a)) for s, a in _closed(native)}
    ordered = np.array([cell not in gone for cell in zip(orders["idx"], orders["col"], strict=True)], dtype=bool)
    traded = np.bincount(orders["idx"], weights=size * price * ordered, minlength=len(nav))
    before = np.concatenate([[execution.capital], nav.to_numpy()[:-1]])
    net = nav.to_numpy() / before - 1
    charged = pd.DataFrame(0.0, native.sessions, list(COST_KINDS))
    split = native.costs["commission"] / (native.costs["commission"] + native.costs["spread"])
    charged["commission"] = fees * split.fillna(1.0)
    charged["spread"] = fees - charged["commission"]
    shares = book.assets()
    shares.index, shares.columns = native.sessions, native.target_weights.columns
    shares = shares / prices.select(list(shares.columns)).between(shares.index[0], None).close.bfill().iloc[0]
    cash = pd.Series(book.cash().to_numpy() - deposit, native.sessions, name="cash")
    other = replace(native, holdings=shares.fillna(0.0), cash=cash)
    nav_at_fill = _nav_at_fill(other, prices, execution)
    return replace(
        other,
        returns=pd.Series(net, native.sessions, name="net"),
        gross_returns=pd.Series(net + fees / before, native.sessions, name="gross"),
        nav=nav.rename("nav"),
        costs=charged,
        turnover=pd.Series(0.5 * traded / nav_at_fill.to_numpy(), native.sessions, name="turnover"),
        config={**native.config, "engine": "vectorbt", "costs": costs.describe()},
    )


def _valued(prices: PricePanel, shares: pd.DataFrame, execution: Execution) -> np.ndarray:
    """(T,) value of `shares` at the fill prices, or at the last close where there is none."""
    panel = prices.select(list(shares.columns)).between(shares.index[0], None)
    fill = panel.close if execution.fill_at(panel) == "close" else panel.open
    assert fill is not None
    known = fill.where(fill.notna(), panel.close.where(panel.close.notna(), fill).ffill().shift(1))
    return (shares * known).sum(axis="columns").to_numpy()


def cross_check(
    prices: PricePanel,
    target_weights: pd.DataFrame,
    *,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    tolerance: float = TOLERANCE,
) -> Agreement:
    """Run both engines on the same weights and compare every daily net return that vectorbt can express.

    Borrow, financing, interest, impact and minimum fee, which vectorbt lacks, are zero in both. Then the returns do not
    depend on the capital, and both get the same round sum, for vectorbt's own tolerances are absolute.
    """
    kept, zeroed = comparable(CostModel() if costs is None else costs)
    execution = replace(Execution() if execution is None else execution, **({} if _sized(execution) else _ROUND))
    native = simulate(prices, target_weights, costs=kept, execution=execution)
    reason, (_, beyond), total = not_expressible(native), _first_beyond(native), len(native.sessions)
    until = total if beyond is None else int(native.sessions.searchsorted(beyond))
    if reason and (beyond is None or not until):
        return Agreement(None, float("nan"), None, tolerance, f"not expressible: {reason}", zeroed, 0.0)
    if until < total:
        prices = prices.through(native.sessions[until - 1])
        target_weights = target_weights.loc[: native.sessions[until - 1]]
        native = simulate(prices, target_weights, costs=kept, execution=execution)
    book, deposit = _same_book(native, prices, kept, execution)
    nav = book.value().to_numpy() - deposit
    before = np.concatenate([[execution.capital], nav[:-1]])
    difference = np.abs(nav / before - 1 - native.returns.to_numpy())
    worst = int(np.nanargmax(difference))
    largest = float(difference[worst])
    return Agreement(
        largest <= tolerance, largest, native.sessions[worst], tolerance, reason, zeroed, round(until / total, 6)
    )


def _sized(execution: Execution | None) -> bool:
    """Whether the sum that is invested matters."""
    return execution is not None and bool(execution.lot or execution.max_volume)
