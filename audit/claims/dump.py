"""A claim set as TOML text, for a person to correct: one block a claim, the tokens set aside listed at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass

from assay.audit.claims.model import Claim, ClaimSet, Group
from assay.audit.claims.schema import inline, stated, toml_value
from assay.audit.read.sheet import Draft, Excluded

__all__ = ["dump_claims", "dump_draft"]


def _group_lines(group: Group) -> list[str]:
    """A group: its own keys, then a table for each part of its context that is stated."""
    lines, tables = ["[[group]]"], []
    for key, value in stated(group, skip=("classes",)).items():
        if is_dataclass(value):
            tables.append((f"[group.{key}]", inline(value)))
        else:
            lines.append(f"{key} = {toml_value(value)}")
    tables += [("[[group.class]]", inline(share)) for share in group.classes]
    for head, table in tables:
        if table:
            lines += ["", head]
        for key, item in table.items():
            if isinstance(item, list) and item and isinstance(item[0], Mapping):
                lines += [f"{key} = [", *(f"  {toml_value(part)}," for part in item), "]"]
            else:
                lines.append(f"{key} = {toml_value(item)}")
    return [*lines, ""]


def _claim_lines(claim: Claim) -> list[str]:
    context = dict(claim.context)
    decimal = context.pop("decimal", "")
    pairs = stated(claim, skip=("context",)) | {"decimal": decimal, "context": context}
    return ["[[claim]]", *(f"{key} = {toml_value(value)}" for key, value in pairs.items() if value), ""]


def dump_claims(claims: ClaimSet) -> str:
    """The claim set as TOML; `parse_claims` reads it back to an equal set.

    Examples
    --------
    >>> print(dump_claims(ClaimSet("A title", "", (Group("main"),), ())))
    title = "A title"
    <BLANKLINE>
    [[group]]
    name = "main"
    <BLANKLINE>

    """
    lines = [f"title = {toml_value(claims.title)}"]
    if claims.source:
        lines.append(f"source = {toml_value(claims.source)}")
    if claims.draft:
        lines.append("draft = true")
    lines.append("")
    for group in claims.groups:
        lines += _group_lines(group)
    for claim in claims.claims:
        lines += _claim_lines(claim)
    return "\n".join(lines)


def dump_draft(draft: Draft) -> str:
    """The draft as TOML: the claims, then what was set aside and what was not placed, each with its line and reason."""
    head = [
        "# Drafted by a machine. Check the groups (one run each), the splits and the labels; add what the report says",
        "# about n, classes, price range, loss and architecture; then delete the line 'draft = true'.",
        *(f"# Note: {_one_line(note)}" for note in draft.notes),
        "",
    ]
    tail = ["[excluded]"]
    for name, items in (("not_placed", draft.unplaced), ("tokens", draft.excluded)):
        tail += [f"{name} = [", *(f"  {toml_value(_listed(item))}," for item in items), "]"]
    return "\n".join(head) + dump_claims(draft.claims) + "\n" + "\n".join(tail) + "\n"


def _one_line(text: str) -> str:
    return " ".join("".join(char if ord(char) >= 32 and ord(char) != 127 else " " for char in text).split())


def _listed(item: Excluded) -> dict[str, object]:
    return {"line": item.line, "text": item.text, "reason": item.reason}
