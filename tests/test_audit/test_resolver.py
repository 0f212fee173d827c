"""The convention resolver: a figure made under any convention of the grid is traced back to it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.audit.claims.intervals import parse_print
from assay.audit.recompute.conventions import Material, Panel
from assay.audit.recompute.figures import resolve
from assay.audit.recompute.measures import OF_RETURNS, STATISTICS, readings_of


def series(seed: int, n: int = 188, flat: bool = True) -> pd.Series:
    rng = np.random.default_rng(seed)
    values = rng.normal(0.0008, 0.011, n)
    if flat:
        values[rng.random(n) < 0.1] = 0.0
    return pd.Series(values, pd.bdate_range("2024-01-02", periods=n))


def material(returns: pd.Series, gross: float = 0.0002) -> Material:
    return Material(
        {"net": returns.to_numpy(), "gross": returns.to_numpy() + np.where(returns == 0, 0.0, gross)},
        dates=returns.index.to_numpy().astype("datetime64[D]"),
        benchmark=0.5 * returns.to_numpy() + np.random.default_rng(len(returns)).normal(0.0003, 0.008, len(returns)),
    )


def test_ddof_0_on_188_returns_is_named() -> None:
    values = np.random.default_rng(3).normal(0.0, 0.012, 188)
    values += 1.3203 / math.sqrt(252) * values.std(ddof=0) - values.mean()
    found = resolve("sharpe", parse_print("1.3203"), Material({"net": values}))
    assert found is not None
    assert not found.reproduced
    assert dict(found.named.choices)["ddof"] == "ddof 0"
    assert len(found.matches) == 1
    assert "ddof 0 gives 1.320300, as printed" in found.sentence


def printed_sharpe(returns: pd.Series, gross: float, choice: dict[str, str]) -> float | None:
    """A Sharpe ratio under a convention, written out a second time with pandas."""
    r = returns.where(returns == 0, returns + gross) if choice["basis"] == "gross" else returns
    p = choice["periods"]
    if p == "monthly √12":
        r = (1 + r).resample("ME").prod() - 1
        if choice["form"] == "log returns":
            r = np.log(1 + r)
        k = 12.0
    else:
        if choice["days"] != "all sessions":
            r = r[r != 0]
        if choice["form"] == "log returns":
            r = np.log(1 + r)
        k = 1.0 if p == "not annualised" else float(p)
    rate = float(choice["risk_free"].removeprefix("rf ").rstrip("%")) / 100
    deviation = r.std(ddof=int(choice["ddof"][-1]))
    if choice["mean"] == "geometric":
        growth = float(np.prod((1 + r).to_numpy())) ** (k / len(r)) - 1
        return float((growth - rate) / (deviation * math.sqrt(k)))
    return float((r.mean() - rate / k) / deviation * math.sqrt(k))


@settings(max_examples=24, deadline=None)
@given(st.integers(0, 10_000), st.integers(60, 400), st.integers(0, 10**6), st.integers(3, 6))
def test_a_sharpe_printed_under_any_convention_is_traced_back_to_it(seed: int, n: int, pick: int, digits: int) -> None:
    returns = series(seed, n)
    grid = readings_of("sharpe", material(returns))
    wanted = grid[pick % len(grid)]
    choice = {"days": "all sessions", **dict(wanted.choices)}
    value = printed_sharpe(returns, 0.0002, choice)
    assert value == pytest.approx(wanted.value, rel=1e-9, abs=1e-12)
    found = resolve("sharpe", parse_print(f"{value:.{digits}f}"), material(returns))
    assert wanted.choices in [reading.choices for reading in found.matches]


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(sorted(set(OF_RETURNS) - {"turnover", "sessions"})),
    st.integers(0, 10**6),
)
def test_any_figure_of_the_grid_is_traced_back_in_levels_too(seed: int, metric: str, pick: int) -> None:
    data = material(series(seed))
    grid = readings_of(metric, data)
    wanted = grid[pick % len(grid)]
    found = resolve(metric, parse_print(f"{wanted.value:.8f}"), data)
    assert wanted.choices in [reading.choices for reading in found.matches]


def test_our_own_convention_is_that_of_the_engine() -> None:
    from assay.results.stats.performance import performance_metrics

    returns = series(5)
    ours = {metric.name: metric.value for metric in performance_metrics(returns, "net")}
    names = {
        "sharpe": "sharpe_net",
        "annual_return": "return_ann_net",
        "annual_volatility": "volatility_ann_net",
        "total_return": "total_return_net",
        "max_drawdown": "max_drawdown_net",
        "calmar": "calmar_net",
        "sortino": "sortino_net",
        "var": "var_95_net",
    }
    for metric, name in names.items():
        own = min(readings_of(metric, material(returns)), key=lambda reading: reading.departures)
        assert not own.departures
        assert own.value == pytest.approx(ours[name], rel=1e-9), metric


def _months(returns: pd.Series) -> pd.Series:
    return (1 + returns).resample("ME").prod() - 1


def _fall(returns: pd.Series) -> float:
    path = pd.concat([pd.Series([1.0]), (1 + returns).cumprod()])
    return float((path / path.cummax() - 1).min())


@pytest.mark.parametrize("seed", range(5))
def test_the_conventions_of_a_year_of_months_and_of_a_benchmark_against_pandas(seed: int) -> None:
    """Each figure is written out with pandas and must be traced to its convention, and to few others."""
    r = series(seed, 500)
    data = Material({"net": r.to_numpy()}, dates=r.index.to_numpy().astype("datetime64[D]"), risk_free=0.02,
                    benchmark=material(r).benchmark)  # fmt: skip
    b = pd.Series(data.benchmark, r.index)
    years = (r.index[-1] - r.index[0]).days / 365.25
    beta = r.cov(b) / b.var()
    down = np.sqrt((np.minimum(r - 0.02 / 252, 0) ** 2).mean())
    active = r - b
    daily = 1.02 ** (1 / 252) - 1
    cases = [
        ("annual_return", r.sum() / years, "summed, calendar years"),
        ("annual_return", _months(r).mean() * 12, "mean month times 12"),
        ("max_drawdown", _fall(_months(r)), "month ends"),
        ("sortino", (r.mean() - 0.02 / 252) * 252 / (down * np.sqrt(252)), "below the risk-free rate"),
        ("sharpe", (r.mean() - daily) / r.std() * np.sqrt(252), "rf 2% compounded"),
        ("calmar", ((1 + r).prod() - 1) / -_fall(r), "total return"),
        ("win_rate", (_months(r) > 0).mean(), "per month"),
        ("best_day", r.max(), "simple returns"),
        ("worst_day", np.log1p(r.min()), "log returns"),
        ("alpha", ((r - 0.02 / 252).mean() - beta * (b - 0.02 / 252).mean()) * 252, "rf 2%"),
        ("alpha", (1 + r.mean() - beta * b.mean()) ** 252 - 1, "compounded"),
        ("beta", r.cov(b) / b.var(ddof=0), "variance ddof 0"),
        ("information_ratio", active.mean() / active.std(ddof=0) * np.sqrt(250), "250"),
        ("excess_return", (1 + r).prod() - (1 + b).prod(), "in all"),
        ("benchmark_return", b.mean() * 365, "365"),
    ]
    for metric, value, words in cases:
        found = resolve(metric, parse_print(f"{value:.9f}"), data)
        assert any(words in reading.words for reading in found.matches), metric
        assert words in found.named.words, metric


def test_turnover_is_told_one_way_from_two_way_and_by_its_period() -> None:
    traded = np.random.default_rng(4).uniform(0, 0.4, 300) * (np.arange(300) % 3 == 0)
    data = Material({"net": np.zeros(300)}, turnover=traded)
    for value, words in (
        (traded.mean() * 2, "two-way · a session"), (traded.mean() * 252, "one-way · a year of 252"),
        (traded[traded > 0].mean(), "sessions that trade"), (traded.sum(), "in all"),
    ):  # fmt: skip
        assert words in resolve("turnover", parse_print(f"{value:.7f}"), data).named.words


def test_an_additive_drawdown_is_told_from_a_compounded_one() -> None:
    values = np.array([0.10, -0.20, -0.10, 0.05, 0.30])
    additive, compounded = -0.30, 0.8 * 0.9 - 1
    for value, name in ((additive, "additive"), (compounded, "compounded")):
        found = resolve("max_drawdown", parse_print(f"{100 * value:.2f}%"), Material({"net": values}))
        assert dict(found.named.choices)["mean"] == name


def test_the_first_session_counts_in_our_drawdown() -> None:
    values = np.array([-0.10, 0.02, 0.01, -0.03, 0.02])
    found = resolve("max_drawdown", parse_print("-3.00%"), Material({"net": values}))
    assert "from the first session" in found.named.words
    assert found.own.value == pytest.approx(-0.10 + 0.9 * 0.0 if False else 0.9 * 1.02 * 1.01 * 0.97 - 1, abs=0.02)


def test_a_coarse_figure_proves_nothing_and_says_so() -> None:
    found = resolve("annual_volatility", parse_print("~20%"), Material({"net": series(1, flat=False).to_numpy() * 1.1}))
    assert found.proves_nothing
    assert "prove nothing" in found.sentence


def test_a_figure_that_nothing_gives_is_refuted_with_the_nearest() -> None:
    found = resolve("sharpe", parse_print("9.87"), material(series(2)))
    assert not found.matches
    assert "none of" in found.sentence
    assert "nearest" in found.sentence


@pytest.mark.slow
def test_what_becomes_of_wrong_figures_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures 5 to 30% off: refuted, left open where luck finds a convention, or taken for another."""
    counts = {"refuted": 0, "left open": 0, "taken for another": 0}
    for case in range(240):
        rng = np.random.default_rng([31, case])
        data = material(series(case, 300))
        metric = str(rng.choice(["sharpe", "annual_return", "annual_volatility", "max_drawdown", "calmar"]))
        own = min(readings_of(metric, data), key=lambda reading: reading.departures).value
        wrong = own * (1 + float(rng.choice([-1, 1])) * float(rng.uniform(0.05, 0.3)))
        digits = int(rng.integers(2, 5))
        percent = metric in ("annual_return", "annual_volatility", "max_drawdown")
        text = f"{100 * wrong:.{digits - 1}f}%" if percent else f"{wrong:.{digits}f}"
        found = resolve(metric, parse_print(text), data)
        if not found.matches:
            counts["refuted"] += 1
        elif found.proves_nothing:
            counts["left open"] += 1
        else:
            counts["taken for another"] += 1
    with capsys.disabled():
        print(f"\n240 wrong figures of 2 to 4 digits: {counts}")
    assert counts["refuted"] >= 150
    assert counts["taken for another"] <= 40


