"""Tuning inside the folds: the better parameter is found, the test span has no say, and everything tried is counted."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.errors import InputError, UnknownNameError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import simple_returns
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward as run_folds
from assay.models.base import epoch_ended
from assay.models.baselines import Ridge
from assay.results.gate.evidence_rules import Subject
from assay.results.storage.chain import entries
from assay.results.storage.trial_ledger import read_trials
from assay.results.tuning.space import parse_space
from assay.results.tuning.tuned import Tuned
from assay.results.workflow import backtest, walk_forward
from assay.results.workflow.study import Study, TuneSection
from assay.results.workflow.study_files import load_tuning, parse_study, study_toml
from assay.strategies.catalog import load_strategy

pytest.importorskip("optuna")


@dataclass(frozen=True)
class Fitted:
    recipe: Lagged
    horizon: int
    delay: int
    through: pd.Timestamp

    @property
    def trained_through(self):
        return self.through

    preprocessing_fit_through = labels_known_through = trained_through

    @property
    def training_log(self):
        return {"lag": self.recipe.lag}

    def predict(self, history):
        past = simple_returns(history.close).shift(self.recipe.lag)
        return PredictionPanel(past, horizon=self.horizon, delay=self.delay, name=self.recipe.name)

    def save(self, folder):
        (folder / "metadata.json").write_text(json.dumps({"lag": self.recipe.lag}))


@dataclass(frozen=True)
class Lagged:
    """The return of `lag` sessions ago; epochs of a loss that grows with the distance from the planted lag."""

    name: ClassVar[str] = "lagged"
    needs: ClassVar[tuple[str, ...]] = ()
    lag: int = 1
    epochs: int = 0

    def __post_init__(self):
        if self.lag < 0:
            raise InputError("lagged: lag must be at least 0")

    @property
    def lookback(self):
        return self.lag + 2

    def fit(self, train, *, horizon, delay, seed, labels=None):
        if self.lag > 90:
            raise InputError(f"lagged: no lag of {self.lag}")
        for epoch in range(self.epochs):
            loss = abs(self.lag - 3) + 1 / (epoch + 1)
            epoch_ended({"epoch": epoch, "epochs": self.epochs, "train_loss": loss, "validation_loss": loss, "lr": 0.1})
        return Fitted(self, horizon, delay, train.sessions[-1])

    def load(self, folder):
        raise NotImplementedError


def market(seed: int = 0, sessions: int = 520, assets: int = 8) -> PricePanel:
    """What a name did five sessions ago it does again, in part: at delay 1 the return of lag 3 predicts."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.01, (sessions, assets))
    for t in range(5, sessions):
        returns[t] += 0.4 * returns[t - 5]
    dates = pd.bdate_range("2016-01-01", periods=sessions)
    return PricePanel(pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), dates, [f"A{i}" for i in range(assets)]))


PRICES = market()
PLAN = WalkForward(train=260, retrain=130, start="2017-01-02")
LAGS = (0, 1, 2, 3, 4, 6)


def tuned(**more) -> Tuned:
    return Tuned(**{"base": Lagged(), "parameters": {"lag": list(LAGS)}, "trials": 14, **more})


def folds(model: Tuned, prices: PricePanel = PRICES, **more):
    return run_folds(model, prices, PLAN.split(PRICES.sessions), **more)


def test_the_planted_parameter_is_chosen_in_every_fold_and_stands_in_the_receipts():
    walk = folds(tuned())
    assert len(walk.folds) == 2
    assert [log["chosen"] for log in walk.logs.values()] == [{"lag": 3}] * 2
    assert [json.loads(item) for item in walk.predictions.receipts["parameters"]] == [{"lag": 3}] * 2
    plain = run_folds(Lagged(lag=3), PRICES, PLAN.split(PRICES.sessions))
    pd.testing.assert_frame_equal(walk.predictions.score, plain.predictions.score)
    assert "parameters" not in plain.predictions.receipts
    tail = pd.DatetimeIndex(walk.logs[0, 0]["tuning"]["sessions"])
    assert len(tail) == 52
    assert tail[-1] == walk.folds["cutoff"].iloc[0]


def test_the_test_span_has_no_say():
    cutoff = folds(tuned()).folds["cutoff"].iloc[0]
    rng = np.random.default_rng(9)
    close = PRICES.close.copy()
    later = close.index > cutoff
    close.loc[later] = close.loc[cutoff].to_numpy() * np.cumprod(1 + rng.normal(0, 0.05, (later.sum(), 8)), axis=0)
    assert folds(tuned()).logs[0, 0] == folds(tuned(), PricePanel(close)).logs[0, 0]
    assert folds(tuned()).logs[1, 0] != folds(tuned(), PricePanel(close)).logs[1, 0]


