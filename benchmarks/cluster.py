"""A Ray cluster of several raylets on this machine, one of them killed at random: what that costs, and the same bytes.

Run: ``python benchmarks/cluster.py [--rounds 3] [--seed 0] [--json]`` (some minutes; needs the extra ``ray``)

The driver's own node has no cores; two nodes of one core each do the work, every node with its own raylet and its own
object store (100 MB). In each round a node and a moment are drawn, and that node's processes are ended by SIGKILL in
the middle of the work, which goes on on the other one; afterwards a new node takes its place. Model and strategy
(`benchmarks/watched.py`) note each time that they are asked, so that what was done twice is counted: at most what the
tasks of the lost node had begun. The last rounds kill the driver itself, a command, and start it again. Whatever
happens, the bytes must be those of one process without Ray; a difference ends the benchmark with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import numpy as np

from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.costs import CostModel
from assay.engine.executors import Workers
from assay.engine.folds import WalkForward
from assay.engine.random_scores import random_score_null
from assay.engine.sweep import cells_of, run_cells
from assay.engine.walk_forward import walk_forward
from benchmarks.watched import Watched, WatchedQuintile

SESSIONS, ASSETS, TRAIN, RETRAIN = 1000, 100, 400, 60
#: A minimum fee needs the single-run ledger, so that no runs share a pass.
FEE = CostModel(minimum_fee=1.0)
_NODE = {"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False}

Panels = tuple[PricePanel, PredictionPanel]
Done = Callable[[int], None]


def folds(panels: Panels, where: str | Workers, log: str, done: Done) -> bytes:
    """A walk-forward of two seeds: each fit is a task."""
    plan = WalkForward(train=TRAIN, retrain=RETRAIN).split(panels[0].sessions)
    with tempfile.TemporaryDirectory() as folder:
        run = walk_forward(
            Watched(log=log), panels[0], plan, seeds=(0, 1), executor=where, folder=Path(folder),
            progress=lambda fits, *_: done(fits),
        )  # fmt: skip
        kept = [path.read_bytes() for path in sorted(Path(folder).rglob("*.safetensors"))]
    return b"".join([*(panel.view.to_numpy().tobytes() for panel in run.by_seed.values()), *kept])


def nulls(panels: Panels, where: str | Workers, log: str, done: Done) -> bytes:
    """40 random-score runs: a task makes a few."""
    count = 0

    def advance(more: int) -> None:
        nonlocal count
        count += more
        done(count)

    found = random_score_null(
        WatchedQuintile(log=log), panels[1], panels[0], runs=39, costs=FEE, executor=where, progress=advance
    )
    return np.concatenate([[found.real], found.sharpe, found.turnover, found.net_exposure]).tobytes()


def cells(panels: Panels, where: str | Workers, log: str, done: Done) -> bytes:
    """A sweep of 24 cells: each is a task."""
    settings: dict[str, object] = {"log": log, "rest": 0.4}
    grid = {"quantile": [f"{value:.3f}" for value in np.linspace(0.05, 0.45, 24)]}
    todo = cells_of("benchmarks.watched:WatchedQuintile", grid, settings=settings, costs=FEE)
    found = {}
    for batch in run_cells(todo, panels[1], panels[0], executor=where):
        found |= {item.index: item.net for item in batch}
        done(len(found))
    return b"".join(found[index].to_numpy().tobytes() for index in sorted(found))


WORKS = {"folds × seeds": folds, "random-score runs": nulls, "cells of a sweep": cells}


def add_node(cluster: Any) -> None:
    """Another raylet; where the machine is busy it may need more than one attempt of half a minute."""
    for attempt in range(6):
        try:
            cluster.add_node(**_NODE)
            break
        except Exception as error:
            if attempt == 5:
                raise SystemExit(f"no raylet could be started: {error}") from None
    cluster.wait_for_nodes(timeout=120)


@contextmanager
def clustered() -> Iterator[Any]:
    """Three raylets: the driver's, without cores, and two that work."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**_NODE, "num_cpus": 0})
    try:
        for _ in range(2):
            add_node(cluster)
        os.environ["RAY_ADDRESS"] = cluster.address
        yield cluster
    finally:
        cluster.shutdown()


