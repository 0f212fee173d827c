"""Predictions as forecasts: is their error smaller than that of no forecast, are their probabilities what they say.

Everything here is about out-of-sample predictions against what followed, before any portfolio. Names of one session
move together, so tests and errors take whole sessions as the independent cases (`assay.results.stats.forecast_tests`).

References
----------
Gorodkin (2004), Computational Biology and Chemistry 28(5-6), for the Matthews correlation of many classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.panel import ACTIONS, PredictionPanel
from assay.data.row_tables import RowFrame, RowValues
from assay.results.stats.forecast_tests import ForecastTest, HistoricalMean, mase, pesaran_timmermann_panel
from assay.results.stats.long_run_variance import critical_value
from assay.results.stats.naive_forecasts import against_naive
from assay.results.stats.performance import Metric

__all__ = ["LEAST_BEFORE", "Outcomes", "action_scores", "action_table", "chosen_actions", "forecast_metrics"]


#: Windows before the first prediction that a scale of errors needs.
LEAST_BEFORE = 20


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What followed, with the history that naive forecasts are made of.

    Parameters
    ----------
    forward : (T', N') forward returns of the whole price panel, decimal, stamped t.
    horizon, delay : of these windows: row t is known at t + delay + horizon.

    """

    forward: pd.DataFrame
    horizon: int
    delay: int

    def of(self, frame: pd.DataFrame) -> Floats:
        """Forward returns on the stamps and assets of a frame."""
        return _at(self.forward, frame)

    def means(self, frame: pd.DataFrame) -> RowValues:
        """`historical_mean` on the stamps and assets of a frame, made when rows are asked for."""
        same = self.forward.columns.equals(frame.columns)
        forward = self.forward if same else self.forward.reindex(columns=frame.columns)
        naive = HistoricalMean(forward.to_numpy(dtype=np.float64), known_after=self.delay + self.horizon)
        whole = RowFrame(pd.DatetimeIndex(forward.index), frame.columns, naive)
        return whole.reindex(frame.index).to_numpy()

    def scale(self, frame: pd.DataFrame) -> Floats:
        """(N,) mean absolute forward return over windows known by the first stamp of a frame; NaN below 20."""
        first = int(self.forward.index.searchsorted(frame.index[0])) if len(frame) else 0
        before = self.forward.reindex(columns=frame.columns).iloc[: max(0, first - self.delay - self.horizon + 1)]
        known = before.notna().sum().to_numpy()
        return np.where(known >= LEAST_BEFORE, before.abs().mean().to_numpy(dtype=np.float64), np.nan)


def _at(frame: pd.DataFrame, other: pd.DataFrame) -> Floats:
    """The values of a frame at the stamps and assets of another; a view where the stamps are a part of its own."""
    if len(other) and frame.columns.equals(other.columns):
        start = int(frame.index.searchsorted(other.index[0]))
        if frame.index[start : start + len(other)].equals(other.index):
            return frame.to_numpy(dtype=np.float64)[start : start + len(other)]
    return frame.reindex(index=other.index, columns=other.columns).to_numpy(dtype=np.float64)


def forecast_metrics(predictions: PredictionPanel, outcomes: Outcomes) -> list[Metric]:
    """What the predictions are worth as forecasts, by what they predict.

    Parameters
    ----------
    predictions : out of sample.
    outcomes : of the same windows.

    Returns
    -------
    list of Metric
        Of a score in returns: r2, theil_u2, mase, r2_oos, dm_t, dm_p, cw_t, cw_p. Of a probability: accuracy,
        balanced_accuracy, precision, recall, f1, mcc, auc, auc_error, auc_error_delong, auc_error_hanley_mcneil, brier
        and its parts (brier_reliability, brier_resolution, brier_uncertainty, brier_within), ece, log_loss,
        log_loss_base, base_rate. Of either, where its sign means something: pt_t, pt_p.

    """
    out: list[Metric] = []
    score, probability = predictions.score, predictions.probability_up
    signed = score if score is not None and (predictions.unit == "return" or predictions.zero_is_neutral) else None
    if score is not None and predictions.unit == "return":
        out += _of_returns(score, outcomes)
    if probability is not None:
        out += _of_probabilities(probability, outcomes)
        signed = probability - 0.5 if signed is None else signed
    if signed is not None:
        found = pesaran_timmermann_panel(
            signed.to_numpy(dtype=np.float64), outcomes.of(signed), horizon=outcomes.horizon
        )
        about = f"signs against chance, Pesaran–Timmermann by session, lag {found.lag}, one-sided"
        out += _test("pt", found, about, _dates(signed))
    return out


