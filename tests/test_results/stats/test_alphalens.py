"""Returns by fifth, turnover, rank autocorrelation and IC as alphalens-reloaded 0.5.1 has them.

The figures were made in an environment of its own (pandas 3.1.1) on the panel below:
``get_clean_factor_and_forward_returns(factor, close, quantiles=5, periods=(1, 5), max_loss=1)``, then
``mean_return_by_quantile(by_date=True, demeaned=False)`` averaged over dates, ``quantile_turnover``,
``factor_rank_autocorrelation`` and ``factor_information_coefficient``, each averaged over dates.

Where definitions differ: alphalens leaves out the sessions that lack any of the horizons (so do we below), counts from
the close of the score itself, a delay of 0 that no run here has, and its `demeaned=True` default takes the session's
mean off. Its t of an IC takes sessions for independent; ours is HAC. Ties at an edge go to one side there (`qcut`), by
average rank here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.results.stats.holding_period import holding_returns, rank_persistence, score_quantiles
from assay.results.stats.ranks import rank_correlation

QUANTILES = {
    (20, 1): [5.8085857332424865e-05, -0.00030996949987539417, -9.646466060046912e-05, 0.0004413673845606784,
              -0.00020665999811816414],
    (20, 5): [-5.933248250160976e-05, -0.0007601691885899415, -0.000283230603382669, 0.0004600132972612091,
              -0.0003643644690201584],
    (23, 1): [0.00012268875875638598, -0.0003004486538957152, 0.00013945982064361245, 0.000408657864446478,
              -0.00014893625321897873],
    (23, 5): [0.0002663342728321623, -0.0004687607272868779, 0.0002488428440186012, 0.0005690394823484843,
              1.4415544509338615e-06],
}  # fmt: skip
#: (names, lag) → turnover of the bottom and of the top fifth, rank autocorrelation, rank IC over the lag.
REST = {
    (20, 1): (0.33630952380952384, 0.38095238095238093, 0.910293591120659, 0.0016275984077841672),
    (20, 5): (0.440625, 0.44375, 0.8512593984962405, 0.0009553295002211428),
    (23, 1): (0.30714285714285716, 0.3428571428571428, 0.9123611895351027, -0.0003371308997907488),
    (23, 5): (0.4025, 0.4074999999999999, 0.8506546442687746, -0.0053359683794466425),
}


def panel(names: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    t, k = np.arange(90)[:, None], np.arange(names)[None, :]
    days = pd.bdate_range("2020-01-01", periods=90)
    returns = 0.01 * np.sin(1.7 * t + 0.9 * k * k) + 0.0005 * np.cos(0.3 * k)
    score = np.sin(0.05 * t + 2.3 * k) + 0.3 * np.cos(0.7 * t * (1 + k % 3) + k)
    return pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), days), pd.DataFrame(score, days)


@pytest.mark.parametrize(("names", "lag"), list(REST))
def test_figures_are_those_of_alphalens(names: int, lag: int):
    close, score = panel(names)
    score = score.iloc[:85]  # the sessions that have a window of five
    ahead = close.shift(-lag) / close - 1
    held = holding_returns(score_quantiles(score), [(lag, ahead)])
    assert held.loc[lag, ["q1", "q2", "q3", "q4", "q5"]].tolist() == pytest.approx(QUANTILES[names, lag], abs=1e-12)
    lasting = rank_persistence(score, [lag]).loc[lag]
    bottom, top, autocorrelation, ic = REST[names, lag]
    assert lasting[["turnover_q1", "turnover_q5"]].tolist() == pytest.approx([bottom, top], abs=1e-12)
    assert lasting["autocorrelation"] == pytest.approx(autocorrelation, abs=1e-12)
    found = rank_correlation(score.to_numpy(), ahead.iloc[:85].to_numpy())[0].mean()
    assert found == pytest.approx(ic, abs=1e-12)
