"""Metrics of one's own: what a person's functions say of a run, kept beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.plugins import find_function
from assay.engine.result import BacktestResult
from assay.results.checks.base import Content, State, figure_text

__all__ = ["METRIC_ENTRY_POINTS", "OwnMetric", "OwnMetrics", "own_metric"]

#: Group under which other packages offer metrics.
METRIC_ENTRY_POINTS = "assay.metrics"
_TAKES = ("result", "predictions", "prices")


@dataclass(frozen=True)
class OwnMetric:
    """A figure of a person's function.

    Parameters
    ----------
    name : the function's.
    source : the path it was asked for by.
    value : the figure; NaN where it does not exist.
    low, high : its interval; NaN where it has none.

    """

    name: str
    source: str
    value: float
    low: float = math.nan
    high: float = math.nan

    def __str__(self) -> str:
        span = "" if math.isnan(self.low) else f" [{figure_text(self.low)}, {figure_text(self.high)}]"
        return f"{self.name} {figure_text(self.value)}{span}"


def own_metric(name: str, result: BacktestResult, predictions: PredictionPanel, prices: PricePanel) -> OwnMetric:
    """What a person's function, ``package.module:NAME`` or ``./file.py:NAME``, says of a run.

    It is called with (result, predictions, prices) and answers with a number, or with (value, low, high).

    Raises
    ------
    InputError
        If it cannot be imported, or answers with something else.

    """
    function = find_function("metric", name, METRIC_ENTRY_POINTS, _TAKES, {})
    answer = function(result, predictions, prices.shielded())
    numbers = answer if isinstance(answer, tuple) and len(answer) == 3 else (answer,)
    try:
        values = [math.nan if number is None else float(number) for number in numbers]
    except (TypeError, ValueError):
        given = type(answer).__name__
        raise InputError(f"metric {name!r}: gave {given}, expected a number or (value, low, high)") from None
    return OwnMetric(name.rpartition(":")[2], name, *values)


@dataclass(frozen=True)
class OwnMetrics:
    """The figures of a person's functions.

    Parameters
    ----------
    figures : one a function, in the order asked for.

    Examples
    --------
    >>> OwnMetrics((OwnMetric("ulcer", "./mine.py:ulcer", 0.123),)).sentence
    'own metrics: ulcer 0.1230'

    """

    kind: ClassVar[str] = "own_metrics"
    title: ClassVar[str] = "Own metrics"
    hint: ClassVar[str] = "run again with --metric"

    figures: tuple[OwnMetric, ...]

    @classmethod
    def run(
        cls, names: Sequence[str], result: BacktestResult, predictions: PredictionPanel, prices: PricePanel
    ) -> Self:
        """Ask every function.

        Raises
        ------
        InputError
            If two are called alike; and as `own_metric`.

        """
        found = tuple(own_metric(name, result, predictions, prices) for name in dict.fromkeys(names))
        called = [figure.name for figure in found]
        if len(set(called)) < len(called):
            twice = next(name for name in called if called.count(name) > 1)
            raise InputError(f"metric {twice!r}: two functions are called so; rename one")
        return cls(found)

    def figure(self, name: str) -> OwnMetric | None:
        """The figure of that name, if there is one."""
        return next((figure for figure in self.figures if figure.name == name), None)

    @property
    def state(self) -> State:
        """A figure is neither good nor bad: a policy decides."""
        return "unsure"

    @property
    def result(self) -> str:
        """Every figure."""
        return " · ".join(map(str, self.figures))

    @property
    def detail(self) -> str:
        """Where the functions stand."""
        return ", ".join(figure.source for figure in self.figures)

    @property
    def sentence(self) -> str:
        """Every figure by name."""
        return f"own metrics: {self.result}"

    @property
    def failures(self) -> tuple[str, ...]:
        """None."""
        return ()

    def to_dict(self) -> dict[str, object]:
        """See `assay.results.checks.base.Check`."""
        return {"figures": [asdict(figure) for figure in self.figures]}

    @classmethod
    def from_dict(cls, content: Mapping[str, object], where: str = "checks.json") -> Self:
        """See `assay.results.checks.base.Check`."""
        entries = Content(content, f"{where}: {cls.kind}").parts("figures")
        return cls(
            tuple(
                OwnMetric(item.text("name"), item.text("source"), *map(item.number, ("value", "low", "high")))
                for item in entries
            )
        )
