"""KITTI and Caltech: pictures, films and stacks, parts, and one rate for both."""

import h5py
import numpy as np
import pytest

from nowcast.core.errors import FileError, SettingsError
from nowcast.data.caltech import CaltechSettings, open_caltech
from nowcast.data.frame_transform import FrameTransform
from nowcast.data.kitti import KittiSettings, open_kitti
from tests.fakes.data_sets import write_caltech, write_kitti, write_kitti_stacks
from tests.fakes.video_files import blob

ALL = slice(None)


def kitti(path, **settings):
    return open_kitti(KittiSettings(path, **{"processes": 1, "size": None, **settings}), progress=False)


def caltech(path, **settings):
    return open_caltech(CaltechSettings(path, **{"processes": 1, "size": None, **settings}), progress=False)


def pixels(source):
    return np.rint(source.read(0, len(source.times), ALL, ALL) * 255).astype(np.uint8).transpose(0, 2, 3, 1)


def test_pictures_are_parted_by_recording_and_taken_by_camera(tmp_path):
    root = write_kitti(tmp_path / "kitti", cameras=("image_02", "image_03"))
    found = {part: kitti(root, part=part) for part in ("train", "validation", "test")}
    assert [v.name for v in found["train"]] == ["kitti/2011_09_26_drive_0001/image_03"]
    assert [v.name for v in found["validation"]] == ["kitti/2011_09_26_drive_0005/image_03"]
    assert [v.name for v in found["test"]] == ["kitti/2011_09_26_drive_0104/image_03"]
    np.testing.assert_array_equal(pixels(found["test"][0]), blob(8, (16, 20), start=2, colour=True))
    assert len(kitti(root, cameras=())) == 2
    assert [v.name for v in kitti(root, part="test", test_recordings=("2011_09_26_drive_0001",))] == [
        "kitti/2011_09_26_drive_0001/image_03"
    ]
    with pytest.raises(SettingsError, match=r"kitti\.cameras: got image_9"):
        KittiSettings(root, cameras=("image_9",))


@pytest.mark.parametrize("grouped", [False, True])
def test_stacks_are_cut_into_their_recordings(tmp_path, grouped):
    root = write_kitti_stacks(tmp_path / "kitti_hkl", grouped=grouped)
    found = kitti(root, part="validation")
    assert [v.name for v in found] == [
        "validation/0001_city-2011_09_26_drive_0000_sync",
        "validation/0002_city-2011_09_26_drive_0001_sync",
    ]
    for number, (video, count) in enumerate(zip(found, (6, 5), strict=True)):
        np.testing.assert_array_equal(pixels(video), blob(count, (16, 20), start=10 + number, colour=True))
    [gray, _] = kitti(root, colour="gray")
    assert gray.frame_shape == (1, 16, 20)


def test_stacks_that_say_something_else_are_refused(tmp_path):
    root = write_kitti_stacks(tmp_path / "kitti_hkl", parts=("train",))
    with h5py.File(root / "X_train.hkl", "w") as file:
        file["data_0"] = np.zeros((7, 16, 20, 3), np.float32)
    with pytest.raises(FileError, match="got 7 frames and 11 sources"):
        kitti(root)
    with h5py.File(root / "X_train.hkl", "w") as file:
        file["data_0"] = np.zeros((11, 16, 20, 3), np.float32)
    with pytest.raises(FileError, match="expected bytes"):
        kitti(root)
    (root / "sources_train.hkl").unlink()
    with pytest.raises(FileError, match=r"sources_train\.hkl: cannot be read as HDF5"):
        kitti(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=r"got no recordings .*CC BY-NC-SA"):
        kitti(tmp_path / "empty")


@pytest.mark.parametrize("pictures", [False, True])
def test_films_are_parted_by_set_at_the_rate_of_kitti(tmp_path, pictures):
    root = write_caltech(tmp_path / "caltech", pictures=pictures)
    found = {part: caltech(root, part=part) for part in ("train", "validation", "test")}
    assert [[v.name for v in part] for part in found.values()] == [
        ["set00/V000"],
        ["set05/V000"],
        ["set06/V000"],
    ]
    driving = kitti(write_kitti(tmp_path / "kitti"))
    assert found["train"][0].step == driving[0].step == np.timedelta64(100, "ms")
    assert np.diff(found["train"][0].times).tolist() == [100_000_000] * 7
    if not pictures:
        np.testing.assert_array_equal(pixels(found["test"][0]), blob(24, (16, 20), start=2, colour=True)[::3])
    with pytest.raises(FileError, match=r"got no films .*\.seq"):
        caltech(tmp_path / "kitti")


def test_cover_keeps_the_proportions_and_cuts_both_sides():
    frames = np.zeros((1, 8, 32, 3), np.uint8)
    frames[:, :, 12:20] = 200
    made = FrameTransform("rgb", (4, 8), resize="cover").apply(frames)
    assert made.shape == (1, 3, 4, 8)
    assert made[0, 0, 2, 0] == made[0, 0, 2, 7] == 0
    assert made[0, 0, 2, 3] == made[0, 0, 2, 4] == 200
    np.testing.assert_array_equal(made[..., ::-1], made)
