"""The simulation, the walk-forward, and the tests that nothing looked ahead."""

from engine.backtest import final_weights, run_backtest
from engine.costs import CostModel
from engine.execution import Execution
from engine.result import BacktestResult
from engine.simulation import simulate

__all__ = ["BacktestResult", "CostModel", "Execution", "final_weights", "run_backtest", "simulate"]
