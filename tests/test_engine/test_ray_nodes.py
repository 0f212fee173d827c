"""A node of a Ray cluster killed in the middle of a walk-forward: the same bytes, and only its tasks are run again."""

from __future__ import annotations

import random

import pytest

from assay.data.synthetic import synthetic_market

pytestmark = pytest.mark.ray


def test_a_node_that_is_killed_costs_its_tasks_only(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    from benchmarks import cluster as benchmark

    monkeypatch.setenv("RAY_ADDRESS", "")  # the cluster sets it; put back at the end
    panels = synthetic_market(700, 20, ic=0.05, seed=0)
    with benchmark.clustered() as cluster:
        row = benchmark.with_a_node_lost("folds × seeds", panels, cluster, random.Random(0), tmp_path)
    assert row["same_bytes"]
    assert row["done"] == row["of"] == 10
    assert row["after"] < row["of"]
    assert row["again"] <= 1  # the node has one core
