import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from nowcast.core.errors import SettingsError, TimeError
from nowcast.data.clips import ClipSample, VideoDataset
from nowcast.data.importance_sampling import ImportanceSampling
from nowcast.data.radar_cache import RadarCache
from nowcast.data.windows import ClipWindow
from tests.fakes.frames import START, STEP, ArraySource, numbered, storm_codes, times_of, write_cache

WINDOW = ClipWindow(2, 3)


def step_of(frames):
    """Which step a frame of a numbered source shows, whatever its crop and turn."""
    return np.floor(frames.reshape(len(frames), -1).min(axis=1) * 1e3 + 1e-4).astype(int).tolist()


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_clip_by_hand():
    frames = np.arange(5 * 4, dtype=np.float32).reshape(5, 1, 2, 2) / 100
    frames[1, 0, 0, 0] = np.nan
    data = VideoDataset([ArraySource("hand", frames.copy(), times_of(range(5)), STEP)], WINDOW, train=False)
    clip = data[0]
    assert isinstance(clip, ClipSample)
    np.testing.assert_array_equal(clip.past[1, 0], np.float32([[0, 0.05], [0.06, 0.07]]))
    np.testing.assert_array_equal(clip.future, frames[2:])
    np.testing.assert_array_equal(clip.observed, ~np.isnan(frames))
    assert clip.context.shape == (0, 1, 2, 2)
    assert data.reference_time(0) == START + STEP


def test_context_holds_the_frames_before_and_after_the_clip():
    data = VideoDataset([numbered(range(12))], ClipWindow(2, 3, before=4, after=1), train=False)
    clip = data[1]
    assert step_of(clip.past) == [5, 6]
    assert step_of(clip.future) == [7, 8, 9]
    assert step_of(clip.context) == list(range(1, 11))
    assert clip.observed.shape[0] == 5


def test_every_second_frame():
    data = VideoDataset([numbered(range(20))], ClipWindow(2, 2, every=2), train=False)
    assert step_of(data[3].past) == [3, 5]
    assert step_of(data[3].future) == [7, 9]
    assert data.step == 2 * STEP


def test_clips_never_bridge_a_gap_or_two_sources():
    sources = [numbered([0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]), numbered(range(100, 106), name="second")]
    data = VideoDataset(sources, WINDOW, train=False)
    firsts = [step_of(clip.past)[0] for clip in data]
    assert firsts == [0, 6, 7, 100, 101]
    for clip in data:
        shown = step_of(clip.past) + step_of(clip.future)
        assert np.diff(shown).tolist() == [1] * 4


def test_without_weights_every_window_comes_once_an_epoch_in_another_order():
    data = VideoDataset([numbered(range(30))], WINDOW)
    orders = []
    for epoch in (0, 1):
        data.set_epoch(epoch)
        orders.append([step_of(data[i].past)[0] for i in range(len(data))])
        assert sorted(orders[-1]) == list(range(26))
    assert orders[0] != orders[1] != sorted(orders[1])


def test_a_length_beyond_the_windows_goes_round_again():
    data = VideoDataset([numbered(range(7))], WINDOW, length=7)
    shown = [step_of(data[i].past)[0] for i in range(7)]
    assert sorted(shown[:3]) == sorted(shown[3:6]) == [0, 1, 2]


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")  # on a machine of two cores
@pytest.mark.parametrize("wet", [None, ImportanceSampling()])
def test_the_same_clips_with_any_number_of_workers_in_any_order(tmp_path, wet):
    cache = RadarCache(write_cache(tmp_path / "c", storm_codes(24)))
    data = VideoDataset([cache], WINDOW, crop=(16, 24), seed=3, importance=wet)
    for epoch in (0, 1):
        data.set_epoch(epoch)
        plain = [data[i] for i in range(len(data))]
        assert all(same(plain[i], data[i]) for i in reversed(range(len(data))))
        for workers in (0, 4):
            loader = DataLoader(data, batch_size=4, num_workers=workers)
            batches = list(loader)
            loaded = [torch.cat(parts).numpy() for parts in zip(*batches, strict=True)]
            assert same(loaded, [np.stack(parts) for parts in zip(*plain, strict=True)])
    assert len({clip.past.tobytes() for clip in plain}) == len(plain)


def test_persistent_workers_see_the_next_epoch():
    data = VideoDataset([numbered(range(20), size=(16, 16))], WINDOW, crop=(8, 8))
    loader = DataLoader(data, batch_size=4, num_workers=1, persistent_workers=True)
    list(loader)
    data.set_epoch(1)
    loaded = torch.cat([batch.past for batch in loader]).numpy()
    np.testing.assert_array_equal(loaded, np.stack([data[i].past for i in range(len(data))]))


def test_seeds_and_epochs_draw_other_clips():
    def drawn(seed, epoch):
        data = VideoDataset([numbered(range(40), size=(16, 16))], WINDOW, crop=(4, 4), seed=seed)
        data.set_epoch(epoch)
        return np.stack([data[i].past for i in range(8)])

    assert not np.array_equal(drawn(0, 0), drawn(1, 0))
    assert not np.array_equal(drawn(0, 0), drawn(0, 1))
    np.testing.assert_array_equal(drawn(5, 2), drawn(5, 2))


