"""Figures of predictions against what followed, under every convention of the grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from results.audit.conventions import DDOF, Material, Panel, Reading, readings_over

__all__ = ["SIGNAL_METRICS", "signal_readings"]

_ANNUAL = ("252", "250", "260", "365")
_OVERLAP = ("every session", "every h-th session")


def signal_readings(metric: str, material: Material) -> tuple[Reading, ...]:
    """All readings of a metric of predictions; empty where the material cannot give it."""
    maker = SIGNAL_METRICS.get(metric)
    return maker(material) if maker is not None else ()


def _pooled(panel: Panel, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Score and outcome of every case that has both."""
    score, forward = panel.score[::step].ravel(), panel.forward[::step].ravel()
    known = np.isfinite(score) & np.isfinite(forward)
    return score[known], forward[known]


def _daily(panel: Panel, ranked: bool) -> np.ndarray:
    """Correlation of each session across names, NaN where there are too few; average ranks."""
    import pandas as pd

    from results.signal_metrics import ic_table

    columns = [str(index) for index in range(panel.score.shape[1])]
    table = ic_table(pd.DataFrame(panel.score, columns=columns), pd.DataFrame(panel.forward, columns=columns))
    return table["rank_ic" if ranked else "ic"].to_numpy(dtype=np.float64)


def _series(material: Material, ranked: bool) -> Callable[[dict[str, str]], np.ndarray]:
    known = {name: _daily(panel, ranked) for name, panel in material.panels.items()}

    def values(choice: dict[str, str]) -> np.ndarray:
        step = material.panels[choice["timing"]].horizon if choice.get("overlap") == _OVERLAP[1] else 1
        daily = known[choice["timing"]][::step]
        return daily[np.isfinite(daily)]

    return values


def _idle(material: Material) -> tuple[str, ...]:
    return () if any(panel.horizon > 1 for panel in material.panels.values()) else ("overlap",)


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

    def figure(choice: dict[str, str]) -> float | None:
        if choice["weighting"] == "pooled":
            panel = material.panels[choice["timing"]]
            one, two = _pooled(panel, panel.horizon if choice["overlap"] == _OVERLAP[1] else 1)
            return _correlation(one, two, ranked)
        daily = values(choice)
        if not len(daily):
            return None
        return float(daily.mean() if choice["weighting"] == "mean of sessions" else np.median(daily))

    return readings_over(dimensions, figure, _idle(material))