def test_a_coarse_sharpe_ratio_that_needs_an_odd_convention_is_left_open() -> None:
    data = material(series(2))
    own = min(readings_of("sharpe", data), key=lambda reading: reading.departures).value
    found = resolve("sharpe", parse_print(f"{1.21 * own:.1f}"), data)
    assert found.matches
    assert not found.reproduced
    assert found.proves_nothing
    assert "proves nothing" in found.sentence or "prove nothing" in found.sentence


def test_full_precision_prints_bear_an_epsilon_in_a_denominator() -> None:
    values = series(7, flat=False).to_numpy()
    sharpe = values.mean() / (values.std(ddof=1) + 1e-8) * math.sqrt(252)
    assert resolve("sharpe", parse_print(repr(float(sharpe))), Material({"net": values})).reproduced


def test_predictions_are_read_equal_and_pooled_overlapping_or_not() -> None:
    rng = np.random.default_rng(0)
    forward = rng.normal(0, 0.02, (120, 30)) * rng.uniform(0.3, 3, (120, 1))
    score = 0.1 * forward + rng.normal(0, 0.02, forward.shape)
    data = Material(
        panels={
            "next open": Panel(score, forward, horizon=5),
            "same close": Panel(score, np.roll(forward, 1, 0), horizon=5),
        }
    )
    daily = pd.DataFrame(score).corrwith(pd.DataFrame(forward), axis=1)
    ranked = pd.DataFrame(score).rank(axis=1).corrwith(pd.DataFrame(forward).rank(axis=1), axis=1)
    cases = {
        ("ic", "every session", "mean of sessions"): daily.mean(),
        ("ic", "every h-th session", "mean of sessions"): daily[::5].mean(),
        ("ic", "every session", "pooled"): np.corrcoef(score.ravel(), forward.ravel())[0, 1],
        ("rank_ic", "every session", "mean of sessions"): ranked.mean(),
        ("rank_ic", "every session", "pooled"): pd.Series(score.ravel()).corr(
            pd.Series(forward.ravel()), method="spearman"
        ),
    }
    for (metric, overlap, weighting), value in cases.items():
        found = resolve(metric, parse_print(f"{value:.6f}"), data)
        named = dict(found.named.choices)
        assert (named["overlap"], named["weighting"], named["timing"]) == (overlap, weighting, "next open")
    ratio = daily.mean() / daily.std(ddof=0) * math.sqrt(252)
    assert dict(resolve("icir", parse_print(f"{ratio:.6f}"), data).named.choices)["ddof"] == "ddof 0"


