"""The same doors for predictions, receipts and benchmarks, in memory and at the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.errors import DataQualityError, InputError
from assay.data.files.fills import load_fills
from assay.data.files.holdings import load_holdings
from assay.data.files.members import load_delisting_returns, load_members
from assay.data.files.options import ReadOptions
from assay.data.files.predictions import load_predictions, load_receipts
from assay.data.files.prices import load_prices
from assay.data.files.rates import load_rates
from assay.data.files.sectors import load_sectors
from assay.data.files.series import load_factors, load_regimes, load_returns
from assay.data.synthetic import synthetic_market
from assay.results.workflow.study import DataSection

DAYS = pd.bdate_range("2024-01-22", periods=30, name="date")
SCORES = pd.DataFrame(
    np.random.default_rng(3).normal(0, 0.01, (30, 3)).round(6), index=DAYS, columns=pd.Index(["A", "B", "C"])
)
LEVELS = SCORES.add(np.array([10.0, 20.0, 30.0]))
LONG = SCORES.stack().rename_axis(["date", "asset"]).rename("score").reset_index()

#: name → a file or frame made in a folder, and how it is read
PREDICTIONS: dict[str, tuple[Any, ReadOptions | None]] = {
    "pandas, long": (lambda folder: LONG, None),
    "pandas, wide": (lambda folder: SCORES, None),
    "pandas series with two index levels (qlib)": (
        lambda folder: LONG.set_index(["date", "asset"])["score"].rename_axis(["datetime", "instrument"]), None),
    "polars": (lambda folder: pytest.importorskip("polars").from_pandas(LONG), None),
    "european": (lambda folder: saved(
        LONG.assign(date=LONG["date"].dt.strftime("%d.%m.%Y")), folder / "p.csv", sep=";", decimal=","), None),
    "own names": (lambda folder: saved(LONG.set_axis(["Day", "Who", "pred_r"], axis="columns"), folder / "p.csv"),
                  ReadOptions(columns={"date": "Day", "asset": "Who", "score": "pred_r"})),
    "pred_return": (lambda folder: saved(LONG.rename(columns={"score": "pred_return"}), folder / "p.csv"), None),
    "two levels": (lambda folder: pd.concat({"score": SCORES}, axis="columns"), None),
    "excel": (lambda folder: excel(LONG, folder / "p.xlsx"), None),
    "zoned at midnight": (lambda folder: LONG.assign(date=LONG["date"].dt.tz_localize("UTC")), None),
    "instants": (lambda folder: LONG.assign(date=LONG["date"].dt.tz_localize("Asia/Tokyo").dt.tz_convert("UTC")),
                 ReadOptions(tz="Asia/Tokyo")),
}  # fmt: skip


def saved(frame: pd.DataFrame, path: Path, **options: Any) -> Path:
    frame.to_csv(path, index=False, **options)
    return path


def excel(frame: pd.DataFrame, path: Path) -> Path:
    pytest.importorskip("openpyxl")
    frame.to_excel(path, index=False)
    return path


@pytest.mark.parametrize("name", PREDICTIONS)
def test_predictions(name: str, tmp_path: Path) -> None:
    make, options = PREDICTIONS[name]
    found = load_predictions(make(tmp_path), options=options)
    assert found.score is not None
    assert found.sessions.tolist() == DAYS.tolist()
    np.testing.assert_allclose(found.score[["A", "B", "C"]], SCORES, rtol=1e-12)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (LONG.assign(prediction=0.1), "both 'score' and 'prediction' may be the score; say which with --column score="),
        (pd.concat({"Close": SCORES + 9, "Volume": SCORES + 9}, axis="columns"), "no row of the header names fields"),
        (SCORES.set_axis(["Open", "High", "Close"], axis="columns"), "holds prices .* not predictions"),
        (SCORES.set_axis(["Close_A", "Close_B", "Open_A"], axis="columns"), "holds prices .* not predictions"),
        (SCORES.set_axis(["score", "B", "C"], axis="columns"), "'score' is a field and 'B' is not"),
        ([1, 2], "neither a path nor a frame"),
        (LONG["score"].to_numpy(), "neither a path nor a frame"),
    ],
)
def test_what_are_no_predictions(frame: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_predictions(frame)


def test_a_panel_does_not_change_when_the_frame_does() -> None:
    closes = LEVELS.copy()
    found = load_prices(closes)
    before = found.fingerprint
    closes.iloc[:, :] = 1.0
    again = load_prices(LEVELS)
    assert again.fingerprint == before
    np.testing.assert_array_equal(found.close, LEVELS)


#: kind → how it is loaded, a file as a German broker writes it, what its columns are, and one value of it
BESIDE: dict[str, tuple[Any, str, dict[str, str], Any]] = {
    "sectors": (load_sectors, "Kürzel;Branche\nA;Bau\n", {"asset": "Kürzel", "sector": "Branche"},
                lambda found: found["A"] == "Bau"),
    "members": (load_members, "Kürzel;von;bis\nA;03.01.2024;\n", {"asset": "Kürzel", "from": "von", "to": "bis"},
                lambda found: found["from"][0] == pd.Timestamp("2024-01-03")),
    "delisting_returns": (load_delisting_returns, "Kürzel;Rest\nA;-0,25\n", {"asset": "Kürzel", "return": "Rest"},
                          lambda found: found["A"] == -0.25),
    "regimes": (load_regimes, "Tag;Lage\n03.01.2024;krise\n", {"date": "Tag", "regime": "Lage"},
                lambda found: found.loc["2024-01-03"] == "krise"),
    "factors": (load_factors, "Tag;MKT;SMB\n03.01.2024;0,01;-0,02\n04.01.2024;0,00;0,01\n", {"date": "Tag"},
                lambda found: found.loc["2024-01-03", "SMB"] == -0.02),
    "holdings": (load_holdings, "Kürzel;Stück\nA;1.200,5\n", {"asset": "Kürzel", "shares": "Stück"},
                 lambda found: found[0]["A"] == 1200.5),
    "fills": (load_fills, "Tag;Kürzel;Stück;Kurs\n03.01.2024;A;-10;1.234,50\n",
              {"session": "Tag", "asset": "Kürzel", "shares": "Stück", "price": "Kurs"},
              lambda found: (found["price"][0], found["session"][0]) == (1234.5, pd.Timestamp("2024-01-03"))),
    "market_caps": (lambda path, options: load_rates(path, ["market_cap"], options)[0]["market_cap"],
                    "Tag;Kürzel;Wert\n03.01.2024;A;5,5\n", {"date": "Tag", "asset": "Kürzel", "market_cap": "Wert"},
                    lambda found: found.loc["2024-01-03", "A"] == 5.5),
}  # fmt: skip


@pytest.mark.parametrize("kind", BESIDE)
def test_files_beside_prices_are_read_by_the_same_options(kind: str, tmp_path: Path) -> None:
    load, text, columns, is_right = BESIDE[kind]
    path = tmp_path / "theirs.csv"
    path.write_text(text, encoding="utf-8")
    named = {f"{kind}.{field}": column for field, column in columns.items()}
    options = DataSection(columns=named, date_format="%d.%m.%Y", decimal=",").reading(kind)
    assert dict(options.columns) == columns
    found = load(path, options) if kind not in ("factors", "regimes", "fills") else load(path, options=options)
    assert is_right(found)
    with pytest.raises(InputError):  # not one of these names is known
        load(path) if kind != "market_caps" else load(path, None)


def test_receipts_from_a_frame() -> None:
    frame = pd.DataFrame(
        {"model_id": ["m"], "fold": [0], "trained_through": ["2024-01-10"], "preprocessing_fit_through": ["2024-01-10"],
         "labels_known_through": ["2024-01-11"], "available_at": ["2024-01-12"]},
        index=pd.DatetimeIndex(["2024-01-15"], name="session"),
    )  # fmt: skip
    found = load_receipts(frame)
    assert found.index.tolist() == [pd.Timestamp("2024-01-15")]
    assert found["available_at"].tolist() == [pd.Timestamp("2024-01-12")]
    assert found["fold"].tolist() == [0]
    assert load_predictions(LONG, receipts=frame).receipts is not None


def test_benchmarks(tmp_path: Path) -> None:
    level = pd.Series(100 * np.exp(np.cumsum(SCORES["A"].to_numpy())), index=DAYS, name="SPX")
    expected = (level / level.shift(1) - 1).iloc[1:]
    bars = pd.DataFrame({("Close", "^GSPC"): level, ("Volume", "^GSPC"): 1e9}, index=DAYS)
    bars.to_csv(tmp_path / "yahoo.csv")
    for data, options in (
        (tmp_path / "yahoo.csv", None),
        (bars, None),
        (level.rename("close"), None),
        (level, ReadOptions(columns={"close": "SPX"})),
        (expected.rename("ret"), None),
        (pd.DataFrame({"ret": expected, "close": level}), None),
        (expected.rename("anything"), None),
    ):
        np.testing.assert_allclose(load_returns(data, options=options).iloc[-29:], expected, rtol=1e-9, atol=1e-15)
    with pytest.raises(DataQualityError, match=r"beyond ±50%; .*prices\? say --column close=SPX"):
        load_returns(level)


@pytest.fixture
def market(tmp_path: Path) -> tuple[Path, Path]:
    """Prices as Alpaca has them, predictions under names of one's own."""
    panel, scores = synthetic_market(60, 8, ic=0.2, seed=1)
    fields = {name: getattr(panel, name).stack() for name in panel.fields}
    bars = pd.concat(fields, axis="columns").rename_axis(["timestamp", "symbol"]).reset_index()
    bars["timestamp"] = bars["timestamp"].dt.tz_localize("America/New_York").dt.tz_convert("UTC")
    bars.assign(trade_count=5, vwap=1.0).to_csv(tmp_path / "bars.csv", index=False)
    table = scores.score.stack().rename_axis(["Day", "Who"]).rename("guess").reset_index()
    table.assign(Day=table["Day"].dt.strftime("%d/%m/%Y")).to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path / "bars.csv", tmp_path / "mine.csv"


