"""The tables of training reports out of sample, each against scikit-learn, scipy or a plain loop."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics

from assay.data.labels import action_labels, next_price
from assay.data.panel import ACTIONS, PredictionPanel
from assay.data.returns import forward_returns
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.results.evidence.backtest import evaluate, store_backtest
from assay.results.evidence.forecast_tables import forecast_tables
from assay.results.gate.policy import load_policy
from assay.results.storage.runs import Run
from assay.results.workflow import gate
from assay.strategies.catalog import load_strategy

PRICES, ORACLE = synthetic_market(200, 12, ic=0.2, seed=3)
RNG = np.random.default_rng(0)
SCORE = ORACLE.score.iloc[40:] + 0.003
RAW = RNG.dirichlet((2, 3, 4), SCORE.shape)
PANEL = PredictionPanel(
    SCORE.where(RNG.random(SCORE.shape) > 0.05),
    action={name: pd.DataFrame(RAW[..., k], SCORE.index, SCORE.columns) for k, name in enumerate(ACTIONS)},
    horizon=2, delay=1, name="both",
)  # fmt: skip
TABLES = forecast_tables(PANEL, PRICES, fill="close")
FORWARD = forward_returns(PRICES, horizon=2, delay=1, fill="close").loc[SCORE.index]


def test_classes_are_scikit_learns() -> None:
    labels = action_labels(PRICES, horizon=2, delay=1, fill="close").loc[SCORE.index].to_numpy()
    known = np.isfinite(labels)
    was, said = labels[known].astype(int), RAW.argmax(axis=-1)[known]
    each = metrics.precision_recall_fscore_support(was, said, labels=[0, 1, 2])
    table = TABLES["classes"]
    np.testing.assert_allclose(table.loc[list(ACTIONS), ["precision", "recall", "f1", "support"]].T, each)
    assert table.loc["macro", "f1"] == pytest.approx(metrics.f1_score(was, said, average="macro"))
    assert table.loc["weighted", "f1"] == pytest.approx(metrics.f1_score(was, said, average="weighted"))
    sell = RAW[..., 1][known] > 0.5
    row = TABLES["thresholds"].loc[("sell", 0.5)]
    assert row["precision"] == pytest.approx(metrics.precision_score(was == 1, sell))
    assert row["recall"] == pytest.approx(metrics.recall_score(was == 1, sell))
    assert row["share"] == pytest.approx(sell.mean())


def test_levels_stand_beside_persistence() -> None:
    level = next_price(PRICES, horizon=2, delay=1, fill="close").loc[SCORE.index].to_numpy()
    close, score = PRICES.close.loc[SCORE.index].to_numpy(), PANEL.score.to_numpy()
    known = np.isfinite(level) & np.isfinite(score)
    for name, forecast in (("model", (close * (1 + score))[known]), ("persistence", close[known])):
        row, was = TABLES["levels"].loc[name], level[known]
        assert row["r2"] == pytest.approx(metrics.r2_score(was, forecast))
        assert row["mae"] == pytest.approx(metrics.mean_absolute_error(was, forecast))
        assert row["rmse"] == pytest.approx(metrics.root_mean_squared_error(was, forecast))
        assert row["mape"] == pytest.approx(metrics.mean_absolute_percentage_error(was, forecast))
        assert row["bias"] == pytest.approx((forecast - was).mean())
        assert row["n"] == known.sum()
        assert row["negative_share"] == 0.0


def test_daily_rank_correlations_and_their_quarters() -> None:
    daily = {}
    for when, row in PANEL.score.iterrows():
        both = row.notna() & FORWARD.loc[when].notna()
        if both.sum() >= 10:
            daily[when] = stats.spearmanr(row[both], FORWARD.loc[when][both]).statistic
    found = TABLES["daily"]["rank_ic"]
    values = np.array(list(daily.values()))
    assert found["mean"] == pytest.approx(values.mean())
    assert found["std"] == pytest.approx(values.std(ddof=1))
    assert (found["min"], found["max"]) == pytest.approx((values.min(), values.max()))
    for percentile in (5, 25, 50, 75, 95):
        assert found[f"{percentile}%"] == pytest.approx(np.percentile(values, percentile))
    assert found["above_zero"] == pytest.approx((values > 0).mean())
    second = [value for when, value in daily.items() if (when.year, when.quarter) == (2000, 2)]
    row = TABLES["quarters"].loc["2000-Q2"]
    assert (row["rank_ic"], row["sessions"]) == (pytest.approx(np.mean(second)), len(second))


def test_fifths_and_spreads_by_a_loop() -> None:
    cases: dict[int, list[tuple[float, float]]] = {q: [] for q in range(1, 6)}
    spreads = []
    for when, row in PANEL.score.iterrows():
        for_fifths = row[FORWARD.loc[when].notna()].dropna()
        for name, rank in for_fifths.rank().items():
            cases[int(np.ceil(5 * (rank - 0.5) / len(for_fifths)))].append((row[name], FORWARD.loc[when, name]))
        all_names = row.dropna()
        fifth = np.ceil(5 * (all_names.rank() - 0.5) / len(all_names))
        top, bottom = all_names[fifth == 5].mean(), all_names[fifth == 1].mean()
        spreads.append((top - bottom, top - all_names.mean(), all_names.mean() - bottom))
    for q, rows in cases.items():
        said, was = np.array(rows).T
        found = TABLES["fifths"].loc[q]
        assert (found["predicted"], found["realised"]) == pytest.approx((said.mean(), was.mean()))
        if q != 3:
            assert found["hit_rate"] == pytest.approx(((was > 0) if q > 3 else (was < 0)).mean())
    assert np.isnan(TABLES["fifths"].loc[3, "hit_rate"])
    found = TABLES["predictions"]["prediction"]
    names = ["top_less_bottom", "top_less_market", "market_less_bottom"]
    assert found[names].tolist() == pytest.approx(np.mean(spreads, axis=0).tolist())
    known = PANEL.score.to_numpy()[PANEL.score.notna().to_numpy()]
    assert found[["mean", "std", "min", "max"]].tolist() == pytest.approx(
        [known.mean(), known.std(ddof=1), known.min(), known.max()]
    )


def test_a_run_holds_them_and_the_reports_targets_are_rules(tmp_path) -> None:
    result = run_backtest(load_strategy("quintile_long_short"), PANEL, PRICES)
    run: Run = store_backtest(result, evaluate(result, PANEL, PRICES), root=tmp_path)
    stored = json.loads((run.path / "metrics.json").read_text())["metrics"]
    values = {item["name"]: item["value"] for item in stored}
    expected = forecast_tables(PANEL, PRICES, fill=result.config["execution"]["fill"])
    assert values["level_r2"] == pytest.approx(expected["levels"].loc["model", "r2"])
    assert values["level_r2_persistence"] == pytest.approx(expected["levels"].loc["persistence", "r2"])
    pd.testing.assert_frame_equal(run.table("action_classes"), expected["classes"], check_names=False)
    decision = gate(run, "price_targets", root=tmp_path)
    outcome = {item.rule: item for item in decision.outcomes}
    assert outcome["level_r2"].threshold == "≥ 0.5"
    assert outcome["level_r2"].value == pytest.approx(values["level_r2"])
    assert outcome["sharpe"].verdict in ("passed", "failed")
    targets = {item.metric: item.at_least for item in load_policy("direction_targets").requirements}
    assert targets == {"accuracy": 0.60, "f1": 0.75, "auc": 0.65}
    assert {item.rule for item in load_policy("level_alerts").requirements} == {
        "level_r2", "accuracy_drift", "gap_growth",
    }  # fmt: skip


def test_what_no_session_has_names_enough_to_rank_has_no_tables_of_ranks():
    one = PRICES.select(PRICES.assets[:1])
    tables = forecast_tables(PredictionPanel(PANEL.score[one.assets]), one, fill="close")
    assert set(tables) == {"levels"}
