"""Retrain a model fold by fold, then backtest what it predicted."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from commands.common import (
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
    "--retrain", default="yearly", show_default=True, help="monthly, quarterly, yearly, or a number of sessions."
)
@click.option("--embargo", type=int, default=0, show_default=True, help="Sessions between cutoff and first prediction.")
@click.option("--horizon", type=int, default=1, show_default=True, help="Sessions a prediction spans.")
@click.option("--start", help="First session to predict.")
@click.option("--end", help="Last session to predict.")
@click.option("--seeds", type=int, default=1, show_default=True, help="Fits of each fold; predictions are averaged.")
@click.option("--executor", type=click.Choice(["serial", "process", "ray"]), default="serial", show_default=True)
@click.option("--workers", type=int, help="Processes; default: the cores.")
@click.option("--baselines/--no-baselines", default=True, show_default=True, help="Run the baselines beside the model.")
@click.option("--leaks/--no-leaks", default=True, show_default=True, help="Recompute on truncated data.")
@click.option("--tearsheet/--no-tearsheet", "with_tearsheet", default=True, show_default=True)
@click.option("--canaries", is_flag=True, help="Rank the run among random-score runs.")
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
    the same bytes.

    \b
    Examples:
      python cli.py walk-forward --model ridge --start 2010-01-04
      python cli.py walk-forward --model stock_lstm --preset small --prices ohlcv.parquet --seeds 3
      python cli.py walk-forward --model my_package.models:MyModel --retrain quarterly --train expanding

    The predictions that ship with the sample are made by:
      python cli.py walk-forward --model ridge --start 2010-01-04 --save-predictions data/sample/ridge.parquet
    """
    from engine.folds import WalkForward
    from engine.walk_forward import recipe_of
    from engine.walk_forward import walk_forward as run_folds
    from models.catalog import load_model
    from strategies.catalog import load_strategy

    started = time.perf_counter()
    root, as_json = options.pop("results"), options.pop("as_json")
    strategy = load_strategy(options.pop("strategy"), **parse_settings(options.pop("settings")))
    model = load_model(
        options.pop("model"),
        preset=options.pop("preset"),
        **parse_settings(options.pop("model_settings"), "--model-param"),
    )
    prices, benchmark, benchmark_name = load_market(options)
    execution, costs = execution_of(options), costs_of(options)
    horizon = options["horizon"]
    plan = WalkForward(
        train=_train(options["train"]),
        retrain=int(options["retrain"]) if options["retrain"].isdigit() else options["retrain"],
        embargo=options["embargo"],
        start=_day(options["start"], "--start"),
        end=_day(options["end"], "--end"),
    )
    folds = plan.split(prices.sessions)
    seeds = tuple(range(options["seeds"]))
    folder = root / ".walk-forward"
    common: dict[str, Any] = {
        "horizon": horizon,
        "delay": max(execution.delay, 1),
        "executor": options["executor"],
        "workers": options["workers"],
    }
    with ExitStack() as stack:
        display = stack.enter_context(progress(quiet=as_json))
        task = display.add_task(model.name, total=len(folds) * len(seeds))
        if options["executor"] == "serial":
            stack.enter_context(_epochs(model, lambda text: display.update(task, description=f"{model.name} · {text}")))

        def advance(done: int, total: int, what: str) -> None:
            display.update(task, completed=done, total=total, description=f"{model.name} · {what}")

        run = run_folds(model, prices, folds, seeds=seeds, folder=folder, progress=advance, **common)
        extra = _beside(
            model, run, prices, folds, strategy, costs, execution, benchmark, common, display, options["baselines"]
        )
    leaks = _prediction_leaks(model, run, prices, folds, folder, horizon, common["delay"]) if options["leaks"] else None
    if options["save_predictions"] is not None:
        from data.prediction_files import write_predictions

        write_predictions(run.predictions, options["save_predictions"])
    from commands.backtest import run_and_report

    def finished(stored: Any) -> None:
        _keep_models(stored, model, prices, folds, seeds, folder, horizon, common["delay"])
        if options["mlflow_uri"]:
            from results.mlflow_log import log_run

            log_run(stored, options["mlflow_uri"])

    plan_config = {name: options[name] for name in ("train", "retrain", "embargo", "start", "end")}
    return run_and_report(
        strategy,
        Inputs(prices, run.predictions, benchmark, benchmark_name, {}),
        costs=costs,
        execution=execution,
        root=root,
        checks={name: options[name] for name in ("leaks", "canaries", "random_runs")} | {"prediction_leaks": leaks},
        brought=False,
        trials=options["trials"],
        as_json=as_json,
        tearsheet=options["with_tearsheet"],
        started=started,
        tables={"folds": run.folds, **({"training": run.training} if len(run.training) else {}), **extra},
        metrics={"training_logs": {f"fold {fold} seed {seed}": log for (fold, seed), log in sorted(run.logs.items())}},
        notes={"seeds": list(seeds)},
        config={"recipe": recipe_of(model), "walk_forward": plan_config, "seeds": list(seeds)},
        after=finished,
    )


