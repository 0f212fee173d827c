"""What the gate reads of skill and money, on runs that are made and stored by the product."""

from __future__ import annotations

import json
import math
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns
from assay.data.synthetic import score_panel
from assay.engine.costs import CostModel
from assay.results.gate.evidence_rules import Subject, break_even_ratio, expected_alpha
from assay.results.gate.figures import RULES
from assay.results.gate.formats import decision_junit, decision_markdown, decision_table, rules_listed
from assay.results.gate.policy import GateDecision, RuleOutcome, judge, load_policy, note_look
from assay.results.stats.skill import evidence_path
from assay.results.storage.runs import Run, save_run
from assay.results.workflow import backtest
from assay.strategies.catalog import load_strategy


def market(seed: int = 0, sessions: int = 700) -> PricePanel:
    rng = np.random.default_rng(seed)
    returns = rng.normal(0.0003, 0.008, (sessions, 1)) + rng.normal(0, 0.015, (sessions, 16))
    dates = pd.bdate_range("2015-01-01", periods=sessions)
    names = [f"A{i:02d}" for i in range(16)]
    return PricePanel(pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), dates, names))


PRICES = market()
BENCHMARK = PRICES.close.pct_change().mean(axis=1).fillna(0.0).rename("mean")


def scores(ic: float, seed: int, prices: PricePanel = PRICES) -> PredictionPanel:
    return score_panel(forward_returns(prices), ic, 5.0, seed, lasting=ic > 0)


def made(root, ic: float, seed: int = 1, prices: PricePanel = PRICES, **more) -> Run:
    strategy = load_strategy("quintile_long_short", **more)
    return backtest(strategy, scores(ic, seed, prices), prices, benchmark=BENCHMARK, root=root).run


def read(run: Run, rule: str):
    return RULES[rule].read(Subject(run, None))


def policy(tmp_path, text: str):
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return load_policy(path)


def test_evidence_is_divided_by_the_score_series_tried(tmp_path):
    run = made(tmp_path, 0.08)
    table = run.table("skill")
    evidence = math.exp(evidence_path(table["x"].to_numpy(), table["df"].to_numpy())[-1])
    assert read(run, "skill_e").value == pytest.approx(evidence, rel=1e-9)
    made(tmp_path, 0.08, quantile="0.4")  # another rule on the same scores: no other score was tried
    assert read(run, "skill_e").value == pytest.approx(evidence, rel=1e-9)
    for seed in (2, 3):
        made(tmp_path, 0.0, seed)
    assert read(run, "skill_e").value == pytest.approx(evidence / 3, rel=1e-9)
    made(tmp_path, 0.0, 9, market(5))  # another market
    assert read(run, "skill_e").value == pytest.approx(evidence / 3, rel=1e-9)


def test_evidence_for_one_target_and_over_a_horizon(tmp_path):
    run = made(tmp_path, 0.08)
    table = run.table("skill")
    own = math.exp(evidence_path(table["x"].to_numpy(), table["df"].to_numpy(), target=0.05)[-1])
    aimed = policy(tmp_path, "[rules.skill_e]\nat_least = 20\ntarget_ic = 0.05\n")
    assert judge(run, aimed).outcomes[0].value == pytest.approx(own, rel=1e-9)
    slow = PredictionPanel(scores(0.08, 1).score, horizon=5, name="slow")
    five = backtest(load_strategy("quintile_long_short"), slow, PRICES, benchmark=BENCHMARK, root=tmp_path).run
    table = five.table("skill")
    evidence = math.exp(evidence_path(table["x"].to_numpy(), table["df"].to_numpy(), horizon=5)[-1])
    assert read(five, "skill_e").value == pytest.approx(evidence / 2, rel=1e-9)
    with pytest.raises(InputError, match="horizon 1"):
        judge(five, aimed, since=(run,))
    for text in ("target_ic = 1.5", 'target_ic = "x"'):
        with pytest.raises(InputError, match="target_ic must lie"):
            policy(tmp_path, f"[rules.skill_e]\nat_least = 20\n{text}\n")
    with pytest.raises(InputError, match="target_ic is of skill_e and"):
        policy(tmp_path, "[rules.turnover]\nat_most = 20\ntarget_ic = 0.03\n")


def test_skill_passes_and_noise_does_not(tmp_path):
    able, unable = made(tmp_path, 0.1), made(tmp_path, 0.0, 5)
    chosen = policy(tmp_path, "[rules.skill_e]\nat_least = 20\n[rules.skill_p]\nat_most = 0.05\n")
    assert judge(able, chosen).verdict == "pass"
    assert judge(unable, chosen).verdict == "fail"


