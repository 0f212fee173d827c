"""Every check by its id: what it compares, by which formula, and where that comes from (``assay audit --checks``).

All stand in `checks.toml`: identities describe themselves by their words, the others by ``figures`` and ``formula``. A
test holds the table against the findings that the rules can make.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assay.audit.rules.identity import IDENTITIES, Identity
from assay.audit.rules.words import TABLE

__all__ = ["CHECKS", "Check", "render_checks"]


@dataclass(frozen=True)
class Check:
    """One check: its id, the figures it takes, what must hold, its source, and what a miss rests on."""

    check: str
    figures: str
    formula: str
    source: str
    premise: str = ""


_NAMES = {"value": "…", "readings": "…", "of": "", "count": "k", "range": "[a, b]"}


def _of(row: Identity) -> Check:
    """An identity in words: its names in the place of figures."""
    words = re.sub(r"\{([^}:]+)[^}]*\}", lambda m: _NAMES.get(m[1], re.sub(r"[_^]|/\*", " ", m[1]).strip()), row.words)
    inputs = ", ".join(re.sub(r"[?^]|/\*", "", name).replace("_", " ") for name in row.inputs)
    figures = f"{row.result.replace('_', ' ')} {row.relation} f({inputs})"
    if row.within:
        figures = f"{row.within[0]:g} ≤ f({row.result.replace('_', ' ')}, {inputs}) ≤ {row.within[1]:g}"
        figures = figures.removeprefix("-inf ≤ ").removesuffix(" ≤ inf")
    return Check(row.check, figures, words, row.source, row.premise)


#: Every check: the identities first, then what is no identity.
CHECKS: tuple[Check, ...] = (
    *map(_of, IDENTITIES), *(Check(**{k: v for k, v in row.items() if k != "says"}) for row in TABLE["check"]),
)  # fmt: skip


def render_checks() -> str:
    """The table for a terminal, by number."""
    lines = []
    for check in sorted(CHECKS, key=lambda check: (check.check[0], int(check.check[1:].split()[0]))):
        lines += [check.check, f"  takes    {check.figures}", f"  holds    {check.formula}"]
        lines += [f"  source   {check.source}"] + ([f"  assumes  {check.premise}"] if check.premise else [])
    return "\n".join(lines)
