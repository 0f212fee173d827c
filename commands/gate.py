"""Accept or reject a run by a policy, with an exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.commands.options import Reading, complete_run, json_option, reading_options, results_and_ledger
from assay.commands.output import echo_json
from assay.commands.terminal import echo_whole
from assay.commands.values import DATA

if TYPE_CHECKING:
    from assay.results.storage.runs import Run

__all__ = ["gate"]


@click.command()
@click.argument("run", required=False, shell_complete=complete_run)
@click.option("--policy", default="production", show_default=True,
              help="production, selection, research, challenger, or a file.")
@click.option("--champion", help="The run to compare with.")
@click.option("--format", "form", type=click.Choice(["table", "json", "markdown", "junit"]), default="table",
              show_default=True, help="How the decision is printed.")
@click.option("--since", multiple=True, metavar="RUN", help="An earlier run of the recipe whose evidence this one "
              "continues; repeatable.")
@click.option("--monitor", "watched", is_flag=True, help="Judge the sessions after the run's, from --predictions and "
              "--prices: does its skill hold?")
@click.option("--predictions", type=DATA, help="With --monitor: the model's predictions, new sessions included.")
@click.option("--prices", type=DATA, help="With --monitor: prices through the new sessions.")
@click.option("--benchmark", type=DATA, help="With --monitor: returns that alpha is measured against; default the "
              "assets' mean.")
@click.option("--rules", "listed", is_flag=True, help="List all rules with meaning, unit and range.")
@reading_options
@results_and_ledger
@json_option
def gate(
    run: str | None,
    policy: str,
    champion: str | None,
    form: str,
    since: tuple[str, ...],
    watched: bool,
    predictions: Path | None,
    prices: Path | None,
    benchmark: Path | None,
    listed: bool,
    reading: Reading,
    results: Path,
    as_json: bool,
) -> int:
    """Accept or reject a run by a policy: exit 0 pass, 1 fail, 3 not enough evidence, 2 bad usage.

    A rule whose figure is not there is insufficient, never passed. The decision is written to gate.json in the run's
    folder: {schema, run_id, policy, champion, verdict, exit_code, sentence, rules: [{rule, threshold, value, low, high,
    verdict, reason, note}]}. That the run was looked at is noted in the trial ledger.

    \b
    Examples:
      python cli.py gate s2_filter_negative-3f9a1c0e --policy research
      python cli.py gate NEW --policy challenger --champion OLD --json
      python cli.py gate NEW --policy my_policy.toml --format junit > gate.xml || echo rejected
      python cli.py gate RETRAINED --since EARLIER
      python cli.py gate ACCEPTED --monitor --predictions new.parquet --prices prices.parquet
      python cli.py gate --rules
    """  # fmt: skip
    from assay.data.errors import InputError
    from assay.results.gate import formats
    from assay.results.gate.policy import judge, load_policy, note_look, write_decision
    from assay.results.storage.object_store import address
    from assay.results.storage.runs import load_run

    as_json = as_json or form == "json"
    if listed:
        echo_json({"rules": formats.rules_listed()}) if as_json else click.echo(formats.rules_table())
        return 0
    if run is None:
        raise InputError("gate: name a run, or list the rules with --rules")
    stored = load_run(run, root=results)
    if watched:
        return _watch(stored, predictions, prices, benchmark, reading, as_json)
    decision = judge(
        stored,
        load_policy(policy),
        champion=None if champion is None else load_run(champion, root=results),
        since=[load_run(item, root=results) for item in since],
    )
    note_look(stored, decision)
    path = write_decision(decision, stored)
    for line in stored.metrics.get("warnings", ()):
        if str(line).startswith("benchmark:"):  # what alpha is judged against
            click.echo(f"warning: {line}", err=True)
    if as_json:
        echo_json(decision.to_dict())
    elif form == "markdown":
        echo_whole(formats.decision_markdown(decision))
    elif form == "junit":
        echo_whole(formats.decision_junit(decision))
    else:
        click.echo(formats.decision_table(decision))
        click.echo(f"{decision.verdict.upper()} (exit {decision.exit_code}) · {address(path)}")
    return decision.exit_code


def _watch(
    run: Run,
    predictions: Path | None,
    prices: Path | None,
    benchmark: Path | None,
    reading: Reading,
    as_json: bool,
) -> int:
    """Print what the sessions after a run's say of its skill, its inputs and its alpha."""
    from assay.data.errors import InputError
    from assay.data.files.predictions import load_predictions
    from assay.data.files.series import load_returns
    from assay.results.gate.monitor import write_monitoring
    from assay.results.workflow.market import load_prices
    from assay.results.workflow.monitoring import monitor

    if predictions is None or prices is None:
        raise InputError("gate --monitor: needs --predictions and --prices with the new sessions")
    config = run.manifest.get("config", {})
    delay = max(int(config.get("execution", {}).get("delay", 1)), 1)
    panel = load_predictions(
        predictions,
        name=predictions.stem,
        horizon=int(config.get("horizon", 1)),
        delay=delay,
        options=reading.of("predictions"),
    )
    against = None
    if benchmark is not None:
        against = load_returns(benchmark, options=reading.of("benchmark")).rename(benchmark.stem)
    found = monitor(run, panel, load_prices(prices, options=reading.of("prices")), benchmark=against)
    write_monitoring(found, run)
    echo_json(found.to_dict()) if as_json else click.echo(f"{found.run_id}: {found.sentence}")
    return found.exit_code
