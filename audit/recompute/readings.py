"""Figures of a return series under every convention of the grid.

References
----------
Sharpe (1994) for the ratio; Bacon (2008), Practical Portfolio Performance Measurement and Attribution, for the variants
in use.

"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from assay.audit.recompute.conventions import DDOF, PERIODS, Material, Reading, readings_over
from assay.audit.recompute.relative_readings import RELATIVE_METRICS, relative_readings
from assay.audit.recompute.risk_readings import (
    calmar_readings,
    drawdown_readings,
    moment_readings,
    sortino_readings,
    tail_readings,
)
from assay.audit.recompute.series import (
    DAYS,
    FORM,
    annual_of,
    bases_of,
    calendar_years,
    growth,
    idle,
    monthly,
    rates_of,
    spread,
    values_of,
)
from assay.data.conventions import FLAT

__all__ = ["RETURN_METRICS", "return_readings"]


def return_readings(metric: str, material: Material) -> tuple[Reading, ...]:
    """All readings of a metric of a return series; empty where the material cannot give it.

    Parameters
    ----------
    metric : canonical name, one of `RETURN_METRICS`.
    material : see `Material`.

    Returns
    -------
    tuple of Reading
        The project's own convention first.

    """
    maker = RETURN_METRICS.get(metric)
    if maker is None or (not material.series and metric not in ("turnover",)):
        return ()
    return maker(material)


def _sharpe(material: Material, only: str = "") -> tuple[Reading, ...]:
    """sqrt(P)·mean(r − rf)/std, or the compound annual return over the annual volatility."""
    bases = bases_of(material, only)
    if not bases:
        return ()
    rate_of = rates_of(material)
    dimensions = {
        "basis": bases,
        "mean": ("arithmetic", "geometric"),
        "ddof": DDOF,
        "periods": (*annual_of(material), *PERIODS[4:]),
        "form": FORM,
        "risk_free": tuple(rate_of),
        "days": DAYS,
    }

    def figure(choice: dict[str, str]) -> float | None:
        values, by_month = values_of(material, choice), choice["periods"] == PERIODS[4]
        if by_month:
            if choice["days"] != DAYS[0]:
                return None
            values = monthly(material, choice["basis"], choice["form"])
        if choice["mean"] == "geometric" and (choice["form"] == FORM[1] or choice["periods"] == PERIODS[5]):
            return None
        periods = 12.0 if by_month else 1.0 if choice["periods"] == PERIODS[5] else float(choice["periods"])
        rate, compounds = rate_of[choice["risk_free"]]
        if choice["periods"] == PERIODS[5] and rate:
            return None
        if compounds and choice["mean"] == "arithmetic":
            rate = periods * math.expm1(math.log1p(rate) / periods)
        deviation = spread(values, choice)
        if not deviation > FLAT:
            return None
        if choice["mean"] == "arithmetic":
            return float((values.mean() - rate / periods) / deviation * math.sqrt(periods))
        grown = growth(values, periods)
        return None if grown is None else (grown - rate) / (deviation * math.sqrt(periods))

    return readings_over(dimensions, figure, idle(material, bases))


def _annual_return(material: Material, only: str = "") -> tuple[Reading, ...]:
    bases = bases_of(material, only)
    methods = (
        "geometric",
        "arithmetic",
        "mean log return",
        "geometric, calendar years",
        "summed, calendar years",
        "mean month times 12",
    )
    dimensions = {"basis": bases, "mean": methods, "periods": annual_of(material), "days": DAYS}

    def figure(choice: dict[str, str]) -> float | None:
        values, periods = values_of(material, choice), float(choice["periods"])
        if choice["mean"] == methods[1]:
            return float(values.mean() * periods)
        if (values <= -1.0).any():
            return None
        if choice["mean"] == methods[2]:
            return float(np.log1p(values).mean() * periods)
        if choice["mean"] in methods[3:]:
            if choice["periods"] != dimensions["periods"][0] or choice["days"] != DAYS[0]:
                return None
            if choice["mean"] == methods[5]:
                return float(monthly(material, choice["basis"], FORM[0]).mean() * 12)
            years = calendar_years(material)
            if years is None:
                return None
            total = float(np.log1p(values).sum())
            return math.expm1(total / years) if choice["mean"] == methods[3] else float(values.sum()) / years
        return growth(values, periods)

    return readings_over(dimensions, figure, idle(material, bases)) if bases else ()


def _total_return(material: Material) -> tuple[Reading, ...]:
    bases = bases_of(material, fewest=1)
    dimensions = {"basis": bases, "mean": ("compounded", "summed", "log returns summed")}

    def figure(choice: dict[str, str]) -> float | None:
        values = material.series[choice["basis"]]
        if choice["mean"] == "summed":
            return float(values.sum())
        if (values <= -1.0).any():
            return None
        total = float(np.log1p(values).sum())
        return math.expm1(total) if choice["mean"] == "compounded" else total

    return readings_over(dimensions, figure) if bases else ()


def _volatility(material: Material) -> tuple[Reading, ...]:
    bases = bases_of(material)
    dimensions = {
        "basis": bases, "ddof": DDOF, "periods": (*annual_of(material), PERIODS[4]), "form": FORM, "days": DAYS,
    }  # fmt: skip

    def figure(choice: dict[str, str]) -> float | None:
        values = values_of(material, choice)
        if choice["periods"] == PERIODS[4]:
            if choice["days"] != DAYS[0]:
                return None
            return spread(monthly(material, choice["basis"], choice["form"]), choice) * math.sqrt(12)
        return spread(values, choice) * math.sqrt(float(choice["periods"]))

    return readings_over(dimensions, figure, idle(material, bases)) if bases else ()


def _deviation(material: Material) -> tuple[Reading, ...]:
    bases = bases_of(material)
    dimensions = {"basis": bases, "ddof": DDOF, "form": FORM, "days": DAYS}
    if not bases:
        return ()
    return readings_over(dimensions, lambda choice: spread(values_of(material, choice), choice), idle(material, bases))


def _mean(material: Material) -> tuple[Reading, ...]:
    bases = bases_of(material)
    dimensions = {"basis": bases, "mean": ("arithmetic", "geometric", "mean log return"), "days": DAYS}

    def figure(choice: dict[str, str]) -> float | None:
        values = values_of(material, choice)
        if choice["mean"] == "arithmetic":
            return float(values.mean()) if len(values) else None
        if (values <= -1.0).any() or not len(values):
            return None
        log = float(np.log1p(values).mean())
        return math.expm1(log) if choice["mean"] == "geometric" else log

    return readings_over(dimensions, figure, idle(material, bases)) if bases else ()


def _hit(material: Material) -> tuple[Reading, ...]:
    """Winning sessions or months; where trades or predictions are known the hit rates of those count too."""
    bases = () if material.trades is not None else bases_of(material)
    dimensions = {
        "basis": bases,
        "counted": (
            "per session, of all sessions",
            "per session, flat ones left out",
            "per session, flat ones counted as hits",
            "per month",
        ),
    }

    def figure(choice: dict[str, str]) -> float | None:
        values = material.series[choice["basis"]]
        kind = dimensions["counted"].index(choice["counted"])
        if kind == 3:
            return float((monthly(material, choice["basis"], FORM[0]) > 0).mean())
        if kind == 1:
            values = values[values != 0]
        if not len(values):
            return None
        if kind and not (material.series[choice["basis"]] == 0).any():
            return None
        return float((values >= 0).mean() if kind == 2 else (values > 0).mean())

    return readings_over(dimensions, figure) if bases else ()


def _extreme(material: Material, sign: float) -> tuple[Reading, ...]:
    bases = bases_of(material)
    dimensions = {"basis": bases, "form": FORM, "sign": ("signed", "printed positive") if sign < 0 else ("",)}

    def figure(choice: dict[str, str]) -> float | None:
        value = sign * float((sign * values_of(material, choice)).max())
        return abs(value) if choice["sign"] == "printed positive" else value

    return readings_over(dimensions, figure) if bases else ()


def _turnover(material: Material) -> tuple[Reading, ...]:
    if material.turnover is None:
        return ()
    traded = material.turnover
    years = [f"a year of {count}" for count in annual_of(material)]
    dimensions = {
        "way": ("one-way", "two-way"),
        "periods": ("a session", "a week of 5", "a month of 21", *years, "in all"),
        "days": ("all sessions", "without the first", "sessions that trade"),
    }

    def figure(choice: dict[str, str]) -> float | None:
        values = traded[1:] if choice["days"] == "without the first" else traded
        if choice["days"] == "sessions that trade":
            if not (traded == 0).any() or choice["periods"] != "a session":
                return None
            values = traded[traded > 0]
        scale = {"a session": 1.0, "in all": float(len(values))}.get(choice["periods"])
        scale = float(choice["periods"].rsplit(" ", 1)[1]) if scale is None else scale
        return float(values.mean() * scale * (2.0 if choice["way"] == "two-way" else 1.0)) if len(values) else None

    return readings_over(dimensions, figure)


#: Canonical metric -> its readings.
RETURN_METRICS: Mapping[str, Callable[[Material], tuple[Reading, ...]]] = {
    "sharpe": _sharpe,
    "sharpe_gross": lambda material: _sharpe(material, "gross"),
    "annual_return": _annual_return,
    "annual_return_gross": lambda material: _annual_return(material, "gross"),
    "total_return": _total_return,
    "annual_volatility": _volatility,
    "return_std": _deviation,
    "mean_return": _mean,
    "max_drawdown": drawdown_readings,
    "sortino": sortino_readings,
    "calmar": calmar_readings,
    "var": lambda material: tail_readings(material, False),
    "cvar": lambda material: tail_readings(material, True),
    "skewness": lambda material: moment_readings(material, 3),
    "kurtosis": lambda material: moment_readings(material, 4),
    "win_rate": _hit,
    "turnover": _turnover,
    "best_day": lambda material: _extreme(material, 1.0),
    "worst_day": lambda material: _extreme(material, -1.0),
    **{name: partial(relative_readings, metric=name) for name in RELATIVE_METRICS},
    "sessions": lambda material: readings_over(
        {"basis": bases_of(material)[:1]}, lambda choice: float(len(material.series[choice["basis"]]))
    ),
}
