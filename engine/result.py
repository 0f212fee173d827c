"""What a simulation leaves behind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from assay.data.card import Card, span
from assay.data.conventions import SESSIONS_A_YEAR, annual_sharpe
from assay.data.drawing import returns_figure
from assay.data.errors import InputError
from assay.data.lazy import MadeWhenRead
from assay.data.panel import PricePanel
from assay.data.returns import drawdown_series
from assay.engine.fills import FILL_COLUMNS, FillLedger
from assay.engine.trades import round_trips

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EVENT_COLUMNS", "EXPOSURE_COLUMNS", "FILL_COLUMNS", "BacktestResult"]

EVENT_COLUMNS = ("session", "asset", "kind", "detail")
EXPOSURE_COLUMNS = pd.Index(["gross", "net", "long", "short"])


def _no_events() -> pd.DataFrame:
    return pd.DataFrame(columns=list(EVENT_COLUMNS))


def _none() -> None:
    return None


@dataclass(frozen=True, eq=False, repr=False)
class BacktestResult(Card):
    """What a strategy earned, and how.

    Every series is indexed by the sessions simulated, from the first decision on; a value stamped s is known at the
    close of s. What is not the net return may be given as what makes it, which is called when it is read: see the
    fields' types.

    Parameters
    ----------
    strategy : name of the strategy.
    returns : (T,) net of all costs, NAV[s]/NAV[s−1] − 1.
    gross_returns : (T,) the same path before costs: returns + costs[s]/NAV[s−1].
    nav : (T,) net asset value at the close, currency; the first row is the capital less the first fill's costs.
    costs : (T, kinds) currency, columns `assay.engine.costs.COST_KINDS`.
    turnover : (T,) ½Σ|traded value|/NAV, one way, at the fill.
    exposure : (T, 4) fractions of NAV at the close: gross, net, long, short (short is negative).
    target_weights : (T, N) stamped t as decided, after overlays; None with ``keep="returns"``.
    holdings : (T, N) shares after the session's fills; None with ``keep="returns"`` or constant-weight accounting.
    cash : (T,) currency at the close; None with constant-weight accounting.
    interest : (T,) currency earned on cash, below 0 on negative cash; part of the gross return.
    borrow_bps : (T, N) a year, of the night into the session, where a cost table sets it by asset; None where one rate
        holds for all, and with ``keep="returns"``.
    cash_rate : (T,) what cash earned a session, as a fraction, where a rate was given; else None.
    events : long table, columns `EVENT_COLUMNS`: stops, kill switches, forced exits, ruin, unfilled orders.
    fill_ledger : makes the long table of fills when it is asked for; None when not kept.
    stages : one row a stage (select, filter, smooth, vol target, kill switch, costs): sharpe, return_ann,
        volatility_ann, turnover_ann, cost_ann; None when not asked for.
    benchmark : (T,) returns of the benchmark on the same sessions, or None.
    config : everything that was set, JSON-able.
    fingerprints : name of each input to its SHA-256.
    counts : what was dropped, unfilled, capped or forced, by name.
    warnings : one line each, shown beside every figure.

    Examples
    --------
    >>> from assay import load_strategy, run_backtest, synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> run_backtest(load_strategy("quintile_long_short"), predictions, prices)
    quintile_long_short: a backtest of 55 sessions, 2000-01-10 … 2000-03-24
      net       Sharpe 5.89 (252, ddof 1, rf 0), total return 30.3%
      gross     Sharpe 6.52 (252, ddof 1, rf 0), total return 34.2%
      drawdown  -4.2% at the deepest, net
      turnover  133.6× a year, one way
      events    0

    """

    strategy: str
    returns: pd.Series
    gross_returns: MadeWhenRead[pd.Series] = MadeWhenRead()
    nav: MadeWhenRead[pd.Series] = MadeWhenRead()
    costs: MadeWhenRead[pd.DataFrame] = MadeWhenRead()
    turnover: MadeWhenRead[pd.Series] = MadeWhenRead()
    exposure: MadeWhenRead[pd.DataFrame] = MadeWhenRead()
    target_weights: pd.DataFrame | None = None
    holdings: pd.DataFrame | None = None
    cash: MadeWhenRead[pd.Series | None] = MadeWhenRead(_none)
    interest: MadeWhenRead[pd.Series | None] = MadeWhenRead(_none)
    cash_rate: pd.Series | None = None
    borrow_bps: pd.DataFrame | None = None
    events: MadeWhenRead[pd.DataFrame] = MadeWhenRead(_no_events)
    fill_ledger: Callable[[], pd.DataFrame] | FillLedger | None = None
    stages: pd.DataFrame | None = None
    benchmark: pd.Series | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def changed(self, **changes: Any) -> Self:
        """The result with some of its fields changed; what is made when it is read is not made for it."""
        out = object.__new__(type(self))
        out.__dict__.update({**self.__dict__, **changes})
        return out

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process: tables, not what would make them."""
        return {name: getattr(self, name) if name in _MADE else value for name, value in self.__dict__.items()}

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """The T sessions simulated."""
        return self.returns.index  # type: ignore[return-value]

    def over_cash(self, returns: pd.Series) -> pd.Series:
        """(T,) `returns` less what cash earned, of which Sharpe ratios are; as they are where no rate was given."""
        return returns if self.cash_rate is None else returns - self.cash_rate.reindex(returns.index)

    @cached_property
    def fills(self) -> pd.DataFrame:
        """Every fill, in time order; columns `FILL_COLUMNS`. `cost` is its trading cost, currency.

        Raises
        ------
        InputError
            If the result was made with ``keep="returns"``.

        """
        if self.fill_ledger is None:
            raise InputError('fills: this result keeps none; simulate with keep="all"')
        return self.fill_ledger()

    @cached_property
    def trades(self) -> pd.DataFrame:
        """Round trips, flat to flat, derived from the fills; columns `assay.engine.trades.TRADE_COLUMNS`.

        A position that is still open is marked at no price and left out; what is in it stands in `holdings`. What
        holding cost needs prices and is 0 here; see `assay.engine.trades.holding_costs`.

        Raises
        ------
        InputError
            If the result was made with ``keep="returns"``.

        """
        return round_trips(self.fills)

    def plot(self) -> Figure:
        """A matplotlib figure: growth of 1 before and after costs, and the benchmark's, above; drawdown below.

        Raises
        ------
        InputError
            If there are no sessions.

        """
        if not len(self.returns):
            raise InputError(f"plot: the backtest of {self.strategy} has no sessions")
        return returns_figure(self.to_frame(), self.strategy)

    def to_vectorbt(self, prices: PricePanel) -> Any:
        """A real vectorbt `Portfolio` of the same weights on `prices`, to explore.

        Raises
        ------
        InputError
            If the result keeps no weights, or vectorbt cannot express it.

        """
        from assay.engine.vectorbt_adapter import portfolio_from_result

        return portfolio_from_result(self, prices)

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """A few figures for a prompt; the evidence with its intervals is `results.evidence.backtest.evaluate`."""
        if not len(self.returns):
            return f"{self.strategy}: a backtest of no sessions", [("warning", line) for line in self.warnings]
        rows = []
        for kind, values in (("net", self.returns), ("gross", self.gross_returns)):
            ratio = annual_sharpe(values)
            sharpe = "–" if math.isnan(ratio) else f"{ratio:.2f}"
            total = float((1 + values).to_numpy(dtype=float).prod()) - 1
            rows.append((kind, f"Sharpe {sharpe} ({SESSIONS_A_YEAR}, ddof 1, rf 0), total return {total:.1%}"))
        depth = float(drawdown_series(self.returns).min())
        rows += [
            ("drawdown", f"{depth:.1%} at the deepest, net"),
            ("turnover", f"{float(self.turnover.mean()) * SESSIONS_A_YEAR:.1f}× a year, one way"),
            ("events", f"{len(self.events):,}"),
            *(("warning", line) for line in self.warnings),
        ]
        return f"{self.strategy}: a backtest of {span(self.sessions)}", rows

    def to_frame(self) -> pd.DataFrame:
        """A row a session: net and gross return, NAV, turnover, exposures, cost, and the benchmark's return."""
        columns = {
            "net": self.returns,
            "gross": self.gross_returns,
            "nav": self.nav,
            "turnover": self.turnover,
            "cost": self.costs.sum(axis="columns"),
            **{f"exposure_{name}": self.exposure[name] for name in self.exposure.columns},
        }
        return pd.DataFrame(columns if self.benchmark is None else {**columns, "benchmark": self.benchmark})


#: Fields that may not be made yet.
_MADE = frozenset(name for name, kind in vars(BacktestResult).items() if isinstance(kind, MadeWhenRead))
