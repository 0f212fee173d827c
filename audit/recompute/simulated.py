"""What predictions and prices give: the predictions beside what followed, and a book that trades them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.audit.recompute.conventions import Book, Material, Panel
from assay.data.conventions import Floats
from assay.data.errors import BacktestError

if TYPE_CHECKING:
    import pandas as pd

    from assay.data.panel import PredictionPanel, PricePanel
    from assay.engine.costs import CostModel
    from assay.engine.execution import Execution
    from assay.engine.result import BacktestResult

__all__ = ["material_of_panels", "overlaid"]


def material_of_panels(
    predictions: PredictionPanel, prices: PricePanel, *, strategy: str | None, risk_free: float | None = None
) -> tuple[Material, str]:
    """Simulate a strategy on predictions and prices, and lay the predictions beside what followed.

    With the words for what portfolio figures rest on: strategy, costs and fill. A `strategy` of None simulates nothing.
    """
    from assay.data.align import align
    from assay.engine.costs import CostModel
    from assay.engine.execution import Execution

    predictions, _ = align(predictions, prices)
    costs, own = CostModel(), Execution(delay=predictions.delay)
    fill = own.fill_at(prices)
    timings = {"next open": (own.delay, "open")} if fill == "open" else {}
    timings |= {"next close": (own.delay, "close"), "same close": (0, "close")}
    sessions, assets = predictions.signed_view.shape
    material = Material(
        panels={name: _panel(predictions, prices, *timing) for name, timing in timings.items()},
        risk_free=risk_free,
        description=f"{sessions:,} sessions of predictions for {assets} assets",
    )
    words = f"traded by {strategy}, {costs.commission_bps:g} bps a traded unit, filled at the next {fill}"
    return (material if strategy is None else _traded(material, strategy, predictions, prices, costs, own)), words


def _panel(predictions: PredictionPanel, prices: PricePanel, delay: int, fill: Any) -> Panel:
    from assay.data.returns import forward_returns

    score, horizon = predictions.signed_view, predictions.horizon
    source = prices.open if fill == "open" and prices.open is not None else prices.close
    known, probability = predictions.score is not None, predictions.probability_up

    def laid(frame: pd.DataFrame) -> Floats:
        return frame.reindex_like(score).to_numpy(dtype=np.float64)

    return Panel(
        score=laid(score),
        forward=laid(forward_returns(prices, horizon=horizon, delay=delay, fill=fill)),
        base=laid(source.shift(-delay)) if known else None,
        realised=laid(source.shift(-delay - horizon)) if known else None,
        horizon=horizon,
        signed=predictions.score is None or predictions.unit == "return" or predictions.zero_is_neutral,
        probability=None if probability is None else laid(probability),
        assets=tuple(map(str, score.columns)),
        stamps=score.index.to_numpy().astype("datetime64[D]"),
    )


def _traded(
    material: Material, strategy: str, predictions: PredictionPanel, prices: PricePanel, costs: CostModel,
    own: Execution,
) -> Material:  # fmt: skip
    """The material with the book of a strategy: its returns, trades, weights, and the books it is not."""
    from assay.engine.backtest import run_backtest
    from assay.engine.execution import Execution
    from assay.strategies.catalog import load_strategy

    rule = load_strategy(strategy)
    result = run_backtest(rule, predictions, prices, costs=costs, execution=own)
    series = {"net": result.returns.to_numpy(), "gross": result.gross_returns.to_numpy()}
    try:  # the look-ahead fill that many reports use, where the rule can trade it
        early = Execution(delay=0, fill="close", same_close=True)
        same = run_backtest(rule, predictions, prices, costs=costs, execution=early)
    except BacktestError:
        same = result
    if same is not result and len(same.returns) == len(result.returns):
        series |= {"net, same close": same.returns.to_numpy(), "gross, same close": same.gross_returns.to_numpy()}
    weights = result.target_weights
    assert weights is not None  # all is kept
    held = weights.reindex_like(predictions.signed_view).to_numpy(dtype=np.float64)
    products = held * next(iter(material.panels.values())).forward
    return replace(
        overlaid(rule, predictions, prices, costs, own),
        panels=material.panels,
        risk_free=material.risk_free,
        description=material.description,
        series=series,
        dates=result.returns.index.to_numpy().astype("datetime64[D]"),
        trades=result.trades["return"].to_numpy(dtype=np.float64),
        weights=weights.to_numpy(dtype=np.float64),
        turnover=result.turnover.to_numpy(),
        positions=products[np.isfinite(products) & (held != 0)],
    )


def overlaid(
    rule: Any, predictions: PredictionPanel, prices: PricePanel, costs: CostModel, execution: Execution
) -> Material:
    """The `unscaled` returns (T,) and the `books` after one of the overlays, and under ones that read the day itself.

    A strategy without volatility target and kill switches, or an entry rule, has none of these.
    """
    from assay.engine.backtest import final_weights, simulated_prices
    from assay.engine.overlay_passes import emptied, kill_switches, scaled, shadow_returns, vol_factor
    from assay.engine.simulation import simulate

    overlays = getattr(rule, "overlays", None)
    if overlays is None or overlays.paced or (overlays.vol_target is None and not overlays.kill_switches):
        return Material()
    if not is_dataclass(type(rule)) or not {"vol_target", "kill_switches"} <= {part.name for part in fields(rule)}:
        return Material()  # overlays of its own making cannot be taken off
    # A weight stamped t first earns the return stamped t + lead.
    lead = execution.delay + (execution.fill_at(prices) == "close")
    seen = simulated_prices(prices, predictions, execution.delay)

    def weights_of(**changed: object) -> pd.DataFrame:
        return final_weights(replace(rule, **changed), predictions, prices, costs=costs, execution=execution)

    def traded(weights: pd.DataFrame) -> BacktestResult:
        return simulate(seen, weights, costs=costs, execution=execution, keep="returns", name=rule.name)

    def shadow(weights: pd.DataFrame) -> pd.Series:
        result = traded(weights)
        return shadow_returns(result.returns.to_numpy(), result.turnover.to_numpy(), result.sessions)[0]

    def switched(weights: pd.DataFrame, ahead: int) -> Floats:
        if overlays.kill_switches:
            weights = emptied(weights, kill_switches(shadow(weights), lead=ahead))
        return traded(weights).returns.to_numpy()

    plain = weights_of(vol_target=None, kill_switches=False)
    targeted = early = plain
    books = []
    if overlays.vol_target is not None:
        targeted = weights_of(kill_switches=False)
        early = scaled(plain, vol_factor(shadow(plain), overlays.vol_target, lead=lead))
        words = f"a volatility window that includes the day it scales ({100 * overlays.vol_target:g}% target)"
        books.append(Book(words, switched(early, 0), True))
    if overlays.kill_switches:
        books.append(Book("kill switches that leave out the day that trips them", switched(targeted, lead), True))
    if overlays.kill_switches and overlays.vol_target is not None:
        words = "a volatility window and kill switches that include the day they act on"
        books += [
            Book(words, switched(early, lead), True),
            Book("the book without its kill switches", traded(targeted).returns.to_numpy()),
            Book("the book without its volatility target", switched(plain, 0)),
        ]
    return Material(unscaled=traded(plain).returns.to_numpy(), books=tuple(books))