def _correlation(one: np.ndarray, two: np.ndarray, ranked: bool) -> float | None:
    if ranked:
        one, two = _ranks(one), _ranks(two)
    if len(one) < 3 or not one.std() > 0 or not two.std() > 0:
        return None
    return float(np.corrcoef(one, two)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Average ranks."""
    order = np.argsort(values, kind="stable")
    _, inverse, counts = np.unique(values[order], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    average = (ends - counts + ends - 1) / 2.0
    ranks = np.empty(len(values))
    ranks[order] = average[inverse]
    return ranks


def _ic_std(material: Material, kinds: tuple[str, str]) -> tuple[Reading, ...]:
    return _of_daily(material, lambda daily, ddof, _: float(daily.std(ddof=ddof)), kinds, False)


def _icir(material: Material, kinds: tuple[str, str]) -> tuple[Reading, ...]:
    def ratio(daily: np.ndarray, ddof: int, periods: float) -> float | None:
        deviation = float(daily.std(ddof=ddof))
        return float(daily.mean() / deviation * math.sqrt(periods)) if deviation > 0 else None

    return _of_daily(material, ratio, kinds, True)


def _of_daily(
    material: Material,
    figure_of: Callable[[np.ndarray, int, float], float | None],
    kinds: tuple[str, str],
    annual: bool,
) -> tuple[Reading, ...]:
    if not material.panels:
        return ()
    by_kind = {"Pearson": _series(material, False), "Spearman": _series(material, True)}
    dimensions = {
        "timing": tuple(material.panels),
        "kind": kinds,
        "ddof": DDOF,
        "overlap": _OVERLAP,
        "periods": ("a session", *_ANNUAL) if annual else ("a session",),
    }

    def figure(choice: dict[str, str]) -> float | None:
        daily = by_kind[choice["kind"]](choice)
        periods = 1.0 if choice["periods"] == "a session" else float(choice["periods"])
        return figure_of(daily, 0 if choice["ddof"] == DDOF[1] else 1, periods) if len(daily) > 1 else None

    return readings_over(dimensions, figure, _idle(material))


def _hits(material: Material) -> tuple[Reading, ...]:
    """The hit rates that go by one name: predictions, positions, trades and sessions."""
    cases: dict[str, np.ndarray] = {}
    for name, panel in material.panels.items():
        if panel.signed:
            one, two = _pooled(panel)
            cases[f"per prediction, {name}"] = np.sign(one) * np.sign(two)
    if material.positions is not None:
        cases["per position"] = material.positions
    if material.trades is not None:
        cases["per trade"] = material.trades
    for name, values in material.series.items():
        cases[f"per session, {name}"] = values
    dimensions = {"counted": tuple(cases), "flat": ("flat cases left out", "flat cases counted as misses")}
    if not cases:
        return ()

    def figure(choice: dict[str, str]) -> float | None:
        values = cases[choice["counted"]]
        values = values[np.isfinite(values)]
        flat = values == 0
        if choice["flat"] == dimensions["flat"][1]:
            if not flat.any():
                return None
        else:
            values = values[~flat]
        return float((values > 0).mean()) if len(values) else None

    return readings_over(dimensions, figure)


def _errors(material: Material, metric: str) -> tuple[Reading, ...]:
    """R², MAE, RMSE, MAPE and bias of the predicted returns, and of the price levels that they imply."""
    targets: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, panel in material.panels.items():
        if not panel.signed:
            continue
        targets[f"returns, {name}"] = _pooled(panel)
        if panel.base is not None and panel.realised is not None:
            implied, real = (panel.base * (1.0 + panel.score)).ravel(), panel.realised.ravel()
            known = np.isfinite(implied) & np.isfinite(real)
            targets[f"price levels, {name}"] = (implied[known], real[known])
    if not targets:
        return ()
    dimensions = {"target": tuple(targets)}

    def figure(choice: dict[str, str]) -> float | None:
        predicted, real = targets[choice["target"]]
        if len(real) < 2:
            return None
        error = predicted - real
        if metric == "bias":
            return float(error.mean())
        if metric == "mae":
            return float(np.abs(error).mean())
        if metric == "rmse":
            return math.sqrt(float((error**2).mean()))
        if metric == "mse":
            return float((error**2).mean())
        if metric == "mape":
            return float((np.abs(error) / np.abs(real))[real != 0].mean()) if (real != 0).any() else None
        total = float(((real - real.mean()) ** 2).sum())
        return 1.0 - float((error**2).sum()) / total if total > 0 else None

    return readings_over(dimensions, figure)


def _classes(material: Material, metric: str) -> tuple[Reading, ...]:
    """Accuracy, precision, recall and F1 of "up", from the sign of the score or from the probability."""
    cases: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, panel in material.panels.items():
        if panel.probability is not None:
            chance = panel.probability.ravel()
            real = panel.forward.ravel()
            known = np.isfinite(chance) & np.isfinite(real)
            cases[f"probability above 1/2, {name}"] = (chance[known] > 0.5, real[known])
        if panel.signed:
            one, two = _pooled(panel)
            cases[f"sign of the score, {name}"] = (one > 0, two)
    if not cases:
        return ()
    dimensions = {
        "called": tuple(cases),
        "up": ("up is above 0", "up is 0 or above"),
        "average": ("of up", "of down", "macro", "weighted") if metric != "accuracy" else ("",),
    }

    def figure(choice: dict[str, str]) -> float | None:
        called, outcome = cases[choice["called"]]
        real = outcome > 0 if choice["up"] == "up is above 0" else outcome >= 0
        if choice["up"] != "up is above 0" and not (outcome == 0).any():
            return None
        if not len(real):
            return None
        if metric == "accuracy":
            return float((called == real).mean())
        scores = [_score(metric, called, real), _score(metric, ~called, ~real)]
        if choice["average"] == "macro":
            return sum(scores) / 2
        if choice["average"] == "weighted":
            share = float(real.mean())
            return share * scores[0] + (1 - share) * scores[1]
        return scores[0 if choice["average"] == "of up" else 1]

    return readings_over(dimensions, figure)


def _score(metric: str, called: np.ndarray, real: np.ndarray) -> float:
    true = float((called & real).sum())
    precision = true / called.sum() if called.any() else 0.0
    recall = true / real.sum() if real.any() else 0.0
    if metric == "precision":
        return float(precision)
    if metric == "recall":
        return float(recall)
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


#: Canonical metric -> its readings.
SIGNAL_METRICS: dict[str, Callable[[Material], tuple[Reading, ...]]] = {
    "ic": lambda material: _ic(material, False),
    "rank_ic": lambda material: _ic(material, True),
    "ic_std": lambda material: _ic_std(material, ("Pearson", "Spearman")),
    "rank_ic_std": lambda material: _ic_std(material, ("Spearman", "Pearson")),
    "icir": lambda material: _icir(material, ("Pearson", "Spearman")),
    "rank_icir": lambda material: _icir(material, ("Spearman", "Pearson")),
    "hit_rate": _hits,
    "win_rate": lambda material: _hits(material) if material.trades is not None else (),
    **{name: partial(_errors, metric=name) for name in ("r2", "mae", "rmse", "mse", "mape", "bias")},
    **{name: partial(_classes, metric=name) for name in ("accuracy", "precision", "recall", "f1")},
}
