"""A stretch of a video is the same wherever its frames lie."""

import numpy as np
import pytest

from nowcast.core.errors import FileError, MissingExtraError, SettingsError
from nowcast.data import video_decode
from nowcast.data.frame_transform import FrameTransform
from nowcast.data.one_video import read_stretch
from tests.fakes.video_files import write_avi
from tests.fakes.videos import counting_pictures, write_video

PICTURES = counting_pictures(12)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    np.save(root / "a.npy", PICTURES)
    np.savez(root / "a.npz", PICTURES[:, None])
    np.savez(root / "named.npz", frames=PICTURES[..., None] / 255, other=np.zeros(3))
    write_video(root / "folder", PICTURES)
    write_avi(root / "a.avi", PICTURES)
    return root


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "named.npz", "folder", "a.avi"])
def test_every_place_gives_the_same_frames(places, name):
    found = read_stretch(places / name, FrameTransform(), 3, 4)
    assert found.first == 3
    np.testing.assert_array_equal(found.frames, PICTURES[3:7, None])
    every_second = read_stretch(places / name, FrameTransform(step=2), 1, 9)
    np.testing.assert_array_equal(every_second.frames, PICTURES[2::2, None])
    end = read_stretch(places / name, FrameTransform(), -2, 5)
    assert end.first == 10
    np.testing.assert_array_equal(end.frames, PICTURES[10:, None])
    with pytest.raises(FileError, match="frame 12: got none, expected one of 0 to 11; start at another"):
        read_stretch(places / name, FrameTransform(), 12, 1)


def test_colour_and_size_are_those_asked_for(tmp_path):
    red = np.zeros((3, 8, 8, 3), np.uint8)
    red[..., 0] = 200
    np.save(tmp_path / "red.npy", red)
    np.save(tmp_path / "first.npy", red.transpose(0, 3, 1, 2))
    for name in ("red.npy", "first.npy"):
        gray = read_stretch(tmp_path / name, FrameTransform(size=(4, 4)), 0, 3).frames
        assert gray.shape == (3, 1, 4, 4)
        assert np.unique(gray).tolist() == [60]
        colour = read_stretch(tmp_path / name, FrameTransform("rgb"), 0, 3).frames
        assert colour[0, :, 0, 0].tolist() == [200, 0, 0]
    np.save(tmp_path / "gray.npy", red[..., 0])
    assert (
        read_stretch(tmp_path / "gray.npy", FrameTransform("rgb"), 0, 1).frames[0, :, 0, 0].tolist()
        == [200] * 3
    )


def test_a_frame_that_is_not_there_ends_the_stretch(tmp_path):
    numbers = [n for n in range(1, 13) if n != 6]
    write_video(tmp_path / "a", PICTURES[:11], numbers)
    assert len(read_stretch(tmp_path / "a", FrameTransform(), 2, 9).frames) == 3
    with pytest.raises(FileError, match="frame 5: got none"):
        read_stretch(tmp_path / "a", FrameTransform(), 5, 1)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4)), r"an array of shape \(4, 4\), expected \(frames, rows, columns\)"),
        (np.zeros((4, 2, 4, 4)), "an array of shape"),
        (
            np.full((2, 4, 4), 1.5),
            "float64 from 1.5 to 1.5, expected whole numbers from 0 to 255, or fractions",
        ),
        (np.full((2, 4, 4), np.nan), "float64 from nan to nan"),
        (np.full((2, 4, 4), 256), "int64 from 256 to 256"),
        (np.zeros((2, 4, 4), complex), "complex128 from nan to nan"),
    ],
)
def test_arrays_that_are_no_video_are_refused(tmp_path, array, words):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(SettingsError, match=words):
        read_stretch(tmp_path / "a.npy", FrameTransform(), 0, 2)


def test_what_is_no_video_is_told_in_one_line(tmp_path, places, monkeypatch):
    (tmp_path / "junk.npy").write_bytes(b"junk")
    (tmp_path / "junk.avi").write_bytes(b"junk")
    np.savez(tmp_path / "two.npz", a=PICTURES, b=PICTURES)
    for name, error, words in (
        ("junk.npy", FileError, "cannot be read as an array"),
        ("junk.avi", FileError, "junk.avi: cannot be used, cannot be opened"),
        ("two.npz", SettingsError, "got arrays a, b, expected one, or one named frames"),
        ("none.avi", FileError, "no such video"),
        (".", FileError, "got 1 videos|got 2 videos|cannot be used"),
    ):
        with pytest.raises(error, match=words) as told:
            read_stretch(tmp_path / name, FrameTransform(), 0, 2)
        assert "\n" not in str(told.value)
    with pytest.raises(FileError, match=r"got 2 videos, expected one as pictures .* such as"):
        read_stretch(places, FrameTransform(), 0, 2)
    monkeypatch.setattr(video_decode.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"nowcast\[video\]"):
        read_stretch(places / "a.avi", FrameTransform(), 0, 2)
    read_stretch(places / "folder", FrameTransform(), 0, 2)
