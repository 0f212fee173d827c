"""Entry rules, bar by bar: entries at the open, exits by signal, stop, target or age.

What happens within a session, in this order:

1. At the open, holdings are marked. Positions whose exit was decided `delay` sessions before, or whose age has reached
   `max_holding`, are closed at it; then those whose stop or target the open has jumped over. Cash and slots are free.
2. Entries decided `delay` sessions before are served, by priority, ties by asset id, while there are slots and cash. An
   asset closed at this open is not entered again at it. Levels are set from the fill price.
3. Inside the bar, low and high are compared with the levels of every position, the new ones included. If both lie
   within one bar the stop fills. Cash and slots that this frees serve from the next session on.
4. At the close, what is held is marked. A position without a close for `stale_limit` sessions is closed at its last.

With `Execution.max_volume` the fills of an asset in one session, entry and exit together, take at most that share of
its volume. What an entry is cut by lapses; what an exit is cut by leaves at the next opens, whatever prices do since.

Only row s of the prices and rows up to s − delay of the signals decide what happens in session s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.compiling import has_numba
from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.engine.costs import COST_COLUMNS, COST_KINDS, CostModel, Liquidity, laid_out
from assay.engine.entry_kernel import compiled_walk, worth_compiling_entries
from assay.engine.entry_ledger import Bars, EntryBook, Journal
from assay.engine.execution import Execution
from assay.engine.result import EVENT_COLUMNS, EXPOSURE_COLUMNS, FILL_COLUMNS, BacktestResult
from assay.engine.simulation import market_warnings, shares_a_lot, volume_of
from assay.strategies.base import EntryRule, EntrySignals

__all__ = ["simulate_entries"]


_BORROW, _FINANCING = COST_KINDS.index("borrow"), COST_KINDS.index("financing")


def simulate_entries(
    prices: PricePanel,
    signals: EntrySignals,
    rule: EntryRule,
    *,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    optimistic: bool = False,
    keep: Literal["all", "returns"] = "all",
    compiled: bool | None = None,
) -> BacktestResult:
    """Execute an entry rule from its first decision to the last session of `prices`.

    A position is `rule.size` of the NAV marked at the open of its entry, before that session's costs, or as much as the
    cash allows after costs, so cash is never negative in a long rule; short positions together stay within
    `execution.max_gross` of NAV. An order that finds no open is counted as unfilled: an entry lapses, an exit is tried
    again at each open. Borrow is charged on the value of shorts at the previous close.

    Parameters
    ----------
    prices : (T, N) with opens, and highs and lows where the rule has a stop or a target.
    signals : (≤ T, ≤ N) what the rule wants, stamped t, acted on at the open of t + delay.
    rule : sizing, stop, target, cap, age and side.
    costs, execution : defaults as documented there; fills are at the open.
    optimistic : if stop and target lie within one bar, the target fills instead; a warning says so.
    keep : ``"returns"`` keeps no holdings and no fills.
    compiled : whether the compiled loop does it where it can, with the same bits: worth it for repeated runs. None =
        where it pays for one, a very long run.

    Raises
    ------
    InputError
        If the prices lack a field, signals and prices do not match, or fills at the close are asked for.

    """
    costs = CostModel() if costs is None else costs
    execution = Execution() if execution is None else execution
    _check(prices, rule, execution)
    market, liquidity = _market(prices, signals, rule, costs, execution)
    book = EntryBook(market, rule, costs, execution, liquidity, optimistic)
    if compiled is None:
        compiled = worth_compiling_entries(1, len(market.sessions))
    by_loop = compiled and book.is_plain and has_numba()
    journal = book.live_compiled(compiled_walk(), keep == "all") if by_loop else book.live()
    return _result(book, journal, prices, signals.priority.columns, keep)


def _check(prices: PricePanel, rule: EntryRule, execution: Execution) -> None:
    if execution.same_close or execution.fill == "close":
        raise InputError(f"{rule.name}: an entry rule fills at the open; drop fill='close' and same_close")
    if execution.accounting != "self_financing":
        raise InputError(f"{rule.name}: an entry rule needs self_financing accounting, got {execution.accounting!r}")
    if rule.side not in (1, -1):
        raise InputError(f"{rule.name}: side must be 1 or -1, got {rule.side!r}")
    if not 0 < rule.size <= execution.max_gross:
        raise InputError(f"{rule.name}: size must be above 0 and at most max_gross, got {rule.size!r}")
    down, up = (rule.stop_loss, rule.take_profit)[:: rule.side]  # how far the levels lie below and above the fill
    if not (0 <= down < 1 and 0 <= up < np.inf):
        raise InputError(
            f"{rule.name}: stop_loss and take_profit must be fractions of the fill price, at least 0, got "
            f"{rule.stop_loss!r}, {rule.take_profit!r}"
        )
    if rule.max_positions < 0 or rule.max_holding < 0:
        raise InputError(
            f"{rule.name}: max_positions and max_holding must be at least 0 (0 = no limit), got "
            f"{rule.max_positions!r}, {rule.max_holding!r}"
        )
    levels = ["high", "low"] if rule.stop_loss or rule.take_profit else []
    prices.require(["open", *levels], rule.name)


def _market(
    prices: PricePanel, signals: EntrySignals, rule: EntryRule, costs: CostModel, execution: Execution
) -> tuple[Bars, Liquidity | None]:
    first = signals.priority
    for name in () if signals.limits else ("exit", "enter"):
        frame = getattr(signals, name)
        if not frame.index.equals(first.index) or not frame.columns.equals(first.columns):
            raise InputError(f"{rule.name}: sessions or assets of {name} differ from those of priority")
    if 0 in first.shape:
        raise InputError(f"{rule.name}: the signals are empty; a rule must decide on at least one session")
    same = first.index.equals(prices.sessions)
    found = np.arange(len(first)) if same else prices.sessions.get_indexer(first.index)
    if not same and (found < 0).any():
        stranger = pd.Timestamp(first.index[int((found < 0).argmax())]).date()
        raise InputError(f"{rule.name}: {int((found < 0).sum())} sessions absent from prices, first {stranger}")
    order = None
    if not first.columns.is_monotonic_increasing:
        order = np.argsort(np.array([str(asset) for asset in first.columns], dtype=object), kind="stable")
    assets = first.columns if order is None else first.columns[order]
    columns = None
    if not assets.equals(prices.assets):
        columns = prices.assets.get_indexer(assets)
        if (columns < 0).any():
            raise InputError(f"{rule.name}: asset {assets[int((columns < 0).argmax())]!r} absent from prices")
    start = 0 if same else int(found.min())
    sessions = prices.sessions[start:] if start else prices.sessions

    def values(frame: pd.DataFrame | None) -> Floats:
        if frame is None:
            return np.broadcast_to(np.nan, (len(sessions), len(assets)))  # no level to compare it with
        cells = frame.to_numpy()[start:]
        return cells if columns is None else cells[:, columns]

    lots = shares_a_lot(prices, execution)
    if lots is not None:
        lots = lots[start:] if columns is None else lots[start:, columns]
    limit, liquidity, bars = None, None, {name: values(getattr(prices, name)) for name in ("open", "high", "low")}
    if costs.needs_volume or execution.max_volume:
        part = prices if columns is None else prices.select(list(assets))
        shut, limit, liquidity = volume_of(part, sessions[0], costs, execution)
        # Where nothing can be traded there is no open, and nothing that a stop could fill at.
        bars = {name: np.where(shut, np.nan, cells) for name, cells in bars.items()}

    def signal(frame: pd.DataFrame, kind: type) -> npt.NDArray[Any]:
        cells = frame.to_numpy(dtype=kind)
        return cells if order is None else cells[:, order]

    rows = np.full(len(sessions), -1)
    if same:
        rows[execution.delay :] = found[: max(len(found) - execution.delay, 0)]
    else:
        here = found - start < len(sessions) - execution.delay
        rows[found[here] - start + execution.delay] = np.flatnonzero(here)
    market = Bars(
        sessions=sessions,
        assets=assets,
        **bars,
        close=values(prices.close),
        rows=rows,
        signals=lambda name: signal(getattr(signals, name), bool),
        priority=signal(first, float),
        limits=signals.limits,
        rates=laid_out(costs, sessions, assets),
        lot=lots,
        limit=limit,
    )
    return market, liquidity


def _result(
    book: EntryBook, journal: Journal, prices: PricePanel, columns: pd.Index, keep: Literal["all", "returns"]
) -> BacktestResult:
    market, every = book.market, keep == "all"
    sessions = market.sessions
    if journal.ruined_at is not None:
        journal.rows[journal.ruined_at + 1 :, :3] = journal.rows[journal.ruined_at, 0]
    net = _net(journal, book.execution.capital)
    charged = partial(_charged, book.costs, journal)
    series, table = partial(_series, sessions), partial(_table, sessions)
    return BacktestResult(
        strategy=book.rule.name,
        returns=pd.Series(net, sessions, name="net"),
        gross_returns=lambda: series("gross", net + _drag(journal, book.execution.capital, charged())),
        nav=lambda: series("nav", journal.rows[:, _NAV]),
        costs=lambda: table(COST_COLUMNS, charged()),
        turnover=lambda: series("turnover", _turnover(journal)),
        exposure=lambda: table(EXPOSURE_COLUMNS, _exposure(journal)),
        holdings=_holdings(market, journal, columns) if every else None,
        cash=lambda: series("cash", journal.rows[:, _CASH]),
        interest=lambda: series("interest", journal.carried[:, 2] + 0.0),
        cash_rate=market.rates.of_cash(sessions),
        borrow_bps=market.rates.by_asset("borrow_bps", sessions, market.assets) if every else None,
        events=partial(_events, market, journal),
        fill_ledger=_fill_ledger(market, journal) if every else None,
        config=_config(book, prices),
        fingerprints={"prices": prices.fingerprint} if every else {},
        counts=_counts(journal),
        warnings=(*prices.warnings, *_warnings(book, journal), *market_warnings(prices, book.costs, book.execution)),
    )


#: Columns of `Journal.rows`.
_NAV, _BEFORE, _CASH, _TRADED, _LONG, _SHORT = range(6)


def _series(sessions: pd.DatetimeIndex, name: str, values: Floats) -> pd.Series:
    return pd.Series(values, sessions, name=name)


def _table(sessions: pd.DatetimeIndex, columns: pd.Index, values: Floats) -> pd.DataFrame:
    """Laid out as pandas lays out: the last bits of sums over sessions depend on it; −0.0 is written 0.0."""
    return pd.DataFrame(np.add(values, 0.0, order="F"), sessions, columns, copy=False)


def _net(journal: Journal, capital: float) -> Floats:
    nav = journal.rows[:, _NAV]
    before = np.concatenate([[capital], nav[:-1]])
    grown: Floats = np.divide(nav, before, out=np.ones_like(before), where=before > 0)
    return grown - 1


def _drag(journal: Journal, capital: float, charged: Floats) -> Floats:
    """Costs as parts of the NAV before."""
    before = np.concatenate([[capital], journal.rows[:-1, _NAV]])
    drag: Floats = np.divide(charged.sum(axis=1), before, out=np.zeros_like(before), where=before > 0)
    return drag


def _charged(costs: CostModel, journal: Journal) -> Floats:
    """(T, kinds) costs, currency."""
    traded = journal.rows[:, _TRADED]
    charged = np.zeros((len(traded), len(COST_KINDS))) if journal.charged is None else journal.charged.copy()
    if journal.charged is None:
        charged[:, 0], charged[:, 1] = (traded * (bps / 1e4) for bps in (costs.commission_bps, costs.spread_bps))
    charged[:, _BORROW], charged[:, _FINANCING] = journal.carried[:, 0], journal.carried[:, 1]
    return charged


def _turnover(journal: Journal) -> Floats:
    before = journal.rows[:, _BEFORE]
    share: Floats = np.divide(0.5 * journal.rows[:, _TRADED], before, out=np.zeros_like(before), where=before > 0)
    return share


def _exposure(journal: Journal) -> Floats:
    nav, long, short = (journal.rows[:, which, None] for which in (_NAV, _LONG, _SHORT))
    exposure = np.hstack([long - short, long + short, long, short])
    share: Floats = np.divide(exposure, nav, out=np.zeros_like(exposure), where=nav > 0)
    return share


def _holdings(market: Bars, journal: Journal, columns: pd.Index) -> pd.DataFrame:
    """Shares after each session's fills, (T, N), in the columns of the signals."""
    shares = np.zeros((len(market.assets), len(market.sessions)))  # an asset's sessions side by side
    for (asset, start, stop), amount in zip(journal.spans.tolist(), journal.held.tolist(), strict=True):
        shares[asset, start:stop] = amount
    for (asset, since), amount in zip(journal.open.tolist(), journal.open_shares.tolist(), strict=True):
        shares[asset, since:] = amount
    held = pd.DataFrame(shares.T, market.sessions, market.assets, copy=False)
    return held if columns.equals(market.assets) else held[columns]


