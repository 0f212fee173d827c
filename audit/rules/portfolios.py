"""Rules on portfolio figures: identities, sampling error, selection, ceilings, calendar and costs."""

from __future__ import annotations

import math
from collections.abc import Iterator

from assay.audit.forensic.portfolio import (
    annualised_readings,
    calmar,
    compounded_readings,
    cost_readings,
    drawdown_exceeded,
    foresight_ceiling,
    needed_hit_rate,
    sharpe_readings,
)
from assay.audit.forensic.significance import deflated_floor, minimum_track_record, sharpe_interval
from assay.audit.intervals import Interval
from assay.audit.rules.calendars import dates_of, track_record
from assay.audit.rules.scope import Run, broken, doubtful, fits, number, percent, span, supported, weak
from assay.audit.verdicts import Finding

__all__ = [
    "calmar_identity",
    "costs",
    "drawdown",
    "foresight",
    "per_period",
    "sharpe_identity",
    "sharpe_significance",
    "total_against_annual",
]

#: How far a Sharpe ratio may exceed return over volatility before no change of sampling frequency is believed.
FREQUENCY = 1.25
RISK_FREE_CEILING = 0.15
#: Volatility allowed for where none is printed.
LARGE_VOLATILITY = 0.6


def sharpe_identity(run: Run) -> Iterator[Finding]:
    """Sharpe = return / volatility, arithmetic or compounded, with or without a risk-free rate."""
    for sharpe_name, return_name in (("sharpe", "annual_return"), ("sharpe_gross", "annual_return_gross")):
        sharpe, gain, vol = run.get(sharpe_name), run.get(return_name), run.get("annual_volatility")
        if sharpe is None or gain is None or vol is None or run.read(vol).low <= 0:
            continue
        rate = run.group.portfolio.risk_free
        n = 20 if run.claims.draft else run.group.sample.sessions or 20
        stretch = Interval(math.sqrt((n - 1) / n), math.sqrt(n / (n - 1))) if n > 1 else Interval.point(1.0)
        readings = {
            name: value * stretch
            for name, value in sharpe_readings(run.read(gain), run.read(vol), rate.interval if rate else None).items()
        }
        value = run.read(sharpe)
        plain = run.read(gain) / run.read(vol)
        working = f"{gain.printed} / {vol.printed} = {span(plain)}"
        hit = [name for name, reading in readings.items() if value.meets(reading)]
        involved = [sharpe, gain, vol]
        if hit:
            yield fits(
                "C15 Sharpe = return / volatility",
                involved,
                f"{working} ({hit[0]}), Sharpe printed {sharpe.printed}.",
                hit[0],
            )
            continue
        if not run.one_sample(*involved):
            continue  # A mean of ratios is no ratio of means.
        top = max(reading.high for reading in readings.values())
        if value.low > top:
            factor = value.low / top if top > 0 else math.inf
            yield broken(
                "C15 Sharpe = return / volatility",
                [sharpe],
                f"{working}, at most {number(top)} in any reading, and a risk-free rate only lowers it, but"
                f" {sharpe.printed} is printed.",
                factor > FREQUENCY and run.together(*involved),
                "return, volatility and Sharpe are of one series at one frequency, and no rate is below zero",
            )
            continue
        needed = run.read(gain) - value * run.read(vol)
        if rate is not None:
            yield broken(
                "C15 Sharpe = return / volatility",
                [sharpe],
                f"{working}, less the risk-free rate {rate.text}"
                f" {span(readings['(return - risk-free) / volatility'])}, but {sharpe.printed} is printed.",
                run.together(*involved),
                "one series at one frequency",
            )
        elif needed.low <= RISK_FREE_CEILING:
            yield fits(
                "C15 Sharpe = return / volatility",
                involved,
                f"{working}; Sharpe {sharpe.printed} follows with a risk-free rate of {span(needed, True)},"
                " which is not stated.",
                "less an unstated risk-free rate",
            )
        else:
            yield doubtful(
                "C15 Sharpe = return / volatility",
                [sharpe],
                f"{working}; Sharpe {sharpe.printed} would need a risk-free rate of {span(needed, True)}.",
                f"no risk-free rate above {percent(RISK_FREE_CEILING, 0)}",
            )


def _periods(run: Run) -> int:
    stated = run.group.portfolio.periods_per_year
    return stated if stated is not None and stated > 0 else 252


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
    best = deflated_floor(trials, 252, 252)
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


def calmar_identity(run: Run) -> Iterator[Finding]:
    """Calmar = annual return / |maximum drawdown|."""
    ratio, gain, fall = run.get("calmar"), run.get("annual_return"), run.get("max_drawdown")
    if ratio is None or gain is None or fall is None or abs(run.read(fall)).low <= 0:
        return
    wanted = calmar(run.read(gain), run.read(fall))
    sentence = f"{gain.printed} over a drawdown of {fall.printed} is {span(wanted)}, Calmar printed {ratio.printed}."
    if run.read(ratio).meets(wanted):
        yield fits("C15 Calmar", [ratio, gain, fall], sentence)
    elif run.one_sample(ratio, gain, fall):
        yield broken("C15 Calmar", [ratio], sentence, False, "the ratio covers the same period as the drawdown")


