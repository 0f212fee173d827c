"""Honest figures written as a Markdown report, drafted by machine and audited: nothing is called inconsistent."""

from __future__ import annotations

import numpy as np
import pytest

from assay.audit.claims.model import Claim, ClaimSet
from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims
from assay.audit.verdicts import Arithmetic
from tests.test_audit.rules.generators import GENERATORS

NAMES = {
    "f1": "F1 score", "f1_macro": "Macro F1", "f1_weighted": "Weighted F1", "precision_macro": "Macro precision",
    "recall_macro": "Macro recall", "precision_weighted": "Weighted precision", "recall_weighted": "Weighted recall",
    "auc": "AUC", "mcc": "MCC", "r2": "R²", "mae": "MAE", "rmse": "RMSE", "mse": "MSE", "mape": "MAPE",
    "sharpe": "Sharpe ratio", "calmar": "Calmar ratio", "ic": "IC", "rank_ic": "Rank IC", "ic_std": "IC std",
        "icir": "ICIR",
    "trades": "Number of trades", "epochs_run": "Epochs", "mean_return": "Mean daily return",
}  # fmt: skip


def written(claims: ClaimSet, style: int) -> str:
    """The claims as a report: a bullet list, a table or a block of text, then a table of classes."""

    def name(claim: Claim) -> str:
        return NAMES.get(claim.metric, claim.metric.replace("_", " ").capitalize())

    lines = ["# Results", ""]
    for group in claims.groups:
        rows = [c for c in claims.claims if c.group == group.name and not c.label]
        lines += [f"## {group.name}", ""]
        if group.sample.n:
            lines += [f"Evaluated on {group.sample.n} test samples.", ""]
        if style == 0:
            lines += [f"- **{name(c)}**: {c.printed}" for c in rows]
        elif style == 1:
            lines += ["| Metric | Value |", "|---|---|", *(f"| {name(c)} | {c.printed} |" for c in rows)]
        else:
            lines += ["```", *(f"{name(c)}: {c.printed}" for c in rows), "```"]
        scores = {(c.label, c.metric): c.printed for c in claims.claims if c.group == group.name and c.label}
        metrics = list(dict.fromkeys(metric for _, metric in scores))
        labels = list(dict.fromkeys(label for label, _ in scores))
        if labels and all((label, metric) in scores for label in labels for metric in metrics):
            titles = " | ".join(NAMES.get(metric, metric.title()) for metric in metrics)
            lines += ["", f"| Class | {titles} |", "|---" * (len(metrics) + 1) + "|"]
            lines += [f"| {label} | {' | '.join(scores[label, metric] for metric in metrics)} |" for label in labels]
        lines.append("")
    return "\n".join(lines)


@pytest.mark.parametrize("name", ["multiclass", "binary_family", "regression", "returns", "information", "trades",
    "tests"])
def test_a_drafted_honest_report_is_never_accused(name: str) -> None:
    drafted = 0
    for index in range(30):
        claims = GENERATORS[name](np.random.default_rng([7, index]))
        text = written(claims, index % 3)
        draft = draft_claims(text, title="report", source="report.md").claims
        drafted += len(draft.claims)
        report = audit_claims(draft)
        accused = [f.sentence for f in report.findings if f.arithmetic is Arithmetic.INCONSISTENT]
        assert accused == [], f"{name} report {index}\n{text}"
    assert drafted > 60
