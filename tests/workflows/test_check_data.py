"""`nowcast data check`: which set a folder is, what is there, what is missing and what is damaged."""

import h5py
import netCDF4
import numpy as np
import pytest

from nowcast.cli.main import main
from nowcast.core.errors import FileError, SettingsError
from nowcast.data.catalog import SOURCES
from nowcast.data.human36m import CAMERAS
from nowcast.workflows.check_data import SURVEYS, check_data
from tests.fakes.data_sets import SEVIR_EVENTS, parted, write_sevir, write_split_folders, write_weather
from tests.fakes.video_files import write_human36m, write_kth, write_moving_mnist
from tests.fakes.videos import write_idx


def check(path, kind=None):
    return check_data(path, kind, processes=1)


def counted(report):
    return len(report.videos), sum(video.frames for video in report.videos), report.survey.kind


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("kitti", (3, 24, "kitti")),
        ("kitti_stacks", (6, 33, "kitti")),
        ("caltech", (3, 72, "caltech")),
        ("taxibj", (2, 120, "taxibj")),
        ("taxibj_counts", (1, 192, "taxibj")),
        ("sevir", (4, 48, "sevir")),
        ("weather_bench", (1, 60, "weather_bench")),
        ("video_files", (6, 72, "video_files")),
    ],
)
def test_every_set_is_recognised_and_read(tmp_path, form, expected):
    parted(form, tmp_path / "set")
    report = check(tmp_path / "set")
    assert counted(report) == expected
    assert report.sound
    assert counted(check(tmp_path / "set", expected[2])) == expected


def test_every_kind_of_files_can_be_checked():
    assert set(SURVEYS) == set(SOURCES) - {"radar_archive", "radar_cache", "video_folder", "moving_rain"}


def test_kth_says_who_and_what_is_missing_and_which_file_is_damaged(tmp_path):
    ranges = {"person01_walking_d1": "1-3, 4-6"}
    root = write_kth(tmp_path / "kth", [1, 15, 17], ("walking", "boxing"), frames=6, ranges=ranges)
    whole = str(check(root))
    assert "kth: KTH, as video files" in whole
    assert "videos    6; 36 frames of 12 x 16" in whole
    assert "parts     test 2, train 2, validation 2" in whole
    assert "missing   of action: handclapping, handwaving, jogging, running" in whole
    assert "missing   of person: 02, 03" in whole
    assert "00sequences.txt: 2 ranges of 1 films, 5 films here are not in it" in whole
    (root / "walking" / "person15_walking_d1_uncomp.avi").write_bytes(b"<html>not found</html>")
    (root / "boxing" / "person17_boxing_d1_uncomp.avi").unlink()
    report = check(root)
    assert [video.name for video in report.damaged] == ["walking/person15_walking_d1"]
    assert "missing   1 films: person17_boxing_d1" in str(report)
    assert not report.sound


@pytest.mark.parametrize("place", [".", "images"])
def test_human36m_is_compared_with_the_lists_beside_it(tmp_path, place):
    root = tmp_path / "human"
    write_human36m(root / place, ["S1", "S9"], layout="flat", frames=20, every=5)
    name = f"images/S1_Walking_1.{CAMERAS[0]}_"
    (root / "train.txt").write_text(f"{name},6\n{name},7\nimages/S5_Walking.{CAMERAS[0]}_,1\n")
    report = check(root)
    assert counted(report) == (2, 8, "human36m")
    assert "train.txt: 3 clips of 2 films" in str(report)
    assert "wrong     train.txt: 2 clips start at what is not there" in str(report)
    assert "missing   of subject: S5, S6, S7, S8, S11" in str(report)
    assert not report.sound


def test_lists_and_catalogs_that_name_what_is_not_there(tmp_path):
    root = write_split_folders(tmp_path / "set", ("train", "test"), frames=2)
    (root / "train.txt").write_text("video_00001\nvideo_00009\n")
    report = check(root)
    assert "wrong     train.txt: 1 of 2 are not there: video_00009" in str(report)
    assert "missing   a folder of the part 'validation'" in str(report)
    row = ["S9", "vil/2020/absent.h5", 0, "vil", "2020-01-01 00:00:00"]
    sevir = write_sevir(tmp_path / "sevir", SEVIR_EVENTS[:2], frames=6, catalogued=[row])
    assert "missing   1 files of the catalog: absent.h5" in str(check(sevir))
    with h5py.File(next(sevir.rglob("*.h5")), "a") as file:
        file["id"][1] = b"S7"
    assert "expected R18070112005500" in str(check(sevir))


