"""The studies of models go on where they were stopped, and their pages say what ran."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from studies import learning_rate, model_zoo

ZOO = ["--seeds", "0,1", "--only", "ridge,gru", "--markets", "reversal,sample"]
RATES = ["--rates", "1e-3,1e-2", "--seeds", "0,1"]


@pytest.mark.parametrize(("study", "options"), [(model_zoo, ZOO), (learning_rate, RATES)])
def test_a_study_that_is_stopped_goes_on_where_it_was(
    study: ModuleType, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[object, ...]] = []
    file, limit = tmp_path / "cells.csv", 3

    def cell(*given: object) -> dict[str, object]:
        if len(calls) == limit:
            raise KeyboardInterrupt
        calls.append(given[:3])
        names = ("model", "market", "seed") if study is model_zoo else ("rate", "seed", "epochs")
        return {**dict(zip(names, given, strict=False)), "figure": 0.1, "t": 1.0, "test": 0.1, "seconds": 1.0}

    for name in ("planted", "real", "fit"):
        monkeypatch.setattr(study, name, cell, raising=False)
    monkeypatch.setattr(sys, "argv", ["study", *options, "--csv", str(file)])
    with pytest.raises(KeyboardInterrupt):
        study.main()
    assert len(pd.read_csv(file)) == 3
    limit = 100
    for _ in range(2):  # the second time nothing is left to do
        study.main()
        assert len(calls) == len(set(calls)) == len(pd.read_csv(file)) == (8 if study is model_zoo else 4)


def test_the_page_of_the_zoo_names_what_did_not_run() -> None:
    rows = [("reversal", "ridge", 0, 1.0), ("reversal", "ridge", 1, 0.9), ("sample", "ridge", 0, 0.01),
            ("reversal", "gru", 0, 0.8)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["market", "model", "seed", "figure"]).assign(t=2.0, seconds=60.0)
    text = model_zoo.page(table, "command")
    assert "| `ridge` | 0, 1 | 60 | 0.95 [0.31, 1.59] | 0.0100 [0.0002, 0.0198] (seed 0) |" in text
    assert "gru on sample" in text
    assert "Of the 1 intervals on real prices 1 leaves out 0 (`ridge` on sample)" in text
    again = pd.concat([table, table[table["market"] == "sample"].assign(seed=1, figure=-0.005)])
    assert "| 0.0025 [-0.0049, 0.0098] ±0.0953 |" in model_zoo.page(again, "command")
    assert "reversal" in text.split("Not run")[0]
    assert "took 4 minutes" in text


def test_a_rate_differs_only_where_the_seeds_say_so() -> None:
    table = pd.DataFrame({"rate": [1e-3] * 3 + [1e-2] * 3 + [1e-1] * 3, "seed": [0, 1, 2] * 3,
                          "test": [0.0, 0.1, 0.2, 0.5, 0.61, 0.7, 0.0, 0.5, 0.0]})  # fmt: skip
    assert learning_rate.apart_from_shipped(table) == [1e-2]
