"""Accept or reject a run by a policy, with an exit code."""

from __future__ import annotations

from pathlib import Path

import click

from assay.commands.options import json_option, results_option
from assay.commands.output import echo_json

__all__ = ["gate"]

_MARK = {"passed": "✓", "failed": "✗", "insufficient": "?", "not applicable": "–"}


@click.command()
@click.argument("run")
@click.option("--policy", default="production", show_default=True, help="research, production, challenger, or a file.")
@click.option("--champion", help="The run to compare with.")
@results_option
@json_option
def gate(run: str, policy: str, champion: str | None, results: Path, as_json: bool) -> int:
    """Accept or reject a run by a policy: exit 0 pass, 1 fail, 3 not enough evidence, 2 bad usage.

    A rule whose figure is not there is insufficient, never passed. The decision is written to gate.json in the run's
    folder: {schema, run_id, policy, champion, verdict, exit_code, rules: [{rule, threshold, value, low, high, verdict,
    reason}]}.

    \b
    Examples:
      python cli.py gate s2_filter_negative-3f9a1c0e --policy research
      python cli.py gate NEW --policy challenger --champion OLD --json
      python cli.py gate NEW --policy my_policy.toml || echo rejected
    """
    from assay.results.gate.policy import judge, load_policy, write_decision
    from assay.results.storage.runs import load_run

    stored = load_run(run, root=results)
    decision = judge(
        stored, load_policy(policy), champion=None if champion is None else load_run(champion, root=results)
    )
    path = write_decision(decision, stored)
    if as_json:
        echo_json(decision.to_dict())
        return decision.exit_code
    against = f" · champion {decision.champion}" if decision.champion else ""
    click.echo(f"{decision.run_id} · policy {decision.policy}{against}\n")
    click.echo(f"  {'rule':26}{'threshold':>14}{'value':>11}  {'95% interval':22}")
    for item in decision.outcomes:
        value = "" if item.value is None else f"{item.value:.4g}"
        interval = "" if item.low is None or item.high is None else f"[{item.low:.4g}, {item.high:.4g}]"
        click.echo(f"{_MARK[item.verdict]} {item.rule:26}{item.threshold:>14}{value:>11}  {interval:22}{item.reason}")
    click.echo(f"\n{decision.verdict.upper()} (exit {decision.exit_code}) · {path}")
    return decision.exit_code
