"""The same at once: commands that share a results folder all end well, with the bytes of one that was alone.

ASSAY_ROUNDS=5 python -m pytest -m concurrency
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Tally
from tests.test_pressure.seeds import WALK, call, ledger_in
from tests.test_pressure.stored import contents, leftovers

pytestmark = pytest.mark.concurrency

ROUNDS = int(os.environ.get("ASSAY_ROUNDS", "2"))
ROOT = Path(__file__).parents[2]
_STRATEGIES = ("s2_filter_negative", "s5_long_only", "quintile_long_short", "equal_weight")


def cases(seeds: Path) -> dict[str, list[list[str]]]:
    """Name → commands to be run at once."""
    data = ["--prices", str(seeds / "prices.parquet"), "--predictions", str(seeds / "oracle.parquet")]
    walk = [*WALK[:5], "--retrain", "12", *WALK[7:], *data[:2]]
    grid = [
        "sweep",
        *data,
        "--strategy",
        "quintile_long_short",
        "--executor",
        "serial",
        "--grid",
        "quantile=0.1,0.2,0.3",
    ]
    return {
        "8 walk-forwards on shared folds": [[*walk, "--strategy", name] for name in _STRATEGIES * 2],
        "8 times the same walk-forward": [walk] * 8,
        "8 times the same backtest": [["backtest", *data]] * 8,
        "8 different backtests": [
            ["backtest", *data, "--strategy", "quintile_long_short", "--param", f"quantile={share / 100}"]
            for share in range(10, 50, 5)
        ],
        "8 times the same sweep": [grid] * 8,
        "everything": [["backtest", *data], grid, [*walk], ["backtest", *data, "--leaks"]] * 2,
    }


@pytest.mark.parametrize(
    "name",
    [
        "8 walk-forwards on shared folds",
        "8 times the same walk-forward",
        "8 times the same backtest",
        "8 different backtests",
        "8 times the same sweep",
        "everything",
    ],
)
def test_at_once(name: str, seeds: Path, tmp_path: Path, tally: Tally) -> None:
    commands = cases(seeds)[name]
    alone = tmp_path / "alone"
    for command in {tuple(item): item for item in commands}.values():
        with pytest.MonkeyPatch.context() as there:
            there.setenv("ASSAY_LEDGER", str(alone))
            assert call(*command, "--results", alone)[0] == 0
    expected = contents(alone)
    for number in range(ROUNDS):
        root = tmp_path / f"round{number}"
        started = [
            subprocess.Popen(
                [sys.executable, str(ROOT / "cli.py"), *command, "--results", str(root)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=ledger_in(root),
            )
            for command in commands
        ]
        ends = [(process.communicate()[1][-300:], process.returncode) for process in started]
        assert [(code, err) for err, code in ends if code] == []
        now = contents(root)
        # What several have added to the checks of one run is a matter of who is last.
        differing = [key for key in expected.keys() | now.keys() if expected.get(key) != now.get(key)]
        # A sweep's own figures count the trials that the ledger held when it ended, others' among them.
        counted = ("checks.json",) if name != "everything" else ("checks.json", "metrics.json")
        assert [key for key in differing if not key.endswith(counted)] == []
        assert leftovers(root) == []
        shutil.rmtree(root)
    tally(f"{name}: {ROUNDS} rounds, all right", processes=ROUNDS * len(commands))
