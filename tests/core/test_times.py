"""Times: UTC, periods, steps and unbroken runs."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nowcast.core import times
from nowcast.core.errors import TimeError

STEP = np.timedelta64(10, "m")
START = np.datetime64("2025-03-01T00:00", "ns")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-03-22", "2025-03-22T00:00"),
        ("2025-03-22T12:00", "2025-03-22T12:00"),
        ("2025-03-22T12:00Z", "2025-03-22T12:00"),
        ("2025-03-22T12:00+02:00", "2025-03-22T10:00"),
        (" 2025-03-22 12:00:30 ", "2025-03-22T12:00:30"),
    ],
)
def test_times_are_utc(text, expected):
    assert times.parse_time(text) == np.datetime64(expected)


def test_a_period_is_half_open_and_a_bare_end_date_a_whole_day():
    assert times.parse_period("2025-03-21/2025-03-22") == (
        np.datetime64("2025-03-21"),
        np.datetime64("2025-03-23"),
    )
    assert times.parse_period("2025-03-21T06:00/2025-03-21T12:00")[1] == np.datetime64("2025-03-21T12:00")
    assert times.parse_period("2025-03-21/2025-03-22T06:00")[1] == np.datetime64("2025-03-22T06:00")
    assert times.parse_period("2025-03-21T06:00/2025-03-22")[1] == np.datetime64("2025-03-23")


@pytest.mark.parametrize(
    "text", ["2025-03-21", "2025-03-22T01:00/2025-03-22T01:00", "a/b", "2025-03-23/2025-03-21"]
)
def test_no_period_is_told(text):
    with pytest.raises(TimeError, match=r"got '"):
        times.parse_period(text)


def test_text_and_units():
    assert times.to_text(START) == "2025-03-01T00:00:00Z"
    assert times.minutes(np.timedelta64(90, "s")) == 1.5
    assert times.as_step(timedelta(minutes=5)) == np.timedelta64(5, "m")
    assert abs(times.now_utc() - np.datetime64("now")) < np.timedelta64(5, "s")
    for wrong in (np.timedelta64(0, "m"), timedelta(minutes=-5)):
        with pytest.raises(TimeError, match="above zero"):
            times.as_step(wrong)


def test_runs_by_hand():
    slots = START + np.array([0, 1, 2, 5, 6, 9]) * STEP
    assert times.unbroken_runs(slots, STEP) == [(0, 3), (3, 5), (5, 6)]
    assert times.unbroken_runs(slots[:0], STEP) == []
    nearer = START + np.array([0, 2, 3, 5, 7]) * STEP
    assert times.unbroken_runs(nearer, 2 * STEP) == [(0, 2), (2, 5)]


@given(st.sets(st.integers(0, 60), min_size=1))
def test_runs_cover_all_and_are_maximal(numbers):
    slots = np.array(sorted(numbers))
    runs = times.unbroken_runs(START + slots * STEP, STEP)
    assert [i for a, b in runs for i in range(a, b)] == list(range(len(slots)))
    for a, b in runs:
        assert (np.diff(slots[a:b]) == 1).all()
    assert all(slots[b] - slots[b - 1] > 1 for _, b in runs[:-1])


def test_times_some_seconds_off_are_snapped_and_others_are_left():
    step, tolerance = np.timedelta64(5, "m"), np.timedelta64(60, "s")
    given = np.array(
        [
            "2021-07-04T14:50:57",
            "2021-07-04T14:54:30",
            "2021-07-04T15:01:00",
            "2021-07-04T15:01:01",
            "2021-07-04T15:05:00",
        ],
        "datetime64[ns]",
    )
    expected = np.array(
        [
            "2021-07-04T14:50:00",
            "2021-07-04T14:55:00",
            "2021-07-04T15:00:00",
            "2021-07-04T15:01:01",
            "2021-07-04T15:05:00",
        ],
        "datetime64[ns]",
    )
    np.testing.assert_array_equal(times.snap(given, step, tolerance), expected)
    phase = np.datetime64("2021-07-04T00:01:00")
    assert times.snap(given[2:4], step, tolerance, phase).tolist() == [given[2].astype(int)] * 2
    np.testing.assert_array_equal(times.snap(given, step, np.timedelta64(0, "s")), given)
    with pytest.raises(TimeError, match="below half of the step"):
        times.snap(given, step, np.timedelta64(150, "s"))


@pytest.mark.parametrize("year", ["1440", "1677", "1969", "2262", "9999"])
def test_years_that_wrap_in_nanoseconds_are_refused(year):
    with pytest.raises(TimeError, match=f"{year}-01-01.*1970 to 2199"):
        times.nanoseconds(np.array([f"{year}-01-01T00:00"], "datetime64[s]"))
    with pytest.raises(TimeError, match=f"{year}-01-01"):
        times.parse_time(f"{year}-01-01T00:00")
    np.testing.assert_array_equal(
        times.nanoseconds(np.array(["2199-12-31T23:59"], "datetime64[m]")),
        np.array(["2199-12-31T23:59"], "datetime64[ns]"),
    )
