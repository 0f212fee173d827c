"""A parameter sweep against vectorbt's broadcasting and against runs one by one: time and peak memory.

Run: ``python benchmarks/sweep.py [--json] [--cells 100 1000] [--few 8]`` (a minute)

Quintile long-short on 482 × 1,259 synthetic closes without holes; 100 cells are 10 quantiles × 10 costs, 1,000 are
50 × 20. No borrow and no financing, which vectorbt does not have. Every side runs in a process of its own, so that its
peak memory is its own. Runs one by one and vectorbt are timed on a few cells and stated a cell; nothing is
extrapolated. vectorbt gets the weights ready made, and all its cells in one call on broadcast closes, each cell a group
that shares its cash and sells before it buys (``call_seq="auto"``, without which weights are missed). The largest
difference between its daily returns and ours stands beside it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.costs import CostModel
from benchmarks.timing import seconds

SESSIONS, ASSETS = 1259, 482
FREE = CostModel(borrow_bps=0.0, financing_bps=0.0)
_GRIDS = {100: (10, 10), 1000: (50, 20)}


def market(seed: int = 0) -> tuple[PredictionPanel, PricePanel]:
    """Closes of independent random walks, and scores without a signal."""
    rng = np.random.default_rng(seed)
    index, names = pd.bdate_range("2013-01-01", periods=SESSIONS), [f"A{i:03d}" for i in range(ASSETS)]
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (SESSIONS, ASSETS)), axis=0))
    score = rng.normal(0, 0.01, close.shape)
    return PredictionPanel(pd.DataFrame(score, index, names)), PricePanel(pd.DataFrame(close, index, names))


def grid(cells: int) -> dict[str, list[str]]:
    """Quantiles × costs."""
    quantiles, costs = _GRIDS.get(cells, (cells, 1))
    return {
        "quantile": [f"{value:.4f}" for value in np.linspace(0.05, 0.45, quantiles)],
        "commission_bps": [f"{value:.2f}" for value in np.linspace(0, 20, costs)],
    }


def peak_mb() -> float:
    """Most memory this process has held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def batched(cells: int) -> Any:
    """Our sweep."""
    from assay.engine.sweep import cells_of, run_cells

    predictions, prices = market()
    todo = cells_of("quintile_long_short", grid(cells), costs=FREE)
    list(run_cells(todo[:1], predictions, prices))  # imports, once
    return lambda: sum(len(batch) for batch in run_cells(todo, predictions, prices))


def one_by_one(cells: int) -> Any:
    """Our engine, a run a cell."""
    from assay.engine.backtest import run_backtest
    from assay.engine.sweep import cells_of

    predictions, prices = market()
    todo = cells_of("quintile_long_short", grid(cells), costs=FREE)

    def run() -> None:
        for cell in todo:
            run_backtest(
                cell.strategy, predictions, prices, costs=cell.costs, execution=cell.execution, keep="returns"
            )

    run_backtest(todo[0].strategy, predictions, prices, keep="returns")
    return run


def broadcast(cells: int) -> Any:
    """vectorbt: all cells in one call on broadcast closes."""
    import vectorbt as vbt

    from assay.engine.sweep import cells_of
    from assay.strategies.base import decide

    predictions, prices = market()
    todo = cells_of("quintile_long_short", grid(cells), costs=FREE)
    weights = [decide(cell.strategy, predictions, prices).weights.shift(1).to_numpy() for cell in todo]
    columns = pd.MultiIndex.from_product([range(len(todo)), prices.assets], names=["cell", "asset"])
    fees = np.repeat([cell.costs.commission_bps / 1e4 for cell in todo], ASSETS)[None, :]

    def run(many: int = len(todo)) -> Any:
        wide = slice(0, many * ASSETS)
        close = pd.DataFrame(np.tile(prices.close.to_numpy(), many), prices.sessions, columns[wide])
        size = pd.DataFrame(np.hstack(weights[:many]), prices.sessions, columns[wide])
        return vbt.Portfolio.from_orders(
            close, size, size_type="targetpercent", fees=fees[:, wide], group_by="cell", cash_sharing=True,
            call_seq="auto", lock_cash=False, init_cash=1e6, freq="1D",
        ).returns()  # fmt: skip

    run(1)  # compiles
    return run


def apart(cells: int) -> float:
    """Largest difference of a daily net return between vectorbt's cells and ours."""
    from assay.engine.sweep import cells_of, run_cells

    predictions, prices = market()
    todo = cells_of("quintile_long_short", grid(cells), costs=FREE)
    theirs = broadcast(cells)()
    found = [item for batch in run_cells(todo, predictions, prices) for item in batch]
    return max(float(np.abs(theirs[item.index].to_numpy() - item.net.to_numpy()).max()) for item in found)


SIDES = {"batched": batched, "one by one": one_by_one, "vectorbt": broadcast}


def measured(side: str, cells: int) -> dict[str, float]:
    """Seconds and peak memory of one side, in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--cells", str(cells)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{side}, {cells} cells: {done.stderr.strip() or done.returncode}")
    return dict(json.loads(done.stdout))


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--cells", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--few", type=int, default=8, help="cells for vectorbt and for runs one by one")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.side:
        run = SIDES[options.side](options.cells[0])
        before = peak_mb()
        taken = seconds(run)
        found = {"cells": options.cells[0], "seconds": taken, "peak_mb": peak_mb(), "before_mb": before}
        print(json.dumps({**found, **({"apart": apart(options.cells[0])} if options.side == "vectorbt" else {})}))
        return
    figures = {f"batched, {cells} cells": measured("batched", cells) for cells in options.cells}
    for side in ("one by one", "vectorbt"):
        figures[f"{side}, {options.few} cells"] = measured(side, options.few)
    if options.json:
        print(json.dumps(figures))
        return
    for label, found in figures.items():
        each = 1e3 * found["seconds"] / found["cells"]
        print(f"{label}: {found['seconds']:.2f} s, {each:.1f} ms a cell, peak {found['peak_mb']:.0f} MiB "
              f"({found['before_mb']:.0f} before)"
              + (f", daily returns within {found['apart']:.0e} of ours" if "apart" in found else ""))  # fmt: skip


if __name__ == "__main__":
    main()
