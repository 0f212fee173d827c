"""Figures of a return series against a benchmark under every convention of the grid, a row a figure.

References
----------
Jensen (1968) for alpha; Grinold & Kahn (2000) for the information ratio.

"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from assay.audit.recompute.conventions import DDOF, Dimensions, Material
from assay.audit.recompute.series import annual_of, bases_of, growth, rates_of
from assay.audit.recompute.statistic import Choice, Choices, Statistic
from assay.data.conventions import FLAT

__all__ = ["RELATIVE_METRICS", "RELATIVE_STATISTICS"]

_TOTAL, _ACTIVE = "over the whole period", ("return less benchmark", "residual of the regression")
_ALPHA = ("arithmetic", "compounded", "of the annual growth rates")
_SLOPES = ("one ddof", "covariance ddof 1 over variance ddof 0")
Figure = Callable[[np.ndarray, np.ndarray, Choice, Material], float | None]


def _against(name: str, figure: Figure, **dimensions: Choices) -> Statistic:
    """A row over the series that have a benchmark of the same sessions."""

    def bases(material: Material) -> tuple[str, ...]:
        market = material.benchmark
        if market is None or len(market) < 3 or not market.var() > 0:
            return ()
        return tuple(name for name in bases_of(material) if len(material.series[name]) == len(market))

    def grid(material: Material) -> Dimensions:
        given = {name: own(material) if callable(own) else own for name, own in dimensions.items()}
        return {"basis": bases(material), **given} if bases(material) else {}

    def value(material: Material, choice: Choice) -> float | None:
        assert material.benchmark is not None  # the grid is empty without one
        values = material.series[choice.get("basis", next(iter(material.series)))]
        return figure(values, material.benchmark, choice, material)

    return Statistic(name, grid, value)


def _slope(values: np.ndarray, market: np.ndarray, mixed: bool = False) -> float:
    return float(np.cov(values, market, ddof=1)[0, 1] / market.var(ddof=0 if mixed else 1))


def _alpha(values: np.ndarray, market: np.ndarray, choice: Choice, material: Material) -> float | None:
    beta = _slope(values, market)
    periods = 1.0 if choice["periods"] == "a session" else float(choice["periods"])
    rate, compounds = rates_of(material)[choice["risk_free"]]
    if (rate or choice["mean"] != "arithmetic") and choice["periods"] == "a session":
        return None
    if choice["mean"] == _ALPHA[2]:
        own, other = growth(values, periods), growth(market, periods)
        return None if own is None or other is None else own - rate - beta * (other - rate)
    each = math.expm1(math.log1p(rate) / periods) if compounds else rate / periods
    daily = float(values.mean() - each - beta * (market.mean() - each))
    return daily * periods if choice["mean"] == "arithmetic" else math.expm1(periods * math.log1p(daily))


def _information(values: np.ndarray, market: np.ndarray, choice: Choice, _: Material) -> float | None:
    active = values - (1.0 if choice["active"] == _ACTIVE[0] else _slope(values, market)) * market
    deviation = float(active.std(ddof=0 if choice["ddof"] == DDOF[1] else 1))
    periods = 1.0 if choice["periods"] == "not annualised" else float(choice["periods"])
    return float(active.mean() / deviation * math.sqrt(periods)) if deviation > FLAT else None


def _yearly(values: np.ndarray, choice: Choice) -> float | None:
    """Growth or sum of returns, a year or in all."""
    periods = float(len(values)) if choice["periods"] == _TOTAL else float(choice["periods"])
    return growth(values, periods) if choice["mean"] == "geometric" else float(values.mean() * periods)


def _excess(values: np.ndarray, market: np.ndarray, choice: Choice, _: Material) -> float | None:
    own, other = _yearly(values, choice), _yearly(market, choice)
    return None if own is None or other is None else own - other


def _with(*more: str) -> Callable[[Material], tuple[str, ...]]:
    return lambda material: (*annual_of(material), *more)


_MARKET = _against("benchmark_return", lambda _, market, choice, __: _yearly(market, choice),
                   mean=("geometric", "arithmetic"), periods=_with(_TOTAL))  # fmt: skip
#: Canonical metric -> its row.
RELATIVE_STATISTICS = (
    _against("alpha", _alpha, mean=_ALPHA, periods=_with("a session"), risk_free=lambda m: tuple(rates_of(m))),
    _against("beta", lambda values, market, choice, _: _slope(values, market, choice["ddof"] != _SLOPES[0]),
             ddof=_SLOPES),
    _against("information_ratio", _information, active=_ACTIVE, ddof=DDOF, periods=_with("not annualised")),
    _against("excess_return", _excess, mean=("geometric", "arithmetic"), periods=_with(_TOTAL)),
    # The benchmark is the same beside every series.
    replace(_MARKET, dimensions=lambda m: {name: of for name, of in _MARKET.dimensions(m).items() if name != "basis"}),
)  # fmt: skip
RELATIVE_METRICS = tuple(row.name for row in RELATIVE_STATISTICS)