def _events(market: Bars, journal: Journal) -> pd.DataFrame:
    if not len(journal.events):
        return pd.DataFrame(columns=list(EVENT_COLUMNS))
    session, asset, number = journal.events.T
    names = market.assets
    if journal.ruined_at is not None:
        names = names.append(pd.Index([""]))  # −1, the last, is no asset
    kinds, details = (pd.Index(list(texts)) for texts in zip(*journal.texts, strict=True))
    columns = (market.sessions[session], names.take(asset), kinds.take(number), details.take(number))
    arrays = (column.array for column in columns)  # as an Index each would be copied
    return pd.DataFrame(dict(zip(EVENT_COLUMNS, arrays, strict=True)), copy=False)


def _fill_ledger(market: Bars, journal: Journal) -> Callable[[], pd.DataFrame]:
    """Makes the table of fills when it is asked for; a forced exit stands in it at its last price, without cost."""

    def table() -> pd.DataFrame:
        session, asset, shares, price, cost = journal.fills.T
        columns = (
            market.sessions[session.astype(np.intp)],
            market.assets[asset.astype(np.intp)],
            shares,
            price,
            shares * price,
            cost,
        )
        return pd.DataFrame(dict(zip(FILL_COLUMNS, columns, strict=True)))

    return table


def _config(book: EntryBook, prices: PricePanel) -> dict[str, Any]:
    rule = book.rule
    names = ("stop_loss", "take_profit", "size", "max_positions", "max_holding", "side")
    return {
        "strategy": rule.name,
        "costs": book.costs.describe(),
        "execution": {**vars(book.execution), "fill": "open"},
        "source": prices.source,
        "adjusted": prices.adjusted,
        "rule": {name: getattr(rule, name) for name in names},
        "optimistic": book.optimistic,
    }


