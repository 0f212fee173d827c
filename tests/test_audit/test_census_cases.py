"""What the census of public documents taught, restated in invented documents: what is accused, and what is not."""

from __future__ import annotations

import pytest

from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims
from assay.audit.verdicts import Arithmetic, Substance

ACCUSED = {
    "keys of a program in capitals":
        ('{"totalTrades": 40, "winRate": 60.0, "avgWin": 12.5, "avgLoss": -8.0, "profitFactor": 1.2}', "json", "1.2"),
    "a share of anything beside its counts": ("- Fill rate: 72.0% (33/47)\n", "md", "72.0%"),
    "expectancy times trades":
        ("| Metric | Value |\n|---|---|\n| Trades | 500 |\n| Expectancy | ₹150/trade |\n| Total P&L | ₹1,05,000 |\n",
         "md", "₹1,05,000"),
    "a loss beyond the drawdown": ("- Total return: -369.05%\n- Max drawdown: -60.00%\n", "md", "-369.05%"),
    "a loss of more than everything, in each item of a list by itself":
        (("1. params={'fast': 5} | sharpe=0.804 | return=-109.12% | drawdown=-60.00% | trades=1544\n"
          "2. params={'fast': 9} | sharpe=0.763 | return=-311.70% | drawdown=-60.00% | trades=1986\n"),
         "md", "-311.70%"),
    "more than the luck of two months":
        ('{"val_start": "2024-11-20",\n"val_end": "2025-01-20",\n"val_metrics": {"sharpe": 9.26}}', "json", "9.26"),
    "a change of what it does not follow from, either way":
        (("| Metric | Archived run | Current results | Difference |\n|---|---|---|---|\n"
          "| Win rate | 22.4% | 57.2% | +183% |\n"), "md", "+183%"),
    "a rate of no whole count, open trades left out":
        ("| Metric | Value |\n|---|---|\n| Total trades | 15 |\n| Win rate | 65% |\n", "md", "65%"),
}  # fmt: skip
SILENT = {
    "summed returns beside a drawdown of everything": ("- Total return: -369.05%\n- Max drawdown: -100.00%\n", "md"),
    "trades that are still open":
        (("| Metric | Value |\n|---|---|\n| Total Trades | 10 |\n| Winning Trades | 2 |\n| Losing Trades | 0 |\n"
         "| Win Rate | 100% |\n"), "md"),
    "trades that broke even":
        (("| total trades | wins | losses | scratches | win rate |\n|---|---|---|---|---|\n"
         "| 1239 | 524 | 323 | 392 | 61.87% |\n"), "md"),
    "a rate of days beside trades": ('{"win_rate": 0.43832599118942733, "total_trades": 110}', "json"),
    "ratios that a program computed of other returns":
        (('{"annualized_return": -1.538832327424755, "volatility_annual": 2.452038808607383,'
         ' "sharpe_ratio": -0.4244491901912304}'), "json"),
    "a score of trades": ('{"trades_confidence": 10.0, "win_rate": 0.1225}', "json"),
    "trades of a kind":
        ("| Metric | Actual |\n|---|---|\n| Win rate | 46.2% (6W / 7L) |\n| Trades ever exceeding 2% | 1 of 13 |\n",
         "md"),
    "a book below zero falls further from its start than from its peak":
        ("- Total return: -784.39%\n- Max drawdown: 589.97%\n", "md"),
    "a lakh": (("- Winning trades: 30\n- Losing trades: 15\n- Avg win: ₹8,500\n- Avg loss: ₹4,200\n"
               "- Net profit: ₹1,90,500\n"), "md"),
    "the number of a row is no class":
        (("| | Strategy | Precision | Recall | F1 |\n|---|---|---|---|---|\n| 0 | value | 0.5194 | 0.5073 | 0.5100 |\n"
         "| 1 | carry | 0.5176 | 0.5016 | 0.5000 |\n"), "md"),
    "about so many parameters":
        ("```python\nself.a = nn.Linear(12639, 128)\n```\n\n| Total params | ~1.5M |\n|---|---|\n", "md"),
    "a row of averages over assets":
        (("| Strategy | Avg Sharpe | Avg MDD% | Win Rate% | Trades |\n|---|---|---|---|---|\n"
          "| a | -1.45 | 0.44 | 31.9 | 23 |\n"), "md"),
    "a drop in round words": ("weighted PnL collapsing (+28.89% → +7.56%, a 75% drop).\n", "md"),
    "a score of the ratio": ('{"Sharpe_Ratio": {"raw": 1.58, "score": 100.0}}', "json"),
    "the value of the name before": ("hard/trail4  ret=  367.86  sharpe= 3.37  maxDD= 18.09\n", "txt"),
    "months drift": ('{"y_3m": {"hit_rate": 0.6303, "ic": -0.0257}}', "json"),
    "averages of folds": ('{"aggregate_metrics": {"ic": 0.05, "direction_accuracy": 0.6066, "r2": 0.3}}', "json"),
    "a volatility of other periods":
        ("| Volatility | CAGR | Sharpe |\n|---|---|---|\n| 4.86% | 58.3% | 1.90 |\n", "md"),
    "deviations over folds":
        ("| Fold | MSE | RMSE |\n|---|---|---|\n| Mean | 0.0115 | 0.0559 |\n| SD | 0.0322 | 0.0916 |\n", "md"),
    "returns of either sign and their difference":
        ("| 指标 | A | Baseline | Baseline优势 |\n|---|---|---|---|\n| 平均收益 | -6.72% | +0.14% | +6.86% |\n", "md"),
    "a change far from a pair of its name":
        ("1. Volatility increased by 40% after earnings," + " and the adjuster looks at the price and the plan" * 3
         + ", and logs an increase of volatility from 6.50% to 8.50%.\n", "md"),
    "averages of a backtest": ("metric panel (backtest):\n\n- RMSE: 22.7884\n- MSE: 568.1426\n", "md"),
    "points of difference are no return":
        ("| Metric | Gap |\n|---|---|\n| Annual return | -82 pp |\n| Sharpe | -5.35 |\n| Volatility | +7 pp |\n", "md"),
    "a change in points of another metric":
        ("It saved 4.1pp of return ($3.70). (Sharpe dips 0.12→0.09 since then.)\n", "md"),
    "trades of a kind, by an adjective": ("- Win rate 50.9%, capacity-limited trades 1.\n", "md"),
    "a count with decimals is a result":
        ("| Scenario | Expected |\n|---|---|\n| 100 wins, 5 losses | 1.0 |\n| 0 total trades | 0.0 |\n", "md"),
    "a rate rounded twice": ("- 107 trades and +232.93% total return, but only 56.08% win rate\n", "md"),
    "a ratio of ratios": ("| Metric | A |\n|---|---|\n| OOS/IS Sharpe ratio | 14.94 |\n", "md"),
    "a share beside few counts of another thing": ("- Accuracy: 62% (3/5 folds)\n", "md"),
    "a label that says more than its metric":
        ("- Winning trades: 30\n- Total trades: 50\n- Live win rate: 47.1%\n", "md"),
    "trades that broke even, by their label":
        ("- Breakeven trades: 0\n- Winning trades: 22\n- Losing trades: 18\n", "md"),
    "trades that broke even, in a line of a log": ("INFO breakeven_trades=1 | win_rate=47.50% | losses=20\n", "log"),
    "a rate of closed trades": ("- Trades: 17\n- Wins: 6\n- Win rate: 50.0%\n", "md"),
    "a rate of more trades than were decided": ('{"trades": 9, "wins": 1, "losses": 6, "win_rate": 12.5}', "json"),
    "a share under a label in percent": ('{"trades": 32, "wins": 14, "losses": 17, "win_rate_pct": 0.4375}', "json"),
    "stops at break-even":
        ("- Win rate: 40%\n- Avg win: $200\n- Avg loss: -$100\n- Profit factor: 3.2\n- Expectancy: $55\n", "md"),
    "averages of no stated unit beside a profit in money":
        ('{"winning_trades": 7, "losing_trades": 1, "avg_win": 3.56, "avg_loss": -1.32, "total_profit": 472}', "json"),
    "averages of no stated unit beside a profit factor of money":
        ('{"win_rate": 57.14, "avg_win": 1.08, "avg_loss": -0.82, "profit_factor": 1.47}', "json"),
    "a loss with trades still open": ("- Trades: 62\n- Avg trade: -€1.20\n- Net profit: -€69.10\n", "md"),
    "a month's ratio":
        ("| Month | Sharpe |\n|---|---|\n| 2024-01 | 8.31 |\n| 2024-02 | -2.20 |\n", "md"),
    "a month's ratio in data":
        ('{"monthly": {"2024-01": {"sharpe": 8.5}, "2024-02": {"sharpe": -3.1}}}', "json"),
    "the best of a rolling window": ("- Best 30-day rolling Sharpe: 9.45\n", "md"),
    "what nobody can trade":
        ("| Strategy | Sharpe |\n|---|---|\n| T-Bills | 9.31 |\n| Perfect foresight | 19.2 |\n", "md"),
    "ratings of ratios":
        ('{"scores": {"sharpe": 85.5}, "ranking": {"sharpe": 7.5}, "improvement": {"sharpe": 8.5}}', "json"),
    "points for a ratio": ("| Metric | Points |\n|---|---|\n| Sharpe | 8.5 |\n", "md"),
    "ends of a range": ("Sharpe ranges from -3.1 to 8.2 across folds.\n\nSharpe between 5.5 and 8.2.\n", "md"),
    "bounds and multiples":
        ("Market makers reach a Sharpe of 10.5 or more, a Sharpe 6.2 times larger than ours.\n", "md"),
    "the figure before, between slashes":
        ("- Final value: 11,365.86 / Sharpe ratio: 2.03 / Tracking error: 8.16 / Sharpe (gross): 2.1\n", "md"),
    "a loss and a ratio of other periods": ("- CAGR: -12.29%\n- Volatility: 23.95%\n- Sharpe: -0.17\n", "md"),
    "tails of two levels": ("- VaR (99%): -3.1%\n- CVaR (95%): -2.6%\n", "md"),
    "layers that are not read":
        (("```python\nmodel = Sequential([\n    Bidirectional(GRU(32)),\n    Dense(64),\n    Dense(3),\n])\n```\n\n"
          "- Input features: 5\n- **Parameters**: 13,827\n"), "md"),
    "a drift of prices": ("- Mean IC: 0.0084\n- Hit rate: 57.4%\n", "md"),
    "the range of other rows":
        ("Training price range: 21.86 - 27.59\n\n- **R²**: 0.7162\n- **RMSE**: 2.2991\n", "md"),
    "counts of another thing in the brackets":
        ("Win rate 52.4% (11/20 profitable months).\n\nWin rate 52.0% (50/100 EMA), 66.7% (16/26, 2 open).\n", "md"),
    "a total beside its parts, whose rates may be averaged":
        ("| Symbol | Trades | Win rate |\n|---|---|---|\n| A | 13 | 53.8% |\n| Combined | 26 | 46.4% |\n", "md"),
    "a total of the data":
        ('{"trades": 26, "win_rate": 46.4, "per": {"A": {"trades": 12}, "B": {"trades": 14}}}', "json"),
    "an average rate": ('{"total_trades": 31, "avg_win_rate": 49.1}', "json"),
    "what stands behind a figure": ("- Trades: 31/month\n- Win rate: 49.1%\n", "md"),
    "a rate of days": ("- Trades: 31\n- Win rate: 49.1% of days\n", "md"),
    "losses in money": ("Winning trades 51 · Win rate: 0.42 · Gross losses 140 USDT\n\nLosses: 140 USDT\n", "md"),
    "a ratio that a program computed":
        ('{"win_rate": 50.0, "payoff_ratio": 6.31, "profit_factor": 1.488528327321552}', "json"),
    "a mean of the trades that are closed": ("- Trades: 4\n- Avg trade: $83.96\n- Net profit: $251.87\n", "md"),
    "two sides of a sentence":
        (("Momentum shows a 50.0% win rate while the filter shows 2W/13L.\n\n"
          "Long (1W/2L); short (win rate 84.3%).\n\n"
          "The new one has a volatility of 7.4% and a Sharpe of 2.76, up from an annual return of 8.1%.\n"), "md"),
    "shares of which one is a part of another": ("- Train: 80%\n- Validation: 20%\n- Test: 20%\n", "md"),
    "columns of changes":
        (("| Metric | Before | After | Improvement (%) |\n|---|---|---|---|\n| RMSE | 25.499 | 39.413 | -54.6% |\n"
          "| Sharpe | 0.84 | 1.60 | 190% |\n| AUC | 0.683 | 0.872 | +0.277 |\n"
          "| Max drawdown | -42.4% | -59.3% | 140% |\n"), "md"),
    "fees between gross and net": ("- Gross profit: $1,200\n- Gross loss: -$700\n- Net profit: $460\n", "md"),
    "a column called current that is the later one":
        (("| Metric | Archived run | Current results | Difference |\n|---|---|---|---|\n"
          "| Win rate | 22.4% | 57.2% | +155% |\n"), "md"),
    "a scale of thresholds":
        (("| KPI | Go | Watch | No-go |\n|---|---|---|---|\n| Win rate | >= 50% | 45% bis < 50% | < 45% |\n"
          "| Trades | >= 8 | 5 bis 7 | < 5 |\n"), "md"),
    "a digit that pads": ('{"win_rate": 68.30, "trades": 287, "winning_trades": 196, "losing_trades": 91}', "json"),
    "an average of rates beside the trades of all": ("- 40 trades, +$2,430, 58.4% avg win rate\n", "md"),
    "odds in words": ("- Win rate 34% (would lose on 2 out of 3 trades)\n", "md"),
    "a change of another quantity on the line of a pair": ("- Sharpe 0.796 → 0.805 and turnover −21%\n", "md"),
    "a difference behind an arrow": ("- Total P&L: +$179,764 vs baseline +$149,130 → +$30,634 (+21%)\n", "md"),
    "years with a dash": ("- Drawdown reduction since 2024-26, Sharpe 1.06 → 1.07\n", "md"),
    "a page": ("- Statistics (Sharpe ratio, Sortino ratio): see page 13.2\n", "md"),
    "a gap between two columns":
        ("| 指标 | A | B | 差距 |\n|---|---|---|---|\n| Sharpe | -0.661 | -5.81 | +6.149 |\n", "md"),
    "a spread between legs that hedge": ("# Funding arbitrage\n\n- Sharpe ratio: 6.45\n", "md"),
    "luck of two months":
        ('{"val_start": "2024-11-20",\n"val_end": "2025-01-20",\n"val_metrics": {"sharpe": 5.26}}', "json"),
    "an ICIR of no stated period": ("- ICIR: 0.72\n- Sharpe ratio: 1.25\n", "md"),
    "a change in brackets behind another figure":
        (("Sharpe 1.06 bis 1.24 (+2%); worst day −7.7%→−4.0%.\n\n- It returns $149,989 (+5.5%), data 346 → 138 days.\n"
         "- The return range goes from -12 to +12. It will not close the 79% gap of the Sharpe ratio.\n"), "md"),
    "a rate in a column of changes":
        ("| Metric | A | B | Δ |\n|---|---|---|---|\n| Trades | 117 | 117 (21 killed) | 18% kill rate |\n", "md"),
    "a scenario in a block":
        (("```\nWin rate:     50%\nAverage loss: -$8\nIn 9 hours:\n  Total trades: 27\n\nAt worst (40% win rate):\n"
         "  Winners: 11\n  Losers: 16\n```\n"), "md"),
    "a product with a ratio": ("| Rule | Sharpe | Sharpe×sqrt(n) |\n|---|---|---|\n| A | 1.33 | 33.9 |\n", "md"),
    "a ratio of overlapping returns": ("| Round | Result |\n|---|---|\n| 140 | OOS overlap Sharpe 5.165 |\n", "md"),
    "a half-year's ratio": ("- 2024H2: approved by its gates. Total return 1.77, Sharpe 6.72\n", "md"),
    "luck of two months, at a step of the training":
        (('{"train_start": "2024-05-20",\n"train_end": "2024-11-20",\n"val_start": "2024-11-20",\n'
          '"val_end": "2025-01-20",\n"history": [{"step": 500, "val_sharpe": 5.26}, '
          '{"step": 900, "val_sharpe": 5.31}]}'), "json"),
    "signs of the long side": ('{"long_analysis": {"ic": 0.065, "hit_rate": 0.62}}', "json"),
    "a fill that every trade won":
        ('{"bpc": {"signals": 1100, "wins": 148, "trades": 148, "win_rate": 0.730}}', "json"),
    "percent of another figure":
        ("win_rate_pct=0.2 | avg_win=+4 USDT | average_loss=-2 USDT | win_loss_ratio=2.16\n", "log"),
}  # fmt: skip


