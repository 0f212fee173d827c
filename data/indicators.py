"""Technical indicators over (T, N) arrays, each asset on its own, row t from rows up to t.

Missing values are never filled. A rolling figure is NaN until its whole window is finite, and again after a gap. A
recursive one (EMA, Wilder's averages) is NaN on a session without data and goes on from its last state afterwards:
it runs over the sessions that the asset has.

References
----------
Wilder, J. W. (1978). New Concepts in Technical Trading Systems. Trend Research. (RSI, average true range, directional
movement; every average of it starts as the plain mean of its first n values.)
Appel, G. (2005). Technical Analysis: Power Tools for Active Investors. (MACD.)
Bollinger, J. (2001). Bollinger on Bollinger Bands. McGraw-Hill. (Bands at two population standard deviations.)
Lane, G. C. (1984). Lane's Stochastics. Technical Analysis of Stocks & Commodities 2(3).
Williams, L. (1973). How I Made One Million Dollars Last Year Trading Commodities. (%R.)
Granville, J. (1963). Granville's New Key to Stock Market Profits. (On-balance volume.)
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.typing import Rolling

__all__ = [
    "adx",
    "atr",
    "bollinger",
    "change",
    "ema",
    "macd",
    "obv",
    "ratio",
    "rolling_correlation",
    "rolling_max",
    "rolling_mean",
    "rolling_min",
    "rolling_std",
    "rsi",
    "signed_volume",
    "stochastic",
    "true_range",
    "vwap",
    "wilder",
    "williams_r",
]


def _rolling(values: np.ndarray, window: int) -> Rolling[pd.DataFrame]:
    return pd.DataFrame(values).rolling(window, min_periods=window)


def rolling_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of the last `window` rows, (T, N); the simple moving average."""
    answer: np.ndarray = _rolling(values, window).mean().to_numpy()
    return answer


def rolling_std(values: np.ndarray, window: int, ddof: int = 1) -> np.ndarray:
    """Standard deviation of the last `window` rows, (T, N)."""
    answer: np.ndarray = _rolling(values, window).std(ddof=ddof).to_numpy()
    return answer


def rolling_max(values: np.ndarray, window: int) -> np.ndarray:
    """Largest of the last `window` rows, (T, N)."""
    answer: np.ndarray = _rolling(values, window).max().to_numpy()
    return answer


def rolling_min(values: np.ndarray, window: int) -> np.ndarray:
    """Smallest of the last `window` rows, (T, N)."""
    answer: np.ndarray = _rolling(values, window).min().to_numpy()
    return answer


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient with NaN where the denominator is zero or either side is missing."""
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    known = np.isfinite(numerator) & np.isfinite(denominator) & (denominator != 0)
    np.divide(numerator, denominator, out=out, where=known)
    return out


def change(values: np.ndarray, sessions: int) -> np.ndarray:
    """x[t] / x[t - sessions] - 1, (T, N); NaN where either is missing or the earlier one is zero."""
    out = np.full(values.shape, np.nan)
    if len(values) > sessions:
        out[sessions:] = ratio(values[sessions:], values[:-sessions]) - 1.0
    return out


def _smoothed(values: np.ndarray, window: int, weight: float) -> np.ndarray:
    """Exponential average with `weight` on the newest value, started as the mean of the first `window` values."""
    out = np.full(values.shape, np.nan)
    state = np.zeros(values.shape[1])
    seen = np.zeros(values.shape[1], dtype=np.int64)
    for t, row in enumerate(values):
        known = np.isfinite(row)
        value = np.where(known, row, 0.0)
        seen += known
        state = np.where(
            known,
            np.where(seen <= window, state + (value - state) / np.maximum(seen, 1), state + weight * (value - state)),
            state,
        )
        ready = known & (seen >= window)
        out[t, ready] = state[ready]
    return out


def ema(values: np.ndarray, window: int) -> np.ndarray:
    """Exponential moving average, (T, N): weight 2 / (window + 1), started as the mean of the first `window` values."""
    return _smoothed(values, window, 2.0 / (window + 1.0))


def wilder(values: np.ndarray, window: int) -> np.ndarray:
    """Wilder's average, (T, N): (a[t-1]·(window - 1) + x[t]) / window, started as a plain mean (Wilder 1978)."""
    return _smoothed(values, window, 1.0 / window)


def _difference(values: np.ndarray) -> np.ndarray:
    out = np.full(values.shape, np.nan)
    out[1:] = values[1:] - values[:-1]
    return out


def rsi(close: np.ndarray, window: int = 14) -> np.ndarray:
    """Relative strength index in [0, 100], (T, N); first at row `window` (Wilder 1978).

    100 - 100 / (1 + average rise / average fall). Without any fall it is 100; without any move, 50.
    """
    move = _difference(close)
    rise = wilder(np.where(np.isnan(move), np.nan, np.maximum(move, 0.0)), window)
    fall = wilder(np.where(np.isnan(move), np.nan, np.maximum(-move, 0.0)), window)
    out = 100.0 * ratio(rise, rise + fall)
    return np.where((rise == 0) & (fall == 0), 50.0, out)


