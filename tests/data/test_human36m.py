"""Human3.6M: layouts, parts by subject, the papers' protocol, and what is said when it is not there."""

import numpy as np
import pytest

from nowcast.core.errors import FileError, SettingsError
from nowcast.data.clips import VideoDataset
from nowcast.data.frame_transform import FrameTransform
from nowcast.data.human36m import CAMERAS, Human36mSettings, film_name, open_human36m
from nowcast.data.windows import ClipWindow
from tests.fakes.video_files import blob, write_human36m

ALL = slice(None)


def films(path, **settings):
    return open_human36m(Human36mSettings(path, **{"processes": 1, **settings}), progress=False)


def pixels(source):
    return np.rint(source.read(0, len(source.times), ALL, ALL) * 255).astype(int)


def subjects(sources):
    return sorted({source.name.split("/")[0] for source in sources})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("human") / "human36m"
    return write_human36m(
        root, scenarios=("Walking 1", "WalkingDog", "Walking"), frames=12, cameras=CAMERAS[:2]
    )


def test_parts_are_subjects_and_nobody_is_in_two(whole):
    train, validation, test = (films(whole, part=part) for part in ("train", "validation", "test"))
    assert subjects(train) == ["S1", "S5", "S6", "S7"]
    assert subjects(validation) == ["S8"]
    assert subjects(test) == ["S11", "S9"]
    chosen = {"validation_subjects": ("S1", "S6")}
    assert subjects(films(whole, part="validation", **chosen)) == ["S1", "S6"]
    assert subjects(films(whole, **chosen)) == ["S5", "S7", "S8"]
    assert subjects(films(whole, validation_subjects=())) == ["S1", "S5", "S6", "S7", "S8"]


def test_scenarios_and_cameras(whole):
    one = {"part": "validation"}
    assert [film.name for film in films(whole, **one)] == [
        f"S8/Walking{take}.{camera}" for take in (" 1", "") for camera in CAMERAS[:2]
    ]
    assert len(films(whole, scenarios=(), **one)) == 6
    assert [f.name for f in films(whole, scenarios=("WalkDog",), cameras=CAMERAS[:1], **one)] == [
        f"S8/WalkDog.{CAMERAS[0]}"
    ]
    for wrong in (
        {"scenarios": ("Flying",)},
        {"cameras": ("1",)},
        {"validation_subjects": ("S9",)},
        {"validation_subjects": ("S1", "S5", "S6", "S7", "S8")},
    ):
        with pytest.raises(SettingsError, match=r"human36m\."):
            Human36mSettings(whole, **wrong)


def test_the_protocol_of_the_papers(tmp_path):
    """Middle half of rows and columns, 128 x 128 colour, clips of every 10th frame of a film of 50 frames/s."""
    drawn = blob(90, (96, 128), colour=True)
    root = write_human36m(tmp_path / "h", ["S1"], frames=90, size=(96, 128))
    [film] = films(root)
    assert film.frame_shape == (3, 128, 128)
    assert film.step == np.timedelta64(100, "ms")
    expected = FrameTransform("rgb", (128, 128), 0.5, "bilinear").apply(drawn[::5])
    np.testing.assert_array_equal(pixels(film), expected)
    clips = VideoDataset([film], ClipWindow(4, 4, every=2), train=False)
    assert clips.step == np.timedelta64(200, "ms")
    assert len(clips) == 18 - 14
    shown = np.rint(np.concatenate([clips[1].past, clips[1].future]) * 255)
    np.testing.assert_array_equal(shown, expected[1:16:2])


