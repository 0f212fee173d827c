"""Which assets a leg holds: the compiled loop is the NumPy path, to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from assay.data.benchmark import with_benchmark_asset
from assay.data.synthetic import synthetic_market
from assay.strategies import selection
from assay.strategies.base import Compiles, decide
from assay.strategies.ranked import (
    BenchmarkHedge,
    BottomK,
    FilterNegative,
    QuintileLongShort,
    Threshold,
    VolScaled,
)
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
    plain = [legs.weights(*rest) for legs, *rest in cases()]
    if how == "compiled":
        pytest.importorskip("numba")
    else:
        monkeypatch.setattr(selection, "compiled_rows", lambda: selection._fill_rows)
    for (legs, *rest), weights in zip(cases(), plain, strict=True):
        found = replace(legs, compiled=True).weights(*rest)
        np.testing.assert_array_equal(found, weights)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(weights))
    assert sum(bool(weights.any()) for weights in plain) > 60


@pytest.mark.parametrize("kind", [BenchmarkHedge, BottomK, FilterNegative, QuintileLongShort, Threshold, VolScaled])
def test_a_rule_decides_the_same_by_compiled_loops(kind, monkeypatch):
    monkeypatch.setattr(selection, "compiled_rows", lambda: selection._fill_rows)
    prices, predictions = synthetic_market(40, 12, ic=0.1, seed=3)
    rule, prices = kind(), with_benchmark_asset(prices, prices.close.pct_change(fill_method=None).mean(axis="columns"))
    assert isinstance(rule, Compiles)
    plain, fast = (decide(rule, predictions, prices, compiled=how) for how in (False, True))
    pd.testing.assert_frame_equal(fast.weights, plain.weights, check_exact=True)
    assert (fast.label, bool(fast.weights.to_numpy().any())) == (plain.label, True)
