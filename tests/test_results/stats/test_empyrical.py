"""Every figure that empyrical-reloaded has too, on the same returns, to 1e-9; where definitions differ, by how much.

The same to 1e-9: Sharpe ratio (of returns over a rate, too), volatility, geometric and total return, drawdown and its
path, Calmar, Sortino, VaR, CVaR, tail ratio, omega at 0, beta, tracking error, returns by month and year, and the
Sharpe ratio, volatility and beta of rolling windows.

Other definitions, each turned into the other below:

- alpha: empyrical compounds the intercept, (1 + a)^252 − 1; ours is a · 252, which a HAC error can be given to.
- excess Sharpe: empyrical's is of a session, our information ratio is annual (× √252) and left out where beta is far
  from 1.
- captures: empyrical's are of compounded annual returns, ours of means: a short window cannot blow them up.
- VaR and CVaR are negative in both; the drawdown is negative in both.
- a series without variation: empyrical gives NaN or infinity, ours NaN with the reason.
"""

from __future__ import annotations

import math

import empyrical
import numpy as np
import pandas as pd
import pytest

from assay.data.returns import drawdown_series
from assay.results.stats.performance import (
    monthly_returns,
    performance_metrics,
    relative_metrics,
    rolling,
    yearly_returns,
)
from assay.results.stats.return_path import against_figures, path_figures

RATE = 1.5e-4
EXACT = {"rel": 1e-9, "abs": 1e-12}


def paths(seed: int) -> tuple[pd.Series, pd.Series]:
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2018-01-01", periods=400)
    market = pd.Series(rng.standard_t(5, 400) * 0.008 + 0.0004, days)
    return 0.8 * market + rng.normal(0.0002, 0.006, 400), market


def values(metrics) -> dict[str, float]:
    return {metric.name.removesuffix("_net"): metric.value for metric in metrics}


@pytest.mark.parametrize("seed", range(2))
def test_what_is_the_same(seed: int):
    net, market = paths(seed)
    rate = pd.Series(RATE, net.index)
    found = values(performance_metrics(net, "net"))
    for name, expected in {
        "sharpe": empyrical.sharpe_ratio(net),
        "volatility_ann": empyrical.annual_volatility(net),
        "return_ann": empyrical.annual_return(net),
        "total_return": empyrical.cum_returns_final(net),
        "max_drawdown": empyrical.max_drawdown(net),
        "calmar": empyrical.calmar_ratio(net),
        "sortino": empyrical.sortino_ratio(net),
        "var_95": empyrical.value_at_risk(net, 0.05),
        "cvar_95": empyrical.conditional_value_at_risk(net, 0.05),
    }.items():
        assert found[name] == pytest.approx(expected, **EXACT), name
    over = values([*performance_metrics(net, "net", rate=rate), *relative_metrics(net, market, "net", rate=rate)])
    assert over["sharpe"] == pytest.approx(empyrical.sharpe_ratio(net, risk_free=RATE), **EXACT)
    assert over["beta"] == pytest.approx(empyrical.beta(net, market, risk_free=RATE), **EXACT)
    assert over["return_ann"] == found["return_ann"]  # returns are not of excess, ratios are
    figures, beside = path_figures(net), against_figures(net, market)
    assert figures["tail_ratio"] == pytest.approx(empyrical.tail_ratio(net), **EXACT)
    assert figures["profit_factor"] == pytest.approx(empyrical.omega_ratio(net), **EXACT)
    assert beside["tracking_error"] == pytest.approx(empyrical.annual_volatility(net - market), **EXACT)
    np.testing.assert_allclose(drawdown_series(net), empyrical.stats.drawdown_series(net), atol=1e-12)
    np.testing.assert_allclose(yearly_returns(net), empyrical.aggregate_returns(net, "yearly"), atol=1e-12)
    months = monthly_returns(net).stack().dropna()
    np.testing.assert_allclose(months, empyrical.aggregate_returns(net, "monthly"), atol=1e-12)
    windows = rolling(net, market, 60).dropna()
    np.testing.assert_allclose(windows["sharpe"], empyrical.roll_sharpe_ratio(net, 60), rtol=1e-9)
    np.testing.assert_allclose(windows["volatility"], empyrical.roll_annual_volatility(net, 60), rtol=1e-9)
    np.testing.assert_allclose(windows["beta"], empyrical.roll_beta(net, market, window=60), rtol=1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_what_is_defined_otherwise_and_how(seed: int):
    net, market = paths(seed)
    rate = pd.Series(RATE, net.index)
    for given, free in ((None, 0.0), (rate, RATE)):
        ours = values(relative_metrics(net, market, "net", rate=given))
        intercept = ours["alpha_ann"] / 252
        assert (1 + intercept) ** 252 - 1 == pytest.approx(empyrical.alpha(net, market, risk_free=free), **EXACT)
        assert ours["information_ratio"] == pytest.approx(empyrical.excess_sharpe(net, market) * 252**0.5, **EXACT)
    beside = against_figures(net, market)
    for name, theirs, chosen in (
        ("up_capture", empyrical.up_capture, market > 0), ("down_capture", empyrical.down_capture, market < 0),
    ):  # fmt: skip
        compounded = [float(np.prod(1 + side[chosen]) ** (252 / chosen.sum()) - 1) for side in (net, market)]
        assert compounded[0] / compounded[1] == pytest.approx(theirs(net, market), **EXACT)
        assert beside[name] == pytest.approx(net[chosen].mean() / market[chosen].mean(), **EXACT)
    still = pd.Series(0.0, net.index)
    assert math.isnan(values(performance_metrics(still, "net"))["sharpe"])
    assert not math.isfinite(empyrical.sharpe_ratio(still))
