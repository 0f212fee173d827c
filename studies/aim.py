"""Is a part of the way, traded daily, as good as a plan? The aim overlay beside its oracle, net of costs.

Run: ``python studies/aim.py --out studies/aim.md``. Outcomes are kept under ``--work``, a file a market: a run that was
killed goes on there, and ``--minutes`` ends it. Seeds are fixed: the market's is its number.

Markets of 30 assets of 1.5% daily volatility; scores whose information coefficient is 0.05 for the next session and
halves with their age over 5 or 20 sessions; 10 bps one way, no borrow fee, fills at the next open. The first 252 of 752
sessions are left out. The optimum is the strategy `multi_period`, which is told the planted IC and half-life and plans
40 sessions ahead; the aim overlay is told nothing and measures the decay as it goes. The overlay stands on two books:
quintiles, and mean–variance at the same IC without costs, which reads all that the optimum reads. Quintiles know less:
how far any speed could take them is the row of smoothed quintiles, the best of nine speeds in hindsight, the same each
session. A plan is made as if no new scores were to come, so that the optimum is that of planning, and no bound on what
can be earned. Neither mean–variance nor the optimum meets its cap on gross exposure, which would be a bound of its own.
Brackets are 95% intervals: whole markets drawn again 2,000 times.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from assay.data.conventions import annual_sharpe
from assay.data.returns import forward_returns
from assay.data.synthetic import score_panel, synthetic_market
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.strategies.catalog import load_strategy

IC, HALF_LIVES, COST_BPS, ASSETS, SESSIONS, BEGUN = 0.05, (5.0, 20.0), 10.0, 30, 752, 252
DAILY, WEEKLY, AIM = "quintile, daily", "quintile, weekly", "quintile, aim"
SPEEDS = (0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.32, 0.4, 0.5)
HINDSIGHT = "quintile, smoothed, best speed in hindsight"
AIMED, OPTIMUM = "mean–variance, aim", "multi-period optimum"
ROWS = (DAILY, WEEKLY, HINDSIGHT, AIM, AIMED, OPTIMUM)
#: What is asked: a book, how often the net Sharpe ratio of another it has to reach.
ASKED = ((AIMED, OPTIMUM, 0.9), (AIM, OPTIMUM, 0.9), (AIM, DAILY, 1.25), (AIMED, DAILY, 1.25))
#: Of one market: label → net returns and turnover a year.
Outcome = Mapping[str, np.ndarray]


def books(half_life: float) -> dict[str, tuple[str, dict[str, Any]]]:
    """Label → strategy and parameters."""
    forecast = {"tilt": IC, "signal": "tilt", "risk_aversion": 50.0, "gross": 4.0, "max_weight": 1.0, "every": 1,
                "window": 126}  # fmt: skip
    free = {"net": 0.0, "long_only": False, "cost_bps": 0.0, "borrow_bps": 0.0}
    return {
        DAILY: ("quintile_long_short", {}),
        WEEKLY: ("quintile_long_short", {"every": 5}),
        **{f"{HINDSIGHT} {rate}": ("quintile_long_short", {"smoothing": 1 - rate}) for rate in SPEEDS},
        AIM: ("quintile_long_short", {"aim": True}),
        AIMED: ("mean_variance", {**forecast, **free, "aim": True}),
        OPTIMUM: ("multi_period", {**forecast, "half_life": half_life, "plan": 40}),
    }


def market(half_life: float, seed: int, assets: int = ASSETS, sessions: int = SESSIONS) -> dict[str, np.ndarray]:
    """Label → net returns (T,) after the first 252 sessions, and under ``turnover label`` what is traded a year."""
    costs = CostModel(commission_bps=COST_BPS, borrow_bps=0)
    prices, _ = synthetic_market(sessions, assets, seed=seed, volatility=0.015)
    ahead = forward_returns(prices, horizon=1, delay=1)
    scores = score_panel(ahead, IC, half_life, seed=100 + seed, lasting=True)
    first, out = prices.sessions[BEGUN], {}
    for label, (name, parameters) in books(half_life).items():
        run = run_backtest(load_strategy(name, **parameters), scores, prices, costs=costs)
        out[label] = run.returns.loc[first:].to_numpy()
        gross = float(run.exposure.loc[first:, "gross"].mean())
        out[f"turnover {label}"] = np.array(float(run.turnover.loc[first:].mean()) * 252 / gross)
    return out


def kept(path: Path, half_life: float, seed: int) -> dict[str, np.ndarray]:
    """The market's outcome, simulated where there is no such file."""
    if not path.exists():
        temporary = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(temporary, **market(half_life, seed))
        os.replace(temporary, path)
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def sharpes(outcomes: list[Outcome], label: str, draws: np.ndarray) -> np.ndarray:
    """(B,) net Sharpe ratios of the markets drawn, one after the other; draws (B, M)."""
    returns = np.stack([outcome[label] for outcome in outcomes])
    mean, square = returns.mean(axis=1), (returns**2).mean(axis=1)
    middle = mean[draws].mean(axis=1)
    answer: np.ndarray = middle / np.sqrt(square[draws].mean(axis=1) - middle**2) * np.sqrt(252)
    return answer


