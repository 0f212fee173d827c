"""Names and prints as reports in the wild have them: what is read, and above all what is not."""

from __future__ import annotations

import time

import pytest

from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims
from assay.audit.read.tokens import scan_line


def read(text: str, form: str = "") -> list[tuple[str, str]]:
    """Metric and print of every claim drafted, the intervals and spreads around them left out."""
    around = ("interval", "spread")
    return [(c.metric, c.printed) for c in draft_claims(text, form=form).claims.claims if c.metric not in around]


def accused(text: str, form: str = "") -> list[tuple[str, str, str]]:
    verdicts = audit_claims(draft_claims(text, form=form).claims).verdicts
    return [(v.claim.metric, v.claim.printed, v.because) for v in verdicts if str(v.arithmetic) == "inconsistent"]


@pytest.mark.parametrize(
    "line",
    [
        "Max consecutive wins: 7",
        "Avg. Drawdown [%]: -3.4",
        "Trades per year: 41.2",
        "Deflated Sharpe Ratio: 0.33",
        "Prob. Sharpe Ratio: 87.1%",
        "Average precision: 0.61",
        "PR-AUC: 0.58",
        "Top-5 accuracy: 0.91",
        "Adjusted R²: 0.44",
        "Median absolute error: 2.61",
        "Total open trades: 1",
        "Daily win rate: 53.1%",
        "Commission paid: 1,234.50",
        "Best params: lr=0.00123",
    ],
)
def test_a_name_that_holds_a_metric_s_name_is_not_that_metric(line: str) -> None:
    assert read(f"# R\n\n- Accuracy: 61.0%\n- {line}\n") == [("accuracy", "61.0%")]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("Ratio Avg Win / Avg Loss: 1.64", "payoff_ratio"),
        ("Max. Drawdown Duration: 112 days", "drawdown_duration"),
        ("Avg Winning Trade: 222.57", "average_win"),
        ("Risk-Adjusted IC: 0.105", "icir"),
        ("Ann. return: 9.8%", "annual_return"),
        ("Dir. acc.: 53.1%", "hit_rate"),
        ("Monthly volatility: 2.83%", "return_std"),
        ("Genauigkeit: 79.3%", "accuracy"),
        ("Volatilität p. a.: 14.7%", "annual_volatility"),
        ("Rendement annualisé: 8.1%", "annual_return"),
        ("Rappel: 70.2%", "recall"),
        ("Total closed trades: 22", "trades"),
    ],
)
def test_names_of_the_wild_are_known(line: str, wanted: str) -> None:
    assert [metric for metric, _ in read(f"# R\n\n- {line}\n")] == [wanted]


def test_wins_in_a_row_are_no_count_of_winners() -> None:
    text = "# R\n\n- Trades: 100\n- Win rate: 55.0%\n- Max consecutive wins: 7\n- Max consecutive losses: 5\n"
    assert accused(text) == []


def test_four_digits_a_point_and_five_are_a_figure_unless_something_says_arxiv() -> None:
    assert [(t.text, t.kind) for t in scan_line("End Value  8752.40942")] == [("8752.40942", "number")]
    assert [t.kind for t in scan_line("see 2401.01234v2 and (2401.01234)")] == ["name", "name"]


def test_the_ends_of_an_interval_are_no_figures_of_the_metric() -> None:
    text = "# R\n\nSharpe 1.04 [-1.58, 0.02] over 1046 days, AUC 0.61 (0.55-0.67), accuracy 0.58 (95% CI 0.52, 0.64).\n"
    assert read(text) == [("sharpe", "1.04"), ("auc", "0.61"), ("accuracy", "0.58")]


def test_from_to_belongs_to_the_metric_of_its_own_clause() -> None:
    text = "# R\n\nMAE 3.10, max error 15.1. Median loss 2.68; prices range from 72.04 to 127.59.\n"
    assert read(text) == [("mae", "3.10"), ("max_error", "15.1")]


