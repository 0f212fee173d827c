"""The tear sheet of a stored run: one self-contained HTML file, a PNG for chats, a PDF for committees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.data.atomic import replacing
from assay.data.errors import InputError
from assay.results.report.blocks import Cell, FirstScreen, Note, Section, Table
from assay.results.report.excerpt import compose_markdown
from assay.results.report.printing import compose_png, write_pdf
from assay.results.report.render import MARKS, render_page
from assay.results.report.run_data import RunData
from assay.results.report.sections.answers import answers
from assay.results.report.sections.evidence import conventions_section, evidence_section
from assay.results.report.sections.model import model_section
from assay.results.report.sections.portfolio import portfolio_section
from assay.results.report.sections.signal import signal_section
from assay.results.report.sections.styles import styles_section
from assay.results.report.sections.summary import described, equity_figures, headline, lead, verdicts
from assay.results.storage.runs import Run

__all__ = ["FORMATS", "MARKS", "render_excerpt", "render_tearsheet", "tearsheet_sections", "write_tearsheet"]

FORMATS = ("html", "png", "pdf", "md")
#: Figures of the PNG, below the equity line.
_CHOSEN = (
    "Evidence of skill",
    "Distribution of the net Sharpe ratio",
    "Sharpe ratio stage by stage",
    "Rank IC by session",
    "Returns by fifth of the score",
    "Exposure",
    "Turnover",
    "Costs by kind",
)


def tearsheet_sections(run: Run, marks: Mapping[str, float] | None = None) -> list[Section]:
    """All sections below the first screen, and at the end what the run has not.

    Parameters
    ----------
    run : a stored run.
    marks : Sharpe ratios to draw beside the run's own, e.g. ``{"reported": 2.53}``.

    """
    data = RunData(run)
    return _gathered(
        [
            evidence_section(data, dict(marks or {})),
            portfolio_section(data),
            styles_section(data),
            signal_section(data),
            model_section(data),
            conventions_section(data),
        ]
    )


def _gathered(sections: Sequence[Section]) -> list[Section]:
    """The sections without notes on what is not there, which stand together in a table at the end."""
    missing = [
        (section.title, part)
        for section in sections
        for part in section.parts
        if isinstance(part, Note) and part.absent
    ]
    kept = [
        replace(section, parts=tuple(part for part in section.parts if not (isinstance(part, Note) and part.absent)))
        for section in sections
    ]
    if missing:
        rows = tuple((Cell(note.title), Cell(where), Cell(note.text)) for where, note in missing)
        table = Table("What this run does not have", ("part", "section", "why"), rows)
        kept[-1] = replace(kept[-1], parts=(*kept[-1].parts, table))
    return [section for section in kept if section.parts]


def _first(run: Run) -> FirstScreen:
    data = RunData(run)
    return FirstScreen(
        described=described(data),
        headline=headline(data),
        figures=equity_figures(data),
        lead=lead(data),
        answers=answers(data),
        verdicts=verdicts(data),
        warnings=tuple(str(line) for line in run.metrics.get("warnings") or ()),
    )


def render_tearsheet(run: Run, marks: Mapping[str, float] | None = None) -> str:
    """The page as text; the same run gives the same page, byte for byte.

    Raises
    ------
    InputError
        If the run has no sessions, or a table is damaged.

    """
    sections, first = tearsheet_sections(run, marks), _first(run)
    return render_page(title=f"Tear sheet · {run.id}", sections=sections, first=first, marks=marks)


def render_excerpt(run: Run) -> str:
    """The first screen as Markdown, for a pull request or a chat.

    Raises
    ------
    InputError
        If the run has no sessions, or a table is damaged.

    """
    return compose_markdown(title=f"Tear sheet · {run.id}", first=_first(run))


def write_tearsheet(
    run: Run,
    path: Path | str,
    *,
    format: str | None = None,
    marks: Mapping[str, float] | None = None,
    browser: bool = True,
) -> Path:
    """Draw a run into a file, which appears whole or not at all.

    Parameters
    ----------
    run : a stored run.
    path : where to.
    format : html, png, pdf or md (the first screen as Markdown); default: what the path ends in. A PDF is the HTML as a
        headless Chromium or Chrome on the path prints it; without one, or where that fails, matplotlib lays the same
        out on A4.
    marks : see `tearsheet_sections`.
    browser : whether a PDF may be printed by a browser.

    Raises
    ------
    InputError
        On an unknown format or one that the name contradicts, a folder that is not there, or a damaged run.

    """
    run.require_backtest("tear sheet")
    path = Path(path)
    suffix = path.suffix.lstrip(".").lower()
    wanted = format or suffix
    if wanted not in FORMATS:
        known = ", ".join(FORMATS)
        if format is not None:
            raise InputError(f"tear sheet {path}: the format must be one of {known}, got {format!r}")
        ending = f"the name ends in {path.suffix}" if suffix else "the name has no ending"
        raise InputError(f"tear sheet {path}: {ending}, and is to say the format: {known}; or name one (--format)")
    if suffix in FORMATS and suffix != wanted:
        raise InputError(f"tear sheet {path}: the name ends in .{suffix}, and the format is to be {wanted}; give one")
    with replacing(path) as temporary:
        if wanted == "html":
            temporary.write_text(render_tearsheet(run, marks), encoding="utf-8")
        elif wanted == "md":
            temporary.write_text(render_excerpt(run), encoding="utf-8")
        else:
            parts: dict[str, Any] = {
                "title": f"Tear sheet · {run.id}",
                "sections": tearsheet_sections(run, marks),
                "first": _first(run),
            }
            if wanted == "png":
                temporary.write_bytes(compose_png(**parts, chosen=_CHOSEN))
            else:
                write_pdf(temporary, browser=browser, **parts)
    return path
