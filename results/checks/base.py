"""What every check of a run has in common: a state, a sentence, and a stored form that refuses damage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, Self

import pandas as pd

from assay.data.errors import InputError

__all__ = ["Check", "Content", "State", "figure_text", "span_text"]

#: How a check stands: what it looked for is not there; is there; cannot be told; nothing was, or could be, checked.
State = Literal["good", "bad", "unsure", "not run"]


class Check(Protocol):
    """The outcome of one kind of check.

    A class also says, of a run without it, what the check is called and how it is made.
    """

    #: its name in ``checks.json``
    kind: ClassVar[str]
    #: its name for a reader
    title: ClassVar[str]
    #: how to make it
    hint: ClassVar[str]

    @property
    def state(self) -> State:
        """How it stands."""
        ...

    @property
    def result(self) -> str:
        """The outcome in a few words, for a tile."""
        ...

    @property
    def detail(self) -> str:
        """What stands beside the result in small print; may be empty."""
        ...

    @property
    def sentence(self) -> str:
        """The whole outcome in one sentence, without a full stop."""
        ...

    @property
    def failures(self) -> tuple[str, ...]:
        """What makes a command end with exit code 1, one sentence each."""
        ...

    def to_dict(self) -> dict[str, object]:
        """The entry of this kind in ``checks.json``."""
        ...

    @classmethod
    def from_dict(cls, content: Mapping[str, object], where: str = "checks.json") -> Self:
        """Read back what `to_dict` wrote.

        Raises
        ------
        InputError
            If an entry is missing or is not what it should be; `where` is named.

        """
        ...


@dataclass(frozen=True)
class Content:
    """Stored entries, read one by one; a missing or impossible one is an `InputError` of one line.

    JSON has no NaN: a figure that does not exist is stored as null.

    Parameters
    ----------
    values : what is stored.
    where : which entries these are, e.g. ``"checks.json: leaks"``.

    """

    values: Mapping[str, object]
    where: str

    def wrong(self, name: str, expected: str, value: object) -> InputError:
        """The error for an entry that is not what is expected."""
        shown = repr(value)
        shown = shown if len(shown) <= 40 else f"{shown[:37]}…"
        return InputError(
            f"{self.where}: damaged: {name} must be {expected}, got {shown}; remove the file and run the checks again"
        )

    def _entry(self, name: str) -> object:
        if name not in self.values:
            raise InputError(f"{self.where}: damaged: {name} is missing; remove the file and run the checks again")
        return self.values[name]

    def _number(self, name: str, value: object) -> float:
        if value is None:
            return math.nan
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(name, "a number or null", value)
        return float(value)

    def number(self, name: str) -> float:
        """A figure; NaN where null is stored."""
        return self._number(name, self._entry(name))

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of figures; NaN for each null."""
        return tuple(self._number(name, value) for value in self._list(name))

    def count(self, name: str, *, least: int = 0) -> int:
        """A whole number, at least `least`."""
        value = self._entry(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.wrong(name, f"a whole number, at least {least}", value)
        return value

    def optional_count(self, name: str, *, least: int = 0) -> int | None:
        """A whole number, or None where null is stored."""
        return None if self._entry(name) is None else self.count(name, least=least)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._entry(name)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false", value)
        return value

    def optional_flag(self, name: str) -> bool | None:
        """True, false, or None where null is stored."""
        return None if self._entry(name) is None else self.flag(name)

    def text(self, name: str) -> str:
        """A text."""
        value = self._entry(name)
        if not isinstance(value, str):
            raise self.wrong(name, "a text", value)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        values = self._list(name)
        if not all(isinstance(value, str) for value in values):
            raise self.wrong(name, "a list of texts", values)
        return tuple(str(value) for value in values)

    def date(self, name: str) -> pd.Timestamp | None:
        """A session, or None where null is stored."""
        value = self._entry(name)
        return None if value is None else self._date(name, value)

    def dates(self, name: str) -> tuple[pd.Timestamp, ...]:
        """A list of sessions."""
        return tuple(self._date(name, value) for value in self._list(name))

    def part(self, name: str) -> Content:
        """Nested entries."""
        value = self._entry(name)
        if not isinstance(value, Mapping):
            raise self.wrong(name, "a table", value)
        return Content(value, f"{self.where}.{name}")

    def parts(self, name: str) -> tuple[Content, ...]:
        """A list of nested entries."""
        values = self._list(name)
        rows = [value for value in values if isinstance(value, Mapping)]
        if len(rows) < len(values):
            raise self.wrong(name, "a list of tables", values)
        return tuple(Content(row, f"{self.where}.{name}") for row in rows)

    @property
    def settings(self) -> Content:
        """The entries under ``on``, with which settings a check was made; none where they were not kept."""
        return self.part("on") if "on" in self.values else Content({}, f"{self.where}.on")

    def has(self, name: str) -> bool:
        """Whether there is such an entry."""
        return name in self.values

    def _list(self, name: str) -> Sequence[object]:
        value = self._entry(name)
        if not isinstance(value, (list, tuple)):
            raise self.wrong(name, "a list", value)
        return value

    def _date(self, name: str, value: object) -> pd.Timestamp:
        if isinstance(value, pd.Timestamp):
            return value
        try:
            session = pd.Timestamp(value) if isinstance(value, str) else pd.NaT
        except ValueError:
            session = pd.NaT
        if not isinstance(session, pd.Timestamp):
            raise self.wrong(name, "a date", value)
        return session


def figure_text(value: float, digits: int = 4) -> str:
    """A figure with that many decimals; a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def span_text(values: Sequence[float]) -> str:
    """``smallest … largest`` of the figures that exist."""
    known = sorted(value for value in values if not math.isnan(value))
    if not known:
        return "–"
    return figure_text(known[0]) if len(known) == 1 else f"{figure_text(known[0])} … {figure_text(known[-1])}"
