"""Daily series: others that the same book could have printed, and which book a report's own daily returns are of.

Ratios hide faults: a volatility target whose window holds the day that it scales keeps the Sharpe ratio almost where it
was and moves return, volatility and drawdown; a book of another size moves them by one factor. A Sharpe ratio is one
number, a daily series hundreds: equal to the last digit on nearly every day, two series are of one book; equal but for
one factor, of one book in two sizes.

References
----------
Moreira & Muir (2017), "Volatility-managed portfolios"; Harvey et al. (2018), "The impact of volatility targeting".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from assay.audit.claims.intervals import Interval
from assay.audit.recompute.conventions import Material
from assay.data.conventions import SESSIONS_A_YEAR

__all__ = [
    "Alternative",
    "DailyMatch",
    "VolTarget",
    "alternatives",
    "match_daily",
    "scaled_to_target",
    "simplest",
    "switched",
    "unscaled",
    "with_printed_series",
]

#: Bounds of the factor of a volatility target: none, and the usual half to twice.
BOUNDS = ((0.0, math.inf), (0.5, 2.0))
#: Volatilities aimed at, and sessions of the window, where the report does not say.
TARGETS = (0.05, 0.06, 0.08, 0.10, 0.12, 0.15, 0.20)
WINDOWS = (20, 60)
#: Stands for no upper bound of the factor.
_NO_BOUND = 1e6


@dataclass(frozen=True)
class VolTarget:
    """A volatility target as a report states it: volatility a year, and sessions of its window where stated."""

    target: float
    window: int | None = None


@dataclass(frozen=True)
class Alternative:
    """A daily series that the data allows, made otherwise than the one given.

    Parameters
    ----------
    words : what was done, in words.
    values : (T,) returns.
    look_ahead : whether it uses, on a day, the return of that day.

    """

    words: str
    values: np.ndarray
    look_ahead: bool = False


def _factor(returns: np.ndarray, target: float, window: int, bounds: tuple[float, float]) -> np.ndarray:
    """Factor stamped t from the `window` returns that end with t; 1 before there are so many."""
    import pandas as pd

    from assay.engine.overlay_passes import vol_factor

    low, high = bounds[0], min(bounds[1], _NO_BOUND)
    shadow = pd.Series(np.where(np.arange(len(returns)) < _first_fill(returns), np.nan, returns))
    return vol_factor(shadow, target, window=window, low=low, high=high).to_numpy()


def _first_fill(returns: np.ndarray) -> int:
    """Position of the first return that is not 0: what stands before it is before the first fill."""
    return int((returns != 0).argmax()) if returns.any() else len(returns)


def scaled_to_target(
    returns: np.ndarray, target: float, window: int = 20, lag: int = 1, bounds: tuple[float, float] = BOUNDS[1]
) -> np.ndarray:
    """Returns times clip(target / σ, bounds), σ from the window that ends `lag` sessions before the day scaled.

    Parameters
    ----------
    returns : (T,) unscaled returns, stamped with the period's end.
    target : volatility a year.
    window : returns in σ (ddof 1, √252).
    lag : 1 or more is honest; 0 puts the day that is scaled into its own window, which nobody can trade.
    bounds : of the factor; it is 1 until the window is full, zeros before the first fill not counted.

    Returns
    -------
    ndarray
        (T,) scaled returns.

    Examples
    --------
    >>> import numpy as np
    >>> r = np.array([0.01, -0.01, 0.01, -0.05])
    >>> (scaled_to_target(r, 0.08, 2, 1, (0.0, 9.0)) / r).round(3), (scaled_to_target(r, 0.08, 2, 0) / r).round(3)
    (array([1.   , 1.   , 0.356, 0.356]), array([1. , 0.5, 0.5, 0.5]))

    """
    factor = _factor(returns, target, window, bounds)
    if lag:
        factor = np.concatenate([np.ones(min(lag, len(factor))), factor[:-lag]])
    return np.asarray(returns * factor)


def unscaled(
    scaled: np.ndarray, target: float, window: int = 20, lag: int = 1, bounds: tuple[float, float] = BOUNDS[1]
) -> np.ndarray | None:
    """The returns that an honest volatility target (lag of 1 or more) turned into `scaled`, day after day.

    The factor of a day rests on earlier unscaled returns only, so the series can be unrolled from its start. None where
    a factor of 0 or the size of the numbers forbids it.
    """
    top = min(bounds[1], _NO_BOUND)
    values = [float(value) for value in scaled]
    start = _first_fill(scaled)
    held = values[start : start + window]
    total, squares = sum(held), sum(value * value for value in held)
    for t in range(start + window + lag - 1, len(values)):
        variance = max(squares - total * total / window, 0.0) / (window - 1)
        factor = min(max(target / max(math.sqrt(SESSIONS_A_YEAR * variance), 1e-12), bounds[0]), top)
        if factor < 1e-6:
            return None
        values[t] /= factor
        new, old = values[t - lag + 1], values[t - lag - window + 1]
        total, squares = total + new - old, squares + new * new - old * old
    raw = np.array(values)
    return raw if np.isfinite(raw).all() and (np.abs(raw) < 10).all() else None


def switched(returns: np.ndarray, same_day: bool) -> np.ndarray:
    """Returns with the days left out on which a kill switch is on, by the state of the day before or of the day itself.

    `same_day` leaves out the return that trips the switch, too, which nobody can trade.
    """
    import pandas as pd

    from assay.engine.overlay_passes import kill_switches

    # A stamp acts on the return of the session after; a lead of one puts it on its own.
    off = kill_switches(pd.Series(returns), lead=int(same_day)).any(axis="columns").shift(1, fill_value=False)
    return np.where(off.to_numpy(), 0.0, returns)


def alternatives(material: Material, stated: VolTarget | None = None) -> Iterator[Alternative]:
    """Daily series that a report may have printed instead of the one that the data gives.

    Honest ones (another reading of which series is given) before those that look ahead; the usual volatility targets
    are tried where the report states none.
    """
    honest: list[Alternative] = []
    ahead = [Alternative(words, values, True) for words, values in material.suspects.items()]
    if not material.series:
        yield from ahead
        return
    given = next(iter(material.series.values()))
    if material.unscaled is not None:
        honest.append(Alternative("the book before its overlays", material.unscaled))
    honest += [Alternative(words, values) for words, values in material.stages.items()]
    for rule in _rules(stated):
        _scalings(given, material.unscaled, rule, honest, ahead)
    raw = given if material.unscaled is None else material.unscaled
    if len(raw) > 20:
        ahead.append(Alternative("kill switches that leave out the day that trips them", switched(raw, True), True))
    for found in (*honest, *ahead):
        if not np.array_equal(found.values, given):
            yield found


def _rules(stated: VolTarget | None) -> Iterator[tuple[float, int, tuple[float, float]]]:
    """Target, window and bounds: those stated, or the usual ones."""
    for target in TARGETS if stated is None else (stated.target,):
        for window in (stated.window,) if stated is not None and stated.window else WINDOWS:
            for bounds in BOUNDS:
                yield target, window, bounds


def _scalings(
    given: np.ndarray,
    raw: np.ndarray | None,
    rule: tuple[float, int, tuple[float, float]],
    honest: list[Alternative],
    ahead: list[Alternative],
) -> None:
    """The given series read as unscaled, and as scaled honestly: each scaled with and without the day itself."""
    target, window, bounds = rule
    words = _target_words(target, window, bounds)
    includes = "a volatility window that includes the day it scales"
    if raw is not None:
        ahead.append(Alternative(f"{includes} ({words})", scaled_to_target(raw, target, window, 0, bounds), True))
        return
    honest.append(Alternative(f"the returns scaled to {words}", scaled_to_target(given, target, window, 1, bounds)))
    ahead.append(Alternative(f"{includes} ({words}, on the returns as given)",
                             scaled_to_target(given, target, window, 0, bounds), True))  # fmt: skip
    for lag in (1, 2):
        raw = unscaled(given, target, window, lag, bounds)
        if raw is not None:
            honest.append(Alternative(f"the returns without their volatility target ({words})", raw))
            ahead.append(Alternative(f"{includes} ({words})", scaled_to_target(raw, target, window, 0, bounds), True))


def _target_words(target: float, window: int, bounds: tuple[float, float]) -> str:
    held = "" if math.isinf(bounds[1]) else f", factor {bounds[0]:g} to {bounds[1]:g}"
    return f"{100 * target:g}% over {window} sessions{held}"


def simplest(inside: Interval) -> float:
    """The number with the fewest digits inside an interval of positive numbers.

    Examples
    --------
    >>> simplest(Interval(1.4983, 1.5021)), simplest(Interval(1.93, 2.2)), simplest(Interval(1.231, 1.234))
    (1.5, 2.0, 1.232)

    """
    middle = inside.middle
    for digits in range(12):
        value = round(middle, digits)
        if inside.low <= value <= inside.high:
            return value
    return middle


#: Share of days that must be equal before a series is named.
NEARLY_ALL = 0.95
#: Relative tolerance of a day, and least absolute one.
CLOSE, TINY = 1e-5, 1e-9
_OWN = "our simulation, net"


@dataclass(frozen=True)
class DailyMatch:
    """How many of a report's daily returns a book gives.

    Parameters
    ----------
    words : the book that gives the most of them.
    equal, days : days on which they are equal to the last digit, of so many in common.
    own : days on which our own simulation, net of costs, gives them.
    look_ahead : whether that book uses the return or the close of a day on that day.
    size : factor of its size.
    rounding : half a unit of the last digit of the printed returns.

    """

    words: str
    equal: int
    days: int
    own: int
    look_ahead: bool = False
    size: float = 1.0
    rounding: float = 0.0

    @property
    def named(self) -> bool:
        """Whether the series is of that book."""
        return self.equal >= NEARLY_ALL * self.days

    @property
    def doubtful(self) -> bool:
        """Whether the series is of a book that looks ahead, or of another size than said."""
        return self.named and (self.look_ahead or self.size != 1.0)

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        ours = f"our simulation, net, on {self.own:,}"
        if not self.named:
            return (
                f"no book tried gives the printed daily returns: the nearest, {self.words}, equals them on"
                f" {self.equal:,} of {self.days:,} days."
            )
        tail = "" if self.words == _OWN else f", {ours}"
        more = "; nobody can trade on the return or the close of the day itself" if self.look_ahead else ""
        held = f"{self.equal:,} of {self.days:,} days"
        return f"the printed daily returns are those of {self.words} on {held}{tail}{more}."


def match_daily(printed: Material, simulated: Material, stated: VolTarget | None = None) -> DailyMatch | None:
    """The book that gives the most of a report's daily returns.

    Of several books that give nearly all days the soundest is taken: ours, its other bases, then those that look ahead;
    each at its own size first. None where the two have too few days in common.
    """
    values = next(iter(printed.series.values()))
    books = list(_books(simulated, stated))
    pair = _common(printed, simulated, len(values))
    if pair is None or not books:
        return None
    ours, theirs = pair
    target, half = values[theirs], _rounding(values)
    best: DailyMatch | None = None
    own = 0
    for book in books:
        given = book.values[ours]
        for size in dict.fromkeys((1.0, _size(target, given, half))):
            equal = int((np.abs(size * given - target) <= np.maximum(half + TINY, CLOSE * np.abs(target))).sum())
            if size == 1.0 and book.words == _OWN:
                own = equal
            if best is None or (equal > best.equal and not best.named):
                words = book.words if size == 1.0 else f"{book.words}, at {size:.4g} times its size"
                best = DailyMatch(words, equal, len(target), 0, book.look_ahead, size, half)
    return None if best is None else replace(best, own=own)


def _books(simulated: Material, stated: VolTarget | None) -> Iterator[Alternative]:
    """Our own series first, then its other bases, then the alternatives."""
    for name, values in simulated.series.items():
        yield Alternative(f"our simulation, {name}", values, "same close" in name)
    yield from alternatives(simulated, stated)


def _common(printed: Material, simulated: Material, length: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows of ours and of theirs that are of one day: by date, or one by one where the lengths agree."""
    if printed.dates is not None and simulated.dates is not None:
        _, theirs, ours = np.intersect1d(printed.dates, simulated.dates, return_indices=True)
        return (ours, theirs) if len(ours) >= 20 else None
    count = len(next(iter(simulated.series.values()), ()))
    rows = np.arange(length)
    return (rows, rows) if count == length >= 20 else None


def _rounding(values: np.ndarray) -> float:
    """Half a unit of the last decimal that any of the values uses; 0 for full precision."""
    for digits in range(2, 9):
        if np.allclose(values, np.round(values, digits), rtol=0, atol=1e-12):
            return float(0.5 * 10.0**-digits)
    return 0.0


def _size(target: np.ndarray, given: np.ndarray, half: float) -> float:
    """The simplest factor near the median ratio of the larger half of the days; 1 where there is none."""
    large = np.abs(given) > np.median(np.abs(given))
    if not large.any():
        return 1.0
    ratio = target[large] / given[large]
    middle = float(np.median(ratio))
    slack = max(1e-4, half / float(np.abs(given[large]).mean()) if half else 0.0) * abs(middle)
    if not np.isfinite(middle) or middle <= 0:
        return 1.0
    return simplest(Interval(middle - slack, middle + slack))


def with_printed_series(simulated: Material, printed: Material) -> Material:
    """The report's own series with our predictions: what portfolio figures must follow from."""
    words: Iterable[str] = filter(None, (printed.description, simulated.description))
    return replace(
        printed,
        panels=simulated.panels,
        risk_free=simulated.risk_free if printed.risk_free is None else printed.risk_free,
        description="; ".join(words),
    )
