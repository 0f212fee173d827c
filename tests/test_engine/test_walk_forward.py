"""The walk-forward: truncated data, receipts, seeds, and the same bytes however it is run or interrupted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError, LookAheadError, TrainingError
from assay.data.files.predictions import write_predictions
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.baselines import FittedRule, Momentum, Ridge, Zero
from assay.models.catalog import load_model

ROOT = Path(__file__).parents[2]


def market(seed: int = 0, sessions: int = 420, assets: int = 8) -> PricePanel:
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (sessions, assets)), axis=0))
    index = pd.bdate_range("2015-01-01", periods=sessions)
    return PricePanel(pd.DataFrame(close, index, [f"A{i}" for i in range(assets)]))


PLAN = WalkForward(train=200, retrain=60, embargo=2)


@dataclass(frozen=True)
class Noisy(Momentum):
    """A model whose score depends on its seed."""

    name: ClassVar[str] = "noisy"

    def fit(self, train, *, horizon, delay, seed):
        last = train.sessions[-1]
        return FittedRule(self, horizon, delay, last, last, last, constant=float(seed), training_log={"seed": seed})

    def forecast(self, history, fitted):
        panel = super().forecast(history, fitted)
        return PredictionPanel(
            panel.score + fitted.constant, horizon=fitted.horizon, delay=fitted.delay, name=self.name
        )


@dataclass(frozen=True)
class Peeking(Zero):
    """Says that it has seen the day after its cutoff."""

    name: ClassVar[str] = "peeking"

    def fit(self, train, *, horizon, delay, seed):
        late = train.sessions[-1] + pd.Timedelta(days=1)
        return FittedRule(self, horizon, delay, late, late, late)


@dataclass(frozen=True)
class Failing(Zero):
    """Loses its loss in the second fold."""

    name: ClassVar[str] = "failing"

    def fit(self, train, *, horizon, delay, seed):
        if train.sessions[0] > pd.Timestamp("2015-01-02"):
            raise TrainingError("epoch 3, learning rate 0.001: the loss is NaN")
        return super().fit(train, horizon=horizon, delay=delay, seed=seed)


def test_each_fold_is_the_model_fit_on_its_own_truncated_panel():
    prices, model = market(), Ridge()
    folds = PLAN.split(prices.sessions)
    run = walk_forward(model, prices, folds)
    assert run.predictions.score is not None
    for fold in folds:
        fitted = model.fit(prices.between(fold.train_start, fold.cutoff), horizon=1, delay=1, seed=0)
        alone = fitted.predict(prices.between(fold.train_start, fold.test_end)).score
        span = slice(fold.test_start, fold.test_end)
        pd.testing.assert_frame_equal(run.predictions.score.loc[span], alone.loc[span], rtol=0, atol=0)
    receipts = run.predictions.receipts
    assert receipts is not None
    assert receipts["available_at"].tolist() == [fold.cutoff for fold in folds]
    assert (receipts["labels_known_through"] <= receipts["available_at"]).all()
    assert receipts["model_id"].nunique() == len(folds)
    assert run.folds["embargo"].eq(2).all()
    assert run.folds["purge"].eq(2).all()


@pytest.mark.parametrize("name", ["ridge", "momentum", "reversal", "zero", "majority", "gradient_boosting"])
def test_the_future_changes_no_prediction(name):
    prices, other = market(1), market(2)
    cut = 330
    close = prices.close.copy()
    close.iloc[cut:] = other.close.iloc[cut:].to_numpy()
    folds = PLAN.split(prices.sessions)
    one = walk_forward(load_model(name), prices, folds).predictions
    two = walk_forward(load_model(name), PricePanel(close), folds).predictions
    last = prices.sessions[cut - 1]
    for part in ("score", "probability_up"):
        first, second = getattr(one, part), getattr(two, part)
        if first is not None:
            pd.testing.assert_frame_equal(first.loc[:last], second.loc[:last], rtol=0, atol=0)


def test_seeds_are_averaged_and_their_dispersion_is_kept():
    prices = market()
    folds = PLAN.split(prices.sessions)
    run = walk_forward(Noisy(), prices, folds, seeds=(0, 3))
    assert run.predictions.score is not None
    assert run.predictions.dispersion is not None
    np.testing.assert_allclose(run.predictions.score, run.by_seed[0].score + 1.5)
    np.testing.assert_allclose(run.predictions.dispersion, np.std([0, 3], ddof=1))


def test_a_model_that_saw_its_future_is_refused():
    prices = market()
    with pytest.raises(LookAheadError, match="after its cutoff"):
        walk_forward(Peeking(), prices, PLAN.split(prices.sessions))


def test_a_lost_loss_names_the_fold_and_keeps_the_finished_ones(tmp_path):
    prices = market()
    with pytest.raises(TrainingError, match=r"fold 1, seed 0, cutoff .*: epoch 3, learning rate 0.001"):
        walk_forward(Failing(), prices, PLAN.split(prices.sessions), folder=tmp_path)
    assert len(list(tmp_path.glob("*/*seed0"))) == 1


def written(run, path: Path) -> bytes:
    write_predictions(run.predictions, path)
    assert run.predictions.receipts is not None
    return path.read_bytes() + run.predictions.receipts.to_csv().encode()


def test_processes_and_resume_give_the_same_bytes(tmp_path):
    prices, model = market(), Ridge()
    folds = PLAN.split(prices.sessions)
    alone = written(walk_forward(model, prices, folds, seeds=(0, 1)), tmp_path / "a.parquet")
    shared = walk_forward(model, prices, folds, seeds=(0, 1), executor="process", workers=2, folder=tmp_path / "parts")
    assert written(shared, tmp_path / "b.parquet") == alone
    parts = sorted((tmp_path / "parts").glob("*/*-seed*"))
    assert len(parts) == 2 * len(folds)
    (parts[1] / "part.json").write_text("{ half", encoding="utf-8")
    seen = []
    again = walk_forward(
        model, prices, folds, seeds=(0, 1), folder=tmp_path / "parts", progress=lambda *what: seen.append(what)
    )
    assert written(again, tmp_path / "c.parquet") == alone
    assert seen[0][0] == len(parts) - 1


def test_folds_that_go_on_from_each_other_say_so_and_resume_to_the_same_bytes(tmp_path):
    prices, plan = market(sessions=150, assets=4), WalkForward(train=90, retrain=20)
    folds = plan.split(prices.sessions)
    recipe = load_model("stock_lstm_close", preset="tiny", epochs=1, lookback=5, chunk=5, warm_start=True)
    warm = walk_forward(recipe, prices, folds, folder=tmp_path)
    cold = walk_forward(replace(recipe, warm_start=False), prices, folds)
    notes = warm.predictions.receipts["parameters"]
    assert pd.isna(notes.iloc[0])
    cutoffs = [str(fold.cutoff.date()) for fold in folds[:-1]]
    assert [json.loads(text)["started_from"] for text in notes.iloc[1:]] == cutoffs
    assert "parameters" not in cold.predictions.receipts.columns
    first = folds[0].test_end
    pd.testing.assert_frame_equal(warm.predictions.score.loc[:first], cold.predictions.score.loc[:first])
    later = slice(folds[1].test_start, None)
    assert (warm.predictions.score.loc[later] != cold.predictions.score.loc[later]).any(axis=None)
    # Taken up again after the first fold it ends as it did; with another fold before it, a fold is fit again.
    parts = sorted((next(tmp_path.iterdir())).iterdir())
    assert len(parts) == len(folds)
    for part in parts[1:]:
        shutil.rmtree(part)
    resumed = walk_forward(recipe, prices, folds, folder=tmp_path).predictions.score
    pd.testing.assert_frame_equal(resumed, warm.predictions.score, check_freq=False)
    late = [replace(fold, number=i) for i, fold in enumerate(folds[1:])]
    alone = walk_forward(recipe, prices, late, folder=tmp_path).predictions.score
    span = slice(late[0].test_start, late[0].test_end)
    assert (alone.loc[span] != warm.predictions.score.loc[span]).any(axis=None)


def test_a_model_is_kept_until_it_degrades():
    prices, plan = market(sessions=150, assets=4), WalkForward(train=90, retrain=20)
    recipe = load_model("stock_lstm_close", preset="tiny", epochs=1, lookback=5, chunk=5, retrain_when=1e6)
    run = walk_forward(recipe, prices, plan.split(prices.sessions))
    receipts = run.predictions.receipts
    assert len(receipts) > 1
    assert receipts["trained_through"].nunique() == 1
    assert {json.loads(text)["kept_from"] for text in receipts["parameters"].iloc[1:]} == {
        str(receipts["trained_through"].iloc[0].date())
    }


def test_another_recipe_or_panel_finds_no_finished_folds(tmp_path):
    prices = market()
    folds = PLAN.split(prices.sessions)
    walk_forward(Ridge(), prices, folds, folder=tmp_path)
    walk_forward(Ridge(penalty=1.0), prices, folds, folder=tmp_path)
    walk_forward(Ridge(), market(5), folds, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.slow
def test_a_network_gives_the_same_bytes_in_other_processes_and_tells_its_epochs(tmp_path):
    prices, model = market(sessions=330), load_model("stock_lstm_close", preset="tiny", chunk=40)
    folds = WalkForward(train=200, retrain=60).split(prices.sessions)
    alone = written(walk_forward(model, prices, folds, seeds=(0, 1)), tmp_path / "a.parquet")
    told: list[tuple[int, int, str, float]] = []
    spread = walk_forward(
        model, prices, folds, seeds=(0, 1), executor="process", workers=2, folder=tmp_path / "parts",
        progress=lambda *what: told.append(what),
    )  # fmt: skip
    assert written(spread, tmp_path / "b.parquet") == alone
    assert any("fold 0 seed 1 epoch 1/2 loss " in text for _, _, text, _ in told)
    assert told[-1][:2] == (6, 6)
    assert told[-1][3] == 0
    assert set(spread.training) >= {"fold", "seed", "epoch", "train_loss", "validation_loss", "lr"}
    assert len(spread.training) == 12
    joints = spread.folds
    gaps = prices.sessions.get_indexer(joints["validation_start"]) - prices.sessions.get_indexer(joints["train_end"])
    assert (gaps == joints["purge"] + 1).all()
    ends = prices.sessions.get_indexer(joints["cutoff"]) - prices.sessions.get_indexer(joints["validation_end"])
    assert (ends >= joints["purge"]).all()
    resumed = walk_forward(model, prices, folds, seeds=(0, 1), folder=tmp_path / "parts")
    assert written(resumed, tmp_path / "c.parquet") == alone


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("stock_lstm_close", {}),
        ("stock_lstm_close", {"windowed": "true"}),
        ("b3_multitask", {}),
        ("reliance_direction", {}),
        ("nse_price", {}),
        ("nse_price", {"per_asset": "true"}),
    ],
)
def test_no_family_reads_the_future_through_the_whole_path(name, settings):
    """Every price after a session is replaced; receipts and predictions up to it stay, bit for bit."""
    prices, _ = synthetic_market(300, 6, ic=0.1, seed=8)
    other, _ = synthetic_market(300, 6, ic=0.1, seed=9)
    cut = 255
    mixed = replace(
        prices,
        **{
            field: pd.concat([getattr(prices, field).iloc[:cut], getattr(other, field).iloc[cut:]])
            for field in prices.fields
        },
    )
    folds = WalkForward(train=180, retrain=40, start=prices.sessions[190]).split(prices.sessions)
    model = load_model(name, preset="tiny", epochs=1, **settings)
    one, two = (walk_forward(model, panel, folds).predictions for panel in (prices, mixed))
    last = prices.sessions[cut - 1]
    compared = 0
    for part in ("score", "probability_up"):
        first, second = getattr(one, part), getattr(two, part)
        if first is not None:
            pd.testing.assert_frame_equal(first.loc[:last], second.loc[:last], rtol=0, atol=0)
            assert not first.loc[last:].iloc[1:].equals(second.loc[last:].iloc[1:])
            compared += int(first.loc[:last].notna().to_numpy().sum())
    assert compared > 100


SLOW_RIDGE = """
import time
from dataclasses import dataclass
from typing import ClassVar
from assay.models.baselines import Ridge
@dataclass(frozen=True, kw_only=True)
class Slow(Ridge):
    name: ClassVar[str] = "slow"
    def fit(self, train, *, horizon, delay, seed):
        time.sleep(0.4)
        return super().fit(train, horizon=horizon, delay=delay, seed=seed)
