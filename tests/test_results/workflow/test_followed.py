"""A run followed through a state folder and holdings files holds what the backtest holds; kills lose nothing."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.data.align import align
from assay.data.errors import InputError
from assay.data.files.holdings import load_holdings
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.sample import load_sample, load_sample_predictions
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest, with_tradable_benchmark
from assay.engine.costs import CostModel, laid_out, trading_costs
from assay.engine.execution import Execution
from assay.engine.orders import Standing, Tape, ordered_shares
from assay.engine.pace import capped
from assay.results.storage.live_state import STATE, load_state
from assay.results.storage.runs import Run, load_run
from assay.results.workflow import backtest, target_positions
from assay.results.workflow.positions import TargetBook
from assay.strategies.catalog import STRATEGIES, load_strategy, strategy_class

LIVE = {"smoothing": 0.5, "vol_target": 0.1, "kill_switches": True, "sleeves": 3, "every": 2, "band": 0.003,
        "turnover_budget": 0.05}  # fmt: skip
PACED = {"aim": True, "every": "week", "phase": 1, "band_total": 0.01}


def gappy(sessions: int = 110) -> tuple[PricePanel, PredictionPanel]:
    """An OHLCV market with holes and an asset that begins late; predictions from the thirtieth session on."""
    prices, oracle = synthetic_market(sessions, 8, ic=0.05, seed=5, volatility=0.03)
    hole = np.random.default_rng(1).random(prices.shape) < 0.03
    hole[:, :3] = False
    hole[: sessions // 2, 4] = True
    holey = replace(prices, **{name: getattr(prices, name).mask(hole) for name in prices.fields})
    return holey, align(oracle.map(lambda frame: frame.iloc[30:]), holey)[0]


class Broker:
    """Fills target weights at the session's prices as the engine does, and keeps what is held in a file.

    An order is placed once a decision: one with the number of a decision that it has is left alone.
    """

    def __init__(self, folder: Path, prices: PricePanel, costs: CostModel, execution: Execution) -> None:
        self.folder, self.prices, self.costs, self.execution = folder, prices, costs, execution
        self.standing = Standing(len(prices.assets), execution)
        self.shares, self.cash = np.zeros(len(prices.assets)), execution.capital
        self.mark, self.stale = np.full(len(prices.assets), np.nan), np.zeros(len(prices.assets), int)
        self.begun = False
        close = prices.close.to_numpy()
        fill = close if execution.fill_at(prices) == "close" else prices.open.to_numpy()
        self.tape, self.rates = Tape(fill, close), laid_out(costs, prices.sessions, prices.assets)

    def session(self, s: int, targets: np.ndarray | None) -> None:
        """Fill what stands and what was ordered, pay, and mark to the close."""
        known = np.where(np.isnan(self.tape.fill[s]), self.mark, self.tape.fill[s])
        value = np.where(self.shares != 0, self.shares * known, 0.0)
        nav = self.cash + value.sum()
        borrow, financing, earning = self.rates.night(s)
        marked = np.where(self.shares != 0, self.shares * self.mark, 0.0)
        night = borrow * -np.minimum(marked, 0.0).sum() + financing * -min(self.cash, 0.0)
        night -= earning * self.cash if self.begun else 0.0
        if targets is not None:
            self.standing.place(capped(targets, self.execution.max_gross))
        if self.standing.any:
            wanted = self.standing.targets
            delta, left, _ = ordered_shares(s, wanted, self.shares, value, nav, self.tape, self.execution)
            traded = delta * np.nan_to_num(self.tape.fill[s])
            paid = trading_costs(np.abs(traded), nav, self.rates.fill(s), None)
            self.cash -= traded.sum() + paid.sum()
            self.shares = self.shares + delta
            self.standing.keep(left)
        self.cash -= night
        gone = np.isnan(self.tape.close[s])
        self.mark = np.where(gone, known, self.tape.close[s])
        self.stale = np.where(gone & (self.shares != 0), self.stale + 1, 0)
        for asset in np.flatnonzero(self.stale >= self.execution.stale_limit):
            self.cash += self.shares[asset] * self.mark[asset]
            self.shares[asset], self.stale[asset] = 0.0, 0
            self.standing.drop(int(asset))
        self.begun = True

    def holdings(self) -> Path:
        """What is held, as a file."""
        rows = [*zip(self.prices.assets, self.shares, strict=True), ("cash", self.cash)]
        path = self.folder / "holdings.csv"
        pd.DataFrame(rows, columns=["asset", "shares"]).to_csv(path, index=False)
        return path

    def weights(self) -> np.ndarray:
        value = np.where(self.shares != 0, self.shares * self.mark, 0.0)
        return value / (self.cash + value.sum())


def asked(run: Run, folder: Path, predictions, prices, sessions, **rest) -> TargetBook:
    """`positions` with the rows of some sessions alone."""
    first, last = sessions
    some = bool(((predictions.sessions >= first) & (predictions.sessions <= last)).any())
    predictions = replace(predictions, receipts=None)  # nothing asks for the age of the model
    views = predictions.map(lambda frame: frame.loc[first:last]) if some else predictions.through(first)
    return target_positions(
        run, views, prices.between(first, last), state=folder, unaccepted=True, max_age=99, **rest
    )


def replayed(folder: Path, strategy, predictions, prices, costs, execution, *, live: int) -> float:
    """The last `live` sessions one at a time through the state and holdings files, against the backtest of all.

    Gives the largest distance of a held weight from the backtest's, which must be below 1e-9 of NAV.
    """
    benchmark = prices.close.pct_change(fill_method=None).mean(axis=1).fillna(0.0).rename("benchmark")
    rest = {"costs": costs, "execution": execution, "benchmark": benchmark}
    whole = run_backtest(strategy, predictions, prices, **rest)
    held, nav = whole.holdings, whole.nav
    assert held is not None
    sessions = held.index
    state = folder / "state"
    state.mkdir()
    tradable = prices.between(sessions[0], sessions[-1])
    if "benchmark" in strategy.needs:
        tradable = with_tradable_benchmark(strategy, prices, benchmark).between(sessions[0], sessions[-1])
    broker = Broker(folder, tradable.select(list(held.columns)), costs, execution)
    decisions = whole.target_weights.to_numpy()
    begin = len(sessions) - live
    known = backtest(
        strategy, predictions.through(sessions[begin]), prices.through(sessions[begin]), root=folder / "runs", **rest
    )
    rows = [decisions[s] for s in range(begin)]  # the broker's past is the backtest's own
    for s in range(begin):
        ordered = rows[s - execution.delay] if s >= execution.delay else None
        broker.session(s, None if ordered is None or np.isnan(ordered).all() else ordered)
    worst = 0.0
    close = tradable.close[held.columns].ffill()
    for s in range(begin, len(sessions)):
        ordered = rows[s - execution.delay] if s >= execution.delay else None
        broker.session(s, None if ordered is None or np.isnan(ordered).all() else ordered)
        expected = (held.iloc[s] * close.iloc[s]).fillna(0.0).to_numpy() / nav.iloc[s]
        worst = max(worst, float(np.abs(broker.weights() - expected).max()))
        shares, cash = load_holdings(broker.holdings())
        gone = [name for name in shares.index if shares[name] and np.isnan(tradable.close.loc[sessions[s], name])]
        window = (prices.sessions[0], sessions[s]) if s == begin else (sessions[s], sessions[s])
        more = {} if gone else {"holdings": shares, "cash": cash}  # what has no price cannot be valued: refused
        book = asked(known.run, state, predictions, prices, window, benchmark=benchmark, **more)
        rows.append(book.positions.targets.reindex(held.columns).to_numpy())
        if not gone:
            assert book.orders is not None
            assert book.nav == pytest.approx(broker.cash + (shares * close.iloc[s]).where(shares != 0, 0.0).sum())
    assert worst <= 1e-9
    return worst


COSTS = CostModel(borrow_bps=80)


@pytest.mark.parametrize("settings", [{}, LIVE])
def test_a_few_sessions_through_files_hold_what_the_backtest_holds(tmp_path, settings):
    prices, predictions = gappy()
    strategy = load_strategy("s2_filter_negative", **settings)
    replayed(tmp_path, strategy, predictions, prices, COSTS, Execution(), live=15)


WEIGHTS = [name for name in STRATEGIES if hasattr(strategy_class(name), "target_weights")]


@pytest.mark.slow
@pytest.mark.parametrize("overlays", [{}, LIVE, PACED], ids=["plain", "live", "paced"])
@pytest.mark.parametrize("market", ["sample", "gappy"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_a_year_one_session_at_a_time_holds_what_the_backtest_holds(tmp_path, name, market, overlays):
    if market == "sample":
        prices = load_sample()[0].between("2021-01-01", None)
        predictions = load_sample_predictions().map(lambda frame: frame.loc["2021-09-01":])
    else:
        prices, predictions = gappy(330)
    if name == "multitask_action":
        rank = predictions.view.rank(axis=1, pct=True)
        action = {"buy": rank * 0.8, "sell": (1 - rank) * 0.8, "hold": rank * 0.0 + 0.2}
        predictions = replace(predictions, score=None, action=action, receipts=None)
    settings: dict[str, object] = dict(overlays)
    if {"window", "every", "covariance"} <= set(strategy_class(name).__dataclass_fields__):
        settings |= {"window": 25, "every": 5}  # of theirs: the sessions on which they solve
    strategy = load_strategy(name, **settings)
    worst = replayed(tmp_path, strategy, predictions, prices, COSTS, Execution(), live=252)
    print(f"largest deviation {worst:.2g}")  # shown with -rP


def follow(run_path: str, folder: str, end: int) -> None:
    """A worker that goes on where the state stands, and writes one file of targets a session, once."""
    prices, predictions = gappy()
    run, state, out = load_run(Path(run_path)), Path(folder) / "state", Path(folder) / "orders"
    begin = 60
    for s in range(begin, end):
        path = out / f"{prices.sessions[s].date()}.json"
        if path.exists():
            continue
        first = prices.sessions[0 if s == begin else s]
        book = asked(run, state, predictions, prices, (first, prices.sessions[s]))
        temporary = path.with_suffix(".part")
        temporary.write_text(json.dumps(book.positions.targets.to_dict()))
        os.replace(temporary, path)


@pytest.mark.slow
def test_fifty_kills_neither_lose_nor_double_an_order(tmp_path):
    prices, predictions = gappy()
    strategy = load_strategy("s2_filter_negative", **LIVE)
    first = prices.sessions[60]
    run = backtest(strategy, predictions.through(first), prices.through(first), root=tmp_path / "runs").run
    whole = backtest(strategy, predictions, prices, root=tmp_path / "all").result.target_weights
    (tmp_path / "state").mkdir()
    (tmp_path / "orders").mkdir()
    rng, kills, context = np.random.default_rng(0), 0, multiprocessing.get_context("fork")
    while True:
        worker = context.Process(target=follow, args=(str(run.path), str(tmp_path), len(prices.sessions)))
        worker.start()
        if kills < 50:
            time.sleep(float(rng.uniform(0.02, 0.35)))
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
            kills += 1
            worker.join()
            continue
        worker.join()
        assert worker.exitcode == 0
        break
    files = sorted((tmp_path / "orders").glob("*.json"))
    assert len(files) == len(prices.sessions) - 60
    for path in files:
        targets = pd.Series(json.loads(path.read_text()), dtype=float)
        np.testing.assert_allclose(targets, whole.loc[path.stem, targets.index], rtol=0, atol=1e-9)
    assert [item.name for item in (tmp_path / "state").iterdir()] == [STATE]


def test_the_same_session_asked_twice_is_answered_the_same_and_a_refusal_leaves_the_state(tmp_path):
    prices, predictions = gappy()
    strategy = load_strategy("s2_filter_negative", **LIVE)
    days = prices.sessions
    run = backtest(strategy, predictions.through(days[80]), prices.through(days[80]), root=tmp_path / "runs").run
    state = tmp_path / "state"
    state.mkdir()
    asked(run, state, predictions, prices, (days[0], days[80]))
    begun = (state / STATE).read_bytes()
    with pytest.raises(InputError, match="unknown asset in the holdings"):
        asked(run, state, predictions, prices, (days[81], days[81]), holdings=pd.Series({"NOPE": 1.0}), cash=1.0)
    assert (state / STATE).read_bytes() == begun
    one = asked(run, state, predictions, prices, (days[81], days[81]))
    kept = (state / STATE).read_bytes()
    two = asked(run, state, predictions, prices, (days[81], days[81]))
    assert (state / STATE).read_bytes() == kept != begun
    pd.testing.assert_frame_equal(one.positions.lineage, two.positions.lineage, check_dtype=False)
    three = asked(run, state, predictions, prices, (days[82], days[85]))  # several sessions at once
    whole = backtest(strategy, predictions, prices, root=tmp_path / "all").result.target_weights
    np.testing.assert_allclose(three.positions.targets, whole.loc[days[85]], rtol=0, atol=1e-9)
    assert load_state(state).prices.shape[0] == 2  # no more than the next session reads


def test_what_cannot_go_on_is_refused(tmp_path):
    prices, predictions = gappy()
    days = prices.sessions
    run = backtest(
        load_strategy("quintile_long_short"), predictions.through(days[80]), prices.through(days[80]),
        root=tmp_path / "runs",
    ).run  # fmt: skip
    state = tmp_path / "state"
    with pytest.raises(InputError, match="create it first"):
        asked(run, state, predictions, prices, (days[0], days[80]))
    state.mkdir()
    asked(run, state, predictions, prices, (days[0], days[82]))
    with pytest.raises(InputError, match="before the state, which has"):
        asked(run, state, predictions, prices, (days[0], days[81]))
    split = replace(prices, **{name: getattr(prices, name) / 2 for name in prices.fields})
    with pytest.raises(InputError, match="the past was revised"):
        asked(run, state, predictions, split, (days[80], days[84]))
    fewer = replace(prices, volume=None)
    with pytest.raises(InputError, match="the new prices have no volume"):
        asked(run, state, predictions, fewer, (days[83], days[83]))
    with pytest.raises(InputError, match="ask for a past one without --state"):
        asked(run, state, predictions, prices, (days[83], days[83]), session=days[83])
    other = backtest(
        load_strategy("s5_long_only"), predictions.through(days[80]), prices.through(days[80]), root=tmp_path / "runs"
    ).run
    with pytest.raises(InputError, match="use a folder a run"):
        asked(other, state, predictions, prices, (days[83], days[83]))
    content = bytearray((state / STATE).read_bytes())
    content[-9] ^= 1
    (state / STATE).write_bytes(bytes(content))
    with pytest.raises(InputError, match="damaged: its content is not what was written"):
        asked(run, state, predictions, prices, (days[83], days[83]))
