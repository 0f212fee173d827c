"""Absurd figures and contexts end in verdicts, never in a traceback."""

from __future__ import annotations

import random

import pytest

from assay.audit.claims.intervals import parse_print
from assay.audit.claims.model import (
    METRICS,
    Architecture,
    Claim,
    ClassShare,
    Group,
    Layer,
    LossFormula,
    LossTerm,
    Portfolio,
    Sample,
    Schedule,
    Split,
    Target,
)  # fmt: skip
from assay.audit.judge import audit_claims
from tests.test_audit.rules.claim_builder import claim, claim_set

PRINTS = (
    "0", "0.0", "0%", "-0.0", "1", "1.0", "100%", "104%", "-3", "-95%", "0.5", "57.14%", "~500K", "> 0.6", "< 1",
        "1e-4",
    "1e308", "1e-300", "35×", "0.40-0.70", "28", "1,000,000", "0.9999999", "3.14159265358979", "999999999999",
)  # fmt: skip
SPLITS = (
    Split("train", parse_print("0.8"), "2020-01-01", "2021-01-01"),
    Split("test", parse_print("0.2"), "2019-01-01", "2022-01-01"),
)


def absurd_group(pick: random.Random) -> Group:
    def some(*values: object) -> object:
        return pick.choice([None, *values])

    def printed() -> object:
        return parse_print(pick.choice(PRINTS))

    mse = LossTerm("mse", -1.0)
    return Group(
        "g",
        split=pick.choice(["", "test"]),
        sample=Sample(
            n=some(0, 1, 28, 10**7, -5), n_positive=some(0, 28, 99), assets=some(0, 1, 500), sessions=some(0, 1, 252,
                -3),
            start=pick.choice(["", "2024-01-01", "2024", "bad"]), end=pick.choice(["", "2023-01-01", "2024-12-31"]),
            years=some(0.0, 2.0, -1.0), splits=pick.choice([(), SPLITS]), horizon=some(0, 5, -1),
        ),  # type: ignore[arg-type]
        target=pick.choice([Target(), Target("price", printed(), printed(), "evaluation", printed(), printed(),
            printed())]),
        classes=pick.choice([(), (ClassShare("up"), ClassShare("down")), (ClassShare("a", printed()),
            ClassShare("a"))]),
        loss=pick.choice([None, LossFormula(), LossFormula((mse, LossTerm("focal", 0.0)), before=(LossTerm("mse",
            0.0),))]),
        architecture=pick.choice([None, Architecture(()), Architecture((Layer("lstm", 0), Layer("gru", 3)), None, "")]),
        schedule=pick.choice([None, Schedule(0, 0), Schedule(10, 3), Schedule(None, 5, None, 4, 9)]),
        portfolio=Portfolio(
            periods_per_year=some(0, 252, -12), trials=some(0, 5, 1000), long_gross=some(0.0, 0.65),
                short_gross=some(0.0),
            rate_bps=some(0.0, 5.0), turnover_kind=pick.choice(["", "one-way"]), risk_free=pick.choice([None,
                printed()]),
            assets=some(0, 1, 9),
        ),  # type: ignore[arg-type]
        shares_sample_with=pick.choice([(), ("g",), ("nowhere",)]),
    )  # fmt: skip


def absurd_claim(index: int, pick: random.Random) -> Claim:
    relation = pick.choice([""] * 6 + ["change", "ratio", "reduction", "difference", "mean", "sum", "same"])
    inputs = tuple(f"c{pick.randint(0, 24)}" for _ in range(pick.randint(0, 3))) if relation else ()
    return claim(
        f"c{index}", pick.choice(sorted(METRICS)), pick.choice(PRINTS), pick.choice(["g", "g", "nowhere"]),
        label=pick.choice(["", "", "up", "a", "top quintile", "bottom quintile", "5%", "95%", "train", "a - b",
            "b - c"]),
        split=pick.choice(["", "test"]), at=pick.choice(["", "", "epoch 1", "epoch 5", "2024-Q3", "2024-Q4"]),
        relation=relation, inputs=inputs, definition=pick.choice(["", "of trades", "binary", "number of", "macro"]),
        target=pick.random() < 0.1, source_line=pick.choice([None, pick.randint(1, 50)]),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_absurd_reports_end_in_verdicts(seed: int) -> None:
    pick = random.Random(seed)
    for _ in range(40):
        claims = [absurd_claim(index, pick) for index in range(pick.randint(1, 25))]
        report = audit_claims(claim_set([absurd_group(pick)], claims, draft=pick.random() < 0.3))
        assert len(report.verdicts) == len(claims)
        assert all(finding.sentence.endswith(".") for finding in report.findings)


def test_a_rule_that_overflows_is_named_and_the_others_go_on() -> None:
    rows = [claim("s", "sharpe", "1e308"), claim("m", "mae", "2.5"), claim("r", "rmse", "2.1")]
    report = audit_claims(claim_set([Group("run", sample=Sample(sessions=250))], rows))
    assert report.verdict("m").arithmetic == "inconsistent"
    assert any("C18 Sharpe interval" in warning for warning in report.warnings)
