"""Rules that hold the top and the bottom of each session's ranking.

All of them choose with `assay.strategies.selection.Legs`; they differ in what they short and in how a leg is weighted.
`select` is the ranking alone, `filter` what the rule makes of it; `target_weights` is the latter, before overlays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd

from assay.data.benchmark import BENCHMARK_ASSET
from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.strategies.base import QUIET, Decision, WithOverlays
from assay.strategies.neutral import (
    DOLLAR,
    SECTOR,
    STYLES,
    check_names,
    memory_of_styles,
    neutral_scores,
    neutral_weights,
    sector_groups,
)
from assay.strategies.selection import Legs, aligned_values, check_quantile, trailing_volatility

__all__ = [
    "BenchmarkHedge",
    "BottomK",
    "ConfidenceScaled",
    "FilterNegative",
    "LongOnly",
    "QuintileLongShort",
    "Threshold",
    "VolScaled",
]


@dataclass(frozen=True, kw_only=True)
class _Ranked(WithOverlays):
    """What the ranked rules share: two legs, and the two stages select → filter.

    Parameters
    ----------
    quantile : share of the N assets with a score and a price in each leg, in (0, 0.5]:
        K = max(1, ⌊quantile·N + ½⌋), ties by asset id; with N < 5 all is cash.
    long_gross, short_gross : Σ|weight| of each leg, fractions of NAV.
    within : "sector" chooses the top and bottom K within each sector, whose share of the gross is its share of the
        names; sectors of fewer than 5 are left out.
    neutralise : what is taken out of the scores before selection, e.g. "beta,sector": sector, beta, momentum,
        volatility, reversal, liquidity.
    neutral : what the weights are made free of after selection, at the same gross: dollar, and what `neutralise` knows.

    """

    name: ClassVar[str]
    family: ClassVar[str] = "ranked"
    needs: ClassVar[tuple[str, ...]] = ()
    #: what it reads of the predictions, in words
    reads: ClassVar[str] = "score"
    #: whether 0 must mean neutral, so that a rank score is refused
    signed: ClassVar[bool] = False

    quantile: float = 0.2
    long_gross: float = 0.65
    short_gross: float = 0.35
    within: str | None = field(default=None, metadata=QUIET)
    neutralise: str | None = field(default=None, metadata=QUIET)
    neutral: str | None = field(default=None, metadata=QUIET)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(self.within, [SECTOR], f"within of {self.name}")
        _ = self._of_scores, self._of_weights
        check_quantile(self.quantile, self.name)
        for leg in ("long_gross", "short_gross"):
            value = getattr(self, leg)
            if not (value >= 0 and math.isfinite(value)):
                raise InputError(f"{self.name}: {leg} must be finite and at least 0, got {value!r}")

    @property
    def memory(self) -> int | None:
        """Closes behind what scores and weights are made free of."""
        return memory_of_styles((*self._of_scores, *self._of_weights))

    @property
    def reads_sectors(self) -> bool:
        """Whether the panel must have sectors."""
        return bool(self.within) or SECTOR in (*self._of_scores, *self._of_weights)

    @property
    def _of_scores(self) -> tuple[str, ...]:
        return check_names(self.neutralise, [SECTOR, *STYLES], f"neutralise of {self.name}")

    @property
    def _of_weights(self) -> tuple[str, ...]:
        return check_names(self.neutral, [DOLLAR, SECTOR, *STYLES], f"neutral of {self.name}")

    @property
    def _legs(self) -> Legs:
        """The legs before any filter."""
        return Legs(self.quantile, self.long_gross, self.short_gross)

    @property
    def _filtered(self) -> Legs:
        """The legs that the rule really holds."""
        return self._legs

    def _score(self, predictions: PredictionPanel) -> pd.DataFrame:
        return predictions.require_sign(self.name) if self.signed else predictions.require_score(self.name)

    def _size(self, score: pd.DataFrame, prices: PricePanel) -> Floats | None:
        """What weights within a leg are proportional to; None weighs equally."""
        return None

    def _weights(self, legs: Legs, score: pd.DataFrame, prices: PricePanel, sized: bool) -> pd.DataFrame:
        close = aligned_values(score, prices.close, self.name)
        size = self._size(score, prices) if sized else None
        if self._of_scores:
            score = neutral_scores(score.where(np.isfinite(close)), prices, self._of_scores, self.name)
        if self.within:
            groups = sector_groups(prices, score.columns, self.name)
            values = legs.weights_within(groups, score.to_numpy(), close, score.columns, size)
        else:
            values = legs.weights(score.to_numpy(), close, score.columns, size)
        weights = pd.DataFrame(values, index=score.index, columns=score.columns, copy=False)
        return neutral_weights(weights, prices, self._of_weights, self.name) if self._of_weights else weights

    def select(self, predictions: PredictionPanel, prices: PricePanel) -> pd.DataFrame:
        """Weights (T, N) of the ranking alone: both legs whole and equally weighted, stamped t."""
        return self._weights(self._legs, self._score(predictions), prices, sized=False)

    def _selected(self, weights: pd.DataFrame, predictions: PredictionPanel, prices: PricePanel) -> pd.DataFrame:
        """`select`, of which `filter` has made `weights`: those themselves where that has left everything as it was."""
        own, legs, filtered = type(self), self._legs, self._filtered
        if any(getattr(own, name) is not getattr(_Ranked, name) for name in ("select", "filter", "_size", "_weights")):
            return self.select(predictions, prices)
        if filtered == legs:
            return weights
        plain = not (self._of_scores or self.within or self._of_weights)
        if not (plain and legs.long_gross and legs.short_gross and replace(filtered, short_below=None) == legs):
            return self.select(predictions, prices)
        score, values = self._score(predictions), weights.to_numpy()
        spared = np.flatnonzero(np.count_nonzero(values > 0, axis=1) != np.count_nonzero(values < 0, axis=1))
        if not len(spared):
            return weights
        close, out = aligned_values(score, prices.close, self.name), values.copy()
        out[spared] = legs.weights(score.to_numpy()[spared], close[spared], score.columns)
        return pd.DataFrame(out, index=weights.index, columns=weights.columns, copy=False)

    def filter(self, predictions: PredictionPanel, prices: PricePanel, *, compiled: bool = False) -> pd.DataFrame:
        """Weights (T, N) after what the rule adds to the ranking, stamped t; overlays come later."""
        legs = replace(self._filtered, compiled=True) if compiled else self._filtered
        return self._weights(legs, self._score(predictions), prices, sized=True)

    def target_weights(self, predictions: PredictionPanel, prices: PricePanel) -> Decision:
        """Weights (T, N) stamped t, from data through the close of t; 0 where nothing is held.

        Raises
        ------
        InputError
            If the predictions lack what the rule reads, or do not lie within the prices.

        """
        weights = self.filter(predictions, prices)
        select = partial(self._selected, weights, predictions, prices)
        return Decision(weights, stages={"select": select}, label="filter")

    def compiled_weights(self, predictions: PredictionPanel, prices: PricePanel) -> Decision:
        """`target_weights` by compiled loops where they know the rule, to the bit, and no earlier stage."""
        return Decision(self.filter(predictions, prices, compiled=True), label="filter")


@dataclass(frozen=True, kw_only=True)
class QuintileLongShort(_Ranked):
    """Long the top K, short the bottom K, equally weighted, half of the gross on each side.

    """

    name: ClassVar[str] = "quintile_long_short"

    long_gross: float = 0.5
    short_gross: float = 0.5


@dataclass(frozen=True, kw_only=True)
class BottomK(_Ranked):
    """Long the top K over 65% of NAV, short all of the bottom K over 35%, equally weighted; the overlays of S2.

    """

    name: ClassVar[str] = "s1_bottom_k"

    smoothing: float = 0.85
    vol_target: float | None = 0.08
    kill_switches: bool = True


@dataclass(frozen=True, kw_only=True)
class FilterNegative(BottomK):
    """Long the top K over 65% of NAV; short over 35% those of the bottom K whose prediction is below 0, else nothing.

    Both legs are equally weighted: with n negative predictions among the bottom K each of them gets −0.35/n.

    """

    name: ClassVar[str] = "s2_filter_negative"
    reads: ClassVar[str] = "score whose 0 is neutral"
    signed: ClassVar[bool] = True

    @property
    def _filtered(self) -> Legs:
        return replace(self._legs, short_below=0.0)


@dataclass(frozen=True, kw_only=True)
class VolScaled(FilterNegative):
    """S2 with weights within each leg in proportion to 1/volatility instead of equal.

    An asset whose last returns are not all known, or do not vary, has no volatility and is not eligible.

    Parameters
    ----------
    window : daily returns in the volatility, the last one being that of session t.

    """

    name: ClassVar[str] = "s3_vol_scaled"

    window: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window < 2:
            raise InputError(f"{self.name}: window must be at least 2 sessions, got {self.window!r}")

    @property
    def memory(self) -> int | None:
        """The closes behind the volatility, and behind what scores and weights are made free of."""
        others = super().memory
        return None if others is None else max(self.window + 1, others)

    def _size(self, score: pd.DataFrame, prices: PricePanel) -> Floats:
        volatility = aligned_values(score, trailing_volatility(prices, self.window), self.name)
        answer: Floats = np.divide(1.0, volatility, out=np.full(score.shape, np.nan), where=volatility > 0)
        return answer


@dataclass(frozen=True, kw_only=True)
class BenchmarkHedge(BottomK):
    """Long the top K over 65% of NAV; the short leg is 35% of the benchmark, on sessions when there are longs.

    The benchmark has to be tradable, that is a column of the prices: an index fund among the assets, or the one that
    the engine makes of the benchmark's returns (`assay.data.benchmark`). It is never ranked. The weights carry its
    column last when the predictions have none of that name, so drift, commission and borrow are charged on it as on any
    other asset.

    Parameters
    ----------
    long_gross : Σ|weight| of the long leg, fraction of NAV.
    short_gross : the hedge, fraction of NAV.
    benchmark_asset : id of the asset that is sold short.

    """

    name: ClassVar[str] = "s4_benchmark_hedge"

    benchmark_asset: str = BENCHMARK_ASSET

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The tradable benchmark, unless one of the assets is named in its place."""
        return ("benchmark",) if self.benchmark_asset == BENCHMARK_ASSET else ()

    def _weights(self, legs: Legs, score: pd.DataFrame, prices: PricePanel, sized: bool) -> pd.DataFrame:
        if self.benchmark_asset not in prices.assets:
            raise InputError(
                f"{self.name}: asset {self.benchmark_asset!r} is not among the prices; "
                "name a tradable one with benchmark_asset, or give the benchmark's returns"
            )
        ranked = score.drop(columns=self.benchmark_asset, errors="ignore")
        weights = super()._weights(replace(legs, short_gross=0.0), ranked, prices, sized)
        held = (weights.to_numpy() > 0).any(axis=1)
        tradable = prices.close[self.benchmark_asset].reindex(weights.index).notna().to_numpy()
        columns = score.columns if self.benchmark_asset in score.columns else [*score.columns, self.benchmark_asset]
        hedge = pd.DataFrame({self.benchmark_asset: np.where(held & tradable, -self.short_gross, 0.0)}, weights.index)
        return pd.concat([weights, hedge], axis="columns")[columns]


