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
from assay.audit.forensic.books import deflated_floor
from assay.audit.rules.calendars import track_record
from assay.audit.rules.scope import Report, Run
from assay.audit.rules.words import Figures, say
from assay.audit.verdicts import Finding
from assay.data.conventions import SESSIONS_A_YEAR
from assay.results.stats.deflated_sharpe import probabilistic_sharpe

__all__ = ["stated_intervals", "thresholds", "unrecorded_selection"]

_CONFIDENCE = re.compile(r"\bci\b|confiden|confian|credible|置信|bootstrap", re.I)
#: Value without skill: 0 or 1/2.
_NO_SKILL = dict.fromkeys(
    ("ic", "rank_ic", "icir", "rank_icir", "icir_annual", "sharpe", "sharpe_gross", "sortino", "information_ratio",
     "alpha", "correlation", "mcc", "kappa", "r2", "excess_return", "mean_return", "quantile_spread"), 0.0,
) | dict.fromkeys(("auc", "balanced_accuracy"), 0.5)  # fmt: skip


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
        low = Interval(ends.value - more * ends.unit, ends.value + more * ends.unit) * scale
        high = Interval(ends.end - more * ends.end_unit, ends.end + more * ends.end_unit) * scale
        if low.low > run.read(figure).high or high.high < run.read(figure).low:
            yield say("doubt", "C18 interval", [claim], "apart", interval=claim, figure=figure)
            continue
        yield say("fits", "C18 interval", [claim], "around", weight=-1, interval=claim, figure=figure)
        null = _NO_SKILL.get(figure.metric)
        if null is not None and _CONFIDENCE.search(claim.definition) and low.high <= null <= high.low:
            yield say("weak", "C18 interval", [figure], "no skill", premise="", weight=3, interval=claim, null=null)