def test_the_second_look_is_no_first_look(tmp_path):
    longer = market(0, 760)
    run = made(tmp_path, 0.1, prices=PricePanel(longer.close.iloc[:700]))
    chosen = policy(tmp_path, "[rules.skill_p]\nat_most = 0.05\n")
    decision = judge(run, chosen)
    assert decision.verdict == "pass"
    note_look(run, decision)
    assert judge(run, chosen).verdict == "pass"  # the same look again
    panel = scores(0.1, 1, longer)
    frame = panel.score.copy()
    frame.iloc[: len(run.table("score"))] = run.table("score").to_numpy()
    later = backtest(load_strategy("quintile_long_short"), PredictionPanel(frame, name=panel.name), longer,
                     benchmark=BENCHMARK, root=tmp_path).run  # fmt: skip
    outcome = judge(later, chosen).outcomes[0]
    assert outcome.verdict == "insufficient"
    assert "looked at before" in outcome.reason


def test_another_ledger_than_the_runs_is_insufficient(tmp_path, monkeypatch):
    run = made(tmp_path, 0.1)
    monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path / "another"))
    for rule in ("skill_e", "skill_p"):
        found = read(run, rule)
        assert found.absent == "insufficient"
        assert "does not know the run" in found.reason


def test_trials_elsewhere_count_and_a_run_in_no_ledger_is_insufficient(tmp_path):
    strategy = load_strategy("quintile_long_short")
    run = backtest(strategy, scores(0.1, 1), PRICES, benchmark=BENCHMARK, trials_elsewhere=9, root=tmp_path).run
    alone = math.exp(float(run.table("skill")["log_e"].iloc[-1]))
    assert read(run, "skill_e").value == pytest.approx(alone / 10)
    assert read(run, "skill_p").absent == "insufficient"
    bare = save_run("bare", config={}, fingerprints={}, metrics={"metrics": []},
                    tables={"returns": run.table("returns")}, notes={}, root=tmp_path)  # fmt: skip
    assert {read(bare, rule).absent for rule in ("skill_e", "skill_p", "expected_alpha")} == {"insufficient"}
    assert read(bare, "implied_gap_t").reason.endswith("made without --benchmark, which some metrics need")


def test_money_is_the_mean_of_realised_and_implied(tmp_path):
    run = made(tmp_path, 0.08)
    realised, implied = (run.metric(name)["value"] for name in ("alpha_ann_net", "implied_alpha_ann"))
    found = expected_alpha(Subject(run, None))
    assert found.value == pytest.approx((realised + implied) / 2)
    ratio = break_even_ratio(Subject(run, None)).value
    traded, paid = 2 * run.metric("turnover_ann")["value"], run.metric("trading_cost_ann")["value"]
    assert ratio * paid / traded == pytest.approx((found.value + paid) / traded, rel=1e-9)
    assert 1e4 * paid / traded == pytest.approx(5, rel=0.01)  # what was assumed
    # Refused is what the data refuse: the interval is the alpha's, in costs.
    item = run.metric("expected_alpha_ann")
    assert (found.low, found.high) == (item["low"], item["high"])
    assert item["low"] < item["value"] < item["high"]
    assert break_even_ratio(Subject(run, None)).high == pytest.approx(1 + item["high"] / paid, rel=1e-9)
    # At the break-even cost, nothing of the expected alpha is left.
    at = CostModel(commission_bps=5 * ratio)
    dear = backtest(load_strategy("quintile_long_short"), scores(0.08, 1), PRICES, benchmark=BENCHMARK, costs=at,
                    root=tmp_path).run  # fmt: skip
    assert expected_alpha(Subject(dear, None)).value == pytest.approx(0, abs=0.1 * found.value)


def test_implied_alpha_is_near_the_realised_where_the_model_holds(tmp_path):
    gaps = [made(tmp_path, 0.06, seed, market(seed)).metric("implied_gap_t")["value"] for seed in range(6)]
    assert abs(np.mean(gaps)) < 1.2


def baselines(root, own: np.ndarray, ridge: np.ndarray) -> Run:
    dates = pd.bdate_range("2015-01-01", periods=len(own))
    table = pd.DataFrame({"mine": own, "ridge": ridge, "reversal": ridge - 0.2}, dates)
    skill = pd.DataFrame({"x": own, "df": 16.0, "slope": 0.0, "log_e": 0.0}, dates)
    return save_run("b", config={}, fingerprints={}, metrics={"metrics": []},
                    tables={"baseline_skill": table, "skill": skill}, notes={}, root=root)  # fmt: skip


