"""Canaries: models that should know nothing, or everything, judged beside the real one by one measure.

*Shuffled labels*: the recipe is fit again on labels that belong to other sessions and assets, with the same folds and
seeds. On a market with structure a random function of the inputs loads on it and may look skilled, so no threshold
such as |t| < 2 holds; but if the real labels taught nothing, the real model is one more draw among the shuffled ones,
and its rank is uniform. *The answer*: labels that the inputs hold. A model that does not find them does not read its
inputs; a real model as good as that one has its label among its inputs. *Other seeds* show what chance alone does.

References
----------
Ojala & Garriga (2010), "Permutation tests for studying classifier performance", for the rank among shuffled labels;
Phipson & Smyth (2010), for its "+1".

"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self, TypeAlias

import numpy as np

from assay.data.canary_labels import CanaryLabels
from assay.data.panel import PredictionPanel, PricePanel
from assay.results.checks.base import Content, State, figure_text, span_text
from assay.results.checks.trading import Measurement, Trading, rank_skill

if TYPE_CHECKING:
    from assay.engine.walk_forward import WalkForwardRun

__all__ = ["SEEDS", "Canaries", "CanaryPanels", "retrain_canaries"]

#: HAC t from which an answer that lies in the inputs counts as found, and a skill as one.
_FOUND = 3.0
#: Share of the skill of a model that was given the answer from which a real one is too good.
_TOO_GOOD = 0.5
_OTHER_SEEDS = 1000
#: Shuffles from which "all of them" is no coincidence: random functions are as good as bad, so 1 in 32.
_ENOUGH = 5
#: Seeds that are looked at, whatever was asked of the real model.
SEEDS = 3

Retrain: TypeAlias = "Callable[[tuple[int, ...], str, CanaryLabels | None], WalkForwardRun]"


@dataclass(frozen=True, eq=False)
class CanaryPanels:
    """Predictions of the canaries of a walk-forward.

    Parameters
    ----------
    shuffled : a panel for each shuffle of the labels.
    answer : of the model whose labels lie in its inputs.
    seeds : seed → panel of the real model of that seed alone.

    """

    shuffled: tuple[PredictionPanel, ...]
    answer: PredictionPanel
    seeds: Mapping[int, PredictionPanel]


def retrain_canaries(retrain: Retrain, real: WalkForwardRun, *, count: int) -> CanaryPanels:
    """Fit the canaries down the path of the real model.

    Parameters
    ----------
    retrain : walk-forward of the real recipe on the real prices and folds, with these seeds, under this title, and with
        these labels in place of the real ones (None: the real ones).
    real : the real walk-forward. Shuffled ones average over as many seeds, for only then is the real model one more
        draw among them if its labels taught it nothing; and over seeds of their own, for a network that has hardly
        learnt is the random function that its seed has drawn, and would agree with itself whatever its labels.
    count : how many shuffles.

    """
    seeds = tuple(real.by_seed)
    shuffled = tuple(
        retrain(
            tuple(_OTHER_SEEDS * (number + 1) + seed for seed in seeds),
            f"shuffled labels {number + 1}/{count}",
            CanaryLabels("shuffled", number),
        ).predictions
        for number in range(count)
    )
    answer = retrain(seeds[:1], "answer in the inputs", CanaryLabels("answer")).predictions
    more = tuple(seed for seed in range(len(seeds) + SEEDS) if seed not in seeds)[: max(0, SEEDS - len(seeds))]
    others = retrain(more, "other seeds", None).by_seed if more else {}
    return CanaryPanels(shuffled, answer, {**real.by_seed, **others})


@dataclass(frozen=True)
class Canaries:
    """Where the real model stands among its canaries.

    Parameters
    ----------
    measure : what `Measurement.skill` is called here.
    real, answer : of the real model, and of the one whose labels lie in its inputs (no Sharpe ratio is kept of it).
    shuffled : of each model of shuffled labels.
    seeds : seed → of the real model of that seed alone.
    rank : of the real skill among the shuffled ones, 1 the best; None where it cannot be ranked.
    reached : whether labels change the predictions.
    findings : what is wrong with the path or its inputs, one sentence each.
    notes : what else there is to say, or why there is no rank.

    """

    kind: ClassVar[str] = "canaries"
    title: ClassVar[str] = "Canaries"
    hint: ClassVar[str] = "retrain by walk-forward --canaries"

    measure: str
    real: Measurement
    answer: Measurement
    shuffled: tuple[Measurement, ...]
    seeds: Mapping[int, Measurement]
    rank: int | None
    reached: bool = True
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def run(cls, trading: Trading, panels: CanaryPanels, real: PredictionPanel, prices: PricePanel) -> Self:
        """Measure the canaries and the real model, and judge them.

        Parameters
        ----------
        trading : how the real predictions are traded.
        panels : see `retrain_canaries`.
        real : predictions of the real model.
        prices : as they are traded.

        """
        measure = rank_skill(real, prices)[2]
        own = trading.measure(real, prices)
        shuffled = tuple(trading.measure(panel, prices) for panel in panels.shuffled)
        answer = trading.measure(panels.answer, prices, CanaryLabels("answer"))
        seeds = {seed: trading.measure(panel, prices) for seed, panel in panels.seeds.items()}
        reached = not all(_same(real, panel) for panel in panels.shuffled)
        judged = reached and math.isfinite(own.skill)
        # A canary that says the same of every asset has no rank correlation, and no skill.
        levels = [item.skill if math.isfinite(item.skill) else 0.0 for item in shuffled]
        rank = 1 + sum(level >= own.skill for level in levels) if judged else None
        notes = []
        if not reached:
            notes.append(
                "its predictions are the same whatever its labels: it learns nothing from them, or makes labels of its "
                "own"
            )
        elif not judged:
            notes.append("it says the same of every asset, so there is nothing to rank")
        findings = _findings(measure, own, shuffled, answer) if reached else ()
        return cls(measure, own, answer, shuffled, seeds, rank, reached, findings, tuple(notes))

    @property
    def p_value(self) -> float | None:
        """One-sided, of the real skill among the shuffled ones: rank/(shuffles + 1); None without a rank."""
        return None if self.rank is None else self.rank / (len(self.shuffled) + 1)

    @property
    def passed(self) -> bool | None:
        """The real model is first and nothing was found; None where that cannot be said."""
        return False if self.findings else None if self.rank is None else self.rank == 1

    @property
    def state(self) -> State:
        """Bad with any finding; unsure where the real model is not the first, or cannot be ranked."""
        return "bad" if self.findings else "good" if self.passed else "unsure"

    @property
    def standing(self) -> str:
        """The rank among shuffled labels."""
        return f"rank {self.rank} of {len(self.shuffled) + 1}"

    @property
    def result(self) -> str:
        """The rank, or that there is none."""
        return "not judged" if self.rank is None else self.standing

    @property
    def detail(self) -> str:
        """What was found and noted, or what the rank is among."""
        return "; ".join([*self.findings, *self.notes]) or "among models of shuffled labels"

    @property
    def sentence(self) -> str:
        """Skill of the real model beside every kind of canary, its rank, and what was found."""
        span = span_text([item.skill for item in self.shuffled])
        trained = f"{len(self.shuffled)} retrained on shuffled labels {span}"
        if self.p_value is not None:
            trained += f" ({self.standing}, p {self.p_value:.3f})"
        parts = [
            f"canaries: {self.measure} {figure_text(self.real.skill)}",
            trained,
            f"on an answer in the inputs {figure_text(self.answer.skill)}",
            f"{len(self.seeds)} seeds {span_text([item.skill for item in self.seeds.values()])}",
        ]
        return "; ".join([*parts, *self.findings, *self.notes])

    @property
    def failures(self) -> tuple[str, ...]:
        """Every finding."""
        return tuple(f"canaries: {line}" for line in self.findings)

    def to_dict(self) -> dict[str, object]:
        """See `assay.results.checks.base.Check`."""
        return {
            "measure": self.measure,
            "real": self.real.to_dict(),
            "answer": {"skill": self.answer.skill, "t": self.answer.t},
            "shuffled": _columns(self.shuffled),
            "seeds": _columns(tuple(self.seeds.values())),
            "rank": self.rank,
            "p_value": self.p_value,
            "reached": self.reached,
            "found": list(self.findings),
            "notes": list(self.notes),
            "passed": self.passed,
            "on": {"shuffled": len(self.shuffled), "seeds": list(self.seeds)},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, object], where: str = "checks.json") -> Self:
        """See `assay.results.checks.base.Check`."""
        entries = Content(content, f"{where}: {cls.kind}")
        seeds, made = _rows(entries.part("seeds")), entries.settings
        numbers = [int(value) for value in made.numbers("seeds")] if made.has("seeds") else list(range(len(seeds)))
        if len(numbers) != len(seeds):
            raise made.wrong("seeds", f"a list of {len(seeds)} seeds", numbers)
        return cls(
            entries.text("measure"),
            Measurement.from_content(entries.part("real")),
            Measurement.from_content(entries.part("answer")),
            _rows(entries.part("shuffled")),
            dict(zip(numbers, seeds, strict=True)),
            entries.optional_count("rank", least=1),
            entries.flag("reached"),
            entries.texts("found"),
            entries.texts("notes"),
        )


def _columns(rows: Sequence[Measurement]) -> dict[str, list[float]]:
    return {
        "skill": [row.skill for row in rows],
        "t": [row.t for row in rows],
        "sharpe": [row.sharpe for row in rows],
    }


def _rows(entries: Content) -> tuple[Measurement, ...]:
    columns = [entries.numbers(name) for name in ("skill", "t", "sharpe")]
    if len({len(column) for column in columns}) > 1:
        raise entries.wrong("skill, t and sharpe", "lists of one length", [len(column) for column in columns])
    return tuple(Measurement(*row) for row in zip(*columns, strict=True))


def _same(one: PredictionPanel, two: PredictionPanel) -> bool:
    """Whether two panels say the same to the last digit that counts."""
    return all(
        left.shape == right.shape and np.allclose(left.to_numpy(), right.to_numpy(), rtol=1e-9, atol=0, equal_nan=True)
        for left, right in zip(one.frames().values(), two.frames().values(), strict=True)
    )


def _findings(measure: str, real: Measurement, shuffled: Sequence[Measurement], answer: Measurement) -> tuple[str, ...]:
    """What the canaries show to be wrong with the path or its inputs, one sentence each."""
    out = []
    if not abs(answer.t) >= _FOUND:
        value = "none" if math.isnan(answer.skill) else f"{answer.skill:.4f}, t {answer.t:.1f}"
        out.append(
            f"taught labels that its inputs hold, the model does not find them ({measure} {value}): it does not read "
            "its inputs, or does not learn"
        )
    elif answer.t < 0:
        out.append(
            f"taught labels that its inputs hold, the model says their opposite ({measure} {answer.skill:.4f}): the "
            "sign of its labels or of its predictions is turned round on the way"
        )
    elif real.skill >= _TOO_GOOD * answer.skill:
        out.append(
            f"{measure} {real.skill:.3f} beside {answer.skill:.3f} of a model whose labels lie in its inputs: "
            "too good; look for the label among the inputs"
        )
    usual = float(np.median([item.skill for item in shuffled]))
    skilled = [item.t >= _FOUND for item in [real, *shuffled]]
    if len(shuffled) >= _ENOUGH and all(skilled) and usual >= _TOO_GOOD * real.skill:
        out.append(
            f"models that learnt shuffled labels do as well (median {measure} {usual:.3f} beside {real.skill:.3f}): "
            "something other than the labels brings the future into the predictions"
        )
    return tuple(out)
