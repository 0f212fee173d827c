"""Markets where names die: what the bounds cover without the membership file, and that nothing is missing with it.

Run: ``python studies/missing_names.py [--markets 100] --out studies/missing_names.md``

Of 50 names 5% a year go, as the bounds assume: each loses 30% before it goes, half of them at once, which a delisting
return says, half over their last 60 sessions. A new name takes the place of each. The truth is the book on all names,
members as they were. Whoever has today's names alone sees the survivors, with those that came later, and their bounds.
The truth is computed twice: by the product through the two files, and by a plain loop over shares, prices and cash.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

from assay.data.conventions import annual_sharpe
from assay.data.files.members import load_delisting_returns, load_members
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.universe import with_delisting_returns, with_members
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.result import BacktestResult
from assay.results.evidence.missing_names import LOSS, SHARE, missing_names
from assay.results.stats.long_run_variance import regress
from assay.results.stats.proportions import wilson_interval
from assay.strategies.catalog import load_strategy

NAMES, SESSIONS, IC = 50, 1008, 0.03
SLIDE = 60
#: book → strategy and score.
BOOKS = {
    "a signal of IC 0.03, long and short": ("quintile_long_short", "signal"),
    "the same, long only": ("s5_long_only", "signal"),
    "what fell over 60 sessions is bought": ("quintile_long_short", "losers"),
    "what rose over 60 sessions is bought": ("quintile_long_short", "winners"),
}
CUT = 600


@dataclass(frozen=True, eq=False)
class Market:
    """All names that ever were, and what the two files say of them.

    Parameters
    ----------
    close : (T, N) NaN before a name came and after it went.
    spells : asset, from, to; a row a name.
    paid : asset → delisting return, of those that went at once.
    score : kind → (T, N).

    """

    close: pd.DataFrame
    spells: pd.DataFrame
    paid: pd.Series
    score: dict[str, pd.DataFrame]


def market(seed: int, loss: float = LOSS) -> Market:
    """One market; every name that goes has lost `loss` by then."""
    rng = np.random.default_rng([71, seed])
    days = pd.bdate_range("2012-01-02", periods=SESSIONS)
    factor = rng.normal(0.0003, 0.009, SESSIONS)
    columns, spells, paid = {}, [], {}
    for place in range(NAMES):
        start = 0
        while start < SESSIONS - 1:
            life = int(rng.geometric(SHARE / 252)) + SLIDE
            last, name = min(start + life, SESSIONS) - 1, f"N{place:02d}{len(spells):04d}"
            own = rng.uniform(0.6, 1.4) * factor[start : last + 1] + rng.normal(0.0001, 0.015, last + 1 - start)
            gone = last < SESSIONS - 1
            if gone and rng.random() < 0.5:
                paid[name] = loss
            elif gone:
                own[-SLIDE:] += np.log1p(loss) / SLIDE
            columns[name] = pd.Series(100 * np.exp(np.cumsum(own)), days[start : last + 1])
            spells.append({"asset": name, "from": days[start], "to": days[last] if gone else pd.NaT})
            start = last + 1
    close = pd.DataFrame(columns).reindex(days)
    ahead = (close.shift(-2) / close.shift(-1) - 1).sub(factor_of(factor, close.index), axis="index")
    noise = pd.DataFrame(rng.normal(size=close.shape), close.index, close.columns)
    signal = IC * ahead / 0.015 + noise
    past = close / close.shift(SLIDE) - 1
    score = {"signal": signal.fillna(noise), "losers": -past, "winners": past}
    table = pd.DataFrame(spells)
    known = {name: frame.where(close.notna()) for name, frame in score.items()}
    return Market(close, table, pd.Series(paid, dtype=float), known)


def factor_of(factor: np.ndarray, days: pd.Index) -> pd.Series:
    """What the common factor earned over the window of a decision."""
    return pd.Series(factor, days).shift(-2)


def with_files(at: Market, folder: Path) -> PricePanel:
    """The panel of all names, with memberships and delisting returns read from files."""
    members, delisted = folder / "members.csv", folder / "delisted.csv"
    at.spells.to_csv(members, index=False)
    at.paid.rename_axis("asset").rename("return").reset_index().to_csv(delisted, index=False)
    panel = PricePanel(at.close)
    if len(at.paid):
        panel = with_delisting_returns(panel, load_delisting_returns(delisted))
    return with_members(panel, load_members(members))


def survivors(at: Market) -> PricePanel:
    """Today's names alone."""
    return PricePanel(at.close.loc[:, at.close.iloc[-1].notna()])


def book(
    prices: PricePanel, score: pd.DataFrame, strategy: str, benchmark: pd.Series | None = None
) -> BacktestResult:
    """A backtest of the score on the panel, without costs."""
    panel = PredictionPanel(score[list(prices.assets)], unit="rank", name="study")
    return run_backtest(load_strategy(strategy), panel, prices, costs=CostModel.zero(), benchmark=benchmark)


