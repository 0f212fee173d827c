"""Kept cells of a sweep: read back as they were, run again where one bit of them has changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from assay.engine.sweep import CellResult
from assay.results.storage.sweep_parts import read_parts, write_part


def batch(first: int) -> list[CellResult]:
    days = pd.bdate_range("2020-01-01", periods=30)
    rng = np.random.default_rng(first)
    return [CellResult(first + i, pd.Series(rng.normal(0, 0.01, 30), days), 1.0, 2.0, 0.5) for i in range(2)]


def test_cells_come_back_as_they_were(tmp_path: Path) -> None:
    for first in (0, 2):
        write_part(tmp_path / "parts", batch(first))
    found = read_parts(tmp_path / "parts")
    assert sorted(found) == [0, 1, 2, 3]
    for item in [*batch(0), *batch(2)]:
        pd.testing.assert_series_equal(found[item.index].net, item.net, check_freq=False, check_names=False)
        assert (found[item.index].turnover_ann, found[item.index].net_exposure) == (1.0, 0.5)
    assert not list(tmp_path.rglob(".*"))
    assert read_parts(tmp_path / "absent") == {}


def test_a_flipped_bit_is_found_and_the_cells_can_be_kept_again(tmp_path: Path) -> None:
    write_part(tmp_path, batch(0))
    (part,) = tmp_path.iterdir()
    rng = np.random.default_rng(0)
    for name in ("net.parquet", "about.parquet"):
        whole = (part / name).read_bytes()
        for position in rng.integers(0, len(whole), 10):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << int(rng.integers(8))
            (part / name).write_bytes(damaged)
            assert read_parts(tmp_path) == {}
        write_part(tmp_path, batch(0))
        assert sorted(read_parts(tmp_path)) == [0, 1]
        assert list(tmp_path.iterdir()) == [part]
