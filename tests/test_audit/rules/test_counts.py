"""Samples of whole numbers, sessions of the exchange, and the parts of a squared error."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.audit.claims.model import ClaimSet, Group, Sample
from assay.audit.judge import audit_claims
from assay.audit.verdicts import Arithmetic, Substance
from tests.test_audit.rules.claim_builder import claim, claim_set

WHOLE = "number of trades a day"


def counted(mean: str, std: str, n: int) -> tuple[str, str]:
    claims = [claim("m", "mean", mean, definition=WHOLE), claim("s", "std", std)]
    verdict = audit_claims(claim_set([Group("run", sample=Sample(n=n))], claims)).verdict("s")
    return str(verdict.arithmetic), verdict.because


def test_impossible_counts_are_refuted_and_possible_ones_are_not() -> None:
    # Three whole numbers of mean 2 have 14 as the sum of squares for sd 1 (1, 2, 3), then 18 (1, 1, 4): sd 1.73.
    verdict, because = counted("2.00", "1.00", 3)
    assert verdict == "consistent"
    assert "as 3 whole numbers have, round to mean 2.00 and deviation 1.00" in because
    assert counted("2.00", "1.73", 3)[0] == "consistent"
    # Sum 6, and sums of squares of 15 (n - 1) or 16.5 (n): the first differs in parity, the second is not whole.
    verdict, because = counted("2.00", "1.22", 3)
    assert verdict == "inconsistent"
    assert because.startswith("0 pairs")


def dated(count: str, market: str) -> tuple[str, str]:
    sample = Sample(start="2024-01-01", end="2024-12-31", market=market)
    report = audit_claims(claim_set([Group("run", sample=sample)], [claim("n", "sessions", count)]))
    return str(report.verdict("n").arithmetic), str(report.verdict("n").substance)


def test_more_sessions_than_weekdays_are_refuted_where_the_market_is_stated() -> None:
    assert dated("252", "NYSE") == ("consistent", "not judged")
    assert dated("366", "crypto, 365 days") == ("consistent", "not judged")
    assert dated("366", "NYSE")[0] == "inconsistent"
    assert dated("366", "") == ("not checkable", "implausible")
    assert dated("367", "crypto, 365 days")[0] == "inconsistent"


def parts(rng: np.random.Generator) -> ClaimSet:
    """The errors of a forecast with bias, deviation under some denominator, and size; or whole numbers."""
    n = int(rng.integers(3, 400))
    errors = rng.normal(rng.normal(0, 1), rng.uniform(0.1, 5), n)
    digits = int(rng.integers(1, 5))
    size = math.sqrt(float((errors**2).mean()))
    squared = rng.random() < 0.5
    ddof = int(rng.integers(0, min(4, n // 2)))
    counts = rng.poisson(rng.uniform(0.3, 6), int(rng.integers(2, 30)))
    claims = [
        claim("b", "bias", f"{errors.mean():.{digits}f}", "errors"),
        claim("s", "residual_std", f"{errors.std(ddof=ddof):.{digits}f}", "errors"),
        claim("r", "mse" if squared else "rmse", f"{size * size if squared else size:.{digits}f}", "errors"),
        claim("m", "mean", f"{counts.mean():.{digits}f}", "counts", definition=WHOLE),
        claim("d", "std", f"{counts.std(ddof=int(rng.integers(0, 2))):.{digits}f}", "counts"),
    ]
    if rng.random() < 0.5:
        claims += [
            claim("lo", "minimum", str(counts.min()), "counts"),
            claim("hi", "maximum", str(counts.max()), "counts"),
        ]
    groups = [Group("errors", sample=Sample(n=n)), Group("counts", sample=Sample(n=len(counts)))]
    return claim_set(groups, claims)


@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.slow)])
def test_honest_parts_and_counts_are_never_accused(count: int) -> None:
    for index in range(count):
        report = audit_claims(parts(np.random.default_rng([23, index])))
        grave = [f.sentence for f in report.findings
                 if f.arithmetic is Arithmetic.INCONSISTENT or f.substance is Substance.IMPLAUSIBLE]  # fmt: skip
        assert not grave, index


def test_wrong_parts_and_counts_are_caught_at_a_measured_rate(capsys: pytest.CaptureFixture[str]) -> None:
    caught = tried = 0
    for index in range(150):
        rng = np.random.default_rng([29, index])
        claims = parts(rng)
        name = str(rng.choice(["r", "d"]))
        old = claims.claim(name)
        assert old is not None
        step = max(abs(old.value.value) * rng.uniform(0.05, 0.3), 3 * old.value.unit)
        moved = old.value.value + step  # a smaller RMSE may follow from a denominator
        wrong = claim(name, old.metric, f"{moved:.{old.value.decimals}f}", old.group)
        others = tuple(wrong if c.id == name else c for c in claims.claims)
        report = audit_claims(claim_set(list(claims.groups), list(others)))
        tried += 1
        caught += any(
            set(f.claims) & {name} and (f.arithmetic is Arithmetic.INCONSISTENT or f.substance is Substance.IMPLAUSIBLE)
            for f in report.findings
        )
    with capsys.disabled():
        print(f"\nparts of errors and whole numbers: {caught} of {tried} wrong figures flagged")
    assert caught / tried > 0.3