def chosen_actions(predictions: PredictionPanel) -> Floats:
    """(T, N) position in `assay.data.panel.ACTIONS` of the most likely action, the first of equals; NaN = no view.

    Raises
    ------
    InputError
        If there are no action probabilities.

    """
    if predictions.action is None:
        raise InputError("chosen actions: the predictions have no action probabilities")
    values = np.stack([predictions.action[name].to_numpy(dtype=np.float64) for name in ACTIONS])
    return np.where(np.isfinite(values).all(axis=0), np.nan_to_num(values).argmax(axis=0), np.nan)


def action_table(chosen: Floats, labels: Floats) -> pd.DataFrame:
    """Counts of what followed (rows) by what was chosen (columns), in the order of `assay.data.panel.ACTIONS`.

    Parameters
    ----------
    chosen, labels : (T, N) positions in `ACTIONS`, see `chosen_actions` and `data.labels.action_labels`; NaN = unknown.

    """
    known = np.isfinite(chosen) & np.isfinite(labels)
    counts = np.zeros((len(ACTIONS), len(ACTIONS)), dtype=np.int64)
    np.add.at(counts, (labels[known].astype(np.int64), chosen[known].astype(np.int64)), 1)
    return pd.DataFrame(counts, index=pd.Index(ACTIONS, name="followed"), columns=list(ACTIONS))


def action_scores(table: pd.DataFrame) -> list[Metric]:
    """Of a table of `action_table`: accuracy, base rate, balanced accuracy, macro F1 and Matthews correlation.

    action_base_rate is the share of the commonest action: the accuracy of always saying it, known only afterwards.
    The recall of an action that never followed is left out of its mean, its F1 is 0. The Matthews correlation is that
    for many classes (Gorodkin 2004), (c·n − Σ p_k t_k)/√((n² − Σ p_k²)(n² − Σ t_k²)), 0 where that is 0/0.
    """
    counts = table.to_numpy(dtype=np.float64)
    n, right = counts.sum(), np.diag(counts)
    followed, said = counts.sum(axis=1), counts.sum(axis=0)
    seen = followed > 0
    size = math.sqrt((n**2 - (said**2).sum()) * (n**2 - (followed**2).sum()))
    over = float(right.sum() * n - said @ followed)
    f1 = np.divide(2 * right, said + followed, out=np.zeros(len(right)), where=said + followed > 0)
    flag = "" if size > 0 else " · 0/0, since the predictions or the outcomes never vary: written as 0"
    about = "of buy, sell and hold; beyond half the deviation of 20 sessions × √h is a buy or a sell"
    rows = [
        ("action_accuracy", float(right.sum() / n) if n else math.nan, "fraction", about),
        ("action_base_rate", float(followed.max() / n) if n else math.nan, "fraction", "share of the commonest action"),
        ("action_balanced_accuracy", float((right[seen] / followed[seen]).mean()) if n else math.nan, "fraction",
         "mean recall of the actions that followed"),
        ("action_macro_f1", float(f1.mean()) if n else math.nan, "ratio", "mean F1 of the three actions"),
        ("action_mcc", (over / size if size > 0 else 0.0) if n else math.nan, "correlation", f"Matthews{flag}"),
    ]  # fmt: skip
    return [Metric(*row, None, None, int(n), reason=_why(row[1], "no case is known")) for row in rows]


def _of_returns(score: pd.DataFrame, outcomes: Outcomes) -> list[Metric]:
    predicted, actual = score.to_numpy(dtype=np.float64), outcomes.of(score)
    dates = _dates(score)
    found = against_naive(predicted, actual, outcomes.means(score), horizon=outcomes.horizon)
    rows: list[tuple[str, float, str, str]] = [
        ("r2", found.r2,
         "of returns, all cases, against their own mean", "fewer than 2 cases, or returns that do not vary"),
        ("theil_u2", found.theil_u2,
         "RMSE over that of persistence (return 0), all cases; below 1 is better", "persistence makes no error"),
        ("mase", mase(predicted, actual, outcomes.scale(score)),
         "MAE over the mean absolute return before the first prediction, by asset",
         f"fewer than {LEAST_BEFORE} windows before the first prediction"),
        ("r2_oos", found.r2_oos,
         "of returns, against the mean of all returns known at t, Campbell–Thompson", "no history for a mean"),
    ]  # fmt: skip
    n = found.n
    out = [
        Metric(name, value, "ratio", text, None, None, n, *dates, _why(value, why)) for name, value, text, why in rows
    ]
    test = found.persistence
    about = (
        f"squared errors less those of persistence, below 0 is better · Diebold–Mariano, mean a session, lag "
        f"{test.lag}, {test.weights}, Harvey–Leybourne–Newbold, two-sided"
    )
    out += _test("dm", test, about, dates)
    test = found.clark_west
    about = f"against the mean of all returns known at t · Clark–West, mean a session, lag {test.lag}, one-sided"
    return [*out, *_test("cw", test, about, dates)]


