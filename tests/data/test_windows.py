import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nowcast.core.errors import SettingsError
from nowcast.data.windows import ClipWindow
from tests.fakes.frames import STEP, times_of


def test_windows_never_bridge_a_missing_frame():
    times = times_of([0, 1, 2, 3, 5, 6, 7])  # 4 is missing
    assert ClipWindow(2, 1).starts(times, STEP).tolist() == [0, 1, 4]


def test_stride_counts_from_the_first_frame_of_each_run():
    times = times_of([0, 1, 2, 3, 4, 5, 9, 10, 11, 12])
    assert ClipWindow(1, 1, stride=3).starts(times, STEP).tolist() == [0, 3, 6]


def test_context_frames_must_be_there_too():
    assert ClipWindow(1, 1, before=2, after=1).starts(times_of(range(6)), STEP).tolist() == [0, 1]


def test_every_second_frame_covers_twice_the_time():
    assert ClipWindow(2, 2, every=2).steps == 7
    assert ClipWindow(2, 2, every=2).starts(times_of(range(8)), STEP).tolist() == [0, 1]


def test_no_frames_no_windows():
    assert ClipWindow(2, 1).starts(times_of([]), STEP).tolist() == []


@pytest.mark.parametrize("wrong", [{"past": 0}, {"future": 0}, {"stride": 0}, {"before": -1}, {"every": 0}])
def test_impossible_windows_are_refused_by_name(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        ClipWindow(**{"past": 1, "future": 1, **wrong})


@given(
    st.sets(st.integers(0, 60), max_size=50),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(0, 2),
    st.integers(1, 3),
)
def test_every_gap_free_window_is_found_and_no_other(steps, past, future, before, every):
    window = ClipWindow(past, future, before=before, every=every)
    steps = np.array(sorted(steps), dtype=np.int64)
    expected = [
        i for i, k in enumerate(steps) if all(k + j in set(steps.tolist()) for j in range(window.steps))
    ]
    assert window.starts(times_of(steps), STEP).tolist() == expected
