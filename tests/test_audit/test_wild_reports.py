"""Reports as programs and people write them, made from real computations: nothing in them is accused or doubted."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims

Scores = dict[str, float]
Report = tuple[str, str]


def binary(rng: np.random.Generator, n: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, calls and probabilities of a random classifier."""
    n = n or int(rng.integers(60, 1200))
    real = (rng.random(n) < rng.uniform(0.35, 0.65)).astype(int)
    chance = 1 / (1 + np.exp(-(rng.normal(0, 1, n) + rng.uniform(0, 1.2) * (2 * real - 1))))
    return real, (chance > rng.uniform(0.4, 0.6)).astype(int), chance


def scores(rng: np.random.Generator, n: int = 0) -> Scores:
    from sklearn import metrics

    real, called, chance = binary(rng, n)
    return {
        "accuracy": metrics.accuracy_score(real, called),
        "precision": metrics.precision_score(real, called, zero_division=0),
        "recall": metrics.recall_score(real, called, zero_division=0),
        "f1": metrics.f1_score(real, called, zero_division=0),
        "auc": metrics.roc_auc_score(real, chance),
        "log_loss": metrics.log_loss(real, chance),
    }


def book(rng: np.random.Generator, n: int = 0) -> Scores:
    """Figures of a random daily series, geometric return and arithmetic Sharpe ratio as most tools have it."""
    n = n or int(rng.integers(250, 1500))
    returns = rng.standard_t(5, n) * rng.uniform(0.005, 0.015) + rng.uniform(-0.0003, 0.0012)
    path = np.concatenate([[1.0], np.cumprod(1 + returns)])
    yearly, spread = float(path[-1] ** (252 / n) - 1), float(returns.std(ddof=1) * math.sqrt(252))
    fall = float((path / np.maximum.accumulate(path) - 1).min())
    down = math.sqrt(float((np.minimum(returns, 0) ** 2).mean()) * 252)
    return {
        "total": float(path[-1] - 1), "return": yearly, "vol": spread, "fall": fall, "calmar": yearly / abs(fall),
        "sharpe": float(returns.mean()) * 252 / spread, "sortino": float(returns.mean()) * 252 / down,
        "mean": float(returns.mean()), "win": float((returns > 0).mean()),
    }  # fmt: skip


def session(rng: np.random.Generator) -> Report:
    from sklearn import metrics

    real, called, chance = binary(rng)
    text = f"""# Results of {len(real)} trading days

```
>>> print(classification_report(y_test, y_pred))
{metrics.classification_report(real, called, zero_division=0)}
>>> print(confusion_matrix(y_test, y_pred))
{metrics.confusion_matrix(real, called)}
>>> roc_auc_score(y_test, y_prob)
{float(metrics.roc_auc_score(real, chance))!r}
```

So we get **{metrics.accuracy_score(real, called):.1%} accuracy**; MCC {metrics.matthews_corrcoef(real, called):.3f}.
"""
    return text, "md"


def card(rng: np.random.Generator) -> Report:
    from sklearn import metrics

    n = int(rng.integers(200, 3000))
    real = rng.choice(3, n, p=rng.dirichlet([3, 3, 3]))
    called = np.where(rng.random(n) < rng.uniform(0.2, 0.7), real, rng.choice(3, n))
    names = ["Sell", "Hold", "Buy"]
    average = metrics.f1_score(real, called, average="macro")
    text = f"""---
model-index:
- name: lstm
  results:
  - metrics:
    - type: accuracy
      value: {metrics.accuracy_score(real, called):.4f}
    - type: f1
      value: {average:.4f}
      name: Macro F1
---
# Card

Evaluated on {n:,} samples of the test split.

| Metric | Value |
|---|---|
| Accuracy | {metrics.accuracy_score(real, called):.3f} |
| F1 (macro) | {average:.3f} |

```
{metrics.classification_report(real, called, target_names=names, zero_division=0)}
```
"""
    return text, "md"


def notebook(rng: np.random.Generator) -> Report:
    frame = pd.DataFrame([scores(rng, 500) for _ in range(3)], index=["Forest", "SVM", "MLP"]).round(4)
    shown = "\n".join("    " + line for line in frame.to_string().split("\n"))
    return f"# Models\n\n<div>\n{frame.to_html()}\n</div>\n\n```python\nprint(frame)\n```\n\n{shown}\n\nDone.\n", "md"