MAPPED = ["--column", "predictions.date=Day", "--column", "predictions.asset=Who", "--column", "score=guess"]


def test_a_backtest_reads_what_it_is_told(
    market: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bars, mine = map(str, market)
    command = ["backtest", "--strategy", "quintile_long_short", "--prices", bars, "--predictions", mine, "--results",
               str(tmp_path / "runs"), *MAPPED]  # fmt: skip
    assert cli.main(command) == 2
    assert "--tz America/New_York" in capsys.readouterr().err
    assert cli.main([*command, "--tz", "America/New_York"]) == 0
    out, _ = capsys.readouterr()
    assert "read as Alpaca, 5 fields × 8 tickers" in out


def test_rows_that_are_lost_are_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    panel, scores = synthetic_market(60, 8, ic=0.2, seed=1)
    panel.close.rename_axis("date").to_csv(tmp_path / "p.csv")
    scores.score.rename(columns={"S007": "ELSE"}).rename_axis("date").to_csv(tmp_path / "s.csv")
    files = ["--prices", str(tmp_path / "p.csv"), "--predictions", str(tmp_path / "s.csv")]
    assert cli.main(["backtest", "--strategy", "quintile_long_short", *files, "--results", str(tmp_path / "runs")]) == 0
    out, err = capsys.readouterr()
    assert (out + err).count("predictions do not join (asset unknown)") == 1


def test_validate_and_describe_name_the_layout(market: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    bars, mine = map(str, market)
    zone = ["--tz", "America/New_York"]
    assert cli.main(["data", "validate", bars, *zone, "--predictions", mine, *MAPPED, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["join"]["joined"] > 400
    assert cli.main(["data", "validate", bars, *zone]) == 0
    assert "read as Alpaca, 5 fields × 8 tickers" in capsys.readouterr().out
    assert cli.main(["data", "describe", bars, *zone]) == 0
    assert "read as Alpaca" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--column", "clsoe=x"], "unknown field of --column 'clsoe': did you mean 'close'"),
        (["--column", "close"], "--column close: expected FIELD=NAME"),
        (["--column", "price.close=x"], "unknown file before the field of --column 'price': did you mean 'prices'"),
        (["--tz", "New York"], "tz: no time zone 'New York'"),
        (["--layout", "tall"], "layout: expected one of long, single, wide, fields, got 'tall'"),
        (["--date-format", "%d/%m/%Y"], "is not a date as '%d/%m/%Y' has it"),
    ],
)
def test_options_that_cannot_be_meant(
    more: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(LONG.assign(date="soon", close=10.0), tmp_path / "p.csv")
    assert cli.main(["data", "validate", str(path), *more]) == 2
    assert message in capsys.readouterr().err


def test_formats_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "formats"]) == 0
    out = capsys.readouterr().out
    for word in ("yfinance", "CRSP", "Qlib", "adjclose", "Feather", "--layout", "probabilityup"):
        assert word in out
    assert cli.main(["data", "formats", "--json"]) == 0
    assert "pxlast" in json.loads(capsys.readouterr().out)["fields"]["prices"]["close"]


def test_probabilities_alone_are_traded_by_confidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    panel, _ = synthetic_market(120, 8, ic=0.2, seed=1)
    bars = pd.concat({name: getattr(panel, name).stack() for name in panel.fields}, axis="columns")
    bars.rename_axis(["date", "asset"]).reset_index().to_csv(tmp_path / "bars.csv", index=False)
    chance = np.random.default_rng(0).uniform(0.2, 0.95, panel.shape)
    pd.DataFrame(chance, index=panel.sessions, columns=panel.assets).stack().rename_axis(["date", "asset"]).rename(
        "probability_up"
    ).reset_index().to_csv(tmp_path / "p.csv", index=False)
    files = ["--prices", str(tmp_path / "bars.csv"), "--predictions", str(tmp_path / "p.csv")]
    results = ["--results", str(tmp_path / "runs"), "--json"]
    assert cli.main(["backtest", *files, *results]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["run_id"].startswith("confidence-")
    assert "the predictions are probabilities: traded by confidence" in err
    assert cli.main(["backtest", "--strategy", "s5_long_only", *files, *results]) == 2
    assert "--strategy confidence" in capsys.readouterr().err


@pytest.mark.parametrize(
    "names",
    [
        ("asset", "date", "field", "value"),
        ("ticker", "date", "variable", "value"),
        ("Ticker", "Date", "Attribute", "Price"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet", "frame"])
def test_melted_tables_are_unfolded(names: tuple[str, ...], kind: str, tmp_path: Path) -> None:
    days = pd.bdate_range("2024-01-02", periods=12)
    rng = np.random.default_rng(0)
    close = pd.DataFrame(100 * np.exp(np.cumsum(rng.normal(0, 0.02, (12, 2)), axis=0)), days, ["AAA", "BBB"])
    fields = {"Open": close * 1.001, "High": close * 1.01, "Low": close * 0.99, "Close": close, "Volume": close * 1e4}
    rows = [
        (asset, day.strftime("%Y-%m-%d"), field, frame.loc[day, asset])
        for field, frame in fields.items() for asset in close for day in days
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=list(names)).sample(frac=1.0, random_state=0)
    data: object = table
    if kind != "frame":
        data = tmp_path / f"melted.{kind}"
        table.to_csv(data, index=False) if kind == "csv" else table.to_parquet(data, index=False)
    panel = load_prices(data)
    assert np.allclose(panel.close, close)
    assert panel.volume is not None
    assert np.allclose(panel.volume, close * 1e4)
    assert "melted, a row a value, 5 fields × 2 tickers" in panel.source
    only_opens = table[table[names[2]] == "Open"]  # whose Price is no close
    with pytest.raises(InputError, match="no close"):
        load_prices(only_opens)
    with pytest.raises(DataQualityError, match="stand twice"):
        load_prices(pd.concat([table, table.iloc[:3]]))
    scores = pd.DataFrame([(a, d, "score", 0.1) for a in "AB" for d in ("2024-01-02", "2024-01-03")], columns=names)
    assert load_predictions(scores).score.shape == (2, 2)


def test_columns_of_every_file_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """One option for prices, predictions, receipts, costs and holdings; what is said of one file is of no other."""
    monkeypatch.chdir(tmp_path)
    prices, scores = synthetic_market(60, 5, ic=0.1, seed=0)
    long = prices.close.rename_axis(index="Tag", columns="Wert").stack().rename("Schluss").reset_index()
    long["Tag"] = long["Tag"].dt.strftime("%d.%m.%Y")
    long.to_csv("p.csv", sep=";", decimal=",", index=False)
    said = scores.score.rename_axis(index="Tag", columns="Wert").stack().rename("Urteil").reset_index()
    said["Tag"] = said["Tag"].dt.strftime("%d.%m.%Y")
    said.to_csv("s.csv", sep=";", decimal=",", index=False)
    first = scores.sessions[0]
    seen = {name: (first - pd.Timedelta(days=1)).strftime("%d.%m.%Y") for name in
            ("trained_through", "preprocessing_fit_through", "labels_known_through", "available_at")}  # fmt: skip
    receipts = pd.DataFrame([{"ab": first.strftime("%d.%m.%Y"), "model_id": "m", "fold": 0, **seen}])
    receipts.rename(columns={"trained_through": "gelernt bis"}).to_csv("r.csv", sep=";", index=False)
    Path("c.csv").write_text("Papier;Spanne\nS000;1,5\n")
    columns = [
        "date=Tag", "asset=Wert", "close=Schluss", "score=Urteil", "receipts.session=ab",
        "receipts.trained_through=gelernt bis", "costs.asset=Papier", "costs.spread_bps=Spanne",
    ]  # fmt: skip
    command = ["backtest", "--prices", "p.csv", "--predictions", "s.csv", "--receipts", "r.csv",
               "--costs-file", "c.csv", "--date-format", "%d.%m.%Y",
               "--decimal", ",", "--strategy", "quintile_long_short", "--results", "runs",
               *(part for item in columns for part in ("--column", item)), "--json"]  # fmt: skip
    assert cli.main(command) == 0, capsys.readouterr().err
    made = json.loads(capsys.readouterr().out)
    assert made["manifest"]["folds"] == 1
    assert made["manifest"]["config"]["costs"]["table"]["fields"] == ["spread_bps"]
    assert cli.main(["runs", "rerun", made["run_id"], "--results", "runs"]) == 0
    assert cli.main([*command[:-1], "--column", "costs.bribe=Spanne"]) == 2
    assert "unknown field of --column 'bribe'" in capsys.readouterr().err
