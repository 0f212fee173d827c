"""Weights strategies, sweeps, rank ICs and the large panel: ratios against vectorbt, pandas and a plain NumPy loop.

Run: ``python benchmarks/backtest.py [--json]`` (about two minutes; ``--large`` adds the 3,000 × 5,040 panel)

Each comparison alternates the two sides in one process and reports the median of each and of the ratio, warm. `floor`
is the time to read the bytes of prices and predictions once. The cold figures are fresh processes. `memory` is the peak
that Python and NumPy allocate beyond the inputs, as a multiple of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import pandas as pd
from peer_sides.yardsticks import quintile_loop as plain_numpy
from timing import pairs, seconds

from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import final_weights, run_backtest
from assay.engine.costs import CostModel
from assay.engine.sweep import cells_of, run_cells
from assay.engine.vectorbt_adapter import portfolio
from assay.results.stats.ranks import rank_correlation
from assay.strategies.catalog import load_strategy

COSTS = CostModel(borrow_bps=0, financing_bps=0)


def market(sessions: int, assets: int, seed: int = 0) -> tuple[PredictionPanel, PricePanel]:
    """Closes and scores without a signal."""
    rng = np.random.default_rng(seed)
    index = pd.bdate_range("2000-01-03", periods=sessions)
    names = [f"A{i:04d}" for i in range(assets)]
    returns = rng.normal(0, 0.02, (sessions, assets))
    close = pd.DataFrame(100 * np.exp(np.cumsum(returns, axis=0)), index, names)
    return PredictionPanel(pd.DataFrame(rng.normal(0, 0.01, close.shape), index, names)), PricePanel(close)


def by_vectorbt(
    strategy: object, predictions: PredictionPanel, prices: PricePanel, passes: int
) -> Callable[[], object]:
    """The same final weights, made beforehand, simulated by vectorbt `passes` times.

    Vol target and kill switches each read the net returns of a simulation of their own, so S2 takes three. Selection
    and smoothing, which our side does within its time, are not in vectorbt's.
    """
    weights = final_weights(strategy, predictions, prices, costs=COSTS)  # type: ignore[arg-type]

    def run() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [portfolio(prices, weights, costs=COSTS).returns() for _ in range(passes)]

    return run


def cold(*arguments: str, repeats: int = 3) -> dict[str, float]:
    """Wall seconds of a fresh process, median."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=ROOT)
        taken.append(time.perf_counter() - start)
    return {"seconds": statistics.median(taken)}


def peak(run: Callable[[], object]) -> int:
    """Peak bytes allocated by Python and NumPy during one run."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def standard(repeats: int) -> dict[str, object]:
    """1,259 sessions × 482 assets."""
    predictions, prices = market(1259, 482)
    assert predictions.score is not None
    score, close = predictions.score.to_numpy(), prices.close.to_numpy()
    out: dict[str, object] = {}
    read = 2 * close.nbytes
    out["floor_ms"] = 1e3 * min(seconds(lambda: (close.sum(), score.sum())) for _ in range(5))
    for name, passes in (("quintile_long_short", 1), ("s2_filter_negative", 3)):
        strategy = load_strategy(name)

        def ours(strategy: object = strategy) -> object:
            return run_backtest(strategy, predictions, prices, costs=COSTS, keep="returns")  # type: ignore[arg-type]

        theirs = by_vectorbt(strategy, predictions, prices, passes)
        out[f"{name} / vectorbt, {passes} passes (target 0.083)"] = pairs(ours, theirs, repeats)
        out[f"{name} / plain numpy quintile"] = pairs(ours, lambda: plain_numpy(score, close), repeats)
        out[f"{name} memory, multiple of inputs"] = peak(ours) / read
    grid = {
        "quantile": [f"{q:.2f}" for q in np.linspace(0.05, 0.5, 10)],
        "commission_bps": [str(bps) for bps in range(10)],
    }
    cells = cells_of("quintile_long_short", grid, costs=COSTS)
    out["100 quintile × cost cells / one plain numpy run (target 10)"] = pairs(
        lambda: list(run_cells(cells, predictions, prices)), lambda: plain_numpy(score, close), max(3, repeats // 3)
    )
    holes = np.where(np.random.default_rng(1).random(score.shape) < 0.01, np.nan, score)
    forward = np.roll(close, -1, axis=0) / close - 1
    left, right = pd.DataFrame(holes), pd.DataFrame(forward).where(~np.isnan(holes))
    out["rank IC / pandas rank + corrwith (target 0.25)"] = pairs(
        lambda: rank_correlation(holes, forward),
        lambda: left.rank(axis=1).corrwith(right.rank(axis=1), axis=1),
        repeats,
    )
    return out


def large() -> dict[str, object]:
    """3,000 assets × 5,040 sessions, S2 with its overlays, nothing kept but returns."""
    predictions, prices = market(5040, 3000)
    strategy = load_strategy("s2_filter_negative")
    inputs = 2 * prices.close.to_numpy().nbytes

    def ours() -> object:
        return run_backtest(strategy, predictions, prices, keep="returns")

    taken = [seconds(ours) for _ in range(3)]
    return {
        "3,000 × 5,040 S2, seconds (target 2)": statistics.median(taken),
        "memory beyond inputs, multiple of them": peak(ours) / inputs,
        "inputs + peak, multiple of inputs (target 2.5)": 1 + peak(ours) / inputs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    out = standard(options.repeats)
    out["cold: backtest on the sample"] = cold("cli.py", "backtest", "--results", "results/runs/.benchmark")
    out["cold: --help"] = cold("cli.py", "--help")
    out["cold: import vectorbt"] = cold("-W", "ignore", "-c", "import vectorbt")
    out["cold: import pandas"] = cold("-c", "import pandas")
    if options.large:
        out |= large()
    if options.json:
        print(json.dumps(out, indent=1))
        return
    for name, value in out.items():
        shown = " · ".join(f"{k} {v:.4g}" for k, v in value.items()) if isinstance(value, dict) else f"{value:.4g}"
        print(f"{name:62} {shown}")


if __name__ == "__main__":
    main()
