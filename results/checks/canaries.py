"""Canaries: models and scores that should know nothing, or everything, judged beside the real ones by one measure.

*Shuffled labels*: the recipe is fit again on labels that belong to other sessions and assets, with the same folds and
seeds. On a market with structure a random function of the inputs loads on it and may look skilled, so no threshold
such as |t| < 2 holds; but if the real labels taught nothing, the real model is one more draw among the shuffled ones,
and its rank is uniform. *The answer*: labels that the inputs hold. A model that does not find them does not read its
inputs; a real model as good as that one has its label among its inputs. *Other seeds* show what chance alone does.
*Shifted scores* and *the constant model* need no training.

References
----------
Ojala & Garriga (2010), "Permutation tests for studying classifier performance", for the rank among shuffled labels;
Phipson & Smyth (2010), for its "+1".

"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from assay.data.errors import BacktestError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.relabel import with_answer, with_shuffled_labels
from assay.data.returns import forward_returns
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.random_scores import shifted, without_choice
from assay.engine.walk_forward import WalkForwardRun
from assay.results.stats.information_coefficient import ic_metrics, ic_table
from assay.results.stats.performance import sharpe_interval
from assay.results.stats.ranks import rank_correlation

__all__ = ["Judge", "Trained", "judge_trained", "retrain_canaries", "shifted_scores", "skill_of"]

#: HAC t from which an answer that lies in the inputs counts as found, and a skill as one.
_FOUND = 3.0
#: Share of the skill of a model that was given the answer from which a real one is too good.
_TOO_GOOD = 0.5
_PERFECT = 0.99
#: Fewer assets than this have no cross-section to rank.
_CROSS_SECTION = 3
_OTHER_SEEDS = 1000
#: Shuffles from which "all of them" is no coincidence: random functions are as good as bad, so 1 in 32.
_ENOUGH = 5
#: Seeds that are looked at, whatever was asked of the real model.
SEEDS = 3

Retrain = Callable[[PricePanel, tuple[int, ...], str], WalkForwardRun]


@dataclass(frozen=True)
class Judge:
    """How every canary is measured: the strategy and market of the real run."""

    strategy: Any
    costs: CostModel
    execution: Execution

    def __call__(self, predictions: PredictionPanel, prices: PricePanel) -> dict[str, float]:
        """skill and t of the predictions (see `skill_of`), and the net Sharpe ratio of the strategy on them."""
        skill, t, _ = skill_of(predictions, prices, fill=self.execution.fill_at(prices))
        try:
            result = run_backtest(
                self.strategy, predictions, prices, costs=self.costs, execution=self.execution, keep="returns"
            )
            sharpe = sharpe_interval(result.returns.to_numpy())[0]
        except BacktestError:  # a strategy may have nothing to trade on
            sharpe = math.nan
        return {"skill": skill, "t": t, "sharpe": sharpe}


@dataclass(frozen=True, eq=False)
class Trained:
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


def skill_of(predictions: PredictionPanel, prices: PricePanel, *, fill: Any = None) -> tuple[float, float, str]:
    """Rank correlation of what was said with what followed, its t, and what it is called.

    Parameters
    ----------
    predictions : the score is ranked; without one the probability of up, or that of buying less that of selling.
    prices : the panel they are about; of a relabelled one its own labels are what followed.
    fill : which price the windows run between.

    Returns
    -------
    tuple
        With at least 3 assets the mean rank IC over sessions and its HAC t; with fewer the mean over assets of the
        rank correlation over sessions, t = ρ·√(sessions/horizon). NaN where nothing varies; t is infinite where every
        session is perfect.

    """
    ranked = predictions.score if predictions.score is not None else predictions.probability_up
    if ranked is None:
        assert predictions.action is not None  # a panel has one of the three
        ranked = predictions.action["buy"] - predictions.action["sell"]
    forward = forward_returns(prices, horizon=predictions.horizon, delay=predictions.delay, fill=fill)
    forward = forward.reindex(index=ranked.index, columns=ranked.columns)
    if ranked.shape[1] >= _CROSS_SECTION:
        found = {item.name: item.value for item in ic_metrics(ic_table(ranked, forward), predictions.horizon)}
        value, t = found["rank_ic_mean"], found["rank_ic_t"]
        if math.isnan(t) and abs(value) > _PERFECT:  # the same in every session: there is no error to divide by
            t = math.copysign(math.inf, value)
        return value, t, "rank IC"
    each, n = rank_correlation(ranked.to_numpy().T, forward.to_numpy().T, minimum=30)
    known = np.isfinite(each)
    value = float(each[known].mean()) if known.any() else math.nan
    sessions = float(np.asarray(n)[known].mean()) if known.any() else 0.0
    return value, value * math.sqrt(sessions / predictions.horizon), "rank correlation over time"


def shifted_scores(judge: Judge, predictions: PredictionPanel, prices: PricePanel) -> dict[str, Any]:
    """The run's scores one session late, one session early, and the same for all assets, for ``checks.json``.

    Late is slightly worse where a signal lasts, and much worse where it lived for one session: a fast signal, or a
    leak. Early is a planted leak: what reading one close too many would have earned.
    """
    panels = {
        "real": predictions,
        "one session late": shifted(predictions, 1),
        "one session early": shifted(predictions, -1),
        "the same for all": without_choice(predictions),
    }
    rows = {name: judge(panel, prices) for name, panel in panels.items()}
    return {"measure": skill_of(predictions, prices)[2], **rows}


def retrain_canaries(retrain: Retrain, prices: PricePanel, real: WalkForwardRun, *, count: int) -> Trained:
    """Fit the canaries down the path of the real model.

    Parameters
    ----------
    retrain : walk-forward of the real recipe over the real folds, on these prices with these seeds; the text is told.
    prices : the real ones.
    real : the real walk-forward. Shuffled ones average over as many seeds, for only then is the real model one more
        draw among them if its labels taught it nothing; and over seeds of their own, for a network that has hardly
        learnt is the random function that its seed has drawn, and would agree with itself whatever its labels.
    count : how many shuffles.

    """
    seeds = tuple(real.by_seed)
    shuffled = tuple(
        retrain(
            with_shuffled_labels(prices, number),
            tuple(_OTHER_SEEDS * (number + 1) + seed for seed in seeds),
            f"shuffled labels {number + 1}/{count}",
        ).predictions
        for number in range(count)
    )
    answer = retrain(with_answer(prices), seeds[:1], "answer in the inputs").predictions
    more = tuple(seed for seed in range(len(seeds) + SEEDS) if seed not in seeds)[: max(0, SEEDS - len(seeds))]
    others = retrain(prices, more, "other seeds").by_seed if more else {}
    return Trained(shuffled, answer, {**real.by_seed, **others})


def judge_trained(judge: Judge, trained: Trained, real: PredictionPanel, prices: PricePanel) -> dict[str, Any]:
    """Where the real model stands among its canaries, for ``checks.json``.

    Returns
    -------
    dict
        measure; real, answer (skill, t, sharpe); shuffled, seeds (lists of them); rank and p_value of the real skill
        among the shuffled ones; reached: whether labels change the predictions; found: what is wrong, one sentence
        each; notes: what else there is to say, or why nothing can be; passed: the real one is first and nothing was
        found, None where that cannot be said.

    """
    measure = skill_of(real, prices)[2]
    own = judge(real, prices)
    shuffled = [judge(panel, prices) for panel in trained.shuffled]
    answer = judge(trained.answer, with_answer(prices))
    seeds = [judge(panel, prices) for panel in trained.seeds.values()]
    reached = not all(_same(real, panel) for panel in trained.shuffled)
    judged = reached and math.isfinite(own["skill"])
    # A canary that says the same of every asset has no rank correlation, and no skill.
    levels = [item["skill"] if math.isfinite(item["skill"]) else 0.0 for item in shuffled]
    rank = 1 + sum(level >= own["skill"] for level in levels) if judged else None
    found = _found(measure, own, shuffled, answer) if reached else []
    notes = []
    if not reached:
        notes.append(
            "its predictions are the same whatever its labels: it learns nothing from them, or makes labels of its own"
        )
    elif not judged:
        notes.append("it says the same of every asset, so there is nothing to rank")
    return {
        "measure": measure,
        "real": own,
        "answer": {"skill": answer["skill"], "t": answer["t"]},
        "shuffled": _columns(shuffled),
        "seeds": _columns(seeds),
        "rank": rank,
        "p_value": None if rank is None else rank / (len(shuffled) + 1),
        "reached": reached,
        "found": found,
        "notes": notes,
        "passed": False if found else (rank == 1 if judged else None),
        "on": {"shuffled": len(shuffled), "seeds": list(trained.seeds)},
    }


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    return {name: [row[name] for row in rows] for name in ("skill", "t", "sharpe")}


def _same(one: PredictionPanel, two: PredictionPanel) -> bool:
    """Whether two panels say the same to the last digit that counts."""

    def frames(panel: PredictionPanel) -> list[pd.DataFrame]:
        plain = [frame for frame in (panel.score, panel.probability_up) if frame is not None]
        return [*plain, *(panel.action or {}).values()]

    return all(
        left.shape == right.shape and np.allclose(left.to_numpy(), right.to_numpy(), rtol=1e-9, atol=0, equal_nan=True)
        for left, right in zip(frames(one), frames(two), strict=True)
    )


def _found(
    measure: str, real: Mapping[str, float], shuffled: Sequence[Mapping[str, float]], answer: Mapping[str, float]
) -> list[str]:
    """What the canaries show to be wrong with the path or its inputs, one sentence each."""
    out = []
    if not abs(answer["t"]) >= _FOUND:
        value = "none" if math.isnan(answer["skill"]) else f"{answer['skill']:.4f}, t {answer['t']:.1f}"
        out.append(
            f"taught labels that its inputs hold, the model does not find them ({measure} {value}): it does not read "
            "its inputs, or does not learn"
        )
    elif answer["t"] < 0:
        out.append(
            f"taught labels that its inputs hold, the model says their opposite ({measure} {answer['skill']:.4f}): the "
            "sign of its labels or of its predictions is turned round on the way"
        )
    elif real["skill"] >= _TOO_GOOD * answer["skill"]:
        out.append(
            f"{measure} {real['skill']:.3f} beside {answer['skill']:.3f} of a model whose labels lie in its inputs: "
            "too good; look for the label among the inputs"
        )
    usual = float(np.median([item["skill"] for item in shuffled]))
    skilled = [item["t"] >= _FOUND for item in [real, *shuffled]]
    if len(shuffled) >= _ENOUGH and all(skilled) and usual >= _TOO_GOOD * real["skill"]:
        out.append(
            f"models that learnt shuffled labels do as well (median {measure} {usual:.3f} beside {real['skill']:.3f}): "
            "something other than the labels brings the future into the predictions"
        )
    return out
