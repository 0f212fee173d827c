"""Leak tests: recompute on data truncated at a date; whatever changes before that date has read the future.

The test needs nothing but a function of prices: a feature, a model's predictions, a strategy's weights, or the NAV of a
whole run. It finds every leak that moves a number at a sampled date: centred windows, statistics of the full sample,
back-filling, `shift(-1)`, scalers fit on everything, a universe chosen by what survived. Half of the dates lie inside
holes, where the panel has any: a value filled from behind shows nowhere else. What it cannot see is a leak that lies
inside the stored predictions themselves (for those, `imported_panel_findings` looks at what is too good), and one that
comes from a file of the function's own: that it reads one is said, and fails the test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns, simple_returns
from assay.data.row_tables import RowValues, Table
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.outside_reads import outside_reads
from assay.strategies.base import EntryRule, Strategy, decide, entry_signals

__all__ = [
    "Leak",
    "LeakReport",
    "imported_panel_findings",
    "panel_cuts",
    "reads_of",
    "run_leaks",
    "sample_cuts",
    "strategy_leaks",
    "too_good",
    "truncation_leaks",
    "wrong_scale",
]

#: Relative difference below which two figures are the same: sums may be taken in another order on a shorter panel.
TOLERANCE = 1e-9
#: A mean rank correlation with the *same* session's return above this says that the score has seen it.
SAME_SESSION_LIMIT = 0.5

#: Sessions from which on a rank correlation may be called too good: over fewer, chance reaches as high.
_ENOUGH = 60
#: Annual information ratio of the rank correlations, mean / deviation · √(252 / horizon), of which even the lower end
#: of a 95% interval is beyond any forecast of returns. The deviation shrinks with the number of names, so what it means
#: for the correlation follows breadth and horizon: about 0.12 at 20 names and a horizon of one session, 0.05 at 100
#: names; 0.26 and 0.11 at a horizon of five.
_LIMIT_IR = 8.0
#: A score whose spread across assets is this many times that of the returns it forecasts is on another scale.
_WIDE = 4.0
#: Cells worked on at once, and those of a table that is made in parts in which its kind is looked for.
_CACHED, _A_PART = 1 << 16, 2_000_000

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
    reads : what a component read by itself while it was tested, which no truncation reaches.

    """

    components: tuple[str, ...]
    cuts: tuple[pd.Timestamp, ...]
    leaks: tuple[Leak, ...] = ()
    notes: tuple[str, ...] = ()
    suspicions: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing changed, nothing is too good and nothing came from outside."""
        return not self.leaks and not self.suspicions and not self.reads

    @property
    def findings(self) -> tuple[str, ...]:
        """What fails the test, one sentence each."""
        return (*map(str, self.leaks), *self.suspicions, *self.reads)

    def merged(self, other: LeakReport) -> LeakReport:
        """Both reports as one."""
        return LeakReport(
            tuple(dict.fromkeys(self.components + other.components)),
            tuple(sorted(set(self.cuts + other.cuts))),
            self.leaks + other.leaks,
            self.notes + other.notes,
            self.suspicions + other.suspicions,
            tuple(dict.fromkeys(self.reads + other.reads)),
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


def panel_cuts(
    prices: PricePanel, n: int | None = 5, *, predictions: PredictionPanel | None = None, seed: int = 0
) -> tuple[pd.Timestamp, ...]:
    """Dates to truncate at: `n` of `sample_cuts`, and up to as many inside holes; None takes all but the last session.

    Parameters
    ----------
    prices : the panel to be truncated.
    n : how many; None for all.
    predictions : where they are truncated too, cuts lie within their sessions, and inside their holes as well.
    seed : chooses them.

    Notes
    -----
    A hole is a session in which an asset has no value, although it had one before and will have one again.
    """
    sessions = prices.sessions if predictions is None else predictions.sessions
    if n is None:
        return tuple(sessions[:-1])
    frames = [getattr(prices, name) for name in prices.fields]
    if predictions is not None:
        frames += [frame for frame in (predictions.score, predictions.probability_up) if frame is not None]
    inside = np.zeros(len(sessions), dtype=bool)
    for frame in frames:
        known = frame.notna().to_numpy()
        before = np.logical_or.accumulate(known, axis=0)
        after = np.logical_or.accumulate(known[::-1], axis=0)[::-1]
        rows = frame.index[(~known & before & after).any(axis=1)]
        inside |= sessions.isin(rows)
    inside[-1:] = False
    candidates = np.flatnonzero(inside)
    chosen = np.random.default_rng(seed).choice(candidates, size=min(n, len(candidates)), replace=False)
    return tuple(sorted({*sample_cuts(sessions, n, seed=seed), *(sessions[i] for i in chosen)}))


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
    cuts : last sessions of the truncated panels; default `panel_cuts`.
    tolerance : relative; infinite differences (a value that appears or vanishes) always count.

    Notes
    -----
    On data after the cut, the full panel and the truncated one differ only by what nobody had seen at the cut.
    """
    cuts = panel_cuts(prices) if cuts is None else tuple(cuts)
    leaks = []
    with outside_reads() as seen:
        whole = _frame(compute(prices.shielded()))
        for cut in cuts:
            part = _frame(compute(prices.through(cut).shielded()))
            leak = _first_difference(component, whole.loc[:cut], part.loc[:cut], cut, tolerance)
            if leak is not None:
                leaks.append(leak)
    return LeakReport((component,), tuple(cuts), tuple(leaks), reads=reads_of(component, seen))