@pytest.mark.parametrize("every", [1, 5])
def test_extracted_frames_are_as_the_film(tmp_path, every):
    film = films(write_human36m(tmp_path / "h", ["S5"], frames=33, size=(32, 32)))[0]
    root = write_human36m(tmp_path / "f", ["S5"], frames=33, size=(32, 32), layout="frames", every=every)
    [frames] = films(root)
    assert frames.name == film.name == "S5/Walking 1.54138969"
    np.testing.assert_array_equal(pixels(frames), pixels(film))
    np.testing.assert_array_equal(frames.times, film.times)
    assert frames.step == film.step


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("S1/Videos/Walking 1.54138969.mp4", "S1/Walking 1.54138969"),
        ("S11/Videos/SittingDown.60457274.mp4", "S11/SittingDown.60457274"),
        ("S9/TakingPhoto.55011271.mp4", "S9/Photo.55011271"),
        ("S1/Walking-1/imageSequence/58860488/", "S1/Walking 1.58860488"),
        ("S8/WalkingDog/54138969/", "S8/WalkDog.54138969"),
        ("S5_Sitting_1.55011271/", "S5/Sitting 1.55011271"),
        ("S1/Videos/_ALL 1.54138969.mp4", None),
        ("S1/Videos/Walking 1.99999999.mp4", None),
        ("Videos/Walking 1.54138969.mp4", None),
        ("S1/Videos/Sleepwalking.54138969.mp4", None),
    ],
)
def test_names(path, name):
    assert film_name(path) == name


def test_a_film_twice_is_refused(tmp_path):
    write_human36m(tmp_path / "h", ["S1"], frames=6)
    write_human36m(tmp_path / "h", ["S1"], frames=6, layout="frames")
    with pytest.raises(FileError, match=r"got S1/Walking 1\.54138969 twice"):
        films(tmp_path / "h")


def test_the_cache_alone_is_enough(tmp_path):
    root = write_human36m(tmp_path / "h", ["S1", "S8"], frames=12)
    before = pixels(films(root, part="validation")[0])
    films(root)
    root.rename(tmp_path / "aside")
    [after] = films(root, part="validation")
    assert after.name == "S8/Walking 1.54138969"
    np.testing.assert_array_equal(pixels(after), before)


def test_where_it_is_missing_the_error_says_what_to_get(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "nowhere", tmp_path / "empty"):
        wanted = r"vision\.imar\.ro/human3\.6m .*research only.*S1/Videos/Walking 1\."
        with pytest.raises(FileError, match=wanted):
            films(path)


def test_the_lists_of_openstl_name_the_clips(tmp_path, caplog):
    """A flat folder of every fifth frame, and a list of the first frames: those clips and no other."""
    root = write_human36m(tmp_path / "human", ["S1", "S5"], layout="flat", frames=60, every=5)
    listed = tmp_path / "human" / "train.txt"
    name = f"images/S1_Walking_1.{CAMERAS[0]}_"
    listed.write_text(f"{name},11\n{name},6,0\n{name},13\nimages/S6_Walking.{CAMERAS[0]}_,1\n")
    [film] = films(root, clips=listed)
    assert film.name == f"S1/Walking 1.{CAMERAS[0]}"
    assert "1 clips start at a frame that is not there" in caplog.text
    window = ClipWindow(2, 2, stride=3, before=1)
    clips = VideoDataset([film], window, train=False)
    drawn = Human36mSettings(root).transform.apply(blob(60, (24, 32), colour=True)[::5])
    assert [int(clip.past.size) for clip in clips] == [2 * 3 * 128 * 128] * 2
    for clip, first in zip(clips, (1, 2), strict=True):
        np.testing.assert_array_equal(np.rint(clip.past * 255), drawn[first : first + 2])
    assert clips.fingerprint != VideoDataset(films(root)[:1], window, train=False).fingerprint


@pytest.mark.parametrize("line", ["images/S1_Walking.54138969_", "S1_Flying.54138969_,3", "x,y", ""])
def test_a_list_that_names_no_clip_is_refused(tmp_path, line):
    root = write_human36m(tmp_path / "human", ["S1"], layout="flat", frames=10)
    (tmp_path / "train.txt").write_text(line)
    with pytest.raises(FileError, match=r"train\.txt: got"):
        films(root, clips=tmp_path / "train.txt")
    with pytest.raises(FileError, match=r"absent\.txt: no list of clips"):
        films(root, clips=tmp_path / "absent.txt")
