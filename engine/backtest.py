"""Predictions and a strategy in, a `BacktestResult` out: the passes of the overlays and the table of stages."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from assay.data.benchmark import BENCHMARK_ASSET, benchmark_fingerprint, check_benchmark, with_benchmark_asset
from assay.data.compiling import has_numba
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.universe import departures, only_members
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.kernels import compiled_smooth_weights
from assay.engine.overlay_passes import emptied, kill_events, kill_switches, scaled, shadow_returns, vol_factor
from assay.engine.pace import Paced, paced
from assay.engine.result import EVENT_COLUMNS, BacktestResult
from assay.engine.simulation import net_and_turnover, simulate, simulate_compiled
from assay.engine.stages import stage_table
from assay.strategies.base import EntryRule, EntrySignals, Overlays, Strategy, decide, entry_signals
from assay.strategies.overlays import SWITCHES, on_cadence, sleeved, smooth_weights

__all__ = [
    "Pass",
    "described",
    "final_weights",
    "input_fingerprints",
    "labelled",
    "merged_events",
    "overlaid",
    "passes",
    "priced",
    "run_backtest",
    "simulated_prices",
    "with_tradable_benchmark",
]

#: Kinds of events with which a strategy says that it has no weights for a session.
_STUCK = ("infeasible", "unsolved", "too_few_assets")
_NONE = pd.DataFrame()


def run_backtest(
    strategy: Strategy | EntryRule,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    benchmark: pd.Series | None = None,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    keep: Literal["all", "returns"] = "all",
    compiled: bool | None = None,
) -> BacktestResult:
    """Select, apply the overlays causally, and simulate from the first session on which there is a view.

    The vol target reads the net returns of the smoothed strategy, the kill switches those of the smoothed and
    vol-targeted one that is never switched off; both through the close of the session they are stamped with.

    Parameters
    ----------
    strategy : weights by rule, or an entry rule that is executed bar by bar.
    predictions : what the model said; its sessions and assets must be in `prices` (see `assay.data.align`).
    prices : (T, N). Sessions after the last decision's window (delay + horizon) are not simulated.
    benchmark : (T,) returns, for the report; traded only by a strategy that hedges with it.
    costs, execution : by default `CostModel()` and the panel's own delay.
    keep : ``"returns"`` keeps no (T, N) table and makes no stage table.
    compiled : whether compiled loops do what they can: worth it for repeated runs. None = where it pays for one.

    Raises
    ------
    InputError
        If the strategy needs what the panels lack.

    Examples
    --------
    >>> from assay import load_strategy, synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> result = run_backtest(load_strategy("quintile_long_short"), predictions, prices)
    >>> len(result.returns), result.counts["forced_exits"]
    (55, 0)

    """
    costs = CostModel() if costs is None else costs
    execution = Execution(delay=predictions.delay) if execution is None else execution
    if benchmark is not None:
        check_benchmark(benchmark)
    prints = input_fingerprints(prices, predictions.fingerprint, benchmark) if keep == "all" else {}
    predictions = predictions.since_first_view()
    prices = with_tradable_benchmark(strategy, prices, benchmark)
    prices.require(strategy.needs, strategy.name)
    prices = simulated_prices(prices, predictions, execution.delay)
    if isinstance(strategy, EntryRule):
        from assay.engine.entry_rules import simulate_entries

        signals = _members_alone(entry_signals(strategy, predictions, prices), prices)
        result = simulate_entries(
            prices, signals, strategy, costs=costs, execution=execution, optimistic=execution.optimistic, keep=keep,
            compiled=compiled,
        )  # fmt: skip
    else:
        by_loops = bool(compiled) and has_numba()
        result = _weights_backtest(strategy, predictions, prices, costs, execution, keep, compiled=by_loops)
    result = _with_departures(result, prices)
    return labelled(result, strategy, predictions, predictions.warnings, benchmark, execution, prints)


def labelled(
    result: BacktestResult,
    strategy: Strategy | EntryRule,
    predictions: PredictionPanel,
    lines: tuple[str, ...],
    benchmark: pd.Series | None,
    execution: Execution,
    prints: dict[str, str],
) -> BacktestResult:
    """The result with what it was made from, its benchmark and its warnings.

    Parameters
    ----------
    predictions : whose delay, name, horizon and receipts are read.
    lines : warnings of the predictions.
    prints : fingerprints of the inputs.

    """
    unmet = [] if isinstance(strategy, EntryRule) else _unmet(result.events)
    warnings = [*_idle(strategy, result), *result.warnings, *unmet, *lines]
    if predictions.delay != execution.delay and not execution.same_close:
        warnings.append(
            f"the predictions were made for a delay of {predictions.delay} sessions, the fills have {execution.delay}"
        )
    if benchmark is not None and len(result.returns) > 1:
        later = result.returns.index[1:]  # nothing is held before the first
        gaps = later[benchmark.reindex(later).isna()]
        if len(gaps):
            warnings.append(
                f"benchmark: no return on {len(gaps):,} of {len(result.returns):,} sessions, first {gaps[0].date()}; "
                "figures against it are of the others"
            )
    if predictions.receipts is None:
        warnings.append("receipts: none; nothing says what the model had seen when it predicted")
    return result.changed(
        benchmark=None if benchmark is None else benchmark.reindex(result.sessions).rename("benchmark"),
        config={**result.config, **described(strategy), "model": predictions.name, "horizon": predictions.horizon},
        fingerprints=prints,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def input_fingerprints(prices: PricePanel, predictions: str, benchmark: pd.Series | None) -> dict[str, str]:
    """What a run's id is a hash of beside its settings; `predictions` is their fingerprint."""
    given = {} if benchmark is None else {"benchmark": benchmark_fingerprint(benchmark)}
    return {"prices": prices.fingerprint, "predictions": predictions, **given}


