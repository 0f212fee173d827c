"""The tear sheet of a stored run: one self-contained HTML file, a PNG for chats, a PDF for committees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.data.atomic import replacing
from assay.data.errors import InputError
from assay.results.report.blocks import Section
from assay.results.report.render import compose_png, render_page, write_pdf
from assay.results.report.run_data import RunData
from assay.results.report.sections.evidence import conventions_section, evidence_section
from assay.results.report.sections.model import model_section
from assay.results.report.sections.portfolio import portfolio_section
from assay.results.report.sections.signal import signal_section
from assay.results.report.sections.summary import described, equity_figures, headline, monthly_figure, verdicts
from assay.results.storage.runs import Run

__all__ = ["FORMATS", "render_tearsheet", "tearsheet_sections", "write_tearsheet"]

FORMATS = ("html", "png", "pdf")
#: Figures of the PNG, below the equity line.
_CHOSEN = (
    "Sharpe ratio stage by stage",
    "Distribution of the net Sharpe ratio",
    "Rank IC by session",
    "Returns by fifth of the score",
    "Exposure",
    "Turnover",
)


def tearsheet_sections(run: Run, marks: Mapping[str, float] | None = None) -> list[Section]:
    """All sections below the first screen, each with what it has or why it has nothing.

    Parameters
    ----------
    run : a stored run.
    marks : Sharpe ratios to draw beside the run's own, e.g. ``{"reported": 2.53}``.

    """
    data = RunData(run)
    return [
        portfolio_section(data),
        signal_section(data),
        model_section(data),
        evidence_section(data, dict(marks or {})),
        conventions_section(data),
    ]


def _first(run: Run) -> dict[str, Any]:
    data = RunData(run)
    return {
        "described": described(data),
        "verdicts": verdicts(data),
        "warnings": [str(line) for line in run.metrics.get("warnings") or ()],
        "headline": headline(data),
        "figures": equity_figures(data),
        "print_only": [monthly_figure(data)],
    }


def render_tearsheet(run: Run, marks: Mapping[str, float] | None = None) -> str:
    """The page as text; the same run gives the same page, byte for byte.

    Raises
    ------
    InputError
        If the run has no sessions, or a table is damaged.

    """
    return render_page(title=f"Tear sheet · {run.id}", sections=tearsheet_sections(run, marks), first=_first(run))


def write_tearsheet(
    run: Run, path: Path | str, *, format: str | None = None, marks: Mapping[str, float] | None = None
) -> Path:
    """Draw a run into a file, which appears whole or not at all.

    Parameters
    ----------
    run : a stored run.
    path : where to.
    format : html, png or pdf; default: what the path ends in.
    marks : see `tearsheet_sections`.

    Raises
    ------
    InputError
        On an unknown format, a folder that is not there, or a damaged run.

    """
    run.require_backtest("tear sheet")
    path = Path(path)
    wanted = format or path.suffix.lstrip(".").lower()
    if wanted not in FORMATS:
        raise InputError(f"tear sheet {path}: the format must be one of {', '.join(FORMATS)}, got {wanted!r}")
    with replacing(path) as temporary:
        if wanted == "html":
            temporary.write_text(render_tearsheet(run, marks), encoding="utf-8")
        else:
            parts: dict[str, Any] = {
                "title": f"Tear sheet · {run.id}",
                "sections": tearsheet_sections(run, marks),
                "first": _first(run),
            }
            if wanted == "png":
                temporary.write_bytes(compose_png(**parts, chosen=_CHOSEN))
            else:
                write_pdf(temporary, **parts)
    return path
