"""In what two stored runs differ: what was set, what went in, which versions made them, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from assay.data.card import Card
from assay.results.storage.runs import Run, flattened

__all__ = ["Difference", "RunDifferences", "differences"]


@dataclass(frozen=True)
class Difference:
    """One thing that two runs have differently; None where a run lacks it."""

    name: str
    one: Any
    two: Any


@dataclass(frozen=True, repr=False)
class RunDifferences(Card):
    """In what two runs differ.

    Parameters
    ----------
    one, two : their ids.
    config : what was set: strategy, parameters, model, folds, costs, execution.
    inputs : fingerprints of what went in.
    versions : of the code and the libraries.
    metrics : figures that differ, in any digit.
    tables : names of tables that only one has, or whose bytes differ.

    """

    one: str
    two: str
    config: tuple[Difference, ...]
    inputs: tuple[Difference, ...]
    versions: tuple[Difference, ...]
    metrics: tuple[Difference, ...]
    tables: tuple[str, ...]

    @property
    def same_bytes(self) -> bool:
        """Whether metrics and tables are the same, byte for byte."""
        return not self.tables

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """How many of each kind."""
        kinds = ("config", "inputs", "versions", "metrics", "tables")
        rows = [(kind, f"{len(getattr(self, kind))} differ") for kind in kinds]
        return f"{self.one} and {self.two}", rows

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        return {**asdict(self), "same_bytes": self.same_bytes}


def differences(one: Run, two: Run) -> RunDifferences:
    """In what `two` differs from `one`; names in their order in `one`."""
    first, second = one.manifest, two.manifest
    metrics = [{item["name"]: item.get("value") for item in run.metrics.get("metrics", ())} for run in (one, two)]
    files = [dict(manifest["files"]) for manifest in (first, second)]
    return RunDifferences(
        one.id,
        two.id,
        _differing(flattened(first.get("config", {})), flattened(second.get("config", {}))),
        _differing(first.get("fingerprints", {}), second.get("fingerprints", {})),
        _differing(_versions(first), _versions(second)),
        _differing(*metrics),
        tuple(item.name for item in _differing(*files)),
    )


def _versions(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {**manifest.get("versions", {}), "git commit": manifest.get("git_commit")}


def _differing(one: Mapping[str, Any], two: Mapping[str, Any]) -> tuple[Difference, ...]:
    names = dict.fromkeys((*one, *two))
    return tuple(Difference(name, one.get(name), two.get(name)) for name in names if one.get(name) != two.get(name))
