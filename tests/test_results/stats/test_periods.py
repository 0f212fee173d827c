"""Returns to date and over years, months, time in market: against plain loops and hand-worked cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.results.stats.performance import monthly_returns
from assay.results.stats.periods import (
    flat_sessions,
    month_outcomes,
    time_in_market,
    trailing_returns,
    volatility_matched,
)


def _returns(start: str = "2016-03-01", end: str = "2022-08-17") -> pd.DataFrame:
    days = pd.bdate_range(start, end)
    values = np.random.default_rng(2).normal(0.0004, 0.01, (len(days), 2))
    return pd.DataFrame(values, index=days, columns=["net", "benchmark"])


def test_periods_are_those_of_a_plain_loop():
    table = _returns()
    found = trailing_returns(table)
    starts = {
        "month to date": "2022-07-31", "year to date": "2021-12-31", "1 year": "2021-08-17",
        "3 years, a year": "2019-08-17", "5 years, a year": "2017-08-17",
    }  # fmt: skip
    for label, start in starts.items():
        for name in table:
            level = 1.0
            for session, value in table[name].items():
                if session > pd.Timestamp(start):
                    level *= 1 + value
            years = int(label[0]) if label[0] in "135" else 1
            assert found.loc[label, name] == pytest.approx(level ** (1 / years) - 1)
    import empyrical

    assert found.loc["whole record, a year", "net"] == pytest.approx(empyrical.annual_return(table["net"]))


def test_a_period_before_the_record_has_no_return():
    found = trailing_returns(_returns("2020-01-01"))
    assert found.loc[["1 year"]].notna().all(axis=None)
    assert found.loc[["3 years, a year", "5 years, a year"]].isna().all(axis=None)
    covered = trailing_returns(_returns("2019-08-19"))  # the first session after the date
    assert covered.loc["3 years, a year"].notna().all()


def test_months_by_hand():
    days = pd.to_datetime(["2020-01-30", "2020-01-31", "2020-02-03", "2020-03-02"])
    months = monthly_returns(pd.Series([0.1, 0.1, -0.05, 0.0], index=days))
    found = month_outcomes(months)
    assert found["months"] == 3
    assert found["above_zero"] == pytest.approx(1 / 3)
    assert (found["best"], found["worst"], found["median"]) == pytest.approx((0.21, -0.05, 0.0))
    assert month_outcomes(months * np.nan) == {"months": 0.0}


def test_time_in_market_and_flat_months():
    days = pd.to_datetime(["2020-01-30", "2020-01-31", "2020-02-03", "2020-02-04", "2020-02-05"])
    exposure = pd.Series([0.0, 0.5, 0.0, 1e-12, 0.0], index=days)
    assert time_in_market(exposure) == pytest.approx(0.2)
    flat = flat_sessions(exposure)
    assert flat.loc[2020, 1] == 0.5
    assert flat.loc[2020, 2] == 1.0
    assert flat.loc[2020, 3:].isna().all()


def test_the_matched_benchmark_has_the_run_s_volatility_and_its_own_sharpe():
    table = _returns()
    table["net"] *= 0.3
    matched = volatility_matched(table["net"], table["benchmark"])
    assert matched.std() == pytest.approx(table["net"].std())
    assert matched.mean() / matched.std() == pytest.approx(table["benchmark"].mean() / table["benchmark"].std())
    assert volatility_matched(table["net"], table["benchmark"] * 0).isna().all()
