"""Labels: what they are, and when they are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError
from assay.data.labels import action_labels, label_overlap, labels_known, next_price, up_down
from assay.data.panel import ACTIONS, PricePanel


def panel(n: int = 60, seed: int = 3) -> PricePanel:
    rng = np.random.default_rng(seed)
    index = pd.bdate_range("2020-01-01", periods=n)
    close = pd.DataFrame(100 * np.exp(np.cumsum(rng.normal(0, 0.02, (n, 2)), axis=0)), index=index, columns=["A", "B"])
    return PricePanel(close, open=close * 1.01)


@pytest.mark.parametrize(("horizon", "delay"), [(1, 1), (5, 1), (2, 3)])
def test_a_label_is_known_exactly_delay_plus_horizon_later(horizon: int, delay: int) -> None:
    prices = panel()
    known = labels_known(60, horizon=horizon, delay=delay)
    for build in (up_down, next_price):
        labels = build(prices, horizon=horizon, delay=delay)
        assert labels.iloc[:known].notna().all(axis=None)
        assert labels.iloc[known:].isna().all(axis=None)
    # Row 20's label changes with the price of session 20 + d + h and with no later one.
    for ahead, changes in ((delay + horizon, True), (delay + horizon + 1, False)):
        opened = prices.open.copy()
        opened.iloc[20 + ahead, 0] *= 3.0
        after = next_price(PricePanel(prices.close, open=opened), horizon=horizon, delay=delay)
        assert (after.iloc[20, 0] != next_price(prices, horizon=horizon, delay=delay).iloc[20, 0]) == changes


def test_up_down_and_next_price_by_hand() -> None:
    index = pd.bdate_range("2020-01-01", periods=5)
    close = pd.DataFrame({"A": [10.0, 11.0, 12.0, 12.0, 11.0]}, index=index)
    opened = pd.DataFrame({"A": [10.0, 10.0, 9.0, 12.0, 13.0]}, index=index)
    both = PricePanel(close, open=opened)
    assert up_down(both)["A"].tolist()[:3] == [0.0, 1.0, 1.0]
    assert up_down(both, fill="close")["A"].tolist()[:3] == [1.0, 0.0, 0.0]
    assert next_price(both)["A"].tolist()[:3] == [9.0, 12.0, 13.0]
    with pytest.raises(InputError, match="next price at the open"):
        next_price(PricePanel(close), fill="open")


def test_actions_with_a_fixed_threshold() -> None:
    index = pd.bdate_range("2020-01-01", periods=6)
    close = pd.DataFrame({"A": [1.0, 1.0, 1.02, 1.02, 0.99, 0.99]}, index=index)
    labels = action_labels(PricePanel(close), threshold=0.01, unit="return")["A"]
    assert [ACTIONS[int(code)] for code in labels.iloc[:4]] == ["buy", "hold", "sell", "hold"]
    assert labels.iloc[4:].isna().all()


def test_actions_in_units_of_volatility_read_only_the_past_for_the_unit() -> None:
    prices = panel()
    labels = action_labels(prices, horizon=2, delay=1, threshold=0.5)
    assert labels.iloc[:20].isna().all(axis=None)
    t = 30
    returns = prices.close["A"].pct_change().iloc[t - 19 : t + 1]
    ahead = prices.open["A"].iloc[t + 3] / prices.open["A"].iloc[t + 1] - 1
    bound = 0.5 * np.sqrt(2) * returns.std()
    expected = "buy" if ahead > bound else "sell" if ahead < -bound else "hold"
    assert ACTIONS[int(labels["A"].iloc[t])] == expected
    for name, value in (("threshold", -1.0), ("unit", "percent")):
        with pytest.raises(InputError, match=name):
            action_labels(prices, **{name: value})


def test_overlap_is_horizon_less_one() -> None:
    assert [label_overlap(h) for h in (1, 2, 21)] == [0, 1, 20]
    with pytest.raises(InputError, match="horizon"):
        label_overlap(0)
    assert labels_known(1, horizon=5, delay=1) == 0
