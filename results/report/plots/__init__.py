"""Figures: each function draws on the matplotlib `Axes` that it is given, and returns it."""

from __future__ import annotations

from assay.data.drawing import plot_drawdown, plot_equity
from assay.results.report.plots.evidence import (
    plot_canaries,
    plot_distribution,
    plot_evidence,
    plot_runs,
    plot_runs_drawdown,
)
from assay.results.report.plots.model import plot_folds, plot_importance, plot_models, plot_training
from assay.results.report.plots.portfolio import (
    plot_concentration,
    plot_costs,
    plot_exposure,
    plot_legs,
    plot_months,
    plot_rolling,
    plot_stages,
    plot_style_exposures,
    plot_style_parts,
    plot_trades,
    plot_turnover,
)
from assay.results.report.plots.signal import (
    plot_by_quantile,
    plot_confusion,
    plot_dispersion,
    plot_ic,
    plot_ic_decay,
    plot_persistence,
    plot_quantiles,
    plot_reliability,
)

__all__ = [
    "plot_by_quantile",
    "plot_canaries",
    "plot_concentration",
    "plot_confusion",
    "plot_costs",
    "plot_dispersion",
    "plot_distribution",
    "plot_drawdown",
    "plot_equity",
    "plot_evidence",
    "plot_exposure",
    "plot_folds",
    "plot_ic",
    "plot_ic_decay",
    "plot_importance",
    "plot_legs",
    "plot_models",
    "plot_months",
    "plot_persistence",
    "plot_quantiles",
    "plot_reliability",
    "plot_rolling",
    "plot_runs",
    "plot_runs_drawdown",
    "plot_stages",
    "plot_style_exposures",
    "plot_style_parts",
    "plot_trades",
    "plot_training",
    "plot_turnover",
]
