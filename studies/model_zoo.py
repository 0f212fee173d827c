"""What is the LSTM worth? Every family on planted markets of four kinds and on the sample, with errors and seconds.

Run: ``python studies/model_zoo.py [--seeds 0,1,2] [--csv model_zoo.csv]``; ``--page model_zoo.csv`` writes the page.

Planted: an IC of 0.10 in 100 assets over 1,500 sessions, 900 to train on (the last 150 of them validate), 600 to test;
every network has its small preset and the 14 features. Sample: walk-forward over 2010 to 2022, retrained every year on
the 1,260 sessions before, small presets, closes alone; the figure is the mean daily rank IC with its HAC t.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pandas as pd

from assay.data.sample import load_sample
from assay.data.synthetic import synthetic_market
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.catalog import load_model
from assay.models.metrics import rank_metrics
from studies.planted import ASSETS, IC, SESSIONS, TRAIN, quality

KINDS = ("reversal", "momentum", "volume", "sign_flip")
NETWORKS = ("stock_lstm", "gru", "tcn", "dlinear", "patch_transformer")
OTHERS = ("ridge", "gradient_boosting")


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


def sample(family: str, seed: int) -> dict[str, object]:
    """One family, walk-forward on the sample: mean daily rank IC and its HAC t."""
    prices, _ = load_sample()
    name = "stock_lstm_close" if family == "stock_lstm" else family
    model = load_model(name, preset="small" if family in NETWORKS else None)
    folds = WalkForward(train=1260, retrain="yearly", start="2010-01-04").split(prices.sessions)
    start = time.process_time()
    run = walk_forward(model, prices, folds, horizon=1, delay=1, seeds=(seed,))
    score = run.predictions.require_score("study")
    ahead = prices.close.pct_change(fill_method=None).shift(-2).loc[score.index]
    found = rank_metrics(score.to_numpy(), ahead.to_numpy(), horizon=1)
    seconds = time.process_time() - start
    return {"market": "sample", "model": family, "seed": seed, "figure": found["rank_ic"], "t": found["rank_ic_hac_t"],
            "seconds": seconds}  # fmt: skip


def page(table: pd.DataFrame, command: str) -> str:
    """The study as Markdown: a row a family, a column a market; a cell each seed's figure with its t."""
    columns = [*KINDS, "sample"]
    seeds = sorted(table["seed"].unique())
    ran = [family for family in (*OTHERS, *NETWORKS) if family in set(table["model"])]
    absent = [family for family in NETWORKS if family not in ran]
    lines = [
        "# What is the LSTM worth?",
        "",
        f"`{command}`, seeds {', '.join(map(str, seeds))}.",
        "",
        (__doc__ or "").split("\n\n")[2].strip(),
        "",
        "A cell holds each seed's figure and, in brackets, its t. Planted markets: share of the oracle's IC. Sample:",
        "mean daily rank IC.",
        "",
        "| model | " + " | ".join(columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for family in ran:
        cells = []
        for market in columns:
            own = table[(table["model"] == family) & (table["market"] == market)].sort_values("seed")
            digits = 4 if market == "sample" else 2
            cells.append(" · ".join(f"{row.figure:.{digits}f} ({row.t:.1f})" for row in own.itertuples()))
        lines.append(f"| `{family}` | " + " | ".join(cells) + " |")
    if len(seeds) == 1:
        lines += ["", "One seed: enough to see what a body can find, not to rank bodies whose figures are close."]
    if absent:
        lines += ["", f"Not run: {', '.join(absent)}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the options, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--csv", type=Path, default=Path("model_zoo.csv"))
    parser.add_argument("--page", type=Path, help="Write the page from this table instead of running.")
    options = parser.parse_args()
    if options.page:
        text = page(pd.read_csv(options.page), "python studies/model_zoo.py")
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
        return
    rows = []
    for seed in (int(text) for text in options.seeds.split(",")):
        for family in (*OTHERS, *NETWORKS):
            rows += [planted(family, kind, seed) for kind in KINDS]
            rows.append(sample(family, seed))
            pd.DataFrame(rows).to_csv(options.csv, index=False)
            print(f"seed {seed}, {family}: {rows[-1]['figure']:.4f} on the sample", file=sys.stderr)


if __name__ == "__main__":
    main()
