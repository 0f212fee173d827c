"""The whole run, from file to verdict, each piece of work against its floor in the same run.

Run: ``python benchmarks/whole_run.py [--large] [--repeats 5] [--only sample csv …] [--json]`` (three minutes; with
``--large``, which adds the panel of 3,000 × 5,040, ten, and 3 GB of files and memory)

Work and floor alternate; medians of the pairs. The first figures are of the processor (user and system, all threads),
for they hold on a busy machine; wall time and the most memory that each side's process held stand beside them. What
starts with "backtest", "audit" or "tear sheet" is a fresh process, command line included; the rest is warm, in this
one, single runs by the compiled loops (``compiled=True``), as one asks for who makes many. "before" is what this
command measured of the same work before it was last worked on: the first ratio, or seconds.
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
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import pandas as pd

from assay.data.align import align
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.sample import load_sample, load_sample_predictions
from assay.engine.backtest import run_backtest
from assay.engine.entry_rules import simulate_entries
from assay.engine.random_scores import random_score_null
from assay.engine.sweep import cells_of, run_cells
from assay.results.stats.ranks import rank_correlation
from assay.strategies.catalog import load_strategy
from assay.strategies.confidence import Confidence
from benchmarks import backtest as panels
from benchmarks import entry_rules, sweep

#: First ratios, or seconds, of November 2026 before each piece was last worked on.
_BEFORE = {
    "backtest, sample": "1.21",
    "backtest, 482 × 1,259 from Parquet": "1.29",
    "backtest, 3,000 × 5,040 from Parquet": "4.7, 2,000 MB",
    "quintile_long_short, 482 × 1,259": "0.23-0.26",
    "s2_filter_negative, 482 × 1,259": "0.55-0.84",
    "confidence with its cap, 482 × 1,259": "0.14",
    "1,000 quintile × cost cells": "0.65-0.72 s",
    "200 random-score runs, sample": "10-14",
    "rank IC, ties and holes": "0.10-0.13",
    "tear sheet, 3,000 × 5,040": "13 s",
}
_IMPORTS = "import pandas, empyrical, pyarrow.parquet as pq"


@dataclass(frozen=True)
class Used:
    """What one run took: processor and wall seconds, and the most memory its process held, MiB (0 in this process)."""

    processor: float
    wall: float
    memory: float


@dataclass(frozen=True)
class Row:
    """A piece of work beside its floor; `target` is what the ratio (or the seconds) should not exceed."""

    work: str
    against: str
    target: str
    ratio: float
    wall_ratio: float
    seconds: float
    floor_seconds: float
    memory: float
    floor_memory: float


def process(*arguments: object, results: Path | None = None) -> Callable[[], Used]:
    """A fresh Python with these arguments."""

    def run() -> Used:
        environment = {**os.environ, "ASSAY_LEDGER": str(results / "ledger") if results else os.devnull}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled
        start = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, *map(str, arguments)], cwd=ROOT, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        if os.waitstatus_to_exitcode(status) not in (0, 1):  # 1 is a verdict of the audit
            raise SystemExit((child.stderr.read() if child.stderr else b"").decode())
        return Used(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)

    return run


def here(work: Callable[[], object]) -> Callable[[], Used]:
    """The same work in this process."""

    def run() -> Used:
        start, used = time.perf_counter(), time.process_time()
        work()
        return Used(time.process_time() - used, time.perf_counter() - start, 0.0)

    return run


def pair(work: str, ours: Callable[[], Used], against: str, floor: Callable[[], Used], target: str, n: int) -> Row:
    """Medians over n alternated pairs, after one of each to warm up."""
    ours(), floor()
    taken = [(ours(), floor()) for _ in range(n)]

    def median(of: Callable[[Used, Used], float]) -> float:
        return statistics.median(of(mine, other) for mine, other in taken)

    return Row(
        work,
        against,
        target,
        median(lambda mine, other: mine.processor / other.processor),
        median(lambda mine, other: mine.wall / other.wall),
        median(lambda mine, other: mine.processor),
        median(lambda mine, other: other.processor),
        max(mine.memory for mine, _ in taken),
        max(other.memory for _, other in taken),
    )


def stored(folder: Path, sessions: int, assets: int) -> tuple[Path, Path]:
    """Closes and scores without a signal, as long Parquet with tickers as plain strings."""
    predictions, prices = panels.market(sessions, assets)
    assert predictions.score is not None
    paths = folder / f"prices{assets}.parquet", folder / f"predictions{assets}.parquet"
    dates, names = np.repeat(prices.sessions.to_numpy(), assets), np.tile(prices.assets.to_numpy(), sessions)
    for path, name, frame in ((paths[0], "close", prices.close), (paths[1], "score", predictions.score)):
        pd.DataFrame({"date": dates, "asset": names, name: frame.to_numpy().ravel()}).to_parquet(path, index=False)
    return paths


def from_files(folder: Path, sessions: int, assets: int, target: str, n: int) -> Row:
    """`backtest` of two Parquet files against their decoding."""
    prices, predictions = stored(folder, sessions, assets)
    floor = process("-c", f"{_IMPORTS}; [pq.read_table(path) for path in ({str(prices)!r}, {str(predictions)!r})]")
    ours = process("cli.py", "backtest", "--prices", prices, "--predictions", predictions, "--results", folder / "runs",
                   results=folder)  # fmt: skip
    return pair(f"backtest, {assets:,} × {sessions:,} from Parquet", ours, "imports and decoding", floor, target, n)


def rows(folder: Path, only: set[str], large: bool, n: int) -> Iterator[Row]:
    """Each row as it is measured."""

    def wanted(name: str) -> bool:
        return not only or name in only

    runs = folder / "runs"
    imports = process("-c", _IMPORTS)
    if wanted("sample"):
        ours = process("cli.py", "backtest", "--results", runs, results=folder)
        yield pair("backtest, sample", ours, "importing pandas, empyrical, pyarrow", imports, "≤ 1.3", n)
    if wanted("files"):
        yield from_files(folder, 1259, 482, "≤ 1.4", n)
    if large and wanted("large"):
        yield from_files(folder, 5040, 3000, "≤ 2.5, ≤ 2,200 MB", max(1, n // 3))
    if wanted("engine"):
        yield from _engine(n)
    if wanted("sweep"):
        predictions, prices = sweep.market()
        cells = cells_of("quintile_long_short", sweep.grid(1000), costs=sweep.FREE)
        every = here(lambda: [list(part) for part in run_cells(cells, predictions, prices)])
        loop = here(lambda: _loop(predictions, prices))
        yield pair("1,000 quintile × cost cells", every, "one plain NumPy run", loop, "≤ 0.6 s wall", max(1, n // 2))
    if wanted("null"):
        strategy, prices = load_strategy("s2_filter_negative"), load_sample()[0]
        predictions = align(load_sample_predictions(), prices)[0]
        many = here(lambda: random_score_null(strategy, predictions, prices, runs=200))
        one = here(lambda: run_backtest(strategy, predictions, prices, keep="returns"))
        yield pair("200 random-score runs, sample", many, "one run", one, "≤ 10", max(1, n // 2))
    if wanted("ic"):
        yield _rank_ic(n)
    if wanted("csv"):
        yield _csv(folder, n)
    if wanted("audit"):
        report = folder / "report.md"
        report.write_text(_document(), encoding="utf-8")
        yield pair("audit of a 5 MB document", process("cli.py", "audit", report, results=folder), "imports", imports,
                   "≤ 10 s", 1)  # fmt: skip
    if large and wanted("sheet"):
        (run,) = [item.name for item in runs.iterdir() if "predictions3000" in (item / "manifest.json").read_text()]
        sheet = process("cli.py", "tearsheet", run, "--results", runs, results=folder)
        yield pair("tear sheet, 3,000 × 5,040", sheet, "imports", imports, "≤ 5 s", 1)


def _loop(predictions: PredictionPanel, prices: PricePanel) -> np.ndarray:
    assert predictions.score is not None
    return panels.plain_numpy(predictions.score.to_numpy(), prices.close.to_numpy())


def _engine(n: int) -> Iterator[Row]:
    predictions, prices = panels.market(1259, 482)
    loop = here(lambda: _loop(predictions, prices))
    for name, target in (("quintile_long_short", "≤ 0.25"), ("s2_filter_negative", "≤ 0.5")):
        strategy = load_strategy(name)

        def ours(strategy: object = strategy) -> object:
            return run_backtest(
                strategy, predictions, prices, costs=panels.COSTS, keep="returns", compiled=True  # type: ignore[arg-type]
            )

        yield pair(f"{name}, 482 × 1,259", here(ours), "plain NumPy loop", loop, target, 2 * n)
    bars, rule = entry_rules.market(1259, 482), Confidence()
    capped = here(lambda: simulate_entries(bars[1], rule.signals(*bars), rule, keep="returns", compiled=True))
    yield pair("confidence with its cap, 482 × 1,259", capped, "plain NumPy loop", loop, "≤ 0.05", 2 * n)


def _rank_ic(n: int) -> Row:
    predictions, prices = panels.market(1259, 482)
    assert predictions.score is not None
    score, close = predictions.score.to_numpy(), prices.close.to_numpy()
    holes = np.where(np.random.default_rng(1).random(score.shape) < 0.01, np.nan, score)
    forward = np.roll(close, -1, axis=0) / close - 1
    left, right = pd.DataFrame(holes), pd.DataFrame(forward).where(~np.isnan(holes))
    theirs = here(lambda: left.rank(axis=1).corrwith(right.rank(axis=1), axis=1))
    ours = here(lambda: rank_correlation(holes, forward))
    return pair("rank IC, ties and holes", ours, "pandas rank + corrwith", theirs, "≤ 0.08", n)


def _csv(folder: Path, n: int) -> Row:
    from pyarrow import csv

    from assay.data.files.prices import load_prices

    _, prices = panels.market(1228, 482)
    path = folder / "prices.csv"
    prices.close.stack().rename("close").rename_axis(["date", "ticker"]).reset_index().to_csv(path, index=False)
    ours, theirs = here(lambda: load_prices(path)), here(lambda: csv.read_csv(path))
    return pair("long CSV, 592,000 rows", ours, "pyarrow's bare read", theirs, "≤ 1.5", n)


def _document(size: int = 5_000_000) -> str:
    """A report of so many bytes: tables and sentences of figures, as many as an audit takes, between pages of prose."""
    section = (
        "## Model {0}\n\nThe model was trained on 1,000 samples and reaches an accuracy of 0.5{0:03d} on the test set "
        "of 250 days, with a Sharpe ratio of 1.{0:03d} and a maximum drawdown of 1{0:03d}%.\n\n"
        "| metric | train | test |\n|---|---|---|\n| accuracy | 0.6{0:03d} | 0.5{0:03d} |\n| precision | 0.5 | 0.5 |\n"
        "| recall | 0.4 | 0.4 |\n| f1 | 0.44 | 0.44 |\n\n"
    )
    prose = "Prices are adjusted for splits and dividends, and what left the index stays until it left.\n\n"
    sections = 180
    filler = prose * ((size // sections - len(section)) // len(prose))
    return "# Report\n\n" + "".join(section.format(number) + filler for number in range(sections))


def shown(row: Row) -> str:
    """One line of the table."""
    memory = f"{row.memory:,.0f} / {row.floor_memory:,.0f} MB" if row.memory else ""
    return (
        f"{row.work:38} {_BEFORE.get(row.work, ''):>13} {row.ratio:7.3f} × {row.wall_ratio:7.3f} × {row.target:>18}  "
        f"{1e3 * row.seconds:9,.1f} / {1e3 * row.floor_seconds:7,.1f} ms  {memory:>22}  {row.against}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME",
                        help="sample files large engine sweep null ic csv audit sheet")  # fmt: skip
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    header = ("work", "before", "processor", "wall", "target", "processor, work / floor", "memory, work / floor",
              "floor")  # fmt: skip
    if not options.json:
        print("{:38} {:>13} {:>9} {:>9} {:>18}  {:>23}  {:>22}  {}".format(*header))
    out = []
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(Path(folder), set(options.only), options.large, options.repeats):
            out.append({**asdict(row), "before": _BEFORE.get(row.work)})
            if not options.json:
                print(shown(row), flush=True)
    if options.json:
        print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
