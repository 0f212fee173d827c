"""Retrain a model fold by fold, then backtest what it predicted."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import click

from assay.commands.common import (
    PATH,
    Inputs,
    cost_options,
    costs_of,
    execution_of,
    execution_options,
    json_option,
    load_market,
    market_options,
    parse_settings,
    progress,
    results_option,
    strategy_options,
)

__all__ = ["walk_forward"]


@click.command("walk-forward")
@click.option(
    "--model", default="stock_lstm_close", show_default=True, help="A name from `models list`, or pkg.module:Class."
)
@click.option("--preset", help="Named parameters of the model; see `models show`.")
@click.option("--model-param", "model_settings", multiple=True, metavar="NAME=VALUE", help="A parameter of the model.")
@click.option("--train", default="1260", show_default=True, help="Sessions in the rolling window, or 'expanding'.")
@click.option(
    "--minimum-train", type=int, default=504, show_default=True, help="Sessions an expanding window holds at first."
)
@click.option(
    "--retrain", default="yearly", show_default=True, help="monthly, quarterly, yearly, or a number of sessions."
)
@click.option("--embargo", type=int, default=0, show_default=True, help="Sessions between cutoff and first prediction.")
@click.option("--horizon", type=int, default=1, show_default=True, help="Sessions a prediction spans.")
@click.option("--start", help="First session to predict.")
@click.option("--end", help="Last session to predict.")
@click.option("--seeds", type=int, default=1, show_default=True, help="Fits of each fold; predictions are averaged.")
@click.option(
    "--executor",
    type=click.Choice(["serial", "process", "ray"]),
    default="process",
    show_default=True,
    help="Where folds are fit; the figures are the same.",
)
@click.option("--workers", type=int, help="How many at once; default and most: the cores.")
@click.option("--baselines/--no-baselines", default=True, show_default=True, help="Run the baselines beside the model.")
@click.option("--leaks/--no-leaks", default=True, show_default=True, help="Recompute on truncated data.")
@click.option("--cross-check", is_flag=True, help="Run both engines; fail if a daily net return differs by over 1e-9.")
@click.option("--tearsheet/--no-tearsheet", "with_tearsheet", default=True, show_default=True)
@click.option(
    "--canaries", is_flag=True, help="Retrain on shuffled labels and on an answer; random, shifted, constant scores."
)
@click.option("--canary-seeds", type=int, default=5, show_default=True, help="Shuffles of the labels, each a retrain.")
@click.option("--random-runs", type=int, default=200, show_default=True, help="How many, with --canaries.")
@click.option("--trials", type=int, default=0, help="Trials made elsewhere, added to the ledger's count.")
@click.option("--save-predictions", type=PATH, help="Also write the predictions here, with their receipts.")
@click.option("--mlflow", "mlflow_uri", help="Log the run to this MLflow tracking store; needs the mlflow extra.")
@strategy_options
@market_options
@execution_options
@cost_options
@results_option
@json_option
def walk_forward(**options: Any) -> int:
    """Retrain a model fold by fold on data that end at each cutoff, then backtest what it predicted.

    Finished folds are kept under the results folder: a run that was killed goes on where it stopped, and ends with
    the same bytes. A model that gives probabilities alone is traded by `confidence` unless --strategy says otherwise.

    --canaries fits the same recipe on shuffled labels, among which the real model is ranked, on labels that its inputs
    hold, which it must find, and with other seeds; a wrong path or a leaked label makes the exit code 1.

    \b
    Examples:
      python cli.py walk-forward --model ridge --start 2010-01-04
      python cli.py walk-forward --model stock_lstm --preset small --prices ohlcv.parquet --seeds 3
      python cli.py walk-forward --model my_package.models:MyModel --retrain quarterly --train expanding
      python cli.py walk-forward --model ridge --start 2010-01-04 --canaries --canary-seeds 19

    \b
    The predictions that ship with the sample are made by:
      python cli.py walk-forward --model stock_lstm_close --start 2010-01-04 --seeds 3 \\
        --save-predictions data/sample/stock_lstm_close.parquet
      python cli.py walk-forward --model ridge --start 2010-01-04 --save-predictions data/sample/ridge.parquet
    """
    from assay.data.atomic import check_target
    from assay.data.errors import InputError
    from assay.engine.backtest import with_tradable_benchmark
    from assay.engine.folds import WalkForward
    from assay.engine.leaks import LeakReport
    from assay.engine.walk_forward import recipe_of
    from assay.engine.walk_forward import walk_forward as run_folds
    from assay.models.catalog import load_model
    from assay.results.checks.canaries import Judge, judge_trained, retrain_canaries
    from assay.results.evidence.models import BASELINES, comparison, fold_metrics
    from assay.strategies.catalog import load_strategy

    started = time.perf_counter()
    root, as_json = options.pop("results"), options.pop("as_json")
    strategy_name, settings = options.pop("strategy"), parse_settings(options.pop("settings"))
    strategy = load_strategy(strategy_name, **settings)
    model = load_model(
        options.pop("model"),
        preset=options.pop("preset"),
        **parse_settings(options.pop("model_settings"), "--model-param"),
    )
    prices, benchmark, benchmark_name = load_market(options)
    execution, costs = execution_of(options), costs_of(options)
    prices.require(strategy.needs, strategy.name)
    if options["save_predictions"] is not None:
        check_target(options["save_predictions"], (".parquet",))
    if options["mlflow_uri"]:
        from assay.results.storage.mlflow_log import connect

        connect(options["mlflow_uri"])
    horizon = options["horizon"]
    plan = WalkForward(
        train=_train(options["train"]),
        retrain=int(options["retrain"]) if options["retrain"].isdigit() else options["retrain"],
        embargo=options["embargo"],
        minimum_train=options["minimum_train"],
        start=_day(options["start"], "--start"),
        end=_day(options["end"], "--end"),
    )
    folds = plan.split(prices.sessions)
    seeds = tuple(range(options["seeds"]))
    if options["canary_seeds"] < 1:
        raise InputError(f"--canary-seeds {options['canary_seeds']}: at least 1 shuffle is needed")
    folder = root / ".walk-forward"
    label: dict[str, Any] = {"horizon": horizon, "delay": max(execution.delay, 1)}
    where: dict[str, Any] = {"folder": folder, "executor": options["executor"], "workers": options["workers"]}
    canaries = None
    if options["canaries"]:
        _say_cost(options["canary_seeds"], len(seeds), len(folds))
    with progress(quiet=as_json) as display:

        def train(panel: Any, seeds: tuple[int, ...], name: str) -> Any:
            told = _advance(display, name, len(folds) * len(seeds), quiet=as_json)
            return run_folds(model, panel, folds, seeds=seeds, progress=told, **where, **label)

        run = train(prices, seeds, model.name)
        if options["canaries"]:
            canaries = retrain_canaries(train, prices, run, count=options["canary_seeds"])
        names = [name for name in BASELINES if name != model.name] if options["baselines"] else []
        panels = {model.name: run.predictions, **_baselines(names, prices, folds, label, display)}
    if run.predictions.score is None and _by_default("strategy"):
        strategy = load_strategy("confidence", **settings)
    market: dict[str, Any] = {"costs": costs, "execution": execution, "benchmark": benchmark}
    tables = {
        "folds": run.folds,
        "fold_metrics": fold_metrics(run.predictions, run.folds, prices, fill=execution.fill_at(prices)),
        "baselines": comparison(strategy, panels, prices, **market),
    }
    if len(run.training):
        tables["training"] = run.training
    if len(seeds) > 1:
        alone = {f"seed {seed}": panel for seed, panel in run.by_seed.items()}
        tables["seeds"] = comparison(strategy, alone, prices, **market)
    leaks = LeakReport(("predictions",), run.retested_at) if options["leaks"] else None
    if options["save_predictions"] is not None:
        from assay.data.files.predictions import write_predictions

        write_predictions(run.predictions, options["save_predictions"])
    from assay.commands.backtest import run_and_report

    checks = {name: options[name] for name in ("leaks", "canaries", "random_runs", "cross_check")}
    checks["prediction_leaks"] = leaks
    if canaries is not None:
        traded = with_tradable_benchmark(strategy, prices, benchmark)
        checks["trained"] = judge_trained(Judge(strategy, costs, execution), canaries, run.predictions, traded)

    def finished(stored: Any) -> None:
        _keep_models(stored, model, prices, folds, seeds, folder, **label)
        if options["mlflow_uri"]:
            from assay.results.storage.mlflow_log import log_run

            log_run(stored, options["mlflow_uri"])

    plan_config = {name: options[name] for name in ("train", "retrain", "embargo", "start", "end")}
    if plan.train is None:
        plan_config["minimum_train"] = plan.minimum_train
    return run_and_report(
        strategy,
        Inputs(prices, run.predictions, benchmark, benchmark_name, {}),
        costs=costs,
        execution=execution,
        root=root,
        checks=checks,
        brought=False,
        trials=options["trials"],
        as_json=as_json,
        tearsheet=options["with_tearsheet"],
        started=started,
        tables=tables,
        metrics={"training_logs": {f"fold {fold} seed {seed}": log for (fold, seed), log in sorted(run.logs.items())}},
        notes={"seeds": list(seeds)},
        config={"recipe": recipe_of(model), "walk_forward": plan_config, "seeds": list(seeds)},
        after=finished,
    )


def _advance(display: Any, name: str, total: int, *, quiet: bool) -> Any:
    """A bar of its own for a walk-forward; lines where bars cannot be drawn."""
    task = display.add_task(name, total=total)
    told = 0

    def advance(done: int, total: int, what: str, running: float) -> None:
        nonlocal told
        display.update(task, completed=done + running, total=total, description=f"{name} · {what}")
        if display.disable and not quiet and done > told:
            click.echo(f"{name} {done}/{total} · {what}", err=True)
        told = done

    return advance


def _say_cost(count: int, seeds: int, folds: int) -> None:
    """How many fits the canaries take."""
    from assay.results.checks.canaries import SEEDS

    others = max(0, SEEDS - seeds)
    fits = (count * seeds + 1 + others) * folds
    click.echo(
        f"canaries: {count} shuffles of the labels × {seeds} {'seed' if seeds == 1 else 'seeds'}, an answer to find, "
        f"{others} other seeds: {fits:,} fits beside the model's {seeds * folds:,}",
        err=True,
    )


def _by_default(option: str) -> bool:
    """Whether nobody gave this option."""
    return click.get_current_context().get_parameter_source(option) is click.core.ParameterSource.DEFAULT


def _train(text: str) -> int | None:
    from assay.data.errors import InputError

    if text == "expanding":
        return None
    if not text.isdigit():
        raise InputError(f"--train {text}: expected a number of sessions or 'expanding'")
    return int(text)


def _day(text: str | None, option: str) -> Any:
    import pandas as pd

    from assay.data.errors import InputError

    if text is None:
        return None
    try:
        return pd.Timestamp(text)
    except ValueError:
        raise InputError(f"{option} {text}: not a date; write it as 2015-01-31") from None


def _baselines(names: list[str], prices: Any, folds: Any, label: dict[str, Any], display: Any) -> dict[str, Any]:
    """Predictions of the models that every other has to beat, on the same folds."""
    from assay.engine.walk_forward import walk_forward as run_folds
    from assay.models.catalog import load_model

    task = display.add_task("baselines", total=len(names), visible=bool(names))
    panels = {}
    for name in names:
        display.update(task, description=f"baseline {name}")
        panels[name] = run_folds(load_model(name), prices, folds, **label).predictions
        display.advance(task)
    return panels


def _keep_models(
    stored: Any, model: Any, prices: Any, folds: Any, seeds: Any, folder: Path, horizon: int, delay: int
) -> None:
    """Copy the checkpoints of every fold and seed into the run folder."""
    from assay.data.atomic import building, locked, put_folder, sweep
    from assay.engine.walk_forward import stored_model_folder

    missing = 0
    place = stored.path / "models"
    for fold in folds:
        for seed in seeds:
            source = stored_model_folder(folder, model, prices, fold, seed, horizon, delay)
            target = place / f"fold{fold.number:03d}-seed{seed}"
            missing += not source.is_dir()
            if not source.is_dir() or target.exists():
                continue
            place.mkdir(exist_ok=True)
            sweep(place)
            with building(target) as aside:
                shutil.copytree(source, aside, dirs_exist_ok=True)
                with locked(place):
                    if not target.exists():  # another walk-forward of the same run may have kept it meanwhile
                        put_folder(aside, target)
    if missing:
        click.echo(f"warning: {missing} checkpoints lie on other machines and are not kept with the run", err=True)
