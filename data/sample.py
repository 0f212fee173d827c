"""The sample that needs no download: 20 US large caps and the S&P 500 that ship inside the `skfolio` package.

The files are read where they lie; skfolio itself (whose import takes seconds) is never imported, and nothing here
touches the network.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd

from assay.data.atomic import replacing
from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.data.errors import InputError, UnknownNameError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.quality import check_prices
from assay.data.returns import simple_returns
from assay.data.stored import file_digest

__all__ = ["SOURCE", "load_sample", "load_sample_predictions", "sample_prediction_names"]

_LOG = logging.getLogger(__name__)
_STOCKS, _INDEX = "sp500_dataset.csv.gz", "sp500_index.csv.gz"
_BENCHMARK = "SP500"
_FOLDER = Path(__file__).parent / "sample"
_DEFAULT = "stock_lstm_close"

#: The source of the sample's prices.
SOURCE = "20 US large caps (skfolio sample)"
SURVIVORSHIP_WARNING = (
    "survivorship: the 20 companies of the sample were chosen because they are large today; "
    "what failed or shrank on the way is missing, and long-only figures are flattered"
)
PRICE_INDEX = (
    "benchmark: the sample's S&P 500 is a price index; to each session the dividend yield of the year before is added "
    "(1.2 to 3.7% a year), within 0.7 points of its total return in every year"
)
#: Dividend yield of the S&P 500 in % of the price, by year from 1989: (1 + total return) / (1 + price return) − 1,
#: of S&P Dow Jones Indices' returns of calendar years.
_FIRST_YIELD = 1989
_YIELDS = (
    3.49, 3.70, 3.29, 3.03, 2.82, 2.90, 2.59, 2.25, 1.79, 1.51, 1.26, 1.16, 1.32, 1.66, 1.82, 1.73, 1.85,
    1.91, 1.89, 2.42, 2.44, 2.02, 2.11, 2.28, 2.15, 2.06, 2.13, 2.21, 2.02, 1.98, 2.03, 1.84, 1.43,
)  # fmt: skip


def load_sample() -> tuple[PricePanel, pd.Series]:
    """Daily adjusted closes of 20 US large caps, 1990-01-02 to 2022-12-28, and the returns of the S&P 500.

    The stocks carry dividends, the index that skfolio ships does not: without them alpha would be too high by beta
    times about 2 points a year. What is added to a session is known on it: the yield of the calendar year before.

    Read from the files inside the installed `skfolio` package; kept as Parquet in ``$ASSAY_CACHE`` (or
    ``~/.cache/assay``) once read, under a name that changes when the files do.

    Returns
    -------
    prices : PricePanel
        (8313, 20), close only; its warnings are survivorship, where the index's dividends come from, and what the
        checks find.
    benchmark : Series
        Daily returns of the index with dividends, decimals, stamped at the period's end, from the second session on.

    Raises
    ------
    InputError
        If skfolio is not installed, or no longer ships the files.

    Examples
    --------
    >>> prices, benchmark = load_sample()
    >>> prices.shape, len(benchmark)
    ((8313, 20), 8312)

    """
    frame = _cached_sample()
    closes = frame.drop(columns=_BENCHMARK)
    prices = PricePanel(
        closes,
        source=SOURCE,
        adjusted="splits and dividends",
        warnings=(SURVIVORSHIP_WARNING, PRICE_INDEX, *check_prices({"close": closes}).messages()),
    )
    price_returns = simple_returns(frame[[_BENCHMARK]])[_BENCHMARK].iloc[1:]
    return prices, ((1 + price_returns) * (1 + _dividends(price_returns.index)) - 1).rename("S&P 500")


def _dividends(sessions: pd.Index) -> Floats:
    """(T,) What each session earns in dividends: the yield of the year before, evenly over 252 sessions."""
    before = pd.DatetimeIndex(sessions).year.to_numpy() - 1 - _FIRST_YIELD
    yields: Floats = np.array(_YIELDS)[before] / 100
    daily: Floats = (1 + yields) ** (1 / SESSIONS_A_YEAR) - 1
    return daily


def load_sample_predictions(name: str | None = None) -> PredictionPanel:
    """The walk-forward predictions for the sample that ship with this package, with their receipts.

    Parameters
    ----------
    name : one of `sample_prediction_names`; None takes ``stock_lstm_close`` where it is shipped, else the first.

    Raises
    ------
    UnknownNameError
        If there are none of that name.
    InputError
        If none are shipped at all.

    Examples
    --------
    >>> load_sample_predictions().name
    'stock_lstm_close'

    """
    from assay.data.files.predictions import read_predictions

    names = sample_prediction_names()
    if not names:
        raise InputError(f"sample predictions: none in {_FOLDER}; reinstall, or pass --predictions and --prices")
    if name is None:
        name = _DEFAULT if _DEFAULT in names else names[0]
    if name not in names:
        raise UnknownNameError("sample predictions", name, names)
    return read_predictions(_FOLDER / f"{name}.parquet")


def sample_prediction_names() -> tuple[str, ...]:
    """Names of the shipped predictions, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.parquet")))


def cache_folder() -> Path | None:
    """Where derived files are kept: ``$ASSAY_CACHE``, else ``~/.cache/assay``; None for who has no home."""
    place = Path(os.path.expanduser(os.environ.get("ASSAY_CACHE") or "~/.cache/assay"))
    return None if place.parts[:1] == ("~",) else place


def _shipped(name: str) -> Path:
    """The path of a data file inside the installed skfolio, which is found but not imported."""
    spec = importlib.util.find_spec("skfolio")
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(location) / "datasets" / "data" / name
        if path.is_file():
            return path
    why = "skfolio is not installed" if spec is None else f"this skfolio ships no {name}"
    raise InputError(f"sample: {why}; install skfolio>=1.12,<2 or pass --prices and --predictions")


def _cached_sample() -> pd.DataFrame:
    """(T, 21): the closes and the index, from the cache if it is there."""
    paths = (_shipped(_STOCKS), _shipped(_INDEX))
    # A gzip file ends with the checksum and the length of its content.
    marks = "-".join(_last_bytes(path, 8).hex() for path in paths)
    folder = cache_folder()
    cached = None if folder is None else folder / f"sample-{marks}.parquet"
    if cached is not None and (known := _read_cached(cached)) is not None:
        return known
    frames = [pd.read_csv(path, index_col=0, parse_dates=True, date_format="%Y-%m-%d") for path in paths]
    frame = frames[0].join(frames[1])
    frame.index.name = "date"
    frame.columns.name = None
    if cached is not None:
        try:
            cached.parent.mkdir(parents=True, exist_ok=True)
            with replacing(cached) as temporary:
                frame.to_parquet(temporary)
                digest = file_digest(temporary)
            with replacing(_digest_of(cached)) as temporary:
                temporary.write_text(digest, encoding="ascii")
        except (OSError, InputError) as error:  # a read-only home must not stop anyone
            _LOG.info("the sample is not cached: %s", error)
    return frame


def _digest_of(cached: Path) -> Path:
    return cached.with_suffix(".sha256")


def _read_cached(cached: Path) -> pd.DataFrame | None:
    """What is cached, if it is there and what was written: a damaged cache is only a cache."""
    try:
        if file_digest(cached) == _digest_of(cached).read_text(encoding="ascii"):
            return pd.read_parquet(cached)
        _LOG.warning("%s is not what was written and is made again", cached)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        _LOG.info("%s cannot be read: %s", cached, error)
    return None


def _last_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(-count, os.SEEK_END)
        return file.read()
