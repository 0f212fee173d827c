"""The book that a strategy with overlays would have shown, had an overlay read the day it acts on."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from assay.audit.recompute.conventions import Material

if TYPE_CHECKING:
    import pandas as pd

    from assay.data.panel import PredictionPanel, PricePanel
    from assay.engine.costs import CostModel
    from assay.engine.execution import Execution
    from assay.engine.result import BacktestResult

__all__ = ["overlaid"]


def overlaid(
    rule: Any, predictions: PredictionPanel, prices: PricePanel, costs: CostModel, execution: Execution
) -> Material:
    """Net returns (T,) before the overlays, after one of them, and under overlays that look ahead.

    As the `unscaled`, `stages` and `suspects` of a material. A strategy without volatility target and kill switches, or
    an entry rule, has none of these.
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
        other: Any = replace(cast(Any, rule), **changed)
        return final_weights(other, predictions, prices, costs=costs, execution=execution)

    def traded(weights: pd.DataFrame) -> BacktestResult:
        return simulate(seen, weights, costs=costs, execution=execution, keep="returns", name=rule.name)

    def shadow_of(result: BacktestResult) -> pd.Series:
        return shadow_returns(result.returns.to_numpy(), result.turnover.to_numpy(), result.sessions)[0]

    def switched(weights: pd.DataFrame, ahead: int) -> pd.DataFrame:
        if not overlays.kill_switches:
            return weights
        return emptied(weights, kill_switches(shadow_of(traded(weights)), lead=ahead))

    plain = weights_of(vol_target=None, kill_switches=False)
    shadow = traded(plain)
    suspects: dict[str, np.ndarray] = {}
    if overlays.vol_target is not None:
        early = scaled(plain, vol_factor(shadow_of(shadow), overlays.vol_target, lead=lead))
        words = f"a volatility window that includes the day it scales ({100 * overlays.vol_target:g}% target)"
        suspects[words] = traded(switched(early, 0)).returns.to_numpy()
    stages: dict[str, np.ndarray] = {}
    if overlays.kill_switches:
        targeted = weights_of(kill_switches=False)
        words = "kill switches that leave out the day that trips them"
        suspects[words] = traded(switched(targeted, lead)).returns.to_numpy()
        if overlays.vol_target is not None:
            stages["the book without its kill switches"] = traded(targeted).returns.to_numpy()
            stages["the book without its volatility target"] = traded(switched(plain, 0)).returns.to_numpy()
            both = traded(switched(early, lead)).returns.to_numpy()
            suspects["a volatility window and kill switches that include the day they act on"] = both
    return Material(unscaled=shadow.returns.to_numpy(), stages=stages, suspects=suspects)
