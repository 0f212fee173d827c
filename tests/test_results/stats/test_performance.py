"""Metrics, HAC errors and information coefficients against statsmodels, scipy and published examples."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.signal import lfilter
from scipy.stats import norm

from assay.data.errors import InputError, InsufficientEvidenceError
from assay.data.returns import drawdown_series
from assay.data.row_tables import RowFrame
from assay.results.stats import blocks, ranks
from assay.results.stats.deflated_sharpe import (
    deflated_sharpe,
    effective_sessions,
    expected_maximum,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_moments,
)
from assay.results.stats.information_coefficient import (
    ic_decay,
    ic_metrics,
    ic_table,
    quantile_returns,
    yearly_ic,
)
from assay.results.stats.long_run_variance import critical_value, hac_mean, lag_rule, regress, sharpe_hac_error
from assay.results.stats.overfitting import effective_trials, probability_of_overfitting
from assay.results.stats.performance import (
    drawdowns,
    monthly_returns,
    performance_metrics,
    relative_metrics,
    rolling,
    sharpe_interval,
    yearly_returns,
)
from assay.results.stats.proportions import wilson_interval
from assay.results.stats.ranks import PairedRanks, average_ranks, rank_correlation, row_correlation


def series(seed: int, n: int = 300, scale: float = 0.01) -> pd.Series:
    rng = np.random.default_rng(seed)
    return pd.Series(rng.standard_t(5, n) * scale + 0.0005, pd.bdate_range("2018-01-01", periods=n))


def named(metrics, name):
    return next(metric for metric in metrics if metric.name == name)


def test_moments_are_those_of_scipy():
    returns = series(0)
    found = performance_metrics(returns, "net")
    assert named(found, "skewness_net").value == pytest.approx(stats.skew(returns), rel=1e-9)
    assert named(found, "kurtosis_net").value == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-9)
    assert named(found, "var_95_net").value == pytest.approx(np.percentile(returns, 5), rel=1e-9)


def test_every_metric_says_what_it_is():
    for metric in performance_metrics(series(1), "gross"):
        assert metric.convention.startswith("gross") or "gross" in metric.convention
        assert metric.n == 300
        assert metric.start == "2018-01-01"


def test_by_hand():
    returns = pd.Series([0.1, -0.5, 0.2, 0.0], pd.bdate_range("2020-01-01", periods=4))
    found = performance_metrics(returns, "net")
    assert named(found, "max_drawdown_net").value == pytest.approx(-0.5)
    assert named(found, "total_return_net").value == pytest.approx(1.1 * 0.5 * 1.2 - 1)
    hit = named(found, "hit_session_net")
    assert (hit.value, hit.n) == (pytest.approx(2 / 3), 3)
    # A loss on the first day is a drawdown from the start.
    first = pd.Series([-0.2, 0.0], pd.bdate_range("2020-01-01", periods=2))
    assert named(performance_metrics(first, "net"), "max_drawdown_net").value == pytest.approx(-0.2)


@pytest.mark.parametrize("values", [[], [0.01], [0.0] * 50, [0.001] * 50, [-1.0, 0.5, 0.1]])
def test_degenerate_series_give_reasons_not_numbers(values):
    returns = pd.Series(values, pd.bdate_range("2020-01-01", periods=len(values)), dtype=float)
    for metric in performance_metrics(returns, "net"):
        assert math.isfinite(metric.value) or metric.reason
        assert not abs(metric.value) > 1e6


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("lag", [0, 4])
def test_regression_equals_statsmodels(seed, lag):
    y, x = series(seed).to_numpy(), series(seed + 50).to_numpy()
    y = y + 0.4 * x
    ours = regress(y, x, lag=lag)
    theirs = sm.OLS(y, sm.add_constant(x)).fit(cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False})
    assert ours is not None
    assert (ours.alpha, ours.beta) == pytest.approx(tuple(theirs.params), rel=1e-9)
    assert (ours.alpha_error, ours.beta_error) == pytest.approx(tuple(theirs.bse), rel=1e-9)
    assert ours.r2 == pytest.approx(theirs.rsquared, rel=1e-9)
    assert ours.alpha_t == pytest.approx(theirs.tvalues[0], rel=1e-9)
    np.testing.assert_allclose(ours.residuals, theirs.resid + theirs.params[0], atol=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_hac_mean_equals_statsmodels(seed):
    values = series(seed).to_numpy()
    for lag in (0, 3, 10):
        theirs = sm.OLS(values, np.ones(len(values))).fit(
            cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False}
        )
        mean, error, t, used = hac_mean(values, lag=lag)
        assert used == lag
        assert (mean, error, t) == pytest.approx((theirs.params[0], theirs.bse[0], theirs.tvalues[0]), rel=1e-9)


def test_lag_rule():
    assert [lag_rule(n) for n in (0, 1, 10, 100, 1000)] == [0, 0, 4, 12, 41]
    assert lag_rule(1000, horizon=20) == 59
    assert lag_rule(1000, horizon=5) == 41
    assert lag_rule(3, horizon=20) == 2


def test_critical_values_are_those_of_a_t_with_a_window_of_that_share():
    draws = np.random.default_rng(0).normal(size=(800, 300))
    for share in (0.02, 0.2, 0.5):
        lag = int(share * 300) - 1
        found = np.array([hac_mean(row, lag=lag)[2] for row in draws])
        assert (np.abs(found) > critical_value(300, lag)).mean() == pytest.approx(0.05, abs=0.023)
    assert critical_value(10**9, 0) == pytest.approx(stats.norm.ppf(0.975), rel=1e-6)
    assert critical_value(100, 99) == critical_value(100, 500) == pytest.approx(4.8130, abs=1e-3)
    shares = [critical_value(1000, lag) for lag in range(1000)]
    assert shares == sorted(shares)


def test_an_interval_reaches_the_critical_value_times_the_error():
    returns = series(5)
    n, lag = len(returns), lag_rule(len(returns))
    value, low, high = sharpe_interval(returns.to_numpy())
    half = critical_value(n, lag) * sharpe_hac_error(returns.to_numpy(), lag=lag) * math.sqrt(252)
    assert (value - low, high - value) == pytest.approx((half, half), rel=1e-9)
    assert f"lag {lag}, critical {critical_value(n, lag):.2f}" in performance_metrics(returns, "net")[0].convention


def test_sharpe_error_is_los_for_independent_normals():
    returns = np.random.default_rng(0).normal(0.001, 0.01, 200_000)
    sharpe = returns.mean() / returns.std()
    assert sharpe_hac_error(returns, lag=0) == pytest.approx(math.sqrt((1 + sharpe**2 / 2) / len(returns)), rel=0.01)


def test_sharpe_error_is_mertens_without_lags():
    returns = series(3).to_numpy()
    _, skewness, kurtosis, n = sharpe_moments(returns)
    sharpe = returns.mean() / returns.std()
    expected = math.sqrt((1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2) / n)
    assert sharpe_hac_error(returns, lag=0) == pytest.approx(expected, rel=1e-9)


def test_relative_metrics():
    market = series(1)
    returns = 0.8 * market + series(2)
    little = named(relative_metrics(0.04 * market + series(2), market, "net"), "information_ratio_net")
    assert math.isnan(little.value)
    assert "mostly the benchmark's" in little.reason
    flat = relative_metrics(returns, market * 0.0, "net")
    assert all(math.isnan(metric.value) and metric.reason for metric in flat)


def test_drawdown_table_by_hand():
    index = pd.bdate_range("2020-01-01", periods=6)
    table = drawdowns(pd.Series([0.1, -0.2, 0.3, -0.1, 0.05, 0.0], index))
    assert table["depth"].tolist() == pytest.approx([-0.2, -0.1])
    assert table["trough"].tolist() == [index[1], index[3]]
    assert table["recovery"].iloc[0] == index[2]
    assert pd.isna(table["recovery"].iloc[1])
    assert table["sessions"].tolist() == [2, 3]


def test_calendar_tables_compound():
    returns = series(4, 500)
    monthly, yearly = monthly_returns(returns), yearly_returns(returns)
    np.testing.assert_allclose((1 + monthly.fillna(0)).prod(axis=1) - 1, yearly, atol=1e-12)
    assert (1 + yearly).prod() == pytest.approx((1 + returns).prod())
    table = rolling(returns, series(5, 500), 60)
    window = returns.iloc[100:160]
    assert table["sharpe"].iloc[159] == pytest.approx(window.mean() / window.std() * math.sqrt(252))
    assert table["beta"].iloc[159] == pytest.approx(np.polyfit(series(5, 500).iloc[100:160], window, 1)[0])


class TestPublished:
    def test_probabilistic_sharpe(self):
        # Bailey & López de Prado (2012): monthly 0.458 over two years.
        assert probabilistic_sharpe(0.458, 24) == pytest.approx(0.982, abs=5e-4)
        assert probabilistic_sharpe(0.458, 24, skewness=-2.448, kurtosis=10.164) == pytest.approx(0.913, abs=5e-4)

    @pytest.mark.parametrize(
        ("periods", "years", "skewness", "kurtosis"),
        [(252, 2.73, 0, 3), (52, 2.83, 0, 3), (12, 3.24, 0, 3), (12, 4.99, -0.72, 5.78)],
    )
    def test_minimum_track_record(self, periods, years, skewness, kurtosis):
        sharpe, threshold = 2 / math.sqrt(periods), 1 / math.sqrt(periods)
        needed = minimum_track_record(sharpe, threshold=threshold, skewness=skewness, kurtosis=kurtosis)
        assert needed / periods == pytest.approx(years, abs=6e-3)

    @pytest.mark.parametrize(("trials", "expected"), [(100, 0.9004), (46, 0.9505)])
    def test_deflated_sharpe(self, trials, expected):
        # Bailey & López de Prado (2014): annual 2.5 over five years of 250 days, variance of trials 1/2 a year.
        threshold = math.sqrt(0.5 / 250) * expected_maximum(trials)
        found = probabilistic_sharpe(2.5 / math.sqrt(250), 1250, threshold=threshold, skewness=-3, kurtosis=10)
        assert found == pytest.approx(expected, abs=5e-5)
        if trials == 100:
            assert threshold == pytest.approx(0.1132, abs=5e-5)

    def test_wilson(self):
        assert wilson_interval(16, 28) == pytest.approx((0.391, 0.735), abs=5e-4)


def test_expected_maximum():
    assert [round(expected_maximum(n), 3) for n in (2, 5, 100)] == [0.520, 1.193, 2.531]
    assert [round(expected_maximum(n, exact=True), 3) for n in (2, 5, 100)] == [0.564, 1.163, 2.508]
    assert expected_maximum(2, exact=True) == pytest.approx(1 / math.sqrt(math.pi), rel=1e-9)
    assert expected_maximum(1) == 0
    with pytest.raises(InputError):
        expected_maximum(0)


def test_deflation_uses_the_ledgers_dispersion_or_the_sampling_floor():
    returns = series(7).to_numpy()
    alone = deflated_sharpe(returns, np.array([0.05]))
    assert alone.trials == 1
    assert alone.threshold == 0
    # Φ(SR over its HAC error), the error widened for its own noise.
    n, lag = len(returns), lag_rule(len(returns))
    error = sharpe_hac_error(returns) * critical_value(n, lag) / norm.ppf(0.975)
    assert alone.probability == pytest.approx(norm.cdf(sharpe_moments(returns)[0] / error), rel=1e-9)
    alike = deflated_sharpe(returns, np.array([0.05, 0.05, 0.05]))
    assert alike.dispersion == pytest.approx(1 / effective_sessions(returns))
    spread = deflated_sharpe(returns, np.array([-0.3, 0.0, 0.3]))
    assert spread.dispersion == pytest.approx(0.09)
    assert deflated_sharpe(returns, np.array([0.05]), trials=50).threshold > alike.threshold


@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_probabilistic_sharpe_keeps_its_size_under_autocorrelation(rho):
    rng = np.random.default_rng(11)
    sure = []
    for _ in range(800):
        returns = lfilter([1.0], [1.0, -rho], rng.normal(0, 0.01, 1100))[100:]
        sharpe, skewness, kurtosis, _ = sharpe_moments(returns)
        n = effective_sessions(returns)
        sure.append(probabilistic_sharpe(sharpe, n, skewness=skewness, kurtosis=kurtosis) >= 0.95)
    assert 0.03 < np.mean(sure) < 0.075


def crossed(seed: int, sessions: int = 40, assets: int = 30):
    rng = np.random.default_rng(seed)
    score = rng.integers(-4, 5, (sessions, assets)).astype(float)
    score[rng.random(score.shape) < 0.1] = np.nan
    score[0, :5] = [0.0, -0.0, 0.0, -0.0, 1e-300]
    forward = rng.normal(size=score.shape)
    forward[rng.random(score.shape) < 0.1] = np.nan
    score[3] = 2.0
    score[4, 5:] = np.nan
    index = pd.bdate_range("2020-01-01", periods=sessions)
    names = [f"A{i}" for i in range(assets)]
    return pd.DataFrame(score, index, names), pd.DataFrame(forward, index, names)


@pytest.mark.parametrize("seed", range(10))
def test_ranks_and_correlations_equal_scipy(seed):
    score, forward = crossed(seed)
    np.testing.assert_allclose(
        average_ranks(score.to_numpy()), stats.rankdata(score, axis=1, nan_policy="omit"), atol=0
    )
    ranked, n = rank_correlation(score.to_numpy(), forward.to_numpy())
    plain, _ = row_correlation(score.to_numpy(), forward.to_numpy())
    for t in range(len(score)):
        both = score.iloc[t].notna() & forward.iloc[t].notna()
        x, y = score.iloc[t][both], forward.iloc[t][both]
        assert n[t] == len(x)
        if len(x) < 10 or x.nunique() < 2:
            assert np.isnan(ranked[t])
            assert np.isnan(plain[t])
        else:
            assert ranked[t] == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
            assert plain[t] == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)


@pytest.mark.parametrize("size", [1 << 19, 700])
def test_ranks_that_are_kept_are_those_made_anew(size, monkeypatch):
    monkeypatch.setattr(ranks, "_BLOCK_BYTES", size)
    score, forward = (frame.round(1) for frame in crossed(3))
    kept = PairedRanks(score.to_numpy(), forward.to_numpy())
    both = score.where(forward.notna())
    np.testing.assert_array_equal(kept[7:12], 2 * both[7:12].rank(axis=1).fillna(0))
    np.testing.assert_array_equal(kept.correlation(), rank_correlation(score.to_numpy(), forward.to_numpy()))
    pd.testing.assert_frame_equal(ic_table(score, forward, ranks=kept), ic_table(score, forward), rtol=0)
    fifths = (quantile_returns(score, forward, ranks=each) for each in (kept, None))
    pd.testing.assert_frame_equal(next(fifths).by_session, next(fifths).by_session, rtol=0)


def test_ranks_of_values_that_differ_in_the_last_digits():
    rng = np.random.default_rng(0)
    values = 1.0 + rng.integers(0, 50, (200, 40)) * 2.0**-52
    np.testing.assert_array_equal(average_ranks(values), stats.rankdata(values, axis=1))
    wide = rng.normal(size=(20, 3000))
    np.testing.assert_array_equal(average_ranks(wide), stats.rankdata(wide, axis=1))
    assert average_ranks(np.array([[5.0]])).tolist() == [[1.0]]


def test_ic_metrics_by_hand():
    score, forward = crossed(1)
    table = ic_table(score, forward)
    found = ic_metrics(table, horizon=3)
    values = table["rank_ic"].dropna().to_numpy()
    assert named(found, "rank_ic_mean").value == pytest.approx(values.mean())
    assert named(found, "rank_ic_ir").value == pytest.approx(values.mean() / values.std(ddof=1))
    assert named(found, "rank_ic_mean").n == len(values)
    apart = values[::3]
    theirs = stats.ttest_1samp(apart, 0.0)
    assert named(found, "rank_ic_t_apart").value == pytest.approx(theirs.statistic, rel=1e-12)
    assert named(found, "rank_ic_t_apart").n == len(apart)
    assert f"critical {stats.t.ppf(0.975, theirs.df):.2f}" in named(found, "rank_ic_t_apart").convention
    assert f"lag {lag_rule(len(values), 3)}, critical" in named(found, "rank_ic_t").convention
    assert "2 skipped" in named(found, "rank_ic_mean").convention
    years = yearly_ic(table)
    assert years.loc[2020, "rank_ic"] == pytest.approx(np.nanmean(table["rank_ic"]))


def test_decay_finds_the_session_that_was_planted():
    rng = np.random.default_rng(0)
    index = pd.bdate_range("2020-01-01", periods=300)
    returns = pd.DataFrame(rng.normal(size=(300, 25)), index, [f"A{i}" for i in range(25)])
    score = returns.shift(-3) + rng.normal(size=returns.shape)
    table = ic_decay(score.iloc[:-3], returns, (1, 2, 3, 4))
    assert table["rank_ic"].idxmax() == 3
    assert table.loc[3, "rank_ic"] > 0.5
    assert (table.drop(3)["rank_ic"].abs() < 0.05).all()
    values = ic_table(score.iloc[:-3], returns.shift(-1).iloc[:-3])["rank_ic"].dropna().to_numpy()
    wide = ic_decay(score.iloc[:-3], returns, (1,), overlap=20).loc[1]
    mean, error, t, lag = hac_mean(values, horizon=20)
    assert lag == 59
    assert (wide["rank_ic"], wide["t"]) == pytest.approx((mean, t), rel=1e-9)
    assert wide["high"] - wide["low"] == pytest.approx(2 * critical_value(len(values), 59) * error, rel=1e-9)


def test_quantile_returns_by_hand():
    score = pd.DataFrame([[1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10]])
    found = quantile_returns(score, score / 100, quantiles=5)
    assert found.table["mean"].tolist() == pytest.approx([0.015, 0.035, 0.055, 0.075, 0.095])
    assert found.spread.iloc[0] == pytest.approx(0.08)
    assert found.monotonicity == pytest.approx(1.0)
    assert quantile_returns(score, -score, quantiles=5).monotonicity == pytest.approx(-1.0)
    with pytest.raises(InputError):
        quantile_returns(score, score, quantiles=1)


def test_quantile_returns_without_assets_are_unknown():
    nothing = pd.DataFrame(index=pd.bdate_range("2020-01-01", periods=3), dtype=float)
    found = quantile_returns(nothing, nothing)
    assert found.by_session.shape == (3, 5)
    assert found.by_session.isna().all(axis=None)
    assert PairedRanks(nothing.to_numpy(), nothing.to_numpy())[0:3].shape == (3, 0)


def test_rows_of_tables_are_made_once_for_fifths_and_once_for_each_correlation(monkeypatch):
    monkeypatch.setattr(blocks, "_VALUES", 150)
    monkeypatch.setattr(ranks, "_BLOCK_BYTES", 1200)
    score, forward = (frame.round(1) for frame in crossed(3))
    made: list[int] = []
    tables = []
    for place, frame in enumerate((score, forward)):

        def rows_made(rows, place=place, values=frame.to_numpy()):
            made.extend([place] * (rows.stop - rows.start))
            return values[rows]

        tables.append(RowFrame(frame.index, frame.columns, rows_made))
    found = quantile_returns(*tables)
    assert [made.count(place) for place in (0, 1)] == [len(score)] * 2
    pd.testing.assert_frame_equal(found.by_session, quantile_returns(score, forward).by_session, check_exact=True)
    made.clear()
    pd.testing.assert_frame_equal(ic_table(*tables), ic_table(score, forward), check_exact=True)
    assert [made.count(place) for place in (0, 1)] == [2 * len(score)] * 2


def naive_pbo(returns: np.ndarray, blocks: int) -> tuple[float, float]:
    """By the definition, split by split."""
    from itertools import combinations

    length = len(returns) // blocks
    parts = [returns[i * length : (i + 1) * length] for i in range(blocks)]
    logits = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.vstack([parts[i] for i in chosen])
        outside = np.vstack([parts[i] for i in range(blocks) if i not in chosen])
        sharpe_in = inside.mean(axis=0) / inside.std(axis=0, ddof=1)
        sharpe_out = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        rank = stats.rankdata(sharpe_out)[sharpe_in.argmax()] / (returns.shape[1] + 1)
        logits.append(math.log(rank / (1 - rank)))
    values = np.array(logits)
    return float((values <= 1e-12).mean()), float((values < -1e-12).mean())


@pytest.mark.parametrize("trials", [2, 5, 8])
@pytest.mark.parametrize("seed", range(3))
def test_overfitting_equals_the_definition(trials, seed):
    returns = np.random.default_rng(seed).normal(size=(163, trials))
    found = probability_of_overfitting(returns, blocks=8)
    assert (found.probability, found.probability_strict) == naive_pbo(returns, 8)
    assert (found.splits, found.dropped) == (70, 3)


def test_overfitting_of_noise_and_of_skill():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(1600, 10))
    assert probability_of_overfitting(noise).probability > 0.3
    noise[:, 3] += 0.3
    assert probability_of_overfitting(noise).probability == 0
    for bad, error in (((noise[:, :1], 16), InsufficientEvidenceError), ((noise, 7), InputError)):
        with pytest.raises(error):
            probability_of_overfitting(bad[0], blocks=bad[1])
    with pytest.raises(InsufficientEvidenceError):
        probability_of_overfitting(noise[:20])


def test_effective_trials():
    rng = np.random.default_rng(2)
    independent = rng.normal(size=(5000, 8))
    assert effective_trials(independent) == pytest.approx(8, rel=0.05)
    assert effective_trials(np.repeat(independent[:, :1], 8, axis=1)) == pytest.approx(1)


def test_the_series_of_drawdowns_begins_at_the_start():
    returns = pd.Series([-0.2, 0.5, -0.5], pd.bdate_range("2020-01-01", periods=3))
    assert drawdown_series(returns).tolist() == pytest.approx([-0.2, 0.0, -0.5])


def test_quantiles_of_a_count_that_does_not_divide():
    # 5 names in halves: rank r is in half ⌈2·(r − ½)/5⌉, so the middle one is in the lower.
    index = pd.bdate_range("2020-01-01", periods=4)
    score = pd.DataFrame([[1.0, 2, 3, 4, 5]] * 4, index)
    forward = pd.DataFrame([[0.0, 0, 3, 10, 10]] * 4, index)
    halves = quantile_returns(score, forward, quantiles=2).by_session
    assert halves.to_numpy().tolist() == [[pytest.approx(1.0), pytest.approx(10.0)]] * 4
