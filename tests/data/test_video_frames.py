"""Which pixel is where and when: lost frames, uneven times, frames that lie down, several films in a folder."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from nowcast.core.errors import FileError
from nowcast.data.clips import VideoDataset
from nowcast.data.frame_transform import FrameTransform
from nowcast.data.human36m import Human36mSettings, open_human36m
from nowcast.data.kth import KthSettings, open_kth
from nowcast.data.video_files import VideoFilesSettings, open_video_files
from nowcast.data.video_folder import VideoFolderSettings, open_videos
from nowcast.data.windows import ClipWindow
from tests.fakes.video_files import (
    blob,
    break_frame,
    lay_mp4,
    take_out_frame,
    write_avi,
    write_human36m,
    write_kth,
    write_mp4,
    write_uneven_mp4,
)
from tests.fakes.videos import write_video

ALL = slice(None)
LYING = {  # display matrix, by what it does to (row, column) of the stored frame
    (1, 0, 0, 1): lambda frames: frames,
    (0, 1, -1, 0): lambda frames: np.rot90(frames, -1, (-2, -1)),
    (0, -1, 1, 0): lambda frames: np.rot90(frames, 1, (-2, -1)),
    (-1, 0, 0, -1): lambda frames: frames[..., ::-1, ::-1],
    (-1, 0, 0, 1): lambda frames: frames[..., ::-1],
    (1, 0, 0, -1): lambda frames: frames[..., ::-1, :],
    (0, 1, 1, 0): lambda frames: frames.swapaxes(-1, -2),
    (0, -1, -1, 0): lambda frames: frames.swapaxes(-1, -2)[..., ::-1, ::-1],
}
EXIF = {  # Exif 2.32, tag 0x0112, by the display matrix that does the same
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


def videos(path, **chosen):
    return open_video_files(VideoFilesSettings(path, processes=1, **chosen), progress=False)


def pixels(source):
    return np.rint(source.read(0, len(source.times), ALL, ALL) * 255).astype(int)


def firsts(source, past=2, future=1):
    """Numbers of the first frames of all clips."""
    data = VideoDataset([source], ClipWindow(past, future), train=False)
    return [int(source.numbers[data.place(index).first]) for index in range(len(data))]


def test_a_frame_that_cannot_be_decoded_breaks_the_run(tmp_path):
    film = break_frame(write_uneven_mp4(tmp_path / "one" / "film.mp4", blob(40), range(0, 1600, 40)), 7)
    [video] = videos(film)
    assert video.numbers.tolist() == [*range(7), *range(8, 40)]
    assert firsts(video) == [*range(5), *range(8, 38)]
    whole = videos(write_uneven_mp4(tmp_path / "two" / "film.mp4", blob(40), range(0, 1600, 40)))[0]
    np.testing.assert_array_equal(pixels(video), np.delete(pixels(whole), 7, axis=0))


def test_frames_made_of_a_lost_one_are_lost_too_up_to_the_next_key_frame(tmp_path):
    path = break_frame(write_mp4(tmp_path / "film.mp4", blob(40, (16, 24), colour=True)), 30)
    with pytest.raises(FileError, match="got 30 whole frames of 40"):
        videos(path)


def test_a_frame_taken_out_of_a_file_without_times_is_noticed(tmp_path):
    path = take_out_frame(write_avi(tmp_path / "film.avi", blob(40)), 11)
    with pytest.raises(FileError, match="got 39 frames, expected the 40 it declares, and nothing tells where"):
        videos(path)


@pytest.mark.parametrize("name", ["film.avi", "film.mkv"])
def test_frames_that_were_never_written_break_the_run_however_many(tmp_path, name):
    numbers = [*range(5), *range(8, 14), 20, 21, 22]
    [video] = videos(write_avi(tmp_path / name, blob(14), times=numbers))
    assert video.numbers.tolist() == numbers
    np.testing.assert_array_equal(pixels(video)[:, 0], blob(14))
    assert firsts(video) == [0, 1, 2, 8, 9, 10, 11, 20]


@pytest.mark.parametrize(
    "times",
    [
        [*range(0, 800, 40), *range(800, 1200, 20)],  # from 25 to 50 a second
        [0, 40, 80, 133, 187, 240, 280, 320, 375, 420, 460, 500],
        [0, 52, 71, 135, 148, 207, 246, 271, 330, 349, 410, 434],  # 12 ms about the beat of 40
    ],
)
def test_a_variable_frame_rate_is_refused_in_one_line(tmp_path, times):
    message = r"variable frame rate, frames \d+ to \d+ ms apart.*ffmpeg -i IN"
    with pytest.raises(FileError, match=message) as told:
        videos(write_uneven_mp4(tmp_path / "film.mp4", blob(len(times)), times))
    assert "\n" not in str(told.value)


def test_a_single_frame_at_a_time_of_its_own_is_left_out(tmp_path):
    times = [40 * n + (17 if n == 9 else 0) for n in range(30)]
    [video] = videos(write_uneven_mp4(tmp_path / "film.mp4", blob(30), times))
    assert video.numbers.tolist() == [n for n in range(30) if n != 9]
    assert video.step == np.timedelta64(40, "ms")


def test_times_that_are_rounded_are_even(tmp_path):
    times = [round(n * 1001 / 30) for n in range(120)]
    [video] = videos(write_uneven_mp4(tmp_path / "film.mp4", blob(120), times))
    assert video.numbers.tolist() == list(range(120))
    assert abs(1 / (video.step / np.timedelta64(1, "s")) - float(Fraction(30000, 1001))) < 0.02


@pytest.mark.parametrize("matrix", LYING)
def test_a_film_that_lies_down_is_set_up(tmp_path, matrix):
    drawn = blob(5, (14, 18), colour=True)
    [video] = videos(lay_mp4(write_mp4(tmp_path / "film.mp4", drawn), *matrix), colour="rgb")
    expected = LYING[matrix](drawn.transpose(0, 3, 1, 2))
    assert video.frame_shape == expected.shape[1:]
    np.testing.assert_array_equal(pixels(video), expected)


def test_a_film_on_the_slant_is_refused(tmp_path):
    path = write_mp4(tmp_path / "film.mp4", blob(5, (14, 18), colour=True))
    with pytest.raises(FileError, match="on the slant, expected quarter turns"):
        videos(lay_mp4(path, 1, 1, -1, 1))


def test_a_size_is_of_the_frame_set_up(tmp_path):
    drawn = blob(3, (12, 24), colour=True)
    [video] = videos(lay_mp4(write_mp4(tmp_path / "film.mp4", drawn), 0, 1, -1, 0), size=(12, 6), colour="rgb")
    upright = FrameTransform("rgb", (12, 6)).apply(np.rot90(drawn, -1, (1, 2)))
    assert video.frame_shape == (3, 12, 6)
    np.testing.assert_array_equal(pixels(video), upright)


@pytest.mark.parametrize(
    "opened", [videos, lambda path: open_videos(VideoFolderSettings(path), progress=False)]
)
@pytest.mark.parametrize("orientation", EXIF)
def test_pictures_are_set_up_as_their_exif_says(tmp_path, orientation, opened):
    drawn = blob(3, (9, 14))
    folder = tmp_path / "films" / "a"
    folder.mkdir(parents=True)
    for number, picture in enumerate(drawn):
        image = Image.fromarray(picture)
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(folder / f"{number:02d}.png", exif=exif)
    [video] = opened(tmp_path / "films")
    np.testing.assert_array_equal(pixels(video)[:, 0], LYING[EXIF[orientation]](drawn))


def test_the_flat_folder_of_human36m_is_read(tmp_path):
    chosen = {"subjects": ["S1", "S8"], "scenarios": ("Walking 1", "Walking", "Sitting"), "frames": 21}
    chosen["cameras"] = ("54138969", "60457274")
    write_human36m(tmp_path / "flat", layout="flat", every=5, **chosen)
    write_human36m(tmp_path / "films", **chosen)
    flat, films = (
        open_human36m(Human36mSettings(tmp_path / name, processes=1, scenarios=()), progress=False)
        for name in ("flat", "films")
    )
    assert [video.name for video in flat] == [video.name for video in films]
    assert "S1/Walking 1.54138969" in [video.name for video in flat]
    for one, other in zip(flat, films, strict=True):
        assert one.numbers.tolist() == other.numbers.tolist() == [0, 5, 10, 15, 20]
        np.testing.assert_array_equal(pixels(one), pixels(other))
    (tmp_path / "flat" / "S1_Walking_1.54138969_000011.png").unlink()
    [one] = open_human36m(
        Human36mSettings(tmp_path / "flat", processes=1, cameras=("54138969",)), progress=False
    )[:1]
    assert one.name == "S1/Walking 1.54138969"
    assert one.numbers.tolist() == [0, 5, 15, 20]
    assert firsts(one, 1, 1) == [0, 15]


def test_the_frames_of_all_films_of_a_subject_in_its_folder_are_read(tmp_path):
    for number, film in enumerate(("Walking_1.54138969", "Walking.54138969", "Sitting_2.60457274")):
        write_video(tmp_path / "h" / "S5", blob(6, start=number, colour=True), name=film + "_{:06d}.png")
    found = open_human36m(
        Human36mSettings(tmp_path / "h", processes=1, scenarios=(), size=None, middle=1.0, frame_step=1),
        progress=False,
    )
    names = ["S5/Sitting 2.60457274", "S5/Walking 1.54138969", "S5/Walking.54138969"]
    assert [video.name for video in found] == names
    for video, start in zip(found, (2, 0, 1), strict=True):
        np.testing.assert_array_equal(pixels(video), blob(6, start=start, colour=True).transpose(0, 3, 1, 2))


def test_kth_as_mp4_is_read(tmp_path):
    root = write_kth(tmp_path / "kth", [1, 2], layout="mp4", frames=9)
    first, second = open_kth(KthSettings(root, size=None, processes=1), progress=False)
    assert [first.name, second.name] == ["walking/person01_walking_d1", "walking/person02_walking_d1"]
    np.testing.assert_allclose(pixels(second)[:, 0], blob(9, start=2), atol=1)


def test_pictures_of_every_nth_frame_of_which_one_is_missing_break_the_run(tmp_path):
    write_video(tmp_path / "film", blob(5), numbers=[1, 6, 16, 21, 26])
    for [video] in (videos(tmp_path), open_videos(VideoFolderSettings(tmp_path), progress=False)):
        assert ((video.times - video.times[0]) / video.step).tolist() == [0, 1, 3, 4, 5]
        assert len(VideoDataset([video], ClipWindow(1, 1), train=False)) == 1 + 2


def test_spacing_is_what_all_distances_have_in_common(tmp_path):
    write_video(tmp_path / "film", blob(5), numbers=[1, 5, 11, 15, 21])  # every second, and many are missing
    for [video] in (videos(tmp_path), open_videos(VideoFolderSettings(tmp_path), progress=False)):
        assert ((video.times - video.times[0]) / video.step).tolist() == [0, 2, 5, 7, 10]


def test_the_category_is_the_first_folder_however_deep_a_video_lies(tmp_path):
    write_video(tmp_path / "walk" / "park" / "a", blob(2))
    write_video(tmp_path / "run" / "walk" / "b", blob(2))
    assert [video.name for video in videos(tmp_path, categories=("walk",))] == ["walk/park/a"]


def test_a_frame_shown_twice_within_a_beat_counts_once(tmp_path):
    times = sorted([*range(0, 1200, 40), 366])
    drawn = blob(31, (12, 40))
    [video] = videos(write_uneven_mp4(tmp_path / "film.mp4", drawn, times))
    assert video.numbers.tolist() == list(range(30))
    apart = abs(pixels(video) - drawn.astype(int))
    nearest = apart.mean(axis=(2, 3)).argmin(axis=1).tolist()
    assert nearest == [n for n in range(31) if n != 10], "the frame at 366 ms is left out"


def test_a_short_film_in_whole_milliseconds_has_the_rate_it_tells(tmp_path):
    path = write_avi(tmp_path / "film.mkv", blob(6), fps=Fraction(30000, 1001))
    [video] = videos(path)
    assert abs(video.step / np.timedelta64(1, "s") - 1001 / 30000) < 1e-9
