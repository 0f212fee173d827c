"""What a strategy holds next: the targets of one session, how each came about, and the orders towards them.

Nothing is decided here. The panels end at the session, `assay.engine.backtest.passes` decides on them as in a backtest,
and `assay.engine.orders.ordered_shares` turns targets into shares as the simulation does.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.data.errors import InputError, UnknownNameError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import Pass, passes, with_tradable_benchmark
from assay.engine.carried import Carried, rank_row
from assay.engine.costs import CostModel, laid_out, trading_costs
from assay.engine.execution import Execution
from assay.engine.orders import SMALLEST, Tape, ordered_shares
from assay.engine.overlay_passes import kill_switches, shadow_returns, vol_factor
from assay.engine.result import EVENT_COLUMNS, BacktestResult
from assay.engine.simulation import simulate
from assay.strategies.base import EntryRule, Overlays, Strategy

__all__ = ["LINEAGE_COLUMNS", "ORDER_COLUMNS", "Positions", "carried_positions", "orders_towards", "positions_at"]

LINEAGE_COLUMNS = (
    "decided", "score", "rank", "ranked", "selected", "sleeved", "before", "smoothing", "smoothed", "vol_factor",
    "aim", "drifted", "share", "switch", "cap", "floor", "target", "book",
)  # fmt: skip
ORDER_COLUMNS = ("price", "held", "order", "shares", "value", "cost", "status", "reason")


@dataclass(frozen=True, eq=False)
class Positions:
    """The targets that a strategy decided at the close of one session.

    Parameters
    ----------
    session : of the decision; everything here is known at its close.
    fill, delay : the order is for the ``"open"`` or the ``"close"`` of the `delay`-th session after it.
    lineage : a row an asset, columns `LINEAGE_COLUMNS`:
        ``decided``, the session of the rule's last decision on the asset; ``score``, ``rank`` (1 is the highest, ties
        by asset id) and ``ranked`` (how many had a score and a price) on it; ``selected``, the weight after the rule;
        ``sleeved``, the mean of the last decisions; ``before``, the smoothed weight before that decision (NaN at the
        first); ``smoothing``, the weight on it; ``smoothed``; ``vol_factor``; ``aim``, by how much that is
        multiplied; ``drifted``, what the book held when an aim, a band or a budget looked, else 0 (NaN where no order
        was due); ``share``, what is traded of the way
        from there, 0 within the band and where no order was due, else 1; ``switch``, 0 where a kill switch is on, else
        1; ``cap``, what `max_gross` leaves; ``floor``, 0 where that is below a millionth of NAV, which is a target of
        0, else 1; ``target``, the weight that a backtest trades, NaN = no order; ``book``, the weight of the asset in
        the backtest's own book at this close. With s = smoothing, 0 where there is no ``before``, and
        wanted = (s·before + (1−s)·sleeved)·vol_factor·aim, the target is 0 where the switch is, and else
        (drifted + share·(wanted − drifted))·cap·floor.
    steps : label → (N,) weights after each step of the rule, on the session ``decided``.
    switches : the kill switches that are on.
    overlays : of the strategy.
    prices : the panel through the session.
    events : of the session, columns `assay.engine.result.EVENT_COLUMNS`.
    result : the backtest through the session; its last session is the one of the decision. None where the book was
        carried from session to session.

    """

    session: pd.Timestamp
    fill: str
    delay: int
    lineage: pd.DataFrame
    steps: Mapping[str, pd.Series]
    switches: tuple[str, ...]
    overlays: Overlays
    prices: PricePanel
    events: pd.DataFrame
    result: BacktestResult | None

    @property
    def targets(self) -> pd.Series:
        """(N,) weights decided, fractions of NAV; NaN = no order, the holding drifts."""
        return self.lineage["target"]

    def why(self, asset: str) -> str:
        """How the target of an asset came about, in one line.

        Raises
        ------
        UnknownNameError
            If the strategy has no such asset.

        """
        row = self._rows.get(asset)
        if row is None:
            raise UnknownNameError("asset of the strategy", asset, [str(name) for name in self.lineage.index])
        if pd.isna(row["decided"]):
            return "never decided on → no order"
        parts = []
        if row["decided"] != self.session:
            parts.append(f"decided {row['decided'].date()}")
        parts.append("no score" if pd.isna(row["score"]) else f"score {row['score']:.4g}")
        if not pd.isna(row["rank"]):
            parts.append(f"rank {int(row['rank'])} of {int(row['ranked'])}")
        parts += [f"{label} {weights[asset]:+.2%}" for label, weights in self.steps.items()]
        if self.overlays.sleeves > 1:
            parts.append(f"mean of {self.overlays.sleeves} sleeves {row['sleeved']:+.2%}")
        if row["smoothing"]:
            if pd.isna(row["before"]):
                parts.append(f"smooth {row['smoothed']:+.2%} (the first)")
            else:
                kept, fresh = row["smoothing"], 1 - row["smoothing"]
                parts.append(
                    f"smooth {kept:.3g} × {row['before']:+.2%} + {fresh:.3g} × {row['sleeved']:+.2%}"
                    f" = {row['smoothed']:+.2%}"
                )
        if not pd.isna(row["vol_factor"]):
            parts.append(f"vol target × {row['vol_factor']:.3f}")
        if row["aim"] != 1:
            parts.append(f"aim × {row['aim']:.3f}")
        parts += self._paced(row)
        if row["switch"] == 0:
            parts.append(f"switched off by {', '.join(self.switches)}")
        if row["cap"] != 1:
            parts.append(f"max gross × {row['cap']:.3f}")
        if row["floor"] == 0:
            parts.append("below a millionth of NAV")
        parts.append("no new decision, no order" if pd.isna(row["target"]) else f"target {row['target']:+.2%}")
        return " → ".join(parts)

    @cached_property
    def _rows(self) -> dict[Hashable, dict[Hashable, Any]]:
        """Asset → its row of the lineage."""
        return self.lineage.to_dict("index")

    def _paced(self, row: Mapping[Hashable, Any]) -> list[str]:
        """What stood between the wanted weight and the order, in words."""
        overlays, held, share = self.overlays, row["drifted"], row["share"]
        if share == 0 and overlays.every != 1 and pd.isna(held):
            return [f"orders every {overlays.every}: not due"]
        if share == 0:
            return [f"held {held:+.2%}, within the band"]
        if share != 1:
            return [f"held {held:+.2%} + {share:.3g} of the way"]
        return []


def positions_at(
    strategy: Strategy | EntryRule,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    session: pd.Timestamp | None = None,
    benchmark: pd.Series | None = None,
    costs: CostModel | None = None,
    execution: Execution | None = None,
) -> Positions:
    """What the strategy decides at the close of `session`, from the panels as they were known then.

    Parameters
    ----------
    strategy : weights by rule.
    predictions : joined to the prices, as for `run_backtest`; stamps after the session are cut off.
    prices : (T, N); sessions after it are cut off.
    session : one of the prices'; default their last.
    benchmark : (T,) returns, for a strategy that hedges with it.
    costs, execution : as in `run_backtest`.

    Raises
    ------
    InputError
        If the strategy is an entry rule, fills at the very close that it reads, lacks what it needs, or there is no
        view through the session.

    """
    if isinstance(strategy, EntryRule):
        raise InputError(
            f"positions: {strategy.name} enters and exits bar by bar, and what it holds next depends on fills inside "
            "the next bar; only strategies that give weights can be asked"
        )
    costs = CostModel() if costs is None else costs
    execution = Execution(delay=predictions.delay) if execution is None else execution
    if execution.same_close:
        raise InputError("positions: the run fills at the very close that it reads; nobody can trade that")
    session = prices.sessions[-1] if session is None else session
    if session not in prices.sessions:
        last = prices.sessions[-1].date()
        raise InputError(f"positions: {session.date()} is no session of the prices, which end {last}")
    if session < predictions.sessions[0]:
        first = predictions.sessions[0].date()
        raise InputError(f"positions: {session.date()} is before the first prediction, {first}")
    predictions = predictions.through(session).since_first_view()
    prices = with_tradable_benchmark(strategy, prices.through(session), benchmark)
    prices.require(strategy.needs, strategy.name)
    steps = passes(strategy, predictions, prices, costs, execution, keep="all")
    result = simulate(prices, steps[-1][1], costs=costs, execution=execution, keep="all", name=strategy.name)
    events = steps[-1][3]
    lineage, rule, switches = _lineage(strategy, predictions, prices, steps, result, execution)
    return Positions(
        session,
        execution.fill_at(prices),
        execution.delay,
        lineage,
        rule,
        switches,
        strategy.overlays,
        prices,
        events[events["session"] == session] if len(events) else events,
        result,
    )


def carried_positions(
    carried: Carried, strategy: Strategy, prices: PricePanel, execution: Execution
) -> Positions:
    """What the strategy decided at the last session that was carried; `prices` end there."""
    session = carried.sessions[-1]
    switches = carried.switches()
    rows = [(session, *event) for event in carried.events]
    rows += [(session, "", f"kill_{switch}", "flat") for switch in switches]
    return Positions(
        session,
        execution.fill_at(prices),
        execution.delay,
        carried.lineage(strategy.overlays, execution)[list(LINEAGE_COLUMNS)],
        carried.steps(),
        switches,
        strategy.overlays,
        prices,
        pd.DataFrame(rows, columns=list(EVENT_COLUMNS)),
        None,
    )


def _lineage(
    strategy: Strategy,
    predictions: PredictionPanel,
    prices: PricePanel,
    steps: list[Pass],
    result: BacktestResult,
    execution: Execution,
) -> tuple[pd.DataFrame, dict[str, pd.Series], tuple[str, ...]]:
    """The table, the weights after each step of the rule, and the switches that are on."""
    assert result.target_weights is not None
    overlays, sessions, assets = strategy.overlays, result.sessions, result.target_weights.columns
    tables = [step.weights.reindex(sessions).to_numpy(dtype=np.float64) for step in steps]
    own = {step.label: table for step, table in zip(steps, tables, strict=True) if not step.overlay}
    frames = {step.label: table for step, table in zip(steps, tables, strict=True) if step.overlay}
    last = len(sessions) - 1
    final = tables[-1][last]
    chosen = tables[sum(not step.overlay for step in steps) - 1]
    sleeves = frames.get("sleeves", chosen)
    smoothed = frames.get("smooth", sleeves)
    factors, switches = pd.Series(np.nan, sessions), tuple[str, ...]()
    for place, step in enumerate(steps):
        shadow = steps[place - 1].result
        if shadow is None or not step.overlay or step.label not in ("vol target", "kill switch"):
            continue
        returns = shadow_returns(shadow.returns.to_numpy(), shadow.turnover.to_numpy(), shadow.sessions)[0]
        if step.label == "vol target" and overlays.vol_target is not None:
            factors = vol_factor(returns, overlays.vol_target)
        elif step.label == "kill switch":
            state = kill_switches(returns).iloc[-1]
            switches = tuple(str(name) for name in state.index[state])
    # Where a switch re-arms, what was ordered before it stands again, as it came about then.
    at = np.full(len(assets), last)
    ordered = frames.get("trade", frames.get("every"))
    if ordered is not None and not switches:
        stated = _last(~np.isnan(ordered), at)
        at = np.where(np.isnan(final) | (stated < 0), last, stated)
    row = _last(~np.isnan(chosen), at)
    previous = _last(~np.isnan(chosen), row - 1)
    factor = factors.reindex(sessions).to_numpy()[at]
    aim, held, share = _traded(steps, tables, at)
    gross = float(np.nansum(np.abs(final)))
    cap = execution.max_gross / gross if gross > execution.max_gross * (1 + 1e-9) else 1.0
    size = np.abs(final * cap)
    score, rank, ranked = _ranks(predictions, prices, sessions, row, assets)
    table = pd.DataFrame(
        {
            "decided": pd.DatetimeIndex(sessions[row]).where(row >= 0),
            "score": score,
            "rank": rank,
            "ranked": ranked,
            "selected": _at(chosen, row),
            "sleeved": _at(sleeves, row),
            "before": _at(smoothed, previous) if overlays.smoothing else np.nan,
            "smoothing": overlays.smoothing,
            "smoothed": _at(smoothed, row),
            "vol_factor": factor,
            "aim": aim,
            "drifted": held,
            "share": share,
            "switch": 0.0 if switches else 1.0,
            "cap": cap,
            "floor": np.where((size > 0) & (size < SMALLEST), 0.0, 1.0),
            "target": result.target_weights.iloc[-1].to_numpy(),
            "book": _book(result, prices),
        },
        index=assets,
        columns=list(LINEAGE_COLUMNS),
    )
    after = {label: pd.Series(_at(table, row), assets) for label, table in own.items()}
    return table, after, switches


def _last(stated: np.ndarray, through: np.ndarray) -> np.ndarray:
    """(N,) each asset's last row of `stated` (T, N) at or before its row `through`; −1 where there is none."""
    rows = np.arange(len(stated))[:, None]
    known = stated & (rows <= through)
    answer: np.ndarray = np.where(known.any(axis=0), len(stated) - 1 - known[::-1].argmax(axis=0), -1)
    return answer


