"""Runs side by side, on the sessions that they share; each pair up to six of them, else each beside the first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.data.card import Card, span
from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.report.blocks import (
    Cell,
    Figure,
    FirstScreen,
    Note,
    Section,
    Table,
    fixed,
    metric_cell,
    p_text,
    percent,
    plain_table,
    said,
)
from assay.results.report.plots import plot_runs, plot_runs_drawdown
from assay.results.report.printing import write_page
from assay.results.report.render import render_page
from assay.results.report.tables import aligned_lines, table_lines
from assay.results.stats.bootstrap import mean_annual, paired_difference, sharpe_annual, volatility_annual
from assay.results.stats.forecast_tests import ForecastTest, diebold_mariano, session_t
from assay.results.stats.sharpe import sharpe_difference
from assay.results.storage.kept import left_out
from assay.results.storage.runs import Run, flattened

__all__ = ["Comparison", "compare_runs", "render_comparison", "summary_lines", "write_comparison"]


#: Runs up to which every pair is tested, and that one chart shows.
_MOST = 6
_NAMES = {
    "sharpe": "net Sharpe, annual",
    "return_arithmetic_ann": "net return a year, arithmetic",
    "volatility_ann": "net volatility a year",
    "squared_error": "squared error of the forecasts, in bps of return squared",
    "skill_x": "skill after beta, mean of x",
}
#: The same for a terminal.
_SHORT = {
    "sharpe": "net Sharpe",
    "return_arithmetic_ann": "net return a year",
    "volatility_ann": "net volatility a year",
    "squared_error": "squared error, bps²",
    "skill_x": "skill, mean of x",
}
_PAIRED = {"return_arithmetic_ann": mean_annual, "volatility_ann": volatility_annual}
_TESTS = {
    "sharpe": "studentised bootstrap of blocks (Ledoit & Wolf)",
    "return_arithmetic_ann": "paired stationary bootstrap",
    "volatility_ann": "paired stationary bootstrap",
    "squared_error": "Diebold–Mariano by session",
    "skill_x": "Student's t by session",
}
#: A run's own figures and what they are called.
_FIGURES = {
    "sharpe_net": "net Sharpe",
    "sharpe_residual_net": "net Sharpe after beta",
    "return_ann_net": "net return a year",
    "volatility_ann_net": "net volatility a year",
    "max_drawdown_net": "largest drawdown, net",
    "alpha_ann_net": "net alpha a year",
    "rank_ic_mean": "rank IC",
    "hit_direction": "direction hit",
    "turnover_ann": "turnover a year, one way",
    "cost_ann": "costs a year",
    "break_even_cost_bps": "break-even cost",
}


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Card):
    """Runs on their common sessions.

    Parameters
    ----------
    runs : two or more.
    returns : (T, runs) net returns on the sessions that all have.
    differences : a row a pair (of more than six runs: the first and another) and statistic: one, two, statistic, value
        (one − two), low, high (95%), p_value (of 0), test (by which), block (of a bootstrap), sessions. Sharpe ratios,
        of returns over the cash rate where one was given, by Ledoit and Wolf's studentised bootstrap, means and
        volatilities by a paired one; squared errors of return forecasts by Diebold and Mariano's test and skill by the
        t of the difference of x, where both runs have them.

    """

    runs: tuple[Run, ...]
    returns: pd.DataFrame
    differences: pd.DataFrame

    @property
    def not_shown(self) -> tuple[str, ...]:
        """What is not compared because a run does not keep it, a line a run."""
        reasons = {run.id: left_out("score", run.kept) for run in self.runs if run.metric("r2") is not None}
        return tuple(f"no squared errors of {name}: {reason}" for name, reason in reasons.items() if reason)

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """Each run's net Sharpe ratio, then how the first differs from the others."""
        sharpes = [(run.id, f"net Sharpe {(run.metric('sharpe_net') or {}).get('value', float('nan')):.2f}")
                   for run in self.runs]  # fmt: skip
        of_sharpe = self.differences[self.differences["statistic"] == "sharpe"].to_dict("records")
        pairs = [(f"{row['one']} − {row['two']}", f"Sharpe {row['value']:+.2f} [{row['low']:.2f}, {row['high']:.2f}]")
                 for row in of_sharpe]  # fmt: skip
        return f"{len(self.runs)} runs over {span(self.returns.index)}", [*sharpes, *pairs]

    def to_frame(self) -> pd.DataFrame:
        """The differences, a row a pair and statistic."""
        return self.differences

    def to_json(self) -> dict[str, Any]:
        """What `compare --json` prints."""
        return {
            "runs": [
                {
                    "run_id": run.id,
                    "metrics": {name: (run.metric(name) or {}).get("value") for name in _FIGURES},
                    "checks": CheckOutcomes.of(run).sentences,
                }
                for run in self.runs
            ],
            "sessions": len(self.returns),
            "start": self.returns.index[0],
            "end": self.returns.index[-1],
            "differences": self.differences.to_dict("records"),
            "not_shown": list(self.not_shown),
        }


