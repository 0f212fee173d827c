"""Calendar arithmetic."""

from __future__ import annotations

import pandas as pd
import pytest

from assay.data.errors import InputError
from assay.data.sessions import as_session, period_starts, position_at, session_after

DAYS = pd.DatetimeIndex(["2019-12-30", "2019-12-31", "2020-01-02", "2020-01-03", "2020-03-31", "2020-04-01"])


def test_as_session_cuts_the_time_of_day() -> None:
    assert as_session("2020-01-02 15:59") == pd.Timestamp("2020-01-02")


@pytest.mark.parametrize("value", ["yesterday-ish", None, float("nan"), "2020-13-01"])
def test_as_session_refuses_what_is_no_date(value: object) -> None:
    with pytest.raises(InputError, match=r"start: .* is not a date"):
        as_session(value, "start")


def test_as_session_refuses_time_zones() -> None:
    with pytest.raises(InputError, match="time zone"):
        as_session("2020-01-02T00:00:00+01:00")


def test_position_at_is_the_last_session_not_later() -> None:
    assert [position_at(DAYS, day) for day in ("2019-12-29", "2019-12-30", "2020-01-01", "2021-01-01")] == [-1, 0, 1, 5]


def test_session_after_counts_sessions_not_days() -> None:
    assert session_after(DAYS, "2019-12-31", 1) == pd.Timestamp("2020-01-02")
    assert session_after(DAYS, "2020-04-01", -5) == DAYS[0]


@pytest.mark.parametrize(
    ("session", "count", "message"), [("2020-01-01", 1, "not in the calendar"), ("2020-04-01", 1, "outside")]
)
def test_session_after_refuses(session: str, count: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        session_after(DAYS, session, count)


@pytest.mark.parametrize(
    ("every", "positions"),
    [("yearly", [0, 2]), ("quarterly", [0, 2, 5]), ("monthly", [0, 2, 4, 5]), (4, [0, 4]), (1, [0, 1, 2, 3, 4, 5])],
)
def test_period_starts(every: str | int, positions: list[int]) -> None:
    assert period_starts(DAYS, every).tolist() == DAYS[positions].tolist()  # type: ignore[arg-type]


@pytest.mark.parametrize("every", ["yearly", "monthly", 2])
def test_later_sessions_move_no_start(every: str | int) -> None:
    whole = period_starts(DAYS, every)  # type: ignore[arg-type]
    for length in range(len(DAYS) + 1):
        cut = period_starts(DAYS[:length], every)  # type: ignore[arg-type]
        assert cut.tolist() == [day for day in whole if day in DAYS[:length]]


@pytest.mark.parametrize("every", ["weekly", 0, -3, True])
def test_period_starts_refuses(every: object) -> None:
    with pytest.raises(InputError, match="every"):
        period_starts(DAYS, every)  # type: ignore[arg-type]
