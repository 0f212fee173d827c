"""Errors of a Sharpe ratio against series summed by hand, simulation, statsmodels and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.tsa.stattools import acf

from assay.data.errors import InputError
from assay.engine.executors import Workers
from assay.results.stats.bootstrap import bootstrap
from assay.results.stats.deflated_sharpe import sharpe_moments
from assay.results.stats.long_run_variance import sharpe_hac_error
from assay.results.stats.performance import sharpe_interval
from assay.results.stats.sharpe import (
    annualisation_factor,
    ar1_error,
    autocorrelations,
    iid_error,
    non_normal_error,
    sharpe_difference,
    sharpe_intervals,
    studentised_sharpe,
)


def _returns(n: int, seed: int, rho: float = 0.0, mean: float = 0.0005) -> np.ndarray:
    shocks = np.random.default_rng(seed).standard_t(6, n + 50) * 0.01
    out = np.zeros(n + 50)
    for step in range(1, n + 50):
        out[step] = rho * out[step - 1] + shocks[step]
    return out[50:] + mean


@settings(max_examples=60, deadline=None)
@given(
    sharpe=st.floats(-0.3, 0.3),
    rho=st.floats(-0.8, 0.8),
    skewness=st.floats(-1, 1),
    more=st.floats(0.1, 10),
    n=st.integers(3, 5000),
)
def test_ar1_error_is_the_sum_over_all_lags(sharpe, rho, skewness, more, n):
    """The influence of a session is z − SR/2·(z² − 1); a linear AR(1) has these autocovariances of z and z²."""
    kurtosis = skewness**2 + 1 + more
    lags = np.arange(1, 400)
    one, two = rho**lags, rho ** (2 * lags)
    total = (
        (1 + 2 * one.sum())
        - sharpe * skewness * (1 + one.sum() + two.sum())
        + sharpe**2 / 4 * (kurtosis - 1) * (1 + 2 * two.sum())
    )
    found = ar1_error(sharpe, n, rho=rho, skewness=skewness, kurtosis=kurtosis)
    if total > 1e-3:
        assert found == pytest.approx(math.sqrt(total / n), rel=1e-9)
    elif total < -1e-3:  # no shocks make such returns
        assert math.isnan(found)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(5, 400))
def test_errors_of_independent_returns_are_those_of_their_moments(seed, n):
    returns = _returns(n, seed)
    skewness, kurtosis = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    plain = returns.mean() / returns.std()
    expected = math.sqrt((1 - skewness * plain + (kurtosis - 1) / 4 * plain**2) / n)
    assert non_normal_error(plain, n, skewness=skewness, kurtosis=kurtosis) == pytest.approx(expected, rel=1e-9)
    # Without lags the delta method is the same formula.
    assert sharpe_hac_error(returns, lag=0) == pytest.approx(expected, rel=1e-7)
    assert iid_error(plain, n) == pytest.approx(math.sqrt((1 + plain**2 / 2) / n), rel=1e-12)
    assert non_normal_error(plain, n) == pytest.approx(iid_error(plain, n), rel=1e-12)
    assert ar1_error(plain, n, rho=0.0) == pytest.approx(iid_error(plain, n), rel=1e-12)


@pytest.mark.parametrize("rho", [-0.3, 0.0, 0.4])
def test_ar1_error_is_the_spread_of_simulated_ratios(rho):
    rng = np.random.default_rng(1)
    shocks = rng.exponential(size=(4000, 700)) - 1
    path = np.zeros_like(shocks)
    for step in range(1, 700):
        path[:, step] = rho * path[:, step - 1] + shocks[:, step]
    path = path[:, 100:]
    true, deviation = 0.2, 1 / math.sqrt(1 - rho**2)
    path = path + true * deviation
    ratios = path.mean(axis=1) / path.std(axis=1)
    # Moments of an AR(1) from those of its shocks (2 and 9 for the exponential).
    skewness = 2 * (1 - rho**2) ** 1.5 / (1 - rho**3)
    kurtosis = 3 + 6 * (1 - rho**2) ** 2 / (1 - rho**4)
    assert ratios.std() == pytest.approx(
        ar1_error(true, 600, rho=rho, skewness=skewness, kurtosis=kurtosis), rel=0.05
    )


def test_what_no_series_can_have_gives_no_error():
    assert math.isnan(ar1_error(0.1, 100, rho=1.0))
    assert math.isnan(iid_error(0.1, 0))
    assert math.isnan(non_normal_error(1.0, 100, skewness=5.0, kurtosis=3.0))


@settings(max_examples=40, deadline=None)
@given(rho=st.floats(-0.9, 0.9), periods=st.integers(2, 300))
def test_annualisation_is_los_closed_form_for_first_order_autocorrelation(rho, periods):
    decay = rho ** np.arange(1, periods + 20)
    expected = math.sqrt(periods) / math.sqrt(
        1 + 2 * rho / (1 - rho) * (1 - (1 - rho**periods) / (periods * (1 - rho)))
    )
    assert annualisation_factor(decay, periods) == pytest.approx(expected, rel=1e-9)
    assert annualisation_factor(np.zeros(5), periods) == pytest.approx(math.sqrt(periods), rel=1e-12)


def test_annualisation_is_the_ratio_of_the_sums_it_speaks_of():
    """For a moving average the variance of q-session sums is known exactly."""
    correlation = 0.4 / (1 + 0.16)
    variance = 1 + 0.16
    summed = 12 * variance + 2 * 11 * 0.4
    expected = 12 / math.sqrt(summed) * math.sqrt(variance)
    assert annualisation_factor(np.array([correlation]), 12) == pytest.approx(expected, rel=1e-12)
    assert math.isnan(annualisation_factor(np.array([-0.9]), 12))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(30, 300), lags=st.integers(1, 25))
def test_autocorrelations_are_those_of_statsmodels(seed, n, lags):
    returns = _returns(n, seed, rho=0.3)
    theirs = acf(returns, nlags=lags, adjusted=False, fft=False)[1:]
    np.testing.assert_allclose(autocorrelations(returns, lags), theirs, rtol=1e-9, atol=1e-12)


def test_autocorrelations_end_with_the_series():
    found = autocorrelations(np.array([1.0, 2.0, 4.0]), 5)
    assert found.shape == (5,)
    assert (found[2:] == 0).all()
    assert (autocorrelations(np.ones(4), 2) == 0).all()


def test_every_method_stands_beside_the_others():
    returns = _returns(1500, 2, rho=0.2)
    found = {item.method: item for item in sharpe_intervals(returns, draws=400)}
    assert list(found) == ["iid", "non_normal", "ar1", "hac", "bootstrap", "studentised", "lo_annual"]
    value, low, high = sharpe_interval(returns)
    assert (found["hac"].value, found["hac"].low, found["hac"].high) == pytest.approx((value, low, high), rel=1e-12)
    sharpe, skewness, kurtosis, n = sharpe_moments(returns)
    rho = float(acf(returns, nlags=1, adjusted=False)[1])
    assert found["ar1"].error == pytest.approx(
        ar1_error(sharpe, n, rho=rho, skewness=skewness, kurtosis=kurtosis) * math.sqrt(252), rel=1e-9
    )
    # Positive autocorrelation widens what knows of it, and shrinks what is annualised by it.
    assert found["iid"].error < min(found[name].error for name in ("ar1", "hac", "bootstrap", "studentised"))
    assert found["lo_annual"].value == pytest.approx(
        sharpe * annualisation_factor(acf(returns, nlags=251, adjusted=False)[1:], 252), rel=1e-9
    )
    again = bootstrap(returns, draws=400, seed=0)
    assert (found["bootstrap"].low, found["bootstrap"].high) == (again.low, again.high)
    assert all(item.low < value < item.high for name, item in found.items() if name != "lo_annual")


@pytest.mark.parametrize("returns", [np.zeros(50), np.array([0.1, 0.2]), np.array([])])
def test_where_there_is_no_ratio_there_is_no_error(returns):
    assert sharpe_intervals(returns) == ()
    assert len(returns) == 0 or studentised_sharpe(returns) is None


def test_studentised_bootstrap_of_one_session_a_block_by_hand():
    """Blocks of one are the ordinary bootstrap: each draw's error is Mertens', with its own moments."""
    returns = _returns(60, 3)
    found = studentised_sharpe(returns, draws=300, seed=5, block=1)
    starts = np.random.default_rng(5).integers(0, 60, (300, 60))
    sharpe = returns.mean() / returns.std(ddof=1)
    distances = []
    for rows in starts:
        drawn = returns[rows]
        ratio = drawn.mean() / drawn.std(ddof=1)
        pull = stats.zscore(drawn, ddof=1) - ratio / 2 * (stats.zscore(drawn, ddof=1) ** 2 - 1)
        distances.append(abs(ratio - sharpe) / (math.sqrt((pull**2).mean()) / math.sqrt(60)))
    assert found.critical == pytest.approx(np.quantile(distances, 0.95), rel=1e-9)
    error = sharpe_hac_error(returns, lag=0)
    half = found.critical * error * math.sqrt(252)
    assert (found.low, found.high) == pytest.approx(
        (sharpe * math.sqrt(252) - half, sharpe * math.sqrt(252) + half), rel=1e-9
    )
    large = (np.array(distances) >= abs(sharpe) / error).sum()
    assert found.p_value == pytest.approx((1 + large) / 301)


def test_studentised_bootstrap_holds_what_it_says():
    """250 draws of 300 dependent, fat-tailed returns with a known ratio."""
    true = 0.08
    covered = []
    for seed in range(250):
        returns = _returns(300, seed, rho=0.2, mean=0.0)
        deviation = 0.01 * math.sqrt(6 / 4) / math.sqrt(1 - 0.04)
        found = studentised_sharpe(returns + true * deviation, periods=1, draws=250, seed=seed)
        covered.append(found.low <= true <= found.high)
    assert 0.90 <= np.mean(covered) <= 0.985


def test_blocks_are_at_least_half_the_hac_window_and_at_most_a_quarter_of_the_sample():
    calm = np.random.default_rng(6).normal(size=1000)
    assert studentised_sharpe(calm, draws=50).block == 21
    assert studentised_sharpe(calm[:5], draws=50).block == 1


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_resamples_made_elsewhere_are_the_same(workers: int, monkeypatch):
    """In tasks of 37 resamples, the last of fewer."""
    one, two = _returns(120, 1, 0.2), _returns(120, 2, 0.2)
    monkeypatch.setattr("assay.results.stats.bootstrap._CHUNK", 37 * 120)
    with Workers("process", workers) as on:
        alone = [studentised_sharpe(one, draws=100, block=6, executor=where) for where in ("serial", on)]
        paired = [sharpe_difference(one, two, draws=100, block=6, executor=where) for where in ("serial", on)]
    assert alone[0] == alone[1]
    assert paired[0] == paired[1]
    assert (alone[0].draws, alone[0].critical != paired[0].critical) == (100, True)


def test_an_unknown_executor_is_refused_where_one_task_is_all_there_is():
    one, two = _returns(60, 1, 0.2), _returns(60, 2, 0.2)
    for executor, workers in (("sereal", None), ("process", 0)):
        with pytest.raises(InputError, match=r"executor: must be|workers: must be"):
            studentised_sharpe(one, draws=10, executor=executor, workers=workers)
        with pytest.raises(InputError, match=r"executor: must be|workers: must be"):
            sharpe_difference(one, two, draws=10, executor=executor, workers=workers)


def test_studentised_bootstrap_needs_four_blocks():
    assert studentised_sharpe(_returns(30, 4), block=8) is None
    assert studentised_sharpe(_returns(32, 4), block=8) is not None


class TestDifference:
    def pair(self, seed: int, n: int = 500, gap: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        common = rng.normal(0, 0.01, n)
        return common + rng.normal(gap, 0.006, n), common + rng.normal(0, 0.006, n)

    def test_the_error_is_the_delta_method_on_four_moments(self) -> None:
        """Ledoit & Wolf's gradient and statsmodels' HAC covariance, instead of what each session adds."""
        from statsmodels.stats.sandwich_covariance import S_hac_simple

        one, two = self.pair(1)
        found = sharpe_difference(one, two, block=8, draws=50)
        assert found is not None
        moments = np.column_stack([one, two, one**2, two**2])
        a, b, c, d = moments.mean(axis=0)
        gradient = np.array([c / (c - a**2) ** 1.5, -d / (d - b**2) ** 1.5, -a / (c - a**2) ** 1.5 / 2,
                             b / (d - b**2) ** 1.5 / 2])  # fmt: skip
        centred = moments - moments.mean(axis=0)
        covariance = S_hac_simple(centred, nlags=7) / len(one)
        error = np.sqrt(gradient @ covariance @ gradient / len(one)) * np.sqrt(252)
        assert found.error == pytest.approx(error, rel=3e-3)  # ddof 1 instead of 0
        ratios = [x.mean() / x.std(ddof=1) * np.sqrt(252) for x in (one, two)]
        assert found.value == pytest.approx(ratios[0] - ratios[1])

    def test_it_is_antisymmetric_and_repeatable(self) -> None:
        one, two = self.pair(2)
        there, back = sharpe_difference(one, two, draws=300), sharpe_difference(two, one, draws=300)
        assert there is not None
        assert back is not None
        assert (there.low, there.p_value) == (pytest.approx(-back.high), back.p_value)

    def test_it_keeps_its_size_and_sees_a_difference(self) -> None:
        under = [sharpe_difference(*self.pair(seed, 250), draws=199, seed=seed) for seed in range(300)]
        wrong = np.mean([item is not None and item.p_value <= 0.05 for item in under])
        assert 0.02 < wrong < 0.085
        clear = sharpe_difference(*self.pair(5, gap=0.002), draws=300)
        assert clear is not None
        assert clear.low > 0

    def test_what_cannot_be_compared(self) -> None:
        one, two = self.pair(3)
        assert sharpe_difference(one, one) is None
        assert sharpe_difference(one, np.zeros(500)) is None
        with pytest.raises(InputError, match="common"):
            sharpe_difference(one, two[:-1])
