"""Which assets a leg holds: the compiled loop is the NumPy path, to the bit."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from assay.strategies import selection
from assay.strategies.selection import Legs


def cases() -> list[tuple[Legs, np.ndarray, np.ndarray, pd.Index]]:
    """Ties, sessions without enough names, missing scores and prices, ids out of order, thresholds, legs left out."""
    rng, out = np.random.default_rng(1), []
    for i in range(120):
        shape = int(rng.integers(1, 12)), int(rng.integers(1, 40))
        score, close = rng.normal(size=shape).round(int(rng.choice([0, 1, 9]))), np.exp(rng.normal(size=shape))
        if i % 3:
            score[rng.random(shape) < 0.3] = np.nan
            close[rng.random(shape) < 0.2] = np.nan
        order = rng.permutation(shape[1]) if i % 2 else range(shape[1])
        below = None if i % 4 else float(rng.choice([-0.5, 0.0]))
        quantile, long, short = (float(rng.choice(some)) for some in ([0.1, 0.2, 0.5], [0, 0.65], [0, 0.35]))
        legs = Legs(quantile, long, short, below)
        out.append((legs, score, close, pd.Index([f"A{place:02d}" for place in order])))
    return out


@pytest.mark.parametrize("how", ["interpreted", pytest.param("compiled", marks=pytest.mark.slow)])
def test_the_compiled_loop_chooses_and_weighs_the_same(how, monkeypatch):
    monkeypatch.setattr(selection.compiled_rows, "cache_info", lambda: SimpleNamespace(currsize=0), raising=False)
    plain = [legs.weights(*rest) for legs, *rest in cases()]
    loop = selection._fill_rows
    if how == "compiled":
        pytest.importorskip("numba")
        loop = selection.compiled_rows()
    used = []

    def rows():
        used.append(1)
        return loop

    rows.cache_info = lambda: SimpleNamespace(currsize=1)
    monkeypatch.setattr(selection, "compiled_rows", rows)
    for (legs, *rest), weights in zip(cases(), plain, strict=True):
        np.testing.assert_array_equal(legs.weights(*rest), weights)
    assert len(used) == len(plain)
    assert sum(bool(weights.any()) for weights in plain) > 60
