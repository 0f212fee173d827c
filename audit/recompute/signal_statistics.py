"""Figures of predictions against what followed, and of "up" against "down", under ``conventions.toml``.

References
----------
Matthews (1975) for the correlation; Brier (1950) for the score; Hanley & McNeil (1982) for the area under the curve;
Naeini, Cooper & Hauskrecht (2015) for the expected calibration error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from assay.audit.recompute.conventions import GRID, Choice, Material, Statistic
from assay.audit.recompute.return_statistics import monthly
from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.results.stats import classification
from assay.results.stats.ranks import rank_correlation, row_correlation

__all__ = ["CLASS_METRICS", "SIDE_METRICS", "SIGNAL_STATISTICS", "side_statistic"]

Flags = np.ndarray
#: (score or probability, what was called up, what came up, choice) -> value.
Scored = Callable[[Floats, Flags, Flags, Choice], float]
#: Scores of one class, and what such a score is called; the accuracy of a class is the share of it that was called.
_OF_CLASS = ("precision", "recall", "f1")
_OF_SIDE = {"accuracy": "recall", "hit_rate": "precision"} | {name: name for name in _OF_CLASS}
#: Metrics that may be of one class alone.
SIDE_METRICS = tuple(_OF_SIDE)


def _overlap(material: Material) -> list[str]:
    """Overlap cannot matter where no window is longer than a session."""
    longer = any(panel.horizon > 1 for panel in material.panels.values())
    return ["every session", "every h-th session"] if longer else [""]


def _apart(choice: Choice, horizon: int) -> int:
    """Sessions from one case to the next."""
    return horizon if choice["overlap"] == "every h-th session" else 1


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
    one, two = (table[:: _apart(choice, panel.horizon)] for table in (one, two))
    known = np.isfinite(one) & np.isfinite(two)
    return one[known], two[known]


def _correlation(one: Floats, two: Floats, kind: str = "Pearson") -> float:
    of = rank_correlation if kind == "Spearman" else row_correlation
    return float(of(one[None], two[None], minimum=3)[0][0])


def _cases(choice: Choice) -> tuple[Floats, Flags, Flags]:
    """The score or probability of each case, whether up was called, and whether it came."""
    graded, outcome = _pairs(choice, choice["called"])
    strict, bar = choice["up"] == "up is above 0", 0.5 if choice["called"].startswith("probability") else 0.0
    if not strict and not (outcome == 0).any():
        graded, outcome = graded[:0], outcome[:0]
    return graded, graded > bar, outcome > 0 if strict else outcome >= 0


def _called(material: Material, sure: bool = False) -> list[str]:
    """How up is called: by a probability, or by the sign of a score."""
    names = []
    for timing, panel in material.panels.items():
        names += [f"probability above 1/2, {timing}"] if panel.probability is not None else []
        names += [f"sign of the score, {timing}"] if panel.signed and not sure else []
    return names


def _of_class(score: str, called: Flags, real: Flags) -> float:
    true, said, was = (float(flags.sum()) for flags in (called & real, called, real))
    top, whole = {"precision": (true, said), "recall": (true, was), "f1": (2 * true, said + was)}[score]
    return top / whole if whole else 0.0


def _averaged(score: str, *averages: str) -> Statistic:
    """A score of up, of down, or of both; the averages of the grid unless named."""

    def figure(_: Floats, called: Flags, real: Flags, choice: Choice) -> float:
        share = {"of up": 1.0, "of down": 0.0, "macro": 0.5}.get(choice["average"], float(real.mean()))
        return share * _of_class(score, called, real) + (1 - share) * _of_class(score, ~called, ~real)

    dimensions = GRID["averages"] if not averages else GRID["averages"] | {"average": list(averages)}
    return Statistic(figure, dimensions, _cases, _SOURCES)


def side_statistic(metric: str, side: str) -> Statistic:
    """A score of up, or of down, alone."""
    return _averaged(_OF_SIDE[metric], f"of {side}")


def _calibration(chance: Floats, _: Flags, real: Flags, choice: Choice) -> float:
    """Mean distance of a bin's mean probability from its frequency, weighted by cases (expected calibration error)."""
    if choice["confidence"] == "of the confidence in the class called":
        chance, real = np.where(chance > 0.5, chance, 1 - chance), (chance > 0.5) == real
    edges = np.linspace(0, 1, int(choice["bins"].split()[0]) + 1)
    edges = np.quantile(chance, edges) if choice["bins"].endswith("counts") else edges
    place = np.searchsorted(edges[1:-1], chance, side="left")
    return float(np.abs(np.bincount(place, weights=chance - real)).sum() / len(chance))