def _counts(journal: Journal) -> dict[str, int]:
    times = np.bincount(journal.events[:, 2], minlength=len(journal.texts)).tolist()
    exits = {
        f"{kind}s": sum(n for n, text in zip(times, journal.texts, strict=True) if text[0] == kind)
        for kind in ("stop", "target", "signal_exit", "time_exit")
    }
    return {
        **journal.counts,
        "entries": journal.closed + len(journal.open) - journal.counts.get("partly_filled", 0),
        **exits,
        "open_at_the_end": len(journal.open),
    }


def _warnings(book: EntryBook, journal: Journal) -> list[str]:
    out = []
    if book.optimistic:
        out.append("optimistic: where stop and target lie in one bar the target is taken as filled first")
    for name, text in (
        ("unfilled_orders", "orders had no price to fill at"),
        ("forced_exits", "holdings were closed at their last close after their prices ended"),
        ("cut_by_cash", "entries were smaller than wanted for lack of cash"),
        ("sessions_without_cash", "sessions on which entries were not made for lack of cash"),
        ("cut_by_volume", "entries were smaller than wanted for lack of volume"),
        ("partly_filled", "times an exit was filled in part for lack of volume; the rest left at later opens"),
    ):
        if journal.counts.get(name):
            out.append(f"{journal.counts[name]} {text}")
    if journal.ruined_at is not None:
        session = book.market.sessions[journal.ruined_at].date()
        out.append(f"ruined: NAV at or below zero on {session}; nothing traded afterwards")
    return out
