"""What columns are called: the names that people and vendors use, as tables; `data formats` prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from assay.data.files.sources import plain

__all__ = ["KINDS", "PREDICTIONS", "PRICES", "RAW_BARS", "VENDORS", "Names", "Vendor", "vendor_called"]

#: What is read, in words.
KINDS = (
    "CSV, TSV and text with ; or | (plain, .gz, .zst, .bz2, .lz4; UTF-8 or UTF-16)",
    "Parquet", "Feather and Arrow IPC", "Excel .xlsx with one filled sheet (the excel extra)",
    "in Python: frames of pandas, Polars, Arrow and anything with __arrow_c_stream__",
)  # fmt: skip
_DATE = (
    "date", "session", "timestamp", "datetime", "time", "day", "asof", "asofdate", "dates", "tradedate", "tradingdate",
    "tradingday", "datadate", "pricedate", "caldt", "dlycaldt", "windowstart", "tsevent", "formatteddate", "dateutc",
    "observationdate", "quotedate", "businessdate", "opentime", "data", "datum", "fecha", "日期", "交易日期",
)  # fmt: skip
_ASSET = (
    "asset", "ticker", "symbol", "code", "name", "instrument", "secid", "permno", "isin", "assetid", "stock", "tic",
    "tscode", "ric", "figi", "cusip", "sedol", "gvkey", "security", "securityid", "sym", "stockcode", "tradingsymbol",
    "tckrsymb", "company", "tickers", "symbols", "pair", "coin", "股票代码",
)  # fmt: skip
#: Columns that stand beside the fields and are none of them.
_BYSTANDERS = frozenset(
    ("dividends", "dividend", "divcash", "dividendamount",
     "7dividendamount", "8splitcoefficient", "stocksplits", "splits", "split", "splitratio", "factor",
     "splitfactor", "splitcoefficient", "exdividend", "capitalgains", "repaired", "vwap", "vw", "trades", "tradecount",
     "transactions", "amount", "tickvol", "turnover", "value", "change", "changepercent", "changepct", "pctchg",
     "pctchange", "changeovertime", "ret", "retx", "return", "returns", "openint", "openinterest", "per", "time",
     "adjfactor", "prevclose", "preclose", "previousclose", "average", "barcount", "otc", "currency", "exchange",
     "exchcode", "exchangeshortname", "ex", "mic", "series", "sector", "industry", "unadjustedvolume", "closeunadj",
     "lastupdated", "shrout", "spread", "label", "cfacpr", "cfacshr", "ajexdi", "trfd", "gmtoffset", "closetime",
     "quoteassetvolume", "numberoftrades", "takerbuybaseassetvolume", "takerbuyquoteassetvolume", "ignore", "unnamed0",
     "成交额", "振幅", "涨跌幅", "涨跌额", "换手率", "dlyret", "dlyretx", "dlyprcflg", "dlyprevprc", "rtype",
     "publisherid", "instrumentid", "currencycode", "name", "longname", "shortname",
     "marketcap", "pe", "index", "avgprice")
)  # fmt: skip


@dataclass(frozen=True)
class Names:
    """The fields of one kind of file.

    Parameters
    ----------
    kind : ``"prices"`` or ``"predictions"``.
    fields : field to the plain names it goes by, the best first.
    values : the fields of which there must be one, the best first; the first is what a wide file holds.
    bystanders : plain names of columns that are none of them.

    """

    kind: Literal["prices", "predictions"]
    fields: Mapping[str, Sequence[str]]
    values: tuple[str, ...]
    bystanders: frozenset[str] = field(default_factory=frozenset)

    def field_of(self, name: str) -> str | None:
        """The field that a column of this name is; None if it is none."""
        found = plain(name)
        return next((field for field, names in self.fields.items() if found in names and field not in _KEYS), None)


_KEYS = ("date", "asset")

PRICES = Names(
    "prices",
    {
        "date": _DATE,
        "asset": _ASSET,
        "open": (
            "open", "openprice", "priceopen", "pxopen", "openprc", "opnprc", "openpx", "1open", "prcod", "dlyopen",
            "openingprice", "otwarcie", "preabe", "apertura", "开盘", "开盘价",
        ),
        "high": (
            "high", "highprice", "pricehigh", "pxhigh", "askhi", "highpx", "2high", "high1", "prchd", "dlyhigh",
            "najwyzszy", "premax", "maximo", "最高", "最高价",
        ),
        "low": (
            "low", "lowprice", "pricelow", "pxlow", "bidlo", "lowpx", "3low", "low1", "prcld", "dlylow", "najnizszy",
            "premin", "minimo", "最低", "最低价",
        ),
        "close": (
            "close", "closeprice", "priceclose", "price", "pxlast", "last", "prc", "dlyclose", "dlyprc", "prccd",
            "4close", "closelast", "closepx", "trdprc1", "closingprice", "lastprice", "settle", "pxsettle",
            "zamkniecie", "preult", "cierre", "收盘", "收盘价",
        ),
        "adjusted_close": (
            "adjclose", "adjustedclose", "closeadj", "closeadjusted", "adjcloseprice", "5adjustedclose",
            "adjustedcloseprice", "adjprice",
        ),
        "adjusted_open": ("adjopen", "adjustedopen"),
        "adjusted_high": ("adjhigh", "adjustedhigh"),
        "adjusted_low": ("adjlow", "adjustedlow"),
        "volume": (
            "volume", "vol", "sharestraded", "pxvolume", "5volume", "6volume", "acvoluns", "cshtrd", "dlyvol",
            "tottrdqty", "totalvolume", "wolumen", "voltot", "成交量",
        ),
        "adjusted_volume": ("adjvolume", "adjustedvolume"),
        "raw_close": ("rawclose",),
    },
    ("close", "adjusted_close"),
    _BYSTANDERS,
)  # fmt: skip

PREDICTIONS = Names(
    "predictions",
    {
        "date": _DATE,
        "asset": _ASSET,
        "score": (
            "score", "prediction", "predictions", "pred", "yhat", "ypred", "forecast", "signal", "alpha",
            "expectedreturn", "predictedreturn", "predreturn", "predret", "predictedret", "predictedvalue",
            "forecastreturn", "returnforecast", "returnprediction",
        ),
        "probability_up": ("probabilityup", "probup", "pup", "upprobability", "probability", "proba", "prob"),
        "buy": ("buy", "pbuy", "probbuy", "probabilitybuy"),
        "sell": ("sell", "psell", "probsell", "probabilitysell"),
        "hold": ("hold", "phold", "probhold", "probabilityhold"),
        "dispersion": ("dispersion", "scorestd"),
    },
    ("score", "probability_up", "buy", "sell", "hold"),
)  # fmt: skip


@dataclass(frozen=True)
class Vendor:
    """A source whose files are known by their columns.

    Parameters
    ----------
    name : as the output says it.
    marks : sets of plain column names; a file that has all of one set is this vendor's.
    columns : field to raw column name (matched in its own case) where the general names would miss or mistake it.
    absolute : whether a minus before a price only marks a midpoint of bid and ask.
    price_divisor, volume_factor : columns of cumulative factors that prices are divided by and volume multiplied with.
    adjusted : what its prices are adjusted for, where that is known.

    """

    name: str
    marks: tuple[frozenset[str], ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    absolute: bool = False
    price_divisor: str | None = None
    volume_factor: str | None = None
    adjusted: str | None = None


def _vendor(name: str, *marks: str, **about: object) -> Vendor:
    return Vendor(name, tuple(frozenset(mark.split()) for mark in marks), **about)  # type: ignore[arg-type]


def vendor_called(name: str) -> Vendor:
    """The vendor of this name; one that nothing else is known of, if it is in no table."""
    return next((vendor for vendor in VENDORS if vendor.name == name), Vendor(name, ()))


RAW_BARS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v", "date": "t"}
#: The first whose marks are there is the vendor.
VENDORS: tuple[Vendor, ...] = (
    _vendor("yfinance", "close dividends stocksplits", "adjclose dividends stocksplits"),
    _vendor("Tiingo", "adjclose divcash splitfactor"),
    _vendor("Nasdaq Data Link (WIKI)", "close exdividend splitratio"),
    _vendor("Nasdaq Data Link (Sharadar)", "closeadj closeunadj"),
    _vendor("Marketstack", "adjclose splitfactor dividend exchange"),
    _vendor("Alpha Vantage", "1open 4close", "close dividendamount splitcoefficient"),
    _vendor("Financial Modeling Prep", "close changepercent vwap", "adjclose unadjustedvolume"),
    _vendor("CRSP", "permno prc", columns={"asset": "permno"}, absolute=True, price_divisor="cfacpr",
            volume_factor="cfacshr"),
    _vendor("CRSP (CIZ)", "permno dlyprc", "permno dlyclose", columns={"asset": "permno"}, absolute=True),
    _vendor("Compustat", "gvkey prccd", price_divisor="ajexdi", volume_factor="ajexdi"),
    _vendor("Alpaca", "tradecount vwap close"),
    _vendor("Alpaca (raw)", "s t o h l c v n vw", columns=RAW_BARS | {"asset": "S"}),
    _vendor("Polygon", "close windowstart transactions", "close timestamp transactions"),
    _vendor("Polygon (aggregates)", "t o h l c v vw", columns=RAW_BARS | {"asset": "T"}),
    _vendor("Finnhub (candles)", "t o h l c v", columns=RAW_BARS),
    _vendor("Stooq", "ticker per openint", "data otwarcie zamkniecie"),
    _vendor("MetaTrader", "open close tickvol"),
    _vendor("NSE bhavcopy", "symbol series tottrdqty", columns={"asset": "symbol"}),
    _vendor("B3 (COTAHIST)", "preabe preult"),
    _vendor("Tushare", "tscode tradedate"),
    _vendor("AKShare", "日期 收盘"),
    _vendor("Investing.com", "date price open high low vol", "date price open high low change"),
    _vendor("Nasdaq.com", "date closelast"),
    _vendor("Refinitiv", "instrument priceclose", "trdprc1"),
    _vendor("Databento", "tsevent publisherid close", columns={"date": "ts_event", "asset": "symbol"}),
    _vendor("Binance", "opentime close closetime"),
    _vendor("Interactive Brokers", "close average barcount"),
    _vendor("EODHD", "code ex close", "code exchangeshortname close"),
    _vendor("Bloomberg", "pxlast", "pxopen"),
    _vendor("Yahoo", "open high low close adjclose volume"),
    _vendor("Qlib"),  # by the $ before its fields
    _vendor("Kaggle S&P 500"),  # by having these columns and no other
)  # fmt: skip
