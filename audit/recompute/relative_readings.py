"""Figures of a return series against a benchmark under every convention of the grid.

References
----------
Jensen (1968) for alpha; Grinold & Kahn (2000) for the information ratio.

"""

from __future__ import annotations

import math

import numpy as np

from assay.audit.recompute.conventions import DDOF, Material, Reading, readings_over
from assay.audit.recompute.series import annual_of, bases_of, growth, rates_of
from assay.data.conventions import FLAT

__all__ = ["RELATIVE_METRICS", "relative_readings"]

RELATIVE_METRICS = ("alpha", "beta", "information_ratio", "excess_return", "benchmark_return")
_TOTAL = "over the whole period"


def relative_readings(material: Material, metric: str) -> tuple[Reading, ...]:
    """All readings of one of `RELATIVE_METRICS`; empty without a benchmark of the same sessions."""
    market = material.benchmark
    bases = tuple(
        name for name in bases_of(material) if market is not None and len(material.series[name]) == len(market)
    )
    if market is None or not bases or len(market) < 3 or not market.var() > 0:
        return ()
    return {
        "alpha": _alpha, "beta": _beta, "information_ratio": _information, "excess_return": _excess,
        "benchmark_return": _market,
    }[metric](material, market, bases)  # fmt: skip


def _slope(values: np.ndarray, market: np.ndarray, mixed: bool = False) -> float:
    return float(np.cov(values, market, ddof=1)[0, 1] / market.var(ddof=0 if mixed else 1))


def _beta(material: Material, market: np.ndarray, bases: tuple[str, ...]) -> tuple[Reading, ...]:
    dimensions = {"basis": bases, "ddof": ("one ddof", "covariance ddof 1 over variance ddof 0")}
    return readings_over(
        dimensions, lambda choice: _slope(material.series[choice["basis"]], market, choice["ddof"] != "one ddof")
    )


def _alpha(material: Material, market: np.ndarray, bases: tuple[str, ...]) -> tuple[Reading, ...]:
    rate_of = rates_of(material)
    dimensions = {
        "basis": bases,
        "mean": ("arithmetic", "compounded", "of the annual growth rates"),
        "periods": (*annual_of(material), "a session"),
        "risk_free": tuple(rate_of),
    }

    def figure(choice: dict[str, str]) -> float | None:
        values, beta = material.series[choice["basis"]], _slope(material.series[choice["basis"]], market)
        periods = 1.0 if choice["periods"] == "a session" else float(choice["periods"])
        rate, compounds = rate_of[choice["risk_free"]]
        if (rate or choice["mean"] != "arithmetic") and choice["periods"] == "a session":
            return None
        if choice["mean"] == "of the annual growth rates":
            own, other = growth(values, periods), growth(market, periods)
            return None if own is None or other is None else own - rate - beta * (other - rate)
        each = math.expm1(math.log1p(rate) / periods) if compounds else rate / periods
        daily = float(values.mean() - each - beta * (market.mean() - each))
        return daily * periods if choice["mean"] == "arithmetic" else math.expm1(periods * math.log1p(daily))

    return readings_over(dimensions, figure)


def _information(material: Material, market: np.ndarray, bases: tuple[str, ...]) -> tuple[Reading, ...]:
    dimensions = {
        "basis": bases,
        "active": ("return less benchmark", "residual of the regression"),
        "ddof": DDOF,
        "periods": (*annual_of(material), "not annualised"),
    }

    def figure(choice: dict[str, str]) -> float | None:
        values = material.series[choice["basis"]]
        beta = 1.0 if choice["active"] == "return less benchmark" else _slope(values, market)
        active = values - beta * market
        deviation = float(active.std(ddof=0 if choice["ddof"] == DDOF[1] else 1))
        periods = 1.0 if choice["periods"] == "not annualised" else float(choice["periods"])
        return float(active.mean() / deviation * math.sqrt(periods)) if deviation > FLAT else None

    return readings_over(dimensions, figure)


def _yearly(values: np.ndarray, choice: dict[str, str]) -> float | None:
    """Growth or sum of returns, a year or in all."""
    periods = float(len(values)) if choice["periods"] == _TOTAL else float(choice["periods"])
    return growth(values, periods) if choice["mean"] == "geometric" else float(values.mean() * periods)


def _excess(material: Material, market: np.ndarray, bases: tuple[str, ...]) -> tuple[Reading, ...]:
    dimensions = {"basis": bases, "mean": ("geometric", "arithmetic"), "periods": (*annual_of(material), _TOTAL)}

    def figure(choice: dict[str, str]) -> float | None:
        own, other = _yearly(material.series[choice["basis"]], choice), _yearly(market, choice)
        return None if own is None or other is None else own - other

    return readings_over(dimensions, figure)


def _market(material: Material, market: np.ndarray, bases: tuple[str, ...]) -> tuple[Reading, ...]:
    dimensions = {"mean": ("geometric", "arithmetic"), "periods": (*annual_of(material), _TOTAL)}
    return readings_over(dimensions, lambda choice: _yearly(market, choice))
