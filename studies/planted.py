"""Do the models find what is there, and nothing where nothing is?

Run: ``python studies/planted.py [--kinds reversal,volume,…] [--seeds 0] [--forms] [--csv planted.csv]``
     ``python studies/planted.py --nothing 100``

The first form plants a signal of IC 0.10 in 100 assets over 1,500 sessions, trains each family's small preset on the
first 900 (the last 150 of them validate) and compares its information coefficient on the last 600 with the oracle's.
In `reversal` and `momentum` the signal is the trailing 5-session return, in `volume` the volume over its 20-session
mean, in `sign_flip` the trailing return with a sign that depends on volatility, which no linear model can see.

The second form plants nothing: each of many cheap fits has a market of its own in which labels, in training and test
alike, know nothing of the past. It counts how often a test IC is "significant" at 5%.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
from scipy import stats

from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns
from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_model
from assay.models.metrics import daily_correlation, hac_t

TRAIN, SESSIONS, ASSETS, IC = 900, 1500, 100, 0.10
FAMILIES = ("ridge", "stock_lstm", "b3_multitask", "reliance_direction", "nse_price")
#: Forms that the reports or their readers name, beside the small preset of their family.
FORMS = {
    "b3_multitask, two layers": ("b3_multitask", {"depth": 2}),
    "b3_multitask, bidirectional": ("b3_multitask", {"bidirectional": True, "windowed": True}),
    "b3_multitask, attention": ("b3_multitask", {"attention": True, "windowed": True}),
    "b3_multitask, Phase 2 indicators": ("b3_multitask", {"feature_set": "indicators_phase2"}),
}


def quality(predictions: PredictionPanel, prices: PricePanel, first: int) -> tuple[float, float]:
    """Mean daily IC from row `first` on and its HAC t (lag 1)."""
    ahead = forward_returns(prices).to_numpy()[first:]
    daily = daily_correlation(predictions.require_score("study").to_numpy()[first:], ahead, ranked=False)
    return (float(np.nanmean(daily)), hac_t(daily, 1)) if np.isfinite(daily).any() else (0.0, 0.0)


def five_day_mean(prices: PricePanel) -> PredictionPanel:
    """The untrained forecast that stands beside the price model: the mean of the last five closes."""
    return PredictionPanel(prices.close.rolling(5).mean() / prices.close - 1.0, name="five_day_mean")


def trial(family: str, kind: str, seed: int) -> dict[str, object]:
    """One family on one market."""
    prices, oracle = synthetic_market(SESSIONS, ASSETS, ic=IC, seed=seed, kind=kind)  # type: ignore[arg-type]
    best, _ = quality(oracle, prices, TRAIN)
    start = time.perf_counter()
    if family == "five_day_mean":
        predictions = five_day_mean(prices)
    else:
        name, settings = FORMS.get(family, (family, {}))
        model = (
            load_model("ridge", feature_set="core14")
            if family == "ridge"
            else load_model(name, preset="small", validation=150 / (TRAIN - 60), **settings)
        )
        train = prices.through(prices.sessions[TRAIN - 1])
        predictions = model.fit(train, horizon=1, delay=1, seed=seed).predict(prices)
    taken = time.perf_counter() - start
    own, t = quality(predictions, prices, TRAIN)
    return {
        "market": kind, "model": family, "seed": seed, "oracle_ic": best, "ic": own, "share": own / best,
        "hac_t": t, "seconds": taken,
    }  # fmt: skip


def planted(kinds: Iterable[str], seeds: Iterable[int], families: Iterable[str]) -> pd.DataFrame:
    """Every family on every market and seed."""
    families = tuple(families)
    rows = []
    for kind in kinds:
        for family in families:
            for seed in seeds:
                rows.append(trial(family, kind, seed))
                print(f"{kind}, {family}, seed {seed}: share {rows[-1]['share']:.2f}", file=sys.stderr)
    return pd.DataFrame(rows)


def nothing(fits: int, preset: str = "tiny") -> dict[str, float]:
    """Share of fits whose test IC has |HAC t| above 1.96 on markets where nothing is planted, with binomial bounds."""
    rejected = 0
    for seed in range(fits):
        prices, _ = synthetic_market(420, 30, seed=10_000 + seed, kind="none")
        model = load_model("stock_lstm_close", preset=preset)
        predictions = model.fit(prices.through(prices.sessions[219]), horizon=1, delay=1, seed=seed).predict(prices)
        rejected += abs(quality(predictions, prices, 220)[1]) > stats.norm.ppf(0.975)
    low, high = stats.binom.interval(0.99, fits, 0.05)
    return {"fits": fits, "rejected": rejected, "low": float(low), "high": float(high)}


def main() -> None:
    """Parse the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default="reversal,volume,sign_flip,momentum")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--forms", action="store_true", help="further forms in the place of the families")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--nothing", type=int, default=0, metavar="FITS")
    options = parser.parse_args()
    if options.nothing:
        told = nothing(options.nothing)
        print(
            f"{told['rejected']} of {told['fits']} fits rejected at 5%; between {told['low']:.0f} and "
            f"{told['high']:.0f} are expected 99 times in 100"
        )
        return
    families = FORMS if options.forms else (*FAMILIES, "five_day_mean")
    table = planted(options.kinds.split(","), [int(seed) for seed in options.seeds.split(",")], families)
    if options.csv:
        table.to_csv(options.csv, index=False)
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
