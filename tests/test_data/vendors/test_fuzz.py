"""Names and layouts drawn at random: a file is read as it was meant, or refused; never read as something else.

A market is written in a random layout with random names of fields, assets and bystanders, of which some are traps:
tickers called like fields, fields that nobody knows, columns left out or put in. Whatever is read must be values of the
market under the right asset and day: a close that is no close of the market is a silent misreading.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import BacktestError
from assay.data.files.prices import load_prices
from assay.data.panel import PRICE_FIELDS

DAYS = pd.bdate_range("2024-01-22", periods=40)
NAMES = {
    "open": ["open", "Open", "OPEN", "PX_OPEN", "<OPEN>", "$open", "o", "Opening", "Eröffnung"],
    "high": ["high", "High", "HIGH", "PX_HIGH", "<HIGH>", "$high", "h", "Maximum"],
    "low": ["low", "Low", "LOW", "PX_LOW", "<LOW>", "$low", "l", "Minimum"],
    "close": ["close", "Close", "CLOSE", "PX_LAST", "<CLOSE>", "$close", "c", "Last", "Price", "Adj Close", "Schluss"],
    "volume": ["volume", "Volume", "VOL", "PX_VOLUME", "<VOL>", "$volume", "v", "Umsatz", "Shares"],
}
DATES = ["date", "Date", "timestamp", "Dates", "<DATE>", "datetime", "", "t", "Tag", "index", "day"]
ASSETS = ["ticker", "Symbol", "Name", "asset", "code", "Wertpapier", "PERMNO"]
#: Tickers of which some are called like fields, letters, numbers or dates.
TICKERS = [
    "AAPL", "MSFT", "BRK.B", "BRK-B", "LOW", "OPEN", "HIGH", "C", "T", "V", "L", "H", "O", "NA", "TRUE", "600519",
    "0700.HK", "VOL", "LAST", "A_B", "S&P 500", "EUR/USD", "DATE", "NAME", "PRC", "VALUE",
]  # fmt: skip
STRANGERS = ["RSI", "sector", "vwap", "Dividends", "trades", "Kommentar", "ret", "market cap", "VIX"]
SEPARATORS = ["_", ".", " ", "|", "-", "/"]


def one_case(seed: int, folder: Path) -> tuple[Path | pd.DataFrame, dict[str, pd.DataFrame]]:
    """A file (or frame) and what may come out of it: asset to frame of fields."""
    rng = np.random.default_rng(seed)

    def pick(items: list[str]) -> str:
        return items[int(rng.integers(len(items)))]

    count = int(rng.integers(1, 5))
    tickers = [str(name) for name in rng.permutation(TICKERS)[:count]]
    close = rng.uniform(5, 500, count) * np.exp(np.cumsum(rng.normal(0, 0.02, (40, count)), axis=0))
    open_ = close * (1 + rng.normal(0, 0.005, close.shape))
    bars = {
        "open": open_, "high": np.maximum(open_, close) * 1.01, "low": np.minimum(open_, close) * 0.99,
        "close": close, "volume": np.round(rng.lognormal(15, 0.4, close.shape)),
    }  # fmt: skip
    given = ["close"] + [name for name in PRICE_FIELDS if name != "close" and rng.random() < 0.6]
    market = {
        ticker: pd.DataFrame({name: bars[name][:, number] for name in PRICE_FIELDS}, index=DAYS)
        for number, ticker in enumerate(tickers)
    }
    names = {name: pick(NAMES[name]) for name in given}
    layout = pick(["long", "wide", "wide", "flat", "levels", "single"])
    date, day = pick(DATES), pd.Index(DAYS.strftime(pick(["%Y-%m-%d", "%Y%m%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y"])))
    if layout == "long":
        asset = pick(ASSETS)
        parts = [{date: day, asset: t} | {names[n]: market[t][n].to_numpy() for n in given} for t in tickers]
        table = pd.concat([pd.DataFrame(part) for part in parts])
    elif layout == "single":
        table = pd.DataFrame({date: day} | {names[name]: market[tickers[0]][name].to_numpy() for name in given})
    elif layout == "wide":
        table = pd.DataFrame({date: day} | {ticker: market[ticker]["close"].to_numpy() for ticker in tickers})
        if rng.random() < 0.3:  # a volume among the closes
            name = pick([*NAMES["volume"], "TSLA"])
            if name not in table:
                table[name] = market[tickers[0]]["volume"].to_numpy()
    elif layout == "flat":
        sign, first = pick(SEPARATORS), bool(rng.random() < 0.5)
        cells = {
            (f"{names[n]}{sign}{t}" if first else f"{t}{sign}{names[n]}"): market[t][n].to_numpy()
            for t in tickers for n in given
        }  # fmt: skip
        table = pd.DataFrame({date: day} | cells)
    else:
        pairs = [(names[n], t) for n in given for t in tickers]
        table = pd.DataFrame(
            np.column_stack([market[t][n].to_numpy() for n in given for t in tickers]),
            index=pd.DatetimeIndex(DAYS, name=date or None),
            columns=pd.MultiIndex.from_tuples(pairs if rng.random() < 0.5 else [pair[::-1] for pair in pairs]),
        )
    if layout != "levels" and rng.random() < 0.3:
        stranger = pick(STRANGERS)
        if stranger not in table:
            table[stranger] = rng.uniform(1, 90, len(table)).round(3)
    if layout != "levels" and rng.random() < 0.2:
        table = table[[str(name) for name in rng.permutation(table.columns)]]
    target = pick(["csv", "csv", "parquet", "frame", "semicolon"])
    if target == "frame" or not table.columns.is_unique:
        return table, market
    path = folder / f"{tickers[0].replace('/', '_')}{seed}.{'parquet' if target == 'parquet' else 'csv'}"
    if target == "parquet":
        table.to_parquet(path, index=True if layout == "levels" else None)
    elif target == "semicolon":
        table.to_csv(path, sep=";", decimal=",", index=layout == "levels")
    else:
        table.to_csv(path, index=layout == "levels")
    return path, market


def misread(seed: int, folder: Path) -> str | None:
    """What was read and is not there; ``""`` if the file was refused, None if all that was read is right."""
    data, market = one_case(seed, folder)
    try:
        found = load_prices(data)
    except BacktestError as error:
        return f"seed {seed}: {error}" if "\n" in str(error) else ""
    if list(found.sessions) != list(DAYS):
        return f"seed {seed}: sessions {found.sessions[0]} … {found.sessions[-1]}, {len(found.sessions)}"
    alone = found.shape[1] == 1
    for asset in found.assets:
        # An asset may be called as its column is (L|c), if the values are its own.
        own = [market[ticker] for ticker in market if asset == ticker] or [market[t] for t in market if t in asset]
        truths = own or (list(market.values()) if alone else [])
        if not truths:
            return f"seed {seed}: an asset {asset!r} that is none of {list(market)}"
        same = [all(np.allclose(getattr(found, name)[asset], truth[name]) for name in found.fields) for truth in truths]
        if not any(same):
            return f"seed {seed}: a field of {asset!r} is something else"
    return None


def trial(count: int, start: int, folder: Path) -> tuple[int, int, list[str]]:
    outcomes = [misread(seed, folder) for seed in range(start, start + count)]
    wrong = [outcome for outcome in outcomes if outcome]
    return outcomes.count(None), outcomes.count(""), wrong


def test_nothing_is_misread(tmp_path: Path) -> None:
    right, refused, wrong = trial(250, 0, tmp_path)
    assert wrong == []
    assert right > 50
    assert refused > 50


def test_a_ticker_called_like_a_field_whose_fields_nobody_knows(tmp_path: Path) -> None:
    assert misread(9675, tmp_path) == ""  # PRC.Schluss and PRC.Minimum, closes (PRC) of two assets or bars of one


@pytest.mark.slow
def test_nothing_is_misread_in_many(tmp_path: Path) -> None:
    right, refused, wrong = trial(12_000, 1000, tmp_path)
    assert wrong == []
    assert right > 1000
    assert refused > 1000
