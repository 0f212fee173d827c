"""A claim set as TOML text, for a person to correct: one block a claim, the tokens set aside listed at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from assay.audit.claims.model import ClaimSet
from assay.audit.claims.schema import toml_lines, toml_value
from assay.audit.read.sheet import Draft, Excluded

__all__ = ["dump_claims", "dump_draft"]


def dump_claims(claims: ClaimSet) -> str:
    """The claim set as TOML; `parse_claims` reads it back to an equal set.

    Examples
    --------
    >>> from assay.audit.claims.model import Group
    >>> print(dump_claims(ClaimSet("A title", "", (Group("main"),), ())))
    title = "A title"
    <BLANKLINE>
    [[group]]
    name = "main"
    <BLANKLINE>

    """
    blocks = [toml_lines(replace(claims, groups=(), claims=()))]
    blocks += [toml_lines(group, "[group]") for group in claims.groups]
    blocks += [toml_lines(claim, "[claim]") for claim in claims.claims]
    return "\n".join(line for block in blocks for line in [*block, ""])


def dump_draft(draft: Draft) -> str:
    """The draft as TOML: the claims, then what was set aside and what was not placed, each with its line and reason."""
    head = [
        "# Drafted by a machine. Check the groups (one run each), the splits and the labels; add what the report says",
        "# about n, classes, price range, loss and architecture; then delete the line 'draft = true'.",
        *("# Note: " + " ".join("".join(c if c.isprintable() else " " for c in note).split()) for note in draft.notes),
    ]
    tail = ["[excluded]", f"not_placed = {_listed(draft.unplaced)}", f"tokens = {_listed(draft.excluded)}"]
    return "\n".join([*head, "", dump_claims(draft.claims), *tail, ""])


def _listed(items: Iterable[Excluded]) -> str:
    rows = [{"line": item.line, "text": item.text, "reason": item.reason} for item in items]
    return toml_value(rows, broken=True)