def true_range(high: np.ndarray, low: np.ndarray, close: np.ndarray) -> np.ndarray:
    """Largest of high - low, |high - previous close|, |low - previous close|, (T, N); NaN in row 0 (Wilder 1978)."""
    before = np.full(close.shape, np.nan)
    before[1:] = close[:-1]
    answer: np.ndarray = np.maximum(high, before) - np.minimum(low, before)
    return answer


def atr(high: np.ndarray, low: np.ndarray, close: np.ndarray, window: int = 14) -> np.ndarray:
    """Average true range, in currency, (T, N); first at row `window` (Wilder 1978)."""
    return wilder(true_range(high, low, close), window)


def adx(high: np.ndarray, low: np.ndarray, close: np.ndarray, window: int = 14) -> np.ndarray:
    """Average directional movement index in [0, 100], (T, N); first at row 2·window - 1 (Wilder 1978).

    A session's directional movement is the part of its range outside yesterday's, on the larger side only. DX is 0
    where neither direction has moved at all.
    """
    up, down = _difference(high), -_difference(low)
    reach = true_range(high, low, close)
    unknown = np.isnan(up) | np.isnan(down) | np.isnan(reach)
    plus = np.where(unknown, np.nan, np.where((up > down) & (up > 0), up, 0.0))
    minus = np.where(unknown, np.nan, np.where((down > up) & (down > 0), down, 0.0))
    rise = ratio(wilder(plus, window), wilder(reach, window))
    fall = ratio(wilder(minus, window), wilder(reach, window))
    directional = 100.0 * ratio(np.abs(rise - fall), rise + fall)
    directional = np.where((rise == 0) & (fall == 0), 0.0, directional)
    return wilder(directional, window)


def macd(close: np.ndarray, fast: int = 12, slow: int = 26, signal: int = 9) -> tuple[np.ndarray, ...]:
    """MACD line, its signal line and their difference, each (T, N), in currency (Appel 2005)."""
    line = ema(close, fast) - ema(close, slow)
    average = ema(line, signal)
    return line, average, line - average


def bollinger(close: np.ndarray, window: int = 20, width: float = 2.0) -> tuple[np.ndarray, ...]:
    """Upper, middle and lower band, in currency, and (upper - lower) / middle, each (T, N) (Bollinger 2001)."""
    middle = rolling_mean(close, window)
    reach = width * rolling_std(close, window, ddof=0)
    return middle + reach, middle, middle - reach, ratio(2.0 * reach, middle)


def _place_in_range(high: np.ndarray, low: np.ndarray, close: np.ndarray, window: int) -> np.ndarray:
    """(C - lowest low) / (highest high - lowest low) of the last `window` rows; one half where nothing moved."""
    top, bottom = rolling_max(high, window), rolling_min(low, window)
    flat = (top == bottom) & np.isfinite(close)
    return np.where(flat, 0.5, ratio(close - bottom, top - bottom))


def stochastic(
    high: np.ndarray, low: np.ndarray, close: np.ndarray, window: int = 14, smooth: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Stochastic oscillator in [0, 100], each (T, N): fast %K and %D, its mean over `smooth` rows (Lane 1984)."""
    fast = 100.0 * _place_in_range(high, low, close, window)
    return fast, rolling_mean(fast, smooth)


def williams_r(high: np.ndarray, low: np.ndarray, close: np.ndarray, window: int = 14) -> np.ndarray:
    """Williams %R in [-100, 0], (T, N): how far below the highest high of `window` rows (Williams 1973)."""
    return 100.0 * _place_in_range(high, low, close, window) - 100.0


def signed_volume(close: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """Volume with the sign of the change of the close, (T, N); 0 where it did not move, NaN in row 0."""
    answer: np.ndarray = np.sign(_difference(close)) * volume
    return answer


def obv(close: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """On-balance volume, (T, N): the signed volumes through t, from 0 at the panel's first row (Granville 1963).

    Its level depends on where the panel starts; a session without data adds nothing and has no value.
    """
    signed = signed_volume(close, volume)
    known = np.isfinite(signed)
    known[:1] = np.isfinite(close[:1])
    return np.where(known, np.nan_to_num(signed).cumsum(axis=0), np.nan)


def vwap(high: np.ndarray, low: np.ndarray, close: np.ndarray, volume: np.ndarray, window: int = 20) -> np.ndarray:
    """Volume-weighted mean of the typical price (H + L + C) / 3 of the last `window` rows, in currency, (T, N)."""
    typical = (high + low + close) / 3.0
    return ratio(rolling_mean(typical * volume, window), rolling_mean(volume, window))


def rolling_correlation(left: np.ndarray, right: np.ndarray, window: int) -> np.ndarray:
    """Pearson correlation of the last `window` rows of each column, (T, N); NaN where one side does not vary."""
    one, two = (pd.DataFrame(values).rolling(window, min_periods=window) for values in (left, right))
    spread = ratio(np.ones_like(left), one.std().to_numpy() * two.std().to_numpy())
    answer: np.ndarray = np.clip(one.cov(pd.DataFrame(right), pairwise=False).to_numpy() * spread, -1.0, 1.0)
    return answer
