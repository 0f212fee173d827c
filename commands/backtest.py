"""Predictions and prices in, a backtest with its evidence out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.commands.common import (
    Inputs,
    cost_options,
    costs_of,
    data_options,
    echo_json,
    execution_of,
    execution_options,
    json_option,
    load_inputs,
    parse_settings,
    progress,
    results_option,
    strategy_options,
)

if TYPE_CHECKING:
    from assay.results.storage.runs import Run

__all__ = ["backtest"]


@click.command()
@strategy_options
@data_options
@execution_options
@cost_options
@click.option("--engine", type=click.Choice(["native", "vectorbt"]), default="native", show_default=True)
@click.option("--cross-check", is_flag=True, help="Run both engines; fail if a daily net return differs by over 1e-9.")
@click.option("--leaks", is_flag=True, help="Recompute weights and NAV on truncated data.")
@click.option("--canaries", is_flag=True, help="Random-score runs, scores a session late and early, a constant score.")
@click.option("--random-runs", type=int, default=200, show_default=True, help="How many, with --canaries.")
@click.option("--capacity", is_flag=True, help="Net Sharpe by size under square-root impact; needs volume.")
@click.option("--trials", type=int, default=0, help="Trials made elsewhere, added to the ledger's count.")
@click.option("--tearsheet", "with_tearsheet", is_flag=True, help="Draw the tear sheet into the run folder.")
@results_option
@json_option
def backtest(**options: Any) -> int:
    """Predictions and prices in, a backtest with its evidence out.

    Without --prices and --predictions it runs on the embedded sample: 20 US large caps, 1990 to 2022, with the
    walk-forward predictions that ship with this package.

    \b
    Examples:
      python cli.py backtest --strategy s2_filter_negative
      python cli.py backtest --strategy quintile_long_short --param quantile=0.1 --commission-bps 10
      python cli.py backtest --predictions preds.parquet --prices prices.parquet --canaries --leaks
      python cli.py backtest --strategy confidence --predictions p.csv --prices ohlc.csv --json
    """
    from assay.strategies.catalog import load_strategy

    started = time.perf_counter()
    name, engine, root = options.pop("strategy"), options.pop("engine"), options.pop("results")
    checks = {key: options.pop(key) for key in ("cross_check", "leaks", "canaries", "random_runs", "capacity")}
    trials, as_json, tearsheet = options.pop("trials"), options.pop("as_json"), options.pop("with_tearsheet")
    strategy = load_strategy(name, **parse_settings(options.pop("settings")))
    brought = options["predictions"] is not None
    execution_delay = 0 if options["same_close"] else options["delay"]
    options["delay"] = execution_delay
    inputs = load_inputs(options)
    execution, costs = execution_of(options), costs_of(options)
    return run_and_report(
        strategy,
        inputs,
        costs=costs,
        execution=execution,
        engine=engine,
        checks=checks,
        root=root,
        brought=brought,
        trials=trials,
        as_json=as_json,
        tearsheet=tearsheet,
        started=started,
    )


def run_and_report(
    strategy: Any,
    inputs: Inputs,
    *,
    costs: Any,
    execution: Any,
    root: Path,
    engine: str = "native",
    checks: dict[str, Any] | None = None,
    brought: bool = True,
    trials: int = 0,
    as_json: bool = False,
    tearsheet: bool = False,
    started: float | None = None,
    tables: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
    notes: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    after: Callable[[Run], None] | None = None,
) -> int:
    """Backtest, check, count, store and print: what `backtest` and `walk-forward` end with. Returns the exit code."""
    from dataclasses import replace

    from assay.engine.backtest import run_backtest
    from assay.results.checks.trials import count_trial, family_of
    from assay.results.evidence.backtest import evaluate, store_backtest
    from assay.results.report.terminal import render_run
    from assay.results.storage.runs import add_checks

    started = time.perf_counter() if started is None else started
    checks = checks or {}
    result = run_backtest(
        strategy, inputs.predictions, inputs.prices, benchmark=inputs.benchmark, costs=costs, execution=execution
    )
    if engine == "vectorbt":
        result = _by_vectorbt(result, inputs, costs, execution)
    result = replace(
        result,
        config={**result.config, **(config or {})},
        counts={**result.counts, **inputs.dropped},
        warnings=(*result.warnings, *inputs.messages),
    )
    found, failures = _checked(strategy, result, inputs, costs, execution, checks, quiet=as_json)
    evidence = evaluate(result, inputs.predictions, inputs.prices)
    result = replace(result, warnings=(*result.warnings, *_doubts(evidence, inputs)))
    found["trials"] = count_trial(result, family_of(strategy), root=root, brought=brought, elsewhere=trials)
    more = _yardsticks(strategy, result, inputs, costs, execution)
    receipts = inputs.predictions.receipts
    run = store_backtest(
        result,
        evidence,
        root=root,
        tables=tables,
        metrics={**more, **(metrics or {})},
        notes={
            "benchmark": inputs.benchmark_name,
            "assets": inputs.predictions.shape[1],
            "folds": None if receipts is None else int(receipts["fold"].nunique()),
            "timings": {"seconds": round(time.perf_counter() - started, 3)},
            **(notes or {}),
        },
    )
    run = add_checks(run, found)
    if after is not None:
        after(run)
    if tearsheet:
        from assay.results.report.tearsheet import write_tearsheet

        write_tearsheet(run, run.path / "tearsheet.html")
    if as_json:
        echo_json({"run_id": run.id, "path": str(run.path), "manifest": run.manifest, **run.metrics, **run.checks})
    else:
        click.echo(render_run(run))
    for line in failures:
        click.echo(f"failed: {line}", err=True)
    return 1 if failures else 0


def _doubts(evidence: Any, inputs: Inputs) -> list[str]:
    """What of the predictions is too good to be a forecast, or on a scale that is not what it is declared as."""
    from assay.engine.leaks import too_good, wrong_scale

    prices = inputs.prices.select(list(inputs.predictions.assets))
    doubts = [wrong_scale(inputs.predictions, prices)]
    if "ic" in evidence.tables:
        daily = evidence.tables["ic"]["rank_ic"].dropna()
        doubts.append(too_good(daily.mean(), daily.std(), len(daily), horizon=inputs.predictions.horizon))
    return [doubt for doubt in doubts if doubt is not None]


def _by_vectorbt(result: Any, inputs: Inputs, costs: Any, execution: Any) -> Any:
    """The same final weights, simulated by vectorbt; stages and warnings stay."""
    from dataclasses import replace

    from assay.data.errors import InputError
    from assay.engine.vectorbt_adapter import simulate_vectorbt

    if result.target_weights is None:
        raise InputError(
            f"--engine vectorbt: {result.strategy} is executed bar by bar; only weights can be handed over"
        )
    other = simulate_vectorbt(inputs.prices, result.target_weights, costs=costs, execution=execution)
    parts = ("returns", "gross_returns", "nav", "costs", "turnover", "holdings", "cash", "fill_ledger")
    return replace(
        result, config={**result.config, "engine": "vectorbt"}, **{part: getattr(other, part) for part in parts}
    )


def _checked(
    strategy: Any, result: Any, inputs: Inputs, costs: Any, execution: Any, checks: dict[str, Any], *, quiet: bool
) -> tuple[dict[str, Any], list[str]]:
    """What the checks asked for have found, by kind, and what failed."""
    from assay.engine.backtest import with_tradable_benchmark

    prices = with_tradable_benchmark(strategy, inputs.prices, inputs.benchmark)
    more: dict[str, Any] = {}
    failures: list[str] = []
    if checks.get("cross_check"):
        from dataclasses import asdict

        from assay.engine.vectorbt_adapter import cross_check

        if result.target_weights is None:
            more["cross_check"] = {"agrees": None, "reason": "not expressible: executed bar by bar"}
        else:
            answer = cross_check(prices, result.target_weights, costs=costs, execution=execution)
            more["cross_check"] = asdict(answer)
            if answer.agrees is False:
                failures.append(
                    f"cross-check: the engines differ by {answer.max_difference:.3g} on {answer.session}, over 1e-9"
                )
        said = more["cross_check"]
        click.echo(f"cross-check with vectorbt: {said['reason'] or said['max_difference']}", err=True)
    if checks.get("capacity"):
        more["capacity"] = _capacity(result, prices, costs, execution)
        click.echo(f"capacity: {more['capacity']['said']}", err=True)
    if checks.get("leaks"):
        from assay.engine.leaks import imported_panel_findings, run_leaks, strategy_leaks

        report = strategy_leaks(strategy, inputs.predictions, prices)
        report = report.merged(run_leaks(strategy, inputs.predictions, prices, costs=costs, execution=execution))
        if checks.get("prediction_leaks") is not None:
            report = checks["prediction_leaks"].merged(report)
        report = report.merged(imported_panel_findings(inputs.predictions, prices))
        tested = f"{', '.join(report.components)} at {len(report.cuts)} dates"
        verdict = f"{len(report.leaks)} found in {tested}" if report.leaks else f"no change in {tested}"
        verdict += "; the predictions are too good to be forecasts" if report.suspicions else ""
        verdict += "; something was read that no truncation reaches" if report.reads else ""
        found = list(report.findings)
        more["leaks"] = {
            "verdict": verdict,
            "found": found,
            "notes": list(report.notes),
            "on": {"components": list(report.components), "cuts": list(report.cuts)},
        }
        failures += found
    if checks.get("canaries"):
        from assay.engine.random_scores import random_score_null

        runs = checks.get("random_runs", 200)
        with progress(quiet=quiet) as display:
            task = display.add_task("random-score runs", total=runs + 1)
            null = random_score_null(
                strategy,
                inputs.predictions,
                prices,
                runs=runs,
                costs=costs,
                execution=execution,
                progress=lambda done: display.advance(task, done),
            )
        from assay.results.checks.canaries import Judge, shifted_scores

        more["shifted_scores"] = shifted_scores(Judge(strategy, costs, execution), inputs.predictions, prices)
        more["random_scores"] = {
            "runs": len(null.sharpe),
            "rank": null.rank,
            "p_value": null.p_value,
            "real_sharpe": null.real,
            "mean_sharpe": float(null.sharpe.mean()),
            "sharpe": null.sharpe.tolist(),
            "turnover": float(null.turnover.mean()),
            "net_exposure": float(null.net_exposure.mean()),
            "on": {"runs": runs, "seed": 0},
        }
    if checks.get("trained"):
        more["canaries"] = checks["trained"]
        failures += [f"canaries: {line}" for line in more["canaries"]["found"]]
    return more, failures


def _yardsticks(strategy: Any, result: Any, inputs: Inputs, costs: Any, execution: Any) -> dict[str, Any]:
    """For metrics.json: what an optimised strategy has to beat; nothing for any other."""
    if not getattr(strategy, "optimised", False):
        return {}
    from assay.engine.backtest import with_tradable_benchmark
    from assay.results.evidence.naive_portfolios import against_yardsticks

    prices = with_tradable_benchmark(strategy, inputs.prices, inputs.benchmark)
    return {"yardsticks": against_yardsticks(result, inputs.predictions, prices, costs=costs, execution=execution)}


def _capacity(result: Any, prices: Any, costs: Any, execution: Any) -> dict[str, Any]:
    """Net Sharpe by size of the fund, and where it halves."""
    from assay.results.checks.capacity import capacity

    if result.target_weights is None:
        return {"halves_at": None, "said": "not expressible: executed bar by bar"}
    found = capacity(prices, result.target_weights, costs=costs, execution=execution)
    said = found.note or f"the net Sharpe of {found.base:.2f} halves at {found.halves_at:,.0f}"
    sizes = found.table.reset_index().to_dict("records")
    return {"halves_at": None if found.note else found.halves_at, "base": found.base, "said": said, "sizes": sizes}
