"""Clips of one lopsided source: oblong cells and frames, coverage that moves, every second frame, gaps."""

import numpy as np
import pytest

from nowcast.core.scaling import Scaling
from nowcast.data.clips import VideoDataset
from nowcast.data.crops import Orientation, oriented
from nowcast.data.importance_sampling import ImportanceSampling, WetBlocks, draw_corner, window_weights
from nowcast.data.missing_frames import GapFilledSource
from nowcast.data.radar_archive import make_cache
from nowcast.data.radar_cache import RadarCache
from nowcast.data.splits import SourcePart
from nowcast.data.windows import ClipWindow
from tests.fakes.frames import FILL, NO_ECHO, STEP, ArraySource, FakeArchive, numbered, times_of, write_cache

ALL = slice(None)
GONE = (4, 11)
"""Steps that are missing of 20."""


def lopsided(steps=None, size=(11, 17)):
    """Frames that hold 0.1 + step / 1000 + row / 1e5 + column / 1e7; a bar that walks is not observed."""
    steps = [k for k in range(20) if k not in GONE] if steps is None else steps
    source = numbered(steps, size)
    source.frames += np.float32(0.1)
    for frame, step in zip(source.frames, steps, strict=True):
        frame[:, step % size[0], : 3 + step % 5] = np.nan
    return source


def truth(step, size=(11, 17)):
    """The frame of a step, and what of it was observed."""
    frame = lopsided([step], size).frames[0, 0]
    return np.nan_to_num(frame), ~np.isnan(frame)


def test_every_pixel_of_every_clip_is_the_one_of_its_place_and_time():
    window = ClipWindow(2, 3, every=2, before=1, after=1)  # seven frames over 13 steps
    data = VideoDataset([lopsided(range(20))], window, crop=(4, 7), seed=2, length=60)
    seen = set()
    for index in range(60):
        place, clip = data.place(index), data[index]
        rows, columns = place.crop
        assert (rows.stop - rows.start, columns.stop - columns.start) == (4, 7)
        seen.add((place.first, place.orientation))
        assert data.reference_time(index) == times_of([place.first + 4])[0]
        for number, shown in enumerate(clip.context):
            frame, _ = truth(place.first + 2 * number)
            np.testing.assert_array_equal(shown[0], oriented(frame[rows, columns], place.orientation))
        for number, (shown, observed) in enumerate(
            zip(np.concatenate([clip.past, clip.future]), clip.observed, strict=True)
        ):
            frame, there = truth(place.first + 2 * (1 + number))
            np.testing.assert_array_equal(shown[0], oriented(frame[rows, columns], place.orientation))
            np.testing.assert_array_equal(observed[0], oriented(there[rows, columns], place.orientation))
            assert (shown[0][~observed[0]] == 0).all()
    assert {first for first, _ in seen} == set(range(8))
    assert {way for _, way in seen} == {Orientation(False, a, b) for a in (False, True) for b in (False, True)}


def test_the_middle_of_an_odd_frame_lies_half_a_pixel_to_the_upper_left():
    data = VideoDataset([lopsided(range(20))], ClipWindow(1, 1, stride=4), crop=(4, 6), train=False)
    assert data.place(2).crop == (slice(3, 7), slice(5, 11))
    frame, there = truth(8)
    np.testing.assert_array_equal(data[2].past[0, 0], frame[3:7, 5:11])
    np.testing.assert_array_equal(data[2].observed[0, 0], there[3:7, 5:11])


def test_orientations_by_hand():
    frames = np.array([[[1, 2, 3], [4, 5, 6]]], np.float32)
    assert oriented(frames, Orientation(flip_rows=True)).tolist() == [[[4, 5, 6], [1, 2, 3]]]
    assert oriented(frames, Orientation(flip_columns=True)).tolist() == [[[3, 2, 1], [6, 5, 4]]]
    assert oriented(frames, Orientation(transpose=True, flip_rows=True)).tolist() == [[[3, 6], [2, 5], [1, 4]]]


def test_missing_frames_of_every_second_are_those_and_no_others():
    window = ClipWindow(2, 3, every=2, stride=3, before=1)
    data = VideoDataset([lopsided()], window, train=False, missing=2)
    expected = [
        k
        for k in range(0, 20 - 10, 3)
        if not {k, k + 2, k + 4} & set(GONE) and len({k + 6, k + 8, k + 10} & set(GONE)) <= 2
    ]
    firsts = [data.place(index).first for index in range(len(data))]
    assert firsts == expected == [3, 6]
    for first, clip in zip(firsts, data, strict=False):
        for number, (shown, observed) in enumerate(
            zip(np.concatenate([clip.past, clip.future]), clip.observed, strict=True)
        ):
            step = first + 2 * (1 + number)
            held = step - 1 if step in GONE else step
            frame, there = truth(held)
            np.testing.assert_array_equal(shown[0], frame)
            np.testing.assert_array_equal(observed[0], np.zeros_like(there) if step in GONE else there)


@pytest.mark.parametrize(("every", "starts"), [(1, [0, 3, 6, 9, 14, 17]), (2, [0, 3, 6, 14]), (3, [0, 3])])
def test_starts_by_hand(every, starts):
    """Runs of steps 0 to 13 and 20 to 27: four frames cover 4, 7 or 10 steps, a window starts every third."""
    window = ClipWindow(1, 2, before=1, stride=3, every=every)
    times = times_of([*range(14), *range(20, 28)])
    assert window.starts(times, STEP).tolist() == starts