def test_a_figure_before_its_spread_belongs_to_the_name_behind_it() -> None:
    assert read("# R\n\nIt reaches 73.5% ± 12.0% accuracy.\n") == [("accuracy", "73.5%")]


@pytest.mark.parametrize(("print_", "wrong"), [("+197%", False), ("+196%", False), ("+96%", True), ("197%", False)])
def test_the_change_in_brackets_behind_from_to_is_of_those_two(print_: str, wrong: bool) -> None:
    found = accused(f"# R\n\nThe Sharpe ratio moves from 0.67 to 1.98 ({print_}).\n")
    assert [metric for metric, _, _ in found] == (["change"] if wrong else [])


def test_a_line_of_several_splits_keeps_them_apart() -> None:
    text = "# R\n\nTraining accuracy: 0.71 | Validation accuracy: 0.66 | Test accuracy: 0.57\n\n"
    text += "It has 70.6% accuracy on the training set.\n\n* **In-sample:** AUC 0.76\n* **Out-of-sample:** AUC 0.61\n"
    found = [(c.metric, c.split) for c in draft_claims(text).claims.claims]
    assert found == [
        ("accuracy", "train"), ("accuracy", "validation"), ("accuracy", "test"), ("accuracy", "train"),
        ("auc", "train"), ("auc", "test"),
    ]  # fmt: skip


def test_dots_lead_from_a_label_to_its_figure_and_a_share_of_winners_is_no_count() -> None:
    text = "Trades............ 101\nWinning trades.... 41 (40.6%)\nMax consec. wins.. 7\n"
    assert read(text, "txt") == [("trades", "101"), ("winning_trades", "41"), ("win_rate", "40.6%")]


def test_what_a_metric_is_measured_on_is_no_metric_of_the_figure() -> None:
    assert read("# R\n\nR² on daily returns 0.38, hit rate of trades 55%.\n") == [("r2", "0.38"), ("hit_rate", "55%")]


@pytest.mark.parametrize(
    "line",
    ["Class distribution: Sell 92.4%, Hold 4.1%, Buy 3.5%.", "- **Class balance**: 92.4% sell / 4.1% hold / 3.5% buy"],
)
def test_classes_listed_with_their_shares_give_the_majority_baseline(line: str) -> None:
    first = "- Accuracy: 91.3%\n" if line[0] == "-" else "The model reaches 91.3% accuracy. "
    text = f"# R\n\n{first}{line}\n"
    draft = draft_claims(text)
    assert [(c.metric, c.label.lower()) for c in draft.claims.claims] == [
        ("accuracy", ""), ("class_share", "sell"), ("class_share", "hold"), ("class_share", "buy"),
    ]  # fmt: skip
    verdicts = {v.claim.printed: v for v in audit_claims(draft.claims).verdicts}
    assert str(verdicts["91.3%"].substance) == "explained by a baseline"
    assert [finding.assumption for finding in verdicts["91.3%"].findings if finding.substance]


def test_points_and_falls_are_changes_and_last_week_is_another_run() -> None:
    text = "# R\n\nAccuracy: 52.1% (majority baseline 60.5%, -8.4 pp)\n\n"
    text += "Accuracy is 66.2%, F1 = 0.69. Previous week: accuracy 53.1%, F1 0.51.\n"
    found = [(c.metric, c.printed, c.group) for c in draft_claims(text).claims.claims]
    assert all(printed != "-8.4 pp" for _, printed, _ in found)  # of no two figures that are known
    assert ("accuracy", "53.1%", "previous") in found
    assert ("f1", "0.51", "previous") in found
    assert accused(text) == []


@pytest.mark.parametrize(("fall", "wrong"), [("15%", []), ("25%", ["25%"])])
def test_each_change_of_a_sentence_is_of_the_pair_beside_it(fall: str, wrong: list[str]) -> None:
    text = f"It lifts accuracy from 52.1% to 56.3%, an 8.1% improvement, and reduces MAE by {fall} (from 2.00 to 1.70)."
    assert [printed for _, printed, _ in accused(f"# R\n\n{text}\n")] == wrong


