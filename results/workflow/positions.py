"""What a stored run holds next: its own strategy, costs and execution decide on the newest panels."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from assay.data.align import align
from assay.data.atomic import check_target, locked, replacing
from assay.data.card import Card
from assay.data.errors import InputError
from assay.data.jsonable import jsonable
from assay.data.panel import BENCHMARK_ASSET, PredictionPanel, PricePanel
from assay.data.quality import last_session
from assay.engine.backtest import described, with_tradable_benchmark
from assay.engine.carried import carried_on
from assay.engine.costs import COST_FIELDS, CostModel, CostTable
from assay.engine.execution import Execution
from assay.engine.positions import Positions, carried_positions, orders_towards, positions_at
from assay.results.checks.trading import Trading
from assay.results.gate.monitor import stored_monitoring
from assay.results.report.run_data import RunData
from assay.results.storage.kept import left_out
from assay.results.storage.live_state import LiveState, load_state, save_state
from assay.results.storage.lockbox import require_open
from assay.results.storage.places import DEFAULT_ROOT
from assay.results.storage.runs import Run, load_run
from assay.results.workflow.followed import continued_state, kept
from assay.strategies.base import EntryRule, Strategy
from assay.strategies.catalog import load_strategy

__all__ = ["TargetBook", "continued_predictions", "gate_of", "target_positions", "trading_of", "write_book"]

#: Replayed weights further than this from the stored ones are not the run's.
_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class TargetBook(Card):
    """What a run holds next.

    Parameters
    ----------
    run : the stored run.
    positions : the targets of the session, and how each came about.
    orders : a row an asset, columns `assay.engine.positions.ORDER_COLUMNS`; None where NAV is not known.
    nav : currency, of the holdings and the cash at the close of the session; None where it is not known.
    accepted : whether the stored decision of the gate is a pass.
    gate : what the gate decided, in words.
    age : sessions from the last prediction to the session.
    replayed : sessions of the run whose stored weights were compared with those decided here; their net returns, of a
        run that keeps no weights.
    difference : the largest difference among them, fractions of NAV; NaN where none was compared.
    warnings : one line each.

    Examples
    --------
    >>> from assay import backtest, load_strategy, synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> stored = backtest(load_strategy("quintile_long_short"), predictions, prices)
    >>> book = target_positions(stored.run, predictions, prices, nav=1e6, unaccepted=True)
    >>> print(book)  # doctest: +ELLIPSIS
    quintile_long_short-...: positions of 2000-03-24, for the open 1 session later
      gate  ...unaccepted
      NAV   1,000,000.00
      S002  -50.00%
      S005  +50.00%
    >>> book.to_frame()["order"].round().tolist()
    [0.0, 0.0, -4491.0, 0.0, 0.0, 5026.0]

    """

    run: Run
    positions: Positions
    orders: pd.DataFrame | None
    nav: float | None
    accepted: bool
    gate: str
    age: int
    replayed: int
    difference: float
    warnings: tuple[str, ...]

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """The gate, the book's value, and the targets, the largest first."""
        at = self.positions
        later = f"{at.delay} session{'' if at.delay == 1 else 's'} later"
        targets = at.lineage["target"].dropna()
        targets = targets[targets != 0].sort_values(key=lambda column: -column.abs(), kind="stable")
        rows = [("gate", self.gate + ("" if self.accepted else " · unaccepted"))]
        rows += [] if self.nav is None else [("NAV", f"{self.nav:,.2f}")]
        rows += [(str(asset), f"{target:+.2%}") for asset, target in targets.items()]
        return f"{self.run.id}: positions of {at.session.date()}, for the {at.fill} {later}", rows

    def to_frame(self) -> pd.DataFrame:
        """A row an asset: run, session, whether the gate accepted the run, the lineage, and the orders."""
        table = self.positions.lineage.rename_axis("asset")
        if self.orders is not None:
            table = table.reindex(self.orders.index).join(self.orders)
        else:
            table = table.assign(reason=[self.positions.why(str(asset)) for asset in table.index])
        head = pd.DataFrame(
            {"run": self.run.id, "session": self.positions.session, "accepted": self.accepted}, index=table.index
        )
        return head.join(table).reset_index()

    def to_dict(self) -> dict[str, object]:
        """What ``positions --json`` prints."""
        book = self.positions
        return {
            "run_id": self.run.id,
            "session": book.session,
            "fill": book.fill,
            "delay": book.delay,
            "accepted": self.accepted,
            "gate": self.gate,
            "age": self.age,
            "nav": self.nav,
            "switches": list(book.switches),
            "replayed": {"sessions": self.replayed, "largest_difference": self.difference},
            "positions": self.to_frame().drop(columns=["run", "session", "accepted"]).to_dict(orient="records"),
            "warnings": list(self.warnings),
        }


