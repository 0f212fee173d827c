"""From inputs to a stored run: backtest, walk-forward, sweep, a single training, and predictions of a stored model.

Each function takes panels and values, does everything that belongs to one run (checks, evidence, the trial ledger,
storing) and returns what was stored beside what was computed. Nothing is printed: whoever wants to follow hands in a
`Progress`. The commands are a thin layer over these functions, and a notebook calls the same.
"""

from __future__ import annotations

from assay.results.workflow.backtests import StoredBacktest, backtest
from assay.results.workflow.requests import Checks, Progress, Silent
from assay.results.workflow.sweeps import StoredSweep, sweep
from assay.results.workflow.trainings import TrainedModel, predict, save_model, train
from assay.results.workflow.verdicts import compare, gate, tearsheet
from assay.results.workflow.walk_forwards import StoredWalkForward, walk_forward

__all__ = [
    "Checks",
    "Progress",
    "Silent",
    "StoredBacktest",
    "StoredSweep",
    "StoredWalkForward",
    "TrainedModel",
    "backtest",
    "compare",
    "gate",
    "predict",
    "save_model",
    "sweep",
    "tearsheet",
    "train",
    "walk_forward",
]