def _traded(
    steps: list[Pass], tables: list[Floats], at: np.ndarray
) -> tuple[Floats, Floats, Floats]:
    """(N,) size of the aim, what was held when an aim, a band or a budget looked, and the share ordered, in rows `at`.

    Without any the size is 1, the holding 0 and the share 1; where no order was due they are NaN and 0.
    """
    places = {step.label: place for place, step in enumerate(steps) if step.overlay}
    due, place, one = places.get("every"), places.get("trade"), np.ones(len(at))
    idle = np.isnan(_at(tables[due], at)) if due is not None else np.zeros(len(at), dtype=bool)
    if place is None:
        return one, np.where(idle, np.nan, 0.0), np.where(idle, 0.0, 1.0)
    traded = steps[place].paced
    assert traded is not None
    aim, held = traded.size[at], _at(traded.held.to_numpy(), at)
    way, out = aim * _at(tables[place - 1], at) - held, _at(tables[place], at)
    share = np.divide(out - held, way, out=one, where=way != 0)
    return aim, np.where(idle, np.nan, held), np.where(np.isnan(share), 0.0, share)


def _at(values: Floats, row: np.ndarray) -> Floats:
    """(N,) each asset's value in its own row; NaN where the row is −1."""
    picked: Floats = np.where(row >= 0, values[row, np.arange(values.shape[1])], np.nan)
    return picked


