"""Where there is nothing to learn, the path from labels to t statistic finds it no more often than it says."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

import assay.models.baselines
from assay.data.panel import PricePanel
from assay.data.returns import forward_returns
from assay.data.synthetic import synthetic_market
from assay.models.baselines import Ridge
from assay.results.stats.information_coefficient import ic_table
from assay.results.stats.long_run_variance import hac_mean

FITS, LEVEL = 100, 0.05


def test_shuffled_labels_are_rejected_as_often_as_the_level_says(monkeypatch):
    """The market keeps its structure; labels are dealt out anew to the sessions, in training and in the test."""
    prices, _ = synthetic_market(420, 20, ic=0.15, seed=21)
    true = forward_returns(prices)
    cut = prices.sessions[219]
    rejected = 0
    for seed in range(FITS):
        order = np.random.default_rng([seed, 77]).permutation(len(true))
        shuffled = pd.DataFrame(true.to_numpy()[order], true.index, true.columns)

        def labels(panel: PricePanel, shuffled: pd.DataFrame = shuffled, **_: object) -> pd.DataFrame:
            out = shuffled.loc[panel.sessions].copy()
            out.iloc[-2:] = np.nan  # as purged as the true ones
            return out

        monkeypatch.setattr(assay.models.baselines, "forward_returns", labels)
        fitted = Ridge().fit(prices.through(cut), horizon=1, delay=1, seed=seed)
        score = fitted.predict(prices).score
        assert score is not None
        test = slice(prices.sessions[220], None)
        daily = ic_table(score.loc[test], shuffled.loc[test])["rank_ic"].dropna().to_numpy()
        t = hac_mean(daily)[2]
        rejected += int(abs(t) > stats.norm.ppf(1 - LEVEL / 2))
    # Central 99.8% of what 100 tests at 5% reject.
    low, high = stats.binom.ppf([0.001, 0.999], FITS, LEVEL)
    assert low <= rejected <= high


def test_the_same_path_finds_what_is_there():
    prices, _ = synthetic_market(420, 20, ic=0.15, seed=21)
    fitted = Ridge().fit(prices.through(prices.sessions[219]), horizon=1, delay=1, seed=0)
    score = fitted.predict(prices).score
    assert score is not None
    test = slice(prices.sessions[220], None)
    daily = ic_table(score.loc[test], forward_returns(prices).loc[test])["rank_ic"].dropna().to_numpy()
    assert hac_mean(daily)[2] > 3
