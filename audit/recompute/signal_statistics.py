"""Figures of predictions against what followed, and of "up" against "down", under every convention of the grid.

References
----------
Matthews (1975) for the correlation; Brier (1950) for the score; Hanley & McNeil (1982) for the area under the curve;
Naeini, Cooper & Hauskrecht (2015) for the expected calibration error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from assay.audit.recompute.conventions import DDOF, OVERLAP, Choice, Dimension, Material, Statistic
from assay.audit.recompute.return_statistics import monthly
from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.results.stats import classification
from assay.results.stats.ranks import rank_correlation, row_correlation

__all__ = ["CLASS_METRICS", "SIDE_METRICS", "SIGNAL_STATISTICS", "side_statistic"]

Flags = np.ndarray
_KINDS = {"Pearson": row_correlation, "Spearman": rank_correlation}
#: The averages of a score of one class, and what such a score is called; the accuracy of a class is the share of it
#: that was called.
_AVERAGES = ("of up", "of down", "macro", "weighted")
_OF_CLASS = ("precision", "recall", "f1")
_OF_SIDE = {"accuracy": "recall", "hit_rate": "precision"} | {name: name for name in _OF_CLASS}
#: Metrics that may be of one class alone.
SIDE_METRICS = tuple(_OF_SIDE)
_UP = ("up is above 0", "up is 0 or above")
_BINS = (*(f"{count} bins of equal width" for count in (10, 15, 20, 5)),
         *(f"{count} bins of equal counts" for count in (10, 15, 20)))  # fmt: skip
_CONFIDENCE = ("of the probability of up", "of the confidence in the class called")
_APART, _RATIOS = "252 over the horizon", ("252", "250", "260", "365")
_FLATS = ("flat cases left out", "flat cases counted as misses", "flat cases counted as hits")
_MEANS: dict[str, Callable[[Floats], Any]] = {"mean of sessions": np.mean, "median of sessions": np.median}


def _overlap(material: Material) -> tuple[str, ...]:
    """Overlap cannot matter where no window is longer than a session."""
    return OVERLAP if any(panel.horizon > 1 for panel in material.panels.values()) else ("",)


def _pairs(choice: Choice, words: str) -> tuple[Floats, Floats]:
    """What was predicted, of what kind the words say at which timing, and what followed, of every case that has both;
    returns, price levels or probabilities."""
    kind, _, timing = words.rpartition(", ")
    panel = choice.material.panels[timing]
    one, two = panel.score, panel.forward
    if kind.startswith("probability") and panel.probability is not None:
        one = panel.probability
    if kind == "price levels" and panel.base is not None and panel.realised is not None:
        one, two = panel.base * (1.0 + panel.score), panel.realised
    step = panel.horizon if choice["overlap"] == OVERLAP[1] else 1
    known = np.isfinite(one[::step]) & np.isfinite(two[::step])
    return one[::step][known], two[::step][known]


def _correlation(one: Floats, two: Floats, kind: str) -> float:
    return float(_KINDS[kind](one[None], two[None], minimum=3)[0][0])


def _cases(choice: Choice) -> tuple[Floats, Flags, Flags]:
    """The score or probability of each case, whether up was called, and whether it came."""
    graded, outcome = _pairs(choice, choice["called"])
    if choice["up"] == _UP[1] and not (outcome == 0).any():
        return graded[:0], outcome[:0], outcome[:0]
    bar = 0.5 if choice["called"].startswith("probability") else 0.0
    return graded, graded > bar, outcome > 0 if choice["up"] == _UP[0] else outcome >= 0


def _classes(
    figure: Callable[[Floats, Flags, Flags, Choice], float], *averages: str, sure: bool = False, **more: Dimension
) -> Statistic:
    """A statistic of calls of up against down, by the probability of up or, unless `sure`, the sign of the score."""

    def called(material: Material) -> list[str]:
        kinds = {"probability above 1/2": lambda panel: panel.probability is not None,
                 "sign of the score": lambda panel: panel.signed and not sure}  # fmt: skip
        return [f"{kind}, {name}" for name, panel in material.panels.items() for kind in kinds if kinds[kind](panel)]

    dimensions: dict[str, Dimension] = {"called": called, "up": _UP, "average": averages or ("",), "overlap": _overlap}
    return Statistic(figure, {**dimensions, **more}, _cases)


def _of_class(score: str, called: Flags, real: Flags) -> float:
    true, said, was = (float(flags.sum()) for flags in (called & real, called, real))
    top, whole = {"precision": (true, said), "recall": (true, was), "f1": (2 * true, said + was)}[score]
    return top / whole if whole else 0.0


def _by_average(score: str, *averages: str) -> Statistic:
    def figure(_: Floats, called: Flags, real: Flags, choice: Choice) -> float:
        share = {"of up": 1.0, "of down": 0.0, "macro": 0.5}.get(choice["average"], float(real.mean()))
        return share * _of_class(score, called, real) + (1 - share) * _of_class(score, ~called, ~real)

    return _classes(figure, *averages)


def side_statistic(metric: str, side: str) -> Statistic:
    """A score of up, or of down, alone."""
    return _by_average(_OF_SIDE[metric], f"of {side}")


def _calibration(chance: Floats, _: Flags, real: Flags, choice: Choice) -> float:
    """Mean distance of a bin's mean probability from its frequency, weighted by cases (expected calibration error)."""
    if choice["confidence"] == _CONFIDENCE[1]:
        chance, real = np.where(chance > 0.5, chance, 1 - chance), (chance > 0.5) == real
    edges = np.linspace(0, 1, int(choice["bins"].split()[0]) + 1)
    edges = np.quantile(chance, edges) if choice["bins"].endswith("counts") else edges
    place = np.searchsorted(edges[1:-1], chance, side="left")
    return float(np.abs(np.bincount(place, weights=chance - real)).sum() / len(chance))


