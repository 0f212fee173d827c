"""The style section: what it takes of memory, beside its inputs, and of the processor.

Run: ``python benchmarks/styles.py [--sessions 1259] [--assets 482] [--closes] [--json]`` (a minute)

A market with opens, highs, lows, closes and volume, scores, and, where said, eleven sectors and market values; the
quintile rule trades the scores. What is measured is `against_styles` alone, which is all that ``--styles`` adds to a
backtest. Inputs are the bytes of the price fields, the scores and the market values; the peak is what tracemalloc
counts above what was there before the call. Seconds are of the processor, in a call without tracemalloc. ``--closes``
gives closes alone, so that there is less to compare the peak with.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.result import BacktestResult
from assay.results.evidence.styles import StyleInputs, against_styles
from assay.strategies.catalog import load_strategy


def case(
    sessions: int, assets: int, *, closes: bool, beside: bool
) -> tuple[BacktestResult, PredictionPanel, PricePanel, StyleInputs]:
    """A backtest and what its styles are made of."""
    prices, scores = synthetic_market(sessions, assets, ic=0.02, seed=0)
    prices = PricePanel(prices.close) if closes else prices
    result = run_backtest(
        load_strategy("quintile_long_short"), scores, prices, costs=CostModel(), execution=Execution(),
        benchmark=prices.close.pct_change(fill_method=None).mean(axis="columns"),
    )  # fmt: skip
    if not beside:
        return result, scores, prices, StyleInputs()
    rng = np.random.default_rng(1)
    sectors = pd.Series([f"sector {k}" for k in rng.integers(0, 11, assets)], prices.assets)
    shares = pd.Series(np.exp(rng.normal(20, 1, assets)), prices.assets)
    return result, scores, prices, StyleInputs(sectors=sectors, caps=prices.close * shares)


def measured(
    result: BacktestResult, scores: PredictionPanel, prices: PricePanel, inputs: StyleInputs
) -> dict[str, float]:
    """MB of the inputs and of the peak, their ratio, and seconds."""
    frames = [*(getattr(prices, name) for name in prices.fields), scores.view]
    frames += [] if inputs.caps is None else [inputs.caps]
    size = float(sum(frame.to_numpy().nbytes for frame in frames))
    one, other, third = (replace(result) for _ in range(3))  # a result keeps the fills that it was asked for
    against_styles(one, scores, prices, inputs)  # imports
    started = time.process_time()
    against_styles(other, scores, prices, inputs)
    taken = time.process_time() - started
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    against_styles(third, scores, prices, inputs)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return {"inputs_mb": size / 1e6, "peak_mb": peak / 1e6, "ratio": peak / size, "seconds": taken}


def main() -> None:
    """Measure with sectors and market values, and without."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1259)
    parser.add_argument("--assets", type=int, default=482)
    parser.add_argument("--closes", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = {
        name: measured(*case(asked.sessions, asked.assets, closes=asked.closes, beside=beside))
        for name, beside in (("prices and volume", False), ("with sectors and market values", True))
    }
    if asked.json:
        print(json.dumps(found))
        return
    print(f"{asked.assets} assets × {asked.sessions:,} sessions{', closes alone' if asked.closes else ''}")
    for name, row in found.items():
        print(
            f"{name:32} inputs {row['inputs_mb']:6.1f} MB · peak {row['peak_mb']:6.1f} MB, "
            f"{row['ratio']:4.2f} × inputs · {row['seconds']:.1f} s of the processor"
        )


if __name__ == "__main__":
    main()
