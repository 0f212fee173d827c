"""A strategy's overlays and books carried from session to session, so that the next one needs its own rows alone.

`assay.engine.backtest.overlaid` works whole tables; this works one session at a time, from arrays that can be stored:
smoothed weights, sleeves, what stands and what waits for its date, and the shadow books with their NAVs. Tested equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.aim import Pace, Seen, pace_seen
from assay.engine.backtest import priced
from assay.engine.costs import CostModel, Rates, laid_out
from assay.engine.execution import Execution
from assay.engine.ledger import BookState, OpenBook
from assay.engine.orders import SMALLEST, Standing, Tape
from assay.engine.overlay_passes import kill_switches, shadow_returns, vol_factor
from assay.engine.pace import capped, expected, ordered
from assay.engine.simulation import tape_of
from assay.strategies.base import Event, LastDecision, Overlays, Strategy, decide
from assay.strategies.overlays import due_sessions

__all__ = ["Carried", "Market", "carried_on", "rank_row"]

#: Cells whose value for an asset that is new is not NaN.
_ZERO = ("shares", "shorts", "stale", "age")
#: What is known of an asset's last decision.
DECISION = ("decided", "score", "rank", "ranked", "selected", "sleeved", "before", "smoothed")
#: and of how it became an order
PACE = ("vol_factor", "aim", "drifted", "share")


@dataclass(frozen=True, eq=False)
class Market:
    """What the books trade on: the arrays of some sessions, and how."""

    tape: Tape
    rates: Rates
    costs: CostModel
    execution: Execution


@dataclass(eq=False)
class Carried:
    """Everything that the next session needs of those before.

    Parameters
    ----------
    assets : N ids.
    sessions : that were worked, from the first decision on.
    cells : name → (N,) or (k, N).
    lines : name → (T,): the NAVs of the shadow books and whether they have traded.
    numbers : name → a number.
    labels : of the steps of the rule, in order.
    events : asset, kind and detail of what the strategy reported at the last session.

    """

    assets: pd.Index
    sessions: pd.DatetimeIndex
    cells: dict[str, Floats] = field(default_factory=dict)
    lines: dict[str, Floats] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    events: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def empty(cls, assets: pd.Index) -> Carried:
        """Before the first session."""
        return cls(assets, pd.DatetimeIndex([]))

    def with_assets(self, assets: pd.Index) -> Carried:
        """The same with assets that are new, of which nothing is known or held; those it has come first."""
        more = len(assets) - len(self.assets)
        cells = {}
        for name, values in self.cells.items():
            fill = 0.0 if name.rpartition(".")[2] in _ZERO else np.nan
            cells[name] = np.concatenate([values, np.full((*values.shape[:-1], more), fill)], axis=-1)
        return Carried(assets, self.sessions, cells, dict(self.lines), dict(self.numbers), self.labels, self.events)

    def step(
        self,
        session: pd.Timestamp,
        rule: Mapping[str, Floats],
        ranks: Mapping[str, Floats],
        overlays: Overlays,
        market: Market,
        s: int,
    ) -> None:
        """Work one session: fill what was ordered, mark to the close, and decide.

        Parameters
        ----------
        session : its date, after the last one worked.
        rule : label → (N,) weights after each step of the rule, in order; NaN is "no order"; empty without a decision.
        ranks : score, rank and ranked, each (N,).
        overlays : of the strategy.
        market : arrays in which the session is row `s`, above 0 unless it is the first that is ever worked.

        """
        self.sessions = pd.DatetimeIndex(np.append(self.sessions.to_numpy(), np.datetime64(session)))
        self.labels = tuple(rule) or self.labels
        chosen = rule[self.labels[-1]] if rule else np.full(len(self.assets), np.nan)
        made = ~np.isnan(chosen)
        sleeved = self._sleeves(chosen, overlays.sleeves)
        row, before = self._smooth(sleeved, overlays.smoothing)
        known = dict(zip(DECISION, (
            np.full(len(chosen), float(len(self.sessions) - 1)), ranks["score"], ranks["rank"], ranks["ranked"], chosen,
            sleeved, before, row,
        ), strict=True)) | {f"step {label}": values for label, values in rule.items()}  # fmt: skip
        for name, values in known.items():
            self._set(f"last.{name}", np.where(made, values, self._cell(f"last.{name}")))
        factor = np.nan
        if overlays.vol_target is not None:
            self._trade("vol target", market, s)
            factor = float(vol_factor(self._shadow("vol target"), overlays.vol_target).iloc[-1])
            self._order("vol target", row, market.execution)
            standing = np.where(np.isnan(row), self._cell("standing.vol target"), row)
            self._set("standing.vol target", standing)
            row = (standing if factor != self.numbers.get("factor", np.nan) else row) * factor
            self.numbers["factor"] = factor
        if overlays.every != 1:
            row = self._cadence(row, overlays)
        held, share, pace = np.zeros(len(row)), np.ones(len(row)), None
        idle = np.isnan(row) if overlays.every != 1 else np.zeros(len(row), dtype=bool)
        if overlays.follows_holdings:
            book = self._trade("trade", market, s)
            held = expected(book.weights(), book.standing, self._queue("trade", market.execution))
            if overlays.aim:
                pace = self._pace(row, market, s)
            wanted = row if pace is None else pace.size * row
            row = ordered(row, held, overlays, pace) if not np.isnan(row).all() else row
            share = np.divide(row - held, wanted - held, out=share, where=wanted != held)
            share = np.where(np.isnan(share), 0.0, share)
            self._order("trade", row, market.execution)
        how = {
            "vol_factor": np.full(len(row), factor), "aim": np.full(len(row), 1.0 if pace is None else pace.size),
            "drifted": np.where(idle, np.nan, held), "share": np.where(idle, 0.0, share),
        }  # fmt: skip
        stated = ~np.isnan(row)
        for name in (*known, *PACE):
            values = how[name] if name in how else self._cell(f"last.{name}")
            self._set(f"then.{name}", np.where(stated, values, self._cell(f"then.{name}")))
            if name in how:
                self._set(f"last.{name}", values)
        self._switches(row, overlays, market, s)

    def _switches(self, row: Floats, overlays: Overlays, market: Market, s: int) -> None:
        """The kill switches, and the book of what is left to order."""
        again = np.zeros(len(row), dtype=bool)
        for name in ("day", "five_day", "sixty_day"):
            self.numbers[f"switch.{name}"] = 0.0
        if overlays.kill_switches:
            self._trade("kill switch", market, s)
            state = kill_switches(self._shadow("kill switch")).iloc[-1]
            self._order("kill switch", row, market.execution)
            standing = np.where(np.isnan(row), self._cell("standing.kill switch"), row)
            self._set("standing.kill switch", standing)
            off = bool(state.any())
            if self.numbers.get("off", 0.0) and not off:
                again, row = np.isnan(row) & ~np.isnan(standing), standing
            if off:
                row = np.zeros(len(row))
            self.numbers["off"] = float(off)
            self.numbers |= {f"switch.{name}": float(value) for name, value in state.items()}
        self._set("again", again.astype(np.float64))
        self._set("final", row)
        self._trade("book", market, s)
        self._order("book", row, market.execution)

    def _sleeves(self, chosen: Floats, sleeves: int) -> Floats:
        if sleeves == 1 or np.isnan(chosen).all():
            return chosen
        last = np.where(np.isnan(chosen), self._cell("sleeves.last"), chosen)
        kept = self.cells.get("sleeves.kept", np.empty((0, len(chosen))))
        kept = np.vstack([kept[max(0, len(kept) - sleeves + 1) :], last])
        known = ~np.isnan(kept)
        mean = np.where(known, kept, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        self._set("sleeves.last", last)
        self._set("sleeves.kept", kept)
        return np.where(np.isnan(chosen), np.nan, mean)

    def _smooth(self, row: Floats, smoothing: float) -> tuple[Floats, Floats]:
        """The smoothed row, and what it was before."""
        if not smoothing:
            return row, np.full(len(row), np.nan)
        state = self._cell("smoothed")
        fresh = np.where(np.isnan(state), row, smoothing * state + (1 - smoothing) * row)
        self._set("smoothed", np.where(np.isnan(row), state, fresh))
        return np.where(np.isnan(row), np.nan, fresh), state

    def _cadence(self, row: Floats, overlays: Overlays) -> Floats:
        due = bool(due_sessions(self.sessions, overlays.every, overlays.phase)[-1])
        pending = due or bool(self.numbers.get("pending", 0.0))
        waiting = np.where(np.isnan(row), self._cell("waiting"), row)
        ready = pending and not np.isnan(waiting).all()
        self._set("waiting", np.full(len(row), np.nan) if ready else waiting)
        self.numbers["pending"] = float(pending and not ready)
        return waiting if ready else np.full(len(row), np.nan)

    def _pace(self, row: Floats, market: Market, s: int) -> Pace:
        """What the sessions so far say of the aim, this one among them."""
        standing = np.where(np.isnan(row), self._cell("aim.standing"), row)
        self._set("aim.standing", standing)
        lines = {name: self.lines[f"aim.{name}"] for name in ("ic", "ic_count", "own", "own_count")
                 if f"aim.{name}" in self.lines}  # fmt: skip
        seen = Seen.nothing(len(row))
        if lines:
            spread, sessions = self.numbers["aim.spread"], int(self.numbers["aim.sessions"])
            seen = Seen(self.cells["aim.past"], self.cells["aim.close"], **lines, spread=spread, sessions=sessions)
        seen = seen.after(standing, market.tape.close[s])
        self._set("aim.past", seen.past)
        self._set("aim.close", seen.close)
        self.lines |= {f"aim.{name}": getattr(seen, name) for name in ("ic", "ic_count", "own", "own_count")}
        self.numbers |= {"aim.spread": seen.spread, "aim.sessions": float(seen.sessions)}
        at_close = market.tape.fill is market.tape.close
        return pace_seen(seen, trade_rate=market.costs.traded_rate, first=market.execution.delay + at_close)

    def _cell(self, name: str) -> Floats:
        found = self.cells.get(name)
        return np.full(len(self.assets), np.nan) if found is None else found

    def _set(self, name: str, values: Floats) -> None:
        self.cells[name] = values

    def _queue(self, name: str, execution: Execution) -> Floats:
        """(k < delay, N) orders on their way that no session has tried yet, the oldest first."""
        return self.cells.get(f"{name}.queue", np.empty((0, len(self.assets))))

    def _order(self, name: str, row: Floats, execution: Execution) -> None:
        self._set(f"{name}.queue", np.vstack([self._queue(name, execution), row]))

    def _trade(self, name: str, market: Market, s: int) -> OpenBook:
        """Session s of one book."""
        first = f"{name}.nav" not in self.lines
        state = None if first else self._state(name, market.execution)
        book = OpenBook(
            market.tape, costs=market.costs, rates=market.rates, execution=market.execution, state=state
        )
        queue = self._queue(name, market.execution)
        tried = None
        if len(queue) == market.execution.delay:
            tried = None if np.isnan(queue[0]).all() else capped(queue[0], market.execution.max_gross)
            self._set(f"{name}.queue", queue[1:])
        book.trade(s, tried)
        navs = self.lines.get(f"{name}.nav", np.array([market.execution.capital]))
        self.lines[f"{name}.nav"] = np.append(navs, book.nav)
        self.lines[f"{name}.traded"] = np.append(self.lines.get(f"{name}.traded", []), float(book.traded(s)))
        kept = book.state
        for key in ("shares", "shorts", "mark", "stale"):
            self._set(f"{name}.{key}", np.asarray(getattr(kept, key), dtype=np.float64))
        self._set(f"{name}.targets", book.standing)
        self._set(f"{name}.age", np.asarray(kept.standing.age, dtype=np.float64))
        for key in ("cash", "short", "gap", "ruined"):
            self.numbers[f"{name}.{key}"] = float(getattr(kept, key))
        self.numbers[f"{name}.standing"] = float(kept.standing.any)
        return book

    def _state(self, name: str, execution: Execution) -> BookState:
        cell, number = self.cells, self.numbers
        standing = Standing(len(self.assets), execution)
        standing.targets, standing.any = cell[f"{name}.targets"].copy(), bool(number[f"{name}.standing"])
        standing.age = cell[f"{name}.age"].astype(np.int64)
        return BookState(
            number[f"{name}.cash"], cell[f"{name}.shares"], number[f"{name}.short"], cell[f"{name}.shorts"],
            cell[f"{name}.mark"], cell[f"{name}.stale"].astype(np.int64), standing,
            bool(number[f"{name}.gap"]), bool(number[f"{name}.ruined"]),
        )  # fmt: skip

    def _shadow(self, name: str) -> pd.Series:
        """Net returns of a shadow book, NaN before its first trade."""
        nav = self.lines[f"{name}.nav"]
        before = nav[:-1]
        net = np.where(before > 0, nav[1:] / np.where(before > 0, before, 1.0) - 1.0, 0.0)
        return shadow_returns(net, self.lines[f"{name}.traded"], self.sessions)[0]

    def last_decision(self) -> LastDecision:
        """Of the rule, before the overlays."""
        decided, weights = self._cell("last.decided"), pd.Series(self._cell("last.selected"), self.assets)
        if np.isnan(decided).all():
            return LastDecision(self.sessions[-1], None, weights)
        at = int(np.nanmax(decided))
        return LastDecision(self.sessions[-1], self.sessions[at], weights.where(decided == at, 0.0))

    @property
    def nav(self) -> float:
        """Of the strategy's own book at the last close."""
        return float(self.lines["book.nav"][-1])

    def book(self) -> Floats:
        """(N,) weights of the strategy's own book at the last close."""
        shares = self.cells["book.shares"]
        value = np.where(shares != 0, shares * self.cells["book.mark"], 0.0)
        return value / self.nav if self.nav > 0 else np.zeros(len(value))

    def switches(self) -> tuple[str, ...]:
        """The kill switches that are on."""
        return tuple(name for name in ("day", "five_day", "sixty_day") if self.numbers[f"switch.{name}"])

    def lineage(self, overlays: Overlays, execution: Execution) -> pd.DataFrame:
        """How the targets of the last session came about; see `assay.engine.positions.Positions`."""
        again, final = self.cells["again"] > 0, self.cells["final"]

        def of(name: str) -> Floats:
            return np.where(again, self._cell(f"then.{name}"), self._cell(f"last.{name}"))

        gross = float(np.nansum(np.abs(final)))
        cap = execution.max_gross / gross if gross > execution.max_gross * (1 + 1e-9) else 1.0
        size = np.abs(final * cap)
        place = of("decided")
        known = ~np.isnan(place)
        decided = pd.DatetimeIndex(self.sessions[np.where(known, place, 0).astype(np.int64)]).where(known)
        columns = {name: of(name) for name in (*DECISION[1:], *PACE)}
        return pd.DataFrame(
            {
                **columns,
                "decided": decided,
                "smoothing": overlays.smoothing,
                "switch": 0.0 if self.switches() else 1.0,
                "cap": cap,
                "floor": np.where((size > 0) & (size < SMALLEST), 0.0, 1.0),
                "target": capped(final, execution.max_gross),
                "book": self.book(),
            },
            index=self.assets,
        )

    def steps(self) -> dict[str, pd.Series]:
        """label → (N,) weights after each step of the rule, on the session of each asset's last decision."""
        again = self.cells["again"] > 0
        return {
            label: pd.Series(
                np.where(again, self._cell(f"then.step {label}"), self._cell(f"last.step {label}")), self.assets
            )
            for label in self.labels
        }


