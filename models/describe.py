"""What a model is, in words and figures, for people and for `--json`."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from assay.data.docstrings import first_sentence, parameter_meanings
from assay.data.features import FEATURE_SETS
from assay.models.catalog import MODELS, load_model, model_class, preset_names

__all__ = ["describe", "summary"]


def summary(name: str) -> str:
    """The first line of what a model is.

    Examples
    --------
    >>> summary("stock_lstm")
    'The ranking model.'

    """
    return first_sentence(model_class(name))


def describe(name: str, *, count: bool = True) -> dict[str, Any]:
    """What a model does, reads, answers and takes, JSON-able.

    Parameters
    ----------
    name : a name of `assay.models.catalog.model_names`, or ``package.module:Class``.
    count : whether to count the parameters of each preset's network, which imports torch.

    Returns
    -------
    dict
        ``name``, ``path``, ``about``, ``output``, ``lookback``, ``report_horizon`` (sessions), ``feature_set``,
        ``features``, ``needs`` (price fields), ``parameters`` (name, default, meaning), ``presets`` (name, changes,
        count by PyTorch and by Keras), ``traps`` (of the report, and how they are handled), ``example``.

    """
    found = model_class(name)
    chosen = str(getattr(found, "feature_set", "") or "")
    presets = getattr(found, "PRESETS", None) or {"default": {}}
    meanings = parameter_meanings(found)
    module = inspect.getmodule(found)
    about = (inspect.getdoc(module) or "") if name in MODELS and hasattr(found, "PRESETS") else summary(name)
    return {
        "name": name,
        "path": MODELS.get(name, f"{found.__module__}:{found.__qualname__}"),
        "about": about,
        "output": str(getattr(found, "OUTPUT", "") or "score"),
        "lookback": _lookback(found),
        "report_horizon": int(getattr(found, "report_horizon", 1)),
        "feature_set": chosen or None,
        "features": list(FEATURE_SETS[chosen].names) if chosen in FEATURE_SETS else [],
        "needs": ["close", *(FEATURE_SETS[chosen].needs if chosen in FEATURE_SETS else ())],
        "parameters": [
            {
                "name": item.name,
                "default": list(item.default) if isinstance(item.default, tuple) else item.default,
                "meaning": meanings.get(item.name, ""),
            }
            for item in (fields(found) if is_dataclass(found) else ())
            if item.default is not MISSING
        ],
        "presets": [_preset(name, preset, dict(presets[preset]), count) for preset in preset_names(name)],
        "traps": list(getattr(found, "TRAPS", ())),
        "example": f"python cli.py walk-forward --model {name}",
    }


def _lookback(found: type) -> int | None:
    try:
        value = getattr(found(), "lookback", None)
    except TypeError:  # a parameter without a default
        return None
    return value if isinstance(value, int) else None


def _preset(name: str, preset: str, changes: dict[str, Any], count: bool) -> dict[str, Any]:
    out: dict[str, Any] = {
        "name": preset,
        "changes": {key: list(value) if isinstance(value, tuple) else value for key, value in changes.items()},
    }
    model: Any = load_model(name, preset=preset) if hasattr(model_class(name), "network") else None
    if count and model is not None:
        from assay.data.features import feature_set
        from assay.models.lstm.networks import parameter_counts
        from assay.models.lstm.training import deterministic

        with deterministic(0):
            out["count"] = parameter_counts(model.network(len(feature_set(model.feature_set))))
        out["per_asset"] = model.per_asset
    return out
