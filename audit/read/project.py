"""Documents from files, and several documents of one project as one draft, their runs tied by the figures they print.

Read are Markdown, text, HTML, JSON, YAML, separated values, logs, notebooks and the text of PDFs. Each file becomes one
text whose lines are those of the file, or, for a notebook and a web page, lines that know where in the file they stand.
Where two files print one quantity differently the draft says so, with file and line of each; where they print it alike,
the later figure is marked as the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.audit.claims.located import MAX_BYTES, read_text
from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import Claim, ClaimSet, Group
from assay.audit.read.draft import MAX_CLAIMS, draft_claims
from assay.audit.read.sheet import Draft, Excluded
from assay.audit.read.vocabulary import pattern, wordset
from assay.data.errors import InputError

__all__ = ["FORMS", "Document", "draft_documents", "draft_files", "find_documents", "read_document"]

#: What is read of a folder, by the end of the name.
FORMS = (
    ".md", ".markdown", ".txt", ".html", ".htm", ".json", ".csv", ".tsv", ".yaml", ".yml", ".ini", ".log", ".ipynb",
    ".pdf",
)  # fmt: skip
#: Most files that are read of a folder.
MAX_FILES = 200
#: Names of a folder's files that state settings and dependencies, not results.
_NO_REPORTS = ("requirements", "constraints", "package.json", "package-lock", "license", "tsconfig", "pyproject")


@dataclass(frozen=True)
class Document:
    """One document.

    Parameters
    ----------
    name : what to call it: its path below the folder that was named.
    text : its text.
    form : ``"md"``, ``"json"``, ``"csv"`` …, as `draft_claims` takes it.
    lines : for each line of `text` the line of the file, from 1; empty where they are the same.

    """

    name: str
    text: str
    form: str
    lines: tuple[int, ...] = ()


def find_documents(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """The files to read, each with its name: those given, and those inside the folders given that are of a known form.

    Raises
    ------
    InputError
        If a folder holds none, or more than a project's documents would be.

    """
    found: list[tuple[str, Path]] = []
    for path in paths:
        if not path.is_dir():
            found.append((path.name if path.is_absolute() else str(path), path))
            continue
        inside = [
            file for file in sorted(path.rglob("*"))
            if file.suffix.lower() in FORMS and file.is_file() and file.stat().st_size <= MAX_BYTES
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
            and not file.name.lower().startswith(_NO_REPORTS)
        ]  # fmt: skip
        if not inside:
            raise InputError(f"{path}: no document in this folder; read are {', '.join(FORMS)}")
        found += [(str(Path(path.name) / file.relative_to(path)), file) for file in inside]
        if len(found) > MAX_FILES:
            raise InputError(f"{path}: {len(found)} documents; name the folder that states the results")
    names = [name for name, _ in found]
    return found if len(set(names)) == len(names) else [(str(path), path) for _, path in found]


def read_document(path: Path, name: str = "") -> Document:
    """Read a file.

    Raises
    ------
    InputError
        If it cannot be read, is not of a known form, or is broken; one line that says what to do.

    """
    form = path.suffix.lower().lstrip(".")
    name = name or path.name
    if form == "pdf":
        return Document(name, _pdf(path), "txt")
    if form in ("docx", "parquet", "xlsx", "xls", "png", "jpg", "pptx", "doc", "zip", "gz"):
        raise InputError(f"{path}: .{form} is not read; give a claims file (.toml) or the report as Markdown or text")
    text = read_text(path)
    if form == "ipynb":
        rendered, lines = _notebook(path, text)
        return Document(name, rendered, "md", lines)
    if form in ("html", "htm"):
        rendered, lines = _page(text)
        return Document(name, rendered, "md", lines)
    return Document(name, text, form)


def _pdf(path: Path) -> str:
    """The text layer of a PDF, pages one after the other."""
    import pypdf

    read_size = path.stat().st_size if path.is_file() else 0
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if read_size > MAX_BYTES:
        raise InputError(f"{path}: {read_size / 1e6:.0f} MB; a report of at most 20 MB is read")
    try:
        pages = [page.extract_text() or "" for page in pypdf.PdfReader(path).pages]
    except Exception as error:  # pypdf raises many kinds on a broken file
        raise InputError(f"{path}: is no PDF that can be read ({type(error).__name__}); save it as text") from None
    text = "\n\n".join(pages)
    if not text.strip():
        raise InputError(f"{path}: has no text layer, it is pictures of pages; recognise its text first")
    return text.replace("\x00", " ")


def _notebook(path: Path, text: str) -> tuple[str, tuple[int, ...]]:
    """A notebook's text, code and outputs as Markdown, each line with the line of the file it stands on."""
    try:
        body = json.loads(text)
        cells = body["cells"] if isinstance(body, dict) else []
        rendered = list(_cells(cells))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{path}: is no notebook of format 4; save it again from Jupyter") from None
    raw = text.split("\n")
    out: list[str] = []
    lines: list[int] = []
    at = 0
    for line, stated in rendered:
        if stated and line.strip():
            encoded = json.dumps(line, ensure_ascii=False)[1:-1]
            escaped = json.dumps(line)[1:-1]
            found = next((i for i in range(at, len(raw)) if encoded in raw[i] or escaped in raw[i]), None)
            at = found if found is not None else at
        out.append(line)
        lines.append(at + 1)
    return "\n".join(out), tuple(lines)


