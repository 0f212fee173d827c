"""Recompute on truncated data; any change is a leak."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assay.commands.options import (
    SEED,
    DataOptions,
    StrategyOptions,
    cost_options,
    data_options,
    execution_options,
    json_option,
    strategy_options,
)
from assay.commands.output import echo_json, say_sealed

if TYPE_CHECKING:
    from assay.engine.execution import Execution
    from assay.engine.leaks import LeakReport
    from assay.results.checks.leaks import Feature
    from assay.results.workflow.study import CostSection

__all__ = ["leaks"]

#: Dates named at the end of the report.
_SHOWN = 10


@click.command()
@click.option(
    "--feature",
    "features",
    multiple=True,
    metavar="PKG.MODULE:FUNCTION",
    help="A function of a PricePanel to a frame (T, N); repeatable.",
)
@click.option("--feature-set", "feature_sets", multiple=True, help="A built-in set, e.g. core_close; repeatable.")
@click.option("--model", "models", multiple=True, help="A model, fit and then predicting; repeatable.")
@click.option("--preset", help="Named parameters of the models.")
@click.option("--cuts", default="5", show_default=True, metavar="N|all",
              help="Dates to truncate at, and as many inside holes; 'all' takes every session.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Chooses the dates.")
@strategy_options
@data_options
@execution_options
@cost_options
@json_option
def leaks(
    features: tuple[str, ...],
    feature_sets: tuple[str, ...],
    models: tuple[str, ...],
    preset: str | None,
    cuts: str,
    seed: int,
    chosen: StrategyOptions,
    data: DataOptions,
    execution: Execution,
    costs: CostSection,
    as_json: bool,
) -> int:
    """Recompute features, predictions, weights and the run on truncated data; any change is a leak (exit 1).

    Without --feature, --feature-set or --model the strategy and the whole run are tested, and the predictions are
    looked at for what is too good to be a forecast (exit 1 too).

    Whatever opens a file of its own while it is tested fails too: that file is not truncated.

    \b
    Examples:
      python cli.py leaks --strategy s2_filter_negative
      python cli.py leaks --feature my_package.features:momentum --prices prices.parquet
      python cli.py leaks --model ridge --cuts 3
      python cli.py leaks --predictions preds.parquet --prices prices.parquet --json
    """  # fmt: skip
    from assay.data.align import align
    from assay.engine.backtest import with_tradable_benchmark
    from assay.engine.leaks import LeakReport, panel_cuts
    from assay.models.catalog import load_model
    from assay.results.checks.leaks import feature_leaks, feature_set_leaks, model_leaks, trading_leaks
    from assay.results.checks.trading import Trading
    from assay.results.workflow.inputs import load_inputs, load_market

    report, count = LeakReport((), ()), _count(cuts)
    if features or feature_sets or models:
        prices, _ = load_market(data.study().data)
        say_sealed(prices)
        dates = panel_cuts(prices, count, seed=seed)
        for feature in features:
            report = report.merged(feature_leaks(feature, _imported(feature), prices, dates))
        for name in feature_sets:
            report = report.merged(feature_set_leaks(name, prices, dates))
        for name in models:
            model = load_model(name, preset=preset)
            report = report.merged(
                model_leaks(name, model, prices, dates, horizon=data.horizon, delay=max(execution.delay, 1))
            )
    else:
        strategy = chosen.load()
        study = data.study()
        inputs = load_inputs(study, delay=execution.delay)
        say_sealed(inputs.prices)
        charged = costs.load(inputs.prices, study.data.reading("costs"))
        predictions, _ = align(inputs.predictions, inputs.prices)
        prices = with_tradable_benchmark(strategy, inputs.prices, inputs.benchmark)
        dates = panel_cuts(prices, count, predictions=predictions, seed=seed)
        report = trading_leaks(Trading(strategy, charged, execution), predictions, prices, cuts=dates)
    _echo(report, as_json=as_json)
    return 0 if report.passed else 1


def _echo(report: LeakReport, *, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        leaks = [{**asdict(leak), "said": str(leak)} for leak in report.leaks]
        echo_json({"passed": report.passed, "components": report.components, "cuts": report.cuts, "leaks": leaks,
                   "notes": report.notes, "suspicions": report.suspicions, "reads": report.reads})  # fmt: skip
        return
    for leak in report.leaks:
        click.echo(f"leak: {leak}")
    for suspicion in report.suspicions:
        click.echo(f"too good: {suspicion}")
    for read in report.reads:
        click.echo(f"not tested: {read}")
    for note in report.notes:
        click.echo(f"note: {note}")
    dates = ", ".join(str(cut.date()) for cut in report.cuts[:_SHOWN])
    dates += f" and {len(report.cuts) - _SHOWN} more" if len(report.cuts) > _SHOWN else ""
    verdict = "nothing changed" if not report.leaks else f"{len(report.leaks)} leaks"
    more = "; but the predictions are too good to be forecasts" if report.suspicions else ""
    click.echo(f"{verdict}: {', '.join(report.components)}, recomputed on data truncated at {dates}{more}")


def _count(cuts: str) -> int | None:
    """How many dates; None for all of them."""
    from assay.data.errors import InputError

    text = cuts.strip()
    if text == "all":
        return None
    if not text.isascii() or not text.isdigit() or not 0 < len(text) < 7 or int(text) < 1:
        raise InputError(f"--cuts {cuts}: expected a number of dates from 1 on, or 'all'")
    return int(text)


def _imported(path: str) -> Feature:
    from assay.data.errors import InputError
    from assay.data.plugins import load_object

    function = load_object("--feature", path)
    if not callable(function):
        raise InputError(f"--feature {path}: is no function")
    return function
