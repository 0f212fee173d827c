"""A return series under one combination of choices: which sessions, simple or log, how spread, how grown."""

from __future__ import annotations

import math

import numpy as np

from assay.audit.recompute.conventions import DDOF, PERIODS, RISK_FREE, Dimensions, Material

__all__ = [
    "DAYS",
    "FORM",
    "annual_of",
    "bases_of",
    "calendar_years",
    "drawdown_of",
    "drawdown_spans",
    "growth",
    "idle",
    "monthly",
    "rates_of",
    "spread",
    "turnover_grid",
    "turnover_of",
    "values_of",
]

_ANNUAL = PERIODS[:4]
DAYS = ("all sessions", "without flat sessions")
FORM = ("simple returns", "log returns")
#: Sessions taken for a month where no dates are known.
MONTH = 21


def annual_of(material: Material) -> tuple[str, ...]:
    """Returns a year, the material's own first where they are not daily."""
    own = () if material.per_year is None else (str(material.per_year),)
    return tuple(dict.fromkeys((*own, *_ANNUAL)))


def bases_of(material: Material, only: str = "", fewest: int = 2) -> tuple[str, ...]:
    """Names of the series of at least so many returns, each distinct one once."""
    names = [name for name in material.series if not only or only in name]
    kept: list[str] = []
    for name in names:
        values = material.series[name]
        if len(values) >= fewest and not any(np.array_equal(values, material.series[other]) for other in kept):
            kept.append(name)
    return tuple(kept)


def values_of(material: Material, choice: dict[str, str]) -> np.ndarray:
    values = material.series[choice["basis"]]
    if choice.get("days") == DAYS[1]:
        values = values[values != 0.0]
    return np.log1p(values) if choice.get("form") == FORM[1] else values


def idle(material: Material, bases: tuple[str, ...]) -> tuple[str, ...]:
    """Dimensions that cannot matter: flat sessions where there are none."""
    return () if any((material.series[name] == 0.0).any() for name in bases) else ("days",)


def monthly(material: Material, basis: str, form: str) -> np.ndarray:
    """Returns compounded to calendar months, or to blocks of 21 sessions where no dates are known."""
    logs = np.log1p(material.series[basis])
    if material.dates is not None and len(material.dates) == len(logs):
        months = material.dates.astype("datetime64[M]").astype(int)
    else:
        months = np.arange(len(logs)) // MONTH
    _, labels = np.unique(months, return_inverse=True)
    sums = np.bincount(labels, weights=logs)
    return sums if form == FORM[1] else np.expm1(sums)


def rates_of(material: Material) -> dict[str, tuple[float, bool]]:
    """Words -> (annual risk-free rate, whether a session's part of it compounds); the stated rate right after 0."""
    stated = () if material.risk_free is None else (material.risk_free,)
    rates = {f"rf {100 * rate:g}%": (rate, False) for rate in dict.fromkeys((0.0, *stated, *RISK_FREE))}
    return rates | {f"rf {100 * rate:g}% compounded": (rate, True) for rate in stated if rate}


def calendar_years(material: Material) -> float | None:
    """Years of 365.25 days from the first date to the last; None without dates."""
    if material.dates is None or len(material.dates) < 2:
        return None
    years = float((material.dates[-1] - material.dates[0]) / np.timedelta64(1, "D")) / 365.25
    return years if years > 0 else None


def spread(values: np.ndarray, choice: dict[str, str]) -> float:
    ddof = 0 if choice["ddof"] == DDOF[1] else 1
    return float(values.std(ddof=ddof)) if len(values) > ddof else math.nan


def growth(values: np.ndarray, periods: float) -> float | None:
    """Compound growth a year."""
    if not len(values) or (values <= -1.0).any():
        return None
    return float(math.expm1(np.log1p(values).sum() * periods / len(values)))


def drawdown_of(values: np.ndarray, method: str, start: bool) -> float:
    """Deepest fall below the running peak; additive in units of constant capital, else as a share of the peak."""
    if method == "additive":
        path = np.cumsum(values)
        path = np.concatenate([[0.0], path]) if start else path
        return float((path - np.maximum.accumulate(path)).min())
    path = np.cumprod(1.0 + values)
    path = np.concatenate([[1.0], path]) if start else path
    return float((path / np.maximum.accumulate(path) - 1.0).min())


def drawdown_spans(values: np.ndarray) -> list[tuple[int, int, int, float]]:
    """Every drawdown of the compounded path: peak, trough, recovery and depth.

    Positions count from 0, the capital before the first session; a drawdown that has not ended ends with the last one.

    Examples
    --------
    >>> drawdown_spans(np.array([0.1, -0.2, 0.1, 0.3, -0.05]))
    [(1, 2, 4, -0.2), (4, 5, 5, -0.05)]

    """
    path = np.concatenate([[1.0], np.cumprod(1.0 + values)])
    high = np.maximum.accumulate(path)
    below = path < high
    edges = np.flatnonzero(np.diff(np.concatenate([[False], below, [False]]).astype(np.int8)))
    spans = []
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        trough = first + int(np.argmin(path[first:after]))
        depth = float(path[trough] / high[trough] - 1.0)
        spans.append((int(first) - 1, int(trough), min(int(after), len(path) - 1), round(depth, 15)))
    return spans


def turnover_grid(material: Material, *more: str) -> Dimensions:
    """Ways to print a turnover: of one side or both, over which stretch, of which sessions."""
    years = [f"a year of {count}" for count in annual_of(material)]
    return {
        "way": ("one-way", "two-way"),
        "periods": ("a session", "a week of 5", "a month of 21", *years, "in all"),
        "days": ("all sessions", "without the first", *more),
    }


def turnover_of(traded: np.ndarray, choice: dict[str, str]) -> float | None:
    """The mean of one-way turnovers a session, as the choice has it."""
    values = traded[1:] if choice["days"] == "without the first" else traded
    scale = {"a session": 1.0, "in all": float(len(values))}.get(choice["periods"])
    scale = float(choice["periods"].rsplit(" ", 1)[1]) if scale is None else scale
    return float(values.mean() * scale * (2.0 if choice["way"] == "two-way" else 1.0)) if len(values) else None
