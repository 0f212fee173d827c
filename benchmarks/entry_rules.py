"""Entry rules against vectorbt's `from_signals`, and what the strategies cost before any simulation.

Run: ``python benchmarks/entry_rules.py [--sessions 1259] [--assets 482] [--repeats 15] [--json]``

The confidence rule with its cap of three positions is compared with vectorbt's signals without one (it has none), on
the same synthetic bars and the same entries and exits, in one process, in alternated pairs; the figure is the median
of the ratios. Both are warm. The cold figures are fresh processes, one of which only makes the market. `memory` is
the peak that Python and NumPy allocate in one run (tracemalloc) over the bytes that have to be read; `floor` is the
time to read these bytes once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
from timing import pairs, seconds

from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.entry_rules import simulate_entries
from assay.strategies.confidence import Confidence
from assay.strategies.overlays import smooth_weights
from assay.strategies.ranked import FilterNegative, QuintileLongShort


def market(sessions: int, assets: int, seed: int = 0) -> tuple[PredictionPanel, PricePanel]:
    """Bars, and probabilities of which about 2% are above 0.7 and a quarter below 0.5."""
    prices, oracle = synthetic_market(sessions, assets, ic=0.05, seed=seed)
    rng = np.random.default_rng(seed)
    raw = oracle.score.fillna(0.0).to_numpy()
    mixed = 0.3 * raw / raw.std() + rng.normal(size=raw.shape)
    probability = pd.DataFrame(np.clip(0.55 + 0.07 * mixed, 0, 1), prices.sessions, prices.assets)
    return PredictionPanel(oracle.score, probability_up=probability), prices


def median_ms(run: Callable[[], object], repeats: int) -> float:
    """Median wall time, warm."""
    run()
    return 1e3 * statistics.median(seconds(run) for _ in range(repeats))


def vectorbt_run(predictions: PredictionPanel, prices: PricePanel, rule: Confidence) -> Callable[[], object]:
    """The same signals through vectorbt, column by column, without a cap."""
    import vectorbt as vbt

    def run() -> object:
        signals = rule.signals(predictions, prices)
        book = vbt.Portfolio.from_signals(
            prices.close,
            entries=signals.enter.shift(1, fill_value=False),
            exits=signals.exit.shift(1, fill_value=False),
            price=prices.open,
            open=prices.open,
            high=prices.high,
            low=prices.low,
            size=rule.size,
            size_type="percent",
            fees=0.0005,
            sl_stop=rule.stop_loss,
            tp_stop=rule.take_profit,
            stop_entry_price="fillprice",
            stop_exit_price="stoplimit",
            init_cash=1_000_000,
            freq="1D",
        )
        return book.value()

    return run


def cold(sessions: int, assets: int, which: str) -> float:
    """Wall time of a fresh process that makes the market and, unless `which` is ``nothing``, runs once."""
    command = [sys.executable, str(Path(__file__).resolve()), "--once", which]
    command += ["--sessions", str(sessions), "--assets", str(assets)]
    return statistics.median(seconds(lambda: subprocess.run(command, check=True)) for _ in range(3))


def measure(sessions: int, assets: int, repeats: int) -> dict[str, object]:
    """Every figure."""
    predictions, prices = market(sessions, assets)
    _ = prices.fingerprint
    rule = Confidence()
    fields = [prices.open, prices.high, prices.low, prices.close, predictions.probability_up]
    arrays = [frame.to_numpy() for frame in fields if frame is not None]

    def ours() -> object:
        return simulate_entries(prices, rule.signals(predictions, prices), rule)

    def returns() -> object:
        return simulate_entries(prices, rule.signals(predictions, prices), rule, keep="returns")

    tracemalloc.start()
    ours()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    theirs = vectorbt_run(predictions, prices, rule)
    weights = FilterNegative().target_weights(predictions, prices).weights
    result = simulate_entries(prices, rule.signals(predictions, prices), rule)
    return {
        "panel": f"{sessions} sessions x {assets} assets",
        "entries": result.counts["entries"],
        "confidence, capped, returns kept, against vectorbt uncapped": pairs(returns, theirs, repeats),
        "confidence, capped, all tables kept, against vectorbt uncapped": pairs(ours, theirs, repeats),
        "confidence, memory over bytes read": peak / sum(array.nbytes for array in arrays),
        "confidence, floor_ms": median_ms(lambda: [array.sum() for array in arrays], repeats),
        "cold_s": {which: cold(sessions, assets, which) for which in ("nothing", "ours", "vectorbt")},
        "quintile selection_ms": median_ms(lambda: QuintileLongShort().target_weights(predictions, prices), repeats),
        "s2 selection_ms": median_ms(lambda: FilterNegative().target_weights(predictions, prices), repeats),
        "smoothing_ms": median_ms(lambda: smooth_weights(weights, 0.85), repeats),
    }


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1259)
    parser.add_argument("--assets", type=int, default=482)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--once", choices=["nothing", "ours", "vectorbt"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        predictions, prices = market(options.sessions, options.assets)
        rule = Confidence()
        if options.once == "ours":
            simulate_entries(prices, rule.signals(predictions, prices), rule)
        elif options.once == "vectorbt":
            vectorbt_run(predictions, prices, rule)()
        return
    figures = measure(options.sessions, options.assets, options.repeats)
    if options.json:
        print(json.dumps(figures, indent=1))
        return
    for name, value in figures.items():
        shown = value if isinstance(value, dict) else {"": value}
        for part, figure in shown.items():
            text = f"{figure:.3f}" if isinstance(figure, float) else str(figure)
            print(f"{name + (' ' + part if part else ''):62}{text:>16}")


if __name__ == "__main__":
    main()
