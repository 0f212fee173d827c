"""Fixtures that more than one area's tests use."""

from __future__ import annotations

from pathlib import Path

import pytest

REAL_PRICES = Path(__file__).parents[2] / "shared" / "data" / "sp100_daily_2013_2018.parquet"


@pytest.fixture(scope="session")
def real_prices_path() -> Path:
    """100 S&P 500 members, 2013 to 2018, long Parquet; not part of the repository."""
    if not REAL_PRICES.exists():
        pytest.skip("the development prices (sp100_daily_2013_2018.parquet) are not beside this checkout")
    return REAL_PRICES
