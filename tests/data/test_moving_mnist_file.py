import pickle

import numpy as np
import pytest

from nowcast.core.errors import FileError, SettingsError
from nowcast.data.clips import VideoDataset
from nowcast.data.moving_mnist_file import MovingMnistFile, MovingMnistFileSettings
from nowcast.data.windows import ClipWindow
from tests.fakes.video_files import write_moving_mnist

ALL = slice(None)


def reel(path, **settings):
    return MovingMnistFile(MovingMnistFileSettings(path, **settings))


def test_frames_are_those_of_the_file_sequence_by_sequence(tmp_path):
    source = reel(write_moving_mnist(tmp_path / "mnist_test_seq.npy", sequences=3))
    assert source.frame_shape == (1, 64, 64)
    assert len(source.times) == 60
    frames = source.read(18, 4, slice(2, 4), slice(0, 2)) * 255
    np.testing.assert_allclose(frames[:, 0, 0, 1], [18, 19, 10, 11])  # 10 * sequence + frame
    np.testing.assert_allclose(frames[:, 0, :, 0], [[2, 3]] * 4)
    assert frames.dtype == np.float32


def test_clips_stay_within_a_sequence(tmp_path):
    write_moving_mnist(tmp_path / "mnist_test_seq.npy", sequences=4)
    data = VideoDataset([reel(tmp_path)], ClipWindow(10, 10), train=False)
    assert len(data) == 4
    assert [round(float(clip.past[0, 0, 0, 1]) * 255) for clip in data] == [0, 10, 20, 30]
    assert [round(float(clip.future[-1, 0, 0, 1]) * 255) for clip in data] == [19, 29, 39, 49]


def test_some_sequences_only(tmp_path):
    path = write_moving_mnist(tmp_path / "m.npy", sequences=4)
    part = reel(path, first=2, count=1)
    assert len(part.times) == 20
    assert round(float(part.read(0, 1, ALL, ALL)[0, 0, 0, 1]) * 255) == 20
    assert len(reel(path, first=3).times) == 20
    assert part.fingerprint != reel(path, first=3).fingerprint
    for wrong in ({"first": 4}, {"first": 2, "count": 3}):
        with pytest.raises(SettingsError, match="expected them among the 4"):
            reel(path, **wrong)
    with pytest.raises(SettingsError, match="first=-1"):
        reel(path, first=-1)
    with pytest.raises(IndexError):
        part.read(15, 6, ALL, ALL)


def test_it_is_mapped_not_read_and_goes_to_workers_as_a_path(tmp_path):
    source = reel(write_moving_mnist(tmp_path / "m.npy", sequences=50))
    sent = pickle.dumps(source)
    assert len(sent) < 2000
    np.testing.assert_array_equal(pickle.loads(sent).read(0, 2, ALL, ALL), source.read(0, 2, ALL, ALL))


def test_where_it_is_missing_the_error_says_what_to_get(tmp_path):
    for path in (tmp_path, tmp_path / "m.npy"):
        with pytest.raises(FileError, match=r"no such file; get mnist_test_seq\.npy .* from http"):
            reel(path)


@pytest.mark.parametrize("damage", ["text", "truncated", "object", "floats", "three", "zip"])
def test_other_files_are_refused(tmp_path, damage):
    path = write_moving_mnist(tmp_path / "m.npy", sequences=2)
    if damage == "text":
        path.write_bytes(b"<html>not found</html>")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "object":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    elif damage == "floats":
        np.save(path, np.zeros((20, 2, 64, 64), np.float32))
    elif damage == "three":
        np.save(path, np.zeros((20, 64, 64), np.uint8))
    else:
        np.savez(tmp_path / "m.npz", np.zeros(1))
        path.write_bytes((tmp_path / "m.npz").read_bytes())
    with pytest.raises(FileError, match=r"m\.npy: (damaged|got)"):
        reel(path)
