"""Rolling figures of many columns at once are those of pandas, column by column, to the last bit."""

import numpy as np
import pandas as pd
import pytest

from assay.data import rolling
from assay.data.rolling import rolling_covariance, rolling_deviation


@pytest.mark.parametrize("cached", [1 << 16, 50])  # all columns at once, and one or two at a time
def test_the_bits_of_pandas(monkeypatch, cached):
    monkeypatch.setattr(rolling, "_CACHED", cached)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(90, 7)) * 10.0 ** rng.integers(-6, 6, 7)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, 3], values[20:60, 4] = np.nan, 0.01
    other = np.where(rng.random(90) < 0.05, np.nan, rng.normal(size=90))
    windows = pd.DataFrame(values).rolling(20, min_periods=5)
    np.testing.assert_array_equal(rolling_deviation(values, 20, least=5), windows.std().to_numpy())
    np.testing.assert_array_equal(
        rolling_covariance(values, other, 20, least=5), windows.cov(pd.Series(other)).to_numpy()
    )


def test_no_rows_and_no_columns_are_no_figures():
    assert rolling_deviation(np.empty((0, 3)), 20, least=5).shape == (0, 3)
    assert rolling_deviation(np.empty((3, 0)), 20, least=5).shape == (3, 0)
