"""Legs, regimes, crises and explained days, each against plain pandas on the same returns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.stats.proportion import proportion_confint

from assay.data.errors import InputError
from assay.data.files.series import load_regimes
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import run_backtest
from assay.results.evidence.attribution import book_of
from assay.results.evidence.regimes import CRISES, crises, legs, regimes
from assay.results.evidence.styles import StyleInputs, against_styles
from assay.results.stats.performance import sharpe_interval
from assay.strategies.catalog import load_strategy


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(4)
    days, names = pd.bdate_range("2018-01-01", "2020-06-30"), [f"A{i:02d}" for i in range(20)]
    moves = rng.normal(0.0003, 0.01, (len(days), 1)) + rng.normal(0, 0.015, (len(days), 20))
    prices = PricePanel(pd.DataFrame(40 * np.cumprod(1 + moves, axis=0), days, names))
    score = pd.DataFrame(rng.normal(0, 1, moves.shape), days, names).ewm(halflife=10).mean().iloc[60:]
    market = prices.close.pct_change(fill_method=None).mean(axis="columns").rename("market")
    predictions = PredictionPanel(score, unit="rank", name="scores")
    result = run_backtest(load_strategy("quintile_long_short"), predictions, prices, benchmark=market)
    return result, predictions, prices, market


def test_legs_sum_to_the_net_return_and_their_alpha_is_statsmodels(made):
    result, _, prices, market = made
    book = book_of(result, prices)
    table = legs(result, book)
    assert table["return_ann"].sum() == pytest.approx(252 * result.returns.mean(), abs=1e-9)
    long = (book.earned - book.charged).where(book.held > 0, 0.0)
    first = (book.held == 0) & (book.held.shift(-1).fillna(0.0) >= 0)
    values = (long + (book.earned - book.charged).where(first, 0.0)).sum(axis="columns")
    assert table.loc["long", "return_ann"] == pytest.approx(252 * values.mean(), abs=1e-9)
    design = sm.add_constant(market.reindex(result.sessions).to_numpy())
    assert table.loc["long", "alpha_ann"] == pytest.approx(252 * sm.OLS(values.to_numpy(), design).fit().params[0])
    assert table.loc["long", "alpha_low"] < table.loc["long", "alpha_ann"] < table.loc["long", "alpha_high"]
    moved = values[values != 0]
    wilson = proportion_confint(int((moved > 0).sum()), len(moved), method="wilson")
    assert tuple(table.loc["long", ["hit_low", "hit_high"]]) == pytest.approx(wilson, abs=1e-9)
    assert table.loc["long", "hit"] == pytest.approx((moved > 0).mean())


def test_regimes_are_known_when_they_should_be(made, tmp_path):
    result, _, _, market = made
    path = tmp_path / "regimes.csv"
    path.write_text("date,regime\n2018-01-01,calm\n2019-03-04,storm\n")
    table = regimes(result, market, load_regimes(path)).set_index(["kind", "regime"])
    own = market.reindex(result.sessions)
    up = result.returns[own > 0]
    assert table.loc[("market", "up"), "n"] == len(up)
    assert table.loc[("market", "up"), "return_ann"] == pytest.approx(252 * up.mean())
    assert table.loc[("market", "up"), "sharpe"] == pytest.approx(sharpe_interval(up.to_numpy())[0])
    # A regime that begins at the close of its day is that of the next session.
    storm = result.returns[result.sessions > pd.Timestamp("2019-03-04")]
    assert table.loc[("declared", "storm"), "n"] == len(storm)
    assert table.loc["volatility"]["n"].sum() == market.rolling(60, min_periods=20).std().shift(1).reindex(
        result.sessions
    ).notna().sum()
    path.write_text("date,kind\n2018-01-01,calm\n")
    with pytest.raises(InputError, match="date and regime"):
        load_regimes(path)


def test_crises_that_are_covered_whole(made):
    result, _, _, market = made
    table = crises(result, market).set_index("crisis")
    assert set(table.index) == {"end of 2018", "COVID crash"}
    start, end = next((start, end) for name, start, end in CRISES if name == "COVID crash")
    inside = result.returns.loc[start:end]
    assert table.loc["COVID crash", "net"] == pytest.approx((1 + inside).prod() - 1)
    level = (1 + inside).cumprod()
    depth = (level / np.maximum(level.cummax(), 1) - 1).min()
    assert table.loc["COVID crash", "drawdown"] == pytest.approx(depth)


def test_the_worst_and_best_days_are_explained_whole(made):
    result, predictions, prices, _ = made
    _, tables = against_styles(result, predictions, prices, StyleInputs())
    table = tables["days"]
    assert len(table) == 20
    assert table["net"].iloc[0] == result.returns.min()
    assert table["net"].iloc[-1] == result.returns.max()
    np.testing.assert_allclose(table[["factors", "own", "costs"]].sum(axis="columns"), table["net"], atol=1e-12)
    assert {"holding_period", "rank_persistence", "deciles", "legs", "regimes", "crises"} <= set(tables)
    assert tables["holding_period"].index.tolist() == list(range(1, 61))
