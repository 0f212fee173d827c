"""What an optimised strategy knows on a session: who is eligible, the returns of the window, and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.strategies.optimised.constraints import Constraints, Limits, read_groups

__all__ = ["PriceArrays", "limits_of", "market_of"]


#: Share of the window's returns that an asset must have; the rest is filled with the session's mean.
PRESENT = 0.8
#: Sessions in the mean traded value of the liquidity cap.
LIQUIDITY_WINDOW = 20


@dataclass(frozen=True, eq=False)
class PriceArrays:
    """Prices and scores as arrays, assets in the order of their ids so that results do not depend on columns.

    Parameters
    ----------
    assets : N ids, sorted.
    rows : (R,) position in the prices of each session of the predictions.
    close, returns : (T, N) closes, and daily returns, NaN where a price is missing.
    mark, fill : (T, N) last known close, and the price at which a session fills (open where known).
    score : (R, N) divided by the horizon, NaN = no view; all NaN where nothing reads it.
    traded : (T, N) 20-session mean of close × volume, or None.
    groups : name → members; empty where no groups are asked for.
    delay, horizon : of the predictions, sessions.

    """

    assets: tuple[str, ...]
    rows: NDArray[np.intp]
    close: Floats
    returns: Floats
    mark: Floats
    fill: Floats
    score: Floats
    traded: Floats | None
    groups: Mapping[str, tuple[str, ...]]
    delay: int
    horizon: int

    def eligible(self, at: int, window: int) -> NDArray[np.intp]:
        """Positions of the assets with a price on row `at` of the prices and enough of a history before."""
        history = self.returns[max(0, at - window + 1) : at + 1]
        present = np.isfinite(history).sum(axis=0) >= PRESENT * window
        moving = np.nanmax(np.abs(np.where(np.isfinite(history), history, 0.0)), axis=0, initial=0.0) > 0
        return np.flatnonzero(np.isfinite(self.close[at]) & present & moving)

    def history(self, at: int, window: int, chosen: NDArray[np.intp]) -> tuple[Floats, int]:
        """Returns (window, n) through row `at`, and how many were missing and set to the session's mean."""
        block = self.returns[at - window + 1 : at + 1][:, chosen]
        missing = ~np.isfinite(block)
        if not missing.any():
            return block, 0
        count = (~missing).sum(axis=1)
        mean = np.where(missing, 0.0, block).sum(axis=1) / np.maximum(count, 1)
        return np.where(missing, mean[:, None], block), int(missing.sum())

    def drifted(self, weights: Floats, decided: int, at: int) -> Floats:
        """What `weights` (N,) decided on price row `decided` have become by the close of row `at`.

        Filled `delay` sessions later; before that they are what they were meant to be. Costs are left out.
        """
        filled = decided + self.delay
        if filled > at:
            return weights
        grown = np.divide(self.mark[at], self.fill[filled], out=np.ones(len(weights)), where=weights != 0)
        grown = np.where(np.isfinite(grown), grown, 1.0)
        nav = 1.0 + float(weights @ (grown - 1.0))
        return weights * grown / nav if nav > 0 else np.zeros(len(weights))


def market_of(
    predictions: PredictionPanel, prices: PricePanel, constraints: Constraints, *, who: str, scored: bool, signed: bool
) -> PriceArrays:
    """The arrays of `PriceArrays`, of the assets of the predictions.

    Raises
    ------
    InputError
        If sessions or assets are absent from the prices, there are fewer than two assets, the score is missing or of
        the wrong unit, volume is missing for a liquidity cap, or the groups' file misses an asset.

    """
    if len(predictions.assets) < 2:
        raise InputError(f"{who}: needs at least 2 assets to choose between, got 1 ({predictions.assets[0]!r})")
    absent = predictions.assets.difference(prices.assets)
    if len(absent):
        raise InputError(f"{who}: {len(absent)} assets absent from the prices, first {absent[0]!r}; align them first")
    rows = prices.sessions.get_indexer(predictions.sessions)
    if (rows < 0).any():
        first = predictions.sessions[int((rows < 0).argmax())].date()
        raise InputError(f"{who}: sessions absent from the prices, first {first}; align the two first")
    order = sorted(predictions.assets, key=str)
    close_frame = prices.close[order]
    close = close_frame.to_numpy()
    mark = close_frame.ffill().to_numpy()
    fill = mark if prices.open is None else prices.open[order].to_numpy()
    fill = np.where(np.isfinite(fill), fill, mark)
    returns = np.full(close.shape, np.nan)
    returns[1:] = close[1:] / close[:-1] - 1.0
    score = np.full((len(rows), len(order)), np.nan)
    if scored:
        frame = predictions.require_sign(who) if signed else predictions.require_score(who)
        score = frame[order].to_numpy() / predictions.horizon
    traded = None
    if constraints.max_volume is not None:
        prices.require(["volume"], f"{who}: max_volume")
        assert prices.volume is not None  # require has seen to it
        value = close_frame * prices.volume[order]
        traded = value.rolling(LIQUIDITY_WINDOW, min_periods=2).mean().to_numpy()
    groups = {} if constraints.groups is None else read_groups(constraints.groups, pd.Index(order))
    return PriceArrays(
        assets=tuple(map(str, order)),
        rows=rows,
        close=close,
        returns=returns,
        mark=mark,
        fill=fill,
        score=score,
        traded=traded,
        groups=groups,
        delay=predictions.delay,
        horizon=predictions.horizon,
    )


def limits_of(
    market: PriceArrays,
    constraints: Constraints,
    at: int,
    chosen: NDArray[np.intp],
    covariance: Floats,
    previous: Floats | None,
) -> Limits:
    """The constraints of the session in price row `at`, over the eligible assets.

    Parameters
    ----------
    covariance : (n, n) of the chosen assets; betas to their equal-weighted mean come from it.
    previous : (N,) drifted holdings, or None before the first purchase, which no turnover cap binds.

    """
    n = len(chosen)
    liquidity = np.full(n, np.inf)
    if constraints.max_volume is not None and market.traded is not None:
        traded = np.nan_to_num(market.traded[at, chosen], nan=0.0)
        liquidity = constraints.max_volume * traded / constraints.capital
    beta = None
    if constraints.max_beta is not None:
        with_market = covariance.mean(axis=1)
        beta = with_market / with_market.mean()
    held = np.zeros(n) if previous is None else previous[chosen]
    outgoing = 0.0 if previous is None else 0.5 * float(np.abs(previous).sum() - np.abs(held).sum())
    names = [market.assets[i] for i in chosen]
    groups = {label: np.isin(names, members) for label, members in market.groups.items()}
    return Limits(
        net=constraints.net,
        gross=constraints.gross,
        cap=np.full(n, constraints.max_weight),
        liquidity=liquidity,
        long_only=constraints.long_only,
        previous=held,
        groups=groups,
        max_group=constraints.max_group,
        outgoing=outgoing,
        max_turnover=None if previous is None else constraints.max_turnover,
        beta=beta,
        max_beta=constraints.max_beta,
    )
