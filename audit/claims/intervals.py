"""Printed figures as intervals: what a rounded number can stand for, and arithmetic that never narrows it.

A figure printed with d decimals stands for every value that rounds to it, ``[x - u/2, x + u/2]`` with ``u = 10**-d``.
Nothing in the audit computes with the printed value itself. Every emptiness test carries a relative slack of 1e-9, far
above floating error and far below any printed unit, so arithmetic noise cannot turn into an accusation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import product
from string import ascii_lowercase

from assay.audit.read.words import table
from assay.data.errors import InputError

__all__ = [
    "SLACK", "Interval", "IntervalError", "Printed", "corners", "hull_of", "mean_of", "parse_print", "sum_of",
]  # fmt: skip

#: Relative slack of every comparison, and divisors this close to zero count as touching it.
SLACK, _ZERO = 1e-9, 1e-300
#: Relative tolerance of a figure printed to full floating precision: an epsilon in a denominator is common.
FULL_PRECISION = 1e-5
#: Relative tolerance of a figure printed with "~", at least.
ABOUT = 0.05


class IntervalError(ArithmeticError):
    """The ends of an interval are reversed or NaN: absurd figures, or a fault of the arithmetic that made it."""


@dataclass(frozen=True)
class Interval:
    """A closed interval of real numbers, possibly unbounded; `IntervalError` if an end is NaN or they are reversed.

    Examples
    --------
    >>> Interval(1.0, 2.0) + Interval(0.5, 0.5)
    Interval(low=1.5, high=2.5)

    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise IntervalError(f"interval: ends {self.low!r} and {self.high!r} are reversed or NaN")

    @classmethod
    def point(cls, value: float) -> Interval:
        """The interval that holds one value."""
        return cls(value, value)

    @property
    def width(self) -> float:
        return self.high - self.low

    @property
    def middle(self) -> float:
        return self.low if math.isinf(self.high) else self.high if math.isinf(self.low) else (self.low + self.high) / 2

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __add__(self, other: Interval | float) -> Interval:
        low, high = _ends(other)
        return Interval(self.low + low, self.high + high)

    def __sub__(self, other: Interval | float) -> Interval:
        return self + -other

    def __mul__(self, other: Interval | float) -> Interval:
        ends = [a * b if a and b else 0.0 for a in (self.low, self.high) for b in _ends(other)]
        return Interval(min(ends), max(ends))

    def __truediv__(self, other: Interval | float) -> Interval:
        """The quotient; the whole line where the divisor touches zero (the safe answer, never a narrow one)."""
        low, high = _ends(other)
        if low <= _ZERO and high >= -_ZERO:
            return Interval(-math.inf, math.inf)
        return self * Interval(1 / high, 1 / low)

    def __abs__(self) -> Interval:
        if self.low >= 0:
            return self
        return -self if self.high <= 0 else Interval(0.0, max(-self.low, self.high))

    def power(self, exponent: float) -> Interval:
        """``x ** exponent`` for a non-negative interval and a positive exponent (ends below zero are clipped)."""
        return Interval(max(self.low, 0.0) ** exponent, max(self.high, 0.0) ** exponent)

    def clip(self, low: float, high: float) -> Interval | None:
        """The part inside ``[low, high]``, or None where nothing is left beyond the slack."""
        within = self.meets(Interval(low, high))
        return Interval(*sorted((max(self.low, low), min(self.high, high)))) if within else None

    def meets(self, other: Interval, slack: float = SLACK) -> bool:
        """Whether the two share a point, up to a slack relative to the ends compared."""
        return _not_above(self.low, other.high, slack) and _not_above(other.low, self.high, slack)

    def holds(self, value: float, slack: float = SLACK) -> bool:
        """Whether `value` lies inside, up to the slack."""
        return self.meets(Interval.point(value), slack)


def sum_of(values: Iterable[Interval]) -> Interval:
    """The sum of printed parts, every rounding error allowed in full."""
    return sum(values, Interval.point(0.0))


def mean_of(values: Iterable[Interval]) -> Interval:
    """The arithmetic mean of printed parts."""
    values = list(values)
    return sum_of(values) / len(values)


def hull_of(values: Iterable[Interval]) -> Interval:
    """The smallest interval that holds all of them."""
    lows, highs = zip(*((value.low, value.high) for value in values), strict=True)
    return Interval(min(lows), max(highs))


