"""Does optimising earn its complexity? Rules, equal weight, inverse volatility and optimisers, net of costs.

Run: ``python studies/portfolio_comparison.py [--prices FILE] [--cap 0.15] [--daily] [--draws 2000]``

Without ``--prices`` it runs on the embedded sample with the ridge predictions that ship with it; with a price file it
retrains ridge walk-forward first (expanding window, yearly). Every portfolio trades the same sessions at the same
costs (5 bps one way, 50 bps a year on shorts); optimisers decide every 21 sessions on 252 daily returns unless they
say otherwise. Each net Sharpe ratio has its 95% interval, and its difference to equal weight has one from a stationary
bootstrap of both on the same sessions. It prints a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

from assay.data.files.prices import load_prices
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.sample import load_sample, load_sample_predictions
from assay.engine.backtest import run_backtest
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.catalog import load_model
from assay.results.checks.capacity import capacity
from assay.results.stats.bootstrap import paired_difference
from assay.results.stats.performance import drawdowns, sharpe_interval
from assay.strategies.catalog import load_strategy

RULES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("equal weight", "equal_weight", {}),
    ("inverse volatility", "inverse_volatility", {}),
    ("buy and hold", "buy_and_hold", {}),
    ("S5, long the top fifth", "s5_long_only", {}),
    ("quintile long/short", "quintile_long_short", {}),
    ("S2, with its overlays", "s2_filter_negative", {}),
)


def portfolios(cap: float, daily: bool) -> list[tuple[str, str, dict[str, Any]]]:
    """Label, strategy and parameters of every row."""
    held = {"max_weight": cap}
    neutral = {"net": 0.0, "gross": 1.0, "long_only": False, "max_beta": 0.0, **held}
    rows = [
        *RULES,
        ("minimum variance", "min_variance", held),
        ("HRP", "hrp", held),
        ("HRP tilted by the predictions", "hrp", {"tilt": 0.5, **held}),
        ("risk parity", "risk_parity", held),
        ("maximum diversification", "max_diversification", held),
        ("mean-variance", "mean_variance", held),
        ("mean-variance, ranks only", "mean_variance", {"signal": "tilt", **held}),
        ("mean-CVaR", "cvar", held),
        ("Black-Litterman", "black_litterman", held),
        ("mean-variance, weekly, no costs in the objective", "mean_variance", {"every": 5, "cost_bps": 0.0, **held}),
        ("mean-variance, weekly, dollar- and beta-neutral", "mean_variance", {"every": 5, "signal": "tilt", **neutral}),
    ]
    if daily:
        rows.append(("mean-variance, daily", "mean_variance", {"every": 1, **held}))
    return rows


def inputs(path: Path | None) -> tuple[PredictionPanel, PricePanel]:
    """The sample and its shipped predictions, or a price file and ridge retrained on it."""
    if path is None:
        return load_sample_predictions("ridge"), load_sample()[0]
    prices = load_prices(path)
    folds = WalkForward(train=None, minimum_train=504, retrain="yearly").split(prices.sessions)
    return walk_forward(load_model("ridge"), prices, folds).predictions, prices


def halving(prices: PricePanel, weights: pd.DataFrame) -> str:
    """The size of the fund at which square-root impact takes half of the net Sharpe ratio; a dash without either."""
    if prices.volume is None:
        return "–"
    found = capacity(prices, weights)
    if not found.base > 0:
        return "–"
    if np.isnan(found.halves_at):
        left = float(found.table["sharpe"].iloc[-1])
        return "> 100 bn" if left > found.base / 2 else "< 1 mn"
    return f"{found.halves_at / 1e9:,.2f} bn"


def main() -> None:
    """Print one row a portfolio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prices", type=Path, help="long or wide prices; default: the embedded sample")
    parser.add_argument("--cap", type=float, default=0.15, help="most weight of a name in the optimisers")
    parser.add_argument("--daily", action="store_true", help="mean-variance every session too (slow)")
    parser.add_argument("--draws", type=int, default=2000, help="bootstrap resamples")
    options = parser.parse_args()
    predictions, prices = inputs(options.prices)
    first, last = (stamp.date() for stamp in predictions.sessions[[0, -1]])
    shape = f"{predictions.shape[1]} assets, {len(predictions.sessions):,} sessions"
    print(f"{shape}, {first} to {last}, {Path(prices.source).name}\n")
    print("| portfolio | net Sharpe [95%] | return | volatility | worst drawdown | turnover a year | costs a year "
          "| Sharpe less equal weight's [95%] | p | AUM that halves it |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    base: np.ndarray | None = None
    for label, name, params in portfolios(options.cap, options.daily):
        start = time.perf_counter()
        result = run_backtest(load_strategy(name, **params), predictions, prices)
        net = result.returns.to_numpy()
        if base is None:
            base = net
        sharpe, low, high = sharpe_interval(net)
        worst = float(drawdowns(result.returns, 1)["depth"].min())
        costs = float((result.costs.sum(axis=1) / result.nav.shift(1)).mean()) * 252
        compared = "", ""
        if label != RULES[0][0]:
            found = paired_difference(net, base, draws=options.draws)
            compared = f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]", f"{found.p_value:.3f}"
        cells = (
            label,
            f"{sharpe:.2f} [{low:.2f}, {high:.2f}]",
            f"{net.mean() * 252:.1%}",
            f"{net.std(ddof=1) * 252**0.5:.1%}",
            f"{worst:.1%}",
            f"{result.turnover.mean() * 252:.1f}",
            f"{costs:.2%}",
            *compared,
            halving(prices, result.target_weights),
        )
        print("| " + " | ".join(cells) + " |", flush=True)
        kinds = result.events["kind"].value_counts().to_dict() if len(result.events) else {}
        print(f"{label}: {time.perf_counter() - start:.1f} s, events {kinds}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
