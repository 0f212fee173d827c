"""combine, backtest --capacity, and what an optimised strategy has to beat, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.commands import main as cli
from assay.data.files.predictions import read_predictions, write_predictions
from assay.data.files.prices import write_prices
from assay.data.synthetic import synthetic_market

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


def test_predictions_that_a_part_lacks_are_counted(tmp_path, capsys):
    _, oracle = synthetic_market(60, 6, seed=0)
    write_predictions(oracle, tmp_path / "all.parquet")
    write_predictions(oracle.map(lambda frame: frame.iloc[20:]), tmp_path / "late.parquet")
    parts = [str(tmp_path / f"{name}.parquet") for name in ("all", "late")]
    assert cli.main(["combine", *parts, "--out", str(tmp_path / "both.parquet")]) == 0
    given = int(oracle.score.notna().to_numpy().sum())
    left = int(oracle.score.iloc[:20].notna().to_numpy().sum())
    assert f"warning: {left} of {given} predictions of all are left out: a part has none" in capsys.readouterr().err


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


def test_an_optimised_strategy_is_told_whether_it_earned_its_complexity(tmp_path, capsys):
    name = ["backtest", "--strategy", "min_variance", "--start", "2019-01-01", "--results", str(tmp_path)]
    assert cli.main(name) == 0
    shown = capsys.readouterr().out
    assert "net Sharpe less" in shown
    assert cli.main([*name, "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    rows = {row["strategy"]: row for row in metrics["yardsticks"]}
    assert list(rows) == ["equal_weight", "inverse_volatility", "quintile_long_short"]
    sharpe = next(item["value"] for item in metrics["metrics"] if item["name"] == "sharpe_net")
    for row in rows.values():
        assert row["low"] <= row["difference"] <= row["high"]
        # The first session trades nothing, so it alone separates the two samples.
        assert abs(sharpe - row["sharpe"] - row["difference"]) < 0.01
