"""The command line's `data`: describe, validate, fetch, synthetic."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.files.predictions import read_predictions
from assay.data.files.prices import load_prices, write_prices
from assay.data.synthetic import synthetic_market


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return write_prices(synthetic_market(40, 25, seed=4)[0], tmp_path / "clean.parquet")


@pytest.fixture
def dirty(tmp_path: Path) -> Path:
    path = tmp_path / "dirty.csv"
    rows = ["2020-01-02,A,10,1", "2020-01-03,A,4,1", "2020-01-03,A,5,1", "2020-01-06,A,-1,1", "2020-01-02,[red]B,7,1"]
    path.write_text("date,asset,close,volume\n" + "\n".join(rows) + "\n")
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = cli.main(["data", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_describe(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "describe", clean)
    assert code == 0
    assert "sessions     40" in out
    assert "open, high, low, close, volume" in out
    assert "and 5 more; --assets shows all" in out
    assert err == ""
    assert "S024" in run(capsys, "describe", clean, "--assets")[1]


def test_describe_as_json_is_one_object_with_numbers(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "describe", clean, "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["sessions"], found["assets"], found["adjusted"]) == (40, 25, "splits and dividends")
    panel = load_prices(clean)
    assert found["fingerprint"] == panel.fingerprint[:16]
    row = found["by_asset"][3]
    returns = panel.close["S003"].pct_change(fill_method=None)
    assert row["asset"] == "S003"
    assert row["volatility_ann"] == pytest.approx(returns.std() * np.sqrt(252))
    assert row["last_close"] == pytest.approx(panel.close["S003"].iloc[-1])


def test_describe_the_sample(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path))
    code, out, err = run(capsys, "describe")
    assert code == 0
    assert "20 US large caps" in out
    assert "warning: survivorship" in err


def test_describe_a_dirty_file_after_repair(dirty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "describe", dirty)[0] == 2
    code, out, err = run(capsys, "describe", dirty, "--repair", "drop")
    assert code == 0
    assert "coverage     33.33% of 6 closes" in out
    assert "warning: dropped by repair: price not positive: 1" in err


def test_describe_an_asset_that_never_traded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("date,A,B\n2020-01-02,1,\n2020-01-03,2,\n")
    code, out, _ = run(capsys, "describe", path, "--json")
    assert code == 0
    assert json.loads(out)["by_asset"][1] == {
        "asset": "B", "first": None, "last": None, "closes": 0, "missing": 0, "last_close": None,
        "volatility_ann": None, "largest_return": None,
    }  # fmt: skip
    assert run(capsys, "describe", path)[0] == 0


def test_validate_clean(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "validate", clean)
    assert (code, err) == (0, "")
    assert "0 kinds of error, 0 kinds of warning" in out


def test_validate_says_what_and_where_and_fails(dirty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "validate", dirty)
    assert code == 1
    assert "2 kinds of error" in out
    assert "duplicate (date, asset) rows: 1, first 2020-01-03 'A'" in out
    assert "price not positive: 1, first 2020-01-06 'A' (close -1)" in out
    assert "jumps over 40%: 1, first 2020-01-03 'A' (-60.0%, unadjusted split?)" in out
    assert "[red]B" in out  # an asset id is text, never markup


def test_validate_as_json(dirty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "validate", dirty, "--json")
    found = json.loads(out)
    assert code == 1
    assert found["ok"] is False
    assert len(found["errors"]) == 2
    assert {"check", "severity", "asset", "count", "first", "last"} == set(found["table"][0])


def test_repair_writes_what_is_left_and_says_what_is_not(
    dirty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "validate", dirty, "--repair", "drop", "--out", tmp_path / "mended.csv")
    assert code == 0
    assert "dropped by repair: duplicate (date, asset) rows: 1" in out
    assert "dropped by repair: price not positive: 1" in out
    mended = load_prices(tmp_path / "mended.csv")
    assert mended.close["A"].tolist() == [10.0]  # of two closes on one day nobody knows which is right


def test_out_without_repair_writes_nothing_of_a_dirty_file(
    dirty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "validate", dirty, "--out", tmp_path / "mended.csv")
    assert code == 2
    assert err.startswith("error: ")
    assert not (tmp_path / "mended.csv").exists()


def test_validate_joins_predictions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices, oracle = tmp_path / "prices.parquet", tmp_path / "oracle.parquet"
    assert run(capsys, "synthetic", "--sessions", "50", "--assets", "8", "--out", prices, "--oracle", oracle)[0] == 0
    scores = pd.read_parquet(oracle).astype({"asset": str})
    scores.loc[scores["asset"] == "S007", "asset"] = "OTHER"
    scores.to_csv(tmp_path / "scores.csv", index=False)
    code, out, _ = run(capsys, "validate", prices, "--predictions", tmp_path / "scores.csv")
    assert code == 0
    assert "predictions: 315 of 360 join a price" in out
    assert "asset unknown" in out
    found = json.loads(run(capsys, "validate", prices, "--predictions", tmp_path / "scores.csv", "--json")[1])
    lost = {(row["side"], row["reason"]): row["rows"] for row in found["join"]["lost"]}
    assert lost == {("predictions", "asset unknown"): 45, ("prices", "asset without predictions"): 45}


def test_synthetic_writes_what_the_seed_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices, oracle = tmp_path / "m.parquet", tmp_path / "o.parquet"
    arguments = ["--sessions", "60", "--assets", "12", "--ic", "0.2", "--seed", "5", "--kind", "volume"]
    code, out, _ = run(capsys, "synthetic", *arguments, "--out", prices, "--oracle", oracle, "--json")
    assert code == 0
    assert json.loads(out)["written"] == {"prices": str(prices), "oracle": str(oracle)}
    panel, scores = synthetic_market(60, 12, ic=0.2, seed=5, kind="volume")
    assert load_prices(prices).fingerprint == panel.fingerprint
    assert read_predictions(oracle).fingerprint == scores.fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["synthetic", "--out", "{tmp}/no/such/m.parquet"], "there is no folder"),
        (["synthetic", "--out", "{tmp}/m.xlsx"], "written as .parquet or .csv"),
        (["synthetic", "--out", "{tmp}/m.csv", "--oracle", "{tmp}/o.csv"], "o.csv: is to be written as .parquet"),
        (["synthetic", "--out", "{tmp}/m.csv", "--oracle", "{tmp}/no/o.parquet"], "there is no folder"),
        (["fetch", "A", "--start", "2020-01-01", "--end", "2020-02-01", "--out", "{tmp}/no/a.csv"], "is no folder"),
        (["synthetic", "--ic", "2", "--out", "{tmp}/m.csv"], "ic must lie in (-1, 1), got 2.0"),
        (["synthetic", "--assets", "0", "--out", "{tmp}/m.csv"], "at least 1 session and 1 asset"),
        (["describe", "{tmp}/none.csv"], "no such file"),
        (["describe", "{clean}", "--column", "close"], "expected FIELD=NAME"),
        (["describe", "{clean}", "--column", "close=PX"], "no column 'PX'"),
        (["validate", "{clean}", "--repair", "drop"], "--repair: needs --out"),
        (["validate", "{clean}", "--predictions", "{tmp}/none.csv"], "no such file"),
        (["fetch", "A", "--start", "x", "--end", "2020-01-01", "--out", "{tmp}/a.csv"], "start: 'x' is not a date"),
    ],
)
def test_mistakes_are_told_in_one_line(
    arguments: list[str], message: str, clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.iterdir())
    filled = [argument.format(tmp=tmp_path, clean=clean) for argument in arguments]
    code, out, err = run(capsys, *filled)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(tmp_path.iterdir()) == before
