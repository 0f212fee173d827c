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

import numpy as np

from assay.audit.recompute.conventions import DDOF, Choice, Material, Panel, Reading, Statistic, readings_over
from assay.audit.recompute.return_statistics import FORM, monthly
from assay.data.conventions import SESSIONS_A_YEAR

__all__ = ["CLASS_METRICS", "SIDE_METRICS", "SIGNAL_STATISTICS"]

_OVERLAP = ("every session", "every h-th session")


def _both(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cases that have both."""
    known = np.isfinite(one) & np.isfinite(two)
    return one[known], two[known]


def _pooled(panel: Panel, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Score and outcome of every case that has both, of every `step`-th session."""
    return _both(panel.score[::step], panel.forward[::step])


def _step(panel: Panel, choice: Choice) -> int:
    """Sessions from one case to the next under the choice of overlapping windows or not."""
    return panel.horizon if choice.get("overlap") == _OVERLAP[1] else 1


def _idle(material: Material) -> tuple[str, ...]:
    """Dimensions that cannot matter: overlap, where no window is longer than a session."""
    return () if any(panel.horizon > 1 for panel in material.panels.values()) else ("overlap",)


_AVERAGES = ("of up", "of down", "macro", "weighted")
_UP = ("up is above 0", "up is 0 or above")
#: Metrics of a call, by name -> (score, the averages it can be).
_CALLED = {
    "accuracy": ("accuracy", ("",)),
    "error_rate": ("error_rate", ("",)),
    "balanced_accuracy": ("recall", ("macro",)),
    "mcc": ("mcc", ("",)),
    **{name: (name, _AVERAGES) for name in ("precision", "recall", "f1")},
    **{f"{name}_{average}": (name, (average,)) for name in ("precision", "recall", "f1")
       for average in ("macro", "weighted")},
}  # fmt: skip
#: Metrics of a score or a probability.
_GRADED = ("auc", "brier", "log_loss", "calibration_error")
#: What a score of one class alone can be; the accuracy of a class is the share of it that was called.
_OF_SIDE = {"accuracy": "recall", "hit_rate": "precision", "precision": "precision", "recall": "recall", "f1": "f1"}
_BINS = ("10 bins of equal width", "15 bins of equal width", "20 bins of equal width", "5 bins of equal width",
         "10 bins of equal counts", "15 bins of equal counts", "20 bins of equal counts")
_CONFIDENCE = ("of the probability of up", "of the confidence in the class called")
_PROBABILITIES = ("brier", "log_loss", "calibration_error")
#: Metrics that may be of one class alone.
SIDE_METRICS = tuple(_OF_SIDE)
CLASS_METRICS = (*_CALLED, *_GRADED, "prevalence")


def _classes(material: Material, metric: str) -> tuple[Reading, ...]:
    """All readings of one of `CLASS_METRICS`: from the probability of up, or from the sign of the score."""
    cases: dict[tuple[str, str], tuple[np.ndarray, np.ndarray, float]] = {}
    for name, panel in material.panels.items():
        for overlap in _OVERLAP:
            step = _step(panel, {"overlap": overlap})
            if panel.probability is not None:
                chances = _both(panel.probability[::step], panel.forward[::step])
                cases[f"probability above 1/2, {name}", overlap] = (*chances, 0.5)
            if panel.signed and metric not in _PROBABILITIES:
                cases[f"sign of the score, {name}", overlap] = (*_pooled(panel, step), 0.0)
    if not cases:
        return ()
    score, averages = _CALLED.get(metric, (metric, ("",)))
    if material.side:
        score, averages = _OF_SIDE[metric], (f"of {material.side}",)
    graded_by = (_BINS, _CONFIDENCE) if metric == "calibration_error" else (("",), ("",))
    dimensions = {
        "called": tuple(dict.fromkeys(name for name, _ in cases)),
        "up": _UP,
        "average": averages,
        "overlap": _OVERLAP,
        "bins": graded_by[0],
        "confidence": graded_by[1],
    }

    def figure(choice: Choice) -> float | None:
        graded, outcome, bar = cases[choice["called"], choice["overlap"]]
        real = outcome > 0 if choice["up"] == _UP[0] else outcome >= 0
        if not len(real) or (choice["up"] == _UP[1] and not (outcome == 0).any()):
            return None
        if metric == "prevalence":
            return float(real.mean())
        if metric == "calibration_error":
            return _calibration(graded, real, choice)
        return _graded(metric, graded, real) if metric in _GRADED else _of(score, graded > bar, real, choice["average"])

    return readings_over(dimensions, figure, _idle(material))


def _of(score: str, called: np.ndarray, real: np.ndarray, average: str) -> float | None:
    if score in ("accuracy", "error_rate"):
        right = float((called == real).mean())
        return right if score == "accuracy" else 1 - right
    if score == "mcc":
        product = float(called.sum()) * float((~called).sum()) * float(real.sum()) * float((~real).sum())
        agreed = float((called & real).sum()) * float((~called & ~real).sum())
        crossed = float((called & ~real).sum()) * float((~called & real).sum())
        return (agreed - crossed) / math.sqrt(product) if product > 0 else 0.0
    up, down = _score(score, called, real), _score(score, ~called, ~real)
    share = {"of up": 1.0, "of down": 0.0, "macro": 0.5, "weighted": float(real.mean())}[average]
    return share * up + (1 - share) * down


def _score(metric: str, called: np.ndarray, real: np.ndarray) -> float:
    true = float((called & real).sum())
    precision = true / called.sum() if called.any() else 0.0
    recall = true / real.sum() if real.any() else 0.0
    if metric == "precision":
        return float(precision)
    if metric == "recall":
        return float(recall)
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _calibration(chance: np.ndarray, real: np.ndarray, choice: Choice) -> float:
    """Mean distance of a bin's mean probability from its frequency, weighted by cases (expected calibration error)."""
    if choice["confidence"] == _CONFIDENCE[1]:
        chance, real = np.where(chance > 0.5, chance, 1 - chance), (chance > 0.5) == real
    count = int(choice["bins"].split()[0])
    edges = np.linspace(0, 1, count + 1)
    if choice["bins"].endswith("counts"):
        edges = np.quantile(chance, edges)
    place = np.clip(np.searchsorted(edges[1:-1], chance, side="left"), 0, count - 1)
    off = np.bincount(place, weights=chance - real, minlength=count)
    return float(np.abs(off).sum() / len(chance))


def _graded(metric: str, graded: np.ndarray, real: np.ndarray) -> float | None:
    if metric == "brier":
        return float(((graded - real) ** 2).mean())
    if metric == "log_loss":
        safe = np.clip(graded, 1e-15, 1 - 1e-15)
        return float(-np.where(real, np.log(safe), np.log1p(-safe)).mean())
    positive = int(real.sum())
    if positive in (0, len(real)):
        return None
    from assay.results.stats.ranks import average_ranks

    total = float(average_ranks(graded[None, :])[0][real].sum())
    return (total - positive * (positive + 1) / 2) / (positive * (len(real) - positive))


_ANNUAL = ("252", "250", "260", "365")
_APART = "252 over the horizon"
#: (daily correlations, ddof, annualising factor) -> figure.
Daily = Callable[[np.ndarray, int, float], float | None]
Moment = Callable[[np.ndarray, int], float]


def _daily(panel: Panel, ranked: bool) -> np.ndarray:
    """Correlation of each session across names, NaN where there are too few; average ranks."""
    import pandas as pd

    from assay.results.stats.information_coefficient import ic_table

    columns = [str(index) for index in range(panel.score.shape[1])]
    table = ic_table(pd.DataFrame(panel.score, columns=columns), pd.DataFrame(panel.forward, columns=columns))
    return table["rank_ic" if ranked else "ic"].to_numpy(dtype=np.float64)


def _series(material: Material, ranked: bool) -> Callable[[Choice], np.ndarray]:
    known = {name: _daily(panel, ranked) for name, panel in material.panels.items()}

    def values(choice: Choice) -> np.ndarray:
        step = _step(material.panels[choice["timing"]], choice)
        daily = known[choice["timing"]][::step]
        return np.asarray(daily[np.isfinite(daily)])

    return values


def _ic(material: Material, ranked: bool) -> tuple[Reading, ...]:
    """Mean of the sessions' correlations, or one correlation over all cases."""
    if not material.panels:
        return ()
    values = _series(material, ranked)
    dimensions = {
        "timing": tuple(material.panels),
        "weighting": ("mean of sessions", "median of sessions", "pooled"),
        "overlap": _OVERLAP,
    }

    def figure(choice: Choice) -> float | None:
        if choice["weighting"] == "pooled":
            panel = material.panels[choice["timing"]]
            one, two = _pooled(panel, _step(panel, choice))
            return _correlation(one, two, ranked)
        daily = values(choice)
        if not len(daily):
            return None
        return float(daily.mean() if choice["weighting"] == "mean of sessions" else np.median(daily))

    return readings_over(dimensions, figure, _idle(material))


def _correlation(one: np.ndarray, two: np.ndarray, ranked: bool) -> float | None:
    if ranked and len(one):
        from assay.results.stats.ranks import average_ranks

        one, two = average_ranks(np.stack([one, two]))
    if len(one) < 3 or not one.std() > 0 or not two.std() > 0:
        return None
    return float(np.corrcoef(one, two)[0, 1])


def _deviation(daily: np.ndarray, ddof: int, _: float) -> float:
    return float(daily.std(ddof=ddof))


def _ratio(daily: np.ndarray, ddof: int, periods: float) -> float | None:
    deviation = float(daily.std(ddof=ddof))
    return float(daily.mean() / deviation * math.sqrt(periods)) if deviation > 0 else None


def _of_daily(
    material: Material, of: Daily, kinds: tuple[str, ...], periods: tuple[str, ...], ddof: tuple[str, ...]
) -> tuple[Reading, ...]:
    """A figure of the sessions' correlations, of either kind; the annualising factor follows from the choice."""
    if not material.panels:
        return ()
    by_kind = {"Pearson": _series(material, False), "Spearman": _series(material, True)}
    dimensions = {
        "timing": tuple(material.panels), "kind": kinds, "ddof": ddof, "overlap": _OVERLAP, "periods": periods,
    }  # fmt: skip

    def figure(choice: Choice) -> float | None:
        daily = by_kind[choice["kind"]](choice)
        horizon = material.panels[choice["timing"]].horizon
        if choice["periods"] == _APART and horizon == 1:
            return None
        special = {"a session": 1.0, "": 1.0, _APART: SESSIONS_A_YEAR / horizon}.get(choice["periods"])
        a_year = float(choice["periods"]) if special is None else special
        return of(daily, 0 if choice["ddof"] == DDOF[1] else 1, a_year) if len(daily) > 1 else None

    return readings_over(dimensions, figure, _idle(material))


def _hits(material: Material, first: str) -> tuple[Reading, ...]:
    """The hit rates that go by one name: predictions, positions, trades, sessions and months."""
    cases: dict[str, np.ndarray] = {}
    apart: dict[str, np.ndarray] = {}
    for name, panel in material.panels.items():
        if panel.signed:
            one, two = _pooled(panel)
            cases[f"per prediction, {name}"] = np.sign(one) * np.sign(two)
            one, two = _pooled(panel, panel.horizon)
            apart[f"per prediction, {name}"] = np.sign(one) * np.sign(two)
    if material.positions is not None:
        cases["per position"] = material.positions
    if material.outcomes is not None:
        cases["per trade"] = material.outcomes
    for name, values in material.series.items():
        cases[f"per session, {name}"] = values
        cases[f"per month, {name}"] = monthly(material, name, FORM[0])
    counted = sorted(cases, key=lambda name: not name.startswith(first))
    flats = ("flat cases left out", "flat cases counted as misses", "flat cases counted as hits")
    dimensions = {"counted": counted, "flat": flats, "overlap": _OVERLAP}
    if not cases:
        return ()

    def figure(choice: Choice) -> float | None:
        name, thinned = choice["counted"], choice["overlap"] == _OVERLAP[1]
        if thinned and name not in apart:
            return None
        values = apart[name] if thinned else cases[name]
        values = values[np.isfinite(values)]
        flat = values == 0
        if choice["flat"] != flats[0] and not flat.any():
            return None
        if choice["flat"] == flats[0]:
            values = values[~flat]
        return float((values >= 0 if choice["flat"] == flats[2] else values > 0).mean()) if len(values) else None

    return readings_over(dimensions, figure, _idle(material))


def _errors(material: Material, metric: str) -> tuple[Reading, ...]:
    """R², MAE, RMSE, MAPE and bias of the predicted returns, and of the price levels that they imply."""
    targets: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
    for name, panel in material.panels.items():
        if not panel.signed:
            continue
        for overlap in _OVERLAP:
            step = _step(panel, {"overlap": overlap})
            targets[f"returns, {name}", overlap] = _pooled(panel, step)
            if panel.base is not None and panel.realised is not None:
                implied = panel.base[::step] * (1.0 + panel.score[::step])
                targets[f"price levels, {name}", overlap] = _both(implied, panel.realised[::step])
    if not targets:
        return ()
    dimensions = {"target": tuple(dict.fromkeys(name for name, _ in targets)), "overlap": _OVERLAP}

    def figure(choice: Choice) -> float | None:
        predicted, real = targets[choice["target"], choice["overlap"]]
        return _ERRORS[metric](predicted, real) if len(real) > 1 else None

    return readings_over(dimensions, figure, _idle(material))


def _mape(predicted: np.ndarray, real: np.ndarray) -> float | None:
    return float((np.abs(predicted - real) / np.abs(real))[real != 0].mean()) if (real != 0).any() else None


def _smape(predicted: np.ndarray, real: np.ndarray) -> float | None:
    size = np.abs(real) + np.abs(predicted)
    return float((2 * np.abs(predicted - real) / size)[size > 0].mean()) if (size > 0).any() else None


def _r2(predicted: np.ndarray, real: np.ndarray) -> float | None:
    total = float(((real - real.mean()) ** 2).sum())
    return 1.0 - float(((predicted - real) ** 2).sum()) / total if total > 0 else None


_ERRORS: dict[str, Callable[[np.ndarray, np.ndarray], float | None]] = {
    "r2": _r2, "mape": _mape, "smape": _smape,
    "bias": lambda predicted, real: float((predicted - real).mean()),
    "mae": lambda predicted, real: float(np.abs(predicted - real).mean()),
    "mse": lambda predicted, real: float(((predicted - real) ** 2).mean()),
    "rmse": lambda predicted, real: math.sqrt(float(((predicted - real) ** 2).mean())),
    "max_error": lambda predicted, real: float(np.abs(predicted - real).max()),
    "correlation": lambda predicted, real: _correlation(predicted, real, False),
}  # fmt: skip


def _predicted(material: Material, of: Moment, ddof: tuple[str, ...]) -> tuple[Reading, ...]:
    """A moment or an extreme of the predictions themselves."""
    panel = next(iter(material.panels.values()), None)
    values = np.empty(0) if panel is None else panel.score[np.isfinite(panel.score)]
    if len(values) < 2:
        return ()
    return readings_over({"ddof": ddof}, lambda choice: of(values, 0 if choice["ddof"] == DDOF[1] else 1))


_PEARSON, _SPEARMAN, _BARE = ("Pearson", "Spearman"), ("Spearman", "Pearson"), ("",)
_RATIOS = ("a session", *_ANNUAL, _APART)
#: Figures of the sessions' correlations: how, of which kind first, annualised how, with which denominators.
_OF_DAILY: dict[str, tuple[Daily, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "ic_std": (_deviation, _PEARSON, _RATIOS[:1], DDOF),
    "rank_ic_std": (_deviation, _SPEARMAN, _RATIOS[:1], DDOF),
    "icir": (_ratio, _PEARSON, _RATIOS, DDOF),
    "rank_icir": (_ratio, _SPEARMAN, _RATIOS, DDOF),
    "icir_annual": (_ratio, _PEARSON, (*_ANNUAL, "a session", _APART), DDOF),
    "ic_t": (lambda daily, ddof, _: _ratio(daily, ddof, len(daily)), _SPEARMAN, _BARE, DDOF),
    "ic_min": (lambda daily, *_: float(daily.min()), _SPEARMAN, _BARE, _BARE),
    "ic_max": (lambda daily, *_: float(daily.max()), _SPEARMAN, _BARE, _BARE),
    "ic_positive_share": (lambda daily, *_: float((daily > 0).mean()), _SPEARMAN, _BARE, _BARE),
}
_OF_PREDICTIONS: dict[str, tuple[Moment, tuple[str, ...]]] = {
    "prediction_mean": (lambda values, _: float(values.mean()), _BARE),
    "prediction_std": (lambda values, ddof: float(values.std(ddof=ddof)), DDOF),
    "prediction_min": (lambda values, _: float(values.min()), _BARE),
    "prediction_max": (lambda values, _: float(values.max()), _BARE),
}


#: Canonical metric -> its readings.
SIGNAL_STATISTICS: Mapping[str, Statistic] = {
    "ic": lambda material: _ic(material, False),
    "rank_ic": lambda material: _ic(material, True),
    **{name: partial(_of_daily, of=of, kinds=kinds, periods=periods, ddof=ddof)
       for name, (of, kinds, periods, ddof) in _OF_DAILY.items()},
    **{name: partial(_predicted, of=of, ddof=ddof) for name, (of, ddof) in _OF_PREDICTIONS.items()},
    "hit_rate": lambda material: (
        _classes(material, "hit_rate") if material.side else _hits(material, "per prediction")
    ),
    "win_rate": lambda material: _hits(material, "per trade") if material.outcomes is not None else (),
    **{name: partial(_errors, metric=name) for name in _ERRORS},
    **{name: partial(_classes, metric=name) for name in CLASS_METRICS},
}  # fmt: skip