def metrics_json(rng: np.random.Generator) -> Report:
    body = {name: scores(rng) for name in ("train", "val", "test")}
    held = book(rng)
    body["backtest"] = {"sharpe": held["sharpe"], "cagr": held["return"], "volatility": held["vol"]}
    body["config"] = {"lr": 0.001, "epochs": 50, "hidden": [128, 64]}  # type: ignore[dict-item]
    return json.dumps(body, indent=int(rng.integers(0, 3)) or None), "json"


def score_json(rng: np.random.Generator) -> Report:
    from sklearn import metrics

    real, called, _ = binary(rng)
    return json.dumps(metrics.classification_report(real, called, output_dict=True, zero_division=0), indent=1), "json"


def wide_csv(rng: np.random.Generator) -> Report:
    rows = [{"model": m, "split": s, **scores(rng)} for m in ("rf", "lstm") for s in ("train", "test")]
    return pd.DataFrame(rows).to_csv(index=bool(rng.random() < 0.5), float_format="%.4f"), "csv"


def folds(rng: np.random.Generator) -> Report:
    table = pd.DataFrame([scores(rng) for _ in range(5)])[["accuracy", "precision", "recall", "f1"]]
    rows = [f"| Fold {i + 1} | " + " | ".join(f"{x:.3f}" for x in row) + " |" for i, row in enumerate(table.to_numpy())]
    mean, std = table.mean(), table.std(ddof=0)
    rows.append("| **Mean ± std** | " + " | ".join(f"{mean[c]:.3f} ± {std[c]:.3f}" for c in table) + " |")
    head = "| Fold | Accuracy | Precision | Recall | F1 |\n|---|---|---|---|---|"
    prose = f"It reaches {mean['accuracy']:.1%} ± {std['accuracy']:.1%} accuracy."
    return "\n".join(["## 5-fold cross-validation", "", head, *rows, "", prose, ""]), "md"


def changes(rng: np.random.Generator) -> Report:
    rows, signs = [], {"accuracy": 1, "f1": 1, "auc": 1, "log_loss": -1}
    first, second = scores(rng, 800), scores(rng, 800)
    better = bool(rng.random() < 0.5)
    for name, sign in signs.items():
        a, b = round(first[name], 4), round(second[name], 4)
        grown = (b / a - 1) * (sign if better else 1)
        title = name.replace("_", " ").capitalize()
        rows.append(f"| {title} | {a:.4f} | {b:.4f} | {b - a:+.4f} | {100 * grown:+.1f}% |")
    title = "Improvement" if better else "Relative change"
    head = f"| Metric | Control | Treatment | Δ | {title} |\n|---|---|---|---|---|"
    a, b = rng.uniform(0.4, 2.0, 2)
    prose = f"The Sharpe ratio moves from {a:.2f} to {b:.2f} ({100 * (b / a - 1):+.0f}%)."
    return "\n".join(["# A/B", "", head, *rows, "", prose, ""]), "md"


def tickers(rng: np.random.Generator) -> Report:
    rows = []
    for name in ("AAPL", "MSFT", "NVDA", "JPM"):
        real = rng.normal(0, 1, 250).cumsum() + rng.uniform(60, 400)
        error = rng.normal(0, 2, 250)
        r2 = 1 - float((error**2).sum() / ((real - real.mean()) ** 2).sum())
        rows.append((name, float(np.abs(error).mean()), math.sqrt(float((error**2).mean())), r2))
    means = np.array([row[1:] for row in rows]).mean(axis=0)
    shown = [f"| {n} | {a:.2f} | {b:.2f} | {r:.3f} |" for n, a, b, r in [*rows, ("**Average**", *map(float, means))]]
    return "\n".join(["| Ticker | MAE ($) | RMSE ($) | R² |", "|:--|--:|--:|--:|", *shown, ""]), "md"


def tearsheet(rng: np.random.Generator) -> Report:
    mine, other = book(rng, 900), book(rng, 900)
    names = {"Cumulative Return": "total", "CAGR﹪": "return", "Max Drawdown": "fall", "Volatility (ann.)": "vol"}
    ratios = {"Sharpe": "sharpe", "Sortino": "sortino", "Calmar": "calmar"}
    lines = ["                    Strategy   Benchmark", "-----------------  ---------  ----------"]
    lines += [f"{name:<17}{mine[key]:>11.2%}{other[key]:>12.2%}" for name, key in names.items()]
    lines += [f"{name:<17}{mine[key]:>11.2f}{other[key]:>12.2f}" for name, key in ratios.items()]
    return "\n".join(["# Tearsheet", "", "```", *lines, "Longest DD Days          112         240", "```", ""]), "md"


