"""Every check by its id: what it compares, by which formula, and where that comes from (``assay audit --checks``).

Identities describe themselves; what is no identity is listed here, a row a check. A test holds the two against the
findings that the rules can make.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assay.audit.rules.identities import IDENTITIES
from assay.audit.rules.identity import Identity

__all__ = ["CHECKS", "Check", "render_checks"]


@dataclass(frozen=True)
class Check:
    """One check: its id, the figures it takes, what must hold, its source, and what a miss rests on."""

    check: str
    figures: str
    formula: str
    source: str
    premise: str = ""


_CODE = (
    Check("C0 bounds", "any figure", "a share lies in [0, 1], R² is at most 1, an error at least 0", "definitions"),
    Check("C1 whole counts", "share, n or trades", "some k/n prints as the share (GRIM)", "Brown & Heathers 2017"),
    Check("C1 fraction", "a share and the whole counts printed beside it", "share = k/n", "definition"),
    Check("C1 common sample", "shares of several runs", "sizes on which every share is a whole count",
          "Brown & Heathers 2017", "the runs share one sample; any fitting size may be it"),
    Check("C2 AUC grid", "AUC, n+, n−", "AUC is k/(2·n+·n−)", "Mann & Whitney 1947"),
    Check("C5 class shares", "accuracy, weighted F1, class scores",
          "w ≥ 0, Σw = 1, Σw·R = accuracy, Σw·F1 = weighted F1, Σw·R/P = 1 has a solution", "linear programme"),
    Check("C5 majority class", "as C5", "accuracy against the least share of the largest class", "linear programme"),
    Check("C6 confusion matrix", "scores, n", "a whole-number matrix gives all scores",
          "Brown & Heathers 2017, extended"),
    Check("C6 printed matrix", "matrix, scores", "scores follow from the printed counts",
          "definitions; Gorodkin 2004; Cohen 1960", "matrix and scores are of the same model and rows"),
    Check("C7 constant prediction", "accuracy, precision, recall",
          "recall 1 and accuracy = precision leave TN = FN = 0", "definitions"),
    Check("C7 always positive", "F1, class share", "F1 against 2π/(1+π)", "definition of F1"),
    Check("C8 majority class", "accuracy, class shares or counts", "k of n against the larger class, Wilson interval",
          "Wilson 1927"),
    Check("C8 AUC", "AUC, n+, n−", "95% interval against 1/2", "Hanley & McNeil 1982"),
    Check("C9 mixture", "overall rate, rates and shares of parts", "overall = Σ share·rate, each rate in [0, 1]",
          "law of total probability"),
    Check("C11 unit of the target", "RMSE, R²", "RMSE/√(1−R²) is below 100% for returns", "definition of R²",
          "returns deviate by less than 100% per period"),
    Check("C13 persistence", "MAPE, daily volatility, horizon", "MAPE against 0.798·σ·√h",
          "Theil 1966; Hyndman & Koehler 2006", "daily volatility of 2% where none is stated"),
    Check("C14 calendar", "sessions, dates, market", "at most the weekdays, and the exchange's sessions",
          "NYSE Rule 7.2", "one row a session"),
    Check("C14 splits", "split dates and shares", "splits do not overlap; shares match their weekdays", "counting",
          "rows are spread evenly over the sessions"),
    Check("C16 correlation ≤ 1", "IC, correlation", "|ρ| ≤ 1", "Cauchy-Schwarz"),
    Check("C16 breadth", "std of the IC, names", "std ≥ 1/√(N−1)", "Grinold & Kahn 2000", "names are independent"),
    Check("C16 IC significance", "IC, std, sessions", "t = IC/std·√n against 1.96", "Student 1908",
          "daily ICs independent, one trial"),
    Check("C16 ICIR = IC / std", "IC ± s, ICIR", "the ± read as the deviation over sessions", "Grinold & Kahn 2000"),
    Check("C17 transfer coefficient", "ICIR, Sharpe", "TC = Sharpe/(ICIR·√P) in 0.15 to 1",
          "Clarke, de Silva & Thorley 2002",
          "the Sharpe ratio comes from this signal alone, rebalanced every period"),
    Check("C18 Sharpe interval", "Sharpe, sessions or dates", "95% interval against 0", "Lo 2002",
          "independent normal returns"),
    Check("C18 threshold", "Sharpe, a goal, sessions", "probability that the goal is exceeded, against 95%",
          "Bailey & López de Prado 2012", "independent normal returns"),
    Check("C18 interval", "a printed interval, its figure, n",
          "it holds its figure; it goes with n; it holds no skill", "Wilson 1927; Clopper & Pearson 1934; Lo 2002"),
    Check("C18 spread", "a printed ±, its figure, n", "which standard error or deviation it is", "√(p(1−p)/n)"),
    Check("C19 selection", "Sharpe, trials, sessions", "the expected best of N without skill",
          "Bailey & López de Prado 2014", "independent trials, those the report lists"),
    Check("C20 quantile spread", "top and bottom quantile, IC", "σ = spread/(2·κ_q·IC) is at most 4% a day",
          "Grinold & Kahn 2000", "scores and returns jointly normal"),
    Check("C20 spread", "quantile returns, spread", "spread = top − bottom", "definition"),
    Check("C20 calibration", "std of predictions, IC; predicted and realised spread",
          "std/IC is at most 4% a day; the slope is near 1", "regression to the mean"),
    Check("C21 quantile returns", "quantile returns, weights, Sharpe",
          "volatility = mean·P/Sharpe, printed or below 60%", "Sharpe 1994", "the quantiles are what is held"),
    Check("C22 foresight", "Sharpe", "√P·0.798/0.603 bounds a sign strategy in one asset; the hit rate it needs",
          "moments of |z|", "one position of one sign a period in one asset, moves independent of being right"),
    Check("C23 loss floor", "loss, its formula, printed terms", "loss ≥ Σ weight·least of each term",
          "the stated formula",
          "the loss term and the printed metric are one quantity, on the same rows and batches"),
    Check("C23 loss remainder", "as C23", "what is left for the one unprinted term is believable",
          "the stated formula", "no classifier is three times worse than guessing"),
    Check("C24 log loss", "log loss, classes or base rate", "at most ln K, or the entropy of the base rate",
          "Good 1952"),
    Check("C25 loss weights", "losses before and after, weights", "brought to one scale before any ratio",
          "the stated formula", "the heavy term dominates before and after"),
    Check("C26 parameters", "layers, parameters", "4h(i+h)+8h per LSTM layer in PyTorch, 4h(i+h+1) in Keras, …",
          "the frameworks' weight layouts"),
    Check("C26 file size", "file, parameters", "4 bytes a parameter, 12 with Adam's moments",
          "IEEE 754 single precision", "single precision, weights only"),
    Check("C26 summary", "a printed summary of layers", "layers add up; trainable ≤ all", "counting"),
    Check("C27 epochs", "epochs run, best epoch, patience, cap", "run = min(cap, best + patience)",
          "the rule of early stopping", "one run from scratch"),
    Check("C27 best epoch", "loss by epoch, best epoch", "the best epoch has the lowest validation loss",
          "definition", "the best epoch is chosen by validation loss"),
    Check("C28 change", "from, to, change", "(to−from)/from, points, ratio, log", "all usual readings"),
    Check("C28 multiple", "first, second, multiple", "second/first or first/second", "all usual readings"),
    Check("C28 difference", "first, second, difference", "|second − first|", "definition"),
    Check("C29 shares", "parts of a whole", "Σ ≤ 1, = 1 where all are listed", "counting"),
    Check("C29 sum", "parts, sum", "sum of the parts", "definition"),
    Check("C29 spreads", "spreads a−b, b−c, a−c", "they add up", "telescoping sum"),
    Check("C34 mean", "rows, mean", "arithmetic, weighted, harmonic, geometric mean or median", "definitions"),
    Check("C34 periods", "parts of a period, the whole", "the whole lies among its parts", "a mean lies in its range",
          "the parts make up the whole period"),
    Check("C35 percentiles", "percentiles, extremes", "they rise with their level, inside the extremes",
          "definition"),
    Check("C35 whole numbers", "mean, deviation, n of whole numbers", "GRIMMER, SPRITE; DEBIT for zeros and ones",
          "Anaya 2016; Allard 2018; Heathers et al. 2018; Heathers & Brown 2019"),
    Check("C35 spread", "a printed ±, its figure", "s² ≤ 2(b−μ)(μ−a)", "Bhatia & Davis 2000"),
    Check("C36 drawdown", "Sharpe, volatility, drawdown, years", "a random walk falls further almost surely",
          "reflection principle; Magdon-Ismail et al. 2004", "independent normal returns"),
    Check("C37 printed twice", "one quantity in two places", "one value rounds to both prints", "rounding",
          "both stand for one run and one definition"),
    Check("C37 bound", "a bound and its figures", "the figures keep it", "order", "the bound is said of this run"),
    Check("C37 split", "a figure without its split", "it is that of a printed split", "rounding"),
    Check("C37 two figures", "Sharpe ratios of one model", "one value rounds to both", "rounding",
          "both are of one backtest"),
    Check("C37 predicted spread", "predicted quantile returns, spread", "spread = top − bottom", "definition",
          "the same quantiles in both places"),
    Check("C37 leverage", "return, volatility, Sharpe of two runs", "one factor carries return and volatility",
          "scaling"),
    Check("C38 test", "t or z, degrees, p", "p of the statistic, either tail", "Student 1908; Nuijten et al. 2016"),
    Check("R1 recomputed", "a figure, data", "the figure from the data, under every usual convention", "the engine"),
    Check("R2 daily series", "a figure, data", "another daily series of the same book gives the print", "the engine"),
    Check("R2 levels", "return and volatility, data", "one scale gives both", "leverage"),
    Check("R3 day by day", "a return series, predictions, prices", "the series is that of a book on the predictions",
          "the engine"),
    Check("R3 retrained", "a figure, a model's recipe", "where the print lies among seeds",
          "walk-forward retraining"),
)  # fmt: skip


def _of(row: Identity) -> Check:
    """An identity in words: its names in the place of figures."""
    words = re.sub(r"\{(\w+)\}", lambda match: _NAMES.get(match[1], match[1].replace("_", " ")), row.words)
    inputs = ", ".join(name.rstrip("?").removesuffix("/*").replace("_", " ") for name in row.inputs)
    figures = f"{row.result.replace('_', ' ')} {row.relation} f({inputs})"
    return Check(row.check, figures, words, row.source, row.premise)


_NAMES = {"value": "…", "readings": "…", "of": "", "count": "k", "range": "[a, b]"}
#: Every check: the identities first, then what is no identity.
CHECKS: tuple[Check, ...] = (*map(_of, IDENTITIES), *_CODE)


def _order(check: Check) -> tuple[str, int]:
    number = re.match(r"([A-Z])(\d+)", check.check)
    return (number[1], int(number[2])) if number else ("Z", 0)


def render_checks() -> str:
    """The table for a terminal, by number."""
    lines = []
    for check in sorted(CHECKS, key=_order):
        lines += [
            check.check,
            f"  takes    {check.figures}",
            f"  holds    {check.formula}",
            f"  source   {check.source}",
        ]
        if check.premise:
            lines.append(f"  assumes  {check.premise}")
    return "\n".join(lines)
