"""Figures of a return series under every convention of the grid, a row a figure.

References
----------
Sharpe (1994) for the ratio; Bacon (2008), Practical Portfolio Performance Measurement and Attribution, for the variants
in use.

"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from assay.audit.recompute.conventions import DDOF, PERIODS, Material, Reading
from assay.audit.recompute.relative_readings import RELATIVE_STATISTICS
from assay.audit.recompute.risk_readings import RISK_STATISTICS
from assay.audit.recompute.series import (
    DAYS,
    FORM,
    annual_of,
    bases_of,
    calendar_years,
    growth,
    monthly,
    rates_of,
    spread,
    turnover_grid,
    turnover_of,
)
from assay.audit.recompute.statistic import Choice, Statistic, by_name, of_returns
from assay.data.conventions import FLAT

__all__ = ["RETURN_METRICS", "return_readings"]

_ANNUAL_MEANS = (
    "geometric", "arithmetic", "mean log return", "geometric, calendar years", "summed, calendar years",
    "mean month times 12",
)  # fmt: skip
_SESSIONS_WON = (
    "per session, of all sessions", "per session, flat ones left out", "per session, flat ones counted as hits",
    "per month",
)  # fmt: skip
TRADING = "sessions that trade"
_SIGNS = ("signed", "printed positive")


def return_readings(metric: str, material: Material) -> tuple[Reading, ...]:
    """All readings of a metric of a return series; empty where the material cannot give it.

    The project's own convention first.
    """
    row = RETURN_METRICS.get(metric)
    return row.readings(material) if row is not None else ()


def _sharpe(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    """sqrt(P)·mean(r − rf)/std, or the compound annual return over the annual volatility."""
    by_month = choice["periods"] == PERIODS[4]
    if by_month:
        if choice["days"] != DAYS[0]:
            return None
        values = monthly(material, choice["basis"], choice["form"])
    if choice["mean"] == "geometric" and (choice["form"] == FORM[1] or choice["periods"] == PERIODS[5]):
        return None
    periods = 12.0 if by_month else 1.0 if choice["periods"] == PERIODS[5] else float(choice["periods"])
    rate, compounds = rates_of(material)[choice["risk_free"]]
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


def _sharpe_row(name: str, only: str = "") -> Statistic:
    return of_returns(
        name, _sharpe, only=only, mean=("arithmetic", "geometric"), ddof=DDOF,
        periods=lambda material: (*annual_of(material), *PERIODS[4:]), form=FORM,
        risk_free=lambda material: tuple(rates_of(material)), days=DAYS,
    )  # fmt: skip


def _annual_return(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    kind, periods = _ANNUAL_MEANS.index(choice["mean"]), float(choice["periods"])
    if kind == 1:
        return float(values.mean() * periods)
    if (values <= -1.0).any():
        return None
    if kind == 2:
        return float(np.log1p(values).mean() * periods)
    if kind == 0:
        return growth(values, periods)
    if choice["periods"] != annual_of(material)[0] or choice["days"] != DAYS[0]:
        return None
    if kind == 5:
        return float(monthly(material, choice["basis"], FORM[0]).mean() * 12)
    years = calendar_years(material)
    if years is None:
        return None
    return math.expm1(float(np.log1p(values).sum()) / years) if kind == 3 else float(values.sum()) / years


def _total_return(values: np.ndarray, choice: Choice, _: Material) -> float | None:
    if choice["mean"] == "summed":
        return float(values.sum())
    if (values <= -1.0).any():
        return None
    total = float(np.log1p(values).sum())
    return math.expm1(total) if choice["mean"] == "compounded" else total


def _volatility(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    if choice["periods"] != PERIODS[4]:
        return spread(values, choice) * math.sqrt(float(choice["periods"]))
    if choice["days"] != DAYS[0]:
        return None
    return spread(monthly(material, choice["basis"], choice["form"]), choice) * math.sqrt(12)


def _mean(values: np.ndarray, choice: Choice, _: Material) -> float | None:
    if choice["mean"] == "arithmetic":
        return float(values.mean()) if len(values) else None
    if (values <= -1.0).any() or not len(values):
        return None
    log = float(np.log1p(values).mean())
    return math.expm1(log) if choice["mean"] == "geometric" else log


def _hit(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    """Winning sessions or months; where trades are known the hit rates of those count instead."""
    kind = _SESSIONS_WON.index(choice["counted"])
    if material.outcomes is not None:
        return None
    if kind == 3:
        return float((monthly(material, choice["basis"], FORM[0]) > 0).mean())
    if kind == 0:
        return float((values > 0).mean())
    if not (values == 0).any():
        return None
    if kind == 2:
        return float((values >= 0).mean())
    moved = values[values != 0]
    return float((moved > 0).mean()) if len(moved) else None


def _turnover(material: Material, choice: Choice) -> float | None:
    traded = np.empty(0) if material.turnover is None else material.turnover
    if choice["days"] != TRADING:
        return turnover_of(traded, choice)
    if not (traded == 0).any() or choice["periods"] != "a session":
        return None
    return turnover_of(traded[traded > 0], choice)


def _signed(value: float, choice: Choice) -> float:
    return abs(value) if choice["sign"] == _SIGNS[1] else value


#: Canonical metric -> its row.
RETURN_METRICS: Mapping[str, Statistic] = by_name(
    _sharpe_row("sharpe"),
    _sharpe_row("sharpe_gross", "gross"),
    *(of_returns(name, _annual_return, only=only, mean=_ANNUAL_MEANS, periods=annual_of, days=DAYS)
      for name, only in (("annual_return", ""), ("annual_return_gross", "gross"))),
    of_returns("total_return", _total_return, fewest=1, mean=("compounded", "summed", "log returns summed")),
    of_returns("annual_volatility", _volatility, ddof=DDOF, periods=lambda m: (*annual_of(m), PERIODS[4]), form=FORM,
               days=DAYS),
    of_returns("return_std", lambda values, choice, _: spread(values, choice), ddof=DDOF, form=FORM, days=DAYS),
    of_returns("mean_return", _mean, mean=("arithmetic", "geometric", "mean log return"), days=DAYS),
    *RISK_STATISTICS,
    of_returns("win_rate", _hit, counted=_SESSIONS_WON),
    Statistic("turnover", lambda m: {} if m.turnover is None else turnover_grid(m, TRADING), _turnover),
    of_returns("best_day", lambda values, *_: float(values.max()), form=FORM, sign=("",)),
    of_returns("worst_day", lambda values, choice, _: _signed(float(values.min()), choice), form=FORM, sign=_SIGNS),
    *RELATIVE_STATISTICS,
    Statistic("sessions", lambda m: {"basis": bases_of(m)[:1]},
              lambda m, choice: float(len(m.series[choice["basis"]]))),
)  # fmt: skip