def test_crops_and_turns_show_one_place_the_same_way_through_the_clip():
    data = VideoDataset([numbered(range(30), size=(12, 20))], WINDOW, crop=(6, 6), seed=1)
    ways = set()
    for index in range(len(data)):
        frames = np.concatenate([data[index].past, data[index].future])[:, 0].astype(np.float64)
        pattern = frames - frames.min(axis=(1, 2), keepdims=True)
        np.testing.assert_allclose(pattern, np.broadcast_to(pattern[0], pattern.shape), atol=2e-8)
        ways.add(tuple(round((pattern[0][n] - pattern[0, 0, 0]) * 1e7) for n in ((1, 0), (0, 1))))
    assert ways == {(100, 1), (100, -1), (-100, 1), (-100, -1), (1, 100), (-1, 100), (1, -100), (-1, -100)}


def test_oblong_crops_keep_their_shape_and_reach_every_corner():
    source = numbered(range(200), size=(5, 7))
    data = VideoDataset([source], WINDOW, crop=(4, 6), flips_and_rotations=True, length=400)
    places = [data.place(i) for i in range(len(data))]
    assert {(p.crop.rows.start, p.crop.columns.start) for p in places} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert {p.orientation for p in places} == {(False, a, b) for a in (True, False) for b in (True, False)}
    assert data[0].past.shape == (2, 1, 4, 6)


def test_validation_is_cut_at_the_centre_and_draws_nothing():
    source = numbered(range(6), size=(10, 12))
    data = VideoDataset([source], WINDOW, crop=(4, 4), train=False)
    before = data[1]
    data.set_epoch(7)
    assert same(before, data[1])
    np.testing.assert_array_equal(before.past, source.frames[1:3, :, 3:7, 4:8])


def test_wet_windows_and_wet_crops_come_more_often(tmp_path):
    codes = np.zeros((60, 32, 32), np.int16)
    codes[40:, 24:, 24:] = 3000  # it rains in the last third, in the lower right
    cache = RadarCache(write_cache(tmp_path / "c", codes))
    data = VideoDataset([cache], WINDOW, crop=(8, 8), importance=ImportanceSampling(0.02), length=2000)
    places = [data.place(i) for i in range(len(data))]
    # by hand: a fully wet window has 64/1024 wet; windows 0..35 are dry, 36..39 partly, 40..55 wet
    share = np.clip(np.arange(56) - 35, 0, 5) / 5 / 16
    expected = (0.02 + share)[40:].sum() / (0.02 + share).sum()
    assert np.mean([p.first >= 40 for p in places]) == pytest.approx(expected, abs=0.04)
    rainy = [p for p in places if p.first >= 40]
    inside = np.mean([p.crop.rows.start > 16 and p.crop.columns.start > 16 for p in rainy])
    assert inside > 0.6  # evenly drawn it would be (8 / 25) ** 2 = 0.10
    assert any(p.crop.rows.start == 0 for p in places)


@pytest.mark.parametrize(
    ("sources", "change", "message"),
    [
        ([], {}, "no sources"),
        ([numbered(range(9))], {"crop": (9, 8)}, "at most 8 x 8"),
        ([numbered(range(9))], {"crop": (0, 8)}, "crop of 0 x 8"),
        ([numbered(range(9))], {"seed": -1}, "seed=-1"),
        ([numbered(range(9)), numbered(range(9), (4, 4), name="small")], {}, "'small' has frames of 4 x 4"),
        ([numbered(range(9)), numbered(range(9), channels=3, name="colour")], {}, "'colour' has 3 channels"),
    ],
)
def test_what_does_not_fit_is_refused(sources, change, message):
    with pytest.raises(SettingsError, match=message):
        VideoDataset(sources, WINDOW, **change)


def test_too_few_frames_and_two_steps_are_refused():
    with pytest.raises(TimeError, match="the longest has 4 frames"):
        VideoDataset([numbered(range(4))], WINDOW)
    other = numbered(range(9), name="other")
    other.step = 2 * STEP
    with pytest.raises(TimeError, match="'other' has a step of"):
        VideoDataset([numbered(range(9)), other], WINDOW)
    with pytest.raises(IndexError):
        VideoDataset([numbered(range(5))], WINDOW)[1]


def test_the_fingerprint_changes_with_frames_times_and_window(tmp_path):
    def mark(window=WINDOW, steps=range(24), fingerprint="abc"):
        folder = write_cache(tmp_path / "c", storm_codes(24), steps=list(steps), fingerprint=fingerprint)
        return VideoDataset([RadarCache(folder)], window).fingerprint

    marks = [mark(), mark(ClipWindow(2, 4)), mark(steps=range(1, 25)), mark(fingerprint="abd")]
    assert len(set(marks)) == 4
    assert marks[0] == mark()


def test_copies_keep_the_epoch():
    data = VideoDataset([numbered(range(20))], WINDOW)
    data.set_epoch(4)
    for twin in (pickle.loads(pickle.dumps(data)), copy.deepcopy(data)):
        assert twin.epoch == 4
        assert same(twin[2], data[2])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 50), st.integers(0, 15))
def test_a_draw_follows_from_seed_epoch_and_index_alone(seed, epoch, index):
    def place(warm_up):
        data = VideoDataset([numbered(range(20), size=(9, 9))], WINDOW, crop=(5, 5), seed=seed)
        for other in range(warm_up):
            data.set_epoch(other)
            data.place(other)
        data.set_epoch(epoch)
        return data.place(index)

    assert place(0) == place(3)