def test_the_hit_rates_that_share_a_name_are_told_apart() -> None:
    rng = np.random.default_rng(1)
    score, forward = rng.normal(size=(50, 8)), rng.normal(size=(50, 8))
    data = Material(
        {"net": rng.normal(0.1, 1, 50) / 100},
        panels={"next close": Panel(score, forward)},
        trades=rng.normal(0.2, 1, 33),
        positions=rng.normal(0.3, 1, 77),
    )
    expected = {
        "per prediction, next close": (np.sign(score) == np.sign(forward)).mean(),
        "per position": (data.positions > 0).mean(),
        "per trade": (data.trades > 0).mean(),
        "per session, net": (data.series["net"] > 0).mean(),
        "per month, net": np.mean([np.prod(1 + data.series["net"][i : i + 21]) > 1 for i in (0, 21, 42)]),
    }
    for name, rate in expected.items():
        found = resolve("hit_rate", parse_print(f"{100 * rate:.3f}%"), data)
        assert name in [dict(reading.choices)["counted"] for reading in found.matches]


def test_scores_of_up_and_down_against_scikit_learn() -> None:
    from sklearn import metrics

    rng = np.random.default_rng(6)
    forward = rng.normal(0.001, 0.02, (200, 7))
    chance = 1 / (1 + np.exp(-(20 * forward + rng.normal(0, 0.6, forward.shape))))
    data = Material(panels={"next close": Panel(chance - 0.5, forward, horizon=3, probability=chance)})
    up, p = (forward > 0).ravel(), chance.ravel()
    apart, p_apart = (forward[::3] > 0).ravel(), chance[::3].ravel()
    cases = {
        ("mcc", ""): metrics.matthews_corrcoef(up, p > 0.5),
        ("balanced_accuracy", ""): metrics.balanced_accuracy_score(up, p > 0.5),
        ("f1_macro", ""): metrics.f1_score(up, p > 0.5, average="macro"),
        ("precision_weighted", ""): metrics.precision_score(up, p > 0.5, average="weighted"),
        ("auc", ""): metrics.roc_auc_score(up, p),
        ("log_loss", ""): metrics.log_loss(up, p),
        ("brier", ""): metrics.brier_score_loss(up, p),
        ("prevalence", ""): up.mean(),
        ("error_rate", ""): (up != (p > 0.5)).mean(),
        ("accuracy", "every h-th session"): (apart == (p_apart > 0.5)).mean(),
        ("recall", "of down"): metrics.recall_score(~up, p <= 0.5),
    }
    for (metric, words), value in cases.items():
        found = resolve(metric, parse_print(f"{value:.9f}"), data)
        assert found.matches, metric
        assert words in found.named.words, metric
        assert found.reproduced == (not words), metric


