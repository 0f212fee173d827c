"""The first screen: what was run, what has been checked, and the ten figures that matter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.results.report.blocks import Cell, Figure, Table, metric_cell, metric_text
from assay.results.report.plots import plot_drawdown, plot_equity, plot_monthly
from assay.results.report.run_data import Material
from assay.results.stats.bootstrap import bootstrap, deepest_drawdown, growth_annual, volatility_annual
from assay.results.stats.performance import monthly_returns

__all__ = ["Verdict", "described", "equity_figures", "headline", "monthly_figure", "verdicts"]


@dataclass(frozen=True)
class Verdict:
    """One tile of the strip: what was checked, what came out, and whether that is good, bad, unsure or not run."""

    name: str
    result: str
    state: str
    detail: str = ""


def described(material: Material) -> list[tuple[str, str]]:
    """What was run, as (what, value)."""
    run, config = material.run, material.config
    execution, costs = config.get("execution", {}), config.get("costs", {})
    manifest = run.manifest
    sessions = material.returns.index
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
        "impact_bps": "impact {:g} bps",
        "sqrt_impact": "square-root impact {:g}",
        "borrow_bps": "borrow {:g} bps a year",
        "financing_bps": "financing {:g} bps a year",
        "minimum_fee": "minimum fee {:g}",
    }
    paid = [text.format(costs[name]) for name, text in charged.items() if costs.get(name)]
    assets = manifest.get("assets")
    rows = [
        ("Strategy", str(config.get("strategy") or manifest.get("strategy") or run.id)),
        ("Parameters", parameters),
        ("Model", f"{model}, walk-forward, {folds} folds" if folds else str(model)),
        ("Panel", " · ".join(filter(None, [f"{assets:,} assets" if assets else "", str(config.get("source") or "")]))),
        ("Period", f"{sessions[0].date()} … {sessions[-1].date()}, {len(sessions):,} sessions"),
        ("Fills", fills if execution else ""),
        ("Costs", ", ".join(paid) if paid else "none" if costs else ""),
        ("Benchmark", str(manifest.get("benchmark") or ("" if material.benchmark is None else "given"))),
        ("Made", " · ".join(filter(None, [str(manifest.get("created") or ""), _commit(manifest)]))),
    ]
    return [(name, value) for name, value in rows if value]


def _commit(manifest: dict[str, Any]) -> str:
    commit = manifest.get("git_commit")
    if not commit:
        return ""
    return f"commit {str(commit)[:10]}" + (" with local changes" if str(commit).endswith("+") else "")


def verdicts(material: Material) -> list[Verdict]:
    """The strip: what has been checked of this run, and what has not."""
    run = material.run
    stored = run.checks
    return [
        _significance(material.metrics.get("sharpe_net")),
        _gate(material),
        _leaks(stored.get("leaks")),
        Verdict("Receipts", "every row says what its model had seen", "good")
        if run.manifest.get("receipts") == "ok"
        else Verdict("Receipts", "none", "bad", "nothing proves what the model had seen"),
        _canaries(stored.get("random_scores"), stored.get("canaries")),
        _cross_check(stored.get("cross_check")),
        _trials(stored.get("trials")),
    ]


def _significance(sharpe: dict[str, Any] | None) -> Verdict:
    if sharpe is None or sharpe.get("value") is None or sharpe.get("low") is None or sharpe.get("high") is None:
        return Verdict("Net Sharpe", "not judged", "none", (sharpe or {}).get("reason") or "no interval")
    if sharpe["low"] > 0:
        return Verdict("Net Sharpe", "above 0", "good", "95% interval")
    if sharpe["high"] < 0:
        return Verdict("Net Sharpe", "below 0", "bad", "95% interval")
    return Verdict("Net Sharpe", "not significant", "unsure", "the 95% interval covers 0")


def _gate(material: Material) -> Verdict:
    path = material.run.path / "gate.json"
    try:
        decision = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Verdict("Gate", "not run", "none", f"gate {material.run.id}")
    if not isinstance(decision, dict):
        return Verdict("Gate", "not readable", "none", "gate.json is damaged; run the gate again")
    states = {"pass": "good", "fail": "bad", "insufficient": "unsure"}
    verdict = str(decision.get("verdict"))
    failed = [str(rule["rule"]) for rule in decision.get("rules", ()) if rule.get("verdict") == "failed"]
    lacking = [str(rule["rule"]) for rule in decision.get("rules", ()) if rule.get("verdict") == "insufficient"]
    detail = f"policy {decision.get('policy')}"
    for label, names in (("failed", failed), ("insufficient", lacking)):
        if names:
            detail += f"; {label}: {', '.join(names[:4])}" + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return Verdict("Gate", verdict, states.get(verdict, "none"), detail)


def _leaks(leaks: dict[str, Any] | None) -> Verdict:
    if not leaks:
        return Verdict("Leak tests", "not run", "none", "run again with --leaks")
    return Verdict("Leak tests", str(leaks["verdict"]), "bad" if leaks.get("found") else "good")


def _canaries(null: dict[str, Any] | None, trained: dict[str, Any] | None) -> Verdict:
    if trained:
        detail = "; ".join([*trained["found"], *trained["notes"]]) or "among models of shuffled labels"
        if trained["rank"] is None:
            return Verdict("Canaries", "not judged", "bad" if trained["found"] else "unsure", detail)
        state = "bad" if trained["found"] else "good" if trained["passed"] else "unsure"
        among = len(trained["shuffled"]["skill"]) + 1
        random = f"; p {null['p_value']:.3f} among random scores" if null and null.get("p_value") is not None else ""
        return Verdict("Canaries", f"rank {trained['rank']} of {among}", state, detail + random)
    if not null:
        return Verdict("Canaries", "not run", "none", "run again with --canaries")
    p = null.get("p_value")
    result = f"rank {null['rank']} of {null['runs'] + 1}"
    detail = "among random scores" + ("" if p is None else f", p {p:.3f}")
    return Verdict("Canaries", result, "good" if p is not None and p < 0.05 else "unsure", detail)


def _cross_check(answer: dict[str, Any] | None) -> Verdict:
    if not answer:
        return Verdict("Second engine", "not run", "none", "run again with --cross-check")
    if answer.get("agrees") is None:
        return Verdict("Second engine", "not expressible", "none", str(answer.get("reason") or ""))
    difference = answer.get("max_difference")
    detail = "" if difference is None else f"largest difference {difference:.1g}"
    return Verdict(
        "Second engine", "agrees" if answer["agrees"] else "differs", "good" if answer["agrees"] else "bad", detail
    )


def _trials(trials: dict[str, Any] | None) -> Verdict:
    if not trials:
        return Verdict("Trials", "not counted", "none", "the run is in no ledger")
    deflated = trials.get("deflated_sharpe")
    plural = "trial" if trials["count"] == 1 else "trials"
    if deflated is None:
        return Verdict("Trials", f"{trials['count']:,} {plural}", "none", "no deflated Sharpe: the returns do not vary")
    state = "good" if deflated >= 0.95 else "unsure"
    return Verdict("Trials", f"{trials['count']:,} {plural}", state, f"deflated Sharpe {deflated:.2f}")


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


def headline(material: Material) -> Table:
    """The ten figures with their intervals and conventions; what is not there says why."""
    rows = []
    for label, name, both in _TEN:
        main = material.metrics.get(f"{name}_net" if both else name)
        gross = metric_cell(material.metrics.get(f"{name}_gross")) if both else Cell("")
        if main is None:
            why = "no benchmark" if name in ("sharpe_residual", "alpha_ann") else "no predictions are stored"
            rows.append((Cell(label), gross, Cell("–"), Cell(""), Cell(why)))
            continue
        interval = ""
        if main.get("low") is not None and main.get("high") is not None:
            interval = f"[{metric_text(main, main['low'])}, {metric_text(main, main['high'])}]"
        text = main.get("convention", "")
        if main.get("value") is None:
            text = f"{main.get('reason') or 'no value'} · {text}"
        elif not interval and name in _RESAMPLED and len(material.returns) >= _FEWEST:
            found = bootstrap(material.returns["net"].to_numpy(dtype=np.float64), _RESAMPLED[name], draws=500)
            interval = f"[{metric_text(main, found.low)}, {metric_text(main, found.high)}]"
            text += f" · 95% by stationary bootstrap, mean block {found.block:.0f}"
        rows.append((Cell(label), gross, metric_cell(main), Cell(interval), Cell(text)))
    columns = ("figure", "gross", "net", "95% interval", "convention")
    return Table("Ten figures", columns, tuple(rows), wide=True)


def equity_figures(material: Material) -> list[Figure]:
    """Gross and net equity, with the drawdown beneath."""
    returns = material.returns
    beside = (
        "" if material.benchmark is None else f", beside {material.run.manifest.get('benchmark') or 'the benchmark'}"
    )
    net = float(np.prod(1 + returns["net"].to_numpy())) - 1
    gross = float(np.prod(1 + returns["gross"].to_numpy())) - 1
    deepest = metric_cell(material.metrics.get("max_drawdown_net")).text
    return [
        Figure(
            "Equity, before and after costs" + beside,
            f"Growth of 1 over {len(returns):,} sessions: net total return {net:.1%}, gross {gross:.1%}.",
            lambda axes: plot_equity(axes, returns),
            size=(11.4, 3.6),
            wide=True,
        ),
        Figure(
            "Drawdown",
            f"Net drawdown by session; the deepest is {deepest}.",
            lambda axes: plot_drawdown(axes, returns["net"]),
            size=(11.4, 1.9),
            wide=True,
        ),
    ]


def monthly_figure(material: Material) -> Figure:
    """The calendar of monthly returns as a figure, for where there is no table."""
    months = monthly_returns(material.returns["net"])
    title = "Monthly returns, net, %"
    return Figure(
        title, title, lambda axes: plot_monthly(axes, months), size=(11.4, 1.0 + 0.3 * len(months)), wide=True
    )
