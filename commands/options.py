"""Options that several commands share; a group of them reaches the command as one frozen value."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import click

from assay.commands.values import DATA, Bounded, DataFile, ResultsPlace, data_files

if TYPE_CHECKING:
    import pandas as pd

    from assay.data.files.options import ReadOptions
    from assay.engine.execution import Execution
    from assay.engine.folds import WalkForward
    from assay.models.base import Forecaster
    from assay.results.workflow.study import CostSection, DataSection, Study
    from assay.strategies.base import EntryRule, Strategy

__all__ = [
    "NUMBER",
    "PATH",
    "SEED",
    "WHOLE",
    "DataOptions",
    "MarketOptions",
    "ModelOptions",
    "Reading",
    "StrategyOptions",
    "StyleOptions",
    "by_default",
    "complete_model",
    "complete_run",
    "complete_strategy",
    "cost_options",
    "data_options",
    "execution_options",
    "executor_options",
    "json_option",
    "market_options",
    "metric_option",
    "model_options",
    "parse_count",
    "parse_date",
    "parse_plan",
    "parse_settings",
    "reading_options",
    "results_and_ledger",
    "results_option",
    "strategy_options",
    "style_options",
    "trials_option",
]

#: A command before and after options are added; click calls it with keywords of any type.
Command = TypeVar("Command", bound=Callable[..., Any])
Value = TypeVar("Value")
Read = TypeVar("Read", bound="Reading")
Option: TypeAlias = Callable[[Any], Any]
Executor = Literal["serial", "process", "ray"]

#: A path that may not exist yet: our own loaders say what is wrong with it, in one line.
PATH = click.Path(path_type=Path)
#: A count of sessions, runs, trials …
WHOLE = Bounded("integer", int, 1_000_000_000)
#: A price, a rate in basis points, an amount of currency.
NUMBER = Bounded("float", float, 1e15)
#: What NumPy and scikit-learn take as a seed.
SEED = click.IntRange(0, 2**32 - 1)


@dataclass(frozen=True)
class Reading:
    """How files are to be read where they do not say so themselves; ``FIELD`` and ``KIND`` may be of one file alone.

    ``--column close=PX`` is of every file that has such a field, ``--column predictions.date=Day`` of the predictions;
    ``--layout wide`` is of the prices, ``--layout predictions.wide`` of the predictions.
    """

    columns: tuple[str, ...]
    layout: tuple[str, ...]
    date_format: str | None
    decimal: Literal[".", ","] | None
    tz: str | None

    def section(self) -> DataSection:
        """What a study says of how to read files."""
        from assay.data.errors import InputError
        from assay.results.workflow.study import DataSection

        pairs: dict[str, str] = {}
        for item in self.columns:
            key, sign, name = item.partition("=")
            if not sign or not key.strip() or not name:
                raise InputError(f"--column {item}: expected FIELD=NAME, e.g. --column close=PX_LAST")
            pairs[key.strip()] = name
        layouts: dict[str, Any] = {
            item.rpartition(".")[0] or "prices": item.rpartition(".")[2] for item in self.layout
        }
        return DataSection(
            columns=pairs,
            layout=layouts.get("prices"),
            predictions_layout=layouts.get("predictions"),
            date_format=self.date_format,
            decimal=self.decimal,
            tz=self.tz,
        )

    def of(self, role: str) -> ReadOptions:
        """The options of one file; see `assay.results.workflow.study.DataSection.reading`."""
        return self.section().reading(role)


@dataclass(frozen=True)
class MarketOptions(Reading):
    """--prices, --benchmark and how to read them; nothing given means the embedded sample."""

    prices: Path | None
    benchmark: Path | None
    repair: Literal["drop"] | None
    universe: str | None
    delisting_returns: Path | None
    open_lockbox: str | None
    quality_checks: tuple[str, ...]

    def study(self) -> Study:
        """What a run's study says of these files."""
        from assay.results.workflow.study import Study

        return Study(
            data=replace(
                self.section(),
                prices=None if self.prices is None else str(self.prices),
                benchmark=None if self.benchmark is None else str(self.benchmark),
                repair=self.repair,
                open_lockbox=self.open_lockbox,
                universe=self.universe,
                delisting_returns=None if self.delisting_returns is None else str(self.delisting_returns),
                quality_checks=self.quality_checks,
            )
        )


