"""Optimised strategies: equal to skfolio, exact where algebra is, causal, within limits, honest when stuck."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.data.errors import InputError, LookAheadError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import run_backtest
from assay.strategies.base import LastDecision, decide
from assay.strategies.catalog import describe, load_strategy
from assay.strategies.contract import check_strategy, random_panels
from assay.strategies.optimised import solvers
from assay.strategies.optimised.constraints import Limits, blocking, violations
from assay.strategies.optimised.covariance import covariance_matrix
from assay.strategies.optimised.portfolios import BlackLitterman, Hrp
from assay.strategies.optimised.rebalancing import limits_of, market_of
from assay.strategies.optimised.solvers import Problem
from assay.strategies.optimised.views import skill_of

NAMES = ("mean_variance", "min_variance", "cvar", "black_litterman", "hrp", "risk_parity", "max_diversification")
LONG_ONLY = ("hrp", "risk_parity", "max_diversification")
WINDOW = 30


def market(seed=0, sessions=80, assets=6):
    """A market without holes, with volume, and scores that are returns."""
    rng = np.random.default_rng(seed)
    index = pd.bdate_range("2020-01-01", periods=sessions)
    names = [f"S{i}" for i in range(assets)]
    common = rng.normal(0, 0.008, (sessions, 1))
    moves = common + rng.normal(0, 0.01, (sessions, assets)) * rng.uniform(0.5, 2.0, assets)
    close = pd.DataFrame(50 * np.exp(np.cumsum(moves, axis=0)), index, names)
    volume = pd.DataFrame(rng.uniform(1e4, 1e5, close.shape), index, names)
    score = pd.DataFrame(rng.normal(0, 0.003, close.shape), index, names)
    return PredictionPanel(score), PricePanel(close, volume=volume)


def window_of(prices, at):
    return prices.close.pct_change().iloc[at - WINDOW + 1 : at + 1].to_numpy()


def limits(n, **changes):
    free = np.full(n, np.inf)
    given = {"net": 1.0, "gross": 1.0, "cap": np.ones(n), "liquidity": free, "long_only": True, "previous": np.zeros(n)}
    return Limits(**{**given, **changes})


def direct(name, returns, score):
    """The same problem written down with skfolio alone."""
    from skfolio import RiskMeasure
    from skfolio.moments import LedoitWolf
    from skfolio.optimization import (
        HierarchicalRiskParity,
        MaximumDiversification,
        MeanRisk,
        ObjectiveFunction,
        RiskBudgeting,
    )
    from skfolio.prior import EmpiricalPrior

    prior = EmpiricalPrior(covariance_estimator=LedoitWolf())
    held, tight = 0.3, {"solver_params": dict(solvers.PRECISION)}
    if name in ("mean_variance", "cvar"):
        estimator = MeanRisk(
            objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
            risk_measure=RiskMeasure.CVAR if name == "cvar" else RiskMeasure.VARIANCE,
            risk_aversion=0.1 if name == "cvar" else 5.0,
            prior_estimator=prior,
            max_weights=held,
            overwrite_expected_return=lambda w: score @ w,
            **tight,
        )
    elif name == "min_variance":
        estimator = MeanRisk(prior_estimator=prior, max_weights=held, **tight)
    else:
        kind = {"hrp": HierarchicalRiskParity, "risk_parity": RiskBudgeting}.get(name, MaximumDiversification)
        estimator = kind(prior_estimator=prior, max_weights=held, **({} if name == "hrp" else tight))
    return estimator.fit(returns).weights_


@pytest.mark.parametrize("name", [name for name in NAMES if name != "black_litterman"])
def test_weights_are_those_of_skfolio_called_directly(name):
    predictions, prices = market(1)
    free = {"cost_bps": 0} if name in ("mean_variance", "cvar") else {}
    strategy = load_strategy(name, every=20, window=WINDOW, max_weight=0.3, **free)
    weights = strategy.target_weights(predictions, prices).weights.dropna()
    assert len(weights) == 3
    for session, row in weights.iterrows():
        at = prices.sessions.get_loc(session)
        expected = direct(name, window_of(prices, at), predictions.score.loc[session].to_numpy())
        np.testing.assert_allclose(row, expected, atol=1e-5)


def test_black_litterman_is_skfolios_posterior_then_skfolios_mean_variance():
    from skfolio.moments import EquilibriumMu, LedoitWolf
    from skfolio.optimization import MeanRisk, ObjectiveFunction
    from skfolio.prior import BlackLitterman as Posterior
    from skfolio.prior import EmpiricalPrior

    _, prices = market(2)
    returns = window_of(prices, 60)
    frame = pd.DataFrame(returns, columns=prices.assets)
    values = np.linspace(-0.001, 0.002, 6)
    prior = EmpiricalPrior(
        mu_estimator=EquilibriumMu(risk_aversion=10.0, covariance_estimator=LedoitWolf()),
        covariance_estimator=LedoitWolf(),
    )
    posterior = Posterior(
        [f"{asset} == {value!r}" for asset, value in zip(prices.assets, values.tolist(), strict=True)],
        prior_estimator=prior,
        view_confidences=[0.4] * 6,
    )
    expected = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
        risk_aversion=5.0,
        prior_estimator=posterior,
        solver_params=dict(solvers.PRECISION),
    ).fit(frame)
    covariance, _ = covariance_matrix(returns)
    mean = solvers.equilibrium(covariance, np.full(6, 1 / 6), 5.0)
    inputs = solvers.with_views(
        Problem(mean, covariance, returns, limits(6), risk_aversion=5.0), values, np.ones(6, bool), 0.4, 0.05
    )
    found = posterior.fit(frame).return_distribution_
    np.testing.assert_allclose(inputs.mean, found.mu, rtol=1e-10)
    np.testing.assert_allclose(inputs.covariance, found.covariance, rtol=1e-10)
    np.testing.assert_allclose(solvers.mean_variance(inputs), expected.weights_, atol=1e-5)


def test_two_assets_and_diagonal_covariance_have_the_textbook_weights():
    returns = np.random.default_rng(0).normal(0, 0.01, (50, 2))
    s1, s2, rho = 0.02, 0.01, 0.3
    covariance = np.array([[s1**2, rho * s1 * s2], [rho * s1 * s2, s2**2]])
    inputs = Problem(np.zeros(2), covariance, returns, limits(2))
    first = (s2**2 - rho * s1 * s2) / (s1**2 + s2**2 - 2 * rho * s1 * s2)
    np.testing.assert_allclose(solvers.mean_variance(inputs), [first, 1 - first], atol=1e-6)
    inverse_volatility = np.array([1 / s1, 1 / s2]) / (1 / s1 + 1 / s2)  # both, whatever the correlation
    np.testing.assert_allclose(solvers.risk_parity(inputs), inverse_volatility, atol=1e-5)
    np.testing.assert_allclose(solvers.max_diversification(inputs), inverse_volatility, atol=1e-5)
    inverse_variance = np.array([1 / s1**2, 1 / s2**2]) / (1 / s1**2 + 1 / s2**2)
    np.testing.assert_allclose(solvers.hrp(inputs), inverse_variance, atol=1e-12)

    variances = np.array([1e-4, 2e-4, 4e-4])
    diagonal = Problem(np.zeros(3), np.diag(variances), np.zeros((2, 3)), limits(3))
    np.testing.assert_allclose(solvers.mean_variance(diagonal), (1 / variances) / (1 / variances).sum(), atol=1e-6)
    mean = np.array([1e-3, 2e-3, 3e-3])
    free = limits(3, long_only=False, gross=50.0, cap=np.full(3, 50.0), net=float((mean / (10 * variances)).sum()))
    optimum = solvers.mean_variance(replace(diagonal, mean=mean, limits=free, risk_aversion=5.0))
    np.testing.assert_allclose(optimum, mean / (2 * 5.0 * variances), rtol=1e-5)


def test_without_views_black_litterman_holds_the_equilibrium():
    predictions, prices = market(3)
    strategy = load_strategy("black_litterman", every=20, window=WINDOW, ic_minimum=500, ic_window=500, cost_bps=0)
    decision = strategy.target_weights(predictions, prices)
    weights = decision.weights
    np.testing.assert_allclose(weights.dropna(), 1 / 6, atol=1e-6)
    assert {kind for _, _, kind, _ in decision.events} == {"no_view"}


def test_views_follow_skill_and_only_skill():
    _, prices = market(4, sessions=200)
    ahead = prices.close.shift(-2) / prices.close.shift(-1) - 1
    rng = np.random.default_rng(0)
    noisy = ahead.fillna(0) + rng.normal(0, 0.02, ahead.shape)
    strategy = load_strategy("black_litterman", every=40, window=WINDOW, ic_minimum=20, cost_bps=0)
    skilled_decision = strategy.target_weights(PredictionPanel(noisy), prices)
    skilled = skilled_decision.weights
    kinds = [kind for _, _, kind, _ in skilled_decision.events]
    assert kinds[-1] == "views"
    last = skilled.dropna().index[-1]
    assert np.corrcoef(skilled.loc[last], noisy.loc[last])[0, 1] > 0.5
    wrong = strategy.target_weights(PredictionPanel(-noisy), prices)
    assert {kind for _, _, kind, _ in wrong.events} == {"no_view"}
    np.testing.assert_allclose(wrong.weights.dropna(), 1 / 6, atol=1e-6)


def test_skill_is_newey_west_and_its_confidence_shrinks():
    import statsmodels.api as sm

    values = np.random.default_rng(1).normal(0.02, 0.1, 300)
    found = skill_of(values, horizon=3)
    fit = sm.OLS(values, np.ones(300)).fit(cov_type="HAC", cov_kwds={"maxlags": 5, "use_correction": False})
    assert found.t == pytest.approx(float(fit.tvalues[0]), rel=1e-10)
    assert found.confidence == pytest.approx(1 - 1 / found.t**2)
    assert skill_of(-values).confidence == 0


@pytest.mark.parametrize("name", NAMES)
def test_no_strategy_looks_ahead(name):
    extra = {"max_turnover": 0.3} if name == "hrp" else {}
    extra |= {"ic_minimum": 5} if name == "black_litterman" else {}
    extra |= {"tilt": 0.3} if name in LONG_ONLY else {}
    assert "causality" in check_strategy(load_strategy(name, every=30, window=20, **extra), seeds=(0,))


@dataclass(frozen=True, kw_only=True)
class WholeSampleCovariance(Hrp):
    """Estimates its covariance on every session there is."""

    name: ClassVar[str] = "whole_sample_covariance"

    def _estimate(self, returns, market, at):
        return covariance_matrix(np.nan_to_num(market.returns[:, : returns.shape[1]]), self.covariance)


@dataclass(frozen=True, kw_only=True)
class WholeSampleSkill(BlackLitterman):
    """Measures its skill on every session there is."""

    name: ClassVar[str] = "whole_sample_skill"

    def _skills(self, predictions, prices):
        from assay.strategies.optimised.views import daily_rank_ic

        ic = daily_rank_ic(predictions, prices, self.name)
        whole = replace(skill_of(ic[np.isfinite(ic)]), t=5.0)
        return dict.fromkeys(range(len(predictions.sessions)), whole)


@pytest.mark.parametrize("cheat", [WholeSampleCovariance, WholeSampleSkill])
def test_estimates_on_the_whole_sample_are_caught(cheat):
    with pytest.raises(LookAheadError):
        check_strategy(cheat(every=30, window=20), seeds=(0,))


@given(seed=st.integers(0, 10_000), name=st.sampled_from(NAMES), data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_constraint_holds_at_every_decision(seed, name, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("groups")
    predictions, prices = random_panels(seed, sessions=70)
    mapping = pd.DataFrame({"asset": prices.assets, "group": [f"g{i % 3}" for i in range(len(prices.assets))]})
    mapping.to_csv(folder / "sectors.csv", index=False)
    either = name not in LONG_ONLY
    neutral = either and data.draw(st.booleans())
    options = {
        "every": 20,
        "window": WINDOW,
        "max_weight": data.draw(st.sampled_from([0.15, 0.3, 1.0])),
        "max_turnover": data.draw(st.sampled_from([None, 0.2, 0.6])),
        "min_weight": data.draw(st.sampled_from([0.0, 0.03])),
        "max_volume": data.draw(st.sampled_from([None, 0.5])),
        "max_beta": 0.0 if neutral else data.draw(st.sampled_from([None, 1.0])),
        "max_group": data.draw(st.sampled_from([None, 0.5])),
        "net": 0.0 if neutral else 1.0,
        "gross": data.draw(st.sampled_from([1.0, 1.6])) if either else 1.0,
        "long_only": not either,
    }
    options["groups"] = str(folder / "sectors.csv") if options["max_group"] else None
    strategy = load_strategy(name, **options)
    decision = strategy.target_weights(predictions, prices)
    weights = decision.weights
    desk = market_of(predictions, prices, strategy, who=name, scored=False, signed=False)
    last, decided, seen = None, 0, 0
    for row, values in enumerate(weights[sorted(weights.columns)].to_numpy()):
        if np.isnan(values).any():
            assert np.isnan(values).all()
            continue
        at = int(desk.rows[row])
        held = None if last is None else desk.drifted(last, decided, at)
        everyone = np.arange(len(desk.assets))
        covariance = np.eye(len(everyone))  # betas are checked on the eligible, below
        bounds = limits_of(desk, replace(strategy, max_beta=None), at, everyone, covariance, held)
        assert violations(values, bounds, 2e-6) == {}
        held_names = np.abs(values[np.abs(values) > 0])
        assert (held_names >= options["min_weight"] - 2e-6).all()
        if options["max_beta"] is not None:
            chosen = desk.eligible(at, WINDOW)
            if strategy._needs_views:
                score = predictions.score[sorted(weights.columns)].to_numpy()
                chosen = chosen[np.isfinite(score[row, chosen])]
            history, _ = desk.history(at, WINDOW, chosen)
            matrix, _ = covariance_matrix(history, strategy.covariance)
            beta = matrix.mean(axis=1) / matrix.mean()
            assert abs(beta @ values[chosen]) <= options["max_beta"] + 2e-6
        last, decided, seen = values, at, seen + 1
    stuck = [kind for _, _, kind, _ in decision.events if kind in ("infeasible", "too_few_assets")]
    assert seen + len(stuck) == 2  # rows 30 and 50: each is solved or explained


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"cap": np.full(4, 0.2)}, "max_weight"),
        ({"liquidity": np.full(4, 0.1)}, "max_volume"),
        (
            {"max_group": 0.3, "groups": {"a": np.array([1, 1, 0, 0], bool), "b": np.array([0, 0, 1, 1], bool)}},
            "max_group",
        ),
        ({"beta": np.array([0.9, 1.0, 1.1, 1.2]), "max_beta": 0.5}, "max_beta"),
        ({"previous": np.array([1.0, 0, 0, 0]), "max_turnover": 0.1, "cap": np.full(4, 0.5)}, "max_turnover"),
    ],
)
def test_the_constraint_to_relax_is_named(changes, name):
    assert blocking(limits(4, **changes)) == name
    assert blocking(limits(4)) is None


def test_a_cap_below_one_over_n_is_recorded_and_nothing_is_ordered():
    predictions, prices = market(5)
    result = run_backtest(load_strategy("min_variance", every=20, window=WINDOW, max_weight=0.1), predictions, prices)
    assert set(result.events["kind"]) == {"infeasible"}
    assert result.events["detail"].str.contains("relax max_weight").all()
    assert (result.turnover == 0).all()
    expected = "3 decisions had no portfolio, first 2020-02-12: relax max_weight; holdings are kept"
    assert expected in result.warnings


def test_previous_weights_are_kept_where_a_session_cannot_be_solved():
    predictions, prices = market(6)
    volume = prices.volume.copy()
    volume.iloc[31:] = 1.0  # liquidity dries up after the first decision
    dry = replace(prices, volume=volume)
    strategy = load_strategy("min_variance", every=20, window=WINDOW, max_volume=1.0, capital=1e5)
    decision = strategy.target_weights(predictions, dry)
    weights = decision.weights
    assert weights.notna().all(axis=1).to_numpy().nonzero()[0].tolist() == [30]
    assert [kind for _, _, kind, _ in decision.events] == ["infeasible", "infeasible"]
    result = run_backtest(strategy, predictions, dry)
    assert (result.holdings.iloc[50] == result.holdings.iloc[31]).all()
    assert result.holdings.iloc[31].sum() > 0


def test_all_predictions_missing_is_recorded():
    predictions, prices = market(7)
    empty = replace(predictions, score=predictions.score * np.nan)
    decision = load_strategy("mean_variance", every=20, window=WINDOW).target_weights(empty, prices)
    weights = decision.weights
    assert weights.isna().all(axis=None)
    assert {kind for _, _, kind, _ in decision.events} == {"too_few_assets"}


def test_one_asset_is_refused():
    predictions, prices = market(8, assets=1)
    with pytest.raises(InputError, match="at least 2 assets"):
        load_strategy("hrp").target_weights(predictions, prices)


@pytest.mark.parametrize("name", ["sample", "factor"])
def test_a_singular_covariance_is_repaired_and_said(name):
    predictions, prices = market(9)
    twin = prices.close.assign(S1=prices.close["S0"])
    strategy = load_strategy("min_variance", every=20, window=WINDOW, covariance=name)
    decision = strategy.target_weights(predictions, PricePanel(twin))
    weights = decision.weights
    assert weights.dropna().shape == (3, 6)
    said = [kind for _, _, kind, _ in decision.events]
    assert said == (["covariance"] * 3 if name == "sample" else said)


def test_covariances_by_name():
    returns = np.random.default_rng(3).normal(0, 0.01, (200, 8)) + np.random.default_rng(4).normal(0, 0.01, (200, 1))
    np.testing.assert_allclose(covariance_matrix(returns, "sample")[0], np.cov(returns.T), rtol=1e-12)
    from sklearn.covariance import LedoitWolf

    np.testing.assert_allclose(covariance_matrix(returns)[0], LedoitWolf().fit(returns).covariance_, rtol=1e-10)
    weight = 0.5 ** (np.arange(199, -1, -1) / 60)
    by_numpy = np.cov(returns.T, aweights=weight, ddof=0)
    np.testing.assert_allclose(covariance_matrix(returns, "exponential")[0], by_numpy, rtol=1e-10)
    factor = covariance_matrix(returns, "factor")[0]
    np.testing.assert_allclose(np.diag(factor), returns.var(axis=0, ddof=1), rtol=1e-10)
    values, vectors = np.linalg.eigh(np.cov(returns.T))
    common = (vectors[:, -5:] * values[-5:]) @ vectors[:, -5:].T
    off = ~np.eye(8, dtype=bool)
    np.testing.assert_allclose(factor[off], common[off], rtol=1e-8, atol=1e-12)
    lifted, note = covariance_matrix(np.hstack([returns, returns]), "sample")
    assert np.linalg.eigvalsh(lifted).min() > 0
    assert "8 of 16 eigenvalues" in note


def test_groups_that_miss_an_asset_are_refused(tmp_path):
    predictions, prices = market(10)
    path = tmp_path / "sectors.csv"
    path.write_text("asset,group\nS0,tech\nS1,tech\n", encoding="utf-8")
    strategy = load_strategy("hrp", groups=str(path), max_group="0.5")
    with pytest.raises(InputError, match="misses 4 assets, first 'S2'"):
        strategy.target_weights(predictions, prices)
    with pytest.raises(InputError, match="cannot be read"):
        load_strategy("hrp", groups=str(tmp_path / "none.csv"), max_group=0.5).target_weights(predictions, prices)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("hrp", {"long_only": "no"}, "long positions alone"),
        ("mean_variance", {"net": "0"}, "impossible long-only"),
        ("mean_variance", {"net": "2"}, "within ±gross"),
        ("cvar", {"max_weight": "0"}, "max_weight must be above 0"),
        ("cvar", {"min_weight": "0.5", "max_weight": "0.2"}, "above max_weight"),
        ("hrp", {"max_group": "0.5"}, "go together"),
        ("min_variance", {"covariance": "magic"}, "covariance must be"),
        ("black_litterman", {"tau": "0"}, "tau must be above 0"),
        ("mean_variance", {"every": "0"}, "every must be at least 1"),
        ("mean_variance", {"risk_aversion": "-1"}, "risk_aversion must be above 0"),
    ],
)
def test_parameters_that_cannot_be_are_refused(name, params, message):
    with pytest.raises(InputError, match=message):
        load_strategy(name, **params)


def test_a_rank_has_no_expected_return_but_can_tilt():
    predictions, prices = market(11)
    ranked = replace(predictions, unit="rank")
    with pytest.raises(InputError, match="unit is 'rank'"):
        load_strategy("mean_variance", window=WINDOW).target_weights(ranked, prices)
    strategy = load_strategy("mean_variance", window=WINDOW, every=20, signal="tilt", max_weight=0.4)
    by_rank = strategy.target_weights(ranked, prices).weights
    cubed = replace(ranked, score=ranked.score**3)
    pd.testing.assert_frame_equal(by_rank, strategy.target_weights(cubed, prices).weights)


def test_costs_and_borrow_are_in_the_objective():
    covariance = np.diag([1e-4, 1e-4])
    held = np.array([0.9, 0.1])
    mean = np.array([0.0, 5e-4])
    inputs = Problem(mean, covariance, np.zeros((2, 2)), limits(2, previous=held), risk_aversion=1.0)
    free = solvers.mean_variance(inputs)
    assert free[1] > 0.9
    dear = solvers.mean_variance(replace(inputs, trade_cost=1e-3))
    np.testing.assert_allclose(dear, held, atol=1e-5)
    short = limits(2, long_only=False, net=0.0, gross=2.0)
    apart = replace(inputs, mean=np.array([-1e-4, 1e-4]), limits=short)
    assert solvers.mean_variance(apart)[0] < -0.3
    np.testing.assert_allclose(solvers.mean_variance(replace(apart, borrow_cost=3e-4)), 0.0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_explained(name):
    assert [item["name"] for item in describe(name)["parameters"] if not item["meaning"]] == []


@pytest.mark.parametrize("long_only", [True, False])
def test_the_direct_solution_is_skfolios(long_only):
    rng = np.random.default_rng(12)
    n = 15
    for turnover, beta in ((None, 0.9), (0.6, None)):
        returns = rng.normal(0, 0.01, (80, n)) + rng.normal(0, 0.01, (80, 1))
        covariance = np.cov(returns.T)
        bounds = limits(
            n,
            long_only=long_only,
            gross=1.0 if long_only else 1.5,
            cap=np.full(n, 0.2),
            previous=rng.dirichlet(np.ones(n)),
            max_turnover=turnover,
            groups={"even": np.arange(n) % 2 == 0},
            max_group=0.6,
            beta=covariance.mean(axis=1) / covariance.mean(),
            max_beta=beta,
        )
        inputs = Problem(rng.normal(0, 1e-3, n), covariance, returns, bounds, 5.0, 5e-4, 2e-4)
        np.testing.assert_allclose(solvers.mean_variance(inputs), solvers.through_skfolio(inputs), atol=2e-6)


@pytest.mark.slow
def test_workers_change_nothing():
    predictions, prices = market(13)
    strategy = load_strategy("mean_variance", every=4, window=WINDOW, cost_bps=0, max_weight=0.3)
    alone = strategy.target_weights(predictions, prices)
    together = replace(strategy, workers=2).target_weights(predictions, prices)
    pd.testing.assert_frame_equal(alone.weights, together.weights)
    assert alone.events == together.events


def test_resumed_from_the_last_decision_the_later_ones_are_the_same():
    predictions, prices = market(sessions=60)
    strategy = load_strategy("mean_variance", window=WINDOW, every=4, max_turnover=0.05, max_weight=0.4)
    whole = decide(strategy, predictions, prices).weights
    decided = whole.dropna().index
    for through in (decided[2], decided[3] - pd.offsets.BDay(1), prices.sessions[WINDOW - 2]):
        before = decided[decided <= through]
        last = whole.loc[before[-1]] if len(before) else whole.iloc[0]
        last = LastDecision(through, before[-1] if len(before) else None, last[::-1])  # in any order
        resumed = decide(strategy, predictions, prices, last)
        pd.testing.assert_frame_equal(resumed.weights.loc[through:].iloc[1:], whole.loc[through:].iloc[1:])
        assert resumed.weights.loc[:through].isna().all(axis=None)
