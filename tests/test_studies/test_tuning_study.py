"""The study of tuning on noise: its markets hold nothing, its outcomes are kept, its page says how many there are."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("optuna")

from studies import tuning


def test_a_market_is_searched_inside_its_folds_and_judged_outside():
    found = tuning.market(900, trials=3, folds=2)
    assert found["folds"] == 2
    assert np.isfinite([found[name] for name in ("inner_t", "outer_x", "sharpe_gross", "sharpe_net", "t")]).all()
    returns = tuning.noise(1).close.pct_change().to_numpy()[1:]
    lagged = np.corrcoef(returns[1:].ravel(), returns[:-1].ravel())[0, 1]
    assert abs(lagged) < 0.02


def test_work_is_kept_and_the_page_counts_it(tmp_path, monkeypatch):
    row = {"inner_t": 1.0, "outer_x": 0.0, "t": 0.0, "sharpe_gross": 0.1, "sharpe_net": -0.1, "first_pass": -1.0,
           "log_e_max": 0.0, "naive_max": 2.0}  # fmt: skip
    monkeypatch.setattr(tuning, "market", lambda seed: row)
    tuning.work(tmp_path, 3, 1.0)
    assert [json.loads(path.read_text()) for path in sorted(tmp_path.iterdir())] == [row] * 3
    text = tuning.page(tmp_path)
    assert "3 markets" in text
    assert "| passes production at any monthly look | 3 | 0.0% [0.0%, 56.1%] |" in text
    assert "| t > 1.645 at any monthly look | 3 | 100.0% [43.9%, 100.0%] |" in text
    assert "less that of ridge" not in text  # of no market here
