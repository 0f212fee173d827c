"""Figures of a return series under every convention of the grid.

References
----------
Sharpe (1994) for the ratio; Sortino & Price (1994) for the downside deviation over all observations; Young (1991) for the
Calmar ratio; Bacon (2008), Practical Portfolio Performance Measurement and Attribution, for the variants in use.

"""

from __future__ import annotations

import math

import numpy as np

from results.audit.conventions import DDOF, PERIODS, RISK_FREE, Material, Reading, readings_over

__all__ = ["RETURN_METRICS", "return_readings"]

_ANNUAL = PERIODS[:4]
_DAYS = ("all sessions", "without flat sessions")
_FORM = ("simple returns", "log returns")
_MONTH = 21


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


def _bases(material: Material, only: str = "") -> tuple[str, ...]:
    names = [name for name in material.series if not only or only in name]
    kept: list[str] = []
    for name in names:
        values = material.series[name]
        if len(values) >= 2 and not any(np.array_equal(values, material.series[other]) for other in kept):
            kept.append(name)
    return tuple(kept)


def _values(material: Material, choice: dict[str, str]) -> np.ndarray:
    values = material.series[choice["basis"]]
    if choice.get("days") == _DAYS[1]:
        values = values[values != 0.0]
    return np.log1p(values) if choice.get("form") == _FORM[1] else values


def _idle(material: Material, bases: tuple[str, ...]) -> tuple[str, ...]:
    """Dimensions that cannot matter: flat sessions where there are none."""
    return () if any((material.series[name] == 0.0).any() for name in bases) else ("days",)


def _monthly(values: np.ndarray, material: Material, basis: str, form: str) -> np.ndarray:
    """Returns compounded to calendar months, or to blocks of 21 sessions where no dates are known."""
    logs = np.log1p(material.series[basis])
    if material.dates is not None and len(material.dates) == len(logs):
        months = material.dates.astype("datetime64[M]").astype(int)
    else:
        months = np.arange(len(logs)) // _MONTH
    _, labels = np.unique(months, return_inverse=True)
    sums = np.bincount(labels, weights=logs)
    return sums if form == _FORM[1] else np.expm1(sums)


def _spread(values: np.ndarray, choice: dict[str, str]) -> float:
    ddof = 0 if choice["ddof"] == DDOF[1] else 1
    return float(values.std(ddof=ddof)) if len(values) > ddof else math.nan


def _sharpe(material: Material, only: str = "") -> tuple[Reading, ...]:
    """sqrt(P)·mean(r − rf)/std, or the compound annual return over the annual volatility."""
    bases = _bases(material, only)
    if not bases:
        return ()
    stated = () if material.risk_free is None else (material.risk_free,)
    rates = tuple(dict.fromkeys((0.0, *stated, *RISK_FREE)))
    dimensions = {
        "basis": bases, "mean": ("arithmetic", "geometric"), "ddof": DDOF, "periods": PERIODS, "form": _FORM,
        "risk_free": tuple(f"rf {100 * rate:g}%" for rate in rates), "days": _DAYS,
    }  # fmt: skip
    rate_of = dict(zip(dimensions["risk_free"], rates, strict=True))

    def figure(choice: dict[str, str]) -> float | None:
        values, monthly = _values(material, choice), choice["periods"] == PERIODS[4]
        if monthly:
            if choice["days"] != _DAYS[0]:
                return None
            values = _monthly(values, material, choice["basis"], choice["form"])
        if choice["mean"] == "geometric" and (choice["form"] == _FORM[1] or choice["periods"] == PERIODS[5]):
            return None
        periods = 12.0 if monthly else 1.0 if choice["periods"] == PERIODS[5] else float(choice["periods"])
        rate = rate_of[choice["risk_free"]]
        if choice["periods"] == PERIODS[5] and rate:
            return None
        deviation = _spread(values, choice)
        if not deviation > 1e-15:
            return None
        if choice["mean"] == "arithmetic":
            return float((values.mean() - rate / periods) / deviation * math.sqrt(periods))
        growth = _growth(values, periods)
        return None if growth is None else (growth - rate) / (deviation * math.sqrt(periods))

    return readings_over(dimensions, figure, _idle(material, bases))


