"""What a night costs and earns: borrow on shorts, financing on negative cash, interest on cash.

Rates are given in basis points a year and charged 1/252 of it a session, on what is held at the close before. The
ledgers that work many sessions or many runs at once write the same sums out in their loops.
"""

from __future__ import annotations

from typing import TypeVar

from assay.data.conventions import SESSIONS_A_YEAR, Floats

__all__ = ["Night", "a_session", "charged"]

#: Fractions a session: borrow (a number, or (N,) where it differs by asset), financing, interest.
Night = tuple[float | Floats, float, float]

_Bps = TypeVar("_Bps", float, Floats, float | Floats)


def a_session(bps: _Bps) -> _Bps:
    """Basis points a year as a fraction a session.

    Examples
    --------
    >>> round(a_session(50.0), 9)
    1.9841e-05

    """
    return bps / 1e4 / SESSIONS_A_YEAR


def charged(night: Night, cash: float, short: float | Floats, s: int) -> tuple[float, float, float]:
    """Borrow, financing and interest of the night into session s, currency.

    Parameters
    ----------
    night : fractions a session.
    cash : at the close before; what is negative pays financing, and interest is on all of it.
    short : market value of the shorts at the close before, ≤ 0; (N,) where borrow differs by asset.
    s : position of the session; the first has no night before it, so cash earns nothing.

    Examples
    --------
    >>> charged((0.01, 0.02, 0.001), -50.0, -100.0, 1)
    (1.0, 1.0, -0.05)

    """
    borrow, financing, earning = night
    lent = borrow * -short
    total = lent if isinstance(lent, float) else float(lent.sum())
    return total, financing * -min(cash, 0.0), earning * cash if s else 0.0