@pytest.mark.parametrize(
    ("heading", "split"),
    [("2.2 Validation", "validation"), ("Validation metrics (2023)", "validation"),
     ("Validation results", "validation"),
     ("Phase 2 Validation", ""), ("Validation Goals", ""), ("Complete Validation Report", "")],
)  # fmt: skip
def test_what_is_validated_is_no_split(heading, split):
    assert [claim.split for claim in draft_claims(f"## {heading}\n\n- Sharpe: 1.31\n").claims.claims] == [split]


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("- BTC: Sharpe 1.2, drawdown 8%\n- ETH: Sharpe 1.1, drawdown 9%", ["btc", "btc", "eth", "eth"]),
        ("Buy & Hold: CAGR 1.55%, Sharpe 0.13", ["buy & hold"] * 2),
        ("- no\n  - `book`\n    - CAGR = 29%\n  - `sale`\n    - CAGR = 9%\n\n- Sharpe: 1.2", ["book", "sale", "main"]),
        ("```\nOLS win_rate: 0.45\nKalman win_rate: 0.45\nKalman trades: 11\n```", ["ols", "kalman", "kalman"]),
    ],
)  # fmt: skip
def test_items_and_the_words_of_labels_name_runs(text: str, groups: list[str]) -> None:
    assert [claim.group for claim in draft_claims(f"# R\n\n{text}\n").claims.claims] == groups


@pytest.mark.parametrize(
    "line",
    ["- 50개 가설 중 최고를 선택해도 Sharpe", '<input id="x" step="0.0001" placeholder="0.12: drawdown of 12%">'],
)
def test_neither_words_of_another_script_nor_attributes_of_tags_link_a_figure(line: str) -> None:
    assert read(line) == []


def test_keys_count_winners_and_keep_their_digits() -> None:
    text = '{"1_candle": {"winning_trade_count": 4, "trades": 9}, "4_candle": {"trades": 9}}'
    drafted = draft_claims(text, form="json").claims.claims
    assert [(c.metric, c.group) for c in drafted] == [
        ("winning_trades", "1 candle"), ("trades", "1 candle"), ("trades", "4 candle"),
    ]  # fmt: skip


def placed(text: str) -> list[tuple[str, str, str, bool]]:
    """Print, run, split and whether it is an aim, of every claim drafted."""
    return [(c.printed, c.group, c.split, c.target) for c in draft_claims(text).claims.claims]


def test_an_example_is_a_run_of_its_own_that_is_no_result_unless_it_repeats_one() -> None:
    results = "# R\n\n## Results\n\n- Sharpe ratio: 1.314\n- Max drawdown: -18.43%\n\n"
    drafted = draft_claims(results + "## Example output\n\n- Sharpe ratio: 2.5\n").claims
    assert [group.stage for group in drafted.groups] == ["", "an example, no result"]
    repeated = draft_claims(results + "## Example\n\n- Sharpe ratio: 1.314\n- Max drawdown: -18.43%\n").claims
    assert [(group.name, group.stage) for group in repeated.groups] == [("main", "")]


@pytest.mark.parametrize(
    "line",
    [
        "Eject tickers with <40% win rate after 20 trades",
        "If the win rate falls below 70%, raise the bar",
        "Sharpe > 1: good",
        "Leverage: 3x",
        "Entry z-score: 2.1",
        "Tuning the lookback saves 60% of cost",
        "Win rate: 45-55%",
        "Sharpe ratio: 1.5+",
    ],
)
def test_conditions_definitions_and_settings_are_not_read(line: str) -> None:
    assert read(f"# R\n\n- {line}\n") == []


