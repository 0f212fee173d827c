"""Sound inputs that the suites start from: a market, predictions, stored runs, checkpoints, kept folds."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

from assay.commands import main as cli

__all__ = ["WALK", "call", "ledger_in", "make_seeds"]

#: A walk-forward of a few fast folds; where the prices and the results lie is added.
WALK = (
    "walk-forward",
    "--model",
    "ridge",
    "--train",
    "100",
    "--retrain",
    "60",
    "--executor",
    "serial",
    "--no-baselines",
    "--no-leaks",
    "--no-tearsheet",
)


def ledger_in(folder: Path) -> dict[str, str]:
    """The environment of a command whose trial ledger stands in `folder`."""
    return {**os.environ, "ASSAY_LEDGER": str(folder)}


def call(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main([str(item) for item in arguments])
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8", "replace"))  # type: ignore[attr-defined]
    return code, *texts  # type: ignore[return-value]


def make_seeds(folder: Path) -> Path:
    """Fill `folder` once; returns it."""
    folder.mkdir(exist_ok=True)
    prices, oracle, runs = folder / "prices.parquet", folder / "oracle.parquet", folder / "runs"
    data = ("--prices", prices, "--predictions", oracle)
    commands: list[tuple[object, ...]] = [
        ("data", "synthetic", "--sessions", 300, "--assets", 6, "--seed", 1, "--out", prices, "--oracle", oracle),
        ("backtest", *data, "--canaries", "--random-runs", 20, "--leaks", "--cross-check", "--results", runs),
        ("backtest", *data, "--strategy", "min_variance", "--results", runs),
        (
            "sweep",
            *data,
            "--strategy",
            "quintile_long_short",
            "--grid",
            "quantile=0.1,0.3",
            "--executor",
            "serial",
            "--results",
            runs,
        ),
        (*WALK, "--prices", prices, "--results", folder / "walked"),
    ]
    commands += [
        ("train", "--model", model, *more, "--prices", prices, "--out", folder / "models" / model)
        for model, more in {"ridge": (), "momentum": (), "stock_lstm_close": ("--preset", "tiny")}.items()
    ]
    os.environ["ASSAY_LEDGER"] = str(runs)
    for command in commands:
        code, _, err = call(*command)
        assert code == 0, (command, err)
    return folder
