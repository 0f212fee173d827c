"""Models by name, by import path, or from an installed package's entry points.

Nothing registers itself: the catalogue is a constant, and a model's module is imported when it is asked for. No entry
here needs torch before it is fit.
"""

from __future__ import annotations

import logging
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from assay.data.errors import BacktestError, InputError, TrainingError, UnknownNameError
from assay.data.plugins import constructed, find_class, offered
from assay.models.base import FittedForecaster, Forecaster
from assay.models.checkpoint import METADATA, is_sealed, read_metadata

__all__ = [
    "ENTRY_POINTS",
    "MODELS",
    "load_fitted",
    "load_model",
    "model_class",
    "model_names",
    "preset_horizon",
    "preset_names",
]

#: name → ``module:Class``.
MODELS: Mapping[str, str] = types.MappingProxyType(
    {
        "stock_lstm": "assay.models.stock_lstm:StockLSTM",
        "stock_lstm_close": "assay.models.stock_lstm:StockLSTMClose",
        "b3_multitask": "assay.models.b3_multitask:MultiTaskLSTM",
        "reliance_direction": "assay.models.reliance_direction:DirectionLSTM",
        "nse_price": "assay.models.nse_price:PriceLSTM",
        "gru": "assay.models.bodies:RankingGru",
        "tcn": "assay.models.bodies:RankingConvolution",
        "dlinear": "assay.models.bodies:RankingLinear",
        "patch_transformer": "assay.models.bodies:RankingTransformer",
        "graph_lstm": "assay.models.bodies:RankingGraph",
        "direct_reinforcement": "assay.models.bodies:RankingReinforced",
        "ridge": "assay.models.baselines:Ridge",
        "gradient_boosting": "assay.models.sklearn_adapter:GradientBoosting",
        "lightgbm_ranker": "assay.models.lightgbm_ranker:LightGbmRanker",
        "sklearn": "assay.models.sklearn_adapter:SklearnForecaster",
        "momentum": "assay.models.baselines:Momentum",
        "reversal": "assay.models.baselines:Reversal",
        "zero": "assay.models.baselines:Zero",
        "majority": "assay.models.baselines:MajorityClass",
    }
)

#: Group under which other packages offer models: ``name = "package.module:Class"``.
ENTRY_POINTS = "assay.models"
#: What a class must offer to be called at all: models.base.Forecaster.
_METHODS = (("fit", "load"),)
_LOG = logging.getLogger(__name__)


def model_names() -> tuple[str, ...]:
    """Names that `load_model` knows: the catalogue in its order, then those of installed packages.

    Examples
    --------
    >>> "stock_lstm" in model_names()
    True

    """
    return (*MODELS, *sorted(offered(ENTRY_POINTS, MODELS)))


def model_class(name: str) -> type:
    """The class behind a name or a ``package.module:Class`` path.

    Raises
    ------
    UnknownNameError
        If there is no such name; the nearest is suggested.
    InputError
        If the path cannot be imported or is not a class.

    """
    return find_class("model", name, MODELS, ENTRY_POINTS, methods=_METHODS)


def preset_names(name: str) -> tuple[str, ...]:
    """Presets of a model; ("default",) where it has none."""
    return tuple(getattr(model_class(name), "PRESETS", None) or {"default": {}})


def preset_horizon(name: str, preset: str | None) -> int:
    """Sessions that a prediction spans where nobody says: those of the report for its preset, else 1.

    Examples
    --------
    >>> preset_horizon("b3_multitask", "report"), preset_horizon("b3_multitask", None)
    (2, 1)

    """
    return int(getattr(model_class(name), "report_horizon", 1)) if preset == "report" else 1


