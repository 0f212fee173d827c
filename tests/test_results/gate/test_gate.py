"""The gate: thresholds, insufficient evidence, what does not apply, and policies that cannot be."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.errors import InputError, UnknownNameError
from assay.data.panel import PredictionPanel
from assay.results.checks.capacity import Capacity
from assay.results.checks.cross_check import CrossCheck
from assay.results.checks.leaks import LeakCheck
from assay.results.checks.random_scores import RandomScores
from assay.results.checks.trials import TrialCount
from assay.results.evidence.forecasts import Outcomes, forecast_metrics
from assay.results.gate.evidence_rules import Subject
from assay.results.gate.figures import RULES
from assay.results.gate.policy import judge, load_policy, policy_names
from assay.results.storage.runs import add_checks, load_run, save_run
from assay.results.storage.trial_ledger import Record, register, trial_of

SESSIONS = pd.bdate_range("2018-01-01", periods=800)
COLUMNS = ("sharpe", "low", "high", "return_ann", "impact_ann")
COUNTED = TrialCount(1, 1, 0, "f", 0.5, 0.0)


def stored(root, *, name="s2", metrics=None, sections=None, tables=None, same_close=False, seed=0, n=100):
    rng = np.random.default_rng(seed)
    net = pd.DataFrame({"net": rng.normal(0.0005, 0.01, 800)}, SESSIONS)
    values = {"rank_ic_t": 3.0, "alpha_t_net": 2.5, "max_drawdown_net": -0.1, "turnover_ann": 20.0, **(metrics or {})}
    listed = [
        {
            "name": key,
            "value": value,
            "unit": "",
            "convention": "",
            "low": None,
            "high": None,
            "n": n,
            "reason": "why not",
        }
        for key, value in values.items()
    ]
    run = save_run(
        name,
        config={"strategy": name, "execution": {"same_close": same_close}, "seed": seed},
        fingerprints={"prices": "p"},
        metrics={"metrics": listed, "sessions": 800},
        tables={"returns": net, **(tables or {})},
        notes={},
        root=root,
    )
    return add_checks(run, sections or {})


def policy(tmp_path, text):
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def verdicts(decision):
    return {outcome.rule: outcome.verdict for outcome in decision.outcomes}


def test_each_shipped_policy_loads_and_judges_a_bare_run(tmp_path):
    run = stored(tmp_path)
    assert policy_names() == (
        "challenger", "direction_targets", "level_alerts", "price_targets", "production", "research", "selection",
    )  # fmt: skip
    for name in policy_names():
        decision = judge(run, load_policy(name))
        assert decision.verdict != "pass"
        assert "passed" not in {v for r, v in verdicts(decision).items() if r in ("receipts", "leaks", "cross_check")}


@pytest.mark.parametrize(
    ("rule", "value", "verdict"),
    [
        ("at_least = 3.0", 3.0, "passed"),
        ("at_least = 3.01", 3.0, "failed"),
        ("at_most = 3.0", 3.0, "passed"),
        ("at_most = 2.9", 3.0, "failed"),
        ("at_least = 2.0\nat_most = 4.0", 3.0, "passed"),
        ("at_least = 0.0", None, "insufficient"),
        ('at_least = 0.0\non = "low"', 3.0, "insufficient"),
    ],
)
def test_thresholds(tmp_path, rule, value, verdict):
    run = stored(tmp_path, metrics={"rank_ic_t": value})
    decision = judge(run, load_policy(policy(tmp_path, f"[rules.rank_ic_t]\n{rule}\n")))
    assert verdicts(decision) == {"rank_ic_t": verdict}
    assert decision.exit_code == {"passed": 0, "failed": 1, "insufficient": 3}[verdict]


def test_fail_comes_before_insufficient(tmp_path):
    run = stored(tmp_path)
    text = "[rules.leaks]\nrequired = true\n[rules.rank_ic_t]\nat_least = 9\n"
    assert judge(run, load_policy(policy(tmp_path, text))).verdict == "fail"
    assert judge(run, load_policy(policy(tmp_path, text.replace("9", "1")))).verdict == "insufficient"


def test_nothing_that_applies_is_not_a_pass(tmp_path):
    run = stored(tmp_path)
    decision = judge(run, load_policy(policy(tmp_path, "[rules.calibration]\nat_least = 0\n")))
    assert verdicts(decision) == {"calibration": "not applicable"}
    assert decision.exit_code == 3


def test_same_close_fails_whatever_the_policy_says(tmp_path):
    run = stored(tmp_path, same_close=True)
    decision = judge(run, load_policy(policy(tmp_path, "[rules.rank_ic_t]\nat_least = 1\n")))
    assert decision.exit_code == 1


def test_integrity_rules_read_what_was_found(tmp_path):
    sections = {
        check.kind: check.to_dict()
        for check in (
            LeakCheck("none"),
            CrossCheck(None, reason="not expressible: lots"),
            RandomScores((0.1, 0.9), 1.0, 0.5, 1, 0.03, 0.1, 0.0),
            Capacity(pd.DataFrame({name: [1.0] for name in COLUMNS}, index=pd.Index([1e6], name="aum")), 2.0, 2e8),
            TrialCount(3, 3, 0, "f", 0.97, 0.4),
        )
    }
    run = stored(tmp_path, sections=sections, tables={"receipts": pd.DataFrame({"fold": [0]})})
    text = (
        "[rules.receipts]\nrequired = true\n[rules.leaks]\nrequired = true\n[rules.cross_check]\nrequired = true\n"
        "[rules.random_scores_p]\nat_most = 0.05\n[rules.deflated_sharpe]\nat_least = 0.95\n"
        "[rules.deflated_sharpe_residual]\nat_least = 0.95\n[rules.capacity]\nat_least = 1e8\n"
    )
    found = verdicts(judge(run, load_policy(policy(tmp_path, text))))
    assert found == {
        "receipts": "passed", "leaks": "passed", "cross_check": "not applicable", "random_scores_p": "passed",
        "deflated_sharpe": "passed", "deflated_sharpe_residual": "insufficient", "capacity": "passed",
    }  # fmt: skip
    leaky = stored(tmp_path, name="leaky", sections={"leaks": {"found": ["weights"], "verdict": "1 found"}})
    assert verdicts(judge(leaky, load_policy(policy(tmp_path, "[rules.leaks]\nrequired = true\n")))) == {
        "leaks": "failed"
    }


def test_baselines_calibration_seeds_and_gap(tmp_path):
    tables = {
        "seeds": pd.DataFrame({"sharpe_net": [0.1, 0.2, 0.3]}),
        "training": pd.DataFrame(
            {
                "fold": [0, 0],
                "seed": [0, 0],
                "train_loss": [0.5, 0.2],
                "validation_loss": [0.6, 0.9],
                "best": [True, False],
            }
        ),
    }
    run = stored(tmp_path, tables=tables, metrics={"brier": 0.16, "brier_uncertainty": 0.25})
    text = "".join(
        f"[rules.{rule}]\n{kind} = {value}\n"
        for rule, kind, value in (
            ("calibration", "at_least", 0.0),
            ("seed_dispersion", "at_most", 0.11), ("train_gap", "at_most", 0.11),
        )
    )  # fmt: skip
    decision = judge(run, load_policy(policy(tmp_path, text)))
    assert set(verdicts(decision).values()) == {"passed"}
    values = {outcome.rule: outcome.value for outcome in decision.outcomes}
    assert values["seed_dispersion"] == pytest.approx(0.1)
    assert values["train_gap"] == pytest.approx(0.1)
    assert values["calibration"] == pytest.approx(0.36)
    few = stored(tmp_path, name="few", metrics={"brier": 0.16, "brier_uncertainty": 0.25}, n=29)
    none = stored(tmp_path, name="none", metrics={"brier": None, "brier_uncertainty": None})
    one = stored(tmp_path, name="one", metrics={"brier": 0.0, "brier_uncertainty": 0.0})
    chosen = load_policy(policy(tmp_path, "[rules.calibration]\nat_least = 0\n"))
    for lacking in (few, none, one):
        assert verdicts(judge(lacking, chosen)) == {"calibration": "insufficient"}


def test_brier_skill_of_the_gate_is_that_of_the_cases(tmp_path):
    """Stored parts against the definition, on the cases themselves."""
    rng = np.random.default_rng(0)
    forward = pd.DataFrame(rng.normal(size=(200, 4)), SESSIONS[:200], list("abcd"))
    p = pd.DataFrame(rng.uniform(size=(200, 4)), SESSIONS[:200], list("abcd"))
    predictions = PredictionPanel(None, probability_up=p)
    listed = {item.name: item for item in forecast_metrics(predictions, Outcomes(forward, 1, 1))}
    names = ("brier", "brier_uncertainty")
    run = stored(tmp_path, metrics={name: listed[name].value for name in names}, n=listed["brier"].n)
    figure = RULES["calibration"].read(Subject(run, None))
    up = (forward.to_numpy() > 0).astype(float)
    reference = ((up - up.mean()) ** 2).mean()
    assert figure.value == pytest.approx(1 - ((p.to_numpy() - up) ** 2).mean() / reference, abs=1e-12)


def test_overfitting_needs_a_choice(tmp_path):
    run = stored(tmp_path, sections={"trials": COUNTED.to_dict()})
    chosen = load_policy(policy(tmp_path, "[rules.pbo]\nat_most = 0.5\n"))
    assert verdicts(judge(run, chosen)) == {"pbo": "insufficient"} or verdicts(judge(run, chosen)) == {
        "pbo": "not applicable"
    }
    rng = np.random.default_rng(0)
    for i in range(6):
        drift = 0.01 if i == 3 else 0.0
        returns = pd.Series(rng.normal(drift, 0.01, 800), SESSIONS)
        register([Record(trial_of({"strategy": "s", "q": i}, family="f"), f"m{i}", returns)], "p")
        if i == 0:
            assert verdicts(judge(run, chosen)) == {"pbo": "not applicable"}
    decision = judge(run, chosen)
    assert verdicts(decision) == {"pbo": "passed"}
    assert decision.outcomes[0].value == 0


def test_superior_ability_reads_the_ledger(tmp_path):
    run = stored(tmp_path, sections={"trials": COUNTED.to_dict()})
    chosen = load_policy(policy(tmp_path, "[rules.spa_p_value]\nat_most = 0.05\non = \"high\"\n"))
    unknown = stored(tmp_path / "other", sections={})
    assert verdicts(judge(unknown, chosen)) == {"spa_p_value": "insufficient"}
    rng = np.random.default_rng(0)
    for i in range(6):
        returns = pd.Series(rng.normal(0.0, 0.01, 800), SESSIONS)
        register([Record(trial_of({"strategy": "s", "q": i}, family="f"), f"m{i}", returns)], "p")
        if i == 0:
            assert verdicts(judge(run, chosen)) == {"spa_p_value": "not applicable"}
    outcome = judge(run, chosen).outcomes[0]
    assert outcome.verdict == "failed"
    assert 0.05 < outcome.low <= outcome.value <= outcome.high
    still = trial_of({"strategy": "s", "q": 7}, family="f")
    register([Record(still, "still", pd.Series(0.0, SESSIONS))], "p")  # never traded: left out, no failure
    assert judge(run, chosen).outcomes[0].value == outcome.value
    good = trial_of({"strategy": "s", "q": 8}, family="f")
    register([Record(good, "good", pd.Series(rng.normal(0.002, 0.01, 800), SESSIONS))], "p")
    assert verdicts(judge(run, chosen)) == {"spa_p_value": "passed"}


def test_the_challenger_is_compared_with_the_champion(tmp_path):
    old, new = stored(tmp_path, name="old", seed=1), stored(tmp_path, name="new", seed=2)
    text = '[rules.return_difference]\nat_least = -5.0\non = "low"\n[rules.accuracy_drift]\nat_least = -0.05\n'
    chosen = load_policy(policy(tmp_path, text))
    assert set(verdicts(judge(new, chosen)).values()) == {"not applicable"}
    decision = judge(new, chosen, champion=old)
    assert verdicts(decision) == {"return_difference": "passed", "accuracy_drift": "insufficient"}
    expected = (new.table("returns")["net"] - old.table("returns")["net"]).mean() * 252
    assert decision.outcomes[0].value == pytest.approx(expected)
    assert decision.outcomes[0].low < expected < decision.outcomes[0].high
    assert verdicts(judge(new, chosen, champion=new))["return_difference"] == "passed"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no rules"),
        ("[rules]\n", "no rules"),
        ("rules = 3\n", "no rules"),
        ("[rules.rank_ict]\nat_least = 1\n", "did you mean 'rank_ic_t'"),
        ("[rules.rank_ic_t]\n", "needs at_least or at_most"),
        ("[rules.rank_ic_t]\nat_leest = 1\n", "did you mean 'at_least'"),
        ("[rules.rank_ic_t]\nat_least = true\n", "finite number"),
        ("[rules.rank_ic_t]\nat_least = nan\n", "finite number"),
        ("[rules.rank_ic_t]\nat_least = '2'\n", "finite number"),
        ("[rules.rank_ic_t]\nat_least = 3\nat_most = 2\n", "above at_most"),
        ("[rules.rank_ic_t]\nrequired = true\n", "needs at_least or at_most"),
        ("[rules.rank_ic]\nat_least = 2\n", "impossible"),
        ("[rules.pbo]\nat_most = 1.5\n", "impossible"),
        ("[rules.max_drawdown]\nat_least = 0.2\n", "impossible"),
        ("[rules.leaks]\nat_least = 1\n", "required = true"),
        ("[rules.leaks]\nrequired = false\n", "required = true"),
        ('[rules.rank_ic_t]\nat_least = 1\non = "middle"\n', "unknown on"),
        ("[rule.rank_ic_t]\nat_least = 1\n", "unknown table"),
        ("[rules.rank_ic_t\n", "not TOML"),
    ],
)
def test_bad_policies(tmp_path, text, match):
    with pytest.raises(InputError, match=match):
        load_policy(policy(tmp_path, text))


def test_policies_that_are_not_there(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'production'"):
        load_policy("producton")
    with pytest.raises(InputError, match="No such file"):
        load_policy(tmp_path / "absent.toml")
    path = tmp_path / "latin.toml"
    path.write_bytes(b"# \xff\xfe\n")
    with pytest.raises(InputError, match="UTF-8"):
        load_policy(path)


def test_every_rule_has_a_meaning():
    assert all(rule.meaning and rule.why and rule.unit and rule.low < rule.high for rule in RULES.values())


def test_the_command_exits_with_the_verdict_and_writes_it(tmp_path, capsys):
    run = stored(tmp_path)
    good = policy(tmp_path, "[rules.rank_ic_t]\nat_least = 1\n")
    assert cli.main(["gate", run.id, "--policy", str(good), "--results", str(tmp_path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((run.path / "gate.json").read_text(encoding="utf-8"))
    assert said["schema"] == 2
    assert said["sentence"].startswith("It may run")
    assert cli.main(["gate", run.id, "--policy", "research", "--results", str(tmp_path)]) == 3
    assert "INSUFFICIENT" in capsys.readouterr().out
    assert cli.main(["gate", run.id, "--policy", "prod", "--results", str(tmp_path)]) == 2
    assert load_run(run.id, root=tmp_path).id == run.id
