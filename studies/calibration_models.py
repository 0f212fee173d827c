"""Ridge models on markets without anything to find, through the whole path that a user takes.

`walk-forward` (retrained yearly, two seeds, baselines, leak tests, canaries, cross-check) and `gate --policy
production`, each model on a market and in a results folder of its own.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from assay.commands import main as cli
from studies.calibration_runs import seed_of, synthetic

_PART = 5
#: Random scores, and shuffles of the labels each of which is a retrain.
RANDOM, SHUFFLES = 199, 9


def ridge_models(count: int, folder: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """What the gate said of each model, those read that lie in the folder."""
    found = []
    for number in range(count):
        path = folder / f"ridge-{number}.json"
        if not path.is_file():
            aside = path.with_suffix(f".{os.getpid()}.tmp")
            aside.write_text(json.dumps(_one(number)), encoding="utf-8")
            os.replace(aside, path)
            say(f"ridge {number + 1}/{count}")
        found.append(json.loads(path.read_text(encoding="utf-8")))
    return found


def _one(number: int) -> dict[str, Any]:
    where = synthetic("models", seed_of(_PART, "models", number))
    sessions = where.prices.sessions.rename("date")
    with tempfile.TemporaryDirectory() as scratch:
        prices, benchmark, results = (Path(scratch) / name for name in ("prices.parquet", "benchmark.csv", "runs"))
        where.prices.close.set_axis(sessions).to_parquet(prices)
        pd.Series(where.benchmark, sessions, name="return").to_csv(benchmark)
        common = ["--results", str(results), "--json"]
        run = _asked(
            ["walk-forward", "--model", "ridge", "--prices", str(prices), "--benchmark", str(benchmark),
             "--train", "504", "--seeds", "2", "--strategy", "s2_filter_negative", "--canaries",
             "--random-runs", str(RANDOM), "--canary-seeds", str(SHUFFLES), "--cross-check",
             "--no-tearsheet", "--executor", "serial", *common]
        )  # fmt: skip
        gate = _asked(["gate", run["run_id"], "--policy", "production", *common])
    return {
        "verdict": gate["verdict"],
        "rules": {rule["rule"]: rule["verdict"] for rule in gate["rules"]},
        "leaks": len(run["leaks"]["found"]),
        "random_p": run["random_scores"]["p_value"],
        "shuffled_p": run["canaries"]["p_value"],
        "alarms": run["canaries"]["found"],
        "sessions": run["sessions"],
    }


def _asked(arguments: list[str]) -> dict[str, Any]:
    """The JSON that a command prints; 1 and 3 are verdicts, not errors."""
    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        code = cli.main(arguments)
    if code not in (0, 1, 3):
        raise RuntimeError(f"{' '.join(arguments)} ended with {code}: {said.getvalue()[-400:]}")
    return dict(json.loads(printed.getvalue()))