def reads_of(component: str, seen: Iterable[str]) -> tuple[str, ...]:
    """A sentence for each thing that a component read by itself; see `outside_reads`."""
    return tuple(
        f"{component} reads {what} by itself: it is not truncated, so what follows from it is not tested; hand it over "
        "as a parameter, or let it come with the prices"
        for what in seen
    )


def strategy_leaks(
    strategy: Strategy | EntryRule,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    cuts: Sequence[pd.Timestamp] | None = None,
) -> LeakReport:
    """Whether a strategy's weights (or entry signals) read later prices or later predictions."""
    cuts = panel_cuts(prices, predictions=predictions) if cuts is None else cuts

    def weights(panel: PricePanel) -> pd.DataFrame:
        seen = predictions.through(panel.sessions[-1])
        if isinstance(strategy, EntryRule):
            signals = entry_signals(strategy, seen, panel)
            frames = {"enter": signals.enter, "exit": signals.exit, "priority": signals.priority}
            return pd.concat({name: frame.astype(float) for name, frame in frames.items()}, axis="columns", sort=True)
        return decide(strategy, seen, panel).weights

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

    Four looks: receipts; the scale of the score; the mean rank correlation of the score with the return of its own
    session and of the sessions around it (a forecast of t+d+h that fits the return of t itself better than anything
    later was made with it); and whether it fits what it forecasts better than any forecast does, with either sign.
    """
    notes: list[str] = []
    suspicions: list[str] = []
    if predictions.receipts is None:
        notes.append("no receipts: nothing says what the model had seen when it predicted")
    score = predictions.view
    panel = replace(prices) if list(score.columns) == list(prices.assets) else prices.select(list(score.columns))
    scale = wrong_scale(predictions, panel)
    notes += [] if scale is None else [scale]
    same = _rank_correlations(score, simple_returns(panel.close).reindex(score.index)).mean()
    window = forward_returns(panel, horizon=predictions.horizon, delay=predictions.delay).reindex(score.index)
    ahead = _rank_correlations(score, window)
    following = _rank_correlations(score, simple_returns(panel.close).shift(-1).reindex(score.index))
    if abs(same) > SAME_SESSION_LIMIT:
        notes.append(
            f"the score's rank correlation with the return of its own session is {same:.2f}; it restates what has "
            "happened (legitimate for momentum or reversal), and shifted by one session it would be a leak"
        )
    enough = suspicions if len(score) >= _ENOUGH else notes
    figures = ahead.mean(), ahead.std(), len(ahead)
    if (sentence := too_good(*figures, horizon=predictions.horizon)) is not None:
        enough.append(sentence)
    beyond = too_good(following.mean(), following.std(), len(following), horizon=1) is not None
    if beyond and abs(following.mean()) > 1.2 * abs(ahead.mean()):
        enough.append(
            f"the rank correlation with the very next close-to-close return is {following.mean():.2f} but "
            f"{ahead.mean():.2f} with the window that can be traded: stamps may be one session early"
        )
    return LeakReport((), (), notes=tuple(notes), suspicions=tuple(suspicions))


def too_good(mean: float, deviation: float, sessions: int, *, horizon: int) -> str | None:
    """What is wrong with daily rank correlations that no forecast of returns has; None where they may be one's.

    Parameters
    ----------
    mean, deviation : over sessions, of the rank correlation with the forecast window's return.
    sessions : how many.
    horizon : sessions a window spans; windows that overlap count as that many fewer.

    Examples
    --------
    >>> too_good(0.03, 0.15, 2520, horizon=1) is None
    True
    >>> too_good(-0.13, 0.10, 2520, horizon=1) is None
    False

    """
    if not (math.isfinite(mean) and math.isfinite(deviation)) or sessions < 2:
        return None
    ratio = abs(mean) / deviation if deviation > 1e-9 else math.inf if mean else 0.0
    lower = ratio - 2.0 * math.sqrt((1.0 + 0.5 * ratio**2) / (sessions / horizon)) if math.isfinite(ratio) else ratio
    if lower * math.sqrt(SESSIONS_A_YEAR / horizon) <= _LIMIT_IR:
        return None
    limit = _LIMIT_IR * deviation / math.sqrt(SESSIONS_A_YEAR / horizon)
    sign = "" if mean > 0 else "; its sign is turned round, the knowledge is the same"
    return (
        f"the rank correlation with the window it forecasts is {mean:.2f} a session, where beyond about {limit:.2f} "
        f"(at this breadth and horizon, an information ratio of {_LIMIT_IR:.0f} a year) no forecast of returns is "
        f"known: look for the label among the features{sign}"
    )


def wrong_scale(
    predictions: PredictionPanel, prices: PricePanel, *, forward: Table | None = None
) -> str | None:
    """What a score declared as expected returns is instead, judged by its size; None where it may be returns.

    Only sizes are compared: medians over sessions of the spread across assets of the score and of the returns it
    forecasts. An honest forecast is narrower than what it forecasts.

    Parameters
    ----------
    predictions, prices : of the same assets.
    forward : (T, N) forward returns of these prices at the predictions' delay and horizon, if they are there already.

    """
    score: Table | None = predictions.score
    if score is None or predictions.unit != "return" or score.shape[1] < 2:
        return None
    if forward is None:
        forward = forward_returns(prices, horizon=predictions.horizon, delay=predictions.delay)
    window = forward.reindex(index=score.index, columns=score.columns)
    values, returns = score.to_numpy(dtype=float), window.to_numpy(dtype=float)
    spreads, step = [], max(1, _CACHED // score.shape[1])
    for start in range(0, len(values), step):
        sides = values[start : start + step], returns[start : start + step]
        known = np.isfinite(sides[0]) & np.isfinite(sides[1])
        spreads.append([_deviations(side, known) for side in sides])
    varying = [np.concatenate(side) for side in zip(*spreads, strict=True)]
    if not len(varying[0]):
        return None
    spread, usual = (float(np.median(side)) for side in varying)
    if not usual > 0 or spread <= _WIDE * usual:
        return None
    # Of a table that is made in parts, the kind shows in a part.
    few = slice(0, max(2, _A_PART // score.shape[1]) if isinstance(values, RowValues) else len(score))
    values, returns, stamps = values[few], returns[few], score.index[few]
    known = np.isfinite(values) & np.isfinite(returns)
    rows = known.sum(axis=1) >= 2
    values = np.where(known, values, np.nan)[rows]
    close = prices.close.reindex(stamps)[list(score.columns)].to_numpy(dtype=float)[rows]
    low, high = np.nanquantile(values, 0.001), np.nanquantile(values, 0.999)
    levels = np.nanmedian(values / np.where(close > 0, close, np.nan))
    if 0.5 < levels < 2.0 and low > 0 and np.nanmedian(np.abs(values / close - 1.0)) < 0.5:
        what = "price levels: divide by the close and subtract 1"
    elif low >= 0 and (high <= 1.0 or np.nanmedian(np.abs(values - np.round(values))) == 0):
        what = "ranks or probabilities: pass --unit rank, or probabilities as probability_up"
    else:
        what = "percent (divide by 100), or standardised scores (pass --unit rank)"
    return (
        f"the scores are declared as returns, but vary {spread / usual:,.0f} times as much across assets as the "
        f"returns they forecast ({spread:.3g} beside {usual:.3g}); they look like {what}"
    )


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


def _deviations(values: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """Deviation (ddof 0) of the known values of each row that has two of them."""
    n = np.count_nonzero(known, axis=1)
    whole = bool(known.all())
    values = values if whole else np.where(known, values, 0.0)
    off = values - (values.sum(axis=1) / np.maximum(n, 1))[:, None]
    if not whole:
        np.copyto(off, 0.0, where=~known)
    enough = n >= 2
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", off, off)[enough] / n[enough]))


def _rank_correlations(one: pd.DataFrame, two: pd.DataFrame) -> pd.Series:
    """The cross-sectional Spearman correlation of each session that has one."""
    both = one.notna() & two.notna()
    left, right = one.where(both).rank(axis="columns"), two.where(both).rank(axis="columns")
    return left.corrwith(right, axis="columns").dropna()
