import numpy as np
import pytest

from nowcast.core.errors import FileError, SettingsError, TimeError
from nowcast.data.catalog import build_sources
from nowcast.data.radar_cache import RadarCache
from nowcast.data.splits import SourcePart, within
from nowcast.data.training_data import training_data
from nowcast.data.windows import ClipWindow
from tests.fakes.frames import numbered, storm_codes, times_of, write_cache
from tests.fakes.video_files import blob, write_avi
from tests.fakes.videos import counting_pictures, write_video

WINDOW = ClipWindow(2, 3)  # 5 frames of 10 minutes: 50 minutes
TRAIN = ["2025-03-01T00:00/2025-03-01T04:00"]


def split(source, **change):
    settings = {"train": TRAIN, "validation": ["2025-03-01T05:00/2025-03-01T07:00"], **change}
    return training_data([source], WINDOW, **settings)


def test_each_part_reads_its_own_times_and_no_others():
    source = numbered(range(60))
    data = split(source, test=["2025-03-01T08:00/2025-03-01T10:00"])
    shown = {name: set() for name in data._fields}
    for name, part in data._asdict().items():
        for index in range(len(part)):
            clip = part[index]
            frames = np.concatenate([clip.past, clip.future])
            shown[name] |= set(np.floor(frames.min(axis=(1, 2, 3)) * 1e3 + 1e-4).astype(int))
    assert shown["train"] == set(range(24))
    assert shown["validation"] == set(range(30, 42))


def test_no_index_of_the_training_data_reaches_a_test_frame():
    source = numbered(range(60))
    data = split(source, test=["2025-03-01T08:00/2025-03-01T10:00"])
    first_test = times_of([48])[0]
    for part in data:
        for stretch in part.sources:
            assert stretch.times.max() < first_test
            for first, count in ((0, len(stretch.times) + 1), (-1, 1), (len(stretch.times), 1), (47, 2)):
                with pytest.raises(IndexError):
                    stretch.read(first, count, slice(None), slice(None))


@pytest.mark.parametrize(
    "validation",
    [
        "2025-03-01T04:00/2025-03-01T06:00",  # touches
        "2025-03-01T04:40/2025-03-01T06:00",  # nearer than a window
        "2025-03-01T03:00/2025-03-01T06:00",  # overlaps
        "2025-02-28T20:00/2025-03-01T00:00",  # touches, before
    ],
)
def test_parts_that_touch_are_refused(validation):
    with pytest.raises(TimeError, match=r"train and validation .*at least one window \(50 min\)"):
        split(numbered(range(60)), validation=[validation])


def test_a_gap_of_exactly_one_window_will_do():
    data = split(numbered(range(60)), validation=["2025-03-01T04:50/2025-03-01T06:00"])
    assert len(data.validation) == 3


def test_test_times_are_kept_from_both_parts():
    with pytest.raises(TimeError, match="validation and test"):
        split(numbered(range(60)), test=["2025-03-01T07:00/2025-03-01T08:00"])


def test_a_period_without_frames_is_named():
    with pytest.raises(SettingsError, match=r"data\.validation: got 2026"):
        split(numbered(range(60)), validation=["2026-01-01/2026-01-02"])


def test_videos_are_parted_by_video():
    a, b = numbered(range(9), name="a"), numbered(range(9), name="b")
    data = training_data([a], WINDOW, validation_sources=[b])
    assert data.validation.sources[0].name == "b"
    with pytest.raises(SettingsError, match="'a' in both train and validation"):
        training_data([a], WINDOW, validation_sources=[numbered(range(9), name="a")])
    with pytest.raises(SettingsError, match=r"data\.validation: got none"):
        training_data([a], WINDOW)


def test_a_stretch_is_a_source_with_the_wet_area_of_its_frames(tmp_path):
    cache = RadarCache(write_cache(tmp_path / "c", storm_codes(20)))
    period = (times_of([4])[0], times_of([10])[0])
    [part] = within(cache, [period])
    assert isinstance(part, SourcePart)
    np.testing.assert_array_equal(part.times, times_of(range(4, 10)))
    np.testing.assert_array_equal(part.wet.counts, cache.wet.counts[4:10])
    np.testing.assert_array_equal(
        part.read(1, 2, slice(0, 9), slice(3, 7)), cache.read(5, 2, slice(0, 9), slice(3, 7))
    )


