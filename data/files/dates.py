"""Dates as files write them: distinct values in, sessions out, refused where they can be read in two ways."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import numpy as np

from assay.data.errors import InputError
from assay.data.files.options import ReadOptions
from assay.data.files.sources import MISSING, is_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["parse_sessions"]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = (
    r"(?:[T ,]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?\s*(?P<half>[AaPp][Mm])?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?"
)
#: shape → how it is written. In `slashed` day and month are told by the values of all.
_SHAPES = {
    "iso": re.compile(r"(?P<year>\d{4})(?P<sign>[-/.])(?P<month>\d{1,2})(?P=sign)(?P<day>\d{1,2})" + _TIME),
    "compact": re.compile(r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})" + _TIME),
    "slashed": re.compile(r"(?P<first>\d{1,2})(?P<sign>[-/.])(?P<second_part>\d{1,2})(?P=sign)(?P<year>\d{4})" + _TIME),
    "day month": re.compile(r"(?P<day>\d{1,2})[- ]?(?P<name>[A-Za-z]{3,9})\.?,?[- ]?(?P<year>\d{4})" + _TIME),
    "month day": re.compile(r"(?P<name>[A-Za-z]{3,9})\.? (?P<day>\d{1,2}),? (?P<year>\d{4})" + _TIME),
}
_EPOCHS = {10: "s", 13: "ms", 16: "us", 19: "ns"}
#: Sessions outside these years are no sessions.
_YEARS = (1700, 2200)
_REMEDY = "write it as YYYY-MM-DD, or say how with --date-format"


def parse_sessions(values: pa.Array, what: str, options: ReadOptions) -> tuple[np.ndarray, int]:
    """The sessions of distinct values.

    Parameters
    ----------
    values : dates, timestamps, text, or numbers like 20200131 and seconds since 1970.
    what : the column, for messages.
    options : its ``date_format`` and ``tz``.

    Returns
    -------
    days : (values,) datetime64[D], NaT where a value is missing.
    timed : how many carried a time of day that was cut off.

    Raises
    ------
    InputError
        If a value is not a date, can be read as two, or is an instant whose session depends on a time zone.

    Notes
    -----
    A stamp with a zone at midnight of that zone is a date. Any other is an instant: it needs `tz`, and its session is
    the local date there.

    """
    import pyarrow as pa

    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        stamps = _stamps(values, what)
        if getattr(kind, "tz", None) is not None:
            return _in_range(_localised(stamps, kind.tz, what, options), what), 0
    elif is_text(kind) or pa.types.is_integer(kind):
        stamps, aware = _read([None if value is None else str(value).strip() for value in values.to_pylist()],
                              what, options)  # fmt: skip
        if aware:
            return _in_range(stamps, what), 0
    else:
        raise InputError(f"{what} holds {kind}, not dates; write them as YYYY-MM-DD")
    days = stamps.astype("datetime64[D]")
    return _in_range(days, what), int((days != stamps)[~np.isnat(stamps)].sum())


def _stamps(values: pa.Array, what: str) -> np.ndarray:
    """Arrow's dates and timestamps as datetime64[us]."""
    import pyarrow as pa

    kind = values.type
    try:
        if pa.types.is_date32(kind):  # by hand: Arrow's own cast overflows beyond the year 294,247
            days = values.cast(pa.int32()).cast(pa.int64())
            out = days.fill_null(0).to_numpy(zero_copy_only=False).astype("datetime64[D]")
            out[days.is_null().to_numpy(zero_copy_only=False)] = np.datetime64("NaT")
            return np.asarray(out)
        stamps = values.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
        return np.asarray(stamps.to_numpy(zero_copy_only=False))
    except (pa.ArrowException, ValueError, OverflowError):
        raise InputError(f"{what} holds dates out of range; {_REMEDY}") from None


def _in_range(days: np.ndarray, what: str) -> np.ndarray:
    days = days.astype("datetime64[D]")
    known = days[~np.isnat(days)]
    first, last = (np.datetime64(f"{year}-01-01") for year in _YEARS)
    outside = known[(known < first) | (known >= last)]
    if len(outside):
        raise InputError(f"{what}: {outside[0]} is no session ({_YEARS[0]} to {_YEARS[1] - 1}); {_REMEDY}")
    return days