def _of_probabilities(probability: pd.DataFrame, outcomes: Outcomes) -> list[Metric]:
    from assay.results.stats.classification import BINS, auc, brier_parts, calibration_error, log_loss, matthews

    values, ahead = probability.to_numpy(dtype=np.float64), outcomes.of(probability)
    known = np.isfinite(values) & np.isfinite(ahead)
    p, up = values[known], (ahead[known] > 0).astype(np.float64)
    sessions, dates = np.nonzero(known)[0], _dates(probability)
    n = len(p)
    area = auc(p, up, sessions=sessions, horizon=outcomes.horizon)
    parts, loss = brier_parts(p, up), log_loss(p, up)
    said = (p > 0.5).astype(np.float64)
    right = said == up
    recalls = [float(right[up == side].mean()) for side in (0.0, 1.0) if (up == side).any()]
    hits, called, rose = float((said * up).sum()), float(said.sum()), float(up.sum())
    precision, recall = hits / called if called else 0.0, hits / rose if rose else 0.0
    correlation, undefined = matthews(said, up)
    flag = " · 0/0, since the predictions or the outcomes never vary: written as 0" if undefined else ""
    held = len(np.unique(sessions))
    half = critical_value(held, outcomes.horizon - 1) * area.error if held else math.nan
    span = (max(0.0, area.value - half), min(1.0, area.value + half)) if math.isfinite(half) else (None, None)
    empty = "no case is known"
    bands = f"{BINS} bands of equal width"

    def row(name: str, value: float, unit: str, text: str, why: str = empty) -> Metric:
        low, high = span if name == "auc" else (None, None)
        return Metric(name, value, unit, text, low, high, n, *dates, _why(value, why))

    return [
        row("accuracy", float(right.mean()) if n else math.nan, "fraction", "up where the probability is above 0.5"),
        row("base_rate", parts.base_rate, "fraction", "share that rose: the accuracy of always up"),
        row("balanced_accuracy", float(np.mean(recalls)) if len(recalls) == 2 else math.nan, "fraction",
            "mean recall of up and down; 0.5 says nothing", "one class only" if n else empty),
        row("precision", precision, "fraction", "of those called up, the share that rose; 0 where none is"),
        row("recall", recall, "fraction", "of those that rose, the share called up"),
        row("f1", 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0, "ratio",
            "of up: of always up it is 2·base rate/(1 + base rate)"),
        row("mcc", correlation, "correlation", f"Matthews{flag}"),
        row("auc", area.value, "ratio", "area under the ROC curve; 0.5 says nothing · 95% by session", area.reason),
        row("auc_error", area.error, "ratio", "standard error with sessions as the cases, Obuchowski", area.reason),
        row("auc_error_delong", area.error_delong, "ratio", "standard error as if cases were independent, DeLong",
            area.reason or "a class with one case"),
        row("auc_error_hanley_mcneil", area.error_hanley_mcneil, "ratio",
            "standard error as if cases were independent, Hanley–McNeil", area.reason),
        row("brier", parts.score, "ratio", "mean (p − y)² = reliability − resolution + uncertainty + within bands"),
        row("brier_reliability", parts.reliability, "ratio", f"Murphy, {bands}; 0 is calibrated"),
        row("brier_resolution", parts.resolution, "ratio", f"Murphy, {bands}; 0 tells nothing apart"),
        row("brier_uncertainty", parts.uncertainty, "ratio", "the score of the base rate"),
        row("brier_within", parts.within, "ratio", f"what {bands} hide"),
        row("ece", calibration_error(p, up), "ratio", f"expected calibration error, {bands}"),
        row("log_loss", loss.value, "nats", "mean −log of the probability given to what happened"),
        row("log_loss_base", loss.base, "nats", "of a constant at the share that rose"),
    ]  # fmt: skip


def _test(name: str, found: ForecastTest, about: str, dates: tuple[str | None, str | None]) -> list[Metric]:
    return [
        Metric(f"{name}_t", found.statistic, "t", about, None, None, found.n, *dates, found.reason),
        Metric(f"{name}_p", found.p_value, "probability", about, None, None, found.n, *dates, found.reason),
    ]


def _why(value: float, reason: str) -> str:
    return "" if math.isfinite(value) else reason


def _dates(frame: pd.DataFrame) -> tuple[str | None, str | None]:
    return (str(frame.index[0].date()), str(frame.index[-1].date())) if len(frame) else (None, None)
