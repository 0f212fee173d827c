"""Out-of-sample predictions as training reports print them: classes, levels, daily rank correlations, fifths, spreads.

Everything is about sessions that the model did not see. Beside a table of a model stands what needs no model, where
there is such a thing: persistence beside a level, the base rate beside a class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import Floats
from assay.data.labels import action_labels, next_price
from assay.data.panel import ACTIONS, PredictionPanel, PricePanel
from assay.data.returns import forward_returns
from assay.data.row_tables import Table
from assay.results.evidence.forecasts import chosen_actions
from assay.results.stats.blocks import cases, row_blocks
from assay.results.stats.holding_period import score_quantiles
from assay.results.stats.information_coefficient import ic_table
from assay.results.stats.performance import Metric

__all__ = [
    "cell",
    "class_table",
    "daily_distribution",
    "fifths_table",
    "forecast_tables",
    "implied_levels",
    "level_metrics",
    "level_table",
    "prediction_spread",
    "quarter_table",
    "threshold_table",
]

PERCENTILES = (5, 25, 50, 75, 95)
_THRESHOLDS = (0.35, 0.4, 0.5, 0.6, 0.7)
_FIFTHS = 5


def forecast_tables(predictions: PredictionPanel, prices: PricePanel, *, fill: Any = None) -> dict[str, pd.DataFrame]:
    """Every table that the predictions have, by name.

    Parameters
    ----------
    predictions : out of sample.
    prices : the panel they are about.
    fill : which price the windows run between.

    Returns
    -------
    dict
        ``classes`` and ``thresholds`` for actions; ``levels`` for scores in units of return; ``daily`` and ``quarters``
        where a session has names enough to rank, ``fifths`` and ``predictions`` where the panel has.

    """
    span: dict[str, Any] = {"horizon": predictions.horizon, "delay": predictions.delay, "fill": fill}
    forward = _like(predictions, forward_returns(prices, **span))
    out: dict[str, pd.DataFrame] = {}
    if predictions.action is not None:
        labels = _like(predictions, action_labels(prices, **span)).to_numpy(dtype=np.float64)
        out["classes"] = class_table(chosen_actions(predictions), labels)
        out["thresholds"] = threshold_table(predictions, labels)
    score = predictions.score
    if score is not None and predictions.unit == "return":
        out["levels"] = level_table(*implied_levels(score, prices, **span))
    ranked = predictions.view
    daily = ic_table(ranked, forward)["rank_ic"]
    if daily.notna().any():
        out["daily"], out["quarters"] = daily_distribution(daily), quarter_table(daily)
    if ranked.shape[1] >= _FIFTHS:
        out["fifths"] = fifths_table(ranked, forward)
        out["predictions"] = prediction_spread(ranked)
    return out


def _like(predictions: PredictionPanel, frame: pd.DataFrame) -> pd.DataFrame:
    return frame.reindex(index=predictions.sessions, columns=predictions.assets)


def class_table(chosen: Floats, labels: Floats) -> pd.DataFrame:
    """A row an action, a macro mean and one weighted by support: precision, recall, F1, support, share of all cases.

    Parameters
    ----------
    chosen, labels : (T, N) positions in `assay.data.panel.ACTIONS`, NaN = unknown.

    """
    known = np.isfinite(chosen) & np.isfinite(labels)
    said, was = chosen[known], labels[known]
    rows = {}
    for k, action in enumerate(ACTIONS):
        hit, claimed, there = (float(count) for count in (((said == k) & (was == k)).sum(), (said == k).sum(),
                                                           (was == k).sum()))  # fmt: skip
        rows[action] = {
            "precision": hit / claimed if claimed else 0.0,
            "recall": hit / there if there else 0.0,
            "f1": 2 * hit / (claimed + there) if claimed + there else 0.0,
            "support": there,
            "share": there / len(was) if len(was) else math.nan,
        }
    table = pd.DataFrame(rows).T
    shares = table["share"].to_numpy()
    parts = table[["precision", "recall", "f1"]]
    table.loc["macro"] = {**parts.mean().to_dict(), "support": len(was), "share": 1.0}
    weighted = parts.mul(shares, axis=0).sum().to_dict()
    table.loc["weighted"] = {**weighted, "support": len(was), "share": 1.0}
    table.index.name = "action"
    return table


def threshold_table(
    predictions: PredictionPanel, labels: Floats, thresholds: Sequence[float] = _THRESHOLDS
) -> pd.DataFrame:
    """Precision and recall of each action where its probability exceeds a threshold, instead of the most likely one.

    A row an action and threshold: precision (NaN where nothing exceeds it), recall, share (of cases that exceed it).
    """
    assert predictions.action is not None  # the caller has seen to it
    rows = []
    for k, action in enumerate(ACTIONS):
        odds = predictions.action[action].to_numpy(dtype=np.float64)
        known = np.isfinite(odds) & np.isfinite(labels)
        p, there = odds[known], labels[known] == k
        for threshold in thresholds:
            over = p > threshold
            rows.append({
                "action": action, "threshold": threshold,
                "precision": float(there[over].mean()) if over.any() else math.nan,
                "recall": float(over[there].mean()) if there.any() else math.nan,
                "share": float(over.mean()) if len(over) else math.nan,
            })  # fmt: skip
    return pd.DataFrame(rows).set_index(["action", "threshold"])


def implied_levels(
    score: pd.DataFrame, prices: PricePanel, *, horizon: int, delay: int, fill: Any = None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What `level_table` compares: the scores, the closes of their stamps, and the prices at the ends of their windows.

    Rows of scores whose windows end after the prices may be left out: nothing is known of them. Where the panels fit,
    all three are views.
    """
    frame = prices.open if prices.open is not None and fill != "close" else prices.close
    start, stamps = int(prices.sessions.searchsorted(score.index[0])), len(score)
    fits = score.columns.equals(prices.assets) and prices.sessions[start : start + stamps].equals(score.index)
    if prices.members is not None or not fits:
        close, level = prices.close, next_price(prices, horizon=horizon, delay=delay, fill=fill)
        both = (each.reindex(index=score.index, columns=score.columns) for each in (close, level))
        return score, next(both), next(both)
    later = frame.iloc[start + delay + horizon : start + stamps + delay + horizon]
    return score.iloc[: len(later)], prices.close.iloc[start : start + len(later)], later