def test_errors_and_hits_of_windows_that_do_not_overlap() -> None:
    rng = np.random.default_rng(9)
    score, forward = rng.normal(0, 0.01, (2, 120, 6))
    data = Material(panels={"next close": Panel(score, forward, horizon=5)})
    hit = (np.sign(score[::5]) == np.sign(forward[::5])).mean()
    named = resolve("hit_rate", parse_print(f"{hit:.9f}"), data).named
    assert named.words == "per prediction, next close · flat cases left out · every h-th session"
    error = np.sqrt(((score - forward)[::5] ** 2).mean())
    assert "every h-th session" in resolve("rmse", parse_print(f"{error:.9f}"), data).named.words
    daily = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(score, forward, strict=True)])
    for metric, value in (
        ("ic_t", daily.mean() / daily.std(ddof=1) * np.sqrt(120)), ("ic_min", daily.min()),
        ("ic_positive_share", (daily > 0).mean()), ("icir_annual", daily.mean() / daily.std(ddof=0) * np.sqrt(252)),
        ("icir", daily.mean() / daily.std(ddof=1) * np.sqrt(252 / 5)), ("prediction_std", score.std()),
    ):  # fmt: skip
        assert resolve(metric, parse_print(f"{value:.9f}"), data).matches, metric


def test_errors_of_returns_and_of_implied_prices_are_told_apart() -> None:
    rng = np.random.default_rng(2)
    base = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (300, 4)), axis=0)) * np.array([1, 3, 9, 0.2])
    forward = rng.normal(0, 0.02, base.shape)
    score = np.zeros(base.shape)
    data = Material(panels={"next close": Panel(score, forward, base, base * (1 + forward))})
    real, predicted = (base * (1 + forward)).ravel(), base.ravel()
    r2 = 1 - ((real - predicted) ** 2).sum() / ((real - real.mean()) ** 2).sum()
    assert r2 > 0.99
    named = resolve("r2", parse_print(f"{r2:.4f}"), data).named
    assert dict(named.choices)["target"] == "price levels, next close"


