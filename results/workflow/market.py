"""Prices as everything that judges reads them: up to their market's seal, unless a reason to open it is given."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd

from assay.data.files.options import ReadOptions
from assay.data.files.prices import load_prices as _load_prices
from assay.data.panel import PricePanel
from assay.data.sample import load_sample as _load_sample
from assay.results.storage.lockbox import open_lockbox as _open
from assay.results.storage.lockbox import shut

__all__ = ["load_prices", "load_sample"]


def load_prices(
    data: Any,
    *,
    repair: Literal["drop"] | None = None,
    options: ReadOptions | None = None,
    open_lockbox: str | None = None,
) -> PricePanel:
    """Prices from a file or a frame, see `assay.data.files.prices.load_prices`; sealed sessions stay out.

    Parameters
    ----------
    data, repair, options : as there.
    open_lockbox : why sealed sessions are read, too; noted in the ledger each time.

    Raises
    ------
    InputError
        If it cannot be read as prices, or nothing lies before the seal.
    DataQualityError
        If it holds duplicates or bars that cannot be, and `repair` is None.

    Examples
    --------
    >>> days = pd.bdate_range("2024-01-02", periods=3, name="date")
    >>> load_prices(pd.DataFrame({"AAA": [10.0, 10.1, 10.2], "BBB": [5.0, 5.1, 4.9]}, days).reset_index()).shape
    (3, 2)

    """
    prices = _load_prices(data, repair=repair, options=options)
    return shut(prices) if open_lockbox is None else _open(prices, open_lockbox)


def load_sample(*, open_lockbox: str | None = None) -> tuple[PricePanel, pd.Series]:
    """The embedded sample and its benchmark, see `assay.data.sample.load_sample`; sealed sessions stay out.

    Parameters
    ----------
    open_lockbox : why sealed sessions are read, too; noted in the ledger each time.

    Examples
    --------
    >>> prices, benchmark = load_sample()
    >>> prices.shape, benchmark.name
    ((8313, 20), 'S&P 500')

    """
    prices, benchmark = _load_sample()
    return (shut(prices) if open_lockbox is None else _open(prices, open_lockbox)), benchmark
