"""Random markets on which the engine is held against the oracle, the batch and vectorbt, one seed a market.

Run: ``python -m tests.test_engine.random_markets --count 10000 [--first 0]`` prints what was compared, how often, and
every disagreement; the exit code is 1 if there is one.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from assay.data.panel import PricePanel
from assay.engine.batch import simulate_batch
from assay.engine.costs import CostModel, CostTable
from assay.engine.entry_rules import simulate_entries
from assay.engine.execution import Execution
from assay.engine.result import BacktestResult
from assay.engine.simulation import simulate
from assay.engine.vectorbt_adapter import cross_check
from assay.strategies.base import EntrySignals
from tests.test_engine.oracle import Book, Money, constant_weight_book, entry_book, weights_book

__all__ = ["Outcome", "entries_outcome", "entry_market", "weights_outcome"]

#: Largest difference of a session's return, relative to 1 or to the return where that is larger.
TOLERANCE = 1e-8


@dataclass
class Outcome:
    """Who was compared on a market, what it held, and what differed."""

    compared: list[str]
    traits: list[str]
    differences: list[str]


@dataclass(frozen=True)
class Rule:
    """An entry rule whose signals the market brings."""

    stop_loss: float
    take_profit: float
    size: float
    max_positions: int
    max_holding: int
    side: int
    name: str = "rule"
    needs: tuple[str, ...] = ("open", "high", "low")

    def signals(self, predictions, prices):
        raise NotImplementedError


def differs(what: str, ours: object, theirs: object) -> list[str]:
    """One line where two series are further apart than rounding allows."""
    one, two = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    gap = np.abs(one - two) / np.maximum(1.0, np.abs(two))
    if one.shape == two.shape and not np.isnan(one).any() and (gap <= TOLERANCE).all():
        return []
    worst = int(np.nanargmax(np.where(np.isnan(gap), np.inf, gap)))
    return [f"{what}: {one.ravel()[worst]:.12g} against {two.ravel()[worst]:.12g} at {worst}"]


def bars(rng: np.random.Generator, sessions: int, assets: int) -> dict[str, np.ndarray]:
    """Prices with holes, listings, delistings and volume that is missing or 0 in some of the markets."""
    volatility, level = rng.choice([0.01, 0.03, 0.15, 0.3]), rng.choice([1e-6, 1.0, 50.0, 1e7])
    shape = (sessions, assets)
    close = level * np.exp(np.cumsum(volatility * rng.standard_normal(shape), axis=0))
    opens = np.vstack([close[:1], close[:-1]]) * np.exp(0.5 * volatility * rng.standard_normal(shape))
    high = np.maximum(opens, close) * np.exp(0.5 * volatility * np.abs(rng.standard_normal(shape)))
    low = np.minimum(opens, close) * np.exp(-0.5 * volatility * np.abs(rng.standard_normal(shape)))
    volume = np.exp(8 + rng.standard_normal(shape)) * 50 / level
    out = {"open": opens, "high": high, "low": low, "close": close, "volume": volume}
    if rng.random() < 0.25:  # prices that meet
        tick = level / 50
        out |= {k: np.maximum(np.round(v / tick) * tick, tick) for k, v in out.items() if k != "volume"}
    if rng.random() < 0.3:
        volume[rng.random(shape) < 0.3] = 0.0
    if rng.random() < 0.5:
        rate = rng.choice([0.03, 0.2, 0.5])
        hole = rng.random(shape) < rate
        for values in out.values():
            values[hole] = np.nan
        out["open"][rng.random(shape) < rate / 2] = np.nan
        out["close"][rng.random(shape) < rate / 2] = np.nan
    if rng.random() < 0.4:
        for asset in range(assets):
            first = rng.integers(0, sessions) if rng.random() < 0.4 else 0
            last = rng.integers(first, sessions + 1) if rng.random() < 0.4 else sessions
            for values in out.values():
                values[:first, asset] = values[last:, asset] = np.nan
    return out


def money_of(rng: np.random.Generator, assets: int, *, low_delay: int) -> Money:
    """Costs and execution, most of them at their defaults in most markets."""
    money = Money(delay=int(rng.integers(low_delay, 4)))
    if rng.random() < 0.5:
        money.commission_bps, money.spread_bps = float(rng.choice([0, 5, 100])), float(rng.choice([0, 3]))
        money.borrow_bps, money.financing_bps = float(rng.choice([0, 50, 3000])), float(rng.choice([0, 100]))
    if rng.random() < 0.3:
        money.impact_bps, money.minimum_fee = float(rng.choice([0, 10, 100])), float(rng.choice([0, 1, 500]))
    if rng.random() < 0.3:
        money.cash_rate_bps = float(rng.choice([-50, 200, 2000]))
    if rng.random() < 0.2:
        money.lot = float(rng.choice([1, 100, 0.5]))
    if rng.random() < 0.2:
        money.by_asset = {
            int(i): {"commission_bps": float(rng.integers(0, 50)), "borrow_bps": float(rng.integers(0, 5000))}
            for i in rng.choice(assets, size=max(1, assets // 2), replace=False)
        }
    money.max_gross = float(rng.choice([1, 2, 10]))
    money.stale_limit = int(rng.choice([10, 3, 1]))
    money.order_expiry = int(rng.choice([10, 2, 1]))
    money.carry_orders = bool(rng.random() < 0.8)
    money.capital = float(rng.choice([1e6, 1.0, 1e9]))
    return money


def settings_of(money: Money, names: list[str], fill: str | None) -> tuple[CostModel, Execution]:
    """The product's own values for `money`."""
    fields = ("commission_bps", "spread_bps", "impact_bps", "sqrt_impact", "borrow_bps", "financing_bps", "minimum_fee")
    stamp = pd.DatetimeIndex(["1990-01-01"])
    table = None
    if money.by_asset:
        listed = {names[i]: rates for i, rates in money.by_asset.items()}
        table = CostTable(
            {
                field: pd.DataFrame({asset: [rates[field]] for asset, rates in listed.items()}, stamp)
                for field in ("commission_bps", "borrow_bps")
            }
        )
    costs = CostModel(**{name: getattr(money, name) for name in fields}, cash_rate_bps=money.cash_rate_bps, table=table)
    shared = ("max_gross", "lot", "capital", "stale_limit", "carry_orders", "order_expiry", "max_volume")
    execution = Execution(
        fill=None if money.delay == 0 else fill,  # type: ignore[arg-type]
        delay=money.delay,
        same_close=money.delay == 0,
        **{name: getattr(money, name) for name in shared},
    )
    return costs, execution