def target_positions(
    run: Run | str | Path,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    benchmark: pd.Series | None = None,
    session: pd.Timestamp | None = None,
    nav: float | None = None,
    holdings: pd.Series | None = None,
    cash: float | None = None,
    max_age: int = 0,
    max_receipt_age: int | None = None,
    calendar: str | None = None,
    now: pd.Timestamp | None = None,
    unaccepted: bool = False,
    costs: CostTable | None = None,
    strategy: str | None = None,
    state: Path | str | None = None,
    root: Path | str = DEFAULT_ROOT,
) -> TargetBook:
    """The targets of a stored run for its next fill, and the orders towards them.

    Parameters
    ----------
    run : a stored backtest, its id or the start of it, or its folder.
    predictions : of the run's model, through the newest session; not joined to the prices yet. Before their first
        session those that the run has stored are taken.
    prices : the whole history through the newest session; with a `state` that has begun, the sessions after its last.
    benchmark : returns, for a strategy that hedges with them.
    session : of the decision; default the last of the prices. A past one is decided with what was known then, however
        old the prediction was.
    nav : currency to spread over the targets, from cash alone.
    holdings, cash : asset → shares held, and the currency beside them: the orders begin there. In place of `nav`.
    max_age : most sessions that the last prediction may lie before the session.
    max_receipt_age : most calendar days that the model behind the last prediction may have been available; needs
        receipts. Default that of the policy which the gate judged the run by, where it has one.
    calendar, now : an exchange (``"XNYS"``) and a time in UTC: the prices must reach its last session closed by then.
    unaccepted : whether a run that the gate has not passed, or whose monitor says that the skill is gone, may be asked;
        the answer then carries that.
    costs : the table of costs by asset and session that the run was made with, where it was.
    strategy : ``package.module:Class`` of a strategy that is in no catalogue.
    state : folder in which what the next session needs is kept; it begins with the whole history, and goes on with the
        rows of the sessions after it. Asked again for its last session it gives the same answer.
    root : the results folder.

    Raises
    ------
    InputError
        If the gate has not passed the run or its monitor says that the skill is gone, its strategy cannot be asked, the
        prices end before the predictions or the calendar's last session, the predictions or the model behind them are
        too old, or the holdings cannot be valued.

    Examples
    --------
    >>> from assay import backtest, load_strategy, synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> stored = backtest(load_strategy("quintile_long_short"), predictions, prices)
    >>> book = target_positions(stored.run, predictions, prices, nav=1e6, unaccepted=True)
    >>> book.positions.fill, book.accepted
    ('open', False)

    """
    stored = (run if isinstance(run, Run) else load_run(run, root=root)).require_backtest("positions")
    accepted, verdict, limit = gate_of(stored)
    max_receipt_age = limit if max_receipt_age is None else max_receipt_age
    if not accepted and not unaccepted:
        raise InputError(f"positions: {stored.id}: {verdict}; --unaccepted asks for its positions all the same")
    require_open(prices, "positions")
    rule, cost_model, execution = trading_of(stored, costs, strategy)
    if nav is not None and (holdings is not None or cash is not None):
        raise InputError("positions: give a NAV, or holdings with their cash, not both")
    if holdings is not None and cash is None:
        raise InputError("positions: the holdings need their cash: a row of the asset 'cash', or --cash")
    if holdings is None and cash is not None:
        raise InputError("positions: cash goes with holdings; --nav is what cash alone is worth")
    if prices.sessions[-1] < predictions.sessions[-1]:
        sealed = any(line.startswith("lockbox:") for line in prices.warnings)
        raise InputError(
            f"positions: the prices end {prices.sessions[-1].date()}, before the predictions, which end "
            f"{predictions.sessions[-1].date()}; "
            + ("what is sealed of them is left out (--open-lockbox)" if sealed else "bring the prices up to date")
        )
    if calendar is not None:
        _reaches(prices, calendar, pd.Timestamp.now("UTC").tz_localize(None) if now is None else now)
    if max_receipt_age is not None:
        _young_enough(predictions, max_receipt_age)
    if state is not None and session is not None:
        raise InputError("positions: a state is asked for its newest session; ask for a past one without --state")
    folder = None if state is None else Path(state)
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; create it first")
    trading = Trading(rule, cost_model, execution)
    with contextlib.nullcontext() if folder is None else locked(folder):
        following = None
        if folder is None:
            answer = _whole(stored, trading, predictions, prices, benchmark, session)
        else:
            answer, following = _followed(folder, stored, trading, predictions, prices, benchmark)
        book, age, replayed, difference, begun, warnings = answer
        if age > max_age and (session is None or session == prices.sessions[-1]):
            raise InputError(
                f"positions: the last prediction is {age} sessions older than {book.session.date()}; predict again, or "
                "allow it with --max-age"
            )
        orders = None
        if nav is not None or holdings is not None:
            money = float((nav if cash is None else cash) or 0.0)
            orders = orders_towards(book, holdings=holdings, cash=money, costs=cost_model, execution=execution)
            nav = money + float((orders["held"] * orders["price"]).where(orders["held"] != 0, 0.0).sum())
        if folder is not None and following is not None:  # once nothing can be refused any more
            save_state(folder, following)
    warnings += [*_doubts(stored, replayed, difference, begun), *_unknowns(cost_model, execution)]
    if BENCHMARK_ASSET in book.lineage.index and (folder is not None or BENCHMARK_ASSET not in prices.assets):
        warnings.append(f"{BENCHMARK_ASSET}: its price is a level made of returns; trade its value, not its shares")
    if len(book.events):
        stuck = book.events[~book.events["kind"].str.startswith("kill_")]
        warnings += [f"{kind}: {detail}" for kind, detail in zip(stuck["kind"], stuck["detail"], strict=True)]
    if not accepted:
        warnings.insert(0, f"unaccepted: {verdict}")
    return TargetBook(stored, book, orders, nav, accepted, verdict, age, replayed, difference, tuple(warnings))


