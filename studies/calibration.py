"""How often the gate's statistical rules pass on noise, and how often on skill.

Run: ``python studies/calibration.py [--panels 1000] [--market quiet|drift|sample] [--out studies/calibration.md]``
(about half an hour on one core for all three markets; seeds are fixed)

Score panels come from a known generator (`data.synthetic.score_panel`: half-life 5 sessions, h = d = 1) and run through
S2 with its overlays at 5 bps. Integrity rules (receipts, leaks, cross-check, baselines, seeds) are taken as passed, so
what is measured is the statistics alone. Three markets: *quiet* (20 assets × 1,000 sessions, 2% a day, a common factor
of 1% a day, no drift), *drift* (the same with 0.04% a session), *sample* (the embedded closes from 2010 on).
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

from data.embedded import load_sample
from data.panel import PredictionPanel, PricePanel
from data.returns import forward_returns
from data.synthetic import score_panel
from engine.batch import BatchResult, backtest_batch
from engine.canaries import random_score_null
from engine.costs import CostModel
from engine.execution import Execution
from results.hac import hac_mean, regress
from results.inference import deflated_sharpe
from results.ranking import rank_correlation
from strategies.catalog import load_strategy

COSTS, EXECUTION = CostModel(), Execution()
STRATEGY = load_strategy("s2_filter_negative")
HALF_LIFE = 5.0
NOTE = (
    "Net returns of noise carry costs, so the true alpha of these panels is below 0 and its two-sided test must reject "
    "more than 5% of them; a deflated Sharpe ratio of net returns passes fewer than 5% for the same reason. The power "
    "is low because 4 to 13 years of one daily strategy on 20 names is little evidence."
)
CHUNK = 50


@dataclass(frozen=True, eq=False)
class Market:
    """Prices, the benchmark's returns and the forward returns that scores are made of."""

    name: str
    prices: PricePanel
    benchmark: np.ndarray
    forward: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one panel looks like to the rules."""

    seed: int
    net: np.ndarray
    residual: np.ndarray
    ic_t: float
    alpha_t: float
    sharpe: float
    drawdown: float
    turnover: float
    break_even: float


def synthetic(name: str, drift: float) -> Market:
    """20 assets × 1,000 sessions around a common factor; the benchmark is their mean."""
    rng = np.random.default_rng(20260101)
    returns = drift + rng.normal(0, 0.01, (1000, 1)) + rng.normal(0, math.sqrt(0.02**2 - 0.01**2), (1000, 20))
    index = pd.bdate_range("2015-01-01", periods=1000)
    close = pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), index, [f"A{i:02d}" for i in range(20)])
    return made(name, PricePanel(close), pd.Series(returns.mean(axis=1), index))


def made(name: str, prices: PricePanel, benchmark: pd.Series) -> Market:
    forward = forward_returns(prices, horizon=1, delay=1)
    return Market(name, prices, benchmark.reindex(prices.sessions).fillna(0.0).to_numpy(), forward)


def market(name: str) -> Market:
    if name == "sample":
        prices, benchmark = load_sample()
        return made(name, prices.between("2010-01-04", None), benchmark)
    return synthetic(name, 0.0004 if name == "drift" else 0.0)


def outcomes(where: Market, ic: float, seeds: range) -> Iterator[Outcome]:
    """Run panels through S2, `CHUNK` at a time."""
    for start in range(seeds.start, seeds.stop, CHUNK):
        chunk = range(start, min(start + CHUNK, seeds.stop))
        panels = [score_panel(where.forward, ic, HALF_LIFE, seed) for seed in chunk]
        weights = np.stack([STRATEGY.target_weights(panel, where.prices).to_numpy() for panel in panels])
        batch = backtest_batch(where.prices, weights, STRATEGY.overlays, costs=COSTS, execution=EXECUTION)
        for run, (seed, panel) in enumerate(zip(chunk, panels, strict=True)):
            yield judged(where, seed, panel, batch, run)


def judged(where: Market, seed: int, panel: PredictionPanel, batch: BatchResult, run: int) -> Outcome:
    assert panel.score is not None
    ic, _ = rank_correlation(panel.score.to_numpy(), where.forward.to_numpy())
    net = batch.net[run]
    line = regress(net, where.benchmark)
    assert line is not None
    nav = np.cumprod(1 + net)
    trading = (batch.gross[run] - net).mean()
    traded = 2 * batch.turnover[run].mean()
    return Outcome(
        seed,
        net,
        line.residuals,
        hac_mean(ic[np.isfinite(ic)])[2],
        line.alpha_t,
        float(net.mean() / net.std(ddof=1)),
        float((nav / np.maximum(np.maximum.accumulate(nav), 1.0)).min() - 1),
        float(batch.turnover[run].mean() * 252),
        1e4 * (net.mean() + trading) / traded if traded > 0 else math.nan,
    )


def random_p(where: Market, ic: float, outcome: Outcome, runs: int) -> float:
    panel = score_panel(where.forward, ic, HALF_LIFE, outcome.seed)
    null = random_score_null(STRATEGY, panel, where.prices, runs=runs, seed=outcome.seed, costs=COSTS)
    return null.p_value


def cheap_rules(outcome: Outcome, deflated: float) -> bool:
    """The production policy's statistical rules, all but the random scores, which cost most."""
    return (
        outcome.ic_t >= 2.0
        and outcome.alpha_t >= 2.0
        and deflated >= 0.95
        and outcome.drawdown >= -0.25
        and outcome.turnover <= 100
        and outcome.break_even >= 10
    )