def compare_runs(runs: Sequence[Run], *, draws: int = 2000, seed: int = 0) -> Comparison:
    """Put runs on the same sessions and test their differences.

    Parameters
    ----------
    runs : two or more different runs; of more than six the others are tested against the first alone.
    draws, seed : of the bootstrap; the same give the same answer.

    Raises
    ------
    InputError
        With fewer than two or equal runs, or without at least 3 common sessions.

    """
    if len(runs) < 2:
        raise InputError(f"compare: 2 runs or more, got {len(runs)}")
    names = [run.require_backtest("compare").id for run in runs]
    again = [name for name in names if names.count(name) > 1]
    if again:
        raise InputError(f"compare: {again[0]} is given twice; name different runs")
    table = pd.concat({run.id: run.table("returns")["net"] for run in runs}, axis=1, join="inner", sort=True).dropna()
    if len(table) < 3:
        raise InputError(f"compare: the runs share {len(table)} sessions; at least 3 are needed")
    over_cash = table - pd.concat({run.id: _cash_rate(run) for run in runs}, axis=1).reindex(table.index)
    rows: list[dict[str, Any]] = []
    by_name = {run.id: run for run in runs}
    pairs = itertools.combinations(names, 2) if len(names) <= _MOST else ((names[0], other) for other in names[1:])
    for one, two in pairs:
        left, right = (table[name].to_numpy(dtype=np.float64) for name in (one, two))
        excess = [over_cash[name].to_numpy(dtype=np.float64) for name in (one, two)]
        pair = [_sharpe_row(excess[0], excess[1], draws, seed)]
        for key, statistic in _PAIRED.items():
            found = paired_difference(left, right, statistic, draws=draws, seed=seed)
            pair.append({
                "statistic": key, "value": found.value, "low": found.low, "high": found.high,
                "p_value": found.p_value, "block": found.block, "sessions": found.n,
            })  # fmt: skip
        pair += _forecast_rows(by_name[one], by_name[two])
        rows += [{"one": one, "two": two, **row, "test": _TESTS[row["statistic"]]} for row in pair]
    return Comparison(tuple(runs), table, pd.DataFrame(rows))


def _cash_rate(run: Run) -> pd.Series:
    """(T,) what cash earned; 0 where no rate was given."""
    returns = run.table("returns")
    return returns["cash_rate"] if "cash_rate" in returns else returns["net"] * 0.0


def _sharpe_row(left: Floats, right: Floats, draws: int, seed: int) -> dict[str, Any]:
    """The difference of two Sharpe ratios; without an interval where it cannot be tested."""
    found = sharpe_difference(left, right, draws=draws, seed=seed)
    if found is None:
        value = float(sharpe_annual(left[np.newaxis])[0] - sharpe_annual(right[np.newaxis])[0])
        unknown = dict.fromkeys(("low", "high", "p_value", "block"), math.nan)
        return {"statistic": "sharpe", "value": value, **unknown, "sessions": len(left)}
    return {"statistic": "sharpe", "value": found.value, "low": found.low, "high": found.high,
            "p_value": found.p_value, "block": float(found.block), "sessions": len(left)}  # fmt: skip


def _forecast_rows(one: Run, two: Run) -> list[dict[str, Any]]:
    """Which run forecasts better, on the stamps and assets that both have, of windows of one length."""
    from scipy.special import stdtrit

    horizons = [run.manifest.get("config", {}).get("horizon") for run in (one, two)]
    if horizons[0] is None or horizons[0] != horizons[1]:
        return []
    out = []
    for key, test in (
        ("squared_error", _error_difference(one, two, horizons[0])),
        ("skill_x", _skill_difference(one, two, horizons[0])),
    ):
        if test is not None and math.isfinite(test.statistic) and test.statistic:
            half = float(stdtrit(test.n - 1, 0.975)) * abs(test.mean / test.statistic)
            out.append({
                "statistic": key, "value": test.mean, "low": test.mean - half, "high": test.mean + half,
                "p_value": test.p_value, "block": math.nan, "sessions": test.n,
            })  # fmt: skip
    return out


