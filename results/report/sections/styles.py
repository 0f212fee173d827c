"""What styles and sectors explain, and where the return came from."""

from __future__ import annotations

from assay.results.checks.outcomes import hint_for
from assay.results.checks.styles import Styles
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
    times,
    year_cell,
)
from assay.results.report.plots import plot_style_exposures, plot_style_parts
from assay.results.report.run_data import RunData, first_rows
from assay.results.stats.holding_period import half_life

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
        hint = f"Not asked for; {hint_for(Styles, data.run)}."
        return Section("styles", title, (Note(hint, "After styles", absent=True),))
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
    return Section("styles", title, (*parts, *_attribution(data), *_tenths(data), *_conditions(data), *_holding(data)))


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
            ("Skill, share of that after beta", "skill_share_styles"),
            ("e-value of skill", "skill_e_styles"),
            ("Expected net alpha a year", "expected_alpha_ann_styles"),
            ("Rank IC on own returns", "rank_ic_styles_mean"),
            ("Rank IC after turnover", "turnover_adjusted_ic"),
            ("Net Sharpe, missing names", "sharpe_missing_names"),
            ("Net alpha, missing names", "alpha_missing_names"),
        )
        if name in data.metrics
    )
    about = f"After {', '.join(check.factors)}."
    return Table("After styles", ("figure", "value", "low", "high", "convention"), rows, about, wide=True)


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
            ("name", kind, said), ("return_ann", "net return a year", lambda value: percent(value, 2)),
            *([("error_ann", "± error", lambda value: percent(value, 2))] if "error_ann" in rows else []),
            ("risk_ann", "volatility", lambda value: percent(value, 2)),
        ]  # fmt: skip
        if not rows["risk_ann"].notna().any():
            form = form[:-1]
        if kind == "asset":
            form += [("cost_ann", "costs", lambda value: percent(value, 2)), ("turnover_ann", "turnover", times)]
        about = "Sums to the mean net return × 252" + ("." if kind == "stage" else ", and to the volatility.")
        out.append(plain_table(title, rows, form, caption=f"{about} {rest}".strip()))
    return out


def _small(value: object) -> Cell:
    return fixed(value, 4)


def _percent(value: object) -> Cell:
    return percent(value, 2)


def _conditions(data: RunData) -> list[Table]:
    """Legs, regimes, crises, and the worst and best days."""
    out = []
    for name, title, form, about in (
        ("legs", "Legs", [
            ("leg", "leg", said), ("return_ann", "return a year", _percent), ("sharpe", "Sharpe", fixed),
            ("low", "low", fixed), ("high", "high", fixed), ("alpha_ann", "alpha a year", _percent),
            ("alpha_low", "low", _percent), ("alpha_high", "high", _percent), ("hit", "hit rate", percent),
            ("hit_low", "low", percent), ("hit_high", "high", percent),
        ], "Net of the costs of their own assets; fractions of the whole NAV; 95%, HAC; hit rates by Wilson."),
        ("regimes", "Regimes", [
            ("kind", "by", said), ("regime", "regime", said), ("n", "sessions", said),
            ("return_ann", "net a year", _percent), ("sharpe", "Sharpe", fixed), ("low", "low", fixed),
            ("high", "high", fixed), ("hit", "hit rate", percent),
        ], "Up and down: the session's own market. Volatility: terciles of the 60 sessions before. Intervals 95%."),
        ("crises", "Crises", [
            ("crisis", "crisis", said), ("start", "from", said), ("end", "to", said), ("net", "net", _percent),
            ("market", "market", _percent), ("drawdown", "drawdown", _percent),
        ], "Windows that the run covers whole."),
        ("days", "Worst and best days explained", [
            ("session", "session", said), ("net", "net", _percent), ("factors", "factors", _percent),
            ("own", "own", _percent), ("costs", "costs", _percent), ("style", "most by", said),
            ("positions", "positions", said),
        ], "Factors, own and costs sum to net."),
    ):  # fmt: skip
        table = data.optional(name)
        if table is not None:
            out.append(plain_table(title, table.reset_index(), form, caption=about))
    return out


def _tenths(data: RunData) -> list[Table]:
    tenths = data.optional("deciles")
    return [] if tenths is None else [
        plain_table("Returns by tenth of the score", tenths.reset_index(), [
            ("quantile", "tenth", said), ("mean", "mean a window", lambda value: percent(value, 3)),
            ("low", "low", lambda value: percent(value, 3)), ("high", "high", lambda value: percent(value, 3)),
        ], caption="1 is the lowest; before costs; 95%, HAC.")
    ]  # fmt: skip


def _holding(data: RunData) -> list[Table]:
    """What the fifths earn by how long they are held, and how fast the ranking turns over."""
    held, lasting = data.optional("holding_period"), data.optional("rank_persistence")
    if held is None or lasting is None:
        return []
    chosen = held[held.index.isin([1, 2, 3, 5, 10, 20, 40, 60])].reset_index()
    fifths = [(name, name, _percent) for name in held.columns if name.startswith("q")]
    form = [("horizon", "sessions", said), *fifths, ("spread", "top less bottom", _percent), ("t", "HAC t", fixed)]
    life = half_life(lasting)
    about = "Mean return from the fill on, before costs, by fifth of the score; every horizon is in the run folder."
    after = "more than 60 sessions" if life != life else f"{life:.1f} sessions"
    spread = data.optional("score_distribution")
    more = [] if spread is None else [
        plain_table(
            "Scores by year", spread.reset_index(), [
                ("year", "year", year_cell), ("sessions", "sessions", said),
                ("names", "names", lambda value: fixed(value, 0)),
                ("mean", "mean", _small), ("deviation", "deviation", _small), ("p05", "5%", _small),
                ("median", "median", _small), ("p95", "95%", _small), ("above_0", "above 0", percent),
                ("psi", "PSI", fixed), ("limit", "limit", fixed),
            ], caption="PSI against all years before; above its limit the scores have drifted (5% do without).",
        )
    ]  # fmt: skip
    turned = [(name, name.replace("turnover_", "new in "), percent) for name in lasting.columns if name[:4] == "turn"]
    return [
        *more,
        plain_table("Returns by how long they are held", chosen, form, caption=about),
        plain_table(
            "How long the ranking lasts", lasting.reset_index(),
            [("lag", "sessions", said), ("autocorrelation", "rank autocorrelation", fixed), *turned],
            caption=f"Its half-life is {after}.",
        ),
    ]  # fmt: skip
