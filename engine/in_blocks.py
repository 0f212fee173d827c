"""`run_backtest` some sessions at a time, for panels larger than memory: the same figures, no table of all cells.

A block of sessions is decided, smoothed, scaled, switched off and traded before the next one is read; what goes from
one to the next is a few rows: smoothed weights, what stands, the books at their last close and the orders on their way.
The functions are those of whole tables, told where to go on. Panels may be mapped files (`assay.data.files.packed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from assay.data.align import Join, JoinReport
from assay.data.benchmark import check_benchmark
from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.mapped import release
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.universe import only_members
from assay.engine.backtest import input_fingerprints, labelled, merged_events, priced
from assay.engine.costs import CostModel, Rates, laid_out
from assay.engine.execution import Execution
from assay.engine.ledger import BookState, Ledger, self_financing
from assay.engine.orders import Tape
from assay.engine.overlay_passes import Before, emptied, kill_events, kill_switches, scaled, shadow_returns, vol_factor
from assay.engine.result import EVENT_COLUMNS, BacktestResult
from assay.engine.simulation import booked_result, earned, orderable
from assay.engine.stages import stage_table
from assay.strategies.base import EntryRule, Event, Overlays, Resumes, Strategy, decide, memory_of
from assay.strategies.overlays import smooth_weights

__all__ = ["joined_rows", "run_in_blocks", "why_not_in_blocks"]

#: Values of one table in a block: eight megabytes.
_VALUES = 1 << 20


def why_not_in_blocks(
    strategy: Strategy | EntryRule,
    predictions: PredictionPanel,
    prices: PricePanel,
    costs: CostModel,
    execution: Execution,
) -> str | None:
    """Why a backtest needs its whole tables, in a few words; None where it can be worked in blocks of sessions."""
    if isinstance(strategy, EntryRule):
        return f"{strategy.name} is executed bar by bar"
    overlays, memory = strategy.overlays, memory_of(strategy)
    reasons = {
        f"{strategy.name} does not say how many sessions a decision reads": memory is None,
        f"{strategy.name} goes on from its last decision": isinstance(strategy, Resumes),
        f"{strategy.name} trades the benchmark": "benchmark" in strategy.needs,
        "a schedule, sleeves, the aim, bands and a turnover budget": overlays.paced or overlays.sleeves > 1,
        f"{execution.accounting.replace('_', '-')} accounting": execution.accounting != "self_financing",
        "costs and limits that depend on volume": costs.needs_volume or bool(execution.max_volume),
        "lots of raw prices": bool(execution.lot) and prices.raw_close is not None,
        "costs by asset": costs.table is not None and bool(costs.table.by_asset),
        "predictions and prices of different assets": not predictions.assets.equals(prices.assets),
        "probabilities": predictions.action is not None or predictions.probability_up is not None,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def run_in_blocks(
    strategy: Strategy,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    benchmark: pd.Series | None = None,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    sessions: int | None = None,
    decided: Callable[[pd.DataFrame], None] | None = None,
    told: Callable[[int, int], None] | None = None,
) -> tuple[BacktestResult, JoinReport]:
    """What `assay.engine.backtest.run_backtest` gives with ``keep="returns"``, with its stages, and how panels joined.

    Parameters
    ----------
    strategy : weights by rule, see `why_not_in_blocks`.
    predictions : (T', N), not joined yet: views without a price on their session are left out here, and counted.
    prices : (T, N) of the same assets.
    benchmark, costs, execution : as for `run_backtest`.
    sessions : in a block; default as many as make eight megabytes a table. The figures do not depend on it.
    decided : is handed the final weights of each block in turn, (n, N), stamped t, NaN = no order.
    told : how many sessions are done, of how many.

    Raises
    ------
    InputError
        If it cannot be worked in blocks, or as `run_backtest` and `assay.data.align.align` do.

    Examples
    --------
    >>> from assay import load_strategy, run_backtest, synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> rule = load_strategy("s2_filter_negative")
    >>> whole = run_backtest(rule, predictions, prices)
    >>> parts, _ = run_in_blocks(rule, predictions, prices, sessions=7)
    >>> bool(np.allclose(whole.returns, parts.returns, rtol=0, atol=1e-15))
    True

    """
    costs = CostModel() if costs is None else costs
    execution = Execution(delay=predictions.delay) if execution is None else execution
    reason = why_not_in_blocks(strategy, predictions, prices, costs, execution)
    if reason is not None:
        raise InputError(f"in blocks of sessions: {reason} needs the whole panels in memory; leave --keep at all")
    if benchmark is not None:
        check_benchmark(benchmark)
    prices.require(strategy.needs, strategy.name)
    join = Join(predictions, prices)
    report = join.report
    if report.joined:
        prints = input_fingerprints(prices, _joined_fingerprint(join, predictions), benchmark)
    else:
        raise InputError(f"predictions: {predictions.name} has no view that joins a price on any session")
    start = int(join.rows[join.first])
    last = int(prices.sessions.searchsorted(predictions.sessions[-1]))
    end = min(last + execution.delay + predictions.horizon, len(prices.sessions) - 1) + 1
    walk = _Walk(priced(strategy, costs), join, predictions, prices, costs, execution, start, end)
    step = max(1, _VALUES // prices.shape[1]) if sessions is None else sessions
    for first in range(start, end, step):
        weights = walk.block(first, min(first + step, end))
        if decided is not None:
            decided(weights)
        if told is not None:
            told(min(first + step, end) - start, end - start)
    return _labelled(walk, strategy, predictions, benchmark, execution, prints, report), report


def joined_rows(join: Join, predictions: PredictionPanel, rows: slice) -> PredictionPanel:
    """Some sessions of predictions that are sessions of the prices, with what does not join taken out."""
    keep = np.arange(rows.start, rows.stop)[join.rows[rows] >= 0]
    lost = join.views(rows) & ~join.joined(rows)
    lost = lost[join.rows[rows] >= 0]
    return predictions.map(lambda frame: frame.iloc[keep].mask(lost) if lost.any() else frame.iloc[keep])


def _joined_fingerprint(join: Join, predictions: PredictionPanel) -> str:
    """The fingerprint of what joins, which is what a run in memory has for its predictions."""
    kept = predictions.sessions[join.rows >= 0]
    if len(kept) == len(predictions.sessions) and join.report.joined == join.report.given:
        return predictions.fingerprint
    step = max(1, _VALUES // predictions.shape[1])

    def parts(name: str) -> Iterator[Floats]:
        for start in range(0, len(predictions.sessions), step):
            rows = slice(start, min(start + step, len(predictions.sessions)))
            if (join.rows[rows] >= 0).any():
                yield joined_rows(join, predictions, rows).frames()[name].to_numpy()

    return predictions.fingerprint_with(kept, parts)


@dataclass(eq=False)
class _Book:
    """One book over all sessions, traded a block at a time.

    Parameters
    ----------
    label : of the stage whose weights it trades.
    ledger : of T sessions.
    state : at the last close.
    queue : (≤ delay + 1, N) the last rows of weights, which the next block still trades.
    last : whether it is the run's own, of which unfilled orders and the like are listed.
    capped : rows that were above the cap on gross.

    """

    label: str
    ledger: Ledger
    state: BookState
    queue: Floats
    last: bool
    capped: int = 0

    def trade(self, weights: pd.DataFrame, market: _Market, done: int) -> Floats:
        """Trade the sessions after the first `done`, of which these are the weights; as they were ordered."""
        lead, stop = len(self.queue), done + len(weights)
        ordered, capped = orderable(weights, market.execution.max_gross)
        self.capped += capped
        rows = np.vstack([self.queue, ordered])
        whole = self.ledger
        if self.state.ruined:
            for name in ("nav", "nav_before", "cash"):
                getattr(whole, name)[done:stop] = self.state.cash
        else:
            tape, rates = market.window(done - lead, stop)
            part = self_financing(
                rows, tape, costs=market.costs, rates=rates, execution=market.execution, keep_shares=False,
                state=self.state, first=lead,
            )  # fmt: skip
            for name in ("nav", "nav_before", "cash", "costs", "interest", "traded", "long", "short"):
                getattr(whole, name)[done:stop] = getattr(part, name)[lead:]
            if self.last:
                _noted(whole, part, done - lead)
            elif part.ruined_at is not None:
                whole.ruined_at = part.ruined_at + done - lead
            if self.state.ruined:
                self.state.cash = float(part.nav[-1])
        self.queue = rows[-(market.execution.delay + 1) :].copy()
        return ordered

    def shadow(self, through: int, market: _Market) -> pd.Series:
        """Net returns of the first sessions, NaN before the first trade."""
        part = replace(self.ledger, **{name: getattr(self.ledger, name)[:through] for name in _ROWS})
        net, _, turnover = earned(part, market.execution)
        return shadow_returns(net, turnover, market.sessions[:through])[0]


_ROWS = ("nav", "nav_before", "cash", "costs", "interest", "traded", "long", "short")


def _noted(whole: Ledger, part: Ledger, offset: int) -> None:
    """What happened in a part of the sessions, at its place among all."""
    whole.forced += [replace(item, session=item.session + offset) for item in part.forced]
    whole.liquidated += [replace(item, session=item.session + offset) for item in part.liquidated]
    for name in ("unfilled", "partly", "expired"):
        getattr(whole, name).extend((s + offset, asset) for s, asset in getattr(part, name))
    whole.above += [(s + offset, gross) for s, gross in part.above]
    whole.cut += [s + offset for s in part.cut]
    if part.ruined_at is not None:
        whole.ruined_at = part.ruined_at + offset


@dataclass(frozen=True, eq=False)
class _Market:
    """The sessions that are simulated: prices from the first decision on."""

    prices: PricePanel
    start: int
    end: int
    costs: CostModel
    execution: Execution

    @property
    def sessions(self) -> pd.DatetimeIndex:
        return self.prices.sessions[self.start : self.end]

    def rows(self, first: int, stop: int) -> PricePanel:
        """Some sessions of the whole panel."""
        cut: dict[str, Any] = {
            name: frame.iloc[max(first, 0) : stop] for name, frame in frames_of(self.prices).items()
        }
        return replace(self.prices, **cut)

    def window(self, first: int, stop: int) -> tuple[Tape, Rates]:
        """Prices and rates of simulated sessions."""
        rows = slice(self.start + first, self.start + stop)
        close = self.prices.close.to_numpy()[rows]
        at_close = self.execution.fill_at(self.prices) == "close" or self.prices.open is None
        fill = close if at_close else cast(pd.DataFrame, self.prices.open).to_numpy()[rows]
        return Tape(fill, close), laid_out(self.costs, self.prices.sessions[rows], self.prices.assets)


@dataclass(eq=False)
class _Walk:
    """Where a run stands between two blocks."""

    strategy: Strategy
    join: Join
    predictions: PredictionPanel
    prices: PricePanel
    costs: CostModel
    execution: Execution
    start: int
    end: int
    books: list[_Book] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    #: smoothed weights, and what the vol target and the kill switches were left
    smoothed: Floats | None = None
    left: dict[str, Before] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.market = _Market(self.prices, self.start, self.end, self.costs, self.execution)

    @property
    def overlays(self) -> Overlays:
        return self.strategy.overlays

    def block(self, first: int, stop: int) -> pd.DataFrame:
        """Decide and trade rows `first` … `stop` of the prices; their final weights."""
        sessions = self.prices.sessions[first:stop]
        done, through = first - self.start, stop - self.start
        behind = max(cast(int, memory_of(self.strategy)), 2) - 1
        market = self.market.rows(first - behind, stop)
        stages = list(self._decided(market, sessions))
        last = [stages.pop()]  # as (label, weights); stages before it are only simulated
        books = iter(self._books([label for label, _ in (*stages, *last)]))
        for _, weights in stages:
            next(books).trade(weights, self.market, done)

        def push(label: str, weights: pd.DataFrame) -> None:
            last[0] = label, only_members(weights, market)

        def shadow() -> pd.Series:
            book = next(books)
            book.trade(last[0][1], self.market, done)
            return book.shadow(through, self.market)

        overlays = self.overlays
        if overlays.smoothing:
            next(books).trade(last[0][1], self.market, done)
            smooth = smooth_weights(last[0][1], overlays.smoothing, self.smoothed)
            self.smoothed = _standing(smooth, self.smoothed)
            push("smooth", smooth)
        if overlays.vol_target is not None:
            factor = vol_factor(shadow(), overlays.vol_target).iloc[done:]
            before = self.left.get("vol target")
            self.left["vol target"] = _left(last[0][1], before, float(factor.iloc[-1]))
            push("vol target", scaled(last[0][1], factor, before))
        if overlays.kill_switches:
            state = kill_switches(shadow())
            before = self.left.get("kill switch")
            now = state.iloc[done:]
            self.left["kill switch"] = _left(last[0][1], before, float(now.iloc[-1].any()))
            push("kill switch", emptied(last[0][1], now, before))
        ordered = next(books).trade(last[0][1], self.market, done)
        self._release(first, stop)
        return pd.DataFrame(ordered, sessions, self.prices.assets, copy=False)

    def _decided(self, market: PricePanel, sessions: pd.DatetimeIndex) -> Iterator[tuple[str, pd.DataFrame]]:
        """(label, weights) of each step of the rule on these sessions, NaN rows where nothing was decided."""
        rows = self.join.rows
        stamps = self.predictions.sessions
        begin, known = int(stamps.searchsorted(sessions[0])), int(stamps.searchsorted(market.sessions[0]))
        stop = int(stamps.searchsorted(sessions[-1], side="right"))
        place = slice(max(known, self.join.first), stop)
        made = begin < stop and bool((rows[begin:stop] >= 0).any())
        views = joined_rows(self.join, self.predictions, place) if made else None
        if views is None:
            nothing = pd.DataFrame(np.nan, sessions, self.prices.assets)
            for book in self.books[: self._steps]:
                yield book.label, only_members(nothing, market)
            return
        decision = decide(self.strategy, views, market)
        self.events += [event for event in decision.events if event[0] >= sessions[0]]
        for label, weights in decision.steps():
            yield label, only_members(weights.reindex(sessions), market)

    def _books(self, labels: list[str]) -> list[_Book]:
        """The books, opened when the steps of the rule are known."""
        if not self.books:
            self._steps = len(labels)
            overlays, count = self.overlays, self.prices.shape[1]
            more = (("smooth", bool(overlays.smoothing)), ("vol target", overlays.vol_target is not None),
                    ("kill switch", overlays.kill_switches))  # fmt: skip
            names = [*labels, *(name for name, wanted in more if wanted)]
            for place, label in enumerate(names):
                ledger = Ledger.empty(self.end - self.start, count, keep_shares=False)
                state = BookState.opening(count, self.execution)
                last = place == len(names) - 1
                self.books.append(_Book(label, ledger, state, np.empty((0, count)), last))
        return self.books

    _steps: int = 0

    def _release(self, first: int, stop: int) -> None:
        for frame in frames_of(self.prices).values():
            release(frame.to_numpy()[first:stop])
        known = self.predictions.sessions.slice_indexer(self.prices.sessions[first], self.prices.sessions[stop - 1])
        for frame in self.predictions.frames().values():
            release(frame.to_numpy()[known])


def frames_of(prices: PricePanel) -> dict[str, pd.DataFrame]:
    """The (T, N) frames of a panel by name."""
    known = ((item.name, getattr(prices, item.name)) for item in fields(prices))
    return {name: value for name, value in known if isinstance(value, pd.DataFrame)}


def _left(weights: pd.DataFrame, before: Before | None, last: float) -> Before:
    """What a block leaves to the next one."""
    return Before(_standing(weights, None if before is None else before.standing), last)


def _standing(weights: pd.DataFrame, before: Floats | None) -> Floats:
    """(N,) the last weight of each asset that was ordered, through the last row."""
    values = weights.to_numpy()
    state = np.full(values.shape[1], np.nan) if before is None else before
    if not np.isnan(values[-1]).any():
        return np.array(values[-1])
    for row in values:
        state = np.where(np.isnan(row), state, row)
    return state


def _labelled(
    walk: _Walk,
    strategy: Strategy,
    predictions: PredictionPanel,
    benchmark: pd.Series | None,
    execution: Execution,
    prints: dict[str, str],
    report: JoinReport,
) -> BacktestResult:
    """The result with its stages and events, what it was made from, and the warnings of `run_backtest`."""
    traded = walk.market.rows(walk.start, walk.end)
    earned = [
        booked_result(
            traded, book.ledger, costs=walk.costs, execution=execution, gross_capped=book.capped, name=strategy.name
        )
        for book in walk.books
    ]
    result = earned[-1]
    stages = stage_table(zip((book.label for book in walk.books), earned, strict=True))
    events = pd.DataFrame(walk.events, columns=list(EVENT_COLUMNS))
    if walk.overlays.kill_switches:
        book = walk.books[-2]
        fired = kill_events(kill_switches(book.shadow(len(walk.market.sessions), walk.market)))
        events = pd.concat([events, fired], ignore_index=True) if len(events) else fired
    result = replace(merged_events(result, events), stages=stages)
    lines = (*predictions.warnings, *(report.messages() if report.joined < report.given else ()))
    return labelled(result, strategy, predictions, lines, benchmark, execution, prints)
