"""The short, aligned summary of a run on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from assay.data.card import plural
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.report.blocks import p_text
from assay.results.report.tables import aligned_lines, further_costs
from assay.results.storage.object_store import address
from assay.results.storage.runs import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["render_run"]


def render_run(run: Run) -> str:
    """The summary that `backtest` prints, or `sweep`, made from what is stored."""
    if run.kind == "sweep":
        return "\n".join(_sweep(run))
    metrics = {item["name"]: item for item in run.metrics.get("metrics", ())}
    styles = CheckOutcomes.of(run).styles
    if styles is not None:
        metrics |= {item.name: item.to_dict() for item in styles.metrics}
    config = run.manifest["config"]
    parts = [*_head(run, config), "", *_table(metrics), "", *_signal(metrics), *_break_even(metrics)]
    stages = run.metrics.get("stages") or []
    if stages:
        parts += ["", *_stages(stages)]
    if run.metrics.get("starts"):
        parts += ["", _starts(run.metrics["starts"])]
    if run.has("baselines"):
        parts += ["", *_baselines(run)]
    if run.has("importance"):
        parts += ["", *_importance(run)]
    if run.metrics.get("yardsticks"):
        parts += ["", *_naive_portfolios(run.metrics["yardsticks"])]
    parts += ["", *_verdict(run, metrics)]
    parts += [f"warning: {line}" for line in run.metrics.get("warnings", ())]
    if run.kept != "all":
        others = "no other" if run.kept == "weights" else "none"
        parts.append(f"kept: {run.kept}; of tables by asset and session {others} is stored (--keep all stores them)")
    parts.append(run.address)
    return "\n".join(parts)


def _naive_portfolios(rows: list[dict[str, Any]]) -> list[str]:
    """What an optimised strategy has to beat, and whether it does, net of costs."""
    lines = [("net Sharpe less", "its own", "difference", "    95%, paired bootstrap")]
    for row in rows:
        verdict = "earned" if row["earned"] else "worse" if row["high"] < 0 else "not distinguishable"
        span = f"    {row['low']:+.2f} … {row['high']:+.2f}  {verdict}"
        lines.append((row["strategy"], f"{row['sharpe']:.2f}", f"{row['difference']:+.2f}", span))
    return aligned_lines(lines, (-22, 8, 12, -1))


def _head(run: Run, config: dict[str, Any]) -> list[str]:
    execution, costs = config["execution"], config["costs"]
    folds = run.manifest.get("folds")
    model = " · ".join(filter(None, [config.get("model"), f"walk-forward, {plural(folds, 'fold')}" if folds else None]))
    assets = run.manifest.get("assets")
    first = [
        config["strategy"],
        model,
        f"{plural(assets, 'asset')}, {config.get('source', '')}" if assets else config.get("source", ""),
        f"{run.metrics['start']} … {run.metrics['end']}, {run.metrics['sessions']:,} sessions",
    ]
    when = "t" if execution["same_close"] else f"t+{execution['delay']}"
    second = [
        f"decided at close t, filled at {execution['fill']} {when}",
        f"{costs['commission_bps'] + costs['spread_bps']:g} bps a traded unit",
        f"borrow {costs['borrow_bps']:g} bps a year",
        *further_costs(costs),
    ]
    if run.manifest.get("benchmark"):
        second.append(f"vs {run.manifest['benchmark']}")
    if config.get("engine"):
        second.append(f"by {config['engine']}")
    return [" · ".join(filter(None, first)), " · ".join(second)]


_ROWS = (
    ("Sharpe", "sharpe", "{:.2f}", "252 · ddof 1 · arithmetic · rf 0 · HAC"),
    ("  after beta", "sharpe_residual", "{:.2f}", None),
    ("  after styles", "sharpe_styles", "{:.2f}", None),
    ("alpha a year", "alpha_ann", "{:.1%}", None),
    ("  after styles", "alpha_ann_styles", "{:.1%}", None),
    ("return a year", "return_ann", "{:.1%}", "geometric"),
    ("volatility a year", "volatility_ann", "{:.1%}", "252 · ddof 1"),
    ("max drawdown", "max_drawdown", "{:.1%}", "compounded, start included"),
    ("Sortino", "sortino", "{:.2f}", "252 · downside over all sessions"),
    ("Calmar", "calmar", "{:.2f}", "whole sample"),
)


def _label(label: str, name: str, metrics: Mapping[str, Any]) -> str:
    """What a row is called; one that is set below another has a name of its own where that one is missing."""
    return "alpha after styles" if name == "alpha_ann_styles" and "alpha_ann_net" not in metrics else label


def _table(metrics: dict[str, Any]) -> list[str]:
    rows = [("", "gross", "net", "    95% interval", "convention")]
    for label, name, form, convention in _ROWS:
        net, gross = metrics.get(f"{name}_net"), metrics.get(f"{name}_gross")
        if net is None:
            continue
        text = convention or net["convention"].removeprefix("net · ")
        if name == "sharpe_residual" and metrics.get("beta_net", {}).get("value") is not None:
            text = f"residual on the benchmark, beta {metrics['beta_net']['value']:.2f}"
        if name == "sharpe" and "rf the cash rate" in net["convention"]:
            text = text.replace("rf 0", f"rf{net['convention'].partition(' · rf')[2].partition(' · ')[0]}")
        if net["value"] is None:
            text = net["reason"]
        if name.endswith("_styles") and net["value"] is not None:
            text = net["convention"].removeprefix("net · ").partition(" · Newey–West")[0]
        t = metrics.get(f"{name.replace('alpha_ann', 'alpha_t')}_net", {}).get("value")
        if name.startswith("alpha_ann") and t is not None:
            text = f"{text}, t {t:.1f}"
        interval = f"    {_interval(net, form)}"
        rows.append((_label(label, name, metrics), _figure(gross, form), _figure(net, form), interval, text))
    bound = metrics.get("sharpe_missing_names")
    if "alpha_ann_styles_net" in metrics and bound is not None and bound["value"] is not None:
        text, interval = bound["convention"].partition(":")[0].removeprefix("net · "), _interval(bound, "{:.2f}")
        rows.append(("Sharpe, bounds", "", _figure(bound, "{:.2f}"), f"    {interval}", text))
    lines = aligned_lines(rows, (-18, 9, 9, -24, -1))
    turnover, cost = metrics["turnover_ann"], metrics["cost_ann"]
    exposure = f"gross {_figure(metrics['gross_exposure'], '{:.2f}')} net {_figure(metrics['net_exposure'], '{:.2f}')}"
    lines.append(
        f"{'turnover':18}{_figure(turnover, '{:.1f}×')} a year, one way · costs {_figure(cost, '{:.2%}')} a year · "
        f"exposure {exposure}"
    )
    return lines


def _signal(metrics: dict[str, Any]) -> list[str]:
    lines = []
    rank = metrics.get("rank_ic_mean")
    if rank is not None:
        if rank["value"] is None:
            lines.append(f"{'rank IC':18}{'–':>9}    {rank['reason']}")
        else:
            lag = rank["convention"].rpartition("lag ")[2]
            lines.append(
                f"{'rank IC':18}{rank['value']:>9.4f}{'':9}    {_interval(rank, '{:.4f}'):<20}mean of {rank['n']:,} "
                f"sessions, HAC t {_figure(metrics['rank_ic_t'], '{:.1f}')}, lag {lag}{_apart(metrics, rank['n'])}"
            )
    skill = metrics.get("skill_ic")
    if skill is not None and skill["value"] is not None:
        evidence = metrics["skill_e"]["value"]
        lines.append(
            f"{'skill after beta':18}{skill['value']:>9.4f}{'':9}    {_interval(skill, '{:.4f}'):<20}IC,"
            f" {skill['n']:,} sessions, t {_figure(metrics['skill_t'], '{:.1f}')} · e-value {evidence:.2g},"
            " 20 is evidence at 5%"
        )
    left = metrics.get("skill_ic_styles")
    if left is not None and left["value"] is not None:
        lines.append(
            f"{'  after styles':18}{left['value']:>9.4f}{'':9}    {_interval(left, '{:.4f}'):<20}IC,"
            f" {left['n']:,} sessions, t {_figure(metrics['skill_t_styles'], '{:.1f}')} · rank IC on what styles leave"
            f" of returns {_figure(metrics.get('rank_ic_styles_mean'), '{:.4f}')}"
        )
    rates = [
        f"{kind} {_figure(metrics.get(name), '{:.1%}')}{_base(metrics, name)}"
        for kind, name in (
            ("direction", "hit_direction"),
            ("position", "hit_position"),
            ("trade", "hit_trade"),
            ("session", "hit_session_net"),
        )
        if (metrics.get(name) or {}).get("value") is not None
    ]
    if rates:
        lines.append(f"{'hit rate':18}{' · '.join(rates)}")
    return [*lines, *_forecast(metrics)]


def _base(metrics: dict[str, Any], name: str) -> str:
    """What no skill would have hit, where it is known."""
    item = metrics.get(f"{name.removesuffix('_net')}_base") or {}
    return "" if item.get("value") is None else f" (base {item['value']:.1%})"


def _forecast(metrics: dict[str, Any]) -> list[str]:
    """The predictions as forecasts: of returns against persistence, of up and down against the base rate."""

    def said(name: str, form: str) -> str:
        return _figure(metrics.get(name), form)

    lines = []
    p = metrics.get("pt_p") or {"value": None}
    signs = f"Pesaran–Timmermann p {'–' if p['value'] is None else p_text(p['value'], 2)}"
    if "theil_u2" in metrics:
        against = f"U2 {said('theil_u2', '{:.4f}')}, Diebold–Mariano t {said('dm_t', '{:+.1f}')} ({_better(metrics)})"
        lines.append(
            f"{'forecast':18}R² of returns {said('r2', '{:.4f}')} · against persistence {against} · {signs}"
        )
    if "auc" in metrics:
        area = f"AUC {said('auc', '{:.3f}')} ± {said('auc_error', '{:.3f}')} (standard error)"
        rates = f"accuracy {said('accuracy', '{:.1%}')}, always up {said('base_rate', '{:.1%}')}"
        more = f"balanced {said('balanced_accuracy', '{:.1%}')} · MCC {said('mcc', '{:.3f}')}"
        parts = f"reliability {said('brier_reliability', '{:.4f}')} · resolution {said('brier_resolution', '{:.4f}')}"
        brier = f"{said('brier', '{:.4f}')}, base rate {said('brier_uncertainty', '{:.4f}')}"
        loss = f"log loss {said('log_loss', '{:.4f}')}, base rate {said('log_loss_base', '{:.4f}')}"
        lines.append(f"{'up or down':18}{' · '.join([area, rates, more, *([] if lines else [signs])])}")
        lines.append(f"{'Brier':18}{' · '.join([brier, parts, loss])}")
    if "action_mcc" in metrics:
        rates = f"accuracy {said('action_accuracy', '{:.1%}')}, commonest {said('action_base_rate', '{:.1%}')}"
        more = f"balanced {said('action_balanced_accuracy', '{:.1%}')} · MCC {said('action_mcc', '{:.3f}')}"
        lines.append(f"{'actions':18}{rates} · {more}")
    return lines


def _better(metrics: dict[str, Any]) -> str:
    """Which of the two forecasts the test of Diebold and Mariano finds more accurate, at 5%."""
    statistic, p_value = metrics["dm_t"], metrics["dm_p"]
    if statistic["value"] is None or p_value["value"] is None:
        return str(statistic["reason"])
    if p_value["value"] > 0.05:
        return "not distinguishable"
    return "better" if statistic["value"] < 0 else "worse"


def _apart(metrics: dict[str, Any], n: int) -> str:
    """The t of the sessions whose windows do not overlap, where there are others."""
    found = metrics.get("rank_ic_t_apart")
    if found is None or found["value"] is None or found["n"] == n:
        return ""
    return f", t {found['value']:.1f} of the {found['n']:,} that do not overlap"


def _break_even(metrics: dict[str, Any]) -> list[str]:
    cost, borrow = metrics["break_even_cost_bps"], metrics["break_even_borrow_bps"]
    parts = [
        f"{label} {item['value']:.1f} bps" if item["value"] is not None else f"{label}: {item['reason']}"
        for label, item in (("cost", cost), ("borrow", borrow))
    ]
    alpha = metrics.get("break_even_cost_alpha_bps")
    if alpha is not None:
        paid = f"{alpha['value']:.1f} bps" if alpha["value"] is not None else alpha["reason"]
        parts[0] += f", {paid} on alpha alone"
    return [f"{'break-even':18}{' · '.join(parts)}"]


def _stages(stages: Iterable[dict[str, Any]]) -> list[str]:
    rows = list(stages)
    lines = [["stage", *(row["stage"] for row in rows)]]
    for label, key, form in (
        ("Sharpe", "sharpe", "{:.2f}"),
        ("turnover a year", "turnover_ann", "{:.1f}×"),
        ("cost a year", "cost_ann", "{:.2%}"),
    ):
        lines.append([label, *("–" if row[key] is None else form.format(row[key]) for row in rows)])
    return aligned_lines(lines, (-18, *[12] * len(rows)))


def _starts(found: dict[str, Any]) -> str:
    """The schedule of orders from every session on which it could have begun."""
    of_all = f"{_two(found['sharpe_net'])} [{_two(found['low'])}, {_two(found['high'])}]"
    return (
        f"every {found['every']:<12}net Sharpe {of_all} of the capital split over all {len(found['phases'])} starts · "
        f"one start: {_two(found['lowest'])} … {_two(found['highest'])}; this run's is {found['phase']}"
    )


def _baselines(run: Run) -> list[str]:
    """The model and what it has to beat, on the same folds through the same strategy."""
    table = run.table("baselines")
    columns = [
        (label, name, form)
        for label, name, form in (
            ("rank IC", "rank_ic", "{:.4f}"),
            ("HAC t", "rank_ic_t", "{:.1f}"),
            ("R² returns", "r2", "{:.4f}"),
            ("DM t", "dm_t", "{:+.1f}"),
            ("accuracy", "accuracy", "{:.1%}"),
            ("AUC", "auc", "{:.3f}"),
            ("± of AUC", "auc_error", "{:.3f}"),
            ("Brier", "brier", "{:.4f}"),
            ("F1 actions", "action_macro_f1", "{:.3f}"),
            ("net Sharpe", "sharpe_net", "{:.2f}"),
        )
        if name in table and table[name].notna().any()
    ]
    lines = [["beside it", *(label for label, _, _ in columns)]]
    for model, row in table.iterrows():
        cells = ("–" if row[name] != row[name] else form.format(row[name]) for _, name, form in columns)
        lines.append([str(model), *cells])
    return aligned_lines(lines, (-20, *[12] * len(columns))) + _beaten(table)


#: Features that are shown, the most important first.
_MOST_FEATURES = 6


def _importance(run: Run) -> list[str]:
    """What the model reads, by the rank IC that it loses without."""
    table = run.table("importance")
    error = "± draws" if len(run.manifest["config"].get("seeds", ())) == 1 else "± seeds"
    rows = [("rank IC lost without", "", "    95% interval", error)]
    for row in table.head(_MOST_FEATURES).reset_index().to_dict("records"):
        ends = f"    [{row['low']:.4f}, {row['high']:.4f}]"
        rows.append((row["feature"], f"{row['importance']:.4f}", ends, f"{row['error_seeds']:.4f}"))
    rest = len(table) - _MOST_FEATURES
    more = [f"… {rest} more in {address(run.path / 'importance.parquet')}"] if rest > 0 else []
    return aligned_lines(rows, (-24, 8, -24, 8)) + more


def _beaten(table: pd.DataFrame) -> list[str]:
    """One line that says which baselines the model does not beat."""
    said = []
    for label, name in (("rank IC", "rank_ic"), ("AUC", "auc"), ("net Sharpe", "sharpe_net")):
        if name not in table or table[name].iloc[1:].notna().sum() == 0 or not table[name].notna().iloc[0]:
            continue
        better = table.index[1:][(table[name].iloc[1:] >= table[name].iloc[0]).to_numpy()]
        standing = f"no better than {', '.join(better)}" if len(better) else "above all of them"
        said.append(f"{standing} by {label}")
    return [f"{table.index[0]}: {'; '.join(said)}"] if said else []


def _verdict(run: Run, metrics: dict[str, Any]) -> list[str]:
    sharpe, checks = metrics["sharpe_net"], CheckOutcomes.of(run)
    if sharpe["value"] is None or sharpe["low"] is None:
        verdict = f"not judged: {sharpe['reason'] or 'no interval'}"
    elif sharpe["low"] > 0:
        verdict = "net Sharpe above 0 at 95%"
    elif sharpe["high"] < 0:
        verdict = "net Sharpe below 0 at 95%"
    else:
        verdict = "not significant: the interval of the net Sharpe covers 0"
    sentences = checks.sentences
    if checks.trials is not None:
        verdict += f" · {sentences.pop(checks.trials.kind)}"
    return [verdict, *sentences.values()]


#: Cells of a sweep that are shown, the best first.
_MOST_CELLS = 20


def _sweep(run: Run) -> list[str]:
    """The best cells of a grid, and what the choice among them is worth."""
    table, metrics = run.table("cells"), run.metrics
    names = list(run.manifest["config"]["grid"])
    shown = table.sort_values("sharpe_net", ascending=False, kind="stable").head(_MOST_CELLS)
    rows = [[*names, "net Sharpe", "95% interval", "turnover"]]
    for row in shown.to_dict("records"):
        interval = f"[{_two(row['low'])}, {_two(row['high'])}]"
        cells = (str(row[name]) for name in names)
        rows.append([*cells, _two(row["sharpe_net"]), interval, f"{row['turnover_ann']:.1f}×"])
    lines = aligned_lines(rows, (*[16] * len(names), 12, 18, 10))
    if len(table) > len(shown):
        lines.append(f"… {len(table) - len(shown)} more in {address(run.path / 'cells.parquet')}")
    trials, groups = metrics["trials"], metrics.get("clusters")
    lines += ["", f"{trials['count']} trials on this market in the ledger; costs, delay and fill make none"]
    for item in metrics.get("scenarios") or [metrics]:
        lines += _choice(item)
    if groups and groups["count"] is None:
        lines.append(f"clusters: {groups['reason']}")
    elif groups:
        lines.append(
            f"clusters: the ledger's {trials['in_ledger']} trials count as {groups['count']} independent"
            f" · deflated Sharpe of the best by that count {_two(groups['deflated_sharpe'])}"
        )
    return [*lines, run.address]


def _choice(item: dict[str, Any]) -> list[str]:
    """What the choice within one scenario is worth."""
    pbo, trials, best = item["pbo"], item["trials"], item["best"]
    where = ", ".join(f"{name}={value}" for name, value in (item.get("scenario") or {}).items())
    overfit = f"not judged ({pbo['reason']})" if pbo["probability"] is None else f"{pbo['probability']:.2f}"
    chosen = ", ".join(
        f"{name}={value}" for name, value in best["parameters"].items() if name not in (item.get("scenario") or {})
    )
    return [
        (
            f"{f'at {where}: ' if where else ''}best {chosen or 'of one'} · deflated Sharpe"
            f" {_two(trials['deflated_sharpe'])} · probability that the choice is overfit (PBO) {overfit}"
        ),
        f"  {_superior(item['spa'])}",
    ]


def _superior(spa: dict[str, Any]) -> str:
    question = "any cell better than cash (Hansen's SPA)"
    if spa["p_value"] is None:
        return f"{question}: not judged ({spa['reason']})"
    named = f"{len(spa['superior'])} of {spa['cells']} cells" if spa["superior"] else "no cell"
    p, lower, upper = (p_text(spa[name], 3) for name in ("p_value", "lower", "upper"))
    return f"{question} p {p}, from {lower} to {upper} · {named} at a family-wise 5% (Romano-Wolf)"


def _two(value: float | None) -> str:
    """Two decimals; a dash where there is no figure."""
    return "–" if value is None or value != value else f"{value:.2f}"


def _figure(item: dict[str, Any] | None, form: str) -> str:
    if item is None or item["value"] is None:
        return "–"
    return form.format(item["value"])


def _interval(item: dict[str, Any], form: str) -> str:
    if item.get("low") is None or item.get("high") is None:
        return ""
    return f"[{form.format(item['low'])}, {form.format(item['high'])}]"
