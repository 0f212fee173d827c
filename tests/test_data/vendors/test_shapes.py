"""Prices in the shapes that vendors and people have them in: each is read right, or refused with what to do.

Every shape is made from one small market, whose values are the expected ones, by pandas, Polars, Arrow or openpyxl
where a library writes it, and by hand from the vendor's documentation where none does.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import BacktestError
from assay.data.files.options import ReadOptions
from assay.data.files.prices import load_prices
from assay.data.panel import PRICE_FIELDS

DAYS = pd.bdate_range("2024-01-22", periods=30, name="Date")
TICKERS = ["AAPL", "BRK-B", "MSFT"]
TITLED = {"open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume"}


def market() -> dict[str, pd.DataFrame]:
    """Bars of three tickers with two decimals, and adjusted closes at nine tenths of the closes."""
    rng = np.random.default_rng(11)
    close = np.round(np.array([180.0, 360.0, 400.0]) * np.exp(np.cumsum(rng.normal(0, 0.012, (30, 3)), axis=0)), 2)
    open_ = np.round(close * (1 + rng.normal(0, 0.004, close.shape)), 2)
    high = np.round(np.maximum(open_, close) * 1.01, 2)
    low = np.round(np.minimum(open_, close) * 0.99, 2)
    volume = np.round(rng.lognormal(17, 0.3, close.shape), 0)
    fields = {"open": open_, "high": high, "low": low, "close": close, "volume": volume, "adj": close * 0.9}
    return {name: pd.DataFrame(values, index=DAYS, columns=TICKERS) for name, values in fields.items()}


MARKET = market()


@dataclass(frozen=True)
class Right:
    """What must come out: fields, assets (market's ticker to id), and whether prices are adjusted."""

    fields: tuple[str, ...] = PRICE_FIELDS
    assets: dict[str, str] = field(default_factory=lambda: {ticker: ticker for ticker in TICKERS})
    adjusted: bool = False
    named: str = ""
    options: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True)
class Refused:
    """Words that the refusal must have, and options with which the same file is read right."""

    words: tuple[str, ...]
    options: ReadOptions | None = None
    right: Right = field(default_factory=Right)


Shape = tuple[Callable[[Path], Any], Right | Refused]
ONE = {"AAPL": "AAPL"}
CLOSES = Right(("close",))


def long(names: dict[str, str], *, date: str = "date", asset: str | None = "ticker", one: bool = False) -> pd.DataFrame:
    """A row a session and asset, with the columns of `names` (field to name)."""
    stacked = {name: MARKET[field].stack() for field, name in names.items()}
    table = pd.concat(stacked, axis="columns").rename_axis([date, asset or "ticker"]).reset_index()
    if one:
        table = table[table[asset or "ticker"] == "AAPL"]
    return (table.drop(columns="ticker") if asset is None else table).reset_index(drop=True)


def single(names: dict[str, str], date: str = "Date") -> pd.DataFrame:
    """The bars of AAPL."""
    return long(names, date=date, asset=None, one=True)


def levels(fields: list[str], *, by_ticker: bool = False, tickers: list[str] = TICKERS) -> pd.DataFrame:
    """What `yfinance.download` returns: columns of (field, ticker)."""
    source = {title: name for name, title in TITLED.items()} | {"Adj Close": "adj"}
    frame = pd.DataFrame(
        {(title, ticker): MARKET[source[title]][ticker] for title in fields for ticker in tickers}, index=DAYS
    )
    frame.columns.names = ["Price", "Ticker"]
    if by_ticker:
        frame = frame.swaplevel(axis="columns").sort_index(axis="columns")
        frame.columns.names = ["Ticker", "Price"]
    return frame


def to(name: str, frame: pd.DataFrame | Callable[[], pd.DataFrame], **options: Any) -> Callable[[Path], Path]:
    """A maker that writes `frame` under `name`, as the suffix says."""

    def make(folder: Path) -> Path:
        path, table = folder / name, frame() if callable(frame) else frame
        index = options.pop("index", False) if "index" in options else False
        if name.endswith(".parquet"):
            table.to_parquet(path, index=index or None)
        elif name.endswith(".feather"):
            table.to_feather(path)
        elif name.endswith(".xlsx"):
            pytest.importorskip("openpyxl")
            table.to_excel(path, index=index)
        else:
            table.to_csv(path, index=index, **options)
        return path

    return make