def test_files_without_videos_are_told_by_what_they_hold(tmp_path):
    write_moving_mnist(tmp_path / "mm" / "mnist_test_seq.npy", sequences=2)
    assert "mnist_test_seq.npy: 40 frames of 64 x 64" in str(check(tmp_path / "mm"))
    write_idx(tmp_path / "idx", np.zeros((3, 28, 28)))
    said = check(tmp_path / "idx")
    assert "train: 3 pictures of 28 x 28" in str(said)
    assert "got no t10k-images-idx3-ubyte" in str(said)
    np.save(tmp_path / "mm" / "mnist_test_seq.npy", np.array([{}], object), allow_pickle=True)
    assert not check(tmp_path / "mm").sound


def test_fields_say_their_times_and_gaps_and_which_file_is_none(tmp_path):
    root = write_weather(tmp_path / "w", ("t2m", "u10"), years=(2015,), count=5, size=(4, 8))
    (root / "u10" / "u10_2016_5.625deg.nc").write_bytes(b"nothing")
    said = str(check(root))
    assert "t2m: 5 times every 1 h, 2015-01-01T00:00:00Z to 2015-01-01T04:00:00Z, 0 missing" in said
    assert "u10_2016_5.625deg.nc: cannot be read as netCDF" in said


def test_the_command_ends_with_0_1_line_and_2(tmp_path, capsys):
    root = write_split_folders(tmp_path / "set", frames=2)
    assert main(["data", "check", str(root), "--processes", "1"]) == 0
    assert "videos    6; 12 frames of 16 x 20" in capsys.readouterr().out
    next(root.rglob("*.jpg")).write_bytes(b"no picture")
    assert main(["data", "check", str(root), "--processes", "1"]) == 2
    assert "damaged picture" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    for wrong in (
        [str(tmp_path / "empty")],
        [str(tmp_path / "nowhere")],
        [str(root), "--kind", "radio"],
        [str(root), "--kind", "sevir"],
        [str(root), "--processes", "0"],
    ):
        assert main(["data", "check", *wrong]) == 2
        said = capsys.readouterr()
        assert said.err.count("\n") == 1
        assert not said.out


def test_what_is_wrong_with_the_only_kind_that_fits_is_said(tmp_path):
    (tmp_path / "CATALOG.csv").write_text("a,b\n")
    with pytest.raises(FileError, match=r"CATALOG\.csv: got no column"):
        check(tmp_path)
    with pytest.raises(SettingsError, match="--kind"):
        check(tmp_path, "video_folder")


@pytest.mark.parametrize(
    ("times", "latitudes", "expected"),
    [
        ([0, 1e12], [1, 0], "wrong     {path}: got no times"),
        ([0, 1], None, "damaged   t2m: {path}: got an axis 'lat' without values, expected latitudes"),
        ([0, 1], [1, 0], "2 frames of 2 x 3"),
    ],
)
def test_fields_without_axes_times_beyond_the_calendar_and_fields_of_nothing(
    tmp_path, times, latitudes, expected
):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", 2), ("lat", 2), ("lon", 3)):
            file.createDimension(name, size)
        axis = file.createVariable("time", "f8", ("time",))
        axis.units, axis[:] = "hours since 2000-01-01", times
        if latitudes:
            file.createVariable("lat", "f8", ("lat",))[:] = latitudes
        file.createVariable("t2m", "f4", ("time", "lat", "lon"), fill_value=-1)  # never written: nothing seen
    assert expected.format(path=path) in str(check(path))


def test_netcdf_without_fields_is_no_set_of_fields(tmp_path):
    netCDF4.Dataset(tmp_path / "a.nc", "w").close()
    with pytest.raises(FileError, match="got none, expected data of one of the kinds"):
        check(tmp_path)


def test_arrays_too_large_for_frames_are_named_unread(tmp_path):
    root = write_sevir(tmp_path / "sevir")
    [path] = (root / "vil" / "2018").glob("*.h5")
    with h5py.File(path, "a") as file:
        del file["vil"]
        file.create_dataset("vil", (2, 90_000, 90_000, 49), "u1", chunks=(1, 500, 500, 1))
    assert "'vil' claims (2, 90000, 90000, 49), expected at most" in str(check(root))
