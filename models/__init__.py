"""Models that predict, and the door through which anyone's model comes. Importing this imports no torch."""

from assay.models.base import FittedForecaster, Forecaster
from assay.models.catalog import load_fitted, load_model, model_names

__all__ = ["FittedForecaster", "Forecaster", "load_fitted", "load_model", "model_names"]
