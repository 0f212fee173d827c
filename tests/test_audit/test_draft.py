"""Drafting: every numeric token accounted for, nothing invented, and few corrections to the shipped claims."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.audit.claims.files import dump_claims, dump_draft, parse_claims
from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims
from assay.audit.read.sheet import Draft
from assay.data.errors import InputError

SAMPLES = sorted((Path(__file__).parent / "samples").iterdir())


def drafted(path: Path) -> tuple[str, Draft]:
    text = path.read_text(encoding="utf-8")
    return text, draft_claims(text, source=path.name, form=path.suffix[1:])


def unaccounted(text: str, draft: Draft) -> list[tuple[int, str]]:
    """Digit runs that lie in no claim, no excluded and no unplaced token; counted without the draft's own scanner."""
    lines = text.replace("\r\n", "\n").split("\n")
    spans: dict[int, list[tuple[int, int]]] = {}
    for claim, column in zip(draft.claims.claims, draft.columns, strict=True):
        spans.setdefault(claim.source_line or 0, []).append(
            _span(lines[(claim.source_line or 0) - 1], column, claim.printed)
        )
    for item in (*draft.excluded, *draft.unplaced):
        spans.setdefault(item.line, []).append(_span(lines[item.line - 1], item.column, item.text))
    left = []
    for number, line in enumerate(lines, 1):
        for run in re.finditer(r"\d+", line):
            if not any(start <= run.start() and run.end() <= end for start, end in spans.get(number, [])):
                left.append((number, run[0]))
    return left


def _span(line: str, column: int, text: str) -> tuple[int, int]:
    begin = line.find(text, max(0, column - 3))
    assert begin >= 0, (line, column, text)
    return begin, begin + len(text)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_are_accounted_for_and_nothing_is_invented(path: Path) -> None:
    text, draft = drafted(path)
    assert unaccounted(text, draft) == []
    for claim in draft.claims.claims:
        assert claim.printed in text.split("\n")[claim.source_line - 1]


def found(draft: Draft) -> set[tuple[str, str, str]]:
    return {(claim.metric, claim.printed, claim.label) for claim in draft.claims.claims}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "cartao_pt.md",
            {
                ("accuracy", "53,7%", ""),
                ("recall", "0,601", ""),
                ("sharpe", "0,84", ""),
                ("trades", "1.248", ""),
                ("max_drawdown", "-15,2%", ""),
                ("hit_rate", "52,9%", ""),
            },
        ),
        (
            "informe_es.md",
            {
                ("accuracy", "55,25 %", ""),
                ("recall", "0,61", ""),
                ("rmse", "0,0158", ""),
                ("sharpe", "1,05", ""),
                ("max_drawdown", "18,4%", ""),
                ("annual_return", "11,6%", ""),
            },
        ),
        (
            "moxing_zh.md",
            {
                ("accuracy", "54.3%", ""),
                ("ic", "0.042", ""),
                ("icir", "0.38", ""),
                ("sharpe", "1.21", ""),
                ("max_drawdown", "-12.4%", ""),
                ("win_rate", "53.8%", ""),
            },
        ),
        (
            "metrics.json",
            {
                ("accuracy", "0.5325", ""),
                ("f1", "0.5566", ""),
                ("sharpe", "1.3203", ""),
                ("max_drawdown", "-0.0911", ""),
            },
        ),
        (
            "momentum_card_en.md",
            {
                ("precision", "0.56", "up"),
                ("f1_macro", "0.54", ""),
                ("accuracy", "0.5475", ""),
                ("n_samples", "188", "down"),
                ("best_epoch", "27", ""),
                ("change", "40%", ""),
            },
        ),
    ],
)
def test_names_in_five_forms_and_four_languages(name: str, wanted: set[tuple[str, str, str]]) -> None:
    _, draft = drafted(Path(__file__).parent / "samples" / name)
    assert wanted <= found(draft)


def test_a_decimal_comma_is_read_as_one() -> None:
    _, draft = drafted(Path(__file__).parent / "samples" / "cartao_pt.md")
    values = {claim.metric: claim.value.value for claim in draft.claims.claims}
    assert values["accuracy"] == pytest.approx(0.537)
    assert values["trades"] == 1248
    assert parse_claims(dump_draft(draft)) == draft.claims


