"""Files that claim more than they are, or hold what no price file holds: refused in one line, within bounds."""

from __future__ import annotations

import datetime as dt
import gzip
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.data.errors import BacktestError
from assay.data.files.predictions import load_predictions, load_receipts
from assay.data.files.prices import load_prices

ROOT = Path(__file__).parents[2]
DAYS = [dt.date(2020, 1, 1 + day) for day in range(6)]


def table(path: Path, columns: dict[str, Any], about: dict[bytes, bytes] | None = None) -> Path:
    pq.write_table(pa.table(columns).replace_schema_metadata(about), path, compression="zstd")
    return path


def long_id(path: Path) -> Path:
    """4 kB, and 33 GB as an array of fixed width."""
    ids = ["x" * 3_000_000, *(f"A{number}" for number in range(2999))]
    return table(path, {"date": [DAYS[0]] * 3000, "asset": ids, "close": [1.0] * 3000})


def many_rows(path: Path) -> Path:
    """Runs of one value: 120 million rows (2.9 GB) in a megabyte."""
    piece = pa.table({"date": pa.array(np.zeros(2_000_000, np.int32)).cast(pa.date32()),
                      "asset": pa.DictionaryArray.from_arrays(np.zeros(2_000_000, np.int32), ["A"]),
                      "close": np.ones(2_000_000)})  # fmt: skip
    with pq.ParquetWriter(path, piece.schema, compression="zstd") as writer:
        for _ in range(60):
            writer.write_table(piece)
    return path


def unpacks(path: Path) -> Path:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"date,asset,close\n")
        for _ in range(260):
            file.write(b"0" * 1_000_000)
    return path


HOSTILE: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "an id of three million characters": (long_id, ("an id of 3,000,000 characters",)),
    "bytes that unpack to gigabytes": (unpacks, ("that unpack to over",)),
    "assets that are structures": (
        lambda path: table(path, {"date": DAYS, "asset": [{"a": 1}] * 6, "close": [1.0] * 6}),
        ("column 'asset' holds",)),
    "dates that are lists": (
        lambda path: table(path, {"date": [[1]] * 6, "asset": ["A"] * 6, "close": [1.0] * 6}),
        ("column 'date' holds",)),
    "a day beyond all years": (
        lambda path: table(path, {"date": pa.array([2**31 - 1] * 6, pa.int32()).cast(pa.date32()), "asset": ["A"] * 6,
                                  "close": [1.0] * 6}),
        ("column 'date'",)),
    "the year 10000": (
        lambda path: table(path, {"date": pa.array([2932897] * 6, pa.int32()).cast(pa.date32()), "asset": ["A"] * 6,
                                  "close": [1.0] * 6}),
        ("no session (1700 to 2199)",)),
    "assets that are days": (
        lambda path: table(path, {"date": DAYS, "asset": pa.array([-1836388031] * 6, pa.int32()).cast(pa.date32()),
                                  "close": [1.0] * 6}),
        ("column 'asset' holds date32[day], not asset ids",)),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_in_one_line(name: str, tmp_path: Path) -> None:
    make, words = HOSTILE[name]
    path = make(tmp_path / ("bad.csv.gz" if make is unpacks else "bad.parquet"))
    with pytest.raises(BacktestError) as caught:
        load_prices(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < 600
    for word in words:
        assert word in message, message


def test_metadata_that_is_no_text_is_no_reason_to_fail(tmp_path: Path) -> None:
    path = table(
        tmp_path / "m.parquet", {"date": DAYS, "asset": ["A"] * 6, "close": [1.0] * 6}, {b"assay.adjusted": b"\xff"}
    )
    assert load_prices(path).shape == (6, 1)


def test_metadata_nested_beyond_reason(tmp_path: Path) -> None:
    about = {b"assay.predictions": b"[" * 100_000}
    path = table(tmp_path / "p.parquet", {"date": DAYS, "asset": ["A"] * 6, "score": [1.0] * 6}, about)
    with pytest.raises(BacktestError, match="its metadata is damaged"):
        load_predictions(path)


def test_receipts_with_zones_are_dates_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    head = "session,model_id,fold,trained_through,preprocessing_fit_through,labels_known_through,available_at\n"
    path.write_text(head + "2020-01-01,m,0,2019-12-30T00:00:00Z,2019-12-30,2019-12-31,2019-12-31\n")
    assert load_receipts(path)["trained_through"].tolist() == [pd.Timestamp("2019-12-30")]
    path.write_text(head + "2020-01-01,m,0,2019-12-30T14:00:00Z,2019-12-30,2019-12-31,2019-12-31\n")
    with pytest.raises(BacktestError, match="name its zone with --tz"):
        load_receipts(path)


@pytest.mark.parametrize("make", [long_id, pytest.param(many_rows, marks=pytest.mark.slow)])
def test_within_three_gigabytes(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """In a process of its own, whose address space is bounded: refused, neither killed nor a traceback."""
    path = make(tmp_path / "bomb.parquet")
    assert path.stat().st_size < 2_000_000
    limit = 3 << 30
    done = subprocess.run(
        [sys.executable, "cli.py", "data", "validate", str(path)], cwd=ROOT, capture_output=True, text=True,
        timeout=120, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {path}")
    assert done.stderr.count("\n") == 1
