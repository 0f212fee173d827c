"""PyBroker: one function a bar (`set_before_exec`) that sets the orders of all symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pybroker
from inputs import Inputs
from pybroker import ExecContext, FeeMode, PriceType, StrategyConfig
from yardsticks import COST, quintile_weights

CAPITAL = 1e8
_COMMON: dict[str, Any] = {
    "initial_cash": CAPITAL,
    "fee_mode": FeeMode.ORDER_PERCENT,
    "fee_amount": 100 * COST,
    "enable_fractional_shares": True,
    "round_fill_price": False,
    "round_test_result": False,
}


Decide = Callable[[Mapping[str, ExecContext]], None]


def _tested(data: Inputs, config: StrategyConfig, decide: Decide, bars: Any) -> Any:
    strategy = pybroker.Strategy(bars, data.sessions[0], data.sessions[-1], config)
    strategy.add_execution(None, data.assets)
    strategy.set_before_exec(decide)
    return strategy.backtest(calc_bootstrap=False)


def _bars(data: Inputs) -> Any:
    pybroker.disable_logging()
    return data.long("open", "high", "low", "close", "volume")


def quintile(data: Inputs) -> Callable[[], dict[str, Any]]:
    """Shares by the weights, the market value and the closes of t, filled at the close of t + 1."""
    bars = _bars(data)
    config = StrategyConfig(**_COMMON, leverage=2.0)

    def run() -> dict[str, Any]:
        weights, held, session = quintile_weights(data.score), {}, iter(range(len(data.close)))

        def decide(contexts: Mapping[str, ExecContext]) -> None:
            t = next(session)
            first = contexts[data.assets[0]]
            nav = float(first.total_market_value)
            target = weights[t] * nav / data.close[t]
            for a in np.flatnonzero(weights[t] != 0).tolist() + list(held):
                context = contexts[data.assets[a]]
                if context.buy_shares is not None or context.sell_shares is not None:
                    continue
                long, short = context.long_pos(), context.short_pos()
                now = float(long.shares) if long else -float(short.shares) if short else 0.0
                change = target[a] - now
                if change > 0:
                    context.buy_fill_price, context.buy_shares = PriceType.CLOSE, change
                elif change < 0:
                    context.sell_fill_price, context.sell_shares = PriceType.CLOSE, -change
            held.clear()
            held.update(dict.fromkeys(np.flatnonzero(weights[t] != 0).tolist()))

        nav = _tested(data, config, decide, bars).portfolio["market_value"].to_numpy(dtype=float)
        return {"net": np.concatenate([[0.0], nav[1:] / nav[:-1] - 1])}

    return run


def confidence(data: Inputs) -> Callable[[], dict[str, Any]]:
    """Orders of t, sized by its closes and filled at the next open; the most probable three by PyBroker's own cap."""
    bars = _bars(data)
    config = StrategyConfig(**_COMMON, max_long_positions=3)

    def run() -> dict[str, Any]:
        session = iter(range(len(data.close)))
        enter = [np.flatnonzero(row).tolist() for row in data.probability > 0.7]

        def decide(contexts: Mapping[str, ExecContext]) -> None:
            t = next(session)
            row = data.probability[t]
            first = contexts[data.assets[0]]
            nav = float(first.total_market_value)
            held = {position.symbol for position in first.long_positions()}
            for name in held:
                if row[int(name[1:])] < 0.5:
                    contexts[name].sell_fill_price = PriceType.OPEN
                    contexts[name].sell_all_shares()
            for a in enter[t]:
                name = data.assets[a]
                if name not in held:
                    context = contexts[name]
                    context.buy_fill_price, context.buy_shares = PriceType.OPEN, 0.1 * nav / data.close[t, a]
                    context.stop_loss_pct, context.stop_profit_pct, context.score = 2, 4, row[a]

        result = _tested(data, config, decide, bars)
        nav = result.portfolio["market_value"].to_numpy(dtype=float)
        return {"nav": nav / CAPITAL, "trades": len(result.trades)}

    return run
