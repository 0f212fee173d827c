"""What a signal adds to others, as lines for a terminal."""

from __future__ import annotations

import math

from assay.results.evidence.marginal import Marginal
from assay.results.report.tables import table_lines, terminal_width
from assay.results.stats.performance import Metric

__all__ = ["marginal_lines"]

#: Heading → beginnings of the names of its figures.
_PARTS = {
    "spanning: net returns on the books there": ("spanning_", "appraisal_"),
    "skill and IC that the others do not have": ("skill_left", "orthogonal_ic"),
    "overlap": ("book_correlation", "score_correlation", "position_overlap"),
    "combinations, with it and without": ("sharpe_",),
}


def marginal_lines(worth: Marginal) -> list[str]:
    """A table a question, then one sentence."""
    width = terminal_width()
    start, end = worth.sessions[0].date(), worth.sessions[-1].date()
    lines = [
        f"what {worth.new} adds to {', '.join(worth.beside)}",
        f"{start} … {end}, {len(worth.sessions):,} common sessions, net of costs and over the cash rate",
    ]
    for title, names in _PARTS.items():
        rows = [_row(item) for item in worth.metrics if item.name.startswith(names)]
        if rows:
            lines += ["", *table_lines([title, "value", "low", "high", "sessions", "convention"], rows, width=width)]
    return [*lines, *([""] if worth.notes else []), *worth.notes, "", worth.sentence]


def _row(item: Metric) -> list[str]:
    def text(value: float | None) -> str:
        if value is None or math.isnan(value):
            return "–"
        return f"{value:.2%}" if item.unit.startswith("fraction") else f"{value:.3f}"

    shown = item.name.replace("_", " ")
    return [shown, text(item.value), text(item.low), text(item.high), f"{item.n:,}", item.reason or item.convention]
