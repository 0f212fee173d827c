"""What is the LSTM worth? Every family on planted markets of four kinds and on real prices, with errors and seconds.

Run: ``python studies/model_zoo.py [--seeds 0,1,2] [--only MODEL,…] [--markets MARKET,…] [--prices FILE]``
     ``python studies/model_zoo.py --page model_zoo.csv``

Planted: an IC of 0.10 in 100 assets over 1,500 sessions, 900 to train on (the last 150 of them validate), 600 to test;
every network has its small preset and the 14 features. Sample: walk-forward over 2010 to 2022, retrained every year on
the 1,260 sessions before, small presets, closes alone; the figure is the mean daily rank IC with its HAC t. With
`--prices` the market `panel` is another panel's last half, retrained every year on all sessions before.

Each cell that ends is kept in the CSV, so that a run which is stopped, or ends after `--minutes`, goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pandas as pd
from scipy import stats

from assay.data.files.prices import load_prices
from assay.data.returns import forward_returns
from assay.data.sample import load_sample
from assay.data.synthetic import synthetic_market
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.catalog import load_model
from assay.models.metrics import rank_metrics
from studies.planted import ASSETS, IC, SESSIONS, TRAIN, quality

KINDS = ("reversal", "momentum", "volume", "sign_flip")
NETWORKS = (
    "stock_lstm", "gru", "tcn", "dlinear", "graph_lstm", "direct_reinforcement", "patch_transformer",
)  # fmt: skip
OTHERS = ("ridge", "gradient_boosting", "lightgbm_ranker")


def planted(family: str, kind: str, seed: int) -> dict[str, object]:
    """One family on one planted market: its share of the oracle's IC, its HAC t, and the seconds it took."""
    prices, oracle = synthetic_market(SESSIONS, ASSETS, ic=IC, seed=seed, kind=kind)  # type: ignore[arg-type]
    best, _ = quality(oracle, prices, TRAIN)
    settings = {"preset": "small", "validation": 150 / (TRAIN - 60)} if family in NETWORKS else {}
    model = load_model(family, feature_set="core14", **settings)  # type: ignore[arg-type]
    start = time.process_time()
    fitted = model.fit(prices.through(prices.sessions[TRAIN - 1]), horizon=1, delay=1, seed=seed)
    own, t = quality(fitted.predict(prices), prices, TRAIN)
    seconds = time.process_time() - start
    return {"market": kind, "model": family, "seed": seed, "figure": own / best, "t": t, "seconds": seconds}


