"""Prices, predictions and what is computed from prices alone: the leftmost package, which imports none of the others.

The names below are imported when first used, so that importing the package costs nothing. `align`, being a module
too, is imported as ``from assay.data.align import align``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.data.align import JoinReport
    from assay.data.files.predictions import read_predictions, write_predictions
    from assay.data.files.price_files import write_prices
    from assay.data.files.prices import inspect_prices, load_predictions, load_prices, load_returns
    from assay.data.files.yahoo import fetch_prices
    from assay.data.panel import PredictionPanel, PricePanel
    from assay.data.quality import QualityReport, check_prices
    from assay.data.returns import forward_returns, simple_returns
    from assay.data.sample import load_sample, load_sample_predictions
    from assay.data.synthetic import MarketShape, score_panel, synthetic_market

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