def targets_of(rng: np.random.Generator, sessions: int, assets: int) -> tuple[np.ndarray, np.ndarray]:
    """(T, N) weights, up to five times NAV, and the rows that are decisions."""
    shape = (sessions, assets)
    weights = rng.standard_normal(shape) if rng.random() < 0.6 else rng.random(shape)
    weights *= rng.choice([0.5, 1, 1, 2, 5]) / np.maximum(np.abs(weights).sum(axis=1, keepdims=True), 1e-9)
    kind = rng.integers(0, 7)
    if kind == 1:
        weights[rng.random(shape) < 0.3] = np.nan
    elif kind == 2:
        weights[rng.random(sessions) < 0.7] = np.nan
    elif kind == 3:
        weights[rng.random(shape) < 0.4] = 0.0
    elif kind == 4:
        weights = np.repeat(weights[::5], 5, axis=0)[:sessions]
    elif kind == 5:
        weights[rng.random(shape) < 0.3] *= 1e-6
    rows = np.arange(sessions)
    if rng.random() < 0.3:
        rows = np.sort(rng.choice(sessions, size=max(1, sessions // 5), replace=False))
    return weights, rows


def weights_outcome(seed: int, *, vectorbt: bool = True, loops: bool = False) -> Outcome:
    """One market of target weights: oracle, `simulate`, `simulate_batch`, and vectorbt where it can express it.

    With `loops` also the compiled ones: of the single run, and of runs that share their orders.
    """
    rng = np.random.default_rng([1, seed])
    sessions, assets = int(rng.integers(3, 60)), int(rng.integers(1, 8))
    market = bars(rng, sessions, assets)
    weights, rows = targets_of(rng, sessions, assets)
    fill = str(rng.choice(["open", "close"]))
    money = money_of(rng, assets, low_delay=0)
    constant = rng.random() < 0.15
    if constant:
        money = replace(money, lot=0.0, minimum_fee=0.0)
    elif rng.random() < 0.25:
        money = replace(money, sqrt_impact=float(rng.choice([0, 1])), max_volume=float(rng.choice([0, 0.1, 0.01])))
    names = [f"A{i}" for i in range(assets)]
    index = pd.bdate_range("2020-01-01", periods=sessions)
    panel = PricePanel(**{name: pd.DataFrame(values, index, names) for name, values in market.items()})
    costs, execution = settings_of(money, names, fill)
    if constant:
        execution = replace(execution, accounting="constant_weight")
    frame = pd.DataFrame(weights, index, names).iloc[rows]
    result = simulate(panel, frame, costs=costs, execution=execution)
    at_open = fill == "open" and money.delay > 0
    targets = {int(t): weights[t].tolist() for t in rows}
    filled, close = market["open" if at_open else "close"].tolist(), market["close"].tolist()
    traits = [f"delay {money.delay}", "fills at the open" if at_open else "fills at the close"]
    traits += ["holes or listings"] * bool(np.isnan(market["close"]).any() or np.isnan(market["open"]).any())
    traits += ["lots"] * bool(money.lot) + ["volume"] * bool(money.max_volume or money.sqrt_impact)
    traits += ["leverage above 2"] * bool(np.nansum(np.abs(weights), axis=1).max() > 2.01)
    if constant:
        net, unfilled = constant_weight_book(filled, close, targets, money, at_open)
        wrong = differs("net", result.returns, net)
        wrong += [] if sorted(unfilled) == _stamped(result, "unfilled", panel, rows) else ["unfilled orders differ"]
        return Outcome(["oracle", "constant weight"], [*traits, "constant weight"], wrong)
    book = weights_book(filled, close, targets, money, market["volume"].tolist())
    wrong = _against(result, book, panel, rows)
    traits += ["ruin"] * (book.ruined is not None) + ["forced exits"] * bool(book.forced)
    traits += ["unfilled orders"] * bool(book.unfilled)
    compared = ["oracle"]
    proportional = costs.is_proportional and not money.lot and not money.max_volume
    if proportional:
        compared.append("batch")
        part = panel.between(frame.index[0], None)
        both = np.stack([frame.reindex(part.sessions).to_numpy()] * 2)
        both[1] *= 0.5
        batch = simulate_batch(part, both, costs=costs, execution=execution)
        for run, other in ((0, result), (1, simulate(panel, 0.5 * frame, costs=costs, execution=execution))):
            wrong += differs("batch net", batch.net[run], other.returns)
            wrong += differs("batch gross", batch.gross[run], other.gross_returns)
            wrong += differs("batch turnover", batch.turnover[run], other.turnover)
        if loops:
            compared.append("compiled loops")
            wrong += _by_loops(panel, frame, part, both, costs, execution)
    if vectorbt and not (money.lot or money.max_volume):
        check = cross_check(panel, frame, costs=costs, execution=execution)
        if check.agrees is not None:
            compared.append("vectorbt")
            compared += ["vectorbt, in part"] * (check.compared < 1)
            if not check.agrees:
                wrong.append(f"vectorbt: {check.max_difference:.3g} on {check.session}")
    return Outcome(compared, traits, wrong)


def _by_loops(
    panel: PricePanel, frame: pd.DataFrame, part: PricePanel, weights: np.ndarray, costs: CostModel,
    execution: Execution,
) -> list[str]:  # fmt: skip
    """What differs between the compiled loops and NumPy; `weights` are two sets on the sessions of `part`."""
    one, two = (simulate(panel, frame, costs=costs, execution=execution, keep="returns", compiled=how)
                for how in (False, True))  # fmt: skip
    wrong = [line for name in ("returns", "gross_returns", "turnover", "exposure")
             for line in differs(f"compiled {name}", getattr(two, name), getattr(one, name))]  # fmt: skip
    wrong += [] if (two.counts, two.warnings) == (one.counts, one.warnings) else ["compiled: counts or warnings differ"]
    models = [replace(costs, commission_bps=bps) for bps in (0.0, 400.0, costs.commission_bps, 15.0)]
    options = {"costs": models, "execution": execution, "which": np.array([0, 0, 1, 0])}
    plain, batch = (simulate_batch(part, weights, compiled=how, **options) for how in (False, True))
    for name in ("net", "gross", "turnover", "net_exposure", "gross_exposure"):
        wrong += differs(f"compiled batch {name}", getattr(batch, name), getattr(plain, name))
    return wrong


def _stamped(result: BacktestResult, kind: str, panel: PricePanel, rows: np.ndarray) -> list[tuple[int, int]]:
    """(session, asset) of the events of a kind, by position in the panel."""
    events = result.events[result.events["kind"] == kind]
    where = panel.sessions.get_indexer(events["session"]), panel.assets.get_indexer(events["asset"])
    return sorted((int(s), int(a)) for s, a in zip(*where, strict=True))


def _against(result: BacktestResult, book: Book, panel: PricePanel, rows: np.ndarray) -> list[str]:
    """What differs between a result and the oracle's book, and what no book may do."""
    scale = np.maximum(np.abs(np.array(book.nav)), 1e-12 * result.config["execution"]["capital"])
    wrong = differs("net", result.returns, book.net) + differs("gross", result.gross_returns, book.gross)
    paid = result.costs.sum(axis="columns")
    before = np.abs(np.concatenate([[result.config["execution"]["capital"]], book.nav[:-1]]))
    wrong += differs("costs", paid / np.maximum(before, scale), np.array(book.costs) / np.maximum(before, scale))
    for kind, theirs in (("unfilled", book.unfilled), ("expired", book.expired), ("forced_exit", book.forced)):
        if _stamped(result, kind, panel, rows) != sorted(theirs):
            wrong.append(f"{kind}: {_stamped(result, kind, panel, rows)} against {sorted(theirs)}")
    held = np.array(book.shares) != 0
    assert result.holdings is not None
    if not ((result.holdings.to_numpy() != 0) == held).all():
        wrong.append("what is held differs")
    if (result.costs.to_numpy() < 0).any():
        wrong.append("a cost is negative")
    ruin = result.events.loc[result.events["kind"] == "ruin", "session"]
    first = None if not len(ruin) else int(result.sessions.get_indexer(ruin)[0])
    began = int(rows[0])
    if first != (None if book.ruined is None else book.ruined - began):
        wrong.append(f"ruin: {first} against {book.ruined}")
    elif first is not None and result.nav.iloc[first:].nunique() != 1:
        wrong.append("NAV moves after ruin")
    return wrong


def entry_market(seed: int) -> tuple[PricePanel, EntrySignals, Rule, Money, dict[str, Any]]:
    """Bars, signals, a rule, costs and execution in plain numbers, and the options of `simulate_entries`."""
    rng = np.random.default_rng([2, seed])
    sessions, assets = int(rng.integers(3, 70)), int(rng.integers(1, 8))
    market = bars(rng, sessions, assets)
    money = money_of(rng, assets, low_delay=1)
    side = int(rng.choice([1, 1, 1, -1]))
    rule = Rule(
        stop_loss=float(rng.choice([0, 0.01, 0.02, 0.1, 0.5])),
        take_profit=float(rng.choice([0, 0.015, 0.04, 0.1])),
        size=float(rng.choice([0.05, 0.1, 0.4, 1.0])),
        max_positions=int(rng.choice([0, 1, 3])),
        max_holding=int(rng.choice([0, 1, 5, 20])),
        side=side,
    )
    shape = (sessions, assets)
    enter, leave = rng.random(shape) < rng.choice([0.05, 0.3, 0.8]), rng.random(shape) < rng.choice([0, 0.05, 0.3])
    priority = rng.random(shape).round(int(rng.choice([1, 6])))
    if rng.random() < 0.2:
        priority[rng.random(shape) < 0.3] = np.nan
    optimistic = bool(rng.random() < 0.3)
    if rng.random() < 0.3:
        shares = float(rng.choice([0, 0.1, 0.01, 0.001, 0.0001]))
        money = replace(money, sqrt_impact=float(rng.choice([0, 1])), max_volume=shares)
    names = [f"A{i}" for i in range(assets)]
    index = pd.bdate_range("2020-01-01", periods=sessions)
    panel = PricePanel(**{name: pd.DataFrame(values, index, names) for name, values in market.items()})
    costs, execution = settings_of(money, names, "open")
    signals = EntrySignals(*(pd.DataFrame(values, index, names) for values in (enter, leave, priority)))
    return panel, signals, rule, money, {"costs": costs, "execution": execution, "optimistic": optimistic}


def entries_outcome(seed: int, *, loops: bool = False) -> Outcome:
    """One market of an entry rule: oracle and `simulate_entries`; with `loops` its compiled loop, too."""
    panel, signals, rule, money, options = entry_market(seed)
    index, names, sessions = panel.sessions, list(panel.assets), len(panel.sessions)
    result = simulate_entries(panel, signals, rule, **options)
    tables = (frame.to_numpy() for frame in (signals.enter, signals.exit, signals.priority))
    book = entry_book(
        {name: getattr(panel, name).to_numpy().tolist() for name in ("open", "high", "low", "close", "volume")},
        names,
        *({t: values[t].tolist() for t in range(sessions)} for values in tables),
        money,
        optimistic=options["optimistic"],
        **{name: getattr(rule, name) for name in ("stop_loss", "take_profit", "size", "max_positions", "max_holding")},
        side=rule.side,
    )
    wrong = differs("net", result.returns, book.net) + differs("gross", result.gross_returns, book.gross)
    entered = result.fills[np.sign(result.fills["shares"]) == rule.side]
    ours = sorted(zip(index.get_indexer(entered["session"]), panel.assets.get_indexer(entered["asset"]), strict=True))
    if [(int(s), int(a)) for s, a in ours] != sorted((s, a) for s, a, _ in book.entries):
        wrong.append("entries differ")
    kinds = ("stop", "target", "signal_exit", "time_exit")
    ours_out = sorted((s, a, kind) for kind in kinds for s, a in _stamped(result, kind, panel, np.arange(1)))
    if ours_out != sorted((s, a, kind) for s, a, kind, _ in book.exits):
        wrong.append("exits differ")
    if _stamped(result, "forced_exit", panel, np.arange(1)) != sorted(book.forced):
        wrong.append("forced exits differ")
    if (result.costs.to_numpy() < 0).any():
        wrong.append("a cost is negative")
    assert result.holdings is not None
    worth = (
        panel.close.ffill().fillna(0.0).to_numpy()
        / np.maximum(np.abs(np.array(book.nav)), 1e-12 * money.capital)[:, None]
    )
    wrong += differs("what is held", result.holdings[names].to_numpy() * worth, np.array(book.shares) * worth)
    opened = result.fills if not money.max_volume else entered  # a part of an exit may be of any size
    if (opened["value"].abs() < 0.9e-6 * result.nav.abs().min()).any():
        wrong.append("a fill is dust")
    if loops:
        other = simulate_entries(panel, signals, rule, compiled=True, **options)
        same = other.fills.equals(result.fills) and other.events.equals(result.events)
        if not (same and other.nav.equals(result.nav) and other.costs.equals(result.costs)):
            wrong.append("the compiled loop differs")
    traits = ["entry rule", f"delay {money.delay}"] + ["ruin"] * (book.ruined is not None) + ["lots"] * bool(money.lot)
    traits += ["volume"] * bool(money.max_volume or money.sqrt_impact)
    traits += ["exits in parts"] * bool(result.counts.get("partly_filled"))
    return Outcome(["oracle, entries"], traits, wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="markets; a third of them entry rules")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--no-vectorbt", action="store_true")
    options = parser.parse_args()
    compared, traits, bad = Counter[str](), Counter[str](), 0
    for seed in range(options.first, options.first + options.count):
        outcome = entries_outcome(seed) if seed % 3 == 2 else weights_outcome(seed, vectorbt=not options.no_vectorbt)
        compared.update(outcome.compared)
        traits.update(outcome.traits)
        if outcome.differences:
            bad += 1
            print(f"seed {seed} ({', '.join(outcome.traits)}): {'; '.join(outcome.differences)}"[:400], flush=True)
    print(f"{options.count} markets, {bad} disagreements")
    for title, counter in (("compared with", compared), ("of the markets", traits)):
        print(title + ": " + ", ".join(f"{name} {count:,}" for name, count in sorted(counter.items())))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
