"""A recipe that chooses its own hyper-parameters before it is fit, on the tail of the sessions it may see.

In each fold the sessions up to the cutoff are cut once more: every configuration is fit on the first part and judged
on the rest, by the t of its skill after beta; the best is then fit on all of them. Nothing after the cutoff is read, so
the test span has no say, and the fold's predictions stay out of sample of the choice, too. The search is optuna's
tree-structured Parzen estimator with a seed of its own for each fold; models that train in epochs are stopped early
where their validation loss lies above the median of the earlier configurations' at the same epoch, which compares like
with like only while no parameter of the loss is searched (else ``prune = false``).

References
----------
Bergstra, Bardenet, Bengio & Kégl (2011), "Algorithms for hyper-parameter optimization", NeurIPS 24.
Golovin et al. (2017), "Google Vizier: a service for black-box optimization", KDD, for the median rule.
Cawley & Talbot (2010), "On over-fitting in model selection and subsequent selection bias in performance evaluation",
Journal of Machine Learning Research 11, for judging on sessions that the choice has not seen.

"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError, TrainingError
from assay.data.optional import missing_package
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns, simple_returns
from assay.models.base import FittedForecaster, Forecaster, fit_model, watch_epochs
from assay.models.checkpoint import read_metadata
from assay.results.stats.skill import Risk, skill_series, skill_t, trailing_risk
from assay.results.tuning.space import Choice, Range, parse_space, with_parameters

__all__ = ["FittedTuned", "Tuned"]

#: Sessions with an x that a configuration is judged on, at least.
_LEAST = 20


@dataclass(frozen=True, eq=False)
class FittedTuned:
    """The chosen configuration, fit on all sessions through the cutoff.

    Parameters
    ----------
    fitted : it.
    trained_through, preprocessing_fit_through, labels_known_through : the last session that fit or choice has seen.
    training_log : the model's own, with ``chosen`` (its parameters) and ``tuning`` (every configuration).

    """

    fitted: FittedForecaster
    trained_through: pd.Timestamp
    preprocessing_fit_through: pd.Timestamp
    labels_known_through: pd.Timestamp
    training_log: Mapping[str, object]

    def predict(self, history: PricePanel, start: pd.Timestamp | None = None) -> PredictionPanel:
        """What the chosen model predicts; of a model that can skip rows, from `start` on."""
        return _predicted(self.fitted, history, start)

    def save(self, folder: Path) -> None:
        """Write the chosen model, as a checkpoint of its own recipe."""
        self.fitted.save(folder)


def _predicted(fitted: FittedForecaster, history: PricePanel, start: pd.Timestamp | None) -> PredictionPanel:
    skips = start is not None and "start" in inspect.signature(fitted.predict).parameters
    return cast(PredictionPanel, cast(Any, fitted).predict(history, start=start) if skips else fitted.predict(history))


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuned:
    """A recipe whose parameters are searched for in each fit.

    Parameters
    ----------
    base : the recipe, with the parameters that stay.
    parameters : of it, each with ``{"low", "high", "log", "step"}`` or a list of values.
    trials : configurations in each fit.
    validation : share of the sessions through the cutoff that judges them: its tail.
    seed : of the search; each fold and each seed of a fit searches by one of its own.
    prune : whether a configuration is given up where its loss lies above the median.

    Raises
    ------
    InputError
        If optuna is not installed, or a setting or range cannot be.

    """

    base: Forecaster
    parameters: Mapping[str, Any] = field(default_factory=dict)
    trials: int = 30
    validation: float = 0.2
    seed: int = 0
    prune: bool = True

    def __post_init__(self) -> None:
        try:
            import optuna  # noqa: F401
        except ImportError as error:
            raise missing_package(error, what="tune") or error from None
        if not 1 <= self.trials <= 10_000:
            raise InputError(f"tune: trials must lie between 1 and 10,000, got {self.trials}")
        if not 0 < self.validation < 1:
            raise InputError(f"tune: validation must lie between 0 and 1, got {self.validation:g}")
        if self.seed < 0:
            raise InputError(f"tune: seed must be at least 0, got {self.seed}")
        parse_space(self.parameters, self.base)

    @property
    def name(self) -> str:
        """The recipe's name, and that it was tuned."""
        return f"{self.base.name}_tuned"

    @property
    def lookback(self) -> int:
        """Sessions that the recipe reads."""
        return self.base.lookback

    @property
    def needs(self) -> tuple[str, ...]:
        """Price fields that the recipe reads."""
        return self.base.needs

    @cached_property
    def space(self) -> Mapping[str, Range | Choice]:
        """What is searched."""
        return parse_space(self.parameters, self.base)

    def fit(
        self, train: PricePanel, *, horizon: int, delay: int, seed: int, labels: CanaryLabels | None = None
    ) -> FittedTuned:
        """Choose on the tail of `train`, then fit the choice on all of it.

        Raises
        ------
        InputError
            If the tail is too short, or no configuration can be fit.

        """
        search = _Search(self, train, horizon, delay, seed, labels)
        chosen, tried = search.best()
        model = with_parameters(self.base, chosen)
        fitted = fit_model(model, train, horizon=horizon, delay=delay, seed=seed, labels=labels)
        log = {
            **fitted.training_log,
            "chosen": chosen,
            "tuning": {"sessions": [str(session.date()) for session in search.tail], "trials": tried},
        }
        last = train.sessions[-1]
        return FittedTuned(fitted, last, fitted.preprocessing_fit_through, last, log)

    def load(self, folder: Path) -> FittedForecaster:
        """Read back the chosen model that `FittedTuned.save` wrote."""
        stored = read_metadata(Path(folder))["params"]
        return with_parameters(self.base, {name: stored[name] for name in self.parameters}).load(folder)


