"""How long a long Parquet file takes to become a panel, against its bare decode.

Run from the repository root: ``python benchmarks/load_parquet.py [--rounds 15]``. The two are timed in turns in one
process; the figures are medians. The cold line is a fresh process that loads the file once, imports and all.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

_COLD = """
import json, resource, sys, time
start = time.perf_counter()
from assay.data.files.prices import load_prices
imported = time.perf_counter()
load_prices(sys.argv[1])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([imported - start, time.perf_counter() - imported, peak]))
"""


def main() -> None:
    """Time both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1229)
    parser.add_argument("--assets", type=int, default=482)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = _write(Path(folder) / "prices.parquet", options.sessions, options.assets)
        _report(path, options.sessions * options.assets, options.rounds)


def _write(path: Path, sessions: int, assets: int) -> Path:
    """As a user's own pandas would: tickers as plain strings, snappy."""
    import pandas as pd

    from assay.data.synthetic import synthetic_market

    panel, _ = synthetic_market(sessions, assets, seed=1)
    stacked = {name: getattr(panel, name).stack() for name in panel.fields}
    table = pd.concat(stacked, axis="columns").rename_axis(["date", "ticker"]).reset_index()
    table.to_parquet(path, index=False)
    return path


def _report(path: Path, rows: int, rounds: int) -> None:
    import pandas as pd
    import pyarrow.parquet as pq

    from assay.data.files.prices import load_prices

    def pivot() -> object:
        table = pd.read_parquet(path)
        return [table.pivot(index="date", columns="ticker", values=name) for name in table.columns[2:]]

    ways: dict[str, Callable[[], object]] = {
        "read bytes": path.read_bytes,
        "bare decode": lambda: pq.read_table(path),
        "load_prices": lambda: load_prices(path),
        "pandas pivot": pivot,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn:  # the first turn warms up
                times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{rows:,} rows, {path.stat().st_size / 1e6:.1f} MB, {rounds} rounds, {os.cpu_count()} cores")
    for name, median in medians.items():
        print(f"{name:<14} {1000 * median:8.1f} ms   {median / medians['bare decode']:6.2f} x bare decode")
    done = subprocess.run(
        [sys.executable, "-c", _COLD, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imports, load, peak = json.loads(done.stdout)
    print(f"cold process   imports {1000 * imports:.0f} ms, load {1000 * load:.0f} ms, peak {peak / 1024:.0f} MiB")
    ratio = medians["load_prices"] / medians["bare decode"]
    print(f"load_prices / bare decode: {ratio:.2f} (target at most 4)")


if __name__ == "__main__":
    main()
