import logging

import numpy as np
import pytest
from PIL import Image

from nowcast.core.errors import FileError, SettingsError
from nowcast.data.clips import VideoDataset
from nowcast.data.raw_videos import decode_picture
from nowcast.data.source import FrameSource
from nowcast.data.video_folder import VideoFolderSettings, open_videos
from nowcast.data.windows import ClipWindow
from tests.fakes.videos import counting_pictures, write_video

ALL = slice(None)


def videos(path, **settings):
    return open_videos(VideoFolderSettings(path, **settings), progress=False)


def test_frames_come_by_number_not_by_name(tmp_path):
    write_video(tmp_path / "video_00001", counting_pictures(3, first=8), numbers=[8, 9, 10])
    (tmp_path / "video_00001" / "frame_00010.png").rename(tmp_path / "video_00001" / "frame_10.png")
    (tmp_path / "video_00001" / "frame_00008.png").rename(tmp_path / "video_00001" / "frame_8.png")
    [video] = videos(tmp_path)
    assert isinstance(video, FrameSource)
    assert video.name == "video_00001"
    assert video.frame_shape == (1, 6, 8)
    np.testing.assert_allclose(video.read(0, 3, ALL, slice(1, 2))[:, 0, 0, 0] * 255, [8, 9, 10], atol=1e-4)
    rows = video.read(0, 1, slice(2, 5), slice(0, 1))[0, 0, :, 0]
    np.testing.assert_allclose(rows * 255, [2, 3, 4], atol=1e-4)


def test_a_missing_number_is_a_gap_and_even_spacing_is_none(tmp_path):
    write_video(tmp_path / "a", counting_pictures(5), numbers=[1, 2, 3, 5, 6])
    write_video(tmp_path / "b", counting_pictures(4), numbers=[1, 6, 11, 16])
    first, second = videos(tmp_path, frames_per_second=10.0)
    assert (np.diff(first.times) // np.timedelta64(100, "ms")).tolist() == [1, 1, 2, 1]
    assert (np.diff(second.times) // np.timedelta64(100, "ms")).tolist() == [1, 1, 1]
    assert len(VideoDataset([first, second], ClipWindow(2, 1), train=False)) == 1 + 2


def test_categories_and_single_videos(tmp_path):
    for name in ("walking/p01", "walking/p02", "boxing/p01"):
        write_video(tmp_path / name, counting_pictures(2))
    assert [v.name for v in videos(tmp_path)] == ["boxing/p01", "walking/p01", "walking/p02"]
    assert [v.name for v in videos(tmp_path, categories=("walking",))] == ["walking/p01", "walking/p02"]
    assert [v.name for v in videos(tmp_path, videos=("walking/p02",))] == ["walking/p02"]
    with pytest.raises(FileError, match="no pictures of the categories"):
        videos(tmp_path, categories=("jumping",))


def test_colour_gray_and_size(tmp_path):
    red = np.zeros((2, 4, 6, 3), np.uint8)
    red[..., 0] = 255
    write_video(tmp_path / "v", red)
    [colour] = videos(tmp_path, colour="rgb")
    np.testing.assert_array_equal(colour.read(1, 1, ALL, ALL)[0, :, 0, 0], [1, 0, 0])
    [gray] = videos(tmp_path, size=(8, 3))
    assert gray.frame_shape == (1, 8, 3)
    np.testing.assert_allclose(gray.read(0, 1, ALL, ALL), 76 / 255, atol=1e-6)  # 0.299 * 255


def spoil(folder):
    whole = (folder / "frame_00003.png").read_bytes()
    (folder / "frame_00003.png").write_bytes(whole[: len(whole) // 2])
    (folder / "frame_00005.png").write_bytes(b"<html>not found</html>")


def test_a_damaged_picture_is_named(tmp_path):
    spoil(write_video(tmp_path / "v", counting_pictures(9, size=(40, 40))))
    with pytest.raises(FileError, match=r"v/frame_00003\.png: damaged picture"):
        videos(tmp_path)


def test_or_skipped_as_a_missing_frame_and_counted(tmp_path, caplog):
    spoil(write_video(tmp_path / "v", counting_pictures(9, size=(40, 40))))
    with caplog.at_level(logging.WARNING):
        [video] = videos(tmp_path, damaged="skip")
    assert "2 damaged pictures skipped" in caplog.text
    assert len(video.times) == 7
    data = VideoDataset([video], ClipWindow(2, 2), train=False)
    assert [round(float(clip.past[0, 0, 0, 1]) * 255) for clip in data] == [5]


def test_sizes_must_agree_unless_resized(tmp_path):
    folder = write_video(tmp_path / "v", counting_pictures(2))
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(folder / "frame_00003.png")
    with pytest.raises(FileError, match=r"frame_00003\.png: got 3 x 3, expected 6 x 8"):
        videos(tmp_path)
    assert videos(tmp_path, size=(4, 4))[0].frame_shape == (1, 4, 4)


def test_bad_folders_and_names(tmp_path):
    with pytest.raises(FileError, match="no such folder"):
        videos(tmp_path / "nowhere")
    with pytest.raises(FileError, match="no pictures"):
        videos(tmp_path)
    folder = write_video(tmp_path / "v", counting_pictures(1))
    (folder / "frame_1.png").write_bytes((folder / "frame_00001.png").read_bytes())
    with pytest.raises(FileError, match="one picture a number"):
        videos(tmp_path)
    (folder / "frame_1.png").rename(folder / "cover.png")
    with pytest.raises(FileError, match="no frame number"):
        videos(tmp_path)
    with pytest.raises(SettingsError, match="frames_per_second"):
        VideoFolderSettings(tmp_path, frames_per_second=0.0)


def test_sixteen_bits_are_refused_not_cut(tmp_path):
    (tmp_path / "v").mkdir()
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "v" / "frame_1.png")
    with pytest.raises(FileError, match="8 bits a channel"):
        videos(tmp_path)


def test_the_setting_that_skips_damaged_pictures_is_named_where_it_exists(tmp_path):
    (tmp_path / "video").mkdir()
    broken = tmp_path / "video" / "frame_1.png"
    broken.write_bytes(b"not a picture")
    with pytest.raises(FileError, match=r"frame_1.png: damaged picture.*or set damaged: skip"):
        videos(tmp_path)
    with pytest.raises(FileError, match="damaged picture") as caught:  # as KTH and Human3.6M read it
        decode_picture(broken, "gray")
    assert "damaged: skip" not in str(caught.value)
