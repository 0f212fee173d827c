"""From inputs to a stored run: backtest, walk-forward, sweep, a single training, and predictions of a stored model.

Each function takes panels and values, does everything that belongs to one run (checks, evidence, the trial ledger,
storing) and returns what was stored beside what was computed. Nothing is printed: whoever wants to follow hands in a
`Progress`. The commands are a thin layer over these functions, and a notebook calls the same.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.results.workflow.backtests import StoredBacktest, backtest
    from assay.results.workflow.parts import check_part
    from assay.results.workflow.positions import TargetBook, target_positions
    from assay.results.workflow.requests import Checks, Progress, Silent
    from assay.results.workflow.study_files import load_study
    from assay.results.workflow.study_runs import run_study
    from assay.results.workflow.sweeps import StoredSweep, sweep
    from assay.results.workflow.trainings import TrainedModel, predict, save_model, train
    from assay.results.workflow.verdicts import compare, gate, marginal, tearsheet
    from assay.results.workflow.walk_forwards import StoredWalkForward, walk_forward

__all__ = [
    "Checks",
    "Progress",
    "Silent",
    "StoredBacktest",
    "StoredSweep",
    "StoredWalkForward",
    "TargetBook",
    "TrainedModel",
    "backtest",
    "check_part",
    "compare",
    "gate",
    "load_study",
    "marginal",
    "predict",
    "run_study",
    "save_model",
    "sweep",
    "target_positions",
    "tearsheet",
    "train",
    "walk_forward",
]

#: module → its public names. Each is imported when it is first used: a backtest needs no models, a sweep no folds.
_HOMES = {
    "backtests": ("StoredBacktest", "backtest"),
    "parts": ("check_part",),
    "positions": ("TargetBook", "target_positions"),
    "requests": ("Checks", "Progress", "Silent"),
    "study_files": ("load_study",),
    "study_runs": ("run_study",),
    "sweeps": ("StoredSweep", "sweep"),
    "trainings": ("TrainedModel", "predict", "save_model", "train"),
    "verdicts": ("compare", "gate", "marginal", "tearsheet"),
    "walk_forwards": ("StoredWalkForward", "walk_forward"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__]