def test_every_metric_of_the_grid_is_canonical() -> None:
    from assay.audit.claims.model import METRICS

    assert set(STATISTICS) <= set(METRICS)


def test_the_value_at_risk_of_pyfolio_is_two_deviations() -> None:
    values = np.random.default_rng(3).normal(0.0004, 0.01, 700)
    shown = f"{100 * (values.mean() - 2 * values.std(ddof=1)):.3f}%"
    found = resolve("var", parse_print(shown), Material({"net": values}))
    assert found is not None
    assert not found.reproduced
    assert dict(found.named.choices)["level"] == "two deviations"
    assert dict(found.named.choices)["method"] == "normal ddof 1"


def test_conventions_of_tails_moments_and_benchmarks_against_empyrical_and_scipy() -> None:
    import empyrical
    from scipy import stats

    r = series(1, 400)
    market = pd.Series(material(r).benchmark, r.index)
    data = Material({"net": r.to_numpy()}, dates=r.index.to_numpy().astype("datetime64[D]"), risk_free=0.03,
                    benchmark=market.to_numpy())  # fmt: skip
    fit = stats.linregress(market, r)
    left = r - fit.slope * market
    losses, growth = r[r < 0], (1 + r).prod() ** (252 / 400) - 1
    growth_of_market = (1 + market).prod() ** (252 / 400) - 1
    worst = np.sort(r)[: int(399 * 0.05) + 1]
    normal = stats.norm.expect(lambda x: x, loc=r.mean(), scale=r.std(), ub=stats.norm.ppf(0.05, r.mean(), r.std()))
    cases = [
        ("sharpe", empyrical.sharpe_ratio(r, 0.03 / 252), "rf 3% · all sessions"),
        ("sortino", empyrical.sortino_ratio(r), "downside over all sessions"),
        ("sortino", r.mean() / losses.std() * np.sqrt(252), "std of losing sessions ddof 1"),
        ("sortino", r.mean() / np.sqrt((losses**2).mean()) * np.sqrt(252), "over losing sessions"),
        ("calmar", empyrical.calmar_ratio(r), "geometric · compounded drawdown"),
        ("var", np.quantile(r, 0.01), "99% · historical"),
        ("var", stats.norm.ppf(0.05, r.mean(), r.std(ddof=0)), "normal ddof 0"),
        ("cvar", empyrical.conditional_value_at_risk(r, 0.05), "historical, lower value"),
        ("cvar", worst.mean(), "historical, lower value"),
        ("cvar", normal / 0.05, "normal ddof 1"),
        ("skewness", stats.skew(r, bias=False), "sample-corrected"),
        ("kurtosis", r.kurt(), "sample-corrected · excess"),
        ("kurtosis", stats.kurtosis(r, fisher=False), "population · raw"),
        ("alpha", empyrical.alpha(r, market), "compounded"),
        ("alpha", fit.intercept * 252, "arithmetic"),
        ("alpha", fit.intercept, "a session"),
        ("alpha", growth - 0.03 - fit.slope * (growth_of_market - 0.03), "of the annual growth rates"),
        ("beta", empyrical.beta(r, market), "one ddof"),
        ("information_ratio", left.mean() / left.std() * np.sqrt(252), "residual of the regression"),
        ("excess_return", growth - growth_of_market, "geometric · 252"),
        ("annual_volatility", empyrical.annual_volatility(r), "ddof 1 · 252"),
        ("annual_return", growth, "geometric · 252"),
        ("annual_return", (1 + r).prod() ** (365.25 / (r.index[-1] - r.index[0]).days) - 1, "calendar years"),
        ("mean_return", np.log1p(r).mean(), "mean log return"),
    ]  # fmt: skip
    for metric, value, words in cases:
        found = resolve(metric, parse_print(f"{value:.10f}"), data)
        assert any(words in reading.words for reading in found.matches), (metric, words)
