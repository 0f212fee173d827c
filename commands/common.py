"""Options, input loading and output that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import pandas as pd
    from rich.progress import Progress

    from assay.data.panel import PredictionPanel, PricePanel
    from assay.engine.costs import CostModel
    from assay.engine.execution import Execution

__all__ = [
    "Inputs",
    "cost_options",
    "costs_of",
    "data_options",
    "echo_json",
    "execution_of",
    "execution_options",
    "json_option",
    "load_inputs",
    "load_market",
    "market_options",
    "parse_settings",
    "progress",
    "results_option",
    "strategy_options",
]

F = TypeVar("F", bound=Callable[..., Any])

#: A path that may not exist yet: our own loaders say what is wrong with it, in one line.
PATH = click.Path(path_type=Path)


def _decorate(*options: Callable[[F], F]) -> Callable[[F], F]:
    def apply(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


def data_options(function: F) -> F:
    """--prices, --predictions and how to read them; nothing given means the embedded sample."""
    return _decorate(
        click.option("--prices", type=PATH, help="Long or wide CSV or Parquet; default: the embedded sample."),
        click.option("--predictions", type=PATH, help="Long: date, asset, score and/or probability_up, buy/sell/hold."),
        click.option("--receipts", type=PATH, help="What the model had seen, a row a fold (CSV or Parquet)."),
        click.option("--benchmark", type=PATH, help="Daily returns or prices to compare with."),
        click.option("--unit", type=click.Choice(["return", "rank"]), default="return", show_default=True,
                     help="What a score means; a rank has no sign."),
        click.option("--zero-is-neutral", is_flag=True, help="0 separates up from down although the unit is rank."),
        click.option("--horizon", type=int, default=1, show_default=True, help="Sessions a prediction spans."),
        click.option("--start", help="First session of predictions used, e.g. 2015-01-01."),
        click.option("--end", help="Last session of predictions used."),
        click.option("--repair", type=click.Choice(["drop"]), help="Drop rows that fail the checks, and say so."),
    )(function)  # fmt: skip


def market_options(function: F) -> F:
    """--prices, --benchmark and how to read them; nothing given means the embedded sample."""
    return _decorate(
        click.option("--prices", type=PATH, help="Long or wide CSV or Parquet; default: the embedded sample."),
        click.option("--benchmark", type=PATH, help="Daily returns or prices to compare with."),
        click.option("--repair", type=click.Choice(["drop"]), help="Drop rows that fail the checks, and say so."),
    )(function)  # fmt: skip


def strategy_options(function: F) -> F:
    """--strategy NAME and --param name=value."""
    return _decorate(
        click.option("--strategy", default="s2_filter_negative", show_default=True,
                     help="A name from `strategies list`, or package.module:Class."),
        click.option("--param", "settings", multiple=True, metavar="NAME=VALUE",
                     help="A parameter of the strategy; repeatable."),
    )(function)  # fmt: skip


def cost_options(function: F) -> F:
    """One option for each field of `CostModel`."""
    bps = {
        "--commission-bps": (5.0, "On each side, of the traded value."),
        "--spread-bps": (0.0, "Half the quoted spread, of the traded value."),
        "--impact-bps": (0.0, "Linear impact, per unit of an asset's turnover."),
        "--sqrt-impact": (0.0, "Coefficient of the square-root impact law; needs volume."),
        "--borrow-bps": (50.0, "A year, on shorts."),
        "--financing-bps": (100.0, "A year, on negative cash."),
        "--minimum-fee": (0.0, "Currency a fill."),
    }
    options = [
        click.option(name, type=float, default=default, show_default=True, help=text)
        for name, (default, text) in bps.items()
    ]
    return _decorate(*options)(function)


def execution_options(function: F) -> F:
    """One option for each field of `Execution`."""
    return _decorate(
        click.option("--fill", type=click.Choice(["open", "close"]), help="Default: open where the panel has opens."),
        click.option("--delay", type=int, default=1, show_default=True, help="Sessions from decision to fill."),
        click.option("--accounting", type=click.Choice(["self_financing", "constant_weight"]),
                     default="self_financing", show_default=True),
        click.option("--max-gross", type=float, default=2.0, show_default=True, help="Cap on the sum of |weights|."),
        click.option("--lot", type=float, default=0.0, help="Round shares to multiples; default: fractional."),
        click.option("--capital", type=float, default=1_000_000.0, show_default=True, help="NAV at the start."),
        click.option("--optimistic", is_flag=True, help="Both levels inside one bar: the target fills, not the stop."),
        click.option("--same-close", is_flag=True, help="Fill at the close that was read: look-ahead."),
    )(function)  # fmt: skip


def results_option(function: F) -> F:
    """--results DIR."""
    return click.option(
        "--results", type=PATH, default=Path("results") / "runs", show_default=True, help="Where runs are stored."
    )(function)


def json_option(function: F) -> F:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")(function)


def costs_of(options: dict[str, Any]) -> CostModel:
    """The `CostModel` of the parsed options; its fields are taken out of `options`."""
    from dataclasses import fields

    from assay.engine.costs import CostModel

    return CostModel(**{field.name: options.pop(field.name) for field in fields(CostModel)})


def execution_of(options: dict[str, Any]) -> Execution:
    """The `Execution` of the parsed options; its fields are taken out of `options`."""
    from assay.engine.execution import Execution

    names = ("fill", "delay", "accounting", "max_gross", "lot", "capital", "optimistic", "same_close")
    values = {name: options.pop(name) for name in names}
    if values["same_close"]:
        values["delay"] = 0
    return Execution(**values)


def parse_settings(settings: tuple[str, ...], option: str = "--param") -> dict[str, str]:
    """``("quantile=0.1",)`` as ``{"quantile": "0.1"}``; `option` is named in errors."""
    from assay.data.errors import InputError

    out = {}
    for item in settings:
        name, sign, value = item.partition("=")
        if not sign or not name.strip():
            raise InputError(f"{option} {item}: expected NAME=VALUE, e.g. {option} quantile=0.1")
        out[name.strip().replace("-", "_")] = value.strip()
    return out


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a backtest reads, joined.

    Parameters
    ----------
    prices : the whole history, also before the first prediction.
    predictions : restricted to what has a price.
    benchmark : returns, or None.
    benchmark_name : for the report.
    dropped : rows that did not join, by ``"side: reason"``.
    messages : the same in words, where predictions were lost.

    """

    prices: PricePanel
    predictions: PredictionPanel
    benchmark: pd.Series | None
    benchmark_name: str | None
    dropped: dict[str, int]
    messages: tuple[str, ...] = ()


