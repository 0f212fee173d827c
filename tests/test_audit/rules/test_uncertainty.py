"""Intervals, spreads and thresholds: hand-worked cases, statsmodels, and honest reports that nothing doubts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from assay.audit.claims.model import ClaimSet, ClassShare, Group, Portfolio, Sample, Split
from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims
from assay.audit.verdicts import Arithmetic, AuditReport, Substance
from tests.test_audit.rules.claim_builder import claim, claim_set


def around(metric: str, figure: str, printed: str, relation: str = "interval", group: Group | None = None,
           definition: str = "95% confidence interval") -> AuditReport:  # fmt: skip
    claims = [
        claim("x", metric, figure),
        claim("i", relation, printed, relation=relation, inputs=("x",), definition=definition),
    ]
    return audit_claims(claim_set([group or Group("run")], claims))


def said(report: AuditReport, name: str) -> tuple[str, str]:
    verdict = report.verdict(name)
    return str(verdict.arithmetic), str(verdict.substance)


def test_an_interval_that_does_not_hold_its_figure_is_doubted_not_refuted() -> None:
    assert said(around("r2", "0.12", "0.31 to 0.52"), "i") == ("not checkable", "implausible")
    assert said(around("r2", "0.31", "0.31 to 0.52"), "i")[0] == "consistent"
    assert said(around("accuracy", "57.1", "39.1 to 73.5"), "i")[0] == "consistent"


def test_an_interval_that_holds_no_skill_says_so_of_the_figure() -> None:
    assert said(around("sharpe", "0.31", "-0.52 to 1.10"), "x")[1] == "not significant"
    assert said(around("auc", "0.53", "0.44 to 0.62"), "x")[1] == "not significant"
    assert said(around("sharpe", "1.31", "0.52 to 2.10"), "x")[1] == "not judged"
    assert said(around("mae", "0.31", "-0.52 to 1.10"), "x")[1] == "not judged"
    assert said(around("sharpe", "0.31", "-0.52 to 1.10", definition="range over seeds"), "x")[1] == "not judged"


def goal(figure: str, sessions: int, printed: str = "> 1.0", apart: bool = False) -> AuditReport:
    group = Group("run", sample=Sample(sessions=sessions))
    target = claim("t", "sharpe", printed, "goals" if apart else "run", target=True)
    return audit_claims(claim_set([group, Group("goals")], [claim("x", "sharpe", figure), target]))


@pytest.mark.parametrize("apart", [False, True])
def test_a_sharpe_ratio_above_its_threshold_by_chance_is_not_significant(apart: bool) -> None:
    # 1.96·√(252·(1 + 1.305²/504)/504) = 1.388 around 1.305, less the goal of 1.0 at its least, 0.95.
    report = goal("1.30", 504, apart=apart)
    assert said(report, "t")[1] == "not significant"
    sentence = next(f.sentence for f in report.findings if f.check_id == "C18 threshold")
    assert "is -1.033 to 1.743" in sentence
    assert said(goal("3.00", 1260, apart=apart), "t")[1] == "supported"
    assert said(goal("0.80", 504, apart=apart), "t")[1] == "not significant"
    trained, aim = claim("x", "sharpe", "1.30", split="train"), claim("t", "sharpe", "> 1.0", split="test", target=True)
    other = audit_claims(claim_set([Group("run", sample=Sample(sessions=504))], [trained, aim]))
    assert said(other, "t")[1] == "not judged"


def honest(rng: np.random.Generator) -> ClaimSet:
    """A share with one of the usual intervals, a Sharpe ratio with a bootstrap's, an IC with its deviation."""
    n, sessions = int(rng.integers(8, 900)), int(rng.integers(60, 1500))
    k = int(rng.binomial(n, rng.uniform(0.2, 0.9)))
    level = float(rng.choice([0.9, 0.95, 0.99]))
    low, high = proportion_confint(k, n, 1 - level, str(rng.choice(["wilson", "normal", "agresti_coull", "beta"])))
    digits = int(rng.integers(1, 4))
    r = rng.normal(rng.normal(0.0005, 0.0005), 0.01, sessions)
    draws = r[rng.integers(0, sessions, (200, sessions))]
    boot = np.quantile(draws.mean(1) / draws.std(1) * math.sqrt(252), [(1 - level) / 2, (1 + level) / 2])
    ic = np.clip(rng.normal(0.03, 0.1, sessions), -1, 1)
    folds = rng.binomial(50, k / n, int(rng.integers(2, 9))) / 50
    words = f"{100 * level:g}% confidence interval"
    low, high = (f"{100 * float(end):.{digits}f}" for end in (low, high))
    claims = [
        claim("a", "accuracy", f"{100 * k / n:.{digits}f}%"),
        claim("ai", "interval", f"{low}% to {high}%", relation="interval", inputs=("a",), definition=words),
        claim("s", "sharpe", f"{r.mean() / r.std(ddof=1) * math.sqrt(252):.{digits}f}"),
        claim("si", "interval", f"{boot[0]:.{digits}f} to {boot[1]:.{digits}f}", relation="interval", inputs=("s",),
              definition=words),
        claim("c", "rank_ic", f"{ic.mean():.{digits + 1}f}"),
        claim("cs", "spread", f"{ic.std(ddof=1):.{digits + 1}f}", relation="spread", inputs=("c",)),
        claim("f", "hit_rate", f"{100 * folds.mean():.{digits}f}%", definition="mean over folds"),
        claim("fs", "spread", f"{100 * folds.std(ddof=1):.{digits}f}%", relation="spread", inputs=("f",)),
        claim("t", "sharpe", "> 1.0", target=True),
    ]  # fmt: skip
    return claim_set([Group("run", sample=Sample(n=n, sessions=sessions))], claims)


