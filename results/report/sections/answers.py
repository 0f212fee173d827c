"""The four questions of the first screen, answered in sentences made from the evidence and the checks of a run."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from assay.data.card import plural
from assay.results.checks.base import Check, State
from assay.results.checks.canaries import Canaries
from assay.results.checks.capacity import Capacity
from assay.results.checks.cross_check import CrossCheck
from assay.results.checks.leaks import LeakCheck
from assay.results.report.blocks import Answer, e_value, metric_text
from assay.results.report.run_data import RunData
from assay.results.report.sections.sharpe import track_record
from assay.results.stats.performance import yearly_returns

__all__ = ["answers"]

#: Deflated Sharpe ratio from which a result is taken as more than the luck of the best of all trials.
_DEFLATED = 0.95
#: Level of the evidence of skill: 1/α is passed by noise at most α often, over all score series that were tried.
_ALPHA = 0.05
#: Costs that can double before nothing is left are no worry.
_ROOM = 2.0
#: Warnings about inputs that make alpha look higher than it is.
_FLATTERING = ("survivorship", "benchmark")
#: How warnings of a score that knows what follows begin.
_TOO_GOOD = "the rank correlation with the"
#: Sessions whose share of the result is told.
_FEW = 10


def answers(data: RunData) -> tuple[Answer, ...]:
    """Is there anything here? Is it new? Can it be traded? What would change my mind?"""
    return (_anything(data), _new(data), _tradable(data), _changes(data))


def _value(data: RunData, name: str, field: str = "value") -> float:
    found = (data.metrics.get(name) or {}).get(field)
    return math.nan if found is None else float(found)


def _with_interval(data: RunData, name: str) -> str:
    item = data.metrics[name]
    text = metric_text(item, item["value"])
    if item.get("low") is None or item.get("high") is None:
        return text
    return f"{text}, 95% [{metric_text(item, item['low'])}, {metric_text(item, item['high'])}]"


def _side(data: RunData, name: str) -> State:
    """Where the 95% interval of a figure lies."""
    low, high = _value(data, name, "low"), _value(data, name, "high")
    return "good" if low > 0 else "bad" if high < 0 else "not run" if math.isnan(low) else "unsure"


def _anything(data: RunData) -> Answer:
    lines, state = [], _side(data, "sharpe_net")
    meaning = {"good": "above 0", "bad": "below 0", "unsure": "zero is not ruled out", "not run": "no interval"}
    if math.isnan(_value(data, "sharpe_net")):
        reason = (data.metrics.get("sharpe_net") or {}).get("reason") or "no value"
        lines.append(f"There is no net Sharpe ratio: {reason}.")
    else:
        lines.append(f"Net Sharpe {_with_interval(data, 'sharpe_net')}: {meaning[state]}.")
    trials = data.checks.trials
    skill, evidence = _value(data, "skill_ic"), _value(data, "skill_e")
    if math.isfinite(skill) and math.isfinite(evidence):
        needed = (trials.distinct if trials else 1) / _ALPHA
        enough = "enough" if evidence >= needed else "not enough"
        lines.append(
            f"The scores' IC after beta is {_with_interval(data, 'skill_ic')}; the evidence of skill is "
            f"{e_value(evidence)}, {enough}: {needed:,.0f} is needed."
        )
        if state == "good" and evidence < needed:
            state = "unsure"
    if trials is not None and math.isfinite(trials.deflated_sharpe):
        lines.append(
            f"With {plural(trials.count, 'trial')} on this market the deflated Sharpe is "
            f"{trials.deflated_sharpe:.2f}; {_DEFLATED} is convincing."
        )
        if state == "good" and trials.deflated_sharpe < _DEFLATED:
            state = "unsure"
    null = data.checks.random_scores
    if null is not None:
        lines.append(f"{_capital(null.sentence)}.")
        if state == "good" and null.state != "good":
            state = "unsure"
    words = {"good": "yes, on this sample", "bad": "a loss", "unsure": "not shown", "not run": "cannot be told"}
    verdict = words[state]
    if state == "good" and any(kind.startswith(_TOO_GOOD) for kind in _warned(data)):
        lines.append("It forecasts better than anything that is known to forecast returns; see the warnings.")
        verdict, state = "too good", "unsure"
    return Answer("Is there anything here?", verdict, state, tuple(lines))


def _new(data: RunData) -> Answer:
    lines: list[str] = []
    state = _side(data, "alpha_ann_net")
    named = data.run.manifest.get("benchmark") or "the benchmark"
    if data.benchmark is None or math.isnan(_value(data, "alpha_ann_net")):
        state = "not run"
        lines.append("There is no benchmark to compare with." if data.benchmark is None else "Alpha is not known.")
    else:
        beta, tied = _value(data, "beta_net"), _value(data, "correlation_net")
        meaning = {"good": "above 0", "bad": "below 0"}.get(state, "zero is not ruled out")
        lines += [
            f"Beta to {named} is {beta:.2f}, correlation {tied:.2f}.",
            f"Net alpha a year {_with_interval(data, 'alpha_ann_net')}: {meaning}.",
        ]
    beaten = _baselines(data)
    count, better = beaten or (0, [])
    if beaten is not None:
        if better:
            lines.append(
                f"{len(better)} of {plural(count, 'baseline')} earned at least as much: {', '.join(better[:3])}."
            )
        else:
            lines.append(f"None of {plural(count, 'baseline')} on the same folds earned as much.")
    styles = data.checks.styles
    if styles is None:
        lines.append("Styles and sectors were not taken out.")
    else:
        lines.append(f"{_capital(styles.sentence)}.")
        state = styles.state if state in ("good", "not run") and styles.state != "not run" else state
    state = "unsure" if state == "good" and better else state
    flattering = [kind for kind in _warned(data) if kind in _FLATTERING]
    if flattering and state == "good":
        lines.append(f"Alpha is flattered; see the warnings: {', '.join(flattering)}.")
        state = "unsure"
    words = {"good": "alpha is left", "bad": "negative alpha", "unsure": "not shown", "not run": "not compared"}
    return Answer("Is it new?", words[state], state, tuple(lines))


def _baselines(data: RunData) -> tuple[int, list[str]] | None:
    """How many baselines were traded, and which earned at least the net Sharpe ratio of the model; None without any."""
    table = data.optional("baselines")
    if table is None or "sharpe_net" not in table or len(table) < 2:
        return None
    own, others = table["sharpe_net"].iloc[0], table["sharpe_net"].iloc[1:].dropna()
    if others.empty or math.isnan(own):
        return None
    return len(others), [str(name) for name in others[others >= own].index]


def _tradable(data: RunData) -> Answer:
    lines: list[str] = []
    gross, net = _value(data, "return_arithmetic_ann_gross"), _value(data, "return_arithmetic_ann_net")
    even, turnover = _value(data, "break_even_cost_bps"), _value(data, "turnover_ann")
    costs = data.config.get("costs", {})
    charged = sum(float(costs.get(name) or 0) for name in ("commission_bps", "spread_bps"))
    if any(costs.get(name) for name in ("impact_bps", "sqrt_impact", "minimum_fee", "table")) and turnover > 0:
        charged = round(1e4 * _value(data, "trading_cost_ann") / (2 * turnover), 1)
    if math.isfinite(gross) and math.isfinite(net):
        lines.append(f"{gross:.1%} a year before costs, {net:.1%} after, at {turnover:.1f}× turnover a year.")
    state: State = "unsure"
    if math.isfinite(even):
        lines.append(f"It breaks even at {even:.1f} bps a traded unit; {charged:g} bps were charged.")
        state = "bad" if even < charged else "good" if even >= _ROOM * charged else "unsure"
    else:
        reason = (data.metrics.get("break_even_cost_bps") or {}).get("reason")
        lines.append(f"No break-even cost: {reason or 'not measured'}.")
        state = "bad" if reason and reason.startswith("loses") else "unsure"
    if data.config.get("execution", {}).get("same_close"):
        lines.append("It trades at the close that it reads, which nobody can.")
        state = "bad"
    leaks, size = data.checks.leaks, data.checks.capacity
    if leaks is not None:
        lines.append(f"{_capital(leaks.sentence)}.")
        state = "bad" if leaks.state == "bad" else state
    if size is not None:
        lines.append(f"{_capital(size.sentence)}.")
    words = {"good": "yes, at these costs", "bad": "no", "unsure": "barely", "not run": "cannot be told"}
    verdict = words[state] if state != "unsure" or math.isfinite(even) else "cannot be told"
    return Answer("Can it be traded?", verdict, state, tuple(lines))


def _changes(data: RunData) -> Answer:
    values = data.returns["net"].to_numpy(dtype=np.float64)
    lines = []
    _, needed = track_record(values)
    if math.isinf(needed):
        lines.append("A longer record alone would not help: the mean net return so far is not above 0.")
    elif math.isfinite(needed):
        more = "has them" if needed <= len(values) else "is too short"
        lines.append(
            f"95% certainty of a Sharpe above 0 needs {math.ceil(needed):,} sessions at this rate; "
            f"the record of {len(values):,} {more}."
        )
    years = yearly_returns(data.returns["net"])
    if len(years) > 1:
        lines.append(f"{int((years > 0).sum())} of {len(years)} calendar years gained.")
    if len(values) > 10 * _FEW:
        kept = np.sort(values)[:-_FEW]
        before, after = float(np.prod(1 + values)) - 1, float(np.prod(1 + kept)) - 1
        lines.append(f"Without the best {_FEW} sessions the total return is {after:.0%} instead of {before:.0%}.")
    missing = _not_run(data)
    if missing:
        lines.append(f"Not run: {', '.join(missing)}.")
    kinds = _warned(data)
    if kinds:
        lines.append(f"Warnings about the inputs: {', '.join(kinds)}.")
    verdict = f"{plural(len(missing), 'check')} open" if missing else "what stands below"
    return Answer("What would change my mind?", verdict, "not run", tuple(lines))


def _warned(data: RunData) -> list[str]:
    """What the run's warnings are about, each once."""
    return list(dict.fromkeys(re.split("[:,]", str(line))[0] for line in data.run.metrics.get("warnings") or ()))


def _not_run(data: RunData) -> list[str]:
    checks = data.checks
    kinds: list[tuple[type[Check], Any]] = [
        (LeakCheck, checks.leaks), (CrossCheck, checks.cross_check), (Capacity, checks.capacity),
    ]  # fmt: skip
    if checks.canaries is None and checks.random_scores is None:
        kinds.insert(0, (Canaries, None))
    missing = [kind.title.lower() for kind, made in kinds if made is None]
    return missing if (data.run.path / "gate.json").exists() else ["gate", *missing]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