def costs(run: Run) -> Iterator[Finding]:
    """Gross less net is the rate times the turnover, one-way or two-way, per period or per year."""
    gross, net = run.get("annual_return_gross"), run.get("annual_return")
    if gross is not None and net is not None and run.read(net).low > run.read(gross).high:
        yield broken(
            "C31 gross and net",
            [gross, net],
            f"net {net.printed} exceeds gross {gross.printed}: costs cannot be negative.",
            False,
            "both figures are of one portfolio",
        )
        return
    turnover, rate, cost = run.get("turnover"), run.get("cost_rate"), run.get("annual_cost")
    stated = run.group.portfolio.rate_bps
    price = run.read(rate) if rate is not None else Interval.point(stated / 1e4) if stated is not None else None
    if turnover is None or price is None:
        return
    if cost is not None:
        paid, words = run.read(cost), f"cost printed {cost.printed}"
    elif gross is not None and net is not None:
        paid, words = run.read(gross) - run.read(net), f"gross {gross.printed} less net {net.printed}"
    else:
        return
    # A rate per side is paid on both sides of a one-way turnover, once on a two-way one.
    kind = {"one-way": "one-way", "two-way": "as printed"}.get(run.group.portfolio.turnover_kind, "")
    readings = {name: x for name, x in cost_readings(run.read(turnover), price).items() if name.startswith(kind)}
    first, daily = next(iter(readings.values())), next(x for name, x in readings.items() if name.endswith("times 252"))
    hit = [name for name, value in readings.items() if paid.meets(value)]
    claims = [claim for claim in (cost, gross, net, turnover) if claim is not None]
    per_side = f"{price.middle * 1e4:g} bps"
    if hit:
        yield fits(
            "C31 cost", claims, f"turnover {turnover.printed} at {per_side} ({hit[0]}) agrees with {words}.", hit[0]
        )
    else:
        yield broken(
            "C31 cost",
            [cost or net],
            f"turnover {turnover.printed} at {per_side} costs {span(first, True)} a period, {span(daily, True)} over"
            f" 252, and no other reading meets {words}.",
            False,
            "commission at the stated rate is the only cost, turnover per day, week, month or year",
        )


def per_period(run: Run) -> Iterator[Finding]:
    """Daily and annual figures: times P, times sqrt P, or compounded."""
    stated = run.group.portfolio.periods_per_year
    for small, large, kind in (
        ("mean_return", "annual_return", "mean"),
        ("return_std", "annual_volatility", "std"),
        ("icir", "icir_annual", "ratio"),
    ):
        a, b = run.get(small), run.get(large)
        if a is None or b is None:
            continue
        readings = annualised_readings(run.read(a), kind)
        if kind == "mean":
            # A compounded figure lies below the compounded mean by about half the variance.
            vol = run.value("annual_volatility")
            spread = 0.8 * (vol.high if vol is not None else LARGE_VOLATILITY) ** 2
            for name in [name for name in readings if name.startswith("compounded") and readings[name].low > -1]:
                low = math.expm1(math.log1p(readings[name].low) - spread - 0.8 * readings[name].low ** 2)
                readings[f"{name}, less half the variance"] = Interval(low, readings[name].high)
        hit = [name for name, value in readings.items() if run.read(b).meets(value)]
        if hit:
            sharpest = min(hit, key=lambda name: readings[name].width)
            named = next((name for name in hit if stated and name.endswith(f" {stated}")), sharpest)
            shown = span(readings[named], b.value.percent)
            yield fits("C32 annualised", [a, b], f"{a.printed} {named} is {shown}, printed {b.printed}.", named)
        else:
            base = f"times {'sqrt ' if kind != 'mean' else ''}252"
            shown = ", ".join(f"{name} {span(value)}" for name, value in readings.items() if name.endswith(" 252"))
            yield broken(
                "C32 annualised",
                [b],
                f"{a.printed} {shown or base}; no calendar turns it into {b.printed}.",
                False,
                "both are of one series, the first per day, week, month, quarter or year",
            )


def total_against_annual(run: Run) -> Iterator[Finding]:
    """Total return, years and annual return: compounded, or divided."""
    total, annual = run.get("total_return"), run.get("annual_return")
    stretch, sessions = dates_of(run.group.sample.start, run.group.sample.end), run.group.sample.sessions
    if total is None or annual is None or (stretch is None and not sessions):
        return
    spans = [(stretch[1] - stretch[0]).days / 365.25] if stretch else []
    spans += [sessions / periods for periods in (252, 250, 260, 244, 365)] if sessions else []
    years = Interval(max(min(spans) * 0.99 - 0.02, 1e-3), max(spans) * 1.01 + 0.02)
    readings = compounded_readings(run.read(total), years)
    hit = [name for name, value in readings.items() if run.read(annual).meets(value)]
    words = f"{total.printed} over {number(years.low, 3)} to {number(years.high, 3)} years"
    if hit:
        yield fits(
            "C32 total and annual", [total, annual], f"{words}, {hit[0]}, is {span(readings[hit[0]], True)}.", hit[0]
        )
        return
    # The arithmetic mean times P exceeds the compounded rate by half the variance.
    vol = run.value("annual_volatility")
    compounded = readings.get("compounded")
    if compounded is not None:
        room = 0.8 * (vol.high**2 if vol is not None else 1.0)
        if run.read(annual).meets(Interval(math.log1p(max(compounded.low, -0.999)), compounded.high + room)):
            yield fits(
                "C32 total and annual",
                [total, annual],
                f"{words} leaves room for an arithmetic mean of {annual.printed}.",
            )
            return
    yield broken(
        "C32 total and annual",
        [annual],
        f"{words} is {span(next(iter(readings.values())), True)} divided and"
        f" {span(compounded, True) if compounded else 'undefined'} compounded, but {annual.printed} is"
        " printed.",
        False,
        "both are of the whole period",
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
