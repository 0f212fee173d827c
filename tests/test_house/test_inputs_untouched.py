"""Whoever's code is called — strategy, entry rule, model, feature — what it writes stays with it.

Each plug-in below writes into everything it is given, through pandas and through NumPy. The engine must trade, train
and score as if it had not.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError
from assay.data.features import FEATURE_SETS, build_features
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.folds import WalkForward
from assay.engine.leaks import strategy_leaks, truncation_leaks
from assay.engine.random_scores import random_score_null
from assay.engine.sweep import GridCell, run_cells
from assay.engine.walk_forward import walk_forward
from assay.models.baselines import Momentum, Ridge
from assay.strategies.base import Overlays, decide
from assay.strategies.catalog import load_strategy
from assay.strategies.confidence import Confidence


def panels(seed: int = 0, sessions: int = 90, assets: int = 8) -> tuple[PredictionPanel, PricePanel]:
    rng = np.random.default_rng(seed)
    prices, _ = synthetic_market(sessions, assets, seed=seed)
    holes = rng.random(prices.shape) < 0.05
    prices = PricePanel(**{name: getattr(prices, name).mask(holes) for name in prices.fields})
    index, names = prices.sessions, prices.assets
    score = pd.DataFrame(rng.normal(0, 0.01, prices.shape), index, names).mask(rng.random(prices.shape) < 0.05)
    odds = rng.dirichlet(np.ones(3), prices.shape)
    action = {name: pd.DataFrame(odds[:, :, k], index, names) for k, name in enumerate(("buy", "sell", "hold"))}
    receipts = pd.DataFrame(
        {"model_id": "m", "fold": 0, **dict.fromkeys(("trained_through", "preprocessing_fit_through"), index[0])},
        index=pd.DatetimeIndex([index[0]], name="session"),
    ).assign(labels_known_through=index[0], available_at=index[0])
    return PredictionPanel(score, probability_up=score.rank(pct=True), action=action, receipts=receipts), prices


def bytes_of(predictions: PredictionPanel, prices: PricePanel) -> dict[str, bytes]:
    frames = {name: getattr(prices, name) for name in prices.fields} | predictions.frames()
    return {name: frame.to_numpy().tobytes() for name, frame in frames.items()}


def spoil(frame: pd.DataFrame) -> None:
    """Every way to write that a careless or a stubborn author may try; a refusal is as good as a copy."""
    tries: tuple[Callable[[], object], ...] = (
        lambda: frame.ffill(inplace=True),
        lambda: frame.fillna(1.0, inplace=True),
        lambda: frame.__setitem__(frame.columns[0], 7.0),
        lambda: frame.iloc.__setitem__((0, 0), 9.0),
        lambda: frame.loc.__setitem__(frame.index[-1], 3.0),
        lambda: frame.clip(upper=0.5, inplace=True),
        lambda: frame.mul(2.0).to_numpy().__setitem__(0, 1.0),
    )
    for attempt in tries:
        with contextlib.suppress(ValueError):
            attempt()


def spoil_values(frame: pd.DataFrame) -> None:
    for take in (frame.to_numpy, lambda: frame.values, lambda: np.asarray(frame), lambda: frame.iloc[:, 0].to_numpy()):
        values = take()
        with contextlib.suppress(ValueError):
            values.flags.writeable = True
        with contextlib.suppress(ValueError):
            values[...] = 5.0


def vandal(*given: PredictionPanel | PricePanel) -> None:
    for panel in given:
        fields = panel.frames() if isinstance(panel, PredictionPanel) else {f: getattr(panel, f) for f in panel.fields}
        for frame in fields.values():
            spoil_values(frame)
            spoil(frame)
        if isinstance(panel, PredictionPanel) and panel.receipts is not None:
            panel.receipts.iloc[0, 1] = 99


@dataclass(frozen=True)
class Vandal:
    """Decides by the score, then writes into everything; with `writes` off it only decides."""

    writes: bool = True
    name: str = "vandal"
    needs: tuple[str, ...] = ()
    overlays: Overlays = Overlays(0.5, 0.08, True)  # noqa: RUF009

    def target_weights(self, predictions: PredictionPanel, prices: PricePanel) -> pd.DataFrame:
        weights = np.sign(predictions.view.fillna(0.0)) / predictions.shape[1]
        if self.writes:
            vandal(predictions, prices)
        return weights


@dataclass(frozen=True)
class VandalEntries(Confidence):
    writes: bool = True

    def signals(self, predictions, prices):
        decided = super().signals(predictions, prices)
        signals = type(decided)(*(frame.copy(deep=True) for frame in (decided.enter, decided.exit, decided.priority)))
        if self.writes:
            vandal(predictions, prices)
        return signals


class VandalModel(Ridge):
    name: ClassVar[str] = "vandal_model"
    writes = True

    def fit(self, train, *, horizon, delay, seed, labels=None):
        fitted = super().fit(train, horizon=horizon, delay=delay, seed=seed, labels=labels)
        if self.writes:
            vandal(train)
        return fitted


class VandalForecast(Momentum):
    name: ClassVar[str] = "vandal_forecast"

    def forecast(self, history, fitted):
        panel = super().forecast(history, fitted)
        vandal(history)
        return panel


@pytest.mark.parametrize("kind", [Vandal, VandalEntries])
def test_what_a_strategy_writes_is_not_what_the_engine_trades(kind):
    predictions, prices = panels()
    before = bytes_of(predictions, prices)
    spoilt, honest = (run_backtest(kind(writes=writes), predictions, prices) for writes in (True, False))
    pd.testing.assert_series_equal(spoilt.returns, honest.returns, rtol=0, atol=0)
    pd.testing.assert_frame_equal(spoilt.fills, honest.fills)
    assert bytes_of(predictions, prices) == before
    assert predictions.receipts is not None
    assert predictions.receipts["fold"].tolist() == [0]


def test_nor_in_sweeps_nulls_and_leak_tests():
    predictions, prices = panels(1)
    before = bytes_of(predictions, prices)
    costs, execution = CostModel(), Execution()
    cells = [[GridCell({}, Vandal(writes), costs, execution)] for writes in (True, False)]
    spoilt, honest = (next(iter(run_cells(cell, predictions, prices)))[0].net for cell in cells)
    pd.testing.assert_series_equal(spoilt, honest, rtol=0, atol=0)
    nulls = [random_score_null(Vandal(writes), predictions, prices, runs=19, seed=0) for writes in (True, False)]
    np.testing.assert_array_equal(nulls[0].sharpe, nulls[1].sharpe)
    assert strategy_leaks(Vandal(), predictions, prices).passed
    assert bytes_of(predictions, prices) == before


@pytest.mark.parametrize("name", ["quintile_long_short", "s3_vol_scaled", "multitask_action", "hrp", "confidence"])
def test_the_catalogue_writes_into_nothing(name):
    predictions, prices = panels(2)
    before = bytes_of(predictions, prices)
    run_backtest(load_strategy(name), predictions, prices)
    assert bytes_of(predictions, prices) == before


@pytest.mark.parametrize("model", [VandalModel(), VandalForecast()])
def test_what_a_model_writes_is_not_what_it_is_tested_on(model):
    prices, _ = synthetic_market(240, 6, seed=3)
    folds = WalkForward(train=120, retrain=60).split(prices.sessions)
    before = {name: getattr(prices, name).to_numpy().tobytes() for name in prices.fields}
    honest = Ridge() if isinstance(model, Ridge) else Momentum()
    spoilt, right = (walk_forward(each, prices, folds).predictions.score for each in (model, honest))
    pd.testing.assert_frame_equal(spoilt, right, rtol=0, atol=0)
    assert {name: getattr(prices, name).to_numpy().tobytes() for name in prices.fields} == before


def test_what_a_feature_writes_is_not_what_the_next_one_reads():
    prices, _ = synthetic_market(80, 5, seed=4)
    before = prices.close.to_numpy().tobytes()

    def feature(panel: PricePanel) -> pd.DataFrame:
        made = panel.close.pct_change(fill_method=None)
        vandal(panel)
        return made

    assert truncation_leaks("feature", feature, prices).passed
    for name in FEATURE_SETS:
        build_features(prices, name)
    assert prices.close.to_numpy().tobytes() == before


def test_a_writer_reads_what_it_wrote():
    _, prices = panels(5)
    lent = prices.shielded()
    gap = lent.close.isna().to_numpy()
    lent.close.ffill(inplace=True)
    assert lent.close.isna().to_numpy().sum() < gap.sum()
    assert prices.close.isna().to_numpy().sum() == gap.sum()


def test_shielding_costs_next_to_nothing():
    close = pd.DataFrame(np.ones((3000, 5040)), pd.bdate_range("2010-01-01", periods=3000))
    prices, predictions = PricePanel(close, open=close), PredictionPanel(close)
    best = min(_seconds(lambda: (prices.shielded(), predictions.shielded())) for _ in range(5))
    assert best < 0.02  # no value is copied: copying one of these tables alone takes longer
    lent = prices.shielded()
    assert np.shares_memory(lent.close.to_numpy(), prices.close.to_numpy())


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def test_a_decision_wraps_a_plain_frame_and_refuses_what_is_neither():
    predictions, prices = panels(6)
    decision = decide(Vandal(), predictions, prices)
    assert [label for label, _ in decision.steps()] == ["select"]

    class Nothing(Vandal):
        def target_weights(self, predictions, prices):
            return None

    with pytest.raises(InputError, match="vandal: target_weights returned NoneType"):
        decide(Nothing(), predictions, prices)
