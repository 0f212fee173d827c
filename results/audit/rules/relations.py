"""Rules on figures that repeat or follow from others: same quantity twice, changes, multiples, means, sums, shares."""

from __future__ import annotations

import re
from collections.abc import Iterator

from results.audit.claims_model import Claim
from results.audit.forensic.arithmetic import (
    change_readings,
    difference_readings,
    fitting,
    mean_readings,
    ratio_readings,
    sum_of,
)
from results.audit.forensic.portfolio import leverage_factor
from results.audit.intervals import Interval
from results.audit.metrics_vocabulary import METRICS
from results.audit.rules.scope import Report, Run, broken, doubtful, fits, percent, span
from results.audit.verdicts import Finding

__all__ = ["bounds_by_definition", "derived", "leverage", "printed_twice", "shares_sum"]

_VAGUE = {"change", "other", "share", "duration", "size"}
_SHARES = {"proportion", "score", "r2", "correlation", "return", "share", "error"}


def bounds_by_definition(run: Run) -> Iterator[Finding]:
    """A share lies in [0, 1], an AUC too, R² is at most 1, an error is not negative."""
    for claim in run.members:
        info = METRICS.get(claim.metric)
        if info is None or claim.metric in ("ic", "rank_ic", "correlation"):
            continue
        value = run.read(claim)
        limits = Interval(info.low, info.high)
        if value.meets(limits):
            continue
        edge = f"at most {info.high:g}" if value.low > info.high else f"at least {info.low:g}"
        proven = info.kind in ("proportion", "count") or (info.kind == "score" and claim.value.is_point)
        unit = claim.value.percent or info.kind in ("proportion", "score", "count")
        yield broken(
            "C0 bounds", [claim], f"{claim.metric.replace('_', ' ')} is {edge} by definition, and {claim.printed} is printed.",
            proven or (info.name == "r2" and unit), "printed as a decimal with its usual sign",
        )  # fmt: skip


def printed_twice(report: Report) -> Iterator[Finding]:
    """One quantity printed in two places must round to one value."""
    for run in report.runs:
        seen: dict[tuple[str, str], list[Claim]] = {}
        for claim in run.members:
            info = METRICS.get(claim.metric)
            if claim.target or info is None or info.kind in _VAGUE or claim.relation not in ("", "same", "difference"):
                continue
            if not run.possible(claim):
                continue
            seen.setdefault((claim.metric, claim.label), []).append(claim)
        for claims in seen.values():
            yield from _pairs(report, claims)
    for claim in report.claims.claims:
        if claim.relation == "same":
            for other in filter(None, map(report.claims.claim, claim.inputs)):
                yield from _same(report, other, claim, True)


def _pairs(report: Report, claims: list[Claim]) -> Iterator[Finding]:
    first = claims[0]
    for other in claims[1:]:
        if other.relation == "same" and first.id in other.inputs:
            continue
        either_bound = not (first.value.is_point and other.value.is_point)
        one_definition = first.definition == other.definition or not first.definition or not other.definition
        yield from _same(report, first, other, one_definition and not report.claims.draft and not either_bound)


def _same(report: Report, first: Claim, second: Claim, proven: bool) -> Iterator[Finding]:
    name = second.metric.replace("_", " ")
    where = f" of {second.label}" if second.label else ""
    lines = f" (lines {first.source_line} and {second.source_line})" if first.source_line and second.source_line else ""
    sentence = f"{name}{where} is printed {first.printed} and {second.printed}{lines}"
    if report.read(first).meets(report.read(second)):
        if first.printed != second.printed or first.source_line != second.source_line:
            yield fits("C37 printed twice", [first, second], f"{sentence}: one value rounds to both.", weight=-3)
    else:
        yield broken(
            "C37 printed twice", [first, second], f"{sentence}: no value rounds to both.", proven,
            "both stand for one run and one definition, and neither is a goal",
        )  # fmt: skip


def _share_like(claim: Claim) -> bool:
    info = METRICS.get(claim.metric)
    return claim.value.percent or (info is not None and info.kind in _SHARES)


