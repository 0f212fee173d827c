"""Run a study: everything that a TOML file says."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.commands.backtest import report
from assay.commands.inputs import load_inputs, load_market, load_styles
from assay.commands.options import PATH, DataOptions, MarketOptions, StyleOptions, json_option, results_and_ledger
from assay.commands.output import echo_json, progress

if TYPE_CHECKING:
    import pandas as pd

    from assay.data.panel import PredictionPanel, PricePanel
    from assay.results.gate.policy import GateDecision
    from assay.results.workflow import Progress, StoredBacktest
    from assay.results.workflow.study import Study

__all__ = ["inputs_of", "refuse_memory", "run", "run_study"]


@click.command()
@click.argument("study", type=PATH)
@results_and_ledger
@json_option
def run(study: Path, results: Path, as_json: bool) -> int:
    """Run a STUDY: data, model or predictions, folds, strategy, costs, checks, gate and sheet, as a TOML file says.

    The run is the same, and has the same id, as that of `backtest` or `walk-forward` with these options. Its files are
    named relative to the study. With a [gate] the exit code is the gate's: 0 pass, 1 fail, 3 not enough evidence.

    Every stored run keeps the study that reproduces it: `runs rerun RUN`.

    \b
    Examples:
      python cli.py init --template strategy && python cli.py run study.toml
      python cli.py run results/runs/s2_filter_negative-3f9a1c0e/study.toml
      python cli.py run study.toml --json
    """
    from assay.results.workflow.study_files import load_study

    asked = load_study(study).located(below=study.resolve().parent)
    with progress(quiet=as_json) as heard:
        stored = run_study(asked, root=results, progress=heard)
    decision = _judged(stored, asked, results)
    if as_json:
        kept = stored.run
        content = {"run_id": kept.id, "path": str(kept.path), "manifest": kept.manifest, **kept.metrics, **kept.checks}
        echo_json(content if decision is None else {**content, "gate": decision.to_dict()})
    code = report(stored, as_json=as_json, tearsheet=asked.report.tearsheet, printed=as_json)
    if decision is None:
        return code
    if not as_json:
        from assay.results.gate.formats import decision_table

        click.echo(f"\n{decision_table(decision)}\n{decision.verdict.upper()} (exit {decision.exit_code})")
    return decision.exit_code or code


def _judged(stored: StoredBacktest, study: Study, root: Path) -> GateDecision | None:
    """The gate's decision, where the study asks for one."""
    if study.gate is None:
        return None
    from assay.results.gate.policy import judge, load_policy, note_look, write_decision
    from assay.results.storage.runs import load_run

    champion = None if study.gate.champion is None else load_run(study.gate.champion, root=root)
    decision = judge(stored.run, load_policy(study.gate.policy), champion=champion)
    note_look(stored.run, decision)
    write_decision(decision, stored.run)
    return decision


def refuse_memory(study: Study) -> None:
    """Raise `InputError` if the study names inputs that were in memory."""
    from assay.data.errors import InputError

    if study.data.in_memory:
        raise InputError(
            f"study: {', '.join(study.data.in_memory)} came from memory, not from a file; write them to files "
            "(write_prices, write_predictions), name these, and take in_memory out of [data]"
        )


def run_study(study: Study, *, root: Path, progress: Progress) -> StoredBacktest:
    """Make the run of a study whose files are named as seen from the working folder, and store it.

    Raises
    ------
    InputError
        If it names inputs that were in memory, or as `backtest` and `walk-forward` do.

    """
    refuse_memory(study)
    if study.tune is not None and study.model is None:
        from assay.data.errors import InputError

        raise InputError("study: [tune] chooses the parameters of a model; add a [model], or take [tune] out")
    return _backtest(study, root, progress) if study.model is None else _walk_forward(study, root, progress)


def inputs_of(study: Study) -> tuple[PricePanel, pd.Series | None, PredictionPanel | None]:
    """Prices, benchmark and predictions of a study, read as for its run; no predictions where a model makes them."""
    refuse_memory(study)
    if study.model is not None:
        return (*load_market(MarketOptions(**_options(MarketOptions, study))), None)
    inputs = load_inputs(_prediction_options(study), delay=study.execution.delay)
    return inputs.prices, inputs.benchmark, inputs.predictions


