"""Every field of the cost model and of the execution is an option, with the same default, and reaches the run."""

from __future__ import annotations

from dataclasses import fields

import click
import pytest

from assay.commands.backtest import backtest
from assay.commands.leaks import leaks
from assay.commands.options import cost_options, execution_options
from assay.commands.sweep import sweep
from assay.commands.walk_forward import walk_forward
from assay.data.synthetic import synthetic_market
from assay.engine.costs import CostModel
from assay.engine.execution import Execution

#: What a field takes that is not its default, as text of the command line.
OTHER = {
    "commission_bps": "7", "spread_bps": "1.5", "impact_bps": "2", "sqrt_impact": "0.5", "borrow_bps": "75",
    "financing_bps": "33", "minimum_fee": "2", "cash_rate_bps": "155", "fill": "close", "delay": "2",
    "accounting": "constant_weight", "max_gross": "1.5", "lot": "10", "capital": "50000", "stale_limit": "4",
    "carry_orders": None, "order_expiry": "3", "max_volume": "0.1", "optimistic": None, "same_close": None,
}  # fmt: skip


FIELDS = {field.name: field.default for kind in (CostModel, Execution) for field in fields(kind)}
PANEL = synthetic_market(20, 2, seed=0)[0]


@pytest.mark.parametrize("command", [backtest, leaks, sweep, walk_forward], ids=lambda command: command.name)
def test_every_field_has_an_option(command):
    options = {parameter.name: parameter for parameter in command.params if isinstance(parameter, click.Option)}
    for name in ({*FIELDS} - {"table"}) | {"costs_files", "cost_model", "cost_settings"}:
        assert name in options, f"{name} has no option"


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_option_reaches_its_field_and_no_other_changes(name, tmp_path):
    seen = {}

    @click.command()
    @execution_options
    @cost_options
    def run(execution, costs):
        loaded = (costs.load(PANEL), execution)
        seen.update({field.name: getattr(value, field.name) for value in loaded for field in fields(value)})

    if name == "table":
        path = tmp_path / "costs.csv"
        path.write_text("asset,borrow_bps\nAAPL,900\n")
        arguments = ["--costs-file", str(path)]
    elif OTHER[name] is None:
        arguments = ["--no-carry-orders" if name == "carry_orders" else f"--{name.replace('_', '-')}"]
    else:
        arguments = [f"--{name.replace('_', '-')}", OTHER[name]]
    run.main(arguments, standalone_mode=False)
    changed = {field for field, value in seen.items() if value != FIELDS[field]}
    assert changed == {name} | ({"delay"} if name == "same_close" else set())
    if name == "table":
        assert seen["table"].by_asset["borrow_bps"]["AAPL"].tolist() == [900]
    elif OTHER[name] is not None:
        assert str(seen[name]) == OTHER[name] or float(seen[name]) == float(OTHER[name])
