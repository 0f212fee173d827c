"""Rules on the naive forecast, on errors of levels called errors of returns, on distributions and reported tests."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.forensic.moments import (
    debit_std,
    grimmer,
    integer_sample,
    p_readings,
    percentiles_ordered,
    persistence_mape,
    r2_of_persistence,
    target_std,
)
from assay.audit.rules.identity import as_shares
from assay.audit.rules.scope import Run, baseline, broken, doubtful, fits, judged, number, percent, span
from assay.audit.verdicts import Finding

__all__ = ["levels_or_returns", "percentiles", "persistence", "reported_tests", "whole_numbers"]

#: Assumed daily volatility where none is printed, and the largest two-session deviation of returns that is believed.
DAILY_VOLATILITY = 0.02
LARGEST_RETURN_STD = 1.0


def persistence(run: Run) -> Iterator[Finding]:
    """The last price again: its MAPE at the stated or an assumed daily volatility, and its R² from printed spreads."""
    target, mape, r2, rmse = run.group.target, run.get("mape"), run.get("r2"), run.get("rmse")
    horizon, stated = max(run.group.sample.horizon or 1, 1), target.daily_volatility
    if target.kind not in ("price", "return") or mape is None:
        return
    if target.kind == "return" and not _prices_in_disguise(run):
        return
    volatility = stated.interval.high if stated is not None else DAILY_VOLATILITY
    bar, values = persistence_mape(volatility, horizon), as_shares(run.read(mape), mape)
    if all(value.low > bar for value in values):
        needed = values[0].low / (math.sqrt(2 / math.pi) * math.sqrt(horizon))
        words = f"repeating the last price over {horizon} session{'s' if horizon > 1 else ''} has a MAPE of"
        words += f" 0.798·σ·√h = {percent(bar)} at σ = {percent(volatility)} a day, against {mape.printed} for the"
        words += f" model; they are equal only at σ = {percent(needed)} a day."
        beside = r2 if r2 is not None and run.read(r2).low > 0.9 else None
        words += "" if beside is None else f" An R² of {beside.printed} on levels says nothing beside it."
        assumption = None if stated is not None else f"daily volatility of {percent(DAILY_VOLATILITY, 0)}"
        yield baseline("C13 persistence", [mape, beside], words, assumption, 1)
    if stated is not None and target.mean is not None and r2 is not None and rmse is not None:
        level = target_std(run.read(rmse), run.read(r2))
        change = target.mean.interval * stated.interval * math.sqrt(horizon)
        if level.low > 0 and change.low > 0 and run.read(r2).high < (naive := r2_of_persistence(change, level)).low:
            words = f"repeating the last price has R² of about {span(naive)} at the printed volatility, the"
            held = "changes without drift, proportional to the mean price"
            yield baseline("C13 persistence", [r2, rmse], f"{words} model {r2.printed}.", held, 1)


def levels_or_returns(run: Run) -> Iterator[Finding]:
    """Figures said to be of returns whose implied deviation no return has: they are of price levels."""
    r2, rmse, target = run.get("r2"), run.get("rmse"), run.group.target
    if r2 is None or rmse is None or rmse.value.percent or target.kind != "return":
        return
    implied = target_std(run.read(rmse), run.read(r2))
    if implied.low > LARGEST_RETURN_STD:
        words = f"RMSE {rmse.printed} with R² {r2.printed} needs a target deviation of RMSE/√(1−R²) = {span(implied)}:"
        words += f" as returns that is {percent(implied.low, 0)} or more, so these are errors of price levels and the"
        held = f"returns deviate by less than {percent(LARGEST_RETURN_STD, 0)} per period"
        words += " R² is the spread between prices."
        yield doubtful("C11 unit of the target", [r2, rmse], words, held, 2)


def _prices_in_disguise(run: Run) -> bool:
    return any(finding.check_id.startswith("C11 unit") for finding in levels_or_returns(run))


def percentiles(run: Run) -> Iterator[Finding]:
    """Percentiles rise with their level and stay inside the extremes."""
    points: list[tuple[float, Claim]] = []
    for claim in run.measured:
        match = re.search(r"(\d+(?:\.\d+)?)\s*(?:%|th|pct|percent)?", claim.label)
        if claim.metric == "ic_percentile" and match:
            points.append((float(match[1]), claim))
    if len(points) < 2:
        return
    claims = [claim for _, claim in points]
    falls = percentiles_ordered([(level, run.read(claim)) for level, claim in points])
    least, largest = run.value("ic_min"), run.value("ic_max")
    low, high = (-math.inf if least is None else least.low), (math.inf if largest is None else largest.high)
    outside = next((c for c in claims if run.read(c).high < low or run.read(c).low > high), None)
    if falls is not None:
        a, b = (points[i] for i in falls)
        words = f"the {a[0]:g}% point {a[1].printed} lies above the {b[0]:g}% point {b[1].printed}."
        yield broken("C35 percentiles", [a[1], b[1]], words, run.one_sample(*claims), "one distribution")
    elif outside is not None:
        words = f"{outside.printed} lies outside the printed extremes."
        yield broken("C35 percentiles", [outside], words, run.one_sample(*claims), "one distribution")
    else:
        listed = ", ".join(claim.printed for _, claim in sorted(points, key=lambda item: item[0]))
        yield fits("C35 percentiles", claims, f"the percentiles {listed} rise with their level.")


def whole_numbers(run: Run) -> Iterator[Finding]:
    """Mean and deviation of n whole numbers (GRIMMER) or of n zeros and ones (DEBIT), where the report says which."""
    mean, std, n = run.get("mean"), run.get("std"), run.group.sample.n
    if mean is None or std is None or not n or n < 2:
        return
    binary = re.search(r"binary|dummy|indicator|zeros and ones|0/1", mean.definition, re.I)
    whole = re.search(r"whole number|integer|count of|number of", mean.definition, re.I)
    if not binary and not whole:
        return
    m, s = run.read(mean), run.read(std)
    if binary:
        good = any(s.meets(debit_std(m, n, ddof)) for ddof in (0, 1))
        words = f"a share of {mean.printed} on {n:,} zeros and ones deviates by √(p(1−p)) = {span(debit_std(m, n))}"
    else:
        if m.width * n > 50 or n > 5000:
            return
        good, words = _whole_sample(run, mean, std, n)
    words = f"{words}, printed {std.printed}." if binary else f"{words}."
    proven, held = run.one_sample(mean, std), "all n values are whole"
    yield judged(good, "C35 whole numbers", [mean, std], words, proven, held, stated=True)


def _whole_sample(run: Run, mean: Claim, std: Claim, n: int) -> tuple[bool, str]:
    """Whether n whole numbers can have the prints, by parity and, where there are few, by trying them all."""
    m, s = run.read(mean), run.read(std)
    low, high = run.get("minimum"), run.get("maximum")
    ends = tuple(
        int(claim.value.value) if claim is not None and claim.value.value.is_integer() else None
        for claim in (low, high)
    )
    said = f"mean {mean.printed} and deviation {std.printed}"
    said += "".join(
        f", {name} {claim.printed}" for name, claim, end in zip(("least", "largest"), (low, high), ends, strict=True)
        if claim is not None and end is not None
    )  # fmt: skip
    if not any(grimmer(m, s, n, ddof) for ddof in (0, 1)):
        return False, f"no {n:,} whole numbers have mean {mean.printed} and deviation {std.printed}"
    searches = [integer_sample(m, s, n, ddof, (ends[0], ends[1])) for ddof in (1, 0)]
    found = next((search.sample for search in searches if search.exists), ())
    if found and n <= 12:
        return True, f"{', '.join(map(str, found))} are {n} whole numbers with {said}"
    if found or not all(search.decided for search in searches):
        return True, f"{n:,} whole numbers can have {said}"
    return False, f"every sample of {n:,} whole numbers was tried, and none has {said}"


def reported_tests(run: Run) -> Iterator[Finding]:
    """t or z, degrees of freedom and p; t = estimate / standard error."""
    labels = {claim.label for claim in run.members if claim.metric in ("p_value", "t_statistic", "z_statistic")}
    for label in sorted(labels):
        t, z = run.get("t_statistic", label), run.get("z_statistic", label)
        p = next((c for c in run.members if c.metric == "p_value" and c.label == label and not c.target), None)
        degrees = run.get("degrees_of_freedom", label) or run.get("degrees_of_freedom")
        statistic = t or z
        if statistic is None or p is None or p.value.bound == "range":
            continue
        known = float(degrees.value.value) if degrees is not None and t is not None else None
        readings, proven = p_readings(run.read(statistic), known), known is not None or t is None
        shown = "; ".join(f"{name} {span(value)}" for name, value in readings.items())
        if not proven:
            # Without degrees of freedom the normal tail is a lower bound on the p-value of a t.
            readings = {"": Interval(readings["two-sided"].low / 2, 1.0)}
            shown = f"at least {number(readings[''].low)}"
        on = f" on {degrees.printed} degrees of freedom" if degrees is not None and t is not None else ""
        words = f"{'t' if t is not None else 'z'} = {statistic.printed}{on} has p {shown}, printed {p.printed}."
        hit = any(run.read(p).meets(reading) for reading in readings.values())
        if hit and proven:
            yield fits("C38 test", [statistic, p], words)
        elif not hit:
            sound, used = proven and run.one_sample(p, statistic), [p, statistic, degrees]
            yield broken("C38 test", [p], words, sound, "an ordinary two-sided test", used)