def _auc(graded: Floats, _: Flags, real: Flags, choice: Choice) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(real, graded)) if 0 < real.sum() < len(real) else math.nan


def _daily(choice: Choice, kind: str = "") -> list[Floats]:
    """The finite ones of the sessions' correlations."""
    panel = choice.material.panels[choice["timing"]]
    daily = panel.correlations[kind or choice["kind"]][:: _apart(choice, panel.horizon)]
    return [daily[np.isfinite(daily)]]


def _ic(name: str, kind: str) -> Statistic:
    """Mean of the sessions' correlations, or one correlation over all cases."""

    def figure(daily: Floats, choice: Choice) -> float:
        if choice["weighting"] == "pooled":
            return _correlation(*_pairs(choice, choice["timing"]), kind)
        return float(np.mean(daily) if choice["weighting"] == "mean of sessions" else np.median(daily))

    return Statistic(figure, GRID[name], lambda choice: _daily(choice, kind), _SOURCES)


def _ddof(choice: Choice) -> int:
    return int(choice.get("ddof", "0")[-1])


def _ratio(daily: Floats, choice: Choice) -> float:
    horizon, a_year = choice.material.panels[choice["timing"]].horizon, choice.get("periods", "")
    once = {"a session": 1.0, "": len(daily)}
    once["252 over the horizon"] = SESSIONS_A_YEAR / horizon if horizon > 1 else math.nan
    deviation, periods = float(daily.std(ddof=_ddof(choice))), once[a_year] if a_year in once else float(a_year)
    return float(daily.mean()) / deviation * math.sqrt(periods) if deviation > 0 else math.nan


def _hit_names(material: Material, *first: str) -> list[str]:
    """The hit rates that go by one name: of predictions, positions, trades, sessions and months."""
    names = [f"per prediction, {timing}" for timing, panel in material.panels.items() if panel.signed]
    names += ["per position"] if len(material.positions) else []
    names += ["per trade"] if len(material.outcomes) else []
    names += [f"{kind}, {name}" for name in material.series for kind in ("per session", "per month")]
    place = {kind: at for at, kind in enumerate(first)}
    return sorted(names, key=lambda name: place.get(name.split(",")[0], len(first)))


def _outcomes(choice: Choice) -> list[Floats]:
    """What came of every case of a hit rate: above 0 for a hit, 0 for neither."""
    material, (kind, _, name) = choice.material, choice["counted"].partition(", ")
    if kind == "per prediction":
        score, forward = _pairs(choice, name)
        values = np.sign(score) * np.sign(forward)
    elif choice["overlap"] == "every h-th session":
        return [np.empty(0)]
    elif kind in ("per session", "per month"):
        values = material.series[name] if kind == "per session" else monthly(material, name)
    else:
        values = material.positions if kind == "per position" else material.outcomes
    values = values[np.isfinite(values)]
    out = choice["flat"] == "flat cases left out"
    return [values[values != 0] if out else values if (values == 0).any() else values[:0]]


def _hit(values: Floats, choice: Choice) -> float:
    return float((values >= 0 if choice["flat"] == "flat cases counted as hits" else values > 0).mean())


def _targets(material: Material) -> list[str]:
    """The predicted returns, and the price levels that they imply."""
    signed = [(timing, panel.base is not None) for timing, panel in material.panels.items() if panel.signed]
    return [f"{kind}, {timing}" for timing, known in signed for kind in ("returns", "price levels")[: 1 + known]]


def _errors(figure: Callable[[Floats, Floats], Any]) -> Statistic:
    """A statistic of predicted returns, or price levels, against what came."""
    cases = lambda choice: _pairs(choice, choice["target"])  # noqa: E731
    return Statistic(lambda one, two, _: float(figure(one, two)), GRID["errors"], cases, _SOURCES, 2)


def _share(off: Floats, size: Floats) -> float:
    return float((np.abs(off) / size)[size > 0].mean()) if (size > 0).any() else math.nan


