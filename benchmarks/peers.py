"""The same work in other backtesters, each with its result beside its time.

Run: ``python benchmarks/peers.py [--python python3.12] [--environment DIR] [--rounds 2] [--only quintile …] [--write]``
(about fifteen minutes, and some two to install; ml4t-backtest needs Python 3.12). The peers of ``benchmarks/peers.txt``
are installed into a virtual environment of their own, in the user's cache unless `DIR` says otherwise. The page goes to
standard output; ``--write`` puts figures and page into ``studies/``, ``--page`` writes the page of the figures that lie
there and measures nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
from peer_page import page
from peer_sides.side import LONG
from peer_sides.table import SIDES, WORKS, Side

HERE = Path(__file__).resolve().parent
PINS = HERE / "peers.txt"
FIGURES, PAGE = ROOT / "studies" / "peers.json", ROOT / "studies" / "peers.md"
#: What is run once before anything is timed, so that what is compiled lies on disk.
SMALL = (150, 20)
#: Side → the figures of its processes, round by round.
Rounds = dict[str, list[dict[str, Any]]]


def version_of(python: Path | str) -> str:
    """Of an interpreter, such as 3.12.1."""
    return subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]


def installed(python: str, folder: Path | None) -> Path:
    """The Python of the peers' environment, which is made where there is none."""
    name = hashlib.sha256((version_of(python) + PINS.read_text(encoding="utf-8")).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "assay-peers" / name if folder is None else folder
    inside = folder.resolve() / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"installing {PINS.name} into {folder}", file=sys.stderr, flush=True)
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [str(inside), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        if subprocess.run([*pip, "-r", str(PINS)], stderr=subprocess.DEVNULL, check=False).returncode:
            for line in PINS.read_text(encoding="utf-8").splitlines():  # what does not install is a row that says so
                if line and not line.startswith("#"):
                    subprocess.run([*pip, line], stderr=subprocess.DEVNULL, check=False)
        (folder / "complete").touch()
    return inside


def versions_in(python: Path) -> dict[str, str]:
    """Distribution → version, of what the pins name and is there."""
    program = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    found = json.loads(subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout)
    named = {line.split("==")[0] for line in PINS.read_text(encoding="utf-8").splitlines() if "==" in line}
    found = {name.lower().replace("_", "-"): version for name, version in found.items()}
    return {name: found[name] for name in sorted(named) if name in found}


def absent(side: Side, versions: Mapping[str, str]) -> list[dict[str, Any]]:
    """The reason why a side cannot be run at all, as its only round; none where it can."""
    if not side.package or side.package == "assay" or side.package in versions:
        return []
    pins = PINS.read_text(encoding="utf-8").splitlines()
    pin = next(line for line in pins if line.startswith(f"{side.package}=="))
    return [{"reason": f"not installed; pinned as `{pin}`"}]


def write_inputs(folder: Path, sessions: int, assets: int) -> None:
    """A synthetic market as arrays that every environment reads."""
    import entry_rules
    from peer_sides.inputs import FIELDS

    predictions, prices = entry_rules.market(sessions, assets)
    assert predictions.score is not None
    score, rng = predictions.score.to_numpy().copy(), np.random.default_rng(2)
    unknown = np.isnan(score)
    score[unknown] = rng.normal(0, np.nanstd(score), unknown.sum())  # no gaps: peers treat them in as many ways
    frames = {"score": score, "probability": predictions.probability_up}
    folder.mkdir(exist_ok=True)
    for name in FIELDS:
        np.save(folder / f"{name}.npy", np.asarray(frames[name] if name in frames else getattr(prices, name)))
    np.savetxt(folder / "costs.txt", np.linspace(0, 20, 20))
    np.savetxt(folder / "quantiles.txt", np.linspace(0.05, 0.45, 50))


def one(side: Side, python: Path, inputs: Path, answer: Path, repeats: int) -> dict[str, Any]:
    """The figures of one process, or the reason why there are none; those of a call that was ended are taken up."""
    if answer.exists():
        return dict(json.loads(answer.read_text(encoding="utf-8")))
    environment = {
        **os.environ, "MPLBACKEND": "Agg", "TQDM_DISABLE": "1", "NUMBA_CACHE_DIR": str(inputs.parent / "numba"),
        "ASSAY_LEDGER": str(inputs.parent / "ledger"),
    }  # fmt: skip
    command = [sys.executable if side.package == "assay" else python, HERE / "peer_sides" / "side.py"]
    rest = [side.module, side.function, inputs, answer, repeats]
    done = subprocess.run([str(part) for part in (*command, *rest)], capture_output=True, text=True, env=environment,
                          cwd=inputs.parent, check=False)  # fmt: skip
    if done.returncode:
        return {"reason": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    return dict(json.loads(answer.read_text(encoding="utf-8")))


def measured(sides: list[Side], python: Path, folder: Path, options: argparse.Namespace) -> Rounds:
    """Side → its figures round by round; the first of them are of the small panel."""
    write_inputs(folder / "small", *SMALL)
    write_inputs(folder / "panel", options.sessions, options.assets)
    versions = versions_in(python)
    found: Rounds = {side.key: absent(side, versions) for side in sides}
    for turn in range(options.rounds + 1):
        for side in sides if turn % 2 else sides[::-1]:
            past = found[side.key]
            if any("reason" in item for item in past) or (len(past) > 1 and past[-1]["run_s"][0] > LONG):
                continue
            inputs, repeats = (folder / "panel", options.repeats) if turn else (folder / "small", 0)
            past.append(one(side, python, inputs, folder / f"{side.key}-{turn}.json", repeats))
            told = past[-1].get("run_s", past[-1].get("reason"))
            print(f"round {turn}: {side.key} {told}", file=sys.stderr, flush=True)
    return found


def returns_of(folder: Path, key: str) -> np.ndarray:
    """(T,) daily returns that a side computed in the first round; of a sweep, (cells, T)."""
    for kind in ("net", "nav", "cells"):
        path = folder / f"{key}-1.{kind}.npy"
        if path.exists():
            values = np.load(path)
            return np.concatenate([[0.0], values[1:] / values[:-1] - 1]) if kind == "nav" else values
    raise SystemExit(f"{key} has left no returns in {folder}")


def compared(side: Side, folder: Path, result: Mapping[str, float]) -> tuple[list[float], float | None]:
    """The two figures that are shown of a result, and how far its series lies from the loop's."""
    if side.work == "sheet":
        return [result["drawdown"], result["sharpe"]], None
    if side.work == "ic":
        own, loop = (np.load(folder / f"{key}-1.rank_ic.npy") for key in (side.key, "with_numpy.ic"))
        spread = 1e4 * (result["quantile_5"] - result["quantile_1"])
        return [float(np.mean(own)), spread], float(np.abs(own - loop[: len(own)]).max())
    own = returns_of(folder, side.key)
    if side.work == "sweep":
        ours = returns_of(folder, "with_assay.sweep")
        apart = None if side.package == "assay" else float(np.abs(own - ours[: len(own)]).max())
        own = own[9]  # the last of the ten cells that all sides have
    else:
        apart = float(np.abs(own - returns_of(folder, f"with_numpy.{side.against}")).max())
    sharpe = float(np.mean(own) / np.std(own, ddof=1) * np.sqrt(252))
    return [float(np.prod(1 + own)), sharpe], apart


def rows_of(sides: list[Side], found: Rounds, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Side → its row."""
    for side in sides:
        rounds = found[side.key]
        failed = [item["reason"] for item in rounds if "reason" in item]
        if failed:
            yield side.key, {"reason": failed[0]}
            continue
        small, *rounds = rounds
        ours = found[f"with_assay.{side.work}"][1:]

        def median(name: str, of: list[dict[str, Any]] = rounds) -> float:
            return statistics.median(item[name][0] if isinstance(item[name], list) else item[name] for item in of)

        shown, apart = compared(side, folder, rounds[-1]["result"])
        against = [side.scale * a["run_s"][0] / b["run_s"][0] for a, b in zip(rounds, ours, strict=False)]
        yield side.key, {
            "processor_s": side.scale * median("run_s"),
            "clock_s": side.scale * statistics.median(item["run_s"][1] for item in rounds),
            "loops": side.scale * median("loops"),
            "assay": statistics.median(against),
            "first_s": side.scale * median("first_s"),
            "compiling_s": small["first_s"][0],
            "import_s": median("import_s"),
            "memory_mb": max(item["memory_mb"] for item in rounds),
            "memory_before_mb": max(item["memory_before_mb"] for item in rounds),
            "loop_s": median("loop_s"),
            "processes": len(rounds),
            "shown": shown,
            "apart": apart,
            "result": rounds[-1]["result"],
        }


def machine() -> str:
    """What it ran on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores ({named[0] if named else platform.machine()}), {platform.system()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="of the peers' environment")
    parser.add_argument("--environment", type=Path, help="an environment of the peers, made where there is none")
    parser.add_argument("--keep", type=Path, help="a folder of figures, from which the next call goes on")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=1259)
    parser.add_argument("--assets", type=int, default=482)
    parser.add_argument("--only", nargs="+", choices=list(WORKS), default=list(WORKS))
    parser.add_argument("--write", action="store_true", help=f"figures and page into {FIGURES.parent.name}/")
    parser.add_argument("--page", action="store_true", help="the page of the figures that lie there")
    options = parser.parse_args()
    if options.page:
        PAGE.write_text(page(json.loads(FIGURES.read_text(encoding="utf-8"))), encoding="utf-8")
        return
    python = installed(options.python, options.environment)
    sides = [side for side in SIDES if side.work in options.only]
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="assay-peers-")))
        folder.mkdir(exist_ok=True)
        found = measured(sides, python, folder.resolve(), options)
        rows = dict(rows_of(sides, found, folder))
    figures = {
        "date": datetime.date.today().isoformat(),
        "command": f"python benchmarks/peers.py --python python{'.'.join(version_of(python).split('.')[:2])}",
        "panel": f"{options.sessions:,} sessions × {options.assets:,} names",
        "machine": machine(),
        "python": {"assay": platform.python_version(), "peers": version_of(python)},
        "versions": {"assay": metadata.version("assay"), **versions_in(python)},
        "rounds": options.rounds,
        "repeats": options.repeats,
        "long": LONG,
        "rows": rows,
    }  # fmt: skip
    if options.write:
        FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        PAGE.write_text(page(figures), encoding="utf-8")
    print(page(figures), end="")


if __name__ == "__main__":
    main()
