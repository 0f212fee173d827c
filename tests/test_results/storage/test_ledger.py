"""The trial ledger: counts once, loses nothing, never overwrites what it cannot read."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError
from assay.results.storage.ledger import FILE_NAME, read_trials, register, trial_of


def series(seed: int, n: int = 50) -> pd.Series:
    return pd.Series(np.random.default_rng(seed).normal(0, 0.01, n), pd.bdate_range("2020-01-01", periods=n))


def trial(quantile: float, **more):
    return trial_of({"strategy": "s2", "quantile": quantile, **more}, prices="p", family="ranked")


def test_counts_distinct_recipes_once(tmp_path):
    for _ in range(2):
        register(trial(0.1), "run-a", series(1), root=tmp_path)
        register(trial(0.2), "run-b", series(2), root=tmp_path)
    found = read_trials(prices="p", family="ranked", root=tmp_path)
    assert found.count == 2
    pd.testing.assert_series_equal(found.returns.iloc[:, 0], series(1), check_names=False, check_freq=False)


def test_seeds_are_members_of_one_trial(tmp_path):
    for seed in (0, 1, 2):
        register(trial(0.1, seed=seed, seeds=[seed]), f"run-{seed}", series(seed), root=tmp_path)
    found = read_trials(root=tmp_path)
    assert found.count == 1
    assert found.table["members"].tolist() == [3]
    sharpes = [s.mean() / s.std(ddof=1) for s in map(series, (0, 1, 2))]
    assert found.table["sharpe"].iloc[0] == pytest.approx(np.mean(sharpes))


def test_families_and_panels_are_kept_apart(tmp_path):
    register(trial(0.1), "a", series(1), root=tmp_path)
    register(trial_of({"strategy": "x"}, prices="q", family="ranked"), "b", series(2), root=tmp_path)
    register(trial_of({"strategy": "y"}, prices="p", family="mine"), "c", series(3), root=tmp_path)
    assert read_trials(prices="p", family="ranked", root=tmp_path).count == 1
    assert read_trials(prices="p", root=tmp_path).count == 2
    assert read_trials(root=tmp_path).count == 3


def test_brought_predictions_make_another_trial():
    one = trial_of({"strategy": "s2"}, prices="p", family="ranked", predictions="a")
    two = trial_of({"strategy": "s2"}, prices="p", family="ranked", predictions="b")
    assert one.fingerprint != two.fingerprint


def test_no_ledger_is_no_trials(tmp_path):
    assert read_trials(root=tmp_path / "absent").count == 0
    assert not (tmp_path / "absent").exists()


def test_a_damaged_ledger_is_reported_and_left_alone(tmp_path):
    path = tmp_path / FILE_NAME
    path.write_bytes(b"not a database, but somebody's years of work" * 100)
    before = path.read_bytes()
    for action in (lambda: read_trials(root=tmp_path), lambda: register(trial(0.1), "a", series(1), root=tmp_path)):
        with pytest.raises(InputError, match="damaged"):
            action()
    assert path.read_bytes() == before


def _write_many(root, start):
    for i in range(start, start + 25):
        register(trial(i / 1000), f"run-{i}", series(i, 20), root=root)


def test_two_processes_lose_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(tmp_path, start)) for start in (0, 25, 10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert read_trials(root=tmp_path).count == 50
