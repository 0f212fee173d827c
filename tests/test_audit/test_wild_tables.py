"""Tables as reports in the wild have them: which run a row or column is of, and what a change compares."""

from __future__ import annotations

import pytest

from assay.audit.claims.model import Claim
from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims


def table(*rows: str) -> str:
    """A Markdown table from rows of cells separated by blanks and bars."""
    head, *body = rows
    rule = "|" + "---|" * (head.count("|") + 1)
    return "# R\n\n" + "\n".join([f"| {head} |", rule, *(f"| {row} |" for row in body)]) + "\n"


def claims(text: str) -> tuple[Claim, ...]:
    return draft_claims(text).claims.claims


def placed(text: str) -> list[tuple[str, str, str, str, str, str]]:
    return [(c.metric, c.printed, c.group, c.split, c.label, c.at) for c in claims(text)]


def verdicts(text: str) -> dict[str, tuple[str, str]]:
    audit = audit_claims(draft_claims(text).claims)
    return {v.claim.printed: (str(v.arithmetic), str(v.substance)) for v in audit.verdicts}


def test_a_column_of_losses_is_no_label_and_epochs_are_positions() -> None:
    text = table("Training Loss | Epoch | Step | Validation Loss | Accuracy", "0.5500 | 1.0 | 500 | 0.4639 | 0.7729")
    assert placed(text) == [
        ("train_loss", "0.5500", "main", "train", "", "epoch 1"),
        ("validation_loss", "0.4639", "main", "validation", "", "epoch 1"),
        ("accuracy", "0.7729", "main", "", "", "epoch 1"),
    ]


def test_a_column_of_splits_tells_splits_apart() -> None:
    text = table("Model | Split | Acc", "rf | train | 0.71", "rf | test | 0.55")
    assert [(group, split) for _, _, group, split, _, _ in placed(text)] == [("rf", "train"), ("rf", "test")]
    assert not draft_claims(text).notes


def test_an_index_column_names_nothing() -> None:
    text = table(" | ticker | sharpe", "0 | AAPL | 0.51", "1 | MSFT | 0.71")
    assert [(group, at) for _, _, group, _, _, at in placed(text)] == [("aapl", ""), ("msft", "")]


def test_one_metric_in_two_columns_is_of_two_data_sets() -> None:
    text = table("Method | ACL18 ACC (%) | KDD17 ACC (%)", "MLP | 86.14 | 85.71")
    assert [group for _, _, group, _, _, _ in placed(text)] == ["mlp / acl18", "mlp / kdd17"]


def test_metrics_may_stand_in_a_column_of_their_own() -> None:
    text = table("Model | Metric | Value", "rf | Accuracy | 0.61", "mlp | F1 | 0.58")
    assert [(m, p, g) for m, p, g, _, _, _ in placed(text)] == [("accuracy", "0.61", "rf"), ("f1", "0.58", "mlp")]


def test_a_column_of_deviations_is_no_second_accuracy() -> None:
    text = table(" | Mean | Std", "Accuracy | 0.7348 | 0.1337")
    assert [(m, label) for m, _, _, _, label, _ in placed(text)] == [("accuracy", ""), ("std", "accuracy")]


def test_a_row_for_all_years_is_of_no_year() -> None:
    text = table("Year | Return | Sharpe", "2018 | -2.5% | -0.01", "2019 | 27.3% | 1.75", "**All** | 24.1% | 0.85")
    assert [(m, at) for m, _, _, _, _, at in placed(text)] == [
        ("total_return", "year 2018"), ("sharpe", "year 2018"), ("total_return", "year 2019"),
        ("sharpe", "year 2019"), ("total_return", ""), ("sharpe", ""),
    ]  # fmt: skip


def test_a_row_of_weighted_averages_in_spanish_is_of_the_same_run() -> None:
    text = table("Clase | Precisión | F1", "Vender | 0,58 | 0,59", "Promedio ponderado | 0,63 | 0,62")
    last = [(m, g) for m, _, g, _, _, _ in placed(text)][2:]
    assert last == [("precision_weighted", "main"), ("f1_weighted", "main")]


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ("Accuracy | 0.8387 | 0.7762 | -0.0625 | -7.5%", ""),
        ("Sharpe | 0.67 | 1.98 | +1.31 | +197.0%", ""),
        ("Max drawdown | -17.1% | -29.8% | -12.7 pp | +73.9%", ""),
        ("Accuracy | 51.2% | 53.1% | +1.9 | +3.7%", ""),
        ("Sharpe | 0.67 | 1.98 | +1.41 | +197.0%", "+1.41"),
        ("Sharpe | 0.67 | 1.98 | +1.31 | +97.0%", "+97.0%"),
    ],
)
def test_a_difference_is_no_figure_of_the_metric_and_is_recomputed(row: str, wrong: str) -> None:
    text = table("Metric | Control | Treatment | Δ | Relative change", row)
    assert [c.metric in ("difference", "change") for c in claims(text)] == [False, False, True, True]
    accused = [printed for printed, (arithmetic, _) in verdicts(text).items() if arithmetic == "inconsistent"]
    assert accused == ([wrong] if wrong else [])


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ("MAE | 2.00 | 1.50 | +25.0%", False),
        ("MAE | 2.00 | 1.50 | 25.0%", False),
        ("MAE | 2.00 | 1.50 | +35.0%", True),
        ("Sharpe | 0.5 | 1.2 | +0.7", False),
        ("Max drawdown | -30.0% | -20.0% | +33.3%", False),
    ],
)
def test_an_improvement_of_an_error_is_its_fall(row: str, wrong: bool) -> None:
    printed = row.split(" | ")[-1]
    found = verdicts(table("Metric | Baseline | Ours | Improvement", row))[printed]
    assert (found[0] == "inconsistent") == wrong


