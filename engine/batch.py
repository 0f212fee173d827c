"""Many portfolios on the same prices in one pass: random-score nulls, sweeps, calibration studies.

The same accounting as `assay.engine.ledger.self_financing`, with a leading axis of R runs; tested equal to it. Only
proportional costs, borrow and financing: what depends on the size of a fill needs the single-run ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import Floats, annual_sharpe
from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.engine.borrow_and_interest import a_session
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.kernels import RunRates, Wanted, compiled_books, compiled_gross, compiled_smoothing, market_of
from assay.engine.orders import DUST, SMALLEST
from assay.engine.overlay_passes import since_first_trade, through_overlays
from assay.strategies.base import Overlays
from assay.strategies.overlays import sleeved, smooth_weights

__all__ = [
    "BatchResult",
    "RowSizes",
    "backtest_batch",
    "batchable",
    "fills_and_marks",
    "rates_of",
    "row_sizes",
    "simulate_batch",
    "within_cap",
]

Mask = npt.NDArray[np.bool_]



@dataclass(frozen=True, eq=False)
class BatchResult:
    """R runs over T sessions.

    Parameters
    ----------
    sessions : (T,).
    net, gross : (R, T) returns a session.
    turnover : (R, T) ½Σ|traded value|/NAV.
    net_exposure, gross_exposure : (R, T) fractions of NAV at the close.

    """

    sessions: pd.DatetimeIndex
    net: Floats
    gross: Floats
    turnover: Floats
    net_exposure: Floats
    gross_exposure: Floats

    def sharpe(self, rate: pd.Series | None = None) -> Floats:
        """(R,) net Sharpe ratio over a rate a session, annualised by √252, ddof 1; NaN where returns are constant."""
        return np.atleast_1d(annual_sharpe(self.net if rate is None else self.net - rate.to_numpy()))


def simulate_batch(
    prices: PricePanel,
    weights: Floats,
    *,
    costs: CostModel | Sequence[CostModel] | None = None,
    execution: Execution | None = None,
    which: npt.NDArray[np.intp] | None = None,
    scale: Floats | None = None,
    restated: npt.NDArray[np.bool_] | None = None,
    compiled: bool = False,
    sizes: RowSizes | None = None,
) -> BatchResult:
    """Trade R sets of target weights on the same prices.

    Parameters
    ----------
    prices : (T, N).
    weights : (R, ≤ T, N) signed fractions of NAV, stamped at the decision; NaN = no order, and none after the last row.
    which : (R,) row of `weights` that each run trades, where runs share weights; default: each its own.
    scale : (R, T) factor on a run's weights, stamped at the decision; default 1.
    restated : (R, T) where a run orders the last target of every asset again, decided or not; default nowhere.
    costs : one model for all runs, or one a run; proportional costs only.
    execution : as for `engine.simulate`; self-financing, fractional shares.
    compiled : by the compiled loop, where weights have no gaps, of every run that holds or wants nothing without a
        price; equal to 1e-12. See `assay.engine.kernels.worth_compiling`.
    sizes : `row_sizes` of `weights`, where they are known from an earlier pass.

    Raises
    ------
    InputError
        If costs or execution need the single-run ledger, or shapes differ.

    """
    sets, decisions, assets = weights.shape
    which = np.arange(sets) if which is None else which
    runs, sessions = len(which), len(prices.sessions)
    execution = Execution() if execution is None else execution
    models = [costs or CostModel()] * runs if costs is None or isinstance(costs, CostModel) else list(costs)
    _check(prices, weights, models, execution)
    if len(models) != runs:
        raise InputError(f"batch: {len(models)} cost models for {runs} runs")
    if compiled:
        gross = compiled_gross(weights)
        if np.isfinite(gross).all():
            return _by_loops(prices, weights, gross, models, execution, _Runs(which, scale, restated))
    sizes = row_sizes(weights) if sizes is None else sizes
    rate, borrow, financing, earning = rates_of(models)
    fill, mark, tradable, missing = _known_prices(prices, execution)
    gaps = sizes.gaps
    nothing = np.full((sets, assets), np.nan)
    last = nothing
    scale, small = _capped(weights, sizes, which, scale, execution.max_gross, restated, gaps=bool(gaps.any()))
    nav, position = np.empty((sessions, runs)), np.empty((sessions, runs))
    paid, traded_share, absolute = (np.zeros((sessions, runs)) for _ in range(3))
    cash, held = np.full(runs, execution.capital), np.zeros((runs, assets))
    short, alive = np.zeros(runs), np.ones(runs, dtype=bool)
    stale = np.zeros((runs, assets), dtype=np.int64) if missing else None
    orders = _Orders(runs, assets, execution)
    all_tradable, all_alive = np.asarray(tradable.all(axis=1)), True
    with np.errstate(divide="ignore", invalid="ignore"):
        for s in range(sessions):
            row = s - execution.delay
            carrying, fees = borrow * short + financing * np.maximum(-cash, 0.0), np.zeros(runs)
            earned = earning * cash if s else np.zeros(runs)
            if not all_alive:
                carrying[~alive] = earned[~alive] = 0.0
            before = cash + held @ fill[s]
            sunk = before <= 0
            if sunk.any():  # ruined at the fill: what is held is closed there
                sunk &= alive
                cash[sunk], held[sunk], alive[sunk], all_alive = before[sunk], 0.0, False, False
            due = None if restated is None or row < 0 else restated[:, row]
            decided = 0 <= row < decisions or (due is not None and bool(due.any()))
            if decided or orders.any:
                wanted, complete = None, False
                if decided:
                    target, complete = (weights[:, row], not bool(gaps[row])) if row < decisions else (nothing, False)
                    last = target if complete else np.where(np.isnan(target), last, target)
                    wanted = target[which]
                    if due is not None and not complete and due.any():
                        wanted = np.where(due[:, None], last[which], wanted)
                    if scale is not None:
                        wanted *= scale[:, row, None]
                    if small[row]:
                        wanted[np.abs(wanted) < SMALLEST] = 0.0
                simple = complete and not orders.any
                if simple and not all_tradable[s]:
                    assert wanted is not None
                    simple = not (held[:, ~tradable[s]].any() or wanted[:, ~tradable[s]].any())
                if simple:
                    assert wanted is not None
                    wanted *= before[:, None]
                    wanted /= fill[s]
                else:
                    wanted = orders.shares(wanted, held, before, fill[s], tradable[s], complete=complete)
                if not all_alive:
                    wanted[~alive] = 0.0
                wanted -= held  # now the shares to trade
                spent = wanted @ fill[s]
                held = held + wanted
                traded = np.abs(wanted, out=wanted) @ fill[s]
                fees = traded * rate
                cash = cash - spent - fees
                traded_share[s] = np.where(before > 0, 0.5 * traded / before, 0.0)
            if s in missing:
                assert stale is not None
                columns, fresh = missing[s]
                stale[:, fresh] = 0
                count = np.where(held[:, columns] != 0, stale[:, columns] + 1, 0)
                gone = count >= execution.stale_limit
                stale[:, columns] = np.where(gone, 0, count)
                for place in np.flatnonzero(gone.any(axis=0)):
                    asset, runs_out = columns[place], gone[:, place]
                    cash = cash + np.where(runs_out, held[:, asset] * mark[s, asset], 0.0)
                    held[runs_out, asset] = 0.0
                    orders.drop(runs_out, asset)
            cash = cash - carrying + earned
            position[s], absolute[s] = held @ mark[s], np.abs(held) @ mark[s]
            nav[s], paid[s] = cash + position[s], fees + carrying
            short = 0.5 * (absolute[s] - position[s])
            ruined = nav[s] <= 0
            if ruined.any():
                ruined &= alive
                cash[ruined], held[ruined], short[ruined], alive[ruined] = nav[s][ruined], 0.0, 0.0, False
                position[s, ruined] = absolute[s, ruined] = 0.0
                all_alive = False
    laid = (np.ascontiguousarray(part.T) for part in (nav, position, absolute, paid, traded_share))
    return _figures(prices.sessions, _Totals(*laid), execution.capital)


class _Totals(NamedTuple):
    """(R, T) each: NAV, value held, its absolute, costs, currency; ½Σ|traded value|/NAV."""

    nav: Floats
    position: Floats
    absolute: Floats
    paid: Floats
    turnover: Floats


def _figures(sessions: pd.DatetimeIndex, books: _Totals, capital: float) -> BatchResult:
    nav, alive = books.nav, books.nav > 0
    before = np.empty(nav.shape)
    before[:, 0], before[:, 1:] = capital, nav[:, :-1]
    going = before > 0
    net = _shares(nav, before, going)
    net -= going
    gross = _shares(books.paid, before, going)
    gross += net
    held = (_shares(part, nav, alive) for part in (books.position, books.absolute))
    return BatchResult(sessions, net, gross, books.turnover, *held)


def _shares(part: Floats, whole: Floats, where: Mask) -> Floats:
    """`part` / `whole`, and 0 elsewhere."""
    return np.divide(part, whole, out=np.zeros(part.shape), where=where)


class _Runs(NamedTuple):
    """What `simulate_batch` was asked of R runs: sets of weights, (R, T) factors, and where orders are placed again."""

    which: npt.NDArray[np.intp]
    scale: Floats | None
    restated: Mask | None


def _by_loops(
    prices: PricePanel,
    weights: Floats,
    gross: Floats,
    models: Sequence[CostModel],
    execution: Execution,
    asked: _Runs,
) -> BatchResult:
    """`simulate_batch` by the compiled loop; the runs that meet a missing price, which it does not know, in NumPy.

    `gross` is (sets, D), Σ|w| of each row of `weights`.
    """
    fill, mark = fills_and_marks(prices, execution)
    sessions, decisions = len(prices.sessions), weights.shape[1]
    stamps = np.arange(sessions)
    if asked.scale is None and asked.restated is None:  # what the runs of a set order differs in nothing
        order = np.argsort(asked.which, kind="stable")
        which, starts = np.unique(asked.which[order], return_index=True)
        scale = np.ones((len(which), sessions))
    else:
        order, which, starts = np.arange(len(asked.which)), asked.which, np.arange(len(asked.which))
        scale = np.ones((len(which), sessions)) if asked.scale is None else asked.scale
    last = np.minimum(stamps, decisions - 1)
    again = np.zeros((1, sessions), dtype=bool) if asked.restated is None else asked.restated
    rows = np.broadcast_to(np.where((stamps < decisions) | again, last, -1), scale.shape)
    scale = scale * within_cap(gross[which][:, last] * np.abs(scale), execution.max_gross)
    starts = np.append(starts, len(order))
    wanted = Wanted(weights, which, rows, scale, starts)
    rates = RunRates(*(rate[order] for rate in rates_of(models)))
    market = market_of(fill, mark, execution.delay, execution.capital)
    book, lost = compiled_books(market, wanted, rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        turnover = np.where(book.before > 0, 0.5 * book.traded / book.before, 0.0)
        paid = book.traded * rates.traded[:, None] + book.borrow + book.financing
        totals = _Totals(book.nav, book.long + book.short, book.long - book.short, paid, turnover)
        done = _figures(prices.sessions, totals, execution.capital)
    if (np.diff(order) < 0).any():
        done = BatchResult(done.sessions, *(part[np.argsort(order)] for part in _parts(done)))
    if lost.any():
        left = np.sort(order[np.repeat(lost, np.diff(starts))])
        chosen = [None if part is None else part[left] for part in (asked.scale, asked.restated)]
        single = simulate_batch(
            prices, weights, costs=[models[run] for run in left.tolist()], execution=execution, which=asked.which[left],
            scale=chosen[0], restated=chosen[1],  # type: ignore[arg-type]
        )  # fmt: skip
        for part, other in zip(_parts(done), _parts(single), strict=True):
            part[left] = other
    return done


def _parts(result: BatchResult) -> list[Floats]:
    """The (R, T) arrays."""
    return [getattr(result, item.name) for item in fields(result) if item.name != "sessions"]


def within_cap(gross: Floats, max_gross: float) -> Floats:
    """Factors that hold Σ|w| of rows, (...), within `max_gross`; 1 where it is."""
    over = gross > max_gross * (1 + 1e-9)
    return np.where(over, max_gross / np.where(over, gross, 1.0), 1.0)


class _Orders:
    """Orders that stand, of every run; as `assay.engine.orders.Standing`, with a leading axis."""

    def __init__(self, runs: int, assets: int, execution: Execution) -> None:
        self.any = False
        self._shape, self._execution = (runs, assets), execution
        self._targets = self._age = np.zeros(0)
        #: where every other order was filled: the columns that found no price, and their (R, k) targets
        self._few: tuple[npt.NDArray[np.intp], Floats] | None = None

    def shares(
        self, new: Floats | None, held: Floats, nav: Floats, price: Floats, tradable: Mask, *, complete: bool
    ) -> Floats:
        """(R, N) shares to hold after the session's fills.

        `new` are (R, N) weights ordered, NaN = no order; `complete` where there is one for every asset.
        """
        if complete:
            assert new is not None
            closed = np.flatnonzero(~tradable)
            wanted = new * nav[:, None]
            wanted /= price
            wanted[:, closed] = held[:, closed]
            cap = self._execution.max_gross * nav
            if not (np.abs(wanted) @ price > cap * (1 + 1e-9)).any():
                left = ((new[:, closed] != 0) | (held[:, closed] != 0)) & self._execution.carry_orders
                self.any = bool(left.any())
                self._few = (closed, np.where(left, new[:, closed], np.nan))
                return wanted
        if not self.any or complete:
            self._targets, self._age = np.full(self._shape, np.nan), np.zeros(self._shape)
        elif self._few is not None:
            self._targets, self._age = np.full(self._shape, np.nan), np.zeros(self._shape)
            self._targets[:, self._few[0]], self._age[:, self._few[0]] = self._few[1], 1
        self._few = None
        if new is not None:
            ordered = ~np.isnan(new)
            self._targets = np.where(ordered, new, self._targets)
            self._age[ordered] = 0
        targets, most = self._targets, self._execution.max_gross * nav
        ordered = ~np.isnan(targets)
        filled = ordered & tradable
        wanted = np.where(filled, targets * nav[:, None] / price, held)
        left = ordered & ~tradable & ((targets != 0) | (held != 0))
        value, after = held * price, wanted * price
        grown = np.abs(after) - np.abs(value)
        grown[grown <= DUST * nav[:, None]] = 0.0
        total = grown.sum(axis=1)
        excess = np.abs(after).sum(axis=1) - most
        cut = (excess > 1e-9 * most) & (total > 0)
        if cut.any():
            factor = np.maximum(0.0, 1.0 - excess / total)[:, None]
            over = cut[:, None] & (grown > 0)
            kept = np.sign(after) * (np.abs(value) + factor * grown) / price
            wanted = np.where(over, kept, wanted)
            least = SMALLEST * (1 - 1e-9) * nav[:, None]
            wanted = np.where((held == 0) & (np.abs(wanted * price) < least), 0.0, wanted)
            left |= over
        if not self._execution.carry_orders:
            left[:] = False
        left &= self._age < self._execution.order_expiry
        self._targets = np.where(left, targets, np.nan)
        self._age = np.where(left, self._age + 1, 0)
        self.any = bool(left.any())
        return wanted

    def drop(self, runs: Mask, asset: int) -> None:
        """Take back what stands for an asset in these runs."""
        if not self.any:
            return
        if self._few is None:
            self._targets[runs, asset] = np.nan
        else:
            columns, targets = self._few
            targets[np.ix_(runs, columns == asset)] = np.nan


def backtest_batch(
    prices: PricePanel,
    weights: Floats,
    overlays: Overlays,
    *,
    costs: CostModel | Sequence[CostModel] | None = None,
    execution: Execution | None = None,
    which: npt.NDArray[np.intp] | None = None,
    compiled: bool = False,
) -> BatchResult:
    """Overlays, then simulation, of R sets of selected weights; the same passes as `engine.run_backtest`.

    Parameters
    ----------
    prices : (T, N), from the first decision on.
    weights : (R, ≤ T, N) as selected, before overlays.
    overlays : sleeves, smoothing, vol target, kill switches; what paces the orders needs single runs.
    costs, execution, which, compiled : see `simulate_batch`.

    """
    if overlays.paced:
        raise InputError("batch: a schedule, an aim, a band or a turnover budget need single runs")
    decisions = weights.shape[1]
    index = prices.sessions[:decisions]
    if overlays.sleeves > 1:
        weights = np.stack([sleeved(pd.DataFrame(one, index), overlays.sleeves).to_numpy() for one in weights])
    if overlays.smoothing:
        weights = _smoothed(weights, overlays.smoothing, index, compiled=compiled)
    if overlays.vol_target is None and not overlays.kill_switches:
        return simulate_batch(prices, weights, costs=costs, execution=execution, which=which, compiled=compiled)
    runs, sizes = len(weights) if which is None else len(which), None if compiled else row_sizes(weights)

    def passed(scale: Floats, restated: Mask) -> BatchResult:
        return simulate_batch(
            prices, weights, costs=costs, execution=execution, which=which, scale=scale, restated=restated,
            compiled=compiled, sizes=sizes,
        )  # fmt: skip

    def shadows(scale: Floats, restated: Mask) -> Floats:
        result = passed(scale, restated)
        return since_first_trade(result.net, result.turnover)

    scale, restated, _ = through_overlays(shadows, overlays, runs, prices.sessions, compiled=compiled)
    return passed(scale, restated)


def _smoothed(weights: Floats, smoothing: float, index: pd.DatetimeIndex, *, compiled: bool) -> Floats:
    """Each of the sets (sets, D, N) smoothed."""
    sets, decisions, assets = weights.shape
    if compiled and not np.isnan(weights.sum()):
        out = np.empty(weights.shape)
        compiled_smoothing()(np.ascontiguousarray(weights), smoothing, 1 - smoothing, out)
        return out
    # Assets are smoothed each by itself, so runs stand side by side and a session is one step for all of them.
    together = pd.DataFrame(np.moveaxis(weights, 0, 1).reshape(decisions, sets * assets), index)
    smooth = smooth_weights(together, smoothing).to_numpy()
    return np.ascontiguousarray(np.moveaxis(smooth.reshape(decisions, sets, assets), 1, 0))


class RowSizes(NamedTuple):
    """(sets, D) Σ|w| of each row, and its smallest |w| that is not 0, infinite where all are; (D,) whether cells are
    missing in any set."""

    gross: Floats
    least: Floats
    gaps: Mask


def row_sizes(weights: Floats) -> RowSizes:
    """Sizes of the rows of weights, (sets, D, N)."""
    gross, least = np.empty((2, *weights.shape[:2]))
    for i, one in enumerate(weights):
        gross[i], least[i] = _sizes(one)
    return RowSizes(gross, least, np.asarray(np.isnan(weights).any(axis=(0, 2))))


def _capped(
    weights: Floats,
    sizes: RowSizes,
    which: npt.NDArray[np.intp],
    scale: Floats | None,
    max_gross: float,
    restated: Mask | None = None,
    *,
    gaps: bool,
) -> tuple[Floats | None, Mask]:
    """The scale that also holds each row's gross below `max_gross`, and the rows in which some weight is too small."""
    gross, least = sizes.gross[which], sizes.least[which]
    if restated is not None:
        after = np.zeros((len(which), restated.shape[1] - gross.shape[1]))
        if gaps:
            again = [np.stack(_sizes(row)) for row in _standing_rows(weights, restated.shape[1])]
            gross_again, least_again = np.stack(again, axis=2)[:, which]
        else:  # what stands is what was decided last
            stands = np.minimum(np.arange(restated.shape[1]), gross.shape[1] - 1)
            gross_again, least_again = gross[:, stands], least[:, stands]
        gross = np.where(restated, gross_again, np.concatenate([gross, after], axis=1))
        least = np.where(restated, least_again, np.concatenate([least, after + np.inf], axis=1))
    if scale is not None:
        scale = scale[:, : gross.shape[1]]
        gross = gross * np.abs(scale)
    factor = within_cap(gross, max_gross)
    if (factor != 1).any():
        scale = factor if scale is None else scale * factor
    least = least if scale is None else least * np.where(scale == 0, np.inf, np.abs(scale))
    return scale, np.asarray((least < SMALLEST).any(axis=0))


