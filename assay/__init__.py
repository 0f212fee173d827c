"""Assay: backtests what a model predicts, builds the portfolio from it, and checks what is said about it.

Everything public is here, and is imported when it is first used::

    import assay

    prices, benchmark = assay.load_sample()
    predictions = assay.load_sample_predictions()
    strategy = assay.load_strategy("s2_filter_negative")
    run = assay.backtest(strategy, predictions, prices, benchmark=benchmark, checks=assay.Checks(leaks=True))
    print(run)
    run.gate("research")
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.audit.claims.files import load_claims
    from assay.audit.judge import audit_claims
    from assay.audit.read.draft import draft_claims
    from assay.data.align import align
    from assay.data.errors import (
        BacktestError,
        DataQualityError,
        InputError,
        InsufficientEvidenceError,
        LookAheadError,
        TrainingError,
        UnknownNameError,
    )
    from assay.data.files.predictions import load_predictions, write_predictions
    from assay.data.files.prices import write_prices
    from assay.data.files.series import load_returns
    from assay.data.panel import PredictionPanel, PricePanel
    from assay.data.returns import forward_returns
    from assay.data.sample import load_sample_predictions
    from assay.data.synthetic import MarketShape, score_panel, synthetic_market
    from assay.engine.backtest import final_weights, run_backtest
    from assay.engine.costs import CostModel
    from assay.engine.execution import Execution
    from assay.engine.folds import WalkForward
    from assay.engine.result import BacktestResult
    from assay.engine.simulation import simulate
    from assay.models.base import FittedForecaster, Forecaster
    from assay.models.catalog import load_fitted, load_model, model_names
    from assay.models.contract import check_forecaster
    from assay.models.torch_adapter import TorchForecaster
    from assay.results.evidence.backtest import Evidence, evaluate
    from assay.results.evidence.styles import StyleInputs
    from assay.results.storage.runs import Run, delete_run, list_runs, load_run
    from assay.results.workflow import (
        Checks,
        StoredBacktest,
        StoredSweep,
        StoredWalkForward,
        TargetBook,
        TrainedModel,
        backtest,
        check_part,
        compare,
        gate,
        load_study,
        marginal,
        predict,
        run_study,
        sweep,
        target_positions,
        tearsheet,
        train,
        walk_forward,
    )
    from assay.results.workflow.market import load_prices, load_sample
    from assay.strategies.base import EntryRule, EntrySignals, Overlays, Strategy
    from assay.strategies.catalog import load_strategy, strategy_names
    from assay.strategies.contract import check_strategy

# In a checkout the packages stand beside this folder, at top level; in a wheel they stand inside it.
if not (Path(__file__).parent / "engine").exists():
    __path__.append(str(Path(__file__).parent.parent))

#: module → the public names that live there.
_HOMES = {
    "audit.claims.files": ("load_claims",),
    "audit.judge": ("audit_claims",),
    "audit.read.draft": ("draft_claims",),
    "data.align": ("align",),
    "data.errors": (
        "BacktestError",
        "DataQualityError",
        "InputError",
        "InsufficientEvidenceError",
        "LookAheadError",
        "TrainingError",
        "UnknownNameError",
    ),
    "data.files.predictions": ("load_predictions", "write_predictions"),
    "data.files.prices": ("write_prices",),
    "data.files.series": ("load_returns",),
    "data.panel": ("PredictionPanel", "PricePanel"),
    "data.returns": ("forward_returns",),
    "data.sample": ("load_sample_predictions",),
    "data.synthetic": ("MarketShape", "score_panel", "synthetic_market"),
    "engine.backtest": ("final_weights", "run_backtest"),
    "engine.costs": ("CostModel",),
    "engine.execution": ("Execution",),
    "engine.folds": ("WalkForward",),
    "engine.result": ("BacktestResult",),
    "engine.simulation": ("simulate",),
    "models.base": ("FittedForecaster", "Forecaster"),
    "models.catalog": ("load_fitted", "load_model", "model_names"),
    "models.contract": ("check_forecaster",),
    "models.torch_adapter": ("TorchForecaster",),
    "results.evidence.backtest": ("Evidence", "evaluate"),
    "results.evidence.styles": ("StyleInputs",),
    "results.storage.runs": ("Run", "delete_run", "list_runs", "load_run"),
    "results.workflow": (
        "Checks",
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
        "sweep",
        "target_positions",
        "tearsheet",
        "train",
        "walk_forward",
    ),
    "results.workflow.market": ("load_prices", "load_sample"),
    "strategies.base": ("EntryRule", "EntrySignals", "Overlays", "Strategy"),
    "strategies.catalog": ("load_strategy", "strategy_names"),
    "strategies.contract": ("check_strategy",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BacktestError",
    "BacktestResult",
    "Checks",
    "CostModel",
    "DataQualityError",
    "EntryRule",
    "EntrySignals",
    "Evidence",
    "Execution",
    "FittedForecaster",
    "Forecaster",
    "InputError",
    "InsufficientEvidenceError",
    "LookAheadError",
    "MarketShape",
    "Overlays",
    "PredictionPanel",
    "PricePanel",
    "Run",
    "StoredBacktest",
    "StoredSweep",
    "StoredWalkForward",
    "Strategy",
    "StyleInputs",
    "TargetBook",
    "TorchForecaster",
    "TrainedModel",
    "TrainingError",
    "UnknownNameError",
    "WalkForward",
    "align",
    "audit_claims",
    "backtest",
    "check_forecaster",
    "check_part",
    "check_strategy",
    "compare",
    "delete_run",
    "draft_claims",
    "evaluate",
    "final_weights",
    "forward_returns",
    "gate",
    "list_runs",
    "load_claims",
    "load_fitted",
    "load_model",
    "load_predictions",
    "load_prices",
    "load_returns",
    "load_run",
    "load_sample",
    "load_sample_predictions",
    "load_strategy",
    "load_study",
    "marginal",
    "model_names",
    "predict",
    "run_backtest",
    "run_study",
    "score_panel",
    "simulate",
    "strategy_names",
    "sweep",
    "synthetic_market",
    "target_positions",
    "tearsheet",
    "train",
    "walk_forward",
    "write_predictions",
    "write_prices",
]


def __getattr__(name: str) -> object:
    module = _HOME_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'assay' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"assay.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
