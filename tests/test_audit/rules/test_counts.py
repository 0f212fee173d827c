"""Samples of whole numbers, sessions of the exchange, and the parts of a squared error."""

from __future__ import annotations

import itertools
import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import ClaimSet, Group, Sample
from assay.audit.forensic.moments import whole_sample
from assay.audit.judge import audit_claims
from assay.audit.rules.calendars import new_york_sessions
from assay.audit.verdicts import Arithmetic, Substance
from tests.test_audit.rules.claim_builder import claim, claim_set

WHOLE = "number of trades a day"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-3, 12), min_size=2, max_size=25), st.integers(1, 3), st.integers(0, 1), st.booleans())
def test_a_sample_that_exists_is_never_ruled_out(values: list[int], digits: int, ddof: int, ends: bool) -> None:
    half = 0.5 * 10.0**-digits
    mean, std = (round(x, digits) for x in (float(np.mean(values)), float(np.std(values, ddof=ddof))))
    found = whole_sample(
        Interval(mean - half, mean + half), Interval(std - half, std + half), len(values), (ddof,),
        (min(values), max(values)) if ends else (None, None),
    )  # fmt: skip
    assert found is not False


@pytest.mark.parametrize("n", [2, 3, 4])
def test_what_is_ruled_out_cannot_be_found_by_trying_everything(n: int) -> None:
    made = {
        (round(float(np.mean(x)), 2), round(float(np.std(x, ddof=1)), 2))
        for x in itertools.combinations_with_replacement(range(-9, 13), n)
    }
    ruled_out = 0
    for mean, std in itertools.product(np.round(np.arange(1, 2.001, 0.25), 2), np.round(np.arange(0, 3, 0.07), 2)):
        near = [(m, s) for m, s in made if abs(m - mean) < 0.0101 and abs(s - std) < 0.0101]
        found = whole_sample(Interval(mean - 0.005, mean + 0.005), Interval(std - 0.005, std + 0.005), n, (1,))
        assert found is not None
        if (mean, std) in made:
            assert found
        if found:
            assert near  # up to a tie in rounding
        ruled_out += not found
    assert ruled_out > 50


def counted(mean: str, std: str, n: int, **ends: str) -> tuple[str, str]:
    claims = [claim("m", "mean", mean, definition=WHOLE), claim("s", "std", std)]
    claims += [claim(name, name, printed) for name, printed in ends.items()]
    verdict = audit_claims(claim_set([Group("run", sample=Sample(n=n))], claims)).verdict("s")
    return str(verdict.arithmetic), verdict.because


def test_impossible_counts_are_refuted_and_possible_ones_are_shown() -> None:
    # Three whole numbers of mean 2 have 14 as the sum of squares for sd 1 (1, 2, 3), then 18 (1, 1, 4): sd 1.73.
    assert counted("2.00", "1.00", 3) == ("consistent", "3 whole numbers can have mean 2.00 and deviation 1.00.")
    assert counted("2.00", "1.73", 3)[0] == "consistent"
    # Sum 6 and sum of squares 22 pass the parity test of GRIMMER, but squares of three deviations that sum to zero
    # make 2, 6, 8, 14 …, never 10; and with denominator 3 the sum would be 27, which is odd.
    verdict, because = counted("2.00", "2.24", 3)
    assert verdict == "inconsistent"
    assert "every sample of 3 whole numbers was tried" in because
    assert counted("3.00", "1.63", 4, minimum="1", maximum="9")[0] == "inconsistent"


def test_sessions_of_new_york_against_the_index_itself() -> None:
    from assay.data.sample import load_sample

    prices, _ = load_sample()
    sessions = prices.sessions
    for year in range(1998, sessions[-1].year + 1):
        mine = sessions[sessions.year == year]
        end = min(date(year, 12, 31), sessions[-1].date())
        assert new_york_sessions(date(year, 1, 1), end) == len(mine), year
    assert sessions[-1].year == 2022
    assert new_york_sessions(date(1990, 1, 1), date(1999, 1, 1)) is None
    assert new_york_sessions(date(2024, 1, 1), date(2024, 12, 31)) == 252
    assert new_york_sessions(date(2025, 1, 1), date(2025, 12, 31)) == 250


def dated(count: str, market: str) -> tuple[str, str]:
    sample = Sample(start="2024-01-01", end="2024-12-31", market=market)
    report = audit_claims(claim_set([Group("run", sample=sample)], [claim("n", "sessions", count)]))
    return str(report.verdict("n").arithmetic), str(report.verdict("n").substance)


def test_more_sessions_than_the_exchange_had_are_implausible_never_inconsistent() -> None:
    assert dated("252", "NYSE") == ("consistent", "not judged")
    assert dated("256", "NASDAQ") == ("not checkable", "implausible")
    assert dated("232", "NYSE") == ("consistent", "not judged")
    assert dated("256", "B3")[1] == "not judged"
    assert dated("366", "crypto, 365 days") == ("consistent", "not judged")
    assert dated("366", "NYSE")[0] == "inconsistent"  # more than the weekdays


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
