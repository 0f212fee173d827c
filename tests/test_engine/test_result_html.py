"""What a notebook shows of a result."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.engine.result import BacktestResult


def _result(values: list[float], **more: object) -> BacktestResult:
    days = pd.bdate_range("2020-01-01", periods=len(values))
    returns = pd.Series(values, index=days, dtype=float)
    frame = pd.DataFrame(index=days)
    nav, turnover = (1 + returns).cumprod(), returns * 0 + 0.1
    return BacktestResult("s<b>", returns, returns + 0.001, nav, frame, turnover, frame, **more)


def test_the_figures_are_those_of_empyrical():
    import empyrical

    values = np.random.default_rng(0).normal(0.0005, 0.01, 300)
    page = _result(list(values))._repr_html_()
    assert f"Sharpe {empyrical.sharpe_ratio(pd.Series(values)):.2f} " in page
    assert f"{empyrical.max_drawdown(pd.Series(values)):.1%}" in page
    assert f"total return {empyrical.cum_returns_final(values):.1%}" in page
    assert "25.2× a year" in page


def test_names_and_warnings_are_escaped():
    page = _result([0.01, -0.02], warnings=("<script>alert(1)</script>",))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "s&lt;b&gt;" in page


@pytest.mark.parametrize("values", [[], [0.01], [0.0, 0.0, 0.0]])
def test_without_variation_there_is_no_sharpe_ratio(values: list[float]):
    page = _result(values)._repr_html_()
    assert "nan" not in page
    assert "inf" not in page
    assert ("Sharpe –" in page) == bool(values)
