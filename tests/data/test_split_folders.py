"""Folders of parts (LMC-Memory, MLST) and lists of videos, without periods."""

import numpy as np
import pytest

from nowcast.core.errors import FileError
from nowcast.data.training_data import training_data
from nowcast.data.video_files import VideoFilesSettings, open_video_files
from nowcast.data.windows import ClipWindow
from tests.fakes.data_sets import write_split_folders
from tests.fakes.video_files import blob, write_avi


def videos(path, **settings):
    return open_video_files(VideoFilesSettings(path, **{"processes": 1, **settings}), progress=False)


def names(found):
    return [video.name for video in found]


@pytest.mark.parametrize("folder", ["valid", "val", "validation"])
def test_folders_are_parts_and_no_periods_are_asked_for(tmp_path, folder):
    root = write_split_folders(tmp_path / "kth", ("train", folder, "test"), frames=6, suffix="png")
    found = {part: videos(root, part=part) for part in ("train", "validation", "test")}
    assert names(found["train"]) == ["train/video_00001", "train/video_00002"]
    assert names(found["validation"]) == [f"{folder}/video_00001", f"{folder}/video_00002"]
    frame = np.rint(found["test"][1].read(3, 1, slice(None), slice(None))[0, 0] * 255)
    np.testing.assert_array_equal(frame, blob(6, (16, 20), start=22)[3])
    data = training_data(found["train"], ClipWindow(2, 2), validation_sources=found["validation"])
    assert (len(data.train), len(data.validation)) == (6, 6)


def test_categories_are_those_within_the_part(tmp_path):
    for name in ("train/rain/a.avi", "train/snow/b.avi", "test/rain/c.avi"):
        write_avi(tmp_path / "mlst" / name, blob(2))
    assert names(videos(tmp_path / "mlst", part="train", categories=("rain",))) == ["train/rain/a.avi"]
    with pytest.raises(FileError, match="got no videos of those asked for"):
        videos(tmp_path / "mlst", part="validation")


def test_a_list_counts_what_is_not_there(tmp_path, caplog):
    root = write_split_folders(tmp_path / "set", ("train",), frames=3)
    listed = tmp_path / "train.txt"
    listed.write_text("./train/video_00001,3\nvideo_00002 7\n\ntrain/video_00009\n../../etc/passwd\n")
    assert names(videos(root, names=listed, part="train")) == ["train/video_00001", "train/video_00002"]
    assert "2 of 4 videos are not there, first train/video_00009" in caplog.text
