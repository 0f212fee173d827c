"""Rules on sampling: printed intervals and spreads, what they leave of a figure, selection, foresight and drawdowns.

An interval in a report may be a bootstrap's, a range over seeds or a quartile range, and none of these need surround
its figure or follow from its n. So nothing here accuses on the arithmetic; what does not fit says what it would have to
be.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from assay.audit.claims.intervals import Interval
from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import Claim
from assay.audit.forensic.books import (
    deflated_floor,
    drawdown_exceeded,
    foresight_ceiling,
    minimum_track_record,
    needed_hit_rate,
    proportion_intervals,
    sharpe_interval,
)
from assay.audit.forensic.moments import std_ceiling
from assay.audit.rules.calendars import track_record
from assay.audit.rules.scope import Report, Run, doubtful, fits, note, number, percent, span, supported, weak
from assay.audit.verdicts import Finding
from assay.data.conventions import SESSIONS_A_YEAR
from assay.results.stats.deflated_sharpe import probabilistic_sharpe

__all__ = ["drawdown", "foresight", "sharpe_significance", "spreads", "stated_intervals", "thresholds"]

_CONFIDENCE = re.compile(r"\bci\b|confiden|confian|credible|置信|bootstrap", re.I)
_LEVEL = re.compile(r"(\d{2}(?:\.\d+)?)\s*%")
#: Metrics whose value without skill is 0, and those where it is 1/2.
_ZERO = ("ic", "rank_ic", "icir", "rank_icir", "icir_annual", "sharpe", "sharpe_gross", "sortino", "information_ratio",
         "alpha", "correlation", "mcc", "kappa", "r2", "excess_return", "mean_return", "quantile_spread")  # fmt: skip
_HALF = ("auc", "balanced_accuracy")
#: How much narrower than independent returns allow a Sharpe ratio's interval must be before it is doubted.
NARROW = 0.6
FLATTERS = "independent normal returns, which flatters most strategies"


def _daily_periods(run: Run) -> int | None:
    """Periods a year, where they are sessions: of other periods the weekdays of the dates are no count."""
    periods = run.group.portfolio.periods_per_year or SESSIONS_A_YEAR
    return None if run.group.sample.sessions is None and periods not in (252, 250, 260) else periods


def _scale(run: Run, estimate: Claim) -> float:
    """1, or 1/100 where the run reads a share printed without its percent sign."""
    printed = estimate.value.interval.middle
    return 0.01 if printed and abs(run.read(estimate).middle / printed - 0.01) < 1e-6 else 1.0


def _ends(run: Run, claim: Claim, estimate: Claim) -> tuple[Interval, Interval]:
    """What the two printed ends of an interval stand for, on the scale of the figure it is around."""
    value, scale = claim.value, _scale(run, estimate)
    half, end_half = value.half, value.end_unit / 2
    if run.lenient:
        half, end_half = value.unit, value.end_unit
    low = Interval(value.value - half, value.value + half) * scale
    return low, Interval(value.end - end_half, value.end + end_half) * scale


def _tied(report: Report, relation: str) -> Iterator[tuple[Run, Claim, Claim]]:
    """Claims of that relation, each with the figure that it is around and the run of that figure."""
    for claim in report.claims.claims:
        if claim.relation == relation and len(claim.inputs) == 1:
            estimate = report.claims.claim(claim.inputs[0])
            if estimate is not None and estimate.value.is_point and not estimate.target:
                yield report.run_of(estimate), claim, estimate


def stated_intervals(report: Report) -> Iterator[Finding]:
    """A printed interval holds its figure, goes with the stated n, and says whether chance covers the figure."""
    for run, claim, estimate in _tied(report, "interval"):
        if claim.value.bound != "range":
            continue
        low, high = _ends(run, claim, estimate)
        value = run.read(estimate)
        words = f"the interval {claim.printed} printed with {estimate.printed}"
        if low.low > value.high or high.high < value.low:
            held = "the interval is one around this figure, and not that of a bootstrap with a bias"
            yield doubtful("C18 interval", [claim], f"{words} does not hold it.", held)
            continue
        yield fits("C18 interval", [claim], f"{words} holds it.", weight=-1)
        if not _CONFIDENCE.search(claim.definition):
            continue
        yield from _against_null(claim, estimate, low, high)
        yield from _against_sample(run, claim, estimate, (low, high))


def _against_null(claim: Claim, estimate: Claim, low: Interval, high: Interval) -> Iterator[Finding]:
    null = 0.0 if estimate.metric in _ZERO else 0.5 if estimate.metric in _HALF else None
    if null is not None and low.high <= null <= high.low:
        sentence = f"the report's own interval {claim.printed} holds {null:g}, the value of no skill."
        yield weak("C18 interval", [estimate], sentence, weight=3)


def _level(claim: Claim) -> float | None:
    match = _LEVEL.search(claim.definition)
    level = float(match[1]) / 100 if match else None
    return level if level is not None and 0.5 <= level < 1 else None


def _against_sample(run: Run, claim: Claim, estimate: Claim, ends: tuple[Interval, Interval]) -> Iterator[Finding]:
    """Which interval for a share, or for a Sharpe ratio, the ends are, given n."""
    info, level = METRICS.get(estimate.metric), _level(claim) or 0.95
    low, high = ends
    width = Interval(max(high.low - low.high, 0.0), high.high - low.low)
    if info is not None and info.kind == "proportion" and run.group.sample.n and run.one_sample(estimate):
        yield from _share(run, claim, estimate, ends, level)
    record = track_record(run)
    if estimate.metric in ("sharpe", "sharpe_gross") and record is not None:
        periods = _daily_periods(run)
        if periods is None:
            return
        usual = sharpe_interval(estimate.value.value, record[0], periods, level).width
        words = f"over {record[1]} the {100 * level:g}% interval of a Sharpe ratio is {number(usual, 3)} wide"
        if width.high < NARROW * usual:
            held = "returns as good as independent, and a level of confidence as stated or 95%"
            yield doubtful("C18 interval", [claim], f"{words}, and {claim.printed} is printed.", held, 1)
        elif width.meets(Interval(0.9 * usual, 1.1 * usual)):
            yield fits("C18 interval", [claim], f"{words}, as the printed {claim.printed} is.", "Lo (2002)", 1)


def _share(
    run: Run, claim: Claim, estimate: Claim, ends: tuple[Interval, Interval], level: float
) -> Iterator[Finding]:
    n, value = run.group.sample.n or 1, run.read(estimate)
    counts = range(max(0, math.ceil(value.low * n - 1e-9)), min(n, math.floor(value.high * n + 1e-9)) + 1)
    if not counts or len(counts) > 20:
        return
    for k in counts:
        for name, interval in proportion_intervals(k, n, level).items():
            if ends[0].holds(interval.low) and ends[1].holds(interval.high):
                shown = span(interval, True)
                sentence = f"{name}'s {100 * level:g}% interval of {k} among {n:,} is {shown}, as printed."
                yield fits("C18 interval", [claim, estimate], sentence, name, 1)
                return


def spreads(report: Report) -> Iterator[Finding]:
    """What a ± can be: a standard error, its double, or a deviation over sessions, folds or seeds."""
    for run, claim, estimate in _tied(report, "spread"):
        spread, value = abs(run.read(claim)) * _scale(run, estimate), run.read(estimate)
        if spread.high <= 0:
            continue
        info, n = METRICS.get(estimate.metric), run.group.sample.n
        if info is not None and math.isfinite(info.low) and math.isfinite(info.high):
            top = std_ceiling(info.low, info.high, value)
            if spread.low > top * (1 + 1e-9):
                words = f"values between {info.low:g} and {info.high:g} with mean {estimate.printed} deviate by at most"
                words += f" {number(top)}, and ± {claim.printed} is printed."
                yield doubtful("C35 spread", [claim], words, "the ± is a standard deviation or a standard error")
                continue
        if info is not None and info.kind == "proportion" and n and run.one_sample(estimate, claim):
            middle = min(max(value.middle, 0.0), 1.0)
            error = math.sqrt(middle * (1 - middle) / n)
            readings = {"one standard error": error, "a 95% interval": 1.96 * error, "a 90% interval": 1.645 * error}
            hit = [name for name, size in readings.items() if spread.holds(size)]
            if hit:
                sentence = f"± {claim.printed} is {hit[0]} of {estimate.printed} on {n:,} cases."
                yield fits("C18 spread", [claim, estimate], sentence, hit[0])
                continue
        yield from _of_correlation(run, claim, estimate, spread)


def _of_correlation(run: Run, claim: Claim, estimate: Claim, spread: Interval) -> Iterator[Finding]:
    """A ± of an IC as its deviation over sessions: the ICIR it makes, and the error of its mean."""
    if estimate.metric not in ("ic", "rank_ic") or spread.low <= 0:
        return
    ratio = run.read(estimate) / spread
    printed = run.get("icir") or run.get("rank_icir")
    words = f"{estimate.printed} / {claim.printed} = {span(ratio)}"
    if printed is not None and run.read(printed).meets(ratio):
        reading = "a deviation over sessions"
        yield fits("C16 ICIR = IC / std", [claim, printed], f"{words}, ICIR printed {printed.printed}.", reading)
        return
    sessions = run.group.sample.sessions
    if sessions and sessions > 2:
        t = ratio.middle * math.sqrt(sessions)
        words += f": as a deviation over {sessions:,} sessions its mean has t = {number(t, 3)}, as a standard error"
        yield note("C18 spread", [claim], f"{words} {number(ratio.middle, 3)}.")


def thresholds(report: Report) -> Iterator[Finding]:
    """The probability that a Sharpe ratio exceeds the threshold that the report sets itself (Bailey & López de Prado,
    2012)."""
    for goal in report.claims.claims:
        if goal.metric not in ("sharpe", "sharpe_gross") or not goal.target or goal.value.bound not in ("", ">", ">="):
            continue
        runs = [run for run in report.runs if run.get(goal.metric) is not None and not run.at]
        same = [run for run in runs if run.group.name == goal.group and run.split == report.claims.split_of(goal)]
        if not same and len({run.group.name for run in runs}) == 1:
            same = runs
        for run in same:
            yield from _threshold(run, goal)


def _threshold(run: Run, goal: Claim) -> Iterator[Finding]:
    claim, record = run.get(goal.metric), track_record(run)
    if claim is None or record is None or goal.value.value <= 0:
        return
    periods = _daily_periods(run)
    if periods is None:
        return
    best, least = run.read(claim).high, run.read(claim).low
    if best <= goal.value.value:
        yield note("C18 threshold", [claim, goal], f"{claim.printed} does not reach the goal of {goal.printed}.")
        return
    year = math.sqrt(periods)
    chance = probabilistic_sharpe(best / year, record[0], threshold=goal.value.value / year)
    sure = probabilistic_sharpe(least / year, record[0], threshold=goal.value.value / year)
    words = f"over {record[1]} a Sharpe ratio of {claim.printed} exceeds the {goal.printed} aimed at with probability"
    if chance < 0.95:
        yield weak("C18 threshold", [claim, goal], f"{words} {percent(chance)}, short of 95%.", FLATTERS, 1)
    elif sure >= 0.95:
        yield supported("C18 threshold", [goal], f"{words} {percent(sure)}.", FLATTERS)


def _periods(run: Run) -> int:
    stated = run.group.portfolio.periods_per_year
    return stated if stated is not None and stated > 0 else SESSIONS_A_YEAR


def sharpe_significance(run: Run) -> Iterator[Finding]:
    """Lo's interval over the track record, the minimum track record, and the best of the trials listed."""
    record, periods, trials = track_record(run), _periods(run), run.group.portfolio.trials or 1
    daily = run.group.sample.sessions is not None or periods in (252, 250, 260, 244, 240)
    for name in ("sharpe", "sharpe_gross", "information_ratio"):
        claim = run.get(name)
        if claim is None or record is None or not daily:
            continue
        n, words = record
        value = run.read(claim).high if claim.value.value >= 0 else run.read(claim).low
        around = sharpe_interval(value, n, periods)
        words = f"over {words} the 95% interval of {claim.printed} is {number(around.low, 3)} to"
        words += f" {number(around.high, 3)}"
        floor = deflated_floor(trials, n, periods) if trials > 1 else 0.0
        if around.low <= 0 <= around.high:
            needed = minimum_track_record(abs(value), periods)
            more = f"; {math.ceil(needed):,} sessions would exclude zero one-sided" if math.isfinite(needed) else ""
            yield weak("C18 Sharpe interval", [claim], f"{words}, which holds zero{more}.", FLATTERS, 2)
        elif trials > 1 and around.low <= floor <= around.high:
            words += f", and the best of {trials} configurations without skill shows {number(floor, 3)} on average."
            held = f"{FLATTERS}; {trials} independent trials, those the report lists"
            yield weak("C19 selection", [claim], words, held, 2)
        elif around.low > 0:
            yield supported("C18 Sharpe interval", [claim], f"{words}.", FLATTERS)
    claim, best = run.get("sharpe"), deflated_floor(trials, SESSIONS_A_YEAR, SESSIONS_A_YEAR)
    if claim is not None and record is None and trials > 1 and run.read(claim).low < best * 2:
        words = f"Sharpe {claim.printed} is the best of at least {trials} configurations and no track record is stated:"
        words += f" over one year the best of so many without skill shows {number(best, 3)}."
        yield weak("C19 selection", [claim], words, "a track record of one year")


