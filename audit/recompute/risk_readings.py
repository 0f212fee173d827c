"""Drawdown, downside, tail and moment figures of a return series under every convention of the grid.

References
----------
Sortino & Price (1994) for the downside deviation over all observations; Young (1991) for the Calmar ratio;
Rockafellar & Uryasev (2000) for the mean of the tail.

"""

from __future__ import annotations

import math

import numpy as np

from assay.audit.recompute.conventions import PERIODS, Material, Reading, readings_over
from assay.audit.recompute.series import (
    DAYS,
    FORM,
    annual_of,
    bases_of,
    calendar_years,
    drawdown_of,
    growth,
    idle,
    monthly,
    rates_of,
    values_of,
)

__all__ = ["calmar_readings", "drawdown_readings", "moment_readings", "sortino_readings", "tail_readings"]


def drawdown_readings(material: Material) -> tuple[Reading, ...]:
    bases = bases_of(material)
    dimensions = {
        "basis": bases,
        "mean": ("compounded", "additive"),
        "start": ("from the starting capital", "from the first session"),
        "sampled": ("every session", "month ends"),
        "sign": ("negative", "printed positive"),
    }

    def figure(choice: dict[str, str]) -> float | None:
        if choice["sampled"] == "month ends":
            if choice["start"] != dimensions["start"][0]:
                return None
            depth = drawdown_of(monthly(material, choice["basis"], FORM[0]), choice["mean"], True)
            return depth if choice["sign"] == "negative" else -depth
        depth = drawdown_of(material.series[choice["basis"]], choice["mean"], choice["start"] == dimensions["start"][0])
        if choice["start"] == dimensions["start"][1]:
            first = drawdown_of(material.series[choice["basis"]], choice["mean"], True)
            if first == depth:
                return None
        return depth if choice["sign"] == "negative" else -depth

    return readings_over(dimensions, figure) if bases else ()


def sortino_readings(material: Material) -> tuple[Reading, ...]:
    bases = bases_of(material)
    below = (
        "downside over all sessions",
        "downside over losing sessions",
        "std of losing sessions ddof 1",
        "std of losing sessions ddof 0",
    )
    rate_of = rates_of(material)
    dimensions = {
        "basis": bases,
        "downside": below,
        "mean": ("arithmetic", "geometric"),
        "periods": (*annual_of(material), PERIODS[4]),
        "target": ("below 0", "below the risk-free rate"),
        "risk_free": tuple(rate_of),
        "days": DAYS,
    }

    def figure(choice: dict[str, str]) -> float | None:
        rate, compounds = rate_of[choice["risk_free"]]
        if choice["target"] != "below 0" and not rate:
            return None
        if choice["periods"] == PERIODS[4]:
            if choice["days"] != DAYS[0]:
                return None
            values, periods = monthly(material, choice["basis"], FORM[0]), 12.0
        else:
            values, periods = values_of(material, choice), float(choice["periods"])
        each = math.expm1(math.log1p(rate) / periods) if compounds else rate / periods
        beneath = values if choice["target"] == "below 0" else values - each
        losses = beneath[beneath < 0]
        if len(losses) < 2:
            return None
        kind = below.index(choice["downside"])
        if kind < 2:
            under = math.sqrt(float((losses**2).sum()) / (len(values) if kind == 0 else len(losses)))
        else:
            under = float(losses.std(ddof=3 - kind))
        if not under > 0:
            return None
        yearly = (values.mean() - each) * periods if choice["mean"] == "arithmetic" else growth(values, periods)
        if yearly is None:
            return None
        yearly = yearly if choice["mean"] == "arithmetic" else yearly - rate
        return float(yearly / (under * math.sqrt(periods)))

    return readings_over(dimensions, figure, idle(material, bases)) if bases else ()


def calmar_readings(material: Material) -> tuple[Reading, ...]:
    bases = bases_of(material)
    dimensions = {
        "basis": bases,
        "mean": ("geometric", "arithmetic", "geometric, calendar years", "total return"),
        "drawdown": ("compounded drawdown", "additive drawdown", "compounded drawdown of month ends"),
        "periods": annual_of(material),
    }

    def figure(choice: dict[str, str]) -> float | None:
        values, periods = material.series[choice["basis"]], float(choice["periods"])
        path = monthly(material, choice["basis"], FORM[0]) if "month" in choice["drawdown"] else values
        depth = -drawdown_of(path, choice["drawdown"].split()[0], True)
        kind = dimensions["mean"].index(choice["mean"])
        if kind >= 2:
            years = calendar_years(material) if kind == 2 else 1.0
            if years is None or choice["periods"] != dimensions["periods"][0]:
                return None
            periods = len(values) / years
        yearly = values.mean() * periods if kind == 1 else growth(values, periods)
        return None if yearly is None or not depth > 0 else float(yearly / depth)

    return readings_over(dimensions, figure) if bases else ()


#: The value at risk of pyfolio's table: the mean less two deviations, whatever share of days that is.
TWO = "two deviations"


def tail_readings(material: Material, mean_of_tail: bool) -> tuple[Reading, ...]:
    bases = bases_of(material)
    methods = ("historical", "historical, lower value", "normal ddof 1", "normal ddof 0")
    dimensions = {
        "basis": bases,
        "level": ("95%", "99%", *(() if mean_of_tail else (TWO,))),
        "method": methods,
        "sign": ("negative", "printed positive"),
        "form": FORM,
        "days": DAYS,
    }

    def figure(choice: dict[str, str]) -> float | None:
        values = values_of(material, choice)
        if len(values) < 2:
            return None
        share = 0.01 if choice["level"] == "99%" else 0.05
        kind = methods.index(choice["method"])
        if choice["level"] == TWO:
            if kind < 2:
                return None
            value = float(values.mean() - 2 * values.std(ddof=3 - kind))
        elif kind >= 2:
            from statistics import NormalDist

            z = NormalDist().inv_cdf(share)
            deviation = float(values.std(ddof=3 - kind))
            value = values.mean() + deviation * (-NormalDist().pdf(z) / share if mean_of_tail else z)
        else:
            value = float(np.quantile(values, share, method="linear" if kind == 0 else "lower"))
            value = float(values[values <= value].mean()) if mean_of_tail else value
        return float(value if choice["sign"] == "negative" else -value)

    return readings_over(dimensions, figure, idle(material, bases)) if bases else ()


def moment_readings(material: Material, order: int) -> tuple[Reading, ...]:
    bases = bases_of(material)
    kinds = ("population", "sample-corrected")
    dimensions = {
        "basis": bases,
        "moment": kinds,
        "mean": ("raw",) if order == 3 else ("raw (normal 3)", "excess (normal 0)"),
        "form": FORM,
        "days": DAYS,
    }

    def figure(choice: dict[str, str]) -> float | None:
        values = values_of(material, choice)
        n = len(values)
        centred = values - values.mean()
        m2 = float((centred**2).mean())
        if m2 <= 0 or n < 4:
            return None
        if order == 3:
            g = float((centred**3).mean()) / m2**1.5
            return g if choice["moment"] == kinds[0] else float(g * math.sqrt(n * (n - 1)) / (n - 2))
        excess = float((centred**4).mean()) / m2**2 - 3.0
        if choice["moment"] == kinds[1]:
            excess = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6)
        return excess + (3.0 if choice["mean"].startswith("raw") else 0.0)

    return readings_over(dimensions, figure, idle(material, bases)) if bases else ()
