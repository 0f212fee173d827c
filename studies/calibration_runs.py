"""What the calibration study simulates: markets, score panels through S2, and where the outcomes are kept.

A unit of work is a chunk of panels; its outcomes (daily net and gross returns, daily rank IC, costs) lie in one file
under the work folder, so that a run that was killed goes on, and tests can be judged anew without simulating again.
"""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns
from assay.data.sample import load_sample
from assay.data.synthetic import score_panel
from assay.engine.batch import backtest_batch
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.random_scores import random_score_null
from assay.results.stats.overfitting import probability_of_overfitting
from assay.results.stats.ranks import rank_correlation
from assay.strategies.base import decide
from assay.strategies.ranked import FilterNegative

Arrays = dict[str, Floats]

COSTS, EXECUTION = CostModel(), Execution()
STRATEGY = FilterNegative()
HALF_LIFE = 5.0
ICS = (0.01, 0.02, 0.03, 0.05)
#: Random-score runs beside each noise panel: with 39, p = (1 + k)/40 ≤ 0.05 has exactly 5% under the null.
RANKED = 39
TRIED = 100
#: Sessions, assets, drift a session of the synthetic markets; every panel (every round of the best) has its own.
SHAPES = {
    "quiet": (1000, 20, 0.0),
    "drift": (1000, 20, 0.0004),
    "wide": (2520, 100, 0.0004),
    "models": (1800, 20, 0.0004),
}
#: First session of the embedded sample; all panels share these prices.
STARTS = {"sample": "2010-01-04", "sample_1993": "1993-01-04", "beta_1993": "1993-01-04"}
#: There, S2 is never switched off and scores are new every session: what beta alone earns most with.
UNSWITCHED = "beta_1993"
#: In every seed sequence, so that no two parts of the study and no two markets share a stream.
_MARKET, _NOISE, _SKILL, _BEST = 1, 2, 3, 4
_NUMBERS = {"quiet": 0, "drift": 1, "wide": 2, "sample": 3, "sample_1993": 4, "models": 5, "beta_1993": 6}


@dataclass(frozen=True, eq=False)
class Market:
    """Prices, two benchmarks and the forward returns that scores are made of.

    Parameters
    ----------
    benchmark : (T,) the index on the sample; the assets' mean on synthetic markets.
    equal : (T,) mean return of the very assets.
    strategy, half_life : S2 and the scores' half-life in sessions, None for scores that are new every session.

    """

    prices: PricePanel
    benchmark: Floats
    equal: Floats
    forward: pd.DataFrame
    strategy: FilterNegative = STRATEGY
    half_life: float | None = HALF_LIFE


def synthetic(name: str, seed: int) -> Market:
    """Assets of 2% a day, half of the deviation (a quarter of the variance) from a common factor."""
    sessions, assets, drift = SHAPES[name]
    rng = np.random.default_rng([_MARKET, seed])
    own = math.sqrt(0.02**2 - 0.01**2)
    returns = drift + rng.normal(0, 0.01, (sessions, 1)) + rng.normal(0, own, (sessions, assets))
    names = [f"A{i:03d}" for i in range(assets)]
    close = pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), pd.bdate_range("2010-01-01", periods=sessions), names)
    return _market(PricePanel(close), None)


def sample(name: str) -> Market:
    """The embedded closes; the benchmark is the S&P 500."""
    prices, benchmark = load_sample()
    where = _market(prices.between(STARTS[name], None), benchmark)
    if name != UNSWITCHED:
        return where
    return replace(where, strategy=replace(STRATEGY, kill_switches=False), half_life=None)


def _market(prices: PricePanel, benchmark: pd.Series | None) -> Market:
    equal = prices.close.pct_change(fill_method=None).mean(axis=1).fillna(0.0).to_numpy()
    against = equal if benchmark is None else benchmark.reindex(prices.sessions).fillna(0.0).to_numpy()
    return Market(prices, against, equal, forward_returns(prices, horizon=1, delay=1))


def seed_of(part: int, name: str, *numbers: int) -> int:
    """One seed a panel, different in every part of the study and on every market."""
    return int(np.random.SeedSequence([part, _NUMBERS[name], *numbers]).generate_state(1)[0])


def scores(where: Market, ic: float, seed: int) -> PredictionPanel:
    """A panel whose scores, and what they know of the future, halve over the market's half-life."""
    return score_panel(where.forward, ic, where.half_life, seed, lasting=ic > 0)


def panels_through(where: Market, wanted: list[tuple[float, int]]) -> Arrays:
    """Score panels of (IC, seed) through S2 on one market: a row a panel."""
    panels = [scores(where, ic, seed) for ic, seed in wanted]
    weights = np.stack([decide(where.strategy, panel, where.prices).weights.to_numpy() for panel in panels])
    batch = backtest_batch(where.prices, weights, where.strategy.overlays, costs=COSTS, execution=EXECUTION)
    ahead = where.forward.to_numpy()
    return {
        "ic_planted": np.array([ic for ic, _ in wanted]),
        "seed": np.array([float(seed) for _, seed in wanted]),
        "net": batch.net,
        "gross": batch.gross,
        "ic": np.stack([rank_correlation(panel.require_score("study").to_numpy(), ahead)[0] for panel in panels]),
        "turnover": batch.turnover.mean(axis=1),
        "short": 0.5 * (batch.gross_exposure - batch.net_exposure).mean(axis=1),
    }


