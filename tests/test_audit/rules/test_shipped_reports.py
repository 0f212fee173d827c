"""The five shipped claims files against a derivation by hand: what a careful reader finds, line by line.

Each row names a line of the report, the metric printed there, its verdicts, and the figures of the derivation that the
sentence must carry.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from assay.audit.claims.files import load_claims
from assay.audit.judge import audit_claims
from assay.audit.verdicts import Arithmetic, AuditReport, Substance, Verdict

CLAIMS = Path(__file__).parents[3] / "data" / "claims"
OK, BAD, OPEN = Arithmetic.CONSISTENT, Arithmetic.INCONSISTENT, Arithmetic.NOT_CHECKABLE
EXPLAINED, WEAK, DOUBT, SILENT = (
    Substance.EXPLAINED,
    Substance.NOT_SIGNIFICANT,
    Substance.IMPLAUSIBLE,
    Substance.NOT_JUDGED,
)


@cache
def audited(name: str) -> AuditReport:
    return audit_claims(load_claims(CLAIMS / f"{name}.toml"))


def at(name: str, line: int, metric: str, **more: str) -> Verdict:
    """The verdict of the claim of this metric on this line."""
    for verdict in audited(name).verdicts:
        claim = verdict.claim
        if (claim.source_line, claim.metric) == (line, metric) and all(
            getattr(claim, key).lower().startswith(value) for key, value in more.items()
        ):
            return verdict
    raise AssertionError(f"{name}: no {metric} claim on line {line}")


ROWS = [
    # 57.14, 53.57 and 39.29% are 16, 15 and 11 of 28; F1 and AUC fix 16 up days and every matrix. No n is printed: what
    # the scores of line 15 force is the share of up days, so the AUC of a few days is not judged.
    ("reliance_training_results", 13, "accuracy", OK, EXPLAINED, ("15/28", "at least 57.1%")),
    ("reliance_training_results", 13, "f1", OK, EXPLAINED, ("TP 10, FP 7, FN 6, TN 5", "F1 0.727")),
    ("reliance_training_results", 13, "auc", OK, SILENT, ("28 cases, 16 of them", "not printed")),
    ("reliance_training_results", 14, "accuracy", OK, EXPLAINED, ("11/28", "39.29%")),
    ("reliance_training_results", 14, "f1", OK, EXPLAINED, ("TP 1, FP 2, FN 15, TN 10",)),
    ("reliance_training_results", 14, "auc", OK, SILENT, ("not printed",)),
    ("reliance_training_results", 15, "accuracy", OK, EXPLAINED, ("always “up”", "28")),
    ("reliance_training_results", 15, "auc", OK, SILENT, ("TP 16, FP 12, FN 0, TN 0", "not printed")),
    ("reliance_training_results", 24, "precision", OK, EXPLAINED, ("TP 16, FP 12, FN 0, TN 0",)),
    ("reliance_training_results", 25, "recall", OK, EXPLAINED, ("always “up”",)),
    ("reliance_training_results", 26, "f1", OK, EXPLAINED, ("2π/(1+π)",)),
    # 57.14% up days: entropy 0.683, a coin 0.6931.
    ("reliance_training_results", 27, "validation_loss", OPEN, EXPLAINED, ("0.683", "0.6931")),
    ("reliance_training_results", 30, "epochs_run", OK, SILENT, ("54", "39")),
    ("reliance_training_results", 55, "random_baseline", OPEN, EXPLAINED, ("57.14%",)),
    ("reliance_training_results", 149, "difference", OK, EXPLAINED, ("57%", "50%")),
    # 4·50·(1+50+1) + 200 + 4·50·(50+50+1) + 200 + 50·25+25 + 26 = 32,301; two such LSTM layers alone are 30,600.
    ("nse_phase2_report", 28, "parameters", OK, SILENT, ("32,301",)),
    ("nse_phase2_report", 190, "parameters", BAD, SILENT, ("30,600", "11,326")),
    ("nse_phase2_report", 68, "epochs_run", OK, EXPLAINED, ("6", "5", "1")),
    # Half of 9.65 times √(1 − 0.1278) is 4.51; a constant errs by at most 4.83 or 29.6%.
    ("nse_phase2_report", 73, "r2", BAD, SILENT, ("4.511", "7.52")),
    ("nse_phase2_report", 74, "mae", BAD, EXPLAINED, ("4.511", "4.83")),
    ("nse_phase2_report", 75, "mape", BAD, EXPLAINED, ("39.24%", "29.59%")),
    ("nse_phase2_report", 77, "bias", OK, SILENT, ("7.52",)),
    ("nse_phase2_report", 80, "sharpe", OK, DOUBT, ("77.89%", "84.96%")),
    ("nse_phase2_report", 158, "r2", OK, SILENT, ("0.1278", "0.13")),
    # 512·142 + 1024 + 512·256 + 1024 = 205,824, and 129 for the head.
    ("stock_lstm_model_details", 60, "parameters", BAD, SILENT, ("205,953",)),
    ("stock_lstm_model_details", 61, "parameters_part", BAD, SILENT, ("205,824",)),
    ("stock_lstm_model_details", 62, "parameters_part", BAD, SILENT, ("129",)),
    # The checkpoint of lines 418 to 431 also holds Adam's two moments: 3 · 823,812 bytes.
    ("stock_lstm_model_details", 64, "file_size", OPEN, DOUBT, ("2.47 MB",)),
    ("stock_lstm_model_details", 249, "split_share", OK, DOUBT, ("10.1%",)),
    # 0.7·(1 − 0.045) = 0.67 leaves room at epoch 1 only.
    ("stock_lstm_model_details", 259, "validation_loss", OK, SILENT, ("0.6682",)),
    ("stock_lstm_model_details", 260, "validation_loss", OPEN, DOUBT, ("0.645", "same quantity")),
    ("stock_lstm_model_details", 266, "validation_loss", OK, DOUBT, ("0.6156", "same quantity")),
    ("stock_lstm_model_details", 267, "validation_loss", OPEN, DOUBT, ("0.6163",)),
    ("stock_lstm_model_details", 270, "best_epoch", OK, SILENT, ("0.3231",)),
    ("stock_lstm_model_details", 281, "icir", OK, DOUBT, ("1.40", "2.53")),
    ("stock_lstm_model_details", 287, "ic", BAD, SILENT, ("1.40",)),
    ("stock_lstm_model_details", 279, "ic", OK, SILENT, ("0.112",)),
    # 0.5·1.3% + 0.5·0.4% a day is 214% a year, a volatility of 85% at Sharpe 2.53.
    ("stock_lstm_model_details", 329, "quantile_return", OPEN, DOUBT, ("2.53",)),
    ("stock_lstm_model_details", 328, "quantile_predicted_return", OPEN, DOUBT, ("slope",)),
    ("stock_lstm_model_details", 377, "prediction_std", OK, DOUBT, ("0.015",)),
    ("stock_lstm_model_details", 382, "predicted_spread", OK, SILENT, ("~8%",)),
    ("stock_lstm_model_details", 394, "feature_importance", OK, SILENT, ("18.5%",)),
    ("stock_lstm_model_details", 493, "sharpe", OPEN, DOUBT, ("2.20", "2.53")),
    # Weighted F1 0.946 with a Sell F1 of 0.954 leaves at most about 1% for the others.
    ("b3_model_card", 131, "accuracy", OK, EXPLAINED, ("98.9%", "91.3%")),
    ("b3_model_card", 131, "random_baseline", OPEN, EXPLAINED, ("98.9%", "33.3%")),
    ("b3_model_card", 131, "multiple", OK, EXPLAINED, ("33.3%", "91.3%")),
    ("b3_model_card", 132, "f1_macro", OK, SILENT, ("0.143", "0.954", "0.136")),
    ("b3_model_card", 133, "f1_weighted", OK, EXPLAINED, ("0.983",)),
    ("b3_model_card", 140, "f1", OK, EXPLAINED, ("0.994",)),
    ("b3_model_card", 154, "r2", OK, DOUBT, ("127.1 to 130.9",)),
    ("b3_model_card", 157, "mape", OPEN, EXPLAINED, ("2.257%", "8.98%")),
    ("b3_model_card", 168, "validation_loss", OK, DOUBT, ("365",)),
    ("b3_model_card", 169, "multiple", OK, SILENT, ("34.74",)),
    # 4·64·(n + 64) + 512 + 195 + 65 parameters at four bytes: 450 KB take 372.4 features a step.
    ("b3_model_card", 268, "file_size", OPEN, DOUBT, ("373",)),
    ("b3_model_card", 170, "change", OK, SILENT, ("95.05",)),
    # Initial: 0.73 of 0.74·w + (1 − w)·0.12 at most, so w ≥ 0.968.
    ("b3_training_report", 138, "accuracy", OK, EXPLAINED, ("96.8%",)),
    ("b3_training_report", 137, "loss_gap", OK, SILENT, ("172,720.26",)),
    ("b3_training_report", 137, "multiple", OK, SILENT, ("60.82", "cut off")),
    # The weight on MSE fell from 1000 to 50: per unit 175.6 before and 176.0 after.
    ("b3_training_report", 160, "change", OK, EXPLAINED, ("1000 to 50", "95%")),
    ("b3_training_report", 335, "change", OK, EXPLAINED, ("175.6", "176")),
    ("b3_training_report", 334, "change", OK, EXPLAINED, ("2.84", "5.067")),
    ("b3_training_report", 161, "change", OK, EXPLAINED, ("54.27 to 54.7%",)),
    ("b3_training_report", 162, "change", OK, SILENT, ("44.04 to 49.64%",)),
]


@pytest.mark.parametrize(("name", "line", "metric", "arithmetic", "substance", "figures"), ROWS)
def test_verdicts_agree_with_the_hand_derivation(
    name: str, line: int, metric: str, arithmetic: Arithmetic, substance: Substance, figures: tuple[str, ...]
) -> None:
    verdict = at(name, line, metric)
    said = f"{verdict.arithmetic_because} {verdict.substance_because}"
    assert verdict.arithmetic is arithmetic, said
    assert verdict.substance is substance, said
    for figure in figures:
        assert figure in said, f"{figure!r} not in {said!r}"


@pytest.mark.parametrize("name", sorted(path.stem for path in CLAIMS.glob("*.toml")))
def test_every_sentence_ends_and_every_doubt_names_its_assumption(name: str) -> None:
    report = audited(name)
    assert len(report.verdicts) == len(report.claims.claims)
    for finding in report.findings:
        assert finding.sentence.endswith("."), finding.sentence
        assert finding.substance is not Substance.IMPLAUSIBLE or finding.assumption
        assert len(finding.sentence) < 420, finding.sentence


def test_only_the_proven_figures_are_called_inconsistent() -> None:
    """MAE, R² and MAPE against their range, parameter counts, and a correlation of 1.40; nothing else in five
    reports."""
    accused = {
        (name, verdict.claim.metric)
        for name in sorted(path.stem for path in CLAIMS.glob("*.toml"))
        for verdict in audited(name).verdicts
        if verdict.arithmetic is BAD
    }
    assert accused == {
        ("nse_phase2_report", "mae"),
        ("nse_phase2_report", "mape"),
        ("nse_phase2_report", "parameters"),
        ("nse_phase2_report", "r2"),
        ("stock_lstm_model_details", "ic"),
        ("stock_lstm_model_details", "parameters"),
        ("stock_lstm_model_details", "parameters_part"),
    }
