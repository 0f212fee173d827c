"""Tests of forecasts against statsmodels, scipy and slow loops, and what they say where nothing can be tested."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.errors import InputError
from assay.results.stats import blocks
from assay.results.stats import forecast_tests as ft
from assay.results.stats.naive_forecasts import AgainstNaive, against_naive

RUNS = settings(max_examples=20, deadline=None)


def panel(seed: int, sessions: int = 60, names: int = 4, hidden: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    actual = rng.normal(0.001, 0.02, (sessions, names)) + rng.normal(0, 0.01, (sessions, 1))
    predicted = 0.2 * actual + rng.normal(0, 0.005, actual.shape)
    predicted[rng.random(actual.shape) < hidden] = np.nan
    return predicted, actual


def slow_means(values: np.ndarray) -> np.ndarray:
    rows = [[value for value in row if not math.isnan(value)] for row in values.tolist()]
    return np.array([sum(row) / len(row) for row in rows if row])


def slow_t(series: np.ndarray, horizon: int) -> tuple[float, str]:
    n, mean = len(series), sum(series) / len(series)

    def gamma(lag: int) -> float:
        return sum((series[i] - mean) * (series[i - lag] - mean) for i in range(lag, n)) / n

    long_run, kind = gamma(0) + 2 * sum(gamma(lag) for lag in range(1, horizon)), "uniform"
    if long_run <= 1e-12 * gamma(0):
        long_run = gamma(0) + 2 * sum((1 - lag / horizon) * gamma(lag) for lag in range(1, horizon))
        kind = "Bartlett"
    factor = math.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    return mean / math.sqrt(long_run / n) * factor, kind


@RUNS
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_diebold_mariano_is_that_of_a_plain_loop(seed, horizon):
    predicted, actual = panel(seed)
    for loss, size in (("squared", np.square), ("absolute", np.abs)):
        found = ft.diebold_mariano(actual - predicted, actual + 0 * predicted, horizon=horizon, loss=loss)
        series = slow_means(size(actual - predicted) - size(actual))
        statistic, kind = slow_t(series, horizon)
        assert found.statistic == pytest.approx(statistic, rel=1e-9)
        assert (found.n, found.lag, found.weights) == (len(series), horizon - 1, kind)
        assert found.mean == pytest.approx(series.mean(), rel=1e-9)


@RUNS
@given(st.integers(0, 10**6))
def test_at_one_session_it_is_the_t_of_a_mean(seed):
    from scipy import stats

    predicted, actual = panel(seed)
    found = ft.diebold_mariano(actual - predicted, actual)
    expected = stats.ttest_1samp(slow_means((actual - predicted) ** 2 - actual**2 - 0 * predicted), 0.0)
    assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)


@RUNS
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_the_variance_is_that_of_statsmodels(seed, horizon):
    from statsmodels.stats.sandwich_covariance import S_hac_simple, weights_uniform

    rng = np.random.default_rng(seed)
    series = np.convolve(rng.normal(size=90), np.ones(horizon), "valid") / horizon
    found = ft.session_t(series, horizon)
    n = len(series)
    centred = (series - series.mean())[:, None]
    lag = horizon - 1
    scale = {"uniform": S_hac_simple(centred, lag, weights_uniform), "Bartlett": S_hac_simple(centred, lag)}
    error = math.sqrt(scale[found.weights].item()) / n
    factor = math.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    assert found.statistic == pytest.approx(series.mean() / error * factor, rel=1e-9)


def test_a_variance_that_is_not_positive_takes_bartlett_weights():
    series = np.tile([1.0, -1.0], 20) + np.linspace(0, 0.1, 40)
    found = ft.session_t(series, 2)
    statistic, kind = slow_t(series, 2)
    assert kind == found.weights == "Bartlett"
    assert found.statistic == pytest.approx(statistic, rel=1e-9)


@RUNS
@given(st.integers(0, 10**6))
def test_clark_west_is_the_t_of_a_regression_on_a_constant(seed):
    import statsmodels.api as sm
    from scipy import stats

    predicted, actual = panel(seed)
    naive = np.full_like(actual, 0.001)
    found = ft.clark_west(predicted, actual, naive)
    adjusted = (actual - naive) ** 2 - (actual - predicted) ** 2 + (naive - predicted) ** 2
    series = slow_means(adjusted)
    line = sm.OLS(series, np.ones(len(series))).fit()
    assert found.statistic == pytest.approx(line.tvalues[0], rel=1e-9)
    assert found.p_value == pytest.approx(stats.norm.sf(line.tvalues[0]), rel=1e-9)
    # (y − m)² − (y − ŷ)² + (m − ŷ)² = 2(y − m)(ŷ − m)
    assert found.mean == pytest.approx(slow_means(2 * (actual - naive) * (predicted - naive)).mean(), rel=1e-9)


@RUNS
@given(st.integers(0, 10**6))
def test_ratios_are_those_of_loops_and_scikit_learn(seed):
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    predicted, actual = panel(seed)
    known = np.isfinite(predicted)
    p, y = predicted[known], actual[known]
    u2 = root_mean_squared_error(y, p) / root_mean_squared_error(y, np.zeros_like(y))
    assert ft.theil_u2(predicted, actual) == pytest.approx(u2, rel=1e-9)
    mean = np.full_like(actual, y.mean())
    assert ft.out_of_sample_r2(predicted, actual, mean) == pytest.approx(r2_score(y, p), rel=1e-9)
    assert ft.theil_u2(predicted, actual, mean) ** 2 == pytest.approx(1 - r2_score(y, p), rel=1e-9)
    scale = np.array([0.01, 0.02, 0.03, 0.04])
    each = [abs(actual[t, i] - predicted[t, i]) / scale[i] for t, i in zip(*np.nonzero(known), strict=True)]
    assert ft.mase(predicted, actual, scale) == pytest.approx(sum(each) / len(each), rel=1e-9)
    assert ft.mase(p, y, 0.02) == pytest.approx(mean_absolute_error(y, p) / 0.02, rel=1e-9)


@pytest.mark.parametrize(("hidden", "values"), [(0, 1 << 16), (0.2, 40)])
def test_against_naive_has_the_figures_of_one_at_a_time(hidden, values, monkeypatch):
    monkeypatch.setattr(blocks, "_VALUES", values)
    predicted, actual = panel(5, hidden=hidden)
    means = ft.historical_mean(actual, known_after=2, minimum=5)
    found = against_naive(predicted, actual, means, horizon=2)
    known = np.isfinite(predicted) & np.isfinite(actual)
    assert found == AgainstNaive(
        int(known.sum()),
        pytest.approx(ft.out_of_sample_r2(predicted, actual, np.full_like(actual, actual[known].mean())), rel=1e-12),
        ft.theil_u2(predicted, actual),
        ft.out_of_sample_r2(predicted, actual, means),
        ft.diebold_mariano(actual - predicted, actual, horizon=2),
        ft.clark_west(predicted, actual, means, horizon=2),
    )


def test_u2_of_returns_is_that_of_relative_changes_of_levels():
    before, level = np.array([100.0, 102.0, 99.0]), np.array([102.0, 99.0, 105.0])
    foretold = np.array([101.0, 101.0, 103.0])
    above, below = (foretold - level) / before, (before - level) / before
    expected = math.sqrt((above**2).sum() / (below**2).sum())
    assert ft.theil_u2(foretold / before - 1, level / before - 1) == pytest.approx(expected, rel=1e-12)


@RUNS
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_the_historical_mean_knows_only_what_is_known(seed, known_after):
    _, forward = panel(seed, hidden=0)
    forward[:7, 1] = np.nan
    found = ft.historical_mean(forward, known_after=known_after, minimum=5)
    for t in range(len(forward)):
        for i in range(forward.shape[1]):
            past = [forward[s, i] for s in range(t - known_after + 1) if not math.isnan(forward[s, i])]
            expected = sum(past) / len(past) if len(past) >= 5 else math.nan
            assert found[t, i] == pytest.approx(expected, rel=1e-9, nan_ok=True)
    later = forward.copy()
    later[30:] += 1
    assert np.array_equal(
        ft.historical_mean(later, known_after=known_after, minimum=5)[: 30 + known_after],
        found[: 30 + known_after],
        equal_nan=True,
    )


@RUNS
@given(st.integers(0, 10**6))
def test_pesaran_timmermann_is_that_of_counted_signs(seed):
    rng = np.random.default_rng(seed)
    actual = rng.normal(0.2, 1, 80)
    predicted = 0.3 * actual + rng.normal(0, 1, 80)
    found = ft.pesaran_timmermann(predicted, actual)
    n = 80
    hits = sum((a > 0) == (b > 0) for a, b in zip(predicted, actual, strict=True)) / n
    x, y = sum(predicted > 0) / n, sum(actual > 0) / n
    chance = x * y + (1 - x) * (1 - y)
    var = chance * (1 - chance) / n
    var_chance = (2 * y - 1) ** 2 * x * (1 - x) / n + (2 * x - 1) ** 2 * y * (1 - y) / n + 4 * x * y * (1 - x) * (
        1 - y
    ) / n**2
    assert found.statistic == pytest.approx((hits - chance) / math.sqrt(var - var_chance), rel=1e-9)
    assert found.mean == pytest.approx(hits - chance, rel=1e-9)


def test_pesaran_timmermann_is_close_to_the_root_of_chi_square():
    """The square of the statistic tends to the χ² of the 2 × 2 table of signs (Pesaran & Timmermann 1994)."""
    from scipy import stats

    rng = np.random.default_rng(0)
    actual = rng.normal(0.1, 1, 20_000)
    predicted = 0.02 * actual + rng.normal(0, 1, 20_000)
    counts = np.histogram2d(predicted > 0, actual > 0, bins=2)[0]
    chi = stats.chi2_contingency(counts, correction=False).statistic
    assert ft.pesaran_timmermann(predicted, actual).statistic ** 2 == pytest.approx(chi, rel=2e-3)
    assert ft.pesaran_timmermann_panel(predicted, actual).statistic ** 2 == pytest.approx(chi, rel=2e-3)


@RUNS
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_the_panel_form_takes_sessions_as_cases(seed, horizon):
    predicted, actual = panel(seed)
    found = ft.pesaran_timmermann_panel(predicted, actual, horizon=horizon)
    known = np.isfinite(predicted)
    x, y = (predicted[known] > 0).mean(), (actual[known] > 0).mean()
    sums = [
        sum(2 * ((p > 0) - x) * ((a > 0) - y) for p, a in zip(row, other, strict=True) if not math.isnan(p))
        for row, other in zip(predicted, actual, strict=True)
        if np.isfinite(row).any()
    ]
    assert found.statistic == pytest.approx(slow_t(np.array(sums), horizon)[0], rel=1e-9)
    hits = ((predicted > 0) == (actual > 0))[known].mean()
    assert found.mean == pytest.approx(hits - (x * y + (1 - x) * (1 - y)), rel=1e-9, abs=1e-12)


def test_twins_do_not_make_a_test_surer():
    predicted, actual = panel(3, names=1, hidden=0)
    twice = np.repeat(predicted, 5, axis=1), np.repeat(actual, 5, axis=1)
    naive = np.zeros_like(actual)
    one = [
        ft.diebold_mariano(actual - predicted, actual),
        ft.clark_west(predicted, actual, naive),
        ft.pesaran_timmermann_panel(predicted, actual),
    ]
    five = [
        ft.diebold_mariano(twice[1] - twice[0], twice[1]),
        ft.clark_west(*twice, np.repeat(naive, 5, axis=1)),
        ft.pesaran_timmermann_panel(*twice),
    ]
    for alone, together in zip(one, five, strict=True):
        assert together.statistic == pytest.approx(alone.statistic, rel=1e-9)


def test_sizes_are_near_their_nominal_level():
    """On names that move together and windows that overlap, no skill is found in about one of twenty."""
    rng = np.random.default_rng(11)
    signs, equal, nested = [], [], []
    for _ in range(300):
        steps = rng.normal(0, 0.01, (260, 5)) + rng.normal(0, 0.02, (260, 1))
        actual = steps[:-4] + steps[1:-3] + steps[2:-2]
        one, two = rng.normal(0, 0.01, (2, *actual.shape))
        signs.append(ft.pesaran_timmermann_panel(one, actual, horizon=3).p_value < 0.05)
        equal.append(ft.diebold_mariano(actual - one, actual - two, horizon=3).p_value < 0.05)
        nested.append(ft.clark_west(one, actual, np.zeros_like(actual), horizon=3).p_value < 0.05)
    for found in (signs, equal, nested):
        assert 0.02 <= np.mean(found) <= 0.09


NOTHING = np.full(20, np.nan)
NOISE = np.random.default_rng(0).normal(size=20)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (ft.diebold_mariano(NOISE[:2], NOISE[2:4]), "2 sessions; at least 3"),
        (ft.diebold_mariano(NOISE[:6], NOISE[6:12], horizon=3), "6 sessions; at least 7"),
        (ft.diebold_mariano(NOTHING, NOISE), "0 sessions"),
        (ft.diebold_mariano(NOISE, NOISE), "no difference on any session"),
        (ft.diebold_mariano(np.ones(20), np.zeros(20)), "the same on every session"),
        (ft.clark_west(np.zeros(20), NOISE, np.zeros(20)), "no difference on any session"),
        (ft.pesaran_timmermann(NOISE[:2], NOISE[:2]), "2 cases"),
        (ft.pesaran_timmermann(np.ones(20), NOISE), "every forecast has the same sign"),
        (ft.pesaran_timmermann(NOISE, np.zeros(20)), "every outcome has the same sign"),
        (ft.pesaran_timmermann_panel(np.zeros(20), NOISE), "every forecast has the same sign"),
        (ft.pesaran_timmermann_panel(NOISE, np.ones(20)), "every outcome has the same sign"),
        (ft.pesaran_timmermann_panel(NOTHING, NOISE), "no case is known"),
        (ft.pesaran_timmermann_panel(np.array([1.0, -1.0]), np.array([1.0, -1.0])), "2 sessions"),
    ],
)
def test_what_cannot_be_tested_says_why(found, reason):
    assert math.isnan(found.statistic)
    assert math.isnan(found.p_value)
    assert reason in found.reason


def test_ratios_without_a_base_are_nan():
    zeros = np.zeros(5)
    assert math.isnan(ft.theil_u2(NOISE[:5], zeros))
    assert math.isnan(ft.out_of_sample_r2(NOISE[:5], zeros, zeros))
    assert math.isnan(ft.mase(NOISE[:5], zeros, 0.0))
    assert math.isnan(ft.theil_u2(NOTHING, NOISE))
    same = np.full(7, 0.1)
    rounded = np.full(7, sum(same) / 7 + 1e-17)
    assert math.isnan(ft.out_of_sample_r2(NOISE[:7], same, rounded))


@pytest.mark.parametrize(
    "call",
    [
        lambda: ft.diebold_mariano(NOISE, NOISE[:5]),
        lambda: ft.diebold_mariano(NOISE, NOISE, loss="cubed"),
        lambda: ft.diebold_mariano(NOISE, NOISE[::-1], horizon=0),
        lambda: ft.pesaran_timmermann(NOISE[:, None], NOISE[:, None]),
        lambda: ft.historical_mean(NOISE, known_after=0),
        lambda: ft.theil_u2(NOISE, NOISE[:3]),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(InputError):
        call()
