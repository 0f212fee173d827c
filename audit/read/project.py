"""Documents from files, and several documents of one project as one draft, their runs tied by the figures they print.

Each file becomes one text whose lines are those of the file or, of a notebook and a web page, know where in it they
stand. Where two files print one quantity differently the draft says so; where alike, the later is marked as the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.audit.claims.files import MAX_BYTES, read_text
from assay.audit.claims.model import Claim, ClaimSet
from assay.audit.read.draft import draft_claims
from assay.audit.read.records import contradict
from assay.audit.read.sheet import MAX_CLAIMS, Draft, Excluded
from assay.audit.read.words import pattern, phrases, wordset
from assay.data.errors import InputError
from assay.data.optional import missing_package

__all__ = ["FORMS", "Document", "draft_files", "find_documents", "read_document"]

#: What is read of a folder, by the end of the name.
FORMS = (".md", ".markdown", ".txt", ".html", ".htm", ".json", ".csv", ".tsv", ".yaml", ".yml", ".ini", ".log",
         ".ipynb", ".pdf")  # fmt: skip
#: Most files that are read of a folder, and most contradictions that are told one by one.
MAX_FILES, _TOLD = 200, 40
Quantity = tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """One document."""

    name: str  # its path below the folder that was named
    text: str
    form: str  # "md", "json", "csv" …, as `draft_claims` takes it
    lines: tuple[int, ...] = ()  # for each line of the text the line of the file; empty where they are the same


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
            if file.suffix.lower() in FORMS and file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
            and not file.name.lower().startswith(phrases("no_reports"))
        ]  # fmt: skip
        if not inside:
            raise InputError(f"{path}: no document in this folder; read are {', '.join(FORMS)}")
        found += [(str(Path(path.name) / file.relative_to(path)), file) for file in inside]
        if len(found) > MAX_FILES:
            raise InputError(f"{path}: {len(found)} documents; name the folder that states the results")
    found = list({os.path.realpath(path): (name, path) for name, path in found}.values())  # named twice it is one
    names = [name for name, _ in found]
    return found if len(set(names)) == len(names) else [(str(path), path) for _, path in found]


def read_document(path: Path, name: str = "") -> Document:
    """Read a file.

    Raises
    ------
    InputError
        If it cannot be read, is not of a known form, or is broken; one line that says what to do.

    """
    form, name = path.suffix.lower().lstrip("."), name or path.name
    if form in wordset("unread_forms"):
        raise InputError(f"{path}: .{form} is not read; give a claims file (.toml) or the report as Markdown or text")
    text = _pdf(path) if form == "pdf" else read_text(path)
    if form not in ("ipynb", "html", "htm"):
        return Document(name, text, form.replace("pdf", "txt"))
    made = _notebook(path, text) if form == "ipynb" else list(_page(text))
    return Document(name, "\n".join(line for line, _ in made), "md", tuple(number for _, number in made))


def _pdf(path: Path) -> str:
    try:
        import pypdf
    except ImportError as error:
        raise missing_package(error, what=str(path)) or error from None
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: {path.stat().st_size / 1e6:.0f} MB; a report of at most 20 MB is read")
    try:
        text = "\n\n".join(page.extract_text() or "" for page in pypdf.PdfReader(path).pages)
    except Exception as error:  # pypdf raises many kinds on a broken file
        raise InputError(f"{path}: is no PDF that can be read ({type(error).__name__}); save it as text") from None
    if not text.strip():
        raise InputError(f"{path}: has no text layer, it is pictures of pages; recognise its text first")
    return text.replace("\x00", " ")


def _notebook(path: Path, text: str) -> list[tuple[str, int]]:
    """A notebook's text, code and outputs as Markdown, each line with the line of the file it stands on."""
    try:
        body = json.loads(text)
        cells = [list(_cells([cell])) for cell in (body["cells"] if isinstance(body, dict) else [])]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{path}: is no notebook of format 4; save it again from Jupyter") from None
    raw, index, out, furthest = text.split("\n"), dict[str, list[int]](), list[tuple[str, int]](), 0
    for number, stored in enumerate(raw):
        index.setdefault(stored.strip().rstrip(",").strip('"').removesuffix("\\n"), []).append(number)
    for rendered in cells:
        # The source may stand behind the outputs in the file: both are looked for from the beginning of the cell.
        start = at = furthest
        source = True
        for line, stated in rendered:
            if stated and line.strip():
                spelled = [json.dumps(line, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True)]
                own = next((index[form] for form in spelled if form in index), [])
                inside = (i for i in range(at, len(raw)) if any(form in raw[i] for form in spelled))
                at = next((i for i in own if i >= at), at) if own else next(inside, at)
                furthest = max(furthest, at)
            elif source and not stated and not line:
                source, at = False, start
            out.append((line, at + 1))
    return out


def _cells(cells: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, bool]]:
    """The lines of the cells, and whether each stands in the file."""

    def lines(text: Any, fence: str = "") -> Iterator[tuple[str, bool]]:
        whole = "".join(map(str, text)) if isinstance(text, list) else str(text)
        yield from ((fence, False),) if fence else ()
        yield from ((line, True) for line in (whole.replace("```", "'''") if fence else whole).split("\n"))
        yield from (("```", False),) if fence else ()

    for cell in cells:
        code = cell.get("cell_type") == "code"
        yield from lines(cell.get("source", ""), "```python" if code else "")
        yield "", False
        for output in cell.get("outputs", []) if code else ():
            data = output.get("data", {})
            page = data.get("text/html", "")
            if any("<table" in part for part in ([page] if isinstance(page, str) else page)):
                yield from lines(page)
            else:
                yield from lines(output.get("text", data.get("text/plain", "")), "```")
            yield "", False


