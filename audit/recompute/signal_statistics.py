"""Figures of predictions against what followed, and of "up" against "down", under every convention of the grid.

References
----------
Matthews (1975) for the correlation; Brier (1950) for the score; Hanley & McNeil (1982) for the area under the curve;
Naeini, Cooper & Hauskrecht (2015) for the expected calibration error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from assay.audit.recompute.conventions import DDOF, OVERLAP, Choice, Dimension, Material, Statistic
from assay.audit.recompute.return_statistics import monthly
from assay.data.conventions import SESSIONS_A_YEAR, Floats

__all__ = ["CLASS_METRICS", "SIDE_METRICS", "SIGNAL_STATISTICS", "side_statistic"]

Flags = np.ndarray


def _timing(material: Material) -> tuple[str, ...]:
    return tuple(material.panels)


def _overlap(material: Material) -> tuple[str, ...]:
    """Overlap cannot matter where no window is longer than a session."""
    return OVERLAP if any(panel.horizon > 1 for panel in material.panels.values()) else ("",)


def _correlation(one: Floats, two: Floats, ranked: bool = False) -> float:
    if len(one) < 3:
        return math.nan
    if ranked:
        from assay.results.stats.ranks import average_ranks

        one, two = average_ranks(np.stack([one, two]))
    return float(np.corrcoef(one, two)[0, 1]) if one.std() > 0 and two.std() > 0 else math.nan


_AVERAGES = ("of up", "of down", "macro", "weighted")
_UP = ("up is above 0", "up is 0 or above")
#: Scores of one class, and what a score of that class alone can be called by; the accuracy of a class is the share of
#: it that was called.
_OF_CLASS = ("precision", "recall", "f1")
_OF_SIDE = {"accuracy": "recall", "hit_rate": "precision"} | {name: name for name in _OF_CLASS}
_PROBABILITIES = ("brier", "log_loss", "calibration_error")
_BINS = tuple(f"{count} bins of equal {what}" for what in ("width", "counts") for count in (10, 15, 20, 5)
              if (what, count) != ("counts", 5))  # fmt: skip
_CONFIDENCE = ("of the probability of up", "of the confidence in the class called")
#: Metrics that may be of one class alone.
SIDE_METRICS = tuple(_OF_SIDE)


def _of_class(score: str, called: Flags, real: Flags) -> float:
    true = float((called & real).sum())
    top, whole = {"precision": (true, called.sum()), "recall": (true, real.sum()),
                  "f1": (2 * true, called.sum() + real.sum())}[score]  # fmt: skip
    return top / float(whole) if whole else 0.0


def _averaged(called: Flags, real: Flags, score: str, average: str) -> float:
    share = {"of up": 1.0, "of down": 0.0, "macro": 0.5}.get(average, float(real.mean()))
    return share * _of_class(score, called, real) + (1 - share) * _of_class(score, ~called, ~real)


def _calibration(chance: Floats, real: Flags, choice: Choice) -> float:
    """Mean distance of a bin's mean probability from its frequency, weighted by cases (expected calibration error)."""
    if choice["confidence"] == _CONFIDENCE[1]:
        chance, real = np.where(chance > 0.5, chance, 1 - chance), (chance > 0.5) == real
    count = int(choice["bins"].split()[0])
    edges = np.linspace(0, 1, count + 1)
    edges = np.quantile(chance, edges) if choice["bins"].endswith("counts") else edges
    place = np.searchsorted(edges[1:-1], chance, side="left")
    return float(np.abs(np.bincount(place, weights=chance - real)).sum() / len(chance))


def _auc(graded: Floats, real: Flags) -> float:
    from assay.results.stats.ranks import average_ranks

    up = int(real.sum())
    ranks = average_ranks(graded[None, :])[0]
    return (float(ranks[real].sum()) - up * (up + 1) / 2) / (up * (len(real) - up)) if 0 < up < len(real) else math.nan