def test_a_change_between_columns_that_nothing_orders_is_read_either_way() -> None:
    text = table("Metric | XGB | LSTM | Change", "MAE | 2.00 | 2.50 | -20.0%", "Accuracy | 0.500 | 0.550 | +10.0%")
    assert all(arithmetic != "inconsistent" for arithmetic, _ in verdicts(text).values())


def test_averaged_scores_do_not_obey_what_single_ones_do() -> None:
    rows = ["a | 1.00 | 1.000", "b | 3.00 | 9.000", "c | 5.00 | 25.000", "Average | 3.00 | 11.667"]
    found = verdicts(table("Ticker | RMSE | MSE", *rows))
    assert all(arithmetic != "inconsistent" for arithmetic, _ in found.values())


def test_a_portfolio_called_max_sharpe_is_no_column_of_sharpe_ratios() -> None:
    measures = ["Annualized return | 4.69% | 8.15% | 9.80%", "Sharpe | 0.2 | 0.3 | 0.6"]
    text = table("Measure | HRP | Max Sharpe | S&P 500", *measures)
    assert [(m, g) for m, _, g, _, _, _ in placed(text)] == [
        ("annual_return", "hrp"), ("annual_return", "max sharpe"), ("annual_return", "s&p 500"),
        ("sharpe", "hrp"), ("sharpe", "max sharpe"), ("sharpe", "s&p 500"),
    ]  # fmt: skip
    wealth = table("Measure | HRP | Max Sharpe | S&P 500", *measures, "Final wealth ($1) | 1.2 | 7.1 | 1.4")
    assert [m for m, *_ in placed(wealth)].count("sharpe") == 3
    rows = table("Portfolio | Return | Sharpe", "Max Sharpe | 9% | 0.9", "Min volatility | 5% | 0.8")
    assert {g for _, _, g, _, _, _ in placed(rows)} == {"max sharpe", "min volatility"}


def test_rows_of_statistics_under_coefficients_are_statistics() -> None:
    rows = ["Mean | 0.030 | 0.028", "Std | 0.11 | 0.10", "IR | 0.273 | 0.28", "t-stat | 6.14 | 6.3"]
    rows += ["% > 0 | 61% | 60%"]
    text = table(" | IC | Rank IC", *rows)
    assert [m for m, *_ in placed(text)] == [
        "ic", "rank_ic", "ic_std", "ic_std", "icir", "rank_icir", "ic_t", "ic_t",
        "ic_positive_share", "ic_positive_share",
    ]  # fmt: skip


def test_scaled_and_monthly_figures_are_of_runs_of_their_own() -> None:
    rows = ["MSE (scaled) | 0.000865", "RMSE | $4.02", "Sharpe (monthly) | 0.377", "Sharpe | 1.31"]
    text = table("Metric | Value", *rows)
    assert {(m, g, a) for m, _, g, _, _, a in placed(text)} == {
        ("mse", "scaled", ""), ("rmse", "main", ""), ("sharpe", "main", "monthly"), ("sharpe", "main", ""),
    }  # fmt: skip
    assert {substance for _, substance in verdicts(text).values()} <= {"not judged", "not significant"}


def test_rows_of_other_statistics_are_not_the_column_s_figure() -> None:
    rows = ["Mean | 0.031 | 0.62", "Median | 0.029 | 0.61", "Kurt | 3.20 | 7.9", "count | 752 | 752"]
    rows += ["25% | 0.01 | 0.5"]
    text = table("Statistic | IC | Accuracy", *rows)
    assert [(m, p) for m, p, *_ in placed(text)] == [("ic", "0.031"), ("accuracy", "0.62")]
    assert all(arithmetic != "inconsistent" for arithmetic, _ in verdicts(text).values())


