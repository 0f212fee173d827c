"""The compiled loops of engine and strategies as Python runs them, so that the default run compiles none."""

from __future__ import annotations

import pytest

from assay.engine import batch, kernels
from assay.strategies import selection


def interpret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the body of each loop where its compiled form would run."""
    monkeypatch.setattr(kernels, "_compiled", lambda: kernels._simulate)
    monkeypatch.setattr(kernels, "_compiled_gross", lambda: kernels._row_gross)
    monkeypatch.setattr(kernels, "_compiled_factors", lambda: kernels._factors)
    monkeypatch.setattr(kernels, "_compiled_switches", lambda: kernels._switches)
    for module in (batch, kernels):
        monkeypatch.setattr(module, "compiled_smoothing", lambda: kernels._smooth_sets)
    monkeypatch.setattr(selection, "compiled_rows", lambda: selection._fill_rows)
