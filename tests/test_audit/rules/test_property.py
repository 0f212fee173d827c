"""Honest figures are never accused; wrong ones are caught at a measured rate.

The full run, 12,000 honest reports: ``pytest tests/test_audit/rules/test_property.py -m slow -s``.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from assay.audit.claims.intervals import parse_print
from assay.audit.claims.model import Claim, ClaimSet
from assay.audit.judge import audit_claims
from assay.audit.verdicts import Arithmetic, AuditReport, Substance
from tests.test_audit.rules.generators import GENERATORS

#: Reports per generator in the default run and in the full one.
FEW, MANY = 100, 1250


def honest(name: str, index: int) -> ClaimSet:
    return GENERATORS[name](np.random.default_rng([sorted(GENERATORS).index(name), index]))


def accusations(report: AuditReport) -> list[str]:
    return [f"{f.check_id}: {f.sentence}" for f in report.findings if f.arithmetic is Arithmetic.INCONSISTENT]


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_honest_reports_are_never_accused(name: str) -> None:
    for index in range(FEW):
        assert accusations(audit_claims(honest(name, index))) == [], f"{name} report {index}"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_honest_reports_are_never_accused_in_full(name: str) -> None:
    for index in range(FEW, FEW + MANY):
        assert accusations(audit_claims(honest(name, index))) == [], f"{name} report {index}"


def _wrong(claim: Claim, rng: np.random.Generator) -> Claim | None:
    """The claim with its figure moved by 5 to 30%, and by at least three units of its last digit."""
    value = claim.value
    shown = value.value * (100 if value.percent else 1)
    unit = 10.0**-value.decimals
    shift = max(abs(shown) * rng.uniform(0.05, 0.3), 3 * unit) * rng.choice([-1.0, 1.0])
    moved = shown + shift
    if claim.metric in ("accuracy", "precision", "recall", "f1", "auc") and not 0 <= moved <= (
        100 if value.percent else 1
    ):
        moved = shown - shift
    text = f"{moved:,.{value.decimals}f}" + ("%" if value.percent else "×" if value.multiple else "")
    try:
        return replace(claim, printed=text, value=parse_print(text, unit=claim.unit))
    except ValueError:
        return None


def _caught(name: str, indices: range) -> tuple[int, int, int]:
    """(wrong figures, called inconsistent, called inconsistent or implausible) among figures that some check
    confirms."""
    tried = inconsistent = flagged = 0
    for index in indices:
        claims = honest(name, index)
        before = audit_claims(claims)
        rng = np.random.default_rng([99, index])
        confirmed = [v.claim for v in before.verdicts if v.arithmetic is Arithmetic.CONSISTENT and not v.claim.target]
        if not confirmed:
            continue
        chosen = confirmed[int(rng.integers(len(confirmed)))]
        wrong = _wrong(chosen, rng)
        if wrong is None:
            continue
        after = audit_claims(replace(claims, claims=tuple(wrong if c.id == wrong.id else c for c in claims.claims)))
        old = sum(f.substance is Substance.IMPLAUSIBLE for f in before.findings)
        new = sum(f.substance is Substance.IMPLAUSIBLE for f in after.findings)
        tried += 1
        inconsistent += after.refuted
        flagged += after.refuted or new > old
    return tried, inconsistent, flagged


@pytest.mark.slow
def test_wrong_figures_are_caught_at_a_measured_rate(capsys: pytest.CaptureFixture[str]) -> None:
    total = np.zeros(3, dtype=int)
    lines = []
    for name in sorted(GENERATORS):
        counts = np.array(_caught(name, range(40)))
        total += counts
        lines.append(f"{name:15s} {counts[0]:4d} wrong, {counts[1]:4d} inconsistent, {counts[2]:4d} flagged")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
        print(
            f"caught: {total[1] / total[0]:.0%} inconsistent, {total[2] / total[0]:.0%} with implausible, of"
            f" {total[0]}"
        )
    assert math.isfinite(total[0])
    assert total[2] / total[0] > 0.4
