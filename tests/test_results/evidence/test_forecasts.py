"""Forecasts judged from panels: the figures of a run, what it stores of its actions, and where they are shown."""

from __future__ import annotations

import json
import math
from html import unescape

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from assay.data.panel import ACTIONS, PredictionPanel
from assay.data.returns import forward_returns
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.results.evidence.backtest import evaluate, store_backtest
from assay.results.evidence.forecasts import Outcomes, action_scores, action_table, chosen_actions, forecast_metrics
from assay.results.evidence.models import prediction_metrics
from assay.results.report.tearsheet import render_tearsheet
from assay.results.report.terminal import render_run
from assay.results.stats.information_coefficient import rolling_ic
from assay.results.stats.long_run_variance import hac_mean, lag_rule
from assay.strategies.catalog import load_strategy

PRICES, ORACLE = synthetic_market(260, 8, ic=0.1, seed=5)
AHEAD = forward_returns(PRICES, horizon=1, delay=1, fill="close")
OUTCOMES = Outcomes(AHEAD, 1, 1)
SCORE = PredictionPanel(ORACLE.score.iloc[100:], name="score", horizon=1, delay=1)
CHANCE = 1 / (1 + np.exp(-80 * ORACLE.score.iloc[100:]))
ODDS = PredictionPanel(
    None,
    name="odds",
    probability_up=CHANCE,
    action={"buy": CHANCE * 0.8, "sell": (1 - CHANCE) * 0.8, "hold": CHANCE * 0.3 * 0 + 0.2},
    horizon=1,
    delay=1,
)


def figures(predictions: PredictionPanel, outcomes: Outcomes = OUTCOMES) -> dict[str, float]:
    return {metric.name: metric.value for metric in forecast_metrics(predictions, outcomes)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    out = {}
    for name, panel, rule in (("score", SCORE, "quintile_long_short"), ("odds", ODDS, "multitask_action")):
        result = run_backtest(load_strategy(rule), panel, PRICES)
        out[name] = store_backtest(result, evaluate(result, panel, PRICES), root=root)
    return out


def test_a_return_model_is_held_against_persistence_and_the_mean_so_far():
    found = figures(SCORE)
    later = AHEAD.loc[SCORE.sessions].to_numpy()
    known = np.isfinite(later)
    p, y = SCORE.score.to_numpy()[known], later[known]
    assert found["r2"] == pytest.approx(metrics.r2_score(y, p), rel=1e-9)
    rmse = metrics.root_mean_squared_error
    assert found["theil_u2"] == pytest.approx(rmse(y, p) / rmse(y, 0 * y), rel=1e-9)
    # The mean of an asset at t: all windows that have ended by then. Row 100's last known window is stamped 98.
    means = np.array([[AHEAD.iloc[: t - 1, i].mean() for i in range(8)] for t in range(100, 260)])[known]
    assert found["r2_oos"] == pytest.approx(1 - ((y - p) ** 2).sum() / ((y - means) ** 2).sum(), rel=1e-9)
    scale = AHEAD.iloc[:99].abs().mean().to_numpy()
    errors = np.abs(SCORE.score.to_numpy() - later) / scale
    assert found["mase"] == pytest.approx(errors[known].mean(), rel=1e-9)
    assert found["dm_t"] < 0 < found["cw_t"]
    assert max(found["dm_p"], found["cw_p"], found["pt_p"]) < 0.05
    assert set(found) == {"r2", "theil_u2", "mase", "r2_oos", "dm_t", "dm_p", "cw_t", "cw_p", "pt_t", "pt_p"}


def test_naive_forecasts_never_see_what_is_to_come():
    changed = AHEAD.copy()
    changed.iloc[150:] += 0.5
    other = Outcomes(changed, 1, 1)
    # Row 150 is known at 152, so forecasts stamped before that cannot tell.
    assert np.array_equal(OUTCOMES.means(SCORE.score)[:52], other.means(SCORE.score)[:52])
    assert not np.array_equal(OUTCOMES.means(SCORE.score)[52:53], other.means(SCORE.score)[52:53])
    changed = AHEAD.copy()
    changed.iloc[99:] += 0.5
    assert np.array_equal(OUTCOMES.scale(SCORE.score), Outcomes(changed, 1, 1).scale(SCORE.score))


def test_a_direction_model_is_held_against_the_base_rate():
    found = figures(ODDS)
    later = AHEAD.loc[ODDS.sessions].to_numpy()
    known = np.isfinite(later)
    p, up = CHANCE.to_numpy()[known], (later[known] > 0).astype(int)
    said = (p > 0.5).astype(int)
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(up, p), rel=1e-9)
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(up, said), rel=1e-9)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(up, said), rel=1e-9)
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(up, said), rel=1e-9)
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(up, p), rel=1e-9)
    parts = found["brier_reliability"] - found["brier_resolution"] + found["brier_uncertainty"] + found["brier_within"]
    assert found["brier"] == pytest.approx(parts, rel=1e-9)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(up, p), rel=1e-9)
    assert 0 < found["auc_error"] < 0.1
    interval = next(metric for metric in forecast_metrics(ODDS, OUTCOMES) if metric.name == "auc")
    assert interval.low < interval.value < interval.high