def test_weights_of_windows_by_hand():
    """Two wet pixels of 20 in frame 3 alone; a window of 2 + 1 of every second frame covers 5 frames."""
    counts = np.zeros((8, 2, 3), np.uint16)
    counts[3, 1, 2] = 2
    source = numbered(range(8), (4, 5))
    source.wet = WetBlocks(counts, 2, 20.0, 20)
    window = ClipWindow(2, 1, every=2)
    plain = numbered(range(5), (4, 5))
    starts = [window.starts(one.times, STEP) for one in (source, plain)]
    weights = window_weights([source, plain], starts, window, 0.05)
    np.testing.assert_allclose(weights, [0.05 + 0.1 / 5] * 4 + [1.05])
    source.sampling_weight, plain.sampling_weight = 0.5, 3.0
    weighed = window_weights([source, plain], starts, window, 0.05)
    np.testing.assert_allclose(weighed, [(0.05 + 0.1 / 5) / 2] * 4 + [3 * 1.05])
    source.sampling_weight = 1.0
    part = SourcePart(source, 2, 7)
    np.testing.assert_allclose(window_weights([part], [np.array([0])], window, 0.05), [0.05 + 0.1 / 5])
    later = SourcePart(source, 4, 8)
    assert later.wet.counts.sum() == 0
    times = times_of([0, 1, 2, 3, 5, 6, 7, 8])
    filled = GapFilledSource(ArraySource("gap", source.frames, times, STEP, source.wet))
    assert filled.wet.counts[:, 1, 2].tolist() == [0, 0, 0, 2, 2, 0, 0, 0, 0]


def test_wet_corners_of_an_oblong_frame_by_hand():
    """Blocks of 4 in 13 x 30 pixels, crops of 5 x 9: corners lie on blocks, 3 by 6, one of them wet."""
    counts = np.zeros((6, 4, 8), np.uint16)
    counts[2:5, 3, 6] = 4  # rows 12, columns 24 to 27, of frames 2 to 4
    blocks = WetBlocks(counts, 4, 20.0, 390)
    random = np.random.default_rng(0)

    def corners(frames, count=4000):
        return np.array([draw_corner(blocks, frames, (5, 9), (13, 30), 0.01, random) for _ in range(count)])

    drawn = corners(slice(1, 5))
    assert set(drawn[:, 0].tolist()) == set(range(9))
    assert set(drawn[:, 1].tolist()) == set(range(22))
    # a crop covers 2 x 3 blocks = 96 pixels; rows of blocks 2 and 3 see the wet one, columns 4, 5 (and 6)
    wet = 0.01 + 3 * 4 / (96 * 4)
    share = 2 * wet / (2 * wet + 16 * 0.01)
    sees = (drawn[:, 0] >= 8) & (drawn[:, 1] >= 16)
    assert np.mean(sees) == pytest.approx(share, abs=0.03)
    even = corners(slice(0, 2))
    assert np.mean((even[:, 0] >= 8) & (even[:, 1] >= 16)) == pytest.approx(2 / 18, abs=0.02)


def test_a_cache_of_oblong_cells_and_frames(tmp_path, monkeypatch):
    codes = np.full((3, 20, 50), NO_ECHO, np.int16)
    codes[1, 17, 33], codes[2, 3, 48], codes[0, 0, 0] = 2000, 1999, FILL
    made = FakeArchive(tmp_path / "oblong.zarr", codes)
    monkeypatch.setattr("nowcast.archive.reader.Archive.open", staticmethod(lambda path: made))
    cache = RadarCache(make_cache(made.path, progress=False), Scaling(-10.0, 50.0))
    assert cache.frame_shape == (1, 20, 50)
    assert cache.grid_km == (1.0, 1.5)
    assert cache.wet.counts.shape == (3, 2, 4)
    assert np.argwhere(cache.wet.counts).tolist() == [[1, 1, 2]]  # 20 dBZ is wet, 19.99 is not
    assert cache.wet.pixels == 20 * 50
    assert cache.read(1, 1, slice(15, 20), slice(30, 40))[0, 0, 2, 3] == pytest.approx(0.5)
    assert np.isnan(cache.read(0, 1, ALL, ALL)[0, 0, 0, 0])
    assert cache.read(0, 1, ALL, ALL)[0, 0, 19, 49] == 0


def test_wet_clips_of_every_second_frame_are_drawn_by_all_their_frames(tmp_path):
    codes = np.full((21, 12, 20), NO_ECHO, np.int16)
    codes[15:20, 4:8, 12:16] = 3000  # one block of 16 pixels of 240, steps 15 to 19
    cache = RadarCache(write_cache(tmp_path / "c", codes))
    data = VideoDataset(
        [cache], ClipWindow(2, 2, every=2), crop=(4, 8), importance=ImportanceSampling(0.01), length=3000
    )
    places = [data.place(index) for index in range(len(data))]
    wet = np.array([sum(15 <= k < 20 for k in range(first, first + 7)) for first in range(15)]) / 7 / 15
    chances = (0.01 + wet) / (0.01 + wet).sum()
    found = np.bincount([place.first for place in places], minlength=15) / len(places)
    np.testing.assert_allclose(found, chances, atol=0.03)
    # of a window from 9 or 10 on only the last frames are wet; of 3 x 4 corners of blocks two see the wet one
    late = [place.crop for place in places if place.first in (9, 10)]
    hits = [4 <= crop.rows.start < 8 and crop.columns.start >= 8 for crop in late]
    assert len(hits) > 150
    assert np.mean(hits) > 0.45  # 0.7 by hand, 0.17 if only the first frames were looked at
