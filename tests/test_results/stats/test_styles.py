"""Characteristics and style returns: by hand, against least squares, statsmodels and skfolio, blind to the future."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from assay.data.characteristics import CHARACTERISTICS, characteristics
from assay.data.cross_section import standardised
from assay.data.panel import PricePanel
from assay.data.returns import simple_returns
from assay.results.stats.styles import after_factors, residual_returns, style_model


def market(sessions: int = 320, assets: int = 14, seed: int = 0) -> PricePanel:
    rng = np.random.default_rng(seed)
    dates, names = pd.bdate_range("2010-01-01", periods=sessions), [f"A{i:02d}" for i in range(assets)]
    returns = rng.normal(0, 0.01, (sessions, 1)) * rng.uniform(0.5, 1.5, assets)
    returns += rng.normal(0, 0.02, (sessions, assets))
    close = pd.DataFrame(50 * np.cumprod(1 + returns, axis=0), dates, names)
    close.iloc[:100, 0] = close.iloc[200:, 1] = np.nan
    volume = pd.DataFrame(rng.lognormal(10, 1, close.shape), dates, names)
    return PricePanel(close, volume=volume.where(close.notna()))


PANEL = market()
CAPS = pd.DataFrame({"A02": [1e9, 2e9], "A03": [3e9, 1e9]}, pd.to_datetime(["2010-02-01", "2010-06-01"]))
SECTORS = pd.Series({name: "xyz"[i % 3] for i, name in enumerate(PANEL.assets)}).drop("A13")


def test_characteristics_are_what_they_say():
    found = characteristics(PANEL, caps=CAPS)
    assert list(found) == list(CHARACTERISTICS)
    close, returns, at = PANEL.close, simple_returns(PANEL.close), 300
    last, own = PANEL.sessions[at], "A05"
    before = returns[own].iloc[at - 59 : at + 1]
    assert found["volatility"].loc[last, own] == pytest.approx(np.log(before.std()))
    year_to_month = close[own].iloc[at - 21] / close[own].iloc[at - 252]
    assert found["momentum"].loc[last, own] == pytest.approx(np.log(year_to_month))
    weights = 0.5 ** (np.arange(at)[::-1] / 5)
    logs = np.log1p(returns[own].iloc[1 : at + 1].to_numpy())
    assert found["reversal"].loc[last, own] == pytest.approx(-(weights * logs).sum() / weights.sum())
    impact = (before.abs() / (close[own] * PANEL.volume[own]).loc[before.index]).mean()
    assert found["liquidity"].loc[last, own] == pytest.approx(-np.log(impact))
    year, mean = returns[own].iloc[at - 251 : at + 1], returns.mean(axis="columns").iloc[at - 251 : at + 1]
    assert found["beta"].loc[last, own] == pytest.approx(np.cov(year, mean)[0, 1] / mean.var())

    assert found["size"].loc[last, "A02"] == pytest.approx(np.log(2e9))
    assert np.isnan(found["size"].loc[last, "A05"])
    assert found["momentum"]["A01"].iloc[200:].isna().all()  # without a close nothing is known
    assert "liquidity" not in characteristics(PricePanel(PANEL.close))


def test_the_future_changes_nothing_before_it():
    for cut in (150, 260, 301):
        part = PANEL.through(PANEL.sessions[cut - 1])
        whole, short = (
            style_model(simple_returns(panel.close), characteristics(panel, caps=CAPS), SECTORS)
            for panel in (PANEL, part)
        )
        for one, two in ((whole.returns, short.returns), (whole.own, short.own)):
            pd.testing.assert_frame_equal(one.iloc[:cut], two, check_freq=False, atol=1e-14, rtol=0)
        for name, frame in short.exposures.items():
            before = whole.exposures[name].iloc[:cut]
            pd.testing.assert_frame_equal(before, frame, check_freq=False, atol=1e-14, rtol=0)


def test_a_session_is_a_least_squares_fit_on_what_was_known_before():
    returns = simple_returns(PANEL.close)
    model = style_model(returns, characteristics(PANEL), SECTORS)
    for at in (280, 310):
        there = returns.iloc[at].notna().to_numpy()
        design = np.column_stack([np.ones(there.sum()), *(f.iloc[at - 1][there] for f in model.exposures.values())])
        values = returns.iloc[at][there].to_numpy()
        found, *_ = np.linalg.lstsq(design, values, rcond=1e-8)
        np.testing.assert_allclose(model.returns.iloc[at], found, atol=1e-12)
        np.testing.assert_allclose(model.own.iloc[at][there], values - design @ found, atol=1e-12)
        assert model.returns["market"].iloc[at] == pytest.approx(values.mean(), abs=2e-3)
    rebuilt = sum(
        model.exposures[name].shift(1).mul(model.returns[name], axis="index") for name in model.exposures
    ).add(model.returns["market"], axis="index") + model.own
    after = rebuilt.iloc[1:]
    np.testing.assert_allclose(after.where(returns.notna()).iloc[5:], returns.iloc[6:], atol=1e-12)


def test_forward_returns_are_fit_on_the_exposures_of_their_own_session():
    returns = simple_returns(PANEL.close)
    model = style_model(returns, characteristics(PANEL))
    ahead = returns.shift(-1)
    np.testing.assert_allclose(residual_returns(ahead, model).shift(1).iloc[1:], model.own.iloc[1:], atol=1e-12)


def test_exposures_are_centred_unit_and_bounded():
    values = np.array([[1.0, 2.0, 3.0, 100.0, np.nan], [5.0, 5.0, 5.0, 5.0, 5.0]])
    out = standardised(values, np.array([[True] * 5, [True] * 5]))
    assert abs(out[0].sum()) < 1e-12
    assert out[0, 4] == 0
    assert (out[1] == 0).all()
    np.testing.assert_allclose(out[0, :4], np.array([-25.5, -24.5, -23.5, 73.5]) / np.std([1, 2, 3, 100]))


def test_too_few_assets_have_no_factors():
    few = PANEL.select(["A05", "A06", "A07"])
    assert style_model(simple_returns(few.close), characteristics(few)).returns.isna().all().all()


def test_what_is_left_is_statsmodels_with_hac_errors():
    rng = np.random.default_rng(3)
    factors = {name: rng.normal(0, 0.01, 900) for name in "abc"}
    values = 0.0004 + 0.5 * factors["a"] - 0.2 * factors["b"] + rng.normal(0, 0.01, 900)
    line = after_factors(values, {**factors, "sum": factors["a"] + factors["b"], "flat": np.zeros(900)})
    assert line is not None
    design = sm.add_constant(np.column_stack(list(factors.values())))
    fit = sm.OLS(values, design).fit(cov_type="HAC", cov_kwds={"maxlags": line.lag, "use_correction": True})
    assert line.alpha == pytest.approx(fit.params[0], abs=1e-12)
    assert line.alpha_error == pytest.approx(fit.bse[0], abs=1e-12)
    assert [line.betas[name] for name in "abc"] == pytest.approx(list(fit.params[1:]), abs=1e-10)
    assert line.betas["sum"] == line.betas["flat"] == 0
    assert after_factors(values[:80], {name: series[:80] for name, series in factors.items()}) is None


@pytest.mark.slow
def test_skfolio_attributes_the_same_book_the_same_way():  # 3 s: skfolio is imported
    from skfolio.attribution import realized_factor_attribution

    rng = np.random.default_rng(5)
    panel = PricePanel(PANEL.close.drop(columns=["A00", "A01"]))
    returns = simple_returns(panel.close)
    model = style_model(returns, characteristics(panel))
    rows = slice(280, 320)
    held = rng.normal(0, 0.1, (40, 12))
    exposures = np.stack([np.ones((40, 12)), *(f.iloc[rows].to_numpy() for f in model.exposures.values())], axis=2)
    earned = (held * returns.iloc[rows].to_numpy()).sum(axis=1)
    theirs = realized_factor_attribution(
        asset_names=list(panel.assets), factor_names=list(model.returns.columns), weights=held,
        factor_returns=model.returns.iloc[rows].to_numpy(), portfolio_returns=earned, exposures=exposures,
        idio_returns=model.own.iloc[rows].to_numpy(), annualization_factor=1.0,
    )  # fmt: skip
    loaded = np.einsum("tn,tnk->tk", held[1:], exposures[:-1])
    ours = (loaded * model.returns.iloc[rows].to_numpy()[1:]).mean(axis=0)
    np.testing.assert_allclose(theirs.factors.mu_contrib, ours, atol=1e-14)
    assert theirs.unattributed.mu_contrib == pytest.approx(0, abs=1e-14)