def load_model(name: str, *, preset: str | None = None, **params: object) -> Forecaster:
    """The recipe of that name or path, with parameters.

    Parameters
    ----------
    name : a name of `model_names`, or ``package.module:Class``.
    preset : named parameters of the model, e.g. ``"report"``; None is ``"default"``.
    params : parameters of the model, over those of the preset; strings are read as the parameter's type
        (``epochs="5"``, ``units="64,32,16"``, ``fill="none"``).

    Raises
    ------
    UnknownNameError
        If the name, the preset or a parameter is unknown; the nearest is suggested.
    InputError
        If the path cannot be imported, a value does not fit its parameter, or the class is no model.

    Examples
    --------
    >>> load_model("stock_lstm", preset="small", epochs="5").epochs
    5

    """
    found = model_class(name)
    values: dict[str, object] = {}
    if preset is not None:
        presets = getattr(found, "PRESETS", None) or {"default": {}}
        if preset not in presets:
            raise UnknownNameError(f"preset of {name}", preset, presets)
        values.update(presets[preset])
    model = constructed("model", name, found, params, values)
    if not isinstance(model, Forecaster):
        lacking = [member for member in ("name", "lookback", "needs", "fit", "load") if not hasattr(model, member)]
        raise InputError(
            f"model {name!r}: {found.__name__} is no model; it lacks {', '.join(lacking)}; see Forecaster"
        )
    return model


#: Libraries whose estimators a folder may name.
_ESTIMATORS = ("sklearn", "lightgbm", "xgboost", "catboost")


def _code_named(params: object) -> tuple[str, str] | None:
    """What of a checkpoint's parameters would import code that is neither ours nor a known library's."""
    given: Mapping[str, Any] = params if isinstance(params, dict) else {}
    for kind in ("feature_set", "label", "estimator"):
        part = given.get(kind)
        known = kind == "estimator" and str(part).partition(":")[0].partition(".")[0] in _ESTIMATORS
        if isinstance(part, str) and ":" in part and not known:
            return kind.replace("_", " "), part
    return None


def load_fitted(folder: Path, model: str | None = None) -> FittedForecaster:
    """The fitted model in a folder, whichever recipe wrote it.

    Parameters
    ----------
    folder : what `train` or `walk-forward` wrote.
    model : the recipe, where it is neither of the catalogue nor of an installed package: ``package.module:Class``. A
        folder can name only those; what it says never decides which other code is imported.

    Raises
    ------
    InputError
        If the folder holds no checkpoint, its recipe is not known here, or it is not of the recipe given.
    TrainingError
        If it is damaged.

    Examples
    --------
    >>> from assay import load_model, synthetic_market
    >>> prices, _ = synthetic_market(60, 6, seed=0)
    >>> folder = Path("fitted")
    >>> folder.mkdir()
    >>> load_model("momentum", lookback=5).fit(prices, horizon=1, delay=1, seed=0).save(folder)
    >>> str(load_fitted(folder).trained_through.date())
    '2000-03-24'

    """
    folder = Path(folder)
    content = read_metadata(folder)
    name = str(content["model"])
    if model is None and name not in model_names():
        raise InputError(
            f"checkpoint: {folder / METADATA} names the model {name!r}, which is neither in the catalogue nor offered "
            "by an installed package; if you trust it, name its class with --model package.module:Class"
        )
    if not is_sealed(content):
        _LOG.warning("%s: format 1, whose stamps and parameters no digest covers; train again for format 2", folder)
    if model is None and (part := _code_named(content["params"])) is not None:
        raise InputError(
            f"checkpoint: {folder / METADATA} names the {part[0]} {part[1]!r}, which is somebody's code; if you "
            f"trust it, name the model as well: --model {name}"
        )
    try:
        recipe = load_model(model or name, **content["params"])
        if name not in (model or name, recipe.name):
            raise InputError(f"checkpoint: {folder} holds a {name!r}, not a {recipe.name!r}")
        fitted = recipe.load(folder)
        for stamp in ("trained_through", "preprocessing_fit_through", "labels_known_through"):
            if not isinstance(when := getattr(fitted, stamp), pd.Timestamp) or when.tz is not None:
                raise ValueError(f"its {stamp} is no day")
        for count in ("horizon", "delay"):
            value = getattr(fitted, count, 1)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100_000:
                raise ValueError(f"its {count} is no number of sessions")
        return fitted
    except BacktestError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise TrainingError(
            f"checkpoint: {folder} lacks what a {name} needs ({type(error).__name__}: {error}); train again"
        ) from error
