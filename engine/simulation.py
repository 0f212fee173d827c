"""Target weights and prices in, a `BacktestResult` out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.mapped import release
from assay.data.panel import PricePanel
from assay.engine.compiled_runs import CompiledRun, PriceMissingError
from assay.engine.constant_weight import constant_weight
from assay.engine.costs import COST_COLUMNS, COST_KINDS, CostModel, Liquidity, Rates, laid_out
from assay.engine.execution import Execution
from assay.engine.fills import FillLedger
from assay.engine.ledger import Ledger, self_financing
from assay.engine.orders import Tape, gross_and_small, without_small
from assay.engine.overlay_passes import since_first_trade, through_overlays
from assay.engine.result import EVENT_COLUMNS, EXPOSURE_COLUMNS, BacktestResult
from assay.strategies.base import Overlays

__all__ = [
    "booked_result",
    "earned",
    "liquidity_of",
    "market_warnings",
    "net_and_turnover",
    "orderable",
    "shares_a_lot",
    "simulate",
    "simulate_compiled",
    "tape_of",
    "volume_of",
]

Keep = Literal["all", "returns"]

_LIQUIDITY_WINDOW = 20
_NO_EVENTS = pd.DataFrame([], columns=list(EVENT_COLUMNS))


def simulate(
    prices: PricePanel,
    target_weights: pd.DataFrame,
    *,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    keep: Keep = "all",
    name: str = "weights",
    compiled: bool = False,
) -> BacktestResult:
    """Trade to `target_weights`, from the first decision to the last session of `prices`.

    Parameters
    ----------
    prices : (T, N).
    target_weights : (≤ T, ≤ N) signed fractions of NAV, stamped at the decision t and filled at t + delay. A NaN cell
        is "no order", an absent session likewise; 0 is flat.
    costs, execution : defaults as documented there.
    keep : ``"returns"`` keeps no (T, N) table, for large panels and sweeps.
    name : of the strategy, for the report.
    compiled : a run of which no table is kept by the compiled loop, where that knows it (see `CompiledRun`); equal to
        1e-12, and worth it for large panels and repeated runs.

    Raises
    ------
    InputError
        If weights stand on sessions or assets that `prices` lacks, are infinite, or an option needs a missing field.

    Examples
    --------
    >>> days = pd.to_datetime(["2020-01-02", "2020-01-03", "2020-01-06"])
    >>> prices = PricePanel(pd.DataFrame({"A": [100.0, 100.0, 110.0]}, index=days))
    >>> weights = pd.DataFrame({"A": [1.0]}, index=days[:1])
    >>> simulate(prices, weights, costs=CostModel.zero()).returns.round(12).tolist()
    [0.0, 0.0, 0.1]

    """
    costs = CostModel() if costs is None else costs
    execution = Execution() if execution is None else execution
    if compiled and keep == "returns":
        done = simulate_compiled(prices, target_weights, Overlays(), costs=costs, execution=execution, name=name)
        if done is not None:
            return done[0]
    prints = {"prices": prices.fingerprint} if keep == "all" else {}
    run = _prepared(prices, target_weights, costs, execution, keep, name)
    if execution.accounting == "constant_weight":
        return replace(_constant_weight_result(run), fingerprints=prints)
    return replace(_result(run, _booked(run)), fingerprints=prints)


def simulate_compiled(
    prices: PricePanel,
    target_weights: pd.DataFrame,
    overlays: Overlays,
    *,
    costs: CostModel,
    execution: Execution,
    name: str = "weights",
) -> tuple[BacktestResult, npt.NDArray[np.bool_] | None] | None:
    """`simulate` with vol target and kill switches, all its passes by the compiled loop and no table kept.

    Returns
    -------
    The result and the switches (T, 3), None without them; or None altogether where the loop does not know the run.

    """
    traded = _traded(prices, target_weights)
    run = CompiledRun.of(traded, target_weights, costs, execution)
    if run is None:
        return None

    def shadow(scale: Floats, restated: npt.NDArray[np.bool_]) -> Floats:
        net, _, turnover = earned(run.ledger(scale[0], restated[0])[0], execution)
        return since_first_trade(net[None], turnover[None])

    try:
        scale, restated, states = through_overlays(shadow, overlays, 1, traded.sessions, compiled=True)
        book, capped = run.ledger(scale[0], restated[0])
    except PriceMissingError:
        return None
    given = _run(prices, traded, np.empty((0, 0)), costs, execution, "returns", name, capped)
    return _result(given, book), None if states is None else states[0]


def net_and_turnover(
    prices: PricePanel, target_weights: pd.DataFrame, *, costs: CostModel, execution: Execution
) -> tuple[Floats, Floats, pd.DatetimeIndex]:
    """(T,) net returns and turnover of `simulate`, and their sessions: what overlays read of a book, and no more."""
    run = _prepared(prices, target_weights, costs, execution, "returns", "weights")
    if execution.accounting == "constant_weight":
        result = _constant_weight_result(run)
        return result.returns.to_numpy(), result.turnover.to_numpy(), result.sessions
    net, _, turnover = earned(_booked(run), execution)
    return net, turnover, run.prices.sessions


def _prepared(
    whole: PricePanel,
    target_weights: pd.DataFrame,
    costs: CostModel,
    execution: Execution,
    keep: Keep,
    name: str,
) -> _Run:
    """What a simulation reads, aligned and checked."""
    prices = _traded(whole, target_weights)
    weights, capped = _aligned(prices, target_weights, execution.max_gross)
    return _run(whole, prices, weights, costs, execution, keep, name, capped)


def _run(
    whole: PricePanel,
    prices: PricePanel,
    weights: Floats,
    costs: CostModel,
    execution: Execution,
    keep: Keep,
    name: str,
    capped: int,
) -> _Run:
    config = {
        "strategy": name,
        "costs": costs.describe(),
        "execution": {**asdict(execution), "fill": execution.fill_at(whole)},
        "source": prices.source,
        "adjusted": prices.adjusted,
    }
    counts = {"gross_capped": capped}
    warnings = [*prices.warnings, *_warnings(execution, counts), *market_warnings(prices, costs, execution)]
    tape = tape_of(whole, prices, costs, execution)
    rates = laid_out(costs, prices.sessions, prices.assets)
    return _Run(prices, weights, tape, costs, rates, execution, config, counts, warnings, keep)


def booked_result(
    prices: PricePanel, book: Ledger, *, costs: CostModel, execution: Execution, gross_capped: int, name: str
) -> BacktestResult:
    """The result of a self-financing book over all sessions of `prices`, without any table of (T, N).

    Parameters
    ----------
    prices : (T, N) what it was traded on.
    book : without shares.
    costs : without rates that differ by asset.
    execution, name : as for `simulate`.
    gross_capped : rows of the weights that were above the cap.

    """
    none = np.empty((0, len(prices.assets)))
    return _result(_run(prices, prices, none, costs, execution, "returns", name, gross_capped), book)


def _booked(run: _Run) -> Ledger:
    return self_financing(
        run.weights, run.tape, costs=run.costs, rates=run.rates, execution=run.execution, keep_shares=run.keep == "all"
    )


@dataclass(frozen=True, eq=False)
class _Run:
    """What a simulation was given: everything that its result is made of, beside the book."""

    prices: PricePanel
    weights: Floats
    tape: Tape
    costs: CostModel
    rates: Rates
    execution: Execution
    config: dict[str, Any]
    counts: dict[str, int]
    warnings: list[str]
    keep: Keep

    def frame(self, values: Floats) -> pd.DataFrame:
        """(T, N) `values` with their sessions and assets."""
        return self.prices.frame(values)


def tape_of(whole: PricePanel, prices: PricePanel, costs: CostModel, execution: Execution) -> Tape:
    """The arrays of `prices`, a part of the panel `whole` from whose history volatility and volume are known."""
    close = prices.close.to_numpy()
    fill = close if execution.fill_at(prices) == "close" or prices.open is None else prices.open.to_numpy()
    lot = shares_a_lot(prices, execution)
    if not costs.needs_volume and not execution.max_volume:
        return Tape(fill, close, lot=lot)
    shut, limit, liquidity = volume_of(whole.select(list(prices.assets)), prices.sessions[0], costs, execution)
    return Tape(fill, close, shut, limit, lot, liquidity)


def volume_of(
    prices: PricePanel, start: pd.Timestamp, costs: CostModel, execution: Execution
) -> tuple[npt.NDArray[np.bool_], Floats | None, Liquidity | None]:
    """Where volume lets nothing fill, the most shares that a fill may take, and what the square-root law reads.

    Each (T, N) from `start` on. A session without volume, or whose volume is not known, lets nothing fill; nor does one
    in which volatility or average volume are not known, where the square-root law needs them. The volume of a session
    limits its own fills, as it does on the market; no decision reads it.

    Raises
    ------
    InputError
        If the panel has no volume.

    """
    prices.require(["volume"], "square-root impact and volume limits")
    volume = _volume(prices)
    first = int(prices.sessions.searchsorted(start))
    today = volume.to_numpy()[first:]
    shut = ~(today > 0)
    limit = execution.max_volume * np.nan_to_num(today) if execution.max_volume else None
    if not costs.needs_volume:
        return shut, limit, None
    known = liquidity_of(prices)
    liquidity = Liquidity(known.volatility[first:], known.volume[first:])
    return shut | np.isnan(liquidity.volatility) | np.isnan(liquidity.volume), limit, liquidity


def _volume(prices: PricePanel) -> pd.DataFrame:
    """Volume in the shares that the panel's prices are of: raw shares times raw price over adjusted price."""
    assert prices.volume is not None
    if prices.raw_close is None:
        return prices.volume
    return prices.volume * (prices.raw_close / prices.close)