@dataclass(frozen=True, kw_only=True)
class LongOnly(BottomK):
    """Long the top K over 65% of NAV, equally weighted, and no shorts; the overlays of S2.

    Parameters
    ----------
    long_gross : Σ weight, fraction of NAV.
    short_gross : left at 0.

    """

    name: ClassVar[str] = "s5_long_only"

    short_gross: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.short_gross:
            raise InputError(
                f"{self.name}: short_gross must be 0, got {self.short_gross!r}; use s1_bottom_k for shorts"
            )


@dataclass(frozen=True, kw_only=True)
class Threshold(FilterNegative):
    """S2 that shorts only those of the bottom K whose prediction is below a threshold, −0.5%.

    Parameters
    ----------
    short_below : expected return under which an asset is shorted, as a fraction.

    """

    name: ClassVar[str] = "s6_threshold"

    short_below: float = -0.005

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isfinite(self.short_below):
            raise InputError(f"{self.name}: short_below must be finite, got {self.short_below!r}")

    @property
    def _filtered(self) -> Legs:
        return replace(self._legs, short_below=self.short_below)


@dataclass(frozen=True, kw_only=True)
class ConfidenceScaled(FilterNegative):
    """S2 with weights within each leg in proportion to |prediction| instead of equal.

    """

    name: ClassVar[str] = "s7_confidence_scaled"

    def _size(self, score: pd.DataFrame, prices: PricePanel) -> Floats:
        answer: Floats = np.abs(score.to_numpy())
        return answer
