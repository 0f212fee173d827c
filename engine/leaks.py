"""Leak tests: recompute on data truncated at a date; whatever changes before that date has read the future.

The test needs nothing but a function of prices: a feature, a model's predictions, a strategy's weights, or the NAV of a
whole run. It finds every leak that moves a number at a sampled date: centred windows, statistics of the full sample,
back-filling, `shift(-1)`, scalers fit on everything, a universe chosen by what survived. What it cannot see is a leak
that lies inside the stored predictions themselves; for those, `imported_panel_findings` looks at what is too good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns, simple_returns
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.strategies.base import EntryRule, Strategy

__all__ = [
    "Leak",
    "LeakReport",
    "imported_panel_findings",
    "run_leaks",
    "sample_cuts",
    "strategy_leaks",
    "truncation_leaks",
]

#: Relative difference below which two figures are the same: sums may be taken in another order on a shorter panel.
TOLERANCE = 1e-9
#: A mean rank correlation with the *same* session's return above this says that the score has seen it.
SAME_SESSION_LIMIT = 0.5

#: Sessions from which on a rank correlation above 0.25 is no chance.
_ENOUGH = 60

Compute = Callable[[PricePanel], pd.DataFrame | pd.Series]


@dataclass(frozen=True)
class Leak:
    """One component whose past changed when the future was taken away.

    Parameters
    ----------
    component : what was recomputed, e.g. ``"weights"``.
    asset : the first column that changed, or "".
    session : the first session that changed.
    cut : the last session of the truncated data.
    size : largest absolute change; infinite where a value appeared or vanished.
    cells : how many values changed.

    """

    component: str
    asset: str
    session: pd.Timestamp
    cut: pd.Timestamp
    size: float
    cells: int

    def __str__(self) -> str:
        where = f" of {self.asset}" if self.asset else ""
        return (
            f"{self.component}{where} at {self.session.date()} changes when data after {self.cut.date()} are taken "
            f"away ({self.cells} values, by up to {self.size:.3g})"
        )


@dataclass(frozen=True)
class LeakReport:
    """What the truncation tests found.

    Parameters
    ----------
    components : what was tested.
    cuts : the sampled dates.
    leaks : the first of each component and cut.
    notes : what could not be tested, and why.
    suspicions : what of the predictions is too good to be a forecast.

    """

    components: tuple[str, ...]
    cuts: tuple[pd.Timestamp, ...]
    leaks: tuple[Leak, ...] = ()
    notes: tuple[str, ...] = ()
    suspicions: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing changed and nothing is too good."""
        return not self.leaks and not self.suspicions

    def merged(self, other: LeakReport) -> LeakReport:
        """Both reports as one."""
        return LeakReport(
            tuple(dict.fromkeys(self.components + other.components)),
            tuple(sorted(set(self.cuts + other.cuts))),
            self.leaks + other.leaks,
            self.notes + other.notes,
            self.suspicions + other.suspicions,
        )


def sample_cuts(
    sessions: pd.DatetimeIndex, n: int = 5, *, seed: int = 0, warm_up: float = 0.3
) -> tuple[pd.Timestamp, ...]:
    """Dates to truncate at: `n` distinct ones after the first `warm_up` of the sample, seeded, not the last session."""
    first = min(int(len(sessions) * warm_up), len(sessions) - 2)
    candidates = np.arange(max(first, 0), len(sessions) - 1)
    if len(candidates) == 0:
        raise InputError(f"leak test: {len(sessions)} sessions leave no date to truncate at; at least 2 are needed")
    chosen = np.random.default_rng(seed).choice(candidates, size=min(n, len(candidates)), replace=False)
    return tuple(sessions[i] for i in sorted(chosen))


def truncation_leaks(
    component: str,
    compute: Compute,
    prices: PricePanel,
    *,
    cuts: Sequence[pd.Timestamp] | None = None,
    tolerance: float = TOLERANCE,
) -> LeakReport:
    """Recompute on prices truncated at each cut and compare all rows up to it.

    Parameters
    ----------
    component : name for the report.
    compute : prices to a frame or series stamped by session.
    prices : the full panel.
    cuts : last sessions of the truncated panels; default `sample_cuts`.
    tolerance : relative; infinite differences (a value that appears or vanishes) always count.

    Notes
    -----
    On data after the cut, the full panel and the truncated one differ only by what nobody had seen at the cut.
    """
    cuts = sample_cuts(prices.sessions) if cuts is None else tuple(cuts)
    whole = _frame(compute(prices))
    leaks = []
    for cut in cuts:
        part = _frame(compute(prices.through(cut)))
        leak = _first_difference(component, whole.loc[:cut], part.loc[:cut], cut, tolerance)
        if leak is not None:
            leaks.append(leak)
    return LeakReport((component,), tuple(cuts), tuple(leaks))


