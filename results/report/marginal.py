"""What a signal adds to others, as lines for a terminal and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assay.results.evidence.marginal import Marginal
from assay.results.report.blocks import (
    Cell,
    Figure,
    FirstScreen,
    Note,
    Section,
    Table,
    metric_cell,
    metric_text,
    number,
)
from assay.results.report.plots import plot_runs
from assay.results.report.printing import write_page
from assay.results.report.tables import table_lines, terminal_width
from assay.results.stats.performance import Metric

__all__ = ["marginal_lines", "write_marginal"]

#: Heading → beginnings of the names of its figures.
_PARTS = {
    "Spanning: its net returns regressed on those of the books there": ("spanning_", "appraisal_"),
    "Skill and IC that the others do not have": ("skill_left", "orthogonal_ic"),
    "Overlap": ("book_correlation", "score_correlation", "position_overlap"),
    "Combinations, with it and without": ("sharpe_",),
}
#: What a figure is called; the signal that it stands beside follows where there is one.
_WORDS = {
    "spanning_alpha_ann": "alpha a year",
    "spanning_alpha_t": "t of alpha",
    "spanning_r2": "R²",
    "spanning_beta": "beta on",
    "appraisal_ratio": "appraisal ratio",
    "skill_left_x": "skill left, mean of x a session",
    "skill_left_t": "t of the skill left",
    "orthogonal_ic": "orthogonal IC",
    "orthogonal_ic_t": "t of the orthogonal IC",
    "book_correlation": "correlation of net returns with",
    "score_correlation": "rank correlation of scores with",
    "position_overlap": "overlap of positions with",
    "sharpe_equal_risk": "Sharpe at equal risk",
    "sharpe_best_mix": "Sharpe of the best mix",
    "sharpe_in_sample": "Sharpe of the best mix in sample",
}
_ENDINGS = {"_baselines": ", baselines too", "_without": ", without it", "_with": ", with it",
            "_gain": ": gain", "_p": ": p of no gain"}  # fmt: skip
#: What the page opens with.
_FIRST = (
    "spanning_alpha_ann", "spanning_alpha_ann_baselines", "appraisal_ratio", "orthogonal_ic", "skill_left_x",
    "sharpe_equal_risk_gain", "sharpe_best_mix_gain",
)  # fmt: skip
#: Books that one chart shows.
_MOST = 6


def marginal_lines(worth: Marginal) -> list[str]:
    """A table a question, then one sentence."""
    width = terminal_width()
    lines = [f"what {worth.new} adds to {', '.join(worth.beside)}", _sample(worth)]
    for title, names in _PARTS.items():
        rows = [_row(item) for item in worth.metrics if item.name.startswith(names)]
        if rows:
            lines += ["", *table_lines([title, "value", "low", "high", "sessions", "convention"], rows, width=width)]
    return [*lines, *([""] if worth.notes else []), *worth.notes, "", worth.sentence]


def _sample(worth: Marginal) -> str:
    start, end = worth.sessions[0].date(), worth.sessions[-1].date()
    return f"{start} … {end}, {len(worth.sessions):,} common sessions, net of costs and over the cash rate"


def _row(item: Metric) -> list[str]:
    stored = item.to_dict()
    values = (metric_text(stored, value) for value in (item.value, item.low, item.high))
    return [_called(item.name), *values, f"{item.n:,}", item.reason or item.convention]


def _called(name: str) -> str:
    """A figure in words."""
    figure, _, other = name.partition(" · ")
    ending = "" if figure in _WORDS else next(end for end in _ENDINGS if figure.endswith(end))
    words = _WORDS[figure.removesuffix(ending)]
    return " ".join(filter(None, [words, other])) + _ENDINGS.get(ending, "")


def _page(worth: Marginal) -> dict[str, Any]:
    """The answer, the books, what is left of the new one, and a table a question."""
    books = worth.returns.iloc[:, -_MOST:]
    figures = [
        Figure("Books on the common sessions, net and over the cash rate", "Growth of 1 of each book.",
               lambda axes: plot_runs(axes, books), size=(12.0, 3.8), wide=True),
    ]  # fmt: skip
    try:
        left = worth.left.rename("what is left").to_frame()
    except KeyError:  # nothing was regressed: too few sessions, or the new book is one of those there
        left = None
    if left is not None:
        figures.append(
            Figure("What no fixed mix of the books there earns", "Growth of 1 of the new book less its slopes.",
                   lambda axes: plot_runs(axes, left), size=(12.0, 2.6), wide=True)
        )  # fmt: skip
    parts: list[Figure | Table | Note] = []
    for title, names in _PARTS.items():
        chosen = [item for item in worth.metrics if item.name.startswith(names)]
        if chosen:
            parts.append(_table(title, chosen))
    parts += [Note(line) for line in worth.notes]
    first = FirstScreen(
        described=[("New", worth.new), ("Beside", ", ".join(worth.beside)), ("Period", _sample(worth))],
        headline=_table("What it adds", [item for item in worth.metrics if item.name in _FIRST]),
        figures=figures,
        lead=worth.sentence[:1].upper() + worth.sentence[1:] + ".",
    )
    sections = [Section("adds", "In full", tuple(parts))]
    return {"title": f"What {worth.new} adds", "sections": sections, "first": first}


def _table(title: str, items: list[Metric]) -> Table:
    rows = []
    for item in items:
        stored = item.to_dict()
        ends = (metric_cell(stored, field) for field in ("value", "low", "high"))
        about = Cell(item.reason or item.convention)
        rows.append((Cell(_called(item.name)), *ends, number(item.n), about))
    return Table(title, ("figure", "value", "low", "high", "sessions", "convention"), tuple(rows), wide=True)


def write_marginal(worth: Marginal, path: Path | str) -> Path:
    """Write the page as HTML or PDF, by the suffix; see `assay.results.report.printing.write_page`."""
    return write_page(path, **_page(worth))
