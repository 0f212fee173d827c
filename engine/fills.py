"""The fills of a book that keeps its holdings: what changed hands, session by session or asset by asset.

Nothing is made before it is asked for: a smoothed book trades nearly every asset in every session, so the long table of
its fills is several times as large as the holdings that it follows from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import Floats
from assay.engine.costs import CostModel, Rates, trading_costs
from assay.engine.ledger import Ledger
from assay.engine.orders import DUST, Tape

__all__ = ["FILL_COLUMNS", "FillLedger"]

FILL_COLUMNS = ("session", "asset", "shares", "price", "value", "cost")

#: Sessions, or assets, worked on at once.
_TOGETHER = 64

#: Position of the session and of the asset, shares, price, value.
_Cells = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats, Floats, Floats]


@dataclass(frozen=True, eq=False)
class AssetFills:
    """Fills asset by asset, each asset's in time order; session and asset are positions."""

    session: npt.NDArray[np.intp]
    asset: npt.NDArray[np.intp]
    shares: Floats
    price: Floats
    value: Floats
    cost: Floats

    @property
    def count(self) -> npt.NDArray[np.intp]:
        """How many fills each asset has, those that have none left out."""
        changes = np.flatnonzero(self.asset[1:] != self.asset[:-1]) + 1
        return np.diff(changes, prepend=0, append=len(self.asset)) if len(self.asset) else changes


@dataclass(frozen=True, eq=False)
class FillLedger:
    """Makes the table of fills; what is closed without an order stands in it without cost.

    Parameters
    ----------
    sessions, assets : T and N of them.
    book : with its (T, N) shares.
    tape, costs, rates : what it was traded on.

    """

    sessions: pd.DatetimeIndex
    assets: pd.Index
    book: Ledger
    tape: Tape
    costs: CostModel
    rates: Rates

    def __call__(self) -> pd.DataFrame:
        """Every fill, in time order; columns `FILL_COLUMNS`."""
        whole = slice(0, len(self.assets))
        starts = range(0, len(self.sessions), _TOGETHER)
        parts = [self._cells(slice(start, start + _TOGETHER), whole) for start in starts]
        session, asset, shares, price, value = (np.concatenate(column) for column in zip(*parts, strict=True))
        content = (self.sessions[session], self.assets[asset], shares, price, value, self._paid(session, asset, value))
        table = pd.DataFrame(dict(zip(FILL_COLUMNS, content, strict=True)), copy=False)
        lines = [
            (self.sessions[one.session], self.assets[one.asset], -one.shares, one.price, -one.shares * one.price, 0.0)
            for one in (*self.book.forced, *self.book.liquidated)
        ]
        if not lines:
            return table
        return pd.concat([table, pd.DataFrame(lines, columns=list(FILL_COLUMNS))], ignore_index=True).sort_values(
            "session", kind="stable", ignore_index=True
        )

    @property
    def by_asset(self) -> bool:
        """Whether the cost of a fill can be told from the fill alone, so that assets can be taken apart."""
        return self.costs.is_proportional

    def parts(self) -> Iterator[tuple[slice, AssetFills]]:
        """Some assets at a time, and their fills; of a ledger that is `by_asset`."""
        for start in range(0, len(self.assets), _TOGETHER):
            columns = slice(start, min(start + _TOGETHER, len(self.assets)))
            session, asset, shares, price, value = self._cells(slice(0, len(self.sessions)), columns, by_asset=True)
            cost = self._paid(session, asset, value)
            closed = [one for one in (*self.book.forced, *self.book.liquidated)
                      if columns.start <= one.asset < columns.stop]  # fmt: skip
            if closed:  # after what was traded in their session
                session = np.append(session, [one.session for one in closed])
                asset = np.append(asset, [one.asset for one in closed])
                order = np.lexsort((session, asset))
                session, asset = session[order], asset[order]
                shares = np.append(shares, [-one.shares for one in closed])[order]
                price = np.append(price, [one.price for one in closed])[order]
                value = np.append(value, [-one.shares * one.price for one in closed])[order]
                cost = np.append(cost, np.zeros(len(closed)))[order]
            yield columns, AssetFills(session, asset, shares, price, value, cost)

    def _cells(self, rows: slice, columns: slice, *, by_asset: bool = False) -> _Cells:
        """The fills in these sessions and assets, by session, then asset, or by asset, then session."""
        book = self.book
        assert book.shares is not None
        held, count = book.shares[rows, columns], columns.stop - columns.start
        moved = np.empty(held.shape, dtype=bool)
        np.not_equal(held[1:], held[:-1], out=moved[1:])
        np.not_equal(held[:1], book.shares[rows.start - 1, columns] if rows.start else 0.0, out=moved[:1])
        closed = [
            one for one in (*book.forced, *book.liquidated)
            if 0 <= one.session - rows.start < len(held) and columns.start <= one.asset < columns.stop
        ]  # fmt: skip
        for one in closed:
            moved[one.session - rows.start, one.asset - columns.start] = True
        # Where nothing moved nothing was traded, so only the other cells are looked at.
        places = np.flatnonzero(moved.T if by_asset else moved)
        column, row = np.divmod(places, len(held)) if by_asset else np.divmod(places, count)[::-1]
        shares, before = held[row, column], held[row - 1, column]
        if not rows.start:
            before[row == 0] = 0.0
        elif len(before):
            first = np.flatnonzero(row == 0)
            before[first] = book.shares[rows.start - 1, columns][column[first]]
        delta, price = shares - before, self.tape.fill[rows, columns][row, column]
        ended = shares == 0
        for one in closed:
            session, asset = one.session - rows.start, one.asset - columns.start
            cell = np.searchsorted(places, asset * len(held) + session if by_asset else session * count + asset)
            delta[cell] += one.shares
            ended[cell] = False
        value = delta * price
        np.copyto(value, 0.0, where=np.isnan(value))
        # A rounding of a holding that is kept is no fill; what ends at nothing is one, however small.
        real = (ended & (value != 0)) | (np.abs(value) > DUST * np.abs(book.nav_before[rows])[row])
        every = row + rows.start, column + columns.start, delta, price, value
        return every if real.all() else tuple(part[real] for part in every)

    def _paid(self, session: npt.NDArray[np.intp], asset: npt.NDArray[np.intp], value: Floats) -> Floats:
        """Trading costs of each fill, currency; fills are by session, and all of a session's unless `by_asset`."""
        traded = np.abs(value)
        if self.by_asset:
            return traded * (self.costs.commission_bps / 1e4) + traded * (self.costs.spread_bps / 1e4)
        paid = np.empty(len(traded))
        bounds = np.searchsorted(session, np.arange(len(self.sessions) + 1))
        for s in map(int, np.unique(session)):
            some = slice(bounds[s], bounds[s + 1])
            row = np.zeros(len(self.assets))
            row[asset[some]] = traded[some]
            costs = trading_costs(row, self.book.nav_before[s], self.rates.fill(s), self.tape.known(s))
            paid[some] = costs.sum(0)[asset[some]]
        return paid
