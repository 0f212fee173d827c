"""The second engine: whether vectorbt earns the same on the same weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import pandas as pd

from assay.data.panel import PricePanel
from assay.engine import vectorbt_adapter
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.results.checks.base import Content, State

__all__ = ["CrossCheck"]


@dataclass(frozen=True)
class CrossCheck:
    """Whether both engines earn the same, day by day.

    Parameters
    ----------
    agrees : every daily net return within `tolerance`; None when vectorbt cannot express the run.
    max_difference : largest |difference| of a daily net return, fraction; NaN where nothing was compared.
    session : of that difference.
    tolerance : what was allowed.
    reason : why vectorbt cannot express the run, or the sessions that were left out, or "".
    set_to_zero : cost fields that were zeroed in both engines for the comparison.
    compared : share of the sessions that were compared.

    """

    kind: ClassVar[str] = "cross_check"
    title: ClassVar[str] = "Second engine"
    hint: ClassVar[str] = "run again with --cross-check"

    agrees: bool | None
    max_difference: float = math.nan
    session: pd.Timestamp | None = None
    tolerance: float = vectorbt_adapter.TOLERANCE
    reason: str = ""
    set_to_zero: tuple[str, ...] = ()
    compared: float = 1.0

    @classmethod
    def run(
        cls, prices: PricePanel, weights: pd.DataFrame | None, *, costs: CostModel, execution: Execution
    ) -> Self:
        """Simulate final target weights, (T, N) stamped t, by both engines; None is a run executed bar by bar."""
        if weights is None:
            return cls(None, reason="not expressible: executed bar by bar")
        answer = vectorbt_adapter.cross_check(prices, weights, costs=costs, execution=execution)
        return cls(
            answer.agrees,
            answer.max_difference,
            answer.session,
            answer.tolerance,
            answer.reason,
            answer.set_to_zero,
            answer.compared,
        )

    @property
    def state(self) -> State:
        """Not run where vectorbt cannot express the weights."""
        return "not run" if self.agrees is None else "good" if self.agrees else "bad"

    @property
    def result(self) -> str:
        """Agrees, differs, or not expressible."""
        return "not expressible" if self.agrees is None else "agrees" if self.agrees else "differs"

    @property
    def detail(self) -> str:
        """The largest difference and on how many of the sessions, or why nothing was compared."""
        if self.agrees is None:
            return self.reason
        part = "" if self.compared == 1 else f" on {self.compared:.1%} of the sessions ({self.reason})"
        return f"largest daily difference {self.max_difference:.1e}{part}"

    @property
    def sentence(self) -> str:
        """The outcome with the largest difference."""
        if self.agrees is None:
            return f"second engine: {self.reason}"
        outcome = "agrees" if self.agrees or self.session is None else f"differs from {self.session.date()} on"
        return f"second engine: {outcome}, {self.detail}"

    @property
    def failures(self) -> tuple[str, ...]:
        """The difference, where it is too large."""
        if self.agrees is not False:
            return ()
        on = "" if self.session is None else f" on {self.session.date()}"
        return (f"cross-check: the engines differ by {self.max_difference:.3g}{on}, over {self.tolerance:g}",)

    def to_dict(self) -> dict[str, object]:
        """See `assay.results.checks.base.Check`."""
        return {
            "agrees": self.agrees,
            "max_difference": self.max_difference,
            "session": self.session,
            "tolerance": self.tolerance,
            "reason": self.reason,
            "set_to_zero": list(self.set_to_zero),
            "compared": self.compared,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, object], where: str = "checks.json") -> Self:
        """See `assay.results.checks.base.Check`; where nothing was compared, only the reason is needed."""
        entries = Content(content, f"{where}: {cls.kind}")
        agrees = entries.optional_flag("agrees")
        if agrees is None:
            zeroed = entries.texts("set_to_zero") if entries.has("set_to_zero") else ()
            return cls(None, reason=entries.text("reason"), set_to_zero=zeroed)
        return cls(
            agrees,
            entries.number("max_difference"),
            entries.date("session"),
            entries.number("tolerance"),
            entries.text("reason"),
            entries.texts("set_to_zero"),
            entries.number("compared") if entries.has("compared") else 1.0,
        )
