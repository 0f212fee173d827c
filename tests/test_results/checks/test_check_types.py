"""Each check as a type: what it says, how it is stored, and that damaged content is refused with one line.

`stored/` holds checks.json as they were written before there were types: of a walk-forward with canaries and
cross-check, of a baseline rule whose labels do not matter, of a run with capacity, and of an entry rule, which vectorbt
cannot express.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from assay.data.errors import InputError
from assay.results.checks.base import Check, Content
from assay.results.checks.canaries import Canaries
from assay.results.checks.capacity import Capacity, Halving
from assay.results.checks.cross_check import CrossCheck
from assay.results.checks.leaks import LeakCheck
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.checks.random_scores import RandomScores, ShiftedScores
from assay.results.checks.trading import Measurement
from assay.results.checks.trials import TrialCount
from assay.results.storage.runs import add_checks, load_run, save_run, to_json

FILES = sorted((Path(__file__).parent / "stored").glob("*.json"))
STORED = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}
DAY = pd.Timestamp("2020-03-04")
NOTHING = Measurement(math.nan, math.nan, math.nan)
REAL = Measurement(0.05, 4.0, 1.5)
SIZES = pd.DataFrame(
    [[1.0, 0.5, 1.5, 0.1, 0.0], [0.4, -0.1, 0.9, 0.04, 0.06]],
    index=pd.Index([1e6, 1e8], name="aum"),
    columns=["sharpe", "low", "high", "return_ann", "impact_ann"],
)
EMPTY = pd.DataFrame(columns=list(SIZES.columns), index=pd.Index([], name="aum"), dtype=float)
SHUFFLED = (Measurement(0.01, 1.0, 0.2), NOTHING)
CANARIES = Canaries("rank IC", REAL, Measurement(0.9, 50.0), SHUFFLED, {0: REAL, 7: NOTHING}, 1)
RANDOM = RandomScores((0.1, 0.9, 0.3), 1.0, 0.43, 1, 0.02, 0.1, 0.3, seed=4)
TRIALS = TrialCount(12, 10, 2, "ranked", 0.97, 0.8, 0.4)

#: A check, how it stands, and a part of its sentence.
CASES: list[tuple[Check, str, str]] = [
    (LeakCheck("no change in weights at 5 dates", components=("weights",), cuts=(DAY,)), "good",
     "leak tests: no change"),
    (LeakCheck("1 found in weights at 5 dates", ("weights of A change",)), "bad", "1 found"),
    (CrossCheck(True, 2.5e-16, DAY, set_to_zero=("borrow_bps",)), "good", "agrees, largest daily difference 2.5e-16"),
    (CrossCheck(False, 0.01, DAY), "bad", "differs from 2020-03-04 on, largest daily difference 1.0e-02"),
    (CrossCheck(None, reason="not expressible: lots"), "not run", "second engine: not expressible: lots"),
    (RANDOM, "good", "rank 1 of 4 among random-score runs"),
    (replace(RANDOM, p_value=0.5, rank=2), "unsure", "(p 0.500; their mean net Sharpe 0.43)"),
    (replace(RANDOM, p_value=math.nan, real_sharpe=math.nan), "unsure", "there is nothing to rank"),
    (ShiftedScores("rank IC", REAL, Measurement(0.01, 1.0, 0.4), Measurement(0.5, 9.0, 6.0), NOTHING), "good",
     "as they are 1.50, one session late 0.40, one session early 6.00, the same for all –"),
    (ShiftedScores("rank IC", REAL, replace(REAL, sharpe=1.6), REAL, NOTHING), "unsure", "one session late 1.60"),
    (ShiftedScores("rank IC", NOTHING, NOTHING, NOTHING, NOTHING), "unsure", "as they are –"),
    (CANARIES, "good", "2 retrained on shuffled labels 0.0100 (rank 1 of 3, p 0.333)"),
    (replace(CANARIES, rank=2), "unsure", "rank 2 of 3"),
    (replace(CANARIES, rank=None, reached=False, notes=("it learns nothing",)), "unsure", "; it learns nothing"),
    (replace(CANARIES, findings=("too good",)), "bad", "; too good"),
    (Capacity(SIZES, 1.2, 5e7), "good", "capacity: the net Sharpe of 1.20 halves at 50,000,000"),
    (Capacity(SIZES, 1.2, math.nan, "more than half is left at 1e+08"), "unsure", "more than half is left"),
    (Capacity(SIZES.assign(alpha_ann=[0.05, 0.01]), 1.2, math.nan, "more than half of the net Sharpe is left at 1e+08",
              Halving(0.06, 2e7)), "unsure", "1e+08; net alpha of 6.00% a year halves at 20,000,000"),
    (Capacity(EMPTY, math.nan, math.nan, "not expressible: executed bar by bar"), "not run", "not expressible"),
    (TRIALS, "good", "12 trials in the ledger, deflated Sharpe 0.97"),
    (replace(TRIALS, count=1, deflated_sharpe=0.3), "unsure", "1 trial in the ledger, deflated Sharpe 0.30"),
    (replace(TRIALS, deflated_sharpe=math.nan, deflated_sharpe_residual=math.nan), "not run",
     "12 trials in the ledger"),
]  # fmt: skip
NAMES = [f"{check.kind}-{state}-{number}" for number, (check, state, _) in enumerate(CASES)]


def through_a_file(check: Check) -> dict[str, Any]:
    """What stands in checks.json of it: JSON, NaN as null."""
    content: dict[str, Any] = json.loads(to_json(check.to_dict()))
    return content


def read(check: Check, content: dict[str, Any]) -> Check | str:
    """The check that content is read as, or why it is refused."""
    try:
        return type(check).from_dict(content, "runs/s2-1/checks.json")
    except InputError as error:
        return str(error)


@pytest.mark.parametrize(("check", "state", "text"), CASES, ids=NAMES)
def test_state_and_sentence(check, state, text):
    assert check.state == state
    assert text in check.sentence
    assert "\n" not in check.sentence
    assert not check.sentence.endswith(".")
    assert bool(check.failures) == (state == "bad")
    assert check.result


@pytest.mark.parametrize("check", [case[0] for case in CASES], ids=NAMES)
def test_what_is_read_back_is_what_was_stored(check):
    content = through_a_file(check)
    again = type(check).from_dict(content)
    assert through_a_file(again) == content
    assert (again.state, again.sentence, again.result, again.detail, again.failures) == (
        check.state, check.sentence, check.result, check.detail, check.failures,
    )  # fmt: skip


@pytest.mark.parametrize("check", [case[0] for case in CASES], ids=NAMES)
@pytest.mark.parametrize("damage", ["text", 3.5, [], {"a": 1}, [1, "a"], [None, [1]], True])
def test_damaged_content_is_refused_with_one_line_or_read(check, damage):
    """Whatever stands in the place of an entry, nothing but an InputError comes of it."""
    content = through_a_file(check)
    answers = [read(check, {**content, name: damage}) for name in content]
    refused = [answer for answer in answers if isinstance(answer, str)]
    assert refused
    for message in refused:
        assert message.startswith(f"runs/s2-1/checks.json: {check.kind}")
        assert "run the checks again" in message
        assert "\n" not in message
    for again in answers:
        assert isinstance(again, str) or to_json({"said": again.sentence, **again.to_dict()})


@pytest.mark.parametrize("check", [case[0] for case in CASES], ids=NAMES)
def test_a_missing_entry_is_refused_or_has_a_default(check):
    content = through_a_file(check)
    answers = {name: read(check, {key: content[key] for key in content if key != name}) for name in content}
    refused = {name: answer for name, answer in answers.items() if isinstance(answer, str)}
    assert refused
    assert all(f"{name} is missing" in message for name, message in refused.items())


@pytest.mark.parametrize("content", STORED.values(), ids=STORED)
def test_runs_of_the_version_before_are_read_as_they_were_written(content):
    outcomes = CheckOutcomes.from_dict(content)
    assert {check.kind for check in outcomes.made} == set(content)
    fresh = json.loads(to_json(outcomes.to_dict()))
    for kind, stored in content.items():
        # The fingerprints of the inputs, which stand beside the settings, are added when a run is stored.
        known = {**stored, "on": {k: v for k, v in stored["on"].items() if k not in ("prices", "predictions")}}
        own = {"on": {}, **fresh[kind]}
        assert {key: own[key] for key in known} == known
    assert outcomes.failures == ()


def test_the_stored_runs_say_what_they_said():
    said = CheckOutcomes.from_dict(STORED["walk_forward"]).sentences
    assert said["canaries"].startswith("canaries: rank IC ")
    assert " (rank 1 of 6, p 0.167); on an answer in the inputs " in said["canaries"]
    assert said["leaks"].startswith("leak tests: no change in predictions, weights, run at ")
    ignorant = CheckOutcomes.from_dict(STORED["baseline_rule"]).canaries
    assert ignorant is not None
    assert (ignorant.state, ignorant.passed, ignorant.reached) == ("unsure", None, False)
    capacity = CheckOutcomes.from_dict(STORED["capacity"]).capacity
    assert capacity is not None
    assert capacity.halves_at == pytest.approx(1_280_625, abs=1)
    assert CheckOutcomes.from_dict(STORED["entry_rule"]).sentences["cross_check"] == (
        "second engine: not expressible: executed bar by bar"
    )


def test_a_run_that_nothing_was_checked_of_says_nothing(tmp_path):
    run = save_run("s2", config={}, fingerprints={}, metrics={}, tables={}, notes={}, root=tmp_path)
    outcomes = CheckOutcomes.of(run)
    assert outcomes == CheckOutcomes()
    assert outcomes.sentences == outcomes.to_dict() == {}
    stored = add_checks(run, CheckOutcomes(leaks=LeakCheck("none"), trials=TRIALS).to_dict())
    again = CheckOutcomes.of(load_run(stored.id, root=tmp_path))
    assert again == CheckOutcomes(leaks=LeakCheck("none"), trials=TRIALS)
    assert list(again.sentences) == ["leaks", "trials"]  # in the order in which they are told


def test_kinds_that_are_not_known_are_left_out_and_no_table_is_refused():
    assert CheckOutcomes.from_dict({"horoscope": {"sign": "leo"}}) == CheckOutcomes()
    with pytest.raises(InputError, match=r"checks\.json: leaks: damaged: must be a table"):
        CheckOutcomes.from_dict({"leaks": [1]})


def test_a_canary_of_another_length_is_refused():
    content = through_a_file(CANARIES)
    content["shuffled"]["t"] = [1.0]
    with pytest.raises(InputError, match="lists of one length"):
        Canaries.from_dict(content)
    content = through_a_file(CANARIES)
    content["on"]["seeds"] = [0]
    with pytest.raises(InputError, match="a list of 2 seeds"):
        Canaries.from_dict(content)


def test_entries_say_where_and_what_they_are():
    entries = Content({"a": {"b": "x" * 90}}, "checks.json: kind")
    with pytest.raises(InputError, match=r"^checks\.json: kind\.a: damaged: b must be a number or null, got 'xxx.*…; "):
        entries.part("a").number("b")
    with pytest.raises(InputError, match="a must be a date"):
        Content({"a": "soon"}, "here").date("a")
    assert Content({"a": None}, "here").date("a") is None
    assert math.isnan(Content({"a": None}, "here").number("a"))
