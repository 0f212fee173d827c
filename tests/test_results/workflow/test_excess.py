"""Where cash earns a rate, a sweep, the ledger and the random scores judge what is earned over it, as a run does."""

from __future__ import annotations

import numpy as np
import pytest

from assay.data.synthetic import synthetic_market
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.random_scores import random_score_null
from assay.results.stats.deflated_sharpe import deflated_sharpe
from assay.results.stats.overfitting import probability_of_overfitting
from assay.results.stats.superior_ability import superior_ability
from assay.results.storage.trial_ledger import read_trials
from assay.results.workflow import backtest, sweep
from assay.strategies.catalog import load_strategy


def test_a_sweep_and_the_ledger_count_what_is_earned_over_cash(tmp_path):
    prices, predictions = synthetic_market(140, 12, ic=0.05, seed=3)
    costs, grid = CostModel(5, cash_rate_bps=504.0), {"quantile": ["0.1", "0.2", "0.3", "0.4"]}
    run = sweep("quintile_long_short", grid, predictions, prices, costs=costs, root=tmp_path).run
    rate = np.full(len(run.table("returns")), 2e-4)
    rate[0] = 0.0  # no night before the first session
    over = run.table("returns").to_numpy() - rate[:, None]
    sharpes = over.mean(axis=0) / over.std(axis=0, ddof=1)
    np.testing.assert_allclose(run.table("cells")["sharpe_net"], sharpes * 252**0.5)
    assert run.metrics["pbo"]["probability"] == probability_of_overfitting(over).probability
    assert run.metrics["spa"]["p_value"] == superior_ability(over).consistent
    judged = deflated_sharpe(over[:, sharpes.argmax()], sharpes)
    assert run.metrics["trials"]["deflated_sharpe"] == pytest.approx(judged.probability, rel=1e-9)
    # A backtest of one of the cells is the same trial with the same returns.
    strategy = load_strategy("quintile_long_short", quantile=0.2)
    alone = backtest(strategy, predictions, prices, costs=costs, execution=Execution(), root=tmp_path)
    known = read_trials(prices)
    assert (alone.checks.trials.count, known.count) == (4, 4)
    own = known.returns[alone.checks.trials.trial].dropna()
    np.testing.assert_allclose(own, over[:, 1], atol=1e-12)
    np.testing.assert_allclose(own, alone.result.over_cash(alone.result.returns), atol=1e-12)
    null = random_score_null(strategy, predictions, prices, costs=costs, execution=Execution(), runs=19, seed=0)
    assert null.real == pytest.approx(sharpes[1] * 252**0.5)