@dataclass(frozen=True)
class DataOptions(MarketOptions):
    """Those of `MarketOptions`, and the predictions with their span."""

    predictions: Path | None
    receipts: Path | None
    unit: Literal["return", "rank"]
    zero_is_neutral: bool
    horizon: int
    start: str | None
    end: str | None

    def study(self) -> Study:
        """What a run's study says of these files."""
        from assay.results.workflow.study import PredictionSection

        given = PredictionSection(
            file=None if self.predictions is None else str(self.predictions),
            receipts=None if self.receipts is None else str(self.receipts),
            unit=self.unit,
            zero_is_neutral=self.zero_is_neutral,
            horizon=self.horizon,
            start=self.start,
            end=self.end,
        )
        return replace(super().study(), predictions=given)


@dataclass(frozen=True)
class StrategyOptions:
    """--strategy NAME and --param name=value."""

    strategy: str
    settings: tuple[str, ...]

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters that are given, as text."""
        return parse_settings(self.settings)

    def load(self) -> Strategy | EntryRule:
        """The strategy with its parameters."""
        from assay.strategies.catalog import load_strategy

        return load_strategy(self.strategy, **self.parameters)


@dataclass(frozen=True)
class StyleOptions:
    """--styles, and the files that styles are made of beside prices and volume."""

    styles: bool
    sectors: Path | None
    market_caps: Path | None
    factors: Path | None
    regimes: Path | None

    @property
    def asked(self) -> bool:
        """Whether styles are to be taken out: a file for them asks for it, too."""
        return self.styles or any((self.sectors, self.market_caps, self.factors, self.regimes))

    def study(self, study: Study) -> Study:
        """`study` with these files."""
        sectors, caps, factors, regimes = (
            None if path is None else str(path)
            for path in (self.sectors, self.market_caps, self.factors, self.regimes)
        )
        data = replace(study.data, sectors=sectors, market_caps=caps, factors=factors, regimes=regimes)
        return replace(study, data=data)


@dataclass(frozen=True)
class ModelOptions:
    """--model NAME and --model-param name=value."""

    model: str
    model_settings: tuple[str, ...]

    def load(self, preset: str | None) -> Forecaster:
        """The recipe with its parameters."""
        from assay.models.catalog import load_model

        return load_model(self.model, preset=preset, **parse_settings(self.model_settings, "--model-param"))

    def horizon(self, given: int | None, preset: str | None) -> int:
        """What --horizon says, else what the preset does."""
        from assay.models.catalog import preset_horizon

        return preset_horizon(self.model, preset) if given is None else given


def _options(*options: Option) -> Callable[[Command], Command]:
    def apply(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


def _gathered(
    name: str, options: Mapping[str, Option], build: Callable[..., Value]
) -> Callable[[Command], Command]:
    """Options, by the parameter that click fills, whose values reach the command as the one argument `name`."""

    def apply(function: Command) -> Command:
        @functools.wraps(function)
        def gather(**values: object) -> object:
            own = {parameter: values.pop(parameter) for parameter in options}
            return function(**{name: build(**own)}, **values)

        wrapped: Any = gather
        answer: Command = _options(*options.values())(wrapped)
        return answer

    return apply


def complete_strategy(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of strategies, for the shell."""
    from assay.strategies.catalog import strategy_names

    return [name for name in strategy_names() if name.startswith(incomplete)]


