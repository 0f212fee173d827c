"""Honest reports: figures computed from random data, rounded as reports round, with their context.

Every generator takes a numpy Generator and returns a `ClaimSet` in which no figure is wrong. The statistics are
computed here from the data, independently of the formulas that the audit inverts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from assay.audit.claims.intervals import parse_print
from assay.audit.claims.model import (
    Claim,
    ClaimSet,
    ClassShare,
    Group,
    LossFormula,
    LossTerm,
    Portfolio,
    Sample,
    Schedule,
    Target,
)
from tests.test_audit.rules.claim_builder import claim, claim_set


@dataclass
class Writer:
    """Collects figures and prints each to 1 to 4 digits, as a decimal or in percent."""

    rng: np.random.Generator
    claims: list[Claim] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def digits(self) -> int:
        return int(self.rng.integers(1, 5))

    def text(self, value: float, percent: bool = False, digits: int | None = None, whole: bool = False) -> str:
        if whole:
            return f"{round(value):,}"
        digits = self.digits() if digits is None else digits
        return f"{100 * value:.{digits}f}%" if percent else f"{value:,.{digits}f}"

    def add(
        self,
        metric: str,
        value: float,
        *,
        percent: bool = False,
        digits: int | None = None,
        whole: bool = False,
        keep: float = 0.85,
        **more: object,
    ) -> str | None:
        """Print a figure, unless the report leaves it out; the id of its claim."""
        if self.rng.random() > keep or not math.isfinite(value):
            return None
        name = f"c{len(self.claims)}"
        self.claims.append(claim(name, metric, self.text(value, percent, digits, whole), **more))  # type: ignore[arg-type]
        self.values.append(value)
        return name


def _safe(top: float, bottom: float) -> float:
    return top / bottom if bottom else 0.0


def _class_scores(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    k = len(matrix)
    p = np.array([_safe(matrix[i, i], matrix[:, i].sum()) for i in range(k)])
    r = np.array([_safe(matrix[i, i], matrix[i].sum()) for i in range(k)])
    f = np.array([_safe(2 * p[i] * r[i], p[i] + r[i]) for i in range(k)])
    return p, r, f


def multiclass(rng: np.random.Generator) -> ClaimSet:
    """A classifier of 2 to 5 classes, rows scored by class and on average."""
    k, n = int(rng.integers(2, 6)), int(rng.integers(20, 5000))
    shares = rng.dirichlet(np.full(k, rng.choice([0.3, 1.0, 5.0])))
    truth = rng.choice(k, size=n, p=shares)
    skill = rng.random()
    guess = np.where(rng.random(n) < skill, truth, rng.choice(k, size=n, p=rng.dirichlet(np.ones(k))))
    matrix = np.zeros((k, k))
    np.add.at(matrix, (truth, guess), 1)
    p, r, f = _class_scores(matrix)
    support = matrix.sum(axis=1) / n
    w = Writer(rng)
    percent = bool(rng.random() < 0.5)
    names = [f"class {i}" for i in range(k)]
    w.add("accuracy", float((truth == guess).mean()), percent=percent)
    w.add("error_rate", float((truth != guess).mean()), percent=percent, keep=0.3)
    for metric, scores in (("precision", p), ("recall", r), ("f1", f)):
        if rng.random() < 0.8:
            for name, value in zip(names, scores, strict=True):
                w.add(metric, value, percent=percent, keep=1.0, label=name)
        w.add(f"{metric}_macro", scores.mean(), percent=percent)
        w.add(f"{metric}_weighted", float(scores @ support), percent=percent)
    w.add("balanced_accuracy", r[support > 0].mean() if (support > 0).all() else r.mean(), percent=percent)
    w.add("f1_micro", float((truth == guess).mean()), percent=percent, keep=0.3)
    printed = rng.random() < 0.3
    classes = tuple(
        ClassShare(name, parse_print(w.text(share, percent)) if printed else None)
        for name, share in zip(names, support, strict=True)
    )
    sample = Sample(n=n) if rng.random() < 0.4 else Sample()
    group = Group("run", classes=classes if rng.random() < 0.8 else (), sample=sample)
    return claim_set([group], w.claims)


def _auc(score: np.ndarray, truth: np.ndarray) -> float:
    difference = score[truth == 1][:, None] - score[truth == 0][None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean()) if difference.size else math.nan


def binary_family(rng: np.random.Generator) -> ClaimSet:
    """One to four configurations of a binary classifier on one sample."""
    n = int(rng.integers(8, 400))
    truth = (rng.random(n) < rng.uniform(0.1, 0.9)).astype(int)
    names = [f"config {i}" for i in range(int(rng.integers(1, 5)))]
    stated = rng.random() < 0.4
    sample = Sample(n=n, n_positive=int(truth.sum()) if rng.random() < 0.5 else None) if stated else Sample()
    loss = LossFormula((LossTerm("binary_cross_entropy"),)) if rng.random() < 0.5 else None
    classes = (ClassShare("up"), ClassShare("down")) if rng.random() < 0.7 else ()
    w, groups = Writer(rng), []
    for name in names:
        score = np.round(truth * rng.uniform(0, 2) + rng.normal(size=n), int(rng.integers(0, 4)))
        probability = np.clip(1 / (1 + np.exp(-score)), 1e-6, 1 - 1e-6)
        guess = (score > rng.choice([-10.0, 0.0, 0.5, 1.0])).astype(int)
        tp, fp = int((guess & truth).sum()), int((guess & (1 - truth)).sum())
        fn, tn = int(((1 - guess) & truth).sum()), int(((1 - guess) & (1 - truth)).sum())
        p, r, spec = _safe(tp, tp + fp), _safe(tp, tp + fn), _safe(tn, tn + fp)
        product = float((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
        w.add("accuracy", (tp + tn) / n, percent=True, group=name)
        w.add("precision", p, group=name)
        w.add("recall", r, group=name)
        w.add("f1", _safe(2 * tp, 2 * tp + fp + fn), group=name)
        w.add("specificity", spec, group=name, keep=0.3)
        w.add("mcc", _safe(tp * tn - fp * fn, math.sqrt(product)), group=name, keep=0.4)
        w.add("balanced_accuracy", (r + spec) / 2, group=name, keep=0.4)
        w.add("auc", _auc(score, truth), group=name)
        cross = float(-(truth * np.log(probability) + (1 - truth) * np.log(1 - probability)).mean())
        w.add(rng.choice(["validation_loss", "log_loss"]), cross, group=name)
        others = tuple(other for other in names if other != name)
        groups.append(Group(name, sample=sample, loss=loss, classes=classes, shares_sample_with=others))
    return claim_set(groups, w.claims)


def regression(rng: np.random.Generator) -> ClaimSet:
    """Errors of a forecast of prices or returns."""
    n = int(rng.integers(5, 500))
    if rng.random() < 0.6:
        level = rng.uniform(5, 500)
        y = level * np.exp(np.cumsum(rng.normal(0, rng.uniform(0.002, 0.05), n)))
        kind = "price"
    else:
        y, kind = rng.standard_t(4, n) * 0.02, "return"
    noise = y.std() * rng.choice([0.1, 0.5, 1.0, 3.0]) * rng.standard_t(5, n) + rng.normal(0, 0.3) * y.std()
    forecast = y + noise if rng.random() < 0.7 else np.full(n, y.mean()) + noise * 0.1
    e = forecast - y
    mse, mae = float((e**2).mean()), float(np.abs(e).mean())
    w = Writer(rng)
    scale = 0 if kind == "price" else 3
    w.add("r2", 1 - mse / y.var())
    w.add("mae", mae, digits=w.digits() + scale)
    w.add("rmse", math.sqrt(mse), digits=w.digits() + scale)
    w.add("mse", mse, digits=w.digits() + 2 * scale, keep=0.5)
    w.add("bias", float(e.mean()), digits=w.digits() + scale)
    correlation = float(np.corrcoef(y, forecast)[0, 1]) if forecast.std() > 0 else math.nan
    w.add("correlation", correlation, keep=0.3, definition="Pearson")
    w.add("target_std", float(y.std(ddof=int(rng.integers(0, 2)))), digits=w.digits() + scale, keep=0.3)
    if kind == "price":
        w.add("mape", float(np.abs(e / y).mean()), percent=bool(rng.random() < 0.8))
    digits = w.digits()
    target = Target(kind)
    if rng.random() < 0.6:
        low, high = parse_print(f"{y.min():.{digits}f}"), parse_print(f"{y.max():.{digits}f}")
        mean = parse_print(f"{y.mean():.{digits}f}") if rng.random() < 0.4 else None
        target = Target(kind, low, high, "evaluation", mean)
    sample = Sample(n=n, horizon=1) if rng.random() < 0.4 else Sample()
    return claim_set([Group("run", target=target, sample=sample)], w.claims)


def returns(rng: np.random.Generator) -> ClaimSet:
    """A daily or monthly return series under one of the usual conventions."""
    periods = int(rng.choice([252, 365, 12]))
    n = int(rng.integers(40, 2500)) if periods != 12 else int(rng.integers(18, 240))
    vol = rng.uniform(0.02, 0.6)
    r = rng.standard_t(5, n) / math.sqrt(5 / 3) * vol / math.sqrt(periods)
    r = np.clip(r, -0.45, 1.0) + rng.normal(0.08, 0.2) / periods
    ddof = int(rng.integers(0, 2))
    total = float(np.prod(1 + r) - 1)
    geometric = float((1 + total) ** (periods / n) - 1) if total > -1 else math.nan
    arithmetic = float(r.mean() * periods)
    rate = float(rng.choice([0.0, 0.02, 0.05]))
    sharpe = (arithmetic - rate) / (r.std(ddof=ddof) * math.sqrt(periods))
    wealth = np.concatenate([[1.0], np.cumprod(1 + r)])
    fall = float((wealth / np.maximum.accumulate(wealth) - 1).min())
    w = Writer(rng)
    annual = geometric if rng.random() < 0.5 else arithmetic
    w.add("annual_return", annual, percent=True)
    w.add("annual_volatility", float(r.std(ddof=1) * math.sqrt(periods)), percent=True)
    w.add("sharpe", sharpe)
    w.add("max_drawdown", fall if rng.random() < 0.5 else -fall, percent=True)
    w.add("calmar", _safe(annual, -fall), keep=0.5)
    w.add("total_return", total, percent=True, keep=0.5)
    w.add("mean_return", float(r.mean()), percent=True, keep=0.3, digits=4)
    w.add("return_std", float(r.std(ddof=1)), percent=True, keep=0.3)
    w.add("win_rate", float((r > 0).mean()), percent=True, keep=0.4, definition="share of days")
    w.add("skewness", float(((r - r.mean()) ** 3).mean() / r.std() ** 3), keep=0.3)
    w.add("kurtosis", float(((r - r.mean()) ** 4).mean() / r.std() ** 4) - 3 * int(rng.integers(0, 2)), keep=0.3)
    w.add("sessions", n, whole=True, keep=0.5)
    book = Portfolio(
        periods_per_year=periods if rng.random() < 0.7 else None,
        risk_free=parse_print(f"{100 * rate:.1f}%") if rng.random() < 0.5 else None,
        trials=int(rng.integers(1, 20)) if rng.random() < 0.4 else None,
    )
    sample = Sample(sessions=n) if rng.random() < 0.6 else Sample()
    return claim_set([Group("run", sample=sample, portfolio=book)], w.claims)


def information(rng: np.random.Generator) -> ClaimSet:
    """Daily rank correlations and what is read off them."""
    n, names = int(rng.integers(12, 800)), int(rng.integers(15, 500))
    ic = np.clip(rng.normal(rng.normal(0, 0.05), rng.uniform(0.5, 2) / math.sqrt(names), n), -1, 1)
    ddof = int(rng.integers(0, 2))
    std = float(ic.std(ddof=ddof))
    w = Writer(rng)
    mean = str(rng.choice(["ic", "rank_ic"]))
    w.add(mean, float(ic.mean()))
    w.add("ic_std", float(ic.std(ddof=int(rng.integers(0, 2)))))
    ratio = float(ic.mean()) / std
    w.add("icir", ratio if rng.random() < 0.7 else ratio * math.sqrt(252))
    w.add("icir_annual", ratio * math.sqrt(252), keep=0.3)
    w.add("ic_t", ratio * math.sqrt(n), keep=0.5)
    w.add("ic_min", float(ic.min()))
    w.add("ic_max", float(ic.max()))
    for level in (5, 25, 50, 75, 95):
        w.add("ic_percentile", float(np.percentile(ic, level)), label=f"{level}%", keep=0.7)
    w.add("ic_positive_share", float((ic > 0).mean()), percent=True, keep=0.4)
    w.add("hit_rate", float(rng.uniform(0.45, 0.6)), percent=True, keep=0.5)
    w.add("sharpe", float(rng.normal(1, 1)), keep=0.5)
    w.add("quantile_return", float(rng.normal(0.001, 0.005)), percent=True, label="top quintile")
    w.add("quantile_return", float(rng.normal(-0.001, 0.005)), percent=True, label="bottom quintile")
    sample = Sample(sessions=n, assets=names) if rng.random() < 0.5 else Sample()
    return claim_set([Group("run", sample=sample)], w.claims)


def trades(rng: np.random.Generator) -> ClaimSet:
    """Closed trades, some of which may break even."""
    n = int(rng.integers(3, 600))
    p = np.round(rng.standard_t(4, n) * rng.uniform(1, 500) + rng.normal(0, 20), 2)
    p[rng.random(n) < (0.1 if rng.random() < 0.3 else 0.0)] = 0.0
    wins, losses = p[p > 0], p[p < 0]
    w = Writer(rng)
    win, loss = (float(x.mean()) if len(x) else math.nan for x in (wins, -losses))
    w.add("trades", n, whole=True)
    w.add("winning_trades", len(wins), whole=True)
    w.add("losing_trades", len(losses), whole=True)
    w.add("win_rate", len(wins) / n, percent=True, definition="of trades")
    w.add("average_win", win)
    w.add("average_loss", loss if rng.random() < 0.5 else -loss)
    w.add("payoff_ratio", win / loss)
    w.add("profit_factor", _safe(float(wins.sum()), float(-losses.sum())) if len(losses) else math.nan)
    w.add("gross_profit", float(wins.sum()), keep=0.5)
    w.add("gross_loss", float(losses.sum()), keep=0.5)
    w.add("total_profit", float(p.sum()) - (float(rng.uniform(0, 50)) if rng.random() < 0.3 else 0.0))
    w.add("expectancy", float(p.mean()))
    return claim_set([Group("run")], w.claims)


def derived(rng: np.random.Generator) -> ClaimSet:
    """Changes, multiples, differences, means and sums of printed figures."""
    w = Writer(rng)
    kind = str(rng.choice(["accuracy", "validation_loss", "sharpe"]))
    percent = kind == "accuracy"
    draw: Callable[[], float] = {
        "accuracy": lambda: float(rng.uniform(0.05, 0.99)),
        "validation_loss": lambda: float(np.exp(rng.uniform(-2, 9))),
        "sharpe": lambda: float(rng.normal(0.5, 1)),
    }[kind]
    a, b = draw(), draw()
    ids = [w.add(kind, value, percent=percent, keep=1.0, at=f"stage {i}") for i, value in enumerate((a, b))]
    inputs = tuple(str(i) for i in ids)
    if a > 0:
        w.add("change", b / a - 1, percent=True, relation="change", inputs=inputs)
        if b < a:
            w.add("change", 1 - b / a, percent=True, relation="reduction", inputs=inputs)
    if a > 0 and b > 0:
        value = b / a if rng.random() < 0.5 else a / b
        name = w.add("multiple", value, relation="ratio", inputs=inputs)
        if name is not None and rng.random() < 0.5:
            old = w.claims[-1]
            w.claims[-1] = claim(name, "multiple", f"{old.printed}×", relation="ratio", inputs=inputs)
    if kind == "accuracy":
        w.add("change", b - a, percent=True, relation="change", inputs=inputs, keep=0.4)
    w.add("difference", abs(b - a), percent=percent, relation="difference", inputs=inputs)
    parts = [draw() for _ in range(int(rng.integers(2, 8)))]
    names = tuple(str(w.add(kind, v, percent=percent, keep=1.0, at=f"fold {i}")) for i, v in enumerate(parts))
    w.add(kind, float(np.mean(parts)), percent=percent, relation="mean", inputs=names, at="mean of folds")
    w.add("other", float(np.sum(parts)), percent=percent, relation="sum", inputs=names)
    shares = rng.dirichlet(np.ones(int(rng.integers(2, 7))))
    digits = w.digits()
    for i, share in enumerate(shares):
        w.add("class_share", share, percent=True, digits=digits, keep=1.0, label=f"class {i}")
    return claim_set([Group("run")], w.claims)


def training(rng: np.random.Generator) -> ClaimSet:
    """A run with early stopping under a weighted loss."""
    cap, patience = int(rng.integers(5, 100)), int(rng.integers(1, 25))
    best = int(rng.integers(1, cap + 1))
    ran = min(cap, best + patience)
    weights = rng.uniform(0.1, 2, 2)
    rho, rest = float(rng.uniform(-0.3, 0.9)), float(rng.uniform(0, 0.5))
    loss = weights[0] * (1 - rho) + weights[1] * rest
    w = Writer(rng)
    w.add("epochs_run", ran, whole=True)
    w.add("best_epoch", best, whole=True)
    w.add("validation_loss", float(loss))
    w.add("rank_ic", rho, definition="of the validation loss")
    w.add("t_statistic", 0.0, keep=0.0)
    same = bool(rng.random() < 0.7)
    terms = (
        LossTerm("one_minus_correlation", float(weights[0]), "rank_ic", same),
        LossTerm("huber", float(weights[1])),
    )
    schedule = Schedule(cap if rng.random() < 0.7 else None, patience if rng.random() < 0.8 else None)
    return claim_set([Group("run", loss=LossFormula(terms), schedule=schedule)], w.claims)


def tests(rng: np.random.Generator) -> ClaimSet:
    """A reported regression: slope, error, t, degrees of freedom, p."""
    from scipy import stats

    degrees = int(rng.integers(3, 500))
    error = float(np.exp(rng.normal(-1, 1)))
    t = float(rng.normal(0, 2.5))
    p = float(2 * stats.t.sf(abs(t), degrees))
    w = Writer(rng)
    w.add("slope", t * error)
    w.add("standard_error", error)
    w.add("t_statistic", t)
    w.add("degrees_of_freedom", degrees, whole=True, keep=0.7)
    w.add("p_value", p if rng.random() < 0.7 else p / 2)
    z = float(rng.normal(0, 2))
    w.add("z_statistic", z, label="second")
    w.add("p_value", float(2 * stats.norm.sf(abs(z))), label="second")
    return claim_set([Group("run")], w.claims)


def pooled(rng: np.random.Generator) -> ClaimSet:
    """Figures averaged over folds, and saying so: identities of one sample hold as inequalities only."""
    folds = []
    for _ in range(int(rng.integers(2, 7))):
        n = int(rng.integers(20, 200))
        tp, fp, fn, tn = rng.multinomial(n, rng.dirichlet(np.ones(4)))
        e = rng.normal(rng.normal(0, 0.5), rng.uniform(0.2, 3), n)
        mse = float((e**2).mean())
        folds.append([
            _safe(tp, tp + fp), _safe(tp, tp + fn), _safe(2 * tp, 2 * tp + fp + fn), (tp + tn) / n,
                float(np.abs(e).mean()),
            math.sqrt(mse), mse, float(e.mean()),
        ])  # fmt: skip
    mean = np.mean(folds, axis=0)
    w = Writer(rng)
    metrics = ("precision", "recall", "f1", "accuracy", "mae", "rmse", "mse", "bias")
    for metric, value in zip(metrics, mean, strict=True):
        w.add(metric, float(value), definition="mean over folds")
    return claim_set([Group("run", classes=(ClassShare("up"), ClassShare("down")))], w.claims)


GENERATORS: dict[str, Callable[[np.random.Generator], ClaimSet]] = {
    "multiclass": multiclass, "binary_family": binary_family, "regression": regression, "returns": returns,
    "information": information, "trades": trades, "derived": derived, "training": training, "tests": tests,
    "pooled": pooled,
}  # fmt: skip