def judged(outcomes: list[Outcome]) -> tuple[list[str], list[str]]:
    """The table's rows without the half-life, and what was asked beside what was measured."""
    speeds = [f"{HINDSIGHT} {rate}" for rate in SPEEDS]
    best = max(speeds, key=lambda label: float(annual_sharpe(np.concatenate([one[label] for one in outcomes]))))
    count = len(outcomes)
    draws = np.vstack([np.arange(count), np.random.default_rng(0).integers(0, count, (2000, count))])
    of = {row: sharpes(outcomes, best if row == HINDSIGHT else row, draws) for row in ROWS}

    def ratio(row: str, other: str) -> str:
        each = of[row] / of[other]
        low, high = np.quantile(each[1:], (0.025, 0.975))
        return f"{each[0]:.2f} [{low:.2f}, {high:.2f}]"

    table = []
    for row in ROWS:
        source = best if row == HINDSIGHT else row
        name = row if source == row else f"{row} ({best.rpartition(' ')[2]})"
        turnover = np.mean([one[f"turnover {source}"] for one in outcomes])
        cells = [name, f"{of[row][0]:.2f}", f"{turnover:.0f}×", ratio(row, DAILY), ratio(row, OPTIMUM)]
        table.append(" | ".join(cells))
    asked = [
        f"{row} over {other}: asked {least}, measured {ratio(row, other)}, "
        + ("reached" if of[row][0] / of[other][0] >= least else "missed")
        for row, other, least in ASKED
    ]
    return table, asked


def page(found: Mapping[float, list[Outcome]], command: str) -> str:
    """The study in Markdown."""
    text = " ".join((__doc__ or "").split("\n\n")[2].split())
    heads = ("half-life", "book", "net Sharpe", "turnover a year, of gross", "over the daily book", "over the optimum")
    table, asked = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)], []
    for half_life, outcomes in found.items():
        rows, lines = judged(outcomes)
        table += [f"| {half_life:g} | {row} |" for row in rows]
        asked += [f"- half-life {half_life:g}: {line}." for line in lines]
    counts = ", ".join(f"{len(outcomes)} with half-life {half_life:g}" for half_life, outcomes in found.items())
    return "\n".join(["# The aim overlay beside its oracle", "", f"Made by `{command}`; markets: {counts}.", "", text,
                      "", *table, "", *asked, ""])  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--markets", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=15.0, help="begins no market after so long")
    parser.add_argument("--work", type=Path, default=Path("build/aim"))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(argv)
    given.work.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    found: dict[float, list[Outcome]] = {half_life: [] for half_life in HALF_LIVES}
    for seed in range(given.markets):
        for half_life, outcomes in found.items():
            path = given.work / f"{half_life:g}-{seed:03d}.npz"
            if not path.exists() and outcomes and time.monotonic() - begun > 60 * given.minutes:
                continue
            outcomes.append(kept(path, half_life, seed))
            print(f"half-life {half_life:g}, market {seed}", file=sys.stderr, flush=True)
    text = page(found, f"python studies/aim.py --markets {given.markets} --out studies/aim.md")
    print(text)
    if given.out is not None:
        given.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