def _growth(values: np.ndarray, periods: float) -> float | None:
    """Compound growth a year."""
    if not len(values) or (values <= -1.0).any():
        return None
    return float(math.expm1(np.log1p(values).sum() * periods / len(values)))


def _annual_return(material: Material, only: str = "") -> tuple[Reading, ...]:
    bases = _bases(material, only)
    methods = ("geometric", "arithmetic", "mean log return", "geometric, calendar years")
    dimensions = {"basis": bases, "mean": methods, "periods": _ANNUAL, "days": _DAYS}

    def figure(choice: dict[str, str]) -> float | None:
        values, periods = _values(material, choice), float(choice["periods"])
        if choice["mean"] == methods[1]:
            return float(values.mean() * periods)
        if (values <= -1.0).any():
            return None
        if choice["mean"] == methods[2]:
            return float(np.log1p(values).mean() * periods)
        if choice["mean"] == methods[3]:
            if material.dates is None or choice["periods"] != _ANNUAL[0] or choice["days"] != _DAYS[0]:
                return None
            years = float((material.dates[-1] - material.dates[0]) / np.timedelta64(1, "D")) / 365.25
            return float(math.expm1(np.log1p(values).sum() / years)) if years > 0 else None
        return _growth(values, periods)

    return readings_over(dimensions, figure, _idle(material, bases)) if bases else ()


def _total_return(material: Material) -> tuple[Reading, ...]:
    bases = _bases(material)
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
    bases = _bases(material)
    dimensions = {"basis": bases, "ddof": DDOF, "periods": PERIODS[:5], "form": _FORM, "days": _DAYS}

    def figure(choice: dict[str, str]) -> float | None:
        values = _values(material, choice)
        if choice["periods"] == PERIODS[4]:
            if choice["days"] != _DAYS[0]:
                return None
            return _spread(_monthly(values, material, choice["basis"], choice["form"]), choice) * math.sqrt(12)
        return _spread(values, choice) * math.sqrt(float(choice["periods"]))

    return readings_over(dimensions, figure, _idle(material, bases)) if bases else ()


def _deviation(material: Material) -> tuple[Reading, ...]:
    bases = _bases(material)
    dimensions = {"basis": bases, "ddof": DDOF, "form": _FORM, "days": _DAYS}
    if not bases:
        return ()
    return readings_over(dimensions, lambda choice: _spread(_values(material, choice), choice), _idle(material, bases))


def _mean(material: Material) -> tuple[Reading, ...]:
    bases = _bases(material)
    dimensions = {"basis": bases, "mean": ("arithmetic", "geometric", "mean log return"), "days": _DAYS}

    def figure(choice: dict[str, str]) -> float | None:
        values = _values(material, choice)
        if choice["mean"] == "arithmetic":
            return float(values.mean()) if len(values) else None
        if (values <= -1.0).any() or not len(values):
            return None
        log = float(np.log1p(values).mean())
        return math.expm1(log) if choice["mean"] == "geometric" else log

    return readings_over(dimensions, figure, _idle(material, bases)) if bases else ()


def _drawdown_of(values: np.ndarray, method: str, start: bool) -> float:
    """Deepest fall below the running peak; additive in units of constant capital, else as a share of the peak."""
    if method == "additive":
        path = np.cumsum(values)
        path = np.concatenate([[0.0], path]) if start else path
        return float((path - np.maximum.accumulate(path)).min())
    path = np.cumprod(1.0 + values)
    path = np.concatenate([[1.0], path]) if start else path
    return float((path / np.maximum.accumulate(path) - 1.0).min())


