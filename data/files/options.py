"""How a file is to be read where it does not say so itself: the options that every door takes."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from assay.data.errors import InputError

__all__ = ["LAYOUTS", "LayoutName", "ReadOptions"]

LayoutName = Literal["long", "single", "wide", "fields"]
#: layout → what it means, as help and errors say it.
LAYOUTS: Mapping[str, str] = {
    "long": "a row a session and asset; or melted, a row a value, with a column that names its field",
    "single": "the bars of one asset, a row a session",
    "wide": "a column of closes (or scores) an asset, named after it",
    "fields": "a column a field and asset, e.g. Close_AAPL",
}


@dataclass(frozen=True)
class ReadOptions:
    """What decides where a file can be read in two ways, or names its columns as nobody else does.

    Parameters
    ----------
    columns : field (date, asset, close, score …) to the file's own column name.
    layout : one of `LAYOUTS`; None: as recognised.
    date_format : of dates as text, as ``datetime.strptime`` takes it, e.g. ``"%d/%m/%Y"``; ``"excel"`` for Excel's
        day numbers.
    decimal : ``"."`` or ``","``; None: as recognised.
    tz : the exchange's time zone, e.g. ``"America/New_York"``: stamps that carry a zone are converted to it, and the
        local date is the session.
    shared : whether dates, decimal sign and zone are said of several files at once, as on the command line, where a
        packed panel, which was read when it was packed, lets them pass for another that is text.

    Raises
    ------
    InputError
        If a value is not one of these.

    """

    columns: Mapping[str, str] = field(default_factory=dict)
    layout: LayoutName | None = None
    date_format: str | None = None
    decimal: Literal[".", ","] | None = None
    tz: str | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        if self.layout is not None and self.layout not in get_args(LayoutName):
            raise InputError(f"layout: expected one of {', '.join(LAYOUTS)}, got {self.layout!r}")
        if self.decimal not in (None, ".", ","):
            raise InputError(f"decimal: expected '.' or ',', got {self.decimal!r}")
        if self.date_format is not None:
            reason = _bad_format(self.date_format)
            if reason is not None:
                hint = "expected one as strptime takes it, e.g. %d/%m/%Y, or excel"
                raise InputError(f"date_format: {self.date_format!r}: {reason}; {hint}")
        if self.tz is not None:
            try:
                zoneinfo.ZoneInfo(self.tz)
            except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
                raise InputError(f"tz: no time zone {self.tz!r}; expected one like America/New_York") from None


def _bad_format(date_format: str) -> str | None:
    """Why no date can be read in this format; None where one can."""
    try:
        dt.datetime.strptime("", date_format)
    except re.error:  # strptime makes a named group of each
        return "a directive stands in it twice"
    except ValueError as error:
        return None if "does not match" in str(error) else str(error)
    return None
