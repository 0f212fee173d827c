"""The table of checks is complete: each has an id, a formula and a source, and none is made that is not listed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from assay.audit.rules.identity import CHECKS, IDENTITIES, render_checks
from assay.commands.audit import audit

AUDIT = Path(__file__).parents[2] / "audit"


def made() -> set[str]:
    """Ids in the source of the rules: plain strings, and f-strings with their names left open."""
    found: set[str] = set()
    for path in AUDIT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if re.match(r"[CR]\d+ \S", text) and len(text) < 40:
                found.add(text)
    return found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check["check"])
def test_a_check_has_an_id_a_formula_and_a_source(check) -> None:
    assert re.match(r"[CR]\d+ \S", check["check"])
    assert check["figures"].strip()
    assert check["formula"].strip()
    assert check["source"].strip()
    assert "{" not in check["formula"]


def test_every_check_that_is_made_is_listed() -> None:
    listed = {check["check"] for check in CHECKS}
    assert {name for name in made() if not any(item.startswith(name) for item in listed)} == set()


def test_every_number_of_the_list_of_forensic_checks_is_covered() -> None:
    numbers = {int(check["check"][1:].split()[0]) for check in CHECKS if check["check"].startswith("C")}
    assert numbers == set(range(39))


@pytest.mark.parametrize("row", IDENTITIES, ids=lambda row: f"{row.check}: {row.result}")
def test_an_identity_says_what_it_takes(row) -> None:
    assert row.inputs
    assert row.premise or row.miss == "baseline"


def test_the_command_prints_the_table_and_needs_no_report() -> None:
    result = CliRunner().invoke(audit, ["--checks"], standalone_mode=False)
    assert result.exit_code == 0
    assert result.output.strip() == render_checks()
    assert "C22 foresight" in result.output
