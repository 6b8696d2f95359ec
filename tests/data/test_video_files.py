"""What is found, what is in the frames, when they come, and what is skipped."""

import logging
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.core.errors import FileError, SettingsError, TimeError
from nowcast.data.clips import VideoDataset
from nowcast.data.source import FrameSource
from nowcast.data.video_files import VideoFilesSettings, open_video_files
from nowcast.data.windows import ClipWindow
from tests.fakes.video_files import blob, write_avi, write_mp4
from tests.fakes.videos import write_video

ALL = slice(None)


def videos(path, **chosen):
    return open_video_files(VideoFilesSettings(path, processes=1, **chosen), progress=False)


def pixels(source):
    frames = source.read(0, len(source.times), ALL, ALL)
    return np.rint(frames * 255).astype(int)


def milliseconds(source):
    return (source.times.astype(np.int64) // 1_000_000).tolist()


def test_a_gray_video_is_what_was_drawn(tmp_path):
    drawn = blob(30, (14, 18))
    [video] = videos(write_avi(tmp_path / "film.avi", drawn))
    assert isinstance(video, FrameSource)
    assert video.name == "film.avi"
    np.testing.assert_array_equal(pixels(video)[:, 0], drawn)


@settings(max_examples=15, deadline=None)
@given(
    count=st.integers(2, 40),
    size=st.tuples(st.integers(2, 30), st.integers(2, 30)),
    step=st.integers(1, 4),
    batch=st.integers(1, 5000),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_video_without_loss_is_what_was_drawn(count, size, step, batch, seed):
    drawn = np.random.default_rng(seed).integers(0, 256, (count, *size), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("nowcast.data.video_frames._BATCH_BYTES", batch)
        path = write_avi(Path(folder) / "film.avi", drawn)
        [video] = videos(path, frame_step=step, shortest=1)
        np.testing.assert_array_equal(pixels(video)[:, 0], drawn[::step])
        assert video.times.astype(np.int64).tolist() == [40_000_000 * n for n in range(0, count, step)]


@pytest.mark.parametrize(("write", "name"), [(write_avi, "a.avi"), (write_mp4, "a.mp4"), (write_avi, "a.mkv")])
def test_a_colour_video_is_what_was_drawn(tmp_path, write, name):
    drawn = blob(7, (14, 18), colour=True)
    [video] = videos(write(tmp_path / name, drawn), colour="rgb")
    assert video.frame_shape == (3, 14, 18)
    np.testing.assert_array_equal(pixels(video), drawn.transpose(0, 3, 1, 2))


def test_the_codec_of_kth_comes_back_within_its_loss_and_with_the_whole_range(tmp_path):
    ramp = np.repeat(np.arange(0, 256, 8, dtype=np.uint8)[None, None], 32, axis=1).repeat(4, axis=0)
    [video] = videos(write_avi(tmp_path / "film.avi", ramp, codec="mpeg4"))
    assert abs(pixels(video)[:, 0] - ramp).max() <= 4


def test_colour_read_in_gray_is_its_luma(tmp_path):
    red = np.zeros((3, 16, 16, 3), np.uint8)
    red[..., 0] = 255
    [video] = videos(write_mp4(tmp_path / "red.mp4", red))
    [picture] = videos(write_video(tmp_path / "red", red))
    np.testing.assert_allclose(pixels(video), 76, atol=1)  # 0.299 * 255
    np.testing.assert_allclose(pixels(picture), 76)


def test_time_starts_at_1970_in_each_video_and_goes_by_its_own_rate(tmp_path):
    write_avi(tmp_path / "a.avi", blob(4), fps=25)
    write_avi(tmp_path / "b.avi", blob(4), fps=50)
    slow, fast = videos(tmp_path)
    assert milliseconds(slow) == [0, 40, 80, 120]
    assert milliseconds(fast) == [0, 20, 40, 60]
    with pytest.raises(TimeError, match=r"'b\.avi' has a step"):
        VideoDataset([slow, fast], ClipWindow(1, 1))
    forced = videos(tmp_path, frames_per_second=10.0)
    assert [milliseconds(video) for video in forced] == [[0, 100, 200, 300]] * 2


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
@pytest.mark.parametrize("fps", [25, Fraction(30000, 1001)])
def test_a_dropped_frame_is_a_gap_that_no_clip_bridges(tmp_path, name, fps):
    drawn = blob(30, (16, 16), colour=True)
    numbers = [*range(12), *range(14, 20), *range(21, 33)]
    write_mp4(tmp_path / name, drawn, fps=fps, times=numbers)
    [video] = videos(tmp_path / name, colour="rgb")
    assert video.numbers.tolist() == numbers
    assert (video.times.astype(np.int64) // video.step.astype(np.int64)).tolist() == numbers
    assert abs(video.step / np.timedelta64(1, "s") - 1 / float(fps)) < 1e-9
    np.testing.assert_array_equal(pixels(video), drawn.transpose(0, 3, 1, 2))
    assert len(VideoDataset([video], ClipWindow(6, 2), train=False)) == 5 + 0 + 5


def test_frame_step_keeps_every_nth_frame(tmp_path):
    drawn = blob(11)
    [video] = videos(write_avi(tmp_path / "film.avi", drawn), frame_step=3)
    np.testing.assert_array_equal(pixels(video)[:, 0], drawn[[0, 3, 6, 9]])
    assert milliseconds(video) == [0, 120, 240, 360]
    assert video.step == np.timedelta64(120, "ms")
    assert len(VideoDataset([video], ClipWindow(2, 1), train=False)) == 2


def test_pictures_count_from_one_and_leave_gaps(tmp_path):
    drawn = blob(5)
    write_video(tmp_path / "film", drawn, numbers=[1, 2, 3, 5, 6])
    [video] = videos(tmp_path / "film")
    assert milliseconds(video) == [0, 40, 80, 160, 200]
    np.testing.assert_array_equal(pixels(video)[:, 0], drawn)


def test_pictures_of_every_nth_frame_follow_each_other(tmp_path):
    write_video(tmp_path / "film", blob(4), numbers=[1, 6, 11, 16])
    [video] = videos(tmp_path / "film", frames_per_second=50.0)
    assert video.step == np.timedelta64(100, "ms")
    assert milliseconds(video) == [0, 100, 200, 300]


def test_a_size_in_a_pictures_name_is_not_its_number(tmp_path):
    folder = write_video(tmp_path / "film", blob(3))
    for number in (1, 2, 3):
        (folder / f"frame_0000{number}.png").rename(folder / f"image-00{number}_160x120.png")
    [video] = videos(tmp_path)
    assert milliseconds(video) == [0, 40, 80]


def test_categories_names_and_order(tmp_path):
    for name in ("walk/b.avi", "walk/a.avi", "run/a.avi"):
        write_avi(tmp_path / name, blob(2))
    write_video(tmp_path / "walk" / "c", blob(2))
    (tmp_path / "walk" / "readme.txt").write_text("not a video")
    assert [v.name for v in videos(tmp_path)] == ["run/a.avi", "walk/a.avi", "walk/b.avi", "walk/c"]
    assert [v.name for v in videos(tmp_path, categories=("run",))] == ["run/a.avi"]
    names = tmp_path / "trainlist01.txt"
    names.write_text("walk/a.avi 1\n\nrun/a.avi 2\n")
    assert [v.name for v in videos(tmp_path, names=names)] == ["run/a.avi", "walk/a.avi"]


def test_corrupt_and_short_videos_are_named_skipped_and_counted(tmp_path, caplog):
    whole = write_avi(tmp_path / "a_whole.avi", blob(40))
    (tmp_path / "b_text.avi").write_bytes(b"<html>404 not found</html>" * 50)
    content = whole.read_bytes()
    (tmp_path / "c_cut.avi").write_bytes(content[: len(content) // 2])
    (tmp_path / "d_empty.mp4").write_bytes(b"")
    write_avi(tmp_path / "e_short.avi", blob(5))
    with caplog.at_level(logging.WARNING):
        kept = videos(tmp_path, shortest=10)
    assert [video.name for video in kept] == ["a_whole.avi"]
    for name in ("b_text.avi", "c_cut.avi", "d_empty.mp4", "e_short.avi"):
        assert f"video '{name}' skipped" in caplog.text
    assert "got 5 frames, expected at least 10" in caplog.text
    assert "4 of 5 videos skipped" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert [video.name for video in videos(tmp_path)] == ["a_whole.avi", "e_short.avi"]
    assert "3 of 5 videos skipped" in caplog.text, "named again when they come out of the cache"


@pytest.mark.parametrize("name", ["film.avi", "film.mp4", "film.mkv"])
def test_whatever_the_damage_no_video_stops_the_others(tmp_path, name):
    write = write_avi if name == "film.avi" else write_mp4
    whole = write(tmp_path / name, blob(30, (48, 64), colour=True)).read_bytes()
    write_avi(tmp_path / "films" / "whole.avi", blob(3))
    random = np.random.default_rng(0)
    for number in range(20):
        content = bytearray(whole[: random.integers(1, len(whole))] if number % 3 == 2 else whole)
        reach = len(content) if number % 3 else min(400, len(content))
        for place in random.integers(0, reach, 5):
            content[place] = random.integers(256)
        (tmp_path / "films" / f"{number:02d}-{name}").write_bytes(content)
    found = videos(tmp_path / "films")
    assert found[-1].name == "whole.avi"
    assert len(found) < 21, "the damage should be such that it is noticed at least once"
    for video in found:
        assert pixels(video).shape == (len(video.times), *video.frame_shape)


def test_a_damaged_picture_costs_its_video_only(tmp_path, caplog):
    write_video(tmp_path / "a", blob(3))
    (write_video(tmp_path / "b", blob(3)) / "frame_00002.png").write_bytes(b"nothing")
    assert [video.name for video in videos(tmp_path)] == ["a"]
    assert "video 'b' skipped" in caplog.text
    assert "frame_00002.png: damaged picture" in caplog.text


def test_sizes_that_change_within_a_video_need_a_size(tmp_path, caplog):
    write_video(tmp_path / "film", blob(3))
    write_video(tmp_path / "film", blob(2, (20, 20)), numbers=[4, 5])
    with pytest.raises(FileError, match="set a size"):
        videos(tmp_path)
    assert videos(tmp_path, size=(8, 8))[0].frame_shape == (1, 8, 8)


def test_nothing_usable_and_nothing_there(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.avi").write_bytes(b"RIFF")
    with pytest.raises(FileError, match=r"no video that can be used of 1, the first is 'x\.avi'"):
        videos(tmp_path / "bad")
    with pytest.raises(FileError, match="no such file or folder"):
        videos(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="no videos of those asked for"):
        videos(tmp_path / "empty")
    with pytest.raises(FileError, match="no list of videos"):
        videos(tmp_path / "bad", names=tmp_path / "nothing.txt")
    write_video(tmp_path / "twice", blob(1))
    write_video(tmp_path / "twice", blob(1))
    (tmp_path / "twice" / "other_00001.png").write_bytes((tmp_path / "twice" / "frame_00001.png").read_bytes())
    with pytest.raises(FileError, match="one picture a number"):
        videos(tmp_path / "twice")


@pytest.mark.parametrize("wrong", [{"frames_per_second": 0.0}, {"shortest": 0}, {"size": (0, 1)}])
def test_settings_that_cannot_be_are_refused(tmp_path, wrong):
    with pytest.raises(SettingsError, match=r"video\."):
        VideoFilesSettings(tmp_path, **wrong)


def test_clips_of_video_that_is_too_short_for_the_window_are_told(tmp_path, caplog):
    write_avi(tmp_path / "a.avi", blob(12))
    write_avi(tmp_path / "b.avi", blob(5))
    data = VideoDataset(videos(tmp_path), ClipWindow(4, 4), train=False)
    assert len(data) == 5
    assert "1 of 2 sources have no 8 frames without a gap and give no clip, the first is 'b.avi'" in caplog.text
