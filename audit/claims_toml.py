"""A claim set as TOML text, for a person to correct: one block a claim, the tokens set aside listed at the end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from assay.audit.claims_model import Claim, ClaimSet, Group
from assay.audit.intervals import Printed
from assay.audit.read.sheet import Draft, Excluded

__all__ = ["dump_claims", "dump_draft", "write_atomic"]

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _string(text: str) -> str:
    """A basic TOML string; control characters are escaped."""
    return '"' + "".join(
        _ESCAPES.get(char) or (f"\\u{ord(char):04X}" if ord(char) < 32 or ord(char) == 127 else char) for char in text
    ) + '"'  # fmt: skip


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Printed):
        return _string(value.text)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return _string(str(value))


def _differing(value: Any, skip: Iterable[str] = ()) -> dict[str, Any]:
    """The fields of a frozen value that are not at their defaults."""
    out: dict[str, Any] = {}
    skipped = set(skip)
    for item in fields(value):
        current = getattr(value, item.name)
        if item.name in skipped or current is None or current == item.default or current == () or current == "":
            continue
        if is_dataclass(current) and not isinstance(current, Printed):
            continue
        out[item.name] = current
    return out


def _table(value: object) -> Any:
    """A frozen value as an inline table, its sequences too."""
    out = _differing(value)
    for key, item in out.items():
        if isinstance(item, tuple) and item and is_dataclass(item[0]):
            out[key] = [_table(part) for part in item]
    return out


def _group_lines(group: Group) -> list[str]:
    lines = ["[[group]]"]
    plain = _differing(group, skip=("classes", "sample", "target", "portfolio", "loss", "architecture", "schedule"))
    lines += [f"{key} = {_value(item)}" for key, item in plain.items()]
    sample = _differing(group.sample, skip=("splits",))
    if group.sample.splits:
        sample["splits"] = [
            {key: part for key, part in zip(("name", "share", "start", "end"), split, strict=True) if part}
            for split in group.sample.splits
        ]
    tables = {
        "sample": sample,
        "target": _differing(group.target),
        "loss": _table(group.loss) if group.loss is not None else {},
        "architecture": _table(group.architecture) if group.architecture is not None else {},
        "schedule": _differing(group.schedule) if group.schedule is not None else {},
        "portfolio": _differing(group.portfolio),
    }
    for name, table in tables.items():
        if table:
            lines += ["", f"[group.{name}]"]
            for key, item in table.items():
                if isinstance(item, list) and item and isinstance(item[0], Mapping):
                    lines += [f"{key} = [", *(f"  {_value(part)}," for part in item), "]"]
                else:
                    lines.append(f"{key} = {_value(item)}")
    for share in group.classes:
        lines += ["", "[[group.class]]", *(f"{key} = {_value(item)}" for key, item in _differing(share).items())]
    return [*lines, ""]


def _claim_lines(claim: Claim) -> list[str]:
    context = dict(claim.context)
    decimal = context.pop("decimal", "")
    pairs: list[tuple[str, object]] = [
        ("id", claim.id), ("metric", claim.metric), ("printed", claim.printed), ("decimal", decimal),
        ("group", claim.group), ("unit", claim.unit), ("split", claim.split), ("label", claim.label), ("at", claim.at),
        ("relation", claim.relation), ("inputs", list(claim.inputs)), ("definition", claim.definition),
        ("target", claim.target), ("line", claim.source_line), ("text", claim.source_text), ("context", context),
        ("record", claim.record), ("document", claim.document),
    ]  # fmt: skip
    return ["[[claim]]", *(f"{key} = {_value(item)}" for key, item in pairs if item), ""]


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
    lines = [f"title = {_string(claims.title)}"]
    if claims.source:
        lines.append(f"source = {_string(claims.source)}")
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
        tail += [f"{name} = [", *(f"  {_value(_listed(item))}," for item in items), "]"]
    return "\n".join(head) + dump_claims(draft.claims) + "\n" + "\n".join(tail) + "\n"


def _one_line(text: str) -> str:
    return " ".join("".join(char if ord(char) >= 32 and ord(char) != 127 else " " for char in text).split())


def _listed(item: Excluded) -> dict[str, object]:
    return {"line": item.line, "text": item.text, "reason": item.reason}


def write_atomic(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new content, never half of it.

    Raises
    ------
    OSError
        If the folder cannot be written to.

    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