def shares_a_lot(prices: PricePanel, execution: Execution) -> Floats | None:
    """(T, N) the panel's shares that make one lot of shares as they were traded; None where they are the same."""
    if not execution.lot or prices.raw_close is None:
        return None
    return execution.lot * (prices.raw_close / prices.close).ffill().fillna(1.0).to_numpy()


def market_warnings(prices: PricePanel, costs: CostModel, execution: Execution) -> list[str]:
    """What is taken for granted where volume or lots meet adjusted prices, and costs of assets that are not there."""
    out = []
    used = {"square-root impact": costs.needs_volume, "max_volume": execution.max_volume, "lots": execution.lot}
    named = ", ".join(name for name, wanted in used.items() if wanted)
    if named and prices.raw_close is None:
        out.append(
            f"{named}: the panel has no raw closes beside its prices (adjusted for: {prices.adjusted}); shares are "
            "counted at those prices, so participation and lots are off by the adjustment"
        )
    strangers = [] if costs.table is None else costs.table.strangers(prices.assets)
    if strangers:
        out.append(f"{len(strangers)} assets of the cost table {costs.table.source} have no prices here")  # type: ignore[union-attr]
    return out


def liquidity_of(prices: PricePanel) -> Liquidity:
    """Daily volatility and mean volume over the 20 sessions that end the session before (at least 2 of them).

    Volume is in shares of the panel's own prices; NaN = not known, or none at all.

    Raises
    ------
    InputError
        If the panel has no volume.

    """
    prices.require(["volume"], "square-root impact")
    returns = prices.close.pct_change(fill_method=None)
    volatility = returns.rolling(_LIQUIDITY_WINDOW, min_periods=2).std(ddof=1).shift(1).to_numpy()
    volume = _volume(prices).rolling(_LIQUIDITY_WINDOW, min_periods=2).mean().shift(1).to_numpy()
    return Liquidity(volatility, np.where(volume > 0, volume, np.nan))


