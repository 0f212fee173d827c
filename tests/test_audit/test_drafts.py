"""What a draft may accuse of: figures of one record and nothing else; a claims file may say more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assay.audit.claims.model import Claim, ClaimSet, Group, Sample, Split, Target
from assay.audit.judge import audit_claims, lookalike
from assay.audit.read.draft import draft_claims
from assay.audit.verdicts import Arithmetic, Substance
from tests.test_audit.rules.claim_builder import claim, claim_set

TRADES = "- Trades: 120\n- Winning trades: 66\n- Losing trades: 54\n- Win rate: {rate}\n"


def graves(claims: ClaimSet) -> dict[str, str]:
    """Printed figure -> its verdict, of those that are inconsistent, implausible or ask for the reading."""
    out = {}
    for verdict in audit_claims(claims).verdicts:
        if verdict.arithmetic in (Arithmetic.INCONSISTENT, Arithmetic.CHECK):
            out[verdict.claim.printed] = str(verdict.arithmetic)
        elif verdict.substance is Substance.IMPLAUSIBLE:
            out[verdict.claim.printed] = str(verdict.substance)
    return out


def test_a_list_of_named_figures_is_one_record_and_may_contradict_itself() -> None:
    assert graves(draft_claims(f"# R\n\n{TRADES.format(rate='55.0%')}").claims) == {}
    assert graves(draft_claims(f"# R\n\n{TRADES.format(rate='61.2%')}").claims)["61.2%"] == "inconsistent"


def pair(record: str = "line 3", other: str = "line 3", **more: object) -> ClaimSet:
    rows = [
        claim("mae", "mae", "2.5", record=record), claim("rmse", "rmse", "2.1", record=other, **more),
    ]  # fmt: skip
    return claim_set([Group("run")], rows, draft=True)


def test_figures_of_two_records_ask_for_the_reading_and_fail_nothing() -> None:
    assert set(graves(pair()).values()) == {"inconsistent"}
    apart = pair(other="line 9")
    assert set(graves(apart).values()) == {"check the reading"}
    assert not audit_claims(apart).refuted
    assert set(graves(replace(apart, draft=False)).values()) == {"inconsistent"}
    assert set(graves(pair("", "")).values()) == {"check the reading"}


def test_a_second_figure_of_the_metric_in_the_record_leaves_open_which_is_meant() -> None:
    rows = pair()
    again = claim("rmse2", "rmse", "3.0", "elsewhere", record="line 3")
    more = replace(rows, claims=(*rows.claims, again))
    assert set(graves(more).values()) == {"check the reading"}


@pytest.mark.parametrize(("metric", "printed"), [
    ("profit_factor", "$3,250"), ("win_rate", "13"), ("auc", "2006"), ("trades", "-78%"), ("winning_trades", "6.37"),
    ("sharpe", "1000"), ("sharpe", "18"), ("accuracy", "5K"),
])  # fmt: skip
def test_a_figure_printed_as_none_of_its_metric_is_a_lookalike(metric: str, printed: str) -> None:
    assert lookalike(claim("a", metric, printed))


@pytest.mark.parametrize(("metric", "printed"), [
    ("profit_factor", "1.65"), ("win_rate", "58.5%"), ("auc", "0.61"), ("trades", "284"), ("sharpe", "13.79"),
    ("accuracy", "1"), ("average_win", "$450.25"), ("total_return", "1,240%"),
])  # fmt: skip
def test_a_figure_printed_as_its_metric_is_none(metric: str, printed: str) -> None:
    assert not lookalike(claim("a", metric, printed))


def test_a_number_glued_to_a_letter_counts_no_trades() -> None:
    text = "| INTR | 83.3% | 5W/1L |"
    assert lookalike(claim("a", "trades", "5", source_text=text))
    assert not lookalike(claim("a", "trades", "5", source_text="| INTR | 83.3% | 5 |"))


def test_bounds_and_repeated_prints_never_accuse_by_themselves() -> None:
    rows: list[Claim] = [claim("a", "accuracy", "104%", record="line 1"), claim("b", "mae", "1.0", record="line 2"),
                         claim("c", "mae", "2.0", record="line 2")]  # fmt: skip
    assert set(graves(claim_set([Group("run")], rows, draft=True)).values()) == {"check the reading"}
    assert "inconsistent" in graves(claim_set([Group("run")], rows)).values()


def test_scores_of_a_class_accuse_and_scores_of_who_knows_what_do_not() -> None:
    def scores(label: str) -> ClaimSet:
        rows = [claim(m, m, p, label=label, record="line 5") for m, p in
                (("precision", "0.50"), ("recall", "0.60"), ("f1", "0.70"))]  # fmt: skip
        return claim_set([Group("run")], rows, draft=True)

    assert graves(scores("up"))["0.70"] == "inconsistent"
    assert graves(scores(""))["0.70"] == "check the reading"


def test_what_a_draft_may_say_of_a_figure_it_says_of_its_other_prints() -> None:
    group = Group("run", target=Target("return"))
    rows = [claim("r2", "r2", "0.9982", record="row 9"), claim("rmse", "rmse", "5.47", record="row 9"),
            claim("headline", "r2", "99.8%", record="line 3")]  # fmt: skip
    assert set(graves(claim_set([group], rows, draft=True)).values()) == {"implausible"}
    apart = [replace(row, record=f"row {index}") for index, row in enumerate(rows)]
    assert set(graves(claim_set([group], apart, draft=True)).values()) == {"check the reading"}


def test_splits_whose_days_touch_are_apart_in_a_draft() -> None:
    splits = (Split("train", start="2022-01-03", end="2023-12-13"), Split("test", start="2023-12-13", end="2024-06-13"))
    run = Group("run", sample=Sample(splits=splits))
    rows = [claim(f"row {n}", "split_share", "0.75", label="train", record=f"row {n}") for n in (1, 2)]
    assert graves(claim_set([run], rows, draft=True)) == {}
    assert set(graves(claim_set([run], rows)).values()) == {"implausible"}
