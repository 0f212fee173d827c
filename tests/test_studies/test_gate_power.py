"""The study of the gate's power: what it simulates is what the product computes, and nothing reads the future."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.engine.backtest import run_backtest
from assay.results.evidence.backtest import evaluate
from assay.results.evidence.styles import against_styles
from studies import gate_power, gate_power_runs, gate_power_styles
from studies.calibration_runs import COSTS, EXECUTION


def named(evidence, name: str) -> float:
    return float(evidence[name].value)


@pytest.fixture(scope="module")
def at() -> gate_power_runs.Place:
    return gate_power_runs.place("quiet", 7)


def test_a_run_of_the_study_is_the_products(at):
    panel = gate_power_runs.informed(at, 0.05, 3)
    (run,) = gate_power_runs.paths(at, [panel])
    benchmark = pd.Series(at.where.benchmark, at.where.prices.sessions[: len(at.where.benchmark)])
    result = run_backtest(
        at.where.strategy, panel, at.where.prices, costs=COSTS, execution=EXECUTION, benchmark=benchmark
    )
    np.testing.assert_allclose(run.net, result.returns.to_numpy(), atol=1e-12)
    evidence = evaluate(result, panel, at.where.prices)
    figures = gate_power_runs.judged(run)
    assert figures["t"] == pytest.approx(named(evidence, "skill_t"), rel=1e-9)
    assert figures["implied"] == pytest.approx(named(evidence, "implied_alpha_ann"), rel=1e-9)
    paid = named(evidence, "trading_cost_ann")
    assert figures["ratio_high"] == pytest.approx(1 + evidence["expected_alpha_ann"].high / paid, rel=1e-3)
    assert figures["turnover"] == pytest.approx(named(evidence, "turnover_ann"), rel=1e-9)
    assert figures["drawdown"] == pytest.approx(named(evidence, "max_drawdown_net"), rel=1e-9)


def test_a_look_knows_what_was_known_then(at):
    (run,) = gate_power_runs.paths(at, [gate_power_runs.informed(at, 0.05, 3)])
    early = run.until(400)
    assert len(early.net) == 401
    assert len(early.x) == 399  # x of a stamp is known two sessions later
    assert gate_power_runs.judged(run)["first_pass"] < len(run.net)


def test_kinds_of_noise_are_finite_and_differ():
    at = gate_power_runs.place("structured", 1)
    kinds = gate_power_runs.KINDS
    panels = [gate_power_runs.uninformed(at, kind, 1).require_score("test").to_numpy() for kind in kinds]
    assert all(np.isfinite(values).all() for values in panels)
    assert len({float(values[5, 5]) for values in panels}) == len(panels)


def test_work_is_kept_and_the_page_says_how_much_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr(gate_power, "PLAN", (("noise", "quiet", 2), ("skill", "quiet", 1)))
    gate_power.work(tmp_path, 1.0, 1, 5.0)
    expected = {"noise-quiet-0.json", "noise-quiet-1.json", "skill-quiet-0.json"}
    assert {path.name for path in tmp_path.iterdir()} == expected
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    gate_power.work(tmp_path, 1.0, 1, 5.0)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_shares_carry_wilsons_interval():
    rows = [{"t": 2.0}] * 19 + [{"t": 0.0}]
    assert gate_power.share(rows, lambda row: row["t"] > 1) == "95.0% [76.4%, 99.1%]"
    assert gate_power.share([], lambda row: True) == "–"


def test_overlapping_windows_and_skewed_series_are_measured():
    found = gate_power_runs.overlap("structured", 3)
    assert set(found) == {f"{h} {kind}" for h in gate_power_runs.HORIZONS for kind in gate_power_runs.SLOW}
    assert all(row["end"] <= row["looks"] <= row["ever"] for row in found.values())
    # Skew to the left lets an e-process reach higher than to the right, and 1/20 bounds the symmetric one.
    left, right, normal = (gate_power_runs.violated(kind, 300) for kind in ("skew -1", "skew 1", "normal"))
    assert np.mean(left) > np.mean(normal) > np.mean(right)
    assert np.mean(normal >= np.log(20)) <= 0.05


@pytest.mark.slow
def test_what_the_whole_policy_reads_is_the_products(at):
    panel, prices = gate_power_runs.informed(at, 0.05, 3), gate_power_styles.furnished(at, "quiet", 3)
    (run,) = gate_power_styles.styled(at, prices, [panel])
    benchmark = pd.Series(at.where.benchmark, prices.sessions)
    result = run_backtest(at.where.strategy, panel, prices, costs=COSTS, execution=EXECUTION, benchmark=benchmark)
    check, _ = against_styles(result, panel, prices)
    figures = gate_power_styles.judged(run)
    for name, metric in (
        ("share", "skill_share_styles"), ("skill_t_styles", "skill_t_styles"), ("alpha_t_styles", "alpha_t_styles_net"),
        ("expected_styles", "expected_alpha_ann_styles"),
    ):  # fmt: skip
        assert figures[name] == pytest.approx(check.metric(metric).value, rel=1e-9)
    assert figures["first production"] >= figures["first no styles"] > 0
    early = run.until(400)
    assert (len(early.left), len(early.x)) == (401, 399)
