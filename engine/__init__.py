"""The simulation, the walk-forward, and the tests that nothing looked ahead."""

from assay.engine.backtest import final_weights, run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.result import BacktestResult
from assay.engine.simulation import simulate

__all__ = ["BacktestResult", "CostModel", "Execution", "final_weights", "run_backtest", "simulate"]