def carried_on(
    before: Carried | None,
    strategy: Strategy,
    predictions: PredictionPanel | None,
    prices: PricePanel,
    *,
    costs: CostModel,
    execution: Execution,
) -> Carried:
    """Work the sessions of `prices` that `before` has not seen; without one, all from the first view on.

    Parameters
    ----------
    before : is left as it was.
    strategy : weights by rule.
    predictions : joined to the prices, through their last session; None where these sessions have none.
    prices : as many sessions before the new ones as the strategy and the costs read, at least one; the whole history
        where there is no `before`. The benchmark is among them where the strategy trades it.
    costs, execution : of the run.

    Raises
    ------
    InputError
        If an asset that was there before is gone from the panels.

    """
    steps: dict[str, pd.DataFrame] = {}
    events: tuple[Event, ...] = ()
    decided, view = pd.DatetimeIndex([]), pd.DataFrame()
    if predictions is not None:
        last = None if before is None else before.last_decision()
        decision = decide(priced(strategy, costs), predictions, prices, last)
        steps, events = dict(decision.steps()), decision.events
        decided, view = predictions.sessions, predictions.view
    assets = list(steps.values())[-1].columns if steps else pd.Index([], dtype=object)
    if before is not None:
        gone = before.assets.difference(prices.assets)
        if len(gone):
            raise InputError(f"positions: {len(gone)} assets of the state have no prices any more, first {gone[0]!r}")
        assets = before.assets.append(pd.Index([name for name in assets if name not in before.assets], dtype=object))
        start, out = prices.sessions[0], copy(before.with_assets(assets))
        new = prices.sessions[prices.sessions > before.sessions[-1]]
    else:
        if predictions is None:
            raise InputError("positions: there is no prediction to begin with")
        start, out = decided[0], Carried.empty(assets)
        new = prices.sessions[prices.sessions >= start]
    traded = prices.select([str(asset) for asset in assets]).between(start, None)
    rates = laid_out(costs, traded.sessions, traded.assets)
    market = Market(tape_of(prices, traded, costs, execution), rates, costs, execution)
    weights = {label: frame.reindex(columns=assets) for label, frame in steps.items()}
    view = view.reindex(columns=assets)
    names = np.argsort([str(asset) for asset in assets], kind="stable")
    for session in new:
        s, made = int(traded.sessions.searchsorted(session)), session in decided
        rule = {label: frame.loc[session].to_numpy(dtype=np.float64) for label, frame in weights.items() if made}
        score = view.loc[session].to_numpy(dtype=np.float64) if made else np.full(len(assets), np.nan)
        ranks = dict(zip(DECISION[1:4], rank_row(score, market.tape.close[s], names), strict=True))
        out.step(session, rule, ranks, strategy.overlays, market, s)
        if made and not np.isnan(score).all():
            out.numbers["viewed"] = float(len(out.sessions) - 1)
    out.events = tuple(event[1:] for event in events if event[0] == out.sessions[-1])
    return out


def rank_row(score: Floats, close: Floats, by_name: np.ndarray) -> tuple[Floats, Floats, Floats]:
    """(N,) score, rank (1 is the highest, ties by asset id) and how many had a score and a price.

    `by_name` are the columns in the order of their ids.

    Examples
    --------
    >>> score, rank, ranked = rank_row(np.array([0.1, 0.3, np.nan]), np.ones(3), np.arange(3))
    >>> rank.tolist(), ranked.tolist()
    ([2.0, 1.0, nan], [2.0, 2.0, 2.0])

    """
    real = ~np.isnan(score) & ~np.isnan(close)
    chosen = by_name[real[by_name]]
    order = chosen[np.argsort(-score[chosen], kind="stable")]
    rank = np.full(len(score), np.nan)
    rank[order] = np.arange(1, len(order) + 1)
    return score, rank, np.full(len(score), float(len(order)))
