"""Permutation importance: a planted feature against one that says nothing, two fits of one fold, and no future read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError
from assay.data.features import Feature, FeatureSet, build_features
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.folds import Fold, WalkForward
from assay.models.base import FittedForecaster, Forecaster, fit_model
from assay.models.catalog import load_model
from assay.models.importance import PermutedReads
from assay.results.evidence.importance import permutation_importance


def _planted(prices: PricePanel) -> np.ndarray:
    assert prices.volume is not None
    return (prices.volume / prices.volume.rolling(20).mean()).to_numpy()


def _nothing(prices: PricePanel) -> np.ndarray:
    return np.mod(1e4 * np.log(prices.close.to_numpy()), 1.0)


def _same_for_all(prices: PricePanel) -> np.ndarray:
    return np.broadcast_to(np.sin(np.arange(len(prices.sessions)))[:, None], prices.shape)


OWN = FeatureSet(
    "own",
    (Feature("planted", _planted, ("volume",), 19), Feature("nothing", _nothing), Feature("calendar", _same_for_all)),
)


def fits_of(
    model: Forecaster, prices: PricePanel, folds: list[Fold], seeds: tuple[int, ...] = (0,)
) -> Iterator[tuple[Fold, int, FittedForecaster]]:
    for fold in folds:
        train = prices.between(fold.train_start, fold.cutoff)
        for seed in seeds:
            yield fold, seed, fit_model(model, train, horizon=1, delay=1, seed=seed)


@pytest.fixture(scope="module")
def market() -> tuple[PricePanel, list[Fold]]:
    prices, _ = synthetic_market(320, 12, ic=0.3, kind="volume", seed=1)
    return prices, list(WalkForward(train=160, retrain=80).split(prices.sessions))


def test_the_planted_feature_is_worth_most_and_noise_nothing(market):
    prices, folds = market
    model = load_model("ridge", feature_set=f"{__name__}:OWN")
    tables = permutation_importance(model, fits_of(model, prices, folds), prices, draws=3)
    found = tables["importance"]
    assert found.index[0] == "planted"
    assert found.loc["planted", "low"] > 0.1
    # The model knows next to nothing else: without it the whole rank IC is lost.
    assert found.loc["planted", "importance"] == pytest.approx(found.loc["planted", "rank_ic"], abs=0.03)
    assert found.loc["nothing", "low"] < 0 < found.loc["nothing", "high"]
    # What is the same for all assets moves no linear ranking.
    assert found.loc["calendar", ["importance", "low", "high", "error_seeds"]].abs().max() < 1e-12
    by_fold = tables["importance_folds"]
    assert by_fold.groupby("fold").size().tolist() == [3] * len(folds)
    assert (by_fold.loc[by_fold["feature"] == "planted", "importance"] > 0.1).all()
    assert 0 < found.loc["planted", "error_seeds"] < 0.02
    # The mean over folds is that of the sessions.
    own = by_fold[by_fold["feature"] == "planted"]
    mean = np.average(own["importance"], weights=own["n"])
    assert found.loc["planted", "importance"] == pytest.approx(mean, abs=1e-12)


def test_an_altered_future_changes_no_earlier_fold(market):
    prices, folds = market
    model = load_model("ridge", feature_set=f"{__name__}:OWN")
    cut = int(prices.sessions.searchsorted(folds[0].test_end)) + 2  # the last label of the fold ends there
    rng = np.random.default_rng(0)
    noise = pd.DataFrame(np.exp(rng.normal(0, 0.1, prices.shape)), prices.sessions, prices.assets)
    noise.iloc[: cut + 1] = 1.0
    changed = {name: getattr(prices, name) * noise for name in prices.fields}
    rows = []
    for panel in (prices, replace(prices, **changed)):
        found = permutation_importance(model, fits_of(model, panel, folds), panel, draws=2)["importance_folds"]
        rows.append(found)
    same = rows[0]["fold"] == folds[0].number
    pd.testing.assert_frame_equal(rows[0][same], rows[1][same])
    assert (rows[0]["importance"] != rows[1]["importance"])[~same].any()


@dataclass(frozen=True)
class _Fitted:
    trained_through: pd.Timestamp
    sign: float

    def predict(self, history: PricePanel) -> PredictionPanel:
        return PredictionPanel(self.sign * history.close.pct_change(5), unit="rank")


@dataclass(frozen=True)
class Mine:
    """A person's own model, whose fits differ by seed and which asks for no features."""

    name: ClassVar[str] = "mine"
    lookback: ClassVar[int] = 6
    needs: ClassVar[tuple[str, ...]] = ()

    def fit(self, train: PricePanel, *, horizon: int, delay: int, seed: int) -> _Fitted:
        return _Fitted(train.sessions[-1], 1.0 if seed else -1.0)


def test_a_model_without_features_reads_prices_and_volume_and_seeds_make_the_error():
    prices, _ = synthetic_market(200, 12, ic=0.3, kind="reversal", seed=2)
    folds = list(WalkForward(train=100, retrain=100).split(prices.sessions))
    table = permutation_importance(Mine(), fits_of(Mine(), prices, folds, (0, 1)), prices, draws=2)["importance"]
    assert list(table.index) == ["prices", "volume"]
    # One fit goes with the market, the other against it: nothing on the mean, and as unsure as two opposites are.
    assert table.loc["prices", "importance"] == pytest.approx(0.0, abs=0.05)
    assert table.loc["prices", "error_seeds"] == pytest.approx(0.28, abs=0.06)
    assert table.loc["volume", ["importance", "error_seeds"]].tolist() == [0.0, 0.0]
    with pytest.raises(InputError, match="at least 2"):
        permutation_importance(Mine(), [], prices, draws=1)


def test_a_feature_is_read_whole_from_another_asset_and_earlier():
    prices, _ = synthetic_market(80, 6, seed=3)
    seen: list[np.ndarray] = []

    def predict(panel: PricePanel) -> PredictionPanel:
        seen.append(build_features(panel, "core_close", dtype=np.float64).values)
        return PredictionPanel(panel.close)

    for apart in (False, True):
        seen.clear()
        reads = PermutedReads(predict, prices, 60, 10, apart)
        assert "return_1" in reads.names
        reads.without("return_1", np.random.default_rng(0))
        plain, other = seen
        np.testing.assert_array_equal(plain[..., 1:], other[..., 1:])
        column, moved = plain[..., 0], other[60:, :, 0]
        found = {
            j: [
                (i, late) for i in range(6) for late in range(51)
                if (moved[:, j] == column[60 - late : 80 - late, i]).all()
            ]
            for j in range(6)
        }
        assert all(len(each) == 1 for each in found.values())
        assert len({each[0][1] for each in found.values()}) == 1
        assert found[0][0][1] >= 25
        assert all((each[0][0] == j) == apart for j, each in found.items())
        assert sorted(each[0][0] for each in found.values()) == list(range(6))


def test_of_one_asset_the_cells_are_ranked():
    prices, _ = synthetic_market(260, 1, ic=0.4, kind="reversal", seed=4)
    folds = list(WalkForward(train=100, retrain=80).split(prices.sessions))
    table = permutation_importance(Mine(), fits_of(Mine(), prices, folds), prices, draws=3)["importance"]
    assert table.loc["prices", "n"] > 100
    assert np.isfinite(table.loc["prices", "rank_ic"])