def test_what_cannot_be_said_says_why():
    nothing = SCORE.map(lambda frame: frame * np.nan)
    found = forecast_metrics(nothing, OUTCOMES)
    assert all(math.isnan(metric.value) and metric.reason for metric in found)
    early = PredictionPanel(ORACLE.score.iloc[:60], name="early", horizon=1, delay=1)
    known = {metric.name: metric for metric in forecast_metrics(early, OUTCOMES)}
    assert "before the first prediction" in known["mase"].reason
    assert "no history" in known["r2_oos"].reason
    zero = {metric.name: metric for metric in forecast_metrics(SCORE.map(lambda frame: frame * 0.0), OUTCOMES)}
    assert zero["theil_u2"].value == 1.0
    assert "no difference" in zero["dm_t"].reason
    assert "same sign" in zero["pt_t"].reason
    constant = PredictionPanel(None, name="flat", probability_up=CHANCE * 0 + 0.6, horizon=1, delay=1)
    flat = {metric.name: metric for metric in forecast_metrics(constant, OUTCOMES)}
    assert flat["mcc"].value == 0.0
    assert "0/0" in flat["mcc"].convention
    assert flat["auc"].value == 0.5
    assert math.isnan(flat["auc_error"].value)
    two = PredictionPanel(None, name="two", probability_up=CHANCE.iloc[:2], horizon=1, delay=1)
    assert "2 sessions" in next(item.reason for item in forecast_metrics(two, OUTCOMES) if item.name == "auc_error")


def test_scores_of_actions_are_those_of_scikit_learn():
    rng = np.random.default_rng(3)
    for _ in range(10):
        said, followed = (rng.choice(3, (40, 5), p=[0.5, 0.3, 0.2]).astype(float) for _ in range(2))
        said[0], followed[1] = np.nan, np.nan
        known = np.isfinite(said) & np.isfinite(followed)
        one, two = said[known].astype(int), followed[known].astype(int)
        table = action_table(said, followed)
        assert (table.to_numpy() == metrics.confusion_matrix(two, one, labels=[0, 1, 2])).all()
        found = {metric.name: metric.value for metric in action_scores(table)}
        assert found == pytest.approx(
            {
                "action_accuracy": metrics.accuracy_score(two, one),
                "action_base_rate": np.bincount(two).max() / len(two),
                "action_balanced_accuracy": metrics.balanced_accuracy_score(two, one),
                "action_macro_f1": metrics.f1_score(two, one, average="macro"),
                "action_mcc": metrics.matthews_corrcoef(two, one),
            },
            rel=1e-9,
        )
    always = {metric.name: metric for metric in action_scores(action_table(np.zeros((9, 2)), np.ones((9, 2))))}
    assert always["action_mcc"].value == 0.0
    assert "0/0" in always["action_mcc"].convention
    assert all(metric.reason for metric in action_scores(action_table(np.full((9, 2), np.nan), np.ones((9, 2)))))


