"""Prices, predictions and what is computed from prices alone: the leftmost package, which imports none of the others.

The names below are imported when first used, so that importing the package costs nothing. `align`, being a module
too, is imported as ``from data.align import align``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.align import JoinReport
    from data.embedded import load_sample, load_sample_predictions
    from data.panel import PredictionPanel, PricePanel
    from data.prediction_files import read_predictions, write_predictions
    from data.price_files import write_prices
    from data.quality import QualityReport, check_prices
    from data.returns import forward_returns, simple_returns
    from data.sources import inspect_prices, load_predictions, load_prices, load_returns
    from data.synthetic import MarketShape, score_panel, synthetic_market
    from data.yahoo import fetch_prices

__all__ = [
    "JoinReport",
    "MarketShape",
    "PredictionPanel",
    "PricePanel",
    "QualityReport",
    "check_prices",
    "fetch_prices",
    "forward_returns",
    "inspect_prices",
    "load_predictions",
    "load_prices",
    "load_returns",
    "load_sample",
    "load_sample_predictions",
    "read_predictions",
    "score_panel",
    "simple_returns",
    "synthetic_market",
    "write_predictions",
    "write_prices",
]

_HOMES = {
    "align": ("JoinReport",),
    "embedded": ("load_sample", "load_sample_predictions"),
    "panel": ("PredictionPanel", "PricePanel"),
    "prediction_files": ("read_predictions", "write_predictions"),
    "price_files": ("write_prices",),
    "quality": ("QualityReport", "check_prices"),
    "returns": ("forward_returns", "simple_returns"),
    "sources": ("inspect_prices", "load_predictions", "load_prices", "load_returns"),
    "synthetic": ("MarketShape", "score_panel", "synthetic_market"),
    "yahoo": ("fetch_prices",),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(f"data.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'data' has no attribute {name!r}")