def market_of(name: str, outcome: Arrays) -> Market:
    """The market that an outcome was simulated on."""
    return sample(name) if name in STARTS else synthetic(name, int(outcome.get("market_seed", outcome["seed"])))


def random_p(where: Market, ic: float, seed: int, runs: int) -> float:
    """Where a panel stands among `runs` permutations of its scores, by the product's own function."""
    panel = scores(where, ic, seed)
    return random_score_null(
        where.strategy, panel, where.prices, runs=runs, seed=seed, costs=COSTS, execution=EXECUTION
    ).p_value


def _with_benchmarks(where: Market, found: Arrays) -> Arrays:
    rows = len(found["net"])
    for name, series in (("benchmark", where.benchmark), ("equal", where.equal)):
        found[name] = np.broadcast_to(series, (rows, len(series)))
    return found


def _joined(parts: list[Arrays]) -> Arrays:
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def noise(name: str, first: int, last: int, ranked: bool) -> Arrays:
    """Panels that know nothing, each ranked among random scores if asked for."""
    seeds = [seed_of(_NOISE, name, i) for i in range(first, last)]
    if name in STARTS:
        where = sample(name)
        found = _with_benchmarks(where, panels_through(where, [(0.0, seed) for seed in seeds]))
        found["p"] = np.array([random_p(where, 0.0, seed, RANKED) if ranked else math.nan for seed in seeds])
        return found
    parts = []
    for seed in seeds:
        where = synthetic(name, seed)
        part = _with_benchmarks(where, panels_through(where, [(0.0, seed)]))
        part["p"] = np.array([random_p(where, 0.0, seed, RANKED) if ranked else math.nan])
        parts.append(part)
    return _joined(parts)


def skill(name: str, first: int, last: int) -> Arrays:
    """Panels of each IC; on synthetic markets the four of a seed share its market."""
    seeds = [seed_of(_SKILL, name, i) for i in range(first, last)]
    if name in STARTS:
        where = sample(name)
        return _with_benchmarks(where, panels_through(where, [(ic, seed) for ic in ICS for seed in seeds]))
    parts = []
    for seed in seeds:
        where = synthetic(name, seed)
        parts.append(_with_benchmarks(where, panels_through(where, [(ic, seed) for ic in ICS])))
    return _joined(parts)


def best(name: str, first: int, last: int) -> Arrays:
    """The best net Sharpe ratio of 100 noise panels on one market, what its trials looked like, and their PBO."""
    parts = []
    for i in range(first, last):
        where = sample(name) if name in STARTS else synthetic(name, seed_of(_BEST, name, i))
        tried = panels_through(where, [(0.0, seed_of(_BEST, name, i, k)) for k in range(TRIED)])
        sharpes = tried["net"].mean(axis=1) / tried["net"].std(axis=1, ddof=1)
        top = int(sharpes.argmax())
        part = _with_benchmarks(where, {key: values[top : top + 1] for key, values in tried.items()})
        part["sharpes"] = sharpes[None]
        part["pbo"] = np.array([probability_of_overfitting(tried["net"].T).probability])
        part["market_seed"] = np.array([float(seed_of(_BEST, name, i))])
        parts.append(part)
    return _joined(parts)


def kept(
    folder: Path, label: str, count: int, chunk: int, make: Callable[[int, int], Arrays], say: Callable[[str], None]
) -> Arrays:
    """`make(first, last)` over 0…count in chunks, each read from the folder where it lies there."""
    parts = []
    for first in range(0, count, chunk):
        last = min(first + chunk, count)
        path = folder / f"{label}-{first}-{last}.npz"
        found = _read(path)
        if found is None:
            found = make(first, last)
            aside = path.with_suffix(f".{os.getpid()}.tmp.npz")
            np.savez(aside, **found)  # type: ignore[arg-type]
            os.replace(aside, path)
            say(f"{label} {last}/{count}")
        parts.append(found)
    return _joined(parts)


def _read(path: Path) -> Arrays | None:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (FileNotFoundError, EOFError, ValueError, zipfile.BadZipFile):
        return None


def rows(found: Arrays) -> Iterator[Arrays]:
    """One panel at a time."""
    for i in range(len(found["net"])):
        yield {key: values[i] for key, values in found.items()}


@dataclass(frozen=True)
class Sizes:
    """How many panels of noise, rounds of the best of 100 and panels a level of IC; 0 leaves a part out."""

    panels: int
    rounds: int
    power: int
    ranked: bool = True


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What was simulated on one market; None where nothing was asked for."""

    noise: Arrays | None
    best: Arrays | None
    skill: Arrays | None


def simulated(name: str, sizes: Sizes, folder: Path, say: Callable[[str], None]) -> Outcomes:
    """All outcomes of a market, those read that lie in the folder."""
    folder.mkdir(parents=True, exist_ok=True)

    def part(label: str, count: int, chunk: int, make: Callable[[int, int], Arrays]) -> Arrays | None:
        return kept(folder, f"{name}-{label}", count, chunk, make, say) if count else None

    return Outcomes(
        part("noise", sizes.panels, 50, lambda first, last: noise(name, first, last, sizes.ranked)),
        part("best", sizes.rounds, 20, lambda first, last: best(name, first, last)),
        part("power", sizes.power, 20, lambda first, last: skill(name, first, last)),
    )
