"""A sweep equals its cells run one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError, UnknownNameError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import run_backtest
from assay.engine.sweep import cells_of, parse_grid, run_cells


def panels(seed: int = 0, sessions: int = 200, assets: int = 15) -> tuple[PredictionPanel, PricePanel]:
    rng = np.random.default_rng(seed)
    index, names = pd.bdate_range("2015-01-01", periods=sessions), [f"A{i:02d}" for i in range(assets)]
    close = pd.DataFrame(100 * np.exp(np.cumsum(rng.normal(0, 0.02, (sessions, assets)), axis=0)), index, names)
    score = pd.DataFrame(rng.normal(size=(sessions - 30, assets)), index[20:-10], names)
    return PredictionPanel(score), PricePanel(close)


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("quintile_long_short", ["quantile=0.1,0.2,0.4", "cost_bps=0,5,20", "delay=1,2"]),
        ("s2_filter_negative", ["quantile=0.2,0.3", "smoothing=0,0.85", "kill_switches=on,off", "borrow_bps=0,500"]),
        ("s3_vol_scaled", ["cost_bps=0,10"]),
        ("quintile_long_short", ["minimum_fee=0,5"]),
    ],
)
def test_equals_single_runs(name, grid):
    predictions, prices = panels()
    cells = cells_of(name, parse_grid(grid))
    done = {item.index: item for batch in run_cells(cells, predictions, prices) for item in batch}
    assert sorted(done) == list(range(len(cells)))
    for index, cell in enumerate(cells):
        one = run_backtest(cell.strategy, predictions, prices, costs=cell.costs, execution=cell.execution)
        np.testing.assert_allclose(done[index].net, one.returns, atol=1e-12)
        assert done[index].net.index.equals(one.returns.index)
        assert done[index].turnover_ann == pytest.approx(one.turnover.mean() * 252)


def test_skipped_cells_are_not_run():
    predictions, prices = panels()
    cells = cells_of("quintile_long_short", parse_grid(["quantile=0.1,0.2,0.3"]))
    done = [item.index for batch in run_cells(cells, predictions, prices, skip=frozenset({0, 2})) for item in batch]
    assert done == [1]


def test_processes_give_the_same_bytes():
    predictions, prices = panels(sessions=120)
    cells = cells_of("quintile_long_short", parse_grid(["minimum_fee=0,1,5", "quantile=0.2,0.4"]))
    done = [
        {
            item.index: item
            for batch in run_cells(cells, predictions, prices, skip=frozenset({3}), executor=executor, workers=2)
            for item in batch
        }
        for executor in ("serial", "process")
    ]
    assert sorted(done[0]) == sorted(done[1]) == [0, 1, 2, 4, 5]
    for index, one in done[0].items():
        two = done[1][index]
        assert one.net.to_numpy().tobytes() == two.net.to_numpy().tobytes()
        assert one.net.index.equals(two.net.index)
        assert (one.turnover_ann, one.gross_mean, one.net_exposure) == (
            two.turnover_ann,
            two.gross_mean,
            two.net_exposure,
        )


def test_an_unknown_executor_is_refused():
    predictions, prices = panels(sessions=60)
    cells = cells_of("quintile_long_short", parse_grid(["minimum_fee=1"]))
    with pytest.raises(InputError, match="executor"):
        list(run_cells(cells, predictions, prices, executor="cloud"))


@pytest.mark.parametrize(
    ("grid", "error", "match"),
    [
        ([], InputError, "no grid"),
        (["quantile"], InputError, "expected NAME=VALUE"),
        (["quantile=0.1", "quantile=0.2"], InputError, "given twice"),
        (["quantile=0.1,0.1"], InputError, "stands twice"),
        (["quantil=0.1"], UnknownNameError, "did you mean 'quantile'"),
        (["quantile=0.7"], InputError, "quantile"),
        (["cost_bps=x"], InputError, "not a number"),
        (["cost_bps=-1"], InputError, "commission_bps"),
        (["delay=0"], InputError, "delay"),
    ],
)
def test_bad_grids(grid, error, match):
    with pytest.raises(error, match=match):
        cells_of("quintile_long_short", parse_grid(grid))