def _sizes(weights: Floats) -> tuple[Floats, Floats]:
    """Σ|w| of each row of (..., N), and the smallest |w| that is not 0; infinite where all are."""
    size = np.abs(weights)
    gross = np.nansum(size, axis=-1)
    size[~(size > 0)] = np.inf
    return gross, size.min(axis=-1)


def _standing_rows(weights: Floats, sessions: int) -> Iterator[Floats]:
    """The last targets (sets, N) through each session, also after the last decision."""
    last = np.full(weights[:, 0].shape, np.nan)
    for row in range(sessions):
        if row < weights.shape[1]:
            last = np.where(np.isnan(weights[:, row]), last, weights[:, row])
        yield last


def _check(prices: PricePanel, weights: Floats, models: Sequence[CostModel], execution: Execution) -> None:
    if weights.ndim != 3 or weights.shape[1] > prices.shape[0] or weights.shape[2] != prices.shape[1]:
        raise InputError(f"batch: weights have shape {weights.shape}, prices {prices.shape}")
    if not batchable(execution) or not all(m.is_proportional for m in models):
        raise InputError(
            "batch: impact, minimum fee, cost tables, lots, volume limits and constant-weight accounting need single "
            "runs; use proportional costs"
        )


def batchable(execution: Execution) -> bool:
    """Whether many runs can be simulated in one pass, at proportional costs."""
    return execution.accounting == "self_financing" and not execution.lot and not execution.max_volume


