"""What is mutated, and which commands read it: from a generator, a folder and the seeds to command lines."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random

import pyarrow.parquet as pq

from assay.data.stored import sealed
from assay.strategies.catalog import STRATEGIES
from tests.test_pressure.mutations import NUMBERS, WORDS, mutate_bytes, mutate_json, odd_table, with_other_values
from tests.test_pressure.seeds import WALK

__all__ = ["AREAS", "Area"]

Command = list[object]
Area = Callable[[Random, Path, Path], list[Command]]
ROOT = Path(__file__).parents[2]
_PRICES = ("open", "high", "low", "close", "volume")
_RECEIPTS = [
    "session",
    "model_id",
    "fold",
    "trained_through",
    "preprocessing_fit_through",
    "labels_known_through",
    "available_at",
]
_PARAMETERS = ("quantile", "gross", "smoothing", "vol_target", "max_positions", "enter_above")
_CSV = "date,asset,close\n" + "".join(
    f"2020-01-{day:02d},{name},{day + 90}.5\n" for day in range(1, 29) for name in "ABC"
)
_REPORT = (
    "# Model\n\n| model | Sharpe | accuracy | n |\n|---|---|---|---|\n"
    "| lstm | 2.53 | 57.14% | 28 |\n| base | 1.1 | 50% | 28 |\n"
    "\nThe **Sharpe**: 2.53 with R² 0.13 and 95% CI [1.1, 3.2]; drawdown −12.4%, n = 252, p < 0.05.\n\n"
    "```\nEpoch 1/5 - loss: 0.52 - val_loss: 0.61\nprecision recall f1-score support\n0 0.55 0.60 0.57 12\n```\n"
)


def _table(rng: Random, folder: Path, names: list[str], sound: str, stem: str) -> Path:
    """A mutated CSV of those columns, or a Parquet file with odd columns, or one with flipped bytes."""
    if rng.random() < 0.5:
        path = folder / f"{stem}.csv"
        path.write_bytes(mutate_bytes(rng, sound.encode()))
        return path
    path = folder / f"{stem}.parquet"
    pq.write_table(odd_table(rng, names), path)
    if rng.random() < 0.3:
        path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    return path


def prices(rng: Random, folder: Path, seeds: Path) -> list[Command]:
    """Prices: validated, described, repaired, traded, compared with."""
    names = ["date", "asset", *rng.choice([("close",), _PRICES, ("adj_close", "close"), ("A", "B")])]
    path = _table(rng, folder, names, _CSV, "p")
    oracle = seeds / "oracle.parquet"
    return [
        rng.choice(
            [
                ["data", "validate", path],
                ["data", "validate", path, "--json"],
                ["data", "describe", path],
                ["data", "validate", path, "--repair", "drop", "--out", folder / "out.parquet"],
                ["backtest", "--prices", path, "--predictions", oracle, "--repair", "drop", "--results", folder / "r"],
                [
                    "backtest",
                    "--prices",
                    seeds / "prices.parquet",
                    "--predictions",
                    oracle,
                    "--benchmark",
                    path,
                    "--results",
                    folder / "r",
                ],
            ]
        )
    ]


def predictions(rng: Random, folder: Path, seeds: Path) -> list[Command]:
    """Predictions of every kind, through strategies that read them."""
    kinds = (
        ["score"],
        ["probability_up"],
        ["score", "probability_up"],
        ["buy", "sell", "hold"],
        ["score", "dispersion"],
    )
    path = _table(rng, folder, ["date", "asset", *rng.choice(kinds)], _CSV.replace("close", "score"), "q")
    data = ["--prices", seeds / "prices.parquet", "--predictions", path]
    strategy = rng.choice(
        ["s2_filter_negative", "quintile_long_short", "confidence", "multitask_action", "expected_return"]
    )
    return [
        rng.choice(
            [
                [
                    "backtest",
                    *data,
                    "--strategy",
                    strategy,
                    "--unit",
                    rng.choice(["return", "rank"]),
                    "--results",
                    folder / "r",
                ],
                ["leaks", *data, "--strategy", strategy, "--cuts", 2],
                ["combine", path, path, "--out", folder / "c.parquet"],
                ["data", "validate", seeds / "prices.parquet", "--predictions", path],
            ]
        )
    ]


def receipts(rng: Random, folder: Path, seeds: Path) -> list[Command]:
    """What a model had seen, mutated."""
    row = "2020-01-01,m-1,0,2019-12-30,2019-12-30,2019-12-31,2019-12-31\n"
    path = _table(rng, folder, _RECEIPTS, ",".join(_RECEIPTS) + "\n" + row * 2, "receipts")
    data = ["--prices", seeds / "prices.parquet", "--predictions", seeds / "oracle.parquet", "--receipts", path]
    return [["backtest", *data, "--strategy", "quintile_long_short", "--results", folder / "r"]]


def options(rng: Random, folder: Path, seeds: Path) -> list[Command]:
    """Every option that takes a number, a name, a date or a path."""
    data: Command = ["--prices", seeds / "prices.parquet", "--predictions", seeds / "oracle.parquet"]
    number, word = rng.choice(NUMBERS), rng.choice(WORDS)
    backtest = [
        "--delay",
        "--horizon",
        "--max-gross",
        "--lot",
        "--capital",
        "--commission-bps",
        "--spread-bps",
        "--impact-bps",
        "--borrow-bps",
        "--financing-bps",
        "--minimum-fee",
        "--trials",
    ]
    walk = ["--train", "--retrain", "--embargo", "--horizon", "--minimum-train", "--workers"]
    results: Command = ["--results", folder / "r"]
    walking: Command = [*WALK, "--prices", seeds / "prices.parquet", *results]
    return [
        rng.choice(
            [
                ["backtest", *data, f"{rng.choice(backtest)}={number}", *results],
                ["backtest", *data, f"{rng.choice(['--start', '--end', '--strategy', '--fill'])}={word}", *results],
                [
                    "backtest",
                    *data,
                    "--strategy",
                    rng.choice(list(STRATEGIES)),
                    "--param",
                    f"{rng.choice(_PARAMETERS)}={word}",
                    *results,
                ],
                [
                    "sweep",
                    *data,
                    "--executor",
                    "serial",
                    "--strategy",
                    "quintile_long_short",
                    "--grid",
                    f"{rng.choice(['quantile', 'delay', 'fill', 'x', 'cost_bps'])}={word},{number}",
                    *results,
                ],
                [*walking, f"{rng.choice(walk)}={number}"],
                [*walking, f"{rng.choice(['--start', '--end', '--preset', '--model', '--strategy'])}={word}"],
                [*walking, "--model-param", f"{rng.choice(['penalty', 'feature_set', 'fill', 'clip'])}={word}"],
                [
                    "train",
                    "--model",
                    "ridge",
                    "--prices",
                    seeds / "prices.parquet",
                    f"{rng.choice(['--through', '--horizon', '--delay', '--seed', '--asset', '--preset'])}={word}",
                ],
                [
                    "data",
                    "synthetic",
                    "--sessions",
                    30,
                    "--assets",
                    4,
                    "--out",
                    folder / "s.csv",
                    f"{rng.choice(['--sessions', '--assets', '--ic', '--drift', '--volatility', '--seed'])}={number}",
                ],
                ["leaks", *data, f"--cuts={number}"],
                ["runs", rng.choice(["show", "rm"]), word, "--results", seeds / "runs"],
                [
                    "predict",
                    seeds / "models" / "ridge",
                    "--prices",
                    seeds / "prices.parquet",
                    "--out",
                    folder / "o.parquet",
                    f"{rng.choice(['--start', '--model'])}={word}",
                ],
            ]
        )
    ]


def claims(rng: Random, folder: Path, seeds: Path) -> list[Command]:
    """Claims files, with other values or other bytes."""
    data = rng.choice(sorted((ROOT / "data" / "claims").glob("*.toml"))).read_bytes()
    blocks = data.split(b"\n\n")
    data = b"\n\n".join(block for block in blocks if b"[[claim]]" not in block or rng.random() < 0.4)
    path = folder / "c.toml"
    path.write_bytes(with_other_values(rng, data) if rng.random() < 0.6 else mutate_bytes(rng, data))
    return [["audit", path, *rng.choice([[], ["--json"], ["--all"], ["--html", folder / "o.html"]])]]


def policies(rng: Random, folder: Path, seeds: Path) -> list[Command]:
    """Policies of the gate."""
    data = rng.choice(sorted((ROOT / "results" / "gate" / "policies").glob("*.toml"))).read_bytes()
    path = folder / "p.toml"
    path.write_bytes(with_other_values(rng, data) if rng.random() < 0.6 else mutate_bytes(rng, data))
    shutil.copytree(seeds / "runs", folder / "r")
    return [["gate", "s2", "--policy", path, *rng.choice([[], ["--json"]]), "--results", folder / "r"]]


def documents(rng: Random, folder: Path, seeds: Path) -> list[Command]:
    """Reports to be read; a draft that was written must be readable."""
    ending = rng.choice([".md"] * 6 + [".txt", ".json", ".yaml", ".csv", ""])
    path = folder / f"d{ending}"
    path.write_bytes(mutate_bytes(rng, _REPORT.encode(), rng.choice([1, 2, 4, 8, 16])))
    if rng.random() < 0.3:
        return [["audit", path, "--draft", folder / "d.toml", "--force"], ["audit", folder / "d.toml"]]
    return [["audit", path, *rng.choice([[], [], ["--json"], ["--html", folder / "o.html"]])]]


def runs(rng: Random, folder: Path, seeds: Path) -> list[Command]:
    """Stored runs, one file of one of them damaged, edited or gone; sealed again in part of the cases."""
    root = folder / "r"
    shutil.copytree(seeds / "runs", root)
    names = sorted(item.name for item in root.iterdir() if item.is_dir() and not item.name.startswith("."))
    name, other = rng.sample(names, 2)
    path = rng.choice(sorted(item for item in (root / name).iterdir() if item.is_file()))
    if path.suffix == ".json" and rng.random() < 0.8:
        path.write_text(json.dumps(mutate_json(rng, json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    elif rng.random() < 0.15:
        path.unlink()
    else:
        path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    where: Command = ["--results", root]
    read: list[Command] = [
        ["runs", "list", *where],
        ["runs", "show", name, *where],
        ["runs", "show", name, "--json", *where],
        ["gate", name, "--policy", rng.choice(["research", "production"]), *where],
        ["tearsheet", name, *where],
        ["compare", name, other, "--draws", "100", *where],
        ["gate", other, "--champion", name, "--policy", "challenger", *where],
    ]
    return [rng.choice(read), ["runs", "list", *where], ["runs", "rm", name, *where]]


def ledger(rng: Random, folder: Path, seeds: Path) -> list[Command]:
    """The ledger of trials, with other bytes or another value in one cell."""
    root = folder / "r"
    root.mkdir()
    path = root / "trials.sqlite"
    shutil.copy(seeds / "runs" / "trials.sqlite", path)
    if rng.random() < 0.5:
        path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    else:
        connection = sqlite3.connect(path)
        try:
            tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
            table = rng.choice(tables)
            column = rng.choice([row[1] for row in connection.execute(f"pragma table_info({table})")])
            value = rng.choice([None, 0, -1, 1e308, "x", "", b"", b"\xff" * 16, "{", "[]", '{"recipe": {}}'])
            connection.execute(f"update or replace {table} set {column} = ?", (value,))
            connection.commit()
        except sqlite3.Error:
            pass
        finally:
            connection.close()
    data = ["--prices", seeds / "prices.parquet", "--predictions", seeds / "oracle.parquet"]
    return [
        rng.choice(
            [
                ["runs", "trials", "--results", root],
                ["runs", "trials", "--json", "--results", root],
                ["backtest", *data, "--strategy", "quintile_long_short", "--results", root],
            ]
        )
    ]


def checkpoints(rng: Random, folder: Path, seeds: Path) -> list[Command]:
    """Fitted models: bytes, or settings sealed again as a forger would."""
    model = rng.choice(sorted((seeds / "models").iterdir()))
    shutil.copytree(model, folder / "m")
    path = folder / "m" / rng.choice(["model.json", "model.json", "model.safetensors"])
    if path.suffix == ".json" and rng.random() < 0.7:
        content = mutate_json(rng, json.loads(path.read_text(encoding="utf-8")))
        if isinstance(content, dict) and rng.random() < 0.7:
            content.pop("digest", None)
            content = sealed(content)
        path.write_text(json.dumps(content), encoding="utf-8")
    else:
        path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    return [["predict", folder / "m", "--prices", seeds / "prices.parquet", "--out", folder / "o.parquet"]]


def folds(rng: Random, folder: Path, seeds: Path) -> list[Command]:
    """Kept folds: whatever is done to one, the walk-forward ends, with the same predictions (the caller compares)."""
    shutil.copytree(seeds / "walked" / ".walk-forward", folder / "r" / ".walk-forward")
    path = rng.choice(sorted(item for item in (folder / "r").rglob("*") if item.is_file()))
    if path.suffix == ".json" and rng.random() < 0.5:
        path.write_text(json.dumps(mutate_json(rng, json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    else:
        path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    out = folder / "predictions.parquet"
    return [[*WALK, "--prices", seeds / "prices.parquet", "--results", folder / "r", "--save-predictions", out]]


#: Area and its share of the cases.
AREAS: dict[str, tuple[Area, float]] = {
    "prices": (prices, 0.18),
    "predictions": (predictions, 0.10),
    "receipts": (receipts, 0.04),
    "options": (options, 0.12),
    "claims": (claims, 0.18),
    "policies": (policies, 0.05),
    "documents": (documents, 0.16),
    "runs": (runs, 0.08),
    "ledger": (ledger, 0.03),
    "checkpoints": (checkpoints, 0.04),
    "folds": (folds, 0.02),
}
