"""Kept folds: whole or fit again, shared without harm, and the same bytes after a resume."""

from __future__ import annotations

import multiprocessing
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assay.data.synthetic import synthetic_market
from assay.engine.checkpoints import read_part, write_part
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.baselines import FittedRule, Momentum
from assay.models.catalog import load_model

PRICES = synthetic_market(160, 4, seed=2)[0]
FOLDS = WalkForward(train=60, retrain=30).split(PRICES.sessions)


@dataclass(frozen=True, kw_only=True)
class Telling(Momentum):
    """Leaves a log of epochs, its columns in no alphabetical order."""

    def fit(self, train: Any, *, horizon: int, delay: int, seed: int) -> FittedRule:
        fitted = super().fit(train, horizon=horizon, delay=delay, seed=seed)
        records = [{"epoch": e, "train_loss": 1.0 / e, "validation_loss": 2.0 / e, "lr": 0.1, "best": e == 2}
                   for e in (1, 2)]  # fmt: skip
        return replace(fitted, training_log={"epochs": records})


def run(folder: Path, name: str = "ridge") -> Any:
    model = Telling() if name == "telling" else load_model(name)
    return walk_forward(model, PRICES, FOLDS, folder=folder)


def parts_of(folder: Path) -> list[Path]:
    return sorted(item.parent for item in folder.rglob("part.json"))


def test_one_flipped_bit_in_any_file_is_fit_again(tmp_path: Path) -> None:
    expected = run(tmp_path).predictions.score
    part = parts_of(tmp_path)[0]
    whole = {item: item.read_bytes() for item in part.rglob("*") if item.is_file()}
    assert {item.name for item in whole} == {"score.parquet", "part.json", "model.json", "model.safetensors"}
    rng = np.random.default_rng(1)
    for path, content in whole.items():
        for position in rng.integers(0, len(content), 4):
            damaged = bytearray(content)
            damaged[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            told: list[str] = []
            again = walk_forward(load_model("ridge"), PRICES, FOLDS, folder=tmp_path,
                                 progress=lambda done, total, what, running, told=told: told.append(what))  # fmt: skip
            assert again.predictions.score.equals(expected)
            if told[0] == f"{len(FOLDS)} fits found finished":  # only white space or a synonym in JSON had changed
                assert path.suffix == ".json"
                path.write_bytes(content)
    assert {item: item.read_bytes() for item in whole} == whole
    assert not [item for item in tmp_path.rglob(".*") if item != tmp_path]


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"frames": 3}', "[" * 100_000])
def test_a_part_of_the_wrong_shape_is_fit_again(tmp_path: Path, text: str) -> None:
    expected = run(tmp_path, "momentum").predictions.score
    for part in parts_of(tmp_path):
        (part / "part.json").write_text(text, encoding="utf-8")
    assert run(tmp_path, "momentum").predictions.score.equals(expected)
    assert all(read_part(part) is not None for part in parts_of(tmp_path))


def test_a_part_that_can_be_read_is_never_touched(tmp_path: Path) -> None:
    run(tmp_path)
    place = parts_of(tmp_path)[0]
    part, before = read_part(place), place.stat()
    assert part is not None
    write_part(part, load_model("ridge").fit(PRICES, horizon=1, delay=1, seed=0), place)
    assert (place.stat().st_ino, place.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def _walk(folder: Path) -> None:
    for _ in range(3):
        run(folder)


def test_walk_forwards_that_share_folds_at_once(tmp_path: Path) -> None:
    expected = run(tmp_path / "alone").predictions.score
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_walk, args=(tmp_path / "shared",)) for _ in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 5
    assert run(tmp_path / "shared").predictions.score.equals(expected)
    assert not list(tmp_path.rglob(".*"))


def test_a_resumed_run_has_the_same_training_table(tmp_path: Path) -> None:
    def written(name: str) -> bytes:
        run(tmp_path / name, "telling").training.to_parquet(tmp_path / "t.parquet")
        return (tmp_path / "t.parquet").read_bytes()

    whole = written("whole")
    assert list(pd.read_parquet(tmp_path / "t.parquet").columns) == [
        "fold", "seed", "epoch", "train_loss", "validation_loss", "lr", "best",
    ]  # fmt: skip
    for kept in range(1, len(FOLDS) + 1):
        name = f"resumed{kept}"
        shutil.copytree(tmp_path / "whole", tmp_path / name)
        for part in parts_of(tmp_path / name)[kept:]:
            shutil.rmtree(part)
        assert written(name) == whole