def corners(formula: Callable[..., float], *of: Interval) -> Interval:
    """Range of a formula that is monotone in each of its figures: of its values where every figure is at an end."""
    values = [formula(*ends) for ends in product(*((x.low, x.high) for x in of))]
    return Interval(min(values), max(values))


def _ends(value: Interval | float) -> tuple[float, float]:
    return (value.low, value.high) if isinstance(value, Interval) else (value, value)


def _not_above(low: float, high: float, slack: float) -> bool:
    return low <= high or low <= high + slack * max(abs(low), abs(high), 1e-3) < math.inf


@dataclass(frozen=True)
class Printed:
    """A figure as it stands in a report, with what it can stand for."""

    text: str  # as printed
    value: float  # in decimals for percentages ("57.14%" is 0.5714), in base units for K, M, KB
    unit: float  # size of the last printed digit on the scale of `value` (0.0001 for "57.14%")
    decimals: int  # digits printed after the decimal point, before any scaling
    percent: bool = False
    about: bool = False  # printed with "~", "about", "circa"
    bound: str = ""  # "", ">", ">=", "<", "<=" or "range"
    end: float = math.nan  # upper end of a printed range, else `value`
    end_unit: float = 0.0  # size of the last digit of that
    multiple: bool = False  # printed as a multiple ("35x")

    def __str__(self) -> str:
        return self.text

    @property
    def is_point(self) -> bool:
        """Whether the print gives one value (not a bound, not a range)."""
        return self.bound == ""

    @property
    def interval(self) -> Interval:
        """Every value that rounds to the print; a half-line for a bound, the widened span for a range."""
        low = -math.inf if self.bound in ("<", "<=") else self.value - self._half(self.value, self.unit)
        high = math.inf if self.bound in (">", ">=") else self.end + self._half(self.end, self.end_unit)
        return Interval(low, high)

    def _half(self, value: float, unit: float) -> float:
        """Half a unit; of "~" one unit, half a unit of the last digit but trailing zeros, or 5%, the widest."""
        if not self.about:
            full = self.decimals >= 6 and len(Decimal(repr(value)).as_tuple().digits) >= 7
            return max(unit / 2, FULL_PRECISION * abs(value) * full)
        digits = str(round(abs(value) / unit)) if unit > 0 else "0"
        zeros = len(digits) - len(digits.rstrip("0")) if digits != "0" else 0
        return max(unit, unit * 10.0**zeros / 2, ABOUT * abs(value))

    @property
    def computed(self) -> bool:
        """Whether all the digits of a machine are printed: it was computed, and not of figures that do not give it."""
        return self.decimals >= 8

    @property
    def either(self) -> Interval:
        """Rounded, rounded twice (56.0748 by way of 56.075 to 56.08) or cut off: what accusations must exclude."""
        if not self.is_point or self.about:
            return self.interval
        cut = Interval(self.value - self.unit * (self.value <= 0), self.value + self.unit * (self.value >= 0))
        return hull_of([self.interval + Interval(-0.05 * self.unit, 0.05 * self.unit), cut])


#: Units that say how a print is read, and what one of its units is.
UNITS = {"percent": 1e-2, "%": 1e-2, "bps": 1e-4, "pp": 1e-2, "fraction": 1.0}
_SCALES = {word: Decimal(size) for word, size in table("units")["scales"].items()}
#: Signs and words before a figure → ``"~"`` (about) or its bound.
_LEADS = {word: mark for mark, words in table("lead").items() for word in words}


def _any_of(words: Iterable[str]) -> str:
    """A pattern of any of the words, whole where they are of letters."""
    ends = {word: r"(?![^\W\d_])" if word[-1] in ascii_lowercase else "" for word in words}
    return "|".join(re.escape(word) + ends[word] for word in sorted(ends, key=len, reverse=True))


_SIGNS = str.maketrans(dict.fromkeys("−–—‐‑－", "-") | {"，": ",", "．": ".", "％": "%", "\u202f": "\u00a0"})
#: These are for text in lower case: without regard to case ſ, İ and ı would match s and i, which no table has.
_LEAD = re.compile(rf"(?:{_any_of(_LEADS)})")
#: Whole rupees are grouped by twos above the thousands.
_LAKHS = r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?(?!\d)"
_GROUPED = r"\d{1,3}(?:[,.'_\u00a0]\d{3})+(?:[.,]\d+)?(?!\d)"
_NUMBER = rf"[+-]?(?:{_LAKHS}|{_GROUPED}|\d+(?:[.,]\d+)?|\.\d+)(?:e[+-]?\d+)?"
_ONE = rf"([+-]?)\s*(?:r\$|us\$|[$€£₹¥])?\s*({_NUMBER})(?:\s*({_any_of(_SCALES)}))?\s*(\+)?"
_PRINT = re.compile(rf"{_ONE}(?:\s*(?:-|to\b|\.\.+|…|[~〜～]|[,;](?=\s))\s*{_ONE})?")
_FRACTION = re.compile(r"(\d{1,9})/(0*[1-9]\d{0,8})")