def _traded(prices: PricePanel, weights: pd.DataFrame) -> PricePanel:
    """Prices from the first decision on, of the assets that weights stand on."""
    if not isinstance(weights, pd.DataFrame) or weights.empty:
        raise InputError("target_weights: empty; a strategy must decide on at least one session")
    if not weights.index.equals(prices.sessions):
        absent = weights.index.difference(prices.sessions)
        if len(absent):
            raise InputError(
                f"target_weights: {len(absent)} sessions absent from prices, first {pd.Timestamp(absent[0]).date()}; "
                "reindex to prices.sessions"
            )
    if not weights.columns.equals(prices.assets):
        strangers = weights.columns.difference(prices.assets)
        if len(strangers):
            raise InputError(f"target_weights: {len(strangers)} assets absent from prices, first {strangers[0]!r}")
        prices = prices.select(list(weights.columns))
    return prices if weights.index[0] == prices.sessions[0] else prices.between(weights.index[0], None)


def _aligned(prices: PricePanel, weights: pd.DataFrame, max_gross: float) -> tuple[Floats, int]:
    """Weights on the sessions of `prices`, within the cap; on how many sessions they were above it."""
    if not weights.index.equals(prices.sessions):
        weights = weights.reindex(prices.sessions)
    return orderable(weights, max_gross)


