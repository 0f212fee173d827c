"""Rules on figures that repeat or follow from others: same quantity twice, changes, multiples, means, sums, shares."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assay.audit.claims.intervals import Interval
from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import BESIDE, Claim, ClassShare
from assay.audit.forensic.arithmetic import change_readings, fitting, mean_of, mean_readings, ratio_readings, sum_of
from assay.audit.forensic.books import leverage_factor
from assay.audit.rules.scope import Report, Run, broken, doubtful, fits, percent, span
from assay.audit.verdicts import Finding

__all__ = [
    "bounds_by_definition", "bounds_kept", "derived", "fractions", "leverage", "one_model_two_figures",
    "parts_of_period", "printed_twice", "shares_sum", "telescoping", "without_split",
]  # fmt: skip

_PERIOD = re.compile(r"(?:\d{4}[-\s]?(?:Q[1-4]|H[12]|\d{2})|Q[1-4][-\s]?\d{4}|fold\s*\d+|split\s*\d+)$", re.I)
_VAGUE = {"change", "other", "share", "duration", "size"}
_SHARES = {"proportion", "score", "r2", "correlation", "return", "share", "error"}


def bounds_by_definition(run: Run) -> Iterator[Finding]:
    """A share lies in [0, 1], an AUC too, R² is at most 1, an error is not negative."""
    for claim in run.members:
        info = METRICS.get(claim.metric)
        if info is None or claim.metric in ("ic", "rank_ic", "correlation"):
            continue
        value, limits = run.read(claim), Interval(info.low, info.high)
        name = claim.metric.replace("_", " ")
        if value.meets(limits):
            if _beyond_one(run, claim):
                words = f"{name} is at most 1 by definition, and {claim.printed} is printed beside scores in decimals."
                held = "printed as a decimal, as the scores beside it are"
                yield broken("C0 bounds", [claim], words, info.kind == "proportion", held)
            continue
        edge = f"at most {info.high:g}" if value.low > info.high else f"at least {info.low:g}"
        proven = info.kind in ("proportion", "count") or (info.kind == "score" and claim.value.is_point)
        unit = claim.value.percent or any(
            0 < c.value.value < 1 and c.value.is_point and not c.value.percent
            for c in run.claims.claims
            if c.metric == claim.metric
        )
        words = f"{name} is {edge} by definition, and {claim.printed} is printed."
        held = "printed as a decimal with its usual sign"
        yield broken("C0 bounds", [claim], words, proven or (info.name == "r2" and unit), held)


def _beyond_one(run: Run, claim: Claim) -> bool:
    """Whether a share stands between 1 and 2 without a percent sign, beside shares printed as decimals."""
    decimals = [
        other
        for other in run.measured
        if other.id != claim.id and not other.value.percent and 0 < other.value.value < 1
        and METRICS.get(other.metric, METRICS["other"]).kind in ("proportion", "score")
    ]  # fmt: skip
    share = METRICS[claim.metric].high == 1.0 and METRICS[claim.metric].kind in ("proportion", "score")
    return share and claim.value.is_point and not claim.value.percent and claim.value.interval.low > 1 and (
        claim.value.value < 2 and bool(decimals)
    )


def printed_twice(report: Report) -> Iterator[Finding]:
    """One quantity printed in two places must round to one value."""
    for run in report.runs:
        seen: dict[tuple[str, str], list[Claim]] = {}
        for claim in run.members:
            info = METRICS.get(claim.metric)
            vague = info is not None and info.kind in _VAGUE and info.name != "loss_gap"
            if claim.target or info is None or vague or claim.relation not in ("", "same", "difference"):
                continue
            if not run.possible(claim):
                continue
            seen.setdefault((claim.metric, claim.label), []).append(claim)
        for claims in seen.values():
            yield from _pairs(report, claims)
    for claim in report.claims.claims:
        if claim.relation == "same":
            for other in filter(None, map(report.claims.claim, claim.inputs)):
                # Two definitions that are both stated and differ leave open whether the quantity is one.
                alike = not (claim.definition and other.definition) or claim.definition == other.definition
                yield from _same(report, other, claim, alike)


def _pairs(report: Report, claims: list[Claim]) -> Iterator[Finding]:
    first = claims[0]
    for other in claims[1:]:
        if other.relation == "same" and first.id in other.inputs:
            continue
        either_bound = not (first.value.is_point and other.value.is_point)
        one_definition = first.definition == other.definition or not first.definition or not other.definition
        yield from _same(report, first, other, one_definition and not either_bound)


def _lines(first: Claim, second: Claim) -> str:
    """Where two figures stand, in words."""
    if not (first.source_line and second.source_line):
        return ""
    one = first.source_line == second.source_line
    return f" (line {first.source_line})" if one else f" (lines {first.source_line} and {second.source_line})"


def _same(report: Report, first: Claim, second: Claim, proven: bool) -> Iterator[Finding]:
    name = second.metric.replace("_", " ") + (f" of {second.label}" if second.label else "")
    lines = _lines(first, second)
    words = f"{name} is printed {first.printed} and {second.printed}{lines}"
    if not report.read(first).meets(report.read(second)):
        held = "both stand for one run and one definition, and neither is a goal"
        yield broken("C37 printed twice", [first, second], f"{words}: no value rounds to both.", proven, held)
        return
    alike = f"{name} is printed {first.printed} in both places{lines}."
    words = alike if first.printed == second.printed else f"{words}: one value rounds to both."
    yield fits("C37 printed twice", [first, second], words, weight=-3)


def _share_like(claim: Claim) -> bool:
    info = METRICS.get(claim.metric)
    return claim.value.percent or (info is not None and info.kind in _SHARES)


def bounds_kept(report: Report) -> Iterator[Finding]:
    """A bound or range printed about a run ("MAE < 1.25") against the figures it is about."""
    for claim in report.claims.claims:
        if claim.target or claim.value.is_point or METRICS.get(claim.metric, METRICS["other"]).kind in _VAGUE:
            continue
        figures = report.kin(claim)
        if claim.split:
            figures = [c for c in figures if report.claims.split_of(c) == claim.split]
        out = [c for c in figures if not report.read(c).meets(report.read(claim))]
        name = claim.metric.replace("_", " ")
        if figures and not out:
            listed = ", ".join(dict.fromkeys(c.printed for c in figures))
            yield fits("C37 bound", [claim], f"{name} {claim.printed} holds for {listed}.")
        elif figures:
            words = f"{name} {claim.printed} does not hold for {out[0].printed}."
            yield doubtful("C37 bound", [claim], words, "the bound is said of this run, and is no goal")


def without_split(report: Report) -> Iterator[Finding]:
    """A figure printed without its split is that of one of the printed splits."""
    for claim in report.claims.claims:
        if report.claims.split_of(claim) or claim.target or not claim.value.is_point:
            continue
        figures = [c for c in report.kin(claim) if report.claims.split_of(c)]
        same = [c for c in figures if report.read(c).meets(report.read(claim))]
        if same:
            split = report.claims.split_of(same[0])
            words = f"{claim.printed} is the {split} figure, {same[0].printed}, printed without its split."
            yield fits("C37 split", [claim], words, weight=-2)


def parts_of_period(report: Report) -> Iterator[Finding]:
    """A figure for a whole period lies among those of its parts."""
    for run in report.runs:
        if run.at:
            continue
        for claim in run.measured:
            if METRICS.get(claim.metric, METRICS["other"]).kind not in ("proportion", "correlation", "score"):
                continue
            parts = [
                c
                for other in report.runs_of(run.group.name)
                if other.split == run.split and _PERIOD.match(other.at)
                for c in other.candidates(claim.metric, claim.label)
            ]
            if len(parts) < 2:
                continue
            values = [report.read(part) for part in parts]
            mean = mean_of(values)
            listed = " and ".join(f"{part.at} {part.printed}" for part in parts)
            inside = Interval(min(v.low for v in values), max(v.high for v in values))
            if run.read(claim).meets(mean):
                yield fits("C34 periods", [claim, *parts], f"{listed} average {span(mean)}, printed {claim.printed}.")
            elif not run.read(claim).meets(inside):
                words = f"{listed} lie on one side of the {claim.printed} printed for the whole."
                held = "the parts make up the whole period"
                yield doubtful("C34 periods", [claim], words, held, using=[claim, *parts])


def one_model_two_figures(report: Report) -> Iterator[Finding]:
    """A headline ratio of one model printed with two values in runs that nothing sets apart but their name."""
    by_model: dict[str, list[Claim]] = {}
    for run in report.runs:
        claim = run.get("sharpe")
        if claim is not None and run.group.model and not run.at:
            by_model.setdefault(run.group.model, []).append(claim)
    for model, claims in by_model.items():
        groups = [report.claims.group(claim.group) for claim in claims]
        set_apart = len({g.configuration for g in groups if g.configuration}) > 1
        first = claims[0]
        for other in claims[1:]:
            dated = (report.run_of(first).group.sample.start, report.run_of(other).group.sample.start)
            if set_apart or (all(dated) and dated[0] != dated[1]) or report.read(first).meets(report.read(other)):
                continue
            if first.group == other.group and report.claims.split_of(first) != report.claims.split_of(other):
                continue
            words = f"the Sharpe ratio of {model} is printed {first.printed} and {other.printed}{_lines(first, other)}"
            words += ", and nothing says what sets them apart."
            yield doubtful("C37 two figures", [first, other], words, "both are of one backtest")


def derived(report: Report) -> Iterator[Finding]:
    """A change, multiple, difference, mean or sum of printed figures, in every reading in use."""
    for claim in report.claims.claims:
        inputs = [other for other in map(report.claims.claim, claim.inputs) if other is not None]
        if claim.relation in ("", "same", *BESIDE) or not inputs or len(inputs) < len(claim.inputs):
            continue
        values = [report.read(c) for c in inputs]
        # An upper or lower bound leaves nothing to recompute from.
        if claim.relation in ("change", "reduction", "ratio", "difference") and len(values) != 2:
            continue
        readings, check = _readings(claim, inputs, values, report.claims.group(claim.group).classes)
        target = report.read(claim)
        shown = ", ".join(c.printed for c in inputs) if len(inputs) > 2 else " and ".join(c.printed for c in inputs)
        hit = fitting(target, readings)
        signed = re.match(r"\s*[*~≈(]*\s*[+\-−–]", claim.printed) is not None
        if not hit and not signed and claim.relation in ("change", "reduction", "difference"):
            hit = fitting(abs(target), {name: abs(value) for name, value in readings.items()})
        listed = "; ".join(f"{name} {_shown(value, claim)}" for name, value in readings.items())
        if hit:
            named = _shown(readings[hit[0]], claim) + (f" {hit[0]}" if len(readings) > 1 else "")
            yield fits(check, [claim], f"from {shown}: {named}; {claim.printed} is printed.", hit[0], 1)
        elif readings and not _undefined(claim, values):
            # A row of averages may weight its rows, or average more of them than the table shows.
            open_mean = claim.relation == "mean" and report.claims.draft
            held = "the rows above are all that is averaged" if open_mean else "the draft names the right inputs"
            close = report.run_of(claim).together(claim, *inputs) and not open_mean
            sentence = f"from {shown}: {listed}; none is {claim.printed}."
            yield broken(check, [claim], sentence, close, held, [claim, *inputs])


def fractions(report: Report) -> Iterator[Finding]:
    """A share beside its own whole counts is their quotient."""
    for claim in report.claims.claims:
        share = report.claims.claim(claim.inputs[0]) if claim.relation == "fraction" and claim.inputs else None
        if share is None:
            continue
        sentence = f"{claim.printed} is {percent(claim.value.value, 3)}, and {share.printed} is printed beside it."
        if report.read(share).holds(claim.value.value, 1e-9):
            yield fits("C1 fraction", [share, claim], sentence, weight=1)
        else:
            yield broken("C1 fraction", [share], sentence, using=[share, claim])


def _undefined(claim: Claim, values: list[Interval]) -> bool:
    """Whether a base that may be zero leaves the figure undefined."""
    bases = {"ratio": values, "change": values[:1], "reduction": values[:1]}.get(claim.relation, [])
    return any(value.holds(0.0) for value in bases)


def _shown(value: Interval, claim: Claim) -> str:
    return span(value, claim.value.percent)


def _readings(
    claim: Claim, inputs: list[Claim], values: list[Interval], classes: tuple[ClassShare, ...]
) -> tuple[dict[str, Interval], str]:
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
            readings["relative to a negative start"] = values[1] / values[0] - 1.0
        return readings, "C28 change"
    if claim.relation == "ratio":
        return ratio_readings(values[0], values[1]), "C28 multiple"
    if claim.relation == "difference":
        gap = values[1] - values[0]
        return {"second - first": gap, "first - second": -gap}, "C28 difference"
    if claim.relation == "mean":
        stated = {c.name: c.share.interval for c in classes if c.share is not None}
        weights = [stated[c.label] for c in inputs if c.label in stated]
        return mean_readings(values, weights if len(weights) == len(inputs) else None), "C34 mean"
    return {"sum": sum_of(values)}, "C29 sum"


def leverage(report: Report) -> Iterator[Finding]:
    """Two runs whose return and volatility differ by one factor are one strategy at two sizes; Sharpe stays."""
    books = []
    names = ("annual_return", "annual_volatility", "sharpe")
    for run in report.runs:
        claims = {name: claim for name in names if (claim := run.get(name)) is not None}
        if len(claims) == len(names):
            books.append((run, claims))
    for i, (run, first) in enumerate(books):
        for other, second in books[i + 1 :]:
            a = {name: run.read(first[name]) for name in names[:2]}
            b = {name: other.read(second[name]) for name in names[:2]}
            if any(value.low <= 0 for value in (*a.values(), *b.values())):
                continue
            factor = leverage_factor(a, b)
            if factor is None or factor.holds(1.0) or not run.read(first["sharpe"]).meets(other.read(second["sharpe"])):
                continue
            words = f"return and volatility of “{other.name}” are {span(factor)} times those of “{run.name}” and the"
            words += " Sharpe ratio is the same: one strategy at another size, no second result."
            yield fits("C37 leverage", [second[name] for name in names], words)


def shares_sum(run: Run) -> Iterator[Finding]:
    """Parts of a whole sum to at most one; splits and classes to exactly one when all are listed."""
    for metric in ("split_share", "class_share", "weight_share", "feature_importance"):
        parts = list(run.labelled(metric).values())
        if len(parts) < 2:
            continue
        total = sum_of([run.read(part) for part in parts])
        words = f"the {metric.replace('_', ' ')}s sum to {' + '.join(part.printed for part in parts)} ="
        words += f" {span(total, True)}"
        if total.low > 1 + 1e-9:
            exclusive = metric != "feature_importance" or all(part.value.percent for part in parts)
            proven, held = exclusive and metric != "weight_share", "the parts do not overlap"
            yield broken("C29 shares", parts, f"{words}, more than the whole.", proven, held)
        elif metric == "feature_importance" or total.meets(Interval.point(1.0)):
            yield fits("C29 shares", parts, f"{words}.")
        else:
            words = f"{words}, {percent(1 - total.high)} short."
            yield doubtful("C29 shares", parts, words, "all parts are listed")


def telescoping(run: Run) -> Iterator[Finding]:
    """Spreads labelled "a - b", "b - c" and "a - c" add up."""
    for metric in ("predicted_spread", "quantile_spread"):
        spreads: dict[tuple[str, str], Claim] = {}
        for label, claim in run.labelled(metric).items():
            ends = re.split(r"\s+(?:-|−|–|minus)\s+", label.lower())
            if len(ends) == 2:
                spreads[(ends[0], ends[1])] = claim
        for (top, middle), first in spreads.items():
            for (start, bottom), second in spreads.items():
                whole = spreads.get((top, bottom))
                if start != middle or whole is None or whole in (first, second):
                    continue
                total = run.read(first) + run.read(second)
                shown = span(total, whole.value.percent)
                words = f"{first.printed} + {second.printed} = {shown}, printed {whole.printed}."
                if run.read(whole).meets(total):
                    yield fits("C29 spreads", [whole, first, second], words)
                else:
                    proven = run.one_sample(whole, first, second)
                    yield broken("C29 spreads", [whole], words, proven, "means of the same sessions")