def foresight(run: Run) -> Iterator[Finding]:
    """The Sharpe ratio of knowing every sign, and the hit rate that a Sharpe ratio needs in one asset."""
    claim = run.get("sharpe")
    if claim is None or run.read(claim).low <= 0:
        return
    periods, assets = _periods(run), run.group.portfolio.assets
    if assets is not None and assets > 1:
        return
    value = run.read(claim).low
    ceiling = foresight_ceiling(periods)
    held = "one position of one sign a period in one asset, moves independent of being right"
    equal, normal = needed_hit_rate(value, periods, True), needed_hit_rate(value, periods, False)
    hit = run.get("hit_rate") or run.get("win_rate")
    working = f"in one asset a Sharpe ratio of {claim.printed} needs the sign right on {percent(equal)} of the days"
    working += f" if all moves are equal, {percent(min(normal, 1.0))} if they are normal"
    if value > ceiling:
        words = f"knowing every sign of normal daily returns gives √{periods}·0.798/0.603 = {number(ceiling, 3)}, below"
        yield doubtful("C22 foresight", [claim], f"{words} the printed {claim.printed}.", held, 3)
    elif hit is not None and run.read(hit).high < equal and (assets == 1 or run.group.portfolio.equal_bets):
        yield doubtful("C22 foresight", [claim, hit], f"{working}, and {hit.printed} is printed.", held, 3)
    elif equal > 0.62 and (assets == 1 or value > 5):
        words = f"{working}, and knowing every sign gives {number(ceiling, 3)}: no forecast of daily returns is that"
        words += " good."
        yield doubtful("C22 foresight", [claim], words, held, 2)


def drawdown(run: Run) -> Iterator[Finding]:
    """A maximum drawdown too small for the volatility: a random walk with this drift falls further almost surely."""
    sharpe, vol, fall = run.get("sharpe"), run.get("annual_volatility"), run.get("max_drawdown")
    record = track_record(run)
    if sharpe is None or vol is None or fall is None or record is None or run.read(vol).low <= 0:
        return
    years = record[0] / _periods(run)
    # A fall of that size within any one quarter is enough, and quarters are independent.
    quarters = max(1, int(4 * years))
    one = drawdown_exceeded(run.read(sharpe).high, run.read(vol).low, years / quarters, abs(run.read(fall)).high)
    chance = 1 - (1 - one) ** quarters
    if chance > 0.99:
        words = f"with Sharpe {sharpe.printed} and volatility {vol.printed} over {number(years, 3)} years, a random"
        words += f" walk falls by more than {fall.printed} within some quarter with probability {percent(chance)}."
        yield doubtful("C36 drawdown", [fall], words, "independent normal returns", 1)
