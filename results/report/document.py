"""A file that says what a run gave: a sheet, an excerpt or a verdict, read once, a PDF with its text layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from assay.data.errors import InputError
from assay.results.report.printed_pdf import PdfText, read_pdf

__all__ = ["Document", "read_document"]

_LARGEST = 64 << 20


@dataclass(frozen=True, eq=False)
class Document:
    """What stands in a file.

    Parameters
    ----------
    path : of the file.
    content : its bytes.
    text : the same as text; of a PDF, what it prints.
    pdf : the text layer, of a PDF alone.

    """

    path: Path
    content: bytes
    text: str
    pdf: PdfText | None = None


def read_document(path: Path) -> Document:
    """The document in a file.

    Raises
    ------
    InputError
        If it cannot be read, is too large, or is neither text nor a PDF; or it is a PDF and pypdf is not installed.

    """
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path}: larger than {_LARGEST >> 20} MB; no sheet or decision is")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if content.startswith(b"%PDF"):
        pdf = read_pdf(content, path)
        return Document(path, content, pdf.text, pdf)
    try:
        return Document(path, content, content.decode("utf-8").replace("\r\n", "\n"))
    except UnicodeDecodeError:
        raise InputError(
            f"{path}: neither UTF-8 text nor a PDF; a tear sheet, its excerpt or a gate decision is verified"
        ) from None
