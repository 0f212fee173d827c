"""Printed figures as intervals: what a rounded number can stand for, and arithmetic that never narrows it.

A figure printed with d decimals stands for every value that rounds to it, ``[x - u/2, x + u/2]`` with ``u = 10**-d``.
Nothing in the audit computes with the printed value itself. Every emptiness test carries a relative slack of 1e-9, far
above floating error and far below any printed unit, so arithmetic noise cannot turn into an accusation.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from assay.data.errors import InputError

__all__ = ["SLACK", "UNITS", "Interval", "IntervalError", "Printed", "parse_print"]

#: Relative slack of every comparison between intervals.
SLACK = 1e-9
#: Relative tolerance of a figure printed to full floating precision: an epsilon in a denominator is common.
FULL_PRECISION = 1e-5
#: Relative tolerance of a figure printed with "~", at least.
ABOUT = 0.05

_INF = math.inf
#: Divisors this close to zero count as touching it.
_ZERO = 1e-300


class IntervalError(ArithmeticError):
    """The ends of an interval are reversed or NaN: absurd figures, or a fault of the arithmetic that made it."""


@dataclass(frozen=True)
class Interval:
    """A closed interval of real numbers, possibly unbounded.

    Parameters
    ----------
    low, high : the ends, ``low <= high``.

    Raises
    ------
    IntervalError
        If an end is NaN or the ends are reversed.

    Examples
    --------
    >>> Interval(1.0, 2.0) + Interval(0.5, 0.5)
    Interval(low=1.5, high=2.5)

    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if math.isnan(self.low) or math.isnan(self.high) or self.low > self.high:
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
        other = _as_interval(other)
        return Interval(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Interval | float) -> Interval:
        return self + (-_as_interval(other))

    def __mul__(self, other: Interval | float) -> Interval:
        other = _as_interval(other)
        ends = [_times(a, b) for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(ends), max(ends))

    def __truediv__(self, other: Interval | float) -> Interval:
        """The quotient; the whole line where the divisor touches zero (the safe answer, never a narrow one)."""
        other = _as_interval(other)
        if other.low <= _ZERO and other.high >= -_ZERO:
            return Interval(-_INF, _INF)
        return self * Interval(1 / other.high, 1 / other.low)

    def __abs__(self) -> Interval:
        if self.low >= 0:
            return self
        return -self if self.high <= 0 else Interval(0.0, max(-self.low, self.high))

    def power(self, exponent: float) -> Interval:
        """``x ** exponent`` for a non-negative interval and a positive exponent (ends below zero are clipped)."""
        return Interval(max(self.low, 0.0) ** exponent, max(self.high, 0.0) ** exponent)

    def clip(self, low: float, high: float) -> Interval | None:
        """The part inside ``[low, high]``, or None where nothing is left."""
        return self.meet(Interval(low, high))

    def meet(self, other: Interval, slack: float = SLACK) -> Interval | None:
        """The intersection, or None when it is empty beyond the slack."""
        if not self.meets(other, slack):
            return None
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Interval(min(low, high), max(low, high))

    def meets(self, other: Interval, slack: float = SLACK) -> bool:
        """Whether the two share a point, up to a slack relative to the ends compared."""
        return _not_above(self.low, other.high, slack) and _not_above(other.low, self.high, slack)

    def holds(self, value: float, slack: float = SLACK) -> bool:
        """Whether `value` lies inside, up to the slack."""
        return self.meets(Interval.point(value), slack)

    def hull(self, other: Interval) -> Interval:
        """The smallest interval holding both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))


def _as_interval(value: Interval | float) -> Interval:
    return value if isinstance(value, Interval) else Interval.point(float(value))


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b


def _not_above(low: float, high: float, slack: float) -> bool:
    if math.isinf(low) or math.isinf(high):
        return low <= high
    return low <= high + slack * max(abs(low), abs(high), 1e-3)


@dataclass(frozen=True)
class Printed:
    """A figure as it stands in a report, with what it can stand for.

    Parameters
    ----------
    text : the figure as printed.
    value : its value, in decimals for percentages (``57.14%`` is 0.5714), in base units for K, M, KB.
    unit : size of the last printed digit on the scale of `value` (0.0001 for ``57.14%``).
    decimals : digits printed after the decimal point (before any scaling).
    percent : whether it was printed in percent.
    about : whether it was printed with "~", "about", "circa".
    bound : ``""``, ``">"``, ``">="``, ``"<"``, ``"<="`` or ``"range"``.
    end, end_unit : the upper end of a printed range and the size of its last digit; those of `value` otherwise.
    multiple : whether it was printed as a multiple ("35x").

    """

    text: str
    value: float
    unit: float
    decimals: int
    percent: bool = False
    about: bool = False
    bound: str = ""
    end: float = math.nan
    end_unit: float = 0.0
    multiple: bool = False

    def __str__(self) -> str:
        return self.text

    @property
    def is_point(self) -> bool:
        """Whether the print gives one value (not a bound, not a range)."""
        return self.bound == ""

    @property
    def half(self) -> float:
        """Half-width of the rounding interval (of the low end, for a range)."""
        digits = Decimal(repr(abs(self.value))).as_tuple().digits if self.value else (0,)
        full = self.decimals >= 6 and len(digits) >= 7
        return max(self.unit / 2, FULL_PRECISION * abs(self.value) if full else 0.0)

    @property
    def interval(self) -> Interval:
        """Every value that rounds to the print; a half-line for a bound, the widened span for a range.

        An approximate print ("~") gives its widened reading: nothing tighter can be held against it.
        """
        return self.wide if self.about else self._spread(self.half, self.end_unit / 2)

    @property
    def wide(self) -> Interval:
        """The reading of an approximate figure.

        One unit of the last printed digit, or half a unit of the last digit that is not a trailing zero, or 5%,
        whichever is widest: "~250,000" is 237,500 to 262,500 and "~10,000" is 5,000 to 15,000.
        """
        return self._spread(_loose(self.value, self.unit), _loose(self.end, self.end_unit))

    def _spread(self, half: float, end_half: float) -> Interval:
        if self.bound in (">", ">="):
            return Interval(self.value - half, _INF)
        if self.bound in ("<", "<="):
            return Interval(-_INF, self.value + half)
        return Interval(self.value - half, self.end + end_half if self.bound == "range" else self.value + half)

    @property
    def truncated(self) -> Interval:
        """The second reading of a point: digits cut off instead of rounded, so the value lies further from zero."""
        if not self.is_point or self.about:
            return self.interval
        if self.value > 0:
            return Interval(self.value, self.value + self.unit)
        if self.value < 0:
            return Interval(self.value - self.unit, self.value)
        return Interval(-self.unit, self.unit)

    @property
    def either(self) -> Interval:
        """Rounded or truncated: the widest reading, which an accusation must also exclude."""
        return self.interval.hull(self.truncated)


def _loose(value: float, unit: float) -> float:
    count = round(abs(value) / unit) if unit > 0 and math.isfinite(value) else 0
    zeros = len(str(count)) - len(str(count).rstrip("0")) if count else 0
    return max(unit, unit * 10.0**zeros / 2, ABOUT * abs(value))


_SUFFIX = {
    "k": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9, "thousand": 1e3, "mil": 1e3,
    "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 1024.0, "mib": 1024.0**2, "gib": 1024.0**3,
    "bps": 1e-4, "bp": 1e-4, "pp": 1e-2, "pps": 1e-2,
}  # fmt: skip
#: Units that say how a print is read, and what one of its units is.
UNITS = {"percent": 1e-2, "%": 1e-2, "bps": 1e-4, "pp": 1e-2, "fraction": 1.0}
_ABOUT = re.compile(
    r"^(?:~|≈|∼|〜|～|±|about\b|approx(?:\.|imately)?|around\b|circa\b|ca\.|roughly\b|约|大约|cerca de\b)\s*", re.I
)
_BOUND = re.compile(
    r"^(>=|=>|≥|<=|=<|≤|>|<|over\b|under\b|below\b|above\b|at least\b|at most\b|up to\b"
    r"|(?:more|greater|less|fewer) than\b)\s*",
    re.I,
)
_BOUNDS = {
    ">": ">", "over": ">", "above": ">", "more than": ">", "greater than": ">",
    ">=": ">=", "=>": ">=", "≥": ">=", "at least": ">=",
    "<": "<", "under": "<", "below": "<", "less than": "<", "fewer than": "<",
    "<=": "<=", "=<": "<=", "≤": "<=", "at most": "<=", "up to": "<=",
}  # fmt: skip
_SIGNS = str.maketrans(dict.fromkeys("−–—‐‑－", "-") | {"，": ",", "．": ".", "％": "%", "\u202f": "\u00a0"})
_NUMBER = r"[+-]?(?:\d{1,3}(?:[,.'_\u00a0]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)?|\.\d+)(?:e[+-]?\d+)?"
_TAIL = r"(?:\s*(%|×|(?:x|bps?|pps?|[kmg]i?b|k|mn|million|mil|m|bn|billion|b|thousand)(?![^\W\d_])))?\s*(\+)?"
_CURRENCY = r"(?:R\$|US\$|[$€£₹¥])?\s*"
_FRACTION = re.compile(r"(\d{1,9})/(0*[1-9]\d{0,8})")
_ONE = re.compile(rf"^([+-]?)\s*{_CURRENCY}({_NUMBER}){_TAIL}", re.I)


def parse_print(text: str, unit: str = "", decimal: str = ".") -> Printed:
    """Read a figure exactly as printed.

    Parameters
    ----------
    text : the print: ``"57.14%"``, ``"~500K"``, ``"> 0.6"``, ``"−95%"``, ``"8,802.48"``, ``"35×"``, ``"0.40-0.70"``,
        ``"~500KB - 2MB"``, ``"1000+"``, ``"1e-4"``, ``"$1.2M"``; what follows the figure is ignored.
    unit : ``"percent"`` or ``"bps"`` where the column or the key says so and the figure does not; ``"fraction"`` for
        whole counts, ``"16/28"``.
    decimal : the decimal mark; a lone comma that cannot separate thousands is read as decimal in any case.

    Raises
    ------
    InputError
        If no figure stands at the start of the text.

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
    about, bound, rest = _lead(text.strip().strip("*`_").strip().translate(_SIGNS))
    first = _ONE.match(rest)
    if first is None:
        raise InputError(f'printed figure {text!r}: no number at its start; print it as the report does, e.g. "57.14%"')
    second = re.match(r"^\s*(?:-|to\b|\.\.+|…|[,;](?=\s))\s*", rest[first.end() :], re.I)
    other = _ONE.match(rest[first.end() + second.end() :]) if second and not bound else None
    tail = (first[3] or (other[3] if other else "") or "").lower()
    low, decimals, step = _number(first[1] + first[2], decimal, text)
    scale = _scale(tail, unit)
    end, end_step = low * scale, step * scale
    if other is not None:
        high, _, step2 = _number(other[1] + other[2], decimal, text)
        high_scale = _scale((other[3] or tail).lower(), unit)
        end, end_step, bound = high * high_scale, step2 * high_scale, "range"
        if end < low * scale:
            raise InputError(f"printed figure {text!r}: the range runs downwards; print its low end first")
    if first[4] and not bound:
        bound = ">="
    if not math.isfinite(float(low * scale)) or not math.isfinite(float(end)):
        raise InputError(f"printed figure {text[:40]!r}: too large to be a figure of a report")
    return Printed(
        text=text,
        value=float(low * scale),
        unit=float(step * scale),
        decimals=decimals,
        percent=tail == "%" or unit in ("percent", "%"),
        about=about,
        bound=bound,
        end=float(end),
        end_unit=float(end_step),
        multiple=tail in ("×", "x"),
    )


