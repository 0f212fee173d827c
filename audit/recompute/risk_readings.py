"""Drawdown, downside, tail and moment figures of a return series under every convention of the grid, a row a figure.

References
----------
Sortino & Price (1994) for the downside deviation over all observations; Young (1991) for the Calmar ratio;
Rockafellar & Uryasev (2000) for the mean of the tail.

"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from assay.audit.recompute.conventions import PERIODS, Material
from assay.audit.recompute.series import (
    DAYS,
    FORM,
    annual_of,
    calendar_years,
    drawdown_of,
    drawdown_spans,
    growth,
    monthly,
    rates_of,
)
from assay.audit.recompute.statistic import Choice, of_returns

__all__ = ["RISK_STATISTICS"]

#: The value at risk of pyfolio's table: the mean less two deviations, whatever share of days that is.
TWO = "two deviations"
_SIGNS = ("negative", "printed positive")
_STARTS = ("from the starting capital", "from the first session")
_BELOW = (
    "downside over all sessions", "downside over losing sessions", "std of losing sessions ddof 1",
    "std of losing sessions ddof 0",
)  # fmt: skip
_YEARLY = ("geometric", "arithmetic", "geometric, calendar years", "total return")
_TAILS = ("historical", "historical, lower value", "normal ddof 1", "normal ddof 0")
_MOMENTS = ("population", "sample-corrected")
_SPANS = ("peak to recovery", "peak to trough", "trough to recovery")
_OF_SPANS = ("the longest of all", "of the deepest", "mean of all")
_UNITS = ("calendar days", "sessions", "months of 30.44 days", "months of 21 sessions")


def _signed(value: float, choice: Choice) -> float:
    return value if choice["sign"] == _SIGNS[0] else -value


def _drawdown(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    started = choice["start"] == _STARTS[0]
    if choice["sampled"] == "month ends":
        path = monthly(material, choice["basis"], FORM[0])
        return _signed(drawdown_of(path, choice["mean"], True), choice) if started else None
    depth = drawdown_of(values, choice["mean"], started)
    return None if not started and drawdown_of(values, choice["mean"], True) == depth else _signed(depth, choice)


def _duration(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    """Length of drawdowns; one that has not ended counts to the last session."""
    in_days = choice["unit"] in (_UNITS[0], _UNITS[2])
    dates = material.dates
    if (in_days and (dates is None or len(dates) != len(values))) or (values <= -1.0).any():
        return None
    spans = drawdown_spans(values)
    if not spans:
        return None
    # The starting capital is a peak before the first session: as many sessions, and of the first date.
    at = np.arange(len(values) + 1.0)
    if in_days and dates is not None:
        at = np.concatenate([[0.0], (dates - dates[0]) / np.timedelta64(1, "D")])
    ends = {"peak to recovery": (0, 2), "peak to trough": (0, 1), "trough to recovery": (1, 2)}[choice["span"]]
    lengths = [float(at[span[:3][ends[1]]] - at[span[:3][ends[0]]]) for span in spans]
    deepest = min(range(len(spans)), key=lambda index: spans[index][3])
    length = {_OF_SPANS[0]: max(lengths), _OF_SPANS[1]: lengths[deepest], _OF_SPANS[2]: sum(lengths) / len(lengths)}
    return length[choice["of"]] / {_UNITS[2]: 365.25 / 12, _UNITS[3]: 21.0}.get(choice["unit"], 1.0)


def _sortino(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    rate, compounds = rates_of(material)[choice["risk_free"]]
    if choice["target"] != "below 0" and not rate:
        return None
    periods = 12.0
    if choice["periods"] != PERIODS[4]:
        periods = float(choice["periods"])
    elif choice["days"] == DAYS[0]:
        values = monthly(material, choice["basis"], FORM[0])
    else:
        return None
    each = math.expm1(math.log1p(rate) / periods) if compounds else rate / periods
    beneath = values if choice["target"] == "below 0" else values - each
    losses = beneath[beneath < 0]
    if len(losses) < 2:
        return None
    kind = _BELOW.index(choice["downside"])
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


def _calmar(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    periods, kind = float(choice["periods"]), _YEARLY.index(choice["mean"])
    path = monthly(material, choice["basis"], FORM[0]) if "month" in choice["drawdown"] else values
    depth = -drawdown_of(path, choice["drawdown"].split()[0], True)
    if kind >= 2:
        years = calendar_years(material) if kind == 2 else 1.0
        if years is None or choice["periods"] != annual_of(material)[0]:
            return None
        periods = len(values) / years
    yearly = values.mean() * periods if kind == 1 else growth(values, periods)
    return None if yearly is None or not depth > 0 else float(yearly / depth)


def _tail(values: np.ndarray, choice: Choice, _: Material, mean_of_tail: bool) -> float | None:
    if len(values) < 2:
        return None
    share, kind = 0.01 if choice["level"] == "99%" else 0.05, _TAILS.index(choice["method"])
    if choice["level"] == TWO:
        return _signed(float(values.mean() - 2 * values.std(ddof=3 - kind)), choice) if kind >= 2 else None
    if kind >= 2:
        from statistics import NormalDist

        z = NormalDist().inv_cdf(share)
        value = values.mean() + values.std(ddof=3 - kind) * (-NormalDist().pdf(z) / share if mean_of_tail else z)
        return _signed(float(value), choice)
    value = float(np.quantile(values, share, method="linear" if kind == 0 else "lower"))
    return _signed(float(values[values <= value].mean()) if mean_of_tail else value, choice)


def _moment(values: np.ndarray, choice: Choice, _: Material, order: int) -> float | None:
    n, centred = len(values), values - values.mean()
    m2 = float((centred**2).mean())
    if m2 <= 0 or n < 4:
        return None
    corrected = choice["moment"] == _MOMENTS[1]
    if order == 3:
        g = float((centred**3).mean()) / m2**1.5
        return float(g * math.sqrt(n * (n - 1)) / (n - 2)) if corrected else g
    excess = float((centred**4).mean()) / m2**2 - 3.0
    if corrected:
        excess = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6)
    return excess + (3.0 if choice["mean"].startswith("raw") else 0.0)


#: Canonical metric -> its row; a path's own conventions first.
RISK_STATISTICS = (
    of_returns("max_drawdown", _drawdown, mean=("compounded", "additive"), start=_STARTS,
               sampled=("every session", "month ends"), sign=_SIGNS),
    of_returns("drawdown_duration", _duration, unit=_UNITS, span=_SPANS, of=_OF_SPANS),
    of_returns("sortino", _sortino, downside=_BELOW, mean=("arithmetic", "geometric"),
               periods=lambda m: (*annual_of(m), PERIODS[4]), target=("below 0", "below the risk-free rate"),
               risk_free=lambda m: tuple(rates_of(m)), days=DAYS),
    of_returns("calmar", _calmar, mean=_YEARLY,
               drawdown=("compounded drawdown", "additive drawdown", "compounded drawdown of month ends"),
               periods=annual_of),
    *(of_returns(name, partial(_tail, mean_of_tail=mean), level=levels, method=_TAILS, sign=_SIGNS, form=FORM,
                 days=DAYS)
      for name, mean, levels in (("var", False, ("95%", "99%", TWO)), ("cvar", True, ("95%", "99%")))),
    *(of_returns(name, partial(_moment, order=order), moment=_MOMENTS, mean=means, form=FORM, days=DAYS)
      for name, order, means in (("skewness", 3, ("raw",)), ("kurtosis", 4, ("raw (normal 3)", "excess (normal 0)")))),
)  # fmt: skip
