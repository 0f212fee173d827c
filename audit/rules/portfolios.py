"""Rules on portfolio figures that rest on sampling: intervals, selection, foresight and drawdowns."""

from __future__ import annotations

import math
from collections.abc import Iterator

from assay.audit.forensic.portfolio import drawdown_exceeded, foresight_ceiling, needed_hit_rate
from assay.audit.forensic.significance import deflated_floor, minimum_track_record, sharpe_interval
from assay.audit.rules.calendars import track_record
from assay.audit.rules.scope import Run, doubtful, number, percent, supported, weak
from assay.audit.verdicts import Finding
from assay.data.conventions import SESSIONS_A_YEAR

__all__ = ["drawdown", "foresight", "sharpe_significance"]


def _periods(run: Run) -> int:
    stated = run.group.portfolio.periods_per_year
    return stated if stated is not None and stated > 0 else SESSIONS_A_YEAR


def sharpe_significance(run: Run) -> Iterator[Finding]:
    """Lo's interval over the track record, the minimum track record, and the best of the trials listed."""
    record = track_record(run)
    for name in ("sharpe", "sharpe_gross", "information_ratio"):
        claim = run.get(name)
        if claim is None or record is None:
            continue
        n, words = record
        periods = _periods(run)
        if run.group.sample.sessions is None and periods not in (252, 250, 260, 244, 240):
            continue
        value = run.read(claim).high if claim.value.value >= 0 else run.read(claim).low
        around = sharpe_interval(value, n, periods)
        working = (
            f"over {words} the 95% interval of {claim.printed} is {number(around.low, 3)} to {number(around.high, 3)}"
        )
        held = "independent normal returns, which flatters most strategies"
        trials = run.group.portfolio.trials or 1
        floor = deflated_floor(trials, n, periods) if trials > 1 else 0.0
        if around.low <= 0 <= around.high:
            needed = minimum_track_record(abs(value), periods)
            more = f"; {math.ceil(needed):,} sessions would exclude zero one-sided" if math.isfinite(needed) else ""
            yield weak("C18 Sharpe interval", [claim], f"{working}, which holds zero{more}.", held, 2)
        elif trials > 1 and around.low <= floor <= around.high:
            yield weak(
                "C19 selection",
                [claim],
                f"{working}, and the best of {trials} configurations without skill shows {number(floor, 3)} on"
                " average.",
                f"{held}; {trials} independent trials, those the report lists",
                2,
            )
        elif around.low > 0:
            yield supported("C18 Sharpe interval", [claim], f"{working}.", held)
    claim, trials = run.get("sharpe"), run.group.portfolio.trials or 1
    best = deflated_floor(trials, SESSIONS_A_YEAR, SESSIONS_A_YEAR)
    if claim is not None and record is None and trials > 1 and run.read(claim).low < best * 2:
        yield weak(
            "C19 selection",
            [claim],
            f"Sharpe {claim.printed} is the best of at least {trials} configurations and no track record is"
            f" stated: over one year the best of so many without skill shows {number(best, 3)}.",
            "a track record of one year",
        )


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
        yield doubtful(
            "C22 foresight",
            [claim],
            f"knowing every sign of normal daily returns gives √{periods}·0.798/0.603 = {number(ceiling, 3)},"
            f" below the printed {claim.printed}.",
            held,
            3,
        )
    elif hit is not None and run.read(hit).high < equal and (assets == 1 or run.group.portfolio.equal_bets):
        yield doubtful("C22 foresight", [claim, hit], f"{working}, and {hit.printed} is printed.", held, 3)
    elif equal > 0.62 and (assets == 1 or value > 5):
        yield doubtful(
            "C22 foresight",
            [claim],
            f"{working}, and knowing every sign gives {number(ceiling, 3)}: no forecast of daily returns is that good.",
            held,
            2,
        )


def drawdown(run: Run) -> Iterator[Finding]:
    """A maximum drawdown too small for the volatility: a random walk with this drift falls further almost surely."""
    sharpe, vol, fall, record = (
        run.get("sharpe"),
        run.get("annual_volatility"),
        run.get("max_drawdown"),
        track_record(run),
    )
    if sharpe is None or vol is None or fall is None or record is None or run.read(vol).low <= 0:
        return
    level = abs(run.read(fall)).high
    years = record[0] / _periods(run)
    # A fall of that size within any one quarter is enough, and quarters are independent.
    quarters = max(1, int(4 * years))
    one = drawdown_exceeded(run.read(sharpe).high, run.read(vol).low, years / quarters, level)
    chance = 1 - (1 - one) ** quarters
    if chance > 0.99:
        yield doubtful(
            "C36 drawdown",
            [fall],
            f"with Sharpe {sharpe.printed} and volatility {vol.printed} over {number(years, 3)} years, a"
            f" random walk falls by more than {fall.printed} within some quarter with probability"
            f" {percent(chance)}.",
            "independent normal returns",
            1,
        )