def indexed(name: str, frame: pd.DataFrame, **options: Any) -> Callable[[Path], Path]:
    """As `to`, with the index."""

    def make(folder: Path) -> Path:
        path = folder / name
        if name.endswith(".parquet"):
            frame.to_parquet(path)
        elif name.endswith(".xlsx"):
            pytest.importorskip("openpyxl")
            frame.to_excel(path)
        else:
            frame.to_csv(path, **options)
        return path

    return make


def lines(name: str, *rows: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
        return folder / name

    return make


def flat(form: str, names: dict[str, str]) -> pd.DataFrame:
    """Columns like Close_AAPL."""
    columns = {form.format(field=title, ticker=t): MARKET[name][t] for name, title in names.items() for t in TICKERS}
    return pd.DataFrame(columns, index=DAYS)


def old_yfinance_csv(folder: Path) -> Path:
    """The header of yfinance before 0.2.50: the levels without names, then the index's."""
    frame = levels(["Adj Close", "Close", "High", "Low", "Open", "Volume"])
    frame.columns.names = [None, None]
    frame.to_csv(folder / "old.csv")
    return folder / "old.csv"


def zoned(names: dict[str, str], zone: str, **at: Any) -> pd.DataFrame:
    """Stamps at local midnight of `zone`, as instants of UTC where `utc`."""
    table = long(names, **{key: value for key, value in at.items() if key != "utc"})
    date = at.get("date", "date")
    table[date] = pd.DatetimeIndex(table[date]).tz_localize(zone)
    if at.get("utc"):
        table[date] = table[date].dt.tz_convert("UTC")
    return table


def bloomberg(folder: Path) -> Path:
    names = {"close": "PX_LAST", "open": "PX_OPEN", "high": "PX_HIGH", "low": "PX_LOW", "volume": "PX_VOLUME"}
    first = ["", *(f"{ticker} US Equity" for ticker in TICKERS for _ in names)]
    second = ["Dates", *(title for _ in TICKERS for title in names.values())]
    rows = [",".join(first), ",".join(second)]
    for day in DAYS:
        rows.append(",".join([f"{day:%m/%d/%Y}", *(repr(float(MARKET[n].at[day, t])) for t in TICKERS for n in names)]))
    return lines("bloomberg.csv", *rows)(folder)


def bloomberg_merged(folder: Path) -> Path:
    """As Excel saves merged cells: the ticker over the first of its columns only."""
    names = {"close": "PX_LAST", "volume": "PX_VOLUME"}
    first = ["", *(f"{ticker} US Equity" if not number else "" for ticker in TICKERS for number, _ in enumerate(names))]
    rows = [",".join(first), ",".join(["Dates", *(title for _ in TICKERS for title in names.values())])]
    for day in DAYS:
        rows.append(",".join([f"{day:%Y-%m-%d}", *(repr(float(MARKET[n].at[day, t])) for t in TICKERS for n in names)]))
    return lines("merged.csv", *rows)(folder)


def european(folder: Path) -> Path:
    long(TITLED, date="Datum", asset="Ticker").assign(
        Datum=lambda frame: frame["Datum"].dt.strftime("%d.%m.%Y")
    ).to_csv(folder / "eu.csv", sep=";", decimal=",", index=False)
    return folder / "eu.csv"


def gzipped(folder: Path) -> Path:
    with gzip.open(folder / "prices.csv.gz", "wt") as file:
        long(TITLED).to_csv(file, index=False)
    return folder / "prices.csv.gz"


def zstandard(folder: Path) -> Path:
    import pyarrow as pa

    with pa.output_stream(folder / "prices.csv.zst", compression="zstd") as file:
        file.write(long(TITLED).to_csv(index=False).encode())
    return folder / "prices.csv.zst"


def utf16(folder: Path) -> Path:
    (folder / "unicode.txt").write_text(long(TITLED).to_csv(index=False, sep="\t"), encoding="utf-16")
    return folder / "unicode.txt"


def polars_long(folder: Path) -> Any:
    return pytest.importorskip("polars").from_pandas(long(TITLED))


def polars_lazy(folder: Path) -> Any:
    return pytest.importorskip("polars").from_pandas(long(TITLED)).lazy()


def arrow_long(folder: Path) -> Any:
    import pyarrow as pa

    return pa.Table.from_pandas(long(TITLED))


def investing(folder: Path) -> Path:
    """Thousands in quotes, volumes with M, changes in percent, the newest first."""
    rows = ['"Date","Price","Open","High","Low","Vol.","Change %"']
    for day in DAYS[::-1]:
        bar = {name: MARKET[name].at[day, "AAPL"] for name in ("close", "open", "high", "low")}
        cells = [f"{day:%m/%d/%Y}", *(f"{value + 1000:,.2f}" for value in bar.values())]
        cells += [f"{MARKET['volume'].at[day, 'AAPL'] / 1e6:.6f}M", "0.5%"]
        rows.append(",".join(f'"{cell}"' for cell in cells))
    return lines("AAPL.csv", *rows)(folder)


def nasdaq_com(folder: Path) -> Path:
    rows = ["Date,Close/Last,Volume,Open,High,Low"]
    for day in DAYS[::-1]:
        bar = {name: f"${MARKET[name].at[day, 'AAPL']:.2f}" for name in ("close", "open", "high", "low")}
        volume = f"{MARKET['volume'].at[day, 'AAPL']:.0f}"
        rows.append(f"{day:%m/%d/%Y},{bar['close']},{volume},{bar['open']},{bar['high']},{bar['low']}")
    return lines("AAPL.csv", *rows)(folder)


def stooq_ascii(folder: Path) -> Path:
    rows = ["<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>"]
    for ticker in TICKERS:
        for day in DAYS:
            bar = ",".join(repr(float(MARKET[name].at[day, ticker])) for name in PRICE_FIELDS)
            rows.append(f"{ticker},D,{day:%Y%m%d},000000,{bar},0")
    return lines("stooq.txt", *rows)(folder)


def epoch(table: pd.DataFrame, column: str, unit: str, hours: int = 0) -> pd.DataFrame:
    stamps = (pd.DatetimeIndex(table[column]) + pd.Timedelta(hours=hours)).as_unit(unit).asi8
    return table.assign(**{column: stamps})


def crsp(folder: Path) -> Path:
    """PERMNO and TICKER, a minus before a midpoint, prices before splits with their factor."""
    table = long({"open": "OPENPRC", "high": "ASKHI", "low": "BIDLO", "close": "PRC", "volume": "VOL"}, asset="TICKER")
    table["PERMNO"] = table["TICKER"].map({"AAPL": 14593, "BRK-B": 83443, "MSFT": 10107})
    table.loc[4, "PRC"] *= -1
    for name in ("OPENPRC", "ASKHI", "BIDLO", "PRC"):
        table[name] *= 4
    table["VOL"] /= 4
    table["CFACPR"], table["CFACSHR"], table["RET"] = 4.0, 4.0, 0.001
    table["date"] = table["date"].dt.strftime("%Y%m%d").astype(int)
    table.to_csv(folder / "crsp.csv", index=False)
    return folder / "crsp.csv"


def adjusted(names: dict[str, str], **more: str) -> pd.DataFrame:
    """Bars with their own adjusted open, high, low and close."""
    table = long(names, asset="ticker")
    for field_name, column in more.items():
        table[column] = MARKET[field_name].stack().to_numpy() * (1.0 if field_name in ("volume", "adj") else 0.9)
    return table


LOWER = {name: name for name in PRICE_FIELDS}
SHORT = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
QLIB = {name: f"${name}" for name in PRICE_FIELDS}
US = {ticker: f"{ticker} US Equity" for ticker in TICKERS}
PERMNOS = {"AAPL": "14593", "BRK-B": "83443", "MSFT": "10107"}
NEW_YORK = ReadOptions(tz="America/New_York")
ALL6 = ["Adj Close", "Close", "High", "Low", "Open", "Volume"]
ALL5 = ALL6[1:]

SHAPES: dict[str, Shape] = {
    # --- yfinance
    "yfinance, parquet": (indexed("p.parquet", levels(ALL5)), Right(named="yfinance, 5 fields × 3 tickers")),
    "yfinance, adjusted, parquet": (indexed("p.parquet", levels(ALL6)), Right(adjusted=True, named="yfinance")),
    "yfinance, group_by ticker, parquet": (indexed("p.parquet", levels(ALL5, by_ticker=True)), Right(named="yfinance")),
    "yfinance, csv": (indexed("p.csv", levels(ALL5)), Right(named="yfinance, 5 fields × 3 tickers")),
    "yfinance, group_by ticker, csv": (indexed("p.csv", levels(ALL5, by_ticker=True)), Right(named="yfinance")),
    "yfinance, old csv": (old_yfinance_csv, Right(adjusted=True, named="yfinance")),
    "yfinance, one ticker, csv": (indexed("p.csv", levels(ALL5, tickers=["AAPL"])), Right(assets=ONE)),
    "yfinance, one ticker, parquet": (indexed("p.parquet", levels(ALL5, tickers=["AAPL"])), Right(assets=ONE)),
    "yfinance, frame": (lambda folder: levels(ALL5), Right(named="yfinance, 5 fields × 3 tickers")),
    "yfinance, excel": (indexed("p.xlsx", levels(ALL5)), Right(named="yfinance")),
    "yfinance, closes only, csv": (indexed("p.csv", levels(["Close"])["Close"]), CLOSES),
    "yfinance, closes only with both levels": (indexed("p.parquet", levels(["Close"])), CLOSES),
    "yfinance, stacked": (to("p.csv", long(TITLED, asset="Ticker", date="Date")), Right()),
    "yfinance, zoned index": (
        indexed("p.parquet", levels(ALL5).tz_localize("America/New_York")), Right(named="yfinance")),
    "yfinance, Ticker.history": (
        lambda folder: to("AAPL.csv", single(TITLED).assign(
            Date=lambda frame: pd.DatetimeIndex(frame["Date"]).tz_localize("America/New_York"), Dividends=0.0,
            **{"Stock Splits": 0.0}))(folder),
        Right(assets=ONE, named="yfinance")),
    "flattened Close_AAPL": (indexed("p.parquet", flat("{field}_{ticker}", TITLED)), Right(named="fields × 3 tickers")),
    "flattened AAPL_Close": (indexed("p.csv", flat("{ticker}_{field}", TITLED)), Right()),
    "flattened close.AAPL": (indexed("p.csv", flat("{field}.{ticker}", LOWER)), Right()),
    "flattened AAPL.Close (quantmod)": (indexed("p.csv", flat("{ticker}.{field}", TITLED)), Right()),
    "flattened 'Adj Close AAPL'": (
        indexed("p.csv", flat("{field} {ticker}", TITLED | {"adj": "Adj Close"})), Right(adjusted=True)),
    "flattened adj_close_AAPL": (
        indexed("p.csv", flat("{field}_{ticker}", LOWER | {"adj": "adj_close"})), Right(adjusted=True)),
    "flattened, one more column": (
        indexed("p.parquet", flat("{field}_{ticker}", TITLED).assign(VIX=15.0)),
        Refused(("'Open_AAPL' is a field of an asset and 'VIX' is not", "--layout wide"))),
    "flattened, volumes only": (
        indexed("p.csv", flat("{field}_{ticker}", {"volume": "Volume"})), Refused(("Volume",))),
    "yahoo, web": (
        to("AAPL.csv", single(TITLED | {"adj": "Adj Close"})), Right(assets=ONE, adjusted=True, named="Yahoo")),
    # --- Stooq, MetaTrader
    "stooq, ascii": (stooq_ascii, Right(named="Stooq")),
    "stooq, one ticker": (to("AAPL.csv", single(TITLED)), Right(assets=ONE)),
    "stooq, polish": (
        to("AAPL.csv", single({"open": "Otwarcie", "high": "Najwyzszy", "low": "Najnizszy", "close": "Zamkniecie",
                               "volume": "Wolumen"}, date="Data")),
        Right(assets=ONE, named="Stooq")),
    "stooq, pandas-datareader": (
        lambda folder: levels(ALL5).rename_axis(columns=["Attributes", "Symbols"]).iloc[::-1], Right()),
    "metatrader": (
        to("AAPL.csv", single({"open": "<OPEN>", "high": "<HIGH>", "low": "<LOW>", "close": "<CLOSE>",
                               "volume": "<VOL>"}, date="<DATE>").assign(**{
            "<DATE>": lambda frame: frame["<DATE>"].dt.strftime("%Y.%m.%d"), "<TICKVOL>": 9, "<SPREAD>": 1}), sep="\t"),
        Right(assets=ONE, named="MetaTrader")),
    # --- Bloomberg, Refinitiv
    "bloomberg, two headers": (bloomberg, Right(assets=US, named="Bloomberg, 5 fields × 3 tickers")),
    "bloomberg, merged header": (bloomberg_merged, Right(("close", "volume"), US, named="Bloomberg")),
    "bloomberg, wide": (
        to("p.csv", MARKET["close"].rename(columns=US).rename_axis("Dates").reset_index()), Right(("close",), US)),
    "bloomberg, one ticker": (
        to("AAPL.csv", single({"open": "PX_OPEN", "high": "PX_HIGH", "low": "PX_LOW", "close": "PX_LAST",
                               "volume": "PX_VOLUME"}, date="Dates")),
        Right(assets=ONE, named="Bloomberg")),
    "xbbg frame": (
        lambda folder: pd.DataFrame(
            {(US[t], name): MARKET[f][t] for t in TICKERS for f, name in
             {"close": "px_last", "volume": "px_volume"}.items()}, index=DAYS.rename(None)),
        Right(("close", "volume"), US, named="Bloomberg")),
    "refinitiv, long": (
        to("p.csv", long({"open": "Price Open", "high": "Price High", "low": "Price Low", "close": "Price Close",
                          "volume": "Volume"}, asset="Instrument", date="Date")),
        Right(named="Refinitiv")),
    "lseg, one instrument": (
        to("AAPL.csv", single({"open": "OPEN_PRC", "high": "HIGH_1", "low": "LOW_1", "close": "TRDPRC_1",
                               "volume": "ACVOL_UNS"})),
        Right(assets=ONE, named="Refinitiv")),
    "eikon, get_timeseries": (
        lambda folder: levels(ALL5, by_ticker=True).rename(columns=str.upper).rename_axis(columns=["RIC", "Field"]),
        Right()),
    # --- research databases
    "crsp": (crsp, Right(assets=PERMNOS, named="CRSP")),
    "crsp, ciz": (
        to("p.csv", long({"open": "DlyOpen", "high": "DlyHigh", "low": "DlyLow", "close": "DlyClose",
                          "volume": "DlyVol"}, asset="PERMNO", date="DlyCalDt").assign(Ticker="X", DlyRet=0.01)),
        Right(named="CRSP")),
    "compustat": (
        to("p.csv", long({"open": "prcod", "high": "prchd", "low": "prcld", "close": "prccd", "volume": "cshtrd"},
                         asset="tic", date="datadate").assign(gvkey="001690", ajexdi=1.0)),
        Right(named="Compustat")),
    "qlib, frame": (
        lambda folder: long(QLIB).set_index(["ticker", "date"]).rename_axis(["instrument", "datetime"]),
        Right(named="Qlib")),
    "qlib, csv to dump": (to("p.csv", long(LOWER, asset="symbol").assign(factor=1.0)), Right()),
    # --- web services
    "alpaca, utc instants": (
        to("p.parquet", zoned(LOWER, "America/New_York", asset="symbol", date="timestamp", utc=True).assign(
            trade_count=10.0, vwap=100.0)),
        Refused(("carries the time zone UTC and times of day", "--tz America/New_York"), NEW_YORK,
                Right(named="Alpaca"))),
    "alpaca, csv": (
        to("p.csv", zoned(LOWER, "America/New_York", asset="symbol", date="timestamp", utc=True).assign(
            trade_count=10.0, vwap=100.0)),
        Refused(("--tz America/New_York",), NEW_YORK, Right(named="Alpaca"))),
    "alpaca, frame with two index levels": (
        lambda folder: zoned(LOWER, "America/New_York", asset="symbol", date="timestamp").assign(
            trade_count=10.0, vwap=100.0).set_index(["symbol", "timestamp"]),
        Right(named="Alpaca")),
    "alpaca, raw": (
        to("p.csv", long(SHORT, asset="S", date="t").assign(n=3, vw=100.0)), Right(named="Alpaca (raw)")),
    "polygon, flat file": (
        lambda folder: to("p.csv", epoch(long(LOWER, date="window_start"), "window_start", "ns", 5).assign(
            transactions=5))(folder),
        Refused(("--tz",), NEW_YORK, Right(named="Polygon"))),
    "polygon, aggregates": (
        lambda folder: to("p.csv", epoch(long(SHORT, asset="T", date="t"), "t", "ms", 5).assign(vw=100.0, n=3))(folder),
        Refused(("--tz",), NEW_YORK, Right(named="Polygon (aggregates)"))),
    "tiingo": (
        to("p.csv", adjusted(LOWER, adj="adjClose", open="adjOpen", high="adjHigh", low="adjLow",
                             volume="adjVolume").assign(
            date=lambda frame: frame["date"].dt.strftime("%Y-%m-%dT00:00:00.000Z"), divCash=0.0, splitFactor=1.0)),
        Right(adjusted=True, named="Tiingo")),
    "alpha vantage, csv": (to("AAPL.csv", single(LOWER, date="timestamp").iloc[::-1]), Right(assets=ONE)),
    "alpha vantage, adjusted": (
        to("AAPL.csv", single(LOWER | {"adj": "adjusted_close"}, date="timestamp").assign(
            dividend_amount=0.0, split_coefficient=1.0)),
        Right(assets=ONE, adjusted=True, named="Alpha Vantage")),
    "alpha vantage, pandas": (
        to("AAPL.csv", single({"open": "1. open", "high": "2. high", "low": "3. low", "close": "4. close",
                               "volume": "5. volume"}, date="date")),
        Right(assets=ONE, named="Alpha Vantage")),
    "alpha vantage, pandas adjusted": (
        to("AAPL.csv", single({"open": "1. open", "high": "2. high", "low": "3. low", "close": "4. close",
                               "adj": "5. adjusted close", "volume": "6. volume"}, date="date").assign(
            **{"7. dividend amount": 0.0, "8. split coefficient": 1.0})),
        Right(assets=ONE, adjusted=True, named="Alpha Vantage")),
    "eodhd": (to("AAPL.csv", single(TITLED | {"adj": "Adjusted_close"})), Right(assets=ONE, adjusted=True)),
    "eodhd, bulk": (
        to("p.csv", long(LOWER | {"adj": "adjusted_close"}, asset="code").assign(exchange_short_name="US")),
        Right(adjusted=True, named="EODHD")),
    "nasdaq data link, wiki": (
        to("p.csv", adjusted(LOWER, open="adj_open", high="adj_high", low="adj_low", adj="adj_close",
                             volume="adj_volume").assign(**{"ex-dividend": 0.0, "split_ratio": 1.0})),
        Right(adjusted=True, named="Nasdaq Data Link (WIKI)")),
    "nasdaq data link, sharadar": (
        to("p.csv", long(LOWER | {"adj": "closeadj"}).assign(closeunadj=1.0, lastupdated="2024-05-01")),
        Right(adjusted=True, named="Sharadar")),
    "nasdaq.com": (nasdaq_com, Right(assets=ONE, named="Nasdaq.com")),
    "investing.com": (investing, Right(assets=ONE, named="Investing.com")),
    "marketstack": (
        to("p.csv", long(LOWER | {"adj": "adj_close"}, asset="symbol").assign(
            date=lambda frame: frame["date"].dt.strftime("%Y-%m-%dT00:00:00+0000"), split_factor=1.0, dividend=0.0,
            exchange="XNAS")),
        Right(adjusted=True, named="Marketstack")),
    "financial modeling prep": (
        to("p.csv", long(LOWER | {"adj": "adjClose"}, asset="symbol").assign(
            unadjustedVolume=1.0, change=0.1, changePercent=0.1, vwap=100.0, label="x", changeOverTime=0.1)),
        Right(adjusted=True, named="Financial Modeling Prep")),
    "twelve data": (to("AAPL.csv", single(LOWER, date="datetime"), sep=";"), Right(assets=ONE)),
    "interactive brokers": (
        to("AAPL.csv", single(LOWER, date="date").assign(average=100.0, barCount=10)),
        Right(assets=ONE, named="Interactive Brokers")),
    "binance": (
        lambda folder: to("AAPL.csv", epoch(single(LOWER, date="open_time"), "open_time", "ms").assign(
            close_time=0, quote_asset_volume=1.0, number_of_trades=3, ignore=0))(folder),
        Right(assets=ONE, named="Binance")),
    "finnhub": (
        lambda folder: to("AAPL.csv", epoch(single(SHORT, date="t"), "t", "s"))(folder),
        Right(assets=ONE, named="Finnhub")),
    "databento": (
        lambda folder: to("p.csv", epoch(long(LOWER, asset="symbol", date="ts_event"), "ts_event", "ns").assign(
            rtype=35, publisher_id=1, instrument_id=7))(folder),
        Right(named="Databento")),
    "databento, fixed point": (
        lambda folder: to("p.csv", epoch(long(LOWER, asset="symbol", date="ts_event"), "ts_event", "ns").assign(
            rtype=35, publisher_id=1, **{n: lambda f, n=n: (f[n] * 1e9).round().astype("int64") for n in
                                         ("open", "high", "low", "close")}))(folder),
        Refused(("no prices (beyond what prices are)", "units of 1e-9"))),
    # --- national vendors
    "nse bhavcopy": (
        to("p.csv", long({"open": "OPEN", "high": "HIGH", "low": "LOW", "close": "CLOSE", "volume": "TOTTRDQTY"},
                         asset="SYMBOL", date="TIMESTAMP").assign(
            TIMESTAMP=lambda frame: frame["TIMESTAMP"].dt.strftime("%d-%b-%Y"), SERIES="EQ", LAST=1.0, PREVCLOSE=1.0)),
        Right(named="NSE bhavcopy")),
    "tushare": (
        to("p.csv", long(LOWER | {"volume": "vol"}, asset="ts_code", date="trade_date").assign(
            trade_date=lambda frame: frame["trade_date"].dt.strftime("%Y%m%d"), pre_close=1.0, change=0.0, pct_chg=0.0,
            amount=1.0)),
        Right(named="Tushare")),
    "akshare": (
        to("AAPL.csv", single({"open": "开盘", "close": "收盘", "high": "最高", "low": "最低", "volume": "成交量"},
                              date="日期").assign(成交额=1.0, 振幅=1.0)),
        Right(assets=ONE, named="AKShare")),
    # --- people
    "kaggle s&p 500": (to("p.csv", long(LOWER, asset="Name")), Right(named="Kaggle S&P 500")),
    "kaggle, symbol and adjusted close": (
        to("p.csv", long(TITLED | {"adj": "Adj Close"}, asset="Symbol", date="Date")), Right(adjusted=True)),
    "european decimals, dd.mm.yyyy": (european, Right()),
    "dd/mm/yyyy": (
        to("p.csv", long(LOWER).assign(date=lambda frame: frame["date"].dt.strftime("%d/%m/%Y"))), Right()),
    "m/d/yyyy": (
        to("p.csv", long(LOWER).assign(date=lambda f: f["date"].map(lambda day: f"{day.month}/{day.day}/{day.year}"))),
        Right()),
    "dd/mm/yy": (
        to("p.csv", long(LOWER).assign(date=lambda frame: frame["date"].dt.strftime("%d/%m/%y"))),
        Refused(("--date-format", "%d/%m/%y"), ReadOptions(date_format="%d/%m/%y"))),
    "days before the thirteenth": (
        to("p.csv", long(LOWER).query("date.dt.day < 13").assign(date=lambda f: f["date"].dt.strftime("%d/%m/%Y"))),
        Refused(("may be day or month first", "--date-format"))),
    "excel day numbers": (
        to("p.csv", long(LOWER).assign(date=lambda f: (f["date"] - pd.Timestamp("1899-12-30")).dt.days)),
        Refused(("--date-format excel",), ReadOptions(date_format="excel"))),
    "Jan 22, 2024": (
        to("p.csv", long(LOWER).assign(date=lambda frame: frame["date"].dt.strftime("%b %d, %Y"))), Right()),
    "excel": (to("p.xlsx", long(TITLED)), Right()),
    "feather": (to("p.feather", long(TITLED)), Right()),
    "csv.gz": (gzipped, Right()),
    "csv.zst": (zstandard, Right()),
    "utf-16, tabs": (utf16, Right()),
    "tsv": (to("p.tsv", long(TITLED), sep="\t"), Right()),
    "polars": (polars_long, Right()),
    "polars, lazy": (polars_lazy, Right()),
    "arrow": (arrow_long, Right()),
    "pandas, wide": (lambda folder: MARKET["close"], CLOSES),
    "pandas, long with two index levels": (lambda folder: long(LOWER).set_index(["date", "ticker"]), Right()),
    "own names": (
        to("p.csv", long({"close": "PX", "volume": "SHS"}, asset="WHO", date="WHEN")),
        Refused(("no date column among WHEN, WHO, PX, SHS", "--column date=NAME"),
                ReadOptions(columns={"date": "WHEN", "asset": "WHO", "close": "PX", "volume": "SHS"}),
                Right(("close", "volume")))),
    # --- what must not be read
    "bars with an indicator": (
        to("AAPL.csv", single(TITLED).assign(RSI=50.0)),
        Refused(("are fields of a bar and 'RSI' is not", "--layout single", "--layout wide"),
                ReadOptions(layout="single"), Right(assets=ONE))),
    "unknown asset column": (
        to("p.csv", long(TITLED, asset="Emittent")),
        Refused(("'Emittent' is not", "--column asset=Emittent"), ReadOptions(columns={"asset": "Emittent"}))),
    "volumes among closes": (
        indexed("p.csv", MARKET["close"].assign(Volume=MARKET["volume"]["AAPL"])), Refused(("Volume", "--layout"))),
    "volumes under a ticker's name": (
        indexed("p.csv", MARKET["close"].assign(TSLA=MARKET["volume"]["AAPL"])),
        Refused(("no prices", "'TSLA'"))),
    "market values among closes": (
        indexed("p.csv", MARKET["close"].assign(TSLA=7.1e11 + MARKET["close"]["AAPL"] * 1e9)),
        Refused(("no prices (beyond what prices are)", "'TSLA'"))),
    "open and volume exchanged": (
        to("p.csv", long({"open": "volume", "volume": "open", "close": "close"})),
        Refused(("open and close are not of one bar", "--column open=NAME"))),
    "returns, not prices": (
        indexed("p.csv", MARKET["close"].pct_change().iloc[1:]), Refused(("price not positive",))),
    "dates across": (
        lambda folder: indexed("p.csv", MARKET["close"].T.rename_axis("ticker").rename(
            columns=lambda day: f"{day:%Y-%m-%d}"))(folder),
        Refused(("no date column", "transpose it"))),
    "two columns that may be the close": (
        to("p.csv", long({"close": "Price", "adj": "Last"})),
        Refused(("both 'Price' and 'Last' may be the close", "--column close=NAME"))),
    "thousands or decimals": (
        lines("p.csv", "date,ticker,close", '2024-01-22,A,"1,234"', '2024-01-23,A,"1,240"'),
        Refused(("'1,234' may be 1234 or 1.234", "--decimal"))),
    "a pickle": (
        lambda folder: (MARKET["close"].to_pickle(folder / "p.pkl"), folder / "p.pkl")[1],
        Refused(("pickle", "Parquet"))),
    "a header of two rows with a strange field": (
        lambda folder: levels(ALL5).rename(columns={"High": "Skew"}, level=0), Refused(("'Skew' is no field",))),
}  # fmt: skip


def assert_right(data: Any, right: Right, options: ReadOptions | None) -> None:
    found = load_prices(data, options=options or right.options)
    assert found.fields == tuple(name for name in PRICE_FIELDS if name in right.fields)
    assert sorted(found.assets) == sorted(right.assets.values())
    assert found.sessions.tolist() == DAYS.tolist()
    scale = 0.9 if right.adjusted else 1.0
    for name in found.fields:
        for ticker, asset in right.assets.items():
            expected = MARKET[name][ticker] * (scale if name != "volume" else 1.0)
            np.testing.assert_allclose(getattr(found, name)[asset], expected, rtol=1e-12, err_msg=f"{name} of {asset}")
    assert right.named in found.source
    assert found.adjusted == "splits and dividends" or not right.adjusted


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_read_right_or_refused_with_the_remedy(name: str, tmp_path: Path) -> None:
    make, expected = SHAPES[name]
    data = make(tmp_path)
    if isinstance(expected, Right):
        if name == "investing.com":  # its thousands are the point: closes beyond a thousand
            found = load_prices(data)
            np.testing.assert_allclose(found.close["AAPL"], MARKET["close"]["AAPL"] + 1000, rtol=1e-12)
            np.testing.assert_allclose(found.volume["AAPL"], MARKET["volume"]["AAPL"], rtol=1e-12)
            assert expected.named in found.source
            return
        assert_right(data, expected, None)
        return
    with pytest.raises(BacktestError) as caught:
        load_prices(data)
    message = str(caught.value)
    assert "\n" not in message
    for word in expected.words:
        assert word in message, message
    if expected.options is not None:
        assert_right(data, expected.right, expected.options)


def test_there_are_enough_shapes() -> None:
    assert len(SHAPES) >= 60