def level_table(score: Table, close: Table, level: Table) -> pd.DataFrame:
    """Errors of the price that a score implies, C·(1 + score), in currency, beside those of persistence.

    Parameters
    ----------
    score : (T, N) expected forward returns stamped t.
    close, level : (T, N) the close of t, and the price at the end of the window.

    Returns
    -------
    DataFrame
        Rows ``model`` and ``persistence`` (the close of t) over the same cases: r2 against the mean of all levels, mae,
        rmse, mape, bias (forecast less outcome), negative_share, n.

    """
    said, last, was = (frame.to_numpy(dtype=np.float64) for frame in (score, close, level))
    n, total, whole = 0, 0.0, list[bool]()
    for part in row_blocks(said.shape):
        known = _all_known(said[part], last[part], was[part])
        whole.append(bool(known.all()))
        (came,) = cases(known, was[part])
        n, total = n + len(came), total + float(came.sum())
    sums = np.zeros((2, 5))
    apart = 0.0
    for part, all_known in zip(row_blocks(said.shape), whole, strict=True):
        tables = said[part], last[part], was[part]
        known = np.ones(1, dtype=bool) if all_known else _all_known(*tables)
        expected, here, came = cases(known, *tables)
        apart += float(((came - total / n) ** 2).sum()) if n else 0.0
        for row, forecast in zip(sums, (here * (1.0 + expected), here), strict=True):
            off = forecast - came
            size = np.abs(off)
            below = np.count_nonzero(forecast < 0)
            row += (off * off).sum(), size.sum(), np.divide(size, came, out=size).sum(), off.sum(), below
    table = pd.DataFrame({"model": _errors(sums[0], apart, n), "persistence": _errors(sums[1], apart, n)}).T
    table.index.name = "forecast"
    return table


def _all_known(*tables: Floats) -> npt.NDArray[np.bool_]:
    """Where every one of them is finite."""
    known = np.isfinite(tables[0])
    for table in tables[1:]:
        known &= np.isfinite(table)
    return known


def level_metrics(table: pd.DataFrame, sessions: pd.DatetimeIndex) -> list[Metric]:
    """What `level_table` says of the model as metrics of a run, and the R² of persistence."""
    n = int(cell(table, "model", "n"))
    start, end = (str(sessions[0].date()), str(sessions[-1].date())) if len(sessions) else (None, None)
    why = "fewer than 2 cases"
    text = "of the price that the forecast implies, C·(1 + score), all assets together"
    units = {"r2": "ratio", "mae": "currency", "rmse": "currency", "mape": "fraction", "bias": "currency"}
    rows = [(f"level_{name}", cell(table, "model", name), unit, text) for name, unit in units.items()]
    naive = cell(table, "persistence", "r2")
    rows.append(("level_r2_persistence", naive, "ratio", "of the close of t, above which a level's R² says something"))
    return [
        Metric(name, value, unit, about, None, None, n, start, end, "" if math.isfinite(value) else why)
        for name, value, unit, about in rows
    ]