def _localised(instants: np.ndarray, zone: str, what: str, options: ReadOptions) -> np.ndarray:
    """Local dates of instants (UTC, datetime64[us]) whose own zone is `zone`."""
    import pandas as pd

    index = pd.DatetimeIndex(instants).tz_localize("UTC")
    try:
        own = index.tz_convert(zone).tz_localize(None)
    except Exception:
        raise InputError(f"{what} carries the unknown time zone {zone!r}; convert to tz-naive dates first") from None
    wanted = own if options.tz is None else index.tz_convert(options.tz).tz_localize(None)
    return _sessions_of(own.to_numpy(), wanted.to_numpy(), what, f"the time zone {zone}", options)


def _sessions_of(own: np.ndarray, wanted: np.ndarray, what: str, zone: str, options: ReadOptions) -> np.ndarray:
    """The dates of stamps with a zone: as they stand where all are midnights, else as `options.tz` has them."""
    days = own.astype("datetime64[D]")
    known = ~np.isnat(days)
    midnights = bool((days[known] == own[known]).all())
    if options.tz is None:
        if midnights:
            return days
        at = str(own[known][(days != own)[known]][0].astype("datetime64[m]")).replace("T", " ")
        raise InputError(
            f"{what} carries {zone} and times of day (e.g. {at}): the session depends on the "
            "exchange; name its zone with --tz, e.g. --tz America/New_York"
        )
    local = wanted.astype("datetime64[D]")
    if midnights and (local[known] != days[known]).any():
        row = int(np.flatnonzero(known & (local != days))[0])
        raise InputError(
            f"{what} holds midnights in {zone}: {days[row]} as it stands, {local[row]} in {options.tz}; "
            "leave out --tz to take the dates as they stand, or write the sessions as plain dates"
        )
    return local


def _read(texts: list[str | None], what: str, options: ReadOptions) -> tuple[np.ndarray, bool]:
    """datetime64[us] of texts, and whether they carry zones (then local dates at midnight)."""
    given = [(position, text) for position, text in enumerate(texts) if text is not None and text not in MISSING]
    out = np.full(len(texts), np.datetime64("NaT", "us"))
    if not given:
        return out, False
    words = [text for _, text in given]
    if options.date_format is None and all(len(text) == 10 and text[4] == text[7] == "-" for text in words):
        try:  # what most files have, twenty times faster
            out[[position for position, _ in given]] = np.array(words, dtype="datetime64[D]")
            return out, False
        except ValueError:
            pass  # the way below says which
    if options.date_format is not None:
        parsed = _by_format(words, options.date_format, what)
    elif all(re.fullmatch(r"\d+", text) and len(text) in _EPOCHS for text in words):
        counted = ((int(text), f"datetime64[{_EPOCHS[len(text)]}]") for text in words)
        stamps = np.array([np.int64(count).astype(unit).astype("datetime64[us]") for count, unit in counted])
        out[[position for position, _ in given]] = stamps
        return _localised(out, "UTC", what, options), True
    else:
        parsed = _by_shape(words, what)
    aware = [stamp.tzinfo is not None for stamp in parsed]
    positions = [position for position, _ in given]
    if not any(aware):
        out[positions] = np.array(parsed, dtype="datetime64[us]")
        return out, False
    if not all(aware):
        raise InputError(f"{what}: some stamps carry a time zone and some do not ({words[aware.index(True)]!r}, "
                         f"{words[aware.index(False)]!r}); write plain dates")  # fmt: skip
    own, wanted = out.copy(), out.copy()
    own[positions] = np.array([stamp.replace(tzinfo=None) for stamp in parsed], dtype="datetime64[us]")
    wanted[positions] = own[positions]
    if options.tz is not None:
        import zoneinfo

        zone = zoneinfo.ZoneInfo(options.tz)
        wanted[positions] = np.array(
            [stamp.astimezone(zone).replace(tzinfo=None) for stamp in parsed], dtype="datetime64[us]"
        )
    label = f"a time zone ({words[0]!r})"
    return _sessions_of(own, wanted, what, label, options), True