def accused(text: str, form: str) -> list[str]:
    report = audit_claims(draft_claims(text, source=f"report.{form}", form=form).claims)
    return [
        verdict.claim.printed for verdict in report.verdicts
        if verdict.arithmetic is Arithmetic.INCONSISTENT or verdict.substance is Substance.IMPLAUSIBLE
    ]  # fmt: skip


@pytest.mark.parametrize("case", ACCUSED)
def test_what_cannot_hold_is_accused(case: str) -> None:
    text, form, printed = ACCUSED[case]
    assert printed in accused(text, form)


@pytest.mark.parametrize("case", SILENT)
def test_what_another_reading_explains_is_not(case: str) -> None:
    assert accused(*SILENT[case]) == []


READ = {
    "a side's own count":
        ('{"long_trade_count": 12, "trade_count": 35}', "json", {("trades", "long", 12), ("trades", "", 35)}),
    "percent at the end of a key":
        ("| h | acc_majority_% |\n|---|---|\n| 1 | 1.8 |\n", "md", {("accuracy", "", 0.018)}),
    "a hedge is no beta": ("- beta-hedged Sharpe: 0.965\n", "md", {("sharpe", "", 0.965)}),
    "a cache hits no market": ("| Cache Hit Rate | 33% |\n|---|---|\n", "md", set()),
    "a gap to a benchmark": ("- Max Drawdown Gap vs Benchmark = 8%\n", "md", set()),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_how_labels_read(case: str) -> None:
    text, form, expected = READ[case]
    claims = draft_claims(text, source=f"report.{form}", form=form).claims.claims
    assert {(claim.metric, claim.label, round(claim.value.value, 9)) for claim in claims} == expected


def test_a_ratio_of_few_trades_is_within_the_reach_of_luck_and_no_foresight() -> None:
    found = {}
    for trades in (9, 900):
        report = audit_claims(draft_claims(f'{{"totalTrades": {trades}, "sharpeRatio": 15.26}}', form="json").claims)
        found[trades] = [(f.substance, f.sentence) for f in report.findings if f.check_id[:4] == "C22 "]
    assert [(kind, "of 9 trades" in text) for kind, text in found[9]] == [(Substance.NOT_SIGNIFICANT, True)]
    assert [(kind, "no forecast" in text) for kind, text in found[900]] == [(Substance.IMPLAUSIBLE, True)]
