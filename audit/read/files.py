"""Documents from files: Markdown, text, HTML, JSON, YAML, separated values, logs, notebooks and the text of PDFs.

Each file becomes one text whose lines are those of the file, or, for a notebook and a web page, lines that know where
in the file they stand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.audit.claims.located import MAX_BYTES, read_text
from assay.audit.read.vocabulary import pattern
from assay.data.errors import InputError

__all__ = ["FORMS", "Document", "find_documents", "read_document"]

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
