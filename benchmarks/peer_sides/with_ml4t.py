"""ml4t-backtest: target weights at the close that fills them, and stops as position rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from inputs import Inputs
from ml4t.backtest import (
    BacktestConfig,
    CommissionType,
    DataFeed,
    Engine,
    ExecutionMode,
    RebalanceConfig,
    RuleChain,
    StopLoss,
    Strategy,
    TakeProfit,
    TargetWeightExecutor,
)
from ml4t.backtest.config import ExecutionPrice, ShareType
from yardsticks import COST, quintile_weights

CAPITAL = 1e8
_COSTS = {
    "initial_cash": CAPITAL,
    "share_type": ShareType.FRACTIONAL,
    "commission_type": CommissionType.PERCENTAGE,
    "commission_rate": COST,
    "calendar": None,
}


def _feed(data: Inputs) -> pl.DataFrame:
    long = data.long("open", "high", "low", "close", "volume", date="timestamp", asset="symbol")
    return pl.DataFrame({name: long[name].to_numpy() for name in long if name != "symbol"}).with_columns(
        symbol=pl.Series(long["symbol"].tolist())
    )


def _net(result: Any) -> np.ndarray:
    nav = np.array([value for _, value in result.equity_curve], dtype=float)
    return np.concatenate([[0.0], nav[1:] / nav[:-1] - 1])


class Weights(Strategy):
    """Each session towards the weights decided the session before."""

    def __init__(self, weights: np.ndarray, assets: list[str]) -> None:
        self.weights, self.assets, self.session = weights, assets, 0
        self.executor = TargetWeightExecutor(RebalanceConfig(allow_fractional=True, allow_short=True))

    def on_data(self, timestamp: Any, data: Any, context: Any, broker: Any) -> None:
        if self.session:
            row = self.weights[self.session - 1]
            held = np.flatnonzero(row)
            target = dict(zip([self.assets[a] for a in held], row[held].tolist(), strict=True))
            self.executor.execute(target, data, broker)
        self.session += 1


def quintile(data: Inputs) -> Callable[[], dict[str, Any]]:
    """Orders of this session's close, filled at it (`SAME_BAR`), of weights that were known the session before."""
    prices = _feed(data)
    config = BacktestConfig(
        execution_mode=ExecutionMode.SAME_BAR, execution_price=ExecutionPrice.CLOSE, allow_short_selling=True,
        allow_leverage=True, initial_margin=0.5, **_COSTS,
    )  # fmt: skip

    def run() -> dict[str, Any]:
        strategy = Weights(quintile_weights(data.score), data.assets)
        result = Engine(DataFeed(prices_df=prices, calendar=None), strategy, config).run()
        return {"net": _net(result)}

    return run


class Entries(Strategy):
    """The confidence rule: at most three names, stops and targets as rules of the broker."""

    def __init__(self, probability: np.ndarray, assets: list[str]) -> None:
        self.probability, self.assets, self.session = probability, assets, 0
        self.number = {name: a for a, name in enumerate(assets)}

    def on_start(self, broker: Any) -> None:
        broker.set_position_rules(RuleChain([StopLoss(0.02), TakeProfit(0.04)]))

    def on_data(self, timestamp: Any, data: Any, context: Any, broker: Any) -> None:
        row = self.probability[self.session]
        self.session += 1
        staying = 0
        for name in list(broker.get_positions()):
            if row[self.number[name]] < 0.5:
                broker.close_position(name)
            else:
                staying += 1
        held, nav = broker.get_positions(), broker.get_account_value()
        for a in sorted(np.flatnonzero(row > 0.7).tolist(), key=lambda a: -row[a]):
            if staying >= 3:
                break
            name = self.assets[a]
            if name not in held:
                broker.submit_order(name, 0.1 * nav / data[name]["close"])
                staying += 1


def confidence(data: Inputs) -> Callable[[], dict[str, Any]]:
    """Orders of a close, filled at the next open."""
    prices = _feed(data)
    config = BacktestConfig(execution_mode=ExecutionMode.NEXT_BAR, **_COSTS)

    def run() -> dict[str, Any]:
        strategy = Entries(data.probability, data.assets)
        result = Engine(DataFeed(prices_df=prices, calendar=None), strategy, config).run()
        nav = np.array([value for _, value in result.equity_curve], dtype=float)
        return {"nav": nav / CAPITAL, "trades": len(result.trades)}

    return run
