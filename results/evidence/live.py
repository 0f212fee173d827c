"""What was really filled beside what the backtest of the same sessions says, and the costs that the fills speak for."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from assay.data.card import Card
from assay.data.conventions import Floats
from assay.data.errors import InputError, InsufficientEvidenceError
from assay.data.panel import PricePanel
from assay.engine.marked import marked
from assay.engine.result import BacktestResult
from assay.engine.simulation import liquidity_of

__all__ = ["CostEstimate", "Reconciliation", "estimated_costs", "reconcile"]

#: Trades of the model below this share of NAV are not missed by anyone.
_SMALL = 1e-5
_LEAST = 10


@dataclass(frozen=True)
class CostEstimate:
    """A parameter of the cost model, from fills.

    Parameters
    ----------
    name : as in `assay.engine.costs.CostModel`.
    value, error : the estimate and its standard error, in the unit of the parameter.
    low, high : its 95% interval, by Student's t.
    n : fills.

    """

    name: str
    value: float
    error: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, eq=False, repr=False)
class Reconciliation(Card):
    """The live book beside the backtest's.

    Parameters
    ----------
    fills : a row a fill or a trade that was missed: session, asset, status (filled, missed, extra, opening), the share
        of NAV that the model and the live book traded, the model's fill price and ours, slippage and commission in
        basis points of the value (what is paid is above 0).
    drift : (T,) ½Σ|live weight − model weight| at each close.
    returns : (T, 2) live and model, net; the live book is marked at the closes.
    slippage : a row a kind (price, of buys, of sells; commission): basis points, their standard error, currency, fills.
    costs : the parameters of the cost model that the fills speak for.

    """

    fills: pd.DataFrame
    drift: pd.Series
    returns: pd.DataFrame
    slippage: pd.DataFrame
    costs: tuple[CostEstimate, ...]

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """The book in short."""
        counts = self.fills["status"].value_counts()
        total = self._totals()
        kinds = ", ".join(f"{int(counts.get(name, 0)):,} {name}" for name in ("filled", "missed", "extra", "opening"))
        away = self.drift
        rows = [
            ("fills", kinds),
            ("return", f"live {total['live']:+.2%}, backtest {total['model']:+.2%}"),
            ("drift of weights", f"mean {away.mean():.2%}, most {away.max():.2%}, last {away.iloc[-1]:.2%}"),
        ]
        rows += [
            (f"slippage, {kind}", f"{row['bps']:+.1f} ± {row['error']:.1f} bps, {row['currency']:,.2f}")
            for kind, row in self.slippage.iterrows()
        ]
        rows += [
            (one.name, f"{one.value:.3g} ± {one.error:.2g}  [{one.low:.3g}, {one.high:.3g}], {one.n} fills")
            for one in self.costs
        ]
        start, end = self.returns.index[0].date(), self.returns.index[-1].date()
        return f"Live book, {start} … {end}", rows

    def _totals(self) -> dict[str, float]:
        return {str(name): float(np.prod(1 + self.returns[name].to_numpy()) - 1) for name in self.returns.columns}

    def to_frame(self) -> pd.DataFrame:
        """A row a fill or missed trade."""
        return self.fills

    def to_dict(self) -> dict[str, Any]:
        """What ``compare --live --json`` prints."""
        return {
            "start": self.returns.index[0],
            "end": self.returns.index[-1],
            "returns": self._totals(),
            "drift": {"mean": float(self.drift.mean()), "max": float(self.drift.max()),
                      "last": float(self.drift.iloc[-1])},
            "slippage": self.slippage.reset_index().to_dict("records"),
            "costs": [asdict(one) for one in self.costs],
            "fills": self.fills.to_dict("records"),
        }  # fmt: skip


def reconcile(result: BacktestResult, fills: pd.DataFrame, prices: PricePanel, *, capital: float) -> Reconciliation:
    """Put fills beside the backtest of the same sessions.

    Parameters
    ----------
    result : of the run, through the last fill at least, with its holdings.
    fills : see `assay.data.files.fills.load_fills`; of the shares that the panel's prices are of.
    prices : those of the result.
    capital : currency before the first fill; the live book is that and what the fills make of it.

    Raises
    ------
    InputError
        If there is no fill, or one is of a session or asset that the result lacks.

    """
    if not len(fills):
        raise InputError("live: no fill is recorded yet; record them with `positions --record`")
    if result.holdings is None or result.fill_ledger is None:
        raise InputError("live: the backtest has no holdings to compare with")
    first = fills["session"].min()
    sessions = result.sessions[result.sessions >= first]
    strangers = sorted({*fills["session"]} - {*result.sessions})
    if strangers:
        raise InputError(f"live: fills on {strangers[0].date()}, which is no session of the backtest")
    unknown = sorted({*fills["asset"]} - {*result.holdings.columns})
    if unknown:
        raise InputError(f"live: fills of {unknown[0]!r}, which the backtest does not trade")
    close = prices.close.reindex(index=sessions, columns=result.holdings.columns).ffill()
    book = marked(fills, close, capital=capital)
    model_value = result.holdings.loc[sessions] * close.where(result.holdings.loc[sessions] != 0, 0.0)
    model = model_value.div(result.nav.loc[sessions], axis="index")
    drift = 0.5 * (book.weights - model).abs().sum(axis=1)
    returns = pd.DataFrame({"live": book.returns, "model": result.returns.loc[sessions]})
    table = _matched(result, fills, book.before, sessions)
    return Reconciliation(table, drift.rename("drift"), returns, _slippage(table), estimated_costs(table, prices))


def _matched(
    result: BacktestResult, fills: pd.DataFrame, before: pd.Series, sessions: pd.DatetimeIndex
) -> pd.DataFrame:
    """Each fill beside the model's trade of that session and asset, and the trades that nobody made."""
    own = result.fills
    own = own[own["session"].isin(sessions)].groupby(["session", "asset"])[["value", "price"]].agg(
        {"value": "sum", "price": "first"}
    )
    start = result.nav.shift(1).fillna(result.config["execution"]["capital"])
    own["model"] = own["value"] / start.reindex(own.index.get_level_values("session")).to_numpy()
    live = fills.assign(value=fills["shares"] * fills["price"]).reset_index(drop=True)
    live = live.join(own[["model", "price"]].rename(columns={"price": "reference"}), on=["session", "asset"])
    live["live"] = live["value"] / before.reindex(live["session"]).to_numpy()
    first = live["session"] == sessions[0]
    live["status"] = np.where(live["model"].notna(), "filled", np.where(first, "opening", "extra"))
    made = pd.MultiIndex.from_frame(live[["session", "asset"]])
    missed = own[~own.index.isin(made) & (own["model"].abs() > _SMALL)].reset_index()
    missed = missed.rename(columns={"price": "reference"}).assign(status="missed", live=0.0)
    missed = missed.drop(columns="value")
    size = live["value"].abs()
    live["slippage_bps"] = 1e4 * np.sign(live["shares"]) * (live["price"] / live["reference"] - 1)
    live["commission_bps"] = 1e4 * live["cost"] / size
    columns = ["session", "asset", "status", "model", "live", "shares", "reference", "price", "value", "slippage_bps",
               "commission_bps"]  # fmt: skip
    both = pd.concat([live, missed], ignore_index=True).reindex(columns=columns)
    return both.sort_values(["session", "asset"], kind="stable", ignore_index=True)


