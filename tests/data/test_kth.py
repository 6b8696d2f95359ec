"""KTH: layouts, parts by person, frame ranges, and what is said when it is not there."""

import logging

import numpy as np
import pytest

from nowcast.cli.main import main
from nowcast.core.errors import FileError, SettingsError
from nowcast.data.clips import VideoDataset
from nowcast.data.kth import KthSettings, open_kth, read_sequences
from nowcast.data.training_data import training_data
from nowcast.data.windows import ClipWindow
from tests.fakes.video_files import blob, kth_name, write_kth

ALL = slice(None)


def kth(path, **settings):
    return open_kth(KthSettings(path, **{"size": None, "processes": 1, **settings}), progress=False)


def pixels(source):
    return np.rint(source.read(0, len(source.times), ALL, ALL)[:, 0] * 255).astype(int)


def persons(sources):
    return sorted({int(source.name.rsplit("/", 1)[1][6:8]) for source in sources})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_kth(tmp_path_factory.mktemp("kth") / "kth", actions=("walking", "boxing"), frames=4)


@pytest.mark.parametrize("layout", ["folders", "flat", "frames"])
def test_every_layout_gives_the_same_frames_under_the_same_names(tmp_path, layout):
    root = write_kth(tmp_path / "kth", [3, 7], ("boxing", "running"), layout=layout, frames=6)
    found = kth(root)
    assert [source.name for source in found] == [
        "boxing/person03_boxing_d1",
        "boxing/person07_boxing_d1",
        "running/person03_running_d1",
        "running/person07_running_d1",
    ]
    for source, person in zip(found, (3, 7, 3, 7), strict=True):
        np.testing.assert_array_equal(pixels(source), blob(6, start=person))
        assert source.step == np.timedelta64(40, "ms")
        assert source.times[0] == np.datetime64(0, "ns")


def test_parts_are_persons_and_no_person_is_in_two(whole):
    train, validation, test = (kth(whole, part=part) for part in ("train", "validation", "test"))
    assert persons(train) == list(range(1, 15))
    assert persons(validation) == [15, 16]
    assert persons(test) == list(range(17, 26))
    assert len(train) == 2 * 14


def test_persons_to_validate_on_are_a_setting_within_those_to_train_on(whole):
    chosen = {"validation_persons": (2, 4, 16)}
    assert persons(kth(whole, part="validation", **chosen)) == [2, 4, 16]
    assert persons(kth(whole, **chosen)) == [n for n in range(1, 16) if n not in (2, 4)]
    assert persons(kth(whole, validation_persons=())) == list(range(1, 17))
    for wrong in ((17,), (0,), tuple(range(1, 17))):
        with pytest.raises(SettingsError, match=r"kth\.validation_persons: got"):
            KthSettings(whole, validation_persons=wrong)


def test_actions_and_scenarios(whole):
    assert len(kth(whole, actions=("boxing",))) == 14
    with pytest.raises(FileError, match="no KTH videos of the persons, actions and scenarios"):
        kth(whole, scenarios=(2,))
    with pytest.raises(SettingsError, match=r"kth\.actions: got flying"):
        KthSettings(whole, actions=("flying",))


def test_a_training_run_gets_two_parts_that_share_nobody(whole):
    data = training_data(
        kth(whole),
        ClipWindow(2, 2),
        validation_sources=kth(whole, part="validation"),
        flips_and_rotations=False,
    )
    assert not set(persons(data.train.sources)) & set(persons(data.validation.sources))
    with pytest.raises(SettingsError, match="in both train and validation"):
        training_data(kth(whole), ClipWindow(2, 2), validation_sources=kth(whole))


def test_default_frames_are_gray_128_by_128(whole):
    [source, *_] = open_kth(KthSettings(whole, actions=("boxing",), processes=1), progress=False)
    assert source.frame_shape == (1, 128, 128)


def test_ranges_are_runs_that_no_clip_leaves(tmp_path):
    ranges = {kth_name(1, "walking"): "1-8, 9-20", kth_name(2, "walking"): "5-10"}
    root = write_kth(tmp_path / "kth", [1, 2], frames=24, ranges=ranges)
    first, second, third = kth(root)
    np.testing.assert_array_equal(pixels(first), blob(24, start=1)[:8])
    np.testing.assert_array_equal(pixels(second), blob(24, start=1)[8:20])
    np.testing.assert_array_equal(pixels(third), blob(24, start=2)[4:10])
    assert second.times[0] == np.datetime64(8 * 40, "ms")
    clips = VideoDataset([first, second, third], ClipWindow(3, 3), train=False)
    assert len(clips) == 3 + 7 + 1
    for index in range(len(clips)):
        place = clips.place(index)
        assert place.first + 6 <= len(clips.sources[place.source].times)
    assert len(kth(root, sequences=False)) == 2