#: The book, the age of its prediction, how many sessions of the run were replayed and their difference, the first that
#: was worked, warnings.
_Answer = tuple[Positions, int, int, float, pd.Timestamp, list[str]]


def _whole(
    run: Run,
    trading: Trading,
    predictions: PredictionPanel,
    prices: PricePanel,
    benchmark: pd.Series | None,
    session: pd.Timestamp | None,
) -> _Answer:
    """Decided on the whole history."""
    predictions, gap = continued_predictions(run, predictions, prices)
    joined, report = align(predictions, prices)
    session = prices.sessions[-1] if session is None else session
    age = _age(joined, prices, session)
    book = positions_at(
        trading.strategy, joined, prices, session=session, benchmark=benchmark, costs=trading.costs,
        execution=trading.execution,
    )  # fmt: skip
    begun = session if book.result is None else book.result.returns.index[0]
    return book, age, *_replay(run, book), begun, [*report.messages(), *gap]


def _followed(
    folder: Path,
    run: Run,
    trading: Trading,
    predictions: PredictionPanel,
    prices: PricePanel,
    benchmark: pd.Series | None,
) -> tuple[_Answer, LiveState | None]:
    """Decided on the state and the sessions after it, and the state to keep; None where it stays as it is."""
    strategy, costs, execution = trading.strategy, trading.costs, trading.execution
    if isinstance(strategy, EntryRule) or execution.same_close:
        positions_at(strategy, predictions, prices, execution=execution)  # says why it cannot be asked
        raise AssertionError("positions_at refuses it")
    if prices.members is not None:
        raise InputError("positions: a state does not keep memberships of a universe; ask without --state")
    settings = hashlib.sha256(json.dumps(jsonable(run.manifest["config"]), sort_keys=True).encode()).hexdigest()
    known, views = load_state(folder), None
    if known is None:
        answer = _whole(run, trading, predictions, prices, benchmark, None)
        views = align(continued_predictions(run, predictions, prices)[0], prices)[0].since_first_view()
        traded = with_tradable_benchmark(strategy, prices, benchmark)
        carried = carried_on(None, strategy, views, traded, costs=costs, execution=execution)
        own, whole = carried.lineage(strategy.overlays, execution)["target"], answer[0].targets
        if not np.allclose(own, whole, rtol=0, atol=_TOLERANCE, equal_nan=True):
            raise RuntimeError("positions: the carried book is not the backtest's")
        return answer, LiveState(run.id, settings, carried, *kept(trading, traded, views), *answer[2:4])
    if (known.run_id, known.settings) != (run.id, settings):
        raise InputError(f"{folder}: holds the state of {known.run_id}, not of {run.id}; use a folder a run")
    carried, views, traded, warnings = continued_state(known, trading, predictions, prices, benchmark)
    book = carried_positions(carried, strategy, traded, execution)
    age = len(carried.sessions) - 1 - int(carried.numbers["viewed"])
    answer = (book, age, known.replayed, known.difference, carried.sessions[0], warnings)
    if carried is known.carried:
        return answer, None
    state = replace(known, carried=carried)
    prices, views = kept(trading, traded, views)
    return answer, replace(state, prices=prices, predictions=views)