def load_inputs(options: dict[str, Any]) -> Inputs:
    """Read prices and predictions as the options say; the embedded sample where neither is given.

    The options that `data_options` added are taken out of `options`; ``delay`` is read and left.
    """
    import pandas as pd

    from assay.data.align import align
    from assay.data.errors import InputError

    names = ("prices", "predictions", "receipts", "benchmark", "unit", "zero_is_neutral", "horizon", "start", "end")
    given = {name: options.pop(name) for name in (*names, "repair")}
    if given["prices"] is None and given["predictions"] is not None:
        raise InputError("--predictions: needs --prices too, the prices that the predictions are about")
    if given["prices"] is not None and given["predictions"] is None:
        raise InputError("--prices: needs --predictions too; `walk-forward` trains a model and makes them")
    market = {name: given[name] for name in ("prices", "benchmark", "repair")}
    prices, benchmark, benchmark_name = load_market(market)
    if given["predictions"] is None:
        from assay.data.sample import load_sample_predictions

        predictions = load_sample_predictions()
    else:
        from assay.data.files.predictions import load_predictions

        predictions = load_predictions(
            given["predictions"],
            name=given["predictions"].stem,
            unit=given["unit"],
            horizon=given["horizon"],
            delay=max(options.get("delay", 1), 1),
            receipts=given["receipts"],
            zero_is_neutral=given["zero_is_neutral"],
        )
    for name in ("start", "end"):
        if given[name] is not None:
            try:
                given[name] = pd.Timestamp(given[name])
            except ValueError:
                raise InputError(f"--{name} {given[name]}: not a date; write it as 2015-01-31") from None
    if given["start"] is not None or given["end"] is not None:
        inside = predictions.sessions[predictions.sessions.slice_indexer(given["start"], given["end"])]
        if len(inside) == 0:
            first, last = predictions.sessions[0].date(), predictions.sessions[-1].date()
            raise InputError(f"--start/--end: no predictions in between; they span {first} to {last}")
        predictions = predictions.map(lambda frame: frame.loc[inside])
    predictions, report = align(predictions, prices)
    return Inputs(prices, predictions, benchmark, benchmark_name, report.counts, report.messages())


def load_market(options: dict[str, Any]) -> tuple[PricePanel, pd.Series | None, str | None]:
    """Prices, benchmark returns and the benchmark's name; the options of `market_options` are taken out."""
    path, benchmark_path, repair = (options.pop(name) for name in ("prices", "benchmark", "repair"))
    benchmark: pd.Series | None = None
    name: str | None = None
    if path is None:
        from assay.data.sample import load_sample

        prices, benchmark = load_sample()
        name = "S&P 500"
    else:
        from assay.data.files.prices import load_prices

        prices = load_prices(path, repair=repair)
    if benchmark_path is not None:
        from assay.data.files.series import load_returns

        benchmark, name = load_returns(benchmark_path), benchmark_path.stem
    return prices, benchmark, name


def echo_json(value: object) -> None:
    """Print one JSON object, and nothing else, on stdout."""
    import json

    from assay.results.storage.runs import to_json

    text = to_json(value)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):  # what this output cannot show goes as JSON's own escapes
        text = json.dumps(json.loads(text), indent=1) + "\n"
    click.echo(text, nl=False)


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Progress]:
    """A rich progress display on stderr, with elapsed time and ETA; silent where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),  # a name may look like markup
        BarColumn(bar_width=12),  # leaves room for fold, epoch and loss beside the times on 80 columns
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(file=getattr(sys.stderr, "terminal", sys.stderr))
    # Where stderr is a file, rich would write a blank line at the end.
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as display:
        yield display
