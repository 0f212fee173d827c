"""Every strategy through the whole run, overlays included: what comes after t changes nothing up to t."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from assay.data.benchmark import with_benchmark_asset
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import run_backtest
from assay.strategies.catalog import STRATEGIES, load_strategy, strategy_class
from assay.strategies.contract import random_panels

CUT = 110
#: Other memory layouts of equal prices add up in another order.
ROUNDING = {"rtol": 1e-9, "atol": 1e-9}


def panels(name: str) -> tuple[PredictionPanel, PricePanel]:
    predictions, prices = random_panels(5, sessions=150, assets=10)
    # A slump, so that the kill switches and the stops have something to do before the cut.
    slump = pd.Series(np.where((np.arange(150) > 70) & (np.arange(150) < 95), 0.985, 1.0), prices.sessions).cumprod()
    fields = [name for name in prices.fields if name != "volume"]
    prices = replace(prices, **{field: getattr(prices, field).mul(slump, axis="index") for field in fields})
    if name == "s4_benchmark_hedge":
        prices = with_benchmark_asset(prices, prices.close.pct_change(fill_method=None).mean(axis="columns"))
    return predictions, prices


def altered(frame: pd.DataFrame, rng: np.random.Generator, scale: float, gaps: float = 0.2) -> pd.DataFrame:
    out = frame.copy()
    factor = np.exp(rng.normal(0, scale, out.shape))
    factor[rng.random(out.shape) < gaps] = np.nan
    out.iloc[CUT + 1 :] = (out * factor).iloc[CUT + 1 :]
    return out


def with_another_future(
    predictions: PredictionPanel, prices: PricePanel, jump: float = 0.3, gaps: float = 0.2
) -> tuple[PredictionPanel, PricePanel]:
    rng = np.random.default_rng(1)
    fields = {field: altered(getattr(prices, field), rng, jump, gaps) for field in prices.fields}
    other_prices = replace(prices, **fields)
    assert predictions.score is not None
    assert predictions.probability_up is not None
    other_predictions = replace(
        predictions,
        score=altered(predictions.score, rng, 1.0),
        probability_up=altered(predictions.probability_up, rng, 0.5).clip(0, 1),
    )
    return other_predictions, other_prices


#: Overlays that no strategy has by default, each with a strategy that shows them.
PACED = [("quintile_long_short", {"aim": True}), ("equal_weight", {"every": "week", "sleeves": 3, "band": 0.01})]


@pytest.mark.parametrize("fill", ["open", "close"])
@pytest.mark.parametrize(("name", "paced"), [*((name, {}) for name in STRATEGIES), *PACED])
def test_the_future_changes_no_weight_fill_or_nav(name, paced, fill):
    from assay.engine.execution import Execution

    if name == "confidence" and fill == "close":
        pytest.skip("an entry rule fills at the open")
    predictions, prices = panels(name)
    other_predictions, other_prices = with_another_future(predictions, prices)
    # The optimisers' window of a year is longer than this panel: with their defaults they would stay in cash.
    optimised = {"window", "every"} <= set(getattr(strategy_class(name), "__dataclass_fields__", {}))
    settings = {"window": 40, "every": 10} if optimised else paced
    strategy, execution = load_strategy(name, **settings), Execution(fill=fill)
    first = run_backtest(strategy, predictions, prices, execution=execution)
    second = run_backtest(strategy, other_predictions, other_prices, execution=execution)
    last = prices.sessions[CUT]
    switched_off = first.events["kind"].str.startswith("kill").any()  # a flat book does not notice
    assert switched_off or not first.nav.equals(second.nav)
    for series in ("nav", "returns", "gross_returns", "turnover", "cash"):
        pd.testing.assert_series_equal(getattr(first, series)[:last], getattr(second, series)[:last], **ROUNDING)
    for frame in ("holdings", "costs", "exposure", "target_weights"):
        left, right = getattr(first, frame), getattr(second, frame)
        if left is not None:
            pd.testing.assert_frame_equal(left[:last], right[:last], **ROUNDING)
    fills = [result.fills[result.fills["session"] <= last] for result in (first, second)]
    pd.testing.assert_frame_equal(*fills, **ROUNDING)


@pytest.mark.parametrize("fill", ["open", "close"])
@pytest.mark.parametrize("name", ["quintile_long_short", "s2_filter_negative", "s3_vol_scaled", "s5_long_only"])
def test_the_future_changes_nothing_in_the_second_engine(name, fill):
    from assay.engine.costs import CostModel
    from assay.engine.execution import Execution
    from assay.engine.vectorbt_adapter import simulate_vectorbt

    world = panels(name)
    # Unfilled orders may leave the cash negative, which vectorbt cannot express: no gaps, small jumps.
    other = with_another_future(*world, jump=0.03, gaps=0.0)
    costs, execution = CostModel(borrow_bps=0.0, financing_bps=0.0), Execution(fill=fill)
    books = []
    for predictions, prices in (world, other):
        native = run_backtest(load_strategy(name), predictions, prices, costs=costs, execution=execution)
        books.append(simulate_vectorbt(prices, native.target_weights, costs=costs, execution=execution))
    first, second = books
    last = world[1].sessions[CUT]
    assert first.turnover[:last].sum() > 0
    for series in ("nav", "returns", "gross_returns", "turnover", "cash"):
        pd.testing.assert_series_equal(getattr(first, series)[:last], getattr(second, series)[:last], **ROUNDING)
    pd.testing.assert_frame_equal(first.holdings[:last], second.holdings[:last], **ROUNDING)
    if name == "quintile_long_short":  # the kill switches of the others may leave the book flat by then
        assert not first.nav.equals(second.nav)


def test_the_slump_throws_the_switches_before_the_cut():
    result = run_backtest(load_strategy("s5_long_only"), *panels("s5_long_only"))
    kinds = set(result.events["kind"])
    assert {"kill_five_day", "kill_sixty_day"} & kinds
