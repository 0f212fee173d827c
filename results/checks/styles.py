"""What is left of a run after styles and sectors: its figures, and whether styles explain it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from assay.results.checks.base import Content, State
from assay.results.stats.performance import Metric

__all__ = ["Styles"]


@dataclass(frozen=True)
class Styles:
    """Figures after styles.

    Parameters
    ----------
    factors : what was taken out.
    metrics : alpha_ann_styles, alpha_t_styles, sharpe_styles (each net and gross), rank_ic_styles_mean and _t,
        skill_ic_styles, skill_t_styles, skill_e_styles, skill_share_styles, implied_alpha_ann_styles,
        expected_alpha_ann_styles, styles_r2; empty where there are none.
    before : t of the net alpha against the benchmark alone; NaN without one.
    note : why there are no figures, or "".
    few : whether that is because the panel has too few assets for styles.

    """

    kind: ClassVar[str] = "styles"
    title: ClassVar[str] = "After styles"
    hint: ClassVar[str] = "run again with --styles"

    factors: tuple[str, ...]
    metrics: tuple[Metric, ...]
    before: float = math.nan
    note: str = ""
    few: bool = False

    def metric(self, name: str) -> Metric | None:
        """The figure of that name, or None."""
        return next((item for item in self.metrics if item.name == name), None)

    @property
    def state(self) -> State:
        """Good where the net alpha's interval lies above 0, bad where it lies below."""
        alpha = self.metric("alpha_ann_styles_net")
        if alpha is None or alpha.low is None or alpha.high is None:
            return "not run"
        return "good" if alpha.low > 0 else "bad" if alpha.high < 0 else "unsure"

    @property
    def result(self) -> str:
        """Whether anything is left."""
        words = {"good": "alpha is left", "bad": "negative alpha", "unsure": "explained", "not run": "not measured"}
        told = words[self.state]
        return "nothing to explain" if told == "explained" and not self.before >= 2 else told

    @property
    def detail(self) -> str:
        """Net alpha with its interval, and what was taken out."""
        alpha = self.metric("alpha_ann_styles_net")
        if alpha is None or alpha.low is None or alpha.high is None:
            return self.note or "no alpha after styles"
        t = self.metric("alpha_t_styles_net")
        return (
            f"net alpha {alpha.value:.1%} a year [{alpha.low:.1%}, {alpha.high:.1%}]"
            + ("" if t is None else f", t {t.value:.1f}")
            + f", after {', '.join(self.factors)}"
        )

    @property
    def sentence(self) -> str:
        """The whole outcome."""
        judged = {
            "good": "styles do not explain it",
            "bad": "it loses against its styles",
            "unsure": "explained by styles" if self.before >= 2 else "nothing that is distinguishable from 0 is left",
            "not run": "not measured",
        }[self.state]
        return f"after styles: {judged}: {self.detail}"

    @property
    def failures(self) -> tuple[str, ...]:
        """None: a style is no fault of a run."""
        return ()

    def to_dict(self) -> dict[str, object]:
        """See `assay.results.checks.base.Check`."""
        return {
            "factors": list(self.factors),
            "metrics": [item.to_dict() for item in self.metrics],
            "before": self.before,
            "note": self.note,
            "few": self.few,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, object], where: str = "checks.json") -> Self:
        """See `assay.results.checks.base.Check`."""
        entries = Content(content, f"{where}: {cls.kind}")
        return cls(
            entries.texts("factors"),
            tuple(_metric(item) for item in entries.parts("metrics")),
            entries.number("before"),
            entries.text("note"),
            entries.flag("few"),
        )


def _metric(item: Content) -> Metric:
    """A figure as it was stored."""

    def end(name: str) -> float | None:
        value = item.number(name)
        return None if math.isnan(value) else value

    def day(name: str) -> str | None:
        at = item.date(name)
        return None if at is None else str(at.date())

    return Metric(
        item.text("name"), item.number("value"), item.text("unit"), item.text("convention"), end("low"), end("high"),
        item.count("n"), day("start"), day("end"), item.text("reason"),
    )  # fmt: skip
