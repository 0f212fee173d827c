"""Is a part of the way, traded daily, as good as a plan? The aim overlay beside its oracle, net of costs.

Run: ``python studies/aim.py [--assets 30] [--sessions 752] [--markets 4] [--out studies/aim.md]``

Synthetic markets of 1.5% daily volatility; scores whose information coefficient is 0.05 for the next session and halves
with their age over 5 or 20 sessions; 10 bps one way, no borrow fee; fills at the next open. Compared after the first
252 sessions, pooled over the markets: the quintile book traded daily and weekly, the same with the aim overlay (which
measures the decay as it goes), and the multi-period optimum, which is told the planted IC and half-life and plans 40
sessions ahead on a sample covariance of 252. Intervals: stationary bootstrap of the difference of net Sharpe ratios on
the same sessions.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from assay.data.conventions import annual_sharpe
from assay.data.returns import forward_returns
from assay.data.synthetic import score_panel, synthetic_market
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.results.stats.bootstrap import paired_difference
from assay.strategies.catalog import load_strategy

IC, HALF_LIVES, COST_BPS, BEGUN = 0.05, (5.0, 20.0), 10.0, 252
DAILY, WEEKLY, AIM, OPTIMUM = "quintile, daily", "quintile, weekly", "quintile, aim", "multi-period optimum"


def books(half_life: float) -> dict[str, tuple[str, dict[str, Any]]]:
    """Label → strategy and parameters."""
    plan = {"tilt": IC, "half_life": half_life, "plan": 40, "risk_aversion": 5.0, "max_weight": 0.2}
    return {
        DAILY: ("quintile_long_short", {}),
        WEEKLY: ("quintile_long_short", {"every": 5}),
        AIM: ("quintile_long_short", {"aim": True}),
        OPTIMUM: ("multi_period", plan),
    }


def pooled(assets: int, sessions: int, markets: int, half_life: float) -> dict[str, tuple[np.ndarray, float]]:
    """Label → net returns of all markets one after the other, and mean turnover a year."""
    costs = CostModel(commission_bps=COST_BPS, borrow_bps=0)
    out: dict[str, tuple[list[np.ndarray], list[float]]] = {name: ([], []) for name in books(half_life)}
    for seed in range(markets):
        prices, _ = synthetic_market(sessions, assets, seed=seed, volatility=0.015)
        ahead = forward_returns(prices, horizon=1, delay=1)
        scores = score_panel(ahead, IC, half_life, seed=100 + seed, lasting=True)
        for name, (strategy, parameters) in books(half_life).items():
            run = run_backtest(load_strategy(strategy, **parameters), scores, prices, costs=costs, keep="returns")
            out[name][0].append(run.returns.to_numpy()[BEGUN:])
            out[name][1].append(float(run.turnover.iloc[BEGUN:].mean() * 252))
    return {name: (np.concatenate(net), float(np.mean(turnover))) for name, (net, turnover) in out.items()}


def lines(assets: int, sessions: int, markets: int) -> list[str]:
    """The table, a row a book and half-life."""
    heads = ("half-life", "book", "net Sharpe", "turnover a year", "over the daily book", "of the optimum",
             "less the optimum, 95%")  # fmt: skip
    out = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for half_life in HALF_LIVES:
        found = pooled(assets, sessions, markets, half_life)
        sharpe = {name: float(annual_sharpe(net)) for name, (net, _) in found.items()}
        for name, (net, turnover) in found.items():
            span = ""
            if name != OPTIMUM:
                apart = paired_difference(net, found[OPTIMUM][0])
                span = f"{apart.low:+.2f} … {apart.high:+.2f}"
            out.append(
                f"| {half_life:g} | {name} | {sharpe[name]:.2f} | {turnover:.0f}× | "
                f"{sharpe[name] / sharpe[DAILY]:.2f} | {sharpe[name] / sharpe[OPTIMUM]:.0%} | {span} |"
            )
    return out


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--assets", type=int, default=30)
    parser.add_argument("--sessions", type=int, default=752)
    parser.add_argument("--markets", type=int, default=4)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(argv)
    table = lines(given.assets, given.sessions, given.markets)
    words = " ".join((__doc__ or "").split("\n\n")[2].split())
    command = f"python studies/aim.py --assets {given.assets} --sessions {given.sessions} --markets {given.markets}"
    text = "\n".join(["# The aim overlay beside its oracle", "", words, "", *table, "", f"Made by `{command}`.", ""])
    print(text)
    if given.out is not None:
        given.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