def _reaches(prices: PricePanel, calendar: str, now: pd.Timestamp) -> None:
    """Raise `InputError` if the exchange has closed a session that the prices lack."""
    last = last_session(calendar, now)
    if prices.sessions[-1] < last:
        raise InputError(
            f"positions: the prices end {prices.sessions[-1].date()}, and {calendar} has closed {last.date()}; bring "
            "them up to date"
        )


def _young_enough(predictions: PredictionPanel, limit: int) -> None:
    """Raise `InputError` if the model behind the last prediction was available too long before it."""
    last = predictions.sessions[-1]
    if predictions.receipts is None:
        raise InputError("positions: nothing says when the model was made; give its --receipts, or no limit on its age")
    made = predictions.receipts["available_at"].loc[:last].iloc[-1]
    days = int((last - made).days)
    if days > limit:
        raise InputError(
            f"positions: the model of the last prediction, {last.date()}, was available on {made.date()}, {days} days "
            f"before, and at most {limit} are allowed; train it again"
        )


def write_book(book: TargetBook, path: Path) -> Path:
    """Write `TargetBook.to_frame` as CSV or Parquet, by suffix; the file appears whole or not at all.

    Raises
    ------
    InputError
        On another suffix, or if the file cannot be written.

    """
    check_target(path, (".csv", ".parquet"))
    table = book.to_frame()
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            table.to_csv(temporary, index=False)
        else:
            table.to_parquet(temporary, index=False)
    return path


class GateAnswer(NamedTuple):
    """Whether a run is accepted, why in words, and how many days old its policy lets the model be."""

    accepted: bool
    reason: str
    max_receipt_age: int | None = None


def gate_of(run: Run) -> GateAnswer:
    """Whether the stored decision on a run is a pass that its monitor does not contradict.

    Raises
    ------
    InputError
        If ``gate.json`` or ``monitor.json`` cannot be read.

    """
    watched = stored_monitoring(run)
    gone = str(watched["sentence"]) if watched is not None and watched["state"] == "skill is gone" else None
    path = run.path / "gate.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        verdict, policy = str(content["verdict"]), str(content["policy"])
        limit = None if content.get("max_receipt_age") is None else int(content["max_receipt_age"])
    except FileNotFoundError:
        return GateAnswer(False, gone or f"no gate has judged it (`gate {run.id}`)")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path}: damaged: {error}; `gate {run.id}` writes it again") from None
    passed = verdict == "pass" and content.get("run_id") == run.id
    return GateAnswer(passed and gone is None, gone or f"{verdict} by the policy {policy}", limit)


def trading_of(
    run: Run, table: CostTable | None = None, strategy: str | None = None
) -> tuple[Strategy | EntryRule, CostModel, Execution]:
    """The strategy, costs and execution that a run was made with.

    Raises
    ------
    InputError
        If they are not those of the run: another class or table, or parameters that cannot be read back.

    """
    config = run.manifest["config"]
    name = str(config["strategy"])
    rule = load_strategy(name if strategy is None else strategy, **config["parameters"])
    if jsonable(described(rule)) != {"strategy": name, "parameters": config["parameters"]}:
        raise InputError(
            f"positions: {run.id}: {rule.name} is not made again from the stored parameters of {name}; "
            "name its class with --strategy, as the backtest was given it"
        )
    known: Mapping[str, Any] = config["costs"]
    wanted = known.get("table", {}).get("sha256")
    given = None if table is None else str(table.describe()["sha256"])
    if wanted != given:
        source = known.get("table", {}).get("source")
        if known.get("table", {}).get("own"):
            fault = f"was made with {source}, a cost model of one's own, which positions does not ask"
            raise InputError(f"positions: {run.id} {fault}; give its rates as a file to backtest (--costs-file)")
        fault = (
            "was made without a table of costs" if wanted is None
            else f"was made with the costs of {source}, SHA-256 {wanted[:12]}…; give that file with --costs-file"
        )  # fmt: skip
        raise InputError(f"positions: {run.id} {fault}")
    costs = CostModel(**{field: known[field] for field in COST_FIELDS if field in known}, table=table)
    return rule, costs, Execution(**config["execution"])


