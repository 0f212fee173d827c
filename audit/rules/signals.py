"""Rules on information coefficients: their ratio, their breadth, and what they say about spreads and Sharpe ratios."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.forensic.books import breadth_needed, foresight_ceiling, quantile_slope, return_std_from_spread
from assay.audit.forensic.moments import t_of_mean
from assay.audit.rules.scope import Run, broken, doubtful, judged, number, percent, span, supported, weak
from assay.audit.verdicts import Finding
from assay.data.conventions import SESSIONS_A_YEAR

__all__ = [
    "calibration", "correlation_bounds", "ic_breadth", "ic_significance", "quantile_portfolio", "quantile_spread",
    "signal_to_portfolio",
]  # fmt: skip

LARGEST_DAILY_STD = 0.04
NORMAL = "scores and returns are jointly normal across names"
_QUANTILES = {"quintile": 5, "decile": 10, "tercile": 3, "quartile": 4}


def _ic(run: Run) -> Claim | None:
    return run.get("ic") or run.get("rank_ic")


def _std(run: Run) -> Claim | None:
    """The deviation that goes with `_ic`."""
    return run.get("ic_std") if run.get("ic") is not None else run.get("ic_std") or run.get("rank_ic_std")


def correlation_bounds(run: Run) -> Iterator[Finding]:
    """A correlation outside [-1, 1] is something else under its name, most often the ratio of IC to its deviation."""
    for claim in run.measured:
        if claim.metric not in ("ic", "rank_ic", "correlation"):
            continue
        size = abs(run.read(claim))
        if size.low <= 1 or claim.value.percent:
            continue
        others = any(
            c.metric in ("ic", "rank_ic", "correlation") and c.id != claim.id and not c.value.percent
            and 0 < abs(c.value.value) <= 1 and c.group == claim.group
            for c in run.claims.claims
        )  # fmt: skip
        ratios = (c for c in run.claims.claims if c.metric == "icir" and run.read(claim).meets(c.value.interval))
        ratio = next(ratios, None)
        words = f"a correlation cannot be {claim.printed}: it lies between −1 and 1."
        words += f" {ratio.printed} is what the report prints as IC over its deviation." if ratio is not None else ""
        held = "it is printed as a decimal, not in percent"
        yield broken("C16 correlation ≤ 1", [claim], words, others or ratio is not None, held)


def ic_breadth(run: Run) -> Iterator[Finding]:
    """Sampling alone spreads the IC by 1/sqrt(N - 1): a smaller printed deviation needs that many names."""
    std, n = _std(run), run.group.sample.assets
    if std is None or n is None or run.read(std).low <= 0:
        return
    needed = breadth_needed(run.read(std))
    if n < needed * 0.8:
        chance = number(1 / math.sqrt(max(1, n - 1)), 3)
        words = f"over {n} names sampling alone spreads the IC by 1/√({n}−1) = {chance}, more than the printed"
        words += f" {std.printed}, which needs at least {number(math.floor(needed))} independent names."
        held = "names are independent across the section"
        yield doubtful("C16 breadth", [std, run.get("icir")], words, held)


def ic_significance(run: Run) -> Iterator[Finding]:
    """t of a mean IC over its sessions, ICIR·sqrt(n), against what chance leaves."""
    mean, std, n = _ic(run), _std(run), run.group.sample.sessions
    if mean is None or std is None or run.read(std).low <= 0 or not n:
        return
    implied = t_of_mean(run.read(mean), run.read(std), n)
    words = f"t of the mean IC over {n} sessions: {mean.printed}/{std.printed}·√{n} = {span(implied)}"
    if abs(implied).high < 1.96:
        yield weak("C16 IC significance", [mean], f"{words}, below 1.96.")
    elif implied.low > 3:
        held = "daily ICs independent, one trial, nothing seen in training"
        yield supported("C16 IC significance", [mean], f"{words}.", held)


def signal_to_portfolio(run: Run) -> Iterator[Finding]:
    """Sharpe = TC · ICIR · sqrt(P): a transfer coefficient above 1 or far below 0.15 says they are not one thing."""
    ratio, sharpe = run.get("icir") or run.get("rank_icir"), run.get("sharpe")
    mean, std = _ic(run), _std(run)
    if sharpe is None:
        return
    if ratio is not None:
        value = run.read(ratio)
    elif mean is not None and std is not None:
        value = run.read(mean) / run.read(std)
    else:
        return
    if value.low <= 0 or run.read(sharpe).low <= 0:
        return
    yearly = value * math.sqrt(run.group.portfolio.periods_per_year or SESSIONS_A_YEAR)
    transfer = run.read(sharpe) / yearly  # the transfer coefficient, of Clarke, de Silva & Thorley (2002)
    shown = ratio.printed if ratio is not None else number(value.middle)
    words = f"a daily ICIR of {shown} is {span(yearly)} a year; Sharpe {sharpe.printed} is {span(transfer)} of it"
    if transfer.low > 1:
        words += ", and a portfolio cannot earn more than its signal."
        held = "the Sharpe ratio comes from this signal alone, rebalanced every period"
        yield doubtful("C17 transfer coefficient", [sharpe, ratio], words, held, 1)
    elif transfer.high < 0.15 and not _of_one_period(run, run.read(sharpe), value):
        words += ", where even constrained portfolios keep a third or more: the two do not describe one strategy."
        held = "daily rebalancing on this signal; costs and constraints keep at least 15% of it"
        yield doubtful("C17 transfer coefficient", [sharpe, ratio], words, held, 1)


def _of_one_period(run: Run, sharpe: Interval, ratio: Interval) -> bool:
    """Whether a Sharpe ratio may be one a period, as averages of long-short returns are printed: no periods a year are
    stated, it is below what knowing every sign earns in a period, and beside the ICIR it is a believable share."""
    stated = run.group.portfolio.periods_per_year is not None
    return not stated and sharpe.high < foresight_ceiling(1) and (sharpe / ratio).meets(Interval(0.15, 1.0))


def _spread(run: Run, metric: str) -> tuple[Claim, Claim, Interval, int] | None:
    """Top and bottom quantile of a metric, their difference, and how many quantiles."""
    parts = run.labelled(metric)
    top = next((c for label, c in parts.items() if re.search(r"top|long|q5|highest|best", label, re.I)), None)
    bottom = next((c for label, c in parts.items() if re.search(r"bottom|short|q1|lowest|worst", label, re.I)), None)
    if top is None or bottom is None or top is bottom:
        return None
    words = f"{top.label} {top.definition} {bottom.label}".lower()
    count = next((q for name, q in _QUANTILES.items() if name in words), 5)
    return top, bottom, run.read(top) - run.read(bottom), count


def quantile_spread(run: Run) -> Iterator[Finding]:
    """Top minus bottom quantile equals 2 kappa IC sigma: the cross-sectional deviation it needs, stated or not."""
    mean, parts = _ic(run), _spread(run, "quantile_return")
    printed = run.get("quantile_spread")
    if parts is not None and printed is not None:
        top, bottom, spread, _ = parts
        words = f"{top.printed} − ({bottom.printed}) = {span(spread, True)}, spread printed {printed.printed}."
        held, used = "the spread is top minus bottom of the same quantiles", [printed, top, bottom]
        yield judged(run.read(printed).meets(spread), "C20 spread", [printed], words, False, held, used)
    if mean is None or parts is None or run.read(mean).low <= 0 or parts[2].low <= 0:
        return
    top, bottom, spread, count = parts
    kappa, sigma = quantile_slope(count), return_std_from_spread(spread, run.read(mean), count)
    if sigma.low > LARGEST_DAILY_STD:
        words = f"a spread of {top.printed} − ({bottom.printed}) = {span(spread, True)} at IC {mean.printed} needs"
        words += f" returns that deviate by {span(sigma, True)} a period across names (spread /"
        words += f" (2·{number(kappa)}·IC))."
        held = f"{NORMAL}, and single names deviate by at most {percent(LARGEST_DAILY_STD, 0)} a day"
        yield doubtful("C20 quantile spread", [top, bottom], words, held, 1)


def quantile_portfolio(run: Run) -> Iterator[Finding]:
    """Mean quantile returns times weights times P over the Sharpe ratio is the volatility the portfolio would need."""
    parts, sharpe, book = _spread(run, "quantile_return"), run.get("sharpe"), run.group.portfolio
    if parts is None or sharpe is None or run.read(sharpe).low <= 0:
        return
    top, bottom, _, _ = parts
    long, short = book.long_gross, book.short_gross
    assumed = long is None or short is None
    long, short = (0.5, 0.5) if long is None or short is None else (long, short)
    periods = book.periods_per_year or SESSIONS_A_YEAR
    annual = (run.read(top) * long - run.read(bottom) * short) * periods
    if annual.low <= 0:
        return
    volatility = annual / run.read(sharpe)
    printed = run.get("annual_volatility")
    words = f"{long:g}·({top.printed}) − {short:g}·({bottom.printed}) a day is {span(annual, True)} a year, which"
    words += f" at Sharpe {sharpe.printed} is a volatility of {span(volatility, True)}"
    sides = f"long and short sides of {long:g} and {short:g}, held for one day"
    held = sides if assumed else "the quantiles are what is held"
    if printed is not None and not run.read(printed).meets(volatility):
        words += f", and {printed.printed} is printed."
        yield doubtful("C21 quantile returns", [sharpe, top, bottom], words, held, 2)
    elif printed is None and volatility.low > 0.6:
        held += f"; no such book runs at {percent(0.6, 0)} or more"
        yield doubtful("C21 quantile returns", [sharpe, top, bottom], f"{words}.", held, 2)


def _ic_of_model(run: Run) -> tuple[Claim | None, str]:
    """The IC of the run, or of another run of the same model, with what the latter assumes."""
    own = _ic(run)
    if own is not None or not run.group.model:
        return own, ""
    others = [
        c
        for c in run.claims.claims
        if c.metric in ("ic", "rank_ic")
        and not (c.at or c.label or c.target)
        and c.value.is_point
        and run.possible(c)
        and run.claims.group(c.group).model == run.group.model
    ]
    return (others[0] if others else None), "; the IC is of the same predictions"


def calibration(run: Run) -> Iterator[Finding]:
    """A calibrated forecast spreads by IC times the returns' deviation; realised over predicted spread is 1."""
    std = run.get("prediction_std")
    mean, identified = _ic_of_model(run) if std is not None else (None, "")
    if mean is not None and std is not None and run.read(mean).low > 0:
        sigma = run.read(std) / run.read(mean)
        if sigma.low > LARGEST_DAILY_STD:
            words = f"predictions that deviate by {std.printed} at IC {mean.printed} are calibrated only for returns"
            words += f" that deviate by {span(sigma, True)} (std / IC): they are several times too wide."
            held = f"single names deviate by at most {percent(LARGEST_DAILY_STD, 0)} a period{identified}"
            yield doubtful("C20 calibration", [std], words, held, 1)
    realised, predicted = _spread(run, "quantile_return"), _spread(run, "quantile_predicted_return")
    if predicted is None:
        return
    top, bottom, difference, _ = predicted
    if realised is not None and difference.low > 0:
        slope = realised[2] / difference
        if slope.high < 0.8 or slope.low > 1.25:
            words = f"predicted top minus bottom is {span(difference, True)}, realised {span(realised[2], True)}: a"
            words += f" slope of {span(slope)}, so the predicted returns cannot be taken at face value."
            held = "both rows are of the same quantiles and sessions"
            yield doubtful("C20 calibration", [top, bottom], words, held)
    stated = run.get("predicted_spread")
    if stated is not None and not run.read(stated).meets(difference):
        words = f"the quantiles' predicted returns differ by {span(difference, True)}, and a spread of"
        held = "top and bottom mean the same quantiles in both places"
        yield doubtful("C37 predicted spread", [stated], f"{words} {stated.printed} is printed.", held)