def _members_alone(signals: EntrySignals, prices: PricePanel) -> EntrySignals:
    """Signals of which no other asset than a member is entered, and what left the universe is closed."""
    if prices.members is None:
        return signals
    inside = prices.members.reindex_like(signals.enter).fillna(False).astype(bool)
    return EntrySignals(signals.enter & inside, signals.exit | ~inside, signals.priority)


def _with_departures(result: BacktestResult, prices: PricePanel) -> BacktestResult:
    """The result with an event for each holding whose asset left the universe."""
    if prices.members is None or result.holdings is None:
        return result
    held = result.holdings
    left = departures(prices).reindex_like(held).fillna(False).to_numpy(dtype=bool) & (held != 0).to_numpy()
    if not left.any():
        return result
    shares = held.to_numpy()
    rows = [
        (held.index[s], held.columns[a], "left_universe", f"{shares[s, a]:.6g} shares, sold at the next fill")
        for s, a in np.argwhere(left)
    ]
    events = pd.concat([result.events, pd.DataFrame(rows, columns=list(EVENT_COLUMNS))], ignore_index=True)
    events = events.sort_values(["session", "asset"], kind="stable", ignore_index=True)
    return replace(result, events=events, counts={**result.counts, "left_universe": len(rows)})


def with_tradable_benchmark(
    strategy: Strategy | EntryRule, prices: PricePanel, benchmark: pd.Series | None
) -> PricePanel:
    """`prices` with the benchmark as an asset, where the strategy trades it and only its returns are known."""
    if "benchmark" not in strategy.needs or benchmark is None or BENCHMARK_ASSET in prices.assets:
        return prices
    return with_benchmark_asset(prices, benchmark)


def final_weights(
    strategy: Strategy,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    costs: CostModel | None = None,
    execution: Execution | None = None,
) -> pd.DataFrame:
    """The weights that `run_backtest` trades: after smoothing, vol target and kill switches; (T, N), stamped t.

    Examples
    --------
    >>> from assay import load_strategy, synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> weights = final_weights(load_strategy("quintile_long_short"), predictions, prices)
    >>> float(weights.iloc[-1].abs().sum())
    1.0

    """
    costs = CostModel() if costs is None else costs
    execution = Execution(delay=predictions.delay) if execution is None else execution
    predictions = predictions.since_first_view()
    prices = simulated_prices(prices, predictions, execution.delay)
    return passes(strategy, predictions, prices, costs, execution, keep="returns")[-1][1]


def simulated_prices(prices: PricePanel, predictions: PredictionPanel, delay: int) -> PricePanel:
    """Prices through the end of the last decision's window; the history before the first decision stays."""
    last = int(prices.sessions.searchsorted(predictions.sessions[-1]))
    end = min(last + delay + predictions.horizon, len(prices.sessions) - 1)
    return prices if end == len(prices.sessions) - 1 else prices.through(prices.sessions[end])


def priced(strategy: Strategy, costs: CostModel) -> Strategy:
    """The strategy with the run's costs, where it weighs costs and its own parameters leave them open."""
    weighing = getattr(strategy, "with_costs", None)  # of a `WeighsCosts`; isinstance is slow for each of many cells
    if weighing is None:
        return strategy
    found: Strategy = weighing(trade_bps=1e4 * costs.traded_rate, borrow_bps=costs.borrow_bps)
    return found