def _ranks(
    predictions: PredictionPanel, prices: PricePanel, sessions: pd.DatetimeIndex, row: np.ndarray, assets: pd.Index
) -> tuple[Floats, Floats, Floats]:
    """(N,) score, rank and how many were ranked, each on the session of the asset's last decision."""
    out = np.full((3, len(assets)), np.nan)
    view = predictions.view.reindex(index=sessions, columns=assets)
    close = prices.close.reindex(index=sessions, columns=assets)
    by_name = np.argsort([str(asset) for asset in assets], kind="stable")
    for when in np.unique(row[row >= 0]):
        ranks = rank_row(view.iloc[int(when)].to_numpy(dtype=np.float64), close.iloc[int(when)].to_numpy(), by_name)
        here = row == when
        out[:, here] = np.stack(ranks)[:, here]
    return out[0], out[1], out[2]


def _book(result: BacktestResult, prices: PricePanel) -> Floats | float:
    """(N,) weights of the backtest's own book at its last close; NaN where its accounting has no shares."""
    if result.holdings is None:
        return np.nan
    held = result.holdings.iloc[-1]
    close = prices.close[list(held.index)].ffill().iloc[-1]
    weights: Floats = (held * close).fillna(0.0).to_numpy() / float(result.nav.iloc[-1])
    return weights


