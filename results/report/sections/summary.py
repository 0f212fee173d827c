"""The first screen: what was run, what has been checked, and the ten figures that matter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.data.card import plural
from assay.results.checks.base import Check, State
from assay.results.checks.canaries import Canaries
from assay.results.checks.cross_check import CrossCheck
from assay.results.checks.leaks import LeakCheck
from assay.results.checks.outcomes import hint_for
from assay.results.checks.random_scores import RandomScores
from assay.results.checks.styles import Styles
from assay.results.checks.trials import TrialCount
from assay.results.report.blocks import Cell, Figure, Table, metric_cell, metric_text, percent
from assay.results.report.drawn_from import LABEL, drawn_from
from assay.results.report.plots import plot_drawdown, plot_equity
from assay.results.report.run_data import RunData
from assay.results.report.tables import further_costs
from assay.results.stats.bootstrap import bootstrap, deepest_drawdown, growth_annual, volatility_annual
from assay.results.stats.performance import performance_metrics
from assay.results.stats.periods import time_in_market, volatility_matched

__all__ = ["Tile", "described", "equity_figures", "headline", "lead", "verdicts"]


@dataclass(frozen=True)
class Tile:
    """One tile of the strip: what was checked, what came out, and how that stands."""

    name: str
    result: str
    state: State
    detail: str = ""


def lead(data: RunData) -> str:
    """One line under the title: strategy, model, assets, period, benchmark."""
    rows = dict(described(data))
    named = (rows.get(name, "") for name in ("Strategy", "Model", "Panel", "Period"))
    against = f"vs {rows['Benchmark']}" if "Benchmark" in rows else ""
    return " · ".join(filter(None, [*named, against]))


def described(data: RunData) -> list[tuple[str, str]]:
    """What was run, as (what, value)."""
    run, config = data.run, data.config
    execution, costs = config.get("execution", {}), config.get("costs", {})
    manifest = run.manifest
    sessions = data.returns.index
    folds = manifest.get("folds")
    model = manifest.get("model") or config.get("model") or "predictions brought along"
    parameters = ", ".join(f"{name} {value}" for name, value in (config.get("parameters") or {}).items())
    when = "t, the close that was read" if execution.get("same_close") else f"t+{execution.get('delay', '?')}"
    fills = f"decided at close t, filled at {execution.get('fill', '?')} {when}"
    if execution.get("accounting") == "constant_weight":
        fills += ", constant weights"
    charged = {
        "commission_bps": "commission {:g} bps",
        "spread_bps": "spread {:g} bps",
        "borrow_bps": "borrow {:g} bps a year",
        "financing_bps": "financing {:g} bps a year",
    }
    paid = [text.format(costs[name]) for name, text in charged.items() if costs.get(name)] + further_costs(costs)
    assets = manifest.get("assets")
    rows = [
        ("Strategy", str(config.get("strategy") or manifest.get("strategy") or run.id)),
        ("Parameters", parameters),
        ("Model", f"{model}, walk-forward, {plural(int(folds), 'fold')}" if folds else str(model)),
        ("Panel", " · ".join(filter(None, [f"{assets:,} assets" if assets else "", str(config.get("source") or "")]))),
        ("Period", f"{sessions[0].date()} … {sessions[-1].date()}, {len(sessions):,} sessions"),
        ("Fills", fills if execution else ""),
        ("Costs", ", ".join(paid) if paid else "none" if costs else ""),
        ("Benchmark", str(manifest.get("benchmark") or ("" if data.benchmark is None else "given"))),
        ("Made by", _commit(manifest)),  # not when: the same run gives the same page
        (LABEL, str(drawn_from(run) or "")),
    ]
    return [(name, value) for name, value in rows if value]


def _commit(manifest: dict[str, Any]) -> str:
    commit = manifest.get("git_commit")
    if not commit:
        return ""
    return f"commit {str(commit)[:10]}" + (" with local changes" if str(commit).endswith("+") else "")


def verdicts(data: RunData) -> list[Tile]:
    """The strip: what has been checked of this run, and what has not."""
    checks = data.checks
    return [
        _significance(data.metrics.get("sharpe_net")),
        _gate(data),
        _tile(data, checks.leaks, LeakCheck),
        Tile("Receipts", "every row says what its model had seen", "good")
        if data.run.manifest.get("receipts") == "ok"
        else Tile("Receipts", "none", "bad", "nothing proves what the model had seen"),
        _canaries(data),
        _tile(data, checks.cross_check, CrossCheck),
        _tile(data, checks.styles, Styles),
        _tile(data, checks.trials, TrialCount),
    ]


def _tile(data: RunData, check: Check | None, kind: type[Check]) -> Tile:
    if check is None:
        return Tile(kind.title, "not run", "not run", hint_for(kind, data.run))
    return Tile(kind.title, check.result, check.state, check.detail)


def _canaries(data: RunData) -> Tile:
    """Retrained canaries with the random scores beside them; those alone where nothing was retrained."""
    trained, null = data.checks.canaries, data.checks.random_scores
    if trained is None:
        alone = _tile(data, null, RandomScores)
        return Tile(Canaries.title, alone.result, alone.state, alone.detail)
    beside = f"; {null.detail}" if null is not None and trained.rank is not None else ""
    return Tile(trained.title, trained.result, trained.state, trained.detail + beside)


def _significance(sharpe: dict[str, Any] | None) -> Tile:
    if sharpe is None or sharpe.get("value") is None or sharpe.get("low") is None or sharpe.get("high") is None:
        return Tile("Net Sharpe", "not judged", "not run", (sharpe or {}).get("reason") or "no interval")
    if sharpe["low"] > 0:
        return Tile("Net Sharpe", "above 0", "good", "95% interval")
    if sharpe["high"] < 0:
        return Tile("Net Sharpe", "below 0", "bad", "95% interval")
    return Tile("Net Sharpe", "not significant", "unsure", "the 95% interval covers 0")


def _gate(data: RunData) -> Tile:
    path = data.run.path / "gate.json"
    try:
        decision = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Tile("Gate", "not run", "not run", f"gate {data.run.id}")
    if not isinstance(decision, dict):
        return Tile("Gate", "not readable", "not run", "gate.json is damaged; run the gate again")
    states: dict[str, State] = {"pass": "good", "fail": "bad", "insufficient": "unsure"}
    verdict = str(decision.get("verdict"))
    failed = [str(rule["rule"]) for rule in decision.get("rules", ()) if rule.get("verdict") == "failed"]
    lacking = [str(rule["rule"]) for rule in decision.get("rules", ()) if rule.get("verdict") == "insufficient"]
    detail = f"policy {decision.get('policy')}"
    for label, names in (("failed", failed), ("insufficient", lacking)):
        if names:
            detail += f"; {label}: {', '.join(names[:4])}" + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return Tile("Gate", verdict, states.get(verdict, "not run"), detail)


#: label, name of the metric, whether it exists gross and net.
_TEN = (
    ("Sharpe ratio", "sharpe", True),
    ("Sharpe after beta", "sharpe_residual", True),
    ("Alpha a year", "alpha_ann", True),
    ("Return a year", "return_ann", True),
    ("Volatility a year", "volatility_ann", True),
    ("Largest drawdown", "max_drawdown", True),
    ("Rank IC", "rank_ic_mean", False),
    ("Direction hit rate", "hit_direction", False),
    ("Turnover a year", "turnover_ann", False),
    ("Break-even cost", "break_even_cost_bps", False),
)


#: Figures whose interval is not stored with them: from resamples of the net returns.
_RESAMPLED = {"return_ann": growth_annual, "volatility_ann": volatility_annual, "max_drawdown": deepest_drawdown}
#: Sessions below which a resample says nothing.
_FEWEST = 60


def headline(data: RunData) -> Table:
    """The main figures with their intervals, the benchmark's, and conventions; what is not there says why."""
    rows: list[tuple[Cell, ...]] = []
    beside = _of_benchmark(data)
    for label, name, both in _TEN:
        main = data.metrics.get(f"{name}_net" if both else name)
        gross = metric_cell(data.metrics.get(f"{name}_gross")) if both else Cell("")
        if main is None:
            why = "no benchmark" if name in ("sharpe_residual", "alpha_ann") else "no predictions are stored"
            rows.append((Cell(label), Cell("–"), Cell(""), gross, beside.get(name, Cell("")), Cell(why)))
            continue
        interval = ""
        if main.get("low") is not None and main.get("high") is not None:
            interval = f"[{metric_text(main, main['low'])}, {metric_text(main, main['high'])}]"
        text = main.get("convention", "")
        if main.get("value") is None:
            text = f"{main.get('reason') or 'no value'} · {text}"
        elif not interval and name in _RESAMPLED and len(data.returns) >= _FEWEST:
            found = bootstrap(data.returns["net"].to_numpy(dtype=np.float64), _RESAMPLED[name], draws=500)
            interval = f"[{metric_text(main, found.low)}, {metric_text(main, found.high)}]"
            text += f" · 95% by stationary bootstrap, mean block {found.block:.0f}"
        rows.append((Cell(label), metric_cell(main), Cell(interval), gross, beside.get(name, Cell("")), Cell(text)))
    held = percent(time_in_market(data.returns["gross_exposure"]))
    convention = Cell("share of sessions that end with anything held")
    rows.append((Cell("Time in market"), held, Cell(""), Cell(""), Cell(""), convention))
    columns: tuple[str, ...] = ("figure", "net", "95% interval", "gross", "benchmark", "convention")
    if not beside:
        columns = (*columns[:4], *columns[5:])
        rows = [(*row[:4], *row[5:]) for row in rows]
    about = "" if not beside else f"The benchmark: {_named(data)}, on the sessions that have it, without costs."
    return Table("Main figures", columns, tuple(rows), about, wide=True)


