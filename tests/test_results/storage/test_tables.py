"""Tables of runs come back from Parquet as they were, wide ones too."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from assay.results.storage import tables
from assay.results.storage.tables import read_table, write_tables

DAYS = pd.bdate_range("2020-01-01", periods=30)


def frames():
    rng = np.random.default_rng(0)
    names = [f"A{i}" for i in range(70)]
    wide = pd.DataFrame(rng.normal(size=(30, 70)), DAYS, names)
    wide.iloc[3, 5], wide.iloc[:, 9] = np.nan, np.nan
    return {
        "wide": wide,
        "same": 2 * wide,
        "named": wide.rename_axis("date"),
        "numbered": wide.reset_index(drop=True),
        "clash": wide.rename_axis("A3"),
        "infinite": wide.replace(wide.iloc[0, 0], np.inf).replace(wide.iloc[1, 0], -np.inf),
        "dotted": wide.rename(columns={"A3": "A4.B"}),
        "none": wide.iloc[:0],
        "mixed": wide.assign(A3="text"),
        "events": pd.DataFrame({"session": DAYS[:3], "asset": ["A", "B", "A"], "n": [1, 2, 3]}),
        "empty": pd.DataFrame({"asset": pd.Series(dtype=str), "value": pd.Series(dtype=float)}),
    }


@pytest.mark.parametrize("many", [10**9, 0])
def test_tables_are_what_pandas_would_have_written(tmp_path, monkeypatch, many):
    monkeypatch.setattr(tables, "_MANY", many)  # one after the other, and several at a time
    written = frames()
    write_tables(tmp_path, written)
    for name, frame in written.items():
        frame.to_parquet(tmp_path / "pandas")
        ours, theirs = (pq.read_table(tmp_path / file) for file in (f"{name}.parquet", "pandas"))
        assert ours.schema.equals(theirs.schema, check_metadata=True), name
        assert ours.equals(theirs), name  # a NaN is a null in both
        back, expected = (pd.read_parquet(tmp_path / file) for file in (f"{name}.parquet", "pandas"))
        pd.testing.assert_frame_equal(back, expected)
        read = read_table(tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(read, expected, check_exact=True)
        if name in ("wide", "numbered"):  # each session in one piece
            assert read.to_numpy().flags.c_contiguous
            assert not expected.to_numpy().flags.c_contiguous


def test_a_table_that_cannot_be_written_is_an_os_error(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_MANY", 0)
    with pytest.raises(OSError, match="nowhere"):
        write_tables(tmp_path / "nowhere", frames())