def _auc(graded: Floats, _: Flags, real: Flags, choice: Choice) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(real, graded)) if 0 < real.sum() < len(real) else math.nan


#: Metrics of up against down.
_CLASS_STATISTICS: Mapping[str, Statistic] = {
    "accuracy": _classes(lambda graded, called, real, choice: float((called == real).mean())),
    "error_rate": _classes(lambda graded, called, real, choice: float((called != real).mean())),
    "balanced_accuracy": _by_average("recall", "macro"),
    "mcc": _classes(lambda graded, called, real, choice: classification.matthews(called, real)[0]),
    **{name: _by_average(name, *_AVERAGES) for name in _OF_CLASS},
    **{f"{name}_{average}": _by_average(name, average) for name in _OF_CLASS for average in _AVERAGES[2:]},
    "auc": _classes(_auc),
    "brier": _classes(lambda graded, called, real, choice: float(((graded - real) ** 2).mean()), sure=True),
    "log_loss": _classes(lambda graded, called, real, _: classification.log_loss(graded, real).value, sure=True),
    "calibration_error": _classes(_calibration, sure=True, bins=_BINS, confidence=_CONFIDENCE),
    "prevalence": _classes(lambda graded, called, real, choice: float(real.mean())),
}
CLASS_METRICS = tuple(_CLASS_STATISTICS)


def _daily(choice: Choice, kind: str = "") -> list[Floats]:
    """The finite ones of the sessions' correlations."""
    panel = choice.material.panels[choice["timing"]]
    daily = panel.correlations[kind or choice["kind"]][:: panel.horizon if choice["overlap"] == OVERLAP[1] else 1]
    return [daily[np.isfinite(daily)]]


def _ic(kind: str) -> Statistic:
    """Mean of the sessions' correlations, or one correlation over all cases."""

    def figure(daily: Floats, choice: Choice) -> float:
        if choice["weighting"] in _MEANS:
            return float(_MEANS[choice["weighting"]](daily))
        return _correlation(*_pairs(choice, choice["timing"]), kind)

    dimensions: dict[str, Dimension] = {"weighting": (*_MEANS, "pooled"), "overlap": _overlap}
    return Statistic(figure, {"timing": lambda m: m.panels, **dimensions}, lambda choice: _daily(choice, kind))


def _of_daily(
    figure: Callable[[Floats, int, float], float], *periods: str, first: str = "Spearman", ddof: Dimension = ("",)
) -> Statistic:
    """A figure of the sessions' correlations, of either kind: of them, the ddof, and the periods a year."""

    def value(daily: Floats, choice: Choice) -> float:
        horizon, a_year = choice.material.panels[choice["timing"]].horizon, choice["periods"]
        named = {"a session": 1.0, "": len(daily), _APART: SESSIONS_A_YEAR / horizon if horizon > 1 else math.nan}
        return figure(daily, int(choice["ddof"][-1:] or 0), named[a_year] if a_year in named else float(a_year))

    kinds = sorted(_KINDS, key=lambda kind: kind != first)
    dimensions: dict[str, Dimension] = {"timing": lambda m: m.panels, "kind": kinds, "ddof": ddof, "overlap": _overlap}
    return Statistic(value, {**dimensions, "periods": periods or ("",)}, _daily, 2)


def _deviation(daily: Floats, ddof: int, _: float = 0.0) -> float:
    return float(daily.std(ddof=ddof))


