"""A price network for each of many assets: one after another against all in the same passes.

Run: ``python benchmarks/stacked.py [--assets 100] [--sessions 500] [--epochs 2] [--units 50]``

Both train the shipped recipe (its own batches, dropout and early stop), on one thread as every fit does; printed are
the seconds of each, their ratio, and the largest difference between the losses of an asset and epoch.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_model


def main() -> None:
    """Parse the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--units", type=int, default=50)
    options = parser.parse_args()
    prices, _ = synthetic_market(options.sessions, options.assets, seed=1)
    settings = {"epochs": options.epochs, "units": options.units, "dense": max(3, options.units // 2)}
    load_model("nse_price", **settings).fit(prices.select(prices.assets[:2]), horizon=1, delay=1, seed=0)  # warm up
    found, seconds = [], []
    for stacked in (False, True):
        model = load_model("nse_price", stacked=stacked, **settings)
        start, used = time.perf_counter(), time.process_time()
        found.append(pd.DataFrame(model.fit(prices, horizon=1, delay=1, seed=0).training_log["epochs"]))
        seconds.append((time.perf_counter() - start, time.process_time() - used))
    losses = [table.set_index(["asset", "epoch"])[["train_loss", "validation_loss"]] for table in found]
    apart = np.abs(losses[0] - losses[1]).max(axis=1).groupby("asset").max()
    print(f"{options.assets} assets × {options.sessions} sessions, {options.units} units, {options.epochs} epochs")
    for name, (wall, processor) in zip(("one after another", "stacked"), seconds, strict=True):
        print(f"{name:18} {wall:8.1f} s, {processor:8.1f} s of processor time")
    print(f"ratio {seconds[0][0] / seconds[1][0]:.2f} (processor time {seconds[0][1] / seconds[1][1]:.2f})")
    print(f"losses within 1e-5 in {(apart <= 1e-5).sum()} of {len(apart)} assets, median difference "
          f"{apart.median():.1e}, largest {apart.max():.1e}")  # fmt: skip


if __name__ == "__main__":
    main()
