"""Files that cannot be used: each a one-line error that says what, where and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.errors import BacktestError, DataQualityError, InputError, LookAheadError
from assay.data.files.options import ReadOptions
from assay.data.files.predictions import load_predictions, load_receipts, read_predictions, write_predictions
from assay.data.files.prices import load_prices
from assay.data.files.series import load_returns
from assay.data.panel import PredictionPanel

GOOD = "date,asset,open,high,low,close,volume\n2020-01-02,A,10,11,9,10.5,100\n2020-01-03,A,10.5,12,10,11,90\n"
RECEIPTS = "session,model_id,fold,trained_through,preprocessing_fit_through,labels_known_through,available_at\n"


def parquet(**columns: object) -> Callable[[Path], Path]:
    """Writes a Parquet file with these columns."""

    def make(path: Path) -> Path:
        path = path.with_suffix(".parquet")
        pd.DataFrame(columns).to_parquet(path, index=False)
        return path

    return make


def file(content: str | bytes, suffix: str = ".csv") -> Callable[[Path], Path]:
    """Writes a file with this content."""

    def make(path: Path) -> Path:
        path = path.with_suffix(suffix)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def nowhere(path: Path) -> Path:
    return path.with_suffix(".csv")


DAYS = pd.to_datetime(["2020-01-02", "2020-01-03"])

#: name → (what makes the file, error, words of the message)
PRICES: dict[str, tuple[Callable[[Path], Path], type[BacktestError], list[str]]] = {
    "no such file": (nowhere, InputError, ["no such file", "check the path"]),
    "a directory": (folder, InputError, ["is a directory", "name the CSV or Parquet"]),
    "empty": (file(""), InputError, ["the file is empty", "expected a header"]),
    "only blank lines": (file("\n\n  \n"), InputError, ["the file is empty"]),
    "a header and no rows": (file("date,asset,close\n"), InputError, ["a header and no rows"]),
    "no rows in parquet": (parquet(date=DAYS[:0], asset=[], close=[]), InputError, ["a header and no rows"]),
    "not utf-8": (file(GOOD.encode().replace(b",A,", b",\xe9\xff,")), InputError, ["is not UTF-8", "save it as UTF-8"]),
    "header not utf-8": (file(b"date,\xe9\xff,close\n2020-01-02,A,1\n"), InputError, ["is not UTF-8"]),
    "JSON": (file('[{"date": "2020-01-02", "asset": "A", "close": 1.5}]\n'), InputError, ["is JSON", "save it as CSV"]),
    "a web page": (file("<!DOCTYPE html>\n<html><body>Too many requests"), InputError, ["is HTML", "save it as CSV"]),
    "binary": (file(b"\x7fELF\0\0\0\0"), InputError, ["neither CSV nor Parquet", "convert it"]),
    "damaged parquet": (file(b"PAR1 and nothing more", ".parquet"), InputError, ["damaged Parquet", "write it again"]),
    "one column": (file("close\n1\n2\n"), InputError, ["has one column", "expected e.g. date,asset,close"]),
    "no date": (file("asset,close\nA,1\n"), InputError, ["no date column among asset, close", "name one 'date'"]),
    "no close": (file("date,asset,value\n2020-01-02,A,1\n"), InputError, ["no close among", "name one 'close'"]),
    "only a date": (parquet(date=DAYS), InputError, ["only a date column"]),
    "column twice": (file("date,asset,close,close\n2020-01-02,A,1,1\n"), InputError, ["'close' stands there twice"]),
    "asset twice in wide": (file("date,A,A\n2020-01-02,1,1\n"), InputError, ["'A' stands there twice", "rename"]),
    "not a number": (
        file("date,asset,close\n2020-01-02,A,1\n2020-01-03,A,n.a.\n"),
        InputError,
        ["column 'close', line 3", "'n.a.' is not a number", "leave it empty"],
    ),
    "not a number in parquet": (
        parquet(date=DAYS, asset=["A", "A"], close=["1", "high"]),
        InputError,
        ["column 'close'", "high", "mend it"],
    ),
    "prices that are truth values": (
        parquet(date=DAYS, asset=["A", "A"], close=[True, False]),
        InputError,
        ["column 'close' holds bool, not numbers"],
    ),
    "not a date": (
        file("date,asset,close\n01/02/2020,A,1\n"),
        InputError,
        ["column 'date': '01/02/2020' may be day or month first", "--date-format %d/%m/%Y or %m/%d/%Y"],
    ),
    "words for a date": (
        file("date,asset,close\nsoon,A,1\n"),
        InputError,
        ["column 'date': 'soon' is not a date", "YYYY-MM-DD"],
    ),
    "year 0": (file("date,asset,close\n0000-01-01,A,1\n"), InputError, ["0000-01-01 is no session (1700 to"]),
    "year 9999": (file("date,asset,close\n9999-01-01,A,1\n"), InputError, ["9999-01-01 is no session (1700 to"]),
    "no such day": (file("date,asset,close\n2020-02-31,A,1\n"), InputError, ["'2020-02-31' is not a date"]),
    "dates that are fractions": (
        parquet(date=[1.5, 2.5], asset=["A", "A"], close=[1.0, 2.0]),
        InputError,
        ["column 'date' holds double, not dates"],
    ),
    "seconds since 1970": (
        parquet(date=[1577923200 + 5 * 3600, 1578009600 + 5 * 3600], asset=["A", "A"], close=[1.0, 2.0]),
        InputError,
        ["carries the time zone UTC and times of day (e.g. 2020-01-02 05:00)", "--tz America/New_York"],
    ),
    "tz-aware in parquet": (
        parquet(date=(DAYS + pd.Timedelta("5h")).tz_localize("UTC"), asset=["A", "A"], close=[1.0, 2.0]),
        InputError,
        ["column 'date' carries the time zone UTC and times of day", "--tz"],
    ),
    "tz-aware in csv": (
        file("date,asset,close\n2020-01-02 05:00:00+00:00,A,1\n"),
        InputError,
        ["carries a time zone ('2020-01-02 05:00:00+00:00') and times of day", "--tz"],
    ),
    "a cell too many": (
        file("date,asset,close\n2020-01-02,A,1\n2020-01-03,A,1,234.5\n"),
        InputError,
        ["line 3 has 4 cells, the header 3"],
    ),
    "duplicated rows": (
        file(GOOD + "2020-01-03,A,10,11,9,10,1\n"),
        DataQualityError,
        ["duplicate (date, asset) rows: 1", "2020-01-03 'A'", "--repair drop"],
    ),
    "duplicated sessions, wide": (
        file("date,A,B\n2020-01-02,1,1\n2020-01-02,2,2\n"),
        DataQualityError,
        ["duplicate (date, asset) rows: 1", "2020-01-02"],
    ),
    "no asset in a row": (
        file("date,asset,close\n2020-01-02,A,1\n2020-01-03,,1\n"),
        DataQualityError,
        ["row without a date or an asset: 1, first row 2 (no asset)"],
    ),
    "no date in a row": (
        file("date,asset,close\n2020-01-02,A,1\n,A,1\n"),
        DataQualityError,
        ["row without a date or an asset: 1, first row 2 (no date)"],
    ),
    "no key at all": (file("date,asset,close\n,,1\n"), InputError, ["no row has both a date and an asset"]),
    "a number of its own in every row": (
        parquet(date=pd.bdate_range("1950-01-02", periods=8000), asset=range(8000), close=1.0),
        InputError,
        ["8,000 rows for 8,000 sessions x 8,000 assets", "does 'asset' hold the assets?"],
    ),
    "infinite price": (
        file("date,asset,close\n2020-01-02,A,1\n2020-01-03,A,inf\n"),
        DataQualityError,
        ["infinite value: 1", "2020-01-03 'A'"],
    ),
    "infinite price, wide": (file("date,AAA,BBB\n2020-01-02,1,inf\n"), DataQualityError, ["infinite value", "'BBB'"]),
    "names beside a wide table": (
        file("date,Weekday,AAA,BBB\n2020-01-02,Thu,1,2\n2020-01-03,Fri,1,2\n"),
        InputError,
        ["if 'Weekday' holds the asset, say --column", "if not, leave 'Weekday' out"],
    ),
    "zero price": (
        file("date,asset,close\n2020-01-02,A,0\n2020-01-03,A,1\n"),
        DataQualityError,
        ["price not positive: 1", "2020-01-02 'A' (close 0)", "--repair drop"],
    ),
    "negative price, wide": (file("date,A,B\n2020-01-02,1,-3\n"), DataQualityError, ["price not positive", "'B'"]),
    "negative volume": (file(GOOD.replace(",90", ",-90")), DataQualityError, ["negative volume: 1", "volume -90"]),
    "high below low": (file(GOOD.replace("12,10,11", "10,12,11")), DataQualityError, ["high below low: 1", "low 12"]),
}


@pytest.mark.parametrize("name", PRICES)
def test_prices(name: str, tmp_path: Path) -> None:
    make, kind, words = PRICES[name]
    path = make(tmp_path / "bad")
    with pytest.raises(kind) as caught:
        load_prices(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for word in words:
        assert word in message, message


SCORES = "date,asset,score\n2020-01-02,A,0.1\n2020-01-03,A,0.2\n"

PREDICTIONS: dict[str, tuple[Callable[[Path], Path], type[BacktestError], list[str]]] = {
    "all empty": (file("date,asset,score\n2020-01-02,A,\n2020-01-03,A,\n"), InputError, ["every prediction is empty"]),
    "no score": (file("date,asset,close\n2020-01-02,A,1\n"), InputError, ["no score, probability_up or buy/sell/hold"]),
    "no date": (file("asset,score\nA,1\n"), InputError, ["no date column"]),
    "no asset": (file("date,score\n2020-01-02,1\n"), InputError, ["no asset column among date, score"]),
    "infinite": (file(SCORES.replace("0.2", "-inf")), DataQualityError, ["score: 1 infinite values", "2020-01-03 'A'"]),
    "twice": (file(SCORES + "2020-01-03,A,0.3\n"), DataQualityError, ["duplicate (date, asset) rows: 1", "and asset"]),
    "names of no field": (
        file("Datum,Kürzel,Wert\n2020-01-02,AA,1\n2020-01-02,BB,2\n"),
        InputError,
        ["no score among Datum, Kürzel, Wert; if 'Kürzel' holds the asset, say --column asset=Kürzel --column score"],
    ),
    "probability of 1.2": (
        file("date,asset,probability_up\n2020-01-02,A,1.2\n"),
        InputError,
        ["probability_up: probabilities must lie in [0, 1]"],
    ),
    "buy without hold": (
        file("date,asset,buy,sell\n2020-01-02,A,0.5,0.5\n"),
        InputError,
        ["probabilities of buy, sell only", "give buy, sell and hold"],
    ),
    "actions that do not add up": (
        file("date,asset,buy,sell,hold\n2020-01-02,A,0.5,0.5,0.5\n"),
        InputError,
        ["must sum to 1"],
    ),
    "text for a score": (file("date,asset,score\n2020-01-02,A,buy\n"), InputError, ["line 2", "'buy' is not a number"]),
}


@pytest.mark.parametrize("name", PREDICTIONS)
def test_predictions(name: str, tmp_path: Path) -> None:
    make, kind, words = PREDICTIONS[name]
    path = make(tmp_path / "bad")
    with pytest.raises(kind) as caught:
        load_predictions(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert "--repair" not in message  # it is of prices
    for word in words:
        assert word in message, message


def test_predictions_with_receipts_that_knew_the_future(tmp_path: Path) -> None:
    scores = file(SCORES)(tmp_path / "scores")
    receipts = file(RECEIPTS + "2020-01-02,m,0,2020-01-03,2020-01-01,2020-01-01,2020-01-03\n")(tmp_path / "receipts")
    with pytest.raises(LookAheadError, match="1 folds predict before they are available"):
        load_predictions(scores, receipts=receipts)


@pytest.mark.parametrize(
    ("content", "message"),
    [("fold,model_id\n0,m\n", "no column 'session'"), ("session,model_id\n2020-01-02,m\n", "columns missing: fold")],
)
def test_receipts(content: str, message: str, tmp_path: Path) -> None:
    scores = file(SCORES)(tmp_path / "scores")
    with pytest.raises(InputError, match=message):
        load_predictions(scores, receipts=file(content)(tmp_path / "receipts"))


def test_receipts_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_receipts(tmp_path / "receipts.csv")


def test_foreign_predictions_have_to_be_stated(tmp_path: Path) -> None:
    path = parquet(date=DAYS, asset=["A", "A"], score=[0.1, 0.2])(tmp_path / "foreign")
    with pytest.raises(InputError, match="does not say its unit, horizon and delay"):
        read_predictions(path)


@pytest.mark.parametrize(
    ("stated", "message"),
    [({"horizon": 1}, "horizon 5, read with 1"), ({"unit": "rank"}, "unit return, read with rank")],
)
def test_our_own_files_are_not_read_as_something_else(stated: dict, message: str, tmp_path: Path) -> None:
    panel = PredictionPanel(pd.DataFrame({"A": [0.1, 0.2]}, index=DAYS), horizon=5)
    path = write_predictions(panel, tmp_path / "ours.parquet")
    assert load_predictions(path, horizon=5).fingerprint == panel.fingerprint
    with pytest.raises(InputError, match=message):
        load_predictions(path, **({"horizon": 5} | stated))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("date,a,b\n2020-01-02,0.1,0.2\n", "2 series; expected a date and one column of returns"),
        ("date,ret\n2020-01-02,-1.5\n", "below -100% at 2020-01-02; percent"),
        ("date,ret\n2020-01-02,inf\n", "infinite"),
        ("date,close\n2020-01-02,1\n2020-01-03,0\n", "price not positive, first 2020-01-03"),
        ("date,close\n2020-01-02,1\n", "holds no return"),
        ("date,ret\n2020-01-02,0.1\n2020-01-02,0.1\n", "duplicate"),
        ("day one,ret\n2020-01-02,0.1\n", "no date column"),
    ],
)
def test_returns(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BacktestError, match=message):
        load_returns(file(content)(tmp_path / "bad"))


@pytest.mark.parametrize(
    ("field_map", "message"),
    [
        ({"close": "PX"}, "no column 'PX'; it has 'date', 'asset'"),
        ({"clse": "close"}, "unknown field of prices 'clse': did you mean 'close'"),
    ],
)
def test_field_maps(field_map: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load_prices(file(GOOD)(tmp_path / "good"), options=ReadOptions(columns=field_map))


def test_a_date_format_that_reads_some_dates_and_would_turn_others_is_refused(tmp_path: Path) -> None:
    path = file("date,A,B\n2018-01-02,1,1\n2018-01-13,2,2\n")(tmp_path / "dates")
    with pytest.raises(InputError, match="'2018-01-13' is not a date as '%Y-%d-%m' has it, and '2018-01-02' is one"):
        load_prices(path, options=ReadOptions(date_format="%Y-%d-%m"))
    turned = file("date,A,B\n2018-02-01,1,1\n2018-13-01,2,2\n")(tmp_path / "turned")
    days = load_prices(turned, options=ReadOptions(date_format="%Y-%d-%m")).sessions
    assert list(days.strftime("%m-%d")) == ["01-02", "01-13"]
    assert load_prices(path, options=ReadOptions(date_format="%d.%m.%Y")).shape == (2, 2)  # leaves no choice
    with pytest.raises(InputError, match="date_format: '%Q': 'Q' is a bad directive"):
        ReadOptions(date_format="%Q")
    with pytest.raises(InputError, match="date_format: '%d/%d/%Y': a directive stands in it twice; expected one as"):
        ReadOptions(date_format="%d/%d/%Y")


def test_an_unknown_repair(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="repair: expected 'drop'"):
        load_prices(file(GOOD)(tmp_path / "good"), repair="fill")  # type: ignore[arg-type]


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(GOOD)(tmp_path / "secret")
    path.chmod(0)
    if os.access(path, os.R_OK):  # the superuser may read anything

        def refuse(self: Path, *args: object, **kwargs: object) -> None:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\); check its permissions"):
        load_prices(path)


def test_one_asset_and_one_session_are_few_but_not_wrong(tmp_path: Path) -> None:
    assert load_prices(file("date,asset,close\n2020-01-02,A,1\n")(tmp_path / "one")).shape == (1, 1)


@pytest.mark.parametrize(
    "name", ["no such file", "a directory", "empty", "not utf-8", "damaged parquet", "no date", "tz-aware in csv"]
)
@pytest.mark.parametrize("command", ["validate", "describe"])
def test_the_command_line_says_it_in_one_line(
    command: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = PRICES[name][0](tmp_path / "bad")
    assert cli.main(["data", command, str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {path}")
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("column", ["model_id", "fold"])
def test_a_receipt_whose_names_are_dates_beyond_all_calendars_is_one_line(tmp_path, column):
    import pyarrow as pa
    import pyarrow.parquet as pq

    def day(number):
        return pa.array([number], pa.int32()).cast(pa.date32())

    stamps = ("trained_through", "preprocessing_fit_through", "labels_known_through", "available_at")
    columns = {"session": day(1000), "model_id": ["m"], "fold": [0], **dict.fromkeys(stamps, day(1))}
    pq.write_table(pa.table({**columns, column: day(2**31 - 1)}), tmp_path / "receipts.parquet")
    with pytest.raises(InputError, match=f"column '{column}' cannot be read"):
        load_receipts(tmp_path / "receipts.parquet")


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_names_that_are_no_utf8_are_damage_wherever_they_stand(ending: str, tmp_path: Path) -> None:
    """The footer of a Parquet file holds a column's name several times; a flipped bit in any of them is one line."""
    frame = pd.DataFrame({"date": DAYS, "asset": "A", "close": [1.0, 2.0]})
    path = tmp_path / f"p.{ending}"
    frame.to_parquet(path) if ending == "parquet" else frame.to_feather(path)
    whole = path.read_bytes()
    places = [at for at in range(len(whole)) if whole[at : at + 5] == b"close"]
    assert places
    messages = []
    for at in places:
        path.write_bytes(whole[:at] + b"\xdf" + whole[at + 1 :])
        try:
            load_prices(path)
        except InputError as error:
            messages.append(str(error))
    assert messages
    assert not any("\n" in message for message in messages)


def test_a_fold_beyond_all_numbers(tmp_path: Path) -> None:
    columns = {name: [DAYS[0]] for name in RECEIPTS.strip().split(",")}
    pd.DataFrame({**columns, "model_id": ["m"], "fold": [str(10**30)]}).to_parquet(tmp_path / "receipts.parquet")
    with pytest.raises(InputError, match="fold"):
        load_receipts(tmp_path / "receipts.parquet")