@pytest.mark.parametrize("count", [250, pytest.param(3000, marks=pytest.mark.slow)])
def test_honest_intervals_are_neither_refuted_nor_doubted(count: int) -> None:
    for index in range(count):
        report = audit_claims(honest(np.random.default_rng([17, index])))
        assert not [f.sentence for f in report.findings if f.arithmetic is Arithmetic.INCONSISTENT], index
        doubted = [f for f in report.findings if f.substance is Substance.IMPLAUSIBLE]
        assert not [f.sentence for f in doubted if set(f.claims) & {"ai", "si", "cs", "fs"}], index


DRAFTED = """| Model | Accuracy | AUC | Precision | Recall | F1 |
|---|---|---|---|---|---|
| Baseline | 53.57% | 0.5365 | | | 0.6061 |
| Deeper | 39.29% | 0.5286 | | | 0.1053 |
| Wider | 57.14% | 0.5521 | 0.5714 | 1.0000 | 0.7273 |
"""


#: Rows that force different shares of positives, and rows of averages, whose figures need not follow from each other.
OF_NO_ONE_SAMPLE = ["""| Ticker | Accuracy | Precision | Recall | AUC |
|---|---|---|---|---|
| AAPL | .8100 | .5238 | .5500 | .85 |
| MSFT | .6900 | .6216 | .5750 | .74 |
"""] + [f"""| Symbol | Win rate | Payoff ratio | Profit factor |
|---|---|---|---|
| AAPL | 50% | 2 | 2 |
| MSFT | 40% | 1 | 0.67 |
| NVDA | 80% | 0.20 | 0.80 |
| {name} | 56.7% | 1.07 | 1.16 |
""" for name in ("Average", "Average of 5 assets", "All symbols (avg)", "Mittelwert")] + [
"""| Model | Avg win rate | Avg payoff ratio | Avg profit factor |
|---|---|---|---|
| A | 56.7% | 1.07 | 1.16 |
""",
"""| Class | Precision | Recall | F1 |
|---|---|---|---|
| Up | .90 | .10 | .18 |
| Down | .10 | .90 | .18 |
| Mittelwert | .50 | .50 | .18 |
"""]  # fmt: skip


@pytest.mark.parametrize("text", OF_NO_ONE_SAMPLE)
def test_rows_of_no_one_sample_are_neither_refuted_nor_judged(text: str) -> None:
    report = audit_claims(draft_claims(text).claims)
    assert not report.refuted
    assert {verdict.substance for verdict in report.verdicts} == {Substance.NOT_JUDGED}


def test_a_size_that_is_not_printed_judges_nothing() -> None:
    # The shares are 15, 11 and 16 of 28, and of 56, 84 …: the list is given, and no verdict rests on any of it.
    classes = (ClassShare("up"), ClassShare("down"))
    names = ("baseline", "wider")
    groups = [Group(name, classes=classes, shares_sample_with=names) for name in names]
    scores = [
        claim("a", "accuracy", "53.57%", "baseline"), claim("u", "auc", "0.5365", "baseline"),
        claim("f", "f1", "0.6061", "baseline"), claim("b", "accuracy", "57.14%", "wider"),
        claim("p", "precision", "0.5714", "wider"), claim("r", "recall", "1.0000", "wider"),
    ]  # fmt: skip
    confirmed = audit_claims(claim_set(groups, scores))
    sizes = [f.sentence for f in confirmed.findings if f.check_id == "C1 common sample"]
    assert any("28 is the smallest sample that fits (so do 56, 84" in sentence for sentence in sizes)
    # What does judge is free of n: recall 1 at accuracy = precision makes 57.14% of the cases positive.
    assert [said(confirmed, name)[1] for name in "afb"] == ["explained by a baseline"] * 3
    assert confirmed.verdict("u").substance is Substance.NOT_JUDGED
    assert "is not printed" in confirmed.verdict("u").substance_because
    for report in (confirmed, audit_claims(draft_claims(DRAFTED).claims)):
        reasons = [f"{f.sentence} {f.assumption}" for f in report.findings if f.substance is not None]
        assert not [words for words in reasons if "28 cases" in words or "of 28" in words or "smallest" in words]
        assert Substance.NOT_SIGNIFICANT not in {verdict.substance for verdict in report.verdicts}
    sample = Sample(n=28, n_positive=16)
    stated = audit_claims(claim_set([Group("baseline", classes=classes, sample=sample)], scores[:3]))
    assert said(stated, "u")[1] == "not significant"


def test_a_sharpe_ratio_without_a_record_is_not_measured_against_a_year() -> None:
    tried = Group("run", portfolio=Portfolio(trials=40))
    assert said(audit_claims(claim_set([tried], [claim("x", "sharpe", "1.10")])), "x")[1] == "not judged"


def test_the_dates_of_a_split_count_its_own_sessions() -> None:
    # 2.0 a year over the 65 weekdays of one quarter is within chance; over nine years it would not be.
    parts = (Split("train", start="2015-01-01", end="2023-09-30"), Split("test", start="2023-10-01", end="2023-12-31"))
    group = Group("run", split="test", sample=Sample(start="2015-01-01", end="2023-12-31", splits=parts))
    verdict = audit_claims(claim_set([group], [claim("x", "sharpe", "2.0")])).verdict("x")
    assert verdict.substance is Substance.NOT_SIGNIFICANT
    assert "over at most 65 weekdays from 2023-10-01 to 2023-12-31" in verdict.because
