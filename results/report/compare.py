"""Two to six runs side by side, on the sessions that they share."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.data.atomic import replacing
from assay.data.errors import InputError
from assay.results.checks.sentences import said_of_checks
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
from assay.results.report.plots import plot_runs, plot_runs_drawdown
from assay.results.report.render import render_page
from assay.results.stats.bootstrap import mean_annual, paired_difference, sharpe_annual, volatility_annual
from assay.results.storage.runs import Run, flattened

__all__ = ["Comparison", "compare_runs", "render_comparison", "summary_lines", "write_comparison"]

_MOST = 6
_STATISTICS = {
    "sharpe": ("net Sharpe, annual", sharpe_annual),
    "return_arithmetic_ann": ("net return a year, arithmetic", mean_annual),
    "volatility_ann": ("net volatility a year", volatility_annual),
}
_FIGURES = (
    "sharpe_net", "sharpe_residual_net", "return_ann_net", "volatility_ann_net", "max_drawdown_net", "alpha_ann_net",
    "rank_ic_mean", "hit_direction", "turnover_ann", "cost_ann", "break_even_cost_bps",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs on their common sessions.

    Parameters
    ----------
    runs : two to six.
    returns : (T, runs) net returns on the sessions that all have.
    differences : a row a pair and statistic: one, two, statistic, value (one − two), low, high (95%, paired
        stationary bootstrap), p_value (of 0), block, sessions.

    """

    runs: tuple[Run, ...]
    returns: pd.DataFrame
    differences: pd.DataFrame

    def to_json(self) -> dict[str, Any]:
        """What `compare --json` prints."""
        return {
            "runs": [
                {
                    "run_id": run.id,
                    "metrics": {name: (run.metric(name) or {}).get("value") for name in _FIGURES},
                    "checks": said_of_checks(run.checks),
                }
                for run in self.runs
            ],
            "sessions": len(self.returns),
            "start": self.returns.index[0],
            "end": self.returns.index[-1],
            "differences": self.differences.to_dict("records"),
        }


def compare_runs(runs: Sequence[Run], *, draws: int = 2000, seed: int = 0) -> Comparison:
    """Put runs on the same sessions and test their differences.

    Parameters
    ----------
    runs : two to six different runs.
    draws, seed : of the bootstrap; the same give the same answer.

    Raises
    ------
    InputError
        With too few, too many or equal runs, or without at least 3 common sessions.

    """
    if not 2 <= len(runs) <= _MOST:
        raise InputError(f"compare: 2 to {_MOST} runs, got {len(runs)}")
    names = [run.id for run in runs]
    again = [name for name in names if names.count(name) > 1]
    if again:
        raise InputError(f"compare: {again[0]} is given twice; name different runs")
    table = pd.concat({run.id: run.table("returns")["net"] for run in runs}, axis=1, join="inner").dropna()
    if len(table) < 3:
        raise InputError(f"compare: the runs share {len(table)} sessions; at least 3 are needed")
    rows = []
    for one, two in itertools.combinations(names, 2):
        left, right = (table[name].to_numpy(dtype=np.float64) for name in (one, two))
        for key, (_, statistic) in _STATISTICS.items():
            found = paired_difference(left, right, statistic, draws=draws, seed=seed)
            rows.append({
                "one": one, "two": two, "statistic": key, "value": found.value, "low": found.low, "high": found.high,
                "p_value": found.p_value, "block": found.block, "sessions": found.n,
            })  # fmt: skip
    return Comparison(tuple(runs), table, pd.DataFrame(rows))


def _difference_table(comparison: Comparison) -> Table:
    rows = []
    for row in comparison.differences.to_dict("records"):
        form = fixed if row["statistic"] == "sharpe" else percent
        covers = "" if math.isnan(row["low"]) else "no" if row["low"] > 0 or row["high"] < 0 else "yes"
        rows.append((
            said(row["one"]), said(row["two"]), Cell(_STATISTICS[row["statistic"]][0]), form(row["value"]),
            form(row["low"]), form(row["high"]), fixed(row["p_value"], 3), Cell(covers),
        ))  # fmt: skip
    pairs = len(comparison.differences) // len(_STATISTICS)
    about = f"One less two, {len(comparison.returns):,} common sessions, paired stationary bootstrap; two-sided p of 0."
    if pairs > 1:
        about += f" {pairs} pairs are looked at, and no p is adjusted for that."
    columns = ("one", "two", "figure", "difference", "low", "high", "p", "covers 0")
    return Table("Differences", columns, tuple(rows), about, wide=True)


def _own_figures(comparison: Comparison) -> Table:
    rows = []
    for name in _FIGURES:
        items = [run.metric(name) for run in comparison.runs]
        known = [item for item in items if item is not None]
        if known:
            rows.append(
                (Cell(name.replace("_", " ")), *(metric_cell(item) for item in items), Cell(known[0]["convention"]))
            )
    columns = ("figure", *(run.id for run in comparison.runs), "convention")
    return Table("Each run on its own sessions", columns, tuple(rows), "As stored with each run.", wide=True)


