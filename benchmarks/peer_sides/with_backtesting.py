"""backtesting.py: a book a name, which is all it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from backtesting import Strategy
from backtesting.lib import FractionalBacktest
from inputs import Inputs
from yardsticks import COST


class Entries(Strategy):
    """The confidence rule; levels of the fill price, which is known when the bar of the entry has ended."""

    def init(self) -> None:
        self.up = np.asarray(self.data.Up)

    def next(self) -> None:
        up = self.up[len(self.data) - 1]
        for trade in self.trades:
            if trade.sl is None:
                trade.tp = 1.04 * trade.entry_price
                trade.sl = 0.98 * trade.entry_price  # the one set last is looked at first
        if self.position:
            if up < 0.5:
                self.position.close()
        elif up > 0.7:
            self.buy(size=0.1)


def names(data: Inputs) -> Callable[[], dict[str, Any]]:
    """Every name by itself, one after the other (`MultiBacktest` would use every core)."""
    frames = [
        pd.DataFrame(
            {
                "Open": data.open[:, a], "High": data.high[:, a], "Low": data.low[:, a], "Close": data.close[:, a],
                "Volume": data.volume[:, a], "Up": data.probability[:, a],
            },
            index=data.sessions,
        )
        for a in range(len(data.assets))
    ]  # fmt: skip

    def run() -> dict[str, Any]:
        total = np.zeros(len(data.close))
        for frame in frames:
            test = FractionalBacktest(frame, Entries, cash=1e6, commission=COST)
            total += test.run()["_equity_curve"]["Equity"].to_numpy() / 1e6
        return {"nav": total / len(frames)}

    return run
