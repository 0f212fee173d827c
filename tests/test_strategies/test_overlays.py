"""Overlays: hand-worked cases, a loop as oracle, and proof that the future changes nothing."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.errors import InputError
from assay.strategies.overlays import kill_switch_state, smooth_weights, vol_target_factor


def series(values) -> pd.Series:
    return pd.Series(np.asarray(values, dtype=float), index=pd.bdate_range("2020-01-01", periods=len(values)))


def random_returns(seed: int, length: int, scale: float = 0.02) -> pd.Series:
    return series(np.random.default_rng(seed).normal(-0.0005, scale, length))


# --- smoothing


def test_smoothing_by_hand():
    weights = pd.DataFrame({"A": [1.0, 0.0, 0.0], "B": [0.0, 0.5, -0.5]}, index=pd.bdate_range("2020-01-01", periods=3))
    out = smooth_weights(weights, 0.85)
    assert out["A"].tolist() == pytest.approx([1.0, 0.85, 0.7225], abs=1e-15)
    assert out["B"].tolist() == pytest.approx([0.0, 0.075, 0.85 * 0.075 - 0.15 * 0.5], abs=1e-15)


def test_smoothing_is_pandas_ewm_without_adjustment():
    weights = pd.DataFrame(np.random.default_rng(1).normal(size=(200, 7)))
    expected = weights.ewm(alpha=0.15, adjust=False).mean()
    pd.testing.assert_frame_equal(smooth_weights(weights, 0.85), expected, rtol=0, atol=1e-13)


def test_smoothing_keeps_no_order_as_no_order():
    weights = pd.DataFrame({"A": [np.nan, 1.0, np.nan, 0.0]})
    out = smooth_weights(weights, 0.5)["A"]
    assert out.isna().tolist() == [True, False, True, False]
    assert out[1] == 1.0
    assert out[3] == 0.5


def test_smoothing_zero_and_inputs_untouched():
    weights = pd.DataFrame(np.random.default_rng(1).normal(size=(20, 3)))
    before = weights.copy()
    pd.testing.assert_frame_equal(smooth_weights(weights, 0.0), weights)
    smooth_weights(weights, 0.9)
    pd.testing.assert_frame_equal(weights, before)


def test_smoothing_of_column_major_weights():
    weights = pd.DataFrame(np.asfortranarray(np.random.default_rng(1).normal(size=(20, 3))))
    expected = weights.ewm(alpha=0.3, adjust=False).mean()
    pd.testing.assert_frame_equal(smooth_weights(weights, 0.7), expected, rtol=0, atol=1e-13)


# --- volatility target


def test_vol_target_by_hand():
    returns = random_returns(3, 40)
    factor = vol_target_factor(returns)
    assert (factor[:19] == 1.0).all()
    for t in range(19, 40):
        sigma = math.sqrt(252) * statistics.stdev(returns.iloc[t - 19 : t + 1].tolist())
        assert factor.iloc[t] == pytest.approx(min(2.0, max(0.5, 0.08 / sigma)), abs=1e-12)


def test_vol_target_is_bounded_on_both_sides():
    assert vol_target_factor(random_returns(1, 30, 1e-4)).iloc[-1] == 2.0
    assert vol_target_factor(random_returns(1, 30, 0.2)).iloc[-1] == 0.5
    assert vol_target_factor(series([0.0] * 30)).iloc[-1] == 2.0


def test_vol_target_counts_from_the_first_fill():
    returns = random_returns(5, 50)
    late = returns.copy()
    late.iloc[:10] = np.nan
    factor = vol_target_factor(late)
    assert (factor.iloc[:29] == 1.0).all()
    pd.testing.assert_series_equal(factor.iloc[29:], vol_target_factor(returns).iloc[29:], check_exact=True)


# --- kill switches


def naive_kill_switches(returns: list[float]) -> list[tuple[bool, bool, bool]]:
    """The rules, session by session, with nothing but lists."""
    nav = [1.0]
    out = []
    level = None
    for t, r in enumerate(returns):
        nav.append(nav[-1] * (1 + r))
        day = t >= 20 and r < -3 * statistics.stdev(returns[t - 20 : t])
        if level is not None and nav[-1] >= level:
            level = None
        if level is None and t >= 4 and nav[-1] / nav[-6] - 1 < -0.08:
            level = nav[-1] + (nav[-6] - nav[-1]) / 2
        last = returns[t - 59 : t + 1] if t >= 59 else []
        sixty = bool(last) and statistics.fmean(last) / statistics.stdev(last) < 0
        out.append((day, level is not None, sixty))
    return out


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 250), st.sampled_from([0.005, 0.02, 0.05]))
def test_kill_switches_equal_the_naive_loop(seed, length, scale):
    returns = series(np.random.default_rng(seed).standard_t(3, length).clip(-9, 9) * scale)
    state = kill_switch_state(returns)
    assert list(map(tuple, state.to_numpy())) == naive_kill_switches(returns.tolist())


def test_day_switch_by_hand():
    quiet = [0.01, -0.01] * 10  # std of these 20 is 0.01·sqrt(20/19) = 0.010260
    state = kill_switch_state(series([*quiet, -0.0307, 0.0, -0.0308 * 3]))
    assert state["day"].tolist()[20:] == [False, False, True]
    state = kill_switch_state(series([*quiet, -0.0309, 0.0]))
    assert state["day"].tolist()[20:] == [True, False]


def test_day_switch_does_not_see_its_own_return_in_the_deviation():
    quiet = [0.001, -0.001] * 10
    assert kill_switch_state(series([*quiet, -0.01]))["day"].iloc[-1]


def test_five_day_switch_by_hand():
    # 100 → 90 at the fifth return: lost 10, so the level is 95. 94.5 is short of it, 95.4 is not.
    state = kill_switch_state(series([0, 0, 0, 0, -0.10, 0.05, 0.01, 0.0]))
    assert state["five_day"].tolist() == [False] * 4 + [True, True, False, False]


def test_five_day_level_is_fixed_at_the_trigger():
    # Falls on to 85.5 after the trigger at 90: the level stays 95, it does not drop with the new low.
    state = kill_switch_state(series([0, 0, 0, 0, -0.10, -0.05, 0.0, 0.0, 0.0, 0.08, 0.02, 0.02]))
    nav = 100 * np.cumprod([1, 1, 1, 1, 0.9, 0.95, 1, 1, 1, 1.08, 1.02, 1.02])
    assert state["five_day"].tolist() == [False] * 4 + [True] * 7 + [False]
    assert nav[10] < 95 <= nav[11]


def test_five_day_needs_five_returns():
    assert not kill_switch_state(series([-0.05, -0.05, -0.05, -0.05]))["five_day"].any()
    assert kill_switch_state(series([-0.05, -0.05, -0.05, -0.05, 0.0]))["five_day"].iloc[-1]


def test_sixty_day_switch_starts_with_the_sixtieth_return():
    falling = series([-0.001, -0.0011] * 40)
    state = kill_switch_state(falling)["sixty_day"]
    assert not state.iloc[:59].any()
    assert state.iloc[59:].all()
    assert not kill_switch_state(-falling)["sixty_day"].any()


def test_kill_switches_count_from_the_first_fill():
    returns = random_returns(11, 150, 0.03)
    late = pd.concat([series([np.nan] * 30).set_axis(pd.bdate_range("2019-01-01", periods=30)), returns])
    np.testing.assert_array_equal(kill_switch_state(late).iloc[30:], kill_switch_state(returns))
    assert not kill_switch_state(late).iloc[:30].to_numpy().any()


# --- causality and errors


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 199))
def test_the_future_changes_nothing(seed, cut):
    rng = np.random.default_rng(seed)
    returns = series(rng.normal(0, 0.03, 200))
    altered = returns.copy()
    altered.iloc[cut:] = rng.normal(-0.05, 0.1, 200 - cut).clip(-0.9, None)
    for function in (vol_target_factor, kill_switch_state):
        assert function(returns).iloc[:cut].equals(function(altered).iloc[:cut])
        assert function(returns).iloc[:cut].equals(function(returns.iloc[:cut]))
    weights = pd.DataFrame(rng.normal(size=(200, 4)))
    other = weights.copy()
    other.iloc[cut:] = np.nan
    np.testing.assert_allclose(
        smooth_weights(weights, 0.85).iloc[:cut], smooth_weights(other, 0.85).iloc[:cut], rtol=1e-15
    )


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, 2.0, math.nan])
def test_smoothing_out_of_range(smoothing):
    with pytest.raises(InputError, match="smoothing"):
        smooth_weights(pd.DataFrame({"A": [1.0]}), smoothing)


@pytest.mark.parametrize("bad", [{"target": 0}, {"target": -1}, {"target": math.inf}, {"window": 1}, {"low": 3.0}])
def test_vol_target_out_of_range(bad):
    with pytest.raises(InputError, match="overlays"):
        vol_target_factor(series([0.0]), **bad)


@pytest.mark.parametrize("function", [vol_target_factor, kill_switch_state])
def test_a_hole_in_the_returns_is_refused(function):
    with pytest.raises(InputError, match="hole at 2020-01-03"):
        function(series([0.01, 0.02, np.nan, 0.01]))


@pytest.mark.parametrize("length", [0, 1, 4, 5, 6, 20, 21])
def test_short_series(length):
    assert len(vol_target_factor(series([0.01] * length))) == length
    assert len(kill_switch_state(series([0.01] * length))) == length


def test_sixty_sessions_in_cash_are_no_loss():
    assert not kill_switch_state(series([0.0] * 70))["sixty_day"].any()


def test_the_five_day_switch_is_off_at_exactly_half_of_the_loss():
    # 1 → 0.5, so that 0.75 recovers half; every level here is exact in floating point.
    state = kill_switch_state(series([0.0] * 6 + [-0.5] + [0.0] * 5 + [0.5]))
    assert state["five_day"].tolist()[6:] == [True] * 6 + [False]
