"""Features and indicators: against naive definitions, blind to the future, honest about what is missing."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data import indicators as ta
from assay.data.errors import InputError, UnknownNameError
from assay.data.features import FEATURE_SETS, build_features, feature_set, series_feature
from assay.data.panel import PricePanel


def market(n_sessions: int = 120, n_assets: int = 3, seed: int = 0) -> PricePanel:
    rng = np.random.default_rng(seed)
    index = pd.bdate_range("2020-01-01", periods=n_sessions)
    columns = [f"A{i}" for i in range(n_assets)]
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (n_sessions, n_assets)), axis=0))
    opened = close * np.exp(rng.normal(0, 0.005, close.shape))
    high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 0.01, close.shape)))
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 0.01, close.shape)))
    volume = np.ceil(1e5 * np.exp(rng.normal(0, 0.4, close.shape)))
    frames = {
        name: pd.DataFrame(values, index=index, columns=columns)
        for name, values in (("close", close), ("open", opened), ("high", high), ("low", low), ("volume", volume))
    }
    return PricePanel(**frames)


# --- Wilder's definitions, written out value by value from the book -------------------------------------------------


def naive_rsi(close: list[float], n: int = 14) -> list[float]:
    out = [math.nan] * len(close)
    moves = [b - a for a, b in itertools.pairwise(close)]
    up = sum(m for m in moves[:n] if m > 0) / n
    down = sum(-m for m in moves[:n] if m < 0) / n
    for t in range(n, len(close)):
        if t > n:
            move = moves[t - 1]
            up = (up * (n - 1) + max(move, 0.0)) / n
            down = (down * (n - 1) + max(-move, 0.0)) / n
        out[t] = 100.0 - 100.0 / (1.0 + up / down)
    return out


def naive_true_range(high: list[float], low: list[float], close: list[float]) -> list[float]:
    out = [math.nan]
    for t in range(1, len(close)):
        out.append(max(high[t] - low[t], abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1])))
    return out


def naive_atr(high: list[float], low: list[float], close: list[float], n: int = 14) -> list[float]:
    ranges = naive_true_range(high, low, close)
    out = [math.nan] * len(close)
    out[n] = sum(ranges[1 : n + 1]) / n
    for t in range(n + 1, len(close)):
        out[t] = (out[t - 1] * (n - 1) + ranges[t]) / n
    return out


def naive_adx(high: list[float], low: list[float], close: list[float], n: int = 14) -> list[float]:
    """Sums of n, each step less an n-th of itself plus the new value, as the book has it."""
    size = len(close)
    ranges = naive_true_range(high, low, close)
    plus, minus = [0.0] * size, [0.0] * size
    for t in range(1, size):
        rise, fall = high[t] - high[t - 1], low[t - 1] - low[t]
        plus[t] = rise if rise > fall and rise > 0 else 0.0
        minus[t] = fall if fall > rise and fall > 0 else 0.0
    sums = [sum(series[1 : n + 1]) for series in (plus, minus, ranges)]
    index = [math.nan] * size
    for t in range(n, size):
        if t > n:
            sums = [s - s / n + series[t] for s, series in zip(sums, (plus, minus, ranges), strict=True)]
        di_plus, di_minus = 100 * sums[0] / sums[2], 100 * sums[1] / sums[2]
        index[t] = 100 * abs(di_plus - di_minus) / (di_plus + di_minus)
    out = [math.nan] * size
    out[2 * n - 1] = sum(index[n : 2 * n]) / n
    for t in range(2 * n, size):
        out[t] = (out[t - 1] * (n - 1) + index[t]) / n
    return out


def test_wilders_indicators_equal_the_book_written_out_step_by_step() -> None:
    prices = market()
    high, low, close = (getattr(prices, name).to_numpy() for name in ("high", "low", "close"))
    for i in range(3):
        h, lo, c = high[:, i].tolist(), low[:, i].tolist(), close[:, i].tolist()
        np.testing.assert_allclose(ta.rsi(close)[:, i], naive_rsi(c), rtol=1e-10)
        np.testing.assert_allclose(ta.atr(high, low, close)[:, i], naive_atr(h, lo, c), rtol=1e-10)
        np.testing.assert_allclose(ta.adx(high, low, close)[:, i], naive_adx(h, lo, c), rtol=1e-9)


def test_rsi_of_wilders_own_kind_of_worksheet() -> None:
    """Fourteen moves by hand: rises sum to 7, falls to 3.5, so RS = 2 and RSI = 66.67; then a fall of 1."""
    moves = [1, -0.5] * 7
    close = np.cumsum([50.0, *moves, -1.0])[:, None]
    out = ta.rsi(close)[:, 0]
    assert np.isnan(out[:14]).all()
    assert out[14] == pytest.approx(100 - 100 / 3)
    up, down = 0.5 * 13 / 14, (0.25 * 13 + 1) / 14
    assert out[15] == pytest.approx(100 - 100 / (1 + up / down))


def test_rsi_at_its_edges() -> None:
    rising, flat = np.arange(1.0, 31.0)[:, None], np.full((30, 1), 5.0)
    assert ta.rsi(rising)[-1, 0] == 100.0
    assert ta.rsi(flat)[-1, 0] == 50.0
    assert ta.rsi(rising[::-1])[-1, 0] == 0.0


def test_exponential_averages_by_recursion() -> None:
    close = market().close.to_numpy()
    expected = np.full(close.shape, np.nan)
    expected[11] = close[:12].mean(axis=0)
    for t in range(12, len(close)):
        expected[t] = close[t] * 2 / 13 + expected[t - 1] * 11 / 13
    np.testing.assert_allclose(ta.ema(close, 12), expected, rtol=1e-12)
    line, signal, histogram = ta.macd(close)
    np.testing.assert_allclose(line, expected - ta.ema(close, 26), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(histogram, line - signal, rtol=1e-12)
    assert np.isnan(signal[32]).all()
    assert signal[33] == pytest.approx(line[25:34].mean(axis=0))


def test_bollinger_uses_the_population_deviation() -> None:
    close = market().close.to_numpy()
    upper, middle, lower, width = ta.bollinger(close)
    window = close[30:50]
    np.testing.assert_allclose(upper[49], window.mean(axis=0) + 2 * window.std(axis=0, ddof=0), rtol=1e-10)
    np.testing.assert_allclose(lower[49], window.mean(axis=0) - 2 * window.std(axis=0, ddof=0), rtol=1e-10)
    np.testing.assert_allclose(width, (upper - lower) / middle, rtol=1e-10)


def test_a_recursion_rests_over_a_gap_and_a_window_starts_again() -> None:
    close = market().close.to_numpy().copy()
    gapped = close.copy()
    gapped[60, 0] = np.nan
    without = np.delete(close[:, 0], 60)[:, None]
    smooth = ta.ema(gapped[:, :1], 12)[:, 0]
    assert np.isnan(smooth[60])
    np.testing.assert_allclose(np.delete(smooth, 60), ta.ema(without, 12)[:, 0], rtol=1e-12)
    mean = ta.rolling_mean(gapped, 10)
    assert np.isnan(mean[60:70, 0]).all()
    assert np.isfinite(mean[70, 0])
    assert np.isfinite(mean[60, 1])


# --- the sets -------------------------------------------------------------------------------------------------------


def test_sizes_and_needs_of_the_sets() -> None:
    assert {name: len(chosen) for name, chosen in FEATURE_SETS.items()} == {
        "core14": 14,
        "core_close": 10,
        "indicators27": 27,
        "indicators_phase2": 38,
        "price": 1,
    }
    assert FEATURE_SETS["core14"].needs == ("high", "low", "volume")
    assert FEATURE_SETS["indicators27"].needs == ("open", "high", "low", "volume")
    assert FEATURE_SETS["core_close"].needs == ()
    assert all(len(set(chosen.names)) == len(chosen) for chosen in FEATURE_SETS.values())


@pytest.mark.parametrize("name", sorted(FEATURE_SETS))
def test_warm_up_is_as_declared_to_the_row(name: str) -> None:
    panel = build_features(market(), name)
    for feature in feature_set(name).features:
        values = panel.frame(feature.name).to_numpy()
        assert np.isnan(values[: feature.warmup]).all(), feature.name
        assert np.isfinite(values[feature.warmup :]).all(), feature.name
    assert np.isfinite(panel.values[feature_set(name).warmup]).all()
    assert not np.isfinite(panel.values[: feature_set(name).warmup]).all(axis=-1).any()


def test_core_features_by_hand() -> None:
    prices = market()
    panel = build_features(prices, "core14", dtype=np.float64)
    close, high, low, volume = (getattr(prices, name)["A1"].to_numpy() for name in ("close", "high", "low", "volume"))
    t = 70
    returns = close[1:] / close[:-1] - 1
    last20, last5 = returns[t - 20 : t], returns[t - 5 : t]
    expected = {
        "return_1": close[t] / close[t - 1] - 1,
        "return_5": close[t] / close[t - 5] - 1,
        "return_20": close[t] / close[t - 20] - 1,
        "volatility_20": math.sqrt(252) * np.std(last20, ddof=1),
        "volatility_5": math.sqrt(252) * np.std(last5, ddof=1),
        "volume_volatility_20": np.std(volume[t - 19 : t + 1], ddof=1) / np.mean(volume[t - 19 : t + 1]),
        "from_high_20": close[t] / high[t - 19 : t + 1].max() - 1,
        "from_low_20": close[t] / low[t - 19 : t + 1].min() - 1,
        "range": (high[t] - low[t]) / close[t],
        "momentum_20": close[t] / close[t - 19 : t + 1].mean() - 1,
        "momentum_5": close[t] / close[t - 4 : t + 1].mean() - 1,
        "volume_ratio_20": volume[t] / volume[t - 19 : t + 1].mean(),
        "volume_trend": volume[t - 4 : t + 1].mean() / volume[t - 19 : t + 1].mean(),
        "market_return": (prices.close.iloc[t] / prices.close.iloc[t - 1] - 1).mean(),
    }
    assert tuple(expected) == panel.names
    for name, value in expected.items():
        assert panel.frame(name)["A1"].iloc[t] == pytest.approx(value, rel=1e-9), name


def test_phase_2_features_by_hand() -> None:
    prices = market()
    panel = build_features(prices, "indicators_phase2", dtype=np.float64)
    close, high, low, volume = (getattr(prices, name)["A1"].to_numpy() for name in ("close", "high", "low", "volume"))
    t = 75

    def fast(s: int) -> float:
        top, bottom = high[s - 13 : s + 1].max(), low[s - 13 : s + 1].min()
        return 100.0 * (close[s] - bottom) / (top - bottom)

    signed = [np.sign(close[s] - close[s - 1]) * volume[s] for s in range(1, t + 1)]
    last = slice(t - 19, t + 1)
    vwap = np.average((high[last] + low[last] + close[last]) / 3, weights=volume[last])
    moves = prices.close.pct_change(fill_method=None)
    market_moves = moves.mean(axis=1)
    level = np.log1p(market_moves.fillna(0.0)).cumsum()
    steps = level.diff()
    expected = {
        "stochastic_k": fast(t),
        "stochastic_d": np.mean([fast(s) for s in (t - 2, t - 1, t)]),
        "williams_r_14": -100.0 * (high[t - 13 : t + 1].max() - close[t]) / np.ptp([high[t - 13 : t + 1].max(),
                                                                                  low[t - 13 : t + 1].min()]),
        "obv": sum(signed),
        "obv_share_20": sum(signed[-20:]) / volume[last].sum(),
        "vwap_20": vwap,
        "close_to_vwap_20": close[t] / vwap - 1,
        "market_trend_50": level.iloc[t] - level.iloc[t - 49 : t + 1].mean(),
        "market_stress": steps.iloc[t - 19 : t + 1].std() / steps.iloc[t - 59 : t + 1].std(),
        "index_correlation_60": np.corrcoef(moves["A1"].iloc[t - 59 : t + 1], market_moves.iloc[t - 59 : t + 1])[0, 1],
    }  # fmt: skip
    assert set(expected) < set(panel.names)
    for name, value in expected.items():
        assert panel.frame(name)["A1"].iloc[t] == pytest.approx(value, rel=1e-9), name


def test_a_series_is_known_when_it_was_published_and_no_earlier() -> None:
    prices = market()
    index = pd.date_range("2019-12-01", periods=30, freq="10D")
    rate = pd.Series(np.arange(30.0), index).sample(frac=1.0, random_state=0)
    feature = series_feature("rate", rate, known_after=15)
    values = feature.compute(prices)
    for t, session in enumerate(prices.sessions):
        known = [value for day, value in rate.items() if day + pd.Timedelta(days=15) <= session]
        assert values[t, 0] == (max(known) if known else pytest.approx(np.nan, nan_ok=True))
    later = rate.where(rate.index < prices.sessions[60], 99.0)
    assert (series_feature("rate", later, known_after=15).compute(prices)[:61] == values[:61])[values[:61] > 0].all()
    with pytest.raises(InputError, match="at least 1 day"):
        series_feature("rate", rate, known_after=0)
    with pytest.raises(InputError, match="each once"):
        series_feature("rate", pd.concat([rate, rate]))


def test_the_sector_is_the_others_of_it() -> None:
    prices = replace(market(), sectors=pd.Series({"A0": "x", "A1": "x", "A2": "y"}))
    frame = build_features(prices, "assay.data.features:WITH_SECTORS", dtype=np.float64).frame("sector_correlation_60")
    moves = prices.close.pct_change(fill_method=None)
    expected = np.corrcoef(moves["A0"].iloc[16:76], moves["A1"].iloc[16:76])[0, 1]
    assert frame["A0"].iloc[75] == pytest.approx(expected)
    assert frame["A2"].isna().all()  # alone in its sector
    with pytest.raises(InputError, match="no sectors"):
        build_features(market(), "assay.data.features:WITH_SECTORS")


def test_an_oscillator_of_a_price_that_stands_still_is_in_the_middle() -> None:
    flat = np.full((20, 1), 7.0)
    assert ta.stochastic(flat, flat, flat)[0][-1, 0] == 50.0
    assert ta.williams_r(flat, flat, flat)[-1, 0] == -50.0
    assert np.isnan(ta.rolling_correlation(flat, flat, 10)).all()


@settings(max_examples=12, deadline=None)
@given(name=st.sampled_from(sorted(FEATURE_SETS)), cut=st.integers(1, 119), seed=st.integers(0, 50))
def test_altering_the_future_changes_no_feature(name: str, cut: int, seed: int) -> None:
    prices = market(seed=seed)
    altered = market(seed=seed + 1000)
    frames = {
        field: pd.concat([getattr(prices, field).iloc[:cut], getattr(altered, field).iloc[cut:]])
        for field in prices.fields
    }
    before = build_features(prices, name).values[:cut]
    np.testing.assert_array_equal(build_features(PricePanel(**frames), name).values[:cut], before)
    np.testing.assert_array_equal(build_features(prices.through(prices.sessions[cut - 1]), name).values, before)


@pytest.mark.parametrize("name", sorted(FEATURE_SETS))
def test_permuting_assets_permutes_features(name: str) -> None:
    prices = market()
    order = ["A2", "A0", "A1"]
    mixed = build_features(prices.select(order), name).values
    np.testing.assert_allclose(mixed, build_features(prices, name).values[:, [2, 0, 1]], rtol=1e-5, atol=1e-7)


def test_nothing_is_infinite_where_nothing_is_traded() -> None:
    prices = market()
    volume = prices.volume.copy()
    volume.iloc[40:70, 0] = 0.0
    panel = build_features(PricePanel(prices.close, prices.open, prices.high, prices.low, volume), "core14")
    assert not np.isinf(panel.values).any()
    assert np.isnan(panel.frame("volume_ratio_20").iloc[65, 0])
    assert np.isfinite(panel.frame("return_20").iloc[65, 0])


def test_a_missing_field_and_an_unknown_name_are_named() -> None:
    closes = PricePanel(market().close, source="closes.csv")
    with pytest.raises(InputError, match=r"stock_lstm: needs high, low, volume.*closes.csv has only close"):
        build_features(closes, "core14", who="stock_lstm")
    with pytest.raises(UnknownNameError, match="did you mean 'core14'"):
        build_features(closes, "core41")
    with pytest.raises(UnknownNameError, match="return_5"):
        build_features(closes, "core_close").frame("return_6")
