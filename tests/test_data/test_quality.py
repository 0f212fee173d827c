"""Each check finds what it is for, where it is, and nothing in a clean market."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.errors import DataQualityError, InputError
from assay.data.panel import PricePanel
from assay.data.quality import QualityFinding, QualityReport, check_calendar, check_prices
from assay.data.synthetic import synthetic_market

Frames = dict[str, pd.DataFrame]


def frames(sessions: int = 60, assets: int = 6) -> Frames:
    panel, _ = synthetic_market(sessions, assets, seed=2, volatility=0.01)
    return {name: getattr(panel, name).copy() for name in panel.fields}


def put(field: str, rows: int | slice, column: int, value: float) -> Callable[[Frames], None]:
    def change(bars: Frames) -> None:
        bars[field].iloc[rows, column] = value

    return change


def scale(rows: slice, column: int, factor: float) -> Callable[[Frames], None]:
    def change(bars: Frames) -> None:
        for name in ("open", "high", "low", "close"):
            bars[name].iloc[rows, column] *= factor

    return change


def blank(rows: slice, column: int) -> Callable[[Frames], None]:
    def change(bars: Frames) -> None:
        for frame in bars.values():
            frame.iloc[rows, column] = np.nan

    return change


def lift_close(bars: Frames) -> None:
    bars["close"].iloc[7, 2] = bars["high"].iloc[7, 2] * 1.01


def sink_open(bars: Frames) -> None:
    bars["open"].iloc[7, 2] = bars["low"].iloc[7, 2] * 0.99


def flat(bars: Frames) -> None:
    for name in ("open", "high", "low", "close"):
        bars[name].iloc[20:31, 1] = 50.0


def untraded(bars: Frames) -> None:
    bars["volume"].iloc[5, 1] = 0.0


def thin(bars: Frames) -> None:
    for frame in bars.values():
        frame.iloc[9, 1:] = np.nan


def bought(bars: Frames) -> None:
    """A volume under a ticker's name."""
    bars["close"].iloc[:, 2] = bars["volume"].iloc[:, 2]
    for name in ("open", "high", "low"):
        bars[name].iloc[:, 2] = bars["volume"].iloc[:, 2]


def fixed_point(bars: Frames) -> None:
    for name in ("open", "high", "low", "close"):
        bars[name].iloc[:, 2] *= 1e9


def exchanged(bars: Frames) -> None:
    bars["open"], bars["volume"] = bars["volume"], bars["open"]


def later(bars: Frames) -> None:
    for name, frame in bars.items():
        bars[name] = frame.set_axis(frame.index[:30].append(frame.index[30:] + pd.Timedelta(days=28)), axis="index")