def derived(report: Report) -> Iterator[Finding]:
    """A change, multiple, difference, mean or sum of printed figures, in every reading in use."""
    for claim in report.claims.claims:
        inputs = [report.claims.claim(name) for name in claim.inputs]
        if claim.relation in ("", "same") or not inputs or any(c is None for c in inputs):
            continue
        values = [report.read(c) for c in inputs]
        # An upper or lower bound leaves nothing to recompute from.
        if claim.relation in ("change", "reduction", "ratio", "difference") and len(values) != 2:
            continue
        readings, check = _readings(claim, inputs, values)
        target = report.read(claim)
        shown = ", ".join(c.printed for c in inputs) if len(inputs) > 2 else " and ".join(c.printed for c in inputs)
        hit = fitting(target, readings)
        signed = re.match(r"\s*[*~≈(]*\s*[+\-−–]", claim.printed) is not None
        if not hit and not signed and claim.relation in ("change", "reduction", "difference"):
            hit = fitting(abs(target), {name: abs(value) for name, value in readings.items()})
        listed = "; ".join(f"{name} {_shown(value, claim)}" for name, value in readings.items())
        if hit:
            named = f"{_shown(readings[hit[0]], claim)} {hit[0]}" if len(readings) > 1 else _shown(readings[hit[0]], claim)
            yield fits(check, [claim], f"from {shown}: {named}; {claim.printed} is printed.", hit[0], 1)
        elif readings:
            yield broken(check, [claim], f"from {shown}: {listed}; none is {claim.printed}.")


def _shown(value: Interval, claim: Claim) -> str:
    return span(value, claim.value.percent)


def _readings(claim: Claim, inputs: list[Claim], values: list[Interval]) -> tuple[dict[str, Interval], str]:
    if claim.relation in ("change", "reduction"):
        points = all(map(_share_like, inputs))
        readings = change_readings(values[0], values[1], points)
        if claim.relation == "reduction":
            if values[0].low > 0:
                readings = {"1 − to/from": Interval.point(1.0) - values[1] / values[0]} | readings
            readings.pop("end as a share of the start", None)
        elif not claim.value.multiple:
            # "grew 54%" never means "is 54% of"; a multiple may.
            readings.pop("end as a share of the start", None)
        if values[0].high < 0:
            readings["relative to the size of a negative start"] = (values[1] - values[0]) / abs(values[0])
        return readings, "C28 change"
    if claim.relation == "ratio":
        return ratio_readings(values[0], values[1]), "C28 multiple"
    if claim.relation == "difference":
        return difference_readings(values[0], values[1]), "C28 difference"
    if claim.relation == "mean":
        return mean_readings(values), "C34 mean"
    return {"sum": sum_of(values)}, "C29 sum"


def shares_sum(run: Run) -> Iterator[Finding]:
    """Parts of a whole sum to at most one; splits and classes to exactly one when all are listed."""
    for metric in ("split_share", "class_share", "weight_share", "feature_importance"):
        parts = list(run.labelled(metric).values())
        if len(parts) < 2:
            continue
        total = sum_of([run.read(part) for part in parts])
        sentence = f"{' + '.join(part.printed for part in parts)} = {span(total, True)}"
        name = metric.replace("_", " ")
        if total.low > 1 + 1e-9:
            exclusive = metric != "feature_importance" or all(part.value.percent for part in parts)
            yield broken("C29 shares", parts, f"the {name}s sum to {sentence}, more than the whole.", exclusive and metric != "weight_share",
                         "the parts do not overlap")  # fmt: skip
        elif metric == "feature_importance" or total.meets(Interval.point(1.0)):
            yield fits("C29 shares", parts, f"the {name}s sum to {sentence}.")
        else:
            yield doubtful("C29 shares", parts, f"the {name}s sum to {sentence}, {percent(1 - total.high)} short.",
                           "all parts are listed")  # fmt: skip


def leverage(report: Report) -> Iterator[Finding]:
    """Two runs whose return and volatility differ by one factor are one strategy at two sizes; Sharpe stays."""
    books = []
    for run in report.runs:
        claims = {name: run.get(name) for name in ("annual_return", "annual_volatility", "sharpe")}
        if all(claim is not None for claim in claims.values()):
            books.append((run, claims))
    for i, (run, first) in enumerate(books):
        for other, second in books[i + 1 :]:
            names = ("annual_return", "annual_volatility")
            a = {name: run.read(first[name]) for name in names}
            b = {name: other.read(second[name]) for name in names}
            if any(value.low <= 0 for value in (*a.values(), *b.values())):
                continue
            factor = leverage_factor(a, b)
            if factor is None or factor.holds(1.0) or not run.read(first["sharpe"]).meets(other.read(second["sharpe"])):
                continue
            yield fits(
                "C37 leverage", [second["annual_return"], second["annual_volatility"], second["sharpe"]],
                f"return and volatility of “{other.name}” are {span(factor)} times those of “{run.name}” and the Sharpe ratio is the"
                " same: one strategy at another size, no second result.",
            )  # fmt: skip