def _drawdown(material: Material) -> tuple[Reading, ...]:
    bases = _bases(material)
    dimensions = {
        "basis": bases, "mean": ("compounded", "additive"), "start": ("from the starting capital", "from the first session"),
        "sign": ("negative", "printed positive"),
    }  # fmt: skip

    def figure(choice: dict[str, str]) -> float | None:
        depth = _drawdown_of(material.series[choice["basis"]], choice["mean"], choice["start"] == dimensions["start"][0])
        if choice["start"] == dimensions["start"][1]:
            first = _drawdown_of(material.series[choice["basis"]], choice["mean"], True)
            if first == depth:
                return None
        return depth if choice["sign"] == "negative" else -depth

    return readings_over(dimensions, figure) if bases else ()


def _sortino(material: Material) -> tuple[Reading, ...]:
    bases = _bases(material)
    below = ("downside over all sessions", "downside over losing sessions", "std of losing sessions ddof 1",
             "std of losing sessions ddof 0")  # fmt: skip
    dimensions = {"basis": bases, "downside": below, "mean": ("arithmetic", "geometric"), "periods": _ANNUAL, "days": _DAYS}

    def figure(choice: dict[str, str]) -> float | None:
        values, periods = _values(material, choice), float(choice["periods"])
        losses = values[values < 0]
        if len(losses) < 2:
            return None
        kind = below.index(choice["downside"])
        if kind < 2:
            under = math.sqrt(float((losses**2).sum()) / (len(values) if kind == 0 else len(losses)))
        else:
            under = float(losses.std(ddof=3 - kind))
        if not under > 0:
            return None
        yearly = values.mean() * periods if choice["mean"] == "arithmetic" else _growth(values, periods)
        return None if yearly is None else float(yearly / (under * math.sqrt(periods)))

    return readings_over(dimensions, figure, _idle(material, bases)) if bases else ()


def _calmar(material: Material) -> tuple[Reading, ...]:
    bases = _bases(material)
    dimensions = {"basis": bases, "mean": ("geometric", "arithmetic"), "drawdown": ("compounded drawdown", "additive drawdown"),
                  "periods": _ANNUAL}  # fmt: skip

    def figure(choice: dict[str, str]) -> float | None:
        values, periods = material.series[choice["basis"]], float(choice["periods"])
        depth = -_drawdown_of(values, choice["drawdown"].split()[0], True)
        yearly = values.mean() * periods if choice["mean"] == "arithmetic" else _growth(values, periods)
        return None if yearly is None or not depth > 0 else float(yearly / depth)

    return readings_over(dimensions, figure) if bases else ()


def _tail(material: Material, mean_of_tail: bool) -> tuple[Reading, ...]:
    bases = _bases(material)
    methods = ("historical", "historical, lower value", "normal ddof 1", "normal ddof 0")
    dimensions = {"basis": bases, "level": ("95%", "99%"), "method": methods, "sign": ("negative", "printed positive")}

    def figure(choice: dict[str, str]) -> float | None:
        values = material.series[choice["basis"]]
        share = 0.05 if choice["level"] == "95%" else 0.01
        kind = methods.index(choice["method"])
        if kind >= 2:
            from statistics import NormalDist

            z = NormalDist().inv_cdf(share)
            deviation = float(values.std(ddof=3 - kind))
            value = values.mean() + deviation * (-NormalDist().pdf(z) / share if mean_of_tail else z)
        else:
            value = float(np.quantile(values, share, method="linear" if kind == 0 else "lower"))
            value = float(values[values <= value].mean()) if mean_of_tail else value
        return float(value if choice["sign"] == "negative" else -value)

    return readings_over(dimensions, figure) if bases else ()