def notes(log: Path) -> list[dict[str, Any]]:
    """What model and strategy have noted, so far as it is written."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def repeated(log: Path) -> tuple[int, int]:
    """How much was done, and how much of it more than once."""
    counts = Counter(item["what"] for item in notes(log))
    return len(counts), sum(counts.values()) - len(counts)


def with_a_node_lost(name: str, panels: Panels, cluster: Any, draw: random.Random, folder: Path) -> dict[str, Any]:
    """The work in this process; then on the cluster, of which a node is killed at a random moment."""
    work, log = WORKS[name], folder / "log"
    begun = time.perf_counter()
    alone = work(panels, "serial", str(log), lambda _: None)
    seconds = {"serial_s": time.perf_counter() - begun}
    total = len(notes(log))
    log.unlink()
    victim, moment, lost = draw.choice(list(cluster.worker_nodes)), draw.randint(1, int(0.6 * total)), {}

    def done(count: int) -> None:
        if count >= moment and not lost:
            time.sleep(draw.uniform(0.0, 0.4))
            lost["after"], lost["of"] = count, total
            cluster.remove_node(victim, allow_graceful=False)

    begun = time.perf_counter()
    with Workers("ray") as on:
        same = work(panels, on, str(log), done) == alone
    seconds["ray_s"] = time.perf_counter() - begun
    made, again = repeated(log)
    on_lost = sum(item["node"] == victim.node_id for item in notes(log))
    log.unlink()
    add_node(cluster)
    return {"work": name, **lost, "done": made, "on_lost_node": on_lost, "again": again, "same_bytes": same, **seconds}


def with_the_driver_lost(panels: Panels, cluster: Any, draw: random.Random, folder: Path) -> dict[str, Any]:
    """The command with two seeds, its process killed at a random moment and the command given again."""
    panels[0].close.to_csv(folder / "prices.csv")
    log, parts = folder / "log", folder / "ray" / ".walk-forward"
    environment = {**os.environ, "ASSAY_LEDGER": str(folder / "ledger")}

    def start(executor: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([
            sys.executable, str(ROOT / "cli.py"), "walk-forward", "--model", "benchmarks.watched:Watched",
            "--model-param", f"log={log}", "--prices", str(folder / "prices.csv"), "--train", str(TRAIN), "--retrain",
            str(RETRAIN), "--seeds", "2", "--no-baselines", "--no-leaks", "--no-styles", "--no-tearsheet", "--strategy",
            "quintile_long_short", "--executor", executor, "--results", str(folder / executor),
        ], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip

    def ended(process: subprocess.Popen[bytes]) -> None:
        said = process.communicate()[1]
        if process.returncode:
            raise SystemExit(f"the command failed: {said.decode()}")

    def figures(executor: str) -> bytes:
        return next((folder / executor).glob("quintile*/metrics.json")).read_bytes()

    ended(start("serial"))
    total = len(notes(log))
    log.unlink()
    moment, process = draw.randint(1, int(0.6 * total)), start("ray")
    while len(list(parts.glob("*/*-seed*"))) < moment and process.poll() is None:
        time.sleep(0.02)
    time.sleep(draw.uniform(0.0, 0.4))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = len(list(parts.glob("*/*-seed*")))
    ended(start("ray"))
    made, again = repeated(log)
    return {
        "work": "the driver of folds × seeds", "after": kept, "of": total, "done": made, "again": again,
        "same_bytes": figures("serial") == figures("ray"),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of each work")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    panels = synthetic_market(SESSIONS, ASSETS, ic=0.05, seed=0)
    rows = []
    with clustered() as cluster:
        for _ in range(options.rounds):
            for name in (*WORKS, ""):
                folder = Path(tempfile.mkdtemp(prefix="assay-cluster-"))
                lost = with_a_node_lost if name else with_the_driver_lost
                rows.append(lost(*([name] if name else []), panels, cluster, draw, folder))  # type: ignore[arg-type]
                shutil.rmtree(folder)
                if not options.json:
                    row = rows[-1]
                    where = f", {row['on_lost_node']} of them on the lost node" if name else ""
                    print(f"{row['work']}: killed after {row['after']} of {row['of']}; {row['done']} done{where}, "
                          f"{row['again']} of them again; {'the same bytes' if row['same_bytes'] else 'OTHER BYTES'}",
                          flush=True)  # fmt: skip
    if options.json:
        print(json.dumps(rows, indent=1))
    sys.exit(0 if all(row["same_bytes"] for row in rows) else 1)


if __name__ == "__main__":
    main()
