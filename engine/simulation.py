"""Target weights and prices in, a `BacktestResult` out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.engine.costs import COST_KINDS, CostModel, Liquidity, trading_costs
from assay.engine.execution import Execution
from assay.engine.ledger import Floats, Ledger, constant_weight, row_gross, self_financing
from assay.engine.result import EVENT_COLUMNS, FILL_COLUMNS, BacktestResult

__all__ = ["liquidity_of", "simulate"]

Keep = Literal["all", "returns"]

_LIQUIDITY_WINDOW = 20


def simulate(
    prices: PricePanel,
    target_weights: pd.DataFrame,
    *,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    keep: Keep = "all",
    name: str = "weights",
) -> BacktestResult:
    """Trade to `target_weights`, from the first decision to the last session of `prices`.

    Parameters
    ----------
    prices : (T, N).
    target_weights : (≤ T, ≤ N) signed fractions of NAV, stamped at the decision t and filled at t + delay. A NaN cell
        is "no order", an absent session likewise; 0 is flat.
    costs, execution : defaults as documented there.
    keep : ``"returns"`` keeps no (T, N) table, for large panels and sweeps.
    name : of the strategy, for the report.

    Raises
    ------
    InputError
        If weights stand on sessions or assets that `prices` lacks, are infinite, or an option needs a missing field.

    Examples
    --------
    >>> days = pd.to_datetime(["2020-01-02", "2020-01-03", "2020-01-06"])
    >>> prices = PricePanel(pd.DataFrame({"A": [100.0, 100.0, 110.0]}, index=days))
    >>> weights = pd.DataFrame({"A": [1.0]}, index=days[:1])
    >>> simulate(prices, weights, costs=CostModel.zero()).returns.round(12).tolist()
    [0.0, 0.0, 0.1]

    """
    costs = CostModel() if costs is None else costs
    execution = Execution() if execution is None else execution
    fill_at = execution.fill_at(prices)
    prints = {"prices": prices.fingerprint} if keep == "all" else {}
    prices, weights, counts = _aligned(prices, target_weights, execution.max_gross)
    close = prices.close.to_numpy()
    fill = close if fill_at == "close" or prices.open is None else prices.open.to_numpy()
    config = {
        "strategy": name,
        "costs": asdict(costs),
        "execution": {**asdict(execution), "fill": fill_at},
        "source": prices.source,
        "adjusted": prices.adjusted,
    }
    warnings = [*prices.warnings, *_warnings(execution, counts)]
    if execution.accounting == "constant_weight":
        result = _constant_weight_result(prices, weights, fill, costs, execution, config, counts, warnings, keep)
        return replace(result, fingerprints=prints)
    liquidity = liquidity_of(prices) if costs.sqrt_impact else None
    book = self_financing(
        weights, fill, close, costs=costs, execution=execution, liquidity=liquidity, keep_shares=keep == "all"
    )
    result = _result(prices, weights, fill, book, costs, execution, config, counts, warnings, liquidity, keep)
    return replace(result, fingerprints=prints)


def liquidity_of(prices: PricePanel) -> Liquidity:
    """Daily volatility and mean volume over the 20 sessions that end the session before (at least 2 of them).

    Where neither is known yet, a fill is charged no square-root impact.

    Raises
    ------
    InputError
        If the panel has no volume.

    """
    prices.require(["volume"], "square-root impact")
    assert prices.volume is not None
    returns = prices.close.pct_change(fill_method=None)
    window = {"window": _LIQUIDITY_WINDOW, "min_periods": 2}
    volatility = returns.rolling(**window).std(ddof=1).shift(1).to_numpy()
    volume = prices.volume.rolling(**window).mean().shift(1).to_numpy()
    return Liquidity(volatility, np.where(volume > 0, volume, np.nan))


def _aligned(prices: PricePanel, weights: pd.DataFrame, max_gross: float) -> tuple[PricePanel, Floats, dict[str, int]]:
    """Prices from the first decision on and weights on the same sessions and assets."""
    if not isinstance(weights, pd.DataFrame) or weights.empty:
        raise InputError("target_weights: empty; a strategy must decide on at least one session")
    absent = weights.index.difference(prices.sessions)
    if len(absent):
        raise InputError(
            f"target_weights: {len(absent)} sessions absent from prices, first {pd.Timestamp(absent[0]).date()}; "
            "reindex to prices.sessions"
        )
    strangers = weights.columns.difference(prices.assets)
    if len(strangers):
        raise InputError(f"target_weights: {len(strangers)} assets absent from prices, first {strangers[0]!r}")
    if not weights.columns.equals(prices.assets):
        prices = prices.select(list(weights.columns))
    if weights.index[0] != prices.sessions[0]:
        prices = prices.between(weights.index[0], None)
    if not weights.index.equals(prices.sessions):
        weights = weights.reindex(prices.sessions)
    values = np.ascontiguousarray(weights.to_numpy(dtype=np.float64))
    gross = row_gross(values)
    if not np.isfinite(gross).all():  # a NaN is "no order"; an infinity is a mistake
        if np.isinf(values).any():
            row, column = np.argwhere(np.isinf(values))[0]
            raise InputError(f"target_weights: infinite at {prices.sessions[row].date()}, {prices.assets[column]!r}")
        gross = np.nansum(np.abs(values), axis=1)
    capped = gross > max_gross * (1 + 1e-9)
    if capped.any():
        values = values.copy()
        values[capped] *= (max_gross / gross[capped])[:, None]
    return prices, values, {"gross_capped": int(capped.sum())}


def _warnings(execution: Execution, counts: dict[str, int]) -> list[str]:
    out = []
    if execution.same_close:
        out.append("same-close fills: decided and traded at the same price, which nobody can do; look-ahead")
    if counts["gross_capped"]:
        out.append(f"{counts['gross_capped']} sessions wanted more than max_gross {execution.max_gross:g}; scaled down")
    return out


def _result(
    prices: PricePanel,
    weights: Floats,
    fill: Floats,
    book: Ledger,
    costs: CostModel,
    execution: Execution,
    config: dict[str, Any],
    counts: dict[str, int],
    warnings: list[str],
    liquidity: Liquidity | None,
    keep: Keep,
) -> BacktestResult:
    sessions, assets = prices.sessions, prices.assets
    before = np.concatenate([[execution.capital], book.nav[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        net = np.where(before > 0, book.nav / before - 1.0, 0.0)
        drag = np.where(before > 0, book.costs.sum(axis=1) / before, 0.0)
        turnover = np.where(book.nav_before > 0, 0.5 * book.traded / book.nav_before, 0.0)
        exposure = np.stack([book.long - book.short, book.long + book.short, book.long, book.short], axis=1)
        exposure = np.where(book.nav[:, None] > 0, exposure / book.nav[:, None], 0.0)
    counts = {**counts, "unfilled_orders": len(book.unfilled), "forced_exits": len(book.forced)}
    if book.unfilled:
        warnings.append(f"{len(book.unfilled)} orders had no price to fill at")
    if book.forced:
        warnings.append(f"{len(book.forced)} holdings were closed at their last close after their prices ended")
    if book.ruined_at is not None:
        warnings.append(f"ruined: NAV at or below zero on {sessions[book.ruined_at].date()}; nothing traded afterwards")
    frame = _framer(sessions, assets)
    return BacktestResult(
        strategy=config["strategy"],
        returns=pd.Series(net, sessions, name="net"),
        gross_returns=pd.Series(net + drag, sessions, name="gross"),
        nav=pd.Series(book.nav, sessions, name="nav"),
        costs=pd.DataFrame(book.costs, sessions, list(COST_KINDS)),
        turnover=pd.Series(turnover, sessions, name="turnover"),
        exposure=pd.DataFrame(exposure, sessions, ["gross", "net", "long", "short"]),
        target_weights=frame(weights) if keep == "all" else None,
        holdings=frame(book.shares) if book.shares is not None else None,
        cash=pd.Series(book.cash, sessions, name="cash"),
        events=_events(prices, book),
        fill_ledger=_fill_ledger(prices, fill, book, costs, liquidity) if keep == "all" else None,
        config=config,
        counts=counts,
        warnings=tuple(warnings),
    )


def _framer(sessions: pd.DatetimeIndex, assets: pd.Index) -> Callable[[Floats], pd.DataFrame]:
    return lambda values: pd.DataFrame(values, sessions, assets)


def _events(prices: PricePanel, book: Ledger) -> pd.DataFrame:
    sessions, assets = prices.sessions, prices.assets
    rows = [(sessions[s], assets[a], "forced_exit", f"{n:.6g} shares at the last close") for s, a, n in book.forced]
    rows += [(sessions[s], assets[a], "unfilled", "no price at the fill") for s, a in book.unfilled]
    if book.ruined_at is not None:
        rows.append((sessions[book.ruined_at], "", "ruin", "NAV at or below zero"))
    table = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    return table.sort_values(["session", "asset"], kind="stable", ignore_index=True)


def _fill_ledger(
    prices: PricePanel, fill: Floats, book: Ledger, costs: CostModel, liquidity: Liquidity | None
) -> Callable[[], pd.DataFrame]:
    """Makes the table of fills, when it is asked for; a forced exit stands in it at the last close, without cost."""

    def fills() -> pd.DataFrame:
        assert book.shares is not None
        held = np.vstack([np.zeros(book.shares.shape[1]), book.shares[:-1]])
        delta = book.shares - held
        for s, asset, shares in book.forced:
            delta[s, asset] += shares
        value = delta * np.nan_to_num(fill)
        real = np.abs(value) > 1e-12 * np.abs(book.nav_before)[:, None]
        if book.ruined_at is not None:
            real[book.ruined_at :] = False
        cost = np.zeros_like(value)
        for s in map(int, np.flatnonzero(real.any(axis=1))):
            known = None if liquidity is None else (liquidity.volatility[s], liquidity.volume[s], fill[s])
            cost[s] = trading_costs(np.abs(np.where(real[s], value[s], 0.0)), book.nav_before[s], costs, known).sum(0)
        row, column = np.nonzero(real)
        columns = (
            prices.sessions[row],
            prices.assets[column],
            delta[row, column],
            fill[row, column],
            value[row, column],
            cost[row, column],
        )
        table = pd.DataFrame(dict(zip(FILL_COLUMNS, columns, strict=True)))
        if not book.forced:
            return table
        last = prices.close.ffill().to_numpy()
        closed = [
            (prices.sessions[s], prices.assets[a], -n, last[s, a], -n * last[s, a], 0.0) for s, a, n in book.forced
        ]
        return pd.concat([table, pd.DataFrame(closed, columns=list(FILL_COLUMNS))], ignore_index=True).sort_values(
            "session", kind="stable", ignore_index=True
        )

    return fills


def _constant_weight_result(
    prices: PricePanel,
    weights: Floats,
    fill: Floats,
    costs: CostModel,
    execution: Execution,
    config: dict[str, Any],
    counts: dict[str, int],
    warnings: list[str],
    keep: Keep,
) -> BacktestResult:
    if costs.sqrt_impact or costs.minimum_fee or execution.lot:
        raise InputError(
            "constant_weight accounting has no shares: square-root impact, minimum fee and lots need self_financing"
        )
    close = prices.close.to_numpy()
    at_open = fill is not close
    gross, charged, traded, held = constant_weight(
        weights, fill, close, costs=costs, execution=execution, at_open=at_open
    )
    sessions, assets = prices.sessions, prices.assets
    net = gross - charged.sum(axis=1)
    long, short = np.maximum(held, 0).sum(axis=1), np.minimum(held, 0).sum(axis=1)
    warnings.append("constant-weight accounting: returns are summed on constant capital, weights do not drift")
    return BacktestResult(
        strategy=config["strategy"],
        returns=pd.Series(net, sessions, name="net"),
        gross_returns=pd.Series(gross, sessions, name="gross"),
        nav=pd.Series(execution.capital * (1 + np.cumsum(net)), sessions, name="nav"),
        costs=pd.DataFrame(charged * execution.capital, sessions, list(COST_KINDS)),
        turnover=pd.Series(0.5 * traded, sessions, name="turnover"),
        exposure=pd.DataFrame(
            np.stack([long - short, long + short, long, short], axis=1), sessions, ["gross", "net", "long", "short"]
        ),
        target_weights=pd.DataFrame(weights, sessions, assets) if keep == "all" else None,
        config=config,
        counts=counts,
        warnings=tuple(warnings),
    )
