"""The plain loops themselves, and pandas for ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from inputs import Inputs
from yardsticks import entries_loop, quintile_loop

Run = Callable[[], dict[str, Any]]


def quintile(data: Inputs) -> Run:
    """Weights become shares at the fill."""
    return lambda: {"net": quintile_loop(data.score, data.close)}


def quintile_decided(data: Inputs) -> Run:
    """Weights become shares at the decision."""
    return lambda: {"net": quintile_loop(data.score, data.close, sized="decision")}


def confidence(data: Inputs) -> Run:
    """One book of at most three names."""
    return lambda: {"nav": entries_loop(data.bars, data.probability, cap=3)}


def confidence_ml4t(data: Inputs) -> Run:
    """Shares of the decision's close, levels from the bar after the entry on, slots as ml4t frees them."""
    how: dict[str, Any] = {"entry_bar": False, "gaps_first": False, "sized": "decision"}
    return lambda: {"nav": entries_loop(data.bars, data.probability, cap=3, **how)}


def names(data: Inputs) -> Run:
    """A book a name."""
    return lambda: {"nav": _each(data)}


def names_later(data: Inputs) -> Run:
    """Levels from the bar after the entry on."""
    return lambda: {"nav": _each(data, entry_bar=False)}


def names_vectorbt(data: Inputs) -> Run:
    """The same, and levels before an exit by signal."""
    return lambda: {"nav": _each(data, entry_bar=False, stops_first=True)}


def _each(data: Inputs, **how: bool) -> np.ndarray:
    columns = range(data.close.shape[1])
    books = [
        entries_loop(tuple(field[:, [a]] for field in data.bars), data.probability[:, [a]], cap=0, **how)  # type: ignore[arg-type]
        for a in columns
    ]
    return np.mean(books, axis=0)


def ic(data: Inputs) -> Run:
    """pandas: ranks and correlations by session, and means by fifth of the rank."""
    score, close = data.frame("score"), data.frame("close")

    def run() -> dict[str, Any]:
        forward = close.shift(-2) / close.shift(-1) - 1
        known = score.where(forward.notna())
        ranks = known.rank(axis=1)
        rank_ic = ranks.corrwith(forward.rank(axis=1), axis=1)
        count = ranks.count(axis=1)
        fifth = np.ceil(5 * ranks.sub(0.5).div(count, axis=0))
        means = [forward.where(fifth == q).mean(axis=1).mean() for q in range(1, 6)]
        return {"rank_ic": rank_ic.to_numpy()[:-2], **{f"quantile_{q + 1}": mean for q, mean in enumerate(means)}}

    return run


