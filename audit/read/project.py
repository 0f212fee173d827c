"""Several documents of one project as one draft: each read by itself, their runs tied by the figures they print.

Where two files print one quantity differently the draft says so, with file and line of each; where they print it
alike, the later figure is marked as the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import BESIDE, Claim, ClaimSet
from assay.audit.read.draft import MAX_CLAIMS, draft_claims
from assay.audit.read.files import Document, find_documents, read_document
from assay.audit.read.sheet import Draft, Excluded
from assay.data.errors import InputError

__all__ = ["draft_documents", "draft_files"]

#: Metrics that one project may print of many things.
_NOT_TIED = (
    "change",
    "multiple",
    "difference",
    "other",
    "std",
    "minimum",
    "maximum",
    "confusion_count",
    *BESIDE,
)
#: Most contradictions that are told one by one.
_TOLD = 40


def draft_files(paths: Sequence[Path], title: str = "") -> Draft:
    """Draft the claims of files and folders.

    Raises
    ------
    InputError
        If one that was named cannot be read, or together they print more figures than are audited at once.

    """
    named = find_documents(paths)
    return draft_documents([read_document(path, name) for name, path in named], title)


def draft_documents(documents: Sequence[Document], title: str = "") -> Draft:
    """Draft the claims of several documents together."""
    drafts = [_placed(draft_claims(d.text, source=d.name, form=d.form, title=title), d) for d in documents]
    if len(drafts) == 1:
        return drafts[0]
    if sum(len(draft.claims.claims) for draft in drafts) > MAX_CLAIMS:
        raise InputError(
            f"more than {MAX_CLAIMS} figures in {len(drafts)} documents; name those that state the results"
        )
    marked = [_marked(draft, document.name) for draft, document in zip(drafts, documents, strict=True)]
    claims = [claim for draft in marked for claim in draft.claims.claims]
    claims, notes = _tied(claims)
    return Draft(
        claims=ClaimSet(
            title or marked[0].claims.title,
            ", ".join(document.name for document in documents)[:300],
            tuple(group for draft in marked for group in draft.claims.groups),
            tuple(claims),
            draft=True,
        ),
        columns=tuple(column for draft in marked for column in draft.columns),
        excluded=tuple(item for draft in marked for item in draft.excluded),
        unplaced=tuple(item for draft in marked for item in draft.unplaced),
        notes=tuple(notes) + tuple(note for draft in marked for note in draft.notes),
    )


def _placed(draft: Draft, document: Document) -> Draft:
    """The draft with the lines of the file instead of those of the text that was made of it."""
    if not document.lines:
        return draft

    def line(number: int | None) -> int:
        return document.lines[min(number or 1, len(document.lines)) - 1]

    claims = tuple(replace(claim, source_line=line(claim.source_line)) for claim in draft.claims.claims)
    return replace(
        draft,
        claims=replace(draft.claims, claims=claims),
        excluded=tuple(replace(item, line=line(item.line)) for item in draft.excluded),
        unplaced=tuple(replace(item, line=line(item.line)) for item in draft.unplaced),
    )


def _marked(draft: Draft, name: str) -> Draft:
    """The draft with its ids, groups and records made its own by the name of the document."""
    groups = {group.name: f"{name}: {group.name}" for group in draft.claims.groups}
    claims = tuple(
        replace(
            claim, id=f"{name}:{claim.id}", group=groups[claim.group], document=name,
            inputs=tuple(f"{name}:{i}" for i in claim.inputs), record=f"{name}:{claim.record}" if claim.record else "",
        )
        for claim in draft.claims.claims
    )  # fmt: skip
    renamed = tuple(
        replace(
            group, name=groups[group.name], shares_sample_with=tuple(groups.get(g, g) for g in group.shares_sample_with)
        )
        for group in draft.claims.groups
    )

    def of(items: Iterable[Excluded]) -> tuple[Excluded, ...]:
        return tuple(replace(item, document=name) for item in items)

    return replace(
        draft, claims=replace(draft.claims, groups=renamed, claims=claims), excluded=of(draft.excluded),
        unplaced=of(draft.unplaced), notes=tuple(f"{name}: {note}" for note in draft.notes),
    )  # fmt: skip


def _tied(claims: list[Claim]) -> tuple[list[Claim], list[str]]:
    """The claims, those of later documents that repeat an earlier figure tied to it, and what contradicts what."""
    runs = _runs(claims)
    first: dict[tuple[str, ...], Claim] = {}
    out: list[Claim] = []
    notes: list[str] = []
    for claim in claims:
        key = (runs[claim.group], *_quantity(claim))
        other = first.get(key)
        if not _comparable(claim) or other is None or other.document == claim.document:
            if _comparable(claim):
                first.setdefault(key, claim)
        elif _meet(claim, other):
            if not claim.relation:
                claim = replace(claim, relation="same", inputs=(other.id,))
        elif len(notes) < _TOLD:
            notes.append(
                f"{_words(claim)} is printed as {other.printed} in {other.document} line {other.source_line} and as"
                f" {claim.printed} in {claim.document} line {claim.source_line}"
            )
        out.append(claim)
    return out, notes


def _quantity(claim: Claim) -> tuple[str, str, str, str]:
    return claim.metric, claim.split, claim.label.lower(), claim.at


def _words(claim: Claim) -> str:
    run = claim.group.split(": ", 1)[-1]
    parts = [claim.metric.replace("_", " "), claim.label, claim.split, claim.at, "" if run == "main" else f"of {run}"]
    return " ".join(part for part in parts if part)


def _comparable(claim: Claim) -> bool:
    return claim.value.is_point and not claim.target and claim.metric not in _NOT_TIED


def _meet(first: Claim, second: Claim) -> bool:
    """Whether two prints share a value, one perhaps in percent without its sign."""
    a, b = first.value.either, second.value.either
    if a.meets(b):
        return True
    share = METRICS[first.metric].kind in ("proportion", "score", "return", "error", "share")
    return share and ((a * 100).meets(b) or (b * 100).meets(a)) and first.value.percent != second.value.percent


def _runs(claims: list[Claim]) -> dict[str, str]:
    """For each group the run it stands for across documents: groups of one name, or with two figures alike and more
    alike than not.
    """
    members: dict[str, dict[tuple[str, ...], Claim]] = {}
    for claim in claims:
        if _comparable(claim):
            members.setdefault(claim.group, {}).setdefault(_quantity(claim), claim)
    run = {claim.group: claim.group for claim in claims}
    names = list(members)
    documents = {claim.group: claim.document for claim in claims}
    for position, second in enumerate(names):
        best = (0, "")
        for first in names[:position]:
            if documents[first] == documents[second]:
                continue
            common = members[first].keys() & members[second].keys()
            alike = sum(_meet(members[first][key], members[second][key]) for key in common)
            named = first.split(": ", 1)[-1] == second.split(": ", 1)[-1] != "main"
            score = alike + (1 if named else 0)
            if score >= 2 and 2 * alike >= len(common) and score > best[0]:
                best = (score, run[first])
        run[second] = best[1] or second
    return run
