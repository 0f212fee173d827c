"""Skill after beta: equal to plain loops and least squares, causal, of the right size; E-values of the right mean."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns, simple_returns
from assay.data.synthetic import score_panel
from assay.results.evidence import skill as evidence
from assay.results.stats import skill
from assay.results.stats.skill import (
    MIXTURE,
    Skill,
    evidence_path,
    log_e_values,
    normal_scores,
    skill_series,
    skill_t,
    trailing_risk,
)


def market(seed: int, sessions: int = 400, assets: int = 12, drift: float = 0.0) -> PricePanel:
    rng = np.random.default_rng(seed)
    beta = rng.uniform(0.4, 1.6, assets)
    returns = drift + rng.normal(0, 0.01, (sessions, 1)) * beta + rng.normal(0, 0.015, (sessions, assets))
    names = [f"A{i:02d}" for i in range(assets)]
    dates = pd.bdate_range("2010-01-01", periods=sessions)
    return PricePanel(pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), dates, names))


def skill_of(panel: PricePanel, score: pd.DataFrame, horizon: int = 1, **more: object) -> Skill:
    forward = forward_returns(panel, horizon=horizon)
    return skill_series(score, forward, trailing_risk(simple_returns(panel.close)), horizon=horizon, **more)


def by_loops(panel: PricePanel, score: pd.DataFrame, row: int, horizon: int, extra: np.ndarray | None) -> float:
    """x of one session, written out: least squares instead of a projection, loops instead of rolling windows."""
    close = panel.close.to_numpy()
    n = close.shape[1]
    returns = np.full(close.shape, np.nan)
    returns[1:] = close[1:] / close[:-1] - 1

    def beta_at(s: int) -> np.ndarray:
        first = max(1, s - 251)
        part = returns[first : s + 1]
        if len(part) < 60:
            return np.ones(n)
        mean = part.mean(axis=1)
        slopes = [stats.linregress(mean, part[:, i]).slope for i in range(n)]
        return 2 / 3 * np.array(slopes) + 1 / 3

    rest = np.array([returns[s] - beta_at(s) * returns[s].mean() for s in range(max(1, row - 59), row + 1)])
    sigma, beta = rest.std(axis=0, ddof=1), beta_at(row)
    ahead = close[row + 1 + horizon] / close[row + 1] - 1
    e = np.clip((ahead - beta * ahead.mean()) / (sigma * math.sqrt(horizon)), -4, 4)
    q = stats.norm.ppf((stats.rankdata(score.to_numpy()[row]) - 0.375) / (n + 0.25))
    loadings = np.column_stack([np.ones(n), beta] if extra is None else [np.ones(n), beta, extra]) / sigma[:, None]
    left = [value - loadings @ np.linalg.lstsq(loadings, value, rcond=None)[0] for value in (q, e)]
    df = n - np.linalg.matrix_rank(loadings)
    return math.sqrt(df) * float(left[0] @ left[1] / np.linalg.norm(left[0]) / np.linalg.norm(left[1]))


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("row", [70, 300])
def test_a_session_equals_loops_and_least_squares(horizon, row):
    panel = market(1)
    score = pd.DataFrame(np.random.default_rng(2).normal(size=panel.shape), panel.sessions, panel.assets)
    found = skill_of(panel, score, horizon)
    assert found.x.iloc[row] == pytest.approx(by_loops(panel, score, row, horizon, None), abs=1e-10)
    assert found.df.iloc[row] == 10


def test_sectors_and_styles_are_projected_out_too():
    panel = market(3)
    rng = np.random.default_rng(4)
    score = pd.DataFrame(rng.normal(size=panel.shape), panel.sessions, panel.assets)
    style = pd.DataFrame(rng.normal(size=panel.shape), panel.sessions, panel.assets)
    found = skill_of(panel, score, styles={"size": style})
    assert found.x.iloc[200] == pytest.approx(by_loops(panel, score, 200, 1, style.to_numpy()[200]), abs=1e-10)
    sectors = pd.Series(["a", "b", "c"] * 4, panel.assets)
    of_sectors = skill_of(panel, score, sectors=sectors)
    # Three sectors hold the constant between them: two columns more than a constant and beta.
    assert set(of_sectors.df.iloc[80:-2]) == {8.0}
    sums = of_sectors.scores.div(of_sectors.volatility).T.groupby(sectors).sum().T
    assert float(sums[of_sectors.x.notna()].abs().to_numpy().max()) < 1e-8


def test_normal_scores_are_bloms():
    values = np.array([[3.0, 1.0, np.nan, 2.0, 2.0]])
    expected = stats.norm.ppf((np.array([4, 1, np.nan, 2.5, 2.5]) - 0.375) / 4.25)
    np.testing.assert_allclose(normal_scores(values)[0], expected, rtol=1e-13)
    assert normal_scores(np.empty((3, 0))).shape == (3, 0)


def test_missing_names_leave_the_cross_section():
    panel = market(5)
    score = pd.DataFrame(np.random.default_rng(6).normal(size=panel.shape), panel.sessions, panel.assets)
    holes = score.copy()
    holes.iloc[:, 0] = np.nan
    found = skill_of(panel, holes)
    assert set(found.df.iloc[80:-2]) == {9.0}
    assert float(found.scores.iloc[:, 0].abs().max()) == 0.0
    few = score.copy()
    few.iloc[:, 3:] = np.nan
    assert skill_of(panel, few).x.isna().all()


def test_a_score_that_says_nothing_has_no_skill():
    panel = market(7)
    constant = pd.DataFrame(1.0, panel.sessions, panel.assets)
    assert skill_of(panel, constant).x.isna().all()
    with pytest.raises(InputError, match="horizon"):
        skill_series(constant, constant, trailing_risk(constant), horizon=0)


@pytest.mark.parametrize("horizon", [1, 4])
def test_what_happens_after_the_window_changes_nothing(horizon):
    panel, row = market(8), 250
    score = pd.DataFrame(np.random.default_rng(9).normal(size=panel.shape), panel.sessions, panel.assets)
    close = panel.close.copy()
    after = close.iloc[row + horizon + 2 :]
    close.iloc[row + horizon + 2 :] = after * np.random.default_rng(10).uniform(0.5, 2, after.shape)
    altered = skill_of(PricePanel(close), score, horizon)
    known = skill_of(panel, score, horizon)
    pd.testing.assert_series_equal(altered.x.iloc[: row + 1], known.x.iloc[: row + 1])
    pd.testing.assert_frame_equal(altered.scores.iloc[: row + 1], known.scores.iloc[: row + 1])
    assert not altered.x.iloc[row + 1 :].equals(known.x.iloc[row + 1 :])


def test_scores_and_risk_know_nothing_after_the_stamp():
    panel, row = market(11), 250
    close = panel.close.copy()
    close.iloc[row + 1 :] *= 1.7
    for one, two in ((trailing_risk(simple_returns(panel.close)), trailing_risk(simple_returns(close))),):
        pd.testing.assert_frame_equal(one.beta.iloc[: row + 1], two.beta.iloc[: row + 1])
        pd.testing.assert_frame_equal(one.volatility.iloc[: row + 1], two.volatility.iloc[: row + 1])


def test_a_planted_ic_is_found_and_noise_is_not():
    t, ic = [], []
    for seed in range(12):
        panel = market(100 + seed, sessions=700, assets=20)
        forward = forward_returns(panel)
        residual = forward.sub(forward.mean(axis="columns"), axis="index")
        for planted in (0.0, 0.05):
            scores = score_panel(residual, planted, 5.0, seed, lasting=planted > 0)
            found = skill_of(panel, scores.require_score("test"))
            t.append(skill_t(found.known["x"].to_numpy())[2])
            ic.append(found.ic)
    assert abs(np.mean(ic[::2])) < 0.01
    assert np.mean(ic[1::2]) == pytest.approx(0.05, abs=0.012)
    assert np.mean(t[1::2]) > 4 > 1 > abs(np.mean(t[::2]))


def test_a_score_that_is_beta_has_no_skill_in_a_rising_market():
    """The rank IC of beta is positive where the market rises; x is not."""
    t = []
    for seed in range(15):
        panel = market(200 + seed, sessions=500, assets=20, drift=0.001)
        beta = trailing_risk(simple_returns(panel.close)).beta
        t.append(skill_t(skill_of(panel, beta).known["x"].to_numpy())[2])
    assert abs(np.mean(t)) < 3 / math.sqrt(15)


def test_the_error_of_overlapping_windows_is_hansen_and_hodricks():
    x = np.convolve(np.random.default_rng(1).normal(size=303), np.ones(4) / 2, "valid")
    mean, error, t, _ = skill_t(x, horizon=4)
    total = sum(x[i] * x[j] for i in range(300) for j in range(300) if abs(i - j) < 4)
    assert error == pytest.approx(math.sqrt(total) / 300, rel=1e-12)
    assert t == pytest.approx(mean / error, rel=1e-12)
    _, plain, _, critical = skill_t(x[:200])
    assert plain == pytest.approx(math.sqrt((x[:200] ** 2).sum()) / 200, rel=1e-12)
    assert critical == pytest.approx(1.96 + 2.97 / 200, abs=1e-3)


def test_the_t_keeps_its_size_with_overlapping_windows():
    rng = np.random.default_rng(5)
    beyond = []
    for _ in range(600):
        x = np.convolve(rng.normal(size=504), np.ones(5) / math.sqrt(5), "valid")
        _, _, t, critical = skill_t(x, horizon=5)
        beyond.append(abs(t) > critical)
    assert 0.03 < np.mean(beyond) < 0.085


def test_no_sessions_and_no_variation_have_no_t():
    assert math.isnan(skill_t(np.array([]))[0])
    assert math.isnan(skill_t(np.zeros(5))[2])


def test_the_mean_e_value_is_at_most_one_over_all_signs():
    """Every path of ten signs, equally likely: the exact expectation, after each session."""
    sizes = np.random.default_rng(3).uniform(0.2, 3, 10)
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=10)))
    for horizon in (1, 3):
        paths = np.array([np.exp(evidence_path(row * sizes, np.full(10, 30.0), horizon=horizon)) for row in signs])
        assert (paths.mean(axis=0) <= 1 + 1e-12).all()


def test_the_mixture_is_the_mean_of_its_parts():
    rng = np.random.default_rng(4)
    x, df = rng.normal(0.1, 1, 50), rng.integers(5, 20, 50).astype(float)
    parts = [np.exp(sum(ic * d**0.5 * v - ic**2 * d * v**2 / 2 for v, d in zip(x, df, strict=True))) for ic in MIXTURE]
    assert math.exp(evidence_path(x, df)[-1]) == pytest.approx(np.mean(parts), rel=1e-12)
    assert evidence_path(x, df, target=0.03)[-1] == pytest.approx(math.log(parts[2]), rel=1e-12)
    np.testing.assert_allclose(log_e_values(x, df, -0.03), log_e_values(-x, df, 0.03))
    with pytest.raises(InputError, match="target"):
        evidence_path(x, df, target=-0.1)


def test_evidence_of_consecutive_parts_multiplies():
    rng = np.random.default_rng(6)
    x, df = rng.normal(0.1, 1, 60), np.full(60, 18.0)
    whole = log_e_values(x, df, 0.03)[-1]
    assert whole == pytest.approx(log_e_values(x[:25], df[:25], 0.03)[-1] + log_e_values(x[25:], df[25:], 0.03)[-1])


def test_noise_seldom_reaches_twenty_at_any_look_and_skill_does():
    rng = np.random.default_rng(7)
    df = np.full(1000, 18.0)
    ever = [evidence_path(rng.normal(0, 1, 1000), df).max() >= math.log(20) for _ in range(500)]
    found = [evidence_path(rng.normal(0.04 * 18**0.5, 1, 1000), df)[-1] >= math.log(20) for _ in range(100)]
    assert np.mean(ever) <= 0.05
    assert np.mean(found) > 0.9


def test_many_assets_at_once_have_the_same_risk(monkeypatch):
    rng = np.random.default_rng(3)
    values = rng.normal(0, 0.02, (340, 8))
    values[rng.random(values.shape) < 0.05] = np.nan
    values[:, 1], values[:150, 2], values[200:, 3], values[90:200, 4] = np.nan, np.nan, np.nan, 0.01
    values[120:200, 5], values[:, 6], values[250] = np.nan, 0.0, np.nan
    returns = pd.DataFrame(values, pd.bdate_range("2020-01-01", periods=340))
    expected = trailing_risk(returns)
    monkeypatch.setattr(skill, "pays", lambda assets: True)
    found = trailing_risk(returns)
    for name in ("beta", "volatility"):
        one, two = getattr(found, name).to_numpy(), getattr(expected, name).to_numpy()
        np.testing.assert_allclose(one, two, rtol=1e-11, atol=0)


def test_risk_that_runs_along_gives_the_same_skill_and_loading(monkeypatch):
    """No tables are kept, of a score that begins late, over prices with holes."""
    panel = market(4, 200)
    score = panel.close.pct_change(fill_method=None).iloc[90:190]
    prices = PricePanel(panel.close.mask(np.random.default_rng(1).random(panel.close.shape) < 0.02))
    late, weights = PredictionPanel(score), score.rank(axis="columns").sub(6.5, axis="index") / 36
    expected = evidence.skill_of(late, prices, held=weights)
    for module in (skill, evidence):
        monkeypatch.setattr(module, "pays", lambda assets: True)
    found = evidence.skill_of(late, prices, held=weights)
    assert found.scores is None
    assert expected.scores is not None
    for name in ("x", "df", "slope"):
        pd.testing.assert_series_equal(getattr(found, name), getattr(expected, name), rtol=1e-10)
    one, two = (evidence.implied_earnings(each, weights) for each in (found, expected))
    pd.testing.assert_series_equal(one, two, rtol=1e-10)