def _log_loss(graded: Floats, real: Flags) -> float:
    safe = np.clip(graded, 1e-15, 1 - 1e-15)
    return float(-np.where(real, np.log(safe), np.log1p(-safe)).mean())


def _mcc(called: Flags, real: Flags) -> float:
    value = _correlation(called.astype(np.float64), real.astype(np.float64))
    return 0.0 if math.isnan(value) else value


#: (score or probability, what was called up, what rose, choice) -> value.
Scored = Callable[[Floats, Flags, Flags, Choice], float]


def _classes(figure: Scored, *averages: str, only_probability: bool = False, **more: Dimension) -> Statistic:
    """A statistic of calls of up against down: from the probability of up, or from the sign of the score."""

    def called(material: Material) -> tuple[str, ...]:
        names = []
        for timing, panel in material.panels.items():
            names += [f"probability above 1/2, {timing}"] if panel.probability is not None else []
            names += [f"sign of the score, {timing}"] if panel.signed and not only_probability else []
        return tuple(names)

    def value(material: Material, choice: Choice) -> float:
        kind, timing = choice["called"].rsplit(", ", 1)
        panel, sure = material.panels[timing], kind.startswith("probability")
        graded, outcome = panel.cases(panel.probability if sure else panel.score, choice)
        real = outcome > 0 if choice["up"] == _UP[0] else outcome >= 0
        if not len(real) or (choice["up"] == _UP[1] and not (outcome == 0).any()):
            return math.nan
        return figure(graded, graded > (0.5 if sure else 0.0), real, choice)

    return Statistic(value, {"called": called, "up": _UP, "average": averages or ("",), "overlap": _overlap, **more})


def _by_average(score: str, *averages: str) -> Statistic:
    return _classes(lambda _, called, real, choice: _averaged(called, real, score, choice["average"]), *averages)


#: Metrics of up against down.
_CLASS_STATISTICS: Mapping[str, Statistic] = {
    "accuracy": _classes(lambda graded, called, real, choice: float((called == real).mean())),
    "error_rate": _classes(lambda graded, called, real, choice: float((called != real).mean())),
    "balanced_accuracy": _by_average("recall", "macro"),
    "mcc": _classes(lambda graded, called, real, choice: _mcc(called, real)),
    **{name: _by_average(name, *_AVERAGES) for name in _OF_CLASS},
    **{f"{name}_{average}": _by_average(name, average) for name in _OF_CLASS for average in ("macro", "weighted")},
    "auc": _classes(lambda graded, called, real, choice: _auc(graded, real)),
    "brier": _classes(lambda graded, called, real, choice: float(((graded - real) ** 2).mean()), only_probability=True),
    "log_loss": _classes(lambda graded, called, real, choice: _log_loss(graded, real), only_probability=True),
    "calibration_error": _classes(lambda graded, called, real, choice: _calibration(graded, real, choice),
                                  only_probability=True, bins=_BINS, confidence=_CONFIDENCE),
    "prevalence": _classes(lambda graded, called, real, choice: float(real.mean())),
}  # fmt: skip
CLASS_METRICS = tuple(_CLASS_STATISTICS)


def side_statistic(metric: str, side: str) -> Statistic:
    """A score of up, or of down, alone."""
    return _by_average(_OF_SIDE[metric], f"of {side}")


_TAKEN: dict[str, Callable[[Floats], Any]] = {"mean of sessions": np.mean, "median of sessions": np.median}


def _ic(material: Material, choice: Choice, *, kind: str) -> float:
    """Mean of the sessions' correlations, or one correlation over all cases."""
    if choice["weighting"] == "pooled":
        return _correlation(*material.panels[choice["timing"]].cases(None, choice), kind == "Spearman")
    daily = _daily(material, choice, kind)
    return float(_TAKEN[choice["weighting"]](daily)) if len(daily) else math.nan


