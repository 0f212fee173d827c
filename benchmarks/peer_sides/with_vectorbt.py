"""vectorbt: `from_orders` on target weights, `from_signals` with stops; each in Numba and in Rust."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt
from inputs import Inputs
from yardsticks import COST, quintile_weights

Run = Callable[[], dict[str, Any]]

#: Cells of the sweep in one call; of 1, 5, 10 and 20 the fastest a cell.
CELLS = 10


def _shifted(values: np.ndarray) -> np.ndarray:
    """On the sessions that fill what was decided the session before."""
    return np.vstack([np.full((1, values.shape[1]), np.nan), values[:-1]])


def _quintile(data: Inputs, engine: str) -> Run:
    close = data.frame("close")

    def run() -> dict[str, Any]:
        size = pd.DataFrame(_shifted(quintile_weights(data.score)), close.index, close.columns)
        book = vbt.Portfolio.from_orders(
            close, size, size_type="targetpercent", fees=COST, group_by=True, cash_sharing=True, call_seq="auto",
            lock_cash=False, init_cash=1e6, freq="1D", engine=engine,
        )  # fmt: skip
        return {"net": book.returns().to_numpy()}

    return run


def _names(data: Inputs, engine: str) -> Run:
    opens, highs, lows, closes = (data.frame(name) for name in ("open", "high", "low", "close"))
    up = data.probability

    def run() -> dict[str, Any]:
        enter, leave = (np.vstack([np.zeros((1, up.shape[1]), bool), cells[:-1]]) for cells in (up > 0.7, up < 0.5))
        book = vbt.Portfolio.from_signals(
            closes, entries=pd.DataFrame(enter, closes.index, closes.columns),
            exits=pd.DataFrame(leave, closes.index, closes.columns), price=opens, open=opens, high=highs, low=lows,
            val_price=opens, size=0.1, size_type="percent", fees=COST, sl_stop=0.02, tp_stop=0.04,
            stop_entry_price="fillprice", stop_exit_price="stoplimit", init_cash=1e6, freq="1D", engine=engine,
        )  # fmt: skip
        return {"nav": book.value().to_numpy().mean(axis=1) / 1e6}

    return run


def _sweep(data: Inputs, engine: str) -> Run:
    assets = data.close.shape[1]
    costs = np.loadtxt(data.folder / "costs.txt")[:CELLS] / 1e4
    quantile = float(np.loadtxt(data.folder / "quantiles.txt")[0])
    columns = pd.MultiIndex.from_product([range(len(costs)), data.assets], names=["cell", "asset"])

    def run() -> dict[str, Any]:
        weights = _shifted(quintile_weights(data.score, quantile))
        close = pd.DataFrame(np.tile(data.close, len(costs)), data.sessions, columns)
        size = pd.DataFrame(np.tile(weights, len(costs)), data.sessions, columns)
        book = vbt.Portfolio.from_orders(
            close, size, size_type="targetpercent", fees=np.repeat(costs, assets)[None, :], group_by="cell",
            cash_sharing=True, call_seq="auto", lock_cash=False, init_cash=1e6, freq="1D", engine=engine,
        )  # fmt: skip
        return {"cells": book.returns().to_numpy().T}

    return run


quintile_numba, quintile_rust = (partial(_quintile, engine=engine) for engine in ("numba", "rust"))
names_numba, names_rust = (partial(_names, engine=engine) for engine in ("numba", "rust"))
sweep_numba, sweep_rust = (partial(_sweep, engine=engine) for engine in ("numba", "rust"))