def cell(table: pd.DataFrame, row: object, column: str) -> float:
    """One figure of a table."""
    return float(cast(Any, table.loc[cast(Any, row), column]))


def _errors(sums: Floats, apart: float, n: int) -> dict[str, float]:
    """Figures of n cases from Σoff², Σ|off|, Σ|off|/level, Σoff and how many forecasts are negative."""
    if n < 2:
        return dict.fromkeys(("r2", "mae", "rmse", "mape", "bias", "negative_share"), math.nan) | {"n": float(n)}
    squares, sizes, relative, off, negative = sums.tolist()
    return {
        "r2": 1.0 - squares / apart if apart > 0 else math.nan,
        "mae": sizes / n,
        "rmse": math.sqrt(squares / n),
        "mape": relative / n,
        "bias": off / n,
        "negative_share": negative / n,
        "n": float(n),
    }


def daily_distribution(daily: pd.Series) -> pd.DataFrame:
    """Mean, deviation (ddof 1), least, largest and percentiles of a figure a session, and the share above 0."""
    known = daily.dropna().to_numpy(dtype=np.float64)
    figures = {"mean": math.nan, "std": math.nan, "min": math.nan, "max": math.nan}
    if len(known):
        figures = {"mean": float(known.mean()), "std": float(known.std(ddof=1)) if len(known) > 1 else math.nan,
                   "min": float(known.min()), "max": float(known.max())}  # fmt: skip
    for percentile in PERCENTILES:
        figures[f"{percentile}%"] = float(np.percentile(known, percentile)) if len(known) else math.nan
    figures["above_zero"] = float((known > 0).mean()) if len(known) else math.nan
    figures["sessions"] = float(len(known))
    return pd.DataFrame({"rank_ic": figures})


def quarter_table(daily: pd.Series) -> pd.DataFrame:
    """Mean and deviation of a figure a session by calendar quarter, such as ``2024-Q3``, and how many sessions."""
    known = daily.dropna()
    stamps = pd.DatetimeIndex(known.index)
    names = pd.Index([f"{when.year}-Q{when.quarter}" for when in stamps], name="quarter")
    table = known.groupby(names, sort=True).agg(["mean", "std", "count"])
    return table.rename(columns={"mean": "rank_ic", "count": "sessions"})


def fifths_table(score: pd.DataFrame, forward: pd.DataFrame) -> pd.DataFrame:
    """A row a fifth of the score, 1 the lowest: mean predicted and realised, and how often the side was right.

    Cases are names of a session. Of the upper two fifths a case is right that rose, of the lower two one that fell; the
    middle fifth has no side. `assay.results.stats.information_coefficient.quantile_returns` has means of sessions with
    their errors.
    """
    fifth = score_quantiles(score.where(forward.notna()), _FIFTHS).to_numpy()
    said, was = score.to_numpy(dtype=np.float64), forward.to_numpy(dtype=np.float64)
    rows = []
    for q in range(1, _FIFTHS + 1):
        inside = fifth == q
        p, y = said[inside], was[inside]
        side = np.sign(q - (_FIFTHS + 1) / 2)
        right = float((np.sign(y) == side).mean()) if side and len(y) else math.nan
        rows.append({"fifth": q, "predicted": float(p.mean()) if len(p) else math.nan,
                     "realised": float(y.mean()) if len(y) else math.nan, "hit_rate": right, "n": len(y)})  # fmt: skip
    return pd.DataFrame(rows).set_index("fifth")


def prediction_spread(score: pd.DataFrame) -> pd.DataFrame:
    """Distribution of all predictions, and how far the outer fifths lie from each other and from the session's mean.

    Spreads are means over sessions of differences of means: top fifth less bottom fifth, top less all, all less bottom.
    """
    values = score.to_numpy(dtype=np.float64)
    known = values[np.isfinite(values)]
    fifth = score_quantiles(score, _FIFTHS).to_numpy()

    def mean_of(inside: np.ndarray) -> Floats:
        count = inside.sum(axis=1)
        total = np.where(inside, values, 0.0).sum(axis=1)
        answer: Floats = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
        return answer

    top, bottom, market = (mean_of(inside) for inside in (fifth == _FIFTHS, fifth == 1, np.isfinite(fifth)))
    figures = {
        "mean": known.mean() if len(known) else math.nan,
        "std": known.std(ddof=1) if len(known) > 1 else math.nan,
        "min": known.min() if len(known) else math.nan,
        "max": known.max() if len(known) else math.nan,
        "top_less_bottom": _mean(top - bottom),
        "top_less_market": _mean(top - market),
        "market_less_bottom": _mean(market - bottom),
        "n": len(known),
    }
    return pd.DataFrame({"prediction": {name: float(value) for name, value in figures.items()}})


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan
