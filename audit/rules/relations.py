"""Rules on figures by themselves and on those that repeat or follow from others: bounds, the same quantity twice,
changes, multiples, means, sums, shares, percentiles, splits, and printed intervals. These may be a bootstrap's, a range
over seeds or quartiles, and none need surround its figure, so nothing accuses them on the arithmetic."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from operator import itemgetter
from statistics import geometric_mean, median

from assay.audit.claims.intervals import Interval, hull_of, mean_of, sum_of
from assay.audit.claims.model import BESIDE, Claim
from assay.audit.read.words import pattern
from assay.audit.rules.scope import Report, Run, class_shares, info_of, period_of, weekdays
from assay.audit.verdicts import TABLE, Figures, Finding, say, span

__all__ = [
    "bounds_by_definition", "bounds_kept", "change_readings", "derived", "fractions",
    "mean_readings", "parts_of_period", "percentiles", "printed_twice", "ratio_readings", "shares_sum", "splits",
    "stated_intervals", "telescoping",
]  # fmt: skip

_VAGUE = {"change", "other", "share", "duration", "size"}
_SHARES = {"proportion", "score", "r2", "correlation", "return", "share", "error"}
_SCORES = ("proportion", "score")
_CORRELATIONS = ("ic", "rank_ic", "correlation")
_DERIVED = {"mean": "C34 mean", "sum": "C29 sum", "ratio": "C28 multiple", "difference": "C28 difference"}
_NO_SKILL = {metric: row["value"] for row in TABLE["no skill"] for metric in row["metrics"]}


def _name(claim: Claim) -> str:
    return claim.metric.replace("_", " ") + (f" of {claim.label}" if claim.label else "")


def _decimal(claim: Claim) -> bool:
    """Whether a figure is a share printed as a decimal."""
    return claim.value.is_point and not claim.value.percent and 0 < claim.value.value < 1


def bounds_by_definition(run: Run) -> Iterator[Finding]:
    """A share lies in [0, 1], an AUC too, R² is at most 1, an error is not negative."""
    for claim in run.members:
        info, value = info_of(claim), run.read(claim)
        figures: Figures = {"name": _name(claim), "figure": claim}
        if claim.metric in _CORRELATIONS:
            yield from _correlation(run, claim)
        elif not value.meets(Interval(info.low, info.high)):
            in_decimals = any(c.metric == claim.metric and _decimal(c) for c in run.claims.claims)
            proven = info.kind in ("proportion", "count") or (info.kind == "score" and claim.value.is_point)
            proven = proven or (info.name == "r2" and (claim.value.percent or in_decimals))
            edge = f"at most {info.high:g}" if value.low > info.high else f"at least {info.low:g}"
            yield say("broken", "C0 bounds", [claim], "outside", proven=proven, edge=edge, **figures)
        elif info.high == 1.0 and info.kind in _SCORES and claim.value.is_point and not claim.value.percent and (
            claim.value.interval.low > 1 and claim.value.value < 2
            and any(_decimal(c) and info_of(c).kind in _SCORES for c in run.measured)
        ):  # fmt: skip
            yield say("broken", "C0 bounds", [claim], "above one", proven=info.kind == "proportion", **figures)


def _correlation(run: Run, claim: Claim) -> Iterator[Finding]:
    """A correlation outside [-1, 1] is something else under its name, most often the ratio of IC to its deviation."""
    value = run.read(claim)
    if claim not in run.measured or abs(value).low <= 1 or claim.value.percent:
        return
    decimals = any(
        c.metric in _CORRELATIONS and c.group == claim.group and not c.value.percent and 0 < abs(c.value.value) <= 1
        for c in run.claims.claims if c.id != claim.id
    )  # fmt: skip
    ratio = next((c for c in run.claims.claims if c.metric == "icir" and value.meets(c.value.interval)), None)
    also = f"; {ratio.printed} is what the report prints as IC over its deviation" if ratio is not None else ""
    proven = decimals or ratio is not None
    yield say("broken", "C16 correlation ≤ 1", [claim], proven=proven, figure=claim, also=also)


def printed_twice(report: Report) -> Iterator[Finding]:
    """One quantity printed in two places must round to one value; what stands without its split may be of any split."""
    pairs: list[tuple[Claim, Claim]] = []
    for run in report.runs:
        seen: dict[tuple[str, str], Claim] = {}
        for claim in run.members:
            vague = info_of(claim).kind in _VAGUE and claim.metric != "loss_gap"
            if not claim.target and not vague and claim.relation in ("", "same", "difference") and run.possible(claim):
                first = seen.setdefault((claim.metric, claim.label), claim)
                pairs += [(first, claim)] if first is not claim and first.id not in claim.inputs else []
    for claim in report.claims.claims:
        named = map(report.claims.claim, claim.inputs if claim.relation == "same" else ())
        pairs += [(other, claim) for other in named if other is not None]
        if claim.value.is_point and not claim.target and not report.claims.split_of(claim):
            of_split = (c for c in report.kin(claim) if report.claims.split_of(c))
            pairs += [(c, claim) for c in of_split if report.read(c).meets(report.read(claim))][:1]
    for first, second in pairs:
        good = report.read(first).meets(report.read(second))
        key = "no value" if not good else "alike" if first.printed == second.printed else "one value"
        # Two definitions that are both stated and differ leave open whether the quantity is one.
        alike = "" in (first.definition, second.definition) or first.definition == second.definition
        lines = list(dict.fromkeys(claim.source_line for claim in (first, second)))
        where = f" (line{'s' * (len(lines) > 1)} {' and '.join(map(str, lines))})" if all(lines) else ""
        yield say(good, "C37 printed twice", [first, second], key, weight=-3 if good else 0,
                  proven=alike and first.value.is_point and second.value.is_point, name=_name(second), first=first,
                  second=second, lines=where)  # fmt: skip


def bounds_kept(report: Report) -> Iterator[Finding]:
    """A bound or range printed about a run ("MAE < 1.25") against the figures it is about."""
    for claim in report.claims.claims:
        if claim.target or claim.value.is_point or info_of(claim).kind in _VAGUE:
            continue
        figures = [c for c in report.kin(claim) if not claim.split or report.claims.split_of(c) == claim.split]
        out = [c for c in figures if not report.read(c).meets(report.read(claim))]
        listed = list(dict.fromkeys(c.printed for c in out or figures))
        if figures:
            yield say("doubt" if out else "fits", "C37 bound", [claim], "broken" if out else "kept",
                      name=_name(claim), bound=claim, figures=listed)  # fmt: skip


def parts_of_period(report: Report) -> Iterator[Finding]:
    """A figure for a whole period lies among those of its parts."""
    shares = ("proportion", "correlation", "score")
    for run in (run for run in report.runs if not run.at):
        others = (other for other in report.by_group[run.group.name] if other.split == run.split)
        parts_of = [other for other in others if pattern("period_part").match(other.at)]
        for claim in (claim for claim in run.measured if info_of(claim).kind in shares):
            parts = [c for other in parts_of for c in other.candidates(claim.metric, claim.label)]
            values = [report.read(part) for part in parts]
            if len(parts) < 2:
                continue
            figures: Figures = {"parts": [f"{part.at} {part.printed}" for part in parts], "whole": claim}
            if run.read(claim).meets(mean := mean_of(values)):
                yield say("fits", "C34 periods", [claim, *parts], "mean", mean=mean, **figures)
            elif not run.read(claim).meets(hull_of(values)):
                yield say("doubt", "C34 periods", [claim], "aside", using=[claim, *parts], **figures)


def _roughly(report: Report, claim: Claim) -> Interval:
    """A figure; in a draft a round share may be rounded to 5%: "a 75% drop", of 73.8%."""
    value, round_share = report.read(claim), re.search(r"(?<![.,\d])\d*[05] ?%", claim.printed)
    return Interval(value.low - 0.02, value.high + 0.02) if report.claims.draft and round_share else value


def derived(report: Report) -> Iterator[Finding]:
    """A change, multiple, difference, mean or sum of printed figures, in every reading in use."""
    for claim in report.claims.claims:
        inputs = [other for other in map(report.claims.claim, claim.inputs) if other is not None]
        pair = claim.relation in ("change", "reduction", "ratio", "difference")
        complete = len(inputs) == len(claim.inputs) and (len(inputs) == 2 or not pair)
        if claim.relation in ("", "same", *BESIDE) or not inputs or not complete:
            continue
        values, target = [report.read(c) for c in inputs], _roughly(report, claim)
        readings, check = _readings(report, claim, inputs, values), _DERIVED.get(claim.relation, "C28 change")
        hit = next((name for name, value in readings.items() if target.meets(value)), None)
        signed = re.match(r"\s*[*~≈(]*\s*[+\-−–]", claim.printed) is not None
        if hit is None and not signed and claim.relation in ("change", "reduction", "difference"):
            hit = next((name for name, value in readings.items() if abs(target).meets(abs(value))), None)
        if hit is None and report.claims.draft and pair:
            # A column of changes may hold any, of sizes, with the sign of what is better, as fractions under a "%".
            start, end = map(abs, values)
            sized = change_readings(start, end) | ratio_readings(start, end) | {"the difference": end - start}
            readings |= {name: value for name, value in sized.items() if name not in readings}
            sizes = [abs(target), abs(target) * (100.0 if claim.value.percent and "%" not in claim.printed else 1.0)]
            hit = next((name for name, value in readings.items() if any(map(abs(value).meets, sizes))), None)
        shown = {name: f"{name} {span(value, claim.value.percent)}" for name, value in readings.items()}
        figures: Figures = {"inputs": [c.printed for c in inputs], "figure": claim, "all": "; ".join(shown.values())}
        bases = {"ratio": values, "change": values[:1], "reduction": values[:1]}.get(claim.relation, [])
        if hit is not None:
            yield say("fits", check, [claim], "fits", reading=hit, weight=1, hit=shown[hit], **figures)
        elif readings and not any(value.holds(0.0) for value in bases):
            # A row of averages may weight its rows, or average more of them than the table shows.
            open_mean = claim.relation == "mean" and report.claims.draft
            held = "the rows above are all that is averaged" if open_mean else "the draft names the right inputs"
            close = report.run_of(claim).together(claim, *inputs) and not open_mean
            yield say("broken", check, [claim], "none", proven=close, premise=held, using=[claim, *inputs], **figures)


def _readings(report: Report, claim: Claim, inputs: list[Claim], values: list[Interval]) -> dict[str, Interval]:
    if claim.relation == "mean":
        weighted = {c.label for c in inputs} <= set(class_shares(report.run_of(claim)))
        return mean_readings(values, weighted)
    if claim.relation == "sum":
        return {"sum": sum_of(values)}
    start, end = values
    if claim.relation == "ratio":
        return ratio_readings(start, end)
    if claim.relation == "difference":
        return {"second − first": end - start, "first − second": start - end}
    readings = change_readings(start, end, all(c.value.percent or info_of(c).kind in _SHARES for c in inputs))
    if claim.relation == "reduction" and start.low > 0:
        readings = {"1 − to/from": Interval.point(1.0) - end / start} | readings
    if claim.relation == "reduction" or not claim.value.multiple:
        # "grew 54%" never means "is 54% of"; a multiple may.
        readings.pop("end as a share of the start", None)
    return readings


def change_readings(start: Interval, end: Interval, percent_points: bool = True) -> dict[str, Interval]:
    """A change between two figures: relative to either, in points, logarithmic, and as the ratio end/start."""
    readings: dict[str, Interval] = {}
    if start.low > 0:
        # (end - start)/start = end/start - 1, free of the repeated variable.
        readings["relative to the start"] = end / start - 1.0
        readings["end as a share of the start"] = end / start
    if start.high < 0:
        readings["relative to the size of a negative start"] = (end - start) / abs(start)
        readings["relative to a negative start"] = end / start - 1.0
    if end.low > 0 and start.low > 0:
        readings["relative to the end"] = Interval.point(1.0) - start / end
    if min(start.low, end.low) > 1e-100 and max(start.high, end.high) < 1e100:
        readings["logarithmic"] = Interval(math.log(end.low / start.high), math.log(end.high / start.low))
    return readings | ({"in percentage points": end - start} if percent_points else {})


def ratio_readings(first: Interval, second: Interval) -> dict[str, Interval]:
    """A multiple between two figures: either over the other, and the excess over one of either."""
    readings: dict[str, Interval] = {}
    for a, b, over, under in ((first, second, "second", "first"), (second, first, "first", "second")):
        if a.low > 0 or a.high < 0:
            readings[f"{over} / {under}"] = b / a
            readings[f"({over} - {under}) / {under}"] = b / a - 1.0
    return readings


def mean_readings(values: Sequence[Interval], weighted: bool = False) -> dict[str, Interval]:
    """A mean of printed parts: arithmetic, harmonic, geometric, the median; `weighted`: with any weights too."""
    n, lows, highs = len(values), [v.low for v in values], [v.high for v in values]
    readings = {"mean": mean_of(values), "median": Interval(median(lows), median(highs))}
    if min(lows) > 1e-100:
        readings["harmonic mean"] = Interval(n / sum(1 / x for x in lows), n / sum(1 / x for x in highs))
        readings["geometric mean"] = Interval(geometric_mean(lows), geometric_mean(highs))
    return readings | ({"weighted mean": hull_of(values)} if weighted else {})


def fractions(report: Report) -> Iterator[Finding]:
    """A share beside its own whole counts is their quotient."""
    for claim in report.claims.claims:
        share = report.claims.claim(claim.inputs[0]) if claim.relation == "fraction" and claim.inputs else None
        if share is None:
            continue
        good = _roughly(report, share).holds(claim.value.value, 1e-9)
        yield say(good, "C1 fraction", [share], weight=int(good), using=[share, claim], value=claim.value.value,
                  counts=claim, share=share)  # fmt: skip


def stated_intervals(report: Report) -> Iterator[Finding]:
    """A printed interval holds its figure, and says whether chance covers it."""
    for claim in report.claims.claims:
        figure = report.claims.claim(claim.inputs[0]) if claim.relation == "interval" and claim.inputs else None
        if figure is None or claim.value.bound != "range" or not figure.value.is_point or figure.target:
            continue
        run, ends = report.run_of(figure), claim.value
        # The run may read a share that is printed without its percent sign.
        scale = 0.01 if figure.value.interval.low > 1 >= run.read(figure).high else 1.0
        more = 1.0 if run.lenient else 0.5
        low, high = (Interval(end - more * unit, end + more * unit) * scale
                     for end, unit in ((ends.value, ends.unit), (ends.end, ends.end_unit)))  # fmt: skip
        if low.low > run.read(figure).high or high.high < run.read(figure).low:
            yield say("doubt", "C18 interval", [claim], "apart", interval=claim, figure=figure)
            continue
        yield say("fits", "C18 interval", [claim], "around", weight=-1, interval=claim, figure=figure)
        null = _NO_SKILL.get(figure.metric)
        if null is not None and pattern("confidence").search(claim.definition) and low.high <= null <= high.low:
            yield say("weak", "C18 interval", [figure], "no skill", premise="", weight=3, interval=claim, null=null)


def shares_sum(run: Run) -> Iterator[Finding]:
    """Parts of a whole sum to at most one; splits and classes to exactly one when all are listed."""
    for metric in ("split_share", "class_share", "weight_share", "feature_importance"):
        parts = list(run.labelled(metric).values())
        scaled = metric == "feature_importance" and any(run.read(part).high >= 1 for part in parts)  # to the strongest
        if len(parts) < 2 or scaled:
            continue
        total = sum_of(map(run.read, parts))
        listed = " + ".join(part.printed for part in parts)
        figures: Figures = {"name": metric.replace("_", " "), "listed": listed, "total": total}
        if total.low > 1 + 1e-9:
            exclusive = metric != "feature_importance" or all(part.value.percent for part in parts)
            yield say("broken", "C29 shares", parts, "more", proven=exclusive and metric != "weight_share",
                      premise="the parts do not overlap", **figures)  # fmt: skip
        elif metric == "feature_importance" or total.meets(Interval.point(1.0)):
            yield say("fits", "C29 shares", parts, "whole", **figures)
        else:
            yield say("doubt", "C29 shares", parts, "short", short=1 - total.high, **figures)


def splits(run: Run) -> Iterator[Finding]:
    """Stated splits lie apart, and their stated shares match their dates."""
    dated = {s.name: dates for s in run.group.sample.splits if (dates := period_of(s)) is not None}
    for (first, before), (second, after) in itertools.pairwise(sorted(dated.items(), key=lambda item: item[1])):
        claims = [c for c in run.members if c.metric in ("split_share", "sessions") and c.label in (first, second)]
        alike = run.claims.draft and after[0] == before[1]  # hours apart, or an end that is not of the split
        if after[0] <= before[1] and claims and not alike:
            yield say("doubt", "C14 splits", claims, "overlap", stated=True, first=first, second=second,
                      begins=str(after[0]), ends=str(before[1]),
                      premise="the splits are meant to be apart")  # fmt: skip
    shares = {label: claim for label, claim in run.labelled("split_share").items() if label in dated}
    base = sum(weekdays(*dated[label]) for label in shares)
    for label, claim in shares.items() if base and len(shares) > 1 else ():
        actual = weekdays(*dated[label]) / base
        if not run.read(claim).meets(Interval(actual * 0.97 - 0.01, actual * 1.03 + 0.01)):
            start, end = map(str, dated[label])
            yield say("doubt", "C14 splits", [claim], "share", stated=True, label=label, start=start, end=end,
                      actual=actual, all=list(shares), share=claim)  # fmt: skip


def telescoping(run: Run) -> Iterator[Finding]:
    """Spreads labelled "a - b", "b - c" and "a - c" add up."""
    for metric in ("predicted_spread", "quantile_spread"):
        pairs = ((re.split(r"\s+(?:-|−|–|minus)\s+", label.lower()), c) for label, c in run.labelled(metric).items())
        spreads = {(ends[0], ends[-1]): claim for ends, claim in pairs if len(ends) == 2}
        for ((top, middle), first), ((start, bottom), second) in itertools.permutations(spreads.items(), 2):
            whole = spreads.get((top, bottom)) if start == middle else None
            if whole is not None:
                total, used = run.read(first) + run.read(second), [whole, first, second]
                yield say(run.read(whole).meets(total), "C29 spreads", [whole], proven=run.one_sample(*used),
                          using=used, first=first, second=second, whole=whole,
                          total=span(total, whole.value.percent))  # fmt: skip


def percentiles(run: Run) -> Iterator[Finding]:
    """Percentiles rise with their level and stay inside the extremes."""
    levels = ((re.search(r"\d+(?:\.\d+)?", label), claim) for label, claim in run.labelled("ic_percentile").items())
    claims = [claim for _, claim in sorted(((float(m[0]), c) for m, c in levels if m), key=itemgetter(0))]
    ends = Interval(getattr(run.value("ic_min"), "low", -math.inf), getattr(run.value("ic_max"), "high", math.inf))
    falling = [pair for pair in itertools.pairwise(claims) if run.read(pair[0]).low > run.read(pair[1]).high]
    outside = [claim for claim in claims if not run.read(claim).meets(ends)]
    proven = run.one_sample(*claims)
    if falling:
        first, second = falling[0]
        yield say("broken", "C35 percentiles", [first, second], "falls", proven=proven, first=first, second=second,
                  low=first.label, high=second.label)  # fmt: skip
    elif outside:
        yield say("broken", "C35 percentiles", outside[:1], "outside", proven=proven, figure=outside[0])
    elif len(claims) > 1:
        yield say("fits", "C35 percentiles", claims, "rises", all=claims)
