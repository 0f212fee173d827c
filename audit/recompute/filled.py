"""What fills say of a report: its closed trades, and with prices and a capital the book they made, day by day."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assay.audit.recompute.conventions import Material
from assay.data.errors import InputError
from assay.data.files.options import ReadOptions

if TYPE_CHECKING:
    import pandas as pd

    from assay.data.panel import PricePanel
    from assay.engine.marked import MarkedBook

__all__ = ["with_fills"]


def with_fills(
    material: Material, path: Path | str, *, prices: PricePanel | None = None, capital: float | None = None,
    options: ReadOptions | None = None,
) -> Material:  # fmt: skip
    """A material with the round trips of fills, flat to flat; with prices also the returns and weights of their book.

    Parameters
    ----------
    material : what else is known, ``Material()`` for nothing.
    path : see `assay.data.files.fills.load_fills`; costs are in currency.
    prices : to mark the book at the closes, from the first fill through the last or, where something is held then,
        through the last session.
    capital : currency before the first fill; needed with `prices`.
    options : how to read what the file does not say itself.

    Raises
    ------
    InputError
        If nothing was closed, there are prices and no capital, the prices lack a session or an asset of a fill, or the
        book is worth nothing on some session.

    """
    from assay.data.files.fills import load_fills
    from assay.engine.trades import round_trips

    fills = load_fills(path, options=options).sort_values("session", kind="stable", ignore_index=True)
    fills["cost"] = fills["cost"].fillna(0.0)
    trips = round_trips(fills)
    if prices is None and not len(trips):
        raise InputError(f"{path}: no position is ever closed, so there is no trade to recompute a figure from")
    first, last = fills["session"].iloc[0].date(), fills["session"].iloc[-1].date()
    trip_words = "1 round trip" if len(trips) == 1 else f"{len(trips):,} round trips"
    words = f"{len(fills):,} fills of {Path(path).name}, {first} to {last}: {trip_words}"
    material = replace(
        material,
        trades=trips["return"].to_numpy(dtype=np.float64),
        profits=trips["pnl"].to_numpy(dtype=np.float64),
        fills=len(fills),
        dates=np.array([first, last], dtype="datetime64[D]") if material.dates is None else material.dates,
        description="; ".join(filter(None, (material.description, words))),
    )
    return material if prices is None else _with_book(material, _book(fills, prices, capital, path))


def _book(fills: pd.DataFrame, prices: PricePanel, capital: float | None, path: Path | str) -> MarkedBook:
    from assay.engine.marked import marked

    if capital is None or capital <= 0:
        raise InputError(f"{path}: fills and prices make returns of a capital; give the money at the start: --capital")
    assets = dict.fromkeys(fills["asset"])
    close = prices.close.loc[fills["session"].iloc[0] :, [name for name in prices.close.columns if name in assets]]
    if (fills.groupby("asset")["shares"].sum().abs() <= 1e-9 * fills["shares"].abs().max()).all():
        close = close.loc[: fills["session"].iloc[-1]]
    try:
        book = marked(fills, close, capital=capital)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    worthless = (book.nav <= 0).to_numpy()
    if worthless.any():
        day = book.nav.index[int(worthless.argmax())].date()
        raise InputError(
            f"{path}: a book that began with {capital:,.0f} is worth nothing on {day}; is --capital right?"
        )
    return book


def _with_book(material: Material, book: MarkedBook) -> Material:
    return replace(
        material,
        series={"net": book.returns.to_numpy(), "gross": book.gross_returns.to_numpy()},
        dates=book.nav.index.to_numpy().astype("datetime64[D]"),
        weights=book.weights.to_numpy(),
        turnover=(0.5 * book.traded / book.before).to_numpy(),
    )