def _moment(material: Material, order: int) -> tuple[Reading, ...]:
    bases = _bases(material)
    kinds = ("population", "sample-corrected")
    dimensions = {"basis": bases, "moment": kinds, "mean": ("raw",) if order == 3 else ("raw (normal 3)", "excess (normal 0)")}

    def figure(choice: dict[str, str]) -> float | None:
        values = material.series[choice["basis"]]
        n = len(values)
        centred = values - values.mean()
        m2 = float((centred**2).mean())
        if m2 <= 0 or n < 4:
            return None
        if order == 3:
            g = float((centred**3).mean()) / m2**1.5
            return g if choice["moment"] == kinds[0] else g * math.sqrt(n * (n - 1)) / (n - 2)
        excess = float((centred**4).mean()) / m2**2 - 3.0
        if choice["moment"] == kinds[1]:
            excess = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6)
        return excess + (3.0 if choice["mean"].startswith("raw") else 0.0)

    return readings_over(dimensions, figure) if bases else ()


def _hit(material: Material) -> tuple[Reading, ...]:
    bases = _bases(material)
    dimensions = {"basis": bases, "counted": ("per session, net of all sessions", "per session, flat ones left out",
                                              "per session, flat ones counted as hits")}  # fmt: skip

    def figure(choice: dict[str, str]) -> float | None:
        values = material.series[choice["basis"]]
        kind = dimensions["counted"].index(choice["counted"])
        if kind == 1:
            values = values[values != 0]
        if not len(values):
            return None
        if kind and not (material.series[choice["basis"]] == 0).any():
            return None
        return float((values >= 0).mean() if kind == 2 else (values > 0).mean())

    return readings_over(dimensions, figure) if bases else ()


def _turnover(material: Material) -> tuple[Reading, ...]:
    if material.turnover is None:
        return ()
    traded = material.turnover
    dimensions = {"way": ("one-way", "two-way"), "periods": ("a session", *(f"a year of {p}" for p in _ANNUAL)),
                  "days": ("all sessions", "without the first")}  # fmt: skip

    def figure(choice: dict[str, str]) -> float | None:
        values = traded[1:] if choice["days"] == "without the first" else traded
        scale = 1.0 if choice["periods"] == "a session" else float(choice["periods"].rsplit(" ", 1)[1])
        return float(values.mean() * scale * (2.0 if choice["way"] == "two-way" else 1.0)) if len(values) else None

    return readings_over(dimensions, figure)


def _relative(material: Material, wanted: str) -> tuple[Reading, ...]:
    bases = _bases(material)
    if material.benchmark is None or not bases:
        return ()
    market = material.benchmark
    dimensions = {"basis": bases, "periods": _ANNUAL if wanted == "alpha" else ("",)}

    def figure(choice: dict[str, str]) -> float | None:
        values = material.series[choice["basis"]]
        if len(values) != len(market) or not market.var() > 0:
            return None
        beta = float(np.cov(values, market, ddof=1)[0, 1] / market.var(ddof=1))
        return beta if wanted == "beta" else float((values.mean() - beta * market.mean()) * float(choice["periods"]))

    return readings_over(dimensions, figure)


#: Canonical metric -> its readings.
RETURN_METRICS = {
    "sharpe": _sharpe,
    "sharpe_gross": lambda material: _sharpe(material, "gross"),
    "annual_return": _annual_return,
    "annual_return_gross": lambda material: _annual_return(material, "gross"),
    "total_return": _total_return,
    "annual_volatility": _volatility,
    "return_std": _deviation,
    "mean_return": _mean,
    "max_drawdown": _drawdown,
    "sortino": _sortino,
    "calmar": _calmar,
    "var": lambda material: _tail(material, False),
    "cvar": lambda material: _tail(material, True),
    "skewness": lambda material: _moment(material, 3),
    "kurtosis": lambda material: _moment(material, 4),
    "win_rate": _hit,
    "turnover": _turnover,
    "alpha": lambda material: _relative(material, "alpha"),
    "beta": lambda material: _relative(material, "beta"),
    "sessions": lambda material: readings_over(
        {"basis": _bases(material)[:1]}, lambda choice: float(len(material.series[choice["basis"]]))
    ),
}
