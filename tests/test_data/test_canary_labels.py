"""Labels of canaries: what they keep of the real ones, and that they say nothing of the future."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.data.canary_labels import CanaryLabels
from assay.data.labels import action_labels, next_price, up_down
from assay.data.panel import PricePanel
from assay.data.returns import forward_returns


def market(seed: int = 0, sessions: int = 60, assets: int = 7, *, opens: bool = True) -> PricePanel:
    rng = np.random.default_rng(seed)
    index = pd.bdate_range("2020-01-01", periods=sessions)
    names = [f"A{i}" for i in range(assets)]
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (sessions, assets)), axis=0))
    frames = {"close": pd.DataFrame(close, index, names)}
    if opens:
        frames["open"] = pd.DataFrame(close * np.exp(rng.normal(0, 0.01, close.shape)), index, names)
    return PricePanel(**frames)


@pytest.mark.parametrize("opens", [True, False])
@pytest.mark.parametrize(("horizon", "delay"), [(1, 1), (5, 2)])
def test_shuffled_labels_are_the_same_cross_sections_elsewhere(opens, horizon, delay):
    prices = market(opens=opens)
    span = {"horizon": horizon, "delay": delay}
    real = forward_returns(prices, **span).to_numpy()
    moved = forward_returns(prices, **span, labels=CanaryLabels("shuffled", 3)).to_numpy()
    np.testing.assert_array_equal(np.isnan(moved), np.isnan(real))
    known = ~np.isnan(real).any(axis=1)
    days = {tuple(np.sort(row)) for row in real[known]}
    assert {tuple(np.sort(row)) for row in moved[known]} == days
    assert (moved[known] != real[known]).mean() > 0.9
    again = forward_returns(prices, **span, labels=CanaryLabels("shuffled", 3)).to_numpy()
    np.testing.assert_array_equal(again, moved)
    other = forward_returns(prices, **span, labels=CanaryLabels("shuffled", 4))
    assert not np.array_equal(other, moved, equal_nan=True)


def test_missing_labels_stay_missing_where_they_were():
    prices = market(1)
    holes = prices.close.mask(np.random.default_rng(2).random(prices.shape) < 0.2)
    prices = PricePanel(holes)
    real, moved = (forward_returns(prices, labels=each).to_numpy() for each in (None, CanaryLabels("shuffled", 0)))
    np.testing.assert_array_equal(np.isnan(moved), np.isnan(real))
    assert set(moved[np.isfinite(moved)]) <= set(real[np.isfinite(real)])


def test_shuffled_labels_know_neither_the_day_nor_the_asset():
    rng = np.random.default_rng(5)
    index = pd.bdate_range("2010-01-01", periods=800)
    # One asset drifts up, one down, and all share the market's day.
    steps = rng.normal(0, 0.01, (800, 1)) + rng.normal(0, 0.002, (800, 6)) + np.linspace(-0.01, 0.01, 6)
    prices = PricePanel(pd.DataFrame(np.exp(np.cumsum(steps, axis=0)), index, list("abcdef")))
    real = forward_returns(prices)
    kept = [forward_returns(prices, labels=CanaryLabels("shuffled", seed)) for seed in range(20)]
    by_day = [real.mean(axis=1).corr(labels.mean(axis=1)) for labels in kept]
    assert abs(np.mean(by_day)) < 0.03
    by_asset = [np.ptp(labels.mean()) for labels in kept]
    assert np.ptp(real.mean()) > 0.015
    assert max(by_asset) < 0.005


def test_the_answer_is_the_last_window_that_ended():
    prices = market(opens=True)
    span = {"horizon": 2, "delay": 1}
    answer = forward_returns(prices, **span, labels=CanaryLabels("answer"))
    known = prices.close / prices.close.shift(2) - 1
    pd.testing.assert_frame_equal(answer.iloc[:-3], known.iloc[:-3])
    assert answer.iloc[-3:].isna().all(axis=None)
    assert forward_returns(market(sessions=2), **span, labels=CanaryLabels("answer")).isna().all(axis=None)
    # It is known: what comes later does not change it.
    later = prices.close.copy()
    later.iloc[41:] = 1.0
    again = forward_returns(PricePanel(later), **span, labels=CanaryLabels("answer"))
    pd.testing.assert_frame_equal(again.iloc[:41], answer.iloc[:41])


def test_every_label_follows_and_the_prices_are_as_they_were():
    prices = market(3)
    labels = CanaryLabels("shuffled", 1)
    print_before = prices.fingerprint
    ahead = forward_returns(prices, labels=labels)
    pd.testing.assert_frame_equal(up_down(prices, labels=labels), (ahead > 0).astype(float).where(ahead.notna()))
    pd.testing.assert_frame_equal(next_price(prices, labels=labels), prices.close * (1 + ahead))
    assert not action_labels(prices, labels=labels).equals(action_labels(prices))
    assert market(3).fingerprint == print_before
    # Nothing but the argument says that labels are a canary's: what is measured without it is what followed.
    assert not forward_returns(prices).equals(ahead)


def test_a_shuffled_level_says_nothing_of_the_future():
    prices = market(4)
    labels = CanaryLabels("shuffled", 0)
    implied = next_price(prices, labels=labels) / prices.close - 1
    pd.testing.assert_frame_equal(implied, forward_returns(prices, labels=labels))