def _daily(material: Material, choice: Choice, kind: str) -> Floats:
    panel = material.panels[choice["timing"]]
    daily = panel.correlations[kind][:: panel.horizon if choice["overlap"] == OVERLAP[1] else 1]
    return np.asarray(daily[np.isfinite(daily)])


_APART = "252 over the horizon"


def _of_daily(
    figure: Callable[[Floats, int, float], float], *periods: str, kinds: tuple[str, ...] = ("Spearman", "Pearson"),
    ddof: tuple[str, ...] = ("",),
) -> Statistic:  # fmt: skip
    """A figure of the sessions' correlations, of either kind: of them, the ddof, and the periods a year."""

    def value(material: Material, choice: Choice) -> float:
        daily, horizon = _daily(material, choice, choice["kind"]), material.panels[choice["timing"]].horizon
        if len(daily) < 2 or (choice["periods"] == _APART and horizon == 1):
            return math.nan
        named = {"a session": 1.0, "": len(daily), _APART: SESSIONS_A_YEAR / horizon}
        a_year = named[choice["periods"]] if choice["periods"] in named else float(choice["periods"])
        return figure(daily, int(choice["ddof"][-1:] or 0), a_year)

    dimensions: dict[str, Dimension] = {"timing": _timing, "kind": kinds, "ddof": ddof, "overlap": _overlap}
    return Statistic(value, {**dimensions, "periods": periods or ("",)})


def _ratio(daily: Floats, ddof: int, periods: float) -> float:
    deviation = float(daily.std(ddof=ddof))
    return float(daily.mean()) / deviation * math.sqrt(periods) if deviation > 0 else math.nan


def _outcomes(material: Material, choice: Choice) -> Floats | None:
    """What came of every case of a hit rate: above 0 for a hit, 0 for neither."""
    kind, _, name = choice["counted"].partition(", ")
    if kind == "per prediction":
        one, two = material.panels[name].cases(None, choice)
        return np.sign(one) * np.sign(two)
    if choice["overlap"] == OVERLAP[1]:
        return None
    if kind in ("per session", "per month"):
        return material.series[name] if kind == "per session" else monthly(material, name)
    return material.positions if kind == "per position" else material.outcomes


_FLATS = ("flat cases left out", "flat cases counted as misses", "flat cases counted as hits")


def _hit(material: Material, choice: Choice) -> float:
    values = _outcomes(material, choice)
    values = np.empty(0) if values is None else values[np.isfinite(values)]
    if choice["flat"] == _FLATS[0]:
        values = values[values != 0]
    elif not (values == 0).any():
        return math.nan
    return float((values >= 0 if choice["flat"] == _FLATS[2] else values > 0).mean()) if len(values) else math.nan


def _hits(*first: str) -> Statistic:
    """The hit rates that go by one name: of predictions, positions, trades, sessions and months."""

    def counted(material: Material) -> tuple[str, ...]:
        names = [f"per prediction, {timing}" for timing, panel in material.panels.items() if panel.signed]
        names += ["per position"] if material.positions is not None else []
        names += ["per trade"] if material.outcomes is not None else []
        names += [f"{kind}, {name}" for name in material.series for kind in ("per session", "per month")]
        place = {kind: at for at, kind in enumerate(first)}
        return tuple(sorted(names, key=lambda name: place.get(name.split(",")[0], len(first))))

    return Statistic(_hit, {"counted": counted, "flat": _FLATS, "overlap": _overlap})


def _targets(material: Material) -> tuple[str, ...]:
    """The predicted returns, and the price levels that they imply."""
    names = []
    for timing, panel in material.panels.items():
        known = panel.base is not None and panel.realised is not None
        names += [f"returns, {timing}", *([f"price levels, {timing}"] if known else [])] if panel.signed else []
    return tuple(names)


