"""What a run keeps of its tables, by ``--keep``: everything, target weights beside the figures, or the figures alone.

Figures do not depend on it: ``metrics.json`` is the same, and so is the run's id. A table of a value an asset and
session, and the lists of fills and round trips, grow with sessions times assets; everything else is a row a session or
less. Where nothing is asked for, a backtest of at most `AUTO_CELLS` keeps everything and a larger one its weights: the
other tables follow from these, the prices and the predictions. A walk-forward keeps everything, for training is dear.
Whoever asks a run for a table that it left out is told so, and how to get it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import pandas as pd

from assay.data.errors import InputError

__all__ = ["AUTO_CELLS", "KEEP", "Keep", "kept", "kept_tables", "left_out"]

Keep = Literal["auto", "all", "weights", "returns"]
KEEP: tuple[Keep, ...] = get_args(Keep)

#: Sessions times assets up to which ``auto`` keeps everything: 500 assets over 40 years, 40 MB a table.
AUTO_CELLS = 5_000_000

#: Tables that grow with sessions times assets.
_LARGE = frozenset(
    {"weights", "holdings", "fills", "trades", "forward_returns", "score", "probability_up", "action_buy",
     "action_sell", "action_hold", "action_labels", "dispersion"}
)  # fmt: skip


def kept(keep: Keep, shape: tuple[int, int]) -> Keep:
    """What ``auto`` is for a panel of (sessions, assets); anything else is itself.

    Examples
    --------
    >>> kept("auto", (1259, 482)), kept("auto", (5040, 3000)), kept("returns", (1259, 482))
    ('all', 'weights', 'returns')

    """
    if keep != "auto":
        return keep
    return "all" if shape[0] * shape[1] <= AUTO_CELLS else "weights"


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
    gone = {"weights": _LARGE - {"weights"}, "returns": _LARGE}.get(keep, frozenset[str]())
    return {name: table for name, table in tables.items() if name not in gone}


def left_out(name: str, keep: str) -> str | None:
    """Why a run that was kept so has no such table, and how to get it; None where that is not the reason.

    Examples
    --------
    >>> left_out("holdings", "returns")
    'kept: returns, without holdings; the command that made it stores them with --keep all'
    >>> left_out("weights", "weights") is None
    True

    """
    if name not in _LARGE or keep == "all" or name == keep:
        return None
    what = name.replace("_", " ")
    return f"kept: {keep}, without {what}; the command that made it stores them with --keep all"
