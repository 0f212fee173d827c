"""Fifty trials in each of thirteen folds on noise: what the search finds, and what is left of it outside.

Run: ``python studies/tuning.py --out studies/tuning.md``. Outcomes are kept under ``--work``: a run that was killed
goes on there, and ``--minutes`` ends it. Seeds are fixed: the market's is its number, the search's 0.

Each market has 20 assets whose returns are a common factor of 1% and 1.7% of their own a session, and nothing to know:
378 sessions to train on before the first of 13 folds of 63 sessions, each retrained on the 378 before it. Ridge
regression on the ten close-only features searches its penalty (0.0001 to 100), the clipping of features (2, 3, 5 or 10
deviations) and the feature set (the ten, or the last price alone), 50 configurations in each fold, judged by the t of
skill after beta on the last fifth of the training sessions. What the chosen ones predict goes through S2 with its
overlays at 5 bps and is judged by the rules of `production` on skill and money, at every monthly look. S2 is switched
off after losses, which leaves the mean of its gross returns on noise at 0 and puts its Sharpe ratio a little below:
whether the search leaves a trace is seen in x and, on the markets that were run with them, in a book that is long and
short alike without overlays and in the difference to ridge as it stands.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

from assay.data.panel import PricePanel
from assay.data.returns import simple_returns
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.baselines import Ridge
from assay.results.stats.proportions import wilson_interval
from assay.results.stats.skill import trailing_risk
from assay.results.tuning.tuned import Tuned
from assay.strategies.ranked import QuintileLongShort
from studies.calibration_runs import _market as market_from
from studies.gate_power_runs import Place, judged, paths

TRAIN, FOLD, FOLDS, ASSETS = 378, 63, 13, 20
#: In every seed sequence of this study.
_STUDY = 71
_MEANS = {
    "inner_t": "t of the chosen configuration on its own tail, mean of the folds",
    "outer_x": "x outside, mean a session",
    "t": "t of skill outside",
    "sharpe_neutral": "gross Sharpe ratio outside, long and short alike, no overlays, a year",
    "sharpe_above_untuned": "gross Sharpe ratio outside through S2, less that of ridge as it stands",
    "gross_return": "gross return outside through S2, a year",
    "sharpe_gross": "gross Sharpe ratio outside through S2, a year",
    "sharpe_net": "net Sharpe ratio outside through S2, a year",
}
SPACE = {
    "penalty": {"low": 1e-4, "high": 100.0, "log": True},
    "clip": [2.0, 3.0, 5.0, 10.0],
    "feature_set": ["core_close", "price"],
}


def noise(seed: int, folds: int = FOLDS) -> PricePanel:
    """A market of which nothing can be known."""
    rng = np.random.default_rng([_STUDY, seed])
    shape = (TRAIN + FOLD * folds, ASSETS)
    returns = rng.normal(0, 0.01, (shape[0], 1)) + rng.normal(0, 0.017, shape)
    dates, names = pd.bdate_range("2010-01-01", periods=shape[0]), [f"A{i:02d}" for i in range(ASSETS)]
    return PricePanel(pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), dates, names))


def market(seed: int, trials: int = 50, folds: int = FOLDS) -> dict[str, float]:
    """One market: the chosen t in the folds, and everything the gate reads of what was predicted outside."""
    prices = noise(seed, folds)
    plan = WalkForward(train=TRAIN, retrain=FOLD, start=prices.sessions[TRAIN])
    model = Tuned(base=Ridge(), parameters=SPACE, trials=trials)
    walk = walk_forward(model, prices, plan.split(prices.sessions))
    first = walk.predictions.sessions[0]
    where = market_from(prices.between(first, None), None)
    at = Place(where, trailing_risk(simple_returns(prices.close)))
    plain = walk_forward(Ridge(), prices, plan.split(prices.sessions)).predictions
    run, untuned = paths(at, [walk.predictions, plain])
    neutral = paths(replace(at, where=replace(where, strategy=cast(Any, QuintileLongShort()))), [walk.predictions])[0]
    tails = [max(row["value"] for row in log["tuning"]["trials"] if "value" in row) for log in walk.logs.values()]
    known = np.isfinite(run.x)
    return {
        **judged(run),
        "inner_t": float(np.mean(tails)),
        "outer_x": float(run.x[known].mean()),
        "sharpe_gross": _sharpe(run.gross),
        "sharpe_neutral": _sharpe(neutral.gross),
        "sharpe_above_untuned": _sharpe(run.gross) - _sharpe(untuned.gross),
        "gross_return": 252 * float(run.gross.mean()),
        "sharpe_net": _sharpe(run.net),
        "folds": float(len(walk.folds)),
    }


def _sharpe(returns: np.ndarray) -> float:
    return float(returns.mean() / returns.std(ddof=1) * 252**0.5)


def work(folder: Path, markets: int, minutes: float) -> None:
    """Make the markets that are not there, until the time is up."""
    until = time.monotonic() + 60 * minutes
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(markets):
        path = folder / f"{seed}.json"
        if path.is_file():
            continue
        if time.monotonic() > until:
            return
        aside = path.with_suffix(f".{os.getpid()}.tmp")
        aside.write_text(json.dumps(market(seed)), encoding="utf-8")
        os.replace(aside, path)


def _mean(values: Sequence[float]) -> tuple[int, str]:
    found = np.array(values)
    if not len(found):
        return 0, ""
    half = 1.96 * found.std(ddof=1) / math.sqrt(len(found)) if len(found) > 1 else math.nan
    return len(found), f"{found.mean():.3f} [{found.mean() - half:.3f}, {found.mean() + half:.3f}]"


def page(folder: Path) -> str:
    """The Markdown of what lies in the folder."""
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]

    def share(passed: Sequence[bool]) -> tuple[int, str]:
        low, high = wilson_interval(sum(passed), len(passed))
        return len(passed), f"{np.mean(passed):.1%} [{low:.1%}, {high:.1%}]"

    listed = [
        *((text, _mean([row[name] for row in rows if name in row])) for name, text in _MEANS.items()),
        ("passes production at any monthly look", share([row["first_pass"] >= 0 for row in rows])),
        ("E ≥ 20 at any monthly look", share([row["log_e_max"] >= math.log(20) for row in rows])),
        ("t > 1.645 at the end", share([row["t"] > 1.645 for row in rows])),
        ("t > 1.645 at any monthly look", share([row["naive_max"] > 1.645 for row in rows])),
    ]
    about = (__doc__ or "").split("\n\n", 2)[2].strip()
    command = "python studies/tuning.py --out studies/tuning.md"
    made = f"Made by `{command}` on {pd.Timestamp.now().date()}; {len(rows)} markets"
    return "\n".join([
        "# Tuning on noise", "", f"{made}; means and shares with 95% intervals (shares: Wilson).", "", about, "",
        "| figure | markets | mean or share |", "|---|---|---|",
        *(f"| {name} | {count} | {value} |" for name, (count, value) in listed if count), "",
    ])  # fmt: skip


def main() -> None:
    """Parse the options, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=120)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop simulating after so long")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "tuning_on_noise")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    work(options.work, options.markets, options.minutes)
    text = page(options.work)
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
