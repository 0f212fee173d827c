"""How processor time and memory grow with sessions, assets, cells of a sweep and folds, with fitted exponents.

    python studies/growth.py [--memory]      # two minutes of processor time; three with --memory

Each backtest runs in a process of its own on packed panels (`benchmarks/out_of_core.py` makes them): in blocks of
sessions, and with --memory as whole tables. A sweep is of quintiles at ten costs each, on 1,260 sessions × 482 assets;
a walk-forward of ridge, on 1,260 × 60. Time is the processor's, from the loaded packages on; memory is the most that
the process held. Exponents are least squares of log(cost less that of a tiny panel) on log(sessions) and log(assets);
of cells and folds, of log(cost less that of the fewest) on log(how many).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np

#: Sessions and assets of the panels; the first is what is taken off the others.
SIZES = ((250, 100), (500, 1000), (1000, 1000), (2000, 1000), (1000, 2000), (1000, 4000))
#: Cells of a sweep, all by the compiled loops, and folds; the first, too, is taken off.
CELLS = (100, 400, 800, 1600, 3200)
FOLDS = (2, 4, 8, 16)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--memory", action="store_true", help="also the panels in memory")
    parser.add_argument("--folder", type=Path, help="where panels are made; default: a temporary folder")
    asked = parser.parse_args()
    if asked.child is not None:
        print(json.dumps(_CHILDREN[asked.child.split(":")[0]](*asked.child.split(":")[1:])))
        return
    with tempfile.TemporaryDirectory(prefix="assay-growth-", dir=asked.folder) as place:
        os.environ["ASSAY_LEDGER"] = str(Path(place) / "ledger")
        ways = (("returns", "in blocks"), ("weights", "in memory"))
        for keep, title in ways if asked.memory else ways[:1]:
            rows = [measured("panel", place, str(sessions), str(assets), keep) for sessions, assets in SIZES]
            table(title, SIZES, rows)
        for what, sizes in (("cells", CELLS), ("folds", FOLDS)):
            rows = [measured(what, place, str(number)) for number in sizes]
            line = ", ".join(f"{size}: {row['seconds']:.2f} s" for size, row in zip(sizes, rows, strict=True))
            more = [row["seconds"] - rows[0]["seconds"] for row in rows[1:]]
            slope = np.polyfit(np.log(sizes[1:]), np.log(np.maximum(more, 1e-9)), 1)[0]
            held = ", ".join(f"{row['bytes'] / 1e6:,.0f}" for row in rows)
            print(f"{what}: {line}; exponent {slope:.2f}; {held} MB", flush=True)


def table(title: str, sizes: tuple[tuple[int, int], ...], rows: list[dict[str, float]]) -> None:
    """Print what was measured of panels, and the fitted exponents."""
    print(f"{title}\n{'sessions':>9} {'assets':>7} {'seconds':>9} {'MB':>7}")
    for (sessions, assets), row in zip(sizes, rows, strict=True):
        print(f"{sessions:>9,} {assets:>7,} {row['seconds']:>9.2f} {row['bytes'] / 1e6:>7,.0f}", flush=True)
    for name, unit in (("seconds", "processor time"), ("bytes", "memory")):
        more = np.array([row[name] - rows[0][name] for row in rows[1:]])
        sides = np.log(np.array(sizes[1:], dtype=float))
        design = np.column_stack([np.ones(len(sides)), sides])
        _, of_sessions, of_assets = np.linalg.lstsq(design, np.log(np.maximum(more, 1e-9)), rcond=None)[0]
        print(f"{unit}: sessions^{of_sessions:.2f} · assets^{of_assets:.2f}", flush=True)


def measured(*what: str) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, str(Path(__file__)), "--child", ":".join(what)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return found


def _spent(began: float) -> dict[str, float]:
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": time.process_time() - began, "bytes": float(held)}


def _panel(place: str, sessions: str, assets: str, keep: str) -> dict[str, float]:
    from assay import backtest, load_predictions, load_prices, load_strategy

    folder = Path(place) / f"{sessions}-{assets}"
    if not folder.exists():
        folder.mkdir()
        maker = str(ROOT / "benchmarks" / "out_of_core.py")
        size = ["--sessions", sessions, "--assets", assets]
        subprocess.run([sys.executable, maker, *size, "--make", str(folder)], check=True)
    rule, root = load_strategy("s2_filter_negative"), folder / keep
    began = time.process_time()
    prices, scores = load_prices(folder / "prices.pack"), load_predictions(folder / "scores.pack")
    backtest(rule, scores, prices, root=root, keep=keep)  # type: ignore[arg-type]
    return _spent(began)


def _cells(_: str, number: str) -> dict[str, float]:
    from assay.data.synthetic import synthetic_market
    from assay.engine.costs import CostModel
    from assay.engine.sweep import cells_of, run_cells

    prices, scores = synthetic_market(1260, 482, ic=0.05, seed=1)
    quantiles = int(number) // 10  # so many sets of weights, each at ten costs
    grid = {
        "quantile": [f"{0.02 + 0.46 * i / quantiles:.4f}" for i in range(quantiles)],
        "commission_bps": [str(bps) for bps in range(10)],
    }
    cells = cells_of("quintile_long_short", grid, costs=CostModel(borrow_bps=0, financing_bps=0))
    began = time.process_time()
    for part in run_cells(cells, scores, prices):
        list(part)
    return _spent(began)


def _folds(place: str, number: str) -> dict[str, float]:
    from assay import Checks, WalkForward, load_model, synthetic_market, walk_forward

    prices, _ = synthetic_market(1260, 60, ic=0.05, seed=1)
    plan = WalkForward(train=252, retrain=(1260 - 252) // int(number))
    began = time.process_time()
    walk_forward(
        load_model("ridge"), prices, plan, baselines=False, checks=Checks(), root=Path(place) / f"folds-{number}"
    )
    return _spent(began)


_CHILDREN = {"panel": _panel, "cells": _cells, "folds": _folds}


if __name__ == "__main__":
    main()
