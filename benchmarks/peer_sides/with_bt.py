"""bt: target weights, rebalanced at each close."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bt
import numpy as np
import pandas as pd
from inputs import Inputs
from yardsticks import COST, quintile_weights


def quintile(data: Inputs) -> Callable[[], dict[str, Any]]:
    """The weights of the session before, at this session's close; `WeighTarget` and `Rebalance` as documented."""
    close = data.frame("close")

    def run() -> dict[str, Any]:
        weights = pd.DataFrame(quintile_weights(data.score), close.index, close.columns).shift(1).iloc[1:]
        strategy = bt.Strategy("quintile", [bt.algos.WeighTarget(weights), bt.algos.Rebalance()])
        test = bt.Backtest(
            strategy, close, initial_capital=1e6, integer_positions=False,
            commissions=lambda quantity, price: abs(quantity) * price * COST,
        )  # fmt: skip
        test.run()
        nav = test.strategy.prices.to_numpy()[-len(close) :]
        return {"net": np.concatenate([[0.0], nav[1:] / nav[:-1] - 1])}

    return run
