"""One fit: what looks ahead is caught, what does not fit together is told, kept folds are of the same code."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError, LookAheadError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.checkpoints import identity_of
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.baselines import FittedRule, Ridge, Zero


def market(sessions: int = 300, assets: int = 5) -> PricePanel:
    rng = np.random.default_rng(3)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (sessions, assets)), axis=0))
    close[200:203, 0] = np.nan
    return PricePanel(pd.DataFrame(close, pd.bdate_range("2015-01-01", periods=sessions), list("ABCDE")[:assets]))


PRICES = market()
FOLDS = WalkForward(train=150, retrain=60).split(PRICES.sessions)


def change(close: pd.DataFrame) -> pd.DataFrame:
    return close.pct_change(5, fill_method=None)


LEAKS = {
    "scaler on all rows": lambda close: (change(close) - change(close).mean()) / change(close).std(),
    "centred window": lambda close: close / close.rolling(5, center=True).mean() - 1,
    "back-fill": lambda close: change(close.bfill()),
    "same-day target": lambda close: close.pct_change(1, fill_method=None).shift(-1),
}


@dataclass(frozen=True)
class Scripted(Zero):
    """Predicts whatever a function makes of the closes; the rest of the panel as told."""

    name: ClassVar[str] = "scripted"
    rule: Any = change
    changes: tuple[tuple[str, Any], ...] = ()
    lost_rows: int = 0

    def forecast(self, history: PricePanel, fitted: FittedRule) -> PredictionPanel:
        panel = PredictionPanel(self.rule(history.close), horizon=fitted.horizon, delay=fitted.delay, name=self.name)
        return replace(panel, **dict(self.changes)).map(lambda frame: frame.iloc[: len(frame) - self.lost_rows])


@pytest.mark.parametrize("place", LEAKS)
def test_a_planted_leak_is_caught_in_the_walk_forward_itself(place):
    with pytest.raises(LookAheadError, match=r"fold 0, seed 0: scripted: score of . on .* changes when prices after"):
        walk_forward(Scripted(rule=LEAKS[place]), PRICES, FOLDS)


def test_labels_that_end_past_the_cutoff_are_caught():
    class Overlapping(Zero):
        name: ClassVar[str] = "overlapping"

        def fit(self, train, *, horizon, delay, seed):
            last = train.sessions[-1]
            # Rows up to the cutoff, each with its label: the last one is known delay + horizon sessions later.
            known = last + (horizon + delay) * pd.offsets.BDay()
            return FittedRule(self, horizon, delay, last, last, known)

    with pytest.raises(LookAheadError, match=r"labels_known_through .* after its cutoff"):
        walk_forward(Overlapping(), PRICES, FOLDS)


def test_each_fold_says_where_it_was_retested():
    run = walk_forward(Scripted(), PRICES, FOLDS)
    for fold, session in zip(FOLDS, run.retested_at, strict=True):
        assert fold.test_start <= session < fold.test_end


def test_a_fold_of_one_session_has_nothing_after_it():
    folds = WalkForward(train=150, retrain=1, start=PRICES.sessions[297]).split(PRICES.sessions)
    run = walk_forward(Ridge(), PRICES, folds)
    assert list(run.retested_at) == [fold.test_end for fold in folds]
    assert run.predictions.shape == (3, 5)


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (Scripted(changes=(("horizon", 5),)), "horizon 5 and delay 1, asked for were 1 and 1"),
        (Scripted(changes=(("delay", 2),)), "horizon 1 and delay 2, asked for were 1 and 1"),
        (Scripted(lost_rows=1), r"predicts no row for session 20\d\d-\d\d-\d\d"),
        (Scripted(rule=lambda close: change(close)[["A", "B"]]), "predicts no row for asset C"),
    ],
)
def test_predictions_that_are_not_what_was_asked_for(model, match):
    with pytest.raises(InputError, match=match):
        walk_forward(model, PRICES, FOLDS)


def test_an_error_of_the_models_own_says_where():
    def fail(close):
        raise RuntimeError("no such thing")

    with pytest.raises(RuntimeError, match="no such thing") as caught:
        walk_forward(Scripted(rule=fail), PRICES, FOLDS)
    assert caught.value.__notes__ == [f"in fold 0, seed 0, cutoff {FOLDS[0].cutoff.date()}, of scripted"]


@pytest.mark.parametrize(
    ("log", "rows"),
    [
        ({"epochs": 50, "sessions": "many"}, []),
        ({"epochs": [{"epoch": np.int64(1), "train_loss": np.float32(0.5)}], "curve": np.arange(2)}, [(1, 0.5)]),
        ({"when": pd.Timestamp("2020-01-01")}, []),
    ],
)
def test_a_model_may_log_what_it_likes(log, rows, tmp_path):
    class Talkative(Zero):
        name: ClassVar[str] = "talkative"

        def fit(self, train, *, horizon, delay, seed):
            last = train.sessions[-1]
            return FittedRule(self, horizon, delay, last, last, last, training_log=log)

    run = walk_forward(Talkative(), PRICES, FOLDS[:1])
    assert [(row.epoch, row.train_loss) for row in run.training.itertuples()] == rows
    run.training.to_parquet(tmp_path / "training.parquet")
    run.folds.to_parquet(tmp_path / "folds.parquet")


OWN = """
from assay.models.baselines import Momentum
class Own(Momentum):
    def __init__(self, k=3):
        super().__init__(lookback=20)
        object.__setattr__(self, "k", k)
    # {}
"""


class Plain:
    """A recipe that is no dataclass: its attributes are its parameters."""

    name = "plain"

    def __init__(self, k: int) -> None:
        self.k = k


def test_identity_follows_parameters_data_labels_and_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one = identity_of(Ridge(), PRICES, 1, 1)
    assert one == identity_of(Ridge(), PRICES, 1, 1)
    others = [
        identity_of(Ridge(penalty=1.0), PRICES, 1, 1),
        identity_of(Ridge(), PRICES.through(PRICES.sessions[-2]), 1, 1),
        identity_of(Ridge(), PRICES, 2, 1),
        identity_of(Ridge(), PRICES, 1, 2),
        identity_of(Zero(), PRICES, 1, 1),
        identity_of(Plain(1), PRICES, 1, 1),  # type: ignore[arg-type]
        identity_of(Plain(2), PRICES, 1, 1),  # type: ignore[arg-type]
    ]
    assert len({one, *others}) == len(others) + 1
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "own_model.py"
    source.write_text(OWN.format("first"), encoding="utf-8")
    module = importlib.import_module("own_model")
    before = identity_of(module.Own(), PRICES, 1, 1)
    assert before == identity_of(module.Own(), PRICES, 1, 1)
    source.write_text(OWN.format("changed"), encoding="utf-8")
    assert identity_of(module.Own(), PRICES, 1, 1) != before
    sys.modules.pop("own_model")


def test_what_was_typed_at_a_prompt_is_never_found_again_by_another_process():
    typed = type("Typed", (Zero,), {"__module__": "nowhere"})
    assert identity_of(typed(), PRICES, 1, 1) == identity_of(typed(), PRICES, 1, 1)
    twin = type("Typed", (Zero,), {"__module__": "nowhere"})
    assert identity_of(twin(), PRICES, 1, 1) != identity_of(typed(), PRICES, 1, 1)
