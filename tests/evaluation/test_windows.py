"""Windows with and without missing frames after a start, events, and blocks that are storms."""

import numpy as np
import pytest

from nowcast.core.errors import NowcastError
from nowcast.evaluation.windows import events_of, is_held, windows
from nowcast.scores.confidence import blocks_of
from tests.fakes.fields import times

STEP = np.timedelta64(10, "m").astype("timedelta64[ns]")
CLOCK = times(20)
PERIOD = CLOCK[0], CLOCK[-1] + STEP


def starts(held, most_missing, stride=1, past=2, lead_times=3):
    found = windows(
        held, STEP, *PERIOD, past + lead_times, stride, lead_times=lead_times, most_missing=most_missing
    )
    assert all((np.diff(window) == STEP).all() and len(window) == past + lead_times for window in found)
    return [int((window[past - 1] - CLOCK[0]) / STEP) for window in found]


@pytest.mark.parametrize("stride", [1, 3, 4])
@pytest.mark.parametrize("runs", [[(0, 20)], [(0, 9), (12, 20)], [(2, 7), (7, 7), (8, 20)]])
def test_runs_without_a_gap_give_the_same_windows_whatever_may_be_missing(stride, runs):
    for first, last in runs:
        held = CLOCK[first:last]
        if len(held):
            plain = windows(held, STEP, *PERIOD, 5, stride)
            for most in (0, 1, 3):
                found = windows(held, STEP, *PERIOD, 5, stride, lead_times=3, most_missing=most)
                np.testing.assert_array_equal(found, plain)


def test_a_start_may_lack_so_many_frames_after_it_and_none_before():
    held = np.delete(CLOCK, [9, 10])
    assert starts(held, 0) == [1, 2, 3, 4, 5, 12, 13, 14, 15, 16]
    assert starts(held, 1) == [1, 2, 3, 4, 5, 6, 12, 13, 14, 15, 16]
    assert starts(held, 2) == [1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14, 15, 16]
    assert starts(held, 9) == starts(held, 2)  # one lead time at least has a frame
    assert starts(held, 2, stride=3) == [1, 4, 7, 12, 15]  # as ever from the start of each run
    assert starts(CLOCK[:12], 9)[-1] == 8  # what comes after the last frame is not missing but not there yet


def test_no_window_names_what_may_be_missing():
    held = np.delete(CLOCK, np.arange(2, 20, 2))
    with pytest.raises(NowcastError, match=r"gap-free run of 6 \(past and future, of which 2 may be missing\)"):
        windows(held, STEP, *PERIOD, 6, 1, lead_times=3, most_missing=2)
    with pytest.raises(NowcastError, match="got -1, expected 0 or more"):
        windows(held, STEP, *PERIOD, 6, 1, lead_times=3, most_missing=-1)


def test_is_held_by_hand():
    held = CLOCK[[1, 3, 4]]
    assert is_held(CLOCK[:6], held).tolist() == [False, True, False, True, True, False]


def hours(*values):
    return np.datetime64("2025-03-21", "ns") + (60 * np.array(values)).astype(int) * np.timedelta64(1, "m")


def test_an_event_ends_after_a_pause_of_more_than_six_hours_or_after_a_day():
    found = events_of(hours(0, 3, 9, 15.5, 16, 30, 36, 42, 48, 53, 54))
    assert found.tolist() == hours(0, 0, 0, 15.5, 15.5, 30, 30, 30, 30, 30, 54).tolist()
    assert events_of(hours()).tolist() == []


def test_blocks_that_are_storms_end_where_no_start_follows_for_long_enough():
    given = hours(0, 3, 9, 15.5, 16, 30)
    assert blocks_of(given, 6.0, storms=True).tolist() == [0, 0, 0, 1, 1, 2]
    assert blocks_of(given, 14.0, storms=True).tolist() == [0, 0, 0, 0, 0, 0]
    assert blocks_of(given[:1], 6.0, storms=True).tolist() == [0]