def _weights_backtest(
    strategy: Strategy,
    predictions: PredictionPanel,
    prices: PricePanel,
    costs: CostModel,
    execution: Execution,
    keep: Literal["all", "returns"],
    *,
    compiled: bool,
) -> BacktestResult:
    if compiled and keep == "returns" and not strategy.overlays.paced and prices.members is None:
        done = _by_loops(strategy, predictions, prices, costs, execution)
        if done is not None:
            return done
    each: Keep = "stages" if keep == "all" else "returns"
    *before, last = passes(strategy, predictions, prices, costs, execution, each, compiled=compiled)
    label, weights, result, events, *_ = last
    if result is None or keep == "all":
        result = simulate(
            prices, weights, costs=costs, execution=execution, keep=keep, name=strategy.name, compiled=compiled
        )
    result = merged_events(result, events)
    if keep == "returns":
        return result
    table, earned = [(label, result)], result
    for stage in reversed(before):
        earned = earned if stage.result is None else stage.result
        table.append((stage.label, earned))
    return replace(result, stages=stage_table(reversed(table)))


def _by_loops(
    strategy: Strategy, predictions: PredictionPanel, prices: PricePanel, costs: CostModel, execution: Execution
) -> BacktestResult | None:
    """The run of which no table is kept, its overlays as factors in the compiled loop; None where that cannot be."""
    decision = decide(priced(strategy, costs), predictions, prices, compiled=True)
    overlays, weights, own = strategy.overlays, decision.weights, list(decision.events)
    del decision  # or the first table would live as long as the last
    weights = sleeved(weights, overlays.sleeves)
    if overlays.smoothing:
        weights = compiled_smooth_weights(weights, overlays.smoothing)
    done = simulate_compiled(prices, weights, overlays, costs=costs, execution=execution, name=strategy.name)
    if done is None:
        return None
    result, states = done
    killed = _NONE if states is None else kill_events(pd.DataFrame(states, result.sessions, list(SWITCHES)))
    if not own and not len(result.events):
        return replace(result, events=killed) if len(killed) else result
    return merged_events(result, pd.concat([pd.DataFrame(own, columns=list(EVENT_COLUMNS)), killed], ignore_index=True))


def merged_events(result: BacktestResult, events: pd.DataFrame) -> BacktestResult:
    """The result with the strategy's own events and those of its overlays among its own, by session and asset."""
    if not len(events):
        return result
    merged = pd.concat([result.events, events], ignore_index=True) if len(result.events) else events
    return replace(result, events=merged.sort_values(["session", "asset"], kind="stable", ignore_index=True))


class Pass(NamedTuple):
    """A stage of a strategy's weights.

    Parameters
    ----------
    label : of the stage.
    weights : (≤ T, N), stamped t; empty where only the stage's simulation is kept.
    result : its simulation, where a later stage needed it; without it and weights, it is what the next stage is.
    events : so far.
    paced : what the book held when its orders were decided, for a stage that reads it.
    overlay : whether it is an overlay's, not a step of the rule, which may be called the same.

    """

    label: str
    weights: pd.DataFrame
    result: BacktestResult | None = None
    events: pd.DataFrame = _NONE
    paced: Paced | None = None
    overlay: bool = False


#: What `passes` holds of the stages before the last: everything, nothing, or their simulations without the weights.
Keep = Literal["all", "returns", "stages"]


def passes(
    strategy: Strategy,
    predictions: PredictionPanel,
    prices: PricePanel,
    costs: CostModel,
    execution: Execution,
    keep: Keep,
    *,
    compiled: bool = False,
) -> list[Pass]:
    """Each stage in order, through the last session of `prices`: what the strategy decided, then the overlays.

    With ``keep="returns"`` only the last stage is held, and with ``"stages"`` the others are without their weights, so
    that no more than two tables of weights live at once.
    """
    last_only = compiled and keep == "returns"
    decision = decide(priced(strategy, costs), predictions, prices, compiled=last_only)
    steps = [(decision.label, decision.weights)] if keep == "returns" else decision.steps()
    work = _Work(prices, costs, execution, strategy.name, compiled)
    out: list[Pass] = []
    before = None
    for label, weights in steps:
        if keep == "stages" and out:
            out[-1] = work.without_weights(out[-1], same=weights is before)
        out.append(Pass(label, only_members(weights, prices)))
        before = weights
    out[-1] = out[-1]._replace(events=pd.DataFrame(list(decision.events), columns=list(EVENT_COLUMNS)))
    del decision, weights, before  # or the first table would live as long as the last
    return overlaid(out, strategy.overlays, prices, costs, execution, keep, name=strategy.name, compiled=compiled)


