"""What styles and sectors explain, and where the return came from."""

from __future__ import annotations

from assay.results.report.blocks import (
    Cell,
    Figure,
    Note,
    Section,
    Table,
    fixed,
    metric_cell,
    percent,
    plain_table,
    said,
)
from assay.results.report.plots import plot_style_exposures, plot_style_parts
from assay.results.report.run_data import RunData, first_rows

__all__ = ["styles_section"]

_MOST = 60
_KINDS = {
    "factor": "Return by factor",
    "leg": "Return by leg",
    "sector": "Return by sector",
    "stage": "Return by stage",
    "asset": "Return by asset",
}


def styles_section(data: RunData) -> Section:
    """Figures after styles, exposures, and the net return by factor, leg, sector, stage and asset."""
    check = data.checks.styles
    title = "Styles"
    if check is None:
        return Section("styles", title, (Note("Not asked for; see --styles.", "After styles", absent=True),))
    if not check.metrics:
        return Section("styles", title, (Note(f"{check.note}.".capitalize(), "After styles", absent=True),))
    parts: list[Figure | Table | Note] = [_figures(data)]
    exposures, earned = data.optional("style_exposures"), data.optional("style_parts")
    if exposures is not None and earned is not None:
        named = ", ".join(map(str, exposures.columns[:6]))
        parts += [
            Figure("Exposure to styles", f"Value-weighted exposures of the book to {named}, a fraction of NAV a unit.",
                   lambda axes: plot_style_exposures(axes, exposures),
                   "In deviations of the cross-section for a style; of the positions at the close before."),
            Figure("Net return by factor", "Sum of what each factor, the assets' own returns and costs made.",
                   lambda axes: plot_style_parts(axes, earned, list(exposures.columns)), "Arithmetic, cumulated."),
        ]  # fmt: skip
    return Section("styles", title, (*parts, *_attribution(data)))


def _figures(data: RunData) -> Table:
    check = data.checks.styles
    assert check is not None
    rows = tuple(
        (
            Cell(label),
            metric_cell(data.metrics[name]),
            metric_cell(data.metrics[name], "low"),
            metric_cell(data.metrics[name], "high"),
            Cell(data.metrics[name]["reason"] or data.metrics[name]["convention"]),
        )
        for label, name in (
            ("Net Sharpe", "sharpe_styles_net"),
            ("Net alpha a year", "alpha_ann_styles_net"),
            ("t of net alpha", "alpha_t_styles_net"),
            ("Gross alpha a year", "alpha_ann_styles_gross"),
            ("Skill (IC)", "skill_ic_styles"),
            ("t of skill", "skill_t_styles"),
            ("Rank IC on own returns", "rank_ic_styles_mean"),
            ("Net Sharpe, missing names", "sharpe_missing_names"),
            ("Net alpha, missing names", "alpha_missing_names"),
        )
        if name in data.metrics
    )
    about = f"After {', '.join(check.factors)}."
    return Table("After styles", ("", "value", "low", "high", "convention"), rows, about, wide=True)


def _attribution(data: RunData) -> list[Table]:
    table = data.optional("attribution")
    if table is None:
        return []
    out = []
    for kind, title in _KINDS.items():
        rows = table[(table["kind"] == kind) & ((table["return_ann"] != 0) | (table["risk_ann"] != 0))]
        if rows.empty:
            continue
        if kind == "asset":
            rows = rows.sort_values("return_ann", ascending=False, kind="stable")
        rows, rest = first_rows(rows, _MOST)
        form = [
            ("name", "", said), ("return_ann", "net return a year", lambda value: percent(value, 2)),
            ("risk_ann", "volatility", lambda value: percent(value, 2)),
        ]  # fmt: skip
        if kind == "asset":
            form += [("cost_ann", "costs", lambda value: percent(value, 2)), ("turnover_ann", "turnover", fixed)]
        about = "Sums to the mean net return × 252" + ("." if kind == "stage" else ", and to the volatility.")
        out.append(plain_table(title, rows, form, caption=f"{about} {rest}".strip()))
    return out