def test_validation_stride_and_centre_crop():
    data = split(numbered(range(60), size=(10, 10)), crop=(4, 4), validation_stride=3)
    assert len(data.validation) == 3
    assert not data.validation.train
    assert data.validation.place(0).crop.rows == slice(3, 7)


def folder_sources(root, kind, **settings):
    choice = {"kind": kind, "settings": {"path": str(root), **settings}}
    return build_sources([choice])


@pytest.mark.parametrize("kind", ["video_folder", "video_files"])
def test_videos_of_one_name_in_two_folders_are_two(tmp_path, kind, caplog):
    """LMC-Memory's published layout: train/ and valid/ with folders of pictures that are numbered alike."""
    for part, first in (("train", 0), ("valid", 100)):
        for name in ("00001", "00002"):
            write_video(tmp_path / part / name, counting_pictures(9, first=first), name="{:05d}.png")
    train, valid = (folder_sources(tmp_path / part, kind) for part in ("train", "valid"))
    data = training_data(train, WINDOW, validation_sources=valid)
    assert [source.name for source in data.validation.sources] == ["00001", "00002"]
    assert round(float(data.validation[1].future[0, 0, 2, 3]) * 255) == 103
    assert round(float(data.train[0].past[0, 0, 2, 3]) * 255) < 100
    with pytest.raises(SettingsError, match="'00001' in both train and validation"):
        training_data(train, WINDOW, validation_sources=folder_sources(tmp_path / "train", kind, size=[6, 8]))
    (tmp_path / "link").symlink_to(tmp_path / "train")
    with pytest.raises(SettingsError, match="'00001' in both train and validation"):
        training_data(train, WINDOW, validation_sources=folder_sources(tmp_path / "link", kind))
    assert caplog.text == ""


def test_copies_under_another_folder_are_told(tmp_path, caplog):
    for part in ("train", "valid"):
        write_video(tmp_path / part / "00001", counting_pictures(9))
    train, valid = (folder_sources(tmp_path / part, "video_files") for part in ("train", "valid"))
    training_data(train, WINDOW, validation_sources=valid)
    assert "'00001' of validation has the frames of one of train" in caplog.text


def test_one_video_alone_and_in_its_folder_is_one(tmp_path):
    path = write_avi(tmp_path / "films" / "a.avi", blob(9))
    with pytest.raises(SettingsError, match=r"'a\.avi' in both train and validation"):
        training_data(
            folder_sources(tmp_path / "films", "video_files"),
            WINDOW,
            validation_sources=folder_sources(path, "video_files"),
        )


def test_two_folders_that_share_a_cache_never_give_each_others_frames(tmp_path):
    for part, first in (("train", 0), ("valid", 100)):
        write_video(tmp_path / part / "00001", counting_pictures(9, first=first))
    [train] = folder_sources(tmp_path / "train", "video_files", cache=str(tmp_path / "one"))
    [valid] = folder_sources(tmp_path / "valid", "video_files", cache=str(tmp_path / "one"))
    assert round(float(valid.read(0, 1, slice(2, 3), slice(3, 4))[0, 0, 0, 0]) * 255) == 100
    with pytest.raises(FileError, match="give each folder of videos a 'cache' of its own"):
        train.read(0, 1, slice(None), slice(None))


def test_the_gap_counts_the_frames_that_every_leaves_out():
    """Past 2 and future 3 of every third frame cover 13 steps of 10 minutes."""
    window = ClipWindow(2, 3, every=3)
    for minutes, well in ((120, False), (130, True)):
        end = np.datetime64("2025-03-01T04:00") + np.timedelta64(minutes, "m")
        parts = {"train": TRAIN, "validation": [f"{end}/2025-03-01T12:00"]}
        if well:
            data = training_data([numbered(range(90))], window, **parts)
            assert data.validation.reference_time(0) == (end + np.timedelta64(30, "m")).astype("datetime64[ns]")
        else:
            with pytest.raises(TimeError, match=r"with 120 min .*at least one window \(130 min\)"):
                training_data([numbered(range(90))], window, **parts)