def _error_difference(one: Run, two: Run, horizon: int) -> ForecastTest | None:
    """Diebold and Mariano's test of the squared errors, in bps²; None where a run's scores are no returns."""
    if any(run.metric("r2") is None or not (run.has("score") and run.has("forward_returns")) for run in (one, two)):
        return None
    ahead = one.table("forward_returns")
    left, right = one.table("score"), two.table("score")
    index, columns = left.index.intersection(right.index), left.columns.intersection(right.columns)
    if not len(index) or not len(columns):
        return None
    actual = ahead.loc[index, columns].to_numpy(dtype=np.float64)
    errors = [1e4 * (actual - frame.loc[index, columns].to_numpy(dtype=np.float64)) for frame in (left, right)]
    return diebold_mariano(errors[0], errors[1], horizon=horizon)


def _skill_difference(one: Run, two: Run, horizon: int) -> ForecastTest | None:
    """The t of the difference of x on common sessions; None where a run has no skill series."""
    if not (one.has("skill") and two.has("skill")):
        return None
    x = {"one": one.table("skill")["x"], "two": two.table("skill")["x"]}
    both = pd.concat(x, axis=1, join="inner", sort=True).dropna()
    return session_t((both["one"] - both["two"]).to_numpy(dtype=np.float64), horizon)


def _form(statistic: str) -> Callable[[Any], Cell]:
    if statistic in _PAIRED:
        return percent
    return partial(fixed, digits=4 if statistic == "skill_x" else 2)


def _p(value: Any) -> Cell:
    return Cell("–") if math.isnan(value) else Cell(p_text(float(value), 3), float(value))


def _difference_table(comparison: Comparison) -> Table:
    rows = []
    for row in comparison.differences.to_dict("records"):
        form = _form(row["statistic"])
        covers = "" if math.isnan(row["low"]) else "no" if row["low"] > 0 or row["high"] < 0 else "yes"
        rows.append((
            said(row["one"]), said(row["two"]), Cell(_NAMES[row["statistic"]]), form(row["value"]),
            form(row["low"]), form(row["high"]), _p(row["p_value"]), Cell(covers), Cell(row["test"]),
        ))  # fmt: skip
    pairs = int((comparison.differences["statistic"] == "sharpe").sum())
    about = f"One less two, {len(comparison.returns):,} common sessions; two-sided p of 0."
    if pairs > 1:
        about += f" {pairs} pairs are looked at, and no p is adjusted for that."
    columns = ("one", "two", "figure", "difference", "low", "high", "p", "covers 0", "test")
    return Table("Differences", columns, tuple(rows), about, wide=True)


def _own_figures(comparison: Comparison) -> Table:
    rows = []
    for name, label in _FIGURES.items():
        items = [run.metric(name) for run in comparison.runs]
        known = [item for item in items if item is not None]
        if known:
            rows.append((Cell(label), *(metric_cell(item) for item in items), Cell(known[0]["convention"])))
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
    sentences = {run.id: CheckOutcomes.of(run).sentences for run in comparison.runs}
    kinds = list(dict.fromkeys(kind for of_run in sentences.values() for kind in of_run))
    if not kinds:
        return Note("Nothing has been checked of these runs; see --leaks, --canaries and --cross-check.", "Checks")
    rows = tuple(
        (Cell(kind.replace("_", " ")), *(Cell(sentences[run.id].get(kind, "not run")) for run in comparison.runs))
        for kind in kinds
    )
    return Table("Checks", ("check", *(run.id for run in comparison.runs)), rows, wide=True)