def _cells(cells: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, bool]]:
    """The lines of the cells, and whether each stands in the file."""
    for cell in cells:
        source = _joined(cell.get("source", ""))
        if cell.get("cell_type") != "code":
            yield from ((line, True) for line in source.split("\n"))
            yield "", False
            continue
        yield "```python", False
        yield from ((line, True) for line in source.split("\n"))
        yield "```", False
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/html" in data and "<table" in _joined(data["text/html"]):
                yield from ((line, True) for line in _joined(data["text/html"]).split("\n"))
            else:
                shown = _joined(output.get("text", data.get("text/plain", "")))
                yield "```", False
                yield from ((line, True) for line in shown.replace("```", "'''").split("\n"))
                yield "```", False
            yield "", False


def _joined(text: Any) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def _page(text: str) -> tuple[str, tuple[int, ...]]:
    """A web page as Markdown with its tables left in tags: a line breaks where a block begins, and knows its place."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for match in reversed(list(pattern("page_code").finditer(text))):
        text = text[: match.start()] + "\n" * match[0].count("\n") + text[match.end() :]
    out: list[str] = []
    lines: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        for piece in pattern("page_block").sub("\n\\g<0>", line).split("\n"):
            opened = pattern("page_heading").match(piece)
            item = pattern("page_item").match(piece)
            if opened:
                piece = "#" * int(opened[1]) + " " + pattern("any_tag").sub("", piece[opened.end() :])
            elif item:
                piece = "- " + piece[item.end() :]
            out.append(piece)
            lines.append(number)
    return "\n".join(out), tuple(lines)


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
    claims, notes = _tied([claim for draft in marked for claim in draft.claims.claims])
    source = ", ".join(document.name for document in documents)[:300]
    groups = tuple(group for draft in marked for group in draft.claims.groups)
    return Draft(
        ClaimSet(title or marked[0].claims.title, source, groups, tuple(claims), draft=True),
        columns=tuple(column for draft in marked for column in draft.columns),
        excluded=tuple(item for draft in marked for item in draft.excluded),
        unplaced=tuple(item for draft in marked for item in draft.unplaced),
        notes=(*notes, *(note for draft in marked for note in draft.notes)),
    )


def _changed(draft: Draft, claim: Callable[[Claim], Claim], item: Callable[[Excluded], Excluded]) -> Draft:
    """The draft with every claim and every token that is none changed."""
    return replace(
        draft,
        claims=replace(draft.claims, claims=tuple(map(claim, draft.claims.claims))),
        excluded=tuple(map(item, draft.excluded)),
        unplaced=tuple(map(item, draft.unplaced)),
    )


def _placed(draft: Draft, document: Document) -> Draft:
    """The draft with the lines of the file instead of those of the text that was made of it."""
    if not document.lines:
        return draft

    def line(number: int | None) -> int:
        return document.lines[min(number or 1, len(document.lines)) - 1]

    return _changed(
        draft, lambda claim: replace(claim, source_line=line(claim.source_line)),
        lambda item: replace(item, line=line(item.line)),
    )  # fmt: skip


def _marked(draft: Draft, name: str) -> Draft:
    """The draft with its ids, groups and records made its own by the name of the document."""

    def named(group: Group) -> Group:
        shared = tuple(f"{name}: {other}" if other in known else other for other in group.shares_sample_with)
        return replace(group, name=f"{name}: {group.name}", shares_sample_with=shared)

    def own(claim: Claim) -> Claim:
        return replace(
            claim, id=f"{name}:{claim.id}", group=f"{name}: {claim.group}", document=name,
            inputs=tuple(f"{name}:{i}" for i in claim.inputs), record=f"{name}:{claim.record}" if claim.record else "",
        )  # fmt: skip

    known = {group.name for group in draft.claims.groups}
    marked = _changed(draft, own, lambda item: replace(item, document=name))
    groups = tuple(map(named, draft.claims.groups))
    notes = tuple(f"{name}: {note}" for note in draft.notes)
    return replace(marked, claims=replace(marked.claims, groups=groups), notes=notes)


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
    return claim.value.is_point and not claim.target and claim.metric not in wordset("of_many_things")


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
