"""Larger than memory: `backtest --keep returns` of packed panels, its peak memory beside its time and its floor.

    python benchmarks/out_of_core.py                                # 10,000 assets × 7,500 sessions, 1.2 GB
    python benchmarks/out_of_core.py --assets 2000 --sessions 2500 --memory

Panels are made a block of sessions at a time, with holes and with assets whose prices end, and packed. The command
then runs in a process of its own; peak memory is the system's (`ru_maxrss`), mapped files included. The floor reads the
bytes of both panels once. With --memory the same panels also run in memory, and the figures are held side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: Sessions made together.
_BLOCK = 100
_FLOOR = """
import sys, numpy as np
total = 0.0
for name in sys.argv[1:]:
    values = np.load(name, mmap_mode="r", allow_pickle=False)
    with open(name, "rb") as file:
        file.seek(values.offset)
        while len(part := np.fromfile(file, np.float64, 1 << 20)):
            total += float(np.nansum(part))
"""


def main() -> None:
    """Make the panels, run, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--assets", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=7_500)
    parser.add_argument("--strategy", default="s2_filter_negative")
    parser.add_argument("--folder", type=Path, help="where panels are made; default: a temporary folder")
    parser.add_argument("--memory", action="store_true", help="also run the same panels in memory")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.make is not None:
        make(asked.make, asked.sessions, asked.assets)
        return
    with tempfile.TemporaryDirectory(prefix="assay-out-of-core-", dir=asked.folder) as place:
        for line in measured(asked, Path(place)):
            print(line, flush=True)


def measured(asked: argparse.Namespace, folder: Path) -> list[str]:
    """Lines for the terminal: the floor, the command, and where it is wanted the command in memory."""
    size = ["--sessions", str(asked.sessions), "--assets", str(asked.assets)]
    alone(sys.executable, str(Path(__file__)), *size, "--make", str(folder))
    arrays = [str(folder / "prices.pack" / "close.npy"), str(folder / "scores.pack" / "score.npy")]
    held = sum(Path(name).stat().st_size for name in arrays)
    rows = {"reading the bytes": alone(sys.executable, "-c", _FLOOR, *arrays)}
    command = [
        sys.executable, str(ROOT / "cli.py"), "backtest", "--strategy", asked.strategy,
        "--prices", str(folder / "prices.pack"), "--predictions", str(folder / "scores.pack"), "--json",
    ]  # fmt: skip
    rows["in blocks"] = alone(*command, "--keep", "returns", "--results", str(folder / "blocks"), ledger=folder)
    if asked.memory:
        rows["in memory"] = alone(*command, "--keep", "weights", "--results", str(folder / "memory"), ledger=folder)
    out = [f"{asked.assets:,} assets × {asked.sessions:,} sessions: {held / 1e9:.2f} GB of closes and scores"]
    for name, row in rows.items():
        out.append(
            f"{name:18} {row['cpu']:8.1f} s of processor time {row['wall']:8.1f} s elapsed"
            f" {row['memory'] / 1e6:8,.0f} MB at most"
        )
    figures = {name: _figures(row["out"]) for name, row in rows.items() if row["out"]}
    first = figures["in blocks"]
    out.append(f"net Sharpe {first['sharpe_net']:.4f}, rank IC {first['rank_ic_mean']:.5f}, {len(first)} figures")
    if asked.memory:
        other = figures["in memory"]
        both = sorted(first.keys() & other.keys())
        apart = {name: abs(first[name] - other[name]) / max(abs(first[name]), 1e-6) for name in both}
        worst = max(apart, key=lambda name: apart[name])
        out.append(f"of {len(apart)} figures that both have the furthest apart is {worst}, {apart[worst]:.1e} relative")
    return out


def alone(*command: str, ledger: Path | None = None) -> dict[str, Any]:
    """Run a command in a process of its own: processor and elapsed seconds, peak memory in bytes, output.

    This process stays small: the system counts what a child shares with its parent before it begins, too.
    """
    beside = {} if ledger is None else {"ASSAY_LEDGER": str(ledger / "ledger")}
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen(command, stdout=out, env={**os.environ, **beside})
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    if child.returncode != 0:
        raise SystemExit(f"exit code {child.returncode}: {' '.join(command)}")
    cpu = used.ru_utime + used.ru_stime
    return {"cpu": cpu, "wall": time.perf_counter() - began, "memory": used.ru_maxrss * 1024, "out": text}


def _figures(text: str) -> dict[str, float]:
    found = json.loads(text)["metrics"]
    return {item["name"]: item["value"] for item in found if item["value"] is not None}


def make(folder: Path, sessions: int, assets: int) -> None:
    """Write the two packed panels, some sessions at a time."""
    import numpy as np
    import pandas as pd

    sys.path.insert(0, str(ROOT))
    from assay.data.files.packed import pack_predictions, pack_prices
    from assay.data.mapped import release
    from assay.data.panel import PredictionPanel, PricePanel

    rng = np.random.default_rng(0)
    days = pd.DatetimeIndex(pd.bdate_range("1995-01-02", periods=sessions), freq=None, name="date")
    names = pd.Index([f"A{number:05d}" for number in range(assets)], dtype="str", name="asset")
    ends = np.where(rng.random(assets) < 0.2, rng.integers(sessions // 5, sessions, assets), sessions)
    paths = [folder / name for name in ("close.npy", "score.npy")]
    close, score = (
        np.lib.format.open_memmap(path, "w+", np.float64, (sessions, assets)) for path in paths
    )
    last, drawn = np.full(assets, 50.0), rng.normal(0, 0.02, (_BLOCK, assets))
    for start in range(0, sessions, _BLOCK):
        stop = min(start + _BLOCK, sessions)
        moves, drawn = drawn, rng.normal(0, 0.02, (_BLOCK, assets))
        market = rng.normal(0.0003, 0.01, (_BLOCK, 1))
        level = last * np.exp(np.cumsum(moves + market, axis=0))
        last = level[-1]
        ahead = np.vstack([moves, drawn])[2 : _BLOCK + 2]
        said = 0.004 * rng.normal(size=(_BLOCK, assets)) + 0.01 * ahead
        gone = np.arange(start, start + _BLOCK)[:, None] >= ends
        level[gone | (rng.random(level.shape) < 0.005)] = np.nan
        said[gone | (rng.random(said.shape) < 0.01)] = np.nan
        close[start:stop], score[start:stop] = level[: stop - start], said[: stop - start]
        for table in (close, score):
            table.flush()
            release(table[start:stop])
    mapped = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
    prices, scores = (pd.DataFrame(values, days, names, copy=False) for values in mapped)
    pack_prices(PricePanel(prices, source="synthetic"), folder / "prices.pack")
    pack_predictions(PredictionPanel(scores, name="scores"), folder / "scores.pack")
    for path in paths:
        path.unlink()


if __name__ == "__main__":
    main()