def rates_of(models: Sequence[CostModel]) -> RunRates:
    rate = np.array([model.traded_rate for model in models])
    yearly = np.array([(model.borrow_bps, model.financing_bps, model.cash_rate_bps) for model in models])
    nightly = a_session(yearly)
    return RunRates(rate, *nightly.T)


def fills_and_marks(prices: PricePanel, execution: Execution) -> tuple[Floats, Floats]:
    """(T, N) fill prices and closes, NaN where there is none; the same array where fills are at the close."""
    close = prices.close.to_numpy()
    return close if execution.fill_at(prices) == "close" or prices.open is None else prices.open.to_numpy(), close


def _known_prices(
    prices: PricePanel, execution: Execution
) -> tuple[Floats, Floats, Mask, dict[int, tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]]:
    """Prices without holes.

    Returns
    -------
    fill : (T, N) fill prices; where there is none, the last mark (and 1 before the first price).
    mark : (T, N) closes; where there is none, the session's fill or the last mark.
    tradable : (T, N) whether an order can be filled.
    missing : session → assets without a close, and those of them that had one the session before.

    """
    fill, close = fills_and_marks(prices, execution)
    tradable = ~np.isnan(fill)
    gone = np.isnan(close)
    if tradable.all() and not gone.any():
        return fill, close, tradable, {}
    mark = pd.DataFrame(np.where(gone, fill, close)).ffill().to_numpy()
    previous = np.vstack([np.full(close.shape[1], np.nan), mark[:-1]])
    filled = np.where(tradable, fill, previous)
    fresh = gone & ~np.vstack([np.zeros((1, close.shape[1]), dtype=bool), gone[:-1]])
    missing = {
        int(s): (np.flatnonzero(gone[s]), np.flatnonzero(fresh[s])) for s in np.flatnonzero(gone.any(axis=1))
    }
    return np.nan_to_num(filled, nan=1.0), np.nan_to_num(mark, nan=1.0), tradable, missing