#: name → (what is done to a clean market, check, severity, count, words of the place)
CASES: dict[str, tuple[Callable[[Frames], None], str, str, int, str]] = {
    "zero close": (put("close", 5, 1, 0.0), "price not positive", "error", 1, "2000-01-10 'S001'"),
    "negative open": (put("open", 5, 1, -2.0), "price not positive", "error", 1, "open -2"),
    "infinite high": (put("high", 5, 1, np.inf), "infinite value", "error", 1, "high inf"),
    "negative volume": (put("volume", 5, 1, -1.0), "negative volume", "error", 1, "volume -1"),
    "high below low": (put("high", 5, 1, 1.0), "high below low", "error", 1, "2000-01-10 'S001'"),
    "close above high": (lift_close, "close outside [low, high]", "warning", 1, "2000-01-12 'S002'"),
    "open below low": (sink_open, "open outside [low, high]", "warning", 1, "2000-01-12 'S002'"),
    "no high": (put("high", 5, 1, np.nan), "incomplete bar", "warning", 1, "no high"),
    "no close": (put("close", 5, 1, np.nan), "incomplete bar", "warning", 1, "no close"),
    "gap of eleven": (blank(slice(20, 31), 1), "gaps over 10 sessions", "warning", 1, "(after 11 sessions)"),
    "flat for eleven": (flat, "stale runs of 10 sessions", "warning", 1, "'S001'"),
    "split": (scale(slice(30, None), 3, 0.5), "jumps over 40%", "warning", 1, "close to a 2:1 split"),
    "spike": (scale(slice(30, 31), 3, 1.8), "jumps over 40%", "warning", 2, "unadjusted split?"),
    "recycled": (scale(slice(30, None), 3, 120.0), "jumps beyond 1000% or its inverse (recycled ticker?)", "warning", 1,
                 "recycled ticker?"),
    "untraded": (untraded, "volume 0 on a bar with a price", "warning", 1, "2000-01-10 'S001'"),
    "a stray row": (thin, "sessions that most assets lack", "warning", 1, "2000-01-14 (1 of 6 assets have a close)"),
    "a volume as closes": (bought, "no prices (half of the sessions change by over 10%: a volume?)", "error", 1,
                           "'S002'"),
    "fixed point": (fixed_point, "no prices (beyond what prices are)", "error", 1, "'S002'"),
    "delisted": (blank(slice(40, None), 0), "prices end early", "warning", 1, "2000-02-25 'S000'"),
    "never traded": (blank(slice(None), 0), "no close at all", "warning", 1, "'S000'"),
    "hole in the calendar": (later, "holes in the calendar", "warning", 1, "(20 weekdays without a session)"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_check_finds_its_own(name: str) -> None:
    change, check, severity, count, where = CASES[name]
    bars = frames()
    change(bars)
    report = check_prices(bars, source="here")
    found = {finding.check: finding for finding in report.findings}
    assert check in found, report.messages()
    assert (found[check].severity, found[check].count) == (severity, count)
    assert where in found[check].where
    assert found[check].remedy
    if severity == "error":
        with pytest.raises(DataQualityError, match=r"^here: .*; .*"):
            report.raise_for_errors()
    else:
        report.raise_for_errors()
        assert found[check].message in report.messages()


def test_the_largest_jump_is_named_beside_the_first() -> None:
    close = frames()["close"]
    close.iloc[10:, 1] *= 0.5
    close.iloc[40:, 3] *= 11_919.0
    finding = next(item for item in check_prices({"close": close}).findings if item.check == "jumps over 40%")
    assert finding.count == 2
    assert "first 2000-01-17 'S001' (-" in finding.message
    assert f"largest {close.index[40].date()} 'S003' (+1,1" in finding.message
    assert "%, recycled ticker?)" in finding.message


def test_a_bar_whose_open_is_another_column_is_refused() -> None:
    bars = frames()
    exchanged(bars)
    assert "open and close are not of one bar" in check_prices(bars).errors[0].check


def test_a_calendar_names_what_is_missing_and_what_is_too_much() -> None:
    pytest.importorskip("exchange_calendars")
    days = pd.DatetimeIndex(["2024-01-12", "2024-01-15", "2024-01-16", "2024-01-18"])  # the 15th: Martin Luther King
    panel = PricePanel(pd.DataFrame({"A": [1.0, 2.0, 3.0, 4.0]}, index=days))
    found = [finding.message for finding in check_calendar(panel, "XNYS")]
    assert found == [
        "sessions of XNYS that are missing: 1, first 2024-01-17", "sessions that XNYS has not: 1, first 2024-01-15"
    ]  # fmt: skip
    with pytest.raises(InputError, match="unknown calendar 'XNYZ': did you mean 'X"):
        check_calendar(panel, "XNYZ")


def test_without_the_extra_a_calendar_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(InputError, match=r"pip install 'assay\[calendars\]'"):
        check_calendar(PricePanel(frames()["close"]), "XNYS")


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 250), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_quick_pass_misses_nothing(sessions: int, assets: int, seed: int) -> None:
    """One bad cell anywhere is found, whichever block of sessions it lies in."""
    rng = np.random.default_rng(seed)
    panel, _ = synthetic_market(sessions, assets, seed=seed, volatility=0.01)
    bars = {name: getattr(panel, name).copy() for name in panel.fields}
    row, column = int(rng.integers(sessions)), int(rng.integers(assets))
    name, value, check = [
        ("close", 0.0, "price not positive"), ("volume", -1.0, "negative volume"), ("high", np.inf, "infinite value"),
        ("volume", 0.0, "volume 0 on a bar with a price"), ("low", np.nan, "incomplete bar"),
        ("close", None, "close outside [low, high]"),
    ][int(rng.integers(6))]  # fmt: skip
    bars[name].iloc[row, column] = bars["high"].iloc[row, column] * 1.001 if value is None else value
    found = {finding.check: finding for finding in check_prices(bars).findings}
    assert found[check].count == 1
    assert f"{panel.sessions[row].date()} {panel.assets[column]!r}" in found[check].where


def test_a_clean_market_has_no_findings() -> None:
    report = check_prices(frames())
    assert report.findings == ()
    assert report.table().empty


def nine_flat(close: pd.DataFrame) -> None:
    close.iloc[20:29, 1] = close.iloc[20, 1]


def ten_missing(close: pd.DataFrame) -> None:
    close.iloc[20:30, 1] = np.nan


def listed_late(close: pd.DataFrame) -> None:
    close.iloc[:30, 1] = np.nan


def down_by_a_third(close: pd.DataFrame) -> None:
    close.iloc[30:, 3] *= 0.65


@pytest.mark.parametrize("change", [nine_flat, ten_missing, listed_late, down_by_a_third])
def test_what_stays_below_the_thresholds_is_not_reported(change: Callable[[pd.DataFrame], None]) -> None:
    close = frames()["close"]
    change(close)
    assert check_prices({"close": close}).findings == ()


def test_a_jump_over_a_gap_is_seen() -> None:
    close = frames()["close"]
    close.iloc[20:25, 1] = np.nan
    close.iloc[25:, 1] *= 3.0
    messages = check_prices({"close": close}).messages()
    assert len(messages) == 1
    assert messages[0].startswith("jumps over 40%: 1, first 2000-02-07 'S001'")


def test_one_high_below_its_low_among_thousands_is_a_bad_print() -> None:
    bars = frames(sessions=600)
    bars["high"].iloc[5, 1] = bars["low"].iloc[5, 1] * 0.99
    report = check_prices(bars)
    assert "high below low" in {finding.check for finding in report.warnings}
    swapped = bars | {"high": bars["low"], "low": bars["high"]}
    assert "high below low" in {finding.check for finding in check_prices(swapped).errors}


def test_the_table_says_where_for_each_asset() -> None:
    bars = frames()
    bars["close"].iloc[[3, 9, 12], 1] = -1.0
    bars["close"].iloc[6, 3] = -1.0
    table = check_prices(bars).table()
    errors = table[table["severity"] == "error"]
    assert errors[["asset", "count", "first", "last"]].to_numpy().tolist() == [
        ["S001", 3, "2000-01-06", "2000-01-19"],
        ["S003", 1, "2000-01-11", "2000-01-11"],
    ]


def test_findings_about_the_file_have_no_asset() -> None:
    report = QualityReport("x", (QualityFinding("rows not in order", "warning", 2, "row 3", "sort"),))
    assert report.table().iloc[0, 2:5].tolist() == [None, 2, "row 3"]


def test_several_errors_are_announced() -> None:
    bars = frames()
    bars["close"].iloc[3, 1] = -1.0
    bars["volume"].iloc[3, 2] = -1.0
    with pytest.raises(DataQualityError, match="and 1 more kinds of error"):
        check_prices(bars).raise_for_errors()


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_runs_gaps_and_ends_equal_a_loop(sessions: int, assets: int, seed: int) -> None:
    """Counted one by one, asset by asset."""
    rng = np.random.default_rng(seed)
    values = rng.choice([10.0, 10.0, 10.0, 10.0, 11.0, np.nan], size=(sessions, assets))
    stretch = np.repeat(values, rng.integers(1, 14), axis=0)
    index = pd.bdate_range("2020-01-01", periods=len(stretch))
    close = pd.DataFrame(stretch, index=index, columns=[f"A{i}" for i in range(assets)])
    found = {finding.check: finding.count for finding in check_prices({"close": close}).findings}
    gaps = stale = ends = never = 0
    for column in close:
        last, absent, run = np.nan, 0, 0
        for value in close[column]:
            if np.isnan(value):
                absent, run = absent + 1, 0
                continue
            gaps += absent > 10 and np.isfinite(last)
            run = run + 1 if value == last else 0  # sessions in a row that repeat the close before
            stale += run == 9
            last, absent = value, 0
        never += np.isnan(last)
        ends += absent > 0 and np.isfinite(last)
    assert found.get("gaps over 10 sessions", 0) == gaps
    assert found.get("stale runs of 10 sessions", 0) == stale
    assert found.get("prices end early", 0) == ends
    assert found.get("no close at all", 0) == never


def test_the_checks_change_nothing() -> None:
    panel = PricePanel(**frames())
    before = panel.fingerprint
    check_prices(panel)
    fresh = PricePanel(**{name: getattr(panel, name) for name in panel.fields})
    assert fresh.fingerprint == before