def comma(rng: np.random.Generator) -> Report:
    held = book(rng)
    shares = {"Jährliche Rendite": "return", "Volatilität p. a.": "vol", "Maximaler Drawdown": "fall"}
    lines = [f"- {name}: {100 * held[key]:.2f} %".replace(".", ",") for name, key in shares.items()]
    lines = [line.replace("p, a,", "p. a.") for line in lines]
    lines += [f"- {name}: {held[key]:.2f}".replace(".", ",") for name, key in {"Sharpe-Ratio": "sharpe"}.items()]
    return "\n".join(["# Bericht", "", *lines, ""]), "md"


def trades(rng: np.random.Generator) -> Report:
    n = int(rng.integers(40, 400))
    won_at = rng.random(n) < rng.uniform(0.35, 0.6)
    gains = np.round(np.where(won_at, rng.exponential(220, n), -rng.exponential(160, n)), 2)
    won, lost = gains[gains > 0], -gains[gains < 0]
    rows = [
        f"Net Profit | {gains.sum():,.2f} USD", f"Gross Profit | {won.sum():,.2f} USD",
        f"Gross Loss | {lost.sum():,.2f} USD", f"Profit Factor | {won.sum() / lost.sum():.3f}",
        f"Total Closed Trades | {n}", f"Number Winning Trades | {len(won)}", f"Number Losing Trades | {len(lost)}",
        f"Percent Profitable | {100 * len(won) / n:.2f} %", f"Avg Trade | {gains.mean():.2f} USD",
        f"Avg Winning Trade | {won.mean():.2f} USD", f"Avg Losing Trade | {lost.mean():.2f} USD",
        f"Ratio Avg Win / Avg Loss | {won.mean() / lost.mean():.3f}", "Max consecutive wins | 7",
        f"Largest Winning Trade | {won.max():.2f} USD",
    ]  # fmt: skip
    return "\n".join(["| Title | All |", "|---|---|", *(f"| {row} |" for row in rows), ""]), "md"


def monthly(rng: np.random.Generator) -> Report:
    returns = rng.normal(0.008, 0.03, 72)
    mean, std = float(returns.mean()), float(returns.std(ddof=1))
    yearly = float(np.prod(1 + returns)) ** (1 / 6) - 1
    rows = [
        f"Mean monthly return | {mean:.2%}", f"Monthly volatility | {std:.2%}", f"CAGR | {yearly:.2%}",
        f"Annualized volatility | {std * math.sqrt(12):.2%}", f"Sharpe ratio (monthly) | {mean / std:.3f}",
        f"Sharpe ratio (annualized) | {mean / std * math.sqrt(12):.2f}",
    ]  # fmt: skip
    return "\n".join(["| Statistic | Value |", "|---|---|", *(f"| {row} |" for row in rows), ""]), "md"


def years(rng: np.random.Generator) -> Report:
    rows = []
    for year in (*map(str, range(2018, 2023)), "**All**"):
        held = book(rng, 1260 if year[0] == "*" else 252)
        rows.append(f"| {year} | {held['total']:.1%} | {held['vol']:.1%} | {held['sharpe']:.2f} | {held['fall']:.1%} |")
    return "\n".join(["| Year | Return | Vol | Sharpe | Max DD |", "|---|---|---|---|---|", *rows, ""]), "md"


LAYOUTS: list[Callable[[np.random.Generator], Report]] = [
    session, card, notebook, metrics_json, score_json, wide_csv, folds, changes, tickers, tearsheet, comma, trades,
    monthly, years,
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_what_is_computed_is_neither_accused_nor_doubted(layout: Callable[[np.random.Generator], Report]) -> None:
    figures = 0
    for seed in range(12):
        text, form = layout(np.random.default_rng(seed))
        draft = draft_claims(text, form=form)
        figures += len(draft.claims.claims)
        verdicts = audit_claims(draft.claims).verdicts
        wrong = [v for v in verdicts if str(v.arithmetic) == "inconsistent" or str(v.substance) == "implausible"]
        assert not wrong, (seed, [(v.claim.metric, v.claim.printed, v.because) for v in wrong], text)
    assert figures >= 12 * 4