def orderable(weights: pd.DataFrame, max_gross: float) -> tuple[Floats, int]:
    """(T, N) weights as they are ordered: rows above the cap scaled down, what is too small 0; and how many rows.

    Raises
    ------
    InputError
        If a weight is infinite.

    """
    values = np.ascontiguousarray(weights.to_numpy(dtype=np.float64))
    gross, small = gross_and_small(values)
    if not np.isfinite(gross).all():  # a NaN is "no order"; an infinity is a mistake
        if np.isinf(values).any():
            row, column = np.argwhere(np.isinf(values))[0]
            raise InputError(f"target_weights: infinite at {weights.index[row].date()}, {weights.columns[column]!r}")
        gross = np.nansum(np.abs(values), axis=1)
    capped = gross > max_gross * (1 + 1e-9)
    if capped.any():
        values = values.copy()
        values[capped] *= (max_gross / gross[capped])[:, None]
    return without_small(values) if small or capped.any() else values, int(capped.sum())


def _warnings(execution: Execution, counts: dict[str, int]) -> list[str]:
    out = []
    if execution.same_close:
        out.append("same-close fills: decided and traded at the same price, which nobody can do; look-ahead")
    if counts["gross_capped"]:
        out.append(f"{counts['gross_capped']} sessions wanted more than max_gross {execution.max_gross:g}; scaled down")
    return out


