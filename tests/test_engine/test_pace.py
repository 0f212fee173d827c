"""When and how much is traded: schedules, sleeves, bands and budgets, by hand, by loops and by altering the future."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import described, passes, run_backtest
from assay.engine.batch import backtest_batch
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.pace import paced
from assay.engine.simulation import simulate
from assay.engine.sweep import cells_of, parse_grid, run_cells
from assay.strategies.base import Overlays, decide
from assay.strategies.catalog import load_strategy
from assay.strategies.contract import random_panels
from assay.strategies.overlays import due_sessions, on_cadence, sleeved

DAYS = pd.bdate_range("2024-01-29", periods=10)  # a Monday, …, Friday 9 February


def test_weeks_and_months_begin_at_their_first_session_and_shift_by_the_phase():
    holidays = DAYS.drop([DAYS[0], DAYS[5]])  # both Mondays are closed
    assert due_sessions(holidays, "week").tolist() == [True, False, False, False, True, False, False, False]
    assert due_sessions(holidays, "week", 1).tolist() == [False, True, False, False, False, True, False, False]
    # the run's first session, and that of February
    assert np.flatnonzero(due_sessions(DAYS, "month")).tolist() == [0, 3]
    assert np.flatnonzero(due_sessions(DAYS, 4, 3)).tolist() == [3, 7]
    turn = pd.to_datetime(["2020-12-30", "2020-12-31", "2021-01-04"])  # Wednesday of ISO week 53, Monday of week 1
    assert due_sessions(turn, "week").tolist() == [True, False, True]


def test_what_was_decided_between_two_dates_is_ordered_at_the_second():
    nan = math.nan
    weights = pd.DataFrame({"A": [0.1, 0.2, nan, nan, 0.5], "B": [nan, nan, 0.3, nan, nan]}, DAYS[:5])
    out = on_cadence(weights, DAYS[:6], 3)
    assert out["A"].tolist()[:3] == [0.1, pytest.approx(nan, nan_ok=True), pytest.approx(nan, nan_ok=True)]
    assert out.iloc[3].tolist() == [0.2, 0.3]  # both were decided since the first orders
    assert out.iloc[[1, 2, 4, 5]].isna().all(axis=None)
    late = on_cadence(pd.DataFrame({"A": [nan, 0.4, 0.6]}, DAYS[:3]), DAYS[:3], 5)
    assert late["A"].tolist()[1] == 0.4  # due at the first session, decided at the second
    assert late["A"].isna().tolist() == [True, False, True]


def test_sleeves_are_the_mean_of_the_last_decisions():
    rng = np.random.default_rng(0)
    weights = pd.DataFrame(rng.normal(size=(10, 3)), DAYS)
    expected = weights.rolling(4, min_periods=1).mean()
    pd.testing.assert_frame_equal(sleeved(weights, 4), expected)
    sparse = weights.mask(pd.DataFrame(np.arange(30).reshape(10, 3) // 3 % 2 == 1, DAYS))
    pd.testing.assert_frame_equal(sleeved(sparse, 2).iloc[::2], weights.iloc[::2].rolling(2, min_periods=1).mean())
    assert sleeved(sparse, 2).iloc[1::2].isna().all(axis=None)


def market(seed: int = 5) -> tuple[PredictionPanel, PricePanel]:
    return random_panels(seed, sessions=120, assets=8)


@pytest.mark.parametrize("delay", [1, 3])
@pytest.mark.parametrize("settings", [{"band": 0.02}, {"band_total": 0.05}, {"turnover_budget": 0.03}])
def test_orders_by_plain_loops_over_what_the_simulation_holds(settings, delay):
    """Each row again, by the book that `simulate` makes of the orders before it."""
    predictions, prices = market()
    prices = replace(prices, **{name: getattr(prices, name).ffill().bfill() for name in prices.fields})
    costs, execution, overlays = CostModel(), Execution(delay=delay), Overlays(**settings)
    weights = decide(load_strategy("quintile_long_short"), predictions, prices).weights
    got = paced(weights, prices, overlays, costs=costs, execution=execution)
    for t in range(20, 120, 9):
        book = simulate(prices.through(prices.sessions[t]), got.weights.iloc[:t], costs=costs, execution=execution)
        assert book.holdings is not None
        held = (book.holdings.iloc[-1] * prices.close[book.holdings.columns].iloc[t] / book.nav.iloc[-1]).to_numpy()
        for row in range(max(t - delay + 1, 0), t):  # ordered, and not filled yet
            coming = got.weights.iloc[row].to_numpy()
            held = np.where(np.isnan(coming), held, coming)
        np.testing.assert_allclose(got.held.iloc[t], held, atol=1e-12)
        want = weights.iloc[t].to_numpy()
        total = 0.5 * np.abs(want - held).sum()
        if "band" in settings:
            want = np.where(np.abs(want - held) <= 0.02, np.nan, want)
        elif "band_total" in settings:
            want = want if total > 0.05 else np.full(8, np.nan)
        else:
            want = held + (want - held) * min(1.0, 0.03 / total)
        np.testing.assert_allclose(got.weights.iloc[t], want, atol=1e-12)


def test_a_budget_holds_and_a_band_trades_less():
    predictions, prices = market()
    plain = load_strategy("quintile_long_short")
    free = run_backtest(plain, predictions, prices)
    bounded = run_backtest(replace(plain, turnover_budget=0.05), predictions, prices)
    filled = bounded.turnover[bounded.events.loc[bounded.events["kind"] == "unfilled", "session"].max() :]
    assert 0 < filled.max() < 0.06  # decided at the close, filled at the next open
    assert free.turnover.max() > 0.3
    banded = run_backtest(replace(plain, band=0.1), predictions, prices)
    assert banded.turnover.mean() < free.turnover.mean()
    weekly = run_backtest(replace(plain, every="week"), predictions, prices)
    assert weekly.stages is not None
    assert list(weekly.stages.index) == ["select", "filter", "every", "costs"]
    assert weekly.turnover.mean() < 0.4 * free.turnover.mean()


def test_a_switch_waits_for_no_schedule():
    predictions, prices = market()
    crash = pd.Series(np.where(np.arange(120) >= 70, 0.7, 1.0), prices.sessions)
    fields = [name for name in prices.fields if name != "volume"]
    prices = replace(prices, **{name: getattr(prices, name).mul(crash, axis="index") for name in fields})
    rule = load_strategy("equal_weight", every="month", kill_switches="on")
    result = run_backtest(rule, predictions, prices)
    tripped = result.events.loc[result.events["kind"].str.startswith("kill_"), "session"].iloc[0]
    assert result.target_weights is not None
    assert (result.target_weights.loc[tripped] == 0).all()


@pytest.mark.parametrize(
    "settings",
    [{"every": 3, "phase": 1, "sleeves": 3, "band": 0.01, "turnover_budget": 0.05}, {"aim": True, "vol_target": None}],
)
def test_the_future_moves_no_order(settings):
    predictions, prices = market()
    rule = load_strategy("s2_filter_negative", **settings)
    expected = passes(rule, predictions, prices, CostModel(), Execution(), keep="all")
    for cut in (40, 71, 100):
        last = prices.sessions[cut]
        early = passes(rule, predictions.through(last), prices.through(last), CostModel(), Execution(), keep="all")
        for before, after in zip(early, expected, strict=True):
            pd.testing.assert_frame_equal(
                before.weights.reindex(prices.sessions[: cut + 1]),
                after.weights.reindex(prices.sessions[: cut + 1]),
                rtol=0,
                atol=1e-12,
            )


def test_a_batch_of_sleeves_is_the_single_runs_and_a_schedule_is_none_of_its():
    predictions, prices = market()
    rule = load_strategy("quintile_long_short", sleeves=3)
    weights = decide(rule, predictions, prices).weights
    one = run_backtest(rule, predictions, prices, keep="returns")
    batch = backtest_batch(prices, weights.to_numpy()[None], rule.overlays)
    np.testing.assert_allclose(batch.net[0][: len(one.returns)], one.returns, atol=1e-12)
    np.testing.assert_allclose(batch.turnover[0][: len(one.returns)], one.turnover, atol=1e-12)
    with pytest.raises(InputError, match="need single runs"):
        backtest_batch(prices, weights.to_numpy()[None], Overlays(every=5))


def test_a_sweep_over_schedules_and_costs_is_the_single_runs():
    predictions, prices = market()
    cells = cells_of("quintile_long_short", parse_grid(["every=1,5,week", "cost_bps=0,10"]))
    found = {item.index: item for batch in run_cells(cells, predictions, prices) for item in batch}
    for index, cell in enumerate(cells):
        one = run_backtest(cell.strategy, predictions, prices, costs=cell.costs, keep="returns")
        np.testing.assert_allclose(found[index].net, one.returns, atol=1e-12)


def test_an_optimised_rule_holds_the_schedule_itself():
    predictions, prices = market()
    shifted = load_strategy("min_variance", every=10, phase=4, window=30)
    assert shifted.overlays.every == 1
    rows = [decide(load_strategy("min_variance", every=10, phase=phase, window=30), predictions, prices).weights
            .notna().any(axis=1).to_numpy().argmax() for phase in (0, 4)]  # fmt: skip
    assert rows[1] - rows[0] == 4
    with pytest.raises(InputError, match="phase must be at least 0 and below every"):
        load_strategy("min_variance", every=10, phase=10)


def test_what_is_off_is_not_named_so_that_runs_keep_their_identity():
    plain = described(load_strategy("s2_filter_negative"))["parameters"]
    assert not {"every", "phase", "sleeves", "band", "band_total", "turnover_budget"} & set(plain)
    assert described(load_strategy("s2_filter_negative", band="0.01"))["parameters"]["band"] == 0.01
    assert described(load_strategy("min_variance"))["parameters"]["every"] == 21


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"every": "0"}, "every must be at least 1 session"),
        ({"every": "fortnight"}, "every must be a whole number or 'week' or 'month'"),
        ({"every": "week", "phase": 5}, "phase must be at least 0 and below 5"),
        ({"phase": 1}, "phase must be at least 0 and below 1"),
        ({"sleeves": 0}, "sleeves must be at least 1"),
        ({"band": -0.1}, "band must be finite and at least 0"),
        ({"turnover_budget": 0}, "turnover_budget must be above 0"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        load_strategy("s5_long_only", **settings)
