"""Returns over calendar periods that end with the last session, monthly outcomes, and how long a book was invested."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

__all__ = ["flat_sessions", "month_outcomes", "time_in_market", "trailing_returns", "volatility_matched"]

#: Label → what goes back from the last session; a year or less is not annualised.
_BACK = {
    "1 year": pd.DateOffset(years=1),
    "3 years, a year": pd.DateOffset(years=3),
    "5 years, a year": pd.DateOffset(years=5),
}
#: Gross exposure, of NAV, from which a session counts as invested.
_INVESTED = 1e-6


def trailing_returns(returns: pd.DataFrame) -> pd.DataFrame:
    """Compounded returns of the periods that end with the last session, a row a period, a column a series.

    Month and year to date are of the calendar month and year of the last session. A period of years takes the sessions
    after the same date so many years before; it is NaN where the first session is later than 7 days after that date
    (the record does not cover it), and a mean a year, geometric, above 1 year. The last row is the whole record, a
    year, over 252 sessions. Missing values count as 0 in a period that has any.

    Parameters
    ----------
    returns : (T, series) simple returns a session, stamped with the period's end.

    """
    sessions = pd.DatetimeIndex(returns.index)
    last = sessions[-1]
    starts = {
        "month to date": last.to_period("M").start_time - pd.Timedelta(days=1),
        "year to date": last.to_period("Y").start_time - pd.Timedelta(days=1),
    }
    starts |= {label: last - back for label, back in _BACK.items()}
    rows = {}
    for label, start in starts.items():
        inside = returns[sessions > start]
        years = int(label[0]) if label[0].isdigit() else 1
        known = not label[0].isdigit() or sessions[0] <= start + pd.Timedelta(days=7)
        grown = (1 + inside).prod(min_count=1)
        rows[label] = (grown ** (1 / years) - 1) if known else grown * math.nan
    rows["whole record, a year"] = (1 + returns).prod(min_count=1) ** (252 / len(returns)) - 1
    return pd.DataFrame(rows).T


def month_outcomes(months: pd.DataFrame) -> dict[str, float]:
    """Count of months, share above 0, mean, median, worst and best of a table of monthly returns."""
    values = months.to_numpy(dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return {"months": 0.0}
    return {
        "months": float(len(values)), "above_zero": float((values > 0).mean()), "mean": float(values.mean()),
        "median": float(np.median(values)), "worst": float(values.min()), "best": float(values.max()),
    }  # fmt: skip


def time_in_market(gross_exposure: pd.Series) -> float:
    """Share of sessions that end with anything held; NaN without a session."""
    return float((gross_exposure > _INVESTED).mean()) if len(gross_exposure) else math.nan


def flat_sessions(gross_exposure: pd.Series) -> pd.DataFrame:
    """Share of each month's sessions that ended with nothing held, a row a year and a column a month (1…12)."""
    sessions = pd.DatetimeIndex(gross_exposure.index)
    flat = (gross_exposure <= _INVESTED).astype(np.float64)
    return flat.groupby([sessions.year, sessions.month]).mean().unstack().reindex(columns=range(1, 13))


def volatility_matched(returns: pd.Series, benchmark: pd.Series) -> pd.Series:
    """The benchmark's returns times the ratio of both volatilities over the sessions that both have.

    The ratio is that of the whole sample: a yardstick to look back with, not something that could have been held.
    """
    both = pd.DataFrame({"returns": returns, "benchmark": benchmark}).dropna()
    theirs = float(both["benchmark"].std(ddof=1)) if len(both) > 1 else 0.0
    if not theirs > 0:
        return benchmark * math.nan
    return benchmark * (float(both["returns"].std(ddof=1)) / theirs)