def _errors(figure: Callable[[Floats, Floats], float]) -> Statistic:
    """A statistic of predictions against what came."""

    def value(material: Material, choice: Choice) -> float:
        kind, timing = choice["target"].rsplit(", ", 1)
        panel = material.panels[timing]
        levels = kind == "price levels" and panel.base is not None
        implied = panel.base * (1.0 + panel.score) if levels and panel.base is not None else None
        predicted, real = panel.cases(implied, choice, panel.realised if levels else None)
        return figure(predicted, real) if len(real) > 1 else math.nan

    return Statistic(value, {"target": _targets, "overlap": _overlap})


def _share(off: Floats, size: Floats) -> float:
    return float((np.abs(off) / size)[size > 0].mean()) if (size > 0).any() else math.nan


def _moment(figure: Callable[[Floats, int], float], ddof: tuple[str, ...] = ("",)) -> Statistic:
    """A moment or an extreme of the predictions themselves."""

    def value(material: Material, choice: Choice) -> float:
        panel = next(iter(material.panels.values()), None)
        values = np.empty(0) if panel is None else panel.score[np.isfinite(panel.score)]
        return figure(values, int(choice["ddof"][-1:] or 0)) if len(values) > 1 else math.nan

    return Statistic(value, {"ddof": ddof})


_RATIOS = ("a session", "252", "250", "260", "365", _APART)
_PEARSON = ("Pearson", "Spearman")
_WEIGHTING = (*_TAKEN, "pooled")
#: Canonical metric -> its readings.
SIGNAL_STATISTICS: Mapping[str, Statistic] = {
    **{name: Statistic(partial(_ic, kind=kind), {"timing": _timing, "weighting": _WEIGHTING, "overlap": _overlap})
       for name, kind in (("ic", "Pearson"), ("rank_ic", "Spearman"))},
    "ic_std": _of_daily(lambda daily, ddof, _: float(daily.std(ddof=ddof)), "a session", kinds=_PEARSON, ddof=DDOF),
    "rank_ic_std": _of_daily(lambda daily, ddof, _: float(daily.std(ddof=ddof)), "a session", ddof=DDOF),
    "icir": _of_daily(_ratio, *_RATIOS, kinds=_PEARSON, ddof=DDOF),
    "rank_icir": _of_daily(_ratio, *_RATIOS, ddof=DDOF),
    "icir_annual": _of_daily(_ratio, *_RATIOS[1:5], "a session", _APART, kinds=_PEARSON, ddof=DDOF),
    "ic_t": _of_daily(_ratio, ddof=DDOF),
    "ic_min": _of_daily(lambda daily, *_: float(daily.min())),
    "ic_max": _of_daily(lambda daily, *_: float(daily.max())),
    "ic_positive_share": _of_daily(lambda daily, *_: float((daily > 0).mean())),
    "prediction_mean": _moment(lambda values, _: float(values.mean())),
    "prediction_std": _moment(lambda values, ddof: float(values.std(ddof=ddof)), DDOF),
    "prediction_min": _moment(lambda values, _: float(values.min())),
    "prediction_max": _moment(lambda values, _: float(values.max())),
    "hit_rate": _hits("per prediction"),
    "win_rate": _hits("per trade", "per session", "per month"),
    "r2": _errors(lambda predicted, real: float(1.0 - ((predicted - real) ** 2).mean() / real.var())),
    "mae": _errors(lambda predicted, real: float(np.abs(predicted - real).mean())),
    "mse": _errors(lambda predicted, real: float(((predicted - real) ** 2).mean())),
    "rmse": _errors(lambda predicted, real: math.sqrt(float(((predicted - real) ** 2).mean()))),
    "mape": _errors(lambda predicted, real: _share(predicted - real, np.abs(real))),
    "smape": _errors(lambda predicted, real: _share(2 * (predicted - real), np.abs(real) + np.abs(predicted))),
    "bias": _errors(lambda predicted, real: float((predicted - real).mean())),
    "max_error": _errors(lambda predicted, real: float(np.abs(predicted - real).max())),
    "correlation": _errors(_correlation),
    **_CLASS_STATISTICS,
}  # fmt: skip