def test_ranges_of_extracted_frames_count_by_their_numbers(tmp_path):
    ranges = {kth_name(1, "walking"): "3-8"}
    root = write_kth(tmp_path / "kth", [1], layout="frames", frames=12, ranges=ranges)
    for number in (1, 5):
        (root / "walking" / "person01_walking_d1_uncomp" / f"frame_0000{number}.png").unlink()
    [source] = kth(root)
    np.testing.assert_array_equal(pixels(source), blob(12, start=1)[[2, 3, 5, 6, 7]])
    clips = VideoDataset([source], ClipWindow(2, 1), train=False)
    assert len(clips) == 1, "frame 5 is missing, nothing bridges it"


def test_ranges_beyond_a_video_are_cut_and_unlisted_videos_taken_whole_and_both_are_told(tmp_path, caplog):
    ranges = {kth_name(1, "walking"): "1-5, 6-40, 50-60", kth_name(3, "walking"): "*missing*"}
    root = write_kth(tmp_path / "kth", [1, 2], frames=10, ranges=ranges)
    with caplog.at_level(logging.WARNING):
        found = kth(root)
    assert [len(source.times) for source in found] == [5, 5, 10]
    assert "walking/person02_walking_d1: not in 00sequences.txt, taken whole" in caplog.text
    assert "2 frame ranges end beyond their video" in caplog.text


def test_the_list_as_it_is_published(tmp_path):
    text = (
        "The video files are named as follows\r\n"
        "person01_boxing_d1\t\tframe\t1-95, 96-185, 186-245, 246-360\r\n"
        "person01_boxing_d2           frames  1-106, 107-195 , 196 - 265\r\n"
        "person13_handclapping_d3\t*missing*\r\n"
    )
    (tmp_path / "00sequences.txt").write_text(text, newline="")
    assert read_sequences(tmp_path / "00sequences.txt") == {
        "person01_boxing_d1": [(1, 95), (96, 185), (186, 245), (246, 360)],
        "person01_boxing_d2": [(1, 106), (107, 195), (196, 265)],
    }
    for wrong, message in (("", "no line such as"), ("person01_boxing_d1 frame 9-5", "got frames 9-5")):
        (tmp_path / "00sequences.txt").write_text(wrong)
        with pytest.raises(FileError, match=message):
            read_sequences(tmp_path / "00sequences.txt")


def test_the_cache_alone_is_enough_ranges_included(tmp_path):
    root = write_kth(
        tmp_path / "kth",
        [1, 15],
        frames=20,
        ranges={kth_name(1, "walking"): "1-8, 9-20", kth_name(15, "walking"): "1-9"},
    )
    before = [pixels(source) for part in ("train", "validation") for source in kth(root, part=part)]
    root.rename(tmp_path / "aside")
    after = [pixels(source) for part in ("train", "validation") for source in kth(root, part=part)]
    assert [len(frames) for frames in after] == [8, 12, 9]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_video_twice_is_refused(tmp_path):
    write_kth(tmp_path / "kth", [1])
    write_kth(tmp_path / "kth", [1], layout="flat")
    with pytest.raises(FileError, match="got walking/person01_walking_d1 twice"):
        kth(tmp_path / "kth")


def test_where_it_is_missing_the_command_says_what_to_get_and_ends_with_2(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "small.yaml"
    config.write_text(
        "model: {name: convlstm, settings: {hidden: [4], filter_size: 3, patch: 4}}\n"
        "data:\n"
        f"  sources: [{{kind: kth, settings: {{path: {tmp_path / 'kth'}}}}}]\n"
        f"  validation_sources: [{{kind: kth, settings: {{path: {tmp_path / 'kth'}, part: validation}}}}]\n"
        "  scaling: null\n"
        "training: {steps: 1}\n"
    )
    assert main(["train", str(config)]) == 2
    said = capsys.readouterr().err
    for part in (
        "https://www.csc.kth.se/cvap/actions/",
        "walking.zip",
        "non-commercial use",
        "00sequences.txt",
        "kth/walking/person01_walking_d1_uncomp.avi",
    ):
        assert part in said
    assert said.strip().count("\n") == 0


@pytest.mark.parametrize("layout", ["mp4", "frames"])
def test_running_gives_more_clips_than_walking_where_the_protocol_says_so(tmp_path, layout):
    root = write_kth(tmp_path / "kth", [1], ("jogging", "walking"), layout=layout, frames=30)
    found = kth(root, strides={"jogging": 3, "running": 3})
    window = ClipWindow(5, 5, stride=20)
    clips = [VideoDataset([source], window, train=False) for source in found]
    assert [len(data) for data in clips] == [7, 2]
    np.testing.assert_array_equal(np.rint(clips[0][1].past[:, 0] * 255), blob(30, start=1)[3:8])
    bridged = VideoDataset(found, window, train=False, missing=1)
    assert len(bridged) == 9
    plain = VideoDataset(kth(root), window, train=False)
    assert len(plain) == 4
    assert plain.fingerprint != VideoDataset(found, window, train=False).fingerprint
    with pytest.raises(SettingsError, match=r"kth\.strides: got flying"):
        KthSettings(root, strides={"flying": 3})
    with pytest.raises(SettingsError, match=r"kth\.strides: got 0 for jogging"):
        KthSettings(root, strides={"jogging": 0})
