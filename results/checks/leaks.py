"""Leak tests of a run: weights and NAV recomputed on truncated data, and predictions that are too good."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.leaks import (
    LeakReport,
    imported_panel_findings,
    reads_of,
    run_leaks,
    strategy_leaks,
    truncation_leaks,
)
from assay.engine.outside_reads import outside_reads
from assay.models.base import Forecaster, fit_model
from assay.results.checks.base import Content, State
from assay.results.checks.trading import Trading

__all__ = ["LeakCheck", "feature_leaks", "feature_set_leaks", "model_leaks", "trading_leaks"]

Feature = Callable[[PricePanel], object]


@dataclass(frozen=True)
class LeakCheck:
    """What leak tests showed.

    Parameters
    ----------
    verdict : in a few words.
    findings : what changed when later data were taken away, what is too good to be a forecast, and what was read that
        no truncation reaches; one sentence each.
    notes : what could not be tested, and why.
    components, cuts : what was recomputed, and the last sessions of the truncated data.

    Examples
    --------
    >>> LeakCheck("no change in weights at 5 dates").sentence
    'leak tests: no change in weights at 5 dates'

    """

    kind: ClassVar[str] = "leaks"
    title: ClassVar[str] = "Leak tests"
    hint: ClassVar[str] = "run again with --leaks"

    verdict: str
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    cuts: tuple[pd.Timestamp, ...] = ()

    @classmethod
    def run(
        cls,
        trading: Trading,
        predictions: PredictionPanel,
        prices: PricePanel,
        *,
        before: LeakReport | None = None,
        cuts: Sequence[pd.Timestamp] | None = None,
    ) -> Self:
        """Recompute the run of these predictions on truncated data.

        Parameters
        ----------
        trading, predictions, prices : of the run.
        before : what was tested of the predictions when they were made.
        cuts : see `assay.engine.leaks.truncation_leaks`.

        """
        report = trading_leaks(trading, predictions, prices, cuts=cuts)
        return cls.of(report if before is None else before.merged(report))

    @classmethod
    def of(cls, report: LeakReport) -> Self:
        """The outcome of a report."""
        tested = f"{', '.join(report.components)} at {len(report.cuts)} dates"
        verdict = f"{len(report.leaks)} found in {tested}" if report.leaks else f"no change in {tested}"
        verdict += "; the predictions are too good to be forecasts" if report.suspicions else ""
        verdict += "; something was read that no truncation reaches" if report.reads else ""
        return cls(verdict, tuple(report.findings), report.notes, report.components, report.cuts)

    @property
    def state(self) -> State:
        """Bad with any finding."""
        return "bad" if self.findings else "good"

    @property
    def result(self) -> str:
        """The verdict."""
        return self.verdict

    @property
    def detail(self) -> str:
        """Nothing."""
        return ""

    @property
    def sentence(self) -> str:
        """The verdict."""
        return f"leak tests: {self.verdict}"

    @property
    def failures(self) -> tuple[str, ...]:
        """Every finding."""
        return self.findings

    def to_dict(self) -> dict[str, object]:
        """See `assay.results.checks.base.Check`."""
        return {
            "verdict": self.verdict,
            "found": list(self.findings),
            "notes": list(self.notes),
            "on": {"components": list(self.components), "cuts": list(self.cuts)},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, object], where: str = "checks.json") -> Self:
        """See `assay.results.checks.base.Check`."""
        entries = Content(content, f"{where}: {cls.kind}")
        made = entries.settings
        return cls(
            entries.text("verdict"),
            entries.texts("found"),
            entries.texts("notes") if entries.has("notes") else (),
            made.texts("components") if made.has("components") else (),
            made.dates("cuts") if made.has("cuts") else (),
        )


def trading_leaks(
    trading: Trading,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    cuts: Sequence[pd.Timestamp] | None = None,
) -> LeakReport:
    """Weights, final weights and NAV on truncated data, and what of the predictions is too good to be a forecast."""
    report = strategy_leaks(trading.strategy, predictions, prices, cuts=cuts)
    report = report.merged(
        run_leaks(trading.strategy, predictions, prices, costs=trading.costs, execution=trading.execution, cuts=cuts)
    )
    return report.merged(imported_panel_findings(predictions, prices))


def feature_leaks(name: str, feature: Feature, prices: PricePanel, cuts: Sequence[pd.Timestamp]) -> LeakReport:
    """Leaks of somebody's feature: a function of a panel to a frame (T, N) or a series (T,).

    Raises
    ------
    InputError
        If the function returns something else; `name` says whose.

    """

    def compute(panel: PricePanel) -> pd.DataFrame | pd.Series:
        value = feature(panel)
        if not isinstance(value, (pd.DataFrame, pd.Series)):
            raise InputError(f"feature {name}: returned {type(value).__name__}; expected a frame indexed by session")
        return value

    return truncation_leaks(f"feature {name.rpartition(':')[2]}", compute, prices, cuts=cuts)


def feature_set_leaks(name: str, prices: PricePanel, cuts: Sequence[pd.Timestamp]) -> LeakReport:
    """Leaks of a built-in feature set."""

    from assay.data.features import build_features

    def compute(panel: PricePanel) -> pd.DataFrame:
        made = build_features(panel, name, who="leaks")
        columns = [f"{asset} {feature}" for asset in made.assets for feature in made.names]
        return pd.DataFrame(made.values.reshape(len(made.sessions), -1), made.sessions, columns)

    return truncation_leaks(f"features {name}", compute, prices, cuts=cuts)


def model_leaks(
    name: str, model: Forecaster, prices: PricePanel, cuts: Sequence[pd.Timestamp], *, horizon: int = 1, delay: int = 1
) -> LeakReport:
    """Leaks of a model that is fit on the panel through the first cut, and predicts on panels truncated at the others.

    With a single cut there is nothing to compare, which the report notes.
    """
    component = f"predictions of {name}"
    first, *later = cuts
    if not later:
        return LeakReport((component,), tuple(cuts), (), (f"{name}: a model needs 2 cuts or more",))
    with outside_reads() as seen:
        fitted = fit_model(model, prices.through(first), horizon=horizon, delay=delay, seed=0)
    reads = reads_of(f"fit of {name}", seen)

    def scores(panel: PricePanel) -> pd.DataFrame:
        return fitted.predict(panel).view

    report = truncation_leaks(component, scores, prices, cuts=later)
    return report.merged(LeakReport((), (), reads=reads))
