"""The whole path: what each rule says about a right and a wrong report, and how findings become verdicts."""

from __future__ import annotations

import pytest

from assay.audit.claims.intervals import parse_print
from assay.audit.claims.model import (
    Architecture,
    ClaimSet,
    ClassShare,
    Group,
    Layer,
    LossFormula,
    LossTerm,
    Portfolio,
    Sample,
    Schedule,
    Target,
)
from assay.audit.judge import _inherited, audit_claims
from assay.audit.verdicts import Arithmetic, Finding, Substance, combine
from assay.data.errors import InputError
from tests.test_audit.rules.claim_builder import claim, claim_set, one_run

BINARY = (ClassShare("up"), ClassShare("down"))
LSTM = Architecture((Layer("lstm", 128), Layer("lstm", 128), Layer("dense", 1)), 14, "torch")
RANGE = Target("price", parse_print("11.50"), parse_print("21.15"), "evaluation")
RANK_LOSS = (LossTerm("one_minus_correlation", 0.7, "rank_ic", same_quantity=True), LossTerm("huber", 0.3))


def run_of(**context: object) -> Group:
    return Group("run", **context)  # type: ignore[arg-type]


#: name -> (figures, context, the figure that cannot hold). Each stands beside the right version of the same report.
WRONG: dict[str, tuple[dict[str, str], Group, str]] = {
    "F1 above the harmonic mean": ({"precision": "0.50", "recall": "0.60", "f1": "0.60"}, run_of(), "f1"),
    "F1 of one class": ({"precision": "0.50", "recall": "0.60", "f1": "0.52"}, run_of(classes=BINARY), "f1"),
    "accuracy on 28 days": ({"accuracy": "57.20%"}, run_of(sample=Sample(n=28)), "accuracy"),
    "AUC on 28 days": ({"auc": "0.5535"}, run_of(sample=Sample(n=28, n_positive=16)), "auc"),
    "no matrix": (
        {"accuracy": "53.57%", "precision": "0.70", "recall": "0.90"}, run_of(classes=BINARY, sample=Sample(n=28)),
            "accuracy",
    ),
    "accuracy below Jaccard": (
        {"accuracy": "60.0%", "precision": "0.90", "recall": "0.90"}, run_of(classes=BINARY), "accuracy",
    ),
    "macro F1": (
        {"f1/a": "0.50", "f1/b": "0.70", "f1_macro": "0.65"},
        run_of(classes=(ClassShare("a"), ClassShare("b"))), "f1_macro",
    ),
    "class shares": (
        {"accuracy": "95.0%", "recall/a": "0.60", "recall/b": "0.70"},
        run_of(classes=(ClassShare("a"), ClassShare("b"))), "accuracy",
    ),
    "share above one": ({"accuracy": "104%"}, run_of(), "accuracy"),
    "MAE above RMSE": ({"mae": "2.5", "rmse": "2.1"}, run_of(), "mae"),
    "bias above MAE": ({"bias": "-3.0", "mae": "2.5"}, run_of(), "bias"),
    "MSE below RMSE squared": ({"mse": "3.0", "rmse": "2.1"}, run_of(), "mse"),
    "MAE beyond the range": ({"mae": "7.52", "r2": "0.1278"}, run_of(target=RANGE), "mae"),
    "MAPE beyond MAE": ({"mae": "1.00", "mape": "20.0%"}, run_of(target=RANGE), "mape"),
    "target deviation": (
        {"rmse": "1.00", "r2": "0.75"},
        run_of(target=Target("price", std=parse_print("4.00"))), "r2",
    ),
    "ICIR": ({"ic": "0.050", "ic_std": "0.100", "icir": "0.80"}, run_of(sample=Sample(sessions=250)), "icir"),
    "IC above one": ({"ic": "1.40", "icir": "1.40"}, run_of(), "ic"),
    "IC out of its extremes": ({"ic": "0.50", "ic_min": "-0.15", "ic_max": "0.35"}, run_of(), "ic"),
    "IC deviation": ({"ic": "0.10", "ic_std": "0.40", "ic_min": "-0.15", "ic_max": "0.35"},
        run_of(sample=Sample(sessions=120)), "ic_std"),
    "Sharpe above return over volatility": (
        {"sharpe": "2.50", "annual_return": "10.0%", "annual_volatility": "20.0%"}, run_of(), "sharpe",
    ),
    "Sharpe with a stated risk-free rate": (
        {"sharpe": "0.20", "annual_return": "10.0%", "annual_volatility": "20.0%"},
        run_of(portfolio=Portfolio(risk_free=parse_print("0%"))), "sharpe",
    ),
    "win rate of counts": ({"trades": "120", "winning_trades": "66", "win_rate": "58.3%"}, run_of(), "win_rate"),
    "winners above trades": ({"trades": "120", "winning_trades": "66", "losing_trades": "60"}, run_of(), "trades"),
    "payoff": ({"average_win": "200", "average_loss": "100", "payoff_ratio": "1.50"}, run_of(), "payoff_ratio"),
    "profit factor": (
        {"winning_trades": "60", "losing_trades": "40", "average_win": "200", "average_loss": "100",
            "profit_factor": "2.00"},
        run_of(), "profit_factor",
    ),
    "gross profit": ({"gross_profit": "5,000", "gross_loss": "2,500", "profit_factor": "1.50"}, run_of(),
        "profit_factor"),
    "loss floor stated as one quantity": (
        {"validation_loss": "0.3231", "rank_ic": "0.120"}, run_of(loss=LossFormula(RANK_LOSS)), "validation_loss",
    ),
    "epochs beyond the cap": ({"epochs_run": "60"}, run_of(schedule=Schedule(max_epochs=50)), "epochs_run"),
    "parameters": ({"parameters": "~250,000"}, run_of(architecture=LSTM), "parameters"),
    "parameters of one layer": ({"parameters_part/FC layer": "~10,000"}, run_of(architecture=LSTM),
        "parameters_part/FC layer"),
    "class shares above one": ({"class_share/a": "60%", "class_share/b": "55%"}, run_of(), "class_share/a"),
    "percentiles": ({"ic_percentile/5%": "0.20", "ic_percentile/50%": "0.10"}, run_of(), "ic_percentile/5%"),
    "p-value": ({"t_statistic": "2.20", "degrees_of_freedom": "30", "p_value": "0.004"}, run_of(), "p_value"),
    "prevalence": (
        {"accuracy": "0.700", "precision": "0.750", "recall": "0.600", "prevalence": "0.300"},
        run_of(classes=BINARY), "prevalence",
    ),
    "t of a slope": ({"slope": "0.50", "standard_error": "0.25", "t_statistic": "3.10"}, run_of(), "t_statistic"),
    "sessions beyond the calendar": (
        {"sessions": "300"}, run_of(sample=Sample(start="2024-01-01", end="2024-12-31", market="XNYS")), "sessions",
    ),
}  # fmt: skip
#: The right version: what to change in the report above.
RIGHT: dict[str, dict[str, str]] = {
    "F1 above the harmonic mean": {"f1": "0.55"}, "F1 of one class": {"f1": "0.55"},
    "accuracy on 28 days": {"accuracy": "57.14%"}, "AUC on 28 days": {"auc": "0.5521"},
    "no matrix": {"accuracy": "57.14%", "precision": "0.5714", "recall": "1.00"},
        "accuracy below Jaccard": {"accuracy": "85.0%"},
    "macro F1": {"f1_macro": "0.60"}, "class shares": {"accuracy": "65.0%"}, "share above one": {"accuracy": "94%"},
    "MAE above RMSE": {"mae": "1.9"}, "bias above MAE": {"bias": "-1.0"}, "MSE below RMSE squared": {"mse": "4.4"},
    "MAE beyond the range": {"mae": "3.10"}, "MAPE beyond MAE": {"mape": "6.0%"}, "target deviation": {"r2": "0.9375"},
    "ICIR": {"icir": "0.50"}, "IC above one": {"ic": "0.112"}, "IC out of its extremes": {"ic": "0.10"},
    "IC deviation": {"ic_std": "0.08"}, "Sharpe above return over volatility": {"sharpe": "0.50"},
    "Sharpe with a stated risk-free rate": {"sharpe": "0.50"}, "win rate of counts": {"win_rate": "55.0%"},
    "winners above trades": {"losing_trades": "54"}, "payoff": {"payoff_ratio": "2.00"},
        "profit factor": {"profit_factor": "3.00"},
    "gross profit": {"profit_factor": "2.00"}, "loss floor stated as one quantity": {"validation_loss": "0.6400"},
    "epochs beyond the cap": {"epochs_run": "50"}, "parameters": {"parameters": "205,953"},
    "parameters of one layer": {"parameters_part/FC layer": "129"}, "class shares above one": {"class_share/b": "40%"},
    "percentiles": {"ic_percentile/5%": "0.01"}, "p-value": {"p_value": "0.036"},
        "prevalence": {"prevalence": "0.500"}, "t of a slope": {"t_statistic": "2.00"},
    "sessions beyond the calendar": {"sessions": "252"},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_wrong_figure_is_inconsistent_and_its_right_version_is_not(name: str) -> None:
    figures, group, wrong = WRONG[name]
    report = audit_claims(one_run(figures, group))
    verdict = report.verdict(wrong)
    assert verdict.arithmetic is Arithmetic.INCONSISTENT, verdict.arithmetic_because
    assert any(character.isdigit() for character in verdict.because)
    assert verdict.because.endswith(".")
    assert report.refuted
    right = audit_claims(one_run(figures | RIGHT[name], group))
    assert not right.refuted, [f.sentence for f in right.findings if f.arithmetic is Arithmetic.INCONSISTENT]


#: name -> (figures, context, figure, verdict on its substance).
SUBSTANCE: dict[str, tuple[dict[str, str], Group, str, Substance]] = {
    "majority class stated": (
        {"accuracy": "88.0%"},
        run_of(classes=(ClassShare("a", parse_print("90%")), ClassShare("b", parse_print("10%")))), "accuracy",
            Substance.EXPLAINED,
    ),
    "always up": ({"accuracy": "57.14%", "precision": "0.5714", "recall": "1.0000"}, run_of(), "accuracy",
        Substance.EXPLAINED),
    "one class only": (
        {"accuracy": "80%", "recall/a": "1.00", "recall/b": "0.00", "recall/c": "0.00"}, run_of(), "accuracy",
            Substance.EXPLAINED,
    ),
    "AUC of few cases": ({"auc": "0.5521"}, run_of(sample=Sample(n=28, n_positive=16)), "auc",
        Substance.NOT_SIGNIFICANT),
    "AUC of many cases": ({"auc": "0.75"}, run_of(sample=Sample(n=2000, n_positive=900)), "auc", Substance.SUPPORTED),
    "log loss above a coin": ({"log_loss": "0.7055"}, run_of(), "log_loss", Substance.EXPLAINED),
    "worse than a constant": ({"mape": "58.71%"}, run_of(target=RANGE), "mape", Substance.EXPLAINED),
    "worse than the last price": (
        {"mape": "8.98%"}, run_of(target=Target("price"), sample=Sample(horizon=2)), "mape", Substance.EXPLAINED,
    ),
    "returns that are levels": ({"r2": "0.9982", "rmse": "5.47"}, run_of(target=Target("return")), "r2",
        Substance.IMPLAUSIBLE),
    "short record": (
        {"sharpe": "1.00"}, run_of(sample=Sample(sessions=250)), "sharpe", Substance.NOT_SIGNIFICANT,
    ),
    "long record": ({"sharpe": "1.00"}, run_of(sample=Sample(sessions=2520)), "sharpe", Substance.SUPPORTED),
    "best of many": (
        {"sharpe": "1.00"}, run_of(sample=Sample(sessions=2520), portfolio=Portfolio(trials=200)), "sharpe",
        Substance.NOT_SIGNIFICANT,
    ),
    "foresight": ({"sharpe": "25.0"}, run_of(), "sharpe", Substance.IMPLAUSIBLE),
    "one asset, Sharpe 10": ({"sharpe": "10.67"}, run_of(portfolio=Portfolio(assets=1)), "sharpe",
        Substance.IMPLAUSIBLE),
    "signal and portfolio": ({"sharpe": "2.53", "icir": "1.40"}, run_of(), "icir", Substance.IMPLAUSIBLE),
    "signal and Sharpe a day": ({"sharpe": "0.2677", "icir": "0.3805"}, run_of(), "icir", Substance.NOT_JUDGED),
    "signal and a stated year": (
        {"sharpe": "0.2677", "icir": "0.3805"}, run_of(portfolio=Portfolio(periods_per_year=252)), "icir",
        Substance.IMPLAUSIBLE,
    ),
    "right more often than the correlation": ({"ic": "0.08", "hit_rate": "65%"}, run_of(), "ic", Substance.IMPLAUSIBLE),
    "share of days whose IC is positive": ({"ic": "0.020", "ic_std": "0.100", "hit_rate": "58.0%"}, run_of(),
        "hit_rate", Substance.NOT_JUDGED),
    "right on all of a few days": ({"ic": "0.8771", "hit_rate": "100.00%"}, run_of(), "ic", Substance.NOT_JUDGED),
    "loss floor, identification open": (
        {"validation_loss": "0.3231", "rank_ic": "0.120"},
        run_of(loss=LossFormula((LossTerm("one_minus_correlation", 0.7, "rank_ic"), LossTerm("huber", 0.3)))),
        "validation_loss", Substance.IMPLAUSIBLE,
    ),
    "never learned": ({"epochs_run": "6"}, run_of(schedule=Schedule(max_epochs=20, patience=5)), "epochs_run",
        Substance.EXPLAINED),
    "stopped before patience": (
        {"epochs_run": "6"}, run_of(schedule=Schedule(max_epochs=50, patience=10)), "epochs_run", Substance.IMPLAUSIBLE,
    ),
    "hit rate below what equal bets need": (
        {"sharpe": "4.00", "hit_rate": "55%"}, run_of(portfolio=Portfolio(equal_bets=True)), "sharpe",
            Substance.IMPLAUSIBLE,
    ),
    "cost of one-way turnover": (
        {"annual_return_gross": "18.0%", "annual_return": "15.5%", "turnover": "20%"},
        run_of(portfolio=Portfolio(rate_bps=5, turnover_kind="one-way")), "annual_return", Substance.IMPLAUSIBLE,
    ),
    "best epoch known": (
        {"epochs_run": "30"}, run_of(schedule=Schedule(max_epochs=100, patience=10, best_epoch=12)), "epochs_run",
        Substance.IMPLAUSIBLE,
    ),
    "file too small": ({"file_size": "~100 KB"}, run_of(architecture=LSTM), "file_size", Substance.IMPLAUSIBLE),
    "rows for the years": ({"sessions": "1000+"}, run_of(sample=Sample(years=2.0)), "sessions", Substance.IMPLAUSIBLE),
    "t of a correlation": (
        {"correlation": "0.50", "t_statistic": "4.50"}, run_of(sample=Sample(n=30)), "t_statistic",
            Substance.IMPLAUSIBLE,
    ),
    "loss beyond a drawdown, in log returns too": ({"total_return": "-55.0%", "max_drawdown": "40.0%"}, run_of(),
        "total_return", Substance.IMPLAUSIBLE),
    "loss beyond a drawdown, not in log returns": ({"total_return": "-50.0%", "max_drawdown": "40.0%"}, run_of(),
        "total_return", Substance.NOT_JUDGED),
    "worst day in money": ({"worst_day": "-$1,250", "max_drawdown": "8.4%"}, run_of(), "worst_day",
        Substance.NOT_JUDGED),
    "drawdown too small": (
        {"sharpe": "0.50", "annual_volatility": "20%", "max_drawdown": "-0.5%"}, run_of(sample=Sample(sessions=2520)),
        "max_drawdown", Substance.IMPLAUSIBLE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SUBSTANCE))
def test_substance_is_judged_and_never_called_inconsistent(name: str) -> None:
    figures, group, key, wanted = SUBSTANCE[name]
    report = audit_claims(one_run(figures, group))
    verdict = report.verdict(key)
    assert verdict.substance is wanted, verdict.substance_because
    assert not report.refuted
    if wanted is Substance.IMPLAUSIBLE:
        assert all(f.assumption for f in verdict.findings if f.substance is Substance.IMPLAUSIBLE)


#: Right figures that a careless check would accuse.
INNOCENT: dict[str, tuple[dict[str, str], Group]] = {
    "macro averages printed as precision, recall and F1": (
        {"accuracy": "0.85", "precision": "0.62", "recall": "0.60", "f1": "0.55"}, run_of(),
    ),
    "Sharpe less an unstated risk-free rate": (
        {"sharpe": "1.20", "annual_return": "15.0%", "annual_volatility": "10.0%"}, run_of(),
    ),
    "a Sharpe of monthly returns beside a daily volatility": (
        {"sharpe": "1.70", "annual_return": "15.0%", "annual_volatility": "10.0%"}, run_of(),
    ),
    "percentages without a"
    " sign": ({"accuracy": "91.3", "precision": "88.0", "recall": "93.0"}, run_of(classes=BINARY)),
    "IC printed in percent": ({"ic": "4.5"}, run_of()),
    "MAE in percent beside RMSE in currency": ({"mae": "2.1%", "rmse": "0.9"}, run_of()),
    "negated error of scikit-learn": ({"mae": "-1.20"}, run_of()),
    "win rate of days beside trades": ({"trades": "120", "win_rate": "53.1%"}, run_of()),
    "daily win rate beside winning"
    " trades": ({"winning_trades": "66", "losing_trades": "54", "win_rate": "53.1%"}, run_of()),
    "summed log returns beside a compounded drawdown": ({"total_return": "-150.0%", "max_drawdown": "77.7%"}, run_of()),
    "profit factor after costs": ({"winning_trades": "60", "losing_trades": "40", "average_win": "$100.00",
        "average_loss": "$50.00", "profit_factor": "2.70"}, run_of()),
    "expectancy after costs": ({"win_rate": "50.0%", "average_win": "$100.00", "average_loss": "-$104.00",
        "expectancy": "-$12.00"}, run_of()),
    "profit with income beside the trades": (
        {"gross_profit": "$10,000", "gross_loss": "$4,000", "total_profit": "$6,450"}, run_of()),
    "importances in percent of the strongest": (
        {"feature_importance/RSI": "100%", "feature_importance/MACD": "62%"}, run_of()),
    "drawdown without a sign, beyond one": ({"max_drawdown": "134%"}, run_of()),
    "mean over folds": (
        {"mse": "5.1", "rmse": "2.1"}, run_of(notes="mean over five folds"),
    ),
    "cut digits": ({"precision": "0.66", "recall": "0.66", "f1": "0.66"}, run_of(classes=BINARY)),
    "crypto sessions": (
        {"sessions": "366"},
        run_of(sample=Sample(start="2024-01-01", end="2024-12-31"), portfolio=Portfolio(periods_per_year=365)),
    ),
    "range of the training rows": (
        {"mae": "7.52", "r2": "0.1278"}, run_of(target=Target("price", parse_print("11.50"), parse_print("21.15"),
            "train")),
    ),
    "goal beside a result": ({"accuracy": "57.14%"}, run_of(sample=Sample(n=28))),
    "importance of features in raw units": ({"feature_importance/a": "0.8", "feature_importance/b": "0.7"}, run_of()),
    "MSE of scaled values beside RMSE in prices": ({"mse": "0.0012", "rmse": "3.05", "mae": "2.40"}, run_of()),
    "weighted averages": ({"accuracy": "80.22%", "precision": "80.26%", "recall": "80.22%", "f1": "80.22%"}, run_of()),
    "error below one percent": ({"mape": "0.8", "mae": "0.10"}, run_of(target=RANGE)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(INNOCENT))
def test_right_figures_in_unusual_conventions_are_not_accused(name: str) -> None:
    report = audit_claims(one_run(*INNOCENT[name]))
    assert not report.refuted, [f.sentence for f in report.findings if f.arithmetic is Arithmetic.INCONSISTENT]


def test_r2_against_another_mean_is_not_bounded_by_a_correlation() -> None:
    for definition, refuted in (("", True), ("out of sample, 1 − Σ(r−f)²/Σr²", False)):
        line = claim("c", "correlation", "0.05", definition="Pearson")
        rows = [claim("r", "r2", "0.40%", definition=definition), line]
        assert audit_claims(claim_set([Group("run")], rows)).refuted is refuted


def pair(relation: str, first: str, second: str, printed: str, metric: str = "accuracy") -> ClaimSet:
    rows = [
        claim("a", metric, first, at="before"),
        claim("b", metric, second, at="after"),
        claim("c", "multiple" if relation == "ratio" else "change", printed, relation=relation, inputs=("a", "b")),
    ]
    return claim_set([Group("run")], rows)


@pytest.mark.parametrize(
    ("relation", "first", "second", "printed", "metric", "holds"),
    [
        ("change", "59.1%", "91.3%", "54%", "accuracy", True),
        ("change", "59.1%", "91.3%", "+32.2%", "accuracy", True),
        ("change", "59.1%", "91.3%", "61%", "accuracy", False),
        ("change", "0.74", "0.954", "-29%", "f1", False),
        ("reduction", "172,720", "8,549", "95%", "loss_gap", True),
        ("reduction", "172,720", "8,549", "85%", "loss_gap", False),
        ("ratio", "253.35", "8,802.48", "35×", "train_loss", True),
        ("ratio", "2,839.81", "175,560.08", "60×", "train_loss", True),
        ("ratio", "253.35", "8,802.48", "45×", "train_loss", False),
        ("ratio", "0.0", "2.3", "3,323.9", "sharpe", True),
        ("change", "-4.05", "1.50", "137%", "sharpe", True),
    ],
)
def test_derived_figures_in_every_reading(
    relation: str, first: str, second: str, printed: str, metric: str, holds: bool
) -> None:
    verdict = audit_claims(pair(relation, first, second, printed, metric)).verdict("c")
    assert (verdict.arithmetic is not Arithmetic.INCONSISTENT) is holds, verdict.because


def test_one_quantity_printed_twice_with_two_values() -> None:
    rows = [claim("a", "mae", "1.20", source_line=3), claim("b", "mae", "1.35", source_line=9)]
    report = audit_claims(claim_set([Group("run")], rows))
    assert report.verdict("b").arithmetic is Arithmetic.INCONSISTENT
    assert "lines 3 and 9" in report.verdict("b").because
    # Nobody has confirmed the groups of a draft, and other definitions are other quantities.
    draft = audit_claims(claim_set([Group("run")], rows, draft=True))
    assert not draft.refuted
    assert draft.verdict("b").arithmetic is Arithmetic.CHECK
    apart = [rows[0], claim("b", "mae", "1.35", definition="of log prices")]
    assert (
        audit_claims(claim_set([Group("run")], [claim("a", "mae", "1.20", definition="of prices"), apart[1]]))
        .verdict("b")
        .arithmetic
        is not Arithmetic.INCONSISTENT
    )


def test_figures_of_different_runs_never_contradict_each_other() -> None:
    rows = [
        claim("a", "precision", "0.50", "one", label="up"),
        claim("b", "recall", "0.60", "two", label="up"),
        claim("c", "f1", "0.90", "one", label="up"),
        claim("d", "mae", "3.0", "one", split="test"),
        claim("e", "rmse", "2.0", "one", split="train"),
    ]
    assert not audit_claims(claim_set([Group("one"), Group("two")], rows)).refuted


def test_goals_are_not_judged() -> None:
    rows = [claim("a", "accuracy", "57.14%"), claim("b", "accuracy", "> 65%", target=True)]
    report = audit_claims(claim_set([Group("run")], rows))
    assert report.verdict("b").arithmetic is Arithmetic.NOT_CHECKABLE
    assert report.verdict("b").substance is Substance.NOT_JUDGED


def test_a_coarser_print_of_an_inconsistent_figure_is_not_accused() -> None:
    rows = [
        claim("p", "precision", "0.5000", label="up"), claim("r", "recall", "0.6000", label="up"),
        claim("f", "f1", "0.5461", label="up"), claim("g", "f1", "0.55", label="up"),
    ]  # fmt: skip
    report = audit_claims(claim_set([Group("run")], rows))
    assert report.verdict("f").arithmetic is Arithmetic.INCONSISTENT
    assert report.verdict("g").arithmetic is not Arithmetic.INCONSISTENT


def test_the_gravest_finding_speaks_and_the_axes_stay_apart() -> None:
    one = claim("a", "sharpe", "2.0")
    findings = (
        Finding("x", ("a",), "fits 1.", Arithmetic.CONSISTENT, weight=1),
        Finding("y", ("a",), "fits 2.", Arithmetic.CONSISTENT, weight=5),
        Finding("z", ("a",), "weak 3.", substance=Substance.NOT_SIGNIFICANT),
        Finding("w", ("a",), "doubt 4.", substance=Substance.IMPLAUSIBLE, assumption="daily"),
        Finding("v", ("b",), "other 5.", Arithmetic.INCONSISTENT),
    )
    verdict = combine(one, findings)
    assert (verdict.arithmetic, verdict.substance) == (Arithmetic.CONSISTENT, Substance.IMPLAUSIBLE)
    assert verdict.arithmetic_because == "fits 2."
    assert verdict.because == "doubt 4."
    with pytest.raises(InputError, match="without the assumption"):
        Finding("w", ("a",), "doubt.", substance=Substance.IMPLAUSIBLE)


def test_a_figure_rests_on_the_finding_that_speaks_about_its_source() -> None:
    """Of equally heavy findings the first, in `combine` and in what a derived figure inherits."""
    claims = claim_set([Group("run")], [
        claim("a", "accuracy", "0.5"), claim("b", "accuracy", "0.6"),
        claim("c", "change", "20%", relation="change", inputs=("a", "b")),
    ])  # fmt: skip
    findings = [Finding(name, ("b",), f"by {name}", substance=Substance.EXPLAINED, weight=weight)
                for name, weight in (("light", 0), ("first", 1), ("second", 1))]  # fmt: skip
    source = claims.claim("b")
    assert source is not None
    assert combine(source, tuple(findings)).because == "by first"
    assert [finding.sentence for finding in _inherited(claims, findings)] == ["it rests on accuracy 0.6: by first"]


@pytest.mark.parametrize(("inputs", "words"), [(1, "on 1 input per step"), (14, "on 14 inputs per step")])
def test_inputs_per_step_are_counted_in_words(inputs: int, words: str) -> None:
    architecture = Architecture((Layer("lstm", 8), Layer("dense", 1)), inputs, "torch")
    report = audit_claims(one_run({"parameters": "999"}, run_of(architecture=architecture)))
    assert words in report.verdicts[0].because


def test_an_empty_set_and_an_unknown_claim() -> None:
    report = audit_claims(claim_set([], []))
    assert report.verdicts == ()
    with pytest.raises(InputError, match="no claim"):
        report.verdict("a")


@pytest.mark.parametrize(
    ("definition", "mean", "std", "holds"),
    [
        ("number of trades a day", "2.55", "0.10", False),
        ("number of trades a day", "2.50", "1.08", True),
        ("share of up days, a binary variable", "0.60", "0.52", True),
        ("share of up days, a binary variable", "0.60", "0.30", False),
        ("return a day", "2.55", "0.10", True),
    ],
)
def test_means_and_deviations_of_whole_numbers(definition: str, mean: str, std: str, holds: bool) -> None:
    rows = [claim("m", "mean", mean, definition=definition), claim("s", "std", std)]
    report = audit_claims(claim_set([Group("run", sample=Sample(n=10))], rows))
    assert report.refuted is not holds
