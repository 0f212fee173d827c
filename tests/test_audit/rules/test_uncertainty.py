"""Intervals, spreads and thresholds: hand-worked cases, statsmodels, and honest reports that nothing doubts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from assay.audit.claims.model import ClaimSet, Group, Sample
from assay.audit.judge import audit_claims
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
    # Per period 1.3/sqrt(252) = .0819 against .0630: z = .0189*sqrt(503)/sqrt(1.0034) = .423, Phi = 66.4%.
    report = goal("1.30", 504, apart=apart)
    assert said(report, "t")[1] == "not significant"
    sentence = next(f.sentence for f in report.findings if f.check_id == "C18 threshold")
    assert "probability 66" in sentence
    assert said(goal("3.00", 1260, apart=apart), "t")[1] == "supported"
    assert said(goal("0.80", 504, apart=apart), "t")[1] == "not judged"


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
