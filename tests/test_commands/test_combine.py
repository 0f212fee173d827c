"""combine, and backtest --capacity, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cli
from data.prediction_files import read_predictions, write_predictions
from data.price_files import write_prices
from data.synthetic import synthetic_market

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.mark.parametrize("method", ["mean_rank", "ic", "stack"])
def test_combined_predictions_have_the_latest_receipts(method, tmp_path, capsys):
    out = tmp_path / "both.parquet"
    parts = [str(SAMPLE / f"{name}.parquet") for name in ("ridge", "stock_lstm_close")]
    code = cli.main(["combine", *parts, "--method", method, "--out", str(out), "--json"])
    assert code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["unit"] == ("return" if method == "stack" else "rank")
    merged = read_predictions(out)
    first, second = (read_predictions(part).receipts for part in parts)
    for stamp, row in merged.receipts.iterrows():
        latest = max(table.loc[:stamp, "labels_known_through"].iloc[-1] for table in (first, second))
        assert latest <= row["labels_known_through"] <= row["available_at"] <= stamp


def test_one_file_is_no_ensemble(tmp_path, capsys):
    code = cli.main(["combine", str(SAMPLE / "ridge.parquet"), "--out", str(tmp_path / "x.parquet")])
    assert code == 2
    assert "at least 2 panels" in capsys.readouterr().err


def test_capacity_is_printed_and_stored(tmp_path, capsys):
    prices, oracle = synthetic_market(120, 12, seed=0)
    write_prices(prices, tmp_path / "prices.parquet")
    write_predictions(oracle, tmp_path / "preds.parquet")
    files = ["--prices", str(tmp_path / "prices.parquet"), "--predictions", str(tmp_path / "preds.parquet")]
    code = cli.main(
        ["backtest", "--strategy", "buy_and_hold", *files, "--capacity", "--results", str(tmp_path / "runs"), "--json"]
    )
    shown = capsys.readouterr()
    assert code == 0
    found = json.loads(shown.out)["capacity"]
    assert len(found["sizes"]) == 11
    assert f"capacity: {found['said']}" in shown.err