def _page(text: str) -> Iterator[tuple[str, int]]:
    """A web page as Markdown with its tables left in tags: a line breaks where a block begins, and knows its place."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = pattern("page_code").sub(lambda match: "\n" * match[0].count("\n"), text)
    for number, line in enumerate(text.split("\n"), 1):
        for piece in pattern("page_block").sub("\n\\g<0>", line).split("\n"):
            if opened := pattern("page_heading").match(piece):
                piece = "#" * int(opened[1]) + " " + pattern("html_tag").sub("", piece[opened.end() :])
            yield pattern("page_item").sub("- ", piece), number


def draft_files(paths: Sequence[Path]) -> Draft:
    """Draft the claims of files and folders; a file of a folder that cannot be read is named in the notes.

    Raises
    ------
    InputError
        If one that was named cannot be read, none of a folder can, or together they print too many figures.

    """
    files, drafts, left = find_documents(paths), list[Draft](), list[str]()
    for name, path in files:
        try:
            drafts.append(_drafted(read_document(path, name), marked=len(files) > 1))
        except InputError as error:
            left.append(f"not read: {error}")
            if path in paths or len(left) == len(files):
                raise
    if len(files) == 1:
        return drafts[0]
    claims, notes = _tied([claim for draft in drafts for claim in draft.claims.claims])
    if len(claims) > MAX_CLAIMS:
        words = f"more than {MAX_CLAIMS} figures in {len(drafts)} documents"
        raise InputError(f"{words}; name those that state the results")
    sources = [draft.claims.source for draft in drafts]
    source = ", ".join(sources[:5]) + f" and {len(sources) - 5} more" * (len(sources) > 5)
    groups = tuple(group for draft in drafts for group in draft.claims.groups)
    lists = ("columns", "excluded", "unplaced", "notes")
    joined = {name: tuple(item for draft in drafts for item in getattr(draft, name)) for name in lists}
    whole = ClaimSet("", source, groups, tuple(claims), draft=True)
    return Draft(whole, **joined | {"notes": (*left, *notes, *joined["notes"])})


def _drafted(document: Document, *, marked: bool) -> Draft:
    """The draft of a document, at the lines of its file; ids, groups and records its own by its name where `marked`."""
    draft, name = draft_claims(document.text, source=document.name, form=document.form), document.name
    prefix = f"{name}: " if marked else ""

    def line(number: int | None) -> int | None:
        return document.lines[min(number or 1, len(document.lines)) - 1] if document.lines else number

    def claim(own: Claim) -> Claim:
        own = replace(own, source_line=line(own.source_line))
        return replace(
            own, id=f"{name}:{own.id}", group=prefix + own.group, inputs=tuple(f"{name}:{i}" for i in own.inputs),
            document=name, record=f"{name}:{own.record}" if own.record else "",
        ) if marked else own  # fmt: skip

    def item(other: Excluded) -> Excluded:
        return replace(other, line=line(other.line) or 1, document=name if marked else "")

    groups = tuple(replace(group, name=prefix + group.name) for group in draft.claims.groups)
    whole = replace(draft.claims, claims=tuple(map(claim, draft.claims.claims)), groups=groups)
    out, left = tuple(map(item, draft.excluded)), tuple(map(item, draft.unplaced))
    return replace(draft, claims=whole, excluded=out, unplaced=left, notes=tuple(prefix + note for note in draft.notes))


def _tied(claims: list[Claim]) -> tuple[list[Claim], list[str]]:
    """The claims, those of later documents that repeat an earlier figure tied to it, and what contradicts what."""
    runs, first = _runs(claims), dict[Quantity, Claim]()
    out: list[Claim] = []
    notes: list[str] = []
    for claim in claims:
        other = first.setdefault((runs[claim.group], *_quantity(claim)), claim) if _comparable(claim) else claim
        if other.document != claim.document and not contradict(claim.value, other.value):
            claim = claim if claim.relation else replace(claim, relation="same", inputs=(other.id,))
        elif other.document != claim.document and len(notes) < _TOLD:
            run = claim.group.split(": ", 1)[-1]
            words = (claim.metric.replace("_", " "), claim.label, claim.split, claim.at, f"of {run}" * (run != "main"))
            notes.append(
                f"{' '.join(filter(None, words))} is printed as {other.printed} in {other.document} line"
                f" {other.source_line} and as {claim.printed} in {claim.document} line {claim.source_line}"
            )
        out.append(claim)
    return out, notes


def _quantity(claim: Claim) -> Quantity:
    return claim.metric, claim.split, claim.label.lower(), claim.at


def _comparable(claim: Claim) -> bool:
    return claim.value.is_point and not claim.target and claim.metric not in wordset("of_many_things")


def _runs(claims: list[Claim]) -> dict[str, str]:
    """The run of each group across documents: groups of one name, or with two figures alike and more alike than not."""
    members: dict[str, dict[Quantity, Claim]] = {}
    for claim in filter(_comparable, claims):
        members.setdefault(claim.group, {}).setdefault(_quantity(claim), claim)
    run, documents = {c.group: c.group for c in claims}, {c.group: c.document for c in claims}
    names = {group: group.split(": ", 1)[-1] for group in members}
    for position, second in enumerate(members):
        best = 1
        for first in list(members)[:position]:
            common = members[first].keys() & members[second].keys()
            alike = sum(not contradict(members[first][q].value, members[second][q].value) for q in common)
            score = alike + (names[first] == names[second] != "main")
            if documents[first] != documents[second] and score > best and 2 * alike >= len(common):
                best, run[second] = score, first
    return run