def _backtest(study: Study, root: Path, progress: Progress) -> StoredBacktest:
    from assay.results.workflow import backtest
    from assay.results.workflow.study import PredictionSection
    from assay.results.workflow.walk_forwards import DEFAULT_STRATEGY, PROBABILITY_STRATEGY

    inputs = load_inputs(_prediction_options(study), delay=study.execution.delay)
    alone = inputs.predictions.score is None and inputs.predictions.probability_up is not None
    return backtest(
        study.load_strategy(PROBABILITY_STRATEGY if alone else DEFAULT_STRATEGY),
        inputs.predictions,
        inputs.prices,
        benchmark=inputs.benchmark,
        costs=study.costs.load(),
        execution=study.execution,
        engine=study.engine,
        checks=study.checks.load(),
        styles=load_styles(_style_options(study)),
        made_by=inputs.made_by,
        trials_elsewhere=study.checks.trials_elsewhere,
        root=root,
        progress=progress,
        study=replace(study, predictions=study.predictions or PredictionSection()),
    )


def _prediction_options(study: Study) -> DataOptions:
    from assay.results.workflow.study import PredictionSection

    given = study.predictions or PredictionSection()
    return DataOptions(**_options(
        DataOptions, study,
        predictions=_path(given.file), receipts=_path(given.receipts), unit=given.unit,
        zero_is_neutral=given.zero_is_neutral, horizon=given.horizon, start=given.start, end=given.end,
    ))  # fmt: skip


def _walk_forward(study: Study, root: Path, progress: Progress) -> StoredBacktest:
    from assay.data.atomic import check_target
    from assay.results.workflow import walk_forward

    assert study.model is not None
    named = study.strategy.name is not None
    strategy = study.load_strategy("") if named else None
    model, target = study.model.load(), _path(study.report.save_predictions)
    if target is not None:
        check_target(target, (".parquet",))
    if study.tune is not None:
        model = study.tune.around(model)
    prices, benchmark = load_market(MarketOptions(**_options(MarketOptions, study)))
    stored = walk_forward(
        model,
        prices,
        study.folds.plan(),
        strategy,
        settings=None if named else study.settings,
        horizon=study.folds.horizon,
        seeds=study.folds.all_seeds,
        benchmark=benchmark,
        costs=study.costs.load(),
        execution=study.execution,
        baselines=study.checks.baselines,
        checks=study.checks.load(),
        styles=load_styles(_style_options(study)),
        executor=study.folds.executor,
        workers=study.folds.workers,
        trials_elsewhere=study.checks.trials_elsewhere,
        root=root,
        progress=progress,
        study=study,
    )
    if target is not None:
        from assay.data.files.predictions import write_predictions

        write_predictions(stored.walk.predictions, target)
    return stored


def _style_options(study: Study) -> StyleOptions:
    data = study.data
    return StyleOptions(study.checks.styles, _path(data.sectors), _path(data.market_caps), _path(data.factors))


def _options(kind: type[MarketOptions], study: Study, **more: object) -> dict[str, Any]:
    """The values of a command's options, as the study has them; None for what a study has no key for."""
    data = study.data
    layouts = [("", data.layout), ("predictions.", data.predictions_layout)]
    values = {
        "prices": _path(data.prices),
        "benchmark": _path(data.benchmark),
        "repair": data.repair,
        "universe": _path(data.universe),
        "delisting_returns": _path(data.delisting_returns),
        "columns": tuple(f"{key}={name}" for key, name in data.columns.items()),
        "layout": tuple(f"{whose}{layout}" for whose, layout in layouts if layout is not None),
        "date_format": data.date_format,
        "decimal": data.decimal,
        "tz": data.tz,
        "open_lockbox": data.open_lockbox,
        **more,
    }
    return {item.name: values.get(item.name) for item in fields(kind)}


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)