def test_a_bound_is_an_aim_where_one_is_stated_and_what_stands_before_its_arrow_is_not_known() -> None:
    text = "# R\n\n## Success criteria\n\n- Win rate ≥ 55%\n- Sharpe: 1.2 → 1.8\n\n### Results\n\n- Win rate: 53%\n"
    assert [(printed, aim) for printed, _, _, aim in placed(text)] == [("≥ 55%", True), ("1.8", True), ("53%", False)]


def test_columns_of_aims_are_told_apart_and_the_present_one_is_none() -> None:
    header = "| Metric | Current | Baseline Target | Agentic Target |\n|---|---|---|---|\n"
    drafted = placed(f"# R\n\n## Targets\n\n{header}| Win rate | 48% | 50% | 65% |\n")
    assert [(group, aim) for _, group, _, aim in drafted] == [
        ("main", False), ("baseline / target", True), ("agentic / target", True),
    ]  # fmt: skip


def test_a_numbered_test_is_no_split_and_a_heading_with_a_setting_s_word_names_its_run() -> None:
    text = "# R\n\n### Momentum 3900\n\n| Run | Win rate |\n|---|---|\n| Test 3 | 50.0% |\n"
    assert placed(text) == [("50.0%", "momentum 3900 / test 3", "", False)]


@pytest.mark.parametrize(
    "text",
    [
        "- Example: return -15 bps, costs 7 bps",
        "- Inputs use the excess kurtosis (`normal = 0`)",
        "- P-value: < 0.05 indicates a difference",
        "- A win would only produce `1W / 2L = 33.3%` of wins",
        "| f | med maxDD |\n|---|---|\n| 0.1% | 2.6% |",
        "- Checks the price range ($0.20-$5.00 default)",
        "- Missing symbols default to 0 correlation",
        "- The null of a daily AUC is centred on `null_value=0.5`",
        "- Use a confidence threshold of 0.55",
        "| GPU | Epoch |\n|---|---|\n| A | 180s |",
    ],
)
def test_suppositions_code_and_statistics_of_others_are_not_read(text: str) -> None:
    assert read(f"# R\n\n{text}\n") == []


def test_what_is_known_or_met_among_aims_is_none_and_an_impact_is_a_change() -> None:
    text = "- **Baseline:** 45-55% win rate\n- Sample size: 30 (exceeds the minimum)\n"
    text += "- More training time (5,000 steps)\n\n**Expected impact**:\n- Max drawdown: -0.5%\n"
    text += "- Win rate: +10-15%\n- **+15-20% win rate**\n"
    drafted = placed(f"# R\n\n## Goals\n\n{text}")
    assert drafted == [("30", "main", "", False)]  # a range that is no stated aim is left


def test_what_is_to_be_reached_is_an_aim_and_a_heading_of_two_splits_names_none() -> None:
    assert placed("# R\n\n- Validate 75-85% win rate\n") == [("75-85%", "target", "", True)]
    assert placed("## Expected win rate\n\n- Win rate: 61%\n") == [("61%", "target", "", True)]
    assert placed("# R\n\n## In-sample vs. out-of-sample\n\n- Sharpe: 1.31\n") == [("1.31", "main", "", False)]
    table = "| Mode | Win rate | Trades |\n|---|---|---|\n| Weighted (70%) | 54.2% | 24 |\n"
    assert [group for _, group, _, _ in placed(f"# R\n\n{table}")] == ["weighted (70%)"] * 2


def test_a_line_between_rules_names_the_lines_below_it() -> None:
    text = "```\n=== Net ===\nSharpe: 1.0\n===========\n Trend book\n===========\nSharpe: 1.4\n```\n"
    assert [(c.printed, c.group) for c in draft_claims(text).claims.claims] == [("1.0", "main"), ("1.4", "trend book")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("- Fold 3: accuracy 0.91", "fold 3"),
        ("- 2019: Sharpe 1.29", "2019"),
        ("- Q1 2020: Sharpe 1.1", "q1 2020"),
        ("```\n2018: ann.Sharpe  2.311\n```", "2018"),
    ],
)
def test_a_label_of_a_date_or_a_fold_is_a_position(text: str, shown: str) -> None:
    assert [claim.at for claim in draft_claims(f"# R\n\n{text}\n").claims.claims] == [shown]


