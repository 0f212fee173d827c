"""Retrain a model fold by fold, then backtest what it predicted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.commands.backtest import KEEP_HELP, KEPT, report
from assay.commands.options import (
    PATH,
    WHOLE,
    Executor,
    MarketOptions,
    ModelOptions,
    StrategyOptions,
    StyleOptions,
    by_default,
    cost_options,
    execution_options,
    executor_options,
    json_option,
    market_options,
    metric_option,
    model_options,
    parse_plan,
    results_and_ledger,
    strategy_options,
    style_options,
    trials_option,
)
from assay.commands.output import progress

if TYPE_CHECKING:
    from assay.audit.claims.model import ClaimSet
    from assay.data.panel import PricePanel
    from assay.engine.execution import Execution
    from assay.models.base import Forecaster
    from assay.results.storage.kept import Keep
    from assay.results.workflow import StoredWalkForward
    from assay.results.workflow.study import CostSection

__all__ = ["walk_forward"]


@click.command("walk-forward")
@model_options
@click.option("--preset", help="Named parameters of the model; see `models show`.")
@click.option(
    "--like", "like_report", metavar="REPORT",
    help="Beside a report's printed figures: what this model gives, and the audit's verdict on each. The name of a "
    "report that ships, or a claims file. Unless said otherwise: --preset report, one fit on the first 80% of the "
    "sessions, tested on the rest.",
)
@click.option("--tune", type=PATH, metavar="STUDY", help="Choose hyper-parameters in each fold, on the tail of its "
              "training sessions: a TOML file with [tune]; needs the tune extra.")
@click.option("--train", default="1260", show_default=True, help="Sessions in the rolling window, or 'expanding'.")
@click.option(
    "--minimum-train", type=WHOLE, default=504, show_default=True, help="Sessions an expanding window holds at first."
)
@click.option(
    "--retrain", default="yearly", show_default=True, help="monthly, quarterly, yearly, or a number of sessions."
)
@click.option(
    "--embargo", type=WHOLE, default=0, show_default=True, help="Sessions between cutoff and first prediction."
)
@click.option("--horizon", type=WHOLE, help="Sessions a prediction spans; default: 1, or the preset's.")
@click.option("--start", help="First session to predict.")
@click.option("--end", help="Last session to predict.")
@click.option(
    "--seeds", type=click.IntRange(max=1_000), default=1, show_default=True,
    help="Fits of each fold; predictions are averaged.",
)
@executor_options("folds are fit")
@click.option("--baselines/--no-baselines", default=True, show_default=True, help="Run the baselines beside the model.")
@click.option("--leaks/--no-leaks", default=True, show_default=True, help="Recompute on truncated data.")
@click.option("--cross-check", is_flag=True, help="Run both engines; fail if a daily net return differs by over 1e-9.")
@click.option("--tearsheet/--no-tearsheet", "with_tearsheet", default=True, show_default=True)
@click.option(
    "--canaries", is_flag=True, help="Retrain on shuffled labels and on an answer; random, shifted, constant scores."
)
@click.option(
    "--canary-seeds", type=click.IntRange(max=1_000), default=5, show_default=True,
    help="Shuffles of the labels, each a retrain.",
)
@click.option(
    "--random-runs", type=click.IntRange(max=100_000), default=200, show_default=True, help="How many, with --canaries."
)
@click.option(
    "--importance", is_flag=True, help="What each feature is worth out of sample: the rank IC lost when it is permuted."
)
@click.option(
    "--importance-draws", type=click.IntRange(min=2, max=1_000), default=5, show_default=True,
    help="Permutations of each feature in each fit, with --importance.",
)
@style_options(default=True)
@metric_option
@trials_option
@click.option("--save-predictions", type=PATH, help="Also write the predictions here, with their receipts.")
@click.option("--mlflow", "mlflow_uri", help="Log the run to this MLflow tracking store; needs the mlflow extra.")
@strategy_options
@market_options
@execution_options
@cost_options
@click.option("--keep", type=click.Choice(KEPT), default="auto", show_default=True, help=KEEP_HELP)
@results_and_ledger
@json_option
def walk_forward(
    recipe: ModelOptions,
    preset: str | None,
    like_report: str | None,
    tune: Path | None,
    train: str,
    minimum_train: int,
    retrain: str,
    embargo: int,
    horizon: int | None,
    start: str | None,
    end: str | None,
    seeds: int,
    executor: Executor,
    workers: int | None,
    baselines: bool,
    leaks: bool,
    cross_check: bool,
    with_tearsheet: bool,
    canaries: bool,
    canary_seeds: int,
    random_runs: int,
    importance: bool,
    importance_draws: int,
    styles: StyleOptions,
    metrics: tuple[str, ...],
    trials: int,
    save_predictions: Path | None,
    mlflow_uri: str | None,
    chosen: StrategyOptions,
    market: MarketOptions,
    execution: Execution,
    costs: CostSection,
    keep: Keep,
    results: Path,
    as_json: bool,
) -> int:
    """Retrain a model fold by fold on data that end at each cutoff, then backtest what it predicted.

    Finished folds are kept under the results folder: a run that was killed goes on where it stopped, and ends with
    the same bytes. A model that gives probabilities alone is traded by `confidence` unless --strategy says otherwise.

    --canaries fits the same recipe on shuffled labels, among which the real model is ranked, on labels that its inputs
    hold, which it must find, and with other seeds; a wrong path or a leaked label makes the exit code 1.

    --importance lets each fold's models read one feature at a time from another asset and earlier: what the rank IC of
    the test sessions loses is what that feature is worth. Models that read no feature set have prices and volume.

    \b
    Examples:
      python cli.py walk-forward --model ridge --start 2010-01-04
      python cli.py walk-forward --model stock_lstm --preset small --prices ohlcv.parquet --seeds 3
      python cli.py walk-forward --model my_package.models:MyModel --retrain quarterly --train expanding
      python cli.py walk-forward --model ridge --start 2010-01-04 --canaries --canary-seeds 19
      python cli.py walk-forward --model ridge --start 2010-01-04 --importance
      python cli.py walk-forward --model ridge --start 2010-01-04 --tune ridge.toml
      python cli.py walk-forward --model b3_multitask --like b3_training_report --prices ohlcv.parquet

    \b
    --tune reads a range or a list of values for each parameter, e.g.
      [tune]
      trials = 30
      parameters = { penalty = { low = 0.0001, high = 10.0, log = true } }
    Every configuration enters the ledger; the chosen ones stand in the receipts and in tuning.parquet.

    \b
    The predictions that ship with the sample are made by:
      python cli.py walk-forward --model stock_lstm_close --start 2010-01-04 --seeds 3 \\
        --save-predictions data/sample/stock_lstm_close.parquet
      python cli.py walk-forward --model ridge --start 2010-01-04 --save-predictions data/sample/ridge.parquet
    """
    from assay.data.atomic import check_target
    from assay.results.workflow import Checks
    from assay.results.workflow import walk_forward as run
    from assay.results.workflow.inputs import load_market, load_styles

    claims = None
    if like_report is not None:
        from assay.audit.like import report_claims
        from assay.models.catalog import preset_names

        claims = report_claims(like_report)
        preset = "report" if preset is None and "report" in preset_names(recipe.model) else preset
    default = by_default("strategy")
    strategy, model = None if default else chosen.load(), recipe.load(preset)
    if tune is not None:
        from assay.results.workflow.study_files import load_tuning

        model = load_tuning(tune).around(model)
    if save_predictions is not None:
        check_target(save_predictions, (".parquet",))
    if mlflow_uri:
        from assay.results.storage.mlflow_log import connect

        connect(mlflow_uri)
    plan = parse_plan(train, retrain, start, end, embargo=embargo, minimum_train=minimum_train)
    checks = Checks(
        leaks=leaks,
        cross_check=cross_check,
        canaries=canaries,
        random_runs=random_runs,
        styles=styles.asked,
        metrics=metrics,
        canary_seeds=canary_seeds,
        importance=importance,
        importance_draws=importance_draws,
    )
    study = styles.study(market.study())
    prices, benchmark = load_market(study.data)
    if claims is not None and all(map(by_default, ("train", "minimum_train", "retrain", "start"))):
        plan = replace(plan, train=None, minimum_train=int(0.8 * len(prices.sessions)), retrain=len(prices.sessions))
    beside = load_styles(study.data)
    with progress(quiet=as_json) as heard:
        stored = run(
            model,
            prices,
            plan,
            strategy,
            settings=chosen.parameters if default else None,
            horizon=recipe.horizon(horizon, preset),
            seeds=tuple(range(seeds)),
            benchmark=benchmark,
            costs=costs.load(prices, study.data.reading("costs")),
            execution=execution,
            baselines=baselines,
            checks=checks,
            styles=beside,
            executor=executor,
            workers=workers,
            trials_elsewhere=trials,
            root=results,
            progress=heard,
            study=study,
            keep=keep,
        )
    if save_predictions is not None:
        from assay.data.files.predictions import write_predictions

        write_predictions(stored.walk.predictions, save_predictions)
    if mlflow_uri:
        from assay.results.storage.mlflow_log import log_run

        log_run(stored.run, mlflow_uri)
    if claims is not None:
        _beside_the_report(stored, model, prices, claims, f"{like_report}", preset or "default", quiet=as_json)
    return report(stored, as_json=as_json, tearsheet=with_tearsheet)



def _beside_the_report(
    stored: StoredWalkForward,
    model: Forecaster,
    prices: PricePanel,
    claims: ClaimSet,
    name: str,
    preset: str,
    *,
    quiet: bool,
) -> None:
    """Write the page of a report made again into the run's folder, and print it."""
    from assay.audit.like import like, render_like, render_like_html
    from assay.data.atomic import replacing
    from assay.data.card import plural
    from assay.results.evidence.training_report import training_figures
    from assay.results.storage.object_store import address

    wanted = {claim.metric for claim in claims.claims}
    figures = training_figures(
        stored, model, prices,
        importance="feature_importance" in wanted, speed=bool(wanted & {"latency", "throughput", "file_size"}),
    )  # fmt: skip
    stamps = stored.walk.predictions.sessions
    counts = f"{plural(len(prices.assets), 'asset')} · {plural(len(stored.walk.folds), 'fit')}"
    about = (
        f"{model.name} · preset {preset} · {counts}, tested on {stamps[0].date()} … {stamps[-1].date()} · "
        f"run {stored.run.id}"
    )
    note = (
        "the report's prices are not these: a figure that differs is no proof against it, and one that agrees no proof "
        "for it; the verdicts are the audit's, from the printed figures alone"
    )
    page = like(claims, figures, preset=preset, about=about, notes=[note])
    target = stored.run.path / f"like-{Path(name).stem}.html"
    with replacing(target) as temporary:
        temporary.write_text(render_like_html(page), encoding="utf-8", newline="\n")
    if not quiet:
        click.echo(render_like(page) + f"\n\n{address(target)}\n")
