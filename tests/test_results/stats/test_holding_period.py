"""Holding periods and turnover of a ranking: equal to alphalens-reloaded on the same inputs, and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.data.panel import PricePanel
from assay.data.returns import forward_returns
from assay.results.stats.holding_period import half_life, holding_returns, rank_persistence, score_quantiles

#: alphalens-reloaded 0.5.1 on `inputs`, with prices shifted by the delay: mean_return_by_quantile(demeaned=False).
MEANS = {
    1: (0.002391827678533868, -0.0005660512837475751, 0.0016096777985963118, -0.00020331176527062055,
        -0.0012934251664673574),
    5: (0.006706181285169919, 0.0027268301314935604, 0.0008768519687316829, 0.0010799107695508953,
        0.0028474332102918997),
    20: (0.00652796172995117, 0.0021646098840517446, 0.010644924160115313, 0.01894662228318377, 0.004884521889364238),
}  # fmt: skip
#: factor_rank_autocorrelation, and quantile_turnover of the lowest, middle and highest fifth, means over sessions.
LASTING = {
    1: (0.7944202611792639, 0.29605263157894735, 0.6644736842105263, 0.39473684210526316),
    5: (0.34533392304290134, 0.6838235294117647, 0.7867647058823529, 0.6470588235294118),
}


def inputs() -> tuple[PricePanel, pd.DataFrame]:
    rng = np.random.default_rng(11)
    days, names = pd.bdate_range("2020-01-01", periods=60), [f"A{i:02d}" for i in range(20)]
    close = pd.DataFrame(50 * np.exp(np.cumsum(rng.normal(0, 0.02, (60, 20)), 0)), days, names)
    score = pd.DataFrame(rng.normal(0, 1, (60, 20)), days, names).ewm(halflife=4).mean()
    return PricePanel(close), score.iloc[:39]  # alphalens keeps the sessions that have every horizon


def test_quantile_returns_turnover_and_autocorrelation_are_those_of_alphalens():
    prices, score = inputs()
    ahead = [(horizon, forward_returns(prices, horizon=horizon, delay=1)) for horizon in MEANS]
    held = holding_returns(score_quantiles(score), ahead)
    for horizon, means in MEANS.items():
        np.testing.assert_allclose(held.loc[horizon, ["q1", "q2", "q3", "q4", "q5"]], means, atol=1e-9)
        assert held.loc[horizon, "spread"] == pytest.approx(means[4] - means[0], abs=1e-9)
    lasting = rank_persistence(score, lags=list(LASTING))
    columns = ["autocorrelation", "turnover_q1", "turnover_q3", "turnover_q5"]
    for lag, values in LASTING.items():
        np.testing.assert_allclose(lasting.loc[lag, columns], values, atol=1e-9)


def test_quantiles_where_counts_differ_are_ours_and_a_name_that_comes_is_new():
    score = pd.DataFrame([[1.0, 2, 3, 4, 5, 6, np.nan], [7.0, 2, 3, 4, 5, 6, 1], [1.0, 2, np.nan, np.nan, 5, 6, 1]])
    found = score_quantiles(score, 3)
    assert found.iloc[0, :6].tolist() == [1, 1, 2, 2, 3, 3]
    assert found.iloc[1].tolist() == [3, 1, 2, 2, 2, 3, 1]
    lasting = rank_persistence(score.iloc[:2], lags=(1, 5), quantiles=3)
    assert lasting.index.tolist() == [1]
    assert lasting.loc[1, "turnover_q1"] == pytest.approx(1 / 2)
    assert lasting.loc[1, "turnover_q3"] == pytest.approx(1 / 2)


def test_a_ranking_that_stays_has_no_half_life():
    assert np.isnan(half_life(pd.DataFrame({"autocorrelation": [0.9, 0.8]}, index=[1, 60])))
