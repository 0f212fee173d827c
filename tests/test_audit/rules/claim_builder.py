"""Short hand for claim sets in tests: one row a claim."""

from __future__ import annotations

from typing import Any

from assay.audit.claims.intervals import parse_print
from assay.audit.claims.model import Claim, ClaimSet, Group


def claim(claim_id: str, metric: str, printed: str, group: str = "run", *, unit: str = "", **more: Any) -> Claim:
    """A claim whose print is read as the claims file reads it."""
    return Claim(claim_id, metric, printed, parse_print(printed, unit=unit), group, unit=unit, **more)


def claim_set(groups: list[Group], claims: list[Claim], *, title: str = "report", draft: bool = False) -> ClaimSet:
    """A claim set from groups and claims."""
    return ClaimSet(title, f"{title}.md", tuple(groups), tuple(claims), draft)


def one_run(rows: dict[str, str], group: Group | None = None, **labels: str) -> ClaimSet:
    """One run: metric (or "metric/label") -> print."""
    group = group or Group("run")
    claims = []
    for key, printed in rows.items():
        metric, _, label = key.partition("/")
        claims.append(claim(key, metric, printed, group.name, label=label))
    return claim_set([group], claims)
