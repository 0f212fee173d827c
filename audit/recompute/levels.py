"""Printed levels that the given series does not have: which other daily series of the same book does.

One figure can be met by chance; a daily series is named only when it gives the printed figures of a run together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from assay.audit.claims.intervals import Interval
from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import Claim, Portfolio
from assay.audit.recompute.conventions import Material, Reading
from assay.audit.recompute.daily import Alternative, VolTarget, alternatives, simplest
from assay.audit.recompute.resolver import Resolution, resolve
from assay.audit.recompute.return_statistics import RELATIVE_STATISTICS, RETURN_STATISTICS
from assay.data.conventions import SESSIONS_A_YEAR

__all__ = ["LEVELS", "Explanation", "best_reading", "explain"]

#: Figures that another daily series changes.
LEVELS = tuple(
    name for name in RETURN_STATISTICS if name not in ("win_rate", "turnover", "sessions", *RELATIVE_STATISTICS)
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
    near : whether the series comes near the printed figures and does not give them.

    """

    words: str
    value: float
    together: int
    printed: int
    look_ahead: bool = False
    size: float = 1.0
    near: bool = False

    @property
    def honest(self) -> bool:
        """Whether the series is a sound reading of what was given."""
        return not self.look_ahead and self.size == 1.0


def best_reading(claim: Claim, material: Material, interval: Interval) -> tuple[Resolution, str] | None:
    """The print as rounded; where nothing gives it, in percent without the sign, then with its digits cut off.

    The note names the reading that was needed; None where the material has none.
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

    id of a claim that the own convention does not give → `Explanation`; empty where nothing explains the figures better
    than conventions do. The claims are of one run over the whole period, each with what its print stands for and what
    the grid said.
    """
    levels = [_Level(*item) for item in found if item[0].metric in LEVELS]
    odd = [level for level in levels if not level.resolution.reproduced]
    if not odd or not material.series or material.per_year is not None:
        return {}  # overlays work on daily returns
    stated = None
    if portfolio.volatility_target is not None:
        stated = VolTarget(portfolio.volatility_target.value, portfolio.volatility_window)
    best: tuple[int, Alternative, float, dict[str, Reading]] | None = None
    close: tuple[float, Alternative] | None = None
    levels.sort(key=lambda level: _EARLY.index(level.claim.metric) if level.claim.metric in _EARLY else len(_EARLY))
    made = bool(material.suspects)
    for alternative, size in (*_sized(odd, material), *((other, 1.0) for other in alternatives(material, stated))):
        if len(alternative.values) < 5 or (alternative.values <= -1).any():
            continue
        if size == 1.0 and not _size_fits(levels, alternative.values):
            continue
        distance = _distance(levels, alternative.values) if size == 1.0 else math.inf
        if distance < (math.inf if close is None else close[0]):
            close = distance, alternative
        given = _reproduced(levels, material, alternative)
        if not (_needed(levels, given, size == 1.0 and (stated is not None or made), size) or _simpler(levels, given)):
            continue
        if best is None or len(given) > best[0]:
            best = (len(given), alternative, size, given)
    if best is None:
        return _nearest(levels, close)
    count, alternative, size, given = best
    return {
        level.claim.id: Explanation(
            alternative.words, given[level.claim.id].value, count, len(levels), alternative.look_ahead, size
        )
        for level in odd
        if level.claim.id in given
    }


#: Figures that rule a series out most cheaply, and those that a series is measured by, with their own conventions.
_EARLY = ("annual_volatility", "return_std", "max_drawdown", "annual_return", "total_return")
#: Most that a series may miss a printed volatility by before it is not tried, and to be near; and how much nearer than
#: the one at hand it must be in every figure.
APART, NEAR, NEARER = 0.03, 0.01, 0.4


def _measures(values: np.ndarray) -> dict[str, float]:
    """Volatility, drawdown and growth of a series under the project's own convention."""
    wealth = np.concatenate([[1.0], np.cumprod(1.0 + values)])
    return {
        "annual_volatility": float(values.std(ddof=1)) * math.sqrt(SESSIONS_A_YEAR),
        "return_std": float(values.std(ddof=1)),
        "max_drawdown": float((wealth / np.maximum.accumulate(wealth) - 1.0).min()),
        "annual_return": float(wealth[-1] ** (SESSIONS_A_YEAR / len(values)) - 1.0),
        "total_return": float(wealth[-1] - 1.0),
    }


def _size_fits(levels: Sequence[_Level], values: np.ndarray) -> bool:
    """Whether a series can have the printed volatility under any calendar; true where none is printed."""
    for level in levels:
        if level.claim.metric == "annual_volatility" and level.interval.low > 0:
            daily = float(values.std(ddof=1))
            ratios = (daily * math.sqrt(year) / level.interval.middle for year in (250, 252, 260, 365))
            slack = APART + level.interval.width / level.interval.middle
            return any(abs(ratio - 1) <= slack or abs(100 * ratio - 1) <= slack for ratio in ratios)
    return True


def _distance(levels: Sequence[_Level], values: np.ndarray) -> float:
    """How near a series comes in its worst figure, as a share of what the one at hand misses; infinite if not near."""
    measured = _measures(values)
    worst, solved = 0.0, 0
    for level in levels:
        mine, printed = measured.get(level.claim.metric), level.interval.middle
        if mine is None:
            continue
        own = level.resolution.own.value
        printed = math.copysign(printed, own) if level.claim.metric == "max_drawdown" else printed
        missed, off = abs(own - printed), abs(mine - printed)
        if level.resolution.matches and off <= level.interval.width:
            continue
        if level.claim.metric in ("annual_volatility", "max_drawdown") and off > NEAR * abs(printed):
            return math.inf
        if off > NEARER * missed + level.interval.width / 2:
            return math.inf
        worst, solved = max(worst, off / missed if missed else 0.0), solved + 1
    return worst if solved >= 2 else math.inf


def _nearest(levels: Sequence[_Level], close: tuple[float, Alternative] | None) -> dict[str, Explanation]:
    """The series that comes near every printed figure, where none gives them, for figures that no convention gives."""
    if close is None or len(levels) < 3:
        return {}
    measured, words = _measures(close[1].values), close[1].words
    return {
        level.claim.id: Explanation(
            words, measured[level.claim.metric], 0, len(levels), close[1].look_ahead, near=True
        )
        for level in levels
        if level.claim.metric in measured and not level.resolution.matches
    }


def _needed(levels: Sequence[_Level], given: dict[str, Reading], stated: bool, size: float) -> bool:
    """Whether a series gives figures that no convention gives on the one at hand, and nearly all others."""
    missing = [level for level in levels if not level.resolution.matches]
    solved = sum(level.claim.id in given for level in missing)
    if len(levels) < 2 or solved < (1 if stated else 2) or solved < len(missing) / 2:
        return False
    if not stated and (len(levels) < 3 or len(given) < len(levels)) and size == 1.0:
        return False  # one of many series tried must give everything
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
    given: dict[str, Reading] = {}
    for number, level in enumerate(levels):
        if number - len(given) > len(levels) // 4:
            break  # too many figures are not among its own
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
