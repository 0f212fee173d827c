"""Rules on sampling: what chance leaves of a figure, the best of many trials, printed intervals and spreads.

An interval in a report may be a bootstrap's, a range over seeds or a quartile range, and none of these need surround
its figure or follow from its n. So nothing here accuses on the arithmetic; what does not fit says what it would have to
be.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.forensic.books import deflated_floor, sharpe_interval
from assay.audit.forensic.moments import std_ceiling
from assay.audit.rules.calendars import track_record
from assay.audit.rules.scope import Report, Run, info_of
from assay.audit.rules.words import Figures, say
from assay.audit.verdicts import Finding
from assay.data.conventions import SESSIONS_A_YEAR
from assay.results.stats.deflated_sharpe import probabilistic_sharpe

__all__ = ["spreads", "stated_intervals", "thresholds", "unrecorded_selection"]

_CONFIDENCE = re.compile(r"\bci\b|confiden|confian|credible|置信|bootstrap", re.I)
_LEVEL = re.compile(r"([5-9]\d(?:\.\d+)?)\s*%")
#: Value without skill: 0 or 1/2.
_NO_SKILL = dict.fromkeys(
    ("ic", "rank_ic", "icir", "rank_icir", "icir_annual", "sharpe", "sharpe_gross", "sortino", "information_ratio",
     "alpha", "correlation", "mcc", "kappa", "r2", "excess_return", "mean_return", "quantile_spread"), 0.0,
) | dict.fromkeys(("auc", "balanced_accuracy"), 0.5)  # fmt: skip
#: How much narrower than independent returns allow a Sharpe ratio's interval must be before it is doubted.
NARROW = 0.6


def unrecorded_selection(run: Run) -> Iterator[Finding]:
    """A Sharpe ratio without a track record against the best of the trials listed, over one year."""
    claim, trials = run.get("sharpe"), run.group.portfolio.trials or 1
    best = deflated_floor(trials, SESSIONS_A_YEAR, SESSIONS_A_YEAR)
    if claim is not None and track_record(run) is None and trials > 1 and run.read(claim).low < best * 2:
        held = "a track record of one year"
        yield say("weak", "C19 selection", [claim], "year", premise=held, sharpe=claim, trials=trials, floor=best)


def thresholds(report: Report) -> Iterator[Finding]:
    """The probability that a Sharpe ratio exceeds the threshold that the report sets itself (Bailey & López de Prado,
    2012)."""
    for goal in report.claims.claims:
        if goal.metric not in ("sharpe", "sharpe_gross") or not goal.target or goal.value.bound not in ("", ">", ">="):
            continue
        runs = [run for run in report.runs if run.get(goal.metric) is not None and not run.at]
        same = [run for run in runs if run.group.name == goal.group and run.split == report.claims.split_of(goal)]
        for run in same or (runs if len({run.group.name for run in runs}) == 1 else []):
            yield from _threshold(run, goal)


def _threshold(run: Run, goal: Claim) -> Iterator[Finding]:
    claim, record, wanted = run.get(goal.metric), track_record(run), goal.value.value
    if claim is None or record is None or wanted <= 0 or not _by_session(run):
        return
    value, year = run.read(claim), math.sqrt(run.periods)
    least, most = (probabilistic_sharpe(end / year, record[0], threshold=wanted / year)
                   for end in (value.low, value.high))  # fmt: skip
    figures: Figures = {"sharpe": claim, "goal": goal, "record": record[1]}
    if value.high <= wanted:
        yield say("note", "C18 threshold", [claim, goal], "missed", **figures)
    elif most < 0.95:
        yield say("weak", "C18 threshold", [claim, goal], "chance", weight=1, probability=most, **figures)
    elif least >= 0.95:
        yield say("supported", "C18 threshold", [goal], "beyond", probability=least, **figures)


def _by_session(run: Run) -> bool:
    """Whether the periods are sessions: of other periods the weekdays of the dates are no count."""
    return run.group.sample.sessions is not None or run.periods in (252, 250, 260)


def _tied(report: Report, relation: str) -> Iterator[tuple[Run, Claim, Claim, float]]:
    """Claims of that relation, each with the figure that it is around, its run, and the scale on which the run reads it
    (1/100 for a share printed without its percent sign)."""
    for claim in report.claims.claims:
        estimate = report.claims.claim(claim.inputs[0]) if claim.relation == relation and claim.inputs else None
        if estimate is not None and estimate.value.is_point and not estimate.target:
            run, middle = report.run_of(estimate), estimate.value.interval.middle
            unsigned = middle and abs(run.read(estimate).middle / middle - 0.01) < 1e-6
            yield run, claim, estimate, 0.01 if unsigned else 1.0


def stated_intervals(report: Report) -> Iterator[Finding]:
    """A printed interval holds its figure, says whether chance covers it, and is as wide as the track record leaves."""
    for run, claim, estimate, scale in _tied(report, "interval"):
        if claim.value.bound != "range":
            continue
        value, low, high = run.read(estimate), *_ends(run, claim, scale)
        if low.low > value.high or high.high < value.low:
            held = "the interval is one around this figure, and not that of a bootstrap with a bias"
            yield say("doubt", "C18 interval", [claim], "apart", premise=held, interval=claim, figure=estimate)
            continue
        yield say("fits", "C18 interval", [claim], "around", weight=-1, interval=claim, figure=estimate)
        if not _CONFIDENCE.search(claim.definition):
            continue
        null = _NO_SKILL.get(estimate.metric)
        if null is not None and low.high <= null <= high.low:
            yield say("weak", "C18 interval", [estimate], "no skill", premise="", weight=3, interval=claim, null=null)
        record, stated = track_record(run), _LEVEL.search(claim.definition)
        if estimate.metric in ("sharpe", "sharpe_gross") and record is not None and _by_session(run):
            level = float(stated[1]) / 100 if stated else 0.95
            width = Interval(max(high.low - low.high, 0.0), high.high - low.low)
            usual = sharpe_interval(estimate.value.value, record[0], run.periods, level).width
            figures: Figures = {"record": record[1], "level": level, "usual": usual, "interval": claim}
            if width.high < NARROW * usual:
                yield say("doubt", "C18 interval", [claim], "narrow", weight=1, **figures)
            elif width.meets(Interval(0.9 * usual, 1.1 * usual)):
                yield say("fits", "C18 interval", [claim], "narrow", reading="Lo (2002)", weight=1, **figures)


def _ends(run: Run, claim: Claim, scale: float) -> tuple[Interval, Interval]:
    """What the two printed ends of an interval stand for."""
    value, more = claim.value, 2.0 if run.lenient else 1.0
    low = Interval(value.value - more * value.half, value.value + more * value.half)
    return low * scale, Interval(value.end - more * value.end_unit / 2, value.end + more * value.end_unit / 2) * scale


def spreads(report: Report) -> Iterator[Finding]:
    """A ± is at most the deviation that the bounds of its metric leave."""
    for run, claim, estimate, scale in _tied(report, "spread"):
        info, spread = info_of(estimate), abs(run.read(claim)) * scale
        if math.isfinite(info.low) and math.isfinite(info.high):
            top = std_ceiling(run.read(estimate), Interval.point(info.low), Interval.point(info.high))
            if top is not None and spread.low > top * (1 + 1e-9):
                yield say("doubt", "C35 spread", [claim], low=info.low, high=info.high, mean=estimate, top=top,
                          spread=claim)  # fmt: skip
