"""Checks of prices: what was found, how often and where.

Errors (a bar that cannot be) stop a load; warnings (a bar that is odd) are counted and travel with the panel into
every result. Nothing is mended here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from assay.data.errors import DataQualityError, InputError, UnknownNameError
from assay.data.panel import PRICE_FIELDS, PricePanel

__all__ = [
    "QualityFinding",
    "QualityReport",
    "check_calendar",
    "check_prices",
    "finding_at",
    "impossible_bars",
    "last_session",
    "moves",
]

#: Sessions without a close inside an asset's life from which on a gap is reported.
GAP_SESSIONS = 10
#: Sessions in a row with the very same close from which on a run is stale.
STALE_SESSIONS = 10
#: Size of a session's return, decimal, above which it is reported as a jump.
JUMP = 0.40
#: Size of a return, as a factor, from which on a jump is another company under the same ticker rather than a split.
RECYCLED = 11.0
#: Median size of a session's change, in logs, from which on a column is no price; volumes change by 0.2 and more.
RESTLESS = 0.10
#: Median close above which an asset's prices are another unit, or none, where most assets are far below.
HUGE = 1e7
#: Share of the bars up to which a high below its low is a bad print and not a file with its columns mixed up.
RARE = 0.001
#: Room for rounding when prices of one bar are compared.
_ROUNDING = 1e-6
_IMPOSSIBLE = "mend the file, or drop the bars with --repair drop"
_SPLITS = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 1.5)


@dataclass(frozen=True, eq=False)
class QualityFinding:
    """One kind of trouble.

    Parameters
    ----------
    check : what was looked for, e.g. ``"high below low"``.
    severity : ``"error"`` or ``"warning"``.
    count : how often it was found.
    where : the first place, e.g. ``"2017-07-26 'BHF'"``.
    remedy : what to do about it.
    places : a row an asset: asset, count, first, last; empty where the finding is about the file.

    """

    check: str
    severity: Literal["error", "warning"]
    count: int
    where: str
    remedy: str
    places: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["asset", "count", "first", "last"]))

    @property
    def message(self) -> str:
        """The finding in one line, without the remedy."""
        assets = f" in {len(self.places)} assets" if len(self.places) > 1 else ""
        return f"{self.check}: {self.count:,}{assets}, first {self.where}"


@dataclass(frozen=True, eq=False)
class QualityReport:
    """What the checks found.

    Parameters
    ----------
    source : where the prices came from.
    findings : errors first.

    """

    source: str
    findings: tuple[QualityFinding, ...] = ()

    @property
    def errors(self) -> tuple[QualityFinding, ...]:
        """The findings that stop a load."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[QualityFinding, ...]:
        """The findings that are only counted."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    def messages(self) -> tuple[str, ...]:
        """The warnings, a line each, as a panel carries them."""
        return tuple(finding.message for finding in self.warnings)

    def table(self) -> pd.DataFrame:
        """A row a check and asset: check, severity, asset, count, first, last (an asset of None: the file)."""
        columns = ["check", "severity", "asset", "count", "first", "last"]
        rows: list[tuple[object, ...]] = []
        for finding in self.findings:
            head = (finding.check, finding.severity)
            rows += [(*head, *place) for place in finding.places.itertuples(index=False, name=None)]
            if finding.places.empty:
                rows.append((*head, None, finding.count, finding.where, None))
        return pd.DataFrame(rows, columns=columns)

    def raise_for_errors(self) -> None:
        """Raise `DataQualityError` naming the first error, where it is and what to do."""
        if self.errors:
            first, more = self.errors[0], len(self.errors) - 1
            others = f" (and {more} more kinds of error: run `data validate`)" if more else ""
            raise DataQualityError(f"{self.source}: {first.message}; {first.remedy}{others}")


def check_prices(prices: PricePanel | Mapping[str, pd.DataFrame], *, source: str | None = None) -> QualityReport:
    """Look for bars that cannot be (errors) and for what is odd (warnings).

    Errors: infinite or non-positive prices, negative volume, high below low (up to one bar in a thousand it is taken
    for a bad print, and is a warning). Warnings: open or close outside [low, high], incomplete bars, gaps over 10
    sessions (inside an asset's life, or weekdays missing from the calendar), the same close 10 sessions or more in a
    row, returns beyond 40% (an unadjusted split?) and beyond 1,000% (a recycled ticker?), volume 0 on a bar with a
    price, sessions that most assets lack, an asset without any close, or whose prices end before the panel does. What
    no price can be (it changes by over 10% in half of the sessions, is beyond 1e8 or a million times its neighbours)
    is an error.

    Parameters
    ----------
    prices : a panel, or aligned (T, N) frames by field of which ``close`` must be one (a panel refuses impossible
        bars, so they can be looked for only before there is one).
    source : for messages; default the panel's.

    Returns
    -------
    QualityReport

    Examples
    --------
    >>> close = pd.DataFrame({"A": [10.0, 4.0, 4.1]}, index=pd.bdate_range("2020-01-01", periods=3))
    >>> check_prices(PricePanel(close)).messages()
    ("jumps over 40%: 1, first 2020-01-02 'A' (-60.0%, unadjusted split?)",)

    """
    if isinstance(prices, PricePanel):
        source = source or prices.source
        frames = {name: getattr(prices, name) for name in prices.fields}
    else:
        frames = dict(prices)
    arrays = {name: frame.to_numpy() for name, frame in frames.items()}
    places = _Places(frames["close"].index, frames["close"].columns)
    suspects = _suspects(arrays)
    impossible = impossible_bars(arrays) if suspects & {"impossible"} else {}
    findings = [
        finding
        for check, mask in impossible.items()
        if (finding := places.finding(check, _severity(check, mask, arrays), mask, arrays, _IMPOSSIBLE))
    ]
    if impossible:  # what cannot be is not odd as well
        bad = np.logical_or.reduce(list(impossible.values()))
        arrays = {name: np.where(bad, np.nan, values) for name, values in arrays.items()}
        suspects = _suspects(arrays)
    found = [*_no_prices(arrays, places), *_odd_bars(arrays, places, suspects), *_odd_series(arrays, places, suspects)]
    findings += [finding for finding in found if finding is not None]
    return QualityReport(source or "prices", tuple(sorted(findings, key=lambda finding: finding.severity != "error")))


def finding_at(
    check: str, severity: Literal["error", "warning"], mask: np.ndarray, frame: pd.DataFrame, remedy: str
) -> QualityFinding:
    """The finding for the True cells of a (T, N) `mask` over the sessions and assets of `frame`; there must be one."""
    found = _Places(frame.index, frame.columns).finding(check, severity, mask, None, remedy)  # type: ignore[arg-type]
    assert found is not None
    return found


#: Rows that are looked at together: few enough that a field's block stays in the cache.
_BLOCK = 96


def _suspects(arrays: Mapping[str, np.ndarray]) -> set[str]:
    """Which kinds of trouble there may be at all, from one pass in blocks of sessions; most panels have none.

    ``"impossible"``, ``"outside"`` (open or close beyond [low, high]), ``"absent"`` (a value is missing), ``"jump"``,
    ``"still"`` (a close repeats often enough to make a stale run), ``"untraded"`` (volume 0).
    """
    close = arrays["close"]
    found: set[str] = set()
    repeats = np.zeros(close.shape[1], dtype=np.int64)
    prices = [values for name, values in arrays.items() if name != "volume"]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        for start in range(0, len(close), _BLOCK):
            end = min(start + _BLOCK, len(close))
            rows = slice(start, end)
            for values in prices:
                low, high = values[rows].min(), values[rows].max()
                if low != low:
                    found.add("absent")
                    low, high = np.fmin.reduce(values[rows], axis=None), np.fmax.reduce(values[rows], axis=None)
                if low <= 0 or high == np.inf:
                    found.add("impossible")
            if "volume" in arrays:
                least, most = arrays["volume"][rows].min(), arrays["volume"][rows].max()
                if least != least:
                    found.add("absent")
                    least = np.fmin.reduce(arrays["volume"][rows], axis=None)
                    most = np.fmax.reduce(arrays["volume"][rows], axis=None)
                if least < 0 or most == np.inf:
                    found.add("impossible")
                if least <= 0:
                    found.add("untraded")
            if "high" in arrays and "low" in arrays:
                top, bottom = arrays["high"][rows], arrays["low"][rows]
                if (top < bottom * (1.0 - _ROUNDING)).any():
                    found.add("impossible")
                for name in ("open", "close"):
                    if name in arrays and "outside" not in found:
                        values = arrays[name][rows]
                        if (values > top).any() or (values < bottom).any():
                            found.add("outside")
            first = max(start, 1)
            if first < end:
                ratio = close[first:end] / close[first - 1 : end - 1]
                if not (ratio.min() > 1.0 - 0.999 * JUMP and ratio.max() < 1.0 + 0.999 * JUMP):
                    found.add("jump")
                repeats += np.count_nonzero(ratio == 1.0, axis=0)
    if "absent" in found or repeats.max(initial=0) >= STALE_SESSIONS - 1:
        found.add("still")
    return found


def impossible_bars(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Masks (T, N) of the bars that cannot be, by check; only the checks that found any.

    Parameters
    ----------
    arrays : (T, N) values by field.

    """
    out: dict[str, np.ndarray] = {}
    for name in PRICE_FIELDS:
        values = arrays.get(name)
        if values is None:
            continue
        _keep(out, "infinite value", np.isinf(values))
        if name == "volume":
            _keep(out, "negative volume", values < 0)
        else:
            _keep(out, "price not positive", values <= 0)
    if "high" in arrays and "low" in arrays:
        _keep(out, "high below low", arrays["high"] < arrays["low"] * (1.0 - _ROUNDING))
    return out


def _severity(check: str, mask: np.ndarray, arrays: Mapping[str, np.ndarray]) -> Literal["error", "warning"]:
    bars = np.count_nonzero(np.isfinite(arrays["close"]))
    return "warning" if check == "high below low" and np.count_nonzero(mask) <= RARE * bars else "error"


def _keep(masks: dict[str, np.ndarray], check: str, mask: np.ndarray) -> None:
    if mask.any():
        masks[check] = masks[check] | mask if check in masks else mask


def _no_prices(arrays: Mapping[str, np.ndarray], places: _Places) -> list[QualityFinding | None]:
    """Columns that hold something else than prices, by their size and by how they change."""
    close = arrays["close"]
    sample = close[np.unique(np.linspace(0, len(close) - 1, 64).astype(int))]
    with np.errstate(invalid="ignore", divide="ignore"):
        counts = np.isfinite(sample).sum(axis=0)
        order = np.sort(sample, axis=0)  # NaN last
        median = np.where(counts > 0, order[np.maximum(counts - 1, 0) // 2, np.arange(close.shape[1])], np.nan)
        whole = ((sample == np.floor(sample)) | np.isnan(sample)).all(axis=0)
    found: list[QualityFinding | None] = []
    step = np.unique(np.linspace(1, len(close) - 1, 64).astype(int)) if len(close) > 1 else np.zeros(0, dtype=int)
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.abs(close[step] / close[step - 1] - 1.0)
        change = np.sort(change, axis=0)  # NaN last
        seen = np.isfinite(change).sum(axis=0)
        calm = (seen > 5) & (change[np.maximum(seen - 1, 0) // 2, np.arange(close.shape[1])] < RESTLESS / 2 if len(step)
                             else False)  # fmt: skip
    among = 2 * np.count_nonzero(calm) >= np.count_nonzero(seen > 5)  # most columns move as prices do
    restless = np.zeros(close.shape, dtype=bool)
    for column in np.flatnonzero(((median > 1e3) & (whole | (median > 1e5))) | (among & ~calm)):
        values = close[:, column]
        values = values[np.isfinite(values) & (values > 0)]
        if len(values) > 20 and np.median(np.abs(np.diff(np.log(values)))) > RESTLESS:
            restless[np.flatnonzero(np.isfinite(close[:, column]))[0], column] = True
    found.append(
        places.finding(
            "no prices (half of the sessions change by over 10%: a volume?)", "error", restless, None,
            "leave the columns out, or say which column is the close with --column close=NAME",
        )
    )  # fmt: skip
    typical = np.nanmedian(median) if np.isfinite(median).any() else np.nan
    huge = (median > 10 * HUGE) | ((median > HUGE) & (typical < HUGE / 100))
    where = np.zeros(close.shape, dtype=bool)
    for column in np.flatnonzero(huge):
        where[np.flatnonzero(np.isfinite(close[:, column]))[0], column] = True
    found.append(
        places.finding(
            "no prices (beyond what prices are)", "error", where, {"close": close},
            "a volume, a market value, or prices in units of 1e-9? mend the column or leave it out",
        )
    )  # fmt: skip
    for name in ("open", "high", "low"):
        if name not in arrays:
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = arrays[name][np.unique(np.linspace(0, len(close) - 1, 64).astype(int))] / sample
        ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
        if len(ratio) and not 1 / 3 < np.median(ratio) < 3:
            apart = np.isfinite(arrays[name]) & np.isfinite(close)
            found.append(
                places.finding(
                    f"{name} and close are not of one bar (the median {name} is {np.median(ratio):.3g} closes)",
                    "error", apart, {name: arrays[name], "close": close},
                    f"say which columns they are with --column {name}=NAME",
                )
            )  # fmt: skip
    return found


def _odd_bars(arrays: Mapping[str, np.ndarray], places: _Places, suspects: set[str]) -> list[QualityFinding | None]:
    close = arrays["close"]
    found: list[QualityFinding | None] = []
    if "outside" in suspects:
        top, bottom = arrays["high"] * (1.0 + _ROUNDING), arrays["low"] * (1.0 - _ROUNDING)
        for name in ("open", "close"):
            if name in arrays:
                outside = (arrays[name] > top) | (arrays[name] < bottom)
                remedy = "stops read low and high: check the source"
                found.append(places.finding(f"{name} outside [low, high]", "warning", outside, arrays, remedy))
    if "absent" in suspects:
        present = np.isfinite(close)
        incomplete = np.zeros(close.shape, dtype=bool)
        for values in arrays.values():
            incomplete |= np.isfinite(values) != present
        remedy = "fill what is missing, if it matters"
        found.append(places.finding("incomplete bar", "warning", incomplete, arrays, remedy))
    if "untraded" in suspects:
        untraded = (arrays["volume"] == 0) & np.isfinite(close)
        remedy = "nobody traded at these prices: fills there are not to be had"
        found.append(places.finding("volume 0 on a bar with a price", "warning", untraded, arrays, remedy))
    return found


def moves(close: np.ndarray) -> np.ndarray:
    """(T, N) return of each close over the last close before it, across gaps; NaN where there is none."""
    present = np.isfinite(close)
    change = np.full(close.shape, np.nan)
    previous = close[:-1]
    if not present.all():
        row = np.arange(len(close), dtype=np.int32)[:, None]
        seen = np.maximum.accumulate(np.where(present, row, np.int32(-1)), axis=0)[:-1]
        previous = np.take_along_axis(close, np.maximum(seen, 0), axis=0)
        previous[seen < 0] = np.nan
    np.divide(close[1:], previous, out=change[1:], where=previous > 0)
    change -= 1.0
    return change


def _odd_series(arrays: Mapping[str, np.ndarray], places: _Places, suspects: set[str]) -> list[QualityFinding | None]:
    """What is odd about closes over time."""
    close = arrays["close"]
    length = len(close)
    found: list[QualityFinding | None] = []
    if "absent" in suspects:
        present = np.isfinite(close)
        row = np.arange(length, dtype=np.int32)[:, None]
        seen = np.maximum.accumulate(np.where(present, row, np.int32(-1)), axis=0)
        before = np.vstack([np.full((1, close.shape[1]), -1, dtype=np.int32), seen[:-1]])
        last = seen[-1]
        absent = np.broadcast_to(row - before - 1, close.shape)  # sessions without a close just before
        gap = present & (before >= 0) & (absent > GAP_SESSIONS)
        found.append(
            places.finding(f"gaps over {GAP_SESSIONS} sessions", "warning", gap, None, "holdings go stale in a gap",
                           lambda at: f"after {int(absent[at])} sessions")
        )  # fmt: skip
        found.append(_thin_sessions(present, places))
    found.append(places.calendar_gaps())
    if suspects & {"jump", "still", "absent"}:
        change = moves(close)
        if "still" in suspects:
            stale = _long_runs(change == 0.0, STALE_SESSIONS - 1)
            found.append(places.finding(f"stale runs of {STALE_SESSIONS} sessions", "warning", stale, None,
                                        "is it still trading?"))  # fmt: skip
        size = np.maximum(1.0 + change, 1.0 / np.maximum(1.0 + change, 1e-300)) if "jump" in suspects else change
        jump = np.abs(change) > JUMP
        describe = _describe_jump(change)
        found.append(places.finding(f"jumps over {JUMP:.0%}", "warning", jump, None, "adjust the prices for splits",
                                    describe, size))  # fmt: skip
        recycled = (1.0 + change > RECYCLED) | (1.0 + change < 1.0 / RECYCLED)
        check = f"jumps beyond {RECYCLED - 1:.0%} or its inverse (recycled ticker?)"
        remedy = "two companies under one id? give each its own"
        found.append(places.finding(check, "warning", recycled, None, remedy, describe, size))
    if "absent" in suspects:
        ends = np.zeros(close.shape, dtype=bool)
        quiet = np.flatnonzero((last >= 0) & (last < length - 1))
        ends[last[quiet], quiet] = True
        never = np.zeros(close.shape, dtype=bool)
        never[0, last < 0] = True
        found.append(places.finding("no close at all", "warning", never, None, "leave the asset out"))
        found.append(places.finding("prices end early", "warning", ends, None,
                                    "delisted? a holding is closed at its last close"))  # fmt: skip
    return found


def _describe_jump(change: np.ndarray) -> Callable[[tuple[int, int]], str]:
    def describe(at: tuple[int, int]) -> str:
        ratio = 1.0 + change[at]
        factor = max(ratio, 1.0 / ratio) if ratio > 0 else np.inf
        near = min(_SPLITS, key=lambda split: abs(split - factor))
        if abs(near / factor - 1) < 0.03:
            hint = f"close to a {near:g}:1 split"
        else:
            hint = "recycled ticker?" if factor > RECYCLED else "unadjusted split?"
        return f"{change[at]:+,.1%}, {hint}"

    return describe


def _thin_sessions(present: np.ndarray, places: _Places) -> QualityFinding | None:
    """Sessions on which fewer than half of the assets that are alive have a close."""
    first = np.where(present.any(axis=0), present.argmax(axis=0), len(present))
    last = len(present) - 1 - present[::-1].argmax(axis=0)
    row = np.arange(len(present))[:, None]
    alive = ((row >= first) & (row <= last)).sum(axis=1)
    count = present.sum(axis=1)
    thin = np.flatnonzero((alive >= 5) & (2 * count < alive))
    if len(thin) == 0:
        return None
    at = int(thin[0])
    where = f"{places.sessions[at].date()} ({int(count[at])} of {int(alive[at])} assets have a close)"
    return QualityFinding("sessions that most assets lack", "warning", len(thin), where, "a holiday, or a stray row?")


def check_calendar(prices: PricePanel, calendar: str) -> tuple[QualityFinding, ...]:
    """Sessions of an exchange that the panel lacks, and sessions of the panel that the exchange has not.

    Parameters
    ----------
    prices : the panel; its first and last session bound what is compared.
    calendar : a name of `exchange_calendars`, e.g. ``"XNYS"``.

    Raises
    ------
    InputError
        If the extra is not installed, or there is no such calendar.

    """
    expected = pd.DatetimeIndex(_exchange(calendar, prices.sessions[0], prices.sessions[-1]).index)
    found = []
    for check, days, remedy in (
        (f"sessions of {calendar} that are missing", expected.difference(prices.sessions), "is a part missing?"),
        (f"sessions that {calendar} has not", prices.sessions.difference(expected), "holidays or stray rows?"),
    ):
        if len(days):
            found.append(QualityFinding(check, "warning", len(days), str(days[0].date()), remedy))
    return tuple(found)


def last_session(calendar: str, now: pd.Timestamp) -> pd.Timestamp:
    """The last session of an exchange that has closed by `now`, in UTC without a zone.

    At noon of Monday 2024-03-11 that of XNYS is Friday the 8th.

    Raises
    ------
    InputError
        If the extra is not installed, or there is no such calendar.

    """
    closes = _exchange(calendar, now.normalize() - pd.Timedelta(days=30), now.normalize())
    closed: pd.Timestamp = closes.index[closes <= now][-1]
    return closed


def _exchange(calendar: str, first: pd.Timestamp, last: pd.Timestamp) -> pd.Series:
    """The sessions of an exchange, each with the time of its close in UTC, without a zone."""
    try:
        import exchange_calendars
    except ImportError:
        raise InputError("--calendar: needs the calendars extra; pip install 'assay[calendars]'") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas, about the library's own code
            exchange = exchange_calendars.get_calendar(calendar, start=first, end=last)
    except exchange_calendars.errors.InvalidCalendarName:
        known = exchange_calendars.get_calendar_names(include_aliases=False)
        raise UnknownNameError("calendar", calendar, known) from None
    except (ValueError, exchange_calendars.errors.CalendarError) as error:
        raise InputError(f"--calendar {calendar}: {str(error).splitlines()[0]}") from None
    closes = pd.DatetimeIndex(exchange.closes).tz_localize(None)
    return pd.Series(closes, exchange.sessions.astype("datetime64[us]"))


def _long_runs(mask: np.ndarray, length: int) -> np.ndarray:
    """True where a run of True of at least `length` rows reaches exactly that length (once a run), per column."""
    out = np.zeros(mask.shape, dtype=bool)
    if len(mask) < length:
        return out
    total = np.zeros((len(mask) + 1, mask.shape[1]), dtype=np.int32)
    np.cumsum(mask, axis=0, out=total[1:])
    full = total[length:] - total[:-length] == length
    full[1:] &= ~mask[: len(mask) - length]
    out[length - 1 :] = full
    return out


@dataclass(frozen=True, eq=False)
class _Places:
    """Turns masks into findings that say where."""

    sessions: pd.DatetimeIndex
    assets: pd.Index

    def finding(
        self,
        check: str,
        severity: Literal["error", "warning"],
        mask: np.ndarray,
        arrays: Mapping[str, np.ndarray] | None,
        remedy: str,
        describe: Callable[[tuple[int, int]], str] | None = None,
        size: np.ndarray | None = None,
    ) -> QualityFinding | None:
        """The finding for the True cells of `mask`; None if there are none. With `size` the largest is named too."""
        if not mask.any():
            return None
        rows, columns = np.nonzero(mask)
        first = (int(rows[0]), int(columns[0]))
        where = f"{self.sessions[first[0]].date()} {self.assets[first[1]]!r}"
        if describe is not None:
            where += f" ({describe(first)})"
            if size is not None and len(rows) > 1:
                most = int(np.argmax(size[rows, columns]))
                at = (int(rows[most]), int(columns[most]))
                if at != first:
                    where += f", largest {self.sessions[at[0]].date()} {self.assets[at[1]]!r} ({describe(at)})"
        elif arrays is not None:
            bar = ((name, values[first]) for name, values in arrays.items() if name != "volume" or "volume" in check)
            texts = (f"no {name}" if np.isnan(value) else f"{name} {value:g}" for name, value in bar)
            where += f" ({', '.join(texts)})"
        which, counts = np.unique(columns, return_counts=True)
        held = mask[:, which]
        places = pd.DataFrame(
            {
                "asset": self.assets[which],
                "count": counts,
                "first": self.sessions[held.argmax(axis=0)].strftime("%Y-%m-%d"),
                "last": self.sessions[len(mask) - 1 - held[::-1].argmax(axis=0)].strftime("%Y-%m-%d"),
            }
        )
        return QualityFinding(check, severity, len(rows), where, remedy, places)

    def calendar_gaps(self) -> QualityFinding | None:
        """More than ten weekdays between two sessions."""
        days = self.sessions.to_numpy().astype("datetime64[D]")
        missing = np.busday_count(days[:-1], days[1:]) - 1
        wide = np.flatnonzero(missing > GAP_SESSIONS)
        if len(wide) == 0:
            return None
        at = int(wide[0])
        where = f"{days[at]} to {days[at + 1]} ({int(missing[at])} weekdays without a session)"
        return QualityFinding("holes in the calendar", "warning", len(wide), where, "is a part of the file missing?")
