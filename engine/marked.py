"""A book that only its fills tell of, marked at the closes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from assay.data.errors import InputError

__all__ = ["MarkedBook", "marked"]


@dataclass(frozen=True, eq=False)
class MarkedBook:
    """What fills made of a capital.

    Parameters
    ----------
    value : (T, N) currency, what each position is worth at the close, signed.
    nav : (T,) currency at the close: cash and positions.
    before : (T,) currency, the NAV that the session began with; the capital on the first.
    paid : (T,) currency, commissions of the session.
    traded : (T,) currency, Σ|shares · price| of the session.

    """

    value: pd.DataFrame
    nav: pd.Series
    before: pd.Series
    paid: pd.Series
    traded: pd.Series

    @property
    def weights(self) -> pd.DataFrame:
        """(T, N) fractions of NAV at the close."""
        return self.value.div(self.nav, axis="index")

    @property
    def returns(self) -> pd.Series:
        """(T,) net of commissions, stamped the session that earned them."""
        return self.nav / self.before - 1.0

    @property
    def gross_returns(self) -> pd.Series:
        """(T,) with the session's commissions given back."""
        return (self.nav + self.paid) / self.before - 1.0


def marked(fills: pd.DataFrame, close: pd.DataFrame, *, capital: float) -> MarkedBook:
    """Mark a book at the closes: cash is the capital less what was bought and paid, plus what was sold.

    Parameters
    ----------
    fills : see `assay.data.files.fills.load_fills`; an unknown cost is none.
    close : (T, N) closes, from the first fill on; a missing one is the one before.
    capital : currency before the first fill.

    Raises
    ------
    InputError
        If a fill is of a session or an asset that `close` lacks, or something held has no close yet.

    Examples
    --------
    >>> days = pd.bdate_range("2024-01-01", periods=2)
    >>> fills = pd.DataFrame({"session": days[:1], "asset": ["A"], "shares": [10.0], "price": [5.0], "cost": [1.0]})
    >>> marked(fills, pd.DataFrame({"A": [5.0, 6.0]}, days), capital=100.0).nav.tolist()
    [99.0, 109.0]

    """
    strangers = sorted({*fills["session"]} - {*close.index})
    if strangers:
        raise InputError(f"fills on {strangers[0].date()}, which is no session of the prices")
    unknown = sorted({*fills["asset"]} - {*close.columns})
    if unknown:
        raise InputError(f"fills of {unknown[0]!r}, of which there are no prices")
    sessions, known = close.index, close.ffill()
    wide = fills.pivot_table(index="session", columns="asset", values="shares", aggfunc="sum")
    held = wide.reindex(index=sessions, columns=close.columns).fillna(0.0).cumsum()
    unmarked = np.argwhere((held.to_numpy() != 0) & known.isna().to_numpy())
    if len(unmarked):
        row, column = map(int, unmarked[0])
        raise InputError(f"{close.columns[column]} is held on {sessions[row].date()} and has no close yet")

    def by_session(values: pd.Series) -> pd.Series:
        return values.groupby(fills["session"]).sum().reindex(sessions, fill_value=0.0)

    spent, cost = fills["shares"] * fills["price"], fills["cost"].fillna(0.0)
    value = held * known.where(held != 0, 0.0)
    nav = capital - by_session(spent + cost).cumsum() + value.sum(axis=1)
    return MarkedBook(value, nav, nav.shift(1).fillna(capital), by_session(cost), by_session(spent.abs()))
