"""Kills: at every change of a file in turn, and at random moments; nothing lost, the same bytes after a rerun.

    ASSAY_KILLS=200 ASSAY_SEED=1 python -m pytest -m crash

Systematically, a forked child is killed before each file-system change of a command (`ASSAY_STEP=3` takes every
third); after each kill every stored run must be listed as sound, the same command must end as it would have, with the
bytes of an undisturbed run, and leave nothing behind. At random, `ASSAY_KILLS` commands (default 24) are killed
anywhere in their life, Python's start included, and no child of theirs may outlive them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.results.storage.runs import damaged_runs, list_runs
from tests.conftest import Tally
from tests.test_pressure.seeds import WALK, call, ledger_in
from tests.test_pressure.stored import contents, ledger, leftovers

pytestmark = pytest.mark.crash

KILLS, SEED, STEP = (
    int(os.environ.get(f"ASSAY_{name}", value)) for name, value in (("KILLS", "24"), ("SEED", "0"), ("STEP", "1"))
)
ROOT = Path(__file__).parents[2]
_CHANGES = (
    "os.rename",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.chmod",
    "os.truncate",
    "shutil.rmtree",
    "shutil.copytree",
    "shutil.copyfile",
    "sqlite3.connect",
    "ctypes.dlsym",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def child(arguments: list[str], place: Path, kill_at: int = 0) -> tuple[int | None, int]:
    """Exit code (None: killed) of a command in a forked child, and how many changes it made below `place`."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        count = 0

        def hook(event: str, values: tuple[Any, ...]) -> None:
            nonlocal count
            if event == "open":
                change = isinstance(values[0], str) and bool((values[2] or 0) & _WRITING)
            else:
                change = event in _CHANGES
            if change and (event == "ctypes.dlsym" or str(place) in " ".join(map(str, values))):
                count += 1
                if count == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        os.environ["ASSAY_LEDGER"] = str(place)
        sys.addaudithook(hook)
        try:
            code: int = call(*arguments)[0]
        except BaseException as error:
            code = 99
            print(arguments, error, file=sys.__stderr__)
        os.write(writer, json.dumps([code, count]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        data = answer.read()
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        return None, 0
    code, count = json.loads(data)
    return code, count


def commands(seeds: Path) -> dict[str, tuple[list[str], Callable[[Path], None]]]:
    """Name → a command (``@`` is the results folder) and what stands there before it."""
    data = ["--prices", str(seeds / "prices.parquet"), "--predictions", str(seeds / "oracle.parquet")]

    def nothing(root: Path) -> None:
        root.mkdir()

    def stored(root: Path) -> None:
        shutil.copytree(seeds / "runs", root)

    def other_figures(root: Path) -> None:
        """As if the code had changed since: the run has to take another's place."""
        from assay.data.stored import file_digest, read_sealed, sealed

        stored(root)
        run = next(root.glob("s2_*"))
        figures = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
        (run / "metrics.json").write_text(json.dumps({**figures, "of_old": 1}), encoding="utf-8")
        manifest = read_sealed(run / "manifest.json")
        manifest["files"]["metrics.json"] = file_digest(run / "metrics.json")
        (run / "manifest.json").write_text(json.dumps(sealed(manifest)), encoding="utf-8")

    where = ["--results", "@"]
    return {
        "backtest": (["backtest", *data, *where], nothing),
        "backtest in another's place": (["backtest", *data, *where], other_figures),
        "backtest with a sheet": (["backtest", *data, "--tearsheet", "--leaks", *where], nothing),
        "tearsheet": (["tearsheet", "s2", *where], stored),
        "gate": (["gate", "s2", "--policy", "research", *where], stored),
        "rm": (["runs", "rm", "s2", *where], stored),
        "sweep": (
            [
                "sweep",
                *data,
                "--strategy",
                "quintile_long_short",
                "--grid",
                "quantile=0.1,0.2",
                "--executor",
                "serial",
                *where,
            ],
            nothing,
        ),
        "walk-forward": ([*WALK, *data[:2], *where], nothing),
        "train": (["train", "--model", "ridge", *data[:2], "--out", "@/model"], nothing),
        "predict": (["predict", str(seeds / "models" / "ridge"), *data[:2], "--out", "@/p.parquet"], nothing),
        "synthetic": (["data", "synthetic", "--sessions", "50", "--assets", "4", "--out", "@/s.parquet"], nothing),
        "repair": (["data", "validate", data[1], "--repair", "drop", "--out", "@/clean.parquet"], nothing),
        "combine": (["combine", data[3], data[3], "--out", "@/both.parquet"], nothing),
        "tag": (["runs", "tag", "s2", "kept", *where], stored),
        "export": (["runs", "export", "s2", "@/bundle.zip", *where], stored),
        "compare": (
            ["compare", "s2", "min_variance", "--draws", "100", "--html", "--output", "@/c.html", *where],
            stored,
        ),
        "audit": (["audit", str(ROOT / "data" / "claims" / "b3_model_card.toml"), "--html", "@/a.html"], nothing),
        "sweep in parts": (
            [
                "sweep",
                *data,
                "--strategy",
                "min_variance",
                "--grid",
                "every=20,40,60,80",
                "--executor",
                "serial",
                *where,
            ],
            nothing,
        ),
        "baselines too": ([item for item in WALK if item != "--no-baselines"] + [*data[:2], *where], nothing),
    }


NAMES = (
    "backtest",
    "backtest in another's place",
    "backtest with a sheet",
    "tearsheet",
    "gate",
    "rm",
    "sweep",
    "walk-forward",
    "train",
    "predict",
    "synthetic",
    "repair",
    "combine",
    "tag",
    "export",
    "compare",
    "audit",
    "sweep in parts",
    "baselines too",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_kill_at_every_change(name: str, seeds: Path, tmp_path: Path, tally: Tally) -> None:
    command, prepare = commands(seeds)[name]

    def with_root(root: Path) -> list[str]:
        return [item.replace("@", str(root)) for item in command]

    reference = tmp_path / "reference"
    prepare(reference)
    expected_code, changes = child(with_root(reference), reference)
    assert expected_code in (0, 1, 3)
    assert changes > 0
    expected, kills, failures = contents(reference), 0, []
    for number in range(1, changes + 1, STEP):
        root = tmp_path / "killed"
        shutil.rmtree(root, ignore_errors=True)
        prepare(root)
        before = {run.id for run in list_runs(root)}
        code, _ = child(with_root(root), root, number)
        kills += code is None
        if damaged_runs(root):
            # A run that is being removed is the only one that may be missing, and none may be damaged.
            failures.append((number, "damaged", list(damaged_runs(root))))
        after = {run.id for run in list_runs(root)}
        if before - after and name != "rm":
            failures.append((number, "lost", sorted(before - after)))
        state = ledger(root)
        if state is not None and state[0] != "ok":
            failures.append((number, "ledger", state))
        again, _ = child(with_root(root), root)
        if name == "rm" and before - after:
            again = 0 if again == 2 else 99  # it is gone already, and the command says so
        if name == "train" and again == 2:
            again = 0  # the folder was finished
        if again != expected_code:
            failures.append((number, "rerun ends with", again))
        if contents(root) != expected:
            now = contents(root)
            differing = [key for key in expected.keys() | now.keys() if expected.get(key) != now.get(key)]
            failures.append((number, "other bytes", differing[:4]))
        if name == "rm":
            child(["backtest", *with_root(root)[-2:]], root)  # something that saves, and sweeps
        if leftovers(root):
            failures.append((number, "left", leftovers(root)))
    tally(f"{name}: {kills} kills at {changes} changes", kills=kills, failures=len(failures))
    assert not failures, failures[:6]


RANDOM = {
    "walk-forward, two processes": [
        "walk-forward",
        "--model",
        "stock_lstm_close",
        "--preset",
        "tiny",
        "--train",
        "100",
        "--retrain",
        "60",
        "--no-baselines",
        "--no-leaks",
        "--no-tearsheet",
        "--executor",
        "process",
        "--workers",
        "2",
    ],
    "walk-forward": list(WALK),
    "backtest with a sheet": ["backtest", "--tearsheet"],
    "sweep": ["sweep", "--strategy", "quintile_long_short", "--grid", "quantile=0.1,0.2,0.3"],
}


def _children(process: int) -> list[int]:
    """Processes below this one."""
    ended = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in ended.stdout.splitlines()]
    found, waiting = [], [process]
    while waiting:
        parent = waiting.pop()
        below = [pid for pid, above in pairs if above == parent]
        found += below
        waiting += below
    return found


def _alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("name", RANDOM)
def test_kills_at_random(name: str, seeds: Path, tmp_path: Path, tally: Tally) -> None:
    rng, arguments = random.Random(f"{name} {SEED}"), list(RANDOM[name])
    arguments += ["--prices", str(seeds / "prices.parquet")]
    arguments += [] if arguments[0] == "walk-forward" else ["--predictions", str(seeds / "oracle.parquet")]

    def start(root: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(ROOT / "cli.py"), *arguments, "--results", str(root)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ledger_in(root))

    begun = time.monotonic()
    assert start(tmp_path / "reference").wait() == 0
    lasts, expected = time.monotonic() - begun, contents(tmp_path / "reference")
    kills = orphans = rounds = 0
    while kills < max(1, KILLS // len(RANDOM)):
        root = tmp_path / f"round{rounds}"
        rounds += 1
        for _ in range(6):
            process = start(root)
            try:
                process.wait(timeout=rng.uniform(0.2, lasts))
            except subprocess.TimeoutExpired:
                below = _children(process.pid)
                process.kill()
                process.wait()
                kills += 1
                deadline = time.monotonic() + 20.0  # a machine with much else to do lets a worker die late
                while time.monotonic() < deadline and any(map(_alive, below)):
                    time.sleep(0.05)
                orphans += sum(map(_alive, below))
                assert not damaged_runs(root)
        assert start(root).wait() == 0
        now = contents(root)
        assert [key for key in expected.keys() | now.keys() if expected.get(key) != now.get(key)] == []
        assert leftovers(root) == []
        shutil.rmtree(root)
    tally(f"{name}: {kills} kills in {rounds} rounds", kills=kills, orphans=orphans)
    assert orphans == 0
