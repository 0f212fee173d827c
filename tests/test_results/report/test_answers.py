"""The first screen: each answer follows from the stored figures and checks, and says which."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assay.data.card import plural
from assay.results.checks.leaks import LeakCheck
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.checks.random_scores import RandomScores
from assay.results.checks.styles import Styles
from assay.results.checks.trials import TrialCount
from assay.results.report.blocks import Answer
from assay.results.report.sections.answers import answers
from assay.results.report.terminal import _label
from assay.results.stats.performance import Metric


def _metric(name: str, value: float | None, low: float | None = None, high: float | None = None, **more: Any) -> dict:
    return {"name": name, "value": value, "low": low, "high": high, "unit": "", "convention": "", "reason": "", **more}


@dataclass
class _Data:
    """What the answers read of a run."""

    metrics: dict[str, dict[str, Any]]
    checks: CheckOutcomes
    returns: pd.DataFrame
    config: dict[str, Any] = field(default_factory=lambda: {"costs": {"commission_bps": 5.0}, "execution": {}})
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def run(self) -> Any:
        class _Run:
            manifest: dict[str, Any] = {"benchmark": "the market"}
            metrics = {"warnings": self.warnings}
            path = Path("nowhere")

        return _Run()

    @property
    def benchmark(self) -> pd.Series | None:
        return self.returns.get("benchmark")

    def optional(self, name: str) -> pd.DataFrame | None:
        return self.tables.get(name)


def _data(checks: CheckOutcomes | None = None, mean: float = 0.001, **metrics: dict[str, Any]) -> Any:
    days = pd.bdate_range("2018-01-01", periods=600)
    net = np.random.default_rng(0).normal(mean, 0.01, 600)
    known = {
        "sharpe_net": _metric("sharpe_net", 1.5, 0.7, 2.3),
        "alpha_ann_net": _metric("alpha_ann_net", 0.1, 0.02, 0.18),
        "beta_net": _metric("beta_net", 0.1), "correlation_net": _metric("correlation_net", 0.2),
        "return_arithmetic_ann_gross": _metric("", 0.2), "return_arithmetic_ann_net": _metric("", 0.15),
        "break_even_cost_bps": _metric("", 40.0), "turnover_ann": _metric("", 5.0),
    }  # fmt: skip
    returns = pd.DataFrame({"net": net, "gross": net + 1e-4, "benchmark": net * 0.1}, index=days)
    return _Data({**known, **metrics}, checks or CheckOutcomes(), returns)


def _trials(deflated: float, distinct: int = 1) -> TrialCount:
    return TrialCount(3, 3, 0, "ranked", deflated, 0.8, distinct=distinct)


def _by_question(data: Any) -> dict[str, Answer]:
    return {answer.question.split()[-1].rstrip("?"): answer for answer in answers(data)}


def _skill(e_value: float) -> dict[str, dict[str, Any]]:
    return {"skill_ic": _metric("skill_ic", 0.03, 0.01, 0.05), "skill_e": _metric("skill_e", e_value)}


@pytest.mark.parametrize(
    ("checks", "metrics", "state"),
    [
        (CheckOutcomes(), {}, "good"),
        (CheckOutcomes(trials=_trials(0.97)), _skill(200.0), "good"),
        (CheckOutcomes(trials=_trials(0.6)), {}, "unsure"),  # the best of so many trials is as good by luck
        (CheckOutcomes(), _skill(10.0), "unsure"),
        (CheckOutcomes(trials=_trials(0.97, distinct=20)), _skill(200.0), "unsure"),  # 20 tried: 400 is needed
        (CheckOutcomes(random_scores=RandomScores((0.0, 2.0), 1.5, 1.0, 2, 0.66, 0.1, 0.0, 0)), {}, "unsure"),
        (CheckOutcomes(), {"sharpe_net": _metric("sharpe_net", 0.2, -0.5, 0.9)}, "unsure"),
        (CheckOutcomes(), {"sharpe_net": _metric("sharpe_net", -1.0, -1.9, -0.1)}, "bad"),
    ],
)
def test_there_is_something_only_if_everything_that_was_measured_says_so(
    checks: CheckOutcomes, metrics: dict[str, Any], state: str
):
    assert _by_question(_data(checks, **metrics))["here"].state == state


def test_what_forecasts_better_than_anything_known_is_not_taken_for_something():
    data = _data()
    data.warnings = ("the rank correlation with the window it forecasts is 0.30 a session, where beyond …",)
    answer = _by_question(data)["here"]
    assert (answer.state, answer.verdict) == ("unsure", "too good")
    assert "see the warnings" in answer.sentences[-1]


def test_evidence_that_is_needed_grows_with_what_was_tried():
    answer = _by_question(_data(CheckOutcomes(trials=_trials(0.97, distinct=20)), **_skill(200.0)))["here"]
    assert any("not enough: 400 is needed" in line for line in answer.sentences)


def test_it_is_new_only_with_alpha_and_a_baseline_as_good_is_named():
    assert _by_question(_data())["new"].state == "good"
    covering = {"alpha_ann_net": _metric("alpha_ann_net", 0.01, -0.05, 0.07)}
    assert _by_question(_data(**covering))["new"].state == "unsure"
    data = _data()
    data.tables["baselines"] = pd.DataFrame({"sharpe_net": [1.0, 1.4, 0.2]}, index=["mine", "momentum", "zero"])
    answer = _by_question(data)["new"]
    assert answer.state == "unsure"
    assert any("1 of 2 baselines" in line and "momentum" in line for line in answer.sentences)
    data.returns = data.returns.drop(columns="benchmark")
    assert _by_question(data)["new"].state == "not run"


@pytest.mark.parametrize(("low", "high", "state"), [(0.01, 0.1, "good"), (-0.1, 0.1, "unsure"), (-0.1, -0.01, "bad")])
def test_without_a_benchmark_it_is_as_new_as_styles_leave_it(low: float, high: float, state: str):
    alpha = Metric("alpha_ann_styles_net", (low + high) / 2, "fraction a year", "", low, high)
    data = _data(CheckOutcomes(styles=Styles(("market", "momentum"), (alpha,))))
    data.returns = data.returns.drop(columns="benchmark")
    assert _by_question(data)["new"].state == state
    data.tables["baselines"] = pd.DataFrame({"sharpe_net": [1.0, 1.4]}, index=["mine", "momentum"])
    assert _by_question(data)["new"].state == ("unsure" if state == "good" else state)


def test_alpha_over_survivors_is_not_taken_as_new():
    data = _data()
    data.warnings = ("survivorship: the dead are missing", "jumps over 40%: 4")
    answer = _by_question(data)["new"]
    assert answer.state == "unsure"
    assert "see the warnings: survivorship" in answer.sentences[-1]


@pytest.mark.parametrize(("even", "state"), [(40.0, "good"), (7.0, "unsure"), (2.5, "bad"), (None, "bad")])
def test_it_can_be_traded_if_it_bears_the_costs_with_room(even: float | None, state: str):
    item = _metric("", even, reason="" if even else "loses before trading costs")
    assert _by_question(_data(break_even_cost_bps=item))["traded"].state == state


def test_a_leak_and_a_fill_at_the_close_that_was_read_end_it():
    leak = LeakCheck("a change", ("weights change",))
    assert _by_question(_data(CheckOutcomes(leaks=leak)))["traded"].state == "bad"
    data = _data()
    data.config["execution"] = {"same_close": True}
    assert _by_question(data)["traded"].state == "bad"


def test_what_would_change_a_mind_counts_from_the_returns_and_names_what_was_not_run():
    data = _data(CheckOutcomes(leaks=LeakCheck("no change in weights at 5 dates")))
    data.warnings = ("survivorship: the dead are missing",)
    answer = _by_question(data)["mind"]
    text = " ".join(answer.sentences)
    net = data.returns["net"]
    without = float((1 + net.drop(net.nlargest(10).index)).prod()) - 1
    assert f"Without the best 10 sessions the total return is {without:.0%}" in text
    years = (1 + net).groupby(net.index.year).prod() - 1
    assert f"{int((years > 0).sum())} of {len(years)} calendar years" in text
    assert "Not run: gate, canaries, second engine, capacity." in text
    assert "survivorship" in text
    assert "leak" not in text
    lost = _by_question(_data(mean=-0.002))["mind"]
    assert any("A longer record alone would not help" in line for line in lost.sentences)


def test_one_is_not_many():
    assert plural(1, "fold") == "1 fold"
    assert plural(13_000, "fold") == "13,000 folds"


def test_alpha_after_styles_has_its_own_name_where_there_is_no_benchmark():
    row = ("  after styles", "alpha_ann_styles")
    assert _label(*row, {}) == "alpha after styles"
    assert _label(*row, {"alpha_ann_net": {}}) == "  after styles"