def _by_format(texts: list[str], form: str, what: str) -> list[dt.datetime]:
    """As the format has them; YYYY-MM-DD leaves no choice, and is read so where the format does not fit."""
    out, unfit, other = [], None, None
    for text in texts:
        match = _SHAPES["iso"].fullmatch(text)
        try:
            if form == "excel":
                stamp = dt.datetime(1899, 12, 30) + dt.timedelta(days=float(text))
            else:
                stamp = dt.datetime.strptime(text, form)
        except (ValueError, OverflowError):
            if match is None:
                reason = f"{text!r} is not a date as {form!r} has it; mend --date-format or the file"
                raise InputError(f"{what}: {reason}") from None
            stamp, unfit = _date("iso", match, False, what), text
        else:
            if match is not None and (stamp.month, stamp.day) != (int(match["month"]), int(match["day"])):
                other = text
        out.append(stamp)
    if unfit is not None and other is not None:
        raise InputError(
            f"{what}: {unfit!r} is not a date as {form!r} has it, and {other!r} is one; mend --date-format or the file"
        )
    return out


def _by_shape(texts: list[str], what: str) -> list[dt.datetime]:
    matches = []
    for text in texts:
        found = next(
            ((shape, match) for shape, pattern in _SHAPES.items() if (match := pattern.fullmatch(text)) is not None),
            None,
        )
        if found is None:
            raise InputError(f"{what}: {text!r} is not a date; {_hint(text)}")
        matches.append(found)
    order = _day_first([match for shape, match in matches if shape == "slashed"], what)
    return [_date(shape, match, order, what) for shape, match in matches]


def _hint(text: str) -> str:
    if re.fullmatch(r"[2-5]\d{4}(\.0)?", text):
        return "if it is Excel's number of a day, say --date-format excel"
    if re.fullmatch(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2}.*", text):
        return "say which part is which with --date-format, e.g. %d/%m/%y or %m/%d/%y"
    return _REMEDY


def _day_first(matches: list[re.Match[str]], what: str) -> bool:
    """Whether dates like 03/04/2020 have the day first, by the values of all of them."""
    first = [match for match in matches if int(match["first"]) > 12]
    second = [match for match in matches if int(match["second_part"]) > 12]
    if first and second:
        raise InputError(f"{what}: {first[0].group()!r} has the day first, {second[0].group()!r} the month; {_REMEDY}")
    if matches and not first and not second and any(match["first"] != match["second_part"] for match in matches):
        text, sign = matches[0].group(), matches[0]["sign"]
        raise InputError(
            f"{what}: {text!r} may be day or month first; say which with "
            f"--date-format %d{sign}%m{sign}%Y or %m{sign}%d{sign}%Y"
        )
    return bool(first)


def _date(shape: str, match: re.Match[str], day_first: bool, what: str) -> dt.datetime:
    parts = match.groupdict()
    if shape == "slashed":
        day, month = (parts["first"], parts["second_part"]) if day_first else (parts["second_part"], parts["first"])
    elif "name" in parts:
        day, month = parts["day"], str(_month(parts["name"]))
    else:
        day, month = parts["day"], parts["month"]
    hour = int(parts["hour"] or 0)
    if parts["half"]:
        hour = hour % 12 + (12 if parts["half"].lower() == "pm" else 0)
    try:
        return dt.datetime(int(parts["year"]), int(month), int(day), hour, int(parts["minute"] or 0),
                           int(parts["second"] or 0), tzinfo=_zone(parts["zone"]))  # fmt: skip
    except ValueError:
        raise InputError(f"{what}: {match.group()!r} is not a date; {_REMEDY}") from None


def _month(name: str) -> int:
    short = name[:3].lower()
    return _MONTHS.index(short) + 1 if short in _MONTHS else 0


def _zone(text: str | None) -> dt.timezone | None:
    if text is None:
        return None
    if text in ("Z", "UTC", "GMT"):
        return dt.UTC
    digits = text[1:].replace(":", "")
    offset = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return dt.timezone(-offset if text[0] == "-" else offset)
