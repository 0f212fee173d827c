"""Turnover-adjusted IC, the distribution of scores, errors of an attribution, and Sharpe ratios over the cash rate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.sweep import cells_of, run_cells
from assay.results.evidence.attribution import attribution_table, book_of, by_leg
from assay.results.evidence.backtest import evaluate
from assay.results.evidence.styles import score_distribution
from assay.results.evidence.sweep import excess_returns
from assay.results.stats.holding_period import score_quantiles, turnover_in_ic
from assay.results.stats.long_run_variance import hac_mean
from assay.results.stats.performance import rolling
from assay.strategies.catalog import load_strategy

DAYS = pd.bdate_range("2019-06-03", periods=300)


def test_turnover_costs_the_ic_that_a_hand_worked_case_says():
    score = pd.DataFrame([[1.0, 2, 3, 4, 5], [1, 2, 3, 5, 4], [2, 1, 3, 5, 4]], DAYS[:3])
    forward = pd.DataFrame([[0.00, 0.01, 0.02, 0.03, 0.04]] * 3, DAYS[:3])
    assert score_quantiles(score).iloc[1].tolist() == [1, 2, 3, 5, 4]
    found = turnover_in_ic(score, forward, 0.0005)
    apart = 2 * norm.pdf(norm.ppf(0.8)) / 0.2  # 2.80
    one = 2 * 0.0005 / (apart * np.std([0, 0.01, 0.02, 0.03, 0.04], ddof=1))
    assert np.isnan(found.iloc[0])
    assert found.iloc[1:].to_numpy() == pytest.approx([one, one])  # the top one is new, then the bottom one
    assert turnover_in_ic(score, forward, 0.0).iloc[1:].tolist() == [0, 0]


def test_scores_that_move_are_seen_by_year():
    rng = np.random.default_rng(0)
    view = pd.DataFrame(rng.normal(size=(300, 20)), DAYS)
    view.iloc[:, 3] = np.nan
    still = score_distribution(view)
    assert still.index.tolist() == [2019, 2020]
    assert still.loc[2020, "psi"] < still.loc[2020, "limit"]
    assert np.isnan(still.loc[2019, "psi"])
    assert still.loc[2019, "names"] == 19
    own = view.loc["2020"].to_numpy()
    assert still.loc[2020, "p95"] == pytest.approx(np.nanquantile(own, 0.95))
    moved = score_distribution(pd.concat([view.loc["2019"], 1.5 * view.loc["2020"] + 0.5]))
    assert moved.loc[2020, "psi"] > moved.loc[2020, "limit"]


def test_a_part_of_the_return_has_the_error_of_its_mean():
    prices, predictions = synthetic_market(120, 12, ic=0.1, seed=2)
    result = run_backtest(load_strategy("quintile_long_short"), predictions, prices)
    book = book_of(result, prices)
    table = attribution_table(book, None, result, None).set_index(["kind", "name"])
    for leg, values in by_leg(book)[["long", "short"]].items():
        assert table.loc[("leg", leg), "error_ann"] == pytest.approx(252 * hac_mean(values.to_numpy())[1])


def test_sharpe_ratios_are_over_the_cash_rate_in_sweeps_and_windows():
    prices, predictions = synthetic_market(150, 12, ic=0.1, seed=3)
    costs = CostModel(cash_rate_bps=800)
    cells = cells_of("quintile_long_short", {"quantile": ["0.2"]}, costs=costs)
    (found,) = [item for batch in run_cells(cells, predictions, prices) for item in batch]
    result = run_backtest(load_strategy("quintile_long_short", quantile=0.2), predictions, prices, costs=costs)
    sharpe = evaluate(result, predictions, prices)["sharpe_net"].value
    excess = excess_returns(cells[0], found.net)
    assert np.sqrt(252) * excess.mean() / excess.std(ddof=1) == pytest.approx(sharpe, rel=1e-12)
    window = rolling(result.returns, None, len(excess), rate=result.cash_rate)
    assert window["sharpe"].iloc[-1] == pytest.approx(sharpe, rel=1e-12)
