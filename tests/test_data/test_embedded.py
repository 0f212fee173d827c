"""The sample: equal to skfolio's own loader, without importing it, without the network, cached."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.data import sample as embedded
from assay.data.errors import InputError, UnknownNameError
from assay.data.files.predictions import write_predictions
from assay.data.synthetic import synthetic_market

ROOT = Path(__file__).parents[2]
#: Total returns of calendar years in %, S&P Dow Jones Indices.
_TOTAL = {
    1991: 30.47, 1992: 7.62, 1993: 10.08, 1994: 1.32, 1995: 37.58, 1996: 22.96, 1997: 33.36, 1998: 28.58, 1999: 21.04,
    2000: -9.10, 2001: -11.89, 2002: -22.10, 2003: 28.68, 2004: 10.88, 2005: 4.91, 2006: 15.79, 2007: 5.49,
    2008: -37.00, 2009: 26.46, 2010: 15.06, 2011: 2.11, 2012: 16.00, 2013: 32.39, 2014: 13.69, 2015: 1.38, 2016: 11.96,
    2017: 21.83, 2018: -4.38, 2019: 31.49, 2020: 18.40, 2021: 28.71,
}  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("ASSAY_CACHE", str(folder))
    return folder


def test_it_is_what_lies_in_the_package(cache: Path) -> None:
    prices, benchmark = embedded.load_sample()
    raw = pd.read_csv(embedded._shipped("sp500_dataset.csv.gz"), index_col=0, parse_dates=True)
    np.testing.assert_array_equal(prices.close, raw)
    assert prices.shape == (8313, 20)
    assert prices.fields == ("close",)
    index = pd.read_csv(embedded._shipped("sp500_index.csv.gz"), index_col=0, parse_dates=True)["SP500"]
    dividends = (1 + benchmark) / (1 + index.pct_change().iloc[1:]) - 1
    assert dividends.loc["1990"].to_numpy() == pytest.approx(1.0349 ** (1 / 252) - 1, abs=1e-12)  # the yield of 1989
    assert benchmark.index.equals(prices.sessions[1:])


def test_the_benchmark_is_near_the_total_return_of_every_year(cache: Path) -> None:
    _, benchmark = embedded.load_sample()
    earned = 100 * ((1 + benchmark).groupby(pd.DatetimeIndex(benchmark.index).year).prod() - 1)
    missed = pd.Series(_TOTAL) - earned.reindex(list(_TOTAL))
    assert missed.abs().max() < 0.7
    assert abs(missed.mean()) < 0.15  # without dividends it would be 2.2


def test_survivorship_comes_first_among_the_warnings(cache: Path) -> None:
    prices, _ = embedded.load_sample()
    assert prices.warnings[0].startswith("survivorship: ")
    assert any(warning.startswith("jumps over 40%: 4") for warning in prices.warnings)


def test_the_second_read_comes_from_the_cache_and_is_the_same(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, benchmark = embedded.load_sample()
    assert [path.suffix for path in cache.glob("*.parquet")] == [".parquet"]

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("read the CSV although it is cached")

    monkeypatch.setattr(pd, "read_csv", refuse)
    second, again = embedded.load_sample()
    assert first.fingerprint == second.fingerprint
    pd.testing.assert_series_equal(benchmark, again)


def test_a_damaged_cache_is_made_again(cache: Path) -> None:
    first, _ = embedded.load_sample()
    (path,) = cache.glob("*.parquet")
    path.write_bytes(b"PAR1 half a file")
    assert embedded.load_sample()[0].fingerprint == first.fingerprint
    assert path.stat().st_size > 100_000


def test_a_cache_that_cannot_be_written_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "file" / "cache"))
    assert embedded.load_sample()[0].shape == (8313, 20)


def test_no_network_is_touched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    assert embedded.load_sample()[0].shape == (8313, 20)


def test_no_heavy_import(cache: Path) -> None:
    code = (
        "import sys, assay.data.sample as e; e.load_sample(); "
        "print([m for m in ('skfolio', 'sklearn', 'scipy', 'torch', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_skfolio_it_says_what_to_install(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="skfolio is not installed; install skfolio"):
        embedded.load_sample()


def test_a_skfolio_without_the_files(cache: Path) -> None:
    with pytest.raises(InputError, match=r"ships no nasdaq\.csv\.gz"):
        embedded._shipped("nasdaq.csv.gz")


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(embedded, "_FOLDER", tmp_path)
    return tmp_path


def test_predictions_ship_with_their_receipts(shipped: Path) -> None:
    _, oracle = synthetic_market(30, 6, ic=0.1, seed=1)
    write_predictions(oracle, shipped / "ridge.parquet")
    found = embedded.load_sample_predictions()
    assert found.fingerprint == oracle.fingerprint
    assert found.receipts is not None
    _, other = synthetic_market(30, 6, ic=0.1, seed=2)
    write_predictions(other, shipped / "stock_lstm_close.parquet")
    assert embedded.load_sample_predictions().fingerprint == other.fingerprint
    assert embedded.load_sample_predictions("ridge").fingerprint == oracle.fingerprint
    assert embedded.sample_prediction_names() == ("ridge", "stock_lstm_close")


def test_predictions_that_do_not_ship(shipped: Path) -> None:
    with pytest.raises(InputError, match=r"none in .*; reinstall"):
        embedded.load_sample_predictions()
    write_predictions(synthetic_market(30, 6, seed=1)[1], shipped / "ridge.parquet")
    with pytest.raises(UnknownNameError, match="did you mean 'ridge'"):
        embedded.load_sample_predictions("rigde")
