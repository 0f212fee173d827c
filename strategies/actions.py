"""Rules that read more than a ranking: action probabilities, and expected returns against their cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.strategies.base import Decision, OwnCosts, WithOverlays
from assay.strategies.selection import MINIMUM_ASSETS, aligned_values

__all__ = ["ExpectedReturn", "MultitaskAction"]

def _not_negative(who: str, **values: float) -> None:
    for name, value in values.items():
        if not (value >= 0 and math.isfinite(value)):
            raise InputError(f"{who}: {name} must be finite and at least 0, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class MultitaskAction(WithOverlays):
    """Long, equally weighted over 65% of NAV, what the model says to buy; short over 35% what it says to sell.

    An asset is bought (sold) when that is its most likely action, strictly, with a probability above the threshold of
    that class. Where "hold" is the most likely, or nothing strictly is, the asset keeps yesterday's side; a buy or sell
    that is too unlikely, no view, or no price, ends the side. Fewer than 5 assets with a view and a price: all cash.

    The threshold of a class is the mean, over the trailing `window` sessions and t, of the level that `share` of the
    session's probabilities of that class exceed: a model trained on balanced classes says buy with at most 45% where
    its classes are hard to tell apart, and one level for all would never be reached. Predictions that are made
    walk-forward are out-of-sample, so these are validation rows that are known on session t, whichever model predicted
    them; no outcome is read, so no threshold is fit to one.

    Parameters
    ----------
    threshold : probability that a buy or a sell has to exceed, in [0, 1); none chooses one by class.
    share : of a session's probabilities of a class, how many lie above the level, in (0, 1); read where `threshold` is
        none.
    window : sessions in the mean, the last one being t; until a tenth of them (at least 5) are known there is no
        position.
    long_gross, short_gross : Σ|weight| of each leg, fractions of NAV.
    require_agreement : leave out, for the session, assets whose score does not point to the side that is held.

    References
    ----------
    Lipton, Elkan & Narayanaswamy (2014), "Optimal thresholding of classifiers", on thresholds below ½ for classes that
    are rarely certain.

    """

    name: ClassVar[str] = "multitask_action"
    family: ClassVar[str] = "actions"
    needs: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[str] = "action probabilities; with require_agreement also a score whose 0 is neutral"

    threshold: float | None = None
    share: float = 0.2
    window: int = 252
    long_gross: float = 0.65
    short_gross: float = 0.35
    require_agreement: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold is not None and not 0 <= self.threshold < 1:
            raise InputError(f"{self.name}: threshold must lie in [0, 1) (or none), got {self.threshold!r}")
        if not 0 < self.share < 1:
            raise InputError(f"{self.name}: share must lie in (0, 1), got {self.share!r}")
        if self.window < 5:
            raise InputError(f"{self.name}: window must be at least 5 sessions, got {self.window!r}")
        _not_negative(self.name, long_gross=self.long_gross, short_gross=self.short_gross)

    def _sides(self, predictions: PredictionPanel, prices: PricePanel) -> NDArray[np.int8]:
        """The side (1, 0, −1) of each asset and session, (T, N); rows with too few assets are 0."""
        if predictions.action is None:
            raise InputError(f"{self.name}: needs the probabilities of buy, sell and hold; the predictions have none")
        action = predictions.action
        buy, sell, hold = (action[which].to_numpy() for which in ("buy", "sell", "hold"))
        eligible = ~np.isnan(aligned_values(action["buy"], prices.close, self.name)) & ~np.isnan(buy + sell + hold)
        bought = (buy > sell) & (buy > hold)
        sold = (sell > buy) & (sell > hold)
        keep = eligible & ~bought & ~sold
        over = [values > self._thresholds(values)[:, None] for values in (buy, sell)]
        sides = (bought & over[0]).astype(np.int8) - (sold & over[1]).astype(np.int8)
        sides[~eligible] = 0
        for t in range(len(sides)):
            if t:
                np.copyto(sides[t], sides[t - 1], where=keep[t])
            else:
                sides[t, keep[t]] = 0
        sides[np.count_nonzero(eligible, axis=1) < MINIMUM_ASSETS] = 0
        return sides

    def _thresholds(self, probability: Floats) -> Floats:
        """(T,) the threshold of one class in each session; NaN, which nothing exceeds, until enough are known."""
        if self.threshold is not None:
            return np.full(len(probability), self.threshold)
        some = np.isfinite(probability).any(axis=1)
        level = np.full(len(probability), np.nan)
        level[some] = np.nanquantile(probability[some], 1.0 - self.share, axis=1)
        known = pd.Series(level).rolling(self.window, min_periods=max(5, self.window // 10))
        return known.mean().to_numpy()

    def _weights(self, sides: NDArray[np.int8], like: pd.DataFrame) -> pd.DataFrame:
        out = np.zeros(sides.shape)
        for side, gross in ((1, self.long_gross), (-1, -self.short_gross)):
            chosen = sides == side
            count = np.count_nonzero(chosen, axis=1)
            np.copyto(out, (gross / np.maximum(count, 1))[:, None], where=chosen)
        return pd.DataFrame(out, index=like.index, columns=like.columns, copy=False)

    def target_weights(self, predictions: PredictionPanel, prices: PricePanel) -> Decision:
        """Weights (T, N) stamped t, from data through the close of t; 0 where nothing is held.

        Raises
        ------
        InputError
            If the predictions have no action probabilities, or no signed score where agreement is required.

        """
        sides = self._sides(predictions, prices)
        assert predictions.action is not None  # _sides has seen to it
        selected = filtered = self._weights(sides, predictions.action["buy"])
        if self.require_agreement:
            score = predictions.require_sign(f"{self.name} with require_agreement").to_numpy()
            agreeing = np.where(sides * score > 0, sides, 0).astype(np.int8)
            filtered = self._weights(agreeing, predictions.action["buy"])
        return Decision(filtered, stages={"select": lambda: selected}, label="filter")


@dataclass(frozen=True, kw_only=True)
class ExpectedReturn(OwnCosts, WithOverlays):
    """Weights in proportion to the expected return where it beats its own round-trip cost, scaled to a gross of 1.

    The cost of an asset is two trades, and for a short also the borrow over the horizon of the prediction. Fewer than 5
    assets with a view and a price, or none that beats its cost: all cash.

    Parameters
    ----------
    gross : Σ|weight|, fraction of NAV.
    smoothing, vol_target, kill_switches : overlays, see `assay.strategies.base.Overlays`; off by default.

    """

    name: ClassVar[str] = "expected_return"
    family: ClassVar[str] = "actions"
    needs: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[str] = "score in units of return"
    memory: ClassVar[int] = 1

    gross: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_costs(self.name)
        _not_negative(self.name, gross=self.gross)

    def _scaled(self, score: pd.DataFrame, prices: PricePanel, long_cost: float, short_cost: float) -> pd.DataFrame:
        close = aligned_values(score, prices.close, self.name)
        view = np.where(np.isnan(close), np.nan, score.to_numpy())
        few = np.count_nonzero(~np.isnan(view), axis=1) < MINIMUM_ASSETS
        worth = np.where((view > long_cost) | (view < -short_cost), view, 0.0)
        worth[few] = 0.0
        total = np.abs(worth).sum(axis=1, keepdims=True)
        np.multiply(worth, self.gross / np.where(total > 0, total, 1.0), out=worth)
        return pd.DataFrame(worth, index=score.index, columns=score.columns, copy=False)

    def _score(self, predictions: PredictionPanel) -> pd.DataFrame:
        score = predictions.require_score(self.name)
        if predictions.unit != "return":
            raise InputError(
                f"{self.name}: compares the score with a cost, so it must be an expected return; its unit is "
                f"{predictions.unit!r}"
            )
        return score

    def target_weights(self, predictions: PredictionPanel, prices: PricePanel) -> Decision:
        """Weights (T, N) stamped t, from data through the close of t; 0 where nothing is held.

        Raises
        ------
        InputError
            If the predictions have no score in units of return.

        """
        score = self._score(predictions)
        trading = 2 * self._trade_bps / 1e4
        borrow = self._borrow_bps / 1e4 * predictions.horizon / SESSIONS_A_YEAR
        return Decision(
            self._scaled(score, prices, trading, trading + borrow),
            stages={"select": partial(self._scaled, score, prices, 0.0, 0.0)},
            label="filter",
        )
