"""Checks of prices: what was found, how often and where.

Errors (a bar that cannot be) stop a load; warnings (a bar that is odd) are counted and travel with the panel into
every result. Nothing is mended here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from assay.data.errors import DataQualityError
from assay.data.panel import PRICE_FIELDS, PricePanel

__all__ = ["Finding", "QualityReport", "check_prices", "impossible_bars"]

#: Sessions without a close inside an asset's life from which on a gap is reported.
GAP_SESSIONS = 10
#: Sessions in a row with the very same close from which on a run is stale.
STALE_SESSIONS = 10
#: Size of a session's return, decimal, above which it is reported as a jump.
JUMP = 0.40
#: Share of the bars up to which a high below its low is a bad print and not a file with its columns mixed up.
RARE = 0.001
#: Room for rounding when prices of one bar are compared.
_ROUNDING = 1e-6
_IMPOSSIBLE = "mend the file, or drop the bars with --repair drop"
_SPLITS = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 1.5)


@dataclass(frozen=True, eq=False)
class Finding:
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
    findings: tuple[Finding, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop a load."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
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
    row, returns beyond 40% (an unadjusted split?), an asset without any close, or whose prices end before the panel
    does.

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
    places = _Places(frames["close"].index, frames["close"].columns)  # type: ignore[arg-type]
    impossible = impossible_bars(arrays)
    findings = [
        finding
        for check, mask in impossible.items()
        if (finding := places.finding(check, _severity(check, mask, arrays), mask, arrays, _IMPOSSIBLE))
    ]
    if impossible:  # what cannot be is not odd as well
        bad = np.logical_or.reduce(list(impossible.values()))
        arrays = {name: np.where(bad, np.nan, values) for name, values in arrays.items()}
    findings += [finding for finding in _odd_bars(arrays, places) if finding is not None]
    return QualityReport(source or "prices", tuple(findings))


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


def _odd_bars(arrays: Mapping[str, np.ndarray], places: _Places) -> list[Finding | None]:
    close = arrays["close"]
    found: list[Finding | None] = []
    if "high" in arrays and "low" in arrays:
        top, bottom = arrays["high"] * (1.0 + _ROUNDING), arrays["low"] * (1.0 - _ROUNDING)
        for name in ("open", "close"):
            if name in arrays:
                outside = (arrays[name] > top) | (arrays[name] < bottom)
                remedy = "stops read low and high: check the source"
                found.append(places.finding(f"{name} outside [low, high]", "warning", outside, arrays, remedy))
    present = np.isfinite(close)
    incomplete = np.zeros(close.shape, dtype=bool)
    for values in arrays.values():
        incomplete |= np.isfinite(values) != present
    found.append(places.finding("incomplete bar", "warning", incomplete, arrays, "fill what is missing, if it matters"))
    return [*found, *_odd_series(close, present, places)]


def _odd_series(close: np.ndarray, present: np.ndarray, places: _Places) -> list[Finding | None]:
    """What is odd about closes over time; `present` is where they are finite."""
    length = len(close)
    row = np.arange(length, dtype=np.int32)[:, None]
    if present.all():
        before, last = row - 1, np.full(close.shape[1], length - 1)
        previous = close[:-1]
    else:
        seen = np.maximum.accumulate(np.where(present, row, np.int32(-1)), axis=0)
        before = np.vstack([np.full((1, close.shape[1]), -1, dtype=np.int32), seen[:-1]])
        last = seen[-1]
        previous = np.take_along_axis(close, np.maximum(before[1:], 0), axis=0)
        previous[before[1:] < 0] = np.nan
    absent = np.broadcast_to(row - before - 1, close.shape)  # sessions without a close just before
    gap = present & (before >= 0) & (absent > GAP_SESSIONS)
    change = np.full(close.shape, np.nan)
    np.divide(close[1:], previous, out=change[1:], where=previous > 0)
    change -= 1.0
    jump = np.abs(change) > JUMP
    stale = _long_runs(change == 0.0, STALE_SESSIONS - 1)
    ends = np.zeros(close.shape, dtype=bool)
    quiet = np.flatnonzero((last >= 0) & (last < length - 1))
    ends[last[quiet], quiet] = True

    never = np.zeros(close.shape, dtype=bool)
    never[0, last < 0] = True

    def describe_jump(at: tuple[int, int]) -> str:
        ratio = 1.0 + change[at]
        factor = max(ratio, 1.0 / ratio) if ratio > 0 else np.inf
        near = min(_SPLITS, key=lambda split: abs(split - factor))
        hint = f", close to a {near:g}:1 split" if abs(near / factor - 1) < 0.03 else ", unadjusted split?"
        return f"{change[at]:+.1%}{hint}"

    return [
        places.finding(f"gaps over {GAP_SESSIONS} sessions", "warning", gap, None, "holdings go stale in a gap",
                       lambda at: f"after {int(absent[at])} sessions"),
        places.calendar_gaps(),
        places.finding(f"stale runs of {STALE_SESSIONS} sessions", "warning", stale, None, "is it still trading?"),
        places.finding(f"jumps over {JUMP:.0%}", "warning", jump, None, "adjust the prices for splits", describe_jump),
        places.finding("no close at all", "warning", never, None, "leave the asset out"),
        places.finding("prices end early", "warning", ends, None, "delisted? a holding is closed at its last close"),
    ]  # fmt: skip


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
    ) -> Finding | None:
        """The finding for the True cells of `mask`; None if there are none."""
        if not mask.any():
            return None
        rows, columns = np.nonzero(mask)
        first = (int(rows[0]), int(columns[0]))
        where = f"{self.sessions[first[0]].date()} {self.assets[first[1]]!r}"
        if describe is not None:
            where += f" ({describe(first)})"
        elif arrays is not None:
            bar = ((name, values[first]) for name, values in arrays.items() if name != "volume" or "volume" in check)
            where += " (" + ", ".join(f"{name} {value:g}" for name, value in bar) + ")"
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
        return Finding(check, severity, len(rows), where, remedy, places)

    def calendar_gaps(self) -> Finding | None:
        """More than ten weekdays between two sessions."""
        days = self.sessions.to_numpy().astype("datetime64[D]")
        missing = np.busday_count(days[:-1], days[1:]) - 1
        wide = np.flatnonzero(missing > GAP_SESSIONS)
        if len(wide) == 0:
            return None
        at = int(wide[0])
        where = f"{days[at]} to {days[at + 1]} ({int(missing[at])} weekdays without a session)"
        return Finding("holes in the calendar", "warning", len(wide), where, "is a part of the file missing?")
