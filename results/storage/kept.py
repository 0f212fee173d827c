"""What a run keeps of its tables, by ``--keep``: everything, target weights beside the figures, or the figures alone.

Figures do not depend on it: ``metrics.json`` is the same, and so is the run's id. A table of a value an asset and
session, and the lists of fills and round trips, grow with sessions times assets; everything else is a row a session or
less. Whoever asks a run for a table that it left out is told so, and how to get it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import pandas as pd

from assay.data.errors import InputError

__all__ = ["KEEP", "Keep", "kept_tables", "left_out"]

Keep = Literal["all", "weights", "returns"]
#: From the most to the least.
KEEP: tuple[Keep, ...] = get_args(Keep)

#: Tables that grow with sessions times assets.
_LARGE = frozenset(
    {"weights", "holdings", "fills", "trades", "forward_returns", "score", "probability_up", "action_buy",
     "action_sell", "action_hold", "action_labels", "dispersion"}
)  # fmt: skip


def kept_tables(tables: Mapping[str, pd.DataFrame], keep: Keep) -> dict[str, pd.DataFrame]:
    """The tables that are stored.

    Raises
    ------
    InputError
        If `keep` is none of `KEEP`.

    Examples
    --------
    >>> sorted(kept_tables(dict.fromkeys(["returns", "weights", "holdings"], pd.DataFrame()), "weights"))
    ['returns', 'weights']

    """
    if keep not in KEEP:
        raise InputError(f"keep: must be one of {', '.join(KEEP)}, got {keep!r}")
    gone = {"all": frozenset[str](), "weights": _LARGE - {"weights"}, "returns": _LARGE}[keep]
    return {name: table for name, table in tables.items() if name not in gone}


def left_out(name: str, keep: str) -> str | None:
    """Why a run that was kept so has no such table, and how to get it; None where that is not the reason.

    Examples
    --------
    >>> left_out("holdings", "returns")
    'kept with --keep returns, without holdings; the command that made it stores them with --keep all'
    >>> left_out("weights", "weights") is None
    True

    """
    if name not in _LARGE or keep == "all" or name == keep:
        return None
    what = name.replace("_", " ")
    return f"kept with --keep {keep}, without {what}; the command that made it stores them with --keep all"