def _settings(comparison: Comparison) -> Table | Note:
    flat = {run.id: flattened(run.manifest.get("config", {}), " · ") for run in comparison.runs}
    keys = sorted({key for values in flat.values() for key in values})
    differing = [key for key in keys if len({repr(values.get(key)) for values in flat.values()}) > 1]
    if not differing:
        return Note("The runs were set up alike; they differ in their inputs.", "What was set differently")
    rows = tuple((Cell(key), *(Cell(str(flat[run.id].get(key, "–"))) for run in comparison.runs)) for key in differing)
    return Table("What was set differently", ("setting", *(run.id for run in comparison.runs)), rows, wide=True)


def _checks(comparison: Comparison) -> Table | Note:
    """What has been checked of each run, and what has not."""
    found = {run.id: said_of_checks(run.checks) for run in comparison.runs}
    kinds = list(dict.fromkeys(kind for sentences in found.values() for kind in sentences))
    if not kinds:
        return Note("Nothing has been checked of these runs; see --leaks, --canaries and --cross-check.", "Checks")
    rows = tuple(
        (Cell(kind.replace("_", " ")), *(Cell(found[run.id].get(kind, "not run")) for run in comparison.runs))
        for kind in kinds
    )
    return Table("Checks", ("check", *(run.id for run in comparison.runs)), rows, wide=True)


def render_comparison(comparison: Comparison) -> str:
    """One self-contained HTML page."""
    returns = comparison.returns
    total = {str(name): float(np.prod(1 + returns[name].to_numpy())) - 1 for name in returns}
    said_so = "; ".join(f"{name} {value:.1%}" for name, value in total.items())
    figures = [
        Figure("Equity on the common sessions, net", f"Growth of 1. Total returns: {said_so}.",
               lambda axes: plot_runs(axes, returns), size=(11.4, 3.6), wide=True),
        Figure("Drawdown, net", "Drawdowns of the same runs.", lambda axes: plot_runs_drawdown(axes, returns),
               size=(11.4, 2.4), wide=True),
    ]  # fmt: skip
    correlation = returns.corr().rename_axis("run").reset_index()
    forms = [("run", "run", said), *((str(name), str(name), fixed) for name in returns)]
    parts = (
        _own_figures(comparison),
        plain_table("Correlation of net returns", correlation, forms, wide=True),
        _checks(comparison),
        _settings(comparison),
    )
    first: dict[str, Any] = {
        "described": [
            ("Runs", ", ".join(run.id for run in comparison.runs)),
            ("Period", f"{returns.index[0].date()} … {returns.index[-1].date()}, {len(returns):,} common sessions"),
        ],
        "verdicts": [],
        "warnings": list(
            dict.fromkeys(str(line) for run in comparison.runs for line in run.metrics.get("warnings") or ())
        ),
        "headline": _difference_table(comparison),
        "figures": figures,
    }
    return render_page(
        title=f"{len(comparison.runs)} runs compared", sections=[Section("runs", "Runs", parts)], first=first
    )


def write_comparison(comparison: Comparison, path: Path | str) -> Path:
    """Write `render_comparison` to a file, which appears whole or not at all."""
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_text(render_comparison(comparison), encoding="utf-8")
    return path


def summary_lines(comparison: Comparison) -> list[str]:
    """The comparison for a terminal."""
    returns = comparison.returns
    width = max(len(run.id) for run in comparison.runs)
    lines = [f"{returns.index[0].date()} … {returns.index[-1].date()}, {len(returns):,} common sessions, net", ""]
    names = ("sharpe_net", "return_ann_net", "volatility_ann_net", "max_drawdown_net", "turnover_ann", "rank_ic_mean")
    lines.append(
        f"{'each on its own sessions':{width}}" + "".join(f"{name.removesuffix('_net'):>16}" for name in names)
    )
    for run in comparison.runs:
        lines.append(f"{run.id:{width}}" + "".join(f"{metric_cell(run.metric(name)).text:>16}" for name in names))
    lines += ["", "difference, one less two (paired stationary bootstrap, 95%)"]
    for row in comparison.differences.itertuples():
        form = fixed if row.statistic == "sharpe" else percent
        interval = f"[{form(row.low).text}, {form(row.high).text}]"
        label = f"{row.one} − {row.two}"
        lines.append(
            f"{label:{2 * width + 3}}  {row.statistic:22}{form(row.value).text:>9}  {interval:18} p {row.p_value:.3f}"
        )
    for run in comparison.runs:
        said_so = said_of_checks(run.checks)
        if said_so:
            lines += ["", f"checks of {run.id}", *(f"  {sentence}" for sentence in said_so.values())]
    return lines