@dataclass(frozen=True, eq=False)
class _Search:
    """One search: the sessions through a cutoff, and what each configuration did on their tail."""

    recipe: Tuned
    train: PricePanel
    horizon: int
    delay: int
    seed: int
    labels: CanaryLabels | None

    @cached_property
    def tail(self) -> pd.DatetimeIndex:
        """The sessions that judge."""
        sessions = self.train.sessions
        count = math.ceil(self.recipe.validation * len(sessions))
        if count < _LEAST + self.horizon + self.delay or count >= len(sessions):
            raise InputError(
                f"tune: {count} of {len(sessions)} sessions are left to judge on; {_LEAST + self.horizon + self.delay} "
                "are needed, and some to fit on: set another validation, or train on more"
            )
        return sessions[-count:]

    @cached_property
    def forward(self) -> pd.DataFrame:
        """What followed within the sessions through the cutoff; what did not is NaN."""
        fill = getattr(self.recipe.base, "fill", None)
        return forward_returns(self.train, horizon=self.horizon, delay=self.delay, fill=fill, labels=self.labels)

    @cached_property
    def risk(self) -> Risk:
        """Betas and volatilities of the sessions through the cutoff, each row of what was known then."""
        return trailing_risk(simple_returns(self.train.close))

    def best(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The chosen parameters, and every configuration: number, parameters, state, value, x and df on the tail."""
        import optuna

        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        cutoff = int(self.train.sessions[-1].toordinal())
        own = int(np.random.SeedSequence([self.recipe.seed, self.seed, cutoff]).generate_state(1)[0])
        pruner = optuna.pruners.MedianPruner() if self.recipe.prune else optuna.pruners.NopPruner()
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=own), pruner=pruner
        )
        tried: list[dict[str, Any]] = []
        known: dict[str, dict[str, Any]] = {}
        failures: list[str] = []

        def objective(trial: Any) -> float:
            parameters = {name: item.suggest(trial, name) for name, item in self.recipe.space.items()}
            row: dict[str, Any] = {"number": trial.number, "parameters": parameters, "state": "complete"}
            tried.append(row)
            same = known.get(repr(parameters))
            try:
                row |= self._judged(parameters, trial) if same is None else same
            except optuna.TrialPruned:
                row["state"] = "pruned"
                raise
            except (InputError, TrainingError) as error:
                row["state"] = "failed"
                failures.append(str(error))
                raise
            known[repr(parameters)] = {name: row[name] for name in ("value", "x", "df")}
            return float(row["value"])

        try:
            study.optimize(objective, n_trials=self.recipe.trials, catch=(InputError, TrainingError))
        finally:
            optuna.logging.set_verbosity(before)
        complete = [row for row in tried if row["state"] == "complete"]
        if not complete:
            why = f"; the last: {failures[-1]}" if failures else ""
            raise InputError(f"tune: none of {len(tried)} configurations could be fit and judged{why}")
        # The first of equals, so that the choice hangs on no order of ours.
        chosen = max(complete, key=lambda row: (row["value"], -row["number"]))
        return dict(chosen["parameters"]), tried

    def _judged(self, parameters: Mapping[str, Any], trial: Any) -> dict[str, Any]:
        """t of x on the tail of a configuration that was fit on what lies before it."""
        import optuna

        model = with_parameters(self.recipe.base, parameters)
        before = self.train.sessions[-len(self.tail) - 1]

        def epoch(record: dict[str, Any]) -> None:
            loss = float(record.get("validation_loss", math.nan))
            if not math.isfinite(loss):
                return
            trial.report(-loss, int(record["epoch"]))
            if trial.should_prune():
                raise optuna.TrialPruned

        with watch_epochs(epoch):
            fitted = fit_model(
                model, self.train.through(before), horizon=self.horizon, delay=self.delay, seed=self.seed,
                labels=self.labels,
            )  # fmt: skip
        panel = _predicted(fitted, self.train.shielded(), self.tail[0]).map(lambda frame: frame.loc[self.tail[0] :])
        skill = skill_series(panel.view, self.forward, self.risk, horizon=self.horizon)
        known = skill.known["x"].to_numpy()
        value = skill_t(known, horizon=self.horizon)[2]
        if len(known) < _LEAST or not math.isfinite(value):
            raise InputError(f"tune: {len(known)} sessions of the tail have enough names with views that differ; "
                             f"{_LEAST} are needed")  # fmt: skip
        x = skill.x.reindex(self.tail)
        return {
            "value": value,
            "x": [None if math.isnan(item) else round(item, 6) for item in x.tolist()],
            "df": [int(item) for item in skill.df.reindex(self.tail).fillna(0.0).tolist()],
        }
