"""Overlays act on every session, whenever decisions are made; what stands before the first view is no part of a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import final_weights, run_backtest
from assay.engine.batch import backtest_batch
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.overlay_passes import emptied, kill_switches, scaled, shadow_returns, standing, vol_factor
from assay.engine.random_scores import random_score_null
from assay.engine.simulation import simulate
from assay.strategies.base import Overlays, decide
from assay.strategies.catalog import load_strategy

FREE = CostModel.zero()


def market(seed: int, sessions: int = 120, assets: int = 10, drop: int | None = None) -> PricePanel:
    """Rising prices, with four sessions of crash from `drop` on."""
    rng = np.random.default_rng(seed)
    steps = 0.002 + 0.004 * rng.standard_normal((sessions, assets))
    if drop is not None:
        steps[drop : drop + 4] = -0.06
    index = pd.bdate_range("2020-01-01", periods=sessions)
    return PricePanel(pd.DataFrame(100 * np.exp(np.cumsum(steps, axis=0)), index, [f"A{i}" for i in range(assets)]))


def opinions(prices: PricePanel, seed: int) -> PredictionPanel:
    rng = np.random.default_rng(seed)
    return PredictionPanel(pd.DataFrame(rng.standard_normal(prices.shape), prices.sessions, prices.assets))


def blanked(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """The frame with no view in its first rows."""
    out = frame.copy()
    out.iloc[:rows] = np.nan
    return out


def filled_forward(predictions: PredictionPanel, prices: PricePanel) -> PredictionPanel:
    """The same predictions, said again on every session through the last."""
    last = predictions.sessions[-1]
    return predictions.map(lambda frame: frame.reindex(prices.sessions[prices.sessions <= last]).ffill())


# --- the passes on frames, by hand


def days(count: int) -> pd.DatetimeIndex:
    return pd.bdate_range("2020-01-01", periods=count)


def test_a_changed_factor_states_the_standing_targets_anew():
    weekly = pd.DataFrame({"A": [1.0, 0.5], "B": [np.nan, -0.5]}, days(6)[[0, 4]])
    factor = pd.Series([1.0, 1.0, 0.5, 0.5, 0.5, 2.0], days(6))
    out = scaled(weekly, factor)
    assert out["A"].fillna(9).tolist() == [1.0, 9, 0.5, 9, 0.25, 1.0]  # 9: no order, holdings drift
    assert out["B"].fillna(9).tolist() == [9, 9, 9, 9, -0.25, -1.0]


def test_a_switch_empties_between_decisions_and_its_end_brings_the_book_back():
    weekly = pd.DataFrame({"A": [1.0, 0.5]}, days(6)[[0, 4]])
    on = pd.DataFrame({"day": [False, True, True, False, False, False], "five_day": False}, days(6))
    assert emptied(weekly, on)["A"].fillna(9).tolist() == [1.0, 0.0, 0.0, 1.0, 0.5, 9]


frames = st.integers(0, 10_000).map(np.random.default_rng)


@settings(max_examples=60, deadline=None)
@given(rng=frames, assets=st.integers(1, 4), sessions=st.integers(2, 25))
def test_sparse_decisions_stand_as_if_said_every_session(rng, assets, sessions):
    """Whatever the switches and the factor do, the standing targets are those of the decisions filled forward."""
    index = days(sessions)
    values = rng.normal(size=(sessions, assets))
    sparse = pd.DataFrame(np.where(rng.random((sessions, assets)) < 0.7, np.nan, values), index)
    dense = sparse.ffill()
    factor = pd.Series(np.clip(np.round(1 + 0.5 * rng.standard_normal(sessions), 1), 0.5, 2.0), index)
    state = pd.DataFrame({"day": rng.random(sessions) < 0.3, "sixty_day": rng.random(sessions) < 0.1}, index)
    few = sparse[sparse.notna().any(axis=1) | (np.arange(sessions) == 0)]  # other sessions left out altogether
    for kept in (sparse, few):
        one, two = emptied(scaled(kept, factor), state), emptied(scaled(dense, factor), state)
        np.testing.assert_allclose(standing(one.to_numpy()), standing(two.to_numpy()))
        # Between decisions nothing is ordered that does not change: fewer orders, never others.
        ordered = one.notna().to_numpy()
        np.testing.assert_allclose(one.to_numpy()[ordered], two.to_numpy()[ordered])


# --- runs


def test_a_crash_between_two_weekly_decisions_is_not_ridden_out():
    prices = market(1, drop=61)
    daily = opinions(prices, 2)
    weekly = daily.map(lambda frame: frame.iloc[::5])
    strategy = load_strategy("s5_long_only", smoothing="0", vol_target="none", kill_switches="on")
    result = run_backtest(strategy, weekly, prices, costs=FREE)
    first = result.events[result.events["kind"] == "kill_day"].iloc[0]["session"]
    assert first == prices.sessions[61]  # −6% after weeks of a calm rise
    gross = result.exposure["gross"]
    assert gross.loc[first] > 0.6
    assert (gross.loc[prices.sessions[62] : prices.sessions[65]] < 1e-12).all()
    without = run_backtest(replace(strategy, kill_switches=False), weekly, prices, costs=FREE)
    lost = [(1 + each.returns.iloc[61:66]).prod() - 1 for each in (result, without)]
    assert lost[0] > 0.6 * lost[1]
    # With daily decisions the switch acts on the same sessions.
    by_day = run_backtest(strategy, daily, prices, costs=FREE)
    assert by_day.events.iloc[0]["session"] == first


@pytest.mark.parametrize("name", ["s2_filter_negative", "s5_long_only"])
def test_weekly_decisions_are_flat_on_every_session_on_which_a_switch_is_on(name):
    prices = market(3, drop=70)
    weekly = opinions(prices, 4).map(lambda frame: frame.iloc[::5])
    strategy = load_strategy(name, smoothing="0.5")
    result = run_backtest(strategy, weekly, prices)
    assert result.target_weights is not None
    off = [event for event in result.events.itertuples() if str(event.kind).startswith("kill_")]
    assert off
    for event in off:
        start = result.sessions.get_loc(event.session)
        length = int(str(event.detail).split()[2])
        assert (result.target_weights.iloc[start : start + length] == 0).all(axis=None)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), blank=st.integers(1, 60), step=st.sampled_from([1, 5]))
def test_rows_before_the_first_view_change_nothing(seed, blank, step):
    prices = market(seed, drop=80)
    predictions = opinions(prices, seed + 1).map(lambda frame: frame.iloc[::step])
    known = predictions.map(lambda frame: frame.iloc[blank // step :])
    padded = predictions.map(lambda frame: blanked(frame, blank // step))
    for name in ("s2_filter_negative", "expected_return", "equal_weight"):
        strategy = load_strategy(name)
        one, two = (run_backtest(strategy, panel, prices) for panel in (known, padded))
        assert one.sessions[0] == known.sessions[0]
        pd.testing.assert_series_equal(one.returns, two.returns, rtol=0, atol=0)
        pd.testing.assert_frame_equal(one.stages, two.stages)
        pd.testing.assert_frame_equal(
            final_weights(strategy, known, prices), final_weights(strategy, padded, prices), check_freq=False
        )


def test_a_null_of_padded_predictions_is_that_of_the_known_ones():
    prices = market(5)
    known = opinions(prices, 6).map(lambda frame: frame.iloc[40:])
    padded = known.map(lambda frame: frame.reindex(prices.sessions))
    strategy = load_strategy("quintile_long_short")
    one, two = (random_score_null(strategy, panel, prices, runs=19, seed=1) for panel in (known, padded))
    assert one.real == two.real
    np.testing.assert_array_equal(one.sharpe, two.sharpe)


def test_an_entry_rule_starts_at_its_first_view():
    prices = market(7)
    bars = PricePanel(prices.close, open=prices.close, high=prices.close * 1.01, low=prices.close * 0.99)
    odds = pd.DataFrame(np.random.default_rng(8).random(prices.shape), prices.sessions, prices.assets)
    padded = PredictionPanel(None, probability_up=blanked(odds, 30))
    known = padded.map(lambda frame: frame.iloc[30:])
    one, two = (run_backtest(load_strategy("confidence"), panel, bars) for panel in (known, padded))
    pd.testing.assert_series_equal(one.returns, two.returns, rtol=0, atol=0)


def test_predictions_without_any_view_are_refused():
    prices = market(9)
    nothing = opinions(prices, 1).map(lambda frame: frame * np.nan)
    with pytest.raises(InputError, match="no view on any session"):
        run_backtest(load_strategy("equal_weight"), nothing, prices)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    step=st.sampled_from([1, 3, 5, 21]),
    tail=st.integers(0, 30),
    target=st.sampled_from([None, 0.08]),
    switches=st.booleans(),
    gross=st.sampled_from([1.0, 2.0]),
)
def test_batches_pass_their_overlays_as_single_runs_do(seed, step, tail, target, switches, gross):
    """Sparse decisions, "no order" in some cells, sessions after the last decision, and a gross that binds."""
    rng = np.random.default_rng(seed)
    prices = market(seed, drop=int(rng.integers(40, 90)))
    overlays = Overlays(0.0, target, switches)
    sessions = len(prices.sessions) - tail
    tables = []
    for _ in range(3):
        weights = rng.normal(0, 0.3, (sessions, 10))
        weights[rng.random(weights.shape) < 0.2] = np.nan
        weights[np.arange(sessions) % step != 0] = np.nan
        weights[0] = rng.normal(0, 0.3, 10)
        tables.append(weights)
    execution = Execution(max_gross=gross)
    batch = backtest_batch(prices, np.stack(tables), overlays, costs=CostModel(), execution=execution)
    for run, weights in enumerate(tables):
        frame = pd.DataFrame(weights, prices.sessions[:sessions], prices.assets)

        def trade(table: pd.DataFrame):
            return simulate(prices, table, costs=CostModel(), execution=execution, keep="returns")

        def shadow(table: pd.DataFrame) -> pd.Series:
            done = trade(table)
            return shadow_returns(done.returns.to_numpy(), done.turnover.to_numpy(), done.sessions)[0]

        if target is not None:
            frame = scaled(frame, vol_factor(shadow(frame), target))
        if switches:
            frame = emptied(frame, kill_switches(shadow(frame)))
        single = trade(frame)
        np.testing.assert_allclose(batch.net[run], single.returns.to_numpy(), rtol=0, atol=1e-10)
        np.testing.assert_allclose(batch.turnover[run], single.turnover.to_numpy(), rtol=0, atol=1e-10)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(60, 100))
def test_the_future_moves_no_overlay_of_weekly_decisions(seed, cut):
    prices, other = market(seed, drop=50), market(seed + 1, drop=cut + 2)
    weekly = opinions(prices, seed + 2).map(lambda frame: frame.iloc[::5])
    close = prices.close.copy()
    close.iloc[cut:] = (other.close.iloc[cut:] / other.close.iloc[cut - 1] * prices.close.iloc[cut - 1]).to_numpy()
    strategy = load_strategy("s2_filter_negative")
    one = run_backtest(strategy, weekly, prices)
    two = run_backtest(strategy, weekly, PricePanel(close))
    last = prices.sessions[cut - 1]
    pd.testing.assert_series_equal(one.nav.loc[:last], two.nav.loc[:last], rtol=0, atol=0)
    assert one.target_weights is not None
    assert two.target_weights is not None
    pd.testing.assert_frame_equal(one.target_weights.loc[:last], two.target_weights.loc[:last], rtol=0, atol=0)


def test_decisions_filled_forward_trip_the_switch_on_the_same_session():
    prices = market(11, drop=63)
    weekly = opinions(prices, 12).map(lambda frame: frame.iloc[::5])
    strategy = load_strategy("s5_long_only", smoothing="0", vol_target="none", kill_switches="on")
    panels = (weekly, filled_forward(weekly, prices))
    sparse, dense = (run_backtest(strategy, panel, prices, costs=FREE) for panel in panels)
    assert sparse.events.iloc[0]["session"] == dense.events.iloc[0]["session"]
    empty = [set(each.exposure.index[each.exposure["gross"] < 1e-12]) for each in (sparse, dense)]
    assert empty[0] == empty[1]
    assert decide(strategy, weekly, prices).weights.shape[0] == len(weekly.sessions)
