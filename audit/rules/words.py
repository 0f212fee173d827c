"""The words of the audit: the table of checks, one way to show every number, and findings phrased from both."""

from __future__ import annotations

import math
import string
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.audit.claims.intervals import Interval, Printed
from assay.audit.claims.model import Claim
from assay.audit.verdicts import Arithmetic, Finding, Substance

__all__ = ["TABLE", "Figures", "as_printed", "names", "number", "percent", "phrase", "say", "span"]

#: The figures of a sentence by their names in it.
Figures = dict[str, Any]
#: `checks.toml`: what is an identity, and what is none with its sentences.
TABLE: dict[str, list[dict[str, Any]]] = tomllib.loads(Path(__file__).with_name("checks.toml").read_text("utf-8"))
_CHECKS = {row["check"]: row for row in TABLE["check"]}
#: What a finding says on either axis.
_VERDICTS: dict[str, tuple[Arithmetic | None, Substance | None]] = {
    "fits": (Arithmetic.CONSISTENT, None), "broken": (Arithmetic.INCONSISTENT, None),
    "doubt": (None, Substance.IMPLAUSIBLE), "baseline": (None, Substance.EXPLAINED),
    "weak": (None, Substance.NOT_SIGNIFICANT), "supported": (None, Substance.SUPPORTED),
    "open": (None, Substance.NOT_JUDGED),
}  # fmt: skip


def say(
    verdict: str | bool, check: str, claims: Sequence[Claim | None], key: str = "", *, sentence: str = "",
    proven: bool = True, premise: str | None = None, using: Sequence[Claim | None] = (), stated: bool = False,
    weight: int = 0, reading: str | None = None, **values: object,
) -> Finding:  # fmt: skip
    """One finding of a check about `claims`, in the words that the table has under `key`, filled with `values`.

    `verdict` is one of ``"fits"``: the figures can all hold; ``"broken"``: they cannot, or, unless `proven`, are
    implausible together; ``"doubt"``: not believable under the premise; ``"baseline"``: a trivial rule does as well;
    ``"weak"``: chance alone covers it; ``"supported"``: it beats what it must beat; ``"open"``: why it is not judged.
    True is ``"fits"``, said of all figures taken (`using`); False is ``"broken"``. `sentence` and `premise` stand in
    the place of the table's; the rest is as in `Finding`.
    """
    row = _CHECKS.get(check, {})
    if verdict is True:
        verdict, claims, using = "fits", using or claims, ()
    verdict = verdict or "broken"
    arithmetic, substance = _VERDICTS[verdict if proven or verdict != "broken" else "doubt"]
    held = row.get("premise") if premise is None else premise
    return Finding(
        check, _ids(claims), sentence or phrase(row["says"][key or "words"], values), arithmetic, substance,
        (held or None) if substance is not None else None, reading, weight, _ids(using), stated,
    )  # fmt: skip


def _ids(claims: Iterable[Claim | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(claim.id for claim in claims if claim is not None))


class _Phrases(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        """Claims as printed, intervals by their ends, ``:%`` in percent, ``:%2`` to so many decimals, ``:3`` to so many
        digits, lists in words."""
        share, places = format_spec[:1] == "%", int(format_spec.lstrip("%") or 0)
        if isinstance(value, Claim):
            return value.printed
        if isinstance(value, Interval):
            return span(value, share)
        if isinstance(value, list | tuple):
            return names([self.format_field(item, format_spec) for item in value])
        if isinstance(value, str):
            return value
        if share:
            return percent(float(value), places or 1)
        return f"{value:,}" if isinstance(value, int) and not places else number(float(value), places or 4)


def phrase(template: str, values: Mapping[str, object]) -> str:
    """A sentence with its figures.

    Examples
    --------
    >>> phrase("{n} cases, {share:%} of them up, {low:3} at least", {"n": 1250, "share": 0.5312, "low": 1.23456})
    '1,250 cases, 53.1% of them up, 1.23 at least.'

    """
    return _Phrases().vformat(template, (), values) + "."


def number(value: float, digits: int = 4) -> str:
    """A figure for a sentence: so many significant digits, thousands separated from ten thousand on."""
    if math.isinf(value):
        return "infinity" if value > 0 else "minus infinity"
    size = abs(value)
    if size >= 1000:
        text = f"{value:{',' if size >= 10_000 else ''}.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{digits}g}"


def percent(value: float, decimals: int = 1) -> str:
    """A share for a sentence."""
    return "unbounded" if math.isinf(value) else f"{100 * value:.{decimals}f}%"


def as_printed(value: float, printed: Printed) -> str:
    """A value in the print's own scale with two digits more than it has."""
    if printed.unit >= 1 and abs(value) >= 1000 and not printed.percent:
        return f"{value:,.0f}"
    digits = min(printed.decimals + 2, 12)
    return percent(value, digits) if printed.percent else f"{value:,.{digits}f}" + "×" * printed.multiple


def span(value: Interval, in_percent: bool = False) -> str:
    """An interval for a sentence, enough digits to tell its ends apart."""
    tail, scale = ("%", 100.0) if in_percent else ("", 1.0)
    low, high = value.low * scale, value.high * scale
    if math.isinf(low) or math.isinf(high):
        if low == -high:
            return "anything"
        return f"at least {number(low)}{tail}" if math.isinf(high) else f"at most {number(high)}{tail}"
    digits, size = 4, max(abs(low), abs(high))
    if high > low and size:
        digits = min(9 if size > 1000 else 6, max(4, math.ceil(math.log10(size / (high - low))) + 1))
    first, second = number(low, digits), number(high, digits)
    return f"{first}{tail}" if first == second else f"{first} to {second}{tail}"


def names(words: Sequence[str]) -> str:
    """A list in words: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
