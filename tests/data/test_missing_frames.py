"""Clips that lack some of the frames they are to forecast: found, held and not counted as observed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nowcast.core.errors import SettingsError
from nowcast.data.clips import VideoDataset
from nowcast.data.importance_sampling import ImportanceSampling
from nowcast.data.missing_frames import GapFilledSource
from nowcast.data.radar_cache import RadarCache
from nowcast.data.source import FrameSource
from nowcast.data.splits import SourcePart
from nowcast.data.training_data import training_data
from nowcast.data.windows import ClipWindow
from tests.fakes.frames import STEP, numbered, storm_codes, times_of, write_cache

WHOLE = slice(None)


def step_of(frames):
    return np.floor(frames[:, 0, 0, 0] * 1e3 + 1e-4).astype(int).tolist()


def test_a_missing_frame_holds_the_one_before_it():
    source = GapFilledSource(numbered([3, 4, 7, 8]))
    assert isinstance(source, FrameSource)
    np.testing.assert_array_equal(source.times, times_of(range(3, 9)))
    assert source.present.tolist() == [True, True, False, False, True, True]
    assert step_of(source.read(0, 6, WHOLE, WHOLE)) == [3, 4, 4, 4, 7, 8]
    assert step_of(source.read(2, 2, WHOLE, WHOLE)) == [4, 4]
    assert source.read(1, 4, slice(2, 4), slice(5)).shape == (4, 1, 2, 5)
    with pytest.raises(IndexError):
        source.read(5, 2, WHOLE, WHOLE)


def test_frames_that_are_all_there_are_read_as_they_are():
    source = numbered(range(5))
    filled = GapFilledSource(source).read(1, 3, WHOLE, WHOLE)
    np.testing.assert_array_equal(filled, source.read(1, 3, WHOLE, WHOLE))
    assert GapFilledSource(source).fingerprint != source.name


def test_no_frames_have_no_steps():
    empty = GapFilledSource(SourcePart(numbered(range(4)), 0, 0))
    assert len(empty.times) == len(empty.present) == 0
    assert empty.starts(ClipWindow(1, 1), 0).tolist() == []


def test_the_past_is_whole_and_the_future_lacks_no_more_than_is_allowed():
    source = GapFilledSource(numbered([0, 1, 2, 4, 5, 7, 8, 9, 10]))  # 3 and 6 are missing
    firsts = {missing: source.starts(ClipWindow(2, 3), missing).tolist() for missing in (0, 1, 2)}
    assert firsts == {0: [], 1: [0, 1, 4], 2: [0, 1, 4]}


def test_context_frames_may_not_be_missing():
    source = GapFilledSource(numbered([0, 1, 2, 3, 5, 6]))  # 4 is missing
    to_be_forecast = source.starts(ClipWindow(1, 2, before=1, after=1), 1)
    assert to_be_forecast.tolist() == [1, 2]
    assert source.starts(ClipWindow(1, 1, before=1, after=2), 0).tolist() == []


def test_a_clip_does_not_count_a_missing_frame_as_observed():
    data = VideoDataset([numbered([0, 1, 2, 4])], ClipWindow(2, 3), train=False, missing=1)
    assert len(data) == 1
    clip = data[0]
    assert step_of(clip.future) == [2, 2, 4]
    assert clip.observed.all(axis=(1, 2, 3)).tolist() == [True, True, True, False, True]
    assert not clip.observed[3].any()


def test_every_second_frame_may_lack_what_lies_between():
    data = VideoDataset([numbered([0, 2, 3, 4, 8])], ClipWindow(2, 2, every=2), train=False, missing=1)
    assert [step_of(clip.past) + step_of(clip.future) for clip in data] == [[0, 2, 4, 4], [2, 4, 4, 8]]
    assert [clip.observed[:, 0, 0, 0].tolist() for clip in data] == [
        [True, True, True, False],
        [True, True, False, True],
    ]


def test_none_missing_is_as_without_it():
    sources = [numbered([0, 1, 2, 3, 5, 6, 7, 8, 9])]
    one, other = (VideoDataset(sources, ClipWindow(2, 2), seed=3, **more) for more in ({}, {"missing": 0}))
    assert one.fingerprint == other.fingerprint
    assert all(np.array_equal(a, b) for i in range(len(one)) for a, b in zip(one[i], other[i], strict=True))


def test_wet_clips_with_gaps_are_drawn_more_often(tmp_path):
    steps = [k for k in range(44) if k % 11 != 5][:40]
    cache = RadarCache(write_cache(tmp_path / "c", storm_codes(len(steps)), steps=steps))
    chosen = {"crop": (16, 16), "importance": ImportanceSampling(0.02)}
    data = VideoDataset([cache], ClipWindow(2, 3), missing=1, **chosen)
    whole = VideoDataset([cache], ClipWindow(2, 3), **chosen)
    assert data.windows > whole.windows
    lacking = 0
    for index in range(len(data)):
        clip = data[index]
        lacking += not clip.observed[2:].any(axis=(1, 2, 3)).all()
        assert clip.observed[:2].any(axis=(1, 2, 3)).all()
    assert lacking > 0


def test_validation_clips_lack_nothing():
    sources = [numbered([k for k in range(80) if k % 10 != 7])]
    data = training_data(
        sources,
        ClipWindow(2, 3),
        train=["2025-03-01T00:00/2025-03-01T06:00"],
        validation=["2025-03-01T08:00/2025-03-01T13:00"],
        missing=2,
    )
    assert any(not clip.observed.all() for clip in data.train)
    assert all(clip.observed.all() for clip in data.validation)


@pytest.mark.parametrize("missing", [-1, 3])
def test_nothing_left_to_forecast_is_refused(missing):
    with pytest.raises(SettingsError, match=r"data\.missing: got -?\d, expected 0 to 2"):
        VideoDataset([numbered(range(9))], ClipWindow(2, 3), missing=missing)


@given(
    st.sets(st.integers(0, 40), min_size=1, max_size=35),
    st.integers(1, 3),
    st.integers(2, 4),
    st.integers(1, 3),
)
def test_every_window_that_has_enough_is_found_and_no_other(steps, past, future, missing):
    missing = min(missing, future - 1)
    window, first = ClipWindow(past, future), min(steps)
    expected = [
        k - first
        for k in range(first, max(steps) - window.steps + 2)
        if all(k + i in steps for i in range(past))
        and sum(k + past + i not in steps for i in range(future)) <= missing
    ]
    assert GapFilledSource(numbered(sorted(steps))).starts(window, missing).tolist() == expected
    assert window.starts(times_of(sorted(steps)), STEP).size <= len(expected)
