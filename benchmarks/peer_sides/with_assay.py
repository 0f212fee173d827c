"""This project, by its Python functions; it runs in the environment that asked for the comparison."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from inputs import Inputs

from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.entry_rules import simulate_entries
from assay.engine.execution import Execution
from assay.engine.sweep import cells_of, run_cells
from assay.results.stats.information_coefficient import quantile_returns
from assay.results.stats.ranks import rank_correlation
from assay.results.workflow.backtests import backtest
from assay.strategies.base import EntrySignals
from assay.strategies.catalog import load_strategy
from assay.strategies.confidence import Confidence

Run = Callable[[], dict[str, Any]]

#: What peers charge: 5 bps of the traded value, no borrow and no interest.
COSTS = CostModel(borrow_bps=0.0, financing_bps=0.0)


def _panels(data: Inputs, *fields: str) -> tuple[PredictionPanel, PricePanel]:
    rest = {name: data.frame(name) for name in fields}
    predictions = PredictionPanel(data.frame("score"), probability_up=data.frame("probability"))
    return predictions, PricePanel(data.frame("close"), **rest)


def _quintile(data: Inputs, keep: str, compiled: bool | None) -> Run:
    predictions, prices = _panels(data)
    strategy = load_strategy("quintile_long_short")

    def run() -> dict[str, Any]:
        result = run_backtest(strategy, predictions, prices, costs=COSTS, keep=keep, compiled=compiled)  # type: ignore[arg-type]
        return {"net": result.returns.to_numpy()}

    return run


quintile = partial(_quintile, keep="all", compiled=None)
quintile_compiled = partial(_quintile, keep="returns", compiled=True)


def _confidence(data: Inputs, keep: str, compiled: bool | None) -> Run:
    predictions, prices = _panels(data, "open", "high", "low")
    rule = Confidence(max_holding=0)

    def run() -> dict[str, Any]:
        signals = rule.signals(predictions, prices)
        result = simulate_entries(prices, signals, rule, costs=COSTS, keep=keep, compiled=compiled)  # type: ignore[arg-type]
        return {"nav": result.nav.to_numpy() / Execution().capital}

    return run


confidence = partial(_confidence, keep="all", compiled=None)
confidence_compiled = partial(_confidence, keep="returns", compiled=True)


def _names(data: Inputs, compiled: bool | None) -> Run:
    predictions, prices = _panels(data, "open", "high", "low")
    rule = Confidence(max_holding=0, max_positions=0)

    def run() -> dict[str, Any]:
        signals = rule.signals(predictions, prices)
        total = np.zeros(len(data.close))
        for name in data.assets:
            own = EntrySignals(signals.enter[[name]], signals.exit[[name]], signals.priority[[name]])
            book = simulate_entries(prices.select([name]), own, rule, costs=COSTS, keep="returns", compiled=compiled)
            total += book.nav.to_numpy() / Execution().capital
        return {"nav": total / len(data.assets)}

    return run


names = partial(_names, compiled=None)
names_compiled = partial(_names, compiled=True)


def sweep(data: Inputs) -> Run:
    """All cells, quantiles × costs."""
    predictions, prices = _panels(data)
    grid = {
        "quantile": [f"{value:.6f}" for value in np.loadtxt(data.folder / "quantiles.txt")],
        "commission_bps": [f"{value:.6f}" for value in np.loadtxt(data.folder / "costs.txt")],
    }
    cells = cells_of("quintile_long_short", grid, costs=COSTS)

    def run() -> dict[str, Any]:
        found = [item for part in run_cells(cells, predictions, prices) for item in part]
        found.sort(key=lambda item: item.index)  # pages are ordered: costs vary fastest
        return {"cells": np.array([item.net.to_numpy() for item in found[:20]])}

    return run


def ic(data: Inputs) -> Run:
    """Forward returns, rank IC by session, fifths of the score with their intervals."""
    _, prices = _panels(data)
    score = data.frame("score")

    def run() -> dict[str, Any]:
        forward = forward_returns(prices)
        ranks, _ = rank_correlation(score.to_numpy(), forward.to_numpy())
        fifths = quantile_returns(score, forward).table["mean"]
        return {"rank_ic": ranks[:-2], **{f"quantile_{q}": value for q, value in fifths.items()}}

    return run


def _stored(data: Inputs, root: str) -> Any:
    predictions, prices = _panels(data)
    return backtest(
        load_strategy("quintile_long_short"), predictions, prices, benchmark=data.market, costs=COSTS, root=root
    )


def sheet(data: Inputs) -> Run:
    """The whole way: simulated, evaluated, stored, drawn."""

    def run() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as root:
            os.environ["ASSAY_LEDGER"] = f"{root}/ledger"
            return _drawn(_stored(data, root), Path(root))

    return run


def sheet_drawn(data: Inputs) -> Run:
    """A stored run, drawn."""
    root = tempfile.mkdtemp()
    os.environ["ASSAY_LEDGER"] = f"{root}/ledger"
    stored = _stored(data, root)
    return lambda: _drawn(stored, Path(root))


def _drawn(stored: Any, folder: Path) -> dict[str, Any]:
    path = stored.tearsheet(folder / "sheet.html")
    evidence = stored.evidence
    return {
        "sharpe": evidence["sharpe_net"].value,
        "drawdown": evidence["max_drawdown_net"].value,
        "bytes": path.stat().st_size,
    }