def _named(data: RunData) -> str:
    return str(data.run.manifest.get("benchmark") or "as given")


def _of_benchmark(data: RunData) -> dict[str, Cell]:
    """Name of a figure → the benchmark's own, by the same conventions."""
    if data.benchmark is None:
        return {}
    own = {
        item.name.removesuffix("_benchmark"): item.to_dict()
        for item in performance_metrics(data.benchmark.dropna(), "benchmark")
    }
    return {
        name: Cell(metric_text(own[name], own[name]["value"]), own[name]["value"]) for _, name, _ in _TEN if name in own
    }


def equity_figures(data: RunData) -> list[Figure]:
    """Gross and net equity, with the drawdown beneath."""
    returns = data.returns
    matched = ""
    if data.benchmark is not None:
        same = volatility_matched(returns["net"], data.benchmark)
        if same.min() > -1:  # nothing loses more than all of it; false of a run without volatility, too
            returns = returns.assign(matched=same)
            total = float(np.prod(1 + same.fillna(0).to_numpy())) - 1
            matched = (
                f" At the run's volatility, a ratio of the whole sample that nobody knew before its end, "
                f"the benchmark would have made {total:.1%}."
            )
    beside = "" if data.benchmark is None else f", beside {data.run.manifest.get('benchmark') or 'the benchmark'}"
    net = float(np.prod(1 + returns["net"].to_numpy())) - 1
    gross = float(np.prod(1 + returns["gross"].to_numpy())) - 1
    deepest = metric_cell(data.metrics.get("max_drawdown_net")).text
    return [
        Figure(
            "Equity, before and after costs" + beside,
            f"Growth of 1 over {plural(len(returns), 'session')}: net total return {net:.1%}, "
            f"gross {gross:.1%}.{matched}",
            lambda axes: plot_equity(axes, returns),
            size=(9.2, 4.0),
            wide=True,
        ),
        Figure(
            "Drawdown",
            f"Net drawdown by session; the deepest is {deepest}.",
            lambda axes: plot_drawdown(axes, returns["net"]),
            size=(9.2, 1.9),
            wide=True,
        ),
    ]