def orders_towards(
    positions: Positions,
    *,
    holdings: pd.Series | None,
    cash: float,
    costs: CostModel | None = None,
    execution: Execution | None = None,
) -> pd.DataFrame:
    """The orders that bring what is held to the targets, at the prices of the decision's close.

    Parameters
    ----------
    positions : the targets.
    holdings : asset → shares held, of the shares that trade (raw, where the panel has raw closes); None begins with
        cash alone, and then an asset without a new decision is bought at its weight in the backtest's own book.
    cash : currency, beside the holdings.
    costs, execution : those of the run; `Execution.lot` and `max_gross` are obeyed. Impact by volume and `max_volume`
        depend on the session of the fill and are not part of the estimate.

    Returns
    -------
    DataFrame
        A row an asset that the strategy knows or that is held, columns `ORDER_COLUMNS`: ``price`` (the last close),
        shares ``held``, shares to ``order`` (signed), ``shares`` after it, ``value`` of the order and its estimated
        ``cost``, ``status`` and the ``reason``, in words.

    Raises
    ------
    InputError
        If something held is unknown or has no price, or NAV is not above 0.

    """
    costs = CostModel() if costs is None else costs
    execution = Execution() if execution is None else execution
    prices = positions.prices
    own = positions.lineage.index
    held = pd.Series(dtype=np.float64) if holdings is None else holdings[holdings != 0].astype(np.float64)
    for name in held.index:
        if name not in prices.assets:
            raise UnknownNameError("asset in the holdings", str(name), [str(asset) for asset in prices.assets])
    quoted = prices.close if prices.raw_close is None else prices.raw_close
    assets = own.append(held.index.difference(own))
    price = quoted.iloc[-1].reindex(assets).where(prices.close.iloc[-1].reindex(assets).notna())
    blind = [name for name in held.index if pd.isna(price[name])]
    if blind:
        raise InputError(
            f"positions: {len(blind)} held without a price on {positions.session.date()}, first {blind[0]!r}; "
            "add its price or close it before"
        )
    shares: Floats = np.asarray(held.reindex(assets).fillna(0.0), dtype=np.float64)
    last: Floats = np.asarray(price, dtype=np.float64)
    value = shares * np.where(shares == 0, 0.0, last)
    nav = cash + float(value.sum())
    if not (nav > 0 and np.isfinite(nav)):
        raise InputError(f"positions: the holdings and cash are worth {nav:,.2f}; NAV must be above 0")
    targets = positions.targets.reindex(assets)
    begun = targets.isna() & (holdings is None)
    targets = targets.where(~begun, positions.lineage["book"].reindex(assets))
    wanted = targets.to_numpy(dtype=np.float64)
    tape = Tape(last[None, :], last[None, :])
    delta, left, _ = ordered_shares(0, wanted, shares, value, nav, tape, execution)
    traded = np.abs(delta * np.where(delta == 0, 0.0, last))
    rates = laid_out(costs, prices.sessions, assets).fill(len(prices.sessions) - 1)
    paid = trading_costs(traded, nav, rates, None)
    rows = []
    for place, asset in enumerate(assets):
        status, words = _status(
            float(delta[place]),
            float(wanted[place]),
            float(shares[place]),
            bool(left[place]),
            float(last[place]),
            execution.lot,
        )
        if asset not in own:
            status, words = "not traded", "held, but the strategy has no view of it: not traded; close it by hand"
        why = f"{positions.why(str(asset))} → " if asset in own else ""
        if begun[asset] and not np.isnan(wanted[place]):
            why += f"a new book begins at the backtest's {wanted[place]:+.2%} → "
        if delta[place]:
            fee = float(paid[-1, place])
            words += f", about {traded[place]:,.2f}, costs {paid[:, place].sum():,.2f}"
            words += f" ({fee:,.2f} of it minimum fee)" if fee else ""
        rows.append((status, why + words))
    table = pd.DataFrame(
        {
            "price": last,
            "held": shares,
            "order": delta,
            "shares": shares + delta,
            "value": delta * np.where(delta == 0, 0.0, last),
            "cost": paid.sum(axis=0),
        },
        index=assets.rename("asset"),
    )
    return table.assign(status=[row[0] for row in rows], reason=[row[1] for row in rows])[list(ORDER_COLUMNS)]


def _status(delta: float, target: float, shares: float, left: bool, price: float, lot: float) -> tuple[str, str]:
    """Whether an asset is traded, and why not."""
    if delta:
        words = f"{'buy' if delta > 0 else 'sell'} {abs(delta):,.6g} shares"
        return ("cut", f"{words}, cut to keep the book below max_gross") if left else ("traded", words)
    if np.isnan(target):
        return "no order", "the holding stays as it is"
    if np.isnan(price):
        nothing = target == 0 and shares == 0
        return ("at target", "nothing to do") if nothing else ("no price", "not traded: no price at the last close")
    if left:
        return "cut", "not traded: no room under max_gross"
    if lot and target:
        return "lot", f"not traded: less than a lot of {lot:g} shares from the target"
    return "at target", "nothing to do"
