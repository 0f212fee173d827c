"""Packages that not every command needs: what to install when one that is needed is missing."""

from __future__ import annotations

from assay.data.errors import InputError

__all__ = ["PACKAGES", "missing_package"]

#: Top-level module → (what it is for, what pip is to install).
PACKAGES = {
    "arch": ("tests against an independent library", "assay[test]"),
    "cryptography": ("signing bundles", "assay[sign]"),
    "exchange_calendars": ("exchange calendars", "assay[calendars]"),
    "h5py": ("reading Keras files", "assay[keras]"),
    "lightgbm": ("the ranker of boosted trees", "assay[lightgbm]"),
    "matplotlib": ("charts", "matplotlib"),
    "mcp": ("serving tools to an agent", "assay[mcp]"),
    "mlflow": ("logging runs to MLflow", "assay[mlflow]"),
    "openpyxl": ("Excel files", "assay[excel]"),
    "optuna": ("tuning", "assay[tune]"),
    "pypdf": ("the text of PDFs", "assay[pdf]"),
    "ray": ("work on a Ray cluster", "assay[ray]"),
    "skfolio": ("the embedded sample and the optimised portfolios", "skfolio"),
    "sklearn": ("classification metrics, gradient boosting and your scikit-learn models", "scikit-learn"),
    "starlette": ("browsing runs", "assay[serve]"),
    "torch": ("the LSTM models", "torch"),
    "uvicorn": ("browsing runs", "assay[serve]"),
    "vectorbt": ("the second engine", "vectorbt"),
    "yfinance": ("prices from Yahoo", "assay[yfinance]"),
}


def missing_package(error: ImportError, *, what: str = "") -> InputError | None:
    """The line for a user whose environment lacks a package; None where the missing module is none of these.

    Parameters
    ----------
    error : of the import that failed.
    what : which option or command asked for it, named first.

    Examples
    --------
    >>> str(missing_package(ModuleNotFoundError("no", name="torch.nn"), what="models show"))
    "models show: torch is not installed; it is needed for the LSTM models: pip install 'torch'"
    >>> missing_package(ModuleNotFoundError("no", name="somebodys_module")) is None
    True

    """
    top = (error.name or "").partition(".")[0]
    if top not in PACKAGES:
        return None
    purpose, requirement = PACKAGES[top]
    start = f"{what}: " if what else ""
    return InputError(f"{start}{top} is not installed; it is needed for {purpose}: pip install '{requirement}'")