def _train(text: str) -> int | None:
    from data.errors import InputError

    if text == "expanding":
        return None
    if not text.isdigit():
        raise InputError(f"--train {text}: expected a number of sessions or 'expanding'")
    return int(text)


def _day(text: str | None, option: str) -> Any:
    import pandas as pd

    from data.errors import InputError

    if text is None:
        return None
    try:
        return pd.Timestamp(text)
    except ValueError:
        raise InputError(f"{option} {text}: not a date; write it as 2015-01-31") from None


def _epochs(model: Any, show: Any) -> Any:
    """Show each epoch's losses while a neural model is fit in this process."""
    from contextlib import nullcontext

    from models.recipe import NeuralForecaster

    if not isinstance(model, NeuralForecaster):
        return nullcontext()
    from models.training import watch_epochs

    def said(record: dict[str, object]) -> None:
        losses = f"{record['train_loss']:.4f} / {record['validation_loss']:.4f}"
        show(f"epoch {record['epoch']}/{record['epochs']}, loss {losses}")

    return watch_epochs(said)


def _beside(
    model: Any,
    run: Any,
    prices: Any,
    folds: Any,
    strategy: Any,
    costs: Any,
    execution: Any,
    benchmark: Any,
    common: dict[str, Any],
    display: Any,
    wanted: bool,
) -> dict[str, Any]:
    """Tables of the comparison with the baselines, and of the dispersion over seeds."""
    from engine.walk_forward import walk_forward as run_folds
    from models.catalog import load_model
    from results.model_report import BASELINES, comparison

    panels = {model.name: run.predictions}
    names = [name for name in BASELINES if name != model.name] if wanted else []
    task = display.add_task("baselines", total=len(names), visible=bool(names))
    for name in names:
        display.update(task, description=f"baseline {name}")
        panels[name] = run_folds(load_model(name), prices, folds, **{**common, "executor": "serial"}).predictions
        display.advance(task)
    settings = {"costs": costs, "execution": execution, "benchmark": benchmark}
    out = {"baselines": comparison(strategy, panels, prices, **settings)}
    if len(run.by_seed) > 1:
        out["seeds"] = comparison(
            strategy, {f"seed {seed}": panel for seed, panel in run.by_seed.items()}, prices, **settings
        )
    return out


def _prediction_leaks(model: Any, run: Any, prices: Any, folds: Any, folder: Path, horizon: int, delay: int) -> Any:
    """Whether the stored models' predictions change when later prices are taken away."""
    from data.errors import BacktestError
    from engine.leaks import LeakReport, sample_cuts, truncation_leaks
    from engine.walk_forward import stored_model_folder

    report = LeakReport((), ())
    chosen = [folds[0], folds[len(folds) // 2], folds[-1]] if len(folds) > 2 else list(folds)
    seed = min(run.by_seed)
    for fold in dict.fromkeys(chosen):
        where = stored_model_folder(folder, model, prices, fold, seed, horizon, delay)
        try:
            fitted = model.load(where)
        except BacktestError as error:
            return LeakReport(report.components, report.cuts, report.leaks, (f"predictions: not retested: {error}",))
        span = prices.between(fold.train_start, fold.test_end)
        inside = span.sessions[span.sessions >= fold.test_start]
        if len(inside) < 2:
            continue
        cuts = sample_cuts(inside, 2, warm_up=0.0)

        def scores(panel: Any, fitted: Any = fitted) -> Any:
            answer = fitted.predict(panel)
            return answer.score if answer.score is not None else answer.probability_up

        report = report.merged(truncation_leaks("predictions", scores, span, cuts=cuts))
    return report


def _keep_models(
    stored: Any, model: Any, prices: Any, folds: Any, seeds: Any, folder: Path, horizon: int, delay: int
) -> None:
    """Copy the checkpoints of every fold and seed into the run folder."""
    from engine.walk_forward import stored_model_folder

    for fold in folds:
        for seed in seeds:
            source = stored_model_folder(folder, model, prices, fold, seed, horizon, delay)
            target = stored.path / "models" / f"fold{fold.number:03d}-seed{seed}"
            if source.is_dir() and not target.exists():
                shutil.copytree(source, target)