def test_beating_a_baseline_is_a_paired_test(tmp_path):
    rng = np.random.default_rng(1)
    ridge = rng.normal(0.2, 1, 1500)
    near = baselines(tmp_path / "near", 0.97 * ridge + rng.normal(0, 0.25, 1500), ridge)
    found = read(near, "beats_baselines")
    assert found.low < 0 < found.high
    assert "ridge" in found.reason
    text = '[rules.beats_baselines]\nat_least = 0\non = "END"\n'
    better, worse = (policy(tmp_path, text.replace("END", end)) for end in ("low", "high"))
    assert judge(near, better).verdict == "fail"
    assert judge(near, worse).verdict == "pass"  # as good as
    ahead = baselines(tmp_path / "ahead", ridge + rng.normal(0.1, 0.25, 1500), ridge)
    assert judge(ahead, better).verdict == "pass"
    difference = ahead.table("baseline_skill")["mine"] - ahead.table("baseline_skill")["ridge"]
    assert read(ahead, "beats_baselines").value == pytest.approx(difference.mean() / 4)
    behind = baselines(tmp_path / "behind", ridge - rng.normal(0.1, 0.25, 1500), ridge)
    assert judge(behind, worse).verdict == "fail"


def test_any_metric_of_the_run_can_be_a_rule(tmp_path):
    run = made(tmp_path, 0.05)
    value = run.metric("r2")["value"]
    low = policy(tmp_path, f'[rules.fit]\nmetric = "r2"\nat_least = {value - 0.01}\nnote = "the card says so"\n')
    outcome = judge(run, low).outcomes[0]
    assert (outcome.rule, outcome.verdict, outcome.note) == ("fit", "passed", "the card says so")
    absent = policy(tmp_path, '[rules.f1]\nmetric = "f1"\nat_least = 0.6\n')
    assert judge(run, absent).outcomes[0].verdict == "insufficient"
    with pytest.raises(InputError, match="name of a metric"):
        policy(tmp_path, "[rules.f1]\nmetric = 3\nat_least = 0.6\n")


DECISION = GateDecision("run-1", "p", None, (
    RuleOutcome("skill_e", "≥ 20", 35.0, None, None, "passed", "e-value 35", "why <that> | so"),
    RuleOutcome("turnover", "≤ 100", 120.0, 1.0, 2.0, "failed", "one way & more", "too dear"),
    RuleOutcome("leaks", "required", None, None, None, "insufficient", "not run"),
    RuleOutcome("pbo", "≤ 0.5", None, None, None, "not applicable", "one trial"),
))  # fmt: skip


def test_a_decision_in_every_form():
    assert DECISION.sentence == "Do not run it: turnover is 120, ≤ 100 is asked for: one way & more."
    table = decision_table(DECISION)
    assert all(item.rule in table and item.note in table for item in DECISION.outcomes)
    page = decision_markdown(DECISION)
    assert "&lt;that&gt; \\| so" in page
    assert page.count("\n| ") == 5
    suite = ElementTree.fromstring(decision_junit(DECISION))
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip
    assert suite.find("testcase[@name='turnover']/failure").text == "too dear"


def test_what_is_not_decided_says_what_is_missing():
    open_ = GateDecision("r", "p", None, DECISION.outcomes[:1] + DECISION.outcomes[2:])
    assert open_.sentence == "Not decided: nothing failed, but there is no figure for leaks (not run)."
    passed = GateDecision("r", "p", None, DECISION.outcomes[:1])
    assert passed.sentence == "It may run: all 1 rules passed (e-value 35)."


def test_the_command_lists_rules_and_writes_forms(tmp_path, capsys):
    assert cli.main(["gate", "--rules", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["rules"]
    assert [item["rule"] for item in listed] == list(RULES)
    assert listed == rules_listed()
    assert cli.main(["gate", "--rules"]) == 0
    assert "skill_e" in capsys.readouterr().out
    assert cli.main(["gate"]) == 2
    run = made(tmp_path, 0.1)
    for form, sign in (("markdown", "### "), ("junit", "<?xml"), ("json", "{"), ("table", run.id)):
        code = cli.main(["gate", run.id, "--policy", "research", "--format", form, "--results", str(tmp_path)])
        assert code == 3
        assert capsys.readouterr().out.startswith(sign)
