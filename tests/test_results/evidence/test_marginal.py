"""What a signal adds to others: against statsmodels and plain loops, without the future, on planted cases."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import norm, rankdata

from assay.commands import main as cli
from assay.data.errors import InputError
from assay.data.synthetic import synthetic_market
from assay.results.evidence.marginal import Signal, marginal_value, partial_correlation, signals_of, walk_forward_mix
from assay.results.workflow import backtest, marginal
from assay.strategies.catalog import load_strategy

DAYS = pd.bdate_range("2012-01-02", periods=800)


def book(name: str, values: np.ndarray) -> Signal:
    return Signal(name, pd.Series(values, DAYS), pd.Series(50 * values, DAYS))


@pytest.fixture(scope="module")
def books() -> tuple[Signal, Signal, Signal]:
    rng = np.random.default_rng(3)
    there = rng.normal(0.0004, 0.01, len(DAYS))
    echo = np.convolve(rng.normal(0, 0.004, len(DAYS) + 4), np.ones(5) / 5, "valid")  # autocorrelated: HAC matters
    adds = 0.5 * there + echo + 0.002 + rng.normal(0, 0.003, len(DAYS))
    return book("there", there), book("adds", adds), book("base", rng.normal(0, 0.01, len(DAYS)))


def test_spanning_is_statsmodels(books):
    there, adds, base = books
    found = marginal_value(adds, [there], baselines=[base], draws=100)
    for suffix, others in (("", [there]), ("_baselines", [there, base])):
        design = sm.add_constant(np.column_stack([item.returns for item in others]))
        alpha = found[f"spanning_alpha_ann{suffix}"]
        lag = int(alpha.convention.partition("lag ")[2].partition(",")[0])
        fit = sm.OLS(adds.returns.to_numpy(), design).fit(
            cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": True}
        )
        assert alpha.value == pytest.approx(252 * fit.params[0], rel=1e-9)
        assert found[f"spanning_alpha_t{suffix}"].value == pytest.approx(fit.tvalues[0], rel=1e-9)
        assert found[f"spanning_r2{suffix}"].value == pytest.approx(fit.rsquared, rel=1e-9)
        assert found[f"spanning_beta{suffix} · there"].value == pytest.approx(fit.params[1], rel=1e-9)
        ratio = np.sqrt(252) * fit.params[0] / fit.resid.std(ddof=1)
        assert found[f"appraisal_ratio{suffix}"].value == pytest.approx(ratio, rel=1e-9)
    skill = sm.OLS(adds.x.to_numpy(), sm.add_constant(there.x.to_numpy())).fit()
    assert found["skill_left_x"].value == pytest.approx(skill.params[0], rel=1e-9)
    # The best mix in the sample: Treynor and Black's identity.
    alone = found["sharpe_in_sample_gain"].value + np.sqrt(252) * abs(there.returns.mean()) / there.returns.std()
    squared = 252 * there.returns.mean() ** 2 / there.returns.var() + found["appraisal_ratio"].value ** 2
    assert alone == pytest.approx(np.sqrt(squared), rel=2e-3)  # but for the deviations' degrees of freedom
    assert "it adds to" in found.sentence
    assert found["sharpe_best_mix_gain"].low > 0
    assert found["book_correlation · there"].value == pytest.approx(np.corrcoef(there.returns, adds.returns)[0, 1])


def test_a_copy_adds_nothing_and_a_baseline_that_is_the_run_again_is_left_out(books):
    there, adds, _ = books
    again = Signal("copy", there.returns + 1e-5 * np.random.default_rng(0).normal(size=len(DAYS)), there.x)
    found = marginal_value(again, [there], draws=100)
    assert found["spanning_alpha_ann"].low < 0 < found["spanning_alpha_ann"].high
    assert abs(found["sharpe_equal_risk_gain"].value) < 1e-3
    twin = Signal("ridge (baseline)", adds.returns, adds.x)
    assert marginal_value(adds, [there], baselines=[twin], draws=100).notes == (
        "ridge (baseline) is left out: it is adds again",
    )
    with pytest.raises(InputError, match="share 20 sessions"):
        marginal_value(Signal("short", adds.returns.iloc[:20], adds.x), [there])
    with pytest.raises(InputError, match="last the one that is new"):
        marginal_value(adds, [])


@pytest.mark.parametrize("scale", [1.0, -1.0, 0.3])
def test_of_a_copy_nothing_is_left_that_has_a_t(books, scale):
    there, adds, _ = books
    copy = Signal("copy", scale * there.returns, scale * there.x)
    for beside in ([there], [there, adds]):
        found = marginal_value(copy, beside, draws=100)
        for name in ("spanning_alpha_ann", "spanning_alpha_t", "appraisal_ratio", "skill_left_x"):
            assert np.isnan(found[name].value)
            assert "nothing is left" in found[name].reason
        assert "not measured after what is there: nothing is left of it" in found.sentence
        assert all(item.reason for item in found.metrics if np.isnan(item.value))
    found = marginal_value(copy, [there], draws=100)
    assert not found["sharpe_equal_risk_without"].reason
    assert "do not differ" in found["sharpe_equal_risk_p"].reason
    if scale < 0:
        assert "cancel out" in found["sharpe_equal_risk_with"].reason
    else:
        assert found["sharpe_equal_risk_gain"].value == pytest.approx(0.0, abs=1e-12)


def test_books_that_cancel_out_have_no_ratio_until_the_new_one_comes(books):
    there, adds, _ = books
    found = marginal_value(adds, [there, Signal("short", -there.returns, -there.x)], draws=100)
    assert np.isnan(found["sharpe_equal_risk_without"].value)
    assert "cancel out" in found["sharpe_equal_risk_without"].reason
    assert np.isfinite(found["sharpe_equal_risk_with"].value)
    assert not found["sharpe_equal_risk_with"].reason
    assert "cancel out" in found["sharpe_equal_risk_gain"].reason


def test_of_five_books_that_are_one_either_reason_may_hold(books):
    there, *_ = books
    same = [Signal(f"x{size}", size * there.returns, size * there.x) for size in (1.0, 0.5, 2.0, 0.3, 4.0)]
    cut = [Signal(s.name, s.returns.iloc[:150], s.x.iloc[:150]) for s in same]
    reason = marginal_value(cut[0], cut[1:], draws=100)["spanning_alpha_t"].reason
    assert "nothing is left of it" in reason
    reason = marginal_value(cut[0], [*cut[1:], Signal("x3", 3 * cut[0].returns, 3 * cut[0].x)], draws=100)[
        "spanning_alpha_t"].reason  # fmt: skip
    assert reason.startswith("too few sessions, or nothing is left of it")


def test_partial_correlation_is_that_of_residuals_session_by_session():
    rng = np.random.default_rng(1)
    frames = [pd.DataFrame(rng.normal(size=(6, 12)), DAYS[:6]) for _ in range(3)]
    frames[0].iloc[2, :7] = np.nan  # five names are left: too few
    frames[1].iloc[3, 4] = np.nan
    score, given, forward = frames
    found = partial_correlation(score, [given], forward)
    assert np.isnan(found.iloc[2])
    for t in (0, 3):
        keep = np.isfinite(np.column_stack([frame.iloc[t] for frame in frames])).all(axis=1)
        q, g, e = (norm.ppf((rankdata(frame.iloc[t][keep]) - 0.375) / (keep.sum() + 0.25)) for frame in frames)
        left = [sm.OLS(values, sm.add_constant(g)).fit().resid for values in (q, e)]
        assert found.iloc[t] == pytest.approx(np.corrcoef(*left)[0, 1], rel=1e-9)


def test_a_mix_is_chosen_from_the_sessions_before():
    rng = np.random.default_rng(5)
    values = rng.normal([0.0004, 0.0002, -0.0006], [0.01, 0.004, 0.01], (700, 3))
    altered = values.copy()
    altered[500:] += 0.05
    for best in (False, True):
        found, other = (walk_forward_mix(table, best=best) for table in (values, altered))
        np.testing.assert_array_equal(found[:500], other[:500])
        assert np.isnan(found[:252]).all()
    # The weights of the second choice beat every mix of a grid on the sessions before it.
    past, after = values[:273], walk_forward_mix(values, best=True)[273:294]
    weights = np.linalg.lstsq(values[273:294], after, rcond=None)[0]
    assert weights.min() > -1e-9
    grid = rng.dirichlet(np.ones(3), 2000)
    ratios = (past @ grid.T).mean(axis=0) / (past @ grid.T).std(axis=0)
    assert (past @ weights).mean() / (past @ weights).std() >= ratios.max() - 1e-9


def test_stored_runs_and_the_command(tmp_path, capsys):
    prices, predictions = synthetic_market(130, 12, ic=0.1, seed=0)
    rules = ("quintile_long_short", "s5_long_only")
    one, two = (backtest(load_strategy(name), predictions, prices, root=tmp_path).run for name in rules)
    found = marginal(one, two, draws=100)
    own, beside = signals_of(two)
    assert (found.new, found.beside, beside) == (two.id, (one.id,), [])
    assert found["orthogonal_ic"].reason  # the very same scores: nothing is left of them
    assert len(own.returns) == len(found.sessions)
    with pytest.raises(InputError, match="given twice"):
        marginal(one, one)
    asked = ["compare", one.id, two.id, "--marginal", "--results", str(tmp_path)]
    assert cli.main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {item["name"] for item in told["figures"]} >= {"spanning_alpha_ann", "sharpe_in_sample_gain"}
    assert cli.main(asked) == 0
    assert f"what {two.id} adds to {one.id}" in capsys.readouterr().out
    page = tmp_path / "adds.html"
    assert cli.main([*asked, "--html", "--output", str(page), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(page)
    drawn = page.read_text(encoding="utf-8")
    assert found.sentence[1:].replace("'", "&#39;") in drawn
    alpha = found["spanning_alpha_ann"]
    assert f"{100 * alpha.value:.2f}%" in drawn
    assert "What no fixed mix of the books there earns" in drawn
    # Every figure has its name in words.
    assert f"beta on {one.id}" in drawn
    assert not [words for words in ("spanning alpha ann", "skill left x", "orthogonal ic<") if words in drawn]
    # What is left has the intercept as its mean.
    assert 252 * found.left.mean() == pytest.approx(alpha.value, rel=1e-9)
