"""The Yahoo adapter against frames of the shape that yfinance returns; the network is never asked."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import DataQualityError, InputError
from assay.data.files.yahoo import fetch_prices, panel_from_download

DAYS = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04"], name="Date")
BARS = {
    "Close": {"BBB": [20.0, 21.0, 20.5], "AAA": [10.0, 10.5, np.nan]},
    "High": {"BBB": [20.5, 21.5, 21.0], "AAA": [10.2, 10.6, np.nan]},
    "Low": {"BBB": [19.5, 20.0, 20.0], "AAA": [9.8, 10.0, np.nan]},
    "Open": {"BBB": [20.0, 20.2, 21.0], "AAA": [10.0, 10.1, np.nan]},
    "Volume": {"BBB": [100, 200, 150], "AAA": [10.0, 20.0, np.nan]},
}


def recorded(*, adjusted_close: bool = False, by_ticker: bool = False) -> pd.DataFrame:
    """What ``yfinance.download`` returns for two tickers, one of which ends a session early."""
    bars = dict(BARS)
    if adjusted_close:
        bars = {"Adj Close": {"BBB": [10.0, 10.5, 10.25], "AAA": [10.0, 10.5, np.nan]}, **bars}
    columns = {(field, ticker): values for field, by in bars.items() for ticker, values in by.items()}
    frame = pd.DataFrame(columns, index=DAYS)
    frame.columns.names = ["Price", "Ticker"]
    if by_ticker:
        frame = frame.swaplevel(axis="columns").sort_index(axis="columns")
    return frame


@pytest.mark.parametrize("by_ticker", [False, True])
def test_a_download_becomes_a_panel(by_ticker: bool) -> None:
    found = panel_from_download(recorded(by_ticker=by_ticker), ["AAA", "BBB"])
    assert found.fields == ("open", "high", "low", "close", "volume")
    assert list(found.assets) == ["AAA", "BBB"]
    assert found.close["BBB"].tolist() == [20.0, 21.0, 20.5]
    assert found.volume["AAA"].tolist()[:2] == [10.0, 20.0]
    assert (found.source, found.adjusted) == ("Yahoo", "splits and dividends")
    assert found.warnings == ("prices end early: 1, first 2024-01-03 'AAA'",)


def test_an_adjusted_close_scales_the_bar() -> None:
    found = panel_from_download(recorded(adjusted_close=True), ["AAA", "BBB"])
    assert found.close["BBB"].tolist() == [10.0, 10.5, 10.25]
    assert found.open["BBB"].tolist() == [10.0, 10.1, 10.5]
    assert found.open["AAA"].tolist()[:2] == [10.0, 10.1]


def test_exchange_midnights_become_the_local_date() -> None:
    frame = recorded()
    frame.index = frame.index.tz_localize("Asia/Kolkata")
    assert panel_from_download(frame, ["AAA"]).sessions.tolist() == DAYS.tolist()


def test_a_ticker_without_data_is_counted() -> None:
    frame = recorded()
    for field in BARS:
        frame[field, "GONE"] = np.nan
    found = panel_from_download(frame, ["AAA", "BBB", "GONE", "NEVER"])
    assert list(found.assets) == ["AAA", "BBB"]
    assert "tickers without data: 2, first 'GONE'" in found.warnings


def test_a_bar_that_cannot_be_stops_it_or_is_dropped() -> None:
    frame = recorded()
    frame.loc[DAYS[1], ("Open", "BBB")] = 0.0
    with pytest.raises(DataQualityError, match="Yahoo: price not positive: 1, first 2024-01-03 'BBB'"):
        panel_from_download(frame, ["AAA", "BBB"])
    found = panel_from_download(frame, ["AAA", "BBB"], repair="drop")
    assert np.isnan(found.close.loc[DAYS[1], "BBB"])
    assert any(warning.startswith("dropped by repair: price not positive: 1") for warning in found.warnings)


@pytest.mark.parametrize("frame", [None, pd.DataFrame()])
def test_nothing_came(frame: pd.DataFrame | None) -> None:
    with pytest.raises(InputError, match="nothing for AAA, BBB; check the symbols"):
        panel_from_download(frame, ["AAA", "BBB"])


def test_only_empty_columns_came() -> None:
    with pytest.raises(InputError, match="no close for AAA"):
        panel_from_download(recorded() * np.nan, ["AAA"])


def test_another_shape() -> None:
    with pytest.raises(InputError, match="multi_level_index=True"):
        panel_from_download(pd.DataFrame({"Close": [1.0, 2.0, 3.0]}, index=DAYS), ["AAA"])


def test_what_is_asked_of_yahoo() -> None:
    """The last day is included, though Yahoo's own end is not; each ticker is asked for once."""
    asked = {}

    def download(tickers: list[str], **options: object) -> pd.DataFrame:
        asked.update(options, tickers=tickers)
        return recorded()

    fetch_prices(["AAA", " BBB", "AAA", ""], "2024-01-02", "2024-01-31", download=download)
    assert asked["tickers"] == ["AAA", "BBB"]
    assert (asked["start"], asked["end"]) == ("2024-01-02", "2024-02-01")
    assert asked["auto_adjust"] is True


@pytest.mark.parametrize(
    ("tickers", "start", "end", "message"),
    [
        ([" "], "2024-01-02", "2024-01-03", "no ticker given"),
        (["A"], "2024-01-03", "2024-01-02", "start 2024-01-03 lies after end 2024-01-02"),
        (["A"], "soon", "2024-01-02", "start: 'soon' is not a date"),
    ],
)
def test_questions_that_cannot_be_asked(tickers: list[str], start: str, end: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fetch_prices(tickers, start, end, download=lambda *args, **kwargs: recorded())


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(InputError, match=r"pip install 'assay\[yfinance\]'"):
        fetch_prices(["A"], "2024-01-02", "2024-01-03")
