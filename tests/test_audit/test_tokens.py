"""Numeric tokens: every digit in exactly one, and each of the right kind."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.audit.claims.intervals import parse_print
from assay.audit.read.tokens import scan_line

LINES = [
    ("- **Accuracy**: 91.3% (vs 33.3% random baseline - 2.74× improvement)", ["91.3%", "33.3%", "2.74×"]),
    ("R²: -70 → 0.40-0.70", ["-70", "0.40-0.70"]),
    ("Sharpe: −4.05 → 1.0-2.0+", ["−4.05", "1.0-2.0+"]),
    ("**MAPE < 9%**: under 9%", ["< 9%", "under 9%"]),
    ("- **Model File**: ~500KB - 2MB (PyTorch)", ["~500KB - 2MB"]),
    ("Total parameters: ~250,000", ["~250,000"]),
    ("Acurácia: 91,3% e perda de 8.802,48", ["91,3%", "8.802,48"]),
    ("准确率为91.3%，最大回撤为-12.4%", ["91.3%", "-12.4%"]),
    ("loss fell to 1e-3 from 2.5e-2", ["1e-3", "2.5e-2"]),
    ("earned $1.2M or R$ 3,5 mil", ["$1.2M", "R$ 3,5"]),
    ("Top - Bottom: ~8% (daily)", ["~8%"]),
    ("Accuracy - 91.3%", ["91.3%"]),
    ("0.85 ± 0.12", ["0.85", "0.12"]),
    ("at least 55% and less than 1.25 units", ["at least 55%", "less than 1.25"]),
]


@pytest.mark.parametrize(("line", "figures"), LINES)
def test_figures_keep_sign_bound_and_unit(line: str, figures: list[str]) -> None:
    assert [token.text for token in scan_line(line) if token.kind == "number"] == figures


KINDS = [
    ("trained 2025-03-14T10:11:12Z", "date"),
    ("on November 12, 2025", "date"),
    ("since 2024-Q3", "date"),
    ("12 de novembro de 2025", "date"),
    ("2025年3月14日", "date"),
    ("in 01-2026", "date"),
    ("frozen at v2.0.0", "version"),
    ("needs 1.4.2 of it", "version"),
    ("F1 score", "name"),
    ("ret_20d matters", "name"),
    ("the S&P 500 index", "name"),
    ("`models/best_3.pth`", "path"),
    ("see gs://bucket-1/x", "url"),
    ("[128,64,32]", "list"),
    ("shape (60, 1)", "list"),
    ("192→96→48", "list"),
    ("a 70/30 split", "ratio"),
    ("weights 1:1000", "ratio"),
    ("the 3rd run", "ordinal"),
]


@pytest.mark.parametrize(("line", "kind"), KINDS)
def test_what_is_no_figure_is_told_apart(line: str, kind: str) -> None:
    assert [token.kind for token in scan_line(line)] == [kind]


@pytest.mark.parametrize(("line", "low", "high"), [
    ("drawdown -19% ~ -22%", -0.22, -0.19), ("15% ~ 20%", 0.15, 0.20), ("-5% to -10%", -0.10, -0.05),
    ("0.5 ~ 0.8", 0.5, 0.8), ("-5% – -10%", -0.10, -0.05),
])  # fmt: skip
def test_a_range_may_fall_below_zero_and_be_drawn_with_a_wave(line: str, low: float, high: float) -> None:
    (token,) = scan_line(line)
    read = parse_print(token.text)
    assert (read.bound, read.value, read.end) == ("range", low, high)


_PIECES = st.sampled_from(
    list("0123456789") * 3
    + list(".,%-+~<>()[]/:|×x→$ \u00a0")
    + ["e-", "F1", "v2.", " to ", "±", "年", "R²", "Q3 ", "**", "`", "k", "20"]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_PIECES, max_size=40).map("".join) | st.text(max_size=60))
def test_every_digit_lies_in_exactly_one_token(line: str) -> None:
    tokens = scan_line(line)
    for first, second in itertools.pairwise(tokens):
        assert first.end <= second.start
    for run in re.finditer(r"\d+", line):
        inside = [t for t in tokens if t.start <= run.start() and run.end() <= t.end]
        split = [t for t in tokens if t.start < run.end() and run.start() < t.end]
        covered = sum(min(t.end, run.end()) - max(t.start, run.start()) for t in split)
        assert inside or covered == run.end() - run.start(), (line, tokens)
    for token in tokens:
        assert 0 <= token.start < token.end <= len(line)
        assert token.text.strip()
        assert token.text in line
