"""Returns and forward returns: hand-worked cases, an independent loop, and no knowledge of the future."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.data.returns import forward_returns, simple_returns

DAYS = pd.bdate_range("2020-01-01", periods=6)
CLOSE = pd.DataFrame({"A": [10.0, 11.0, 12.0, 9.0, 9.0, 18.0], "B": [5.0, np.nan, 6.0, 3.0, 6.0, 6.0]}, index=DAYS)
OPEN = pd.DataFrame({"A": [10.0, 10.5, 11.5, 12.0, 8.0, 10.0], "B": [5.0, 5.0, 5.5, 6.0, 3.0, 6.5]}, index=DAYS)


def test_simple_returns_by_hand() -> None:
    expected = [np.nan, 0.1, 12 / 11 - 1, -0.25, 0.0, 1.0]
    np.testing.assert_allclose(simple_returns(CLOSE)["A"], expected, rtol=1e-14)


def test_simple_returns_carry_nothing_over_a_gap() -> None:
    found = simple_returns(CLOSE)["B"]
    assert found.isna().tolist() == [True, True, True, False, False, False]
    pd.testing.assert_frame_equal(simple_returns(CLOSE), CLOSE.pct_change(fill_method=None), check_freq=False)


def test_forward_returns_between_opens_by_hand() -> None:
    found = forward_returns(PricePanel(CLOSE, open=OPEN), horizon=2, delay=1)
    # decided at t = 0: bought at open 1 (10.5), sold at open 3 (12.0)
    assert found["A"].iloc[0] == pytest.approx(12.0 / 10.5 - 1, rel=1e-15)
    assert found["A"].iloc[2] == pytest.approx(10.0 / 12.0 - 1, rel=1e-15)
    assert found["A"].iloc[3:].isna().all()


def test_forward_returns_between_closes_by_hand() -> None:
    found = forward_returns(PricePanel(CLOSE, open=OPEN), horizon=1, delay=2, fill="close")
    assert found["A"].iloc[0] == pytest.approx(9.0 / 12.0 - 1, rel=1e-15)
    assert found["A"].iloc[2] == pytest.approx(18.0 / 9.0 - 1, rel=1e-15)
    assert found["A"].iloc[3:].isna().all()


def test_close_only_panels_fill_at_the_close() -> None:
    panel = PricePanel(CLOSE)
    pd.testing.assert_frame_equal(forward_returns(panel), forward_returns(panel, fill="close"))


def test_a_missing_price_leaves_the_windows_that_touch_it_empty() -> None:
    found = forward_returns(PricePanel(CLOSE), horizon=1, delay=1)["B"]
    assert found.isna().tolist() == [True, False, False, False, True, True]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["open", "close"]),
)
def test_forward_returns_equal_a_loop(length: int, horizon: int, delay: int, seed: int, fill: str) -> None:
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=length)
    close, opened = (pd.DataFrame(rng.uniform(1, 9, (length, 2)), index=days, columns=["A", "B"]) for _ in range(2))
    panel = PricePanel(close, open=opened)
    found = forward_returns(panel, horizon=horizon, delay=delay, fill=fill)  # type: ignore[arg-type]
    prices = (opened if fill == "open" else close).to_numpy()
    for t in range(length):
        for column in range(2):
            if t + delay + horizon < length:
                expected = prices[t + delay + horizon, column] / prices[t + delay, column] - 1
                assert found.iat[t, column] == pytest.approx(expected, rel=1e-14)
            else:
                assert np.isnan(found.iat[t, column])


def test_forward_returns_are_known_when_they_say() -> None:
    """Row t changes with prices at t + delay + horizon, and with none after."""
    panel = PricePanel(CLOSE)
    whole = forward_returns(panel, horizon=2, delay=1)
    for t in range(len(DAYS) - 3):
        cut = forward_returns(panel.through(DAYS[t + 3]), horizon=2, delay=1)
        pd.testing.assert_series_equal(cut.iloc[t], whole.iloc[t])
        assert forward_returns(panel.through(DAYS[t + 2]), horizon=2, delay=1).iloc[t].isna().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"horizon": 0}, "horizon must be at least 1"),
        ({"delay": -1, "fill": "close"}, "delay must be at least 1"),
        ({"delay": 0, "fill": "open"}, "delay must be at least 1"),
        ({"fill": "vwap"}, "'open' or 'close'"),
    ],
)
def test_refuses(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        forward_returns(PricePanel(CLOSE, open=OPEN), **arguments)


def test_open_fills_need_opens() -> None:
    with pytest.raises(InputError, match="needs open"):
        forward_returns(PricePanel(CLOSE), fill="open")


def test_same_close_is_possible_with_close_fills_only() -> None:
    found = forward_returns(PricePanel(CLOSE), delay=0, fill="close")
    np.testing.assert_allclose(found["A"].iloc[:-1], simple_returns(CLOSE)["A"].iloc[1:], rtol=1e-15)
