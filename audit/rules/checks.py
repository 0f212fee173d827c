"""Every check by its id: what it compares, by which formula, and where that comes from (``assay audit --checks``).

Identities describe themselves; what is no identity is listed in `checks.toml`, a row a check. A test holds the two
against the findings that the rules can make.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from assay.audit.rules import IDENTITIES
from assay.audit.rules.identity import Identity

__all__ = ["CHECKS", "Check", "render_checks"]


@dataclass(frozen=True)
class Check:
    """One check: its id, the figures it takes, what must hold, its source, and what a miss rests on."""

    check: str
    figures: str
    formula: str
    source: str
    premise: str = ""


_LISTED = tomllib.loads(Path(__file__).with_name("checks.toml").read_text(encoding="utf-8"))["check"]


def _of(row: Identity) -> Check:
    """An identity in words: its names in the place of figures."""
    words = re.sub(r"\{(\w+)\}", lambda match: _NAMES.get(match[1], match[1].replace("_", " ")), row.words)
    inputs = ", ".join(name.rstrip("?").removesuffix("/*").replace("_", " ") for name in row.inputs)
    figures = f"{row.result.replace('_', ' ')} {row.relation} f({inputs})"
    return Check(row.check, figures, words, row.source, row.premise)


_NAMES = {"value": "…", "readings": "…", "of": "", "count": "k", "range": "[a, b]"}
#: Every check: the identities first, then what is no identity.
CHECKS: tuple[Check, ...] = (*map(_of, IDENTITIES), *(Check(**row) for row in _LISTED))


def _order(check: Check) -> tuple[str, int]:
    number = re.match(r"([A-Z])(\d+)", check.check)
    return (number[1], int(number[2])) if number else ("Z", 0)


def render_checks() -> str:
    """The table for a terminal, by number."""
    lines = []
    for check in sorted(CHECKS, key=_order):
        lines += [
            check.check,
            f"  takes    {check.figures}",
            f"  holds    {check.formula}",
            f"  source   {check.source}",
        ]
        if check.premise:
            lines.append(f"  assumes  {check.premise}")
    return "\n".join(lines)