@pytest.mark.parametrize(
    "text",
    [
        '{"trades": [{"side": "long", "entry_price": 5, "pnl": 12}]}',
        '{"mfe": 0.02, "mae": -0.01}',
        "```python\nmetrics = {'sharpe': 1.2}\n```",
        "```yaml\nsharpe: 1.2\n```",
    ],
)
def test_trades_programs_and_settings_state_no_results(text: str) -> None:
    assert read(text, "json" if text.startswith("{") else "") == []


def test_what_an_interface_answers_is_an_example() -> None:
    drafted = draft_claims('# R\n\n## API\n\n```json\n{"sharpe": 1.2}\n```\n').claims
    assert [group.stage for group in drafted.groups] == ["an example, no result"]


def test_years_as_keys_are_positions_and_a_strategy_s_threshold_is_no_goal() -> None:
    text = '{"2025": {"sharpe": 1.0}, "rsi_dual_threshold": {"sharpe": 0.5}, "is_sharpe": 2, "oos_sharpe": 1}'
    drafted = draft_claims(text, form="json").claims.claims
    shown = [("1.0", "2025", "", False), ("0.5", "", "", False), ("2", "", "train", False), ("1", "", "test", False)]
    assert [(c.printed, c.at, c.split, c.target) for c in drafted] == shown


@pytest.mark.parametrize(
    ("text", "splits"),
    [
        ("Accuracy on the test set was 53.4% (402 of 753 days up).", ["test"]),
        ("The accuracy on the validation data was 53.4% and 51% on the test set.", ["validation", "test"]),
        ("Our accuracy on the test set was 53.4% with an F1 on the validation set.", ["test"]),
        ("We obtained a Sharpe of 1.8 (in sample) and 0.6 (out of sample).", ["train", "test"]),
    ],
)
def test_a_split_may_stand_between_a_metric_and_its_figure(text, splits):
    assert [split for _, _, split, _ in placed(f"# R\n\n{text}\n")] == splits


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("When tested out of sample the Sharpe ratio is 0.85.", ["0.85"]),
        ("We test on large caps (e.g., AAPL, MSFT). The test accuracy is 57.1%.", ["57.1%"]),
        ("Assuming 10 bps costs, the Sharpe ratio is 0.85.", ["0.85"]),
        ("- Sharpe (95% CI): 0.82 [0.41, 1.23]", ["0.82"]),
        ("## Risk limits and realised risk\n\n- Sharpe: 1.31", ["1.31"]),
        ("| Strategy | Cumulative Return | Drawdown | Sharpe |\n|---|---|---|---|\n| A | 12% | -8% | 1.1 |",
         ["12%", "-8%", "1.1"]),
        ("```\n   model  return    mdd  sharpe\n0  lstm   0.121 -0.182    0.81\n```", ["-0.182", "0.81"]),
    ],
)  # fmt: skip
def test_plain_results_are_read(text: str, printed: list[str]) -> None:
    claims = draft_claims(f"# R\n\n{text}\n").claims.claims
    assert [claim.printed for claim in claims if claim.metric != "interval"] == printed


def test_a_ratio_below_a_rating_s_key_is_a_ratio_and_blanks_take_no_time() -> None:
    text = '{"rankings": [{"strategy": "momentum", "sharpe": 1.12, "win_rate": 0.55}]}'
    assert [claim.printed for claim in draft_claims(text, form="json").claims.claims] == ["1.12", "0.55"]
    begun = time.process_time()
    draft_claims("# R\n\naccuracy 0.5 accuracy =" + " " * 20_000 + "x\n")
    assert time.process_time() - begun < 3