def test_changes_are_tied_to_what_they_compare() -> None:
    draft = draft_claims("# R\n\nAccuracy rose from 50.0% to 57.5%, a 15% improvement.\n")
    change = next(claim for claim in draft.claims.claims if claim.metric == "change")
    assert [draft.claims.claim(name).printed for name in change.inputs] == ["50.0%", "57.5%"]


def test_two_runs_are_never_made_a_contradiction() -> None:
    text = "# R\n\n## Results\n\n- Sharpe: 1.2\n\n## Summary\n\nThe Sharpe is 0.7 on newer data.\n"
    draft = draft_claims(text)
    assert len({claim.group for claim in draft.claims.claims}) == 2
    assert any("1.2" in note and "0.7" in note for note in draft.notes)


def test_pooled_figures_say_so() -> None:
    draft = draft_claims(
        "# R\n\nAll figures are averaged over 5 folds.\n\n- Precision: 0.60\n- Recall: 0.50\n- F1: 0.53\n"
    )
    assert {claim.definition for claim in draft.claims.claims} == {"averaged over"}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_what_is_right_is_not_accused_and_what_is_wrong_is(path: Path) -> None:
    _, draft = drafted(path)
    accused = {v.claim.printed for v in audit_claims(draft.claims).verdicts if str(v.arithmetic) == "inconsistent"}
    wrong = {"0.68", "0.021", "0.017", "2.31", "25%", "+80%"} if "wrong" in path.name else set()
    assert accused == wrong


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_drafts_survive_a_round_trip_through_toml(path: Path) -> None:
    _, draft = drafted(path)
    assert parse_claims(dump_draft(draft)) == draft.claims
    assert parse_claims(dump_claims(draft.claims)) == draft.claims


_WORDS = st.sampled_from(
    [
        "Sharpe",
        "accuracy",
        "**F1**:",
        "| a | b |",
        "|---|---|",
        "```",
        "# H",
        "- ",
        "57.1%",
        "1.2",
        "→",
        "from",
        "to",
        "2024-01-02",
        "{",
        "}",
        '"mae":',
        "R²",
        "~5K",
        "(",
        ")",
        "---",
        "Epoch 3",
        "improvement",
        "夏普比率",
        ",",
        "\n",
        "\n",
        "\n",
        "  ",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_WORDS, max_size=60).map(" ".join))
def test_any_text_is_drafted_and_accounted_for(text: str) -> None:
    text = text.replace(" \n ", "\n")
    draft = draft_claims(text)
    assert unaccounted(text, draft) == []
    assert parse_claims(dump_draft(draft)) == draft.claims


_LONG = pytest.mark.slow


@pytest.mark.parametrize(
    "text",
    [
        "accuracy 91.3% and more words " * 170_000,
        pytest.param("\n".join("prose without a figure, long and longer" for _ in range(130_000)), marks=_LONG),
        "](" * 2_500_000,
        "(" * 2_000_000 + "1",
        "1," * 2_500_000,
        "a1/" * 1_600_000,
        "**" * 2_000_000,
        "~" * 3_000_000 + "5",
        pytest.param("\n".join("(1, 2, " * 800 for _ in range(250)), marks=_LONG),
        "\n".join("from " * 900 + "1" for _ in range(250)),
        "\n".join("a.b-" * 1_200 + "1" for _ in range(250)),
    ],
    ids=["one line", "prose", "links", "brackets", "commas", "slashes", "stars", "tildes", "lists", "words", "paths"],
)
def test_five_megabytes_take_seconds(text: str) -> None:
    started = time.process_time()
    with contextlib.suppress(InputError):
        draft_claims(text)
    assert time.process_time() - started < 10


@pytest.mark.parametrize("figure", ["1e-2000000", "1e2000000", "0.5e-99999999999", "9" * 5_000, "1e400"])
def test_a_figure_beyond_all_bounds_is_listed_and_stops_nothing(figure: str) -> None:
    draft = draft_claims(f"# R\n\n- Accuracy: {figure}\n- F1: 0.61\n")
    assert [claim.metric for claim in draft.claims.claims][-1] == "f1"


@pytest.mark.parametrize(
    "line",
    ["Max drawdown: leſs than 12%", "Volume: 5 MİL", "We use traın 70%, test 30%.", "- traın: 70%", "&pluſmn; 5%"],
)
def test_letters_that_match_others_only_without_case_are_read_as_they_stand(line: str) -> None:
    assert draft_claims(f"# R\n\n{line}\n\n- MAE: 0.5\n").claims.claims[-1].metric == "mae"
