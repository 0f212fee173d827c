"""Items of the reports that have no other home: the preset's horizon, the schedule, what a checkpoint says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_model, model_names, preset_horizon
from assay.models.lstm.batches import TrainingRows
from assay.models.lstm.training import Task, TrainingSchedule, deterministic, fit_network
from assay.models.lstm.windows import Pieces


def test_the_preset_sets_the_horizon() -> None:
    assert preset_horizon("b3_multitask", "report") == 2
    assert preset_horizon("b3_multitask", "small") == preset_horizon("b3_multitask", None) == 1
    assert {preset_horizon(name, "report") for name in model_names() if name != "b3_multitask"} == {1}


def test_the_learning_rate_is_halved_after_five_epochs_without_progress() -> None:
    rows = TrainingRows(
        Pieces(np.zeros((1, 11, 1), np.float32), 1, 1), np.zeros((1, 11, 1), np.float32), np.arange(11)[None] < 10,
        np.ones((1, 11), np.float32),
    )  # fmt: skip

    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, inputs: torch.Tensor, steps: int = 1) -> torch.Tensor:
            return inputs[:, -steps:] * 0 + self.weight

    task = Task(
        training=lambda rng: rows.epoch(0, 10, 5, rng),
        validation=lambda: rows.epoch(0, 10, 10),
        parts=lambda outputs, batch: {"data": outputs.mean() * 0 + 1.0},
    )
    with deterministic(0):
        trained = fit_network(Constant(), task, TrainingSchedule(70, 100, 0.0, False, 1e-3, 0.0, 1.0, 5), seed=0)
    rates = [record["lr"] for record in trained.history]
    # The first epoch sets the best loss; six more without progress are one more than the patience of five.
    assert rates[:7] == [1e-3] * 7
    assert rates[7:13] == [5e-4] * 6
    assert rates[13] == 2.5e-4
    assert min(rates) >= 1e-6
    assert trained.best_epoch == 1


def test_a_checkpoint_says_samples_range_and_days(tmp_path: Path) -> None:
    prices, _ = synthetic_market(140, 5, seed=4)
    fitted = load_model("nse_price", preset="tiny", epochs=2).fit(prices, horizon=1, delay=1, seed=0)
    fitted.save(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    log = content["training_log"]
    rows = slice(*prices.sessions.get_indexer([np.datetime64(log["sessions"]["train_start"]),
                                               np.datetime64(log["sessions"]["validation_end"])]))  # fmt: skip
    closes = prices.close.iloc[rows.start : rows.stop + 1]
    assert log["closes"] == {"low": closes.min().min(), "high": closes.max().max()}
    assert log["rows"]["train"] > 0
    assert content["stamps"]["trained_through"][:10] == str(prices.sessions[-1].date())
    assert content["params"]["lookback"] == 8
    assert len(log["epochs"]) == 2
    assert {"r2", "mae", "mape", "negative_share"} <= set(log["validation"])
    assert content["assets"] == list(prices.assets)