def alone(outcome: Outcome) -> float:
    """Deflated Sharpe ratio of the residual returns of a single trial."""
    return deflated_sharpe(outcome.residual, np.array([outcome.sharpe])).probability


def share(hits: int, n: int) -> str:
    from results.proportions import wilson_interval

    low, high = wilson_interval(hits, n)
    return f"{hits / n:.1%} [{low:.1%}, {high:.1%}]"


def study(name: str, panels: int, ranked: int, rounds: int) -> list[str]:
    """Markdown rows for one market."""
    where = market(name)
    found = list(outcomes(where, 0.0, range(panels)))
    passing = [o for o in found if cheap_rules(o, alone(o))]
    joint = sum(random_p(where, 0.0, o, 199) <= 0.05 for o in passing)
    p_values = [random_p(where, 0.0, o, 99) for o in found[:ranked]]
    rows = [
        f"| {name} | HAC t of rank IC, two-sided 5% | {share(sum(abs(o.ic_t) > 1.96 for o in found), panels)} |",
        f"| {name} | alpha t, two-sided 5% | {share(sum(abs(o.alpha_t) > 1.96 for o in found), panels)} |",
        f"| {name} | residual deflated Sharpe ≥ 0.95, alone | {share(sum(alone(o) >= 0.95 for o in found), panels)} |",
        f"| {name} | rank among 99 random scores, p ≤ 0.05 | {share(sum(p <= 0.05 for p in p_values), ranked)} |",
        f"| {name} | production, all statistical rules | {share(joint, panels)} |",
        f"| {name} | mean net Sharpe of noise, annualised | {np.mean([o.sharpe for o in found]) * 252**0.5:.2f} |",
    ]
    best_pass = 0
    for repeat in range(rounds):
        first = 1_000_000 + 100 * repeat
        tried = list(outcomes(where, 0.0, range(first, first + 100)))
        sharpes = np.array([o.sharpe for o in tried])
        best = tried[int(sharpes.argmax())]
        deflated = deflated_sharpe(best.residual, sharpes).probability
        if cheap_rules(best, deflated):
            best_pass += random_p(where, 0.0, best, 199) <= 0.05
    rows.append(f"| {name} | production, best of 100 noise panels, the ledger knowing | {share(best_pass, rounds)} |")
    for ic in (0.01, 0.02, 0.03, 0.05):
        skilled = list(outcomes(where, ic, range(2_000_000, 2_000_000 + 200)))
        good = [o for o in skilled if cheap_rules(o, alone(o))]
        power = sum(random_p(where, ic, o, 199) <= 0.05 for o in good)
        mean = np.mean([o.sharpe for o in skilled]) * 252**0.5
        rows.append(f"| {name} | production at IC {ic:.2f} (mean net Sharpe {mean:.2f}) | {share(power, 200)} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panels", type=int, default=1000)
    parser.add_argument("--ranked", type=int, default=300, help="panels ranked among random scores")
    parser.add_argument("--rounds", type=int, default=200, help="repetitions of the best of 100")
    parser.add_argument("--market", choices=["quiet", "drift", "sample"], action="append")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    chosen = options.market or ["quiet", "drift", "sample"]
    started = time.perf_counter()
    lines = ["| market | rule | share of panels that pass or reject [Wilson 95%] |", "|---|---|---|"]
    for name in chosen:
        lines += study(name, options.panels, options.ranked, options.rounds)
        print("\n".join(lines), flush=True)
    if options.out is not None:
        today = pd.Timestamp.now().date()
        command = f"python studies/calibration.py --panels {options.panels} --ranked {options.ranked}"
        command += f" --rounds {options.rounds} --out {options.out}"
        about = (
            f"{options.panels} noise panels a market, {options.ranked} of them ranked among random scores, "
            f"{options.rounds} rounds of the best of 100, 200 panels for each power. Made by `{command}` on {today}, "
            f"{(time.perf_counter() - started) / 60:.0f} minutes."
        )
        head = ["# Calibration of the gate's statistical rules", "", about, "", NOTE, ""]
        options.out.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