def _scores(choice: Choice) -> list[Floats]:
    """The predictions themselves."""
    score = next(iter(choice.material.panels.values())).score
    return [score[np.isfinite(score)]]


Cases = Callable[[Choice], Sequence[np.ndarray]]
_SOURCES: Mapping[str, Callable[[Material], Sequence[str]]] = {
    "timing": lambda m: [*m.panels],
    "overlap": _overlap,
    "predicted": lambda m: ["all predictions"] if m.panels else [],
    "hits": lambda m: _hit_names(m, "per prediction"),
    "wins": lambda m: _hit_names(m, "per trade", "per session", "per month"),
    "targets": _targets, "called": _called, "chances": lambda m: _called(m, sure=True),
}  # fmt: skip


def _of(name: str, figure: Callable[..., Any], cases: Cases, fewest: int = 1) -> Statistic:
    return Statistic(figure, GRID[name], cases, _SOURCES, fewest)


#: Metrics of up against down.
_CLASS_STATISTICS: Mapping[str, Statistic] = {
    "accuracy": _of("calls", lambda graded, called, real, choice: (called == real).mean(), _cases),
    "error_rate": _of("calls", lambda graded, called, real, choice: (called != real).mean(), _cases),
    "balanced_accuracy": _averaged("recall", "macro"),
    "mcc": _of("calls", lambda graded, called, real, choice: classification.matthews(called, real)[0], _cases),
    **{name: _averaged(name) for name in _OF_CLASS},
    **{f"{name}_{average}": _averaged(name, average) for name in _OF_CLASS for average in ("macro", "weighted")},
    "auc": _of("calls", _auc, _cases),
    "brier": _of("chances", lambda graded, called, real, choice: ((graded - real) ** 2).mean(), _cases),
    "log_loss": _of("chances", lambda graded, called, real, _: classification.log_loss(graded, real).value, _cases),
    "calibration_error": _of("calibration_error", _calibration, _cases),
    "prevalence": _of("calls", lambda graded, called, real, choice: real.mean(), _cases),
}
CLASS_METRICS = tuple(_CLASS_STATISTICS)
_OF_DAILY: Mapping[str, Callable[[Floats, Choice], Any]] = {
    **dict.fromkeys(("ic_std", "rank_ic_std"), lambda daily, choice: daily.std(ddof=_ddof(choice))),
    **dict.fromkeys(("icir", "rank_icir", "icir_annual", "ic_t"), _ratio),
    "ic_min": lambda daily, _: daily.min(),
    "ic_max": lambda daily, _: daily.max(),
    "ic_positive_share": lambda daily, _: (daily > 0).mean(),
}
_OF_PREDICTIONS: Mapping[str, Callable[[Floats, Choice], Any]] = {
    "prediction_mean": lambda values, _: values.mean(),
    "prediction_std": lambda values, choice: values.std(ddof=_ddof(choice)),
    "prediction_min": lambda values, _: values.min(),
    "prediction_max": lambda values, _: values.max(),
}
#: Canonical metric -> its readings.
SIGNAL_STATISTICS: Mapping[str, Statistic] = {
    "ic": _ic("ic", "Pearson"),
    "rank_ic": _ic("rank_ic", "Spearman"),
    **{name: _of(name, figure, _daily, 2) for name, figure in _OF_DAILY.items()},
    **{name: _of(name, figure, _scores, 2) for name, figure in _OF_PREDICTIONS.items()},
    "hit_rate": _of("hit_rate", _hit, _outcomes),
    "win_rate": _of("win_rate", _hit, _outcomes),
    "r2": _errors(lambda predicted, real: 1.0 - ((predicted - real) ** 2).mean() / real.var()),
    "mae": _errors(lambda predicted, real: np.abs(predicted - real).mean()),
    "mse": _errors(lambda predicted, real: ((predicted - real) ** 2).mean()),
    "rmse": _errors(lambda predicted, real: np.sqrt(((predicted - real) ** 2).mean())),
    "mape": _errors(lambda predicted, real: _share(predicted - real, np.abs(real))),
    "smape": _errors(lambda predicted, real: _share(2 * (predicted - real), np.abs(real) + np.abs(predicted))),
    "bias": _errors(lambda predicted, real: (predicted - real).mean()),
    "max_error": _errors(lambda predicted, real: np.abs(predicted - real).max()),
    "correlation": _errors(_correlation),
    **_CLASS_STATISTICS,
}
