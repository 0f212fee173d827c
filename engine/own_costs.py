"""Cost models of one's own: a person's class gives the rates of a panel, and the engine charges them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.data.plugins import checked_answer, constructed, find_class
from assay.engine.costs import ASSET_FIELDS, COST_FIELDS, CostModel, CostTable

__all__ = ["COST_ENTRY_POINTS", "load_cost_model", "own_rates", "with_own_costs"]

#: Group under which other packages offer cost models.
COST_ENTRY_POINTS = "assay.costs"


def load_cost_model(name: str, **params: object) -> Any:
    """An instance of a person's own class with ``rates(prices)``: ``package.module:Class`` or ``./file.py:Class``.

    Raises
    ------
    UnknownNameError
        If a parameter is unknown; the nearest is suggested.
    InputError
        If it cannot be imported, is no such class, or refuses a value.

    """
    found = find_class("cost model", name, {}, COST_ENTRY_POINTS, methods=(("rates",),))
    return constructed("cost model", name, found, params)


def own_rates(name: str, params: Mapping[str, object], prices: PricePanel) -> dict[str, pd.DataFrame | pd.Series]:
    """Field → what a person's class gives for these prices, (T, N) or (T,), stamped t, known at the close of t.

    Parameters
    ----------
    name, params : see `load_cost_model`.
    prices : (T, N), the whole panel.

    Raises
    ------
    InputError
        If an answer is not of the panel's sessions and assets, or no field of `CostModel`; and as `load_cost_model`.

    """
    given = load_cost_model(name, **params).rates(prices.shielded())
    who = f"cost model {name!r}"
    if not isinstance(given, Mapping) or not given:
        raise InputError(f"{who}: gave {type(given).__name__}, expected rates by field, e.g. {{'spread_bps': frame}}")
    out: dict[str, pd.DataFrame | pd.Series] = {}
    for field, values in given.items():
        frame = isinstance(values, pd.DataFrame)
        if field not in (ASSET_FIELDS if frame else COST_FIELDS) or not isinstance(values, pd.DataFrame | pd.Series):
            wanted = f"a frame of {', '.join(ASSET_FIELDS)}, or a series of {', '.join(COST_FIELDS)}"
            raise InputError(f"{who}: {field!r} is a {type(values).__name__}; expected {wanted}")
        if isinstance(values, pd.DataFrame):
            values = checked_answer(f"{who}: {field}", values, prices)
        elif not values.index.equals(prices.sessions):
            raise InputError(f"{who}: {field} is of other sessions than the prices it was given")
        out[field] = values.astype("float64")
    return out


def with_own_costs(costs: CostModel, name: str, params: Mapping[str, object], prices: PricePanel) -> CostModel:
    """`costs` with the rates that a person's class gives for these prices.

    What is stamped t is known at the close of t, and is paid from the next session on: a rate that reads a session's
    range is not charged in that session.

    Parameters
    ----------
    costs : rates that the class leaves open; its table must not set a field that the class sets.
    name, params, prices : as in `own_rates`.

    Raises
    ------
    InputError
        If a rate is negative or infinite, or set by the table too; and as `own_rates`.

    """
    who = f"cost model {name!r}"
    by_asset: dict[str, pd.DataFrame] = {}
    by_session: dict[str, pd.Series] = {}
    for field, values in own_rates(name, params, prices).items():
        if isinstance(values, pd.DataFrame):
            by_asset[field] = values.shift(1).iloc[1:]
        else:
            by_session[field] = values.shift(1).iloc[1:]
    shown = ", ".join(f"{key}={value}" for key, value in sorted(params.items()))
    title, part = f"{name.rpartition(':')[2]}({shown})", (name, dict(params))
    before = costs.table
    if before is None:
        return replace(costs, table=_table(by_asset, by_session, title, (), part, who))
    twice = ({*by_asset, *by_session}) & {*before.by_asset, *before.by_session}
    if twice:
        raise InputError(f"{who}: {sorted(twice)[0]} is set by {before.source} already; leave it to one of them")
    table = _table({**before.by_asset, **by_asset}, {**before.by_session, **by_session},
                   f"{before.source}, {title}", before.files, part, who)  # fmt: skip
    return replace(costs, table=table)


def _table(*fields: Any) -> CostTable:
    """The table of these fields and the class that gave it, last, of whom is said what is wrong with a rate."""
    *values, who = fields
    try:
        return CostTable(*values)
    except InputError as error:
        raise InputError(f"{who}: {error}") from None
