"""Recompute on truncated data; any change is a leak."""

from __future__ import annotations

from typing import Any

import click

from assay.commands.common import (
    cost_options,
    costs_of,
    data_options,
    echo_json,
    execution_of,
    execution_options,
    json_option,
    load_inputs,
    load_market,
    parse_settings,
    strategy_options,
)

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
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses the dates.")
@strategy_options
@data_options
@execution_options
@cost_options
@json_option
def leaks(**options: Any) -> int:
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
    from assay.engine.leaks import LeakReport, imported_panel_findings, panel_cuts, run_leaks, strategy_leaks

    as_json, name = options.pop("as_json"), options.pop("strategy")
    settings = parse_settings(options.pop("settings"))
    features, feature_sets, models = options.pop("features"), options.pop("feature_sets"), options.pop("models")
    preset, count, seed = options.pop("preset"), _count(options.pop("cuts")), options.pop("seed")
    report = LeakReport((), ())
    if features or feature_sets or models:
        options["predictions"] = None
        prices, _, _ = load_market(options)
        cuts = panel_cuts(prices, count, seed=seed)
        for feature in features:
            report = report.merged(_feature(feature, prices, cuts))
        for chosen in feature_sets:
            report = report.merged(_feature_set(chosen, prices, cuts))
        for model in models:
            report = report.merged(_model(model, preset, prices, options["horizon"], options["delay"], cuts))
    else:
        from assay.engine.backtest import with_tradable_benchmark
        from assay.strategies.catalog import load_strategy

        strategy = load_strategy(name, **settings)
        options["delay"] = 0 if options["same_close"] else options["delay"]
        inputs = load_inputs(options)
        execution, costs = execution_of(options), costs_of(options)
        prices = with_tradable_benchmark(strategy, inputs.prices, inputs.benchmark)
        cuts = panel_cuts(prices, count, predictions=inputs.predictions, seed=seed)
        report = strategy_leaks(strategy, inputs.predictions, prices, cuts=cuts)
        report = report.merged(
            run_leaks(strategy, inputs.predictions, prices, costs=costs, execution=execution, cuts=cuts)
        )
        report = report.merged(imported_panel_findings(inputs.predictions, prices))
    if as_json:
        from dataclasses import asdict

        found = [{**asdict(leak), "said": str(leak)} for leak in report.leaks]
        echo_json({"passed": report.passed, "components": report.components, "cuts": report.cuts, "leaks": found,
                   "notes": report.notes, "suspicions": report.suspicions, "reads": report.reads})  # fmt: skip
        return 0 if report.passed else 1
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
    said = "nothing changed" if not report.leaks else f"{len(report.leaks)} leaks"
    aside = "; but the predictions are too good to be forecasts" if report.suspicions else ""
    click.echo(f"{said}: {', '.join(report.components)}, recomputed on data truncated at {dates}{aside}")
    return 0 if report.passed else 1


def _count(cuts: str) -> int | None:
    """How many dates; None for all of them."""
    from assay.data.errors import InputError

    if cuts.strip() == "all":
        return None
    if not cuts.strip().isascii() or not cuts.strip().isdigit() or not 0 < len(cuts.strip()) < 7 or int(cuts) < 1:
        raise InputError(f"--cuts {cuts}: expected a number of dates from 1 on, or 'all'")
    return int(cuts)


def _imported(path: str) -> Any:
    from assay.data.errors import InputError
    from assay.data.plugins import load_object

    found = load_object("--feature", path)
    if not callable(found):
        raise InputError(f"--feature {path}: is no function")
    return found


def _feature(path: str, prices: Any, cuts: Any) -> Any:
    import pandas as pd

    from assay.data.errors import BacktestError, InputError
    from assay.engine.leaks import truncation_leaks

    function = _imported(path)

    def compute(panel: Any) -> Any:
        try:
            value = function(panel)
        except BacktestError:
            raise
        except Exception as error:  # somebody else's code: say which, and what it said
            raise InputError(f"--feature {path}: {type(error).__name__}: {error}") from error
        if not isinstance(value, (pd.DataFrame, pd.Series)):
            raise InputError(f"--feature {path}: returned {type(value).__name__}; expected a frame indexed by session")
        return value

    return truncation_leaks(f"feature {path.rpartition(':')[2]}", compute, prices, cuts=cuts)


def _feature_set(name: str, prices: Any, cuts: Any) -> Any:
    import pandas as pd

    from assay.data.features import build_features
    from assay.engine.leaks import truncation_leaks

    def compute(panel: Any) -> Any:
        made = build_features(panel, name, who="leaks")
        shape = (len(made.sessions), -1)
        columns = [f"{asset} {feature}" for asset in made.assets for feature in made.names]
        return pd.DataFrame(made.values.reshape(shape), made.sessions, columns)

    return truncation_leaks(f"features {name}", compute, prices, cuts=cuts)


def _model(name: str, preset: str | None, prices: Any, horizon: int, delay: int, cuts: Any) -> Any:
    """Fit on the panel through the first cut, then predict on panels truncated at the later ones."""
    from assay.engine.leaks import LeakReport, reads_of, truncation_leaks
    from assay.engine.outside_reads import outside_reads
    from assay.models.catalog import load_model

    model = load_model(name, preset=preset)
    first, *later = cuts
    if not later:
        return LeakReport((f"predictions of {name}",), cuts, (), (f"{name}: a model needs --cuts 2 or more",))
    with outside_reads() as seen:
        fitted = model.fit(prices.through(first), horizon=horizon, delay=delay, seed=0)
    told = reads_of(f"fit of {name}", seen)

    def scores(panel: Any) -> Any:
        answer = fitted.predict(panel)
        return answer.score if answer.score is not None else answer.probability_up

    report = truncation_leaks(f"predictions of {name}", scores, prices, cuts=later)
    return report.merged(LeakReport((), (), reads=told))