def _lead(rest: str) -> tuple[bool, str, str]:
    """Whether a print says "about", its bound, and what follows these words and opening brackets."""
    about, bound = False, ""
    for _ in range(2):
        if match := _ABOUT.match(rest):
            about, rest = True, rest[match.end() :]
        if match := _BOUND.match(rest):
            bound, rest = _BOUNDS[match[1].lower()], rest[match.end() :]
    return about, bound, rest.lstrip("([").strip()


def _scale(tail: str, unit: str) -> Decimal:
    tail = tail.lower()
    if tail == "%":
        return Decimal("0.01")
    if tail in _SUFFIX:
        return Decimal(repr(_SUFFIX[tail]))
    return Decimal(repr(UNITS[unit])) if unit in UNITS and tail not in ("×", "x") else Decimal(1)


def _number(text: str, decimal: str, whole: str) -> tuple[Decimal, int, Decimal]:
    """Value, decimals and size of the last digit of one number, thousands separators removed."""
    body = re.sub(r"[\s'_]", "", text)
    mantissa, _, exponent = body.lower().partition("e")
    if len(exponent) > 5 or (exponent and abs(int(exponent)) > 400):
        raise InputError(f"printed figure {whole[:40]!r}: too large or too small to be a figure of a report")
    commas, dots = mantissa.count(","), mantissa.count(".")
    if commas and dots:
        decimal = "," if mantissa.rfind(",") > mantissa.rfind(".") else "."
    elif commas == 1 and not re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", mantissa):
        decimal = ","
    elif commas > 1 or dots > 1:
        decimal = "." if commas else ","
    mantissa = mantissa.replace("." if decimal == "," else ",", "").replace(",", ".")
    try:
        value = Decimal(mantissa + (f"e{exponent}" if exponent else ""))
    except InvalidOperation:
        raise InputError(f"printed figure {whole!r}: {text!r} is not a number") from None
    decimals = len(mantissa.partition(".")[2])
    step = Decimal(1).scaleb(-decimals + (int(exponent) if exponent else 0))
    return value, decimals, step
