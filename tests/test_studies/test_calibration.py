"""The calibration study reads a panel as the gate reads a stored run, and goes on where it was killed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.data.synthetic import score_panel
from assay.engine.backtest import run_backtest
from assay.results.evidence.backtest import evaluate
from assay.results.gate.evidence_rules import Estimate
from studies.calibration import POLICY
from studies.calibration_report import MarketFigures, Power, Share, draw, page
from studies.calibration_rules import MEASURED, alone, figures, ic_t, passes, stubbed
from studies.calibration_runs import HALF_LIFE, STRATEGY, Sizes, kept, panels_through, simulated, synthetic


@pytest.mark.parametrize("ic", [0.0, 0.2])
def test_the_figures_of_a_panel_are_those_of_its_backtest(ic):
    where = synthetic("quiet", 3)
    outcome = {key: values[0] for key, values in panels_through(where, [(ic, 11)]).items()}
    outcome["benchmark"] = where.benchmark
    found = figures(outcome)
    predictions = score_panel(where.forward, ic, HALF_LIFE, 11, lasting=ic > 0)
    benchmark = pd.Series(where.benchmark, where.prices.sessions)
    result = run_backtest(STRATEGY, predictions, where.prices, benchmark=benchmark)
    known = {metric.name: metric.value for metric in evaluate(result, predictions, where.prices).metrics}
    assert found["rank_ic_t"].value == pytest.approx(known["rank_ic_t"], rel=1e-9)
    assert found["alpha_t"].value == pytest.approx(known["alpha_t_net"], rel=1e-9)
    assert found["max_drawdown"].value == pytest.approx(known["max_drawdown_net"], rel=1e-9)
    assert found["turnover"].value == pytest.approx(known["turnover_ann"], rel=1e-9)
    # To first order: the study divides costs by another session's NAV.
    for rule in ("break_even_cost_bps", "break_even_borrow_bps"):
        assert found[rule].value == pytest.approx(known[rule], rel=0.01, nan_ok=True)
    assert found["sessions"].value == 1000


def test_every_statistical_rule_of_the_policy_is_measured():
    policy = POLICY
    where = synthetic("quiet", 3)
    outcome = {key: values[0] for key, values in panels_through(where, [(0.2, 11)]).items()}
    outcome["benchmark"] = where.benchmark
    found = figures(outcome)
    assert {*found, "random_scores_p"} == set(MEASURED)
    assert not set(stubbed(policy)) & set(MEASURED)
    assert passes(policy, found, lambda: 0.05)
    assert not passes(policy, found, lambda: 0.06)
    for rule in ("rank_ic_t", "alpha_t", "deflated_sharpe_residual", "break_even_cost_bps"):
        assert not alone(policy, rule, Estimate(0.0))
        assert not passes(policy, {**found, rule: Estimate(0.0)}, lambda: 0.005)


def test_random_scores_are_asked_for_last():
    def refuse() -> float:
        raise AssertionError

    assert not passes(POLICY, {"rank_ic_t": Estimate(0.0)}, refuse)


def test_a_killed_run_goes_on(tmp_path):
    made = []

    def make(first, last):
        made.append((first, last))
        return {"net": np.arange(first, last, dtype=float)}

    def run():
        return kept(tmp_path, "part", 7, 3, make, lambda _: None)["net"].tolist()

    assert run() == list(range(7))
    assert made == [(0, 3), (3, 6), (6, 7)]
    (tmp_path / "part-3-6.npz").write_bytes(b"cut short")
    assert run() == list(range(7))
    assert made[3:] == [(3, 6)]


def test_panels_do_not_hang_on_the_chunk(tmp_path):
    whole = simulated("quiet", Sizes(3, 0, 0, ranked=False), tmp_path, lambda _: None).noise
    first = simulated("quiet", Sizes(2, 0, 0, ranked=False), tmp_path, lambda _: None).noise
    assert whole is not None
    assert first is not None
    np.testing.assert_array_equal(whole["net"][:2], first["net"])


def test_the_page_and_the_figure_show_what_was_counted(tmp_path):
    sizes = {
        key: Share(50, 1000)
        for key in ("ic", "rank", "alpha gross benchmark", "deflated gross benchmark", "alpha net benchmark")
    }
    sizes |= {"alpha up net benchmark": Share(9, 1000), "deflated net benchmark": Share(12, 1000)}
    alone = {"rank_ic_t": Share(5, 9), "alpha_t": Share(4, 9), "deflated_sharpe_residual": Share(3, 9)}
    power = {ic: Power(1.0, alone, Share(2, 9)) for ic in (0.0, 0.01, 0.02, 0.03, 0.05)}
    best = dict.fromkeys(("joint alone", "joint ledger", "deflated alone", "deflated ledger"), Share(1, 200))
    market = MarketFigures("quiet", sizes | {"rank": Share(80, 1000)}, best, power, 0.0, -0.6)
    model = {
        "verdict": "fail",
        "rules": {"alpha_t": "failed"},
        "leaks": 0,
        "random_p": 0.5,
        "shuffled_p": 0.5,
        "alarms": [],
        "sessions": 1296,
    }
    text = page([market], [model, model], ["receipts"], "Made by hand.")
    assert "| rank among 39 random scores, p ≤ 0.05 | 8.0% [6.5%, 9.8%] (outside) |" in text
    assert "| alpha t of gross returns, two-sided 5% | 5.0% [3.8%, 6.5%] |" in text
    assert "| false alarm of the leak tests | 0.0% [0.0%, 65.8%] |" in text
    draw([market], tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_ic_t_skips_sessions_without_one():
    values = np.array([np.nan, 0.1, -0.2, 0.3, 0.05, 0.1, np.nan])
    assert ic_t({"ic": values}) == ic_t({"ic": values[1:-1]})
