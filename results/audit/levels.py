"""Printed levels that the given series does not have: which other daily series of the same book does.

One figure can be met by chance; a daily series is named only when it gives the printed figures of a run together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from results.audit.claims_model import Claim, Portfolio
from results.audit.conventions import Material, Reading
from results.audit.daily_series import Alternative, VolTarget, alternatives, simplest
from results.audit.intervals import Interval
from results.audit.metrics_vocabulary import METRICS
from results.audit.readings import RETURN_METRICS
from results.audit.relative_readings import RELATIVE_METRICS
from results.audit.resolver import Resolution, resolve

__all__ = ["LEVELS", "Explanation", "best_reading", "explain"]

#: Figures that another daily series changes.
LEVELS = tuple(
    name for name in RETURN_METRICS if name not in ("win_rate", "turnover", "sessions", *RELATIVE_METRICS)
)
#: Kinds of metric that are often printed in percent without the sign.
_PERCENT_KINDS = ("return", "error", "proportion", "score", "share")
#: Metrics in proportion to the size of the book.
_SIZED = ("annual_volatility", "return_std", "mean_return", "annual_return", "var", "cvar", "best_day", "worst_day")
#: Sizes tried where no printed figure is in proportion to the size.
SIZES = (2.0, 0.5, 1.5, 3.0, 0.25, 4.0, -1.0)
#: Departures allowed a figure when a whole series is proposed: one odd convention, not several.
ODD = 1
#: Departures that another series must save over all figures before it is named although conventions exist.
SIMPLER = 4


@dataclass(frozen=True)
class Explanation:
    """A daily series, other than the given one, that gives printed figures.

    Parameters
    ----------
    words : what was done.
    value : the figure of this claim on that series.
    together, printed : how many of how many printed figures of the run that series gives.
    look_ahead : whether the series uses the return of a day on that day.
    size : factor of the book's size, 1 where the size is the same.

    """

    words: str
    value: float
    together: int
    printed: int
    look_ahead: bool = False
    size: float = 1.0

    @property
    def honest(self) -> bool:
        """Whether the series is a sound reading of what was given."""
        return not self.look_ahead and self.size == 1.0


def best_reading(claim: Claim, material: Material, interval: Interval) -> tuple[Resolution, str] | None:
    """The print as rounded; where nothing gives it, in percent without the sign, then with its digits cut off.

    Returns
    -------
    (resolution, note) ; the note names the reading of the print that was needed. None where the material has none.

    """
    readings: list[tuple[Interval, str]] = [(interval, "")]
    info = METRICS[claim.metric]
    if info.kind in _PERCENT_KINDS and not claim.value.percent and not claim.unit:
        readings.append((claim.value.interval * 0.01, "printed in percent without the sign"))
    readings.append((claim.value.either, "digits cut off, not rounded"))
    first = None
    for wanted, note in readings:
        resolution = resolve(claim.metric, claim.value, material, wanted)
        if resolution is None:
            return None
        if resolution.matches:
            return resolution, note
        first = first or (resolution, "")
    return first


@dataclass(frozen=True)
class _Level:
    claim: Claim
    interval: Interval
    resolution: Resolution


def explain(
    found: Sequence[tuple[Claim, Interval, Resolution]], material: Material, portfolio: Portfolio
) -> dict[str, Explanation]:
    """What explains the printed levels that no convention gives on the series at hand.

    Parameters
    ----------
    found : claims of one run over the whole period, what each print stands for, and what the grid said.
    material : the series.
    portfolio : what the report states about the book.

    Returns
    -------
    dict
        id of a claim that the project's own convention does not give -> `Explanation`; empty where nothing explains
        the figures better than conventions do.

    """
    levels = [_Level(*item) for item in found if item[0].metric in LEVELS]
    odd = [level for level in levels if not level.resolution.reproduced]
    if not odd or not material.series:
        return {}
    stated = None
    if portfolio.volatility_target is not None:
        stated = VolTarget(portfolio.volatility_target.value, portfolio.volatility_window)
    best: tuple[int, Alternative, float, dict[str, Reading]] | None = None
    for alternative, size in (*_sized(odd, material), *((other, 1.0) for other in alternatives(material, stated))):
        if len(alternative.values) < 5 or (alternative.values <= -1).any():
            continue
        given = _reproduced(levels, material, alternative)
        if not (_needed(levels, given, size == 1.0 and stated is not None) or _simpler(levels, given)):
            continue
        if best is None or len(given) > best[0]:
            best = (len(given), alternative, size, given)
    if best is None:
        return {}
    count, alternative, size, given = best
    return {
        level.claim.id: Explanation(
            alternative.words, given[level.claim.id].value, count, len(levels), alternative.look_ahead, size
        )
        for level in odd
        if level.claim.id in given
    }


def _needed(levels: Sequence[_Level], given: dict[str, Reading], stated: bool) -> bool:
    """Whether a series gives figures that no convention gives on the one at hand, and nearly all others."""
    missing = [level for level in levels if not level.resolution.matches]
    solved = sum(level.claim.id in given for level in missing)
    if len(levels) < 2 or solved < (1 if stated else 2) or solved < len(missing) / 2:
        return False
    return len(levels) - len(given) <= len(levels) // 4


def _simpler(levels: Sequence[_Level], given: dict[str, Reading]) -> bool:
    """Whether a series gives all of three figures or more, with far fewer odd conventions than the one at hand."""
    named = [level.resolution.named for level in levels]
    if len(levels) < 3 or len(given) < len(levels) or None in named:
        return False
    saved = sum(r.departures for r in named if r is not None) - sum(r.departures for r in given.values())
    return saved >= SIMPLER


def _reproduced(levels: Sequence[_Level], material: Material, alternative: Alternative) -> dict[str, Reading]:
    """Figures of the run that a series gives under at most one odd convention each: id -> value."""
    other = Material({"net": alternative.values}, dates=_dates(material, alternative.values),
                     benchmark=None, risk_free=material.risk_free)  # fmt: skip
    given = {}
    for level in levels:
        best = best_reading(level.claim, other, level.interval)
        if best is not None and best[0].named is not None and best[0].named.departures <= ODD:
            given[level.claim.id] = best[0].named
    return given


def _dates(material: Material, values: np.ndarray) -> np.ndarray | None:
    return material.dates if material.dates is not None and len(material.dates) == len(values) else None


def _sized(odd: Sequence[_Level], material: Material) -> Iterator[tuple[Alternative, float]]:
    """The given series at the sizes that printed figures in proportion to it suggest, and at the usual ones."""
    sizes: dict[float, None] = {}
    for level in odd:
        own = level.resolution.own.value
        if level.claim.metric in _SIZED and own and math.isfinite(own):
            for wanted in (level.interval, level.interval * 0.01):
                ratio = wanted / Interval.point(own)
                if ratio.low > 0 and math.isfinite(ratio.high) and 0.02 < ratio.middle < 50:
                    sizes[simplest(ratio)] = None
    given = next(iter(material.series.values()))
    for size in (*sizes, *SIZES):
        if abs(size - 1.0) > 1e-9:
            words = f"the book at {size:.4g} times its size" if size > 0 else "the book with its sign turned"
            yield Alternative(words, size * given), size
