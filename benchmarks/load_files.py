"""How long a long Parquet, CSV, Feather or Excel file takes to become a panel, against its bare read.

Run from the repository root: ``python benchmarks/load_files.py [--rounds 15]``. The two are timed in turns in one
process; the figures are medians. The bare read is pyarrow's, of Excel openpyxl's, over every cell; Excel has a tenth of
the sessions and one turn, because its cells take 100 times as long as those of CSV. The cold line is a fresh process
that loads the file once, imports and all.
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
    """Time both and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1259)
    parser.add_argument("--assets", type=int, default=482)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = _write(Path(folder), options.sessions, options.assets)
        _report(paths, options.sessions * options.assets, options.rounds)
        _report_excel(Path(folder) / "prices.xlsx", options.sessions // 10 * options.assets)


def _write(folder: Path, sessions: int, assets: int) -> dict[str, Path]:
    """As a user's own pandas would: tickers as plain strings, snappy; in CSV four decimals, by date and by asset."""
    import pandas as pd

    from assay.data.synthetic import synthetic_market

    panel, _ = synthetic_market(sessions, assets, seed=1)
    stacked = {name: getattr(panel, name).stack() for name in panel.fields}
    table = pd.concat(stacked, axis="columns").rename_axis(["date", "ticker"]).reset_index()
    paths = {name: folder / f"prices.{name}" for name in ("parquet", "csv", "by_asset.csv", "feather", "csv.gz")}
    table.to_parquet(paths["parquet"], index=False)
    table.to_feather(paths["feather"])
    values = list(panel.fields)
    rounded = table.assign(**table[values].round(4))
    rounded.to_csv(paths["csv"], index=False)
    rounded.to_csv(paths["csv.gz"], index=False)
    rounded.sort_values(["ticker", "date"]).to_csv(paths["by_asset.csv"], index=False)
    rounded[rounded["date"].isin(panel.sessions[: sessions // 10])].to_excel(folder / "prices.xlsx", index=False)
    return paths


def _report(paths: dict[str, Path], rows: int, rounds: int) -> None:
    import pandas as pd
    import pyarrow.parquet as pq
    from pyarrow import csv, feather

    from assay.data.files.prices import load_prices

    def pivot() -> object:
        table = pd.read_parquet(paths["parquet"])
        return [table.pivot(index="date", columns="ticker", values=name) for name in table.columns[2:]]

    readers: dict[str, Callable[[Path], object]] = {
        "parquet": pq.read_table,
        "csv": csv.read_csv,
        "by_asset.csv": csv.read_csv,
        "feather": feather.read_table,
        "csv.gz": csv.read_csv,
    }
    ways: dict[str, Callable[[], object]] = {}
    for name, path in paths.items():
        ways[f"{name}: pyarrow"] = lambda name=name, path=path: readers[name](path)  # type: ignore[misc]
        ways[f"{name}: load_prices"] = lambda path=path: load_prices(path)  # type: ignore[misc]
    ways["parquet: pandas pivot"] = pivot
    walls: dict[str, list[float]] = {name: [] for name in ways}
    cpus: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start, used = time.perf_counter(), time.process_time()
            way()
            if turn:  # the first turn warms up
                walls[name].append(time.perf_counter() - start)
                cpus[name].append(time.process_time() - used)
    print(f"{rows:,} rows, {rounds} rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians")
    for name in ways:
        floor = f"{name.split(':')[0]}: pyarrow"
        wall, cpu = statistics.median(walls[name]), statistics.median(cpus[name])
        ratio = statistics.median(a / b for a, b in zip(walls[name], walls[floor], strict=True))
        print(
            f"{name:<26} {1000 * wall:8.1f} ms {ratio:6.2f} x   processor {1000 * cpu:8.1f} ms "
            f"{cpu / statistics.median(cpus[floor]):6.2f} x"
        )
    done = subprocess.run(
        [sys.executable, "-c", _COLD, str(paths["parquet"])], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imports, load, peak = json.loads(done.stdout)
    print(f"cold process   imports {1000 * imports:.0f} ms, load {1000 * load:.0f} ms, peak {peak / 1024:.0f} MiB")


def _report_excel(path: Path, rows: int) -> None:
    import openpyxl

    from assay.data.files.prices import load_prices

    def bare() -> int:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        return sum(1 for sheet in book for _ in sheet.iter_rows(values_only=True))

    used = []
    for way in (bare, lambda: load_prices(path)):
        start = time.process_time()
        way()
        used.append(time.process_time() - start)
    print(f"xlsx, {rows:,} rows: openpyxl {used[0]:.1f} s of the processor, load_prices {used[1]:.1f} s, "
          f"{used[1] / used[0]:.2f} x; {1e6 * used[1] / rows:.0f} µs a row")  # fmt: skip


if __name__ == "__main__":
    main()
