"""Printed confusion matrices: found in tables and arrays, and every score held against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from assay.audit.claims.model import ClaimSet
from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims

CLASSES = ("Sell", "Hold", "Buy", "Exit")


def table(rows: np.ndarray, names: tuple[str, ...], corner: str = "") -> str:
    """The matrix as Markdown, true classes down."""
    titles = names if corner else tuple(f"Pred {name}" for name in names)
    sides = names if corner else tuple(f"True {name}" for name in names)
    lines = [f"| {corner} | {' | '.join(titles)} |", "|" + "---|" * (len(names) + 1)]
    lines += [f"| **{side}** | {' | '.join(map(str, row))} |" for side, row in zip(sides, rows, strict=True)]
    return "\n".join(lines)


def case(seed: int) -> tuple[str, dict[str, float]]:
    """A report with a matrix and its scores, all right, and the scores in full precision."""
    from sklearn import metrics

    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 5))
    real = rng.choice(k, int(rng.integers(40, 900)), p=rng.dirichlet(np.ones(k) * 4))
    real[:k] = range(k)
    called = np.where(rng.random(len(real)) < rng.uniform(0.2, 0.9), real, rng.choice(k, len(real)))
    rows = metrics.confusion_matrix(real, called, labels=range(k))
    average = str(rng.choice(["macro", "weighted"]))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(real, called, average=average, zero_division=0)
    scores = {
        "Accuracy": metrics.accuracy_score(real, called),
        "Balanced accuracy": metrics.balanced_accuracy_score(real, called),
        "MCC": metrics.matthews_corrcoef(real, called), "Cohen's kappa": metrics.cohen_kappa_score(real, called),
        f"{average.title()} precision": precision, f"{average.title()} recall": recall, f"{average.title()} F1": f1,
    }  # fmt: skip
    digits = int(rng.integers(2, 5))
    listed = "\n".join(f"- {name}: {value:.{digits}f}" for name, value in scores.items())
    corner = str(rng.choice(["", "Actual \\ Predicted"]))
    return f"# R\n\n{listed}\n\n## Confusion matrix\n\n{table(rows, CLASSES[:k], corner)}\n", scores


def flagged(claims: ClaimSet) -> list[tuple[str, str]]:
    graves = ("inconsistent", "implausible", "check the reading")
    verdicts = audit_claims(claims).verdicts
    return [(v.claim.printed, v.because) for v in verdicts if {str(v.arithmetic), str(v.substance)} & set(graves)]


@pytest.mark.parametrize("start", range(0, 60, 20))
def test_scores_that_follow_from_their_matrix_are_confirmed(start: int) -> None:
    for seed in range(start, start + 20):
        text, scores = case(seed)
        draft = draft_claims(text).claims
        assert flagged(draft) == [], text
        held = [f for v in audit_claims(draft).verdicts for f in v.findings if f.check_id == "C6 printed matrix"]
        assert len(held) == len(scores), text


@pytest.mark.parametrize("seed", range(20))
def test_an_accuracy_that_is_not_the_matrix_s_is_doubted(seed: int) -> None:
    text, scores = case(seed)
    line = next(row for row in text.split("\n") if row.startswith("- Accuracy"))
    value = scores["Accuracy"] - 0.05 if scores["Accuracy"] > 0.5 else scores["Accuracy"] + 0.05
    found = flagged(draft_claims(text.replace(line, f"- Accuracy: {value:.4f}")).claims)
    assert f"{value:.4f}" in [printed for printed, _ in found]


def test_predictions_down_the_side_are_turned() -> None:
    text = "| | Actual Up | Actual Down |\n|---|---|---|\n| Predicted Up | 5 | 2 |\n| Predicted Down | 3 | 90 |\n"
    counts = {c.label: c.printed for c in draft_claims(text).claims.claims}
    assert counts == {"Up / Up": "5", "Down / Up": "2", "Up / Down": "3", "Down / Down": "90"}


@pytest.mark.parametrize(
    "text",
    [
        "| Model | Up | Down |\n|---|---|---|\n| Up | 5 | 2 |\n| Down | 3 | 9 |\n",
        "| | Pred up | Pred down |\n|---|---|---|\n| True up | 0.5 | 0.5 |\n| True down | 0.1 | 0.9 |\n",
        "| | Predicted return | Actual return |\n|---|---|---|\n| Q1 | 5 | 2 |\n| Q5 | 3 | 9 |\n",
    ],
)
def test_a_table_that_is_no_matrix_of_counts_is_none(text: str) -> None:
    assert all(claim.metric != "confusion_count" for claim in draft_claims(text).claims.claims)