def _ratio(daily: Floats, ddof: int, periods: float) -> float:
    deviation = _deviation(daily, ddof)
    return float(daily.mean()) / deviation * math.sqrt(periods) if deviation > 0 else math.nan


def _outcomes(choice: Choice) -> list[Floats]:
    """What came of every case of a hit rate: above 0 for a hit, 0 for neither."""
    material, (kind, _, name) = choice.material, choice["counted"].partition(", ")
    if kind == "per prediction":
        score, forward = _pairs(choice, name)
        values = np.sign(score) * np.sign(forward)
    elif choice["overlap"] == OVERLAP[1]:
        return [np.empty(0)]
    elif kind in ("per session", "per month"):
        values = material.series[name] if kind == "per session" else monthly(material, name)
    else:
        values = np.asarray(material.positions if kind == "per position" else material.outcomes)
    values = values[np.isfinite(values)]
    return [values[values != 0] if choice["flat"] == _FLATS[0] else values if (values == 0).any() else values[:0]]


def _hits(*first: str) -> Statistic:
    """The hit rates that go by one name: of predictions, positions, trades, sessions and months."""

    def counted(material: Material) -> list[str]:
        names = [f"per prediction, {timing}" for timing, panel in material.panels.items() if panel.signed]
        names += ["per position"] if material.positions is not None else []
        names += ["per trade"] if material.outcomes is not None else []
        names += [f"{kind}, {name}" for name in material.series for kind in ("per session", "per month")]
        place = {kind: at for at, kind in enumerate(first)}
        return sorted(names, key=lambda name: place.get(name.split(",")[0], len(first)))

    dimensions: dict[str, Dimension] = {"counted": counted, "flat": _FLATS, "overlap": _overlap}
    return Statistic(lambda v, c: float((v >= 0 if c["flat"] == _FLATS[2] else v > 0).mean()), dimensions, _outcomes)


def _targets(material: Material) -> list[str]:
    """The predicted returns, and the price levels that they imply."""
    signed = {timing: panel for timing, panel in material.panels.items() if panel.signed}
    kinds = {name: ("returns", *(("price levels",) if panel.base is not None else ())) for name, panel in signed.items()}
    return [f"{kind}, {timing}" for timing in kinds for kind in kinds[timing]]


def _errors(figure: Callable[[Floats, Floats], float]) -> Statistic:
    """A statistic of predicted returns, or price levels, against what came."""
    dimensions: dict[str, Dimension] = {"target": _targets, "overlap": _overlap}
    return Statistic(lambda one, two, _: figure(one, two), dimensions, lambda c: _pairs(c, c["target"]), 2)


def _share(off: Floats, size: Floats) -> float:
    return float((np.abs(off) / size)[size > 0].mean()) if (size > 0).any() else math.nan


def _moment(figure: Callable[[Floats, int], float], ddof: Dimension = ("",)) -> Statistic:
    """A moment or an extreme of the predictions themselves."""

    def scores(choice: Choice) -> list[Floats]:
        return [panel.score[np.isfinite(panel.score)] for panel in list(choice.material.panels.values())[:1]]

    dimensions: dict[str, Dimension] = {"ddof": lambda m: ddof if m.panels else ()}
    return Statistic(lambda values, choice: figure(values, int(choice["ddof"][-1:] or 0)), dimensions, scores, 2)


#: Canonical metric -> its readings.
SIGNAL_STATISTICS: Mapping[str, Statistic] = {
    "ic": _ic("Pearson"),
    "rank_ic": _ic("Spearman"),
    "ic_std": _of_daily(_deviation, "a session", first="Pearson", ddof=DDOF),
    "rank_ic_std": _of_daily(_deviation, "a session", ddof=DDOF),
    "icir": _of_daily(_ratio, "a session", *_RATIOS, _APART, first="Pearson", ddof=DDOF),
    "rank_icir": _of_daily(_ratio, "a session", *_RATIOS, _APART, ddof=DDOF),
    "icir_annual": _of_daily(_ratio, *_RATIOS, "a session", _APART, first="Pearson", ddof=DDOF),
    "ic_t": _of_daily(_ratio, ddof=DDOF),
    "ic_min": _of_daily(lambda daily, *_: float(daily.min())),
    "ic_max": _of_daily(lambda daily, *_: float(daily.max())),
    "ic_positive_share": _of_daily(lambda daily, *_: float((daily > 0).mean())),
    "prediction_mean": _moment(lambda values, _: float(values.mean())),
    "prediction_std": _moment(_deviation, DDOF),
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
    "correlation": _errors(lambda predicted, real: _correlation(predicted, real, "Pearson")),
    **_CLASS_STATISTICS,
}
