"""How long each command leaves a terminal without a sign of life: the longest gap between two changes of what it shows.

Run from the repository root: ``python benchmarks/silence.py [--market sample|wide|both] [--only NAME]``. Each command
runs on a pseudo-terminal of 120 columns, on the embedded sample and on a synthetic panel of 482 × 1,259. A change is
text that is not what the line before said; control sequences and blanks are none. Beside the wall time of the gap
stands the processor time that the command and its children spent in it: on a busy machine a gap is at most as long as
the smaller of the two would be on an idle one.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Seconds that no command may be silent.
LIMIT = 2.0
_CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x20]")
_TICK = os.sysconf("SC_CLK_TCK")
#: Name → the commands of a market: {data} are its files, {prices} only the prices.
COMMANDS = {
    "data validate": "data validate {p} --predictions {s}",
    "backtest": "backtest {data} --leaks --canaries --cross-check --styles --tearsheet",
    "walk-forward": "walk-forward --model ridge {prices} --train 504 --start {start} --strategy s5_long_only",
    "sweep": "sweep {data} --grid quantile=0.1,0.2 --grid cost_bps=0,5,10 --clusters",
    "optimiser": "backtest {data} --strategy min_variance",
    "train": "train --model ridge {prices} --through {start}",
    "leaks": "leaks --model ridge {prices} --cuts 2",
    "gate": "gate s2_filter_negative --policy research",
    "positions": "positions s2_filter_negative {data} --nav 1000000 --unaccepted --max-age 100000",
    "tearsheet": "tearsheet s2_filter_negative",
    "compare": "compare s2_filter_negative quintile_long_short",
    "runs list": "runs list --sort sharpe_net",
    "runs diff": "runs diff s2_filter_negative quintile_long_short",
    "runs rerun": "runs rerun s2_filter_negative",
    "runs trials": "runs trials",
    "runs export": "runs export s2_filter_negative best.zip",
    "verify": "verify results/runs/s2_filter_negative-*/tearsheet.html --run best.zip",
    "models check": "check model ridge",
    "strategies check": "check strategy s2_filter_negative",
    "models show": "models show stock_lstm",
    "audit": "audit {root}/data/claims/reliance_training_results.toml",
}


@dataclass(frozen=True)
class Silence:
    """The longest gap of a command: wall and processor seconds, what stood there, and the whole run's wall seconds."""

    wall: float
    spent: float
    after: str
    total: float
    code: int


def spent_by(root: int) -> float:
    """Processor seconds of a process and its children, those that have ended among them."""
    total, known = 0.0, {root}
    table = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            table[int(entry.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / _TICK)
    grown = True
    while grown:
        more = {pid for pid, (parent, _) in table.items() if parent in known} - known
        known |= more
        grown = bool(more)
    for pid in known & table.keys():
        total += table[pid][1]
    return total


def watch(arguments: list[str], folder: Path) -> Silence:
    """Run a command on a terminal and measure its longest silence."""
    inside, outside = pty.openpty()
    fcntl.ioctl(outside, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "ASSAY_LEDGER": str(folder / "l")}
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), *arguments],
        stdin=outside, stdout=outside, stderr=outside, cwd=folder, env=environment,
    )  # fmt: skip
    os.close(outside)
    last, before, worst, shown, text = begun, 0.0, (0.0, 0.0, ""), b"", "the start"
    while True:
        ready, _, _ = select.select([inside], [], [], 0.05)
        if ready:
            try:
                data = os.read(inside, 65536)
            except OSError:  # the other end is closed
                data = b""
        else:
            data = None
        change = _CONTROL.sub(b"", data) if data else b""
        ended = data == b"" or (data is None and process.poll() is not None)
        if (change and change != shown) or ended:
            now, spent = time.monotonic(), spent_by(process.pid)
            gap = (now - last, spent - before, text)
            worst = max(worst, gap, key=lambda each: min(each[:2]))
            last, before, shown = now, spent, change
            text = change.decode(errors="replace")[-60:] or text
        if ended:
            break
    code = process.wait()
    os.close(inside)
    return Silence(worst[0], worst[1], worst[2], time.monotonic() - begun, code)


def main() -> None:
    """Measure each command and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--market", choices=["sample", "wide", "both"], default="both")
    parser.add_argument("--only", action="append", help="these commands alone; those that they need come with them")
    options = parser.parse_args()
    silent = False
    for market in ("sample", "wide") if options.market == "both" else (options.market,):
        with tempfile.TemporaryDirectory(prefix="silence-") as place:
            silent |= measured(market, Path(place), options.only)
    sys.exit(1 if silent else 0)


def measured(market: str, folder: Path, only: list[str] | None) -> bool:
    """Whether some command of a market was silent for longer than `LIMIT`."""
    words = {"p": "", "s": "", "data": "", "prices": "", "start": "2018-01-02", "root": str(ROOT)}
    run(["init", "--template", "strategy"], folder)
    if market == "wide":
        run(["data", "synthetic", "--sessions", "1259", "--assets", "482", "--out", "p.parquet", "--ic", "0.03",
             "--oracle", "s.parquet"], folder)  # fmt: skip
        words |= {"data": "--prices p.parquet --predictions s.parquet", "prices": "--prices p.parquet",
                  "start": "2004-01-02", "p": "p.parquet", "s": "s.parquet"}  # fmt: skip
    on_runs = only is None or bool({*only} - {"data validate", "walk-forward"})
    needed = ("backtest", "runs export") if only and on_runs else ()
    silent = False
    print(f"{market}: longest gap, wall and processor seconds; what stood there; seconds in all", flush=True)
    if on_runs:
        run(shlex.split(f"backtest --strategy quintile_long_short {words['data']}"), folder)
    for name, text in COMMANDS.items():
        if (only and name not in only and name not in needed) or (market == "sample" and name == "data validate"):
            continue
        arguments = shlex.split(text.format(**words))
        arguments = [str(next(iter(folder.glob(part)), part)) if "*" in part else part for part in arguments]
        one = watch(arguments, folder)
        over = min(one.wall, one.spent) > LIMIT
        silent |= over
        print(f"  {name:<17}{one.wall:6.1f} {one.spent:6.1f}  {'SILENT' if over else '':<7}{one.after!r:<64}"
              f"{one.total:6.1f}{'' if one.code in (0, 1, 3) else f'  exit {one.code}'}", flush=True)  # fmt: skip
    return silent


def run(arguments: list[str], folder: Path) -> None:
    """A command that only prepares."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ASSAY_LEDGER": str(folder / "l")}
    subprocess.run([sys.executable, str(ROOT / "cli.py"), *arguments], cwd=folder, env=environment, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


if __name__ == "__main__":
    main()
