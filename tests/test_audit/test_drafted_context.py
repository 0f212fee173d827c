"""Context is filled in where the report states it beyond doubt, left out where it does not, and proves nothing."""

from __future__ import annotations

import pytest

from assay.audit.claims.files import dump_claims, parse_claims
from assay.audit.claims.model import Group
from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims
from assay.audit.verdicts import Arithmetic


def group(body: str) -> Group:
    claims = draft_claims(f"# Model\n\n## Test results\n\n{body}\n").claims
    assert parse_claims(dump_claims(claims)) == claims
    return claims.groups[0]


def test_the_period_of_a_backtest_and_its_sessions() -> None:
    found = group("Backtest period: 2021-01-04 to 2023-12-29\n\n- Sharpe: 1.31\n- Trading days: 753")
    assert (found.sample.start, found.sample.end, found.sample.sessions) == ("2021-01-04", "2023-12-29", 753)


def test_n_of_trades_is_not_that_of_an_accuracy() -> None:
    assert group("- Win rate: 54.1% (n = 412)\n- Accuracy: 57.1%").sample.n is None
    assert group("- Accuracy: 57.1% (n = 28)\n- F1: 0.61, n = 188").sample.n is None


def test_sessions_beside_the_period_are_those_of_the_groups_that_have_it() -> None:
    text = "# M\n\nTest period: 2019-01-02 to 2023-12-29 (1258 trading days).\n\n## Test results\n\n- Sharpe: 1.31\n"
    claims = draft_claims(text).claims
    found = claims.group(next(claim.group for claim in claims.claims if claim.metric == "sharpe")).sample
    assert (found.start, found.end, found.sessions) == ("2019-01-02", "2023-12-29", 1258)


def test_sessions_are_left_open_where_the_group_has_two_splits() -> None:
    table = "| | Train | Test |\n|---|---|---|\n| Sharpe | 1.82 | 0.94 |\n\n- Trading days: 1305\n"
    claims = draft_claims(f"# M\n\n## Performance\n\n{table}").claims
    assert {claims.split_of(claim) for claim in claims.claims if claim.metric == "sharpe"} == {"train", "test"}
    assert all(each.sample.sessions is None for each in claims.groups)


def test_two_periods_are_left_to_a_person() -> None:
    found = group("Period: 2021-01-04 to 2023-12-29. Later period: 2024-01-02 to 2024-06-28.\n\n- Sharpe: 1.31")
    assert (found.sample.start, found.sample.end) == ("", "")
    found = group("The model was created 2021-01-04 and changed 2023-12-29.\n\n- Sharpe: 1.31")
    assert found.sample.start == ""


def test_the_period_of_training_is_not_that_of_the_test() -> None:
    body = "Training: 2015-01-02 to 2020-12-31\nTest: 2021-01-04 to 2021-12-31\n\n- Test Sharpe: 1.31"
    assert group(body).sample.start in ("2021-01-04", "")
    assert group("Training: 2015-01-02 to 2020-12-31\n\n- Test Sharpe: 1.31").sample.start == ""


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("57.14% (16/28)", 28), ("57.14% (n = 28)", 28), ("57.1 % [16 of 28]", 28), ("57.14%, n=28", 28),
        ("57.14% (3/28)", None), ("57.14% (2 of 3 folds)", None), ("57.14% (1/2 of the data)", None),
    ],
)  # fmt: skip
def test_n_right_behind_a_share(text: str, n: int | None) -> None:
    assert group(f"- Accuracy: {text}").sample.n == n


def test_periods_a_year_trials_and_the_range_of_the_target() -> None:
    found = group("Returns are annualised with √365.\n\n- Sharpe: 1.31\n- Configurations tested: 12")
    assert (found.portfolio.periods_per_year, found.portfolio.trials) == (365, 12)
    found = group("- Price range: 11.50 - 21.15\n- MAE: 7.52\n- R²: 0.1278")
    assert found.target.low is not None
    assert found.target.high is not None
    assert (found.target.low.text, found.target.high.text) == ("11.50", "21.15")


@pytest.mark.parametrize(
    ("text", "target", "window"),
    [
        ("Volatility target: 8% (20-day window)", "8%", 20),
        ("Positions are scaled to 10% annualised volatility.", "10%", None),
        ("We use a target volatility of 12.5%, window = 60", "12.5%", 60),
        ("Vol target 8% or 10%; vol target 10%", "", None),
        ("Volatility: 8%", "", None),
    ],
)  # fmt: skip
def test_the_volatility_target(text: str, target: str, window: int | None) -> None:
    book = group(f"{text}\n\n- Sharpe: 1.31").portfolio
    found = "" if book.volatility_target is None else book.volatility_target.text
    assert (found, book.volatility_window) == (target, window)


def test_three_classes_are_named_two_are_not() -> None:
    head = "| Class | Precision | Recall | F1 |\n|---|---|---|---|\n"
    rows = "| Buy | 0.5 | 0.4 | 0.44 |\n| Sell | 0.9 | 0.95 | 0.92 |\n| Hold | 0.3 | 0.2 | 0.24 |\n"
    assert [share.name for share in group(head + rows).classes] == ["Buy", "Sell", "Hold"]
    assert group(head + rows.rsplit("| Hold", 1)[0]).classes == ()


def test_drafted_context_is_no_proof() -> None:
    body = "Backtest period: 2023-01-02 to 2023-01-31\n\n- Sharpe: 1.31\n- Trading days: 753\n"
    body += "- Accuracy: 57.1% (n = 30)"
    claims = draft_claims(f"# M\n\n{body}\n").claims
    assert claims.groups[0].sample.n == 30
    assert not [f for f in audit_claims(claims).findings if f.arithmetic is Arithmetic.INCONSISTENT]