"""


@pytest.mark.slow
def test_killed_and_resumed_ends_with_the_same_bytes(tmp_path):
    (tmp_path / "slow_ridge.py").write_text(SLOW_RIDGE, encoding="utf-8")
    prices = market()
    prices.close.stack().rename_axis(["date", "asset"]).rename("close").reset_index().to_csv(
        tmp_path / "prices.csv", index=False
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "OMP_NUM_THREADS": "1"}

    def command(results: str, out: str) -> list[str]:
        return [
            sys.executable, str(ROOT / "cli.py"), "walk-forward", "--model", "slow_ridge:Slow",
            "--prices", str(tmp_path / "prices.csv"), "--train", "200", "--retrain", "60", "--no-baselines",
            "--no-leaks", "--no-tearsheet", "--results", str(tmp_path / results),
            "--save-predictions", str(tmp_path / out), "--strategy", "quintile_long_short",
        ]  # fmt: skip

    subprocess.run(command("one", "one.parquet"), check=True, capture_output=True, env=environment)
    process = subprocess.Popen(
        command("two", "two.parquet"), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    parts = tmp_path / "two" / ".walk-forward"
    for _ in range(600):
        if len(list(parts.glob("*/*-seed0"))) >= 2:
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "two.parquet").exists()
    assert 2 <= len(list(parts.glob("*/*-seed0"))) < 4
    subprocess.run(command("two", "two.parquet"), check=True, capture_output=True, env=environment)
    assert (tmp_path / "two.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()
    metrics = [next((tmp_path / name).glob("quintile*/metrics.json")).read_bytes() for name in ("one", "two")]
    assert metrics[0] == metrics[1]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"seeds": ()}, "seeds"),
        ({"seeds": (1, 1)}, "distinct"),
        ({"executor": "cluster"}, "executor: must be"),
        ({"workers": 0}, "workers"),
    ],
)
def test_bad_options(options, match):
    prices = market()
    with pytest.raises(InputError, match=match):
        walk_forward(Zero(), prices, PLAN.split(prices.sessions), **options)


def test_too_short_a_history_names_the_fold():
    prices = market(sessions=60)
    with pytest.raises(InputError, match=r"fold 0 \(train .*\): ridge"):
        walk_forward(Ridge(), prices, WalkForward(train=10, retrain=20).split(prices.sessions))