def test_a_column_of_excess_over_a_benchmark_has_no_sharpe_ratio() -> None:
    rows = ["年化收益率 | 9.1% | 22.3% | -13.24%", "年化波动率 | 15% | 20% | 5.10%", "夏普比率 | 0.61 | 1.1 | 0.80"]
    text = table(" | 策略 | 沪深300 | 超额", *rows)
    assert [m for m, _, g, *_ in placed(text) if "超额" in g] == ["excess_return", "information_ratio"]
    assert all(arithmetic != "inconsistent" for arithmetic, _ in verdicts(text).values())


def test_epochs_of_a_table_of_settings_are_the_cap() -> None:
    text = table("Property | Value", "Epochs | 100 (early stopping at epoch 33)", "Best epoch | 27", "Patience | 6")
    assert ("max_epochs", "100") in [(m, p) for m, p, *_ in placed(text)]
    assert {substance for _, substance in verdicts(text).values()} <= {"not judged"}


def test_a_mean_of_ratios_is_no_ratio_of_means() -> None:
    text = "# R\n\nAveraged over 5 seeds: Sharpe 1.90, annual return 10.0%, volatility 10.0%,"
    text += " max drawdown -10.0%, Calmar 2.1.\n"
    assert {substance for _, substance in verdicts(text).values()} <= {"not judged", "not significant"}
    assert all(arithmetic != "inconsistent" for arithmetic, _ in verdicts(text).values())


def test_numbered_rows_of_scores_are_classes() -> None:
    rows = ["0 | 0.55 | 0.60 | 0.57", "1 | 0.52 | 0.47 | 0.49"]
    text = table(" | Precision | Recall | F1", *rows) + "\nMacro F1: 0.61\n"
    assert [label for _, _, _, _, label, _ in placed(text)] == ["0"] * 3 + ["1"] * 3 + [""]
    assert verdicts(text)["0.61"][0] == "check the reading"


def test_a_table_none_of_whose_lines_can_be_read_says_nothing():
    assert draft_claims("[" * 9_000, source="a", form="csv").claims.claims == ()


def test_a_cell_that_spans_rows_names_each_of_them() -> None:
    spanned = "<table><tr><th></th><th></th><th>lr</th><th>lstm</th></tr>{}</table>".format(
        "".join(
            f'<tr><th rowspan="2">{name}</th><th>MAE</th><td>3.2</td><td>2.9</td></tr>'
            "<tr><th>MAPE</th><td>3.8</td><td>3.6</td></tr>"
            for name in ("CVX", "XOM")
        )
    )
    assert [(metric, shown, group) for metric, shown, group, *_ in placed(spanned)] == [
        (metric, shown, f"{name} / {model}")
        for name in ("cvx", "xom")
        for metric, shown, model in [
            ("mae", "3.2", "lr"), ("mae", "2.9", "lstm"), ("mape", "3.8", "lr"), ("mape", "3.6", "lstm")
        ]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "groups"),
    [
        (("Pair | Method | Sharpe", "KBE | OLS | 0.35", " | Kalman | 0.19"), ["kbe / ols", "kbe / kalman"]),
        (("mode | volume | Sharpe", "bars | THIN | 0.5", "bars | HEAVY | 0.6"), ["bars / thin", "bars / heavy"]),
        (("Date | Run | Sharpe", "2026-02-05 | p_v5_h5 | 0.5", "2026-02-05 | p_v6_h5 | 0.6"), ["p v5 h5", "p v6 h5"]),
    ],
)  # fmt: skip
def test_a_row_is_named_by_as_many_cells_as_tell_it_from_the_others(rows: tuple[str, ...], groups: list[str]) -> None:
    assert [claim.group for claim in claims(table(*rows))] == groups


def test_the_drawdown_of_a_day_of_a_curve_is_no_maximum() -> None:
    curve = '[{"date": "20200316", "nav": 7584.75, "drawdown": -0.25}, {"sharpe": 1.2, "drawdown": -0.31}]'
    assert [(c.metric, c.printed) for c in draft_claims(curve, form="json").claims.claims] == [
        ("sharpe", "1.2"), ("max_drawdown", "-0.31"),
    ]  # fmt: skip
    assert [shown for _, shown, *_ in placed(table("Date | Equity | Drawdown", "2020-03-16 | 7584.75 | -25%"))] == []


def test_columns_of_a_baseline_and_of_another_are_kept_apart_below_a_heading_that_names_one() -> None:
    text = table("Strategy | Baseline Sharpe | Optimized Sharpe", "trend | 1.0 | 1.34")
    drafted = claims(text.replace("# R", "# R\n\n## Baseline summary"))
    assert [(c.printed, c.group) for c in drafted] == [("1.0", "trend / baseline"), ("1.34", "trend")]
