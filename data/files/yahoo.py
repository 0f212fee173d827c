"""Daily prices from Yahoo through the `yfinance` extra: only when asked for, never by default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import pandas as pd

from assay.data.errors import InputError
from assay.data.files.prices import checked_panel, read_prices
from assay.data.optional import missing_package
from assay.data.panel import PricePanel
from assay.data.quality import QualityFinding
from assay.data.sessions import as_session

__all__ = ["fetch_prices", "panel_from_download"]

Download = Callable[..., "pd.DataFrame | None"]


def fetch_prices(
    tickers: Sequence[str],
    start: str,
    end: str,
    *,
    repair: Literal["drop"] | None = None,
    download: Download | None = None,
) -> PricePanel:
    """Open, high, low, close (adjusted for splits and dividends) and volume of `tickers` from `start` through `end`.

    Parameters
    ----------
    tickers : Yahoo's symbols.
    start, end : first and last day, both included.
    repair : as in `load_prices`.
    download : what to call in place of ``yfinance.download``.

    Raises
    ------
    InputError
        If the extra is not installed, the dates are the wrong way round, or Yahoo has nothing.
    DataQualityError
        If a bar cannot be, and `repair` is None.

    """
    names = list(dict.fromkeys(ticker.strip() for ticker in tickers if ticker.strip()))
    first, last = as_session(start, "start"), as_session(end, "end")
    if not names:
        raise InputError("yahoo: no ticker given; name at least one, e.g. AAPL")
    if first > last:
        raise InputError(f"yahoo: start {first.date()} lies after end {last.date()}; swap them")
    if download is None:
        download = _yfinance_download()
    frame = download(
        names,
        start=f"{first:%Y-%m-%d}",
        end=f"{last + pd.Timedelta(days=1):%Y-%m-%d}",  # Yahoo leaves the end out
        auto_adjust=True,
        actions=False,
        group_by="column",
        multi_level_index=True,
        progress=False,
    )
    return panel_from_download(frame, names, repair=repair)


def panel_from_download(
    frame: pd.DataFrame | None, tickers: Sequence[str], *, repair: Literal["drop"] | None = None
) -> PricePanel:
    """The panel of what ``yfinance.download`` returned.

    Parameters
    ----------
    frame : sessions by (field, ticker), the column levels in either order, read as any file of yfinance.
    tickers : what was asked for; those without a single close are left out and counted in the warnings.
    repair : as in `load_prices`.

    Raises
    ------
    InputError
        If there is nothing in it, or it has another shape.

    """
    if frame is None or frame.empty:
        raise InputError(f"yahoo: nothing for {', '.join(tickers)}; check the symbols and the dates")
    if frame.columns.nlevels != 2:
        raise InputError("yahoo: expected columns of (field, ticker); call download with multi_level_index=True")
    try:
        raw = read_prices(frame)
    except InputError as error:
        raise InputError(f"yahoo: {error}") from None
    close = raw.frames["close"]
    alive = [str(name) for name in close.columns if close[name].notna().any()]
    if not alive:
        raise InputError(f"yahoo: no close for {', '.join(tickers)}; check the symbols and the dates")
    findings = list(raw.findings)
    if lost := [ticker for ticker in tickers if ticker not in alive]:
        remedy = "check the symbols"
        findings.append(QualityFinding("tickers without data", "warning", len(lost), repr(lost[0]), remedy))
    raw = replace(
        raw,
        frames={name: values[alive] for name, values in raw.frames.items()},
        findings=tuple(findings),
        source="Yahoo",
        title="Yahoo",
        adjusted="splits and dividends",
    )
    return checked_panel(raw, repair)


def _yfinance_download() -> Download:
    try:
        import yfinance
    except ImportError as error:
        raise missing_package(error, what="yahoo") or error from None
    download: Download = yfinance.download
    return download
