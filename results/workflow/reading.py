"""Which file an option of reading is said of: ``close`` of prices, ``benchmark.close`` of the benchmark alone."""

from __future__ import annotations

from collections.abc import Mapping

from assay.data.errors import UnknownNameError
from assay.data.files.aliases import PREDICTIONS, PRICES
from assay.data.receipts import RECEIPT_COLUMNS
from assay.engine.costs import COST_FIELDS

__all__ = ["ROLES", "columns_of"]

#: Kind of file → the fields that its columns may be.
ROLES: Mapping[str, tuple[str, ...]] = {
    "prices": tuple(PRICES.fields),
    "predictions": tuple(PREDICTIONS.fields),
    "benchmark": tuple(PRICES.fields),
    "receipts": ("session", *RECEIPT_COLUMNS),
    "costs": ("asset", "date", *COST_FIELDS),
    "members": ("asset", "from", "to"),
    "delisting_returns": ("asset", "return"),
    "sectors": ("asset", "sector"),
    "market_caps": ("asset", "date", "market_cap"),
    "factors": ("date",),
    "regimes": ("date", "regime"),
    "holdings": ("asset", "shares"),
    "fills": ("session", "asset", "shares", "price", "cost"),
    "returns": ("date",),
    "positions": ("date",),
}
#: What is said of a field without a role holds for these.
_SHARED = ("prices", "predictions")


def columns_of(role: str, columns: Mapping[str, str]) -> dict[str, str]:
    """Field → the file's own column name, as far as something is said of this kind of file.

    Parameters
    ----------
    role : a key of `ROLES`.
    columns : field → column; a field of one kind of file alone has the kind before it, ``sectors.asset``.

    Raises
    ------
    UnknownNameError
        If an item names no field or kind of file.

    Examples
    --------
    >>> columns_of("sectors", {"asset": "Ticker", "sectors.sector": "GICS"})
    {'sector': 'GICS'}

    """
    out: dict[str, str] = {}
    for key, name in columns.items():
        whose, dot, field = key.rpartition(".")
        if dot and whose not in ROLES:
            raise UnknownNameError("file before the field of --column", whose, ROLES)
        if not any(field in ROLES[file] for file in ([whose] if dot else _SHARED)):
            known = ROLES[whose] if dot else {name for file in _SHARED for name in ROLES[file]}
            raise UnknownNameError("field of --column", field, known)
        if whose == role or (not dot and role in _SHARED and field in ROLES[role]):
            out[field] = name
    return out