def parse_print(text: str, unit: str = "", decimal: str = ".") -> Printed:
    """Read a figure exactly as printed; `InputError` if none stands at the start of the text.

    Parameters
    ----------
    text : the print: ``"57.14%"``, ``"~500K"``, ``"> 0.6"``, ``"−95%"``, ``"8,802.48"``, ``"35×"``, ``"0.40-0.70"``,
        ``"~500KB - 2MB"``, ``"1000+"``, ``"1e-4"``, ``"$1.2M"``; what follows the figure is ignored.
    unit : ``"percent"`` or ``"bps"`` where the column or the key says so and the figure does not; ``"fraction"`` for
        whole counts, ``"16/28"``.
    decimal : the decimal mark; a lone comma that cannot separate thousands is read as decimal in any case.

    Examples
    --------
    >>> parse_print("57.14%").interval
    Interval(low=0.57135, high=0.57145)
    >>> parse_print("~500K").interval
    Interval(low=450000.0, high=550000.0)

    """
    if unit == "fraction" and (counts := _FRACTION.fullmatch(text)):
        share = int(counts[1]) / int(counts[2])
        return Printed(text, share, 0.0, 0, end=share)
    rest, marks = text.lower().strip().strip("*`_").strip().translate(_SIGNS), []
    while lead := _LEAD.match(rest):
        marks.append(_LEADS[lead[0]])
        rest = rest[lead.end() :].lstrip()
    match = _PRINT.match(rest.lstrip("([").strip())
    if match is None:
        raise InputError(f'printed figure {text!r}: no number at its start; print it as the report does, e.g. "57.14%"')
    parts = [part or "" for part in match.groups()]
    bound = next((mark for mark in reversed(marks) if mark != "~"), "range" if parts[5] else "")
    first, last = parts[:4], parts[4:] if bound == "range" else parts[:4]
    tail = first[2] or last[2]
    value, step, decimals = _number(first[0] + first[1], decimal, tail, unit)
    end, end_step, _ = _number(last[0] + last[1], decimal, last[2] or tail, unit)
    if end < value < 0:  # "-19% ~ -22%"
        value, end, step, end_step = end, value, end_step, step
    if end < value:
        raise InputError(f"printed figure {text!r}: the range runs downwards; print its low end first")
    if not math.isfinite(value) or not math.isfinite(end):
        raise InputError(f"printed figure {text[:40]!r}: too large or too small to be a figure of a report")
    return Printed(
        text, value, step, decimals, percent=tail == "%" or unit in ("percent", "%"), about="~" in marks,
        bound=bound or ">=" * bool(first[3]), end=end, end_unit=end_step, multiple=tail in ("×", "x"),
    )  # fmt: skip


def _number(text: str, decimal: str, tail: str, unit: str) -> tuple[float, float, int]:
    """Value and size of the last digit of one number, both scaled by its tail or its unit, and its decimals."""
    mantissa, _, exponent = re.sub(r"[\s'_]", "", text).partition("e")
    commas, dots = mantissa.count(","), mantissa.count(".")
    if commas and dots:
        decimal = "," if mantissa.rfind(",") > mantissa.rfind(".") else "."
    elif commas == 1 and not re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", mantissa):
        decimal = ","
    elif commas > 1 or dots > 1:
        decimal = "." if commas else ","
    mantissa = mantissa.replace("." if decimal == "," else ",", "").replace(",", ".")
    scale = _SCALES[tail] if tail else Decimal(repr(UNITS.get(unit, 1.0)))
    decimals = len(mantissa.partition(".")[2])
    if len(exponent) > 5 or abs(int(exponent or 0)) > 400:
        return math.inf, math.inf, 0
    power = Decimal(f"1e{exponent or 0}")
    try:
        return float(Decimal(mantissa) * power * scale), float(Decimal(1).scaleb(-decimals) * power * scale), decimals
    except InvalidOperation:
        return math.inf, math.inf, 0
