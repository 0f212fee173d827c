"""The study of the monitor: its alarms are those of the product and of the definitions."""

from __future__ import annotations

import math

import numpy as np

from assay.results.gate.monitor import ALARM, detector
from studies.monitor import alarms, first, table


def test_alarms_by_their_definitions():
    x = np.random.default_rng(1).normal(-0.1, 1, 900)
    found = alarms(x, 0.05)
    np.testing.assert_array_equal(found["e-detector"], detector(x, np.full(900, 18.0), 0.05) >= ALARM)
    step = 0.05 * math.sqrt(18)
    ratio = np.cumsum(step * (step - x) - step**2 / 2)
    cusum = ratio - np.minimum.accumulate(np.concatenate([[0.0], ratio]))[:-1]
    assert first(found["CUSUM"]) == int((np.maximum(cusum, 0) >= math.log(ALARM)).argmax())
    window = (step - x)[100:352]
    assert found["t of 252 sessions"][351] == (window.sum() / math.sqrt(252) >= 3)
    assert first(np.zeros(5, dtype=bool)) == -1


def test_a_row_a_way_of_looking():
    rows = table(0.08, 5)
    assert [row[1] for row in rows] == ["e-detector", "e-detector held to half the IC", "CUSUM", "t of 252 sessions"]
    assert all(len(row) == 6 for row in rows)
