"""The panels of a strategy that is followed live: what its state has kept, and the rows of the sessions after it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from assay.data.align import align
from assay.data.benchmark import BENCHMARK_ASSET, with_benchmark_asset
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.carried import Carried, carried_on
from assay.results.checks.trading import Trading
from assay.results.storage.live_state import LiveState
from assay.strategies.base import EntryRule, memory_of

__all__ = ["continued_state", "kept"]

#: Sessions behind the volatility and the mean volume of the square-root law, and the one before them.
_LIQUIDITY = 23
#: Closes of one session that differ by more than this share are of two histories.
_REVISED = 1e-9


def continued_state(
    known: LiveState,
    trading: Trading,
    predictions: PredictionPanel,
    prices: PricePanel,
    benchmark: pd.Series | None,
) -> tuple[Carried, PredictionPanel | None, PricePanel, list[str]]:
    """The state through the last session of `prices`, and the panels behind it: those of the state and the new rows."""
    last = known.carried.sessions[-1]
    if prices.sessions[-1] < last:
        raise InputError(
            f"positions: the prices end {prices.sessions[-1].date()}, before the state, which has {last.date()}"
        )
    _same_past(known.prices, prices)
    fresh = prices.sessions[prices.sessions > last]
    if not len(fresh):
        return known.carried, known.predictions, known.prices, []
    new = prices.between(fresh[0], None)
    if BENCHMARK_ASSET in known.prices.assets and BENCHMARK_ASSET not in new.assets:
        new = _with_level(new, known.prices, benchmark)
    lacking = [name for name in known.prices.fields if name not in new.fields]
    if lacking:
        raise InputError(f"positions: the new prices have no {lacking[0]}, which the state has")
    traded = _appended(known.prices, new)
    warnings: list[str] = []
    views = known.predictions
    if predictions.sessions[-1] > last:
        later = replace(predictions, receipts=None).map(lambda frame: frame.loc[fresh[0] :])
        later, report = align(later, new)
        warnings = list(report.messages())
        views = later if views is None else _joined_views(views, later)
    assert not isinstance(trading.strategy, EntryRule)  # refused before
    carried = carried_on(
        known.carried, trading.strategy, views, traded, costs=trading.costs, execution=trading.execution
    )
    return carried, views, traded, warnings


def _same_past(before: PricePanel, prices: PricePanel) -> None:
    """Raise `InputError` where a session that the state has comes with other closes."""
    both = before.sessions.intersection(prices.sessions)
    assets = [asset for asset in before.assets if asset in prices.assets]
    if not len(both):
        return
    old, new = (panel.close.loc[both, assets].to_numpy() for panel in (before, prices))
    other = np.abs(new / old - 1) > _REVISED
    if other.any():
        row, column = np.argwhere(other)[0]
        raise InputError(
            f"positions: the close of {assets[column]!r} on {both[row].date()} is {new[row, column]:.6g}, and was "
            f"{old[row, column]:.6g}: the past was revised (a split or a dividend?); begin the state anew with the "
            "whole history"
        )


def _with_level(new: PricePanel, before: PricePanel, benchmark: pd.Series | None) -> PricePanel:
    """The new sessions with the benchmark's level, going on from that of the state."""
    if benchmark is None:
        raise InputError("positions: the strategy trades the benchmark; give its returns on the new sessions")
    made = with_benchmark_asset(new, benchmark)
    returns = benchmark.reindex(new.sessions)
    level = float(before.close[BENCHMARK_ASSET].ffill().iloc[-1]) * (1 + returns.fillna(0.0)).cumprod()
    level = level.where(returns.notna())
    changes: dict[str, Any] = {name: getattr(made, name).assign(**{BENCHMARK_ASSET: level}) for name in made.fields
                               if name != "volume"}  # fmt: skip
    if made.raw_close is not None:
        changes["raw_close"] = made.raw_close.assign(**{BENCHMARK_ASSET: level})
    return replace(made, **changes)


def _appended(before: PricePanel, new: PricePanel) -> PricePanel:
    """The sessions of both, on the assets of both."""
    assets = before.assets.append(new.assets.difference(before.assets))

    def both(name: str) -> pd.DataFrame:
        frames: list[pd.DataFrame] = [getattr(panel, name).reindex(columns=assets) for panel in (before, new)]
        return pd.concat(frames)

    names = [*before.fields, *(["raw_close"] if before.raw_close is not None and new.raw_close is not None else [])]
    changes: dict[str, Any] = {name: both(name) for name in names}
    return PricePanel(**changes, source=new.source, adjusted=new.adjusted)


def _joined_views(before: PredictionPanel, later: PredictionPanel) -> PredictionPanel:
    """The predictions of both."""
    if set(before.frames()) != set(later.frames()):
        raise InputError(
            f"positions: the new predictions have {', '.join(later.frames())}, the state {', '.join(before.frames())}"
        )
    assets = before.assets.append(later.assets.difference(before.assets))
    frames = {
        name: pd.concat([before.frames()[name].reindex(columns=assets), frame.reindex(columns=assets)])
        for name, frame in later.frames().items()
    }
    return PredictionPanel.from_frames(
        frames, unit=later.unit, horizon=later.horizon, delay=later.delay, name=later.name,
        zero_is_neutral=later.zero_is_neutral, warnings=later.warnings,
    )  # fmt: skip


def kept(
    trading: Trading, prices: PricePanel, predictions: PredictionPanel | None
) -> tuple[PricePanel, PredictionPanel | None]:
    """As many of the last sessions as the next decision and its fills read; all where the strategy does not say."""
    costs, execution, memory = trading.costs, trading.execution, memory_of(trading.strategy)
    if predictions is not None and predictions.receipts is not None:
        predictions = replace(predictions, receipts=None)
    if memory is None or (execution.lot and prices.raw_close is not None):
        return prices, predictions
    least = _LIQUIDITY if costs.needs_volume or execution.max_volume else 2
    since = prices.sessions[-min(max(memory, least), len(prices.sessions))]
    if predictions is None or predictions.sessions[-1] < since:
        return prices.between(since, None), None
    return prices.between(since, None), predictions.map(lambda frame: frame.loc[since:])