def earned(book: Ledger, execution: Execution) -> tuple[Floats, Floats, Floats]:
    """(T,) net returns of a book, what costs took of the gross ones, and turnover."""
    before = np.concatenate([[execution.capital], book.nav[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        net = np.where(before > 0, book.nav / before - 1.0, 0.0)
        drag = np.where(before > 0, book.costs.sum(axis=1) / before, 0.0)
        turnover = np.where(book.nav_before > 0, 0.5 * book.traded / book.nav_before, 0.0)
    return net, drag, turnover


def _result(run: _Run, book: Ledger) -> BacktestResult:
    sessions, execution, warnings = run.prices.sessions, run.execution, run.warnings
    net, drag, turnover = earned(book, execution)
    with np.errstate(divide="ignore", invalid="ignore"):
        exposure = np.stack([book.long - book.short, book.long + book.short, book.long, book.short], axis=1)
        exposure = np.where(book.nav[:, None] > 0, exposure / book.nav[:, None], 0.0)
    counts = {**run.counts, "unfilled_orders": len(book.unfilled), "forced_exits": len(book.forced)}
    for name, items, text in (
        ("unfilled_orders", book.unfilled, "orders had no price to fill at"),
        ("partly_filled", book.partly, "orders were filled in part on their session"),
        ("expired_orders", book.expired, f"orders expired after {execution.order_expiry} sessions without a fill"),
        ("cut_to_max_gross", book.cut, "sessions on which orders were cut to keep the book below max_gross"),
        ("above_max_gross", book.above, "sessions on which the book was above max_gross after its fills"),
        ("forced_exits", book.forced, "holdings were closed at their last close after their prices ended"),
    ):
        if items:
            counts[name] = len(items)
            warnings.append(f"{len(items)} {text}")
    if book.ruined_at is not None:
        warnings.append(f"ruined: NAV at or below zero on {sessions[book.ruined_at].date()}; nothing traded afterwards")
    return BacktestResult(
        strategy=run.config["strategy"],
        returns=pd.Series(net, sessions, name="net"),
        gross_returns=pd.Series(net + drag, sessions, name="gross"),
        nav=pd.Series(book.nav, sessions, name="nav"),
        # Laid out as pandas lays out: the last bits of sums over sessions depend on it. A cost of −0.0 is one of 0.0.
        costs=pd.DataFrame(np.add(book.costs, 0.0, order="F"), sessions, COST_COLUMNS, copy=False),
        turnover=pd.Series(turnover, sessions, name="turnover"),
        exposure=pd.DataFrame(np.add(exposure, 0.0, order="F"), sessions, EXPOSURE_COLUMNS, copy=False),
        target_weights=run.frame(run.weights) if run.keep == "all" else None,
        holdings=run.frame(book.shares) if book.shares is not None else None,
        cash=pd.Series(book.cash, sessions, name="cash"),
        interest=pd.Series(book.interest + 0.0, sessions, name="interest"),
        cash_rate=run.rates.of_cash(sessions),
        borrow_bps=run.rates.by_asset("borrow_bps", sessions, run.prices.assets) if run.keep == "all" else None,
        events=_events(run, book),
        fill_ledger=_fill_ledger(run, book),
        config=run.config,
        counts=counts,
        warnings=tuple(warnings),
    )


def _events(run: _Run, book: Ledger) -> pd.DataFrame:
    sessions, names, tape = run.prices.sessions, run.prices.assets.to_list(), run.tape
    rows: list[tuple[int, str, str, str]] = [
        (c.session, names[c.asset], "forced_exit", f"{c.shares:.6g} shares at the last close")
        for c in book.forced
    ]
    for kind, left in (("unfilled", book.unfilled), ("partly_filled", book.partly), ("expired", book.expired)):
        rows += [(s, names[a], kind, reason) for s, a, reason in _reasons(left, tape)]
    rows += [
        (s, "", "above_max_gross", f"gross {gross:.4g} of NAV after the fills: holdings could not be reduced")
        for s, gross in book.above
    ]
    rows += [(s, "", "cut_to_max_gross", "what adds to the book was cut by one factor") for s in book.cut]
    if book.ruined_at is not None:
        rows.append((book.ruined_at, "", "ruin", "NAV at or below zero"))
    if not rows:
        return _NO_EVENTS.copy(deep=False)  # made once: sweeps and nulls ask thousands of times
    places, *texts = zip(*rows, strict=True)
    columns = [sessions[list(places)], *map(list, texts)]
    del rows, places, texts
    table = pd.DataFrame(dict(zip(EVENT_COLUMNS, columns, strict=True)))
    return table.sort_values(["session", "asset"], kind="stable", ignore_index=True)


def _reasons(left: list[tuple[int, int]], tape: Tape) -> Iterator[tuple[int, int, str]]:
    """Orders that were left, (session, asset), with why; a session is read at a time."""
    for s, items in groupby(left, key=itemgetter(0)):
        priceless = np.isnan(tape.fill[s])
        release(tape.fill[s])
        for _, a in items:
            if priceless[a]:
                yield s, a, "no price at the fill"
            elif tape.shut is not None and tape.shut[s, a]:
                yield s, a, "no volume, or its impact is not known"
            else:
                yield s, a, "no room under max_gross or max_volume"


def _fill_ledger(run: _Run, book: Ledger) -> FillLedger | None:
    if book.shares is None:
        return None
    return FillLedger(run.prices.sessions, run.prices.assets, book, run.tape, run.costs, run.rates)


def _constant_weight_result(run: _Run) -> BacktestResult:
    costs, execution, sessions, warnings = run.costs, run.execution, run.prices.sessions, run.warnings
    if costs.needs_volume or costs.minimum_fee or execution.lot or execution.max_volume:
        raise InputError(
            "constant_weight accounting has no shares: square-root impact, minimum fee, lots and volume limits need "
            "self_financing"
        )
    book = constant_weight(run.weights, run.tape, rates=run.rates, execution=execution)
    net = book.gross - book.costs.sum(axis=1)
    long, short = np.maximum(book.held, 0).sum(axis=1), np.minimum(book.held, 0).sum(axis=1)
    warnings.append("constant-weight accounting: returns are summed on constant capital, weights do not drift")
    counts = {**run.counts, "unfilled_orders": len(book.unfilled)}
    if book.unfilled:
        warnings.append(f"{len(book.unfilled)} orders had no price to fill at")
    if book.expired:
        counts["expired_orders"] = len(book.expired)
        warnings.append(f"{len(book.expired)} orders expired after {execution.order_expiry} sessions without a fill")
    assets = run.prices.assets
    rows = [(sessions[s], assets[a], "unfilled", "no price at the fill") for s, a in book.unfilled]
    rows += [(sessions[s], assets[a], "expired", "no price at the fill") for s, a in book.expired]
    events = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    return BacktestResult(
        strategy=run.config["strategy"],
        returns=pd.Series(net, sessions, name="net"),
        gross_returns=pd.Series(book.gross, sessions, name="gross"),
        nav=pd.Series(execution.capital * (1 + np.cumsum(net)), sessions, name="nav"),
        costs=pd.DataFrame(book.costs * execution.capital, sessions, list(COST_KINDS)),
        turnover=pd.Series(0.5 * book.traded, sessions, name="turnover"),
        exposure=pd.DataFrame(
            np.stack([long - short, long + short, long, short], axis=1), sessions, ["gross", "net", "long", "short"]
        ),
        target_weights=run.frame(run.weights) if run.keep == "all" else None,
        interest=pd.Series(book.interest * execution.capital, sessions, name="interest"),
        cash_rate=run.rates.of_cash(sessions),
        events=events.sort_values(["session", "asset"], kind="stable", ignore_index=True),
        config=run.config,
        counts=counts,
        warnings=tuple(warnings),
    )
