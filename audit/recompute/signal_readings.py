"""Figures of predictions against what followed, under every convention of the grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from assay.audit.recompute.class_readings import CLASS_METRICS, class_readings
from assay.audit.recompute.conventions import DDOF, Material, Panel, Reading, readings_over
from assay.audit.recompute.panels import OVERLAP, horizons_idle, pooled, step_of
from assay.data.conventions import SESSIONS_A_YEAR

__all__ = ["SIGNAL_METRICS", "signal_readings"]

_ANNUAL = ("252", "250", "260", "365")
_APART = "252 over the horizon"


def signal_readings(metric: str, material: Material) -> tuple[Reading, ...]:
    """All readings of a metric of predictions; empty where the material cannot give it."""
    maker = SIGNAL_METRICS.get(metric)
    return maker(material) if maker is not None else ()


def _daily(panel: Panel, ranked: bool) -> np.ndarray:
    """Correlation of each session across names, NaN where there are too few; average ranks."""
    import pandas as pd

    from assay.results.stats.information_coefficient import ic_table

    columns = [str(index) for index in range(panel.score.shape[1])]
    table = ic_table(pd.DataFrame(panel.score, columns=columns), pd.DataFrame(panel.forward, columns=columns))
    return table["rank_ic" if ranked else "ic"].to_numpy(dtype=np.float64)


def _series(material: Material, ranked: bool) -> Callable[[dict[str, str]], np.ndarray]:
    known = {name: _daily(panel, ranked) for name, panel in material.panels.items()}

    def values(choice: dict[str, str]) -> np.ndarray:
        step = step_of(material.panels[choice["timing"]], choice)
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
        "overlap": OVERLAP,
    }

    def figure(choice: dict[str, str]) -> float | None:
        if choice["weighting"] == "pooled":
            panel = material.panels[choice["timing"]]
            one, two = pooled(panel, step_of(panel, choice))
            return _correlation(one, two, ranked)
        daily = values(choice)
        if not len(daily):
            return None
        return float(daily.mean() if choice["weighting"] == "mean of sessions" else np.median(daily))

    return readings_over(dimensions, figure, horizons_idle(material))


def _correlation(one: np.ndarray, two: np.ndarray, ranked: bool) -> float | None:
    if ranked and len(one):
        from assay.results.stats.ranks import average_ranks

        one, two = average_ranks(np.stack([one, two]))
    if len(one) < 3 or not one.std() > 0 or not two.std() > 0:
        return None
    return float(np.corrcoef(one, two)[0, 1])


def _ic_std(material: Material, kinds: tuple[str, str]) -> tuple[Reading, ...]:
    return _of_daily(material, lambda daily, ddof, _: float(daily.std(ddof=ddof)), kinds, ("a session",))


def _icir(material: Material, kinds: tuple[str, str], first: tuple[str, ...] = ("a session",)) -> tuple[Reading, ...]:
    def ratio(daily: np.ndarray, ddof: int, periods: float) -> float | None:
        deviation = float(daily.std(ddof=ddof))
        return float(daily.mean() / deviation * math.sqrt(periods)) if deviation > 0 else None

    periods = tuple(dict.fromkeys((*first, "a session", *_ANNUAL, _APART)))
    return _of_daily(material, ratio, kinds, periods)


def _of_daily(
    material: Material,
    figure_of: Callable[[np.ndarray, int, float], float | None],
    kinds: tuple[str, str],
    periods_tried: tuple[str, ...],
) -> tuple[Reading, ...]:
    if not material.panels:
        return ()
    by_kind = {"Pearson": _series(material, False), "Spearman": _series(material, True)}
    dimensions = {
        "timing": tuple(material.panels),
        "kind": kinds,
        "ddof": DDOF,
        "overlap": OVERLAP,
        "periods": periods_tried,
    }

    def figure(choice: dict[str, str]) -> float | None:
        daily = by_kind[choice["kind"]](choice)
        horizon = material.panels[choice["timing"]].horizon
        if choice["periods"] == _APART and horizon == 1:
            return None
        special = {"a session": 1.0, _APART: SESSIONS_A_YEAR / horizon}.get(choice["periods"])
        periods = float(choice["periods"]) if special is None else special
        return figure_of(daily, 0 if choice["ddof"] == DDOF[1] else 1, periods) if len(daily) > 1 else None

    return readings_over(dimensions, figure, horizons_idle(material))


def _hits(material: Material, first: str) -> tuple[Reading, ...]:
    """The hit rates that go by one name: predictions, positions, trades, sessions and months."""
    from assay.audit.recompute.series import FORM, monthly

    cases: dict[str, np.ndarray] = {}
    apart: dict[str, np.ndarray] = {}
    for name, panel in material.panels.items():
        if panel.signed:
            one, two = pooled(panel)
            cases[f"per prediction, {name}"] = np.sign(one) * np.sign(two)
            one, two = pooled(panel, panel.horizon)
            apart[f"per prediction, {name}"] = np.sign(one) * np.sign(two)
    if material.positions is not None:
        cases["per position"] = material.positions
    if material.trades is not None:
        cases["per trade"] = material.trades
    for name, values in material.series.items():
        cases[f"per session, {name}"] = values
        cases[f"per month, {name}"] = monthly(material, name, FORM[0])
    counted = sorted(cases, key=lambda name: not name.startswith(first))
    flats = ("flat cases left out", "flat cases counted as misses", "flat cases counted as hits")
    dimensions = {"counted": counted, "flat": flats, "overlap": OVERLAP}
    if not cases:
        return ()

    def figure(choice: dict[str, str]) -> float | None:
        name, thinned = choice["counted"], choice["overlap"] == OVERLAP[1]
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

    return readings_over(dimensions, figure, horizons_idle(material))


def _errors(material: Material, metric: str) -> tuple[Reading, ...]:
    """R², MAE, RMSE, MAPE and bias of the predicted returns, and of the price levels that they imply."""
    targets: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
    for name, panel in material.panels.items():
        if not panel.signed:
            continue
        for overlap in OVERLAP:
            step = step_of(panel, {"overlap": overlap})
            targets[f"returns, {name}", overlap] = pooled(panel, step)
            if panel.base is not None and panel.realised is not None:
                implied = (panel.base[::step] * (1.0 + panel.score[::step])).ravel()
                real = panel.realised[::step].ravel()
                known = np.isfinite(implied) & np.isfinite(real)
                targets[f"price levels, {name}", overlap] = (implied[known], real[known])
    if not targets:
        return ()
    dimensions = {"target": tuple(dict.fromkeys(name for name, _ in targets)), "overlap": OVERLAP}

    def figure(choice: dict[str, str]) -> float | None:
        predicted, real = targets[choice["target"], choice["overlap"]]
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
        if metric == "smape":
            size = np.abs(real) + np.abs(predicted)
            return float((2 * np.abs(error) / size)[size > 0].mean()) if (size > 0).any() else None
        if metric == "max_error":
            return float(np.abs(error).max())
        if metric == "correlation":
            return _correlation(predicted, real, False)
        total = float(((real - real.mean()) ** 2).sum())
        return 1.0 - float((error**2).sum()) / total if total > 0 else None

    return readings_over(dimensions, figure, horizons_idle(material))


def _ic_statistic(material: Material, metric: str) -> tuple[Reading, ...]:
    """Extremes and the share above zero of the sessions' correlations, and the t of their mean."""
    if not material.panels:
        return ()
    by_kind = {"Spearman": _series(material, True), "Pearson": _series(material, False)}
    dimensions = {
        "timing": tuple(material.panels),
        "kind": tuple(by_kind),
        "ddof": DDOF if metric == "ic_t" else ("",),
        "overlap": OVERLAP,
    }

    def figure(choice: dict[str, str]) -> float | None:
        daily = by_kind[choice["kind"]](choice)
        if len(daily) < 2:
            return None
        if metric == "ic_min":
            return float(daily.min())
        if metric == "ic_max":
            return float(daily.max())
        if metric == "ic_positive_share":
            return float((daily > 0).mean())
        deviation = float(daily.std(ddof=0 if choice["ddof"] == DDOF[1] else 1))
        return float(daily.mean() / deviation * math.sqrt(len(daily))) if deviation > 0 else None

    return readings_over(dimensions, figure, horizons_idle(material))