def strategy_leaks(
    strategy: Strategy | EntryRule,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    cuts: Sequence[pd.Timestamp] | None = None,
) -> LeakReport:
    """Whether a strategy's weights (or entry signals) read later prices or later predictions."""
    cuts = sample_cuts(predictions.sessions) if cuts is None else cuts

    def weights(panel: PricePanel) -> pd.DataFrame:
        seen = predictions.through(panel.sessions[-1])
        if isinstance(strategy, EntryRule):
            signals = strategy.signals(seen, panel)
            frames = {"enter": signals.enter, "exit": signals.exit, "priority": signals.priority}
            return pd.concat({name: frame.astype(float) for name, frame in frames.items()}, axis="columns", sort=True)
        return strategy.target_weights(seen, panel)

    return truncation_leaks("weights", weights, prices, cuts=cuts)


def run_leaks(
    strategy: Strategy | EntryRule,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    cuts: Sequence[pd.Timestamp] | None = None,
) -> LeakReport:
    """Whether the whole run, overlays and simulation included, reads the future: final weights and NAV."""
    cuts = sample_cuts(predictions.sessions) if cuts is None else cuts

    def outcome(panel: PricePanel) -> pd.DataFrame:
        seen = predictions.through(panel.sessions[-1])
        result = run_backtest(strategy, seen, panel, costs=costs, execution=execution)
        table = pd.DataFrame({"nav": result.nav})
        if result.target_weights is None:
            return table
        return table.join(result.target_weights.add_prefix("weight "))

    return truncation_leaks("run", outcome, prices, cuts=cuts)


def imported_panel_findings(predictions: PredictionPanel, prices: PricePanel) -> LeakReport:
    """What a panel of unknown origin shows of having seen the future, as notes and suspicions, one sentence each.

    Three looks: receipts; the mean rank correlation of the score with the return of its own session and of the
    sessions around it (a forecast of t+d+h that fits the return of t itself better than anything later was made with
    it); and whether the information coefficient stands at the first possible session alone, at a height that no honest
    forecast keeps.
    """
    notes: list[str] = []
    suspicions: list[str] = []
    if predictions.receipts is None:
        notes.append("no receipts: nothing says what the model had seen when it predicted")
    score = predictions.score if predictions.score is not None else predictions.probability_up
    if score is None:
        return LeakReport((), (), notes=tuple(notes))
    panel = replace(prices) if list(score.columns) == list(prices.assets) else prices.select(list(score.columns))
    same = _mean_rank_correlation(score, simple_returns(panel.close).reindex(score.index))
    ahead = _mean_rank_correlation(
        score,
        forward_returns(panel, horizon=predictions.horizon, delay=predictions.delay).reindex(score.index),
    )
    following = _mean_rank_correlation(score, simple_returns(panel.close).shift(-1).reindex(score.index))
    if abs(same) > SAME_SESSION_LIMIT:
        notes.append(
            f"the score's rank correlation with the return of its own session is {same:.2f}; it restates what has "
            "happened (legitimate for momentum or reversal), and shifted by one session it would be a leak"
        )
    too_good = suspicions if len(score) >= _ENOUGH else notes  # over few sessions chance reaches as high
    if ahead > 0.25:
        too_good.append(
            f"the rank correlation with the window it forecasts is {ahead:.2f} a session; honest daily forecasts of "
            "returns rarely reach 0.10: look for the label among the features"
        )
    if following > 0.25 and following > 1.2 * abs(ahead):
        too_good.append(
            f"the rank correlation with the very next close-to-close return is {following:.2f} but {ahead:.2f} with "
            "the window that can be traded: stamps may be one session early"
        )
    return LeakReport((), (), notes=tuple(notes), suspicions=tuple(suspicions))


def _frame(value: pd.DataFrame | pd.Series) -> pd.DataFrame:
    return value.to_frame(value.name or "value") if isinstance(value, pd.Series) else value


def _first_difference(
    component: str, whole: pd.DataFrame, part: pd.DataFrame, cut: pd.Timestamp, tolerance: float
) -> Leak | None:
    """The first session and column in which two frames differ, or None."""
    sessions = whole.index.union(part.index)
    columns = list(dict.fromkeys([*whole.columns, *part.columns]))
    one = whole.reindex(index=sessions, columns=columns).to_numpy(dtype=np.float64)
    two = part.reindex(index=sessions, columns=columns).to_numpy(dtype=np.float64)
    with np.errstate(invalid="ignore"):
        scale = np.maximum(np.abs(one), np.abs(two))
        differs = np.abs(one - two) > tolerance * np.maximum(scale, 1e-12)
    appeared = np.isnan(one) != np.isnan(two)
    differs |= appeared
    if not differs.any():
        return None
    row, column = np.argwhere(differs)[0]
    size = np.inf if appeared.any() else float(np.nanmax(np.where(differs, np.abs(one - two), 0.0)))
    name = columns[column]
    asset = " ".join(map(str, name)) if isinstance(name, tuple) else str(name)
    return Leak(component, asset, sessions[row], cut, size, int(differs.sum()))


def _mean_rank_correlation(one: pd.DataFrame, two: pd.DataFrame) -> float:
    """Mean over sessions of the cross-sectional Spearman correlation; NaN where no session has any."""
    both = one.notna() & two.notna()
    left, right = one.where(both).rank(axis="columns"), two.where(both).rank(axis="columns")
    daily = left.corrwith(right, axis="columns")
    return float(daily.mean())