def _slippage(table: pd.DataFrame) -> pd.DataFrame:
    """What was paid beyond the model's price, and in commission, weighted by value."""
    rows = {}
    for kind, chosen, name in (
        ("price", table["shares"].notna(), "slippage_bps"),
        ("price of buys", table["shares"] > 0, "slippage_bps"),
        ("price of sells", table["shares"] < 0, "slippage_bps"),
        ("commission", table["shares"].notna(), "commission_bps"),
    ):
        part = table[chosen & table[name].notna()]
        size = part["value"].abs().to_numpy()
        mean, error = _ratio(part[name].to_numpy() * size / 1e4, size)
        rows[kind] = {"bps": 1e4 * mean, "error": 1e4 * error, "currency": mean * size.sum(), "fills": len(part)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("kind")


def _ratio(paid: Floats, size: Floats) -> tuple[float, float]:
    """Σpaid/Σsize and its standard error, by linearisation."""
    n, total = len(paid), float(size.sum())
    if n == 0 or total <= 0:
        return math.nan, math.nan
    ratio = float(paid.sum()) / total
    if n < 2:
        return ratio, math.nan
    left = paid - ratio * size
    return ratio, math.sqrt(float(left @ left) * n / (n - 1)) / total


def estimated_costs(fills: pd.DataFrame, prices: PricePanel) -> tuple[CostEstimate, ...]:
    """The commission, the half spread and the square-root coefficient that fills speak for, each with its error.

    The commission is Σcost/Σvalue. Slippage is regressed on a constant, the half spread, and on σ·√(shares/volume),
    whose slope is the coefficient of the square-root law (σ and mean volume over the 20 sessions before, as the engine
    reads them); errors are robust to unequal variances (HC3). Without volume, or where the participation does not vary,
    the half spread is the mean slippage.

    Parameters
    ----------
    fills : the ``fills`` of a `Reconciliation`.
    prices : with volume, for the coefficient.

    Returns
    -------
    tuple of CostEstimate
        of what at least ten fills speak for: commission_bps, spread_bps, sqrt_impact.

    References
    ----------
    Almgren, Thum, Hauptmann & Li (2005), "Direct estimation of equity market impact". Long & Ervin (2000), "Using
    heteroscedasticity consistent standard errors in the linear regression model", for HC3.

    """
    out = []
    paid = fills[fills["commission_bps"].notna()]
    if len(paid) >= _LEAST:
        size = paid["value"].abs().to_numpy()
        value, error = _ratio(paid["commission_bps"].to_numpy() * size, size)
        out.append(_estimate("commission_bps", value, error, len(paid), 1))
    known = fills[fills["slippage_bps"].notna()]
    if len(known) < _LEAST:
        return tuple(out)
    slipped = known["slippage_bps"].to_numpy() / 1e4
    design = [np.ones(len(known))]
    if prices.volume is not None:
        pull = _participation(known, prices)
        seen = np.isfinite(pull)
        if seen.sum() >= _LEAST and np.ptp(pull[seen]) > 0:
            slipped, design = slipped[seen], [np.ones(int(seen.sum())), pull[seen]]
    slopes, errors = _regressed(np.column_stack(design), slipped)
    out.append(_estimate("spread_bps", 1e4 * slopes[0], 1e4 * errors[0], len(slipped), len(design)))
    if len(design) == 2:
        out.append(_estimate("sqrt_impact", slopes[1], errors[1], len(slipped), 2))
    return tuple(out)


def _participation(fills: pd.DataFrame, prices: PricePanel) -> Floats:
    """(n,) σ·√(shares/mean volume) of each fill."""
    known = liquidity_of(prices)
    row = prices.sessions.get_indexer(pd.DatetimeIndex(fills["session"]))
    column = prices.assets.get_indexer(pd.Index(fills["asset"]))
    with np.errstate(invalid="ignore"):
        share = np.abs(fills["shares"].to_numpy()) / known.volume[row, column]
        answer: Floats = known.volatility[row, column] * np.sqrt(share)
    return answer


def _regressed(design: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Least squares and its HC3 standard errors."""
    inverse = np.linalg.inv(design.T @ design)
    found = inverse @ design.T @ values
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    left = (values - design @ found) / np.maximum(1 - leverage, 1e-9)
    spread = inverse @ (design.T * left**2) @ design @ inverse
    return found, np.sqrt(np.diag(spread))


def _estimate(name: str, value: float, error: float, n: int, parameters: int) -> CostEstimate:
    from scipy.special import stdtrit

    if n <= parameters:
        raise InsufficientEvidenceError(f"live: {n} fills are too few for {name}")
    reach = float(stdtrit(n - parameters, 0.975)) * error
    return CostEstimate(name, value, error, value - reach, value + reach, n)
