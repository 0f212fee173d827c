"""Canaries that need no training: scores handed to other assets, a session late, a session early, the same for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from assay.data.panel import PredictionPanel, PricePanel
from assay.results.checks.base import Content, State, figure_text
from assay.results.checks.trading import Measurement, Trading, rank_skill

if TYPE_CHECKING:
    from assay.engine.executors import Workers

__all__ = ["RandomScores", "ShiftedScores"]


@dataclass(frozen=True)
class RandomScores:
    """Where the run stands among runs of the same exposure and turnover that know nothing.

    Parameters
    ----------
    sharpe : annual net Sharpe ratio of each random-score run.
    real_sharpe : of the run; NaN where its returns do not vary.
    mean_sharpe : of the random-score runs.
    rank : of the run among all, 1 the best.
    p_value : one-sided, (1 + number of random runs at least as good)/(runs + 1); NaN without a real one.
    turnover, net_exposure : means over the random-score runs, one-way a session and share of NAV.
    seed : which permutations.

    """

    kind: ClassVar[str] = "random_scores"
    title: ClassVar[str] = "Random scores"
    hint: ClassVar[str] = "run again with --canaries"

    sharpe: tuple[float, ...]
    real_sharpe: float
    mean_sharpe: float
    rank: int
    p_value: float
    turnover: float
    net_exposure: float
    seed: int = 0

    @classmethod
    def run(
        cls,
        trading: Trading,
        predictions: PredictionPanel,
        prices: PricePanel,
        *,
        runs: int = 200,
        seed: int = 0,
        progress: Callable[[int], None] | None = None,
        executor: str | Workers = "serial",
    ) -> Self:
        """Run the strategy on permuted scores; see `assay.engine.random_scores.random_score_null`."""
        from assay.engine.random_scores import random_score_null

        null = random_score_null(
            trading.strategy,
            predictions,
            prices,
            runs=runs,
            seed=seed,
            costs=trading.costs,
            execution=trading.execution,
            progress=progress,
            executor=executor,
        )
        return cls(
            sharpe=tuple(null.sharpe.tolist()),
            real_sharpe=float(null.real),
            mean_sharpe=float(null.sharpe.mean()),
            rank=null.rank,
            p_value=null.p_value,
            turnover=float(null.turnover.mean()),
            net_exposure=float(null.net_exposure.mean()),
            seed=seed,
        )

    @property
    def runs(self) -> int:
        """How many random-score runs."""
        return len(self.sharpe)

    @property
    def state(self) -> State:
        """Good below p 0.05; a run that is one of many is no fault."""
        return "good" if self.p_value < 0.05 else "unsure"

    @property
    def result(self) -> str:
        """The rank."""
        return f"rank {self.rank} of {self.runs + 1}"

    @property
    def detail(self) -> str:
        """Among what, with the p-value."""
        return "among random scores" + ("" if math.isnan(self.p_value) else f", p {self.p_value:.3f}")

    @property
    def sentence(self) -> str:
        """Rank and p-value, with what knowing nothing earns."""
        if math.isnan(self.p_value) or math.isnan(self.mean_sharpe):
            return f"{self.runs} random-score runs: the run's returns do not vary, so there is nothing to rank"
        return (
            f"{self.result} among random-score runs of the same exposure and turnover "
            f"(p {self.p_value:.3f}; their mean net Sharpe {self.mean_sharpe:.2f})"
        )

    @property
    def failures(self) -> tuple[str, ...]:
        """None: luck is no fault of a run."""
        return ()

    def to_dict(self) -> dict[str, object]:
        """See `assay.results.checks.base.Check`."""
        return {
            "runs": self.runs,
            "rank": self.rank,
            "p_value": self.p_value,
            "real_sharpe": self.real_sharpe,
            "mean_sharpe": self.mean_sharpe,
            "sharpe": list(self.sharpe),
            "turnover": self.turnover,
            "net_exposure": self.net_exposure,
            "on": {"runs": self.runs, "seed": self.seed},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, object], where: str = "checks.json") -> Self:
        """See `assay.results.checks.base.Check`."""
        entries = Content(content, f"{where}: {cls.kind}")
        made = entries.settings
        return cls(
            sharpe=entries.numbers("sharpe"),
            real_sharpe=entries.number("real_sharpe"),
            mean_sharpe=entries.number("mean_sharpe"),
            rank=entries.count("rank", least=1),
            p_value=entries.number("p_value"),
            turnover=entries.number("turnover"),
            net_exposure=entries.number("net_exposure"),
            seed=made.count("seed") if made.has("seed") else 0,
        )


@dataclass(frozen=True)
class ShiftedScores:
    """The run's scores as they are, one session late, one session early, and the same for all assets.

    Late is slightly worse where a signal lasts, and much worse where it lived for one session: a fast signal, or a
    leak. Early is a planted leak: what reading one close too many would have earned.

    Parameters
    ----------
    measure : what `Measurement.skill` is called here.
    real, late, early, constant : of each.

    """

    kind: ClassVar[str] = "shifted_scores"
    title: ClassVar[str] = "Shifted scores"
    hint: ClassVar[str] = "run again with --canaries"

    measure: str
    real: Measurement
    late: Measurement
    early: Measurement
    constant: Measurement

    @classmethod
    def run(cls, trading: Trading, predictions: PredictionPanel, prices: PricePanel) -> Self:
        """Measure the scores and their shifts."""
        from assay.engine.random_scores import shifted, without_choice

        return cls(
            rank_skill(predictions, prices)[2],
            trading.measure(predictions, prices),
            trading.measure(shifted(predictions, 1), prices),
            trading.measure(shifted(predictions, -1), prices),
            trading.measure(without_choice(predictions), prices),
        )

    @property
    def shifts(self) -> Mapping[str, Measurement]:
        """What was done to the scores → what they are worth."""
        return {"one session late": self.late, "one session early": self.early, "the same for all": self.constant}

    @property
    def state(self) -> State:
        """Unsure where scores that come late, or are the same for all, earn as much; there is no more to say."""
        others = [item.sharpe for item in (self.late, self.constant) if not math.isnan(item.sharpe)]
        if math.isnan(self.real.sharpe) or not others:
            return "unsure"
        return "good" if self.real.sharpe > max(others) else "unsure"

    @property
    def result(self) -> str:
        """The net Sharpe ratio as it is."""
        return f"net Sharpe {figure_text(self.real.sharpe, 2)}"

    @property
    def detail(self) -> str:
        """The net Sharpe ratio of each shift."""
        return ", ".join(f"{name} {figure_text(item.sharpe, 2)}" for name, item in self.shifts.items())

    @property
    def sentence(self) -> str:
        """The net Sharpe ratios side by side."""
        return f"net Sharpe with scores shifted: as they are {figure_text(self.real.sharpe, 2)}, {self.detail}"

    @property
    def failures(self) -> tuple[str, ...]:
        """None: a shift is shown, not judged."""
        return ()

    def to_dict(self) -> dict[str, object]:
        """See `assay.results.checks.base.Check`."""
        rows = {"real": self.real, **self.shifts}
        return {"measure": self.measure, **{name: item.to_dict() for name, item in rows.items()}}

    @classmethod
    def from_dict(cls, content: Mapping[str, object], where: str = "checks.json") -> Self:
        """See `assay.results.checks.base.Check`."""
        entries = Content(content, f"{where}: {cls.kind}")
        names = ("real", "one session late", "one session early", "the same for all")
        return cls(entries.text("measure"), *(Measurement.from_content(entries.part(name)) for name in names))
