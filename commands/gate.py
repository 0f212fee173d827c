"""Accept or reject a run by a policy, with an exit code."""

from __future__ import annotations

from pathlib import Path

import click

from assay.commands.options import json_option, results_option
from assay.commands.output import echo_json

__all__ = ["gate"]


@click.command()
@click.argument("run", required=False)
@click.option("--policy", default="production", show_default=True,
              help="production, selection, research, challenger, or a file.")
@click.option("--champion", help="The run to compare with.")
@click.option("--format", "form", type=click.Choice(["table", "json", "markdown", "junit"]), default="table",
              show_default=True, help="How the decision is printed.")
@click.option("--rules", "listed", is_flag=True, help="List all rules with meaning, unit and range.")
@results_option
@json_option
def gate(
    run: str | None, policy: str, champion: str | None, form: str, listed: bool, results: Path, as_json: bool
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
      python cli.py gate --rules
    """  # fmt: skip
    from assay.data.errors import InputError
    from assay.results.gate import formats
    from assay.results.gate.policy import judge, load_policy, note_look, write_decision
    from assay.results.storage.runs import load_run

    as_json = as_json or form == "json"
    if listed:
        echo_json({"rules": formats.rules_listed()}) if as_json else click.echo(formats.rules_table())
        return 0
    if run is None:
        raise InputError("gate: name a run, or list the rules with --rules")
    stored = load_run(run, root=results)
    decision = judge(
        stored, load_policy(policy), champion=None if champion is None else load_run(champion, root=results)
    )
    note_look(stored, decision)
    path = write_decision(decision, stored)
    if as_json:
        echo_json(decision.to_dict())
    elif form == "markdown":
        click.echo(formats.decision_markdown(decision))
    elif form == "junit":
        click.echo(formats.decision_junit(decision))
    else:
        click.echo(formats.decision_table(decision))
        click.echo(f"{decision.verdict.upper()} (exit {decision.exit_code}) · {path}")
    return decision.exit_code
