"""What a stored run holds next, and the orders towards it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from assay.commands.options import (
    NUMBER,
    PATH,
    WHOLE,
    DataOptions,
    MarketOptions,
    json_option,
    market_options,
    parse_date,
    results_option,
)
from assay.commands.output import echo_json
from assay.commands.values import DATA

if TYPE_CHECKING:
    import pandas as pd

    from assay.data.panel import PredictionPanel, PricePanel
    from assay.engine.costs import CostTable
    from assay.results.storage.runs import Run
    from assay.results.workflow.inputs import StudyInputs
    from assay.results.workflow.positions import TargetBook

__all__ = ["book_text", "inputs_of_run", "positions"]


@click.command()
@click.argument("run", metavar="RUN|STUDY")
@market_options
@click.option("--predictions", type=DATA,
              help="The model's newest predictions; before their first session the run's own are taken.")
@click.option("--receipts", type=DATA, help="What the model had seen, a row a fold (CSV or Parquet).")
@click.option("--unit", type=click.Choice(["return", "rank"]), default="return", show_default=True,
              help="What a score means; a rank has no sign.")
@click.option("--zero-is-neutral", is_flag=True, help="0 separates up from down although the unit is rank.")
@click.option("--nav", type=NUMBER, help="Currency to spread over the targets; gives shares.")
@click.option("--holdings", type=DATA, help="What is held: asset, shares, and a row 'cash'; gives the orders.")
@click.option("--cash", type=NUMBER, help="Currency beside the holdings, where they have no such row.")
@click.option("--state", type=PATH, help="Folder that keeps what the next session needs: begun with the whole history, "
              "it goes on with each new session's rows alone.")
@click.option("--record", type=DATA, help="A broker's fills (date, asset, shares, price, cost), appended to the live "
              "ledger in --state; nothing else is done.")
@click.option("--max-age", type=WHOLE, default=0, show_default=True,
              help="Sessions that the last prediction may be older than the last price.")
@click.option("--max-receipt-age", type=WHOLE, metavar="DAYS",
              help="Calendar days that the model of the last prediction may be old, by its receipt; default that of "
              "the gate's policy.")
@click.option("--calendar", metavar="NAME",
              help="An exchange, e.g. XNYS, whose last closed session the prices must reach.")
@click.option("--now", metavar="TIME", help="In UTC, with --calendar; default: this moment.")
@click.option("--unaccepted", is_flag=True, help="Ask a run that the gate has not passed, or whose "
              "monitor says that the skill is gone; the output says so.")
@click.option("--why", metavar="ASSET", help="How the target of one asset came about, in one line.")
@click.option("--on", "day", metavar="DATE", help="A past session, decided with what was known then.")
@click.option("--strategy", metavar="PKG.MODULE:CLASS", help="The class of a strategy that is in no catalogue.")
@click.option("--costs-file", type=DATA, multiple=True, help="The table of costs that the run was made with.")
@click.option("--out", type=PATH, help="CSV or Parquet file to write.")
@results_option
@json_option
def positions(
    run: str,
    market: MarketOptions,
    predictions: Path | None,
    receipts: Path | None,
    unit: Literal["return", "rank"],
    zero_is_neutral: bool,
    nav: float | None,
    holdings: Path | None,
    cash: float | None,
    state: Path | None,
    record: Path | None,
    max_age: int,
    max_receipt_age: int | None,
    calendar: str | None,
    now: str | None,
    unaccepted: bool,
    why: str | None,
    day: str | None,
    strategy: str | None,
    costs_file: tuple[Path, ...],
    out: Path | None,
    results: Path,
    as_json: bool,
) -> None:
    """Target weights of a stored RUN, or of that of a STUDY, for its next fill, and the orders towards them.

    The run's own strategy, costs and execution decide on the panels given, from its first session through the last
    price; what the run predicted before the new predictions begin is taken from the run. With --nav the orders begin
    with cash, with --holdings at what is held. A run on the embedded sample needs neither --prices nor --predictions. A
    STUDY (a .toml file) names its own: its run is made where it is not stored, and judged where it has a [gate].

    \b
    Examples:
      python cli.py positions RUN --prices new.parquet --predictions preds.parquet --holdings holdings.csv
      python cli.py positions RUN --nav 1000000 --out book.csv
      python cli.py positions RUN --prices today.csv --predictions today_preds.csv --state live/ --holdings holdings.csv
      python cli.py positions RUN --state live/ --record fills.csv
      python cli.py positions study.toml --holdings holdings.csv
      python cli.py positions RUN --unaccepted --why AAPL --on 2022-06-01
    """  # fmt: skip
    from assay.data.atomic import check_target
    from assay.data.files.holdings import load_holdings
    from assay.results.storage.runs import load_run
    from assay.results.workflow import target_positions
    from assay.results.workflow.positions import write_book

    if out is not None:
        check_target(out, (".csv", ".parquet"))
    asked = None
    if run.endswith(".toml"):
        asked = _run_of_study(Path(run), results, named=[market.prices, predictions, receipts, *costs_file, strategy])
    stored = (load_run(run, root=results) if asked is None else asked.run).require_backtest("positions")
    if record is not None:
        _record(stored, record, state, market, as_json)
        return
    config, metrics = stored.manifest["config"], stored.metrics
    data = DataOptions(
        **vars(market),
        predictions=predictions,
        receipts=receipts,
        unit=unit,
        zero_is_neutral=zero_is_neutral,
        horizon=int(config["horizon"]),
        start=str(metrics["start"]),  # smoothing and overlays begin there
        end=None,
    )
    inputs = inputs_of_run(stored, data) if asked is None else asked
    shares = None
    if holdings is not None:
        shares, row = load_holdings(holdings, market.of("holdings"))
        if row is not None and cash is not None:
            raise click.UsageError("--cash: the holdings have a row of cash already; drop one of them")
        cash = row if cash is None else cash
    table = None if asked is None else asked.costs
    if costs_file:
        from assay.engine.costs import CostTable

        table = CostTable.load(costs_file, market.of("costs"))
    book = target_positions(
        stored,
        inputs.predictions,
        inputs.prices,
        benchmark=inputs.benchmark,
        session=parse_date(day, "--on"),
        nav=nav,
        holdings=shares,
        cash=cash,
        max_age=max_age,
        max_receipt_age=max_receipt_age,
        calendar=calendar,
        now=parse_date(now, "--now"),
        unaccepted=unaccepted,
        costs=table,
        strategy=strategy if asked is None else asked.strategy,
        state=state,
    )
    reason = None if why is None else book.positions.why(why)
    if out is not None:
        write_book(book, out)
    if as_json:
        one = {} if why is None else {"why": {"asset": why, "reason": reason}}
        echo_json({**book.to_dict(), **one, "out": None if out is None else str(out)})
        return
    if reason is None:
        click.echo(book_text(book))
    else:
        click.echo(f"{why} · {book.positions.session.date()} · {reason}")
    for line in book.warnings:
        click.echo(f"warning: {line}")
    if out is not None:
        click.echo(str(out))


def _record(run: Run, record: Path, state: Path | None, market: MarketOptions, as_json: bool) -> None:
    """Append a file of fills to the live ledger."""
    from assay.data.card import plural
    from assay.data.files.fills import load_fills
    from assay.results.workflow.live import record as recorded

    if state is None:
        raise click.UsageError("--record: the live ledger is in the state's folder; give it with --state")
    fills = load_fills(record, options=market.of("fills"))
    total = recorded(run, state, fills)
    if as_json:
        echo_json({"run_id": run.id, "recorded": len(fills), "fills": total, "state": str(state)})
    else:
        click.echo(f"{run.id} · {plural(len(fills), 'fill')} recorded, {total:,} in the live ledger of {state}")


@dataclass(frozen=True)
class _OfStudy:
    """The run of a study, and what it was made with."""

    run: Run
    predictions: PredictionPanel
    prices: PricePanel
    benchmark: pd.Series | None
    costs: CostTable | None
    strategy: str | None


def _run_of_study(path: Path, results: Path, *, named: list[object]) -> _OfStudy:
    """The run that a study makes, judged where it has a gate; stored already, it is not made a second time."""
    from assay.data.errors import InputError
    from assay.results.workflow.backtests import StoredBacktest
    from assay.results.workflow.study_files import load_study
    from assay.results.workflow.study_runs import judged, make_run, panels_of

    if any(item is not None for item in named):
        raise click.UsageError("a study names its prices, predictions, costs and strategy; drop the options")
    study = load_study(path).located(below=path.resolve().parent)
    made = make_run(study, root=results)
    if not isinstance(made, StoredBacktest):
        raise InputError(f"{path}: makes a sweep; ask for the positions of one run")
    judged(made, study, results)
    predictions, prices, benchmark = panels_of(made, study)
    table = study.costs.load(prices, study.data.reading("costs")).table
    return _OfStudy(made.run, predictions, prices, benchmark, table, study.strategy.name)


def inputs_of_run(run: Run, data: DataOptions) -> StudyInputs:
    """The panels of the files, or the sample where the run was made on it."""
    from assay.data.errors import InputError
    from assay.results.workflow.inputs import load_inputs

    config = run.manifest["config"]
    delay = max(int(config["execution"]["delay"]), 1)
    if data.prices is not None or data.predictions is not None:
        return load_inputs(data.study(), delay=delay)
    from assay.data.sample import load_sample, load_sample_predictions

    made_of = (config.get("source"), config.get("model"))
    if made_of != (load_sample()[0].source, load_sample_predictions().name):
        raise InputError(
            f"positions: {run.id} was made of {made_of[1]} on {made_of[0]}; give its newest --prices and --predictions"
        )
    return load_inputs(data.study(), delay=delay)


def book_text(book: TargetBook) -> str:
    """A book for a terminal: when it is for, then a line an asset."""
    return "\n".join([*_head(book), _table(book)])


def _head(book: TargetBook) -> list[str]:
    at = book.positions
    when = "of the next session" if at.delay == 1 else f"{at.delay} sessions later"
    lines = [
        f"{book.run.id} · decided at the close of {at.session.date()}, for the {at.fill} {when}",
        f"gate: {book.gate}{'' if book.accepted else ' · UNACCEPTED'}",
    ]
    if book.nav is not None:
        lines.append(f"NAV {book.nav:,.2f} at the close of {at.session.date()}")
    if at.switches:
        lines.append(f"switched off: {', '.join(at.switches)}")
    if book.replayed:
        lines.append(f"replayed: {book.replayed:,} sessions of the run, largest difference {book.difference:.1e}")
    return [*lines, ""]


def _table(book: TargetBook) -> str:
    """Assets with a target, a holding or an order; the largest |target| first."""
    from assay.results.report.tables import aligned_lines

    table = book.to_frame().set_index("asset")
    shown = table["target"].fillna(0).ne(0)
    if book.orders is not None:
        shown |= table["held"].ne(0) | table["order"].ne(0)
    rows = table[shown].sort_values("target", key=lambda column: -column.abs(), kind="stable")
    others = table.loc[~shown, "target"]
    idle = others.isna().all()
    if rows.empty:
        return "no new decision: what is held stays as it is" if idle else "nothing to hold"
    names = ["price", "held", "order", "shares"] if book.orders is not None else []
    cells = [["asset", "target", *names, "  reason"]]
    for asset, row in rows.iterrows():
        target = "–" if row["target"] != row["target"] else f"{row['target']:+.2%}"
        amounts = ("–" if row[name] != row[name] else format(row[name], ",.2f") for name in names)
        cells.append([str(asset), target, *amounts, f"  {row['reason']}"])
    lines = aligned_lines(cells, (-5, 9, *(12 if name == "price" else 14 for name in names), -1))
    if len(others):
        lines.append(f"{len(others)} other assets: {'no new decision' if idle else 'target 0'}, nothing held")
    return "\n".join(lines)
