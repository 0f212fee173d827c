"""What a model is: a frozen, unfitted recipe whose `fit` returns another type, and only that type predicts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.features import feature_set
from assay.data.panel import PredictionPanel, PricePanel

__all__ = [
    "ADDED_LATER",
    "FittedForecaster",
    "Forecaster",
    "OnFeatures",
    "epoch_ended",
    "fit_model",
    "require_labels",
    "watch_epochs",
]

#: Parameters that recipes gained after runs were stored → the value under which they do what they did before. At that
#: value they are no part of an identity, and a checkpoint may lack them.
ADDED_LATER: Mapping[str, object] = {
    "label": "forward_return",
    "minimum_records": 0,
    "recent": 0,
    "refit": False,
    "keep_optimiser": False,
    "warm_start": False,
    "retrain_when": None,
    "stacked": False,
    "compiled": False,
    "class_weights": False,
    "error_costs": None,
    "depth": 1,
    "bidirectional": False,
    "attention": False,
    "rank_within": "date",
    "label_from": "fill",
    "use_batch_norm": True,
}

_Watcher = Callable[[dict[str, Any]], None]
_watcher: ContextVar[_Watcher | None] = ContextVar("_watcher", default=None)


@contextmanager
def watch_epochs(callback: _Watcher) -> Iterator[None]:
    """Call `callback` with the record of every epoch (epoch, epochs, train_loss, validation_loss, lr) fit inside."""
    token = _watcher.set(callback)
    try:
        yield
    finally:
        _watcher.reset(token)


def epoch_ended(record: dict[str, Any]) -> None:
    """For models that train in epochs: tell whoever watches; the keys are those of `watch_epochs`."""
    if (watch := _watcher.get()) is not None:
        watch(record)


def fit_model(
    model: Forecaster,
    train: PricePanel,
    *,
    horizon: int,
    delay: int,
    seed: int,
    labels: CanaryLabels | None = None,
    before: FittedForecaster | None = None,
) -> FittedForecaster:
    """`Forecaster.fit` on a panel of the model's own to read or write.

    `labels`, and `before`, an earlier fit whose weights are started from, go along only where there are some.

    Raises
    ------
    InputError
        If the model cannot be handed labels, or cannot start from another fit.

    """
    more: dict[str, Any] = {}
    if labels is not None:
        require_labels(model)
        more["labels"] = labels
    if before is not None:
        if "before" not in inspect.signature(model.fit).parameters:
            raise InputError(f"{model.name}: fit takes no `before`, so it cannot start from an earlier fit")
        more["before"] = before
    return model.fit(train.shielded(), horizon=horizon, delay=delay, seed=seed, **more)


def require_labels(model: Forecaster) -> None:
    """Raise `InputError` unless the model's `fit` can be handed a canary's labels."""
    given = inspect.signature(model.fit).parameters
    if "labels" not in given and not any(item.kind is inspect.Parameter.VAR_KEYWORD for item in given.values()):
        raise InputError(
            f"{model.name}: fit takes no labels, so it cannot be taught a canary's; give it the parameter "
            "labels: CanaryLabels | None = None and hand it to forward_returns"
        )


@runtime_checkable
class FittedForecaster(Protocol):
    """A model after training. Immutable: predicting changes nothing.

    Examples
    --------
    >>> from assay import load_model, synthetic_market
    >>> prices, _ = synthetic_market(60, 4, seed=0)
    >>> fitted = load_model("momentum", lookback=5).fit(prices.through(prices.sessions[39]), horizon=1, delay=1, seed=0)
    >>> isinstance(fitted, FittedForecaster), str(fitted.trained_through.date())
    (True, '2000-02-25')

    """

    #: the last session whose data, in any role, the model has seen
    trained_through: pd.Timestamp
    #: the last session that the scaler (or any other preprocessing) was fit on
    preprocessing_fit_through: pd.Timestamp
    #: the last session whose price entered a label
    labels_known_through: pd.Timestamp
    #: what training left behind: losses by epoch, validation metrics, parameter count, warnings; JSON-able
    training_log: Mapping[str, object]

    def predict(self, history: PricePanel) -> PredictionPanel:
        """Predictions for every session of `history`, row t from rows <= t only; NaN where the lookback is short."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model as safetensors and JSON into an existing, empty folder."""
        ...


@runtime_checkable
class Forecaster(Protocol):
    """An unfitted recipe: a frozen dataclass whose fields are its parameters.

    Examples
    --------
    >>> from assay import load_model
    >>> isinstance(load_model("momentum"), Forecaster)
    True

    """

    name: str
    lookback: int
    #: price fields read, beside close
    needs: tuple[str, ...]

    def fit(
        self, train: PricePanel, *, horizon: int, delay: int, seed: int, labels: CanaryLabels | None = None
    ) -> FittedForecaster:
        """Train on `train` alone.

        Parameters
        ----------
        train : prices through the cutoff; labels that end after its last session are unknown and are purged here
            (the last delay + horizon rows carry none). Validation is cut from the tail of `train`, with the same purge
            at the joint.
        horizon : sessions a prediction spans.
        delay : sessions from decision to fill.
        seed : fixes every random draw.
        labels : a canary's, to learn in place of what followed; `assay.data.returns.forward_returns` and the labels of
            `assay.data.labels` take them. A model without this parameter trains as any other, but has no canaries
            among shuffled labels and answers.

        """
        ...

    def load(self, folder: Path) -> FittedForecaster:
        """Read back what `FittedForecaster.save` wrote."""
        ...


class OnFeatures:
    """A recipe over a feature set: it reads as far back as the slowest feature, and the fields that they need."""

    feature_set: str

    @property
    def lookback(self) -> int:
        """Sessions read, ending at t."""
        return feature_set(self.feature_set).warmup + 1

    @property
    def needs(self) -> tuple[str, ...]:
        """Price fields read, beside close."""
        return feature_set(self.feature_set).needs