def _page(comparison: Comparison) -> dict[str, Any]:
    """What the page is made of."""
    returns = comparison.returns
    total = {str(name): float(np.prod(1 + returns[name].to_numpy())) - 1 for name in returns}
    said_so = "; ".join(f"{name} {value:.1%}" for name, value in total.items())
    drawn = "" if len(comparison.runs) <= _MOST else f" of the first {_MOST} runs"
    figures = [
        Figure(f"Equity on the common sessions, net{drawn}", f"Growth of 1. Total returns: {said_so}.",
               lambda axes: plot_runs(axes, returns.iloc[:, :_MOST]), size=(12.0, 3.8), wide=True),
        Figure(f"Drawdown, net{drawn}", "Drawdowns of the same runs.",
               lambda axes: plot_runs_drawdown(axes, returns.iloc[:, :_MOST]), size=(12.0, 2.2), wide=True),
    ]  # fmt: skip
    correlation = returns.corr().rename_axis("run").reset_index()
    forms = [("run", "run", said), *((str(name), str(name), fixed) for name in returns)]
    parts = (
        _own_figures(comparison),
        plain_table("Correlation of net returns", correlation, forms, wide=True),
        _checks(comparison),
        _settings(comparison),
    )
    first = FirstScreen(
        described=[
            ("Runs", ", ".join(run.id for run in comparison.runs)),
            ("Period", f"{returns.index[0].date()} … {returns.index[-1].date()}, {len(returns):,} common sessions"),
        ],
        headline=_difference_table(comparison),
        figures=figures,
        warnings=tuple(
            dict.fromkeys(
                (*comparison.not_shown,
                 *(str(line) for run in comparison.runs for line in run.metrics.get("warnings") or ()))
            )
        ),
    )
    title = f"{len(comparison.runs)} runs compared"
    return {"title": title, "sections": [Section("runs", "Runs", parts)], "first": first}


def render_comparison(comparison: Comparison) -> str:
    """One self-contained HTML page."""
    return render_page(**_page(comparison))


def write_comparison(comparison: Comparison, path: Path | str) -> Path:
    """Write the page as HTML or PDF, by the suffix; see `assay.results.report.printing.write_page`."""
    return write_page(path, **_page(comparison))


def _setting_lines(comparison: Comparison, width: int | None) -> list[str]:
    """What was set differently, for a terminal of so many columns."""
    settings = _settings(comparison)
    if isinstance(settings, Note):
        return [settings.text]
    rows = [[cell.text for cell in row] for row in settings.rows]
    if len(comparison.runs) > _MOST:  # a row a run, that a screen has room for
        rows = [list(row) for row in zip(*([row[0].rpartition(" · ")[2], *row[1:]] for row in rows), strict=True)]
        ids = [run.id for run in comparison.runs]
        return table_lines(
            ["set differently", *rows[0]], [[run, *row] for run, row in zip(ids, rows[1:], strict=True)], width=width
        )
    return table_lines(["set differently", *settings.columns[1:]], rows, width=width)


def summary_lines(comparison: Comparison, *, width: int | None = None) -> list[str]:
    """The comparison for a terminal; the table of settings fits so many columns."""
    returns = comparison.returns
    wide = max(len(run.id) for run in comparison.runs)
    lines = [f"{returns.index[0].date()} … {returns.index[-1].date()}, {len(returns):,} common sessions, net", ""]
    names = {
        "sharpe_net": "net Sharpe", "return_ann_net": "return a year", "volatility_ann_net": "volatility",
        "max_drawdown_net": "max drawdown", "turnover_ann": "turnover", "rank_ic_mean": "rank IC",
    }  # fmt: skip
    own = [[run.id, *(metric_cell(run.metric(name)).text for name in names)] for run in comparison.runs]
    lines += aligned_lines([["each on its own sessions", *names.values()], *own], (-wide, *[16] * len(names)))
    lines += ["", "difference, one less two, 95%"]
    for row in comparison.differences.itertuples():
        form = _form(str(row.statistic))
        interval = f"[{form(row.low).text}, {form(row.high).text}]"
        label, named, p = f"{row.one} − {row.two}", _SHORT[str(row.statistic)], _p(row.p_value).text
        lines.append(
            f"{label:{2 * wide + 3}}  {named:22}{form(row.value).text:>9}  {interval:18} p {p}  {row.test}"
        )
    lines += [*comparison.not_shown, "", *_setting_lines(comparison, width)]
    for run in comparison.runs:
        sentences = CheckOutcomes.of(run).sentences
        if sentences:
            lines += ["", f"checks of {run.id}", *(f"  {sentence}" for sentence in sentences.values())]
    return lines
