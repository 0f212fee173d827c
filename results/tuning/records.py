"""What the searches of a walk-forward leave: a table, and the ledger's entries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from assay.data.panel import PricePanel
from assay.engine.walk_forward import recipe_of
from assay.results.storage.chain import append_entry
from assay.results.storage.trial_ledger import Record, register, trial_of
from assay.results.tuning.space import with_parameters
from assay.results.tuning.tuned import Tuned

__all__ = ["note_searches", "tuning_table", "without_searches"]

_Logs = Mapping[tuple[int, int], Mapping[str, Any]]


def _searches(logs: _Logs) -> Iterator[tuple[int, int, Mapping[str, Any], Mapping[str, Any]]]:
    for (fold, seed), log in sorted(logs.items()):
        if "tuning" in log:
            yield fold, seed, log["chosen"], log["tuning"]


def without_searches(logs: _Logs) -> dict[tuple[int, int], dict[str, Any]]:
    """The training logs without the series of every configuration."""
    return {key: {name: value for name, value in log.items() if name != "tuning"} for key, log in logs.items()}


def tuning_table(logs: _Logs) -> pd.DataFrame:
    """A row a configuration: fold, seed, number, parameters (JSON), state, value (t of its skill), chosen."""
    rows = []
    for fold, seed, chosen, search in _searches(logs):
        picked = next(row["number"] for row in _best_first(search["trials"]) if row["parameters"] == chosen)
        rows += [
            (fold, seed, row["number"], json.dumps(row["parameters"]), row["state"], row.get("value", np.nan),
             row["number"] == picked)
            for row in search["trials"]
        ]  # fmt: skip
    columns = ["fold", "seed", "number", "parameters", "state", "value", "chosen"]
    return pd.DataFrame(rows, columns=columns).astype({"value": float, "chosen": bool})


def _best_first(trials: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    complete = [row for row in trials if row["state"] == "complete"]
    return sorted(complete, key=lambda row: (-row["value"], row["number"]))


def note_searches(model: Tuned, logs: _Logs, prices: PricePanel, *, horizon: int, inside: str) -> None:
    """Note every configuration in the ledger: its series as a member of a trial, and each search as a whole.

    Parameters
    ----------
    model : the recipe that searched.
    logs : fold and seed → training log, see `assay.results.tuning.tuned.FittedTuned`.
    horizon : sessions that a prediction spans.
    inside : see `assay.results.storage.trial_ledger.Record`.

    """
    records = []
    for fold, seed, chosen, search in _searches(logs):
        stamps = pd.DatetimeIndex(search["sessions"])
        for row in _best_first(search["trials"]):
            recipe = recipe_of(with_parameters(model.base, row["parameters"]))
            config = {"model": model.base.name, "recipe": recipe, "horizon": horizon}
            skill = pd.DataFrame({"x": np.array(row["x"], dtype=float), "df": np.array(row["df"], dtype=float)}, stamps)
            member = f"{inside}-fold{fold}-seed{seed}"
            records.append(Record(trial_of(config, family="tuning"), member, skill=skill, inside=inside))
        body = {
            "prices": prices.fingerprint, "search": inside, "model": model.base.name, "fold": fold, "seed": seed,
            "first_session": search["sessions"][0], "last_session": search["sessions"][-1], "chosen": chosen,
            "trials": [{name: row.get(name) for name in ("parameters", "state", "value")} for row in search["trials"]],
        }  # fmt: skip
        append_entry("tuning", f"{prices.fingerprint}:{inside}:{fold}:{seed}", body)
    register(records, prices)