def continued_predictions(
    run: Run, predictions: PredictionPanel, prices: PricePanel
) -> tuple[PredictionPanel, list[str]]:
    """The predictions with the run's own before their first session, and a line on sessions between that have none."""
    names = list(predictions.frames())
    before = {name: run.table(name).loc[lambda table: table.index < predictions.sessions[0]] for name in names
              if run.has(name)}  # fmt: skip
    if len(before) < len(names) or not len(before[names[0]]):
        reason, start = left_out(names[0], run.kept), pd.Timestamp(run.metrics["start"])
        if reason is not None and start < predictions.sessions[0]:
            raise InputError(f"run {run.id}: {reason}; or give predictions from {start.date()} on")
        return predictions, []
    assets = before[names[0]].columns.union(predictions.assets)
    frames = {
        name: pd.concat([before[name].reindex(columns=assets), frame.reindex(columns=assets)])
        for name, frame in predictions.frames().items()
    }
    whole = PredictionPanel.from_frames(
        frames,
        unit=predictions.unit,
        horizon=predictions.horizon,
        delay=predictions.delay,
        name=predictions.name,
        zero_is_neutral=predictions.zero_is_neutral,
        warnings=predictions.warnings,
    )
    last, first = before[names[0]].index[-1], predictions.sessions[0]
    empty = int(((prices.sessions > last) & (prices.sessions < first)).sum())
    line = f"{empty} sessions between the run's predictions and the new ones, from {first.date()} on, have none"
    return whole, [line] if empty else []


def _age(predictions: PredictionPanel, prices: PricePanel, session: pd.Timestamp) -> int:
    """Sessions from the last one with a view, at or before `session`, to it."""
    views = np.any([frame.notna().any(axis="columns").to_numpy() for frame in predictions.frames().values()], axis=0)
    known = predictions.sessions[views & (predictions.sessions <= session)]
    if not len(known):
        raise InputError(f"positions: no prediction at or before {session.date()}")
    return int(((prices.sessions > known[-1]) & (prices.sessions <= session)).sum())


def _replay(run: Run, book: Positions) -> tuple[int, float]:
    """How many of the run's own sessions come about again here, and the largest difference.

    It is of a target weight, or of a session's net return where the run keeps no weights.
    """
    if book.result is None:
        return 0, float("nan")
    data = RunData(run)
    stored, now = data.weights, book.result.target_weights
    if stored is None or now is None:
        stored, now = data.returns[["net"]], book.result.returns.to_frame("net")
        if now.index[0] > stored.index[0]:  # a net return depends on what was held before
            return 0, float("nan")
    sessions = stored.index.intersection(now.index)
    sessions = sessions[sessions <= _last_view(data, book)]
    if not len(sessions):
        return 0, float("nan")
    assets = stored.columns.union(now.columns)
    both = [frame.reindex(index=sessions, columns=assets).fillna(0.0).to_numpy() for frame in (stored, now)]
    return len(sessions), float(np.abs(both[0] - both[1]).max())


def _last_view(data: RunData, book: Positions) -> pd.Timestamp:
    """The last prediction of the run; where it keeps none, a session that is not after it."""
    if data.score is not None:
        return pd.Timestamp(data.score.index[-1])
    # A run ends with the last label of its predictions, or before it with the prices.
    row = book.prices.sessions.searchsorted(data.returns.index[-1], side="right") - 1 - book.delay - data.horizon
    return pd.Timestamp(book.prices.sessions[max(int(row), 0)])


def _doubts(run: Run, replayed: int, difference: float, begun: pd.Timestamp) -> list[str]:
    """One line where these are not the inputs that were judged, or not all of them; `begun` with the first session."""
    first = RunData(run).returns.index[0]
    late = f"the inputs begin {begun.date()}, after the run's first session ({first.date()})" if begun > first else ""
    if not replayed:
        line = (
            "none of the run's own sessions can be compared with these inputs: nothing says that they are of the same "
            "book"
        )
        return [f"{line}; {late}" if late else line]
    if difference > _TOLERANCE:
        what = "a weight" if run.has("weights") else "a session's net return"
        why = "prices or predictions of the past are not those that were judged"
        if late:
            why = f"{late}, and what is carried from one to the next (smoothing, vol target, switches) begins anew "
            why += "there, or else prices or predictions are others; give them from the run's start on to know"
        return [f"the run's own sessions come out differently, by up to {difference:.2g} of NAV in {what}: {why}"]
    return []


def _unknowns(costs: CostModel, execution: Execution) -> list[str]:
    """What depends on the session of the fill."""
    out = []
    if costs.needs_volume:
        out.append("square-root impact depends on the volume before the fill and is not in the estimated costs")
    if execution.max_volume:
        out.append(f"max_volume {execution.max_volume:g} applies to the volume of the fill's session, not known yet")
    if execution.delay > 1:
        out.append(
            f"a decision is filled {execution.delay} sessions later: those of the sessions before this one are not "
            "filled yet, and the holdings are taken as they are"
        )
    return out