@dataclass(frozen=True, eq=False)
class _Work:
    """What the simulations between stages have in common."""

    prices: PricePanel
    costs: CostModel
    execution: Execution
    name: str
    compiled: bool

    def simulated(self, stage: Pass) -> Pass:
        """The stage with its simulation."""
        if stage.result is not None:
            return stage
        result = simulate(
            self.prices, stage.weights, costs=self.costs, execution=self.execution, keep="returns", name=self.name,
            compiled=self.compiled,
        )  # fmt: skip
        return stage._replace(result=result)

    def without_weights(self, stage: Pass, *, same: bool) -> Pass:
        """The stage with its simulation alone, or without it where the next has the same weights."""
        return (stage if same else self.simulated(stage))._replace(weights=_NONE)


def overlaid(
    out: list[Pass],
    overlays: Overlays,
    prices: PricePanel,
    costs: CostModel,
    execution: Execution,
    keep: Keep,
    *,
    name: str = "weights",
    compiled: bool = False,
) -> list[Pass]:
    """The stages `out` of a rule, and after them those of the overlays; see `passes`."""
    work = _Work(prices, costs, execution, name, compiled)

    def push(label: str, weights: pd.DataFrame, events: pd.DataFrame = _NONE, traded: Paced | None = None) -> None:
        before, same = out[-1].events, weights is out[-1].weights
        known = out[-1].result if same else None
        if len(before):
            events = pd.concat([before, events], ignore_index=True) if len(events) else before
        if keep == "returns":
            out.clear()
        elif keep == "stages":
            out[-1] = work.without_weights(out[-1], same=same)
        out.append(Pass(label, only_members(weights, prices), known, events, traded, overlay=True))

    def shadow() -> pd.Series:
        if keep != "returns" or out[-1].result is not None:
            out[-1] = work.simulated(out[-1])
        known = out[-1].result
        if known is not None:
            return shadow_returns(known.returns.to_numpy(), known.turnover.to_numpy(), known.sessions)[0]
        found = net_and_turnover(prices, out[-1].weights, costs=costs, execution=execution)
        return shadow_returns(*found)[0]

    sessions = prices.sessions[prices.sessions.searchsorted(out[-1].weights.index[0]) :]
    if overlays.sleeves > 1:
        push("sleeves", sleeved(out[-1].weights, overlays.sleeves))
    if overlays.smoothing:
        smooth = compiled_smooth_weights if compiled else smooth_weights
        push("smooth", smooth(out[-1].weights, overlays.smoothing))
    if overlays.vol_target is not None:
        push("vol target", scaled(out[-1].weights, vol_factor(shadow(), overlays.vol_target)))
    if overlays.every != 1:
        push("every", on_cadence(out[-1].weights, sessions, overlays.every, overlays.phase))
    if overlays.follows_holdings:
        traded = paced(out[-1].weights, prices, overlays, costs=costs, execution=execution)
        push("trade", traded.weights, traded=traded)
    if overlays.kill_switches:
        state = kill_switches(shadow())
        push("kill switch", emptied(out[-1].weights, state), kill_events(state))
    return out


def _idle(strategy: Strategy | EntryRule, result: BacktestResult) -> list[str]:
    """One line if nothing was traded: every figure is then that of cash."""
    if (result.turnover > 0).any():
        return []
    return [f"no trade on any of {len(result.sessions):,} sessions: {strategy.name} never wanted a position"]


def _unmet(events: pd.DataFrame) -> list[str]:
    """One line if the strategy could not decide on some sessions, with the first reason."""
    if not len(events) or not set(_STUCK).intersection(events["kind"]):
        return []
    stuck = events[events["kind"].isin(_STUCK)]
    first = stuck.iloc[0]
    return [f"{len(stuck)} decisions had no portfolio, first {first['session'].date()}: {first['detail']}"]


def described(strategy: Strategy | EntryRule) -> dict[str, Any]:
    """The strategy's parameters, JSON-able, for the manifest; a "quiet" one only where it is not at its default."""
    parameters: dict[str, Any] = {}
    if is_dataclass(strategy) and not isinstance(strategy, type):
        quiet = {item.name for item in fields(strategy) if item.metadata.get("quiet")
                 and getattr(strategy, item.name) == item.default}  # fmt: skip
        parameters = {name: value for name, value in asdict(strategy).items() if name not in quiet}
    kept = {name: value for name, value in parameters.items() if name not in ("name", "needs")}
    return {"strategy": strategy.name, "parameters": kept}
