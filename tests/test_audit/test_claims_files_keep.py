"""The shipped claims files keep every verdict they reach: one line a claim, written once, changed only on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.audit.claims.files import load_claims
from assay.audit.judge import audit_claims

CLAIMS = Path(__file__).parents[2] / "data" / "claims"
GOLDEN = Path(__file__).parent / "golden"


def verdicts(name: str) -> list[str]:
    """``id | arithmetic | substance`` of every claim of a shipped file, in order."""
    report = audit_claims(load_claims(CLAIMS / f"{name}.toml"))
    return [f"{v.claim.id} | {v.arithmetic} | {v.substance}" for v in report.verdicts]


@pytest.mark.parametrize("name", sorted(path.stem for path in CLAIMS.glob("*.toml")))
def test_a_claims_file_keeps_its_verdicts(name: str) -> None:
    assert verdicts(name) == (GOLDEN / f"{name}.verdicts").read_text("utf-8").splitlines()
