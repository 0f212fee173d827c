"""Rules on printed distributions and on reported significance tests."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.forensic.moments import debit_std, grimmer, percentiles_ordered
from assay.audit.forensic.sprite import integer_sample
from assay.audit.forensic.tests_reported import p_readings
from assay.audit.rules.scope import Run, broken, fits, number, span
from assay.audit.verdicts import Finding

__all__ = ["percentiles", "reported_tests", "whole_numbers"]

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
    if falls is not None:
        a, b = (points[i] for i in falls)
        yield broken(
            "C35 percentiles",
            [a[1], b[1]],
            f"the {a[0]:g}% point {a[1].printed} lies above the {b[0]:g}% point {b[1].printed}.",
            run.one_sample(*claims),
            "one distribution",
        )
        return
    ends = run.value("ic_min"), run.value("ic_max")
    for _, claim in points:
        if (ends[0] is not None and run.read(claim).high < ends[0].low) or (
            ends[1] is not None and run.read(claim).low > ends[1].high
        ):
            yield broken(
                "C35 percentiles",
                [claim],
                f"{claim.printed} lies outside the printed extremes.",
                run.one_sample(*claims),
                "one distribution",
            )
            return
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
    sentence = f"{words}, printed {std.printed}." if binary else f"{words}."
    if good:
        yield fits("C35 whole numbers", [mean, std], sentence)
    else:
        proven = run.one_sample(mean, std)
        yield broken("C35 whole numbers", [mean, std], sentence, proven, "all n values are whole", stated=True)


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
        if statistic is not None and p is not None and p.value.bound in ("", "<", "<=", ">", ">="):
            known = float(degrees.value.value) if degrees is not None and t is not None else None
            if known is None and t is not None:
                # Without degrees of freedom the normal tail is a lower bound on the p-value of a t.
                readings = {"normal": p_readings(run.read(t), None)["two-sided"]}
                allowed = Interval(readings["normal"].low / 2, 1.0)
                shown, proven = f"at least {number(allowed.low)}", False
            else:
                readings = p_readings(run.read(statistic), known)
                allowed, proven = readings["two-sided"], True
                shown = "; ".join(f"{name} {span(value)}" for name, value in readings.items())
            value = run.read(p)
            on = f" on {degrees.printed} degrees of freedom" if degrees is not None and t is not None else ""
            words = f"{'t' if t is not None else 'z'} = {statistic.printed}{on} has p {shown}, printed {p.printed}."
            hit = value.meets(allowed) or (proven and any(value.meets(reading) for reading in readings.values()))
            if hit and proven:
                yield fits("C38 test", [statistic, p], words)
            elif not hit:
                yield broken(
                    "C38 test", [p], words, proven and run.one_sample(p, statistic), "an ordinary two-sided test",
                    [p, statistic, degrees],
                )
