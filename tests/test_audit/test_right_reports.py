"""Reports made from real computations, in many layouts: drafted and audited, nothing in them is called inconsistent."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims

Figures = dict[str, float]


def classifier(rng: np.random.Generator) -> Figures:
    """Scores of a random binary classifier, of its positive class."""
    n = int(rng.integers(20, 900))
    real = rng.random(n) < rng.uniform(0.2, 0.8)
    called = np.where(rng.random(n) < rng.uniform(0.4, 0.9), real, rng.random(n) < 0.5)
    tp, fp, fn = float((real & called).sum()), float((~real & called).sum()), float((real & ~called).sum())
    return {
        "Accuracy": float((real == called).mean()),
        "Precision": tp / (tp + fp) if tp + fp else 0.0,
        "Recall": tp / (tp + fn) if tp + fn else 0.0,
        "F1 Score": 2 * tp / (2 * tp + fp + fn) if tp else 0.0,
    }


def regression(rng: np.random.Generator) -> Figures:
    """Errors of a random forecast."""
    n = int(rng.integers(15, 500))
    real = rng.normal(0, 1, n) * rng.uniform(0.01, 20)
    error = rng.standard_t(4, n) * rng.uniform(0.1, 2) * real.std()
    return {
        "MAE": float(np.abs(error).mean()), "RMSE": math.sqrt(float((error**2).mean())),
        "R²": 1 - float((error**2).sum() / ((real - real.mean()) ** 2).sum()), "Bias": float(error.mean()),
    }  # fmt: skip


def portfolio(rng: np.random.Generator) -> Figures:
    """Figures of a random book."""
    n = int(rng.integers(120, 1500))
    returns = rng.normal(rng.uniform(-0.0003, 0.0012), rng.uniform(0.004, 0.02), n)
    path = np.concatenate([[1.0], np.cumprod(1 + returns)])
    geometric = rng.random() < 0.5
    yearly = path[-1] ** (252 / n) - 1 if geometric else returns.mean() * 252
    vol = returns.std(ddof=int(rng.integers(0, 2))) * math.sqrt(252)
    return {
        "Sharpe Ratio": float(yearly / vol), "Annual Return": float(yearly), "Annual Volatility": float(vol),
        "Max Drawdown": float((path / np.maximum.accumulate(path) - 1).min()),
    }  # fmt: skip


def signal(rng: np.random.Generator) -> Figures:
    """Information coefficients of a random signal."""
    daily = rng.normal(rng.uniform(0.0, 0.05), rng.uniform(0.05, 0.2), int(rng.integers(60, 800)))
    return {"IC": float(daily.mean()), "IC Std": float(daily.std()), "ICIR": float(daily.mean() / daily.std())}


SHARES = {"Accuracy", "Precision", "Recall", "Annual Return", "Annual Volatility", "Max Drawdown"}


def shown(name: str, value: float, digits: int, percent: bool) -> str:
    if percent and name in SHARES:
        return f"{100 * value:.{max(digits - 2, 0)}f}%"
    return f"{value:.{digits}f}"


def as_list(title: str, rows: list[tuple[str, str]]) -> str:
    return f"## {title}\n\n" + "".join(f"- **{name}**: {text}\n" for name, text in rows)


def as_table(title: str, rows: list[tuple[str, str]]) -> str:
    return f"## {title}\n\n| Metric | Value |\n|---|---|\n" + "".join(f"| {name} | {text} |\n" for name, text in rows)


def as_block(title: str, rows: list[tuple[str, str]]) -> str:
    return f"## {title}\n\n```\n" + "".join(f"{name}: {text}\n" for name, text in rows) + "```\n"


def as_prose(title: str, rows: list[tuple[str, str]]) -> str:
    return f"## {title}\n\nThe model reached " + ", ".join(f"{name} of {text}" for name, text in rows) + ".\n"


def as_columns(title: str, rows: list[tuple[str, str]]) -> str:
    names, texts = zip(*rows, strict=True)
    return (
        f"## {title}\n\n| Model | {' | '.join(names)} |\n|{'---|' * (len(rows) + 1)}\n| net | {' | '.join(texts)} |\n"
    )


def as_json(title: str, rows: list[tuple[str, str]]) -> str:
    body = {name.lower().replace(" ", "_").replace("²", "2"): text for name, text in rows}
    return (
        f"## {title}\n\n```json\n"
        + json.dumps(body, indent=2).replace('": "', '": ').replace('",\n', ",\n").replace('"\n}', "\n}")
        + "\n```\n"
    )


LAYOUTS: list[Callable[[str, list[tuple[str, str]]], str]] = [
    as_list,
    as_table,
    as_block,
    as_prose,
    as_columns,
    as_json,
]
KINDS = [classifier, regression, portfolio, signal]
TITLES = [
    "Results",
    "Test Set Performance",
    "Model A",
    "Model B",
    "Validation Metrics",
    "Backtest",
    "2023",
    "2024",
    "XGBoost",
    "Summary",
]


def report(seed: int) -> str:
    """A report of one to six sections, each a run of its own or a repetition of one before."""
    rng = np.random.default_rng(seed)
    parts = ["# A report\n"]
    made: list[tuple[Figures, str]] = []
    for _ in range(int(rng.integers(1, 7))):
        title = TITLES[int(rng.integers(len(TITLES)))]
        if made and rng.random() < 0.3:
            figures, title = made[int(rng.integers(len(made)))]
        else:
            figures = KINDS[int(rng.integers(len(KINDS)))](rng)
            made.append((figures, title))
        digits, percent = int(rng.integers(2, 5)), bool(rng.random() < 0.5)
        layout = LAYOUTS[int(rng.integers(len(LAYOUTS)))]
        percent = percent and layout is not as_json
        names = [name for name in figures if rng.random() < 0.9] or list(figures)
        parts.append(layout(title, [(name, shown(name, figures[name], digits, percent)) for name in names]))
    return "\n".join(parts)


@pytest.mark.parametrize("start", range(0, 300, 60))
def test_nothing_that_is_right_is_called_inconsistent(start: int) -> None:
    figures = 0
    for seed in range(start, start + 60):
        text = report(seed)
        draft = draft_claims(text)
        figures += len(draft.claims.claims)
        accused = [v for v in audit_claims(draft.claims).verdicts if str(v.arithmetic) == "inconsistent"]
        assert not accused, (seed, [(v.claim.metric, v.claim.printed, v.because) for v in accused], text)
    assert figures > 200
