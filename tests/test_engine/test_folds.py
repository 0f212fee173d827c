"""Folds: every session once, nothing seen that was not known, bad plans refused."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.errors import InputError
from assay.engine.folds import WalkForward
from assay.models.lstm.purge import split_rows

SESSIONS = pd.bdate_range("2010-01-01", periods=1500)


@settings(max_examples=80, deadline=None)
@given(
    train=st.one_of(st.none(), st.integers(50, 600)),
    retrain=st.one_of(st.sampled_from(["monthly", "quarterly", "yearly"]), st.integers(1, 400)),
    embargo=st.integers(0, 30),
)
def test_every_session_is_predicted_once_by_a_model_that_could_exist(train, retrain, embargo):
    folds = WalkForward(train=train, retrain=retrain, embargo=embargo, minimum_train=100).split(SESSIONS)
    predicted = [day for fold in folds for day in SESSIONS[SESSIONS.slice_indexer(fold.test_start, fold.test_end)]]
    assert predicted == list(SESSIONS[SESSIONS.get_loc(folds[0].test_start) :])
    for fold in folds:
        start, cutoff, first = (SESSIONS.get_loc(day) for day in (fold.train_start, fold.cutoff, fold.test_start))
        assert cutoff == first - 1 - embargo
        if train is None:
            assert start == 0
            assert cutoff + 1 >= 100
        else:
            assert cutoff + 1 - start == train


@settings(max_examples=60, deadline=None)
@given(
    train=st.integers(150, 500),
    retrain=st.integers(20, 400),
    embargo=st.integers(0, 20),
    horizon=st.integers(1, 20),
    delay=st.integers(1, 5),
    warmup=st.integers(0, 60),
    share=st.floats(0.05, 0.4),
)
def test_no_label_reaches_over_a_joint(train, retrain, embargo, horizon, delay, warmup, share):
    """Labels of training rows end before validation begins, those of validation rows at the cutoff at the latest."""
    labels = {"horizon": horizon, "delay": delay, "validation": share}
    for fold in WalkForward(train=train, retrain=retrain, embargo=embargo).split(SESSIONS):
        first, cutoff, test = (SESSIONS.get_loc(day) for day in (fold.train_start, fold.cutoff, fold.test_start))
        try:
            rows = split_rows(cutoff + 1 - first, warmup, **labels)
        except InputError as error:  # too short: what the error asks for is enough
            advised = int(re.search(r"at least (\d+) sessions", str(error))[1])
            assert advised > cutoff + 1 - first
            assert split_rows(advised, warmup, **labels).purge == horizon + delay
            return
        assert rows.purge == horizon + delay
        assert rows.train_end - 1 + rows.purge < rows.validation_start
        assert first + rows.validation_end - 1 + rows.purge <= cutoff < test - embargo


def test_calendar_retraining_starts_with_each_year():
    folds = WalkForward(train=252, retrain="yearly", start="2012-01-02").split(SESSIONS)
    assert [fold.test_start.year for fold in folds] == [2012, 2013, 2014, 2015]
    assert all(fold.test_start == SESSIONS[SESSIONS.year == fold.test_start.year][0] for fold in folds)


def test_end_stops_the_last_fold():
    folds = WalkForward(train=252, retrain=100, end="2012-06-29").split(SESSIONS)
    assert folds[-1].test_end == pd.Timestamp("2012-06-29")


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: WalkForward(train=1), "train must be at least 2"),
        (lambda: WalkForward(retrain="weekly"), "retrain must be"),  # type: ignore[arg-type]
        (lambda: WalkForward(retrain=0), "at least 1 session"),
        (lambda: WalkForward(embargo=-1), "embargo"),
        (lambda: WalkForward(minimum_train=1), "minimum_train"),
        (lambda: WalkForward(train=2000).split(SESSIONS), "nothing to predict"),
        (lambda: WalkForward(train=500, start="2010-06-01").split(SESSIONS), "start later"),
        (lambda: WalkForward(train=500, end="2011-06-01").split(SESSIONS), "end later"),
    ],
)
def test_bad_plans(make, match):
    with pytest.raises(InputError, match=match):
        make()