def plain(at: Market, score: pd.DataFrame) -> np.ndarray:
    """(T,) returns of the quintile rule without costs, by shares, prices and cash alone."""
    close, shares, cash, nav = at.close.to_numpy(), np.zeros(at.close.shape[1]), 1.0, 1.0
    price, out = np.zeros(close.shape[1]), np.zeros(len(close))
    paid = at.paid.reindex(at.close.columns).to_numpy()
    target: np.ndarray | None = None
    for t in range(len(close)):
        now = close[t].copy()
        if t:
            ended = np.isnan(now) & ~np.isnan(close[t - 1]) & ~np.isnan(paid)
            now[ended] = close[t - 1][ended] * (1 + paid[ended])
        there = ~np.isnan(now)
        gone = ~there & (shares != 0)
        cash += float(shares[gone] @ price[gone])
        shares[gone] = 0.0
        price = np.where(there, now, price)
        value = cash + float(shares @ price)
        out[t], nav = value / nav - 1, value
        if target is not None:
            wanted = np.where(there, target * value / np.where(there, now, 1.0), shares)
            cash -= float((wanted - shares) @ np.where(there, now, 0.0))
            shares = wanted
        view = np.where(np.isnan(close[t]), np.nan, score.to_numpy()[t])
        known = np.flatnonzero(~np.isnan(view))
        count = max(1, int(0.2 * len(known) + 0.5))
        order = known[np.argsort(-view[known], kind="stable")]
        target = np.zeros(len(view))
        target[order[:count]], target[order[-count:]] = 0.5 / count, -0.5 / count
    return out


def measured(seed: int, folder: Path, loss: float = LOSS) -> list[dict[str, object]]:
    """A row a book: the truth, what the survivors show, and whether the bounds cover the truth."""
    at = market(seed, loss)
    full, today = with_files(at, folder), survivors(at)
    benchmark = full.close.pct_change(fill_method=None).mean(axis="columns").fillna(0.0).rename("all names")
    rows: list[dict[str, object]] = []
    for name, (strategy, kind) in BOOKS.items():
        score = at.score[kind]
        truth = book(full, score, strategy, benchmark)
        seen = book(today, score, strategy, benchmark)
        ends = {
            item.name.partition("_")[0]: (item.low, item.high)
            for item in missing_names(seen)
            if item.low is not None and item.high is not None
        }
        assert truth.benchmark is not None
        line = regress(truth.returns.to_numpy(), truth.benchmark.to_numpy())
        assert line is not None
        sharpe, alpha = float(annual_sharpe(truth.returns.to_numpy())), 252 * line.alpha
        rows.append({
            "market": seed, "book": name, "truth": sharpe, "seen": float(annual_sharpe(seen.returns.to_numpy())),
            "sharpe": ends["sharpe"][0] <= sharpe <= ends["sharpe"][1],
            "alpha": ends["alpha"][0] <= alpha <= ends["alpha"][1],
            "width": ends["sharpe"][1] - ends["sharpe"][0],
        })  # fmt: skip
    exact = book(full, at.score["signal"], "quintile_long_short").returns
    difference = float(np.abs(exact.to_numpy() - plain(at, at.score["signal"])[-len(exact) :]).max())
    rows[0] |= {"plain": difference, "moved": _moved(at, folder), "gone": float(at.spells["to"].notna().sum())}
    return rows


def _moved(at: Market, folder: Path) -> float:
    """Largest change of a net return up to the cut, when the membership file and the prices end there."""
    cut, score = at.close.index[CUT], at.score["signal"]
    whole = book(with_files(at, folder), score, "quintile_long_short").returns
    spells = at.spells[at.spells["from"] <= cut]
    early = Market(at.close.loc[:cut, spells["asset"]], spells.assign(to=spells["to"].where(spells["to"] <= cut)),
                   at.paid[[name for name in at.paid.index if name in set(spells.loc[spells["to"] < cut, "asset"])]],
                   {})  # fmt: skip
    then = book(with_files(early, folder), score.loc[:cut, spells["asset"]], "quintile_long_short").returns
    return float((whole.reindex(then.index) - then).abs().max())


def share(hits: pd.Series) -> str:
    """A share with Wilson's 95% interval."""
    low, high = wilson_interval(int(hits.sum()), len(hits))
    return f"{hits.mean():.1%} [{low:.1%}, {high:.1%}]"


def page(table: pd.DataFrame, harder: pd.DataFrame, command: str) -> str:
    """The page as Markdown."""
    lines = [
        "# Names that are missing: bounds without the membership file, and nothing missing with it",
        "",
        f"Made by `{command}`.",
        f"{table['market'].nunique()} markets of {NAMES} names × {SESSIONS:,} sessions; {SHARE:.0%} of names a year go",
        f"and lose {-LOSS:.0%}, {table['gone'].mean():.0f} a market; no costs.",
        "",
        "| book | truth, net Sharpe | survivors show | bounds cover the Sharpe ratio | bounds cover alpha | width |",
        "|---|---|---|---|---|---|",
    ]

    def rows(of: pd.DataFrame) -> list[str]:
        return [
            f"| {name} | {part['truth'].mean():.2f} | {part['seen'].mean():.2f} | {share(part['sharpe'])} | "
            f"{share(part['alpha'])} | {part['width'].mean():.2f} |"
            for name, part in of.groupby("book", sort=False)
        ]

    lines += [
        *rows(table),
        "",
        f"With the files: the product's returns differ from the plain loop's by {table['plain'].max():.0e} at most.",
        f"Files and prices that end at session {CUT} move no return before by more than {table['moved'].max():.0e}.",
        "",
        "The bounds are as good as what they assume. Where each name that goes loses 80%, not 30%:",
        "",
        *lines[-2:],
        *rows(harder),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the study and write its page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=100)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    found: dict[float, list[dict[str, object]]] = {LOSS: [], -0.8: []}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(asked.markets):
            for loss, rows in found.items():
                rows += measured(seed, Path(folder), loss) if loss == LOSS or seed < asked.markets // 4 else []
            if seed % 10 == 9:
                print(f"{seed + 1} of {asked.markets} markets, {time.perf_counter() - started:.0f} s", file=sys.stderr)
    command = f"python studies/missing_names.py --markets {asked.markets} --out {asked.out}"
    asked.out.write_text(page(*map(pd.DataFrame, found.values()), command), encoding="utf-8")


if __name__ == "__main__":
    main()