def test_a_run_stores_which_action_would_have_been_right(runs):
    run = runs["odds"]
    right, table = run.table("action_labels"), run.table("confusion")
    said = chosen_actions(ODDS)
    known = np.isfinite(said) & right.notna().to_numpy()
    counts = metrics.confusion_matrix(right.to_numpy()[known], said[known], labels=[0.0, 1.0, 2.0])
    assert (table.to_numpy() == counts).all()
    assert list(table.index) == list(table.columns) == list(ACTIONS)
    moved = run.table("forward_returns").to_numpy()
    assert (moved[right.to_numpy() == 0] > 0).all()
    assert (moved[right.to_numpy() == 1] < 0).all()
    page = unescape(render_tearsheet(run))
    assert f"{table.to_numpy().sum():,} cases" in page


def test_the_summary_and_the_sheet_show_what_is_stored(runs):
    shown = {name: render_run(run) for name, run in runs.items()}
    pages = {name: unescape(render_tearsheet(run)) for name, run in runs.items()}
    for name, run in runs.items():
        stored = {item["name"]: item for item in json.loads((run.path / "metrics.json").read_text())["metrics"]}
        for label in ("theil_u2", "dm_t", "pt_p") if name == "score" else ("auc", "mcc", "brier_resolution", "pt_p"):
            assert f'data-metric="{label}.value"' in pages[name]
            assert stored[label]["convention"] in pages[name]
    stored = {item["name"]: item["value"] for item in runs["score"].metrics["metrics"]}
    assert f"U2 {stored['theil_u2']:.4f}, Diebold–Mariano t {stored['dm_t']:+.1f} (better)" in shown["score"]
    assert "AUC" not in shown["score"]
    stored = {item["name"]: item["value"] for item in runs["odds"].metrics["metrics"]}
    assert f"AUC {stored['auc']:.3f} ± {stored['auc_error']:.3f}" in shown["odds"]
    parts = f"reliability {stored['brier_reliability']:.4f} · resolution {stored['brier_resolution']:.4f}"
    assert parts in shown["odds"]
    assert f"always up {stored['base_rate']:.1%}" in shown["odds"]
    assert f"commonest {stored['action_base_rate']:.1%}" in shown["odds"]
    assert "persistence" not in shown["odds"]


def test_the_table_beside_the_baselines_has_the_same_figures():
    found = prediction_metrics(SCORE, PRICES, fill="close")
    for name, value in figures(SCORE).items():
        assert found[name] == pytest.approx(value, rel=1e-12)
    assert prediction_metrics(ODDS, PRICES, fill="close")["auc_error"] == pytest.approx(figures(ODDS)["auc_error"])


@pytest.mark.parametrize("horizon", [1, 5])
def test_every_window_has_its_own_band(horizon):
    values = pd.Series(np.random.default_rng(0).normal(0.02, 0.2, 120), pd.bdate_range("2020-01-01", periods=120))
    table = rolling_ic(values, 40, horizon)
    assert len(table) == 81
    from assay.results.stats.long_run_variance import critical_value

    for stamp in (39, 77, 119):
        mean, error, _, lag = hac_mean(values.iloc[stamp - 39 : stamp + 1].to_numpy(), horizon=horizon)
        half = critical_value(40, lag) * error
        assert lag == lag_rule(40, horizon)
        assert tuple(table.loc[values.index[stamp]]) == pytest.approx((mean, mean - half, mean + half), rel=1e-9)
    later = values.copy()
    later.iloc[80:] += 1
    assert rolling_ic(later, 40, horizon).iloc[:41].equals(table.iloc[:41])
    flat = rolling_ic(values * 0 + 0.1, 40)
    assert flat["low"].isna().all()