def complete_model(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of models, for the shell."""
    from assay.models.catalog import model_names

    return [name for name in model_names() if name.startswith(incomplete)]


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Ids of stored runs, for the shell; their folders are only listed."""
    root = Path(ctx.params.get("results") or Path("results") / "runs")
    found = sorted(item.name for item in root.iterdir()) if root.is_dir() else []
    return [name for name in found if name.startswith(incomplete) and not name.startswith(".")]


_READING: Mapping[str, Option] = {
    "columns": click.option("--column", "columns", multiple=True, metavar="FIELD=NAME",
                            help="Which column is which field, e.g. close=PX_LAST or predictions.score=y; repeatable."),
    "layout": click.option("--layout", multiple=True, metavar="KIND",
                           help="long, single, wide or fields, where a file may be two; see `data formats`."),
    "date_format": click.option("--date-format", metavar="FORMAT", help="Of dates as text, e.g. %d/%m/%Y; or excel."),
    "decimal": click.option("--decimal", type=click.Choice([".", ","]), help="The decimal sign of numbers as text."),
    "tz": click.option("--tz", metavar="ZONE", help="The exchange's zone, where stamps have one: America/New_York."),
}  # fmt: skip
_MARKET: Mapping[str, Option] = {
    "prices": click.option(
        "--prices", type=DATA, help="CSV, Parquet, Feather or Excel (`data formats`); default: the embedded sample."
    ),
    "benchmark": click.option("--benchmark", type=DATA, help="Daily returns or prices to compare with."),
    "repair": click.option(
        "--repair", type=click.Choice(["drop"]), help="Drop rows that fail the checks, and say so."
    ),
    "universe": click.option(
        "--universe", type=DataFile(path_type=str), metavar="FILE|PART", help="Memberships: asset, from, to; or your "
        "function of prices. Only members are ranked, traded and trained on."
    ),
    "delisting_returns": click.option(
        "--delisting-returns", type=DATA, help="What a holder was paid after the last close: asset, return."
    ),
    "open_lockbox": click.option(
        "--open-lockbox", metavar="REASON", help="Read sealed sessions too (`data seal`); noted in the ledger."
    ),
    "quality_checks": click.option("--quality-check", "quality_checks", multiple=True, metavar="PART",
                                   help="Your own check of the prices; repeatable."),
    **_READING,
}  # fmt: skip
_PREDICTIONS: Mapping[str, Option] = {
    "prices": _MARKET["prices"],
    "open_lockbox": _MARKET["open_lockbox"],
    "predictions": click.option(
        "--predictions", type=DATA, help="Long: date, asset, score and/or probability_up, buy/sell/hold."
    ),
    "receipts": click.option(
        "--receipts", type=DATA, help="What the model had seen, a row a fold (CSV or Parquet)."
    ),
    "benchmark": _MARKET["benchmark"],
    "unit": click.option("--unit", type=click.Choice(["return", "rank"]), default="return", show_default=True,
                         help="What a score means; a rank has no sign."),
    "zero_is_neutral": click.option(
        "--zero-is-neutral", is_flag=True, help="0 separates up from down although the unit is rank."
    ),
    "horizon": click.option(
        "--horizon", type=WHOLE, default=1, show_default=True, help="Sessions a prediction spans."
    ),
    "start": click.option("--start", help="First session of predictions used, e.g. 2015-01-01."),
    "end": click.option("--end", help="Last session of predictions used."),
    "repair": _MARKET["repair"],
    "universe": _MARKET["universe"],
    "delisting_returns": _MARKET["delisting_returns"],
    "quality_checks": _MARKET["quality_checks"],
    **_READING,
}  # fmt: skip
_STRATEGY: Mapping[str, Option] = {
    "strategy": click.option("--strategy", default="s2_filter_negative", show_default=True,
                             shell_complete=complete_strategy,
                             help="A name from `strategies list`, or its beginning, or package.module:Class."),
    "settings": click.option("--param", "settings", multiple=True, metavar="NAME=VALUE",
                             help="A parameter of the strategy; repeatable."),
}  # fmt: skip
_MODEL: Mapping[str, Option] = {
    "model": click.option("--model", default="stock_lstm_close", show_default=True,
                          shell_complete=complete_model,
                          help="A name from `models list`, or its beginning, or pkg.module:Class."),
    "model_settings": click.option("--model-param", "model_settings", multiple=True, metavar="NAME=VALUE",
                                   help="A parameter of the model."),
}  # fmt: skip
_COSTS = {
    "commission_bps": (5.0, "On each side, of the traded value."),
    "spread_bps": (0.0, "Half the quoted spread, of the traded value."),
    "impact_bps": (0.0, "Linear impact, per unit of an asset's turnover."),
    "sqrt_impact": (0.0, "Coefficient of the square-root impact law; needs volume."),
    "borrow_bps": (50.0, "A year, on shorts."),
    "financing_bps": (100.0, "A year, on negative cash, on top of the cash rate."),
    "minimum_fee": (0.0, "Currency a fill."),
    "cash_rate_bps": (0.0, "A year, what cash earns; shorts get it less the borrow."),
}
_EXECUTION: Mapping[str, Option] = {
    "fill": click.option(
        "--fill", type=click.Choice(["open", "close"]), help="Default: open where the panel has opens."
    ),
    "delay": click.option(
        "--delay", type=WHOLE, default=1, show_default=True, help="Sessions from decision to fill."
    ),
    "accounting": click.option("--accounting", type=click.Choice(["self_financing", "constant_weight"]),
                               default="self_financing", show_default=True),
    "max_gross": click.option(
        "--max-gross", type=NUMBER, default=2.0, show_default=True, help="Cap on the sum of |weights|."
    ),
    "lot": click.option("--lot", type=NUMBER, default=0.0, help="Round shares to multiples; default: fractional."),
    "capital": click.option(
        "--capital", type=NUMBER, default=1_000_000.0, show_default=True, help="NAV at the start."
    ),
    "stale_limit": click.option("--stale-limit", type=int, default=10, show_default=True,
                                help="Sessions without a close after which a holding is closed at its last."),
    "carry_orders": click.option("--carry-orders/--no-carry-orders", default=True, show_default=True,
                                 help="Orders without a price stand until filled, replaced or expired."),
    "order_expiry": click.option(
        "--order-expiry", type=int, default=10, show_default=True, help="Sessions an order stands."
    ),
    "max_volume": click.option("--max-volume", type=float, default=0.0,
                               help="Largest share of a session's volume in a fill, e.g. 0.1; default: no limit."),
    "optimistic": click.option(
        "--optimistic", is_flag=True, help="Both levels inside one bar: the target fills, not the stop."
    ),
    "same_close": click.option(
        "--same-close", is_flag=True, help="Fill at the close that was read: look-ahead."
    ),
}  # fmt: skip


def data_options(function: Command) -> Command:
    """The argument ``data``: `DataOptions`."""
    return _gathered("data", _PREDICTIONS, _heeded(DataOptions))(function)


def market_options(function: Command) -> Command:
    """The argument ``market``: `MarketOptions`."""
    return _gathered("market", _MARKET, _heeded(MarketOptions))(function)


def reading_options(function: Command) -> Command:
    """The argument ``reading``: `Reading`."""
    return _gathered("reading", _READING, _heeded(Reading))(function)


def _heeded(build: Callable[..., Read]) -> Callable[..., Read]:
    """`build`, which refuses dates, decimals or a time zone that are said of packed panels alone."""

    def built(**values: object) -> Read:
        reading = build(**values)
        if reading.columns or reading.layout or reading.date_format or reading.decimal or reading.tz:
            from assay.data.files.packed import refuse_idle

            files = data_files(click.get_current_context())
            if not files:
                raise click.UsageError("--column, --layout, --date-format, --decimal, --tz: of files; none is named")
            refuse_idle(files, reading.of("prices"))
        return reading

    return built


def strategy_options(function: Command) -> Command:
    """The argument ``chosen``: `StrategyOptions`."""
    return _gathered("chosen", _STRATEGY, StrategyOptions)(function)


def style_options(default: bool) -> Callable[[Command], Command]:
    """The argument ``styles``: `StyleOptions`, taken out by default or not."""
    options: dict[str, Option] = {
        "styles": click.option(
            "--styles/--no-styles", "styles", default=default, show_default=True,
            help="What is left after styles, and where the return came from.",
        ),
        "sectors": click.option("--sectors", type=DATA, help="Sector of each asset, for styles: asset, sector."),
        "market_caps": click.option("--market-caps", type=DATA, help="For the style size: date, asset, market_cap."),
        "factors": click.option("--factors", type=DATA, help="Returns of factors: date, a column each; French's too."),
        "regimes": click.option("--regimes", type=DATA, help="Regimes of your own: first day (date), regime."),
    }  # fmt: skip
    return _gathered("styles", options, StyleOptions)


def model_options(function: Command) -> Command:
    """The argument ``recipe``: `ModelOptions`."""
    return _gathered("recipe", _MODEL, ModelOptions)(function)


def cost_options(function: Command) -> Command:
    """The argument ``costs``: a `CostSection`, with one option for each of its fields."""
    options: dict[str, Option] = {
        name: click.option(f"--{name.replace('_', '-')}", type=NUMBER, default=default, show_default=True, help=text)
        for name, (default, text) in _COSTS.items()
    }

    options["costs_files"] = click.option(
        "--costs-file", "costs_files", type=DATA, multiple=True,
        help="Costs by asset, date or both: columns asset, date, commission_bps, borrow_bps, cash_rate_bps …",
    )  # fmt: skip
    options["cost_model"] = click.option(
        "--cost-model", "cost_model", metavar="PART",
        help="Your class whose rates(prices) gives costs: package.module:Class or ./file.py:Class.",
    )  # fmt: skip
    options["cost_settings"] = click.option(
        "--cost-param", "cost_settings", multiple=True, metavar="NAME=VALUE",
        help="A parameter of --cost-model; repeatable.",
    )  # fmt: skip

    def build(
        *, costs_files: tuple[Path, ...], cost_model: str | None, cost_settings: tuple[str, ...], **values: Any
    ) -> CostSection:
        from assay.results.workflow.study import CostSection

        given = parse_settings(cost_settings, "--cost-param")
        return CostSection(**values, files=tuple(map(str, costs_files)), model=cost_model, parameters=given)

    return _gathered("costs", options, build)(function)


def execution_options(function: Command) -> Command:
    """The argument ``execution``: an `Execution`, with one option for each of its fields."""

    def build(*, delay: int, same_close: bool, **values: Any) -> Execution:
        from assay.engine.execution import Execution

        return Execution(delay=0 if same_close else delay, same_close=same_close, **values)

    return _gathered("execution", _EXECUTION, build)(function)


def executor_options(what: str) -> Callable[[Command], Command]:
    """--executor and --workers; `what` is run there."""
    return _options(
        click.option("--executor", type=click.Choice(["serial", "process", "ray"]), default="process",
                     show_default=True, help=f"Where {what}; the figures are the same."),
        click.option("--workers", type=WHOLE, help="How many at once; default and most: the cores."),
    )  # fmt: skip


def metric_option(function: Command) -> Command:
    """--metric PART."""
    text = "Your own metric of the run, package.module:NAME or ./file.py:NAME; repeatable."
    return click.option("--metric", "metrics", multiple=True, metavar="PART", help=text)(function)


def trials_option(function: Command) -> Command:
    """--trials N."""
    text = "Trials made elsewhere, added to the ledger's count."
    return click.option("--trials", type=WHOLE, default=0, help=text)(function)


def _results(
    settled: Callable[[click.Context, click.Parameter, Path], Path] | None = None,
) -> Callable[[Command], Command]:
    return click.option(
        "--results", type=ResultsPlace(path_type=Path), default=Path("results") / "runs", show_default=True,
        envvar="ASSAY_RESULTS", metavar="DIR|URL", callback=settled,
        help="Where runs are stored: a folder, or s3://bucket/prefix; default $ASSAY_RESULTS.",
    )  # fmt: skip


def results_option(function: Command) -> Command:
    """--results DIR or URL."""
    return _results()(function)


def results_and_ledger(function: Command) -> Command:
    """--results DIR or URL of a command that counts trials.

    Their ledger stands there where the user's own cannot be kept.
    """

    def settled(_: click.Context, __: click.Parameter, root: Path) -> Path:
        from assay.results.storage.places import ledger_beside

        if notice := ledger_beside(root):
            click.echo(f"warning: {notice}", err=True)
        return root

    return _results(settled)(function)


def json_option(function: Command) -> Command:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")(function)


def by_default(option: str) -> bool:
    """Whether this option of the running command was left at its default."""
    return click.get_current_context().get_parameter_source(option) is click.core.ParameterSource.DEFAULT


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


def parse_count(text: str) -> int | None:
    """A number of sessions as a text; None where it is no such number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def parse_plan(train: str, retrain: str, start: str | None, end: str | None, **more: Any) -> WalkForward:
    """--train, --retrain, --start and --end as a plan of folds; `more` are its other settings."""
    from assay.data.errors import InputError
    from assay.engine.folds import WalkForward

    window = None if train == "expanding" else parse_count(train)
    if window is None and train != "expanding":
        raise InputError(f"--train {train}: expected a number of sessions or 'expanding'")
    every: Any = retrain if parse_count(retrain) is None else parse_count(retrain)
    first, last = parse_date(start, "--start"), parse_date(end, "--end")
    return WalkForward(train=window, retrain=every, start=first, end=last, **more)


def parse_date(text: str | None, option: str) -> pd.Timestamp | None:
    """A session, or None where nothing is given; `option` is named in errors."""
    from assay.data.sessions import given_session

    return given_session(text, option)