def _predicted(material: Material, metric: str) -> tuple[Reading, ...]:
    """Moments and extremes of the predictions themselves."""
    panel = next(iter(material.panels.values()), None)
    values = np.empty(0) if panel is None else panel.score[np.isfinite(panel.score)]
    if len(values) < 2:
        return ()
    dimensions = {"ddof": DDOF if metric == "prediction_std" else ("",)}

    def figure(choice: dict[str, str]) -> float:
        if metric == "prediction_std":
            return float(values.std(ddof=0 if choice["ddof"] == DDOF[1] else 1))
        return float({"prediction_mean": values.mean, "prediction_min": values.min}.get(metric, values.max)())

    return readings_over(dimensions, figure)


#: Canonical metric -> its readings.
SIGNAL_METRICS: dict[str, Callable[[Material], tuple[Reading, ...]]] = {
    "ic": lambda material: _ic(material, False),
    "rank_ic": lambda material: _ic(material, True),
    "ic_std": lambda material: _ic_std(material, ("Pearson", "Spearman")),
    "rank_ic_std": lambda material: _ic_std(material, ("Spearman", "Pearson")),
    "icir": lambda material: _icir(material, ("Pearson", "Spearman")),
    "rank_icir": lambda material: _icir(material, ("Spearman", "Pearson")),
    "icir_annual": lambda material: _icir(material, ("Pearson", "Spearman"), _ANNUAL),
    **{name: partial(_ic_statistic, metric=name) for name in ("ic_t", "ic_min", "ic_max", "ic_positive_share")},
    **{name: partial(_predicted, metric=f"prediction_{name[11:]}")
       for name in ("prediction_mean", "prediction_std", "prediction_min", "prediction_max")},
    "hit_rate": lambda material: (
        class_readings(material, "hit_rate") if material.side else _hits(material, "per prediction")
    ),
    "win_rate": lambda material: _hits(material, "per trade") if material.trades is not None else (),
    **{name: partial(_errors, metric=name)
       for name in ("r2", "mae", "rmse", "mse", "mape", "smape", "bias", "max_error", "correlation")},
    **{name: partial(class_readings, metric=name) for name in CLASS_METRICS},
}  # fmt: skip