def real(family: str, market: str, seed: int, file: Path | None) -> dict[str, object]:
    """One family, walk-forward on real prices: mean daily rank IC and its HAC t."""
    name = "stock_lstm_close" if family == "stock_lstm" else family
    model = load_model(name, preset="small" if family in NETWORKS else None)
    if file is None:
        prices, _ = load_sample()
        plan = WalkForward(train=1260, retrain="yearly", start="2010-01-04")
    else:
        prices = load_prices(file)
        plan = WalkForward(train=None, minimum_train=len(prices.sessions) // 2, retrain="yearly")
    start = time.process_time()
    run = walk_forward(model, prices, plan.split(prices.sessions), horizon=1, delay=1, seeds=(seed,))
    score = run.predictions.require_score("study")
    ahead = forward_returns(prices).loc[score.index]
    found = rank_metrics(score.to_numpy(), ahead.to_numpy(), horizon=1)
    seconds = time.process_time() - start
    return {"market": market, "model": family, "seed": seed, "figure": found["rank_ic"], "t": found["rank_ic_hac_t"],
            "seconds": seconds}  # fmt: skip


def over_seeds(own: pd.DataFrame) -> float:
    """Half of the 95% interval of the mean over seeds (Student's)."""
    return float(stats.t.ppf(0.975, len(own) - 1) * own["figure"].std(ddof=1) / len(own) ** 0.5)


def over_sessions(own: pd.DataFrame) -> float:
    """Half of the 95% interval of one seed over its sessions (HAC), mean over the seeds."""
    return float((1.96 * (own["figure"] / own["t"]).abs()).mean())


def cell_text(own: pd.DataFrame, market: str) -> str:
    """The mean over seeds with its 95% interval.

    Of planted markets, which differ by seed, over seeds where there are several; of real prices over the sessions, and
    how far seeds differ after it. One seed has the interval of its sessions.
    """
    if own.empty:
        return ""
    mean, digits = own["figure"].mean(), 2 if market in KINDS else 4
    half = over_seeds(own) if market in KINDS and len(own) > 1 else over_sessions(own)
    text = f"{mean:.{digits}f} [{mean - half:.{digits}f}, {mean + half:.{digits}f}]"
    return text if market in KINDS or len(own) < 2 else f"{text} ±{over_seeds(own):.{digits}f}"


def apart_from_zero(table: pd.DataFrame) -> str:
    """How many of the intervals on real prices leave out 0, and how many would where there is nothing."""
    cells = [(family, market, own) for (family, market), own in table.groupby(["model", "market"], sort=False)
             if market not in KINDS]  # fmt: skip
    out = [f"`{family}` on {market}" for family, market, own in cells
           if abs(own["figure"].mean()) > over_sessions(own)]  # fmt: skip
    names = f" ({', '.join(out)})" if out else ""
    leave = "leaves" if len(out) == 1 else "leave"
    return (
        f"Of the {len(cells)} intervals on real prices {len(out)} {leave} out 0{names};\n"
        f"of so many at 95%, {0.05 * len(cells):.0f} would where there is nothing to find."
    )


def page(table: pd.DataFrame, command: str, note: str = "") -> str:
    """The study as Markdown: a row a family, a column a market, what a fit on a planted market costs, and the note."""
    columns = [market for market in (*KINDS, "sample", "panel") if market in set(table["market"])]
    ran = [family for family in (*OTHERS, *NETWORKS) if family in set(table["model"])]
    lines = [
        "# What is the LSTM worth?", "", f"`{command}`", "", *(__doc__ or "").split("\n\n")[2:3], "",
        "Planted markets: share of the oracle's IC; the mean over seeds, each with a market of its own, and the 95%",
        "interval of that mean (Student's), of a single seed that of its sessions (HAC). Real prices: mean daily rank",
        "IC over seeds with the 95% interval of one seed's sessions (HAC, mean over seeds), and after ± how far the",
        "mean would move with other seeds (Student's 95%). Seconds are of the processor, a fit and its scores on a",
        "planted market, median.",
        "", "| model | seeds | seconds | " + " | ".join(columns) + " |", "|---|---|---|" + "---|" * len(columns),
    ]  # fmt: skip
    for family in ran:
        own = table[table["model"] == family]
        seconds = own.loc[own["market"].isin(KINDS), "seconds"].median()
        every = sorted(own["seed"].unique())
        cells = []
        for market in columns:
            there = own[own["market"] == market]
            cells.append(cell_text(there, market))
            if 0 < len(there) < len(every):
                cells[-1] += f" (seed {', '.join(map(str, sorted(there['seed'])))})"
        seeds = ", ".join(map(str, every))
        told = f"{seconds:.0f}" if seconds == seconds else "–"
        lines.append(f"| `{family}` | {seeds} | {told} | " + " | ".join(cells) + " |")
    done = set(zip(table["model"], table["market"], strict=True))
    absent = [f"{family} on {market}" for family in (*OTHERS, *NETWORKS) for market in columns
              if (family, market) not in done]  # fmt: skip
    lines += [
        "",
        "No winner is declared. On real prices an interval that covers 0 is no evidence of skill, and of two families",
        "whose intervals overlap neither is shown to be the better one.",
        *([apart_from_zero(table)] if set(columns) - set(KINDS) else []),
        "",
        f"All cells took {table['seconds'].sum() / 60.0:.0f} minutes of the processor.",
    ]
    if note:
        lines += ["", note]
    if absent:
        lines += ["", f"Not run: {', '.join(absent)}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the options, run what is not in the table yet, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--only", default=",".join((*OTHERS, *NETWORKS)))
    parser.add_argument("--markets", default=",".join((*KINDS, "sample")))
    parser.add_argument("--prices", type=Path, help="Another panel, as the market `panel`.")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--csv", type=Path, default=Path("model_zoo.csv"))
    parser.add_argument("--page", type=Path, help="Write the page from this table instead of running.")
    parser.add_argument("--note", default="", help="With --page: a sentence on how the table came about.")
    options = parser.parse_args()
    if options.page:
        text = page(pd.read_csv(options.page), "python studies/model_zoo.py --prices FILE", options.note)
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
        return
    markets = [*options.markets.split(","), *(["panel"] if options.prices else [])]
    rows = pd.read_csv(options.csv).to_dict("records") if options.csv.exists() else []
    done = {(row["market"], row["model"], row["seed"]) for row in rows}
    end = time.monotonic() + 60.0 * options.minutes
    for seed in (int(text) for text in options.seeds.split(",")):
        for family in options.only.split(","):
            for market in markets:
                if (market, family, seed) in done or time.monotonic() > end:
                    continue
                if market in KINDS:
                    rows.append(planted(family, market, seed))
                else:
                    rows.append(real(family, market, seed, options.prices if market == "panel" else None))
                pd.DataFrame(rows).to_csv(options.csv, index=False)
                row = rows[-1]
                print(f"seed {seed}, {family}, {market}: {row['figure']:.4f}, {row['seconds']:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