def test_killed_and_resumed_is_the_same(tmp_path):
    def killed(done, total, note, running):
        if done == 1:
            raise KeyboardInterrupt

    whole = folds(tuned(), folder=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        folds(tuned(), folder=tmp_path / "killed", progress=killed)
    resumed = folds(tuned(), folder=tmp_path / "killed")
    pd.testing.assert_frame_equal(resumed.predictions.score, whole.predictions.score, check_freq=False)
    pd.testing.assert_frame_equal(resumed.predictions.receipts, whole.predictions.receipts)

    def files(place):
        return {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}

    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    assert folds(tuned(seed=1)).logs[0, 0]["tuning"] != whole.logs[0, 0]["tuning"]  # another search


def test_what_falls_behind_is_pruned_and_what_cannot_be_fit_is_said():
    model = tuned(base=Lagged(epochs=4), parameters={"lag": {"low": 0, "high": 12}}, trials=25)
    search = folds(model).logs[0, 0]["tuning"]["trials"]
    states = {row["state"] for row in search}
    assert states == {"complete", "pruned"}
    assert all("x" not in row for row in search if row["state"] == "pruned")
    calm = folds(replace(model, prune=False)).logs[0, 0]["tuning"]["trials"]
    assert {row["state"] for row in calm} == {"complete"}
    some = tuned(parameters={"lag": [3, 99]}, trials=8)
    log = folds(some).logs[0, 0]
    assert log["chosen"] == {"lag": 3}
    assert {row["state"] for row in log["tuning"]["trials"]} == {"complete", "failed"}
    with pytest.raises(InputError, match=r"none of 3 configurations could be fit and judged; the last: lagged: no lag"):
        folds(tuned(parameters={"lag": [98, 99]}, trials=3))


def test_everything_tried_is_counted_but_not_against_its_own_run(tmp_path):
    stored = walk_forward(tuned(), PRICES, PLAN, load_strategy("quintile_long_short"), baselines=False, root=tmp_path)
    table = stored.run.table("tuning")
    assert len(table) == 2 * 14
    assert table.groupby("fold")["chosen"].sum().tolist() == [1, 1]
    assert not any("tuning" in log for log in stored.run.metrics["training_logs"].values())
    searches = entries("tuning")
    assert [len(item.body["trials"]) for item in searches] == [14, 14]
    tried = set(table["parameters"])
    assert read_trials(PRICES).count == 1 + len(tried)
    assert Subject(stored.run, None).trials.count == 1
    assert stored.checks.trials.distinct == 1
    # The same search again is nothing new; another run on the market is one among all of them.
    walk_forward(tuned(), PRICES, PLAN, load_strategy("quintile_long_short"), baselines=False, root=tmp_path / "two")
    assert read_trials(PRICES).count == 1 + len(tried)
    other = backtest(load_strategy("quintile_long_short"), folds(tuned(seed=5)).predictions, PRICES, root=tmp_path)
    assert other.checks.trials.in_ledger == 2 + len(tried)


def test_ranges_that_cannot_be():
    space = parse_space({"penalty": {"low": 1e-3, "high": 1.0, "log": True}, "clip": [3.0, 5.0]}, Ridge())
    assert set(space) == {"penalty", "clip"}
    with pytest.raises(UnknownNameError, match="penalty"):
        parse_space({"penaltty": [1.0, 2.0]}, Ridge())
    with pytest.raises(UnknownNameError, match="high"):
        parse_space({"penalty": {"low": 0.1, "high": 1.0, "hihg": 2}}, Ridge())
    for wanted in (3, [1.0], [1.0, 1.0], {"low": 1.0}, {"low": 2.0, "high": 1.0}, {"low": "a", "high": 1.0},
                   {"low": 0.0, "high": 1.0, "log": True}, {"low": -1.0, "high": 1.0},
                   {"low": 0.1, "high": 1.0, "log": 1}, {"low": 0.1, "high": 1.0, "step": 0},
                   {"low": 0.1, "high": float("inf")}):  # fmt: skip
        with pytest.raises(InputError, match="tune: penalty"):
            parse_space({"penalty": wanted}, Ridge())
    with pytest.raises(InputError, match="no parameters"):
        tuned(parameters={})
    with pytest.raises(InputError, match="trials"):
        tuned(trials=0)
    with pytest.raises(InputError, match="validation"):
        tuned(validation=1.0)
    with pytest.raises(InputError, match="sessions are left to judge on"):
        folds(tuned(validation=0.02))


def test_a_study_says_how_it_tunes(tmp_path, monkeypatch, capsys):
    section = TuneSection({"penalty": {"low": 1e-4, "high": 10.0, "log": True}, "clip": [3.0, 10.0]}, trials=8)
    study = Study(tune=section)
    assert parse_study(study_toml(study)) == study
    path = tmp_path / "tune.toml"
    path.write_text(study_toml(study), encoding="utf-8")
    assert load_tuning(path) == section
    path.write_text("[costs]\ncommission_bps = 2.0\n" + study_toml(study), encoding="utf-8")
    with pytest.raises(InputError, match="more than"):
        load_tuning(path)
    path.write_text("[folds]\nhorizon = 2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"no \[tune\]"):
        load_tuning(path)
    path.write_text(study_toml(study), encoding="utf-8")
    assert cli.main(["run", str(path), "--results", str(tmp_path)]) == 2
    assert "[tune] chooses the parameters of a model" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert cli.main(["walk-forward", "--tune", str(path), "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err.strip() == (
        "error: tune: optuna is not installed; it is needed for tuning: pip install 'assay[tune]'"
    )
