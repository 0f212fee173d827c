"""Intervals and spreads behind a figure are placed with it; every other pair of numbers is left alone."""

from __future__ import annotations

import pytest

from assay.audit.claims.files import dump_claims, parse_claims
from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims


def tied(text: str) -> list[tuple[str, str, str, str]]:
    """(metric, printed) of each interval and spread with its definition and the metric it is tied to."""
    claims = draft_claims(text).claims
    found = []
    for claim in claims.claims:
        if claim.metric in ("interval", "spread"):
            estimate = claims.claim(claim.inputs[0])
            assert estimate is not None
            assert (claim.relation, claim.group) == (claim.metric, estimate.group)
            found.append((claim.metric, claim.printed, claim.definition, f"{estimate.metric} {estimate.printed}"))
    return found


@pytest.mark.parametrize(
    ("text", "fraction", "refuted"),
    [
        ("Historical win rate: 64.3% (201/312 events)", "201/312", True),
        ("Historical win rate: 64.4% (201/312 events)", "201/312", False),
        ("- Win rate so far: 2/6 wins = 33.3%", "2/6", False),
        ("| a | Accuracy |\n|---|---|\n| x | 58.1% (16/28) |", "16/28", True),
        ("- Accuracy: 57.1% (1/4 folds)", "", False),
    ],
)
def test_the_counts_beside_a_share_are_its_own(text: str, fraction: str, refuted: bool) -> None:
    claims = draft_claims(text).claims
    assert [c.printed for c in claims.claims if c.metric == "fraction"] == [fraction] * bool(fraction)
    assert parse_claims(dump_claims(claims)) == claims
    assert audit_claims(claims).refuted is refuted


@pytest.mark.parametrize(
    ("text", "won", "lost"),
    [
        ("- **Win Rate**: 61.2% (30W/19L)", "30", "19"),
        ("- Wins / Losses: 102 / 36", "102", "36"),
        ("- Win / Loss: 102 / 36", "102", "36"),
        ("| Metric | Value |\n|---|---|\n| Wins / Losses | 53W / 41L |\n| Win rate | 56.4% |", "53", "41"),
        ("- ADT  21.4% win rate (3W-11L)", "3", "11"),
        ("- Win/Loss Ratio: 2.1", "", ""),
        ("- Win rate: 61.2% over 30W", "", ""),
    ],
)
def test_trades_won_and_lost_are_read_as_a_pair(text: str, won: str, lost: str) -> None:
    draft = draft_claims(text)
    printed = {c.metric: c.printed for c in draft.claims.claims}
    assert (printed.get("winning_trades", ""), printed.get("losing_trades", "")) == (won, lost)
    assert not {x.text for x in (*draft.excluded, *draft.unplaced)} & {won, lost}
    assert not audit_claims(draft.claims).refuted


CI95 = "95% confidence interval"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("- Rank IC: 0.112 ± 0.08", ("spread", "0.08", "", "rank_ic 0.112")),
        ("- MAE: 2.31 +/- 0.20", ("spread", "0.20", "", "mae 2.31")),
        ("- Hit rate: 53.2% ± 1.4%", ("spread", "1.4%", "", "hit_rate 53.2%")),
        ("- Sharpe: 1.31 (95% CI: 0.52–2.10)", ("interval", "0.52–2.10", CI95, "sharpe 1.31")),
        ("- Sharpe: 1.31 (95% CI: -0.52, 2.10)", ("interval", "-0.52, 2.10", CI95, "sharpe 1.31")),
        ("- AUC 0.61 (95% CI 0.50 to 0.72)", ("interval", "0.50 to 0.72", CI95, "auc 0.61")),
        ("- Accuracy: 57.1% [0.391, 0.735]", ("interval", "0.391, 0.735", "", "accuracy 57.1%")),
        ("- Accuracy: 57.1% [39.1, 73.5]", ("interval", "39.1, 73.5", "", "accuracy 57.1%")),
        ("- R²: 0.12, 90% confidence interval [0.01, 0.22]", ("interval", "0.01, 0.22", "90% confidence interval",
                                                              "r2 0.12")),
        ("| Metric | Value | 95% CI |\n|---|---|---|\n| Sharpe | 1.31 | [0.52, 2.10] |",
         ("interval", "0.52, 2.10", CI95, "sharpe 1.31")),
        ("| Metric | Value | 95% CI |\n|---|---|---|\n| F1 | 0.61 | 0.55 - 0.66 |",
         ("interval", "0.55 - 0.66", CI95, "f1 0.61")),
    ],
)  # fmt: skip
def test_intervals_and_spreads_are_placed(line: str, expected: tuple[str, str, str, str]) -> None:
    assert tied(f"# Test results\n\n{line}\n") == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "- Accuracy: 57.1% (12, 34)",
        "- Sharpe: 1.31 (2019-2023)",
        "- Sharpe: 1.31 (0.85 to 0.95 in bad years)",
        "- Accuracy rose from 57.1% to 61.2%",
        "- RMSE: 2.3, MAE: 1.7",
        "- R²: 0.12 (0.31, 0.52)",
    ],
)
def test_other_pairs_are_no_intervals(line: str) -> None:
    assert tied(f"# Test results\n\n{line}\n") == []


@pytest.mark.parametrize("heads", [("CI low", "CI high"), ("Lower 95% CI", "Upper 95% CI"), ("95% lower", "95% upper")])
def test_columns_of_ends_are_no_values_of_the_metric(heads: tuple[str, str]) -> None:
    table = f"| Metric | Estimate | {heads[0]} | {heads[1]} |\n|---|---|---|---|\n| Sharpe | 1.31 | 0.52 | 2.10 |\n"
    found = [(claim.metric, claim.printed) for claim in draft_claims(f"# T\n\n{table}").claims.claims]
    assert found == [("sharpe", "1.31")]


def test_every_token_is_still_accounted_for_once_and_the_draft_is_read_back() -> None:
    draft = draft_claims("# T\n\n- Sharpe: 1.31 (95% CI: 0.52–2.10), 252 sessions\n- Rank IC: 0.112 ± 0.08\n")
    places = [(c.source_line, column) for c, column in zip(draft.claims.claims, draft.columns, strict=True)]
    places += [(item.line, item.column) for item in (*draft.excluded, *draft.unplaced)]
    assert len(places) == len(set(places))
    assert not [item for item in draft.unplaced if item.text in ("0.52", "2.10", "0.52–2.10", "0.08")]
    again = parse_claims(dump_claims(draft.claims))
    assert [claim.value for claim in again.claims] == [claim.value for claim in draft.claims.claims]


def test_an_interval_takes_one_input_and_its_own_metric() -> None:
    from assay.data.errors import InputError

    text = '[[claim]]\nid = "a"\nmetric = "sharpe"\nprinted = "1.2"\n[[claim]]\nmetric = "sharpe"\nprinted = "1 to 2"\n'
    with pytest.raises(InputError, match="takes one input and the metric 'interval'"):
        parse_claims(text + 'relation = "interval"\ninputs = ["a"]\n')
