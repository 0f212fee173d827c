"""What a tear sheet reads from a run, each table once and only when it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import ranked
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.storage.kept import left_out
from assay.results.storage.runs import Run

__all__ = ["RunData", "first_rows"]


@dataclass(frozen=True, eq=False)
class RunData:
    """A stored run, opened for drawing."""

    run: Run

    @cached_property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Stored metrics by name, those after styles among them."""
        stored = {item["name"]: item for item in self.run.metrics.get("metrics", ())}
        styles = self.checks.styles
        return stored if styles is None else stored | {item.name: item.to_dict() for item in styles.metrics}

    @cached_property
    def returns(self) -> pd.DataFrame:
        """The table of returns; the page needs at least one session.

        Raises
        ------
        InputError
            If it is not stored or empty.

        """
        table = self.run.table("returns")
        if table.empty:
            raise InputError(f"run {self.run.id}: no sessions, nothing to draw")
        return table

    @cached_property
    def checks(self) -> CheckOutcomes:
        """What was checked of it."""
        return CheckOutcomes.of(self.run)

    @property
    def config(self) -> Mapping[str, Any]:
        """What was set."""
        return self.run.manifest.get("config", {})  # type: ignore[no-any-return]

    @property
    def horizon(self) -> int:
        """Sessions that a prediction spans."""
        return int(self.config.get("horizon") or 1)

    @property
    def benchmark(self) -> pd.Series | None:
        """Returns of the benchmark, or None."""
        if "benchmark" not in self.returns or not self.returns["benchmark"].notna().any():
            return None
        return self.returns["benchmark"]

    def optional(self, name: str) -> pd.DataFrame | None:
        """A table, or None where the run has none or it is empty."""
        if not self.run.has(name):
            return None
        table = self.run.table(name)
        return None if table.empty else table

    def why_not(self, name: str, otherwise: str) -> str:
        """Why there is no such table: what the run was told to keep, else `otherwise`."""
        reason = None if self.run.has(name) else left_out(name, self.run.kept)
        return otherwise if reason is None else f"{reason[0].upper()}{reason[1:]}."

    def columns(self, name: str, columns: list[str]) -> pd.DataFrame | None:
        """Some columns of a long table, without reading the others; None where the run has none."""
        if not self.run.has(name):
            return None
        try:
            table = pd.read_parquet(self.run.path / f"{name}.parquet", columns=columns)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"run {self.run.id}: table {name} cannot be read: {error}") from None
        return None if table.empty else table

    @cached_property
    def weights(self) -> pd.DataFrame | None:
        """Target weights."""
        return self.optional("weights")

    @cached_property
    def forward(self) -> pd.DataFrame | None:
        """Forward returns."""
        return self.optional("forward_returns")

    @cached_property
    def score(self) -> pd.DataFrame | None:
        """What was ranked: the score, else the probability, else buy less sell; None without predictions."""
        return ranked(self.optional)

    @cached_property
    def actions(self) -> dict[str, pd.DataFrame] | None:
        """Probabilities of buy, sell and hold, or None."""
        tables = {name: self.optional(f"action_{name}") for name in ("buy", "sell", "hold")}
        found = {name: table for name, table in tables.items() if table is not None}
        return found if len(found) == 3 else None


def first_rows(frame: pd.DataFrame, most: int) -> tuple[pd.DataFrame, str]:
    """The first rows, and a sentence about the others where there are any."""
    if len(frame) <= most:
        return frame, ""
    return frame.head(most), f"The first {most:,} of {len(frame):,}; the rest stand in the run folder."
